//! The schema sections: what `pg_dump` writes, made readable for every loader.
//!
//! Pure. Drops `psql`'s own lines and the settings another major cannot read, and puts statements that need a role or a tablespace
//! into a block (`guard`). Everything else passes untouched, and what could not pass without a change is refused: bytes that are not
//! UTF-8, and a backslash that `psql` would take for a command. Held by `tests/it/postgres_backup.rs`, which compares
//! `pg_dump`'s word for both databases.

use super::super::EngineError;
use super::grammar::{Kind, Statement};
use super::guard::guard;
use super::split::{Chunk, Splitter};

/// Settings `pg_dump` puts at the head of its output; the archive's own header has them, but for those that other majors
/// do not know (`transaction_timeout` came with 17).
const SETTINGS: [&str; 11] = [
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_timeout",
    "client_encoding",
    "standard_conforming_strings",
    "check_function_bodies",
    "xmloption",
    "client_min_messages",
    "row_security",
    "escape_string_warning",
];
/// How much of a statement a message shows.
const SHOWN: usize = 120;

/// The settings every loading session begins with, and the head of every archive.
pub(super) fn head(encoding: &str) -> String {
    format!(
        "SET statement_timeout = 0;\nSET lock_timeout = 0;\nSET idle_in_transaction_session_timeout = 0;\n\
         SET client_encoding = '{encoding}';\nSET standard_conforming_strings = on;\n\
         SELECT pg_catalog.set_config('search_path', '', false);\nSET check_function_bodies = false;\n\
         SET xmloption = content;\nSET client_min_messages = warning;\nSET row_security = off;\n\
         SET DateStyle = ISO;\nSET IntervalStyle = postgres;\nSET lc_monetary = 'C';\n"
    )
}

/// Cleans one section as it streams by.
#[derive(Debug)]
pub(super) struct Cleaner {
    splitter: Splitter,
}

impl Cleaner {
    /// Nothing read yet.
    pub(super) fn new() -> Self {
        Self { splitter: Splitter::new() }
    }

    /// Takes more of the section and gives what is ready.
    ///
    /// # Errors
    /// When it holds what no loader could be given.
    pub(super) fn push(&mut self, text: &[u8]) -> Result<String, EngineError> {
        self.splitter.push(text).into_iter().map(clean).collect()
    }

    /// Ends the section.
    ///
    /// # Errors
    /// As [`Cleaner::push`].
    pub(super) fn finish(self) -> Result<String, EngineError> {
        self.splitter.finish().into_iter().map(clean).collect()
    }
}

fn clean(chunk: Chunk) -> Result<String, EngineError> {
    match chunk {
        Chunk::Meta(line) if is_restriction(&line) => Ok(String::new()),
        Chunk::Meta(line) => Err(speaks_to_psql(&line)),
        Chunk::Rest(text) => Ok(text),
        Chunk::Bytes(bytes) => Err(not_utf8(&bytes)),
        Chunk::Statement { lead, sql } => {
            let statement = Statement::of(&sql);
            if is_setting(&statement) {
                return Ok(lead.trim_start_matches('\n').to_owned());
            }
            if statement.speaks_to_psql() {
                return Err(speaks_to_psql(&sql));
            }
            Ok(match quoted(&statement) {
                Some(sql) => format!("{lead}{}", guard(&Statement::of(&sql))),
                None => format!("{lead}{}", guard(&statement)),
            })
        }
    }
}

