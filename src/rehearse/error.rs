//! Why a release was not rehearsed, or did not pass; what is still safe then, and what to do next.

use crate::drill::DrillError;
use crate::failure::{Chain, Class, Explain};
use crate::ids::{Label, TargetName};
use crate::release::ReleaseError;
use crate::state_db::StateError;
use crate::state_db::rehearsals::Verdict;
use crate::version::Version;

/// Why a release was not rehearsed, or did not pass.
#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    /// It is not tried here.
    #[error("release {to} is not rehearsed: {}", reasons.join("; "))]
    Refused {
        /// The target.
        target: TargetName,
        /// The release.
        to: Version,
        /// Every reason.
        reasons: Vec<String>,
    },
    /// No release that could be meant.
    #[error("{0}")]
    NoRelease(String),
    /// The release cannot be read.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The migrations failed, or left the database not in step.
    #[error("the migrations of release {to} failed in a scratch of {label}: {said}")]
    Failed {
        /// The target.
        target: TargetName,
        /// The release.
        to: Version,
        /// The archive.
        label: Label,
        /// Why.
        said: String,
    },
    /// Its tool went to the real database in place of the scratch.
    #[error("the rehearsal of release {to} went to the real database of `{target}`: {said}")]
    Strayed {
        /// The target.
        target: TargetName,
        /// The release.
        to: Version,
        /// What was seen.
        said: String,
    },
    /// The archive could not be restored into a scratch, or that is still there.
    #[error(transparent)]
    Drill(#[from] DrillError),
    /// Our own state could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
}

impl RehearseError {
    /// What it says of the release; none where it was cut off, or nothing is known of a release.
    pub(super) fn verdict(&self) -> Option<(Verdict, String)> {
        match self {
            Self::Failed { said, .. } | Self::Strayed { said, .. } => Some((Verdict::Failed, said.clone())),
            Self::Drill(DrillError::CutOff(_)) | Self::State(_) | Self::NoRelease(_) | Self::Release(_) => None,
            Self::Refused { .. } | Self::Drill(_) => Some((Verdict::NotTried, Chain(self).to_string())),
        }
    }

    pub(super) fn label(&self) -> Option<Label> {
        match self {
            Self::Failed { label, .. } => Some(label.clone()),
            _ => None,
        }
    }
}

impl Explain for RehearseError {
    fn class(&self) -> Class {
        match self {
            Self::Refused { .. } | Self::Strayed { .. } => Class::Config,
            Self::NoRelease(_) => Class::NoInput,
            Self::Failed { .. } => Class::Data,
            Self::Release(error) => error.class(),
            Self::Drill(error) => error.class(),
            Self::State(error) => error.class(),
        }
    }

    fn safe(&self) -> Option<String> {
        Some(match self {
            Self::Strayed { .. } => "every archive is as it was; the database may not be".to_owned(),
            _ => "the database, its server and every archive are as they were".to_owned(),
        })
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Refused { target, .. } => {
                vec![format!(
                    "docs/upgrades.md says under \"Rehearsals\" what `[targets.{target}.rehearse]` can point elsewhere"
                )]
            }
            Self::NoRelease(_) => {
                vec!["name a version, or the directory of a release beside the installed one: `--to`".to_owned()]
            }
            Self::Failed { target, .. } => vec![
                "do not upgrade to it before the cause is known: the same would happen to the database itself".to_owned(),
                format!("see what is pending: `upkeep plan {target}`"),
            ],
            Self::Strayed { target, .. } => vec![
                format!(
                    "see what happened to the database: `upkeep migrate info {target}`, and what its newest archive has: `upkeep diff {target}`"
                ),
                format!(
                    "`environment` in `[targets.{target}.rehearse]` does not move the tool: mend it before the next rehearsal"
                ),
            ],
            Self::Release(error) => error.hints(),
            Self::Drill(error) => error.hints(),
            Self::State(error) => error.hints(),
        }
    }

    fn transient(&self) -> bool {
        match self {
            Self::Drill(error) => error.transient(),
            Self::State(error) => error.transient(),
            Self::Release(error) => error.transient(),
            _ => false,
        }
    }
}
