//! Why nothing may be applied, in words for people.

use serde::{Serialize, Serializer};

use super::facts::{DESCRIPTION_MAX, abbreviated};
use super::{Resolved, shown, type_of};
use crate::count::few;
use crate::history::flyway::Row;
use crate::migrate::difference::Difference;

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "problem")]
pub enum Problem {
    /// A migration failed before and left a part of itself.
    Failed {
        /// Which.
        migration: String,
        /// Its script.
        script: String,
    },
    /// A migration stopped half-way, and it is written down where: a run goes on there.
    Unfinished {
        /// Which.
        migration: String,
        /// Its script.
        script: String,
    },
    /// A migration stopped half-way and cannot go on.
    CannotGoOn {
        /// Its script.
        script: String,
        /// The line, from 1.
        line: usize,
        /// Why, as a clause.
        why: String,
    },
    /// A script is not what it was when it was applied.
    ChecksumChanged {
        /// Which.
        migration: String,
        /// Its script.
        script: String,
        /// The history's checksum.
        applied: Option<i32>,
        /// The script's checksum.
        resolved: i32,
        /// The older Flyway whose formula gives the history's checksum for the text as it is: then nothing was edited.
        #[serde(skip_serializing_if = "Option::is_none")]
        older_formula: Option<String>,
        /// What differs, where that can be told.
        #[serde(skip_serializing_if = "Option::is_none")]
        difference: Option<Difference>,
    },
    /// A script's description is not the one it was applied under.
    DescriptionChanged {
        /// Which.
        migration: String,
        /// Its script.
        script: String,
        /// The history's.
        applied: String,
        /// The script's.
        resolved: String,
    },
    /// A migration was applied as another type (by a Java class).
    TypeChanged {
        /// Which.
        migration: String,
        /// Its script.
        script: String,
        /// The history's.
        applied: String,
        /// The script's.
        resolved: String,
    },
    /// Applied, but the release does not have it, though it has newer ones.
    Missing {
        /// Which.
        migration: String,
        /// Its script, as the history says.
        script: String,
    },
    /// In the release and never applied, although newer ones were.
    Skipped {
        /// Its version.
        version: String,
        /// Its script.
        script: String,
    },
    /// Two scripts are the same migration.
    Duplicate {
        /// Which.
        migration: String,
        /// Both.
        scripts: [String; 2],
    },
    /// The database holds versions newer than everything the release knows.
    Ahead {
        /// Which.
        versions: Vec<String>,
    },
    /// The database has objects but no history.
    NoHistory,
    /// A row that no Flyway wrote.
    Unreadable {
        /// Its rank.
        rank: i64,
        /// Why, as a clause.
        why: String,
    },
    /// The target is a version nobody knows.
    NoTarget {
        /// Which.
        version: String,
    },
    /// A script asked for is not pending.
    NotPending {
        /// As it was asked for.
        asked: String,
    },
    /// Picked scripts would leave older ones behind that then never run.
    LeavesBehind {
        /// The versions.
        versions: Vec<String>,
    },
    /// There is nothing that takes a migration back.
    NoUndo {
        /// Which migration.
        migration: String,
    },
    /// Another tool keeps this database's history.
    Owned {
        /// The tool.
        tool: String,
        /// Its table.
        table: String,
    },
    /// A script makes another tool's history: what comes after it is that tool's.
    HandsOver {
        /// The script.
        script: String,
        /// The line, from 1.
        line: usize,
        /// The tool.
        tool: String,
        /// Its table.
        table: String,
    },
    /// A script mixes statements that need a transaction with some that cannot run in one.
    Mixed {
        /// The script.
        script: String,
        /// The line of the first statement that cannot run in a transaction.
        line: usize,
    },
    /// A callback for an event at which nothing is run.
    Callback {
        /// The file.
        script: String,
        /// Its event.
        event: String,
    },
    /// A pending script that cannot be run as it is.
    Unrunnable {
        /// The script.
        script: String,
        /// The line, from 1.
        line: usize,
        /// Why, as a clause.
        why: String,
    },
}

/// A row's migration, as people name it.
pub(super) fn named(row: &Row) -> String {
    row.version.clone().unwrap_or_else(|| format!("repeatable `{}`", row.description))
}

/// Compares a script with its row, as Flyway validates: type, checksum, description.
pub(super) fn compare(script: &Resolved, row: &Row, same_checksum: bool, problems: &mut Vec<Problem>) {
    let (migration, file) = (shown(script), script.script.clone());
    if row.kind != type_of(script.kind) {
        let (applied, resolved) = (row.kind.clone(), type_of(script.kind).to_owned());
        problems.push(Problem::TypeChanged { migration: migration.clone(), script: file.clone(), applied, resolved });
    }
    // A repeatable script is meant to change.
    if script.version.is_some() && !same_checksum {
        let (applied, resolved) = (row.checksum, script.checksum);
        let (migration, script) = (migration.clone(), file.clone());
        problems.push(Problem::ChecksumChanged { migration, script, applied, resolved, older_formula: None, difference: None });
    }
    let description = abbreviated(&script.description, DESCRIPTION_MAX);
    if description != row.description {
        let applied = row.description.clone();
        problems.push(Problem::DescriptionChanged { migration, script: file, applied, resolved: description });
    }
}

