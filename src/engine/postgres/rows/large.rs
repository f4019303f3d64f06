//! Rows too large to be read beside others: they are left out while the others are read, and then come one by one, each with the memory
//! that it takes.
//!
//! The driver holds a row whole before anybody sees how long it is, so the server is asked. It knows the length of a text without
//! reading it. A row it leaves out is told in a setting of the session, by its place in the table, so nothing is read twice. Asked only of
//! tables beside which values are stored that could make such a row.

use super::super::super::EngineError;
use super::super::super::memory::{self, COPY_TENTHS, LARGE, Turn};
use super::super::catalog::{Relation, Wide, texts};
use super::super::connect::{Session, literal, quote};
use super::{Task, condition};
use crate::progress::Progress;

/// How much longer a value can be than what is stored of it, at the most: lz4 tells of 255 bytes with one.
const SQUEEZED: u64 = 255;
/// A row of which no more is stored than this is not large.
const STORED: u64 = LARGE / SQUEEZED;
/// How much longer a value's text can be than the value (`jsonb`, arrays).
const PRINTED: u64 = 8;

/// The setting in which the session is told what was left out.
const LEFT: &str = "upkeep.large";

/// Whether a table may have such rows, by what is stored beside it.
pub(super) fn may_be_in(relation: &Relation) -> bool {
    relation.by_place && relation.filter.is_empty() && relation.beside > STORED && !relation.wide.is_empty()
}

/// Forgets what was left out before.
pub(super) async fn begin(session: &mut Session) -> Result<(), EngineError> {
    let sql = format!("SELECT pg_catalog.set_config('{LEFT}', '', false)");
    session.run("begin to read a table with large values", &sql).await
}

/// The places of what was left out.
pub(super) async fn left(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let sql = format!("SELECT pg_catalog.current_setting('{LEFT}', true)");
    let told = session.text("ask for large rows", &sql).await?.unwrap_or_default();
    Ok(told.split_whitespace().map(str::to_owned).collect())
}

/// The statement that reads a task but for its large rows.
pub(super) fn copy_others(relation: &Relation, task: Task) -> String {
    let stored = sum(&relation.wide, |wide| format!("COALESCE(pg_catalog.pg_column_size({}), 0)::bigint", quote(&wide.name)));
    let size = sum(&relation.wide, estimate);
    let told =
        format!("pg_catalog.set_config('{LEFT}', pg_catalog.current_setting('{LEFT}') || ' ' || ctid::text, false) IS NULL");
    let others = format!("CASE WHEN {stored} <= {STORED} THEN true WHEN {size} <= {LARGE} THEN true ELSE {told} END");
    let range = condition(task).map_or(String::new(), |range| format!("{range} AND "));
    copy_where(relation, &format!("{range}{others}"))
}

/// The statement that reads the row at a place.
pub(super) fn copy_one(relation: &Relation, place: &str) -> String {
    copy_where(relation, &format!("ctid = {}", literal(place)))
}

fn copy_where(relation: &Relation, condition: &str) -> String {
    let columns = relation.columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
    format!("COPY (SELECT {columns} FROM ONLY {} WHERE {condition}) TO STDOUT", relation.quoted())
}

/// Waits for the turn of the row at a place, and refuses it where there is no room.
pub(super) async fn turn(
    session: &mut Session,
    relation: &Relation,
    place: &str,
    progress: &Progress,
) -> Result<Turn, EngineError> {
    let from = format!("FROM ONLY {} WHERE ctid = {}", relation.quoted(), literal(place));
    let mut needed = measure(session, relation, &from, at_most).await?;
    if !memory::fits(needed) {
        needed = measure(session, relation, &from, exact).await?;
    }
    match memory::turn(needed, progress).await {
        Ok(turn) => Ok(turn),
        Err(short) => {
            let key = key(session, relation, &from).await.map_or(String::new(), |key| format!(" ({key})"));
            Err(short.of(format!("a row of table {}.{}{key}", relation.schema, relation.name)))
        }
    }
}

