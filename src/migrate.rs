//! Applying a release's migrations, and saying where a database stands: Flyway's work, done so that a real Flyway accepts
//! the history we write and we accept its.
//!
//! Owns the reading of scripts, the plan, and the run. Never decides that an upgrade happens, and never applies anything to a
//! database that holds what the release does not know. Invariants: a script and its history row are in one transaction
//! wherever the engine can; where it cannot, a row that says "failed" is there before the first statement and turns to
//! "success" after the last, so that a crash in between is seen; on MySQL, where hardly any script can, a journal beside the
//! history knows which statements are done. Held by `tests/it/migrate_postgres.rs`, `tests/it/migrate_sqlite.rs` and
//! `tests/it/migrate_mysql.rs`.
//!
//! Each engine is one [`host::Host`] with a [`split::Dialect`]; the run itself is written once, in `run.rs`.

pub mod checksum;
pub mod companion;
pub mod difference;
mod encoding;
pub mod error;
mod handover;
mod host;
pub mod keep;
pub mod kept;
mod lock;
mod mysql;
pub mod naming;
mod placeholders;
pub mod plan;
mod postgres;
mod prepare;
mod pulse;
mod run;
pub mod scan;
pub mod split;
mod sqlite;
pub mod version;

use std::path::Path;

use serde::Serialize;

use crate::config::{Database, Location, Migrations};
use crate::progress::Progress;
pub use error::MigrateError;
pub use keep::{keep, lay_out};
pub use kept::KeptManifest;
pub use plan::Repaired;
use plan::{Entry, Problem};
pub use run::{AppliedScript, ApplyError, DryScript, DryStatement, Foreseen, Intent, Report, Selection};

/// Where a database stands against a release's scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Info {
    /// The history table, qualified.
    pub table: String,
    /// Whether it exists.
    pub exists: bool,
    /// The newest version in effect.
    pub head: Option<String>,
    /// Every row and script with its state.
    pub entries: Vec<Entry>,
    /// What would be applied, in order.
    pub pending: Vec<PendingScript>,
    /// Applied versions that are newer than all the release knows.
    pub ahead: Vec<String>,
    /// Why nothing may be applied; told with `message` and `hint`, both for people.
    #[serde(serialize_with = "plan::in_words")]
    pub problems: Vec<Problem>,
    /// The baseline that would be written first.
    pub baseline: Option<String>,
    /// Files in the locations that nothing is done with.
    pub left_alone: Vec<scan::LeftAlone>,
}

/// A script to be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PendingScript {
    /// Its version; none for repeatable ones.
    pub version: Option<String>,
    /// Its description.
    pub description: String,
    /// Its path relative to its location.
    pub script: String,
}

impl Info {
    /// Whether the database has exactly what the release has, and nothing is wrong.
    #[must_use]
    pub fn in_step(&self) -> bool {
        self.pending.is_empty() && self.problems.is_empty()
    }
}

macro_rules! on_host {
    ($database:expr, $settings:expr, $host:ident => $call:expr) => {{
        let pulse = pulse::Pulse::default();
        match &$database.location {
            Location::Postgres { .. } => {
                let mut $host = postgres::PostgresHost::new($database, $settings, pulse.clone());
                let look = || -> pulse::Looking<'_> { Box::pin(postgres::look($database)) };
                let result = pulse::watched($database, &pulse, look, Box::pin(async { $call })).await;
                // A server that does not answer must not keep us from saying so.
                tokio::time::timeout(pulse::CLOSE_WITHIN, host::Host::close($host)).await.ok();
                result
            }
            Location::MySql { .. } => {
                let mut $host = mysql::MySqlHost::new($database, $settings, pulse.clone());
                let look = || -> pulse::Looking<'_> { Box::pin(mysql::look($database)) };
                let result = pulse::watched($database, &pulse, look, Box::pin(async { $call })).await;
                tokio::time::timeout(pulse::CLOSE_WITHIN, host::Host::close($host)).await.ok();
                result
            }
            Location::Sqlite { path } => {
                let mut $host = sqlite::SqliteHost::new(path, $settings);
                let result = $call;
                host::Host::close($host).await;
                result
            }
        }
    }};
}

/// Looks at the database and the scripts; changes nothing and takes no lock. `root` is the release's directory or a folder
/// that [`lay_out`] made.
///
/// # Errors
/// When the scripts or the database cannot be read. What is wrong *with* them is in [`Info::problems`].
pub async fn info(database: &Database, settings: &Migrations, root: &Path) -> Result<Info, MigrateError> {
    let scripts = scripts_of(database, settings, root).await?;
    on_host!(database, settings, host => run::info(&mut host, settings, &scripts).await)
}

/// As [`info`], but problems are an error. Pending scripts are none.
///
/// # Errors
/// As [`info`], and [`MigrateError::Refused`].
pub async fn validate(database: &Database, settings: &Migrations, root: &Path) -> Result<Info, MigrateError> {
    let info = info(database, settings, root).await?;
    if info.problems.is_empty() { Ok(info) } else { Err(MigrateError::Refused(info.problems)) }
}

