//! Why something did not work at a place, what is still safe then, and what to do next.

use std::io;

use crate::archive::ArchiveError;
use crate::durable::DurableError;
use crate::failure::{Class, Explain};
use crate::ids::{Label, PlaceName};
use crate::state_db::StateError;
use crate::store::place::PlaceError;
use crate::verify::VerifyError;

/// Why something did not work at a place.
#[derive(Debug, thiserror::Error)]
pub enum OffsiteError {
    /// The place itself.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// An archive, here or there.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive here is not whole, so that it is no use to copy it.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Our own state.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file operation.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// There is no such place.
    #[error("there is no place `{place}`")]
    NoSuchPlace {
        /// The name asked for.
        place: PlaceName,
        /// Those that there are.
        configured: String,
    },
    /// There is no such copy.
    #[error("there is no copy of {label} at {place}")]
    NoSuchCopy {
        /// The archive.
        label: Label,
        /// The place.
        place: String,
    },
    /// A copy is not what was sent.
    #[error("the copy of {label} at {place} is damaged: {why}")]
    Damaged {
        /// The archive.
        label: Label,
        /// The place.
        place: String,
        /// What disagrees.
        why: String,
    },
    /// Something else has the name of a copy.
    #[error("{path} is there already and is not archive {label}: {why}")]
    Foreign {
        /// The archive.
        label: Label,
        /// What is in its way.
        path: String,
        /// What disagrees.
        why: String,
    },
    /// A copy is encrypted, and nothing that opens it was given.
    #[error("the copy of {label} is encrypted{}", if *is_given { ", and none of the keys in that file opens it" } else { "" })]
    Locked {
        /// The archive.
        label: Label,
        /// Whether an identity was given that does not open it.
        is_given: bool,
        /// To whom it is encrypted.
        recipients: String,
    },
    /// No copy at the place is encrypted, so that no key can be tried there.
    #[error("no copy at {0} is encrypted: there is nothing to try a key on")]
    NothingEncrypted(PlaceName),
    /// The archive here cannot be read, so that nobody can tell whether the copy is of it.
    #[error("archive {label} here cannot be read, so its copy cannot be compared with it")]
    Ours {
        /// The archive.
        label: Label,
        /// Why.
        source: ArchiveError,
    },
    /// The archive that should be copied is not in the catalogue, or is not one that is copied there.
    #[error("archive {label} is not one that is copied to {place}: {why}")]
    NotWanted {
        /// The archive.
        label: Label,
        /// The place.
        place: PlaceName,
        /// Why.
        why: String,
    },
    /// Some of several copies are not well.
    #[error("not well at {place}: {count} of {all} copies")]
    Several {
        /// The place.
        place: PlaceName,
        /// How many are not.
        count: usize,
        /// Of so many.
        all: usize,
        /// The first.
        #[source]
        first: Box<OffsiteError>,
    },
    /// Nobody wants it to go on.
    #[error("stopped before everything was copied or read")]
    Stopped,
    /// A place gives no answer.
    #[error("{place} hangs: it gave no answer within ten minutes, or has not come back since")]
    Hangs {
        /// Where.
        place: String,
    },
    /// The host has no thread for it.
    #[error("cannot start a thread for a place")]
    Thread(#[source] io::Error),
    /// The thread ended without an answer.
    #[error("the work at a place ended without an answer")]
    Worker,
}

impl OffsiteError {
    /// What went wrong with the archive in a copy: where the place is why it cannot be read, that says nothing of the archive.
    pub(super) fn of_copy(error: ArchiveError) -> Self {
        match PlaceError::within(&error) {
            Some(error) => Self::Place(error),
            None => Self::Archive(error),
        }
    }

    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Place(error) => Some(error),
            Self::Archive(error) | Self::Ours { source: error, .. } => Some(error),
            Self::Verify(error) => Some(error),
            Self::State(error) => Some(error),
            Self::Durable(error) => Some(error),
            Self::Several { first, .. } => Some(first.as_ref()),
            _ => None,
        }
    }

    /// Whether it would be the same with every other copy: the place is gone or full, or nobody wants it to go on.
    pub(super) fn ends_the_round(&self) -> bool {
        match self {
            Self::Place(error) => error.is_of_the_place() || matches!(error, PlaceError::Durable(_)),
            Self::Stopped | Self::State(_) | Self::Thread(_) | Self::Worker | Self::Hangs { .. } => true,
            _ => false,
        }
    }
}

