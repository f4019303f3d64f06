//! The shape: which migrations the history tables say were applied, and a digest of the schema's own definition.
//!
//! Histories are rows and so read in the snapshot; the digest is of what `SHOW CREATE` prints, without what changes with the
//! rows (counters) and without who made an object, which differs where the definer could not be kept. Two databases that were
//! made by the same migrations have the same digest; any change of the schema changes it.

use super::super::EngineError;
use super::connect::{Session, literal, quote};
use super::counter::without_counter;
use super::definer::without_definer;
use super::definition::{Definition, Kind};
use super::here::HERE;
use super::schema::Schema;
use super::unqualify::{self, call_packages_of};
use crate::history::flyway::Texts;
use crate::history::{self, Tool};
use crate::shape::{History, Shape};

/// The shape, for a session of its own.
pub(super) async fn shape(session: &mut Session, history_tables: &[String]) -> Result<Shape, EngineError> {
    let histories = histories(session, history_tables).await?;
    let schema = Schema::read(session).await?;
    Ok(Shape { histories, fingerprint: Some(fingerprint(&schema)) })
}

/// The histories, as this session's transaction sees them.
pub(super) async fn histories(session: &mut Session, also: &[String]) -> Result<Vec<History>, EngineError> {
    let mut histories = Vec::new();
    for (table, columns) in history_tables(session, also).await? {
        histories.extend(read_history(session, &table, &columns).await?);
    }
    Ok(histories)
}

/// Tables that are histories by name and columns.
pub(super) async fn history_tables(session: &mut Session, also: &[String]) -> Result<Vec<(String, Vec<String>)>, EngineError> {
    let known = history::names().into_iter().map(str::to_owned).chain(also.iter().cloned());
    let names = known.map(|name| literal(&name.to_lowercase())).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE {HERE} AND LOWER(TABLE_NAME) IN ({names}) \
         ORDER BY CAST(TABLE_NAME AS BINARY), ORDINAL_POSITION"
    );
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    for row in session.texts("look for migration histories", &sql).await? {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let (table, column) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
        match tables.last_mut().filter(|(last, _)| *last == table) {
            Some((_, columns)) => columns.push(column),
            None => tables.push((table, vec![column])),
        }
    }
    tables.retain(|(table, columns)| history::may_be_history(table, also) && history::recognise(table, columns).is_some());
    Ok(tables)
}

async fn read_history(session: &mut Session, table: &str, columns: &[String]) -> Result<Option<History>, EngineError> {
    let Some(tool) = history::recognise(table, columns) else { return Ok(None) };
    let doing = format!("read the migration history {table}");
    let names = columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
    let rows = session.texts(&doing, &format!("SELECT {names} FROM {}", quote(table))).await?;
    let keyed = |row: Vec<Option<String>>| columns.iter().map(|column| column.to_lowercase()).zip(row).collect();
    let texts: Vec<Texts> = rows.into_iter().map(keyed).collect();
    match history::read(tool, table, &texts) {
        Ok(history) => Ok(Some(history)),
        Err(error) if tool == Tool::Flyway => Err(EngineError::Inexact {
            what: format!("migration history {table}: {error}"),
            hint: "fix the row, or name the right table in `[targets.T.migrations]`".to_owned(),
        }),
        // Rows that no such tool writes: then it is a table of somebody's own under a common name.
        Err(_) => Ok(None),
    }
}

/// The digest of a schema.
pub(super) fn fingerprint(schema: &Schema) -> String {
    let mut lines: Vec<String> = schema.objects.iter().map(line).collect();
    lines.push(format!("DATABASE {} {}", schema.charset, schema.collation));
    lines.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for line in lines {
        hasher.update(line.as_bytes());
        hasher.update(b"\0");
    }
    hasher.finalize().to_hex().to_string()
}

/// Every definition, sorted; of a table each line of what `SHOW CREATE` prints.
pub(super) fn lines(schema: &Schema) -> Vec<String> {
    let of = |object: &Definition| {
        let whole = line(object);
        match object.kind {
            Kind::Table => {
                let rest = without_counter(&object.sql)
                    .lines()
                    .skip(1)
                    .map(|line| line.trim().trim_end_matches(',').to_owned())
                    .collect::<Vec<_>>();
                let mut lines: Vec<String> = rest.into_iter().map(|line| format!("table {}\t{line}", object.name)).collect();
                lines.push(format!("table {}", object.name));
                lines
            }
            _ => vec![whole],
        }
    };
    let mut lines: Vec<String> = schema.objects.iter().flat_map(of).collect();
    lines.sort_unstable();
    lines
}

fn line(object: &Definition) -> String {
    let ownerless = || without_definer(&object.sql).map_or_else(|| object.sql.clone(), |(_, sql)| sql);
    let sql = match object.kind {
        Kind::Table => without_counter(&object.sql),
        Kind::View => call_packages_of(&ownerless(), unqualify::HERE, |_| true),
        _ => ownerless(),
    };
    format!("{} {}\t{}\t{}", object.kind.word(), object.name, object.context.sql_mode, sql)
}

#[cfg(test)]
mod tests;
