//! What goes wrong with migrations, and what to do about it.

use std::path::PathBuf;

use super::plan::Problem;
use super::version::NotAMigrationVersion;
use crate::config::Database;
use crate::durable::DurableError;
use crate::engine;
use crate::failure::{Class, Explain};

/// Why migrations could not be looked at or applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A configured location is not a directory of the release.
    #[error("migration location `{location}` is not a directory: {}", path.display())]
    NoLocation {
        /// As configured.
        location: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A location is written in a way only Flyway's own loader understands.
    #[error("migration location `{location}` cannot be used: {why}")]
    BadLocation {
        /// As configured.
        location: String,
        /// Why, as a clause.
        why: &'static str,
    },
    /// A script or directory cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A script's content or name is not what a script's must be.
    #[error("{} cannot be a migration: {why}", path.display())]
    BadScript {
        /// Which.
        path: PathBuf,
        /// Why, as a clause.
        why: String,
    },
    /// A baseline's version is none.
    #[error("{what} cannot be a baseline")]
    BadBaseline {
        /// Where it came from (`setting baseline_on_migrate`).
        what: String,
        /// Why.
        source: NotAMigrationVersion,
    },
    /// A target is neither a word nor a version.
    #[error("cannot migrate so far")]
    BadTarget(#[source] super::plan::NotATarget),
    /// The folder was laid out from kept scripts and does not hold what was kept.
    #[error("kept scripts in {} are damaged: {why}", path.display())]
    Kept {
        /// The folder or file.
        path: PathBuf,
        /// Why, as a clause.
        why: String,
    },
    /// The database and the release do not fit, or the release holds what we do not run.
    #[error("migrations are refused: {}{}", .0.first().map_or_else(String::new, ToString::to_string), more(.0.len()))]
    Refused(Vec<Problem>),
    /// A baseline cannot be set where something was applied already.
    #[error("cannot set a baseline: history table {table} already has {rows} rows")]
    Baselined {
        /// The table.
        table: String,
        /// Its rows.
        rows: usize,
    },
    /// No connection.
    #[error("cannot connect to {location} for migrations")]
    Connect {
        /// Where.
        location: String,
        /// The cause.
        source: sqlx::Error,
    },
    /// What answers at the address lends its backends to several clients.
    #[error("{location} is a connection pooler and not the server itself{}", said.as_ref().map(|said| format!(" (`{said}`)")).unwrap_or_default())]
    Pooler {
        /// Where.
        location: String,
        /// Its words, where it had any.
        said: Option<String>,
    },
    /// A database file cannot be opened, or not for changing it; a server is not who it must be.
    #[error(transparent)]
    Place(Box<crate::engine::EngineError>),
    /// The server stopped answering while migrations ran.
    #[error("{location} has not answered for minutes, and what migrations were doing there is not waited for any longer")]
    Silent {
        /// Where.
        location: String,
        /// What the last look met.
        source: sqlx::Error,
    },
    /// The server is there, and one of our connections to it is not, without a word.
    #[error("{location} answers, and does not know the connection that migrations run on: it broke without a word")]
    Gone {
        /// Where.
        location: String,
    },
    /// A statement of our own failed.
    #[error("cannot {doing}")]
    Sql {
        /// What was being done, with its nouns.
        doing: String,
        /// The cause.
        source: sqlx::Error,
    },
    /// The account may not change the database, or nobody may.
    #[error("this account may not change {location}: {why}")]
    MayNot {
        /// The database.
        location: String,
        /// What the server said.
        why: String,
    },
    /// The history table holds something no history table holds.
    #[error("history table {table} cannot be understood: {why}")]
    History {
        /// The table.
        table: String,
        /// Why, as a clause.
        why: String,
    },
    /// Another migration run holds the lock.
    #[error("another migration of {table} is running: its lock was not free within {waited_s} s")]
    Busy {
        /// The history table.
        table: String,
        /// How long we waited, in seconds.
        waited_s: u64,
    },
    /// A statement of a script failed.
    #[error("{script} line {line} (statement {number}) failed")]
    Statement {
        /// The script.
        script: String,
        /// The line in the script the server points to, or where the statement begins.
        line: usize,
        /// Which statement of the script, from 1.
        number: usize,
        /// Whether earlier statements of the script stay in effect.
        left: Left,
        /// What the server said.
        source: Box<ServerSaid>,
    },
    /// The connection broke in the middle of a script.
    #[error("lost the database while running {script} line {line} (statement {number})")]
    Lost {
        /// The script.
        script: String,
        /// Where its statement begins.
        line: usize,
        /// Which statement of the script, from 1.
        number: usize,
        /// Whether earlier statements of the script stay in effect.
        left: Left,
        /// The cause.
        source: sqlx::Error,
    },
    /// The script began a transaction and did not end it.
    #[error("{script} leaves a transaction open")]
    LeftOpen {
        /// The script.
        script: String,
    },
    /// A worker ended without an answer.
    #[error("a worker ended without an answer while {0}")]
    Worker(String),
    /// A file operation failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
}

impl From<crate::engine::EngineError> for MigrateError {
    fn from(error: crate::engine::EngineError) -> Self {
        Self::Place(Box::new(error))
    }
}

/// What a failed script leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing: its transaction was rolled back.
    Nothing,
    /// Whatever ran before the failure; the history has a row that says it failed.
    Part,
    /// The same, and it is written down which statements are done: the next run goes on from there.
    Journaled,
}

