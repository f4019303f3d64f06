//! What the head of a statement says that makes a view, routine, trigger or event: what it makes, of which name, and the same for another end.
//!
//! Pure. A head is what the server prints; nothing inside a name, a string or a body is taken for a word of it.

use std::ops::Range;

use super::super::definer::quoted_length;
use super::super::definition::Kind;

/// Words of heads, the longer before those that they begin with.
const KINDS: [(&str, Kind); 8] = [
    ("PACKAGE BODY ", Kind::PackageBody),
    ("PACKAGE ", Kind::Package),
    ("FUNCTION ", Kind::Function),
    ("PROCEDURE ", Kind::Procedure),
    ("LIBRARY ", Kind::Library),
    ("VIEW ", Kind::View),
    ("TRIGGER ", Kind::Trigger),
    ("EVENT ", Kind::Event),
];

/// What a statement makes, and its name as it stands there, quoted.
pub(in super::super) fn made_by(sql: &str) -> Option<(Kind, &str)> {
    head_of(sql).map(|(kind, name)| (kind, &sql[name]))
}

/// What a statement makes, and where its name stands.
fn head_of(sql: &str) -> Option<(Kind, Range<usize>)> {
    let mut at = sql.starts_with("CREATE ").then_some("CREATE ".len())?;
    while at < sql.len() {
        let rest = &sql[at..];
        if let Some(length) = quoted_length(rest) {
            at += length;
            continue;
        }
        let starts = sql[..at].ends_with(' ');
        if let Some((word, kind)) = KINDS.iter().find(|(word, _)| starts && rest.starts_with(word)) {
            let (begin, name) = (at + word.len(), &rest[word.len()..]);
            // A name may have been typed without quotes.
            let length = quoted_length(name).or_else(|| name.find([' ', '(']))?;
            return Some((*kind, begin..begin + length));
        }
        if rest.starts_with('(') || rest.starts_with('\n') {
            return None;
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    None
}

/// `view v`, for people.
pub(in super::super) fn named(sql: &str) -> String {
    match made_by(sql) {
        Some((kind, name)) => format!("{} {}", kind.word().to_lowercase(), name.trim_matches(['`', '"'])),
        None => super::first_line(sql),
    }
}

/// Statements that make an object again that is there.
pub(super) fn again(sql: &str, has_or_replace: bool) -> Option<Vec<String>> {
    let (kind, name) = made_by(sql)?;
    let replacing = || sql.replacen("CREATE ", "CREATE OR REPLACE ", 1);
    match kind {
        Kind::View => Some(vec![replacing()]),
        Kind::Function | Kind::Package | Kind::PackageBody if has_or_replace => Some(vec![replacing()]),
        Kind::Function => Some(vec![format!("DROP FUNCTION IF EXISTS {name}"), sql.to_owned()]),
        _ => None,
    }
}

/// An event's statement with the event disabled; `None` for every other.
pub(super) fn disabled(sql: &str) -> Option<String> {
    let (kind, name) = head_of(sql)?;
    let mut at = name.end;
    // Between the name and the body are only words, numbers and strings, which are passed over.
    while kind == Kind::Event && at < sql.len() && !sql[at..].starts_with(" DO ") {
        let rest = &sql[at..];
        if let Some(length) = quoted_length(rest) {
            at += length;
            continue;
        }
        for preserve in ["ON COMPLETION PRESERVE ENABLE", "ON COMPLETION NOT PRESERVE ENABLE"] {
            if rest.starts_with(preserve) {
                let end = at + preserve.len();
                return Some(format!("{}DISABLE{}", &sql[..end - "ENABLE".len()], &sql[end..]));
            }
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    None
}

#[cfg(test)]
mod tests;
