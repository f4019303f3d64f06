//! A plan in words: what a person reads before saying yes.

use std::fmt;

use super::{AfterFailure, Back, Plan, Purpose};
use crate::upgrade::state::{Direction, Step};

impl Plan {
    /// One sentence: from what to what.
    #[must_use]
    pub fn headline(&self) -> String {
        let from = self.from.as_ref().map_or_else(|| "an unknown release".to_owned(), |from| from.version.to_string());
        match &self.purpose {
            Purpose::Upgrade if self.from.as_ref().is_some_and(|from| from.version == self.to.version) => {
                format!("bring the database of {} in step with release {from}", self.target)
            }
            Purpose::Upgrade => format!("upgrade {} from {from} to {}", self.target, self.to.version),
            Purpose::Adopt => format!("record release {} of {} as the known-good one", self.to.version, self.target),
            Purpose::Rollback { of, .. } => {
                format!("put {} back from {from} to {} as before {of}", self.target, self.to.version)
            }
        }
    }

    fn says(&self, step: Step) -> String {
        match step {
            Step::Preflight => {
                format!("look again: release {} at {}, the same database", self.to.version, self.to.path.display())
            }
            Step::Stop | Step::StopNew => format!("stop {}", self.service),
            Step::Archive => "archive the database: sealed, verified, pinned".to_owned(),
            Step::Migrate if self.pending.is_empty() => "run the migrations; nothing is known to be pending".to_owned(),
            Step::Migrate => format!("apply {}", self.pending.join(", ")),
            Step::Inspect => "look at the database with a fresh connection: nothing pending, nothing failed".to_owned(),
            Step::Start | Step::StartOld => format!("start {}", self.service),
            Step::Healthy | Step::HealthyOld => "wait until it is healthy and stays so".to_owned(),
            Step::KeepFailed => "archive what is there now, so that nothing anyone wrote is lost".to_owned(),
            Step::Restore => match &self.purpose {
                Purpose::Rollback { archive, .. } => format!("restore {archive}"),
                _ => "restore the pre-upgrade archive".to_owned(),
            },
            Step::PointBack => {
                format!("make {} the installed release again", self.earlier().map_or("?".to_owned(), |r| r.version.to_string()))
            }
            Step::Hold => "put the version that was left on hold, so that it is not retried by itself".to_owned(),
        }
    }
}

impl fmt::Display for Plan {
    /// What a person reads before saying yes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.headline())?;
        for (number, step) in self.steps.iter().enumerate() {
            write!(f, "\n  {}. {}: {}", number + 1, step, self.says(*step))?;
        }
        if let (Some(outside), Some(from)) = (&self.outside, &self.from) {
            write!(f, "\n  note: the schema was changed outside of migrations since release {} left it: ", from.version)?;
            match &outside.archive {
                Some(label) => write!(f, "the newest archive of what it left is {label}")?,
                None => f.write_str("there is no archive of what it left")?,
            }
        }
        if self.direction == Direction::Forward && !self.steps.is_empty() {
            let back = match (self.after_failure, self.back, &self.from) {
                (AfterFailure::PutBack, _, Some(from)) if self.outside.is_some() => {
                    format!("the archive is restored, and you are asked whether {} is to start on it", from.version)
                }
                (AfterFailure::AskPerson, _, _) => "the database is left as it is and a person is asked".to_owned(),
                (_, Back::Symlink, Some(from)) => format!(
                    "the archive is restored and {} points to {} again",
                    self.release_path.display(),
                    from.path.display()
                ),
                (_, Back::Command, Some(from)) => {
                    format!("the archive is restored and the revert command installs {} again", from.version)
                }
                (_, _, from) => {
                    let version =
                        from.as_ref().map_or_else(|| "the earlier version".to_owned(), |from| from.version.to_string());
                    format!("the archive is restored and the server stays down until {version} is installed again")
                }
            };
            write!(f, "\n  if a step fails: {back}")?;
        }
        Ok(())
    }
}
