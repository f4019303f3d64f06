//! The contract every database engine meets, and the one place that picks the engine.
//!
//! Owns what the work above may ask of a database: who are you, what is in you, dump, load, compare, settle. Engines know
//! nothing of targets, schedules or upgrades. Invariants: a dump is consistent or fails; a load returns `Ok` only when rows
//! and checksums equal the manifest's; a replacing load leaves the old content untouched until the new one was compared.

pub mod accounts;
pub mod census;
mod crew;
mod cutter;
mod error;
mod excerpt;
pub mod extract;
mod frames;
pub mod identity;
mod lost;
mod mark;
mod memory;
mod moment;
pub mod mysql;
pub(crate) mod passing;
pub mod postgres;
mod readback;
mod relay;
pub mod replace;
pub mod scratch;
mod since;
pub mod sqlite;
mod tally;
mod transport;
mod without;

use serde::{Deserialize, Serialize};

use crate::archive::manifest::{Consistency, LeftOut, Server, Table};
use crate::archive::{Archive, PendingArchive};
use crate::config::{Database, Location, TablePattern};
use crate::failure::Explain as _;
use crate::ids::Label;
use crate::progress::Progress;
use crate::shape::Shape;

pub use error::{EngineError, Mismatch};
pub(crate) use error::{POOLER_HINT, unreached};
pub(crate) use lost::is_lost;
pub use replace::{Keep, Keeping, NotKept, Standing};
pub use since::Compared;
pub(crate) use transport::untrusted;

/// A database, by engine. Cheap to make: nothing is connected until a method is called, and every method leaves nothing
/// connected behind.
#[derive(Debug, Clone)]
pub enum Engine {
    /// A SQLite file.
    Sqlite(sqlite::Sqlite),
    /// A PostgreSQL database.
    Postgres(postgres::Postgres),
    /// A MySQL or MariaDB database.
    MySql(mysql::MySql),
}

/// What is in a database, at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Survey {
    /// Whether the database itself exists.
    pub exists: bool,
    /// User tables, qualified, with their approximate size in bytes.
    pub tables: Vec<(String, u64)>,
    /// How many views, routines and events there are: what a load of an archive would have to share the database with.
    #[serde(default)]
    pub others: u64,
    /// Approximate size of the whole database on disk, in bytes.
    pub bytes: u64,
    /// Whether any table other than migration histories holds a row.
    pub holds_rows: bool,
    /// Other sessions using the database now (`pid 812, user app, psql`). Our own are not listed.
    pub sessions: Vec<String>,
    /// What would show other accounts' sessions, where they are not shown to this one: then nobody listed means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<String>,
    /// Whether what is there is what a load in place left when it stopped: a part of an archive, and nothing of anybody's.
    #[serde(default)]
    pub half_loaded: bool,
}

/// What whoever looks again and again asks of a database: nothing that reads its rows, or what others do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Glance {
    /// As in [`Survey`].
    pub exists: bool,
    /// As in [`Survey`].
    pub bytes: u64,
    /// As in [`Survey`].
    pub half_loaded: bool,
}

/// How a dump is to be made.
#[derive(Debug, Clone)]
pub struct DumpRequest {
    /// zstd level.
    pub level: i32,
    /// Connections that read at once, at least 1.
    pub jobs: usize,
    /// Lines for people at the head of the archive, without comment marks.
    pub preamble: Vec<String>,
    /// Names of migration-history tables beyond the well-known ones, for the shape.
    pub history_tables: Vec<String>,
    /// The shape by which it was said whose data this is: a dump that meets another fails ([`EngineError::OtherShape`]).
    pub expected: Option<Shape>,
    /// Tables whose rows are left out; their definitions are not. Nothing is left out of a page image.
    pub without_rows: Vec<TablePattern>,
}

impl DumpRequest {
    /// Refuses a shape that is another than the one expected.
    fn demand_expected(&self, found: &Shape) -> Result<(), EngineError> {
        match &self.expected {
            Some(expected) if expected.fingerprint.is_some() && !expected.same_as(found) => {
                Err(EngineError::OtherShape(Box::new(found.clone())))
            }
            _ => Ok(()),
        }
    }
}

/// What a dump found out; the caller makes the manifest of it.
#[derive(Debug, Clone)]
pub struct Dumped {
    /// The server.
    pub server: Server,
    /// The shape inside the snapshot.
    pub shape: Shape,
    /// The tables, in the order frames refer to them.
    pub tables: Vec<Table>,
    /// How it is consistent.
    pub consistency: Consistency,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
    /// Whether the schema sections are missing.
    pub data_only: bool,
    /// The moment of the snapshot.
    pub taken_at: chrono::DateTime<chrono::Utc>,
}

