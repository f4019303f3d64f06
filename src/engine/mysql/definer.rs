//! Whose a view, routine, trigger or event is (`DEFINER`), and what the configuration makes of it.
//!
//! Pure. The same rule is followed when an archive is written, so that stock tools restore what was meant, and when one is loaded, which
//! may have been written under another.

use super::connect::quote;
use crate::config::Definers;

const WORD: &str = "DEFINER=";

/// The definer that a statement names, and the statement with whoever runs it as definer.
pub(super) fn without_definer(sql: &str) -> Option<(String, String)> {
    let (begin, end) = clause_of(sql)?;
    let definer = sql[begin + WORD.len()..end].trim_end().to_owned();
    Some((definer, format!("{}{WORD}CURRENT_USER {}", &sql[..begin], &sql[end..])))
}

/// Where the clause stands in a statement, with the space behind it.
fn clause_of(sql: &str) -> Option<(usize, usize)> {
    let begin = sql.find(WORD)?;
    // Behind a name or a string it would be part of a body.
    if !sql.starts_with("CREATE ") || sql[..begin].contains(['`', '"', '\'']) {
        return None;
    }
    let account = &sql[begin + WORD.len()..];
    let user = quoted_length(account)?;
    let host = account[user..].strip_prefix('@').and_then(quoted_length).map_or(0, |length| length + 1);
    let space = account[user + host..].chars().next().filter(|c| c.is_whitespace()).map_or(0, char::len_utf8);
    Some((begin, begin + WORD.len() + user + host + space))
}

/// The length of the quoted name that `text` begins with.
pub(super) fn quoted_length(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '`' | '"' | '\''))?;
    let mut at = 1;
    loop {
        at += text[at..].find(quote)? + 1;
        if !text[at..].starts_with(quote) {
            return Some(at);
        }
        at += 1;
    }
}

/// A statement with the definer that the configuration gives it.
pub(super) fn by_rule(rule: &Definers, sql: &str) -> String {
    let with = |clause: &str| match clause_of(sql) {
        Some((begin, end)) => format!("{}{clause}{}", &sql[..begin], &sql[end..]),
        None => sql.to_owned(),
    };
    match rule {
        Definers::Keep => sql.to_owned(),
        Definers::Strip => with(""),
        Definers::Rewrite { user, host } => with(&format!("{WORD}{}@{} ", quote(user), quote(host))),
    }
}

/// What the manifest says of the definers that a database has; nothing where it has none.
pub(super) fn said(rule: &Definers, definers: &[String]) -> Option<String> {
    if definers.is_empty() {
        return None;
    }
    let done = match rule {
        Definers::Keep => "kept".to_owned(),
        Definers::Strip => "stripped".to_owned(),
        Definers::Rewrite { user, host } => format!("rewritten to {}@{}", quote(user), quote(host)),
    };
    Some(format!("{done}: {}", definers.join(", ")))
}

#[cfg(test)]
mod tests;
