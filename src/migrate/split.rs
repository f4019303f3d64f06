//! A script cut into statements, as the database's own client would cut it.
//!
//! Owns where a statement ends: not inside a string, a quoted name, a comment, a dollar-quoted body, a trigger's or an
//! `ATOMIC` body, and not inside the rows of a `COPY … FROM STDIN`. For MySQL also where a client's `DELIMITER` says. Never
//! changes the text.
//! Invariants, held by `split/tests.rs` and the fuzz target: the pieces' `raw` ranges follow each other without gap and cover the
//! text; no text panics; every byte is looked at a bounded number of times, and what is kept per statement is bounded.
//!
//! A further engine is one more [`Dialect`] with its own file beside `postgres.rs`.

mod head;
mod lexer;
mod mysql;
mod postgres;
mod sqlite;
mod token;

use std::ops::Range;

pub use head::Head;
use lexer::Lexer;
pub(super) use lexer::{lines_before, tokens};
use token::Token;
pub(super) use token::TokenKind;

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
    /// MySQL and MariaDB.
    MySql,
}

/// One statement with what surrounds it. Ranges are bytes of the text that was split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// From the end of the piece before to the end of this one: comments, statement, delimiter, rows.
    pub raw: Range<usize>,
    /// The statement from its first to its last token, without the delimiter; empty for a piece of comments only.
    pub sql: Range<usize>,
    /// The rows that follow a `COPY … FROM STDIN;`, without the closing `\.`.
    pub rows: Option<Range<usize>>,
    /// The line the statement begins in, from 1.
    pub line: usize,
    /// Its first words.
    pub head: Head,
    /// Several statements that the client sends as one: MySQL's, between two delimiters that are no `;`.
    pub several: bool,
}

/// Why a text cannot be cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SplitError {
    /// The line at which the trouble begins, from 1.
    pub line: usize,
    /// What is wrong, as a clause.
    pub what: String,
}

/// What a dialect answers to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The statement goes on.
    Within,
    /// This token is the delimiter.
    Ends,
    /// This token is the delimiter, and rows follow on the next line.
    EndsBeforeRows,
    /// This token cannot be in SQL.
    NotSql(&'static str),
}

/// What each dialect remembers within one statement.
#[derive(Debug)]
enum Tracker {
    Postgres(postgres::Tracker),
    Sqlite(sqlite::Tracker),
    MySql(mysql::Tracker),
}

impl Tracker {
    fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Postgres => Self::Postgres(postgres::Tracker::default()),
            Dialect::Sqlite => Self::Sqlite(sqlite::Tracker::default()),
            Dialect::MySql => Self::MySql(mysql::Tracker::default()),
        }
    }

    /// `grown` is whether the token is the last word of `head`.
    fn see(&mut self, kind: TokenKind, text: &str, head: &Head, grown: bool) -> Verdict {
        match self {
            Self::Postgres(tracker) => tracker.see(kind, text, head),
            Self::Sqlite(tracker) => tracker.see(kind, text, head),
            Self::MySql(tracker) => tracker.see(kind, text, head, grown),
        }
    }

    /// Whether more than one statement was seen.
    fn several(&self) -> bool {
        match self {
            Self::MySql(tracker) => tracker.several(),
            Self::Postgres(_) | Self::Sqlite(_) => false,
        }
    }

    /// What of a statement is still open at the end of the text.
    fn open(&self) -> Option<&'static str> {
        match self {
            Self::MySql(tracker) => tracker.open(),
            Self::Postgres(_) | Self::Sqlite(_) => None,
        }
    }
}

