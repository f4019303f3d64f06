//! May the managed server start on its database now? A pure decision for `ExecStartPre`.
//!
//! Owns the answer and its words; never looks at anything itself. Invariant: a server never starts on a database it is not in
//! step with, and the daemon's own start never waits for the daemon; held by the table in the tests beside this file.

pub mod cause;

use std::fmt;

use crate::count::few;
use crate::version::Version;
use cause::{Cause, Names};

/// How release and database stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Neither knows a migration that the other lacks, and the version is the good one.
    InStep,
    /// The release has these migrations that the database lacks, or is a version not taken over yet.
    Pending(Vec<String>),
    /// The database holds these migrations that the release does not know.
    Ahead(Vec<String>),
    /// The database belongs to this release, which is newer than the installed one.
    Newer(Version),
    /// These migrations failed or did not end.
    Failed(Vec<String>),
    /// The schema was changed outside of migrations, in words.
    Outside(String),
    /// Not known yet, with the reason: one of them gives no answer.
    Unknown(String),
    /// What is known contradicts itself: only a person can say what holds.
    Contradicts(Cause),
}

/// What upgrade of the target is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Open {
    /// None.
    Nothing,
    /// One is underway.
    Underway,
    /// One is underway and has let the server start on this release; it waits until it is healthy.
    Settling(Version),
    /// One needs a person.
    Stuck {
        /// To this version.
        to: Version,
        /// What he does next, as the upgrade itself says.
        next_steps: Vec<String>,
    },
}

/// Who is starting the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starter {
    /// The daemon, which left its one-time token.
    Daemon,
    /// Anybody else: a person, a package's script, the boot.
    Other,
}

/// What the gate is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Who starts it.
    pub starter: Starter,
    /// How release and database stand.
    pub standing: Standing,
    /// What upgrade is open.
    pub open: Open,
    /// The release that wants to start, if it could be read.
    pub release: Option<Version>,
    /// The hold on that version, if there is one.
    pub held: Option<Cause>,
}

/// What the gate answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Start.
    Pass(&'static str),
    /// Upgrade first, then start.
    Ask {
        /// What is pending.
        pending: Vec<String>,
    },
    /// Not yet: look again in a moment.
    Wait {
        /// What for.
        why: Awaited,
    },
    /// Do not start.
    Refuse {
        /// Why.
        why: String,
        /// What a person does, with the whole command.
        hint: String,
    },
}

/// What a start waits for at the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// The end of the upgrade underway, or its own start of the server: as long as it takes.
    Upgrade,
    /// An answer of release and database, which after a boot come up beside us: not for long. With the reason.
    Answer(String),
}

/// The decision.
#[must_use]
pub fn decide(facts: &Facts, names: &Names<'_>) -> Gate {
    let refuse = |cause: Cause| {
        let words = cause.words(names);
        Gate::Refuse { why: words.why, hint: words.next_step }
    };
    // First, for whoever waits here for the daemon while the daemon waits for the server would wait for ever.
    if facts.starter == Starter::Daemon {
        return Gate::Pass("the daemon itself starts the server");
    }
    match (&facts.open, &facts.standing) {
        (Open::Stuck { to, next_steps }, _) => refuse(Cause::Stuck { to: to.clone(), next_steps: next_steps.clone() }),
        // A package's script or a person restarts what was started already: neither release nor database is another.
        (Open::Settling(version), _) if facts.release.as_ref() == Some(version) => {
            Gate::Pass("the upgrade underway has started this release already")
        }
        (Open::Underway | Open::Settling(_), _) => Gate::Wait { why: Awaited::Upgrade },
        (Open::Nothing, Standing::InStep) => Gate::Pass("release and database are in step"),
        (Open::Nothing, Standing::Ahead(migrations)) => refuse(Cause::Ahead(migrations.clone())),
        (Open::Nothing, Standing::Newer(version)) => refuse(Cause::Newer(version.clone())),
        (Open::Nothing, Standing::Failed(migrations)) => refuse(Cause::Failed(migrations.clone())),
        (Open::Nothing, Standing::Pending(pending)) => match &facts.held {
            Some(held) => refuse(held.clone()),
            None => Gate::Ask { pending: pending.clone() },
        },
        (Open::Nothing, Standing::Outside(why)) => refuse(Cause::Outside(why.clone())),
        (Open::Nothing, Standing::Contradicts(cause)) => refuse(cause.clone()),
        (Open::Nothing, Standing::Unknown(why)) => Gate::Wait { why: Awaited::Answer(why.clone()) },
    }
}

/// What stands against a start while an upgrade has yet to run, also where no script of it is known by name.
#[must_use]
pub fn still_pending(pending: &[String]) -> String {
    match pending {
        [] => "the release is new, and its upgrade has not run yet".to_owned(),
        pending => format!("still pending: {}", few(pending, ", ")),
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Gate::Pass(why) => write!(f, "pass: {why}"),
            Gate::Ask { pending } if pending.is_empty() => f.write_str("upgrade first: the release is new"),
            Gate::Ask { pending } => write!(f, "upgrade first: {} pending", few(pending, ", ")),
            Gate::Wait { why: Awaited::Upgrade } => f.write_str("wait: an upgrade of this target is underway"),
            Gate::Wait { why: Awaited::Answer(why) } => {
                write!(f, "wait: cannot tell yet whether release and database are in step: {why}")
            }
            Gate::Refuse { why, hint } => write!(f, "refused: {why} ({hint})"),
        }
    }
}

#[cfg(test)]
mod tests;