/// What the destination of a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadMode {
    /// No tables there (or no database yet): schema and data from the archive.
    Clean,
    /// Same shape, no application rows: data only, after clearing what the migrations themselves inserted.
    DataOnly,
    /// Something there: the archive takes its place as a whole, or nothing changes.
    Replace,
}

/// What a load did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Loaded {
    /// Tables compared with the manifest.
    pub tables: u64,
    /// Rows compared.
    pub rows: u64,
    /// What a person should know (`role app does not exist here: its objects belong to postgres`).
    pub warnings: Vec<String>,
    /// The archive taken under the fence of what was replaced, where it was not what the archive before had of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Label>,
}

/// How a restore may put an archive in the place of a database, as far as privileges say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MayRestore {
    /// Beside it, and then they are exchanged: over several connections, and the database stays in use until then.
    Beside,
    /// In it; with the statements that would allow the other.
    InPlace(String),
    /// Not at all; with the statement that would allow it.
    Not(String),
}

macro_rules! each {
    ($self:ident, $engine:ident => $call:expr) => {
        match $self {
            Engine::Sqlite($engine) => $call,
            Engine::Postgres($engine) => $call,
            Engine::MySql($engine) => $call,
        }
    };
}

impl Engine {
    /// The engine of a configured database. No I/O.
    #[must_use]
    pub fn of(database: &Database) -> Self {
        match &database.location {
            Location::Sqlite { path } => Self::Sqlite(sqlite::Sqlite::new(path.clone())),
            Location::Postgres { .. } => Self::Postgres(postgres::Postgres::new(database.clone())),
            Location::MySql { .. } => Self::MySql(mysql::MySql::new(database.clone())),
        }
    }

    /// What the server calls itself, with its version (`postgresql 17.6`).
    ///
    /// # Errors
    /// As [`Self::identify`].
    pub async fn called(&self) -> Result<String, EngineError> {
        match self {
            Self::Sqlite(engine) => engine.called().await,
            Self::Postgres(_) | Self::MySql(_) => self.identify().await.map(|server| server.called()),
        }
    }

    /// What the server says it is.
    ///
    /// # Errors
    /// When it cannot be reached or asked.
    pub async fn identify(&self) -> Result<Server, EngineError> {
        each!(self, engine => engine.identify().await)
    }

