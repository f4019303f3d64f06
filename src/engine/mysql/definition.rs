//! A view, a table, a routine: what it is, the statement that makes it, and the settings it was made under.

use serde::{Deserialize, Serialize};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// A MariaDB sequence.
    Sequence,
    /// A table.
    Table,
    /// A MariaDB package's declaration.
    Package,
    /// A MariaDB package's body.
    PackageBody,
    /// A MySQL library of JavaScript or WebAssembly.
    Library,
    /// A stored function.
    Function,
    /// A stored procedure.
    Procedure,
    /// A view.
    View,
    /// A trigger.
    Trigger,
    /// An event.
    Event,
}

impl Kind {
    /// Whether it goes with `RENAME TABLE` to another database.
    pub(super) fn moves(self) -> bool {
        matches!(self, Self::Sequence | Self::Table)
    }

    /// As `SHOW CREATE` spells it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Sequence => "SEQUENCE",
            Self::Table => "TABLE",
            Self::Package => "PACKAGE",
            Self::PackageBody => "PACKAGE BODY",
            Self::Library => "LIBRARY",
            Self::Function => "FUNCTION",
            Self::Procedure => "PROCEDURE",
            Self::View => "VIEW",
            Self::Trigger => "TRIGGER",
            Self::Event => "EVENT",
        }
    }

    /// The columns of `SHOW CREATE`'s answer: the definition, then `sql_mode`, client character set, connection's and
    /// database's collation, time zone, where it has them.
    pub(super) fn columns(self) -> [Option<usize>; 6] {
        match self {
            Self::Sequence | Self::Table => [Some(1), None, None, None, None, None],
            Self::View => [Some(1), None, Some(2), Some(3), None, None],
            Self::Library => [Some(2), Some(1), None, None, None, None],
            Self::Event => [Some(3), Some(1), Some(4), Some(5), Some(6), Some(2)],
            _ => [Some(2), Some(1), Some(3), Some(4), Some(5), None],
        }
    }
}

/// The settings an object was made under, which it keeps; empty where it has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Context {
    /// `sql_mode`.
    pub(super) sql_mode: String,
    /// `character_set_client`.
    pub(super) client: String,
    /// `collation_connection`.
    pub(super) connection: String,
    /// The collation the database had.
    pub(super) database: String,
    /// `time_zone`, of events.
    pub(super) time_zone: String,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Definition {
    /// What it is.
    pub(super) kind: Kind,
    /// Its name.
    pub(super) name: String,
    /// The statement that makes it, without a semicolon at its end.
    pub(super) sql: String,
    /// What it was made under.
    pub(super) context: Context,
    /// Why it does not work where it stands, if it does not: a view that reads what is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) broken: Option<String>,
}
