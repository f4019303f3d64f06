//! The manifest: what an archive says of itself. Wire types of archive format 1, written down in `docs/format.md`.
//!
//! Only data. A field is added with a default so that older archives still read; one is never renamed or given another
//! meaning. The golden files in `tests/golden/manifest` hold every form ever released.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{Label, TargetName};
use crate::shape::Shape;
use crate::version::Version;

/// Why an archive was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// By the schedule.
    Scheduled,
    /// By a person.
    Manual,
    /// By an upgrade, before anything changes.
    PreUpgrade,
    /// By a restore, before anything is replaced.
    PreRestore,
    /// By a rollback: what a failed upgrade left behind.
    FailedState,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Scheduled => "scheduled",
            Kind::Manual => "manual",
            Kind::PreUpgrade => "pre-upgrade",
            Kind::PreRestore => "pre-restore",
            Kind::FailedState => "failed-state",
        })
    }
}

/// The database server an archive came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Server {
    /// `postgresql`, `sqlite`, `mysql`, `mariadb`; by what the server says it is.
    pub flavour: String,
    /// The exact server version, as it prints it (`15.18`).
    pub version: String,
    /// The database's name (PostgreSQL) or file name (SQLite).
    pub database: String,
    /// Character set of the database (`UTF8`).
    #[serde(default)]
    pub charset: String,
    /// Collation of the database.
    #[serde(default)]
    pub collation: String,
    /// Time zone the data was read under.
    #[serde(default)]
    pub time_zone: String,
    /// What else the engine needs to know to restore (`lc_ctype`, `page_size`, `journal_mode`, …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
}

impl Server {
    /// With its version, for people and for comparing (`postgresql 15.18`).
    #[must_use]
    pub fn called(&self) -> String {
        format!("{} {}", self.flavour, self.version)
    }
}

/// The server product's release that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseNote {
    /// Its version.
    pub version: Version,
    /// Which probe read it (`symlink`, `file VERSION`).
    pub probe: String,
}

/// One table's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The schema; empty where the engine has none.
    #[serde(default)]
    pub schema: String,
    /// The name, unquoted.
    pub name: String,
    /// The columns whose values are in the archive, in order; generated ones are absent.
    pub columns: Vec<String>,
    /// Rows in the archive.
    pub rows: u64,
    /// Uncompressed bytes of row data.
    pub bytes: u64,
    /// Order-independent checksum of the rows: each row's XXH3-128 added up modulo 2^128, as 32 hex digits.
    pub checksum: String,
    /// The sum of the CRC-32 of each row's generated columns that depend on the session that wrote them (MySQL, MariaDB) or on
    /// other tables (PostgreSQL: another sum), which are not in the archive; none where there are no such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computed: Option<u64>,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrameKind {
    /// The comment for people at the start.
    Header,
    /// The schema before the data.
    PreData,
    /// Rows of one table.
    Data,
    /// Sequence values.
    Sequences,
    /// Large objects (PostgreSQL).
    LargeObjects,
    /// Indexes, constraints, triggers.
    PostData,
    /// Materialized views' refresh, closing comment.
    Trailer,
    /// A part of a database file's page image (SQLite).
    Image,
    /// A part of the tar of files that go along; stock tools for SQL pass it over.
    Files,
}

/// One zstd frame of the file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// What it holds.
    pub kind: FrameKind,
    /// Index into `tables`, for `Data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// Where it starts in the file, in bytes.
    pub offset: u64,
    /// Its length in the file, in bytes.
    pub stored: u64,
    /// Its uncompressed length, in bytes.
    pub raw: u64,
    /// Rows in it.
    #[serde(default)]
    pub rows: u64,
    /// BLAKE3 of the stored bytes, hex.
    pub digest: String,
}

