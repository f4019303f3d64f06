//! What is at a place: listings and sidecars read, and held to each other and to what is known.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::OffsiteError;
use super::aside::aside_while;
use crate::archive::manifest::Kind;
use crate::failure::Chain;
use crate::ids::{Label, PlaceName, TargetName};
use crate::progress::Progress;
use crate::state_db::StateDb;
use crate::state_db::catalogue::{Entry, Verdict};
use crate::state_db::copies::{Copy, CopyState};
use crate::store::place::{Place, PlaceError, SIDECAR_BYTES, Sidecar, label_of};
use crate::version::Version;

/// What a listing of an owner's part says.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Sealed, and as long as their seals say.
    pub(super) sealed: BTreeMap<Label, Sidecar>,
    /// Sealed and known before, with the length they have: their sidecars were not read again.
    pub(super) known: BTreeMap<Label, u64>,
    /// Sealed, and not what their seals say.
    pub(super) damaged: BTreeMap<Label, String>,
    /// With a sidecar that cannot be read now: nobody knows what they are.
    pub(super) unreadable: BTreeMap<Label, String>,
    /// Without a seal.
    pub(super) unsealed: BTreeMap<Label, u64>,
}

/// Reads what is at a place. Of copies that are `known` by their length only the length is looked at.
pub(super) async fn at(place: &Arc<dyn Place>, known: BTreeMap<Label, u64>) -> Result<Listing, OffsiteError> {
    let (looked, beat) = (Arc::clone(place), Progress::default());
    let counted = beat.clone();
    Ok(aside_while(&place.called(""), &beat, move || listing(&*looked, &known, &counted)).await??)
}

/// Each sidecar that is read is counted. Blocking.
fn listing(place: &dyn Place, known: &BTreeMap<Label, u64>, counted: &Progress) -> Result<Listing, PlaceError> {
    let objects = place.list()?;
    let mut listing = Listing::default();
    // Of one label there may be several: what was begun in clear and went on encrypted, say. The sidecar names the one that is meant.
    let mut lengths: BTreeMap<Label, Vec<(String, u64)>> = BTreeMap::new();
    for object in &objects {
        if let Some(label) = label_of(&object.name) {
            lengths.entry(label).or_default().push((object.name.clone(), object.size));
        }
    }
    for label in objects.iter().filter_map(|object| Sidecar::label_in(&object.name)) {
        let Some(there) = lengths.remove(&label) else {
            listing.damaged.insert(label, BYTES_GONE.to_owned());
            continue;
        };
        if let Some(size) = known.get(&label).filter(|size| there.iter().any(|(_, found)| found == *size)) {
            listing.known.insert(label, *size);
            continue;
        }
        counted.add(0, 1);
        match sidecar(place, &label) {
            Ok(sidecar) => match there.iter().find(|(name, _)| *name == sidecar.object) {
                Some((_, size)) if *size == sidecar.size => drop(listing.sealed.insert(label, sidecar)),
                Some((_, size)) => {
                    let why = format!("it was sealed with {} bytes and has {size}", sidecar.size);
                    listing.damaged.insert(label, why);
                }
                None => drop(listing.damaged.insert(label, BYTES_GONE.to_owned())),
            },
            Err(OffsiteError::Damaged { why, .. }) => drop(listing.damaged.insert(label, why)),
            Err(OffsiteError::Place(PlaceError::Strange { path, what })) => {
                listing.damaged.insert(label, format!("{path} is {what}"));
            }
            // One that cannot be opened takes no other from whoever needs it.
            Err(OffsiteError::Place(error)) if error.is_of_one() => {
                drop(listing.unreadable.insert(label, Chain(&error).to_string()))
            }
            Err(OffsiteError::Place(error)) => return Err(error),
            // Taken away while we look: not there.
            Err(_) => {}
        }
    }
    let longest = |there: Vec<(String, u64)>| there.into_iter().map(|(_, size)| size).max().unwrap_or_default();
    listing.unsealed = lengths.into_iter().map(|(label, there)| (label, longest(there))).collect();
    Ok(listing)
}

/// What is told of a seal without what it seals.
const BYTES_GONE: &str = "its sidecar is there, and its bytes are not";

/// What is told of a seal that is another than the one that this host wrote or saw.
pub(super) const ANOTHER: &str = "its sidecar is another than the one that was written";

/// Whether a seal is another than the one that this host wrote or saw: bytes that never change have one digest.
pub(super) fn is_another(known: &Copy, sidecar: &Sidecar) -> bool {
    !known.digest.is_empty() && known.digest != sidecar.digest
}

/// Reads a copy's sidecar. Blocking.
pub(super) fn sidecar(place: &dyn Place, label: &Label) -> Result<Sidecar, OffsiteError> {
    let name = Sidecar::name_of(label);
    let called = || place.called(&name);
    let size = place.stat(&name)?.ok_or_else(|| OffsiteError::NoSuchCopy { label: label.clone(), place: called() })?;
    let damaged = |why: String| OffsiteError::Damaged { label: label.clone(), place: called(), why };
    if size > SIDECAR_BYTES {
        return Err(damaged("its sidecar is longer than any".to_owned()));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
    let read = place.open(&name)?.read_exact_at(&mut bytes, 0);
    read.map_err(|error| match PlaceError::within(&error) {
        // Which says nothing of the sidecar.
        Some(error) => error.into(),
        None => damaged(format!("its sidecar cannot be read: {error}")),
    })?;
    Sidecar::decode(&bytes, label).map_err(damaged)
}

/// One copy, as `upkeep list --at` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Where.
    pub place: PlaceName,
    /// Of this archive.
    pub label: Label,
    /// Of this target; none where its sidecar cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetName>,
    /// Why the archive was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The release it was taken of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Version>,
    /// The moment of its snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<DateTime<Utc>>,
    /// When it was copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_at: Option<DateTime<Utc>>,
    /// Its bytes.
    pub size: u64,
    /// `copied`, `verified`, `damaged`, `foreign`, `unreadable` or `unfinished`.
    pub state: String,
    /// Why, where it is not well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When this host last read every byte of it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<DateTime<Utc>>,
    /// The public keys that it is encrypted to; none where it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encrypted_to: Vec<String>,
}

