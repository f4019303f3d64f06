//! One round at a place: look what is there, send what is owed, newest first, and read some of it again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::aside::{aside, aside_long};
use super::drafts::Drafts;
use super::order::{Order, Which};
use super::reconcile::{Bad, news, of_entry, of_sidecar, reconcile};
use super::{Halt, OffsiteError, due, send, verify, writing};
use crate::config::{Offsite, Target};
use crate::context::Context;
use crate::failure::Chain;
use crate::fault;
use crate::ids::{Label, PlaceName, TargetName};
use crate::state_db::catalogue::{self, Entry};
use crate::state_db::copies::{Copy, CopyState};
use crate::store::place::{Place, PlaceError, Sidecar, label_of};
use crate::verify as archives;

/// How often the daemon makes a round at rest; what is to be read again is shared out by it.
pub const EVERY: Duration = Duration::from_secs(3600);

/// An archive that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its label.
    pub label: Label,
    /// Its target.
    pub target: TargetName,
    /// Its bytes.
    pub size: u64,
}

/// What a round did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Where.
    pub place: PlaceName,
    /// What was sent, sealed, and read back.
    pub copied: Vec<Sent>,
    /// Copies that were read again, every byte.
    pub verified: Vec<Label>,
    /// What was newly found not to be well.
    pub bad: Vec<Bad>,
    /// How many archives are still owed.
    pub owed: u64,
}

/// A round that did not go well to its end.
#[derive(Debug)]
pub struct CutShort {
    /// What was done until then, and stays done.
    pub round: Round,
    /// Why it ended.
    pub error: OffsiteError,
}

/// Makes a round.
///
/// # Errors
/// When the place cannot be used, or not all of what was owed could be sent; what was sent stays.
pub async fn copy(ctx: &Context, offsite: &Offsite, which: Which<'_>, halt: &Halt) -> Result<Round, Box<CutShort>> {
    let mut round = Round { place: offsite.name.clone(), copied: Vec::new(), verified: Vec::new(), bad: Vec::new(), owed: 0 };
    let done = Box::pin(go(ctx, offsite, which, halt, &mut round)).await;
    match noted(ctx, offsite, done).await {
        Ok(()) => Ok(round),
        Err(error) => Err(Box::new(CutShort { round, error })),
    }
}

/// Notes what the round says of the place as a whole.
async fn noted(ctx: &Context, offsite: &Offsite, done: Result<(), OffsiteError>) -> Result<(), OffsiteError> {
    let now = ctx.clock.now();
    match &done {
        Ok(_) | Err(OffsiteError::Several { .. } | OffsiteError::NotWanted { .. }) => {
            ctx.state.reached(&offsite.name, None, now).await?;
        }
        Err(OffsiteError::Stopped) => {}
        Err(error) => {
            let why = Chain(error).to_string();
            ctx.state.reached(&offsite.name, Some(&why), now).await?;
        }
    }
    done
}

