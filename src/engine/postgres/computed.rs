//! Stored generated columns that call functions which read other tables: no archive can hold their values, for the server takes none.
//!
//! A load has the server compute them anew, from the rows that are there then. Where those have changed since the row was written the
//! value is another one, in every dump of PostgreSQL's; a sum over them says so. Only reads. Held by `tests/it/postgres_order.rs`.

use super::super::EngineError;
use super::catalog::{RUNS_CODE, texts};
use super::connect::{Session, literal, quote};

/// The sum over the stored generated columns of a table, modulo 2^64; none where it has none, or where asking would run somebody's code.
pub(super) async fn sum(session: &mut Session, schema: &str, name: &str) -> Result<Option<u64>, EngineError> {
    let doing = format!("sum up the generated columns of table {schema}.{name}");
    let columns = format!(
        "SELECT a.attname::text FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {} AND c.relname = {} \
         AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = 's' ORDER BY a.attname::text COLLATE \"C\"",
        literal(schema),
        literal(name)
    );
    let columns = texts(session, &doing, &columns).await?;
    if columns.is_empty() {
        return Ok(None);
    }
    let runs = format!(
        "SELECT {RUNS_CODE} FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {} AND c.relname = {}",
        literal(schema),
        literal(name)
    );
    if session.truth(&doing, &runs).await? {
        return Ok(None);
    }
    let columns = columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT ((h.sum % 18446744073709551616 + 18446744073709551616) % 18446744073709551616)::text FROM ( \
           SELECT COALESCE(pg_catalog.sum(pg_catalog.hashtextextended(ROW({columns})::text, 0)), 0)::numeric AS sum FROM ONLY {}.{}) h",
        quote(schema),
        quote(name)
    );
    Ok(session.text(&doing, &sql).await?.and_then(|text| text.parse().ok()))
}
