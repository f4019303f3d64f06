//! A live SQLite database into frames.

use std::path::Path;
use std::time::Instant;

use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteConnection;

use super::image::{self, Image, Journal};
use super::open::{self, because};
use super::{Sqlite, facts, rows, schema};
use crate::archive::PendingArchive;
use crate::archive::manifest::{Consistency, Server, Table};
use crate::engine::crew::{Stop, hire};
use crate::engine::{DumpRequest, Dumped, EngineError};
use crate::progress::Progress;
use crate::shape::Shape;

/// Copies, checks and streams. The image is gone when this returns, whatever it returns.
pub(super) async fn dump(
    database: &Sqlite,
    request: &DumpRequest,
    pending: &PendingArchive,
    progress: &Progress,
) -> Result<Dumped, EngineError> {
    let path = &database.path;
    progress.phase("copying", facts::bytes(path));
    let (copy, image) = copy(database, pending.path(), progress).await?;

    // The image does not change any more, so it is checked, counted and compressed at once. All three are waited for, also
    // when one fails: no thread outlives this call. An image that is not sound is reported before anything that follows.
    progress.phase("writing", image.size());
    let (sound, counted, streamed) = tokio::join!(
        rows::check(image.path(), format!("database {}", path.display()), progress),
        count(&image, &request.history_tables, progress),
        stream(&image, copy.journal, request, pending, progress),
    );
    let left_out = sound?.into_iter().collect();
    let counted = counted?;
    streamed?;
    request.demand_expected(&counted.shape)?;

    Ok(Dumped {
        consistency: copy.consistency(),
        server: copy.server,
        shape: counted.shape,
        tables: counted.tables,
        left_out,
        data_only: false,
        taken_at: copy.taken_at,
    })
}

struct Copy {
    server: Server,
    journal: Journal,
    taken_at: DateTime<Utc>,
    locked_ms: u64,
}

/// What somebody wrote under a reader without locks is copied again.
async fn copy(database: &Sqlite, archive: &Path, progress: &Progress) -> Result<(Copy, Image), EngineError> {
    let path = &database.path;
    open::recover(database).await?;
    for _ in 0..open::READINGS {
        let mut opened = open::copying(database).await?;
        let copied = copy_with(&mut opened, path, archive, progress).await;
        if opened.close().await? {
            return copied;
        }
    }
    Err(open::restless(path))
}

async fn copy_with(
    opened: &mut open::Opened,
    path: &Path,
    archive: &Path,
    progress: &Progress,
) -> Result<(Copy, Image), EngineError> {
    let server = facts::server(opened, path).await?;
    let wal = opened.wal;
    let connection = &mut opened.connection;
    open::heed(connection, path, progress).await?;
    let taken_at = moment(connection, path).await?;
    let begun = Instant::now();
    let image = Image::take(connection, path, archive, progress).await?;
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (journal, locked_ms) = if wal { (Journal::Wal, 0) } else { (Journal::Rollback, elapsed_ms) };
    Ok((Copy { server, journal, taken_at, locked_ms }, image))
}

/// The host's clock, asked through the database: no newer than the snapshot that the next statement opens.
async fn moment(connection: &mut SqliteConnection, path: &Path) -> Result<DateTime<Utc>, EngineError> {
    let (text,): (String,) = sqlx::query_as("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")
        .fetch_one(connection)
        .await
        .map_err(because(path, "read the clock"))?;
    let parsed = DateTime::parse_from_rfc3339(&text);
    Ok(parsed
        .map_err(|error| EngineError::Sql { doing: "read the clock".to_owned(), source: sqlx::Error::Decode(error.into()) })?
        .to_utc())
}

impl Copy {
    fn consistency(&self) -> Consistency {
        let locks = match self.journal {
            Journal::Wal => Vec::new(),
            Journal::Rollback => vec!["shared lock on the database file: commits waited for the copy".to_owned()],
        };
        Consistency {
            technique: "page image by VACUUM INTO within one read transaction; rows counted in that image".to_owned(),
            locks,
            locked_ms: self.locked_ms,
            ..Consistency::default()
        }
    }
}

struct Counted {
    shape: Shape,
    tables: Vec<Table>,
}

async fn count(image: &Image, history_tables: &[String], progress: &Progress) -> Result<Counted, EngineError> {
    let (path, history_tables, counted) = (image.path().to_owned(), history_tables.to_vec(), progress.clone());
    let count = move || async move {
        let mut connection = open::image(&path).await?;
        open::heed(&mut connection, &path, &counted).await?;
        let tables = rows::tally(&mut connection, &path, &counted).await?;
        let shape = schema::shape(&mut connection, &path, &history_tables).await?;
        open::close(connection, &path).await?;
        Ok(Counted { shape, tables })
    };
    hire("counting rows", &Stop::of(progress), count)?.join().await
}

async fn stream(
    image: &Image,
    journal: Journal,
    request: &DumpRequest,
    pending: &PendingArchive,
    progress: &Progress,
) -> Result<(), EngineError> {
    let (source, level, jobs) = (image.path().to_owned(), request.level, request.jobs);
    let (sink, shown, thread) = (pending.sink(), progress.clone(), progress.thread());
    let stream = move || {
        let _at_work = thread;
        image::stream(&source, journal, level, jobs, &sink, &shown)
    };
    let streamed = tokio::task::spawn_blocking(stream).await;
    streamed.map_err(|_| EngineError::Worker(format!("compressing {}", image.path().display())))?
}