/// What a row takes, by the length that an expression says of each of its values.
async fn measure(session: &mut Session, relation: &Relation, from: &str, of: fn(&Wide) -> String) -> Result<u64, EngineError> {
    let sql = format!("SELECT ({})::text {from}", sum(&relation.wide, of));
    let told = session.text(&format!("measure a row of table {}.{}", relation.schema, relation.name), &sql).await?;
    Ok(memory::needed_in_frame(told.and_then(|told| told.parse().ok()).unwrap_or(0), COPY_TENTHS))
}

/// The row's primary key, where it has one and it can be asked for.
async fn key(session: &mut Session, relation: &Relation, from: &str) -> Option<String> {
    let sql = format!(
        "SELECT a.attname::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) \
         WHERE i.indisprimary AND i.indrelid = pg_catalog.to_regclass({}) ORDER BY a.attnum",
        literal(&relation.quoted())
    );
    let mut named = Vec::new();
    for column in texts(session, "ask for a key", &sql).await.ok()? {
        let sql = format!("SELECT pg_catalog.left(pg_catalog.concat({}), 80) {from}", quote(&column));
        named.push(format!("{column} = {}", session.text("ask for a key", &sql).await.ok()??));
    }
    (!named.is_empty()).then(|| named.join(", "))
}

/// A value's length as text, as far as it can be told without reading it. What must be read for it is only what is stored as very much.
fn estimate(wide: &Wide) -> String {
    let (name, kind) = (quote(&wide.name), wide.kind.as_str());
    let length = match kind {
        "text" => format!("pg_catalog.octet_length({name})"),
        "bytea" => format!("2 * pg_catalog.octet_length({name})::bigint"),
        // A row that is made of a value holds it as it is uncompressed.
        _ => format!(
            "CASE WHEN pg_catalog.pg_column_size({name}) <= {STORED} THEN 0 \
             WHEN pg_catalog.pg_column_size(ROW({name})) <= {} THEN 0 ELSE pg_catalog.octet_length({}) END",
            LARGE / PRINTED,
            text(wide)
        ),
    };
    format!("COALESCE({length}, 0)::bigint")
}

/// What `COPY` writes as two characters, as SQL has it.
const ESCAPED: [&str; 7] = ["\\b", "\\f", "\\n", "\\r", "\\t", "\\v", "\\\\"];

/// A value as text, by its type's own output: a cast may be somebody's function.
fn text(wide: &Wide) -> String {
    let name = quote(&wide.name);
    if wide.kind == "text" { name } else { format!("pg_catalog.concat({name})") }
}

/// What a value's length is at the most as `COPY` writes it.
fn at_most(wide: &Wide) -> String {
    match wide.kind.as_str() {
        "bytea" => exact(wide),
        _ => format!("COALESCE(2 * pg_catalog.octet_length({})::bigint, 2)", text(wide)),
    }
}

/// A value's length as `COPY` writes it. All of the value is read, several times.
fn exact(wide: &Wide) -> String {
    if wide.kind == "bytea" {
        return format!("COALESCE(2 * pg_catalog.octet_length({})::bigint + 3, 2)", quote(&wide.name));
    }
    let text = text(wide);
    let without = |escaped: &&str| format!("pg_catalog.octet_length(pg_catalog.replace({text}, E'{escaped}', ''))");
    let plain = ESCAPED.iter().map(without).collect::<Vec<_>>().join(" - ");
    format!("COALESCE({} * pg_catalog.octet_length({text})::bigint - {plain}, 2)", ESCAPED.len() + 1)
}

/// A sum over columns, in halves, for the server bounds how deep an expression is.
fn sum(columns: &[Wide], of: fn(&Wide) -> String) -> String {
    match columns {
        [] => "0".to_owned(),
        [column] => of(column),
        columns => {
            let (left, right) = columns.split_at(columns.len() / 2);
            format!("({} + {})", sum(left, of), sum(right, of))
        }
    }
}
