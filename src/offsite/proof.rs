//! Which public keys are known to open what is encrypted to them. A key that nobody has tried may be lost already, and every copy with it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::aside::aside_while;
use super::reconcile::is_ours;
use super::{Halt, OffsiteError, look, opened, reading, verify};
use crate::cipher::Identity;
use crate::config::Offsite;
use crate::context::Context;
use crate::ids::{Label, PlaceName};
use crate::state_db::copies::{Copy, CopyState};
use crate::state_db::{StateDb, StateError, catalogue};
use crate::store::place::{Place, Sidecar};

/// What came of trying keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Where.
    pub place: PlaceName,
    /// The copy that was opened.
    pub label: Label,
    /// The public keys whose secret half opened it.
    pub proven: Vec<String>,
    /// Those of the configuration that nobody has opened a copy with yet.
    pub unproven: Vec<String>,
}

/// The configured recipients of a place whose identity never opened a copy there.
///
/// # Errors
/// When our own state gives no answer.
pub async fn unproven(state: &StateDb, offsite: &Offsite) -> Result<Vec<String>, StateError> {
    let proven = state.proven(&offsite.name).await?;
    let is_proven = |name: &str| proven.iter().any(|(recipient, _)| recipient == name);
    Ok(offsite.encrypt_to.iter().map(ToString::to_string).filter(|name| !is_proven(name)).collect())
}

/// Opens a copy with each key alone: every byte is read, decrypted and compared with the archive's own digests. Without a label the newest
/// one that is encrypted is taken.
///
/// # Errors
/// When no key opens it, or it is not whole.
pub async fn prove_keys(
    ctx: &Context,
    offsite: &Offsite,
    label: Option<&Label>,
    identity: Identity,
    halt: &Halt,
) -> Result<Proof, OffsiteError> {
    let place = reading(&ctx.state, offsite, None).await?;
    let label = match label {
        Some(label) => label.clone(),
        None => {
            let listed = super::listed(&ctx.state, &offsite.name, &place).await?;
            let newest = listed.into_iter().find(|copy| !copy.encrypted_to.is_empty() && copy.why.is_none());
            newest.map(|copy| copy.label).ok_or_else(|| OffsiteError::NothingEncrypted(offsite.name.clone()))?
        }
    };
    let known = ctx.state.copy(&offsite.name, &label).await?;
    let (mut proven, mut refused) = (Vec::new(), None);
    for (name, key) in identity.each() {
        halt.wanted()?;
        let (there, of, key, beat) = (Arc::clone(&place), label.clone(), Arc::new(key), halt.progress.clone());
        let (halt, seen) = (halt.clone(), known.clone());
        let at = place.called("");
        let opens = aside_while(&at, &beat, move || {
            let sidecar = look::sidecar(&*there, &of)?;
            known_for_ours(&*there, seen.as_ref(), &sidecar)?;
            opened(&*there, &sidecar, Some(&key))?;
            verify::blocking(&*there, &of, Some(&key), &halt)
        });
        match opens.await? {
            Ok(sidecar) if sidecar.encryption.is_some() => {
                known_for_ours(&*place, known.as_ref(), &sidecar)?;
                if let Some(why) = is_ours(&place, &sidecar, catalogue::find(&ctx.state, &label).await?).await? {
                    return Err(OffsiteError::Foreign { label, path: place.called(&sidecar.object), why });
                }
                ctx.state.prove(&offsite.name, &name, &label, ctx.clock.now()).await?;
                proven.push(name);
            }
            Ok(_) => return Err(OffsiteError::NothingEncrypted(offsite.name.clone())),
            Err(error @ OffsiteError::Locked { .. }) => drop(refused.insert(error)),
            Err(error) => return Err(error),
        }
    }
    match (proven.is_empty(), refused) {
        (true, Some(error)) => Err(error),
        _ => Ok(Proof { place: offsite.name.clone(), label, proven, unproven: unproven(&ctx.state, offsite).await? }),
    }
}

/// A copy that this host knows for another's proves no key, whatever opens it.
fn known_for_ours(place: &dyn Place, known: Option<&Copy>, sidecar: &Sidecar) -> Result<(), OffsiteError> {
    let (label, path) = (sidecar.label.clone(), place.called(&sidecar.object));
    match known {
        Some(known) if known.state == CopyState::Foreign => {
            Err(OffsiteError::Foreign { label, path, why: known.why.clone().unwrap_or_default() })
        }
        Some(known) if look::is_another(known, sidecar) => {
            Err(OffsiteError::Damaged { label, place: path, why: look::ANOTHER.to_owned() })
        }
        _ => Ok(()),
    }
}
