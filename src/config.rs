//! The configuration, checked: inside the program nothing is "maybe configured".
//!
//! Owns the types every other module takes its settings from. [`load`] reads the layers (defaults, profile, file, conf.d,
//! environment), reports every problem at once and gives these types; the raw shapes stay in there.

pub mod load;
mod raw;
mod secrets;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::ids::TargetName;
use crate::retention::Policy;
use crate::schedule::Schedule;

/// Everything configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// The daemon itself.
    pub daemon: Daemon,
    /// The socket.
    pub control: Control,
    /// Who is told of problems; none when nobody is.
    pub alarms: Option<Alarms>,
    /// The targets, by name.
    pub targets: BTreeMap<TargetName, Target>,
}

/// `[daemon]`.
#[derive(Debug, Clone)]
pub struct Daemon {
    /// Where the state database, the lock, kept scripts and (by default) archives live.
    pub state_dir: PathBuf,
    /// How often the slow poll looks at releases when nothing else woke us.
    pub poll: Duration,
    /// On TERM, how long running work may take to reach a step boundary.
    pub stop_timeout: Duration,
}

/// `[control]`.
#[derive(Debug, Clone)]
pub struct Control {
    /// The socket's path.
    pub socket: PathBuf,
    /// Who may read.
    pub observers: Vec<Principal>,
    /// Who may act (and read).
    pub operators: Vec<Principal>,
}

/// `[alarms]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarms {
    /// Gets each alarm as one JSON object on its standard input.
    pub command: Option<Vec<String>>,
    /// Gets each as the body of a POST. Plain HTTP.
    pub webhook: Option<String>,
    /// Asked after each good archive of a schedule; `{target}` is replaced. Plain HTTP.
    pub ping: Option<String>,
    /// How long a problem must last before anybody is told.
    pub after: Duration,
}

/// A user or group of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// By user name or number.
    User(String),
    /// By group name or number (`group:adm`).
    Group(String),
}

/// One server product with its one database.
#[derive(Debug, Clone)]
pub struct Target {
    /// The name.
    pub name: TargetName,
    /// The profile the defaults came from.
    pub profile: String,
    /// The database.
    pub database: Database,
    /// Where and when archives are taken.
    pub backup: Backup,
    /// Which archives are kept.
    pub retention: Policy,
    /// The server's release; without one the target is only backed up.
    pub release: Option<Release>,
    /// The migrations; without them an upgrade only restarts the server on the new version.
    pub migrations: Option<Migrations>,
    /// How the server is stopped, started and asked for its health; without it upgrades are refused.
    pub service: Option<Service>,
    /// When and how upgrades run.
    pub upgrade: Upgrade,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one call that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// `[targets.T.database]`.
#[derive(Debug, Clone)]
pub struct Database {
    /// Where it is, without a password.
    pub location: Location,
    /// The password, already read from wherever the configuration said.
    pub password: Option<Secret>,
    /// Where the database's client programs are, before the usual places.
    pub client_bindir: Vec<PathBuf>,
    /// Whose its views, routines, triggers and events are in an archive, and after a restore (MySQL and MariaDB).
    pub definers: Definers,
}

impl Database {
    /// The database there, with everything else as it is when nothing is said of it.
    #[must_use]
    pub fn at(location: Location) -> Self {
        Self { location, password: None, client_bindir: Vec::new(), definers: Definers::Keep }
    }
}

/// Whose the views, routines, triggers and events of a MySQL or MariaDB database are (`DEFINER`), in an archive and after a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Definers {
    /// His who made them.
    Keep,
    /// Nobody's in the archive: whoever restores it makes them his.
    Strip,
    /// This account's.
    Rewrite {
        /// Its user.
        user: String,
        /// The host it may come from.
        host: String,
    },
}

/// A database's place, by engine. Never holds a password, so it may be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A PostgreSQL database.
    Postgres {
        /// Host name, address, or the directory of a Unix socket.
        host: String,
        /// TCP port, or the socket's number.
        port: u16,
        /// Role.
        user: String,
        /// Database name.
        database: String,
        /// `sslmode` as libpq spells it (`prefer` when not given).
        sslmode: String,
    },
    /// A MySQL or MariaDB database; which of the two it is, the server says.
    MySql {
        /// Host name, address, or the path of a Unix socket.
        host: String,
        /// TCP port; without meaning for a socket.
        port: u16,
        /// Account.
        user: String,
        /// Database name.
        database: String,
        /// `ssl-mode` as MySQL's clients spell it (`PREFERRED` when not given).
        ssl_mode: String,
    },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite://{}", path.display()),
            Self::Postgres { host, port, user, database, .. } if host.starts_with('/') => {
                write!(f, "postgres:///{database}?host={host}&port={port}&user={user}")
            }
            Self::Postgres { host, port, user, database, .. } => write!(f, "postgres://{user}@{host}:{port}/{database}"),
            Self::MySql { host, user, database, .. } if host.starts_with('/') => {
                write!(f, "mysql:///{database}?socket={host}&user={user}")
            }
            Self::MySql { host, port, user, database, .. } => write!(f, "mysql://{user}@{host}:{port}/{database}"),
        }
    }
}

