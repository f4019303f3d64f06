//! Where a script that was begun goes on, told from its marks: pure.
//!
//! Invariant: a statement whose mark says done never runs again, and one whose outcome is not known never runs at all. What
//! the session of before had in it is made again where that gives the same, and is a reason to refuse where it does not.

use std::collections::{BTreeMap, BTreeSet};

use super::reads::{asks_back, asks_last_id, assignment, calls_stored, is_global, plain};
use crate::migrate::prepare::{Prepared, Sort, repeatable};
use crate::migrate::split::{Dialect, Head, Piece, TokenKind, tokens};

/// A statement's mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Which statement of the script, from 1.
    pub(super) number: usize,
    /// Digest of this statement and all before it.
    pub(super) digest: String,
    /// Whether it is known to be done; else it was begun.
    pub(super) done: bool,
    /// For a definition: digest of what it changes, as that was before.
    pub(super) seen: Option<String>,
}

/// A statement as the resumption sees it.
#[derive(Debug, Clone)]
pub(super) struct Statement<'a> {
    /// The script it stands in: a callback runs with the script it belongs to.
    pub(super) script: &'a str,
    /// Which statement of that, from 1.
    pub(super) number: usize,
    pub(super) sql: &'a str,
    /// The line of that, from 1.
    pub(super) line: usize,
    pub(super) head: &'a Head,
    pub(super) sort: Sort,
    /// Several that were sent as one.
    pub(super) several: bool,
    /// Digest of this statement and all before it.
    pub(super) digest: String,
}

/// What is to be done with a begun script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resume {
    /// Go on with this statement (from 0), after these were run again for what they leave in the session.
    From { next: usize, again: Vec<usize> },
    /// The same once the server says whether this begun one (from 0) took effect.
    Ask { begun: usize, seen: String },
}

/// Why it cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) script: String,
    pub(super) line: usize,
    pub(super) why: String,
}

/// The statements of a script and of the callbacks that run with it, in order.
pub(super) fn statements(script: &Prepared) -> Vec<Statement<'_>> {
    let mut hasher = blake3::Hasher::new();
    let mut all = Vec::with_capacity(script.pieces.len());
    for script in script.parts() {
        for (piece, number) in script.pieces.iter().zip(1..) {
            let sql = script.sql(piece);
            hasher.update(&sql.len().to_le_bytes());
            hasher.update(sql.as_bytes());
            let digest = hasher.finalize().to_hex().to_string();
            let (line, head, sort, several) = (piece.line, &piece.head, sort(piece, sql), piece.several);
            all.push(Statement { script: &script.name, number, sql, line, head, sort, several, digest });
        }
    }
    all
}

/// What a statement does; a `SET` may call a function that changes rows, and several at once may do anything.
fn sort(piece: &Piece, sql: &str) -> Sort {
    let head = &piece.head;
    match Sort::of(head) {
        _ if piece.several => Sort::Call,
        Sort::Session if head.begins("SET") && !head.holds("AUTOCOMMIT") && calls_stored(sql) => Sort::Rows,
        sort => sort,
    }
}

