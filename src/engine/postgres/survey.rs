//! A glance at a database: is it there, what is in it, who else is using it. Works with as few privileges as it can.

use std::time::Duration;

use super::super::passing::Patience;
use super::super::{EngineError, Glance, Survey};
use super::catalog::{BATCH, RUNS_CODE, WITH_ROWS, extension_tables, relations, texts};
use super::connect::{LOCK_WAIT, Place, Session, application_name, literal, quote};
use super::large_objects;
use super::said::is_about_a_kept_lock;
use super::shape::history_names;

/// How long a lock is waited for once it is known that somebody keeps one.
const SHORT_WAIT: Duration = Duration::from_millis(100);

/// Views and routines that are no extension's.
const OTHERS: &str = "SELECT count(*)::text FROM (\
      SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid AS class, c.oid, c.relnamespace AS schema FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('v', 'm') \
      UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::oid, p.oid, p.pronamespace FROM pg_catalog.pg_proc AS p\
    ) AS o JOIN pg_catalog.pg_namespace AS n ON n.oid = o.schema \
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND NOT EXISTS (\
      SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')";

/// How large the tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sizes {
    /// As the server measures them now, for which it must have a lock on each.
    Measured,
    /// As the catalogue has them since somebody last counted, which may be long ago: where somebody keeps one of those locks.
    Noted,
}

impl Sizes {
    /// An expression over `pg_class c`: the bytes of a table, without what is stored beside it.
    fn column(self) -> &'static str {
        match self {
            Self::Measured => "COALESCE(pg_catalog.pg_relation_size(c.oid), 0)",
            Self::Noted => "c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint",
        }
    }
}

/// The least of it. Who may not measure the database has the catalogue's notes of its tables.
pub(super) async fn glance(place: &Place) -> Result<Glance, EngineError> {
    let Some(mut session) = place.connect_if_exists().await? else { return Ok(Glance::default()) };
    let bytes = match session.text(MEASURING, MEASURED).await {
        Err(EngineError::Privilege { .. }) => {
            let bytes = Sizes::Noted.column();
            let noted = format!(
                "SELECT COALESCE(pg_catalog.sum({bytes}), 0)::text FROM pg_catalog.pg_class AS c WHERE c.relkind = 'r'"
            );
            session.text(MEASURING, &noted).await?
        }
        measured => measured?,
    };
    session.close().await;
    Ok(Glance { exists: true, bytes: bytes.and_then(|text| text.parse().ok()).unwrap_or(0), half_loaded: false })
}

const MEASURING: &str = "measure the database";
const MEASURED: &str = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())::text";

/// Looks.
pub(super) async fn survey(place: &Place, history_tables: &[String]) -> Result<Survey, EngineError> {
    let Some(mut session) = place.connect_if_exists().await? else { return Ok(Survey::default()) };
    session.wait_at_most(LOCK_WAIT).await?;
    let histories = history_names(&mut session, history_tables).await?;
    let (tables, mut holds_rows, readable) = match measure(&mut session, Sizes::Measured, &histories).await {
        Err(error) if is_about_a_kept_lock(&error) => {
            // Once is enough: the next one who waits for him would wait as long.
            session.wait_at_most(SHORT_WAIT).await?;
            measure(&mut session, Sizes::Noted, &histories).await?
        }
        measured => measured?,
    };
    if !holds_rows {
        holds_rows = any_row(&mut session, &readable).await? || large_objects::any(&mut session).await?;
    }
    let bytes = match session.text(MEASURING, MEASURED).await {
        Ok(text) => text.and_then(|text| text.parse().ok()).unwrap_or(0),
        Err(EngineError::Privilege { .. }) => tables.iter().map(|(_, bytes)| bytes).sum(),
        Err(error) => return Err(error),
    };
    let others = session.text("count views and routines", OTHERS).await?.and_then(|text| text.parse().ok()).unwrap_or(0);
    let sessions = sessions(&mut session, &place.database).await?;
    session.close().await;
    Ok(Survey { exists: true, tables, others, bytes, holds_rows, sessions, unseen: None, half_loaded: false })
}

