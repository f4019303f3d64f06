//! Connecting to the server itself, and to nothing that stands in front of it.
//!
//! A connection pooler lends one backend to several clients in turn: what is set in a session is met by the next one, and a snapshot, a
//! lock or a temporary table is somebody else's. So each connection brings a word of its own along as a setting of its start, and asks for
//! it before anything else is said: only a backend that was started for this connection knows it. Nothing is set before that; held by
//! `tests/it/postgres_sessions.rs` (`docs/decisions/025-only-the-server-itself.md`).

use std::io;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::relay::{self, Carrier, Door};
use super::super::transport::{self, Wish};
use super::said::code_of;
use crate::config::{Database, Location};
use crate::tls::Ready;

/// The name of the setting that carries the word.
const WORD: &str = "upkeep.session";
/// SQLSTATEs of a start that was refused for what it asks for: PostgreSQL itself refuses none of it.
const STRANGE_START: [&str; 2] = ["08P01", "0A000"];

/// SQLSTATE of a start that the server's list of who may come (`pg_hba.conf`) does not allow, from there or in this way.
const NOT_SO: &str = "28000";

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
pub(crate) type Direct = (PgConnection, Option<Carrier>);

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

/// As the mode has it; where it leaves the choice, the second way is tried where the first is one that the server does not want. A password
/// that is wrong stays wrong, and is not said again.
async fn open(
    database: &Database,
    application: &str,
    with: impl Fn(PgConnectOptions) -> PgConnectOptions,
) -> Result<Direct, NotDirect> {
    let wish = transport::postgres(database).map_err(|error| sqlx::Error::Tls(Box::new(error)))?;
    let in_clear = || by(database, application, &with, None);
    let Location::Postgres { sslmode, .. } = &database.location else { return in_clear().await };
    let first = match (&wish, sslmode.as_str()) {
        (Wish::Plain, _) => return in_clear().await,
        (Wish::Prefer(_), "allow") => in_clear().await,
        (Wish::Prefer(ready) | Wish::Demand(ready), _) => by(database, application, &with, Some((ready, &wish))).await,
    };
    let (Wish::Prefer(ready), Err(NotDirect::Failed(error))) = (&wish, &first) else { return first };
    if code_of(error).as_deref() != Some(NOT_SO) && transport::refusal(error).is_none() {
        return first;
    }
    let second = match sslmode.as_str() {
        "allow" => by(database, application, &with, Some((ready, &wish))).await,
        _ => in_clear().await,
    };
    // What was tried first says more.
    second.or(first)
}

/// Connects in one way: under TLS where it is ready for that.
async fn by(
    database: &Database,
    application: &str,
    with: impl Fn(PgConnectOptions) -> PgConnectOptions,
    encrypted: Option<(&Ready, &Wish)>,
) -> Result<Direct, NotDirect> {
    let Location::Postgres { host, port, user, database: name, .. } = &database.location else {
        return Err(NotDirect::Failed(sqlx::Error::Configuration("not an address of PostgreSQL".into())));
    };
    let word = uuid::Uuid::new_v4().simple().to_string();
    let options =
        PgConnectOptions::new_without_pgpass().port(*port).username(user).database(name).application_name(application);
    // TLS is not the driver's: it would trust more than was named.
    let options = options.ssl_mode(PgSslMode::Disable).options([(WORD, &word)]);
    let options = match &database.password {
        Some(password) => options.password(password.reveal()),
        None => options,
    };
    // Scripts may hold secrets; they are not for the log.
    let options = with(options).disable_statement_logging();
    let (options, carrier) = if host.starts_with('/') {
        (options.socket(host), None)
    } else {
        let (socket, carrier) = carried(database, host, *port, encrypted).await.map_err(transport::said)?;
        (options.host(host).socket(socket), Some(carrier))
    };
    let mut connection = match PgConnection::connect_with(&options).await {
        Ok(connection) => connection,
        // The driver only sees that it ended.
        Err(error) => {
            return Err(match &carrier {
                Some(carrier) => carrier.why(error),
                None => error,
            }
            .into());
        }
    };
    let asked = format!("SELECT pg_catalog.current_setting('{WORD}', true)");
    let row = sqlx::raw_sql(AssertSqlSafe(asked)).fetch_one(&mut connection).await?;
    if row.try_get::<Option<String>, _>(0)?.as_deref() == Some(&word) {
        return Ok((connection, carrier));
    }
    connection.close().await.ok();
    Err(NotDirect::Pooler(None))
}

/// `SSLRequest`: its length and its number.
const ASK_FOR_TLS: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The directory to give the driver for the socket that leads to the server, and what carries it there.
async fn carried(
    database: &Database,
    host: &str,
    port: u16,
    encrypted: Option<(&Ready, &Wish)>,
) -> io::Result<(String, Carrier)> {
    let mut server = relay::tcp(host, port).await?;
    let (directory, door) = Door::open(|room| format!("{room}/.s.PGSQL.{port}"))?;
    let carrier = match encrypted {
        Some((ready, wish)) if is_spoken(&mut server, database, wish).await? => {
            let (ready, server) = (Ready::clone(ready), ready.over(server).await?);
            let worth = ready.worth(&server);
            Carrier::begin(|seen| async move {
                seen.secured(worth);
                if let Ok(driver) = door.arrival().await {
                    relay::carry(driver, server, |error| seen.put(ready.said(error))).await;
                }
            })
        }
        _ => Carrier::begin(|_| async move {
            if let Ok(driver) = door.arrival().await {
                relay::carry(driver, server, drop).await;
            }
        }),
    };
    Ok((directory, carrier))
}

/// Asks whether the server speaks TLS. Exactly one byte is read: what follows it is TLS itself, and nobody's to slip in before.
async fn is_spoken(server: &mut TcpStream, database: &Database, wish: &Wish) -> io::Result<bool> {
    server.write_all(&ASK_FOR_TLS).await?;
    match (server.read_u8().await?, wish) {
        (b'S', _) => Ok(true),
        (b'N', Wish::Demand(_)) => Err(io::Error::other(transport::not_spoken(database))),
        (b'N', _) => Ok(false),
        // No PostgreSQL, or one that cannot start anything now.
        (other, _) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("it answers the wish for TLS with {other:#04x}"))),
    }
}
