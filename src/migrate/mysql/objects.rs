//! Which object a definition changes, so that the server can be asked afterwards whether it did.
//!
//! Pure. Answers only where one object tells all: its definition before and after differ if and only if the statement took
//! effect, for both servers change a single object's definition as a whole or not at all.

use crate::migrate::split::{Dialect, TokenKind, tokens};

/// An object of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// The word of `SHOW CREATE`.
    pub(super) kind: &'static str,
    /// Its name as the statement has it: qualified or not, quoted or not.
    pub(super) name: String,
}

impl Object {
    /// Whether its name says which database it is in.
    pub(super) fn is_qualified(&self) -> bool {
        // Every other part between backquotes is outside of them.
        self.name.split('`').step_by(2).any(|part| part.contains('.'))
    }
}

/// Words between `CREATE`, `ALTER` or `DROP` and the kind that say nothing of it, with what may follow some of them.
const PASSED: &[&str] = &[
    "OR",
    "REPLACE",
    "UNIQUE",
    "FULLTEXT",
    "SPATIAL",
    "ONLINE",
    "OFFLINE",
    "IGNORE",
    "ALGORITHM",
    "UNDEFINED",
    "MERGE",
    "TEMPTABLE",
    "DEFINER",
    "SQL",
    "SECURITY",
    "INVOKER",
    "AGGREGATE",
    "CURRENT_USER",
];

/// What a change of a table does that its definition does not show.
const UNSEEN: &[&str] = &["EXCHANGE", "DISCARD", "IMPORT", "REBUILD", "TRUNCATE", "COALESCE", "REORGANIZE"];

/// The object whose definition shows whether the statement took effect; none when no single one does.
pub(super) fn object(sql: &str) -> Option<Object> {
    let all: Vec<(TokenKind, &str)> = tokens(sql, Dialect::MySql)
        .filter(|(kind, text)| !(*kind == TokenKind::Symbol && (text.starts_with("/*") || *text == "*/")))
        .collect();
    let word = |at: usize| match all.get(at) {
        Some((TokenKind::Word, text)) => text.to_ascii_uppercase(),
        _ => String::new(),
    };
    let has = |wanted: &str| (0..all.len()).any(|at| word(at) == wanted);
    let verb = word(0);
    let (kind, at) = match verb.as_str() {
        "RENAME" if word(1) == "TABLE" => ("TABLE", 1),
        "CREATE" | "ALTER" | "DROP" => kind(&all, &word)?,
        _ => return None,
    };
    let several = all.iter().any(|(_, text)| *text == ",") && (verb == "RENAME" || (verb == "DROP" && kind != "INDEX"));
    let fills = verb == "CREATE" && kind == "TABLE" && has("SELECT");
    let unseen = verb == "ALTER" && UNSEEN.iter().any(|what| has(what));
    if several || fills || unseen {
        return None;
    }
    let (kind, mut at) = match kind {
        // An index shows in its table.
        "INDEX" => ("TABLE", (at..all.len()).find(|at| word(*at) == "ON")?),
        other => (other, at),
    };
    at += 1;
    while matches!(word(at).as_str(), "IF" | "NOT" | "EXISTS" | "ONLINE") {
        at += 1;
    }
    name(&all, at).map(|name| Object { kind, name })
}

/// The kind and where its word stands.
fn kind(all: &[(TokenKind, &str)], word: &impl Fn(usize) -> String) -> Option<(&'static str, usize)> {
    const KINDS: [&str; 8] = ["TABLE", "VIEW", "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "SEQUENCE", "INDEX"];
    let mut at = 1;
    while let Some((sort, text)) = all.get(at) {
        let upper = word(at);
        if let Some(kind) = KINDS.iter().find(|kind| **kind == upper) {
            return Some((kind, at));
        }
        let account = all.get(at.wrapping_sub(1)).is_some_and(|(_, before)| matches!(*before, "=" | "@"));
        let passed = PASSED.contains(&upper.as_str()) || account || matches!(*text, "=" | "@" | "(" | ")");
        if !passed || (*sort == TokenKind::Quoted && !account) {
            return None;
        }
        at += 1;
    }
    None
}

/// The name at a position: `a`, `` `a` ``, `b.a`.
fn name(all: &[(TokenKind, &str)], at: usize) -> Option<String> {
    let part = |at: usize| match all.get(at) {
        Some((TokenKind::Word, text)) => Some((*text).to_owned()),
        Some((TokenKind::Quoted, text)) if text.starts_with('`') => Some((*text).to_owned()),
        _ => None,
    };
    let first = part(at)?;
    match all.get(at + 1) {
        Some((_, ".")) => Some(format!("{first}.{}", part(at + 2)?)),
        _ => Some(first),
    }
}

#[cfg(test)]
mod tests;