async fn go(ctx: &Context, offsite: &Offsite, which: Which<'_>, halt: &Halt, round: &mut Round) -> Result<(), OffsiteError> {
    halt.progress.phase(&format!("looking at {}", offsite.name), 0);
    let (place, host) = writing(ctx, offsite).await?;
    fault::point("copy.opened");
    let sweeper = Arc::clone(&place);
    // No other writes there: the state's lock is ours, and the part of the place too.
    // What can be gone on with stays as long as it is owed, and may go in clear.
    let mut begun: BTreeSet<Label> = BTreeSet::new();
    if offsite.encrypt_to.is_empty() {
        for which in [which, (None, None)] {
            begun.extend(self::owed(ctx, offsite, which).await?.into_iter().map(|entry| entry.label));
        }
    }
    let is_wanted = move |object: &str| label_of(object).is_some_and(|label| begun.contains(&label));
    let swept = aside(&place.called(""), move || sweeper.sweep(&is_wanted)).await??;
    if swept > 0 {
        tracing::info!(place = %offsite.name, swept, "what an earlier copy left half-way was removed");
    }
    reconcile(ctx, offsite, &place, &mut round.bad).await?;
    let seen = ctx.state.copies(Some(&offsite.name), None).await?;
    let sealed = seen.into_iter().filter(Copy::is_there).map(|copy| copy.label).collect();
    drafts(ctx, offsite).tidy(&sealed)?;
    let owed = owed(ctx, offsite, which).await?;
    let mut failed: Option<OffsiteError> = None;
    let (mut failures, mut cold) = (0, Vec::new());
    for entry in &owed {
        halt.wanted()?;
        // Retention may have been faster: what is not here any more is not owed.
        if catalogue::find(&ctx.state, &entry.label).await?.is_none() {
            continue;
        }
        match one(ctx, offsite, &place, (entry, &host), halt).await {
            Ok(sidecar) => {
                note(ctx, offsite, entry, &sidecar).await?;
                drafts(ctx, offsite).forget(&entry.label)?;
                fault::point("copy.noted");
                tracing::info!(target = %entry.target, label = %entry.label, place = %offsite.name, "copied");
                round.copied.push(Sent { label: entry.label.clone(), target: entry.target.clone(), size: entry.size });
            }
            Err(error) if error.ends_the_round() => return Err(error),
            Err(_) if catalogue::find(&ctx.state, &entry.label).await?.is_none() => {}
            Err(error) => {
                let state = if matches!(error, OffsiteError::Foreign { .. }) { CopyState::Foreign } else { CopyState::Failed };
                let why = Chain(&error).to_string();
                refused(ctx, offsite, entry, state, &why, round).await?;
                failures += 1;
                failed.get_or_insert(error);
            }
        }
    }
    if which == (None, None) {
        cold = reread(ctx, offsite, &place, halt, round).await?;
        forget_lost(ctx, offsite, failures == 0).await?;
    }
    round.owed = self::owed(ctx, offsite, (None, None)).await?.len() as u64;
    match failed {
        None if cold.is_empty() => Ok(()),
        None => {
            let (count, all) = (cold.len(), cold.len() + round.verified.len());
            Err(OffsiteError::Several { place: offsite.name.clone(), count, all, first: Box::new(cold.remove(0)) })
        }
        Some(first) => {
            Err(OffsiteError::Several { place: offsite.name.clone(), count: failures, all: owed.len(), first: Box::new(first) })
        }
    }
}

/// Proves the archive here, then sends it.
async fn one(
    ctx: &Context,
    offsite: &Offsite,
    place: &Arc<dyn Place>,
    (entry, host): (&Entry, &str),
    halt: &Halt,
) -> Result<Sidecar, OffsiteError> {
    archives::check(ctx, entry, &halt.progress).await?;
    let order = Order {
        entry: entry.clone(),
        host: host.to_owned(),
        now: ctx.clock.now(),
        encrypt_to: offsite.encrypt_to.clone(),
        drafts: drafts(ctx, offsite),
    };
    let (at, place, halt) = (place.called(""), Arc::clone(place), halt.clone());
    let sent = aside_long(&at, move || send::send(&*place, &order, &halt)).await?;
    match sent {
        Err(OffsiteError::Place(PlaceError::Content { source, .. })) if source.kind() == std::io::ErrorKind::Interrupted => {
            Err(OffsiteError::Stopped)
        }
        sent => sent,
    }
}

fn drafts(ctx: &Context, offsite: &Offsite) -> Drafts {
    Drafts::of(&ctx.config.daemon.state_dir, &offsite.name)
}

/// The targets whose archives go to a place.
fn targets<'a>(ctx: &'a Context, place: &'a PlaceName) -> impl Iterator<Item = &'a Target> {
    ctx.config.targets.values().filter(move |target| target.offsite.to.contains(place))
}

/// What is to be sent, newest first.
async fn owed(ctx: &Context, offsite: &Offsite, (label, of): Which<'_>) -> Result<Vec<Entry>, OffsiteError> {
    let (seen, now) = (ctx.state.copies(Some(&offsite.name), None).await?, ctx.clock.now());
    let mut owed: Vec<Entry> = Vec::new();
    if let Some(label) = label {
        return named(ctx, offsite, label, &seen).await;
    }
    for target in targets(ctx, &offsite.name).filter(|target| of.is_none_or(|of| target.name == *of)) {
        let entries = catalogue::list(&ctx.state, Some(&target.name)).await?;
        owed.extend(due::owed(&entries, &seen, &offsite.name, &target.offsite, now).into_iter().cloned());
    }
    owed.sort_by(|a, b| (b.taken_at, &b.label).cmp(&(a.taken_at, &a.label)));
    Ok(owed)
}