/// The server's own words about a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}{}{}", code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default(),
    detail.as_ref().map(|detail| format!("; {detail}")).unwrap_or_default(),
    hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct ServerSaid {
    /// Its message.
    pub message: String,
    /// Its code (SQLSTATE, SQLite's extended result code, MySQL's number and SQLSTATE).
    pub code: Option<String>,
    /// Its detail.
    pub detail: Option<String>,
    /// Its hint.
    pub hint: Option<String>,
    /// Where in the statement, in characters from 1.
    pub position: Option<usize>,
}

impl ServerSaid {
    /// What the server said, when the error came from it.
    pub(crate) fn of(error: &sqlx::Error) -> Option<Self> {
        let said = error.as_database_error()?;
        let postgres = said.try_downcast_ref::<sqlx::postgres::PgDatabaseError>();
        let mysql = said.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
        let position = postgres.and_then(|said| match said.position() {
            Some(sqlx::postgres::PgErrorPosition::Original(at)) => Some(at),
            _ => None,
        });
        Some(Self {
            message: said.message().to_owned(),
            code: match mysql {
                Some(mysql) => {
                    Some(mysql.code().map_or(mysql.number().to_string(), |state| format!("{}, {state}", mysql.number())))
                }
                None => said.code().map(|code| code.into_owned()),
            },
            detail: postgres.and_then(|said| said.detail()).map(str::to_owned),
            hint: postgres.and_then(|said| said.hint()).map(str::to_owned),
            position,
        })
    }
}

