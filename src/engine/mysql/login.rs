//! Logging in: the one place where a connection to MySQL or MariaDB begins, and the part of it that sqlx cannot do over a Unix socket.
//!
//! A password of `caching_sha2_password` that the server does not remember is asked for in full. Over a Unix socket it is then sent as it
//! is: nobody can listen there. sqlx asks for the server's public key instead, which the server takes for a wrong password. So the
//! one full authentication is done here, and sqlx logs in once the server remembers it: until its next restart or `FLUSH PRIVILEGES`.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>.
//! Held by `tests/it/mysql_traps.rs`.

use std::io;
use std::path::Path;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{ConnectOptions, Connection, MySqlConnection};
use tokio::net::UnixStream;

use super::super::relay::{self, Carrier};
use super::super::transport::{self, Wish};
use super::errors::number_of;
use super::packets::{CONNECT_WITHIN, Wire};
use super::secure;
use crate::config::{Database, Location, Secret};

/// `ER_ACCESS_DENIED_ERROR`.
const ACCESS_DENIED: u16 = 1045;
const PLUGIN: &[u8] = b"caching_sha2_password\0";
/// In place of a digest that only a server that remembers the password could compare with anything.
const NO_SCRAMBLE: [u8; 32] = [0; 32];
/// `CLIENT_LONG_PASSWORD`, `CLIENT_PROTOCOL_41`, `CLIENT_SECURE_CONNECTION`, `CLIENT_PLUGIN_AUTH`.
const CAPABILITIES: u32 = 1 | 1 << 9 | 1 << 15 | 1 << 19;
/// `utf8mb4_general_ci`.
const COLLATION: u8 = 45;
const COM_QUIT: u8 = 1;

/// A connection, and what carries it, which ends by itself after it.
pub(crate) type Logged = (MySqlConnection, Option<Carrier>);

/// Connects, as the configuration has it, to one of the server's databases or to none. Nothing is set that the driver would set.
///
/// # Errors
/// sqlx's, of its own login; [`transport::refusal`] finds one of TLS in it.
pub(crate) async fn connect(
    database: &Database,
    name: Option<&str>,
    with: impl FnOnce(MySqlConnectOptions) -> MySqlConnectOptions,
) -> Result<Logged, sqlx::Error> {
    let Location::MySql { host, port, user, .. } = &database.location else {
        return Err(sqlx::Error::Configuration("not an address of MySQL".into()));
    };
    // The driver would set modes and a time zone of its own. TLS is not its own either: it would trust more than was named.
    let options = MySqlConnectOptions::new()
        .username(user)
        .ssl_mode(MySqlSslMode::Disabled)
        .timezone(None)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .statement_cache_capacity(1)
        // Scripts may hold secrets; they are not for the log.
        .disable_statement_logging();
    let options = name.into_iter().fold(with(options), |options, name| options.database(name));
    let options = database.password.iter().fold(options, |options, password| options.password(password.reveal()));
    let socket = host.starts_with('/');
    let wish = transport::mysql(database).map_err(|error| sqlx::Error::Tls(Box::new(error)))?;
    let met = match wish {
        Wish::Plain if socket => return Ok((in_clear(&options.socket(host), host, database).await?, None)),
        Wish::Plain => return Ok((MySqlConnection::connect_with(&options.host(host).port(*port)).await?, None)),
        wish if socket => secure::to(database, UnixStream::connect(host).await?, wish).await,
        wish => secure::to(database, relay::tcp(host, *port).await?, wish).await,
    };
    let (room, carrier) = met.map_err(transport::said)?;
    match MySqlConnection::connect_with(&options.socket(room)).await {
        Ok(connection) => Ok((connection, Some(carrier))),
        // The driver only sees that it ended.
        Err(error) => Err(carrier.why(error)),
    }
}

/// The version that a server at a Unix socket tells whoever knocks there; nobody logs in.
///
/// # Errors
/// When nobody answers there, or no server of this kind.
pub async fn greeting(socket: &Path) -> io::Result<String> {
    let talk = async { Wire::new(UnixStream::connect(socket).await?).read().await };
    let packet = tokio::time::timeout(CONNECT_WITHIN, talk).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let version = match packet[..] {
        [10, ref rest @ ..] => rest.split(|byte| *byte == 0).next().unwrap_or_default(),
        _ => return Err(io::Error::other("it does not greet as MySQL and MariaDB do")),
    };
    // MariaDB before 11 says this first, for old replicas.
    Ok(String::from_utf8_lossy(version.strip_prefix(b"5.5.5-").unwrap_or(version)).into_owned())
}

/// Over a Unix socket.
async fn in_clear(options: &MySqlConnectOptions, socket: &str, database: &Database) -> Result<MySqlConnection, sqlx::Error> {
    // Nobody can listen there.
    let options = options.clone().enable_cleartext_plugin(true);
    let error = match MySqlConnection::connect_with(&options).await {
        Err(error) if number_of(&error) == Some(ACCESS_DENIED) => error,
        other => return other,
    };
    let (Some(password), Location::MySql { user, .. }) = (&database.password, &database.location) else { return Err(error) };
    match remind(socket, user, password).await {
        Ok(true) => MySqlConnection::connect_with(&options).await,
        Ok(false) => Err(error),
        Err(why) => {
            tracing::debug!(error = %why, "no full authentication");
            Err(error)
        }
    }
}

/// Authenticates in full, once and for nothing else; whether the server let us in. No password leaves for an account of another kind.
async fn remind(socket: &str, user: &str, password: &Secret) -> io::Result<bool> {
    let mut wire = Wire::new(UnixStream::connect(socket).await?);
    // The server's greeting: version 10 of the protocol. What else is in it is for those who compute a scramble.
    if wire.read().await?.first() != Some(&10) {
        return Ok(false);
    }
    let mut response = Vec::new();
    response.extend_from_slice(&CAPABILITIES.to_le_bytes());
    response.extend_from_slice(&u32::MAX.to_le_bytes());
    response.push(COLLATION);
    response.extend_from_slice(&[0; 23]);
    response.extend_from_slice(user.as_bytes());
    response.extend_from_slice(&[0, 32]);
    response.extend_from_slice(&NO_SCRAMBLE);
    response.extend_from_slice(PLUGIN);
    wire.write(&response).await?;
    loop {
        let packet = wire.read().await?;
        match packet[..] {
            // Yes.
            [0, ..] => {
                wire.sequence = 0;
                wire.write(&[COM_QUIT]).await?;
                return Ok(true);
            }
            // The account's kind, where it is not the server's usual one.
            [0xfe, ref kind @ ..] if kind.starts_with(PLUGIN) => wire.write(&NO_SCRAMBLE).await?,
            // Remembered after all: the answer follows.
            [1, 3] => {}
            // In full.
            [1, 4] => wire.write(&[password.reveal().as_bytes(), b"\0"].concat()).await?,
            _ => return Ok(false),
        }
    }
}