/// The statement with quotes where `pg_dump` of 18 forgets them: around the name of a NOT NULL that a table has of its own on a column that it
/// inherits (`CONSTRAINT Own NOT NULL b`, a line by itself), which would be made under another name, or be no SQL. What is no plain
/// word without quotes is refused before (`left_out`).
fn quoted(statement: &Statement<'_>) -> Option<String> {
    if !statement.has(0, &["CREATE"]) || !(1..=2).any(|at| statement.has(at, &["TABLE"])) {
        return None;
    }
    let tokens = statement.tokens();
    let names = tokens.windows(5).filter(|five| {
        let begins = five[1].depth == 1 && (five[0].is_sign("(") || five[0].is_sign(","));
        let words = [(1, "CONSTRAINT"), (3, "NOT"), (4, "NULL")];
        begins
            && five[2].kind == Kind::Word
            && words.iter().all(|(at, word)| five[*at].kind == Kind::Word && five[*at].text == *word)
    });
    let mut sql = statement.sql().to_owned();
    // From behind, so that the places before stay what they are.
    for name in names.map(|five| five[2]).collect::<Vec<_>>().into_iter().rev() {
        sql.replace_range(name.at..name.at + name.text.len(), &format!("\"{}\"", name.text));
    }
    (sql != statement.sql()).then_some(sql)
}

/// The pair that `pg_dump` of newer minor releases writes around its output; the archive has one of its own.
fn is_restriction(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let known = matches!(words.next(), Some("\\restrict" | "\\unrestrict"));
    known && words.next().is_some_and(|key| key.chars().all(|c| c.is_ascii_alphanumeric())) && words.next().is_none()
}

fn is_setting(statement: &Statement<'_>) -> bool {
    let set = statement.has(0, &["SET"]) && SETTINGS.iter().any(|name| statement.has(1, &[*name]));
    set || statement.sets_search_path()
}

fn shown(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect()
}

fn speaks_to_psql(text: &str) -> EngineError {
    EngineError::Inexact {
        what: format!("pg_dump prints a backslash outside of quotes, which psql would take for a command of its own: `{}`", shown(text)),
        hint: "no server prints that by itself: look for what was changed in the system's functions and in names that hold a line end"
            .to_owned(),
    }
}

fn not_utf8(bytes: &[u8]) -> EngineError {
    // The name of what it is about stands before the bytes that are in the way, or holds them.
    let text = String::from_utf8_lossy(bytes);
    let sql = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("--")).unwrap_or_default();
    EngineError::Inexact {
        what: format!(
            "the definition of an object holds bytes that are not UTF-8, which no archive can keep: `{}`",
            shown(sql)
        ),
        hint: "write that name, text or comment again in UTF-8 (a comment: COMMENT ON … IS '…'); the rows may hold any bytes"
            .to_owned(),
    }
}

/// The lines that let `psql` run nothing but SQL from here on, where its minor release knows them (CVE-2025-8714), and do nothing
/// where it does not; and those that end it. `psql` tells its release, so an older one is never shown a command it does not know.
/// Every other loader leaves them out ([`for_server`]).
pub(super) fn restriction(key: &str) -> (String, String) {
    const SINCE: [u32; 5] = [130_022, 140_019, 150_014, 160_010, 170_006];
    let known =
        SINCE.map(|since| format!("(:VERSION_NUM BETWEEN {since} AND {})", since / 10_000 * 10_000 + 9_999)).join(" OR ");
    let known = format!(":VERSION_NUM >= 180000 OR {known}");
    let begin = format!(
        "SELECT CASE WHEN {known} THEN '\\restrict {key}' ELSE '' END AS upkeep_{key}, \
         CASE WHEN {known} THEN '\\unrestrict {key}' ELSE '' END AS upkeep_end_{key}\n\
         \\gset\n:upkeep_{key}\n"
    );
    (begin, format!(":upkeep_end_{key}\n"))
}

/// A text without what is `psql`'s alone.
pub(super) fn for_server(text: &str) -> String {
    let mut splitter = Splitter::new();
    let mut chunks = splitter.push(text.as_bytes());
    chunks.extend(splitter.finish());
    let kept = chunks.into_iter().map(|chunk| match chunk {
        Chunk::Statement { lead, sql } => lead + &sql,
        Chunk::Rest(text) => text,
        Chunk::Meta(_) | Chunk::Bytes(_) => String::new(),
    });
    kept.collect()
}

#[cfg(test)]
mod tests;
