//! The configuration, checked: inside the program nothing is "maybe configured".
//!
//! Owns the types every other module takes its settings from. [`load`] reads the layers (defaults, profile, file, conf.d,
//! environment), reports every problem at once and gives these types; the raw shapes stay in there.

pub mod address;
mod database;
mod encryption;
mod given;
mod handed_on;
pub mod load;
mod migrations;
mod offsite;
mod product;
mod raw;
mod secrets;
mod server;
mod tables;
mod written;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::ids::{PlaceName, TargetName};
use crate::retention::Policy;
use crate::schedule::Schedule;

pub use database::{Database, Definers, Identity, Location, Roots, Secret, Tls};
pub use migrations::{Callbacks, Migrations, Runner};
pub use offsite::{Bucket, Copies, Keys, Offsite, OffsiteKind, Sftp};
pub use product::{Product, forbidden};
pub use secrets::of_place as keys_of_place;
pub use server::{Health, HttpUrl, Probe, Release, Service, ServiceControl};
pub use tables::TablePattern;

/// Everything configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// The daemon itself.
    pub daemon: Daemon,
    /// The socket.
    pub control: Control,
    /// Who is told of problems; none when nobody is.
    pub alarms: Option<Alarms>,
    /// The places away from the host, by name.
    pub offsite: BTreeMap<PlaceName, Offsite>,
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
    /// Directories below which operators may have files restored.
    pub restore_into: Vec<PathBuf>,
}

/// `[alarms]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarms {
    /// Gets each alarm as one JSON object on its standard input.
    pub command: Option<Vec<String>>,
    /// Gets each as the body of a POST.
    pub webhook: Option<HttpUrl>,
    /// Asked after each good archive of a schedule; `{target}` is replaced.
    pub ping: Option<HttpUrl>,
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
    /// Which product its server is; none where upkeep knows nothing of it.
    pub product: Option<Product>,
    /// The database.
    pub database: Database,
    /// Where and when archives are taken.
    pub backup: Backup,
    /// When archives are tried in a scratch.
    pub drill: Drills,
    /// When a new release's migrations are tried in a scratch.
    pub rehearse: Rehearsals,
    /// Which archives are kept.
    pub retention: Policy,
    /// Which archives are copied away from the host, and where to.
    pub offsite: Copies,
    /// The server's release; without one the target is only backed up.
    pub release: Option<Release>,
    /// The migrations; without them an upgrade only restarts the server on the new version.
    pub migrations: Option<Migrations>,
    /// How the server is stopped, started and asked for its health; without it upgrades are refused.
    pub service: Option<Service>,
    /// When and how upgrades run.
    pub upgrade: Upgrade,
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
    /// Tables whose rows no archive of a schedule or a person has. What an upgrade or a restore takes has every row.
    pub without_rows: Vec<TablePattern>,
    /// Files that go along with each archive: whole paths, `*` for any letters of one name; a directory with all in it.
    pub files: Vec<PathBuf>,
    /// Bytes that they may have together.
    pub files_limit: u64,
}

/// `[targets.T.drill]`.
#[derive(Debug, Clone, Default)]
pub struct Drills {
    /// When the newest good archive is tried; none where only by hand.
    pub schedule: Option<Schedule>,
    /// The server that the scratch is made on, and what its name begins with; none for beside the target's own database.
    pub scratch: Option<Database>,
    /// Without an archive that was proven for longer than this: overdue.
    pub max_age: Option<Duration>,
}

/// `[targets.T.rehearse]`.
#[derive(Debug, Clone, Default)]
pub struct Rehearsals {
    /// When the installed release is rehearsed; none where only by hand and before upgrades.
    pub schedule: Option<Schedule>,
    /// Whether an upgrade waits for a rehearsal.
    pub before_upgrade: BeforeUpgrade,
    /// Variables that point the vendor's tool to a scratch: `{host}`, `{port}`, `{user}`, `{password}`, `{database}` and `{path}` are replaced.
    pub environment: BTreeMap<String, String>,
    /// What is run in place of the runner of the migrations.
    pub command: Option<Vec<String>>,
    /// What becomes of a schema that lacks what the release makes of an empty database.
    pub reference: Reference,
}

/// What becomes of a schema that lacks what a release's own migrations make of an empty database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reference {
    /// Nobody looks.
    No,
    /// It is told.
    #[default]
    Note,
    /// What it did not lack before fails.
    Fail,
}

/// Whether an upgrade waits for a rehearsal of its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BeforeUpgrade {
    /// It does not.
    #[default]
    No,
    /// The daemon rehearses first, and begins none whose rehearsal failed; it goes on where none could be tried.
    Yes,
    /// Nobody begins one that no rehearsal passed for.
    Required,
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
