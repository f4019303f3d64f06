//! A table whose rows are dumped, as the data dictionary has it.

use super::columns::Column;
use super::connect::quote;

/// A column of the primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPart {
    /// The name, unquoted.
    pub(super) name: String,
    /// Whether it counts downwards.
    pub(super) descending: bool,
    /// How it is read and compared, if ranges of it can be.
    pub(super) cut_by: Option<Column>,
}

/// A table whose rows are dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    /// The name, unquoted.
    pub(super) name: String,
    /// The storage engine.
    pub(super) engine: String,
    /// Every column that is not generated, in the table's order.
    pub(super) columns: Vec<Column>,
    /// The primary key; empty where there is none, or one that rows cannot be read in the order of.
    pub(super) key: Vec<KeyPart>,
    /// About how many bytes its rows take.
    pub(super) bytes: u64,
    /// About how many rows it has.
    pub(super) rows: u64,
    /// Whether the rows of the past are read as well (MariaDB's system versioning).
    pub(super) history: bool,
    /// The columns that say since when and until when a row was valid, where those of the past are read.
    pub(super) period: Option<[String; 2]>,
    /// Stored generated columns whose values depend on the session that wrote them.
    pub(super) computed: Vec<String>,
}

impl Relation {
    /// The name, quoted.
    pub(super) fn quoted(&self) -> String {
        quote(&self.name)
    }

    /// Whether its rows are part of a transaction's snapshot.
    pub(super) fn in_snapshot(&self) -> bool {
        is_transactional(&self.engine)
    }
}

/// Whether a storage engine keeps old versions of rows for those who began to read before.
pub(super) fn is_transactional(engine: &str) -> bool {
    ["InnoDB", "ROCKSDB", "TokuDB"].iter().any(|name| engine.eq_ignore_ascii_case(name))
}
