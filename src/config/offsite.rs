//! Places away from the host, and which of a target's archives are copied there.

use std::path::PathBuf;
use std::time::Duration;

use crate::archive::manifest::Kind;
use crate::cipher::Recipient;
use crate::ids::{OwnerName, PlaceName};

/// `[offsite.NAME]`: where copies stand away from the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offsite {
    /// The name.
    pub name: PlaceName,
    /// What kind of place it is.
    pub kind: OffsiteKind,
    /// The name under which this host writes there; one host writes under one name.
    pub owner: OwnerName,
    /// Within this time every copy is read back once more; none where reading costs.
    pub reread: Option<Duration>,
    /// To whom copies are encrypted; where nobody is named they go as they are.
    pub encrypt_to: Vec<Recipient>,
}

/// The kinds of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OffsiteKind {
    /// A directory, usually of another file system that is mounted.
    Directory {
        /// Where.
        path: PathBuf,
        /// Whether it may lie on a file system that archives of this host lie on, or on that of the root.
        allow_same_device: bool,
    },
}

impl OffsiteKind {
    /// The word in the configuration.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Directory { .. } => "directory",
        }
    }
}

/// `[targets.T.offsite]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies {
    /// To which places; none where nothing is copied.
    pub to: Vec<PlaceName>,
    /// Archives of these kinds, beside those that are pinned.
    pub kinds: Vec<Kind>,
    /// An archive older than this without its copy is an alarm.
    pub max_age: Option<Duration>,
}
