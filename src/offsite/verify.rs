//! Copies read back, every byte, and held to their sidecars.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::aside::aside_while;
use super::look::{ANOTHER, is_another};
use super::order::{Which, content_error, read_through};
use super::reconcile::{UNREMEMBERED, is_here, is_ours, is_unremembered, of_sidecar, unremembered};
use super::{Halt, OffsiteError, look, opened, reading};
use crate::archive::ArchiveError;
use crate::cipher::Identity;
use crate::config::Offsite;
use crate::context::Context;
use crate::failure::Chain;
use crate::ids::{Label, PlaceName, TargetName};
use crate::state_db::catalogue;
use crate::state_db::copies::{Copy, CopyState};
use crate::store::place::{Digests, Place, Sidecar};

/// Copies that were read back and are what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reread {
    /// Where.
    pub place: PlaceName,
    /// How many.
    pub verified: u64,
    /// Which.
    pub labels: Vec<Label>,
    /// How many of them are encrypted and were not opened: their bytes are as they were sent, and nobody looked inside.
    #[serde(default)]
    pub unopened: u64,
}

/// Reads copies back: one, those of a target, or all of this host's. What is found is noted.
///
/// # Errors
/// When one of them is not what was sent, or cannot be read.
pub async fn verify(
    ctx: &Context,
    offsite: &Offsite,
    (label, target): Which<'_>,
    identity: Option<&Arc<Identity>>,
    halt: &Halt,
) -> Result<Reread, OffsiteError> {
    let place = reading(&ctx.state, offsite, None).await?;
    let labels = match label {
        Some(label) => vec![label.clone()],
        None => {
            let listed = super::listed(&ctx.state, &offsite.name, &place).await?;
            let is_meant = |of: &Option<TargetName>| target.is_none() || of.is_none() || of.as_ref() == target;
            listed
                .into_iter()
                .filter(|copy| copy.state != "unfinished" && is_meant(&copy.target))
                .map(|copy| copy.label)
                .collect()
        }
    };
    let (mut good, mut bad, mut unopened) = (Vec::new(), Vec::new(), 0);
    for label in &labels {
        halt.wanted()?;
        match one(ctx, offsite, (&place, label), identity, halt).await {
            Ok(sidecar) => {
                unopened += u64::from(sidecar.encryption.is_some() && identity.is_none());
                good.push(label.clone());
            }
            Err(error) if error.ends_the_round() => return Err(error),
            Err(error) => bad.push(error),
        }
    }
    let (count, all) = (bad.len(), labels.len());
    match bad.into_iter().next() {
        None => Ok(Reread { place: offsite.name.clone(), verified: good.len() as u64, labels: good, unopened }),
        Some(only) if all == 1 => Err(only),
        Some(first) => Err(OffsiteError::Several { place: offsite.name.clone(), count, all, first: Box::new(first) }),
    }
}

/// Reads one copy back and notes what it is.
pub(super) async fn one(
    ctx: &Context,
    offsite: &Offsite,
    (place, label): (&Arc<dyn Place>, &Label),
    identity: Option<&Arc<Identity>>,
    halt: &Halt,
) -> Result<Sidecar, OffsiteError> {
    let identity_given = identity.is_some();
    let (there, of, identity, beat) = (Arc::clone(place), label.clone(), identity.cloned(), halt.progress.clone());
    let halt = halt.clone();
    let found = aside_while(&place.called(""), &beat, move || blocking(&*there, &of, identity.as_ref(), &halt)).await?;
    let now = ctx.clock.now();
    let known = ctx.state.copy(&offsite.name, label).await?;
    let is_told = |why: Option<&str>| why == Some(UNREMEMBERED) && identity_given;
    match (&found, known) {
        // What stands in an archive's way is a round's to look at again: as whole as it may be, it is not known to be of that archive.
        // Only what is encrypted and nobody remembers is known for what it is once it was opened.
        (Ok(sidecar), Some(Copy { state: CopyState::Foreign, why, .. })) if !is_told(why.as_deref()) => {
            let (path, why) = (place.called(&sidecar.object), why.unwrap_or_default());
            return Err(OffsiteError::Foreign { label: label.clone(), path, why });
        }
        (Err(_), Some(Copy { state: CopyState::Foreign, .. })) => {}
        (Ok(sidecar), known) => {
            if !identity_given && is_unremembered(ctx, offsite, known.as_ref(), sidecar)? {
                // Its bytes are as its sidecar has them, and of nobody's archive for all that is known: nothing is noted that would count.
                if !is_here(catalogue::find(&ctx.state, label).await?.as_ref()) {
                    return found;
                }
                ctx.state.saw_copy(&unremembered(of_sidecar(offsite, sidecar, now))).await?;
                let (path, why) = (place.called(&sidecar.object), UNREMEMBERED.to_owned());
                return Err(OffsiteError::Foreign { label: label.clone(), path, why });
            }
            if let Some(known) = known.filter(|known| is_another(known, sidecar)) {
                let why = ANOTHER.to_owned();
                note_damaged(ctx, known, &why).await?;
                return Err(OffsiteError::Damaged { label: label.clone(), place: offsite.name.to_string(), why });
            }
            let copy = of_sidecar(offsite, sidecar, now);
            if let Some(why) = is_ours(place, sidecar, catalogue::find(&ctx.state, label).await?).await? {
                ctx.state.saw_copy(&Copy { state: CopyState::Foreign, why: Some(why.clone()), ..copy }).await?;
                return Err(OffsiteError::Foreign { label: label.clone(), path: place.called(&sidecar.object), why });
            }
            ctx.state.saw_copy(&Copy { verified_at: Some(now), ..copy }).await?;
        }
        (Err(OffsiteError::Damaged { why, .. }), Some(known)) => note_damaged(ctx, known, why).await?,
        (Err(_), _) => {}
    }
    found
}

