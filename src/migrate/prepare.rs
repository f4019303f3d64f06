//! A script ready to run: placeholders replaced, cut into statements, and known whether it may run in a transaction.
//!
//! Pure. Whatever can be refused about a script is refused here, before the first script of a run changes anything.

mod reach;
mod sort;

use super::plan::Problem;
use super::split::{Dialect, Head, Piece, split};
use reach::reaches;
pub(super) use sort::{Sort, repeatable};

/// A script's statements.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Its path relative to its location.
    pub(super) name: String,
    /// The text that is run.
    pub(super) text: String,
    /// Its statements; pieces without one are left out.
    pub(super) pieces: Vec<Piece>,
    /// Who begins and ends transactions.
    pub(super) transaction: Transaction,
    /// Callbacks that run right before it, in its transaction when it has one.
    pub(super) before: Vec<Prepared>,
    /// Callbacks that run right after it, before its row is written.
    pub(super) after: Vec<Prepared>,
}

/// What decides about a script's transaction beside its statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct How {
    /// Whether statements of both kinds may be mixed.
    pub(super) mixed: bool,
    /// What its companion says.
    pub(super) in_transaction: Option<bool>,
}

/// Who begins and ends transactions while a script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transaction {
    /// We: one around the script and its history row.
    Ours,
    /// Nobody, or the script itself: one of its statements cannot run in a transaction of ours.
    None,
}

/// Prepares a text whose placeholders are replaced.
pub(super) fn prepare(name: &str, text: String, dialect: Dialect, how: How) -> Result<Prepared, Problem> {
    let unrunnable = |line, why: String| Problem::Unrunnable { script: name.to_owned(), line, why };
    let pieces = split(&text, dialect).map_err(|error| unrunnable(error.line, error.what))?;
    let pieces: Vec<Piece> = pieces.into_iter().filter(|piece| !piece.sql.is_empty()).collect();
    if let Some(piece) = pieces.iter().find(|piece| copies_out(dialect, &piece.head)) {
        return Err(unrunnable(piece.line, "`COPY … TO STDOUT` has nobody to read it".to_owned()));
    }
    if dialect == Dialect::Sqlite {
        // Each piece as SQLite is given it, so that what it is cut into by us decides nothing.
        for piece in &pieces {
            if let Some(reach) = reaches(text.get(piece.sql.clone()).unwrap_or_default()) {
                let why = format!("{} reaches beyond the database that is migrated, and does not run here", reach.what);
                return Err(unrunnable(piece.line + reach.lines_before, why));
            }
        }
    }
    let transaction = transaction(name, &pieces, dialect, how)?;
    Ok(Prepared { name: name.to_owned(), text, pieces, transaction, before: Vec::new(), after: Vec::new() })
}

/// Who begins and ends transactions while these statements run.
fn transaction(name: &str, pieces: &[Piece], dialect: Dialect, how: How) -> Result<Transaction, Problem> {
    let controls = pieces.iter().find(|piece| dialect.controls_transactions(&piece.head));
    match (how.in_transaction, controls) {
        (Some(false), _) => return Ok(Transaction::None),
        // Whatever a companion says, a definition commits there.
        (Some(true), _) if dialect == Dialect::MySql => {}
        (Some(true), Some(piece)) => {
            let why =
                "its companion says `executeInTransaction=true`, and it ends or begins a transaction itself; leave the key out";
            return Err(Problem::Unrunnable { script: name.to_owned(), line: piece.line, why: why.to_owned() });
        }
        (Some(true), None) => return Ok(Transaction::Ours),
        (None, _) => {}
    }
    let first = pieces.iter().find(|piece| dialect.must_not_mix(&piece.head));
    if let Some(piece) = first.filter(|_| !how.mixed && controls.is_none())
        && pieces.iter().any(|piece| !dialect.runs_outside(&piece.head))
    {
        return Err(Problem::Mixed { script: name.to_owned(), line: piece.line });
    }
    let outside = controls.is_some() || pieces.iter().any(|piece| piece.several || dialect.runs_outside(&piece.head));
    Ok(if outside { Transaction::None } else { Transaction::Ours })
}

