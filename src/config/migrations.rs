//! Which migrations a target has and who applies them, in Flyway's words.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// `[targets.T.migrations]`.
#[derive(Debug, Clone)]
pub struct Migrations {
    /// Who applies them.
    pub runner: Runner,
    /// Directories with scripts, relative to the release or absolute; `{engine}` is replaced by `postgresql` or `sqlite`.
    pub locations: Vec<String>,
    /// Flyway's `table`.
    pub table: String,
    /// Flyway's `defaultSchema`; empty for the connection's own.
    pub schema: String,
    /// Flyway's `sqlMigrationPrefix`.
    pub prefix: String,
    /// Flyway's `repeatableSqlMigrationPrefix`.
    pub repeatable_prefix: String,
    /// Flyway's `sqlMigrationSeparator`.
    pub separator: String,
    /// Flyway's `sqlMigrationSuffixes`.
    pub suffixes: Vec<String>,
    /// Flyway's `placeholders`.
    pub placeholders: BTreeMap<String, String>,
    /// Flyway's `placeholderReplacement`.
    pub placeholder_replacement: bool,
    /// Flyway's `outOfOrder`.
    pub out_of_order: bool,
    /// Flyway's `baselineOnMigrate` with `baselineVersion`.
    pub baseline_on_migrate: Option<String>,
    /// Flyway's `target`: nothing newer is applied; none for everything.
    pub target: Option<String>,
    /// Flyway's `ignoreMigrationPatterns`: what validation passes over.
    pub ignore_patterns: Vec<String>,
    /// Flyway's `mixed`: whether one script may hold statements of which only some can run in a transaction.
    pub mixed: bool,
    /// What is done with SQL callbacks.
    pub callbacks: Callbacks,
    /// Flyway's `encoding` of the scripts.
    pub encoding: String,
    /// Flyway's `createSchemas`: whether a missing schema is created.
    pub create_schemas: bool,
    /// Where scripts of earlier releases are kept: a changed script is compared with what was applied.
    pub kept: Option<PathBuf>,
}

/// What is done with SQL callbacks in the locations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callbacks {
    /// They run at their event, as Flyway's do.
    Run,
    /// Nothing is applied while there are any.
    Refuse,
}

/// Who applies the migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runner {
    /// Our own engine, compatible with Flyway.
    Flyway,
    /// The vendor's tool.
    Command {
        /// Program and arguments.
        argv: Vec<String>,
        /// Working directory; the release when not given.
        directory: Option<PathBuf>,
        /// Variables added.
        environment: BTreeMap<String, String>,
        /// A file with more of them, as systemd's `EnvironmentFile=` reads it.
        environment_file: Option<PathBuf>,
        /// It is killed after this long.
        deadline: Duration,
        /// The user it runs as, in a unit of its own that `upkeep setup` writes; none for a child process of ours.
        user: Option<String>,
    },
    /// The server migrates itself when it starts.
    OnStart,
}
