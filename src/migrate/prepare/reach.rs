//! What a script may not say: statements that reach beyond its own database file.
//!
//! A script runs with our power, and who writes it need not have it: `ATTACH` opens and changes any database that we may write to (our
//! own state among them), `VACUUM INTO` makes a file anywhere, and some pragmas are settings of the whole process. Flyway allows all of
//! it; `docs/migrations.md` says what to do instead. What is read here are SQLite's own tokens, by the rules of its tokenizer
//! (`sqlite3GetToken`): a reader that saw other ends of strings or comments than SQLite does could be led past.

use std::ops::Range;

/// Pragmas that change more than the connection's own database: the whole process, the host's files, or what SQLite believes of its
/// schema.
const PRAGMAS: [&str; 6] = [
    "temp_store_directory",
    "data_store_directory",
    "lock_proxy_file",
    "hard_heap_limit",
    "soft_heap_limit",
    "writable_schema",
];

/// A statement that reaches out.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::migrate) struct Reach {
    /// Lines before it in the text.
    pub(in crate::migrate) lines_before: usize,
    /// What it is, as a message says it.
    pub(in crate::migrate) what: String,
}

/// The first statement of a text that reaches beyond the database.
pub(in crate::migrate) fn reaches(sql: &str) -> Option<Reach> {
    let found = |at: usize, what: String| {
        let lines_before = sql.get(..at).unwrap_or_default().matches('\n').count();
        Some(Reach { lines_before, what })
    };
    if let Some(at) = sql.find('\0') {
        return found(at, "a NUL character, at which SQLite stops reading,".to_owned());
    }
    let tokens: Vec<Range<usize>> = tokens(sql);
    let word = |range: &Range<usize>| sql.get(range.clone()).unwrap_or_default();
    for statement in tokens.split(|range| word(range) == ";") {
        let words: Vec<&str> = statement.iter().map(&word).collect();
        let is = |place: usize, keyword: &str| words.get(place).is_some_and(|word| word.eq_ignore_ascii_case(keyword));
        let first = match (is(0, "EXPLAIN"), is(1, "QUERY")) {
            (true, true) => 3,
            (true, false) => 1,
            (false, _) => 0,
        };
        let what = if is(first, "ATTACH") {
            Some("`ATTACH`".to_owned())
        } else if is(first, "VACUUM") && words.iter().any(|word| word.eq_ignore_ascii_case("INTO")) {
            Some("`VACUUM INTO`".to_owned())
        } else if is(first, "PRAGMA") {
            let name = if words.get(first + 2) == Some(&".") { words.get(first + 3) } else { words.get(first + 1) };
            let name = name.map(|name| unquoted(name).to_lowercase()).unwrap_or_default();
            PRAGMAS.contains(&name.as_str()).then(|| format!("`PRAGMA {name}`"))
        } else {
            None
        };
        if let (Some(what), Some(begin)) = (what, statement.first()) {
            return found(begin.start, what);
        }
    }
    None
}

fn unquoted(name: &str) -> String {
    let mut chars = name.chars();
    match (chars.next(), chars.next_back()) {
        (Some('['), Some(']')) => chars.as_str().to_owned(),
        (Some(quote @ ('"' | '\'' | '`')), Some(_)) => chars.as_str().replace(&format!("{quote}{quote}"), &quote.to_string()),
        _ => name.to_owned(),
    }
}

/// Every token that is not white space or a comment.
fn tokens(sql: &str) -> Vec<Range<usize>> {
    let bytes = sql.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (length, counts) = token(bytes.get(at..).unwrap_or_default());
        let end = (at + length.max(1)).min(bytes.len());
        if counts {
            tokens.push(at..end);
        }
        at = end;
    }
    tokens
}

/// The length of the token that begins here, and whether it counts.
fn token(z: &[u8]) -> (usize, bool) {
    let byte = |at: usize| z.get(at).copied().unwrap_or(0);
    let run = |from: usize, holds: &dyn Fn(u8) -> bool| (from..z.len()).find(|at| !holds(byte(*at))).unwrap_or(z.len());
    match byte(0) {
        b' ' | b'\t' | b'\n' | 0x0c | b'\r' => (run(1, &is_space), false),
        b'-' if byte(1) == b'-' => (run(2, &|c| c != b'\n'), false),
        b'/' if byte(1) == b'*' && z.len() > 2 => {
            let end = (2..z.len()).find(|at| byte(*at) == b'*' && byte(at + 1) == b'/');
            (end.map_or(z.len(), |at| at + 2), false)
        }
        quote @ (b'\'' | b'"' | b'`') => {
            let mut at = 1;
            while at < z.len() {
                if byte(at) != quote {
                    at += 1;
                } else if byte(at + 1) == quote {
                    at += 2;
                } else {
                    return (at + 1, true);
                }
            }
            (z.len(), true)
        }
        b'[' => ((1..z.len()).find(|at| byte(*at) == b']').map_or(z.len(), |at| at + 1), true),
        b'$' | b'@' | b':' | b'#' => (variable(z), true),
        b'x' | b'X' if byte(1) == b'\'' => {
            let end = (2..z.len()).find(|at| byte(*at) == b'\'');
            (end.map_or(z.len(), |at| at + 1), true)
        }
        0xef if byte(1) == 0xbb && byte(2) == 0xbf => (3, false),
        first if is_of_a_name(first) => (run(1, &is_of_a_name), true),
        _ => (1, true),
    }
}

/// `$name`, `$a::b`, `$a(anything but space)`: what stands in the brackets is no token, whatever it looks like.
fn variable(z: &[u8]) -> usize {
    let byte = |at: usize| z.get(at).copied().unwrap_or(0);
    let (mut at, mut named) = (1, false);
    while at < z.len() {
        match byte(at) {
            c if is_of_a_name(c) => named = true,
            b'(' if named => {
                let end = (at + 1..z.len()).find(|at| is_space(byte(*at)) || byte(*at) == b')');
                return end.map_or(z.len(), |at| if byte(at) == b')' { at + 1 } else { at });
            }
            b':' if byte(at + 1) == b':' => at += 1,
            _ => break,
        }
        at += 1;
    }
    at
}

fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

fn is_of_a_name(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || c == b'$' || c >= 0x80
}

#[cfg(test)]
mod tests;