fn more(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

impl MigrateError {
    /// Whether a part of a script is in effect that is not recorded as applied.
    #[must_use]
    pub fn leaves_part(&self) -> bool {
        match self {
            Self::Statement { left, .. } | Self::Lost { left, .. } => *left != Left::Nothing,
            // Which statement it was is not known here, nor whether the server still runs it.
            Self::LeftOpen { .. } | Self::Silent { .. } | Self::Gone { .. } => true,
            Self::Refused(problems) => problems.iter().any(|problem| matches!(problem, Problem::CannotGoOn { .. })),
            _ => false,
        }
    }
}

impl MigrateError {
    /// There is no connection, for whatever reason.
    pub(super) fn connecting(database: &Database, source: sqlx::Error) -> Self {
        match engine::untrusted(database, &source) {
            Some(error) => Self::Place(Box::new(error)),
            None => Self::Connect { location: database.location.to_string(), source },
        }
    }
}

impl Explain for MigrateError {
    fn class(&self) -> Class {
        match self {
            Self::NoLocation { .. } => Class::NoInput,
            Self::BadLocation { .. } | Self::BadBaseline { .. } | Self::BadTarget(_) | Self::Pooler { .. } => Class::Config,
            Self::Read { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => Class::NoInput,
                std::io::ErrorKind::PermissionDenied => Class::NoPermission,
                _ => Class::Io,
            },
            Self::Connect { .. } | Self::Lost { .. } | Self::Silent { .. } | Self::Gone { .. } => Class::Unavailable,
            Self::Sql { source, .. } if engine::is_lost(source) => Class::Unavailable,
            Self::Sql { .. } => Class::Data,
            Self::MayNot { .. } => Class::NoPermission,
            Self::Busy { .. } => Class::TempFail,
            Self::Place(error) => error.class(),
            Self::Worker(_) => Class::Software,
            Self::Durable(error) => error.class(),
            Self::BadScript { .. }
            | Self::Kept { .. }
            | Self::Refused(_)
            | Self::Baselined { .. }
            | Self::History { .. }
            | Self::Statement { .. }
            | Self::LeftOpen { .. } => Class::Data,
        }
    }

    fn safe(&self) -> Option<String> {
        match self {
            Self::Statement { left: Left::Nothing, .. } | Self::Lost { left: Left::Nothing, .. } => {
                Some("the script's transaction was rolled back; earlier scripts stay applied".to_owned())
            }
            Self::Statement { left: Left::Part, .. } | Self::Lost { left: Left::Part, .. } => {
                Some("the script ran without a transaction: its earlier statements stay in effect".to_owned())
            }
            Self::Statement { left: Left::Journaled, .. } | Self::Lost { left: Left::Journaled, .. } => {
                Some("the script's earlier statements stay in effect, and which they are is written down".to_owned())
            }
            Self::MayNot { .. } | Self::Pooler { .. } => Some("nothing was changed".to_owned()),
            Self::Silent { .. } | Self::Gone { .. } => {
                Some("what was committed stays, and the history says which scripts are whole".to_owned())
            }
            Self::Refused(_) => Some("nothing was applied by this run after the refusal".to_owned()),
            Self::Place(error) => error.safe(),
            Self::Durable(error) => error.safe(),
            _ => None,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoLocation { .. } => {
                vec![
                    "check `locations` in `[targets.T.migrations]`: they are relative to the release, and each release must have them"
                        .to_owned(),
                    "where the vendor's tool or the server migrates by other files than Flyway's: `locations = []`".to_owned(),
                ]
            }
            Self::Refused(problems) => {
                let mut hints: Vec<String> = Vec::new();
                for hint in problems.iter().map(Problem::hint) {
                    if !hints.contains(&hint) {
                        hints.push(hint);
                    }
                }
                hints
            }
            Self::Statement { left: Left::Part, .. } | Self::Lost { left: Left::Part, .. } => {
                vec!["restore the archive taken before, or clean up by hand and run `upkeep migrate repair TARGET`".to_owned()]
            }
            Self::Statement { left: Left::Journaled, .. } => {
                vec![
                    "fix the script from that statement on: the next run goes on there; or restore the archive taken before"
                        .to_owned(),
                ]
            }
            Self::Lost { left: Left::Journaled, .. } => {
                vec!["run it again: it goes on where it stopped; or restore the archive taken before".to_owned()]
            }
            Self::MayNot { .. } => vec![
                "is this the server that takes writes? else let its administrator grant the account of `[targets.T.database]` what migrations need"
                    .to_owned(),
            ],
            Self::Pooler { .. } => vec![crate::engine::POOLER_HINT.to_owned()],
            Self::Connect { location, source } => vec![crate::engine::unreached(location, source)],
            Self::Silent { .. } | Self::Gone { .. } => {
                let when =
                    "when it answers again, see what is applied: `upkeep migrate info TARGET`; the next run goes on from there";
                vec!["look at the database server's own log, and at the network between".to_owned(), when.to_owned()]
            }
            Self::Busy { .. } => vec!["wait for the other run to end, then try again".to_owned()],
            Self::Baselined { .. } => vec!["look at what is there: `upkeep migrate info TARGET`".to_owned()],
            Self::LeftOpen { .. } => vec!["end every BEGIN of the script with a COMMIT".to_owned()],
            Self::Place(error) => error.hints(),
            Self::Durable(error) => error.hints(),
            _ => Vec::new(),
        }
    }

    fn transient(&self) -> bool {
        matches!(self, Self::Place(error) if error.transient())
            || matches!(self, Self::Sql { source, .. } if engine::is_lost(source))
            || matches!(
                self,
                Self::Connect { .. }
                    | Self::Busy { .. }
                    | Self::Silent { .. }
                    | Self::Gone { .. }
                    | Self::Lost { left: Left::Nothing | Left::Journaled, .. }
            )
    }
}
