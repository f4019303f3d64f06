//! Why an archive was not put back, what is still safe then, and what to do next.

use chrono::{DateTime, Utc};

use super::plan::Refusal;
use crate::archive::ArchiveError;
use crate::backup::BackupError;
use crate::durable::DurableError;
use crate::engine::EngineError;
use crate::failure::{Class, Explain};
use crate::ids::{Label, TargetName};
use crate::offsite::OffsiteError;
use crate::state_db::StateError;
use crate::verify::VerifyError;

/// Why an archive was not put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is no such archive.
    #[error("target {target} has no archive {label}")]
    NoSuchArchive {
        /// The target.
        target: TargetName,
        /// The label asked for.
        label: Label,
    },
    /// No archive answers the request.
    #[error("target {target} has no verified archive{}", .at.map(|at| format!(" from {at} or before")).unwrap_or_default())]
    NoneSuitable {
        /// The target.
        target: TargetName,
        /// The moment asked for.
        at: Option<DateTime<Utc>>,
    },
    /// The plan says no.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Somebody used the destination while the archive was read.
    #[error("what is in {location} has changed since the restore was planned")]
    Changed {
        /// The destination.
        location: String,
    },
    /// The safety archive could not be taken, so nothing was changed.
    #[error("cannot archive what is in {location} before replacing it")]
    Safety {
        /// The destination.
        location: String,
        /// The cause.
        source: Box<BackupError>,
    },
    /// The archive is not whole.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The archive could not be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The destination could not be asked or loaded.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The place that the copy is at.
    #[error(transparent)]
    Offsite(#[from] OffsiteError),
    /// The catalogue could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file operation failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// A worker ended without an answer.
    #[error("a worker ended without an answer while reading archive {0}")]
    Worker(Label),
}

impl RestoreError {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Safety { source, .. } => Some(source.as_ref()),
            Self::Verify(error) => Some(error),
            Self::Archive(error) => Some(error),
            Self::Offsite(error) => Some(error),
            Self::Engine(error) => Some(error),
            Self::State(error) => Some(error),
            Self::Durable(error) => Some(error),
            Self::NoSuchArchive { .. }
            | Self::NoneSuitable { .. }
            | Self::Refused(_)
            | Self::Changed { .. }
            | Self::Worker(_) => None,
        }
    }
}

impl Explain for RestoreError {
    fn class(&self) -> Class {
        match self {
            Self::NoSuchArchive { .. } | Self::NoneSuitable { .. } => Class::NoInput,
            Self::Refused(refusal) => refusal.class,
            Self::Changed { .. } => Class::TempFail,
            _ => self.inner().map_or(Class::Software, Explain::class),
        }
    }

    fn safe(&self) -> Option<String> {
        match self {
            Self::Refused(_)
            | Self::NoSuchArchive { .. }
            | Self::NoneSuitable { .. }
            | Self::Changed { .. }
            | Self::Safety { .. } => Some("the database is untouched".to_owned()),
            _ => self.inner().and_then(Explain::safe),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoSuchArchive { target, .. } | Self::NoneSuitable { target, .. } => {
                vec![format!("see which archives exist: `upkeep list {target}`")]
            }
            Self::Refused(refusal) => refusal.ways_out.clone(),
            Self::Changed { .. } => vec!["make sure that nobody uses it, then restore again".to_owned()],
            _ => self.inner().map(Explain::hints).unwrap_or_default(),
        }
    }

    fn transient(&self) -> bool {
        matches!(self.class(), Class::TempFail) || self.inner().is_some_and(Explain::transient)
    }
}
