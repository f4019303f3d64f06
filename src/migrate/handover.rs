//! A release whose own scripts hand the rest over to another tool, found before any of them runs.
//!
//! Owns reading off a statement which table it makes. Pure; held by the tests below.

use super::plan::Problem;
use super::prepare::Prepared;
use crate::history;

/// The first statement of a script that makes another tool's history. A release's very first script may be a dump of a database that
/// another tool kept before: there only what rules beside Flyway's history counts.
pub(super) fn in_script(script: &Prepared, is_first: bool) -> Option<Problem> {
    script.pieces.iter().find_map(|piece| {
        // Read by its first words, for a script may hold a million statements.
        let (makes, renames) = (piece.head.begins("CREATE") && piece.head.holds("TABLE"), piece.head.holds("RENAME"));
        if !makes && !renames {
            return None;
        }
        let sql = script.sql(piece);
        let table = if makes { made(sql) } else { renamed_to(sql) }?;
        // Of a table that only gets its name the columns are elsewhere.
        let columns = if makes { sql } else { &script.text };
        let tool = history::handed_to(&table, columns)?;
        (tool.took_over_from_flyway() || !is_first).then(|| Problem::HandsOver {
            script: script.name.clone(),
            line: piece.line,
            tool: tool.name().to_owned(),
            table,
        })
    })
}

/// The table that a `CREATE TABLE` makes, without schema and quotes.
fn made(sql: &str) -> Option<String> {
    let mut words = words(sql);
    words.by_ref().find(|word| word.eq_ignore_ascii_case("table"))?;
    let rest: Vec<String> = words.take(4).collect();
    let name = match rest.as_slice() {
        [first, not, exists, name] if [first, not, exists].map(|word| word.to_lowercase()) == ["if", "not", "exists"] => name,
        [name, ..] => name,
        [] => return None,
    };
    Some(bare(name))
}

/// The name that a table gets by `RENAME TO`.
fn renamed_to(sql: &str) -> Option<String> {
    let words: Vec<String> = words(sql).collect();
    let at = words.iter().rposition(|word| word.eq_ignore_ascii_case("to"))?;
    words.get(at + 1).map(|name| bare(name))
}

/// Words between blanks, brackets and comments at the beginning.
fn words(sql: &str) -> impl Iterator<Item = String> {
    let mut rest = sql.trim_start();
    loop {
        let after = if rest.starts_with("--") || rest.starts_with('#') {
            rest.split_once('\n').map(|(_, after)| after)
        } else if rest.starts_with("/*") {
            rest.split_once("*/").map(|(_, after)| after)
        } else {
            break;
        };
        rest = after.unwrap_or_default().trim_start();
    }
    rest.split(|c: char| c.is_whitespace() || c == '(' || c == ';').filter(|word| !word.is_empty()).map(str::to_owned)
}

fn bare(name: &str) -> String {
    let quotes = ['"', '`', '[', ']'];
    let last = name.rsplit('.').next().unwrap_or(name);
    last.trim_matches(quotes).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::prepare::{How, prepare};
    use super::super::split::Dialect;
    use super::*;

    fn hands(sql: &str, is_first: bool) -> Option<(usize, String)> {
        let how = How { mixed: true, in_transaction: None };
        let script = prepare("V2__x.sql", sql.to_owned(), Dialect::Postgres, how).unwrap();
        match in_script(&script, is_first) {
            Some(Problem::HandsOver { line, tool, .. }) => Some((line, tool)),
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    }

    #[test]
    fn a_script_that_makes_another_tools_history_is_found_whatever_way_it_is_written() {
        let columns =
            "(installed_rank SERIAL, version VARCHAR(256), migrationFileName TEXT, checksum TEXT, installed_on TIMESTAMP)";
        for sql in [
            format!("CREATE TABLE a (x INT);\n-- a table for later\nCREATE TABLE IF NOT EXISTS SERVER_CHANGE_LOG {columns};"),
            format!("CREATE TABLE a (x INT);\n/* one */ create table\nserver_change_log{columns};"),
            format!("CREATE TABLE a (x INT);\nCREATE TABLE \"public\".\"SERVER_CHANGE_LOG\" {columns};"),
            format!("CREATE TABLE b {columns};\nALTER TABLE b RENAME TO server_change_log;"),
        ] {
            let found = hands(&sql, true).unwrap_or_else(|| panic!("{sql}"));
            assert_eq!(found.1, "openmetadata", "{sql}");
            assert!(found.0 >= 2, "{sql}");
        }
        let alembic = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);";
        assert_eq!(hands(alembic, false), Some((1, "alembic".to_owned())));
        assert_eq!(hands(alembic, true), None, "a dump of what another tool kept before");
        for other in [
            "CREATE TABLE SERVER_CHANGE_LOG (id INT);",
            "CREATE TABLE schema_migrations (version TEXT);",
            "INSERT INTO SERVER_CHANGE_LOG VALUES (1); CREATE INDEX i ON t (table_name);",
            "CREATE TABLE flyway_schema_history (installed_rank INT);",
        ] {
            assert_eq!(hands(other, false), None, "{other}");
        }
    }
}
