//! Why an archive was not proved, what is still safe then, and what to do next.

use crate::engine::EngineError;
use crate::failure::{Class, Explain};
use crate::ids::{Label, TargetName};
use crate::restore::RestoreError;
use crate::state_db::StateError;

/// Why an archive was not proved.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// It is not tried here.
    #[error("{label} is not tried in {scratch}: {}", reasons.join("; "))]
    Refused {
        /// The target.
        target: TargetName,
        /// The archive.
        label: Label,
        /// Where.
        scratch: String,
        /// Every reason.
        reasons: Vec<String>,
    },
    /// It did not come back as it was, or did not come back.
    #[error("{label} was not proved: a restore of it into {scratch} failed")]
    Failed {
        /// The archive.
        label: Label,
        /// The target.
        target: TargetName,
        /// Where.
        scratch: String,
        /// The cause.
        source: Box<EngineError>,
    },
    /// It was ended before.
    #[error("the drill of {0} was ended before the archive was compared")]
    CutOff(Label),
    /// A scratch is still there.
    #[error("{0}")]
    Left(String),
    /// The archive could not be chosen or read, or is not what was sealed.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The server could not be asked.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Our own state could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// It ended without an answer.
    #[error("the drill of {0} ended without an answer")]
    Worker(Label),
}

/// Whether a load failed by what has nothing to do with the archive: a server that went away, lacks room, or does not let us.
pub(super) fn says_nothing_of_the_archive(error: &EngineError) -> bool {
    error.transient() || error.class() != Class::Data || error.is_the_servers_trouble()
}

impl DrillError {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Failed { source, .. } => Some(source.as_ref()),
            Self::Restore(error) => Some(error),
            Self::Engine(error) => Some(error),
            Self::State(error) => Some(error),
            Self::Refused { .. } | Self::CutOff(_) | Self::Left(_) | Self::Worker(_) => None,
        }
    }

    /// Whether it says that the archive cannot be restored, and not only that nobody could try.
    pub(super) fn is_about_the_archive(&self) -> bool {
        match self {
            Self::Failed { source, .. } => !says_nothing_of_the_archive(source),
            Self::Restore(RestoreError::Archive(_) | RestoreError::Verify(_)) => self.class() == Class::Data,
            _ => false,
        }
    }
}

impl Explain for DrillError {
    fn class(&self) -> Class {
        match self {
            Self::Refused { .. } => Class::Data,
            Self::CutOff(_) | Self::Left(_) => Class::TempFail,
            Self::Failed { source, .. } if source.is_the_servers_trouble() => Class::Unavailable,
            _ => self.inner().map_or(Class::Software, Explain::class),
        }
    }

    fn safe(&self) -> Option<String> {
        Some("the database and every archive are as they were".to_owned())
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Refused { target, .. } => vec![format!("see which archives exist: `upkeep list {target}`")],
            Self::Failed { source, .. } if source.is_the_servers_trouble() => {
                let mut hints = source.hints();
                hints.push(
                    "it says nothing of the archive: see to the server (room, memory, its log), then run the drill again"
                        .to_owned(),
                );
                hints
            }
            Self::Failed { target, source, .. } if !says_nothing_of_the_archive(source) => {
                let mut hints = source.hints();
                hints.push(format!("take a new archive and try that: `upkeep backup {target}`, then `upkeep drill {target}`"));
                hints
            }
            Self::CutOff(_) => vec!["run the drill again when there is time for it".to_owned()],
            Self::Left(_) => vec!["the next drill removes it first; it holds nothing that is not in an archive".to_owned()],
            _ => self.inner().map(Explain::hints).unwrap_or_default(),
        }
    }

    fn transient(&self) -> bool {
        matches!(self, Self::CutOff(_) | Self::Left(_)) || self.inner().is_some_and(Explain::transient)
    }
}
