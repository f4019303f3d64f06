//! What of places away from the host is looked at: whether each is there and ours. What a copy needs is tried by `upkeep offsite check`.

use std::time::Duration;

use super::super::session;
use super::{Findings, Found};
use crate::config::{Config, Offsite};
use crate::failure::{Class, Failure};
use crate::offsite;

/// How long a place may take to answer: one that hangs is told as that.
const DEADLINE: Duration = Duration::from_secs(10);

pub(super) async fn look(config: &Config, findings: &mut Findings) {
    for place in config.offsite.values() {
        let found = tokio::time::timeout(DEADLINE, Box::pin(one(config, place))).await;
        let hangs = || {
            let failure =
                Failure::new(Class::Unavailable, format!("{} gave no answer within {} s", place.name, DEADLINE.as_secs()));
            Found::problem(failure.hint("is its file system there? `findmnt`, `dmesg`"))
        };
        findings.add(None, "offsite", found.unwrap_or_else(|_| hangs()));
        for advice in keys(config, place).await {
            let failure = Failure::new(Class::Config, advice).hint("docs/offsite.md: keys");
            findings.add(None, "offsite", Found::advice(failure));
        }
    }
    for target in config.targets.values().filter(|target| !target.backup.files.is_empty()) {
        for place in
            target.offsite.to.iter().filter_map(|name| config.offsite.get(name)).filter(|place| place.encrypt_to.is_empty())
        {
            let what = format!("files go along with its archives, and go to {} in clear", place.name);
            let failure = Failure::new(Class::Config, what)
                .hint("if keys are among them, name public keys: `encrypt_to` (docs/offsite.md)");
            findings.add(Some(target), "offsite", Found::advice(failure));
        }
    }
    for target in config.targets.values().filter(|target| !config.offsite.is_empty() && target.offsite.to.is_empty()) {
        let failure = Failure::new(Class::Config, "no archive of it leaves this host");
        let failure = failure.hint("say where to: `to = [\"PLACE\"]` in [targets.T.offsite]");
        findings.add(Some(target), "offsite", Found::advice(failure));
    }
}

/// What should be better with its keys, as far as our own state knows them.
async fn keys(config: &Config, place: &Offsite) -> Vec<String> {
    let Ok(state) = session::state(config).await else { return Vec::new() };
    let unproven = offsite::unproven(&state, place).await;
    state.close().await;
    unproven.map(|unproven| offsite::keys(place, &unproven)).unwrap_or_default()
}

async fn one(config: &Config, place: &Offsite) -> Found {
    let looked = async {
        let state = session::state(config).await.map_err(|_| Failure::new(Class::Io, "our own state cannot be read"))?;
        let known = state.place(&place.name).await;
        let there = offsite::reading(&state, place, None).await;
        state.close().await;
        Ok::<_, Failure>((known?.is_some_and(|known| known.is_set_up()), there?))
    };
    match looked.await {
        Ok((true, there)) => Found::good(format!("{} is there: {}", place.name, there.called(""))),
        Ok((false, _)) => {
            let failure = Failure::new(Class::Config, format!("place {} is not set up on this host", place.name));
            Found::problem(failure.hint(format!("set it up: `upkeep offsite init {}`", place.name)))
        }
        Err(failure) => Found::problem(failure),
    }
}