/// The copies at a place, newest first, by what is there; what this host has noted of them is only added.
///
/// # Errors
/// When the place cannot be listed.
pub async fn listed(state: &StateDb, name: &PlaceName, place: &Arc<dyn Place>) -> Result<Vec<Listed>, OffsiteError> {
    let listing = at(place, BTreeMap::new()).await?;
    let noted = noted(state, name).await?;
    // What is known of other bytes is nothing of these, unless it is that these are not the right ones.
    let note = |label: &Label, digest: &str| {
        let unknown = |copy: &Copy| copy.state == CopyState::Foreign && copy.digest.is_empty();
        let is_told = |copy: &Copy| copy.digest == digest || copy.state == CopyState::Damaged || unknown(copy);
        noted.get(label).filter(|copy| is_told(copy))
    };
    let blank = |label: &Label, size: u64, state: &str| Listed {
        place: name.clone(),
        label: label.clone(),
        target: None,
        kind: None,
        release: None,
        taken_at: None,
        copied_at: None,
        size,
        state: state.to_owned(),
        why: None,
        verified_at: None,
        encrypted_to: Vec::new(),
    };
    let mut all: Vec<Listed> = Vec::new();
    for (label, sidecar) in &listing.sealed {
        let note = note(label, &sidecar.digest);
        let bad = note.filter(|note| matches!(note.state, CopyState::Damaged | CopyState::Foreign));
        let verified_at = note.and_then(|note| note.verified_at);
        let state = if let Some(bad) = bad {
            bad.state.as_str()
        } else if verified_at.is_some() {
            "verified"
        } else {
            "copied"
        };
        all.push(Listed {
            target: Some(sidecar.target.clone()),
            kind: Some(sidecar.kind),
            release: sidecar.release.clone(),
            taken_at: Some(sidecar.taken_at),
            copied_at: Some(sidecar.copied_at),
            why: bad.and_then(|note| note.why.clone()),
            verified_at,
            encrypted_to: sidecar.encryption.as_ref().map(|sealed| sealed.recipients.clone()).unwrap_or_default(),
            ..blank(label, sidecar.size, state)
        });
    }
    all.extend(
        listing.unreadable.iter().map(|(label, why)| Listed { why: Some(why.clone()), ..blank(label, 0, "unreadable") }),
    );
    all.extend(listing.damaged.iter().map(|(label, why)| Listed { why: Some(why.clone()), ..blank(label, 0, "damaged") }));
    let why = "it has no sidecar: it is not a copy, or not yet";
    all.extend(
        listing.unsealed.iter().map(|(label, size)| Listed { why: Some(why.to_owned()), ..blank(label, *size, "unfinished") }),
    );
    all.sort_by(|a, b| (b.taken_at, &b.label).cmp(&(a.taken_at, &a.label)));
    Ok(all)
}

/// What this host has noted of the copies at a place.
async fn noted(state: &StateDb, name: &PlaceName) -> Result<BTreeMap<Label, Copy>, OffsiteError> {
    let copies = state.copies(Some(name), None).await?;
    Ok(copies.into_iter().map(|copy| (copy.label.clone(), copy)).collect())
}

/// The copies of a target as a restore chooses among archives: sealed is whole, until its bytes are read, unless this host knows better.
///
/// # Errors
/// When the place cannot be listed.
pub async fn choices(
    state: &StateDb,
    name: &PlaceName,
    place: &Arc<dyn Place>,
    target: &TargetName,
) -> Result<Vec<Entry>, OffsiteError> {
    let listing = at(place, BTreeMap::new()).await?;
    for (label, why) in &listing.unreadable {
        tracing::warn!(label = %label, place = %name, why, "a copy is passed over: its sidecar cannot be read");
    }
    let noted = noted(state, name).await?;
    let is_bad = |sidecar: &Sidecar| {
        let bad = |copy: &Copy| matches!(copy.state, CopyState::Damaged | CopyState::Foreign) || is_another(copy, sidecar);
        noted.get(&sidecar.label).is_some_and(bad)
    };
    let verdict = |sidecar: &Sidecar| if is_bad(sidecar) { Verdict::Damaged } else { Verdict::Whole };
    let of_the_target = listing.sealed.into_values().filter(|sidecar| sidecar.target == *target);
    Ok(of_the_target.map(|sidecar| choice(&**place, verdict(&sidecar), sidecar)).collect())
}

fn choice(place: &dyn Place, verdict: Verdict, sidecar: Sidecar) -> Entry {
    Entry {
        path: PathBuf::from(place.called(&sidecar.object)),
        target: sidecar.target,
        label: sidecar.label,
        size: sidecar.size,
        kind: sidecar.kind,
        taken_at: sidecar.taken_at,
        duration_ms: 0,
        release: sidecar.release,
        head: None,
        rows: 0,
        raw_bytes: 0,
        note: None,
        pinned: None,
        verified_at: None,
        verdict,
        data_only: false,
        left_out: Vec::new(),
    }
}