/// The one archive that a person named, whatever kind it is of; nothing where it is there already.
async fn named(ctx: &Context, offsite: &Offsite, label: &Label, seen: &[Copy]) -> Result<Vec<Entry>, OffsiteError> {
    let refused =
        |why: &str| OffsiteError::NotWanted { label: label.clone(), place: offsite.name.clone(), why: why.to_owned() };
    let entry = catalogue::find(&ctx.state, label).await?.ok_or_else(|| refused("there is no such archive here"))?;
    let is_there = seen.iter().any(|copy| copy.label == *label && copy.is_there());
    if !targets(ctx, &offsite.name).any(|target| target.name == entry.target) {
        return Err(refused("archives of its target do not go there: `to` in [targets.T.offsite]"));
    }
    Ok(if is_there { Vec::new() } else { vec![entry] })
}

/// Notes an archive that could not be sent.
async fn refused(
    ctx: &Context,
    offsite: &Offsite,
    entry: &Entry,
    state: CopyState,
    why: &str,
    round: &mut Round,
) -> Result<(), OffsiteError> {
    let seen: Vec<Copy> = ctx.state.copy(&offsite.name, &entry.label).await?.into_iter().collect();
    if seen.iter().any(|copy| copy.state == CopyState::Lost) {
        return Ok(());
    }
    let copy = of_entry(offsite, entry, ctx.clock.now());
    news(ctx, &seen, Copy { state, why: Some(why.to_owned()), ..copy }, &mut round.bad).await
}

/// Notes a copy that was sent: every byte of it was read back before its seal.
async fn note(ctx: &Context, offsite: &Offsite, entry: &Entry, sidecar: &Sidecar) -> Result<(), OffsiteError> {
    let now = ctx.clock.now();
    let copy = Copy { target: entry.target.clone(), verified_at: Some(now), ..of_sidecar(offsite, sidecar, now) };
    Ok(ctx.state.saw_copy(&copy).await?)
}

/// Reads the share of a round back. Why some of it could not be read: what has to be thawed before.
async fn reread(
    ctx: &Context,
    offsite: &Offsite,
    place: &Arc<dyn Place>,
    halt: &Halt,
    round: &mut Round,
) -> Result<Vec<OffsiteError>, OffsiteError> {
    let mut cold = Vec::new();
    let Some(every) = offsite.reread else { return Ok(cold) };
    let seen = ctx.state.copies(Some(&offsite.name), None).await?;
    for copy in due::to_reread(&seen, every, EVERY, ctx.clock.now()) {
        halt.wanted()?;
        match verify::one(ctx, offsite, (place, &copy.label), None, halt).await {
            Ok(_) => round.verified.push(copy.label.clone()),
            Err(error @ OffsiteError::Damaged { .. }) => {
                let (label, target, why) = (copy.label.clone(), copy.target.clone(), error.to_string());
                round.bad.push(Bad { label, target, state: CopyState::Damaged.to_string(), why });
            }
            Err(OffsiteError::NoSuchCopy { .. }) => {}
            // Whole for all that is known, and nobody can read it now: it is told at the end, and keeps no other from being read.
            Err(OffsiteError::Place(error)) if error.is_cold() => cold.push(error.into()),
            Err(error) => return Err(error),
        }
    }
    Ok(cold)
}

/// What was deleted here without a copy is told until a round went well: then what can be there is there.
async fn forget_lost(ctx: &Context, offsite: &Offsite, all_well: bool) -> Result<(), OffsiteError> {
    let seen = ctx.state.copies(Some(&offsite.name), None).await?;
    for copy in
        seen.iter().filter(|copy| copy.state == CopyState::Lost && all_well && ctx.clock.now() - copy.at > TimeDelta::days(1))
    {
        ctx.state.forget_copy(&offsite.name, &copy.label).await?;
    }
    Ok(())
}
