//! What the system catalogue says: the server, the tables, the sequences, what cannot be dumped.
//!
//! Only reads. Every query casts to text, bigint or boolean, so that no type of the database is ever looked up, and names
//! `pg_catalog` explicitly, because the search path is empty.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use sqlx::postgres::PgRow;

use super::super::EngineError;
use super::connect::{Session, application_name, literal, quote};
use super::direct::MONETARY;
use crate::archive::manifest::Server;

/// Statements of this many names at once: few round trips, and no statement grows without bound.
pub(super) const BATCH: usize = 200;

/// Where a manifest's server says whose the database was.
pub(super) const OWNER: &str = "owner";

/// The oldest server spoken to.
const OLDEST: u32 = 13;

/// Schemas that are not the user's: an expression over `pg_namespace n`.
pub(super) const USER_SCHEMA: &str =
    "(n.nspname OPERATOR(pg_catalog.!~) '^pg_' AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema')";

/// A table whose rows are dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    /// Its schema.
    pub(super) schema: String,
    /// Its name.
    pub(super) name: String,
    /// Columns with values of their own, in order; generated ones are absent.
    pub(super) columns: Vec<String>,
    /// Pages of its main fork when looked at.
    pub(super) pages: u64,
    /// Its size on disk with TOAST, in bytes.
    pub(super) bytes: u64,
    /// Whether its rows may be asked for by their place: it is a heap, and no query runs somebody's code ([`RUNS_CODE`]). Else it is read as a
    /// whole by `COPY`, which plans nothing.
    pub(super) by_place: bool,
    /// Whether its rows do not survive a crash of the server.
    pub(super) unlogged: bool,
    /// The `WHERE …` of an extension's configuration table.
    pub(super) filter: String,
    /// Bytes of the values that are stored beside its rows, for they are long.
    pub(super) beside: u64,
    /// The columns whose values can be long.
    pub(super) wide: Vec<Wide>,
}

/// A column whose values can be long.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Wide {
    /// The name, unquoted.
    pub(super) name: String,
    /// `text` or `bytea`, of which the server knows the length without reading it; empty for every other type.
    pub(super) kind: String,
}

impl Relation {
    /// The quoted, qualified name.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }
}

/// The major of the server, `15`.
pub(super) async fn major(session: &mut Session) -> Result<u32, EngineError> {
    let doing = "read the server's version";
    let number = session.text(doing, "SELECT pg_catalog.current_setting('server_version_num')").await?;
    let major = number.and_then(|number| number.parse::<u32>().ok()).unwrap_or(0) / 10_000;
    if major < OLDEST {
        return Err(EngineError::Unfit(format!("PostgreSQL {major} is older than the oldest supported, {OLDEST}")));
    }
    Ok(major)
}

/// Who the server is.
pub(super) async fn identify(session: &mut Session) -> Result<Server, EngineError> {
    let doing = "read the server's identity";
    let has_provider = major(session).await? >= 15;
    let provider = if has_provider { "d.datlocprovider::text" } else { "'c'" };
    let icu = match major(session).await? {
        13 | 14 => "NULL::text",
        15 | 16 => "d.daticulocale::text",
        _ => "d.datlocale::text",
    };
    let rows = session
        .rows(
            doing,
            &format!(
                "SELECT pg_catalog.current_setting('server_version'), d.datname::text, pg_catalog.pg_encoding_to_char(d.encoding)::text, \
                 d.datcollate::text, pg_catalog.current_setting('TimeZone'), d.datctype::text, {provider}, {icu}, \
                 pg_catalog.pg_get_userbyid(d.datdba)::text, pg_catalog.current_setting('{MONETARY}') \
                 FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()"
            ),
        )
        .await?;
    let row = rows.first().ok_or_else(|| EngineError::Worker(doing.to_owned()))?;
    let version: String = session.cell(doing, row, 0)?;
    let mut extra = BTreeMap::from([
        (MONETARY.to_owned(), session.cell(doing, row, 9)?),
        ("lc_ctype".to_owned(), session.cell(doing, row, 5)?),
        ("locale_provider".to_owned(), session.cell(doing, row, 6)?),
        (OWNER.to_owned(), session.cell(doing, row, 8)?),
    ]);
    if let Some(locale) = session.cell::<Option<String>>(doing, row, 7)? {
        extra.insert("locale".to_owned(), locale);
    }
    Ok(Server {
        flavour: "postgresql".to_owned(),
        version: version.split_whitespace().next().unwrap_or_default().to_owned(),
        database: session.cell(doing, row, 1)?,
        charset: session.cell(doing, row, 2)?,
        collation: session.cell(doing, row, 3)?,
        time_zone: session.cell(doing, row, 4)?,
        extra,
    })
}

