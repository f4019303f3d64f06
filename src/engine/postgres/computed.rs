//! Stored generated columns that call functions which read other tables: no archive can hold their values, for the server takes none.
//!
//! A load has the server compute them anew, from the rows that are there then. Where those have changed since the row was written the
//! value is another one, in every dump of PostgreSQL's; a sum over them says so. Only reads. Held by `tests/it/postgres_order.rs`.

use super::super::EngineError;
use super::catalog::texts;
use super::connect::{Session, literal, quote};

/// What of a table's the server works out before it reads a row, with whatever functions it calls: the expressions of indexes and of
/// statistics. A table of which such a one needs more than the server's own would have somebody's code run as whoever asks.
const WORKED_OUT: &str = "SELECT EXISTS (SELECT FROM ( \
      SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, i.indexrelid FROM pg_catalog.pg_index i \
        WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) \
      UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::oid, s.oid FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = c.oid \
    ) e(classid, objid) JOIN pg_catalog.pg_depend d ON d.classid = e.classid AND d.objid = e.objid AND d.refobjid >= 16384 \
      AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass, \
                           'pg_catalog.pg_type'::pg_catalog.regclass)) \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ";

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
    let of_table = format!("n.nspname = {} AND c.relname = {}", literal(schema), literal(name));
    if session.truth(&doing, &format!("{WORKED_OUT}{of_table}")).await? {
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
