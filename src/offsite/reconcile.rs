//! Bringing what is known of a place in line with what is there. The sidecars are the truth; the table is an index of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::aside::aside;
use super::drafts::Drafts;
use super::look::{self, ANOTHER, Listing, is_another};
use super::{OffsiteError, send};
use crate::config::Offsite;
use crate::context::Context;
use crate::failure::Chain;
use crate::ids::{Label, TargetName};
use crate::state_db::catalogue::{self, Entry};
use crate::state_db::copies::{Copy, CopyState};
use crate::store::place::{Place, Sidecar};

/// How long it is told that a copy is gone whose archive is gone here too.
const MOURNED: TimeDelta = TimeDelta::days(14);

/// What is told of a copy that nobody here can vouch for.
pub(super) const UNREMEMBERED: &str = "it is encrypted, and this host has no record of having sent it: it counts as no copy until \
    `upkeep verify LABEL --at PLACE --identity FILE` has opened it";

/// A copy that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bad {
    /// Of this archive.
    pub label: Label,
    /// Of this target.
    pub target: TargetName,
    /// `missing`, `damaged`, `foreign`, `failed`.
    pub state: String,
    /// Why.
    pub why: String,
}

/// Brings what is known of a place in line with what is there.
pub(super) async fn reconcile(
    ctx: &Context,
    offsite: &Offsite,
    place: &Arc<dyn Place>,
    bad: &mut Vec<Bad>,
) -> Result<(), OffsiteError> {
    let (seen, now) = (ctx.state.copies(Some(&offsite.name), None).await?, ctx.clock.now());
    let known: BTreeMap<Label, u64> =
        seen.iter().filter(|copy| copy.is_there()).map(|copy| (copy.label.clone(), copy.size)).collect();
    let listing = look::at(place, known).await?;
    for (label, sidecar) in &listing.sealed {
        let before = seen.iter().find(|copy| copy.label == *label);
        let entry = catalogue::find(&ctx.state, label).await?;
        match before {
            // What was found damaged stays so until it is read back and found right.
            Some(copy) if copy.state == CopyState::Damaged && copy.digest == sidecar.digest => continue,
            // With its archive gone nothing says any more whose it is.
            Some(copy) if copy.state == CopyState::Foreign && !is_here(entry.as_ref()) => continue,
            Some(copy) if copy.state != CopyState::Foreign && is_another(copy, sidecar) => {
                let damaged = Copy { state: CopyState::Damaged, why: Some(ANOTHER.to_owned()), at: now, ..copy.clone() };
                news(ctx, &seen, Copy { verified_at: None, ..damaged }, bad).await?;
                continue;
            }
            _ => {}
        }
        if is_unremembered(ctx, offsite, before, sidecar)? {
            if is_here(entry.as_ref()) {
                news(ctx, &seen, unremembered(of_sidecar(offsite, sidecar, now)), bad).await?;
            }
            continue;
        }
        match is_ours(place, sidecar, entry).await {
            // It is the archive here that cannot be read: of the copy that says nothing.
            Err(error @ OffsiteError::Ours { .. }) => {
                let why = Chain(&error).to_string();
                tracing::warn!(label = %label, place = %offsite.name, why, "a copy cannot be compared");
            }
            Err(error) => return Err(error),
            Ok(None) => {
                let verified_at = before.filter(|copy| copy.digest == sidecar.digest).and_then(|copy| copy.verified_at);
                let copy = of_sidecar(offsite, sidecar, now);
                ctx.state.saw_copy(&Copy { verified_at, ..copy }).await?;
            }
            Ok(Some(why)) => {
                let copy = Copy { state: CopyState::Foreign, why: Some(why), ..of_sidecar(offsite, sidecar, now) };
                news(ctx, &seen, copy, bad).await?;
            }
        }
    }
    for (label, why) in &listing.damaged {
        let copy = match seen.iter().find(|copy| copy.label == *label) {
            Some(copy) => copy.clone(),
            None => match catalogue::find(&ctx.state, label).await? {
                Some(entry) => of_entry(offsite, &entry, now),
                // Of no archive that we know: it is in nobody's way, and `upkeep list --at` shows it.
                None => continue,
            },
        };
        news(ctx, &seen, Copy { state: CopyState::Damaged, why: Some(why.clone()), at: now, ..copy }, bad).await?;
    }
    vanished(ctx, offsite, (&seen, &listing), bad).await
}

/// Whether nothing here says that what is sealed and encrypted is what was sent. Its sidecar is no proof: what it says of the archive can be
/// copied from another by whoever writes at the place, and nobody here sees what is inside.
pub(super) fn is_unremembered(
    ctx: &Context,
    offsite: &Offsite,
    known: Option<&Copy>,
    sidecar: &Sidecar,
) -> Result<bool, OffsiteError> {
    // One that is known by its digest is held to that elsewhere.
    let is_known = |copy: &Copy| copy.state != CopyState::Foreign && !copy.digest.is_empty();
    if sidecar.encryption.is_none() || known.is_some_and(is_known) {
        return Ok(false);
    }
    let draft = Drafts::of(&ctx.config.daemon.state_dir, &offsite.name).read(&sidecar.label)?;
    Ok(draft.is_none_or(|draft| draft.digest != sidecar.digest))
}

