//! Retention waits for copies: an archive that is owed to a place is deleted here when it is there, or when there is no more room or time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::freeze::{self, Memory};
use super::{ExpireError, PruneMode};
use crate::config::Target;
use crate::context::Context;
use crate::durable;
use crate::ids::{Label, PlaceName};
use crate::offsite::due::{self, Waiting};
use crate::retention::{Fate, VerdictOf};
use crate::state_db::StateError;
use crate::state_db::catalogue::Entry;
use crate::state_db::copies::{Copy, CopyState};

/// Keeps what waits, with the reason. Those that go all the same, with the places that lack them.
pub(super) async fn for_copies(
    ctx: &Context,
    target: &Target,
    there: &[&Entry],
    verdicts: &mut [VerdictOf],
    mode: PruneMode,
) -> Result<BTreeMap<Label, Vec<PlaceName>>, ExpireError> {
    if target.offsite.to.is_empty() {
        return Ok(BTreeMap::new());
    }
    let seen = ctx.state.copies(None, Some(&target.name)).await?;
    let goes = |label: &Label| verdicts.iter().any(|verdict| verdict.label == *label && verdict.fate == Fate::LetGo);
    let doomed: Vec<&Entry> = there.iter().copied().filter(|entry| goes(&entry.label)).collect();
    let free = durable::free_bytes(&target.backup.directory).ok();
    let largest = there.iter().map(|entry| entry.size).max().unwrap_or_default();
    let (state_dir, now) = (&ctx.config.daemon.state_dir, ctx.clock.now());
    let memory = freeze::read(state_dir, &target.name)?;
    let Waiting { stay, lost } = due::waiting(&doomed, &seen, &target.offsite, &memory.waits, (free, largest), now);
    let first = |label: &Label| memory.waits.get(label).copied().filter(|first| *first <= now).unwrap_or(now);
    let waits: BTreeMap<Label, DateTime<Utc>> =
        stay.keys().chain(lost.keys()).map(|label| (label.clone(), first(label))).collect();
    // While nothing is deleted no wait needs to be counted, and what cannot be read is not written over.
    if mode == PruneMode::Apply && memory.frozen.is_none() && memory.waits != waits {
        freeze::write(state_dir, &target.name, &Memory { waits, ..memory })?;
    }
    for verdict in verdicts {
        if let Some(places) = stay.get(&verdict.label) {
            let places: Vec<&str> = places.iter().map(PlaceName::as_str).collect();
            verdict.fate = Fate::Keep;
            verdict.reasons = vec![format!("waits for its copy at {}", places.join(", "))];
        }
    }
    Ok(lost)
}

/// Writes down which archives go without their copies: `upkeep status` tells it.
pub(super) async fn note_lost(
    ctx: &Context,
    doomed: &[&Entry],
    lost: &BTreeMap<Label, Vec<PlaceName>>,
) -> Result<(), StateError> {
    let seen = if lost.is_empty() { Vec::new() } else { ctx.state.copies(None, None).await? };
    for entry in doomed {
        for place in lost.get(&entry.label).into_iter().flatten() {
            let before = seen.iter().find(|copy| copy.place == *place && copy.label == entry.label);
            // What is there under its name and is no copy of it stays told as that: forgotten, it would be taken for one.
            if before.is_some_and(|copy| matches!(copy.state, CopyState::Damaged | CopyState::Foreign | CopyState::Lost)) {
                continue;
            }
            tracing::error!(target = %entry.target, label = %entry.label, place = %place, "an archive is deleted without its copy");
            let copy = Copy {
                place: place.clone(),
                label: entry.label.clone(),
                target: entry.target.clone(),
                taken_at: entry.taken_at,
                size: entry.size,
                digest: before.map(|copy| copy.digest.clone()).unwrap_or_default(),
                state: CopyState::Lost,
                why: Some("retention needed the room or had waited for two weeks".to_owned()),
                at: ctx.clock.now(),
                verified_at: None,
            };
            ctx.state.saw_copy(&copy).await?;
        }
    }
    Ok(())
}
