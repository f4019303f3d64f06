//! Which tables' rows are left out of an archive: by their own name, or by that of a partitioned table that they are part of.

use std::collections::BTreeMap;

use super::super::EngineError;
use super::super::without::{Without, demand_unreferenced, leave_out as taken, refused};
use super::catalog::Relation;
use super::connect::Session;
use crate::archive::manifest::LeftOut;
use crate::shape::Shape;

/// A table's schema and name.
type Name = (String, String);

/// Partitions, each with a table that it is a part of at whatever depth.
const PARTS: &str = "SELECT n.nspname::text, c.relname::text, m.nspname::text, p.relname::text \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    CROSS JOIN LATERAL pg_catalog.pg_partition_ancestors(c.oid) a JOIN pg_catalog.pg_class p ON p.oid = a.relid \
    JOIN pg_catalog.pg_namespace m ON m.oid = p.relnamespace WHERE c.relispartition AND c.relkind IN ('r', 'p') AND p.oid <> c.oid";

/// Foreign keys between two tables: who refers, and to whom.
const KEYS: &str = "SELECT DISTINCT n.nspname::text, c.relname::text, m.nspname::text, p.relname::text FROM pg_catalog.pg_constraint k \
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_class p ON p.oid = k.confrelid JOIN pg_catalog.pg_namespace m ON m.oid = p.relnamespace WHERE k.contype = 'f' ORDER BY 1, 2, 3, 4";

/// Takes them out of `relations`, and says so of each. `in_turn` are those whose rows are checked by what reads other tables.
pub(super) async fn leave_out(
    session: &mut Session,
    relations: &mut Vec<Relation>,
    (without, in_turn, shape): (Without<'_>, &[Name], &Shape),
) -> Result<Vec<LeftOut>, EngineError> {
    if without.is_empty() {
        return Ok(Vec::new());
    }
    let mut parts: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
    for (part, whole) in pairs(session, "list the partitions", PARTS).await? {
        parts.entry(part).or_default().push(whole);
    }
    let is_meant = |name: &Name| {
        let wholes = parts.get(name).into_iter().flatten();
        std::iter::once(name).chain(wholes).any(|(schema, name)| without.means(schema, name))
    };
    let keys = pairs(session, "list the foreign keys", KEYS).await?;
    let meant: Vec<String> =
        keys.iter().flat_map(|(from, to)| [from, to]).filter(|name| is_meant(name)).map(qualified).collect();
    let keys: Vec<(String, String)> = keys.iter().map(|(from, to)| (qualified(from), qualified(to))).collect();
    demand_unreferenced(&keys, |name| meant.iter().any(|meant| meant == name))?;
    let name = |relation: &Relation| (relation.schema.clone(), relation.name.clone());
    let told = taken(relations, |relation| is_meant(&name(relation)), |relation| qualified(&name(relation)), shape)?;
    match in_turn.iter().find(|table| !told.is_empty() && !is_meant(table)) {
        None => Ok(told),
        Some(table) => Err(refused(
            format!(
                "rows of table {} are checked or computed by a function that reads other tables, which may be those that `without_rows` leaves out",
                qualified(table)
            ),
            "take `without_rows` away, or name that table there as well",
        )),
    }
}

fn qualified((schema, name): &Name) -> String {
    format!("{schema}.{name}")
}

async fn pairs(session: &mut Session, doing: &str, sql: &str) -> Result<Vec<(Name, Name)>, EngineError> {
    let rows = session.rows(doing, sql).await?;
    let mut pairs = Vec::with_capacity(rows.len());
    for row in &rows {
        let cell = |at: usize| session.cell::<String>(doing, row, at);
        pairs.push(((cell(0)?, cell(1)?), (cell(2)?, cell(3)?)));
    }
    Ok(pairs)
}