/// Since when it is damaged stays as it is while it lasts.
async fn note_damaged(ctx: &Context, known: Copy, why: &str) -> Result<(), OffsiteError> {
    let at = if known.state == CopyState::Damaged { known.at } else { ctx.clock.now() };
    let damaged = Copy { state: CopyState::Damaged, why: Some(why.to_owned()), at, verified_at: None, ..known };
    Ok(ctx.state.saw_copy(&damaged).await?)
}

/// Reads a copy back. What is encrypted is looked into where an identity is at hand; without one its bytes are proved, and nothing of what
/// is inside. Blocking.
pub(super) fn blocking(
    place: &dyn Place,
    label: &Label,
    identity: Option<&Arc<Identity>>,
    halt: &Halt,
) -> Result<Sidecar, OffsiteError> {
    // One copy that cannot be read keeps no other from being read: it is told, and is no copy until it can be.
    // One that has to be thawed is told as that: nothing says that it is not well.
    let unread = |error: OffsiteError| match error {
        OffsiteError::Place(error) if error.is_of_one() && !error.is_cold() => OffsiteError::Damaged {
            label: label.clone(),
            place: place.called(&Sidecar::name_of(label)),
            why: format!("it cannot be read: {}", Chain(&error)),
        },
        error => error,
    };
    let sidecar = look::sidecar(place, label).map_err(unread)?;
    let called = place.called(&sidecar.object);
    let damaged = |why: String| OffsiteError::Damaged { label: label.clone(), place: called.clone(), why };
    if place.stat(&sidecar.object).map_err(|error| unread(error.into()))? != Some(sidecar.size) {
        return Err(damaged(format!("it was sealed with {} bytes and has others", sidecar.size)));
    }
    halt.progress.phase(&format!("reading {label} back"), sidecar.size);
    let digests = Digests::by(sidecar.stretch_bytes);
    let read = read_through(place.open(&sidecar.object).map_err(|error| unread(error.into()))?, sidecar.size, digests, halt);
    let (_, digest, _, stretches) = read.map_err(|error| unread(content_error(place, &sidecar.object, error)))?.end();
    if digest != sidecar.digest {
        let first = stretches.iter().zip(&sidecar.stretches).position(|(found, sealed)| found != sealed);
        let at = first.map(|nth| nth as u64 * sidecar.stretch_bytes);
        let where_ = at.map_or_else(String::new, |at| format!(", first after byte {at}"));
        return Err(damaged(format!("its bytes are not those that were sent{where_}")));
    }
    // The right bytes of something that is no archive would be the right copy of nothing.
    if sidecar.encryption.is_some() && identity.is_none() {
        return Ok(sidecar);
    }
    let looked = opened(place, &sidecar, identity).and_then(|archive| {
        if sidecar.encryption.is_some() {
            archive.check(1, &halt.progress).map_err(OffsiteError::of_copy)?;
        }
        Ok(())
    });
    match looked {
        Ok(()) => Ok(sidecar),
        Err(OffsiteError::Archive(error @ (ArchiveError::Torn { .. } | ArchiveError::Damaged { .. }))) => {
            Err(damaged(error.to_string()))
        }
        Err(error) => Err(error),
    }
}