    /// What a connection to the server is worth: under TLS, and how it was verified. None of a file, or where there is no TLS.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn worth(database: &Database) -> Result<Option<String>, EngineError> {
        match database.location {
            Location::Sqlite { .. } => Ok(None),
            Location::Postgres { .. } => postgres::worth(database).await,
            Location::MySql { .. } => mysql::worth(database).await,
        }
    }

    /// What is in the database. A database that does not exist is an answer, not an error.
    ///
    /// # Errors
    /// When it cannot be reached or asked.
    pub async fn survey(&self, history_tables: &[String]) -> Result<Survey, EngineError> {
        each!(self, engine => engine.survey(history_tables).await)
    }

    /// The least of that, for a look that comes every minute. A database that does not exist is an answer, not an error.
    ///
    /// # Errors
    /// When it cannot be reached or asked.
    pub async fn glance(&self) -> Result<Glance, EngineError> {
        match self {
            Self::Sqlite(engine) => Ok(engine.glance()),
            Self::Postgres(engine) => engine.glance().await,
            Self::MySql(engine) => engine.glance().await,
        }
    }

    /// The shape, read with a fresh connection.
    ///
    /// # Errors
    /// When it cannot be reached or asked.
    pub async fn shape(&self, history_tables: &[String]) -> Result<Shape, EngineError> {
        each!(self, engine => engine.shape(history_tables).await)
    }

    /// What is defined in it, sorted, a line for each thing: of two databases that the same migrations made they are the same. What is said of a table is a
    /// line for each of its columns and keys.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn definitions(&self) -> Result<Vec<String>, EngineError> {
        each!(self, engine => engine.definitions().await)
    }

    /// Ends what a crash of its application left a database file in the middle of, where that may be done; a look never does. Says
    /// whether there was anything. A server does so by itself.
    ///
    /// # Errors
    /// When it must be ended and may not be by us, or cannot be.
    pub async fn recover(&self) -> Result<bool, EngineError> {
        match self {
            Self::Sqlite(engine) => engine.recover().await,
            Self::Postgres(_) | Self::MySql(_) => Ok(false),
        }
    }

    /// Dumps everything into `pending`, consistent as of one moment.
    ///
    /// # Errors
    /// When the dump could not be exact; then `pending` is to be dropped unsealed.
    pub async fn dump(
        &self,
        request: &DumpRequest,
        pending: &PendingArchive,
        progress: &Progress,
    ) -> Result<Dumped, EngineError> {
        each!(self, engine => engine.dump(request, pending, progress).await)
    }

    /// Looks whether an archive of this server would hold the schema, and so be all that a restore needs. PostgreSQL's comes
    /// from `pg_dump` of the server's major; MySQL and MariaDB hide definitions from accounts.
    ///
    /// # Errors
    /// [`EngineError::NoProgram`] or [`EngineError::Privilege`] when it would not.
    pub async fn can_dump_schema(&self, server: &Server) -> Result<(), EngineError> {
        match self {
            Self::Postgres(engine) => engine.can_dump_schema(server).await,
            Self::MySql(engine) => Box::pin(engine.can_dump_schema()).await,
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Loads an archive and compares rows and checksums with its manifest before anything is published. What is replaced is first held
    /// to `standing` behind a fence: nobody's rows go that no archive has.
    ///
    /// # Errors
    /// When the archive was not published. With [`LoadMode::Replace`] the old content then stands, or is given its place again by
    /// [`Engine::settle`]; with the others the destination may hold a part and can be loaded again with [`LoadMode::Replace`].
    pub async fn load(
        &self,
        archive: &Archive,
        mode: LoadMode,
        standing: Standing<'_>,
        jobs: usize,
        progress: &Progress,
    ) -> Result<Loaded, EngineError> {
        self.demand_memory(archive)?;
        let mut loaded = each!(self, engine => engine.load(archive, mode, standing, jobs, progress).await)?;
        if mode != LoadMode::DataOnly {
            loaded.warnings.extend(readback::differs(self, archive).await);
        }
        Ok(loaded)
    }

    /// What keeps the server from taking an archive of its own flavour at all, whether or not it has the database: reasons, for
    /// people. Nothing is changed.
    ///
    /// # Errors
    /// When it cannot be reached or asked, or the archive cannot be read.
    pub async fn objections(&self, archive: &Archive) -> Result<Vec<String>, EngineError> {
        let told = |refused: EngineError| std::iter::once(refused.to_string()).chain(refused.hints()).collect::<Vec<_>>();
        let mut objections = self.demand_memory(archive).err().map(told).unwrap_or_default();
        match self {
            Self::MySql(engine) => objections.extend(Box::pin(engine.objections(archive)).await?),
            Self::Sqlite(engine) => objections.extend(engine.may_replace().err().map(told).unwrap_or_default()),
            Self::Postgres(_) => {}
        }
        Ok(objections)
    }

    /// Refuses an archive with a row for which there is no memory. SQLite's rows are in none by themselves: they are asked for when they
    /// are compared.
    fn demand_memory(&self, archive: &Archive) -> Result<(), EngineError> {
        match self {
            Self::Postgres(_) => memory::demand_for(archive, memory::COPY_TENTHS),
            Self::MySql(_) => memory::demand_for(archive, memory::SQL_TENTHS),
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// What replacing all that is in the database would meet, as far as it can be known beforehand: a note where it would not go the
    /// usual way. Nothing is changed.
    ///
    /// # Errors
    /// Why it could not be replaced, with the statement that helps; or when it cannot be asked.
    pub async fn may_replace(&self) -> Result<Option<String>, EngineError> {
        match self {
            Self::Postgres(engine) => engine.may_replace().await,
            Self::Sqlite(engine) => engine.may_replace().map(|()| None),
            Self::MySql(engine) => engine.may_replace().await.map(|()| None),
        }
    }

    /// Finishes or undoes what a crash left of a load (scratch databases, temporary files), and says what it did, one line
    /// each. Safe to repeat; a second call does nothing.
    ///
    /// # Errors
    /// When it cannot be reached or cleaned.
    pub async fn settle(&self) -> Result<Vec<String>, EngineError> {
        each!(self, engine => engine.settle().await)
    }

    /// The file-name extension of this engine's archives (`sql.zst`, `sqlite.zst`).
    #[must_use]
    pub fn extension(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite.zst",
            Self::Postgres(_) | Self::MySql(_) => "sql.zst",
        }
    }

    /// The engine's name as Flyway's locations spell it. For MySQL and MariaDB the manifest has the server's own word for which
    /// of the two it is (`identify`).
    #[must_use]
    pub fn flavour(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgresql",
            Self::MySql(_) => "mysql",
        }
    }

    /// The server's flavour as manifests have it. Where one engine serves two the server is asked, whether or not it has the
    /// database.
    ///
    /// # Errors
    /// When it has to be asked and cannot be reached.
    pub async fn server_flavour(&self) -> Result<&'static str, EngineError> {
        match self {
            Self::MySql(engine) => engine.flavour().await,
            Self::Sqlite(_) | Self::Postgres(_) => Ok(self.flavour()),
        }
    }
}