impl Explain for OffsiteError {
    fn class(&self) -> Class {
        match self {
            Self::NoSuchPlace { .. } | Self::NoSuchCopy { .. } | Self::NotWanted { .. } | Self::NothingEncrypted(_) => {
                Class::NoInput
            }
            Self::Locked { .. } => Class::NoPermission,
            Self::Damaged { .. } | Self::Foreign { .. } => Class::Data,
            Self::Stopped => Class::TempFail,
            Self::Hangs { .. } => Class::Unavailable,
            Self::Thread(_) => Class::OsError,
            Self::Worker => Class::Software,
            _ => self.inner().map_or(Class::Software, Explain::class),
        }
    }

    fn safe(&self) -> Option<String> {
        match self {
            Self::Damaged { .. } | Self::Foreign { .. } | Self::Several { .. } => {
                Some("nothing at the place was changed, and archives on this host are untouched".to_owned())
            }
            Self::Locked { .. } | Self::NothingEncrypted(_) | Self::Hangs { .. } => {
                Some("nothing was changed, here or at the place".to_owned())
            }
            Self::NoSuchPlace { .. } | Self::NoSuchCopy { .. } | Self::NotWanted { .. } => {
                Some("no archive and no copy was changed".to_owned())
            }
            Self::Stopped => Some("what is sealed at the place stays, and the rest is still owed".to_owned()),
            _ => self.inner().and_then(Explain::safe),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoSuchPlace { configured, .. } if configured.is_empty() => {
                vec!["places are tables of the configuration: [offsite.NAME]".to_owned()]
            }
            Self::NoSuchPlace { configured, .. } => vec![format!("configured: {configured}")],
            Self::NoSuchCopy { place, .. } => {
                vec![format!("see what is there: `upkeep list --at` and the place's name, or {place}")]
            }
            Self::Damaged { label, .. } => vec![
                format!(
                    "move it and its .copy.json away there, and it is copied again while the archive is here: `upkeep list`, {label}"
                ),
                "see which copies are good: `upkeep verify --all --at PLACE`".to_owned(),
            ],
            Self::Locked { recipients, .. } => vec![
                format!("it was encrypted to {recipients}"),
                "name the file that holds the secret half of one of them: `--identity FILE`".to_owned(),
            ],
            Self::NothingEncrypted(place) => vec![
                format!("see what is there: `upkeep list --at {place}`"),
                format!(
                    "name public keys in `encrypt_to` of [offsite.{place}], and take a backup: what is sent from then on is encrypted"
                ),
            ],
            Self::Foreign { path, .. } => vec![format!("look whose it is, and move it away: {path}")],
            Self::NotWanted { .. } => vec!["see what there is: `upkeep list`".to_owned()],
            Self::Hangs { place } if place.contains("://") => {
                vec![
                    "it is tried again once what hangs has come back; from within the sandbox: `upkeep offsite check`"
                        .to_owned(),
                ]
            }
            Self::Hangs { place } => vec![
                format!(
                    "is its file system there? `findmnt -T {place}`, `dmesg`; mounts that may go away are best mounted `soft`"
                ),
                "it is tried again once what hangs has come back".to_owned(),
            ],
            Self::Stopped => vec!["it goes on with the next round, or at once: `upkeep copy`".to_owned()],
            _ => self.inner().map(Explain::hints).unwrap_or_default(),
        }
    }

    fn transient(&self) -> bool {
        matches!(self.class(), Class::TempFail) || self.inner().is_some_and(Explain::transient)
    }
}
