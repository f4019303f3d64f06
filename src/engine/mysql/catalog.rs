//! What the data dictionary says: the server, the tables with their columns and keys.
//!
//! Only reads. Values come as text, names as the server spells them.

use std::collections::{BTreeMap, HashMap};

use super::super::EngineError;
use super::columns::{RawColumn, columns, cut_by, dumped_columns, period};
use super::computed;
use super::connect::{Session, quote};
use super::encryption;
use super::flavour::Version;
use super::here::HERE;
use super::ours::OWN_TABLES;
use super::relation::{KeyPart, Relation, is_transactional};
use crate::archive::manifest::Server;

/// Who the server is.
pub(super) async fn identify(session: &mut Session) -> Result<Server, EngineError> {
    let doing = "read the server's identity";
    let sql = "SELECT DATABASE(), @@character_set_database, @@collation_database, @@GLOBAL.time_zone, @@system_time_zone, \
               @@GLOBAL.sql_mode, @@lower_case_table_names, @@version_comment, @@GLOBAL.default_storage_engine";
    let rows = session.texts(doing, sql).await?;
    let mut cells = rows.into_iter().next().unwrap_or_default().into_iter().map(Option::unwrap_or_default);
    let mut next = || cells.next().unwrap_or_default();
    let (database, charset, collation, zone, system_zone) = (next(), next(), next(), next(), next());
    let extra = ["sql_mode", "lower_case_table_names", "version_comment", "default_storage_engine"];
    let mut extra: BTreeMap<String, String> = extra.iter().map(|name| ((*name).to_owned(), next())).collect();
    if session.version.is_mariadb() {
        extra.insert("comment".to_owned(), comment(session).await?);
    }
    if encryption::is_default(session).await? {
        extra.insert(encryption::DEFAULT_ENCRYPTION.to_owned(), "Y".to_owned());
    }
    Ok(Server {
        flavour: session.version.name().to_owned(),
        version: session.version.text.clone(),
        database,
        charset,
        collation,
        time_zone: if zone == "SYSTEM" { system_zone } else { zone },
        extra,
    })
}

/// What MariaDB was told to say of the session's database; empty for nothing.
pub(super) async fn comment(session: &mut Session) -> Result<String, EngineError> {
    if !session.version.is_mariadb() {
        return Ok(String::new());
    }
    let sql =
        "SELECT SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE CAST(SCHEMA_NAME AS BINARY) = CAST(DATABASE() AS BINARY)";
    Ok(session.text("read the database's comment", sql).await?.unwrap_or_default())
}

/// The tables whose rows are dumped, by name.
pub(super) async fn relations(session: &mut Session) -> Result<Vec<Relation>, EngineError> {
    let mut keys = keys(session).await?;
    let mut columns = columns(session).await?;
    let doing = "list the tables";
    let own = OWN_TABLES.map(|name| format!("'{name}'")).join(", ");
    let sql = format!(
        "SELECT TABLE_NAME, COALESCE(ENGINE, ''), COALESCE(DATA_LENGTH, 0), COALESCE(TABLE_ROWS, 0), TABLE_TYPE, \
         COALESCE(TABLE_COMMENT, ''), COALESCE(CREATE_OPTIONS, '') FROM information_schema.TABLES \
         WHERE {HERE} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_NAME NOT IN ({own}) \
         AND COALESCE(UPPER(ENGINE), '') NOT IN ({ELSEWHERE}) ORDER BY CAST(TABLE_NAME AS BINARY)"
    );
    let mut relations = Vec::new();
    for row in session.texts(doing, &sql).await? {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let (name, engine, bytes, rows, kind, comment) = (next(), next(), next(), next(), next(), next());
        let is_partitioned = next().to_ascii_lowercase().contains("partitioned");
        if engine.is_empty() {
            // The server lists what it cannot open with the reason in place of the comment.
            return Err(EngineError::Inexact {
                what: format!("table {name} cannot be opened by the server: {comment}"),
                hint: format!("repair or drop it: CHECK TABLE {};", quote(&name)),
            });
        }
        let history = kind == "SYSTEM VERSIONED" && session.version.inserts_history();
        let raw = columns.remove(&name).unwrap_or_default();
        let period = history.then(|| period(&raw));
        let key = keys.remove(&name).unwrap_or_default();
        let mut key = if is_transactional(&engine) { usable_key(key, &raw, &session.version) } else { Vec::new() };
        if is_partitioned {
            // A row may lie in a partition that is not its key's (EXCHANGE PARTITION … WITHOUT VALIDATION): no range would find it.
            key.iter_mut().for_each(|part| part.cut_by = None);
        }
        relations.push(Relation {
            key,
            computed: computed::of(&raw),
            columns: dumped_columns(&name, raw, history, &session.version)?,
            name,
            engine,
            period,
            bytes: bytes.parse().unwrap_or(0),
            rows: rows.parse().unwrap_or(0),
            history,
        });
    }
    Ok(relations)
}

/// Storage engines whose rows are another table's, another server's or nobody's.
const ELSEWHERE: &str = "'MRG_MYISAM', 'FEDERATED', 'BLACKHOLE', 'CONNECT', 'SPIDER', 'SEQUENCE'";

/// Tables whose rows are elsewhere, with their engines.
pub(super) async fn elsewhere(session: &mut Session) -> Result<Vec<(String, String)>, EngineError> {
    let sql = format!(
        "SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES WHERE {HERE} AND TABLE_TYPE = 'BASE TABLE' \
         AND UPPER(ENGINE) IN ({ELSEWHERE}) ORDER BY CAST(TABLE_NAME AS BINARY)"
    );
    let rows = session.texts("list the tables that keep their rows elsewhere", &sql).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        found.push((cells.next().unwrap_or_default(), cells.next().unwrap_or_default()));
    }
    Ok(found)
}

/// A column of a primary key as the dictionary has it: name, whether it counts downwards, whether only its beginning is
/// in the key.
type RawKeyPart = (String, bool, bool);

async fn keys(session: &mut Session) -> Result<HashMap<String, Vec<RawKeyPart>>, EngineError> {
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME, COALESCE(COLLATION, ''), SUB_PART IS NOT NULL FROM information_schema.STATISTICS \
         WHERE {HERE} AND INDEX_NAME = 'PRIMARY' ORDER BY TABLE_NAME, SEQ_IN_INDEX"
    );
    let mut keys: HashMap<String, Vec<RawKeyPart>> = HashMap::new();
    for row in session.texts("list the primary keys", &sql).await? {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        keys.entry(next()).or_default().push((next(), next() == "D", next() == "1"));
    }
    Ok(keys)
}

/// The key, if rows can be read in its order: not one of which only the beginning of a column is indexed.
fn usable_key(parts: Vec<RawKeyPart>, columns: &[RawColumn], version: &Version) -> Vec<KeyPart> {
    if parts.iter().any(|(_, _, is_prefix)| *is_prefix) {
        return Vec::new();
    }
    let cut_by = |name: &str| columns.iter().find(|column| column.name == name).and_then(|column| cut_by(column, version));
    parts.into_iter().map(|(name, descending, _)| KeyPart { cut_by: cut_by(&name), name, descending }).collect()
}
