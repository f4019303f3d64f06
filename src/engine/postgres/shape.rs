//! The shape of a database: its migration histories and the fingerprint of its definition.
//!
//! Only reads. The fingerprint is BLAKE3 over the sorted lines of a canonical text: it does not depend on object ids, on
//! the order of creation, on owners or privileges, or on gaps that dropped columns left. It does depend on how the server
//! prints expressions, which may differ between majors.

use super::super::EngineError;
use super::catalog::{USER_SCHEMA, texts};
use super::connect::{Session, literal, quote};
use crate::history::{self, Tool};
use crate::shape::{Applied, History, Shape};

/// The columns of Flyway's table that an [`Applied`] is read from, in this order.
const FLYWAY_COLUMNS: [&str; 7] = ["installed_rank", "version", "description", "type", "script", "checksum", "success"];

/// The shape inside the transaction of this connection.
pub(super) async fn shape(session: &mut Session, history_tables: &[String]) -> Result<Shape, EngineError> {
    let mut histories = Vec::new();
    for found in find_histories(session, history_tables).await? {
        histories.extend(read_history(session, &found).await?);
    }
    Ok(Shape { histories, fingerprint: Some(fingerprint(session).await?) })
}

/// A table that looks like a history.
struct Found {
    schema: String,
    name: String,
    tool: Tool,
    columns: Vec<String>,
}

/// The qualified names of the histories.
pub(super) async fn history_names(session: &mut Session, also: &[String]) -> Result<Vec<(String, String)>, EngineError> {
    Ok(find_histories(session, also).await?.into_iter().map(|found| (found.schema, found.name)).collect())
}

async fn find_histories(session: &mut Session, also: &[String]) -> Result<Vec<Found>, EngineError> {
    let names: Vec<String> =
        history::names().iter().map(|name| name.to_lowercase()).chain(also.iter().map(|name| name.to_lowercase())).collect();
    let names = names.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, (SELECT pg_catalog.json_agg(a.attname::text)::text FROM pg_catalog.pg_attribute a \
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {USER_SCHEMA} \
           AND (pg_catalog.lower(c.relname) IN ({names}) OR pg_catalog.lower(n.nspname || '.' || c.relname) IN ({names})) ORDER BY 1, 2"
    );
    let doing = "look for migration histories";
    let rows = session.rows(doing, &sql).await?;
    let mut found = Vec::new();
    for row in &rows {
        let columns: Option<String> = session.cell(doing, row, 2)?;
        let columns: Vec<String> = serde_json::from_str(columns.as_deref().unwrap_or("[]")).unwrap_or_default();
        let spelled = |wanted: &&str| columns.iter().find(|column| column.eq_ignore_ascii_case(wanted)).cloned();
        let (schema, name): (String, String) = (session.cell(doing, row, 0)?, session.cell(doing, row, 1)?);
        let flyways: Vec<String> = FLYWAY_COLUMNS.iter().filter_map(spelled).collect();
        // A table named in the configuration is Flyway's when it has the essential columns.
        let tool = if flyways.len() == FLYWAY_COLUMNS.len() { Some(Tool::Flyway) } else { history::recognise(&name, &columns) };
        if let Some(tool) = tool {
            found.push(Found { schema, name, tool, columns: flyways });
        }
    }
    Ok(found)
}

async fn read_history(session: &mut Session, found: &Found) -> Result<Option<History>, EngineError> {
    let casts = ["bigint", "text", "text", "text", "text", "text", "boolean"];
    let column = |(name, cast): (&String, &str)| format!("{}::{cast}", quote(name));
    let columns = found.columns.iter().zip(casts).map(column).collect::<Vec<_>>().join(", ");
    let table = format!("{}.{}", found.schema, found.name);
    let doing = format!("read the migration history {table}");
    if found.tool != Tool::Flyway {
        return read_other(session, found, &table, &doing).await;
    }
    let sql = format!("SELECT {columns} FROM {}.{} ORDER BY 1", quote(&found.schema), quote(&found.name));
    let rows = session.rows(&doing, &sql).await?;
    let mut applied = Vec::with_capacity(rows.len());
    for row in &rows {
        applied.push(Applied {
            rank: session.cell(&doing, row, 0)?,
            version: session.cell(&doing, row, 1)?,
            description: session.cell::<Option<String>>(&doing, row, 2)?.unwrap_or_default(),
            kind: session.cell::<Option<String>>(&doing, row, 3)?.unwrap_or_default(),
            script: session.cell::<Option<String>>(&doing, row, 4)?.unwrap_or_default(),
            checksum: session.cell(&doing, row, 5)?,
            success: session.cell::<Option<bool>>(&doing, row, 6)?.unwrap_or(false),
        });
    }
    Ok(Some(History { tool: "flyway".to_owned(), table, applied }))
}

/// Another tool's rows, as text by column.
async fn read_other(session: &mut Session, found: &Found, table: &str, doing: &str) -> Result<Option<History>, EngineError> {
    let sql = format!("SELECT pg_catalog.to_jsonb(t)::text FROM {}.{} t", quote(&found.schema), quote(&found.name));
    let mut texts = Vec::new();
    for row in &session.rows(doing, &sql).await? {
        let row: String = session.cell(doing, row, 0)?;
        let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&row).unwrap_or_default();
        let text = |value: serde_json::Value| match value {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        texts.push(row.into_iter().map(|(column, value)| (column.to_lowercase(), text(value))).collect());
    }
    // Rows that no such tool writes: then it is a table of somebody's own under a common name.
    Ok(history::read(found.tool, table, &texts).ok())
}

