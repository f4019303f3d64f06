//! Opening a SQLite file, and what its refusals mean.
//!
//! Never makes a file: a path without one is an error, not an empty database. **A look writes nothing and ends nothing**: it opens for
//! reading, without a recovery; what a crash left is ended by [`recover`] alone, and by what has to write. In whose name SQLite
//! works, and whether it may write at all, is known from [`super::around`]. Held by `tests/it/sqlite_borders.rs`.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Gid, Uid};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::around::{Around, Stamp, Whom};
use super::{Sqlite, sessions};
use crate::durable::{At, DurableError};
use crate::engine::EngineError;
use crate::engine::crew::aside;
use crate::progress::Progress;

/// Pages SQLite may cache per connection, in KiB. The default of 2 MiB is enough to read in order; more is only memory.
const CACHE_KIB: &str = "-4096";

/// Rows the connection's thread may read ahead. Each may be as large as a row gets, so this bounds memory.
const ROWS_AHEAD: usize = 16;

/// How many of SQLite's own steps are made between two looks whether anybody still waits: a fraction of a millisecond's.
const STEPS: i32 = 10_000;

/// Beyond the patience with locks, how long opening for reading may take: nothing is recovered, so it is one page. Whoever puts a
/// pipe where a log was a moment ago gets this much of our time and no more.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// How long a lock is waited for where its holder is no objection. A journal is held for a moment by whoever looks whether it is hot.
const UNDERWAY: Duration = Duration::from_secs(1);

/// How often a file that changed under a reader without locks is read again.
pub(crate) const READINGS: u32 = 5;

/// A connection that only reads.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The connection.
    pub(crate) connection: SqliteConnection,
    /// Whether the database keeps a write-ahead log.
    pub(super) wal: bool,
    /// How the file stood, where it is read without a lock: a database in WAL mode without a log cannot be locked without making
    /// one.
    still: Option<(std::path::PathBuf, Stamp)>,
}

impl Opened {
    /// Closes, and says whether what was read was one state of the database: without a lock somebody may have come.
    pub(crate) async fn close(self) -> Result<bool, EngineError> {
        let closed = self.connection.close().await;
        let Some((path, stamp)) = self.still else { return closed.map(|()| true).map_err(because_of_closing) };
        let now = Around::look(&path)?;
        Ok(closed.is_ok() && now.stamp == stamp && now.log.unwrap_or(0) == 0)
    }
}

fn because_of_closing(source: sqlx::Error) -> EngineError {
    EngineError::Sql { doing: "close the database".to_owned(), source }
}

/// Opens for questions.
pub(super) async fn look(database: &Sqlite) -> Result<Opened, EngineError> {
    reading(&database.path, database.patience).await
}

/// The same for whoever else only reads.
pub(crate) async fn reading(path: &Path, patience: Duration) -> Result<Opened, EngineError> {
    let whom = Around::look(path)?.whom();
    match whom {
        Whom::Ourselves => read_as(path, patience, whom).await,
        Whom::Owner { .. } => {
            let path = path.to_owned();
            aside("opening the database", move || async move { read_as(&path, patience, whom).await }).await
        }
    }
}

/// Opens for copying: as for a look, on a thread that gives way, for it takes long and keeps a core busy.
pub(super) async fn copying(database: &Sqlite) -> Result<Opened, EngineError> {
    let (path, patience) = (database.path.clone(), database.patience);
    aside("opening the database", move || async move { read_as(&path, patience, Whom::Ourselves).await }).await
}

/// Opens for writing, or for being replaced. What a crash left is ended by it.
pub(super) async fn changing(database: &Sqlite) -> Result<SqliteConnection, EngineError> {
    let patience = database.patience;
    change(&database.path, move |path| options(path).busy_timeout(patience), patience).await
}

/// The same for migrations, with their own settings.
pub(crate) async fn writing(
    path: &Path,
    settings: SqliteConnectOptions,
    patience: Duration,
) -> Result<SqliteConnection, EngineError> {
    change(path, move |path| settings.clone().filename(path).create_if_missing(false), patience).await
}

/// Makes an empty database file where there is none, as its directory's owner.
pub(crate) async fn create(path: &Path) -> Result<(), EngineError> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let meta = std::fs::metadata(directory).at("look at", directory)?;
    let whom = match rustix::process::geteuid().is_root() && meta.uid() != 0 {
        true => Whom::Owner { uid: meta.uid(), gid: meta.gid() },
        false => Whom::Ourselves,
    };
    let path = path.to_owned();
    aside("making the database", move || async move {
        act_as(whom)?;
        // An empty file is an empty database.
        let mut made = std::fs::OpenOptions::new();
        let made = made.write(true).create_new(true).mode(0o640).open(&path);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => Ok(made.map(drop).at("make", &path)?),
        }
    })
    .await
}