/// Cuts a text. A piece without a statement (`sql` empty) holds comments, blanks or a lone delimiter.
///
/// # Errors
/// When a string, name, comment, body or row block never ends, or a client's own command (`\connect`) stands between
/// statements; or `DELIMITER` comes in the middle of one.
pub fn split(text: &str, dialect: Dialect) -> Result<Vec<Piece>, SplitError> {
    let mut lines = Lines { text, at: 0, line: 1 };
    let mut lexer = Lexer::new(text, dialect);
    let mut pieces = Vec::new();
    let mut open = Open::new(0, dialect);
    // Whether only blanks stand before on the line.
    let mut first = true;
    loop {
        lexer.within(open.sql.is_some());
        let token = match lexer.next_token() {
            Ok(Some(token)) => token,
            Ok(None) => break,
            Err(unclosed) => {
                return Err(SplitError { line: lines.line_of(unclosed.start), what: format!("{} never ends", unclosed.what) });
            }
        };
        if token.kind == TokenKind::Blank {
            let blank = text.get(token.start..token.end).unwrap_or_default();
            first = blank.trim().is_empty() && (first || blank.contains('\n'));
            continue;
        }
        let place = mysql::Place { within: open.sql.is_some(), first: std::mem::take(&mut first) };
        if let Some(command) = mysql::command(text, &token, dialect, place) {
            let (delimiter, end) =
                command.map_err(|what| SplitError { line: lines.line_of(token.start), what: what.to_owned() })?;
            lexer.jump(end);
            lexer.delimit(delimiter);
            push(&mut pieces, open.close(end, None, &mut lines));
            open = Open::new(end, dialect);
            // The end of its line follows.
            first = true;
            continue;
        }
        match open.see(&token, text) {
            Verdict::Within => {}
            Verdict::NotSql(what) => return Err(SplitError { line: lines.line_of(token.start), what: what.to_owned() }),
            Verdict::Ends => {
                push(&mut pieces, open.close(token.end, None, &mut lines));
                open = Open::new(token.end, dialect);
            }
            Verdict::EndsBeforeRows => {
                let (rows, end) = rows_after(text, token.end)
                    .map_err(|what| SplitError { line: lines.line_of(token.end), what: what.to_owned() })?;
                lexer.jump(end);
                push(&mut pieces, open.close(end, Some(rows), &mut lines));
                open = Open::new(end, dialect);
            }
        }
    }
    if let Some(what) = open.tracker.open() {
        let start = open.sql.as_ref().map_or(open.raw_start, |sql| sql.start);
        return Err(SplitError { line: lines.line_of(start), what: format!("{what} never ends") });
    }
    if open.raw_start < text.len() {
        push(&mut pieces, open.close(text.len(), None, &mut lines));
    }
    Ok(pieces)
}

/// Adds a piece; what holds no statement is one piece with what came before it and holds none.
fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match pieces.last_mut().filter(|last| last.sql.is_empty() && piece.sql.is_empty()) {
        Some(last) => (last.raw.end, last.sql) = (piece.raw.end, piece.sql),
        None => pieces.push(piece),
    }
}

/// A piece being read.
struct Open {
    raw_start: usize,
    sql: Option<Range<usize>>,
    head: Head,
    tracker: Tracker,
}

impl Open {
    fn new(raw_start: usize, dialect: Dialect) -> Self {
        Self { raw_start, sql: None, head: Head::default(), tracker: Tracker::new(dialect) }
    }

    fn see(&mut self, token: &Token, text: &str) -> Verdict {
        let word = text.get(token.start..token.end).unwrap_or_default();
        let grown = token.kind == TokenKind::Word && self.head.push(word);
        let verdict = self.tracker.see(token.kind, word, &self.head, grown);
        if verdict == Verdict::Within {
            let start = self.sql.as_ref().map_or(token.start, |sql| sql.start);
            self.sql = Some(start..token.end);
        }
        verdict
    }

    fn close(self, end: usize, rows: Option<Range<usize>>, lines: &mut Lines<'_>) -> Piece {
        let sql = self.sql.unwrap_or(end..end);
        let line = lines.line_of(sql.start);
        let several = self.tracker.several();
        Piece { raw: self.raw_start..end, sql, rows, line, head: self.head.whole(), several }
    }
}

/// The rows after a `COPY … FROM STDIN;` that ends at `from`, and where the line with `\.` ends.
fn rows_after(text: &str, from: usize) -> Result<(Range<usize>, usize), &'static str> {
    let after = text.get(from..).unwrap_or_default();
    let (rest_of_line, _) = after.split_once('\n').unwrap_or((after, ""));
    let blank = rest_of_line.trim();
    if !blank.is_empty() && !blank.starts_with("--") {
        return Err("something other than a comment follows `COPY … FROM STDIN;` on its line");
    }
    let start = (from + rest_of_line.len() + 1).min(text.len());
    let mut at = start;
    for line in text.get(start..).unwrap_or_default().split_inclusive('\n') {
        if line.trim_end_matches(['\n', '\r']) == "\\." {
            return Ok((start..at, at + line.len()));
        }
        at += line.len();
    }
    Err("the rows after `COPY … FROM STDIN;` have no closing `\\.`")
}

/// Counts lines forward only, so that a whole script costs one pass.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn line_of(&mut self, offset: usize) -> usize {
        if let Some(passed) = self.text.as_bytes().get(self.at..offset) {
            self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
            self.at = offset;
        }
        self.line
    }
}

#[cfg(test)]
mod tests;
