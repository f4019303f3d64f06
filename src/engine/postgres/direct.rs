//! Connecting to the server itself, and to nothing that stands in front of it.
//!
//! A connection pooler lends one backend to several clients in turn: what is set in a session is met by the next one, and a snapshot, a
//! lock or a temporary table is somebody else's. So each connection brings a word of its own along as a setting of its start, and asks for
//! it before anything else is said: only a backend that was started for this connection knows it. Nothing is set before that; held by
//! `tests/it/postgres_sessions.rs` (`docs/decisions/025-only-the-server-itself.md`).

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::relay;
use super::said::code_of;
use crate::config::{Database, Location};

/// The name of the setting that carries the word.
const WORD: &str = "upkeep.session";
/// SQLSTATEs of a start that was refused for what it asks for: PostgreSQL itself refuses none of it.
const STRANGE_START: [&str; 2] = ["08P01", "0A000"];

/// SQLSTATE of a setting that the server does not know.
const UNKNOWN_SETTING: &str = "42704";

/// The setting by which values of `money` are printed and read.
pub(super) const MONETARY: &str = "lc_monetary";

/// What every session of the engine begins with, whatever the server, the database or the role sets: each of them changes what a
/// session prints, reads or may do, or ends it. They are known to every server we speak to, and anybody may set them.
pub(super) const SETTINGS: [(&str, &str); 16] = [
    ("search_path", ""),
    (MONETARY, "C"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("row_security", "off"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("quote_all_identifiers", "off"),
    ("standard_conforming_strings", "on"),
    ("array_nulls", "on"),
    ("transform_null_equals", "off"),
    // Our questions to the catalogue look dear to the planner, and compiling them takes a hundred times as long as answering them.
    ("jit", "off"),
];

/// The same as `PGOPTIONS`, for a program of the vendor's of this major. When an idle session ends it does not
/// set itself.
pub(super) fn as_environment(major: u32) -> String {
    let ours = SETTINGS.iter().filter(|(name, _)| *name != "search_path");
    let newer = [("idle_session_timeout", "0", 14), ("transaction_timeout", "0", 17)];
    let newer = newer.into_iter().filter(|(_, _, since)| major >= *since).map(|(name, value, _)| (name, value));
    ours.copied()
        .chain(newer)
        .map(|(name, value)| format!("-c {name}={}", value.replace(' ', "\\ ")))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum NotDirect {
    /// What answers is a pooler; with its words, where it had any.
    Pooler(Option<String>),
    /// Any other reason.
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for NotDirect {
    fn from(error: sqlx::Error) -> Self {
        match code_of(&error) {
            Some(code) if STRANGE_START.contains(&code.as_str()) => {
                Self::Pooler(error.as_database_error().map(|said| said.message().to_owned()))
            }
            _ => Self::Failed(error),
        }
    }
}

/// A connection, and what carries it, which ends by itself after it.
pub(crate) type Direct = (PgConnection, Option<relay::Carrier>);

/// Connects for a migration's scripts: as the role and the database have set it.
pub(crate) async fn plain(database: &Database, application: &str) -> Result<Direct, NotDirect> {
    open(database, application, |options| options.extra_float_digits(None)).await
}

/// How the server writes `money` in a session in which nobody sets anything.
pub(super) async fn monetary(database: &Database, application: &str) -> Result<String, NotDirect> {
    let (mut connection, _carrier) = plain(database, application).await?;
    let asked = format!("SELECT pg_catalog.current_setting('{MONETARY}')");
    let row = sqlx::raw_sql(AssertSqlSafe(asked)).fetch_one(&mut connection).await?;
    connection.close().await.ok();
    Ok(row.try_get(0)?)
}

/// Connects for the engine.
pub(super) async fn settled(database: &Database, application: &str) -> Result<Direct, NotDirect> {
    let settle = |options: PgConnectOptions| options.extra_float_digits(3).options(SETTINGS);
    // Set with the start: a moment without it may be long enough. A server older than 14 does not know it, and says so.
    let never_idle = |options: PgConnectOptions| settle(options).options([("idle_session_timeout", "0")]);
    let (mut connection, carrier) = match open(database, application, never_idle).await {
        Err(NotDirect::Failed(error)) if code_of(&error).as_deref() == Some(UNKNOWN_SETTING) => {
            open(database, application, settle).await?
        }
        other => other?,
    };
    if connection.server_version_num().is_some_and(|version| version >= 170_000) {
        sqlx::raw_sql("SET transaction_timeout = 0").execute(&mut connection).await?;
    }
    Ok((connection, carrier))
}

async fn open(
    database: &Database,
    application: &str,
    with: impl FnOnce(PgConnectOptions) -> PgConnectOptions,
) -> Result<Direct, NotDirect> {
    let Location::Postgres { host, port, user, database: name, sslmode } = &database.location else {
        return Err(NotDirect::Failed(sqlx::Error::Configuration("not an address of PostgreSQL".into())));
    };
    let word = uuid::Uuid::new_v4().simple().to_string();
    let options =
        PgConnectOptions::new_without_pgpass().port(*port).username(user).database(name).application_name(application);
    let options = options.ssl_mode(PgSslMode::from_str(sslmode)?).options([(WORD, &word)]);
    let options = match &database.password {
        Some(password) => options.password(password.reveal()),
        None => options,
    };
    // Scripts may hold secrets; they are not for the log.
    let options = with(options).disable_statement_logging();
    let (options, carrier) = if host.starts_with('/') {
        (options.socket(host), None)
    } else {
        let (socket, carrier) = relay::to(host, *port).await.map_err(sqlx::Error::Io)?;
        // The name is what a certificate is compared with.
        (options.host(host).socket(socket), Some(carrier))
    };
    let mut connection = PgConnection::connect_with(&options).await?;
    let asked = format!("SELECT pg_catalog.current_setting('{WORD}', true)");
    let row = sqlx::raw_sql(AssertSqlSafe(asked)).fetch_one(&mut connection).await?;
    if row.try_get::<Option<String>, _>(0)?.as_deref() == Some(&word) {
        return Ok((connection, carrier));
    }
    connection.close().await.ok();
    Err(NotDirect::Pooler(None))
}
