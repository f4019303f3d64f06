//! Tables that must be loaded after others: those whose rows are checked or computed by somebody's function that reads other tables.
//!
//! A `CHECK` (the table's, or that of a domain in it), a generated column, the key of a partitioned table and an index that is there
//! already are evaluated for each row that arrives. The server does not know what a function reads; its text says it: a table whose name does not stand in it, nor in
//! that of a function it names, is not read. Too many tables found cost time, one too few costs the restore, so every doubt counts. Those
//! tables come last and one after the other: each after those it reads, and by name where that says nothing, as `pg_dump` has them.
//! Held by `order/tests.rs` and `tests/it/postgres_order.rs`.

mod mentions;
mod queue;

use std::collections::BTreeMap;

use super::super::EngineError;
use super::catalog::{self, WITH_ROWS};
use super::connect::Session;
use mentions::Mentions;

/// A table's schema and name.
pub(super) type Name = (String, String);

/// A function of the user's.
#[derive(Debug, Clone, Default)]
struct Function {
    name: String,
    /// Its text in lower case; none where it is in no language whose text names what it reads.
    text: Option<String>,
    /// Whether it belongs to an extension without tables, and so reads none.
    harmless: bool,
}

/// What the order is made from.
#[derive(Debug, Default)]
struct Facts {
    /// Tables with the functions that are called for their rows.
    callers: BTreeMap<Name, Vec<i64>>,
    functions: BTreeMap<i64, Function>,
    /// The names, in lower case, of everything that has rows; and whether it has them itself.
    relations: BTreeMap<String, Vec<(Name, bool)>>,
}

/// Functions of the user's that are called when a row arrives, with the table. Followed along what the server knows to depend on each
/// other: from the table's checks, generated columns, indexes and types to operators, other types and their checks, and functions.
const CALLS: &str = "WITH RECURSIVE reach(relid, classid, objid) AS ( \
      SELECT t.relid, 'pg_catalog.pg_class'::pg_catalog.regclass::oid, t.relid FROM tables t \
      UNION SELECT r.relid, e.classid, e.objid FROM reach r CROSS JOIN LATERAL ( \
        SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::oid, k.oid FROM pg_catalog.pg_constraint k \
          WHERE r.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND k.conrelid = r.objid AND k.contype = 'c' \
        UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::oid, k.oid FROM pg_catalog.pg_constraint k \
          WHERE r.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND k.contypid = r.objid \
        UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass::oid, d.oid FROM pg_catalog.pg_attrdef d \
          JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attgenerated <> '' \
          WHERE r.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.adrelid = r.objid \
        UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, x.indexrelid FROM pg_catalog.pg_index x \
          WHERE r.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND x.indrelid = r.objid \
        UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, i.inhparent FROM pg_catalog.pg_inherits i \
          JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition \
          WHERE r.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.inhrelid = r.objid \
        UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, t.typrelid FROM pg_catalog.pg_type t \
          WHERE r.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = r.objid AND t.typrelid <> 0 \
        UNION ALL SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend d \
          WHERE d.classid = r.classid AND d.objid = r.objid AND d.deptype IN ('n', 'a', 'i') \
            AND d.refclassid IN ('pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass, \
                                 'pg_catalog.pg_operator'::pg_catalog.regclass) \
            AND NOT (r.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass)) e(classid, objid)) \
    SELECT n.nspname::text, c.relname::text, r.objid::bigint FROM reach r JOIN pg_catalog.pg_class c ON c.oid = r.relid \
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
      WHERE r.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND r.objid >= 16384";

/// The tables, each after those it reads.
pub(super) async fn in_turn(session: &mut Session) -> Result<Vec<Name>, EngineError> {
    let doing = "look which tables call functions";
    let tables = format!("tables(relid) AS (SELECT c.oid {WITH_ROWS} AND c.relkind = 'r' AND x.oid IS NULL), ");
    let sql = CALLS.replacen("WITH RECURSIVE ", &format!("WITH RECURSIVE {tables}"), 1);
    let mut facts = Facts::default();
    for row in session.rows(doing, &sql).await? {
        let name: Name = (session.cell(doing, &row, 0)?, session.cell(doing, &row, 1)?);
        facts.callers.entry(name).or_default().push(session.cell(doing, &row, 2)?);
    }
    if facts.callers.is_empty() {
        return Ok(Vec::new());
    }
    read_functions(session, &mut facts).await?;
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, c.relkind IN ('r', 'p') {WITH_ROWS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    );
    for row in session.rows(doing, &sql).await? {
        let name: Name = (session.cell(doing, &row, 0)?, session.cell(doing, &row, 1)?);
        facts.relations.entry(name.1.to_lowercase()).or_default().push((name, session.cell(doing, &row, 2)?));
    }
    Ok(facts.order())
}

async fn read_functions(session: &mut Session, facts: &mut Facts) -> Result<(), EngineError> {
    let doing = "read the functions that tables call";
    let body = if catalog::major(session).await? >= 14 { "pg_catalog.pg_get_function_sqlbody(p.oid)" } else { "NULL" };
    let sql = format!(
        "SELECT p.oid::bigint, p.proname::text, \
           CASE WHEN l.lanname IN ('sql', 'plpgsql') THEN COALESCE({body}, p.prosrc) END, \
           COALESCE((SELECT pg_catalog.bool_and(x.extconfig IS NULL) FROM pg_catalog.pg_depend e JOIN pg_catalog.pg_extension x ON x.oid = e.refobjid \
             WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND e.objid = p.oid AND e.deptype = 'e' \
               AND e.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass), false) \
         FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE p.oid >= 16384"
    );
    for row in session.rows(doing, &sql).await? {
        let function = Function {
            // Lower case by one rule for both sides, whatever the database's locale.
            name: session.cell::<String>(doing, &row, 1)?.to_lowercase(),
            text: session.cell::<Option<String>>(doing, &row, 2)?.map(|text| text.to_lowercase()),
            harmless: session.cell(doing, &row, 3)?,
        };
        facts.functions.insert(session.cell(doing, &row, 0)?, function);
    }
    Ok(())
}

impl Facts {
    fn order(&self) -> Vec<Name> {
        let mut mentions = Mentions::of(self);
        let reads = self.callers.iter().map(|(name, functions)| (name, mentions.reads(functions)));
        let late = reads.filter(|(_, reads)| reads.unknown || !reads.relations.is_empty());
        queue::in_order(late.map(|(name, reads)| (name, reads.relations)))
    }
}

#[cfg(test)]
mod tests;
