//! The daemon's own SQLite database: the journal, the catalogue, runs, holds and events.
//!
//! Owns opening it safely (pragmas set and read back, migrations applied) and the connection pool. Each table has one
//! module that queries it. The journal in it is the truth about upgrades; the catalogue is an index and may be rebuilt.

pub mod belongs;
pub mod catalogue;
pub mod copies;
pub mod drills;
pub mod events;
pub mod holds;
pub mod journal;
pub mod rehearsals;
pub mod runs;
pub mod seen;

mod older;
mod ours;
mod private;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::failure::{Class, Explain};
use crate::text;

/// Its file in the state directory.
pub const FILE_NAME: &str = "state.db";

/// How long whoever is at work in it is waited for.
const BUSY: Duration = Duration::from_secs(10);

/// Why the state database gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be opened.
    #[error("cannot open the state database {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: sqlx::Error,
    },
    /// Its schema cannot be brought up to date, or is newer than this program.
    #[error("cannot bring the state database {} up to date", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: sqlx::migrate::MigrateError,
    },
    /// A durability setting did not take.
    #[error("state database {}: {pragma} is {found}, and must be {wanted}", path.display())]
    Pragma {
        /// The file.
        path: PathBuf,
        /// The setting.
        pragma: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// A query failed.
    #[error("cannot {doing} in the state database")]
    Query {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        source: sqlx::Error,
    },
    /// A row is not what this program writes.
    #[error("the state database holds a {what} that cannot be read: {why}")]
    Unreadable {
        /// Which row.
        what: String,
        /// Why.
        why: String,
    },
}

impl StateError {
    /// For `map_err`: a failed query, with what was being done.
    pub fn doing(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Query { doing, source }
    }

    /// Whether the disk was full: `SQLITE_FULL`, or `SQLITE_IOERR_SHMSIZE`, which is how SQLite reports that there is no room
    /// for the few pages of the WAL's index.
    #[must_use]
    pub fn disk_full(&self) -> bool {
        let (Self::Open { source, .. } | Self::Query { source, .. }) = self else { return false };
        let code = source.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.is_some_and(|code| code == "13" || code == "4874") || source.to_string().contains("disk is full")
    }
}

impl StateError {
    /// Whether the file itself is damaged, or no database at all.
    fn damaged(&self) -> bool {
        let said = crate::failure::Chain(self).to_string();
        said.contains("malformed") || said.contains("not a database")
    }
}

impl Explain for StateError {
    fn class(&self) -> Class {
        match self {
            _ if self.disk_full() => Class::CannotCreate,
            Self::Open { .. } | Self::Query { .. } => Class::Io,
            Self::Migrate { .. } | Self::Unreadable { .. } | Self::Pragma { .. } => Class::Data,
        }
    }

    fn safe(&self) -> Option<String> {
        Some("archives are whole and can be read without the state database".to_owned())
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Open { path, .. } | Self::Migrate { path, .. } if self.damaged() => vec![
                format!(
                    "move the damaged files away, then start again: `{}`, and `{1}-wal` and `{1}-shm` the same, where they are there",
                    text::shell(&["mv", &*path.to_string_lossy(), &format!("{}.damaged", path.to_string_lossy())]),
                    path.display()
                ),
                "archives are listed again from their files; holds, runs and the journal begin anew, and an upgrade that was underway is told of"
                    .to_owned(),
            ],
            _ if self.disk_full() => vec!["make room on the file system of the state directory: `df -h`".to_owned()],
            Self::Migrate { .. } => {
                vec!["was a newer upkeep here before? install it again, or restore the state directory".to_owned()]
            }
            Self::Open { path, .. } => vec![format!("may this user write {}?", path.display())],
            _ => Vec::new(),
        }
    }
}

/// Options of a pool of at most so many connections, none of which ends for its age.
///
/// sqlx (0.9.0) has connections end by a task that walks over as many as its count of idle ones says. That count is raised after a
/// connection is back and lowered when it is taken, so it may be below nothing for a moment; a task that looks just then walks for
/// ever, takes a core, and lets no program end.
///
/// A connection that is there is good: SQLite's are of this process. Asking each before its use would be two wake-ups more a query.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that makes a pool")]
pub fn pool_options(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(connections).idle_timeout(None).max_lifetime(None).test_before_acquire(false)
}