/// `pg_class c` rows whose data belongs to the user: own tables, and extensions' configuration tables.
pub(super) const WITH_ROWS: &str = "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    LEFT JOIN (SELECT pg_catalog.unnest(extconfig) AS oid, pg_catalog.unnest(extcondition) AS filter \
               FROM pg_catalog.pg_extension) x ON x.oid = c.oid \
    WHERE c.relpersistence <> 't' AND (x.oid IS NOT NULL OR (n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
                      AND e.objid = c.oid AND e.deptype = 'e')))";

/// Whether the server runs somebody's code, as whoever asks, for any query on a table `c` before it reads a row: it works out the expressions of
/// indexes, partial ones' conditions and statistics, and what of them needs more than the server's own may be anybody's.
pub(super) const RUNS_CODE: &str = "EXISTS (SELECT FROM ( \
      SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, i.indexrelid FROM pg_catalog.pg_index i \
        WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) \
      UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::oid, s.oid FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = c.oid \
    ) w(classid, objid) JOIN pg_catalog.pg_depend d ON d.classid = w.classid AND d.objid = w.objid AND d.refobjid >= 16384 \
      AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass, \
                           'pg_catalog.pg_type'::pg_catalog.regclass))";

/// Quoted names of everything to be locked against changes of its definition, in order.
pub(super) async fn lockable(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let sql = format!("SELECT n.nspname::text, c.relname::text {WITH_ROWS} AND c.relkind IN ('r', 'p') ORDER BY c.oid");
    let doing = "list the tables";
    let rows = session.rows(doing, &sql).await?;
    rows.iter().map(|row| quoted_name(session, doing, row)).collect()
}

/// The tables whose rows are dumped, by name.
pub(super) async fn relations(session: &mut Session) -> Result<Vec<Relation>, EngineError> {
    relations_where(session, "").await
}

/// One of them, if it is there.
pub(super) async fn relation(session: &mut Session, schema: &str, name: &str) -> Result<Option<Relation>, EngineError> {
    let condition = format!("AND n.nspname = {} AND c.relname = {}", literal(schema), literal(name));
    Ok(relations_where(session, &condition).await?.pop())
}

async fn relations_where(session: &mut Session, condition: &str) -> Result<Vec<Relation>, EngineError> {
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text, \
         pg_catalog.pg_relation_size(c.oid), pg_catalog.current_setting('block_size')::bigint, c.relpersistence = 'u', \
         COALESCE((SELECT amname = 'heap' FROM pg_catalog.pg_am a WHERE a.oid = c.relam), false) AND NOT {RUNS_CODE}, \
         COALESCE((SELECT pg_catalog.json_agg(a.attname::text ORDER BY a.attnum)::text FROM pg_catalog.pg_attribute a \
                   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''), '[]'), \
         COALESCE(x.filter, ''), \
         CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE pg_catalog.pg_relation_size(c.reltoastrelid) END, \
         COALESCE((SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname::text, 'kind', \
                     CASE WHEN a.atttypid IN (25, 1042, 1043) THEN 'text' WHEN a.atttypid = 17 THEN 'bytea' ELSE '' END) \
                     ORDER BY a.attnum)::text FROM pg_catalog.pg_attribute a \
                   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attlen < 0), '[]') \
         {WITH_ROWS} AND c.relkind = 'r' {condition} ORDER BY n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\""
    );
    let doing = "list the tables with their columns";
    let rows = session.rows(doing, &sql).await?;
    let read = |row| -> Result<Relation, EngineError> {
        let columns: String = session.cell(doing, row, 6)?;
        let size = |column| session.cell::<Option<i64>>(doing, row, column).map(|n| u64::try_from(n.unwrap_or(0)).unwrap_or(0));
        Ok(Relation {
            schema: session.cell(doing, row, 0)?,
            name: session.cell(doing, row, 1)?,
            columns: serde_json::from_str(&columns).map_err(|_| EngineError::Worker(doing.to_owned()))?,
            pages: size(2)? / size(3)?.max(1),
            bytes: size(2)? + size(8)?,
            unlogged: session.cell(doing, row, 4)?,
            by_place: session.cell(doing, row, 5)?,
            filter: session.cell(doing, row, 7)?,
            beside: size(8)?,
            wide: serde_json::from_str(&session.cell::<String>(doing, row, 9)?)
                .map_err(|_| EngineError::Worker(doing.to_owned()))?,
        })
    };
    rows.iter().map(read).collect()
}