/// `[targets.T.backup]`.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Where archives of this target live.
    pub directory: PathBuf,
    /// When they are taken; none for a target that is only backed up by hand and by upgrades.
    pub schedule: Option<Schedule>,
    /// Whether a run missed while the daemon was down happens at the next start.
    pub catch_up: bool,
    /// Each run starts up to this much later, by a fixed amount per target and run.
    pub jitter: Duration,
    /// Older than this without a good archive: overdue.
    pub max_age: Option<Duration>,
    /// zstd level, 1 to 19.
    pub level: i32,
    /// Connections that read at once; 0 for one per core plus one.
    pub jobs: usize,
}

/// `[targets.T.release]`.
#[derive(Debug, Clone)]
pub struct Release {
    /// The directory, or the symlink that is swapped.
    pub path: PathBuf,
    /// How its version is read. Several must agree.
    pub probes: Vec<Probe>,
    /// How long it must have been still before it is believed.
    pub settle: Duration,
    /// A command that puts the named version back (`{version}` is replaced), for releases that replace their own files.
    pub revert: Option<Vec<String>>,
}

/// One way to read the installed version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The `*` in a glob below the release (`libs/app-*.jar`).
    Glob(String),
    /// The first line of a file below the release.
    File(PathBuf),
    /// The version in the last path component of the symlink's target.
    Symlink,
    /// The first line a command prints.
    Command(Vec<String>),
    /// The version of an installed Debian package.
    Dpkg(String),
}

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
        /// It is killed after this long.
        deadline: Duration,
        /// The user it runs as, in a unit of its own that `upkeep setup` writes; none for a child process of ours.
        user: Option<String>,
    },
    /// The server migrates itself when it starts.
    OnStart,
}

/// `[targets.T.service]`.
#[derive(Debug, Clone)]
pub struct Service {
    /// How it is stopped and started.
    pub control: ServiceControl,
    /// What must answer before it counts as healthy; all of them.
    pub health: Vec<Health>,
    /// How long it must stay healthy.
    pub healthy_for: Duration,
    /// How long it may take to become healthy, and a start or stop command to end.
    pub deadline: Duration,
}

/// How the managed server is stopped and started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceControl {
    /// A systemd unit, through `systemctl`.
    Unit(String),
    /// Commands; `status` exits with 0 when the server runs and 3 when it does not.
    Commands {
        /// Starts it and returns.
        start: Vec<String>,
        /// Stops it and returns when it is stopped.
        stop: Vec<String>,
        /// Says whether it runs.
        status: Vec<String>,
    },
}

/// One health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// A GET that must answer 2xx. Plain HTTP.
    Http(String),
    /// A TCP connection that must open, `host:port`.
    Tcp(String),
    /// A command that must exit with 0.
    Command(Vec<String>),
}

/// `[targets.T.upgrade]`.
#[derive(Debug, Clone)]
pub struct Upgrade {
    /// Whether a new release is upgraded to without being asked.
    pub auto: bool,
    /// Only within this window of the day, in the target's time zone.
    pub window: Option<Window>,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// How many restarts of one step without an outcome are tried before a person is asked.
    pub attempts: u32,
    /// What the gate does when migrations are pending and no daemon comes.
    pub without_daemon: WithoutDaemon,
}

/// What the gate does when it cannot see the server in step with its database and there is no daemon to see to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutDaemon {
    /// The server does not start.
    Refuse,
    /// The server starts, on a database that may be of another version.
    Pass,
}

/// A span of the day; one that ends before it begins passes midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Begin, included.
    pub from: chrono::NaiveTime,
    /// End, excluded.
    pub to: chrono::NaiveTime,
    /// The zone it is meant in.
    pub zone: chrono_tz::Tz,
}

/// What a failed upgrade does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Puts everything back.
    Rollback,
    /// Stops and waits for a person.
    Hold,
}
