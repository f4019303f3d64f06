//! The libraries that a routine of MySQL uses, without the database that the server prints before each.
//!
//! Pure. Invariant: nothing of a body, comment or string is touched; held by `tests.rs`.

use super::connect::quote;
use super::definer::quoted_length;

/// How the server begins the list of libraries, on a line of its own between parameters and body.
const CLAUSE: &str = "\n    USING (";
/// How it begins a body in another language than SQL.
const BODY: &str = "\nAS $";

/// Takes the database out of the `USING` clause of a routine; only such a routine has one as is written in another language.
pub(super) fn unqualify_libraries(sql: &str, database: &str) -> String {
    let Some((begin, end)) = clause_of(sql) else { return sql.to_owned() };
    let clause = &sql[begin..end];
    // A name in quotes never holds a single one.
    let prefix = match clause.chars().next() {
        Some('"') => format!("\"{}\".", database.replace('"', "\"\"")),
        _ => format!("{}.", quote(database)),
    };
    format!("{}{}{}", &sql[..begin], clause.replace(&prefix, ""), &sql[end..])
}

/// Where the list is, without its brackets.
fn clause_of(sql: &str) -> Option<(usize, usize)> {
    if !sql.contains(CLAUSE) || !sql.contains(BODY) {
        return None;
    }
    let (mut at, mut begin) = (0, None);
    while at < sql.len() {
        let rest = &sql[at..];
        match begin {
            None if rest.starts_with(BODY) => return None,
            None if rest.starts_with(CLAUSE) => {
                at += CLAUSE.len();
                begin = Some(at);
            }
            Some(begin) if rest.starts_with(')') => return Some((begin, at)),
            _ => at += length_of_piece(rest),
        }
    }
    None
}

/// The length of a string, a name, a comment or one other character.
fn length_of_piece(text: &str) -> usize {
    let length = if text.starts_with("/*") {
        text.find("*/").map(|at| at + "*/".len())
    } else if text.starts_with('#') || text.starts_with("-- ") {
        text.find('\n')
    } else {
        quoted_length(text)
    };
    length.or_else(|| text.chars().next().map(char::len_utf8)).unwrap_or(1)
}

#[cfg(test)]
mod tests;
