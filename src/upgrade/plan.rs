//! The immutable plan of an upgrade, and what it is made of.
//!
//! Owns the plan's form, which journals hold. The look that it is made from is in [`observation`], the decision in
//! [`decide`], its words in `words`. Pure: no clock, no disk. Invariant: a plan says everything its steps need, so that
//! carrying it out makes no choices; held by the tests beside this file.

mod decide;
mod observation;
mod refusal;
mod words;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::state::{Direction, ReleaseAt, Step};
use crate::ids::{Label, TargetName, UpgradeId};
use crate::shape::Shape;

pub use super::judge::Scripts;
pub use decide::{Asked, Decision, decide, forward, open_at, standing};
pub use observation::{Database, Lost, Observation, Rules, Unread};
pub use refusal::{Refusal, next_steps};

/// The plan format written now.
pub const FORMAT: u32 = 1;

/// Who applies the migrations, as a plan writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applies {
    /// Nobody: there are none.
    Nobody,
    /// Our own engine.
    Upkeep,
    /// The vendor's tool.
    Tool,
    /// The server at its first start.
    Server,
}

/// What an upgrade's failure does, as a plan writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterFailure {
    /// Put everything back.
    PutBack,
    /// Past the point of no return: wait for a person. Before it, put back: the database is as it was.
    AskPerson,
}

/// What a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "purpose", rename_all = "kebab-case")]
pub enum Purpose {
    /// To the installed release.
    Upgrade,
    /// Only to write down that the present state is the good one.
    Adopt,
    /// Back to before an earlier upgrade.
    Rollback {
        /// That upgrade.
        of: UpgradeId,
        /// Its pre-upgrade archive.
        archive: Label,
    },
}

/// An immutable plan: what will be done, in which order, and what is expected at each point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The format, [`FORMAT`] when written now.
    pub format: u32,
    /// The target.
    pub target: TargetName,
    /// What it is for.
    #[serde(flatten)]
    pub purpose: Purpose,
    /// The release before; none at first sight.
    pub from: Option<ReleaseAt>,
    /// The release after.
    pub to: ReleaseAt,
    /// Whether and how the release before can be installed again.
    pub back: Back,
    /// Who applies the migrations.
    pub applies: Applies,
    /// The migrations to apply, in order.
    pub pending: Vec<String>,
    /// The shape before.
    pub before: Shape,
    /// Which way the steps lead.
    pub direction: Direction,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// What a failure does.
    pub after_failure: AfterFailure,
    /// How many restarts of one step without an outcome are tried.
    pub attempts: u32,
    /// The release's symlink or directory, for the commands a person is told.
    pub release_path: PathBuf,
    /// The server, for the same.
    pub service: String,
    /// That the schema was changed outside of migrations before: what is archived is not what the release before left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
}

/// A schema that somebody changed past the migrations before an upgrade began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// The newest archive of the release before as that release left its database, if there is one.
    pub archive: Option<Label>,
}

/// Whether and how the release before can be installed again, as a plan writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Back {
    /// The symlink is swapped.
    Symlink,
    /// The configured command.
    Command,
    /// Not by us: a person installs it.
    Nothing,
}

impl Plan {
    /// Its JSON, the form whose digest is journaled.
    ///
    /// # Errors
    /// When it cannot be written, which no plan of ours is.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// BLAKE3 of a plan's JSON, hex.
    #[must_use]
    pub fn digest(json: &str) -> String {
        blake3::hash(json.as_bytes()).to_hex().to_string()
    }

    /// The release that the way back leads to.
    #[must_use]
    pub fn earlier(&self) -> Option<&ReleaseAt> {
        match self.purpose {
            Purpose::Rollback { .. } => Some(&self.to),
            Purpose::Upgrade | Purpose::Adopt => self.from.as_ref(),
        }
    }

    /// The release that the way back leaves, and that is held afterwards.
    #[must_use]
    pub fn newer(&self) -> Option<&ReleaseAt> {
        match self.purpose {
            Purpose::Rollback { .. } => self.from.as_ref(),
            Purpose::Upgrade | Purpose::Adopt => Some(&self.to),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