/// A reason not to go on at a statement (from 0), or after the last.
fn stop(all: &[Statement<'_>], index: usize, why: String) -> Stop {
    let place = all.get(index).or(all.last());
    Stop { script: place.map_or_else(String::new, |at| at.script.to_owned()), line: place.map_or(1, |at| at.line), why }
}

/// How a statement (from 0) is called in its script.
fn called(all: &[Statement<'_>], index: usize) -> usize {
    all.get(index).map_or(index + 1, |statement| statement.number)
}

/// What the marks say. `marks` are in the order of their numbers.
pub(super) fn judge(marks: &[Mark], all: &[Statement<'_>]) -> Result<Resume, Stop> {
    let done = marks.iter().filter(|mark| mark.done);
    let mut unchanged = 0;
    for mark in done {
        let now = all.get(mark.number.saturating_sub(1));
        if now.is_none_or(|now| now.digest != mark.digest) {
            let (first, last) = (called(all, unchanged), called(all, mark.number.saturating_sub(1)));
            let which = if unchanged + 1 == mark.number {
                format!("statement {first} had run and was changed since")
            } else {
                format!("statements {first} to {last} had run, and one of them was changed since")
            };
            return Err(stop(all, unchanged, format!("{which}; only what comes after may be fixed")));
        }
        unchanged = mark.number;
    }
    let begun = marks.iter().find(|mark| !mark.done && mark.number > unchanged);
    let Some(begun) = begun else { return from(unchanged, all) };
    let now = all.get(begun.number - 1).filter(|now| now.digest == begun.digest);
    match (now, &begun.seen) {
        (Some(now), _) if now.sort == Sort::Definition && repeatable(now.head) => from(begun.number - 1, all),
        (Some(_), Some(seen)) => Ok(Resume::Ask { begun: begun.number - 1, seen: seen.clone() }),
        _ => Err(unknown(begun.number - 1, all)),
    }
}

/// Nobody knows what became of a statement.
pub(super) fn unknown(index: usize, all: &[Statement<'_>]) -> Stop {
    let number = called(all, index);
    stop(all, index, format!("statement {number} was begun, and whether it took effect cannot be told"))
}

/// Going on with statement `next` (from 0): what the session needs first.
pub(super) fn from(next: usize, all: &[Statement<'_>]) -> Result<Resume, Stop> {
    let (before, after) = all.split_at(next.min(all.len()));
    let mut again = Vec::new();
    let mut locked = None;
    // Variables whose value is gone, with the statement that set them last.
    let mut lost = BTreeMap::new();
    for (index, statement) in before.iter().enumerate() {
        if runs_again(statement, &lost) {
            again.push(index);
            let given = assignment(statement.sql).given;
            lost.retain(|variable, _| !given.contains(variable));
            continue;
        }
        if statement.sort == Sort::Lock {
            locked = statement.head.begins("LOCK").then_some(index);
        }
        if let Some(what) = left_behind(statement, after) {
            return Err(gone(all, index, what));
        }
        lost.extend(assigned(statement).into_iter().map(|variable| (variable, index)));
    }
    let missed = lost.iter().filter(|(variable, _)| used(variable, after)).map(|(_, index)| *index).min();
    if let Some(index) = missed {
        return Err(gone(all, index, "set a variable from data"));
    }
    if let Some((ahead, what)) = asks_the_lost(before, after) {
        let number = called(all, before.len() + ahead);
        let why = format!("statement {number} asks for {what}, which was lost with the session of before");
        return Err(stop(all, before.len() + ahead, why));
    }
    again.extend(locked);
    Ok(Resume::From { next, again })
}

/// A statement (from 0) left something in its session that is gone.
fn gone(all: &[Statement<'_>], index: usize, what: &str) -> Stop {
    let number = called(all, index);
    let why = format!("statement {number} {what}, which was lost with its session and which later statements use");
    stop(all, index, why)
}

/// Whether a statement is run again: it gives the same, and nothing of what it reads is gone.
fn runs_again(statement: &Statement<'_>, lost: &BTreeMap<String, usize>) -> bool {
    let reads_lost = || assignment(statement.sql).read.iter().any(|variable| lost.contains_key(variable));
    statement.sort == Sort::Session && same_again(statement) && !reads_lost()
}

/// What a statement that is not run again left in its session beside variables, if that matters to these.
fn left_behind(statement: &Statement<'_>, after: &[Statement<'_>]) -> Option<&'static str> {
    const OF_SESSIONS: [&str; 5] = ["SET", "USE", "LOCK", "PREPARE", "TEMPORARY"];
    let sets = statement.head.begins("SET") && matches!(statement.sort, Sort::Session | Sort::Rows);
    let of_sessions = |(_, text): (TokenKind, &str)| OF_SESSIONS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if statement.several && !after.is_empty() && tokens(statement.sql, Dialect::MySql).any(of_sessions) {
        return Some("may have set its session up among other things");
    }
    if statement.sort == Sort::Temporary && names(statement).iter().any(|name| mentioned(name, after)) {
        return Some("made a temporary table");
    }
    if statement.sort == Sort::Session && statement.head.begins("PREPARE") {
        let name = names(statement).into_iter().next().unwrap_or_default();
        let first = after.iter().find(|later| mentioned(&name, std::slice::from_ref(*later)));
        return first.filter(|later| !later.head.begins("PREPARE")).map(|_| "prepared a statement");
    }
    (sets && !after.is_empty() && assignment(statement.sql).session).then_some("set its session up from data")
}

/// Which of the statements that are left (from 0) asks its session about those before, and about what.
fn asks_the_lost(before: &[Statement<'_>], after: &[Statement<'_>]) -> Option<(usize, &'static str)> {
    // What `SHOW` answers reaches nobody.
    let first = after.first().filter(|first| !before.is_empty() && !first.head.begins("SHOW"));
    if first.is_some_and(|first| asks_back(first.sql, first.head)) {
        return Some((0, "what became of the statement before it"));
    }
    let begins = |statement: &Statement<'_>, words: &[&str]| words.iter().any(|word| statement.head.begins(word));
    let numbers = |statement: &Statement<'_>| {
        matches!(statement.sort, Sort::Call | Sort::Execute) || begins(statement, &["INSERT", "REPLACE", "LOAD"])
    };
    if !before.iter().any(|statement| numbers(statement) || asks_last_id(statement.sql)) {
        return None;
    }
    let fresh = after.iter().position(|statement| begins(statement, &["INSERT", "REPLACE"]));
    // One that gives a number itself is asked first.
    let reached = after.iter().take(fresh.map_or(after.len(), |fresh| fresh + 1));
    let asking = reached.enumerate().find(|(_, statement)| asks_last_id(statement.sql));
    asking.map(|(ahead, _)| (ahead, "LAST_INSERT_ID()"))
}

/// Functions that give the same for the same session.
const PURE: [&str; 7] = ["SELECT", "REPLACE", "CONCAT", "CONCAT_WS", "IF", "IFNULL", "COALESCE"];

/// Whether running a session's statement again gives what it gave: nothing in it comes from tables or the moment.
fn same_again(statement: &Statement<'_>) -> bool {
    let all: Vec<(TokenKind, &str)> = tokens(statement.sql, Dialect::MySql).collect();
    let calls = all.windows(2).any(|pair| match pair {
        [(TokenKind::Word, word), (_, "(")] => !PURE.contains(&word.to_ascii_uppercase().as_str()),
        [(TokenKind::Quoted, name), (_, "(")] => name.starts_with('`'),
        _ => false,
    });
    let text = |at: Option<usize>| at.and_then(|at| all.get(at)).map_or("", |(_, text)| *text);
    let variable = |at: usize| text(at.checked_sub(1)) == "@" && text(at.checked_sub(2)) != "@";
    let reads = (0..all.len())
        .any(|at| all.get(at).is_some_and(|(kind, text)| *kind == TokenKind::Word && of_the_moment(text)) && !variable(at));
    let global = all.windows(3).any(|three| matches!(three, [(_, "@"), (_, "@"), (_, scope)] if is_global(scope)));
    !calls && !reads && !global && (statement.head.begins("SET") || statement.head.begins("USE"))
}

/// Whether a word stands for what may be another the next time: of tables, of the clock, of the session's last statements.
fn of_the_moment(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    upper.starts_with("CURRENT_")
        || matches!(
            upper.as_str(),
            "FROM" | "LOCALTIME" | "LOCALTIMESTAMP" | "UTC_DATE" | "UTC_TIME" | "UTC_TIMESTAMP" | "NEXT" | "PREVIOUS"
        )
        || matches!(upper.as_str(), "LAST_INSERT_ID" | "IDENTITY" | "WARNING_COUNT" | "ERROR_COUNT")
}

/// User variables that a statement may set, lower-cased and unquoted: all it names when it cannot be told which.
fn assigned(statement: &Statement<'_>) -> BTreeSet<String> {
    let all: Vec<(TokenKind, &str)> = tokens(statement.sql, Dialect::MySql).collect();
    let into = all.windows(2).any(|pair| matches!(pair, [(_, word), (_, "@")] if word.eq_ignore_ascii_case("INTO")));
    let within = statement.sql.contains(":=") || into;
    if statement.head.begins("SET") && !within {
        return assignment(statement.sql).given;
    }
    let sets = within || statement.head.begins("GET") || matches!(statement.sort, Sort::Call | Sort::Execute);
    if sets { variables(&all).into_iter().collect() } else { BTreeSet::new() }
}

/// User variables in the order they are named; `@@x` is the server's.
fn variables(all: &[(TokenKind, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, pair) in all.windows(2).enumerate() {
        let server = at > 0 && all.get(at - 1).is_some_and(|(_, before)| *before == "@");
        if let [(_, "@"), (TokenKind::Word | TokenKind::Quoted, name)] = pair
            && !server
        {
            found.push(plain(name));
        }
    }
    found
}

/// Whether a variable's value matters to these statements: it is named before it is set anew.
fn used(variable: &str, after: &[Statement<'_>]) -> bool {
    for statement in after {
        let all: Vec<(TokenKind, &str)> = tokens(statement.sql, Dialect::MySql).collect();
        let named = variables(&all);
        if named.iter().any(|name| name == variable) {
            let found = assignment(statement.sql);
            let sets = statement.head.begins("SET") && found.given.contains(variable) && !found.read.contains(variable);
            // A condition's number may be in a variable.
            let gets = statement.head.begins("GET") && !statement.head.holds("CONDITION");
            return !(sets || gets);
        }
    }
    false
}

/// The words and names of a statement after its first keywords, unquoted and lower-cased: the first is the object's.
fn names(statement: &Statement<'_>) -> Vec<String> {
    let keyword = |text: &str| {
        matches!(
            text.to_ascii_uppercase().as_str(),
            "CREATE" | "OR" | "REPLACE" | "DROP" | "TEMPORARY" | "TABLE" | "IF" | "NOT" | "EXISTS" | "PREPARE" | "DEALLOCATE"
        )
    };
    let named = tokens(statement.sql, Dialect::MySql).filter(|(kind, _)| matches!(kind, TokenKind::Word | TokenKind::Quoted));
    let mut named = named.skip_while(|(_, text)| keyword(text)).map(|(_, text)| plain(text));
    let first = named.next();
    first.into_iter().collect()
}

fn mentioned(name: &str, after: &[Statement<'_>]) -> bool {
    let is = |(kind, text): (TokenKind, &str)| matches!(kind, TokenKind::Word | TokenKind::Quoted) && plain(text) == name;
    after.iter().any(|statement| tokens(statement.sql, Dialect::MySql).any(is))
}

#[cfg(test)]
mod tests;