/// The digest of the definition.
pub(super) async fn fingerprint(session: &mut Session) -> Result<String, EngineError> {
    let mut hasher = blake3::Hasher::new();
    for line in lines(session, Columns::InOrder).await? {
        hasher.update(line.as_bytes());
        hasher.update(b"\n");
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Whether a column's place among the others is part of what is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    /// It is.
    InOrder,
    /// It is not: one that is missing changes what is said of no other.
    Alone,
}

/// The place of a column, in its query.
const PLACE: &str = "pg_catalog.row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), ";

/// Every definition, sorted.
pub(super) async fn lines(session: &mut Session, columns: Columns) -> Result<Vec<String>, EngineError> {
    let mut lines = Vec::new();
    for (what, sql) in DEFINITIONS {
        let sql = sql
            .replace(PLACE, if columns == Columns::InOrder { PLACE } else { "" })
            .replace("{user}", USER_SCHEMA)
            .replace("{own}", "NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.deptype = 'e' AND e.objid =");
        let found = texts(session, &format!("read the definitions of {what}"), &sql).await?;
        lines.extend(found.into_iter().map(|line| format!("{what}\t{line}")));
    }
    lines.sort_unstable();
    Ok(lines)
}

/// Each kind of object with the query that prints it, one line an object. `{own} X)` keeps extensions' members out.
const DEFINITIONS: [(&str, &str); 15] = [
    ("schema", "SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE {user} AND n.nspname <> 'public' AND {own} n.oid)"),
    ("extension", "SELECT extname::text FROM pg_catalog.pg_extension"),
    (
        "relation",
        "SELECT pg_catalog.concat_ws(' ', n.nspname, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, \
           pg_catalog.array_to_string(c.reloptions, ','), pg_catalog.pg_get_expr(c.relpartbound, c.oid), \
           CASE c.relkind WHEN 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) WHEN 'v' THEN pg_catalog.pg_get_viewdef(c.oid) \
             WHEN 'm' THEN pg_catalog.pg_get_viewdef(c.oid) END, \
           (SELECT pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::text, ',' ORDER BY i.inhseqno) FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid)) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE {user} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND {own} c.oid)",
    ),
    (
        "column",
        "SELECT pg_catalog.concat_ws(' ', n.nspname, c.relname, pg_catalog.row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), \
           a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, \
           pg_catalog.pg_get_expr(d.adbin, d.adrelid), CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::pg_catalog.regcollation::text END) \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE {user} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped AND {own} c.oid)",
    ),
    (
        "constraint",
        "SELECT pg_catalog.concat_ws(' ', n.nspname, COALESCE(c.relname, t.typname), k.conname, pg_catalog.pg_get_constraintdef(k.oid), k.convalidated) \
         FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace \
         LEFT JOIN pg_catalog.pg_class c ON c.oid = k.conrelid LEFT JOIN pg_catalog.pg_type t ON t.oid = k.contypid \
         WHERE {user} AND k.contype IN ('c', 'f', 'p', 'u', 'x') AND {own} COALESCE(NULLIF(k.conrelid, 0), k.contypid))",
    ),
    (
        "index",
        "SELECT pg_catalog.pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE {user} AND c.relpersistence <> 't' AND {own} c.oid)",
    ),
    (
        "function",
        "SELECT CASE WHEN p.prokind = 'a' THEN n.nspname || '.' || p.proname || '(' || pg_catalog.pg_get_function_arguments(p.oid) || ') aggregate' \
           ELSE pg_catalog.pg_get_functiondef(p.oid) END \
         FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE {user} AND {own} p.oid)",
    ),
    (
        "trigger",
        "SELECT pg_catalog.pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE {user} AND NOT t.tgisinternal AND {own} c.oid)",
    ),
    (
        "rule",
        "SELECT pg_catalog.pg_get_ruledef(r.oid) FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE {user} AND r.rulename <> '_RETURN' AND {own} c.oid)",
    ),
    (
        "policy",
        "SELECT pg_catalog.concat_ws(' ', n.nspname, c.relname, p.polname, p.polcmd, p.polpermissive, pg_catalog.pg_get_expr(p.polqual, p.polrelid), \
           pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) \
         FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE {user}",
    ),
    (
        "sequence",
        "SELECT pg_catalog.concat_ws(' ', n.nspname, c.relname, pg_catalog.format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle) \
         FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE {user} AND c.relpersistence <> 't' AND {own} c.oid)",
    ),
    (
        "enum",
        "SELECT n.nspname || '.' || t.typname || ' ' || (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder) \
           FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) \
         FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE {user} AND t.typtype = 'e' AND {own} t.oid)",
    ),
    (
        "domain",
        "SELECT pg_catalog.concat_ws(' ', n.nspname, t.typname, pg_catalog.format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault) \
         FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE {user} AND t.typtype = 'd' AND {own} t.oid)",
    ),
    (
        "range",
        "SELECT pg_catalog.concat_ws(' ', n.nspname, t.typname, pg_catalog.format_type(r.rngsubtype, NULL)) FROM pg_catalog.pg_range r \
         JOIN pg_catalog.pg_type t ON t.oid = r.rngtypid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE {user} AND {own} t.oid)",
    ),
    (
        "event trigger",
        "SELECT pg_catalog.concat_ws(' ', v.evtname, v.evtevent, v.evtfoid::pg_catalog.regproc, v.evtenabled, pg_catalog.array_to_string(v.evttags, ',')) \
         FROM pg_catalog.pg_event_trigger v WHERE {own} v.oid)",
    ),
];
