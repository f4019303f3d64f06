//! What a MySQL statement does to the transaction and the session it runs in, told from its first words.
//!
//! Pure. When in doubt a statement is a [`Sort::Definition`]: begun and done are written down around it.

use crate::migrate::split::Head;

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::migrate) enum Sort {
    /// Reads or changes rows, within a transaction.
    Rows,
    /// Changes nothing but its session: a variable, the database in use, a prepared statement.
    Session,
    /// Makes or drops a temporary table: the session's too, and no transaction's.
    Temporary,
    /// Begins or ends a transaction.
    Control,
    /// Locks or unlocks tables; ends a transaction.
    Lock,
    /// Runs what cannot be seen here: a procedure.
    Call,
    /// The same with a single statement prepared before.
    Execute,
    /// Everything else. Ends the transaction before itself, and cannot be rolled back.
    Definition,
}

impl Sort {
    /// Of a statement with these first words, upper-cased.
    pub(in crate::migrate) fn of(head: &Head) -> Self {
        let words = head.words();
        match words.as_slice() {
            ["SELECT" | "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "WITH" | "VALUES" | "TABLE" | "DO" | "HANDLER", ..]
            | ["SHOW" | "EXPLAIN" | "DESCRIBE" | "DESC" | "HELP" | "SAVEPOINT", ..]
            | ["RELEASE", "SAVEPOINT", ..]
            | ["LOAD", "DATA" | "XML", ..] => Self::Rows,
            ["SET", "PASSWORD" | "DEFAULT" | "STATEMENT" | "RESOURCE", ..] => Self::Definition,
            // `GET DIAGNOSTICS` sets variables.
            ["SET" | "USE" | "PREPARE" | "DEALLOCATE" | "GET", ..] | ["DROP", "PREPARE", ..] => Self::Session,
            ["CREATE" | "DROP", "TEMPORARY", ..] | ["CREATE", "OR", "REPLACE", "TEMPORARY", ..] => Self::Temporary,
            ["BEGIN", "NOT", "ATOMIC", ..] | ["CALL" | "IF" | "CASE" | "LOOP" | "WHILE" | "REPEAT" | "FOR", ..] => Self::Call,
            ["EXECUTE", ..] => Self::Execute,
            ["BEGIN" | "COMMIT" | "ROLLBACK", ..] | ["START", "TRANSACTION", ..] => Self::Control,
            ["LOCK" | "UNLOCK", "TABLES" | "TABLE", ..] => Self::Lock,
            // An executable comment that holds no word.
            [] => Self::Rows,
            _ => Self::Definition,
        }
    }

    /// Whether a script with such a statement cannot run in one transaction of ours.
    pub(in crate::migrate) fn runs_outside(head: &Head) -> bool {
        match Self::of(head) {
            Self::Rows | Self::Temporary => false,
            Self::Session => head.iter().skip(1).any(|word| matches!(word, "AUTOCOMMIT" | "ROLE")),
            Self::Control | Self::Lock | Self::Call | Self::Execute | Self::Definition => true,
        }
    }
}

/// Whether running a definition a second time does no more than the first.
pub(in crate::migrate) fn repeatable(head: &Head) -> bool {
    let words = head.words();
    let conditional = |words: &[&str]| words.windows(2).any(|pair| pair == ["IF", "EXISTS"]);
    let fills = || words.contains(&"SELECT") || words.contains(&"AS");
    match words.as_slice() {
        ["ANALYZE" | "OPTIMIZE" | "CHECK" | "REPAIR" | "FLUSH" | "TRUNCATE" | "GRANT" | "REVOKE" | "CACHE", ..] => true,
        ["LOAD", "INDEX", ..] | ["SET", "PASSWORD" | "DEFAULT", ..] | ["ALTER", "DATABASE" | "SCHEMA", ..] => true,
        ["DROP", rest @ ..] => conditional(rest),
        ["CREATE", "DATABASE" | "SCHEMA", "IF", "NOT", "EXISTS", ..] => true,
        ["CREATE", "TABLE", "IF", "NOT", "EXISTS", ..] => !fills(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
