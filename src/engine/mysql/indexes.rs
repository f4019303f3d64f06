//! Which indexes of a table are made before its rows and which after: a sorted build is much faster than one insert at a time.
//!
//! Pure. Only plain indexes that nothing else leans on wait: neither a foreign key nor a counter, and in their order, which is
//! also the order in which the server then prints them. Invariant: both statements together make what the one made; held
//! by `tests.rs`.

use super::connect::quote;
use super::plain::{length_in_quotes, without_quoted};

/// What a table's definition must not hold: what needs an index at once, or orders indexes by a rule of its own.
const LEANS: [&str; 6] =
    [" FOREIGN KEY (", "\n  FULLTEXT KEY ", "\n  SPATIAL KEY ", "\n  VECTOR KEY ", "WITH SYSTEM VERSIONING", "\n  PERIOD FOR "];

/// Cuts a definition in two: the table without its plain indexes, and the statement that adds them. `None` for a table that
/// has none, or keeps them.
pub(super) fn deferred(name: &str, sql: &str) -> Option<(String, String)> {
    let plain = without_quoted(sql);
    if LEANS.iter().any(|words| plain.contains(words)) {
        return None;
    }
    let (body, options) = sql.split_at(plain.find("\n) ENGINE=InnoDB")?);
    let mut lines = lines(body, &plain);
    let keys: Vec<&str> = lines.iter().map(|line| line.sql).filter(|line| is_key(line)).collect();
    if keys.is_empty() || !counter_is_in_primary_key(&lines) {
        return None;
    }
    let added = keys.iter().map(|key| format!("  ADD{}", key[1..].trim_end_matches(','))).collect::<Vec<_>>().join(",\n");
    lines.retain(|line| !is_key(line.sql));
    let kept = lines.iter().map(|line| line.sql).collect::<Vec<_>>().join("\n");
    Some((format!("{}{options}", kept.trim_end_matches(',')), format!("ALTER TABLE {}\n{added}", quote(name))))
}

/// A line of a definition, which ends where no name goes on.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    sql: &'a str,
    /// The same with all that is in quotes blanked out.
    plain: &'a str,
}

fn lines<'a>(body: &'a str, plain: &'a str) -> Vec<Line<'a>> {
    let mut at = 0;
    let line = |plain: &'a str| {
        let begin = at;
        at += plain.len() + 1;
        Line { sql: &body[begin..begin + plain.len()], plain }
    };
    plain[..body.len()].split('\n').map(line).collect()
}

fn is_key(line: &str) -> bool {
    line.starts_with("  KEY ")
}

/// A counter needs an index from the beginning.
fn counter_is_in_primary_key(lines: &[Line<'_>]) -> bool {
    let Some(counter) = lines.iter().find(|line| line.plain.contains(" AUTO_INCREMENT")) else { return true };
    let column = counter.sql.trim_start();
    let name = &column[..length_in_quotes(column)];
    lines
        .iter()
        .filter_map(|line| line.sql.strip_prefix("  PRIMARY KEY (")?.strip_prefix(name))
        .any(|behind| !behind.starts_with('`'))
}

#[cfg(test)]
mod tests;
