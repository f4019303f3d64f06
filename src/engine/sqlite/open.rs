//! Opening a SQLite file, and what its refusals mean.
//!
//! Never makes a file: a path without one is an error, not an empty database.

use std::io;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::{Sqlite, sessions};
use crate::durable::{At, DurableError};
use crate::engine::EngineError;
use crate::engine::crew::aside;

/// Pages SQLite may cache per connection, in KiB. The default of 2 MiB is enough to read in order; more is only memory.
const CACHE_KIB: &str = "-4096";

/// Rows the connection's thread may read ahead. Each may be as large as a row gets, so this bounds memory.
const ROWS_AHEAD: usize = 16;

/// What a connection to a live database is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Questions only.
    Look,
    /// `VACUUM INTO`, and being replaced. Not read-only: a crashed writer's journal must be rolled back before anything can
    /// be read.
    Work,
}

/// Opens an existing database file and makes sure that it is one.
pub(super) async fn live(database: &Sqlite, access: Access) -> Result<SqliteConnection, EngineError> {
    let path = &database.path;
    must_be_file(path)?;
    let options = options(path).busy_timeout(database.patience);
    match access {
        Access::Look => connect(options.pragma("query_only", "ON"), path).await,
        Access::Work => {
            // What it does takes long and keeps a core busy: its thread gives way.
            let path = path.clone();
            aside("opening the database", move || async move { connect(options, &path).await }).await
        }
    }
}

/// Refuses what no file could ever be read from or be put in the place of.
pub(super) fn must_be_file(path: &Path) -> Result<(), EngineError> {
    if std::fs::metadata(path).at("open the database", path)?.is_file() {
        return Ok(());
    }
    Err(EngineError::Inexact {
        what: format!("{} is not a file, so it is no SQLite database", path.display()),
        hint: "name the database file itself in `[targets.T.database]`".to_owned(),
    })
}

/// Opens an image nobody else knows of: no locks, no journal, no `-wal` beside it.
pub(super) async fn image(path: &Path) -> Result<SqliteConnection, EngineError> {
    connect(options(path).immutable(true).read_only(true), path).await
}

fn options(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).foreign_keys(false);
    options.pragma("cache_size", CACHE_KIB).row_buffer_size(ROWS_AHEAD)
}

async fn connect(options: SqliteConnectOptions, path: &Path) -> Result<SqliteConnection, EngineError> {
    let mut connection = options.connect().await.map_err(because(path, "open the database"))?;
    // The first read is what looks at the header, takes a lock and rolls back what a crashed writer left.
    let read = sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await;
    match read {
        Ok(_) => Ok(connection),
        Err(error) => {
            // The error at hand is the one to report; closing changes nothing of it.
            connection.close().await.ok();
            Err(because(path, "read the schema")(error))
        }
    }
}

/// Closes a connection, so that its locks are gone when this returns.
pub(super) async fn close(connection: SqliteConnection, path: &Path) -> Result<(), EngineError> {
    connection.close().await.map_err(because(path, "close the database"))
}

/// SQLite's primary result code, when it is SQLite that said no.
pub(super) fn result_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i32>().ok().map(|code| code & 0xff)
}

/// `SQLITE_CORRUPT` and `SQLITE_NOTADB`: the file itself cannot be read.
pub(super) const CORRUPT: i32 = 11;
pub(super) const NOT_A_DATABASE: i32 = 26;
const BUSY_CODE: i32 = 5;
const LOCKED: i32 = 6;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;

/// For `map_err`: what SQLite's answer means for the database at `path`.
pub(super) fn because(path: &Path, doing: impl Into<String>) -> impl FnOnce(sqlx::Error) -> EngineError {
    let doing = doing.into();
    move |source| {
        let said = source.as_database_error().map(|error| error.message().to_owned()).unwrap_or_default();
        match result_code(&source) {
            Some(BUSY_CODE | LOCKED) => EngineError::InUse { location: location(path), sessions: who(path) },
            Some(FULL) => {
                let source = io::Error::new(io::ErrorKind::StorageFull, said);
                EngineError::Durable(DurableError::Io { what: "write", path: path.to_owned(), source })
            }
            Some(CORRUPT) => EngineError::Inexact {
                what: format!("{} is damaged: {said}", path.display()),
                hint: "restore the newest archive over it, or salvage what can be read with `sqlite3 FILE .recover`".to_owned(),
            },
            Some(NOT_A_DATABASE) => EngineError::Inexact {
                what: format!("{} is not a SQLite database, or it is encrypted", path.display()),
                hint: "check the path in `[targets.T.database]`".to_owned(),
            },
            Some(CANNOT_OPEN) => EngineError::Connect { location: location(path), source },
            _ => EngineError::Sql { doing: format!("{doing} of {}", path.display()), source },
        }
    }
}

/// The database as a URL, as the configuration would say it.
pub(super) fn location(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

fn who(path: &Path) -> Vec<String> {
    let mut sessions = sessions::others(path);
    if sessions.is_empty() {
        sessions.push("a connection that keeps its lock".to_owned());
    }
    sessions
}