/// Ends what a crash left of a transaction, where that may be done: in the name of the file's owner, and never where a journal names
/// another file. Says whether there was anything. Who holds the lock is alive, and what is beside the file then is his: he is not
/// waited for.
pub(super) async fn recover(database: &Sqlite) -> Result<bool, EngineError> {
    if !database.path.exists() {
        return Ok(false);
    }
    match look(&database.clone().patient_for(UNDERWAY)).await {
        Ok(opened) => {
            opened.close().await?;
            Ok(false)
        }
        Err(EngineError::InUse { .. }) => Ok(false),
        Err(EngineError::Unfinished { .. }) => {
            let connection = changing(database).await?;
            close(connection, &database.path).await?;
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// What is said when a file without locks never stood still.
pub(crate) fn restless(path: &Path) -> EngineError {
    EngineError::InUse { location: location(path), sessions: who(path) }
}

/// Refuses to write to what is not ours to write to.
pub(super) fn may_write(path: &Path) -> Result<(), EngineError> {
    Around::look(path)?.may_write()
}

/// Refuses what no file could ever be read from or be put in the place of.
pub(super) fn must_be_file(path: &Path) -> Result<(), EngineError> {
    Around::look(path).map(drop)
}

async fn change(
    path: &Path,
    options: impl Fn(&Path) -> SqliteConnectOptions + Send + 'static,
    patience: Duration,
) -> Result<SqliteConnection, EngineError> {
    let around = Around::look(path)?;
    around.may_write()?;
    if around.journal.unwrap_or(0) > 0 {
        // Only SQLite knows whether a journal is somebody's at work or was left; a reader is told, and ends nothing.
        match reading(path, patience).await {
            Ok(opened) => drop(opened.close().await?),
            Err(EngineError::Unfinished { .. }) => around.names_no_other()?,
            Err(error) => return Err(error),
        }
    }
    let (whom, real) = (around.whom(), around.path);
    aside("opening the database", move || async move {
        act_as(whom)?;
        connect(options(&real)).await.map_err(because(&real, "open the database"))
    })
    .await
}

/// Reads what is there without ending anything: under SQLite's shared lock; a database in WAL mode that has no log is read as it
/// stands, for a lock would make one.
async fn read_as(path: &Path, patience: Duration, whom: Whom) -> Result<Opened, EngineError> {
    act_as(whom)?;
    let around = Around::look(path)?;
    let real = around.path.clone();
    let refused = |error: sqlx::Error| match result_code(&error) {
        Some(READ_ONLY) => around.unfinished(),
        _ => because(&real, "read the schema")(error),
    };
    if around.log.unwrap_or(0) > 0 {
        if !around.has_index {
            return Err(around.unfinished());
        }
        // Where the file is not ours to write to, the index is not either: whoever has the database open keeps it right. Where it is
        // ours, it is opened as any connection of ours opens it, for all of one process share it.
        let parameters = if around.may_write().is_ok() { "mode=ro" } else { "mode=ro&readonly_shm=1" };
        let options = for_reading(&uri(&real, parameters)).busy_timeout(patience);
        let connection = within(patience, connect(options)).await.map_err(refused)?;
        return Ok(Opened { connection, wal: true, still: None });
    }
    // Whether it is in WAL mode stands in the file, which only SQLite may open (module `sqlite`): without locks it has no log, and
    // says so.
    match within(patience, connect(for_reading(&uri(&real, "nolock=1")))).await {
        Err(error) if result_code(&error) == Some(CANNOT_OPEN) => {
            let options = for_reading(&real.to_string_lossy()).immutable(true);
            let connection = within(patience, connect(options)).await.map_err(refused)?;
            Ok(Opened { connection, wal: true, still: Some((real.clone(), around.stamp)) })
        }
        probed => {
            if let Ok(probe) = probed {
                probe.close().await.map_err(because_of_closing)?;
            }
            let options = for_reading(&uri(&real, "mode=ro")).busy_timeout(patience);
            let connection = within(patience, connect(options)).await.map_err(refused)?;
            Ok(Opened { connection, wal: false, still: None })
        }
    }
}

/// From here on the calling thread, and those it starts, may do what `whom` may. For a thread of one's own: SQLite's are started by it.
fn act_as(whom: Whom) -> Result<(), EngineError> {
    let Whom::Owner { uid, gid } = whom else { return Ok(()) };
    let become_him = || {
        // Groups first: the power to give them up goes with the user. Only the effective user changes, so that he may neither
        // signal nor trace us.
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(None::<Gid>, Some(Gid::from_raw(gid)), None::<Gid>)?;
        rustix::thread::set_thread_res_uid(None::<Uid>, Some(Uid::from_raw(uid)), None::<Uid>)
    };
    become_him().map_err(|errno: rustix::io::Errno| EngineError::NotOurs {
        what: format!("the database belongs to user {uid}, and upkeep cannot act as that user: {}", io::Error::from(errno)),
        hint: format!("run this as user {uid}"),
    })
}

async fn within<T>(patience: Duration, opening: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = |_| sqlx::Error::Io(io::Error::from(io::ErrorKind::TimedOut));
    tokio::time::timeout(patience + READ_WITHIN, opening).await.map_err(late)?
}

/// A path as SQLite reads it in a URI, with what is to be known of it.
fn uri(path: &Path, parameters: &str) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(byte);
    let encode = |byte: &u8| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    format!("file:{}?{parameters}", path.as_os_str().as_bytes().iter().map(encode).collect::<String>())
}

fn for_reading(name: &str) -> SqliteConnectOptions {
    options(Path::new(name)).read_only(true)
}

/// Opens an image nobody else knows of: no locks, no journal, no `-wal` beside it.
pub(super) async fn image(path: &Path) -> Result<SqliteConnection, EngineError> {
    connect(options(path).immutable(true).read_only(true)).await.map_err(because(path, "read the schema"))
}

/// From here on what runs on the connection ends where it is as soon as the work is given up. Dropping the future that waits for it would
/// leave SQLite at it; and the work is not over before the connection is.
pub(super) async fn heed(connection: &mut SqliteConnection, path: &Path, progress: &Progress) -> Result<(), EngineError> {
    let (watched, thread) = (progress.clone(), progress.thread());
    let mut handle = connection.lock_handle().await.map_err(because(path, "hold the connection"))?;
    handle.set_progress_handler(STEPS, move || {
        let _at_work = &thread;
        !watched.is_given_up()
    });
    Ok(())
}

fn options(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).foreign_keys(false);
    options.pragma("cache_size", CACHE_KIB).row_buffer_size(ROWS_AHEAD)
}

async fn connect(options: SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    // The first read is what looks at the header, takes a lock and, where writing is allowed, rolls back what a crashed writer left.
    match sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await {
        Ok(_) => Ok(connection),
        Err(error) => {
            // The error at hand is the one to report; closing changes nothing of it.
            connection.close().await.ok();
            Err(error)
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
const IO_ERROR: i32 = 10;
const CANNOT_OPEN: i32 = 14;
/// `SQLITE_READONLY` in all its forms: to a reader, that there is something to be recovered.
const READ_ONLY: i32 = 8;
const READ_ONLY_RECOVERY: i32 = 264;
const READ_ONLY_ROLLBACK: i32 = 776;
const READ_ONLY_MOVED: i32 = 1032;

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
            Some(CORRUPT) => EngineError::Unreadable {
                what: format!("{} is damaged: {said}", path.display()),
                hint: "restore the newest archive over it, or salvage what can be read with `sqlite3 FILE .recover`".to_owned(),
            },
            Some(NOT_A_DATABASE) => EngineError::Unreadable {
                what: format!("{} is not a SQLite database, or it is encrypted", path.display()),
                hint: "check the path in `[targets.T.database]`".to_owned(),
            },
            Some(CANNOT_OPEN) => EngineError::Connect { location: location(path), source },
            Some(READ_ONLY) => not_writable(path, &doing, extended_code(&source)),
            Some(IO_ERROR) => EngineError::Durable(DurableError::Io {
                what: "read or write",
                path: path.to_owned(),
                source: io::Error::other(format!("SQLite says: {said}")),
            }),
            _ => EngineError::Sql { doing: format!("{doing} of {}", path.display()), source },
        }
    }
}

/// What it means that SQLite may not write: who, where, and for what.
fn not_writable(path: &Path, doing: &str, code: i32) -> EngineError {
    let us = rustix::process::geteuid().as_raw();
    let directory = path.parent().unwrap_or(Path::new("/")).display();
    let path = path.display();
    let what = match code {
        READ_ONLY_ROLLBACK | READ_ONLY_RECOVERY => {
            format!(
                "a crash left a transaction open in {path}, and ending it takes writing to the file and to {directory}, where we may not write"
            )
        }
        READ_ONLY_MOVED => format!("{path} was moved or replaced while it was open: cannot {doing}"),
        _ => format!("cannot {doing}: we may not write to {path} or to {directory}"),
    };
    EngineError::NotOurs {
        what,
        hint: format!(
            "let the file's owner, or user {us}, write to both (a daemon needs it in its unit too: `upkeep setup` writes `ReadWritePaths=`); \
             an open transaction is also ended by the server's next start"
        ),
    }
}

/// SQLite's code with its details; the primary one is its last byte.
fn extended_code(error: &sqlx::Error) -> i32 {
    let code = error.as_database_error().and_then(|error| error.code()?.parse().ok());
    code.unwrap_or_default()
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

#[cfg(test)]
mod tests;