/// Applies what is pending, under Flyway's own lock, one script after the other.
///
/// # Errors
/// When anything is refused, before the first change; or when a script fails. The report in the error says what was applied.
pub async fn apply(database: &Database, settings: &Migrations, root: &Path, progress: &Progress) -> Result<Report, ApplyError> {
    apply_some(database, settings, root, &Selection::default(), progress).await
}

/// As [`apply`], but only what is selected.
///
/// # Errors
/// As [`apply`], and when something selected is not pending.
pub async fn apply_some(
    database: &Database,
    settings: &Migrations,
    root: &Path,
    selection: &Selection,
    progress: &Progress,
) -> Result<Report, ApplyError> {
    let mut report = Report::default();
    let result = match scripts_of(database, settings, root).await {
        Ok(scripts) => {
            on_host!(database, settings, host => run::apply(&mut host, settings, &scripts, selection, progress, &mut report).await)
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => Ok(report),
        Err(error) => Err(ApplyError { report, error: Box::new(error) }),
    }
}

/// What [`apply_some`] would do, script by script and statement by statement. Changes nothing and takes no lock.
///
/// # Errors
/// As [`apply_some`], before anything ran.
pub async fn dry_run(
    database: &Database,
    settings: &Migrations,
    root: &Path,
    selection: &Selection,
) -> Result<Vec<DryScript>, MigrateError> {
    let scripts = scripts_of(database, settings, root).await?;
    on_host!(database, settings, host => run::dry_run(&mut host, settings, &scripts, selection).await)
}

/// Finds every refusal of a change that is known beforehand, and whether there is anything to change: before a whole archive is taken and
/// read back for it, or a server stopped. Changes nothing and takes no lock.
///
/// # Errors
/// As the change itself before anything ran, and when this account may not make it.
pub async fn foresee(
    database: &Database,
    settings: &Migrations,
    root: &Path,
    intent: &Intent<'_>,
) -> Result<Foreseen, MigrateError> {
    let scripts = scripts_of(database, settings, root).await?;
    on_host!(database, settings, host => run::foresee(&mut host, settings, &scripts, intent).await)
}

/// Takes back the newest version by its undo script, or every version newer than `down_to`, newest first.
///
/// # Errors
/// When anything is refused or has no undo script, before the first change; or when a script fails. The report in the error
/// says what was taken back.
pub async fn undo(
    database: &Database,
    settings: &Migrations,
    root: &Path,
    down_to: Option<&str>,
) -> Result<Report, ApplyError> {
    let mut report = Report::default();
    let result = match scripts_of(database, settings, root).await {
        Ok(scripts) => {
            on_host!(database, settings, host => run::undo(&mut host, settings, &scripts, down_to, &mut report).await)
        }
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => Ok(report),
        Err(error) => Err(ApplyError { report, error: Box::new(error) }),
    }
}

/// Says that a database without a history is at `version`. A baseline of that version that is there already is success.
///
/// # Errors
/// When the history already has rows, or the version is none.
pub async fn baseline(
    database: &Database,
    settings: &Migrations,
    root: &Path,
    version: &str,
    description: Option<&str>,
) -> Result<(), MigrateError> {
    let scripts = scripts_of(database, settings, root).await?;
    on_host!(database, settings, host => run::baseline(&mut host, settings, &scripts, version, description).await)
}

/// Makes the history agree with the scripts, as `flyway repair` does: removes failed rows, notes missing scripts as deleted,
/// and takes over changed checksums and descriptions. Never touches the schema itself.
///
/// # Errors
/// When the scripts or the database cannot be read or the history cannot be written.
pub async fn repair(database: &Database, settings: &Migrations, root: &Path) -> Result<Repaired, MigrateError> {
    let scripts = scripts_of(database, settings, root).await?;
    on_host!(database, settings, host => run::repair(&mut host, settings, &scripts).await)
}

/// Removes what a crash in the middle of a run left beside the history and nobody needs; says what it did, one line each. What a
/// script that was begun needs to go on stays. Safe to repeat, also while another process migrates.
///
/// # Errors
/// When the database cannot be reached or asked. One that does not exist is no error.
pub async fn settle(database: &Database, settings: &Migrations) -> Result<Vec<String>, MigrateError> {
    on_host!(database, settings, host => host::Host::settle(&mut host).await)
}

/// Scans off the async threads: a release may hold thousands of scripts on a slow disk.
async fn scripts_of(database: &Database, settings: &Migrations, root: &Path) -> Result<scan::Scripts, MigrateError> {
    let flavour = match &database.location {
        Location::Postgres { .. } => "postgresql",
        Location::Sqlite { .. } => "sqlite",
        Location::MySql { .. } => "mysql",
    };
    let (settings, root) = (settings.clone(), root.to_owned());
    let scan = tokio::task::spawn_blocking(move || scan::scripts(&settings, flavour, &root));
    scan.await.unwrap_or_else(|_| Err(MigrateError::Worker("reading the scripts".to_owned())))
}

#[cfg(test)]
#[path = "../tests/it/support/scripts.rs"]
pub(crate) mod tests;
