//! Seals of encrypted copies that are on their way: `STATE_DIR/offsite/PLACE/LABEL.copy.json`.
//!
//! Invariant: before an encrypted copy has its name, what its seal will say is written down here; it is removed once the seal is noted.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::durable::{self, At, DurableError};
use crate::fault;
use crate::ids::{Label, PlaceName};
use crate::store::place::{SIDECAR_BYTES, Sidecar};
use crate::trust;

/// Where they are.
#[derive(Debug, Clone)]
pub(super) struct Drafts {
    dir: PathBuf,
}

impl Drafts {
    pub(super) fn of(state_dir: &Path, place: &PlaceName) -> Self {
        Self { dir: state_dir.join("offsite").join(place.as_str()) }
    }

    fn path(&self, label: &Label) -> PathBuf {
        self.dir.join(Sidecar::name_of(label))
    }

    /// One that cannot be read is none: what it was of is told as somebody else's.
    pub(super) fn read(&self, label: &Label) -> Result<Option<Sidecar>, DurableError> {
        let path = self.path(label);
        match trust::read_own(&path, SIDECAR_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => Ok(Sidecar::decode(&bytes.at("read", &path)?, label).ok()),
        }
    }

    pub(super) fn write(&self, draft: &Sidecar) -> Result<(), DurableError> {
        let path = self.path(&draft.label);
        let bytes = draft.encode().map_err(io::Error::other).at("write", &path)?;
        if let Some(above) = self.dir.parent() {
            durable::make_dir(above)?;
        }
        durable::make_dir(&self.dir)?;
        fault::check("copy.draft").at("write", &path)?;
        durable::write(&path, &bytes)?;
        fault::point("copy.drafted");
        Ok(())
    }

    pub(super) fn forget(&self, label: &Label) -> Result<(), DurableError> {
        let path = self.path(label);
        if path.exists() { durable::remove(&path) } else { Ok(()) }
    }

    /// Removes those whose copies are sealed.
    pub(super) fn tidy(&self, sealed: &BTreeSet<Label>) -> Result<(), DurableError> {
        if !self.dir.is_dir() {
            return Ok(());
        }
        durable::sweep_temporaries(&self.dir)?;
        for name in std::fs::read_dir(&self.dir).at("list", &self.dir)?.flatten().map(|entry| entry.file_name()) {
            if let Some(label) = name.to_str().and_then(Sidecar::label_in).filter(|label| sealed.contains(label)) {
                self.forget(&label)?;
            }
        }
        Ok(())
    }
}
