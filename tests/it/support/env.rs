//! A scratch place: a directory of its own with a configuration made by hand, a state database and a clock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use upkeep::clock::{Clock, FixedClock};
use upkeep::config::{Config, Control, Daemon, Location, Target};
use upkeep::context::Context;
use upkeep::state_db::StateDb;

use super::targets::target;

/// A scratch place with one SQLite target; everything is removed with it.
pub(crate) struct Env {
    /// The directory, for whatever else a test puts there.
    pub(crate) dir: tempfile::TempDir,
    /// What work is handed.
    pub(crate) ctx: Context,
    /// The clock of the context; it stands until it is moved.
    pub(crate) clock: Arc<FixedClock>,
    /// The target `notes`.
    pub(crate) target: Target,
}

/// The moment scratch clocks stand at first.
pub(crate) fn noon() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().expect("a moment")
}

impl Env {
    /// A place whose target is the SQLite file `notes.db`, which does not exist yet.
    pub(crate) async fn sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let location = Location::Sqlite { path: dir.path().join("notes.db") };
        Self::of(dir, location, |path| path.join("archives")).await
    }

    /// The same with archives somewhere else.
    pub(crate) async fn sqlite_with_archives(archives: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let location = Location::Sqlite { path: dir.path().join("notes.db") };
        Self::of(dir, location, |_| archives.to_owned()).await
    }

    /// A place for any database.
    pub(crate) async fn of(dir: tempfile::TempDir, location: Location, archives: impl Fn(&Path) -> PathBuf) -> Self {
        let state_dir = dir.path().join("state");
        let target = target(location, archives(dir.path()), 7);
        let config = Config {
            daemon: Daemon {
                state_dir: state_dir.clone(),
                poll: Duration::from_secs(60),
                stop_timeout: Duration::from_secs(60),
            },
            control: Control {
                socket: dir.path().join("upkeep.sock"),
                observers: Vec::new(),
                operators: Vec::new(),
                restore_into: Vec::new(),
            },
            alarms: None,
            offsite: BTreeMap::new(),
            targets: BTreeMap::from([(target.name.clone(), target.clone())]),
        };
        upkeep::durable::make_dir(&state_dir).expect("a state directory");
        let state = StateDb::open(&state_dir).await.expect("a state database");
        let clock = Arc::new(FixedClock::at(noon()));
        let handed: Arc<dyn Clock> = clock.clone();
        let ctx = Context { config: Arc::new(config), state, clock: handed };
        Self { dir, ctx, clock, target }
    }

    /// The target's database file.
    pub(crate) fn database(&self) -> PathBuf {
        match &self.target.database.location {
            Location::Sqlite { path } => path.clone(),
            other => panic!("{other} is not a SQLite file"),
        }
    }

    /// Every file below the archive directory, by name.
    pub(crate) fn archive_files(&self) -> Vec<String> {
        names(&self.target.backup.directory)
    }
}

/// The names in a directory, sorted; none when it does not exist.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A file system of its own with little room; only root may make one.
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` (said loudly) where mounting is not possible.
    pub(crate) fn of(kib: u32) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let mounted =
            host(&["mount", "-t", "tmpfs", "-o", &format!("size={kib}k,mode=755"), "tmpfs", &dir.path().display().to_string()]);
        if !mounted {
            super::skipped("no small file system can be mounted here (root only)", super::ROOT);
            return None;
        }
        Some(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all but `left` KiB of the room.
    pub(crate) fn fill(&self, left: u64) {
        let free = upkeep::durable::free_bytes(self.path()).expect("free bytes");
        put(&self.path().join("ballast"), &vec![7; usize::try_from(free - left * 1024).expect("fits")]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        host(&["umount", "-l", &self.path().display().to_string()]);
    }
}

#[expect(clippy::disallowed_methods, reason = "the host's own tool, run by the test and not by the program")]
fn host(argv: &[&str]) -> bool {
    std::process::Command::new(argv[0]).args(&argv[1..]).output().is_ok_and(|output| output.status.success())
}

/// Another process with files open or locked; ended with the test.
pub(crate) struct Bystander(std::process::Child);

impl Bystander {
    /// Runs a program with `file` as its standard input.
    #[expect(clippy::disallowed_methods, reason = "a process that is not ours, with a file open")]
    pub(crate) fn reading(file: &Path, argv: &[&str]) -> Self {
        let mut command = std::process::Command::new(argv[0]);
        let file = std::fs::File::open(file).expect("a file");
        Self(command.args(&argv[1..]).stdin(file).spawn().expect("a process"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Writes a file without any care.
#[expect(clippy::disallowed_methods, reason = "a test's own files need no care")]
pub(crate) fn put(path: &Path, content: &[u8]) {
    std::fs::write(path, content).expect("written");
}

/// A connection of the test's own to a SQLite file; `create` says whether it may be made.
pub(crate) async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).busy_timeout(Duration::from_secs(30));
    SqliteConnection::connect_with(&options.foreign_keys(false)).await.expect("a connection")
}

/// Runs statements on a SQLite file, which is made when missing.
pub(crate) async fn execute(path: &Path, statements: &str) {
    let mut connection = connect(path).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.expect(statements);
    connection.close().await.expect("closed");
}

/// The first column of every row, as text.
pub(crate) async fn texts(path: &Path, query: &str) -> Vec<String> {
    let mut connection = connect(path).await;
    let rows: Vec<(Option<String>,)> =
        sqlx::query_as(sqlx::AssertSqlSafe(query.to_owned())).fetch_all(&mut connection).await.expect(query);
    connection.close().await.expect("closed");
    rows.into_iter().map(|row| row.0.unwrap_or_else(|| "NULL".to_owned())).collect()
}