/// The open state database. Clones share one pool.
#[derive(Debug, Clone)]
pub struct StateDb {
    pool: SqlitePool,
    path: PathBuf,
    /// Rings with the id of each new event; nothing is carried by it but "look again".
    bell: Arc<tokio::sync::watch::Sender<i64>>,
}

impl StateDb {
    /// Opens (and makes, and migrates) `state.db` in the state directory. The caller holds the state lock.
    ///
    /// # Errors
    /// When it cannot be opened or migrated, or when `synchronous = FULL` does not take: without it the newest journal
    /// rows could be forgotten after a power cut.
    pub async fn open(state_dir: &Path) -> Result<Self, StateError> {
        let path = state_dir.join(FILE_NAME);
        private::keep(&path).map_err(|source| StateError::Open { path: path.clone(), source: sqlx::Error::Io(source) })?;
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let db = Self::connect(path, options).await?;
        ours::migrations().run(&db.pool).await.map_err(|source| StateError::Migrate { path: db.path.clone(), source })?;
        Ok(db)
    }

    /// Opens it for reading beside a daemon that may be running.
    ///
    /// # Errors
    /// When it is not there or cannot be opened.
    pub async fn open_read_only(state_dir: &Path) -> Result<Self, StateError> {
        let path = state_dir.join(FILE_NAME);
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(false).read_only(true);
        let pool = pool_options(1).connect_with(options.busy_timeout(BUSY)).await;
        let file = pool.map_err(|source| StateError::Open { path: path.clone(), source })?;
        // Whoever takes the lock brings it up to date; until then it is read as it would be afterwards.
        let pool = match older::brought_up(&file, &path).await? {
            Some(copy) => {
                file.close().await;
                copy
            }
            None => file,
        };
        Ok(Self { pool, path, bell: Arc::default() })
    }

    /// Whether nothing was ever made in it, not even a table.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn is_blank(&self) -> Result<bool, StateError> {
        let tables: (i64,) = sqlx::query_as("SELECT count(*) FROM sqlite_schema")
            .fetch_one(&self.pool)
            .await
            .map_err(StateError::doing("look for tables"))?;
        Ok(tables.0 == 0)
    }

    /// An empty one in memory, for a look around where no upkeep ever ran: nothing is written to disk.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn empty() -> Result<Self, StateError> {
        let path = PathBuf::from(":memory:");
        // One connection that never ends: each would have a memory of its own.
        let pool = pool_options(1).connect_with(SqliteConnectOptions::new().in_memory(true)).await;
        let pool = pool.map_err(|source| StateError::Open { path: path.clone(), source })?;
        let migrated = ours::migrations().run(&pool).await;
        migrated.map_err(|source| StateError::Migrate { path: path.clone(), source })?;
        Ok(Self { pool, path, bell: Arc::default() })
    }

    async fn connect(path: PathBuf, options: SqliteConnectOptions) -> Result<Self, StateError> {
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .pragma("cache_size", "-512");
        // Two connections: one may read (status) while the other writes. More would only add memory. The first makes the file and its
        // journal alone: with a least number of connections the pool would make another at the same moment, and one of them fail.
        let pool = pool_options(2).connect_with(options).await;
        let pool = pool.map_err(|source| StateError::Open { path: path.clone(), source })?;
        let db = Self { pool, path, bell: Arc::default() };
        let read: (i64,) =
            sqlx::query_as("PRAGMA synchronous").fetch_one(&db.pool).await.map_err(StateError::doing("read pragmas"))?;
        if read.0 != 2 {
            return Err(StateError::Pragma {
                path: db.path.clone(),
                pragma: "synchronous",
                found: read.0.to_string(),
                wanted: "2 (FULL)",
            });
        }
        Ok(db)
    }

    /// The pool, for the modules that own a table.
    #[must_use]
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Wakes whoever follows the events.
    #[must_use]
    pub fn bell(&self) -> &tokio::sync::watch::Sender<i64> {
        &self.bell
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes every connection; the WAL is checkpointed.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[cfg(test)]
mod tests;