/// Such a copy. Its digest is not noted: it would count as known the next time.
pub(super) fn unremembered(copy: Copy) -> Copy {
    Copy { state: CopyState::Foreign, why: Some(UNREMEMBERED.to_owned()), digest: String::new(), ..copy }
}

pub(super) fn is_here(entry: Option<&Entry>) -> bool {
    entry.is_some_and(|entry| entry.path.exists())
}

/// Why a sealed copy is not of the archive that has its label here; none where it is, or where there is no such archive any more.
pub(super) async fn is_ours(
    place: &Arc<dyn Place>,
    sidecar: &Sidecar,
    entry: Option<Entry>,
) -> Result<Option<String>, OffsiteError> {
    let Some(entry) = entry.filter(|entry| is_here(Some(entry))) else { return Ok(None) };
    if entry.size != sidecar.archive_bytes() {
        return Ok(Some(format!("it has {} bytes, and the archive here {}", sidecar.archive_bytes(), entry.size)));
    }
    let (at, place, sidecar) = (place.called(""), Arc::clone(place), sidecar.clone());
    match aside(&at, move || send::is_of(&*place, &sidecar, &entry)).await? {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some("it is another archive than the one of this label here".to_owned())),
        Err(error) if error.ends_the_round() || matches!(error, OffsiteError::Ours { .. }) => Err(error),
        Err(error) => Ok(Some(Chain(&error).to_string())),
    }
}

/// What was there and is not any more.
async fn vanished(
    ctx: &Context,
    offsite: &Offsite,
    (seen, listing): (&[Copy], &Listing),
    bad: &mut Vec<Bad>,
) -> Result<(), OffsiteError> {
    let now = ctx.clock.now();
    let sealed = |label: &Label| {
        let Listing { sealed, known, damaged, unreadable, .. } = listing;
        sealed.contains_key(label) || known.contains_key(label) || damaged.contains_key(label) || unreadable.contains_key(label)
    };
    for copy in seen.iter().filter(|copy| copy.place == offsite.name && !sealed(&copy.label)) {
        match copy.state {
            CopyState::Copied => {
                let why = "it was there, and neither it nor its sidecar is any more".to_owned();
                news(ctx, seen, Copy { state: CopyState::Missing, why: Some(why), at: now, ..copy.clone() }, bad).await?;
            }
            // What stood in the way is gone: it is sent again.
            CopyState::Damaged => ctx.state.forget_copy(&offsite.name, &copy.label).await?,
            // Nobody would send it any more.
            CopyState::Failed | CopyState::Foreign if catalogue::find(&ctx.state, &copy.label).await?.is_none() => {
                ctx.state.forget_copy(&offsite.name, &copy.label).await?;
            }
            CopyState::Foreign if !listing.unsealed.contains_key(&copy.label) => {
                ctx.state.forget_copy(&offsite.name, &copy.label).await?;
            }
            CopyState::Missing if now - copy.at > MOURNED => ctx.state.forget_copy(&offsite.name, &copy.label).await?,
            CopyState::Failed | CopyState::Foreign | CopyState::Missing | CopyState::Lost => {}
        }
    }
    Ok(())
}

/// Writes down what is not well, and tells of it where that is new.
pub(super) async fn news(ctx: &Context, seen: &[Copy], copy: Copy, bad: &mut Vec<Bad>) -> Result<(), OffsiteError> {
    let is_new = !seen.iter().any(|before| before.label == copy.label && before.state == copy.state && before.why == copy.why);
    if is_new {
        let (label, target, why) = (copy.label.clone(), copy.target.clone(), copy.why.clone().unwrap_or_default());
        tracing::error!(target = %target, label = %label, place = %copy.place, state = %copy.state, why, "a copy is not well");
        bad.push(Bad { label, target, state: copy.state.to_string(), why });
        ctx.state.saw_copy(&copy).await?;
    }
    Ok(())
}

pub(super) fn of_sidecar(offsite: &Offsite, sidecar: &Sidecar, at: DateTime<Utc>) -> Copy {
    Copy {
        place: offsite.name.clone(),
        label: sidecar.label.clone(),
        target: sidecar.target.clone(),
        taken_at: sidecar.taken_at,
        size: sidecar.size,
        digest: sidecar.digest.clone(),
        state: CopyState::Copied,
        why: None,
        at,
        verified_at: None,
    }
}

pub(super) fn of_entry(offsite: &Offsite, entry: &Entry, at: DateTime<Utc>) -> Copy {
    Copy {
        place: offsite.name.clone(),
        label: entry.label.clone(),
        target: entry.target.clone(),
        taken_at: entry.taken_at,
        size: entry.size,
        digest: String::new(),
        state: CopyState::Failed,
        why: None,
        at,
        verified_at: None,
    }
}
