//! Pins: a small file beside the archive, so that a pin survives the loss of the catalogue.
//!
//! Owns `.LABEL.pin.json`. Invariant: a pin that cannot be read still pins.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::durable::{self, At};
use crate::fault;
use crate::ids::Label;
use crate::state_db::StateDb;
use crate::state_db::catalogue::{self, Entry, Verdict};
use crate::trust;

/// A pin's file longer than this is none.
const PIN_BYTES: u64 = 1024 * 1024;

/// What a pin's file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Why the archive is to be left alone.
    pub reason: String,
    /// Since when; none when the file cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
}

/// Pins an archive: the file first, then the catalogue, which [`super::reconcile`] would bring in line after a crash.
/// Pinning twice keeps the later reason.
///
/// # Errors
/// When the archive is gone, or either cannot be written.
pub async fn pin(db: &StateDb, entry: &Entry, reason: &str, now: DateTime<Utc>) -> Result<Entry, StoreError> {
    let _alone = super::PINS.lock().await;
    if !entry.path.exists() {
        return Err(StoreError::Gone(entry.label.clone()));
    }
    let pin = Pin { reason: reason.to_owned(), since: Some(now) };
    // A struct of text and a moment always has a JSON form; should it not, an empty file pins as well.
    let json = serde_json::to_vec(&pin).unwrap_or_default();
    durable::write(&path_of(&entry.path, &entry.label), &json)?;
    fault::point("store.pinned");
    catalogue::pinned(db, &entry.label, Some(reason)).await?;
    Ok(Entry { pinned: Some(pin.reason), ..entry.clone() })
}

/// Unpins an archive; one that is not pinned is success. One whose file is gone has nothing left for retention to have: whoever says
/// this of it says that it is to be so, and it is no longer listed.
///
/// # Errors
/// When the file or the catalogue cannot be changed.
pub async fn unpin(db: &StateDb, entry: &Entry) -> Result<Entry, StoreError> {
    durable::remove(&path_of(&entry.path, &entry.label))?;
    fault::point("store.unpinned");
    if super::is_gone(entry) {
        catalogue::delete(db, &entry.label).await?;
        return Ok(Entry { pinned: None, verdict: Verdict::Missing, ..entry.clone() });
    }
    catalogue::pinned(db, &entry.label, None).await?;
    Ok(Entry { pinned: None, ..entry.clone() })
}

/// The pin of the archive at `archive`, if it has one.
///
/// # Errors
/// When the file is there and cannot be opened.
pub fn of(archive: &Path, label: &Label) -> Result<Option<Pin>, StoreError> {
    let path = path_of(archive, label);
    let unreadable = |why: String| Pin { reason: format!("{} cannot be read: {why}", path.display()), since: None };
    match trust::read_own(&path, PIN_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A FIFO, a directory, a link: whatever it is, somebody wanted the archive to be left alone.
        Err(error) if trust::refused(&error).is_some() => Ok(Some(unreadable(error.to_string()))),
        bytes => {
            let pin = serde_json::from_slice(&bytes.at("read", &path)?);
            Ok(Some(pin.unwrap_or_else(|_| unreadable("it is not a pin's text".to_owned()))))
        }
    }
}

/// The label in a pin's file name.
pub(super) fn label_of(name: &str) -> Option<Label> {
    Label::parse(name.strip_prefix('.')?.strip_suffix(".pin.json")?).ok()
}

fn path_of(archive: &Path, label: &Label) -> PathBuf {
    archive.with_file_name(format!(".{label}.pin.json"))
}