/// The tables with their sizes; whether one of them is to be counted as filled; and of the others the questions whether they are.
async fn measure(
    session: &mut Session,
    sizes: Sizes,
    histories: &[(String, String)],
) -> Result<(Vec<(String, u64)>, bool, Vec<String>), EngineError> {
    let doing = "list the tables with their sizes";
    let bytes = sizes.column();
    // Sizes of tables we may not read are still ours to know.
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, {bytes}, \
         pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
           AND NOT pg_catalog.row_security_active(c.oid) AND NOT {RUNS_CODE} \
         {WITH_ROWS} AND c.relkind = 'r' AND x.oid IS NULL ORDER BY 1, 2"
    );
    let rows = session.rows(doing, &sql).await?;
    let (mut tables, mut readable, mut holds_rows) = (Vec::with_capacity(rows.len()), Vec::new(), false);
    for row in &rows {
        let (schema, name): (String, String) = (session.cell(doing, row, 0)?, session.cell(doing, row, 1)?);
        let bytes = u64::try_from(session.cell::<i64>(doing, row, 2)?).unwrap_or(0);
        tables.push((format!("{schema}.{name}"), bytes));
        if (bytes > 0 || sizes == Sizes::Noted) && !histories.contains(&(schema.clone(), name.clone())) {
            let may_read: bool = session.cell(doing, row, 3)?;
            // What we may not or had better not look into counts as filled: better one refusal too many than rows lost.
            holds_rows |= !may_read;
            readable.push(format!("EXISTS (SELECT FROM ONLY {}.{})", quote(&schema), quote(&name)));
        }
    }
    Ok((tables, holds_rows, readable))
}

/// A table that somebody keeps locked counts as filled, too.
async fn any_row(session: &mut Session, tests: &[String]) -> Result<bool, EngineError> {
    for batch in tests.chunks(BATCH) {
        match session.truth("look for rows", &format!("SELECT {}", batch.join(" OR "))).await {
            Ok(false) => {}
            Err(error) if !is_about_a_kept_lock(&error) => return Err(error),
            _ => return Ok(true),
        }
    }
    Ok(false)
}

/// Other people's sessions on a database that do not end within a moment. Whoever comes while others leave does not last either.
pub(super) async fn lasting_sessions(session: &mut Session, database: &str) -> Result<Vec<String>, EngineError> {
    let mut patience = Patience::default();
    let mut there = sessions(session, database).await?;
    while !there.is_empty() && patience.lasts().await {
        let now = sessions(session, database).await?;
        there.retain(|one| now.contains(one));
    }
    Ok(there)
}

/// The first table of the session's database that holds a row and is no history; `histories` are such beyond the well-known.
pub(super) async fn first_filled(session: &mut Session, histories: &[String]) -> Result<Option<String>, EngineError> {
    let nobodys = [history_names(session, histories).await?, extension_tables(session).await?].concat();
    let relations = relations(session).await?;
    let all: Vec<_> =
        relations.iter().filter(|relation| !nobodys.contains(&(relation.schema.clone(), relation.name.clone()))).collect();
    // A table that is not to be asked counts as filled where it has pages.
    if let Some(table) = all.iter().find(|relation| !relation.by_place && relation.pages > 0) {
        return Ok(Some(table.quoted()));
    }
    let tests: Vec<String> = all
        .into_iter()
        .filter(|relation| relation.by_place)
        .map(|one| one.quoted())
        .map(|name| format!("SELECT {} WHERE EXISTS (SELECT FROM ONLY {name})", literal(&name)))
        .collect();
    for batch in tests.chunks(BATCH) {
        if let Some(table) = texts(session, "look for rows", &batch.join(" UNION ALL ")).await?.into_iter().next() {
            return Ok(Some(table));
        }
    }
    Ok(large_objects::any(session).await?.then(|| "pg_catalog.pg_largeobject".to_owned()))
}

/// Other people's sessions on a database, and transactions that wait for their second phase: they have written, and may commit at any
/// time. A worker of an extension keeps a database from its exchange as a client does. What kind another's session is may be hidden from
/// us; the server's own vacuum has no user, ends by itself, and makes way for whoever renames or drops the database.
pub(super) async fn sessions(session: &mut Session, database: &str) -> Result<Vec<String>, EngineError> {
    let sql = format!(
        "SELECT 'pid ' || pid || ', user ' || COALESCE(usename, '?') || CASE WHEN COALESCE(application_name, '') = '' THEN '' \
           ELSE ', ' || application_name END || COALESCE(', from ' || pg_catalog.host(client_addr), '') \
           || CASE WHEN backend_type <> 'client backend' THEN ', ' || backend_type ELSE '' END \
         FROM pg_catalog.pg_stat_activity WHERE datname = {0} AND pid <> pg_catalog.pg_backend_pid() \
         AND (backend_type NOT IN ('autovacuum worker', 'parallel worker') OR (backend_type IS NULL AND usesysid IS NOT NULL)) \
         AND COALESCE(application_name, '') <> {1} \
         UNION ALL SELECT 'prepared transaction ' || pg_catalog.quote_literal(gid) || ' of user ' || owner || ', prepared at ' \
           || prepared::pg_catalog.timestamptz(0)::text FROM pg_catalog.pg_prepared_xacts WHERE database = {0} ORDER BY 1",
        literal(database),
        literal(&application_name())
    );
    texts(session, "list the sessions", &sql).await
}