/// How the archive is consistent, and what that cost others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Consistency {
    /// One sentence (`one exported snapshot shared by all workers`).
    pub technique: String,
    /// The snapshot's or backup's identity, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// LSN, GTID or binlog position at the snapshot, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// Locks taken.
    #[serde(default)]
    pub locks: Vec<String>,
    /// How long the strongest lock that others feel was held, in milliseconds.
    #[serde(default)]
    pub locked_ms: u64,
    /// Whether the schema changed while we read it, or what rows are read by until the last row; such an archive is refused, so this is
    /// always false when sealed.
    #[serde(default)]
    pub ddl_seen: bool,
    /// Tables whose rows are not part of the snapshot.
    #[serde(default)]
    pub outside_snapshot: Vec<String>,
}

/// Something the archive does not hold, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// What (`table public.cache`, `schema sections`).
    pub what: String,
    /// Why (`unlogged: its rows do not survive a crash`).
    pub why: String,
}

/// The files that go along with an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// How many files, directories and links.
    pub entries: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// When they were looked at: before the moment of the snapshot; read they were after it.
    pub seen_at: DateTime<Utc>,
}

/// Everything an archive says of itself, but for where its frames lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Archive format, [`super::format::FORMAT`] when written now.
    pub format: u32,
    /// The program that wrote it (`upkeep 0.1.0`).
    pub tool: String,
    /// The label.
    pub label: Label,
    /// The target.
    pub target: TargetName,
    /// Why it was taken.
    pub kind: Kind,
    /// What a person said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The moment of the snapshot.
    pub taken_at: DateTime<Utc>,
    /// From the start of the work to the seal, in milliseconds.
    pub duration_ms: u64,
    /// The database server.
    pub server: Server,
    /// The release installed; none for a target without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseNote>,
    /// The database's shape inside the snapshot.
    pub shape: Shape,
    /// The tables, in the engine's order.
    pub tables: Vec<Table>,
    /// How it is consistent.
    pub consistency: Consistency,
    /// What is not in it.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// Whether the schema sections are missing: such an archive restores only into a database of its shape.
    #[serde(default)]
    pub data_only: bool,
    /// The files that go along; none where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,
    /// What upkeep was told of the target, as TOML without a secret; none in archives from before that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// zstd level.
    pub level: i32,
    /// Uncompressed bytes of all frames.
    pub raw_bytes: u64,
    /// Bytes of the frames as stored.
    pub stored_bytes: u64,
    /// The frame index, in the order of the file.
    pub frames: Vec<Frame>,
}

/// Why rows are left out that the configuration names. `docs/format.md` promises it: it tells them from what could not be had.
const CHOSEN: &str = "`without_rows` of the target names it; its definition is in the archive";

/// What stands before the name of a table whose rows are left out.
const ROWS_OF: &str = "rows of table ";

impl LeftOut {
    /// The rows of a table that the configuration leaves out.
    #[must_use]
    pub fn chosen(table: &str) -> Self {
        Self { what: format!("{ROWS_OF}{table}"), why: CHOSEN.to_owned() }
    }

    /// The table whose rows the configuration left out, if it is that.
    #[must_use]
    pub fn table_without_rows(&self) -> Option<&str> {
        self.what.strip_prefix(ROWS_OF).filter(|_| self.why == CHOSEN)
    }
}

impl Manifest {
    /// Tables whose rows the configuration left out, by qualified name.
    pub fn without_rows(&self) -> impl Iterator<Item = &str> {
        self.left_out.iter().filter_map(LeftOut::table_without_rows)
    }

    /// Uncompressed bytes of the database alone: without the files that go along.
    #[must_use]
    pub fn database_bytes(&self) -> u64 {
        let files = self.frames.iter().filter(|frame| frame.kind == FrameKind::Files).map(|frame| frame.raw);
        self.raw_bytes.saturating_sub(files.sum())
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

impl Table {
    /// `schema.name`, or the name alone.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.schema.is_empty() { self.name.clone() } else { format!("{}.{}", self.schema, self.name) }
    }
}
