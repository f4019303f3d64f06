//! Uploads of many parts that were begun: `STATE_DIR/offsite/PLACE/uploads/NAME`.
//!
//! Parts of an upload that nobody completes are in no listing and are paid for. Invariant: an upload is written down before its first part is
//! sent, and forgotten when it is an object or aborted; so what a crash leaves is aborted with the next round.

use std::io;
use std::path::PathBuf;

use object_store::multipart::MultipartStore as _;
use serde::{Deserialize, Serialize};

use super::{Bucket, BucketError, Patience};
use crate::durable::{self, At as _};
use crate::store::place::PlaceError;
use crate::trust;

/// One that is longer is none of ours.
const LONGEST_BYTES: u64 = 16 * 1024;

/// Where they are written down.
#[derive(Debug, Clone)]
pub(super) struct Uploads {
    dir: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    /// The bucket, for the configuration may name another by now.
    url: String,
    /// The object's name in the part.
    name: String,
    /// The part.
    part: String,
    /// The service's name for the upload.
    id: String,
}

impl Uploads {
    pub(super) fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(super) fn note(&self, bucket: &Bucket, name: &str, id: &str) -> Result<(), PlaceError> {
        let path = self.dir.join(name);
        let noted =
            Noted { url: bucket.shared.url.clone(), name: name.to_owned(), part: bucket.part.clone(), id: id.to_owned() };
        let bytes = serde_json::to_vec(&noted).map_err(io::Error::other).at("write", &path)?;
        let mut above: Vec<_> = self.dir.ancestors().take(3).collect();
        above.reverse();
        for dir in above {
            durable::make_dir(dir)?;
        }
        Ok(durable::write(&path, &bytes)?)
    }

    pub(super) fn forget(&self, name: &str) -> Result<(), PlaceError> {
        let path = self.dir.join(name);
        if path.exists() { Ok(durable::remove(&path)?) } else { Ok(()) }
    }

    /// Aborts what a writer that died has begun. One that may not be aborted is told and stays noted.
    pub(super) fn abort_all(&self, bucket: &Bucket) -> Result<u64, PlaceError> {
        if !self.dir.is_dir() {
            return Ok(0);
        }
        durable::sweep_temporaries(&self.dir)?;
        let mut aborted = 0;
        for file in std::fs::read_dir(&self.dir).at("list", &self.dir)?.flatten() {
            let bytes = trust::read_own(&file.path(), LONGEST_BYTES).at("read", &file.path())?;
            let noted: Option<Noted> = serde_json::from_slice(&bytes).ok();
            // One of another bucket is that one's: it is aborted when the configuration names it again.
            let Some(noted) = noted.filter(|noted| noted.url == bucket.shared.url && noted.part == bucket.part) else {
                continue;
            };
            match abort(bucket, &noted.name, &noted.id, Patience::Short) {
                Ok(()) => aborted += 1,
                Err(PlaceError::Bucket(error @ BucketError::Denied { .. })) => {
                    let why = error.to_string();
                    tracing::warn!(
                        place = noted.url,
                        name = noted.name,
                        why,
                        "parts of an upload that was cut short stay, and are paid for"
                    );
                    continue;
                }
                Err(error) => return Err(error),
            }
            durable::remove(&file.path())?;
        }
        Ok(aborted)
    }
}

/// Aborts an upload; one that is not there any more is aborted.
pub(super) fn abort(bucket: &Bucket, name: &str, id: &str, patience: Patience) -> Result<(), PlaceError> {
    let (key, id) = (bucket.key(name)?, id.to_owned());
    let done = bucket.ask(patience, ("abort the upload of", name), move |store| {
        let (key, id) = (key.clone(), id.clone());
        async move { store.abort_multipart(&key, &id).await }
    });
    match done {
        Ok(()) | Err(BucketError::Gone { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