/// Problems with what people read of them beside their fields.
///
/// # Errors
/// The serializer's.
pub fn in_words<S: Serializer>(problems: &[Problem], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Told<'a> {
        #[serde(flatten)]
        problem: &'a Problem,
        message: String,
        hint: String,
    }
    serializer.collect_seq(problems.iter().map(|problem| Told { problem, message: problem.to_string(), hint: problem.hint() }))
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed { migration, script } => write!(f, "migration {migration} ({script}) failed earlier"),
            Self::Unfinished { migration, script } => write!(f, "migration {migration} ({script}) stopped half-way"),
            Self::CannotGoOn { script, line, why } => write!(f, "{script} line {line}: {why}"),
            Self::ChecksumChanged { migration, script, applied, resolved, older_formula: None, difference } => {
                let applied = applied.map_or("none".to_owned(), |sum| sum.to_string());
                write!(f, "{script} was changed after it was applied as {migration}: checksum {applied} then, {resolved} now")?;
                difference.as_ref().map_or(Ok(()), |difference| write!(f, "; {difference}"))
            }
            Self::ChecksumChanged { migration, script, older_formula: Some(formula), .. } => {
                write!(
                    f,
                    "{script} is unchanged since it was applied as {migration}, but its checksum was recorded by {formula}"
                )
            }
            Self::DescriptionChanged { migration, script, applied, resolved } => {
                write!(f, "{script} was applied as {migration} under the description `{applied}`, not `{resolved}`")
            }
            Self::TypeChanged { migration, script, applied, resolved } => {
                write!(f, "{migration} was applied as type {applied}, but {script} is of type {resolved}")
            }
            Self::Missing { migration, script } => write!(f, "{migration} ({script}) was applied and is not in the release"),
            Self::Skipped { version, script } => {
                write!(f, "{script} was never applied, but versions newer than {version} were")
            }
            Self::Duplicate { migration, scripts: [first, second] } => {
                write!(f, "{first} and {second} are both migration {migration}")
            }
            Self::Ahead { versions } => {
                write!(
                    f,
                    "the database is ahead of the release: it has {}, which the release does not know",
                    few(versions, ", ")
                )
            }
            Self::NoHistory => write!(f, "the database has objects but no migration history"),
            Self::Unreadable { rank, why } => write!(f, "row {rank} of the history cannot be understood: {why}"),
            Self::Callback { script, event } => write!(f, "{script} is a callback for {event}, which is not run"),
            Self::NoTarget { version } => write!(f, "target {version} is no version that the release or the history knows"),
            Self::NotPending { asked } => write!(f, "{asked} is not pending"),
            Self::LeavesBehind { versions } => {
                write!(f, "{} would stay behind, older than what is picked, and then never run", few(versions, ", "))
            }
            Self::NoUndo { migration } => write!(f, "the release has no undo script for {migration}"),
            Self::Owned { tool, table } => write!(f, "the history of this database is kept by {tool} in {table}"),
            Self::HandsOver { script, line, tool, table } => {
                write!(f, "{script} line {line} hands the migrations over to {tool}, whose history is {table}")
            }
            Self::Mixed { script, line } => {
                write!(f, "{script} line {line} cannot run in a transaction, and other statements of the script would")
            }
            Self::Unrunnable { script, line, why } => write!(f, "{script} line {line}: {why}"),
        }
    }
}

impl Problem {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Failed { .. } => "restore the archive taken before it, or undo its part by hand, then `upkeep migrate repair TARGET`",
            Self::Unfinished { .. } => {
                "fix the script and go on at the statement that failed: `upkeep migrate apply TARGET`; or restore the archive taken before it"
            }
            Self::CannotGoOn { .. } => {
                "put back what was changed, or restore the archive taken before it: `upkeep list TARGET`"
            }
            Self::ChecksumChanged { older_formula: Some(_), .. } => "rewrite the checksums: `upkeep migrate repair TARGET`",
            Self::ChecksumChanged { .. } | Self::DescriptionChanged { .. } | Self::TypeChanged { .. } => {
                "install the release whose scripts were applied, or accept these: `upkeep migrate repair TARGET`"
            }
            Self::Missing { .. } => "install the complete release, or accept that it is gone: `upkeep migrate repair TARGET`",
            Self::Skipped { .. } => "allow it with `out_of_order = true` in `[targets.T.migrations]`",
            Self::Duplicate { .. } => "remove one of the two from the release",
            Self::Ahead { .. } => "install the newer release again, or restore an archive of this one: `upkeep list TARGET`",
            Self::NoHistory => {
                "say from where it begins: `upkeep migrate baseline TARGET VERSION`, or `baseline_on_migrate` in `[targets.T.migrations]`"
            }
            Self::Unreadable { .. } => "find out what wrote it: the history table belongs to Flyway alone",
            Self::NoTarget { .. } => "name a version that exists, or write `?` behind it in `target`",
            Self::NotPending { .. } => "see what is: `upkeep migrate info TARGET`",
            Self::LeavesBehind { .. } => "pick them too, or allow it with `out_of_order = true` in `[targets.T.migrations]`",
            Self::NoUndo { .. } => "restore the archive taken before it: `upkeep list TARGET`",
            Self::HandsOver { .. } => {
                "let the vendor's own tool do all of it: `runner = \"command\"` in `[targets.T.migrations]`"
            }
            Self::Owned { .. } => "let that tool migrate: `runner = \"command\"` in `[targets.T.migrations]`",
            Self::Mixed { .. } => "split the script in two, or allow it with `mixed = true` in `[targets.T.migrations]`",
            Self::Callback { .. } => {
                "let the vendor's own tool migrate: `runner = \"command\"` in `[targets.T.migrations]`"
            }
            Self::Unrunnable { .. } => "check `placeholders` and `placeholder_replacement` in `[targets.T.migrations]`, and the script",
        }
        .to_owned()
    }
}
