//! The SQLite engine: page images out of and into one file.
//!
//! Owns how a live SQLite database becomes an archive and back. Never opens the source with anything but SQLite itself:
//! closing any descriptor of a file drops every POSIX lock our process has on it, and with them SQLite's own.
//!
//! A dump is a page image made by `VACUUM INTO` inside one read transaction: no torn pages, no WAL to merge by hand, and,
//! unlike SQL text, rowids, embedded NULs, `user_version`, `application_id`, encoding and page size are kept as they are.
//! (`VACUUM INTO` keeps implicit rowids in the SQLite we bundle; `tests/it/sqlite_backup.rs` holds it to that.) Only the
//! journal mode is lost by it, so the two header bytes that name WAL are put back while the image is streamed. What is
//! counted, summed and checked is that same image, not the source.
//!
//! A load writes the image under a name of its own beside the database, compares it with the manifest, and swaps it in under
//! SQLite's exclusive lock; if we die before that rename, the old content stands. Held by `tests/it/restore.rs`.

mod around;
mod dump;
mod extract;
mod facts;
mod fence;
mod identity;
mod image;
mod load;
pub(crate) mod open;
mod rows;
mod schema;
pub(super) mod scratch;
mod sessions;
mod since;
mod stage;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{DumpRequest, Dumped, EngineError, Glance, LoadMode, Loaded, Standing, Survey};
use crate::archive::manifest::Server;
use crate::archive::{Archive, PendingArchive};
use crate::progress::Progress;
use crate::shape::Shape;
pub(super) use extract::extract;

/// One SQLite database.
#[derive(Debug, Clone)]
pub struct Sqlite {
    path: PathBuf,
    /// How long a statement waits for another connection's lock.
    patience: Duration,
}

/// Longer than any sane write transaction holds its lock; then the error says who is there.
const PATIENCE: Duration = Duration::from_secs(30);

impl Sqlite {
    /// No I/O.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, patience: PATIENCE }
    }

    /// The same, waiting this long for other connections' locks instead of half a minute.
    #[must_use]
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(super) async fn identify(&self) -> Result<Server, EngineError> {
        facts::identify(self).await
    }

    /// The library's version is one for the whole process: the file is asked once.
    pub(super) async fn called(&self) -> Result<String, EngineError> {
        static CALLED: OnceLock<String> = OnceLock::new();
        if let Some(known) = CALLED.get() {
            return Ok(known.clone());
        }
        let called = self.identify().await?.called();
        Ok(CALLED.get_or_init(|| called).clone())
    }

    /// Opens nothing: whoever wants more of the file opens it, and is told what is wrong with it.
    pub(super) fn glance(&self) -> Glance {
        Glance { exists: self.path.exists(), bytes: facts::bytes(&self.path), half_loaded: false }
    }

    pub(super) async fn survey(&self, history_tables: &[String]) -> Result<Survey, EngineError> {
        facts::survey(self, history_tables).await
    }

    pub(super) async fn shape(&self, history_tables: &[String]) -> Result<Shape, EngineError> {
        for _ in 0..open::READINGS {
            let mut opened = open::look(self).await?;
            let shape = schema::shape(&mut opened.connection, &self.path, history_tables).await;
            if opened.close().await? {
                return shape;
            }
        }
        Err(open::restless(&self.path))
    }

    pub(super) async fn definitions(&self) -> Result<Vec<String>, EngineError> {
        let mut opened = open::look(self).await?;
        let lines = schema::lines(&mut opened.connection, &self.path).await;
        opened.close().await?;
        lines
    }

    /// Ends a transaction that a crash of whoever writes to the file left open.
    pub(super) async fn recover(&self) -> Result<bool, EngineError> {
        open::recover(self).await
    }

    /// The preamble of the request is not written: the archive's content must be the database file and nothing else.
    pub(super) async fn dump(
        &self,
        request: &DumpRequest,
        pending: &PendingArchive,
        progress: &Progress,
    ) -> Result<Dumped, EngineError> {
        dump::dump(self, request, pending, progress).await
    }

    /// A page image takes the place of the whole file, so [`LoadMode::DataOnly`] does what [`LoadMode::Replace`] does.
    pub(super) async fn load(
        &self,
        archive: &Archive,
        mode: LoadMode,
        standing: Standing<'_>,
        jobs: usize,
        progress: &Progress,
    ) -> Result<Loaded, EngineError> {
        load::load(self, archive, mode, standing, jobs, progress).await
    }

    /// Whether an archive could take the file's place: who owns it, who may write where it is.
    pub(super) fn may_replace(&self) -> Result<(), EngineError> {
        load::may_replace(&self.path)
    }

    pub(super) async fn sums_differ(&self, archive: &Arc<Archive>, progress: &Progress) -> Result<(), EngineError> {
        since::compare(self, archive, progress).await
    }

    pub(super) async fn settle(&self) -> Result<Vec<String>, EngineError> {
        load::settle(self).await
    }
}