/// Tables of extensions whose rows are the user's in part.
pub(super) async fn extension_tables(session: &mut Session) -> Result<Vec<(String, String)>, EngineError> {
    let doing = "list the tables of extensions";
    let sql = format!("SELECT n.nspname::text, c.relname::text {WITH_ROWS} AND x.oid IS NOT NULL");
    let rows = session.rows(doing, &sql).await?;
    rows.iter().map(|row| Ok((session.cell(doing, row, 0)?, session.cell(doing, row, 1)?))).collect()
}

/// Whether anything has statistics that come from more than one table's own rows, or from none.
pub(super) async fn has_derived_statistics(session: &mut Session) -> Result<bool, EngineError> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                        WHERE c.relkind IN ('p', 'm') AND {USER_SCHEMA}) OR EXISTS (SELECT FROM pg_catalog.pg_inherits)"
    );
    session.truth("look for partitions and views with rows", &sql).await
}

/// Refuses when a row could be hidden from us: a missing privilege, or row-level security that applies to us.
pub(super) async fn demand_every_row(session: &mut Session) -> Result<(), EngineError> {
    let user = session.place().user().to_owned();
    let doing = "look for missing privileges";
    let relation = "pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)";
    let schemas = format!(
        "SELECT DISTINCT pg_catalog.quote_ident(n.nspname) {WITH_ROWS} AND c.relkind IN ('r', 'p', 'S') \
         AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') ORDER BY 1"
    );
    let denied = |what: String, grant: String| EngineError::Privilege { user: user.clone(), what, grant };
    let names = texts(session, doing, &schemas).await?;
    if let Some(first) = names.first() {
        let grant = format!("GRANT USAGE ON SCHEMA {} TO {};", names.join(", "), quote(&user));
        return Err(denied(format!("use schema {first}"), grant));
    }
    for (kinds, noun, keyword) in [("'r', 'p'", "table", "TABLE"), ("'S'", "sequence", "SEQUENCE")] {
        let sql = format!(
            "SELECT {relation} {WITH_ROWS} AND c.relkind IN ({kinds}) \
             AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY 1"
        );
        let names = texts(session, doing, &sql).await?;
        if let Some(first) = names.first() {
            let grant = format!("GRANT SELECT ON {keyword} {} TO {};", names.join(", "), quote(&user));
            return Err(denied(format!("read {noun} {first}"), grant));
        }
    }
    let hidden = format!(
        "SELECT {relation} {WITH_ROWS} AND c.relkind IN ('r', 'p') AND pg_catalog.row_security_active(c.oid) ORDER BY 1"
    );
    if let Some(first) = texts(session, doing, &hidden).await?.first() {
        let grant = format!("ALTER ROLE {} BYPASSRLS;", quote(&user));
        return Err(denied(format!("read every row of table {first}, which has row-level security"), grant));
    }
    Ok(())
}

/// What the first two columns of a row name, quoted.
fn quoted_name(session: &Session, doing: &str, row: &PgRow) -> Result<String, EngineError> {
    let (schema, name): (String, String) = (session.cell(doing, row, 0)?, session.cell(doing, row, 1)?);
    Ok(format!("{}.{}", quote(&schema), quote(&name)))
}

/// The first column of a query, as texts.
pub(super) async fn texts(session: &mut Session, doing: &str, sql: &str) -> Result<Vec<String>, EngineError> {
    let rows = session.rows(doing, sql).await?;
    rows.iter().map(|row| session.cell(doing, row, 0)).collect()
}

/// The statements that bring every sequence to where it is now, one a line, by name.
///
/// Sequences stand outside snapshots: read after the snapshot was taken, a value is never behind the rows. A standby has none of an
/// unlogged one. `session` knows which there are. Their values are read over a session of their own: locks on each of them in one transaction may be more than the server has room
/// for. It waits for nobody long, for whoever has one may wait for `session`, and the server would not see the ring.
pub(super) async fn sequence_lines(session: &mut Session, wait: Duration) -> Result<Vec<String>, EngineError> {
    let names = sequences(session).await?;
    let mut values = session.place().connect().await?;
    values.wait_at_most(wait).await?;
    let lines = values_of(&mut values, &names).await;
    values.close().await;
    lines
}

