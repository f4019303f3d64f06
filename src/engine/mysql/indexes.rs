//! Which indexes of a table are made before its rows and which after: a sorted build is much faster than one insert at a time.
//!
//! Pure. Only plain indexes that nothing else leans on wait: neither a foreign key nor a counter, and in their order, which is
//! also the order in which the server then prints them. Invariant: both statements together make what the one made; held
//! by `tests.rs`.

use super::connect::quote;

/// What a table's definition must not hold: what needs an index at once, or orders indexes by a rule of its own.
const LEANS: [&str; 6] =
    [" FOREIGN KEY (", "\n  FULLTEXT KEY ", "\n  SPATIAL KEY ", "\n  VECTOR KEY ", "WITH SYSTEM VERSIONING", "\n  PERIOD FOR "];

/// Cuts a definition in two: the table without its plain indexes, and the statement that adds them. `None` for a table that
/// has none, or keeps them.
pub(super) fn deferred(name: &str, sql: &str) -> Option<(String, String)> {
    if LEANS.iter().any(|words| sql.contains(words)) {
        return None;
    }
    let (body, options) = sql.rsplit_once("\n) ENGINE=InnoDB")?;
    let mut lines: Vec<&str> = body.split('\n').collect();
    let keys: Vec<&str> = lines.iter().copied().filter(|line| line.starts_with("  KEY ")).collect();
    if keys.is_empty() || !counter_is_in_primary_key(&lines) {
        return None;
    }
    let added = keys.iter().map(|key| format!("  ADD{}", key[1..].trim_end_matches(','))).collect::<Vec<_>>().join(",\n");
    lines.retain(|line| !line.starts_with("  KEY "));
    let mut table = lines.join("\n").trim_end_matches(',').to_owned();
    table.push_str(&format!("\n) ENGINE=InnoDB{options}"));
    Some((table, format!("ALTER TABLE {}\n{added}", quote(name))))
}

/// A counter needs an index from the beginning.
fn counter_is_in_primary_key(lines: &[&str]) -> bool {
    let Some(counter) = lines.iter().find(|line| line.contains(" AUTO_INCREMENT")) else { return true };
    let Some((name, _)) = counter.trim_start().split_once("` ") else { return false };
    lines.iter().any(|line| line.starts_with(&format!("  PRIMARY KEY ({name}`")))
}

#[cfg(test)]
mod tests;