fn copies_out(dialect: Dialect, head: &Head) -> bool {
    dialect == Dialect::Postgres && head.begins("COPY") && head.words().windows(2).any(|pair| pair == ["TO", "STDOUT"])
}

impl Prepared {
    /// Everything that runs, in order: the callbacks before, the script, the callbacks after.
    pub(super) fn parts(&self) -> Vec<&Prepared> {
        self.before.iter().chain(std::iter::once(self)).chain(&self.after).collect()
    }

    /// Whether all of it can be one transaction of ours: a callback that ends one ends that of the script it runs with.
    pub(super) fn is_one_transaction(&self) -> bool {
        self.parts().iter().all(|part| part.transaction == Transaction::Ours)
    }

    /// A piece's statement.
    pub(super) fn sql(&self, piece: &Piece) -> &str {
        self.text.get(piece.sql.clone()).unwrap_or_default()
    }

    /// A piece's rows.
    pub(super) fn rows<'a>(&'a self, piece: &Piece) -> Option<&'a str> {
        piece.rows.clone().and_then(|rows| self.text.get(rows))
    }

    /// The line of the script that a position in a piece's statement (in characters, from 1) is in.
    pub(super) fn line_at(&self, piece: &Piece, position: Option<usize>) -> usize {
        let before = position.map_or(0, |position| position.saturating_sub(1));
        piece.line + self.sql(piece).chars().take(before).filter(|&c| c == '\n').count()
    }
}

impl Dialect {
    /// Whether a statement that begins so cannot run in a transaction. PostgreSQL: Flyway's list, and what it misses.
    pub(super) fn runs_outside(self, head: &Head) -> bool {
        let words = head.words();
        match self {
            Self::Postgres => match words.as_slice() {
                ["CREATE" | "DROP", "DATABASE" | "TABLESPACE" | "SUBSCRIPTION", ..]
                | ["ALTER", "SYSTEM", ..]
                | ["CREATE" | "DROP", "INDEX", "CONCURRENTLY", ..]
                | ["CREATE" | "DROP", "UNIQUE", "INDEX", "CONCURRENTLY", ..]
                | ["VACUUM", ..]
                | ["DISCARD", "ALL", ..] => true,
                ["REINDEX", rest @ ..] => {
                    rest.contains(&"CONCURRENTLY")
                        || rest
                            .iter()
                            .find(|word| **word != "VERBOSE")
                            .is_some_and(|word| matches!(*word, "SCHEMA" | "DATABASE" | "SYSTEM"))
                }
                ["ALTER", "TABLE", rest @ ..] => rest.contains(&"DETACH") && rest.contains(&"CONCURRENTLY"),
                ["ALTER", "DATABASE", rest @ ..] => rest.windows(2).any(|pair| pair == ["SET", "TABLESPACE"]),
                _ => false,
            },
            Self::Sqlite => match words.as_slice() {
                ["VACUUM" | "DETACH", ..] => true,
                // These do nothing, or fail, within a transaction. A schema name may stand before.
                ["PRAGMA", rest @ ..] => {
                    rest.iter().take(2).any(|word| matches!(*word, "FOREIGN_KEYS" | "JOURNAL_MODE" | "SYNCHRONOUS"))
                }
                _ => false,
            },
            Self::MySql => Sort::runs_outside(head),
        }
    }

    /// Whether a statement that runs outside a transaction makes Flyway refuse a script that holds others too.
    fn must_not_mix(self, head: &Head) -> bool {
        match self {
            Self::Sqlite => head.begins("PRAGMA") && head.holds("FOREIGN_KEYS"),
            Self::Postgres => self.runs_outside(head),
            // Every definition commits by itself, so any script may mix.
            Self::MySql => false,
        }
    }

    /// Whether a statement that begins so begins or ends a transaction; savepoints stay within one.
    pub(super) fn controls_transactions(self, head: &Head) -> bool {
        let words = head.words();
        match words.as_slice() {
            ["ROLLBACK", rest @ ..] => !rest.contains(&"TO"),
            ["BEGIN" | "COMMIT" | "END", ..] => true,
            ["ABORT", ..] | ["START" | "PREPARE", "TRANSACTION", ..] => self == Self::Postgres,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