/// The same over one session.
pub(super) async fn own_sequence_lines(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let names = sequences(session).await?;
    values_of(session, &names).await
}

async fn sequences(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let doing = "list the sequences";
    let sql = format!(
        "SELECT n.nspname::text, c.relname::text {WITH_ROWS} AND c.relkind = 'S' \
         AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery()) \
         ORDER BY n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\""
    );
    let rows = session.rows(doing, &sql).await?;
    rows.iter().map(|row| quoted_name(session, doing, row)).collect()
}

async fn values_of(session: &mut Session, names: &[String]) -> Result<Vec<String>, EngineError> {
    let doing = "read the sequences";
    let mut lines = Vec::with_capacity(names.len());
    for batch in names.chunks(BATCH) {
        let select = |(at, name): (usize, &String)| format!("SELECT {at}::bigint, last_value::text, is_called FROM {name}");
        let sql = batch.iter().enumerate().map(select).collect::<Vec<_>>().join(" UNION ALL ");
        let rows = session.rows(doing, &format!("{sql} ORDER BY 1")).await?;
        for (name, row) in batch.iter().zip(&rows) {
            let (value, called): (String, bool) = (session.cell(doing, row, 1)?, session.cell(doing, row, 2)?);
            lines.push(format!("SELECT pg_catalog.setval({}, {value}, {called});", literal(name)));
        }
    }
    Ok(lines)
}

/// Materialized views that hold rows, each after those it reads, quoted.
pub(super) async fn filled_views(session: &mut Session) -> Result<Vec<String>, EngineError> {
    // A view that reads another one reaches strictly more materialized views, so counting them orders them.
    let sql = format!(
        "WITH RECURSIVE reads(reader, source) AS ( \
           SELECT DISTINCT r.ev_class, d.refobjid FROM pg_catalog.pg_depend d \
           JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
           WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class), \
         reach(reader, source) AS (SELECT reader, source FROM reads \
           UNION SELECT reach.reader, reads.source FROM reach JOIN reads ON reads.reader = reach.source) \
         SELECT n.nspname::text, c.relname::text {WITH_ROWS} \
         AND c.relkind = 'm' AND c.relispopulated ORDER BY (SELECT pg_catalog.count(*) FROM reach \
           JOIN pg_catalog.pg_class m ON m.oid = reach.source AND m.relkind = 'm' WHERE reach.reader = c.oid), 1, 2"
    );
    let doing = "list the materialized views";
    let rows = session.rows(doing, &sql).await?;
    // Quoted here: what the server says is never part of a statement as it stands.
    rows.iter().map(|row| quoted_name(session, doing, row)).collect()
}

/// Who keeps everybody from a table: sessions that hold a lock, or wait for one and so have all who come later wait behind them, and
/// transactions that were prepared and then forgotten, which have no session any more. Somebody's own temporary table is in nobody's way.
pub(super) async fn lock_holders(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let sql = "WITH held AS (SELECT l.pid, l.virtualtransaction FROM pg_catalog.pg_locks l \
          WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' \
          AND l.database IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())) \
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = l.relation AND c.relpersistence = 't')) \
        SELECT 'pid ' || a.pid || ', user ' || COALESCE(a.usename, '?') || ', ' || COALESCE(pg_catalog.left(a.query, 80), '?') \
        FROM held JOIN pg_catalog.pg_stat_activity a ON a.pid = held.pid WHERE a.pid <> pg_catalog.pg_backend_pid() \
        UNION SELECT 'prepared transaction ' || pg_catalog.quote_literal(p.gid) || ', user ' || p.owner \
        FROM held JOIN pg_catalog.pg_prepared_xacts p ON held.virtualtransaction = '-1/' || p.transaction::text ORDER BY 1";
    texts(session, "look for the holders of locks", sql).await
}

/// The locks for which sessions of this process wait in the session's database.
pub(super) async fn waiting_locks(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let sql = format!(
        "SELECT pg_catalog.concat_ws(' ', l.pid, l.locktype, l.relation, l.transactionid, l.classid, l.objid, l.mode) \
         FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         WHERE NOT l.granted AND a.datname = pg_catalog.current_database() AND a.application_name = {}",
        literal(&application_name())
    );
    texts(session, "look for locks that are waited for", &sql).await
}
