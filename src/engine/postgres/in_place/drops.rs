//! What has to be dropped to empty a database that stays where it is.

use super::super::super::EngineError;
use super::super::catalog::{USER_SCHEMA, texts};
use super::super::connect::{Session, quote};

/// What empties a database of the user's objects. Kinds that are not listed stay; creating them a second time then fails,
/// and with it the whole exchange.
pub(super) async fn drop_statements(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let doing = "list what to replace";
    let mut statements = Vec::new();
    for (keyword, sql) in [
        ("EVENT TRIGGER", "SELECT pg_catalog.quote_ident(evtname) FROM pg_catalog.pg_event_trigger ORDER BY 1"),
        // Only idle ones are left by now.
        (
            "SUBSCRIPTION",
            "SELECT pg_catalog.quote_ident(s.subname) FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid \
             WHERE d.datname = pg_catalog.current_database() ORDER BY 1",
        ),
        ("PUBLICATION", "SELECT pg_catalog.quote_ident(pubname) FROM pg_catalog.pg_publication ORDER BY 1"),
    ] {
        let names = texts(session, doing, sql).await?;
        statements.extend(names.iter().map(|name| format!("DROP {keyword} IF EXISTS {name}")));
    }
    let schemas = format!(
        "SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE {USER_SCHEMA} AND n.nspname <> 'public' \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.objid = n.oid AND e.deptype = 'e') ORDER BY 1"
    );
    let schemas = texts(session, doing, &schemas).await?;
    statements.extend(schemas.iter().map(|name| format!("DROP SCHEMA {} CASCADE", quote(name))));
    let own =
        "n.nspname = 'public' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.deptype IN ('e', 'i') AND e.objid =";
    let name = "pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident";
    let in_public = [
        format!(
            "SELECT CASE c.relkind WHEN 'v' THEN 'VIEW ' WHEN 'm' THEN 'MATERIALIZED VIEW ' WHEN 'S' THEN 'SEQUENCE ' WHEN 'f' THEN 'FOREIGN TABLE ' \
               WHEN 'c' THEN 'TYPE ' ELSE 'TABLE ' END || 'IF EXISTS ' || {name}(c.relname) FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND {own} c.oid) \
             ORDER BY pg_catalog.strpos('prfvmSc', c.relkind::text), 1"
        ),
        format!(
            "SELECT 'ROUTINE IF EXISTS ' || p.oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc p \
             JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE {own} p.oid) ORDER BY 1"
        ),
        format!(
            "SELECT 'TYPE IF EXISTS ' || {name}(t.typname) FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
             WHERE t.typtype IN ('d', 'e', 'r') AND {own} t.oid) ORDER BY 1"
        ),
        format!(
            "SELECT 'COLLATION IF EXISTS ' || {name}(l.collname) FROM pg_catalog.pg_collation l \
             JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace WHERE {own} l.oid) ORDER BY 1"
        ),
    ];
    for sql in in_public {
        let names = texts(session, doing, &sql).await?;
        statements.extend(names.iter().map(|name| format!("DROP {name} CASCADE")));
    }
    Ok(statements)
}
