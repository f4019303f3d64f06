//! Database URLs: where a database is, and the password when somebody wrote one into the URL.
//!
//! Invariant: no message of this file holds a password; held by `tests.rs`.

use std::path::PathBuf;

use super::Environment;
use crate::config::raw::guess;
use crate::config::{Database, Location, Secret, secrets};
use crate::failure::{Class, Explain};

/// What libpq knows as `sslmode`.
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Those of them under which libpq connects over TLS or not at all.
const DEMAND_TLS: [&str; 3] = ["require", "verify-ca", "verify-full"];

/// Where Debian's PostgreSQL puts its socket: what no host means.
const POSTGRES_SOCKET_DIR: &str = "/var/run/postgresql";

const POSTGRES_PORT: u16 = 5432;

/// What MySQL's clients know as `--ssl-mode`.
const MYSQL_SSL_MODES: [&str; 5] = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];

/// Those of them under which these clients connect over TLS or not at all.
const MYSQL_DEMAND_TLS: [&str; 3] = ["REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];

/// Where Debian's MariaDB and MySQL put their socket: what no host means.
const MYSQL_SOCKET: &str = "/var/run/mysqld/mysqld.sock";

const MYSQL_PORT: u16 = 3306;

const FORMS: &str = "write sqlite:///srv/app/app.db, postgres://user@host:5432/database or mysql://user@host:3306/database";

/// Why a text is not the URL of a database. Never holds the URL itself, for there may be a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAUrl(String);

impl Explain for NotAUrl {
    fn class(&self) -> Class {
        Class::Usage
    }
}

/// Reads a database URL, with the password in it if there is one.
///
/// # Errors
/// When it is not one that this build can use.
pub fn parse_url(text: &str, environment: &Environment) -> Result<Database, NotAUrl> {
    let parsed = url::Url::parse(text).map_err(|error| NotAUrl(format!("not a URL ({error}); {FORMS}")))?;
    match parsed.scheme() {
        "sqlite" => sqlite(text, &parsed),
        "postgres" | "postgresql" => postgres(&parsed, environment),
        "mysql" | "mariadb" => mysql(&parsed, environment),
        other => {
            let near = guess(other, ["sqlite", "postgres", "postgresql", "mysql", "mariadb"].into_iter());
            Err(NotAUrl(format!("no engine is called `{other}`{near}; {FORMS}")))
        }
    }
}

/// Reads the URL of a database beside a configured one. Without a password in it the configured one's serves, where it is the same
/// account of the same server, or that of the clients' own files.
///
/// # Errors
/// As [`parse_url`].
pub fn parse_url_beside(text: &str, beside: &Database, environment: &Environment) -> Result<Database, NotAUrl> {
    let parsed = parse_url(text, environment)?;
    let same = account(&parsed.location).is_some_and(|account| Some(account) == self::account(&beside.location));
    let own = || secrets::of_clients(&parsed.location, environment);
    let password = parsed.password.clone().or_else(|| beside.password.clone().filter(|_| same)).or_else(own);
    let (client_bindir, definers) = (beside.client_bindir.clone(), beside.definers.clone());
    Ok(Database { password, client_bindir, definers, ..parsed })
}

/// Engine, host, port and user.
fn account(location: &Location) -> Option<(bool, &str, u16, &str)> {
    match location {
        Location::Sqlite { .. } => None,
        Location::Postgres { host, port, user, .. } => Some((true, host, *port, user)),
        Location::MySql { host, port, user, .. } => Some((false, host, *port, user)),
    }
}

fn sqlite(text: &str, parsed: &url::Url) -> Result<Database, NotAUrl> {
    let slashes = "a SQLite file is written with three slashes and its whole path: sqlite:///srv/app/app.db";
    if !text.starts_with("sqlite:///") || parsed.path().len() < 2 || parsed.path().ends_with('/') {
        return Err(NotAUrl(slashes.to_owned()));
    }
    if let Some((key, _)) = parsed.query_pairs().next() {
        return Err(NotAUrl(format!("unknown parameter `{key}`; a SQLite URL has none")));
    }
    let path = decoded(parsed.path())?;
    Ok(Database::at(Location::Sqlite { path: PathBuf::from(path) }))
}

fn postgres(parsed: &url::Url, environment: &Environment) -> Result<Database, NotAUrl> {
    let mut host = parsed.host_str().filter(|host| !host.is_empty()).map(decoded).transpose()?;
    let mut port = parsed.port();
    let mut user = Some(parsed.username()).filter(|user| !user.is_empty()).map(decoded).transpose()?;
    let mut sslmode = "prefer".to_owned();
    for (key, value) in parsed.query_pairs() {
        match key.as_ref() {
            "host" => host = Some(value.into_owned()),
            "user" => user = Some(value.into_owned()),
            "port" => port = Some(value.parse().map_err(|_| NotAUrl(format!("`{value}` is not a port")))?),
            "sslmode" if DEMAND_TLS.contains(&value.as_ref()) => return Err(no_tls("sslmode", &value, "prefer")),
            "sslmode" if SSL_MODES.contains(&value.as_ref()) => sslmode = value.into_owned(),
            "sslmode" => {
                let near = guess(&value, SSL_MODES.into_iter());
                return Err(NotAUrl(format!("`{value}` is not an sslmode{near}; it is one of {}", SSL_MODES.join(", "))));
            }
            "password" => return Err(NotAUrl("write the password before the @, or better into `password_file`".to_owned())),
            other => {
                let near = guess(other, ["host", "port", "user", "sslmode"].into_iter());
                return Err(NotAUrl(format!("unknown parameter `{other}`{near}; known are host, port, user, sslmode")));
            }
        }
    }
    let database = decoded(parsed.path().trim_start_matches('/'))?;
    if database.is_empty() || database.contains('/') {
        return Err(NotAUrl("names no database; it stands last: postgres://user@host:5432/database".to_owned()));
    }
    let user = user.or_else(|| ["PGUSER", "USER", "LOGNAME"].iter().find_map(|name| environment.get(*name).cloned()));
    let user = user.ok_or_else(|| NotAUrl("names no user; it stands first: postgres://user@host:5432/database".to_owned()))?;
    let host = host.map(|host| host.trim_matches(['[', ']']).to_owned());
    let host = host.unwrap_or_else(|| POSTGRES_SOCKET_DIR.to_owned());
    let password = parsed.password().map(decoded).transpose()?.map(Secret::new);
    let location = Location::Postgres { host, port: port.unwrap_or(POSTGRES_PORT), user, database, sslmode };
    Ok(Database { password, ..Database::at(location) })
}

fn mysql(parsed: &url::Url, environment: &Environment) -> Result<Database, NotAUrl> {
    let form = "mysql://user@host:3306/database";
    let mut host = parsed.host_str().filter(|host| !host.is_empty()).map(decoded).transpose()?;
    let mut user = Some(parsed.username()).filter(|user| !user.is_empty()).map(decoded).transpose()?;
    let mut ssl_mode = "PREFERRED".to_owned();
    for (key, value) in parsed.query_pairs() {
        match key.as_ref() {
            "socket" => host = Some(value.into_owned()),
            "user" => user = Some(value.into_owned()),
            "ssl-mode" if MYSQL_DEMAND_TLS.contains(&value.to_ascii_uppercase().as_str()) => {
                return Err(no_tls("ssl-mode", &value, "PREFERRED"));
            }
            "ssl-mode" if MYSQL_SSL_MODES.contains(&value.to_ascii_uppercase().as_str()) => {
                ssl_mode = value.to_ascii_uppercase()
            }
            "ssl-mode" => {
                let near = guess(&value, MYSQL_SSL_MODES.into_iter());
                let known = MYSQL_SSL_MODES.join(", ");
                return Err(NotAUrl(format!("`{value}` is not an ssl-mode{near}; it is one of {known}")));
            }
            "password" => return Err(NotAUrl("write the password before the @, or better into `password_file`".to_owned())),
            other => {
                let near = guess(other, ["socket", "user", "ssl-mode"].into_iter());
                return Err(NotAUrl(format!("unknown parameter `{other}`{near}; known are socket, user, ssl-mode")));
            }
        }
    }
    let database = decoded(parsed.path().trim_start_matches('/'))?;
    if database.is_empty() || database.contains('/') {
        return Err(NotAUrl(format!("names no database; it stands last: {form}")));
    }
    let user = user.or_else(|| ["USER", "LOGNAME"].iter().find_map(|name| environment.get(*name).cloned()));
    let user = user.ok_or_else(|| NotAUrl(format!("names no user; it stands first: {form}")))?;
    let host = host.map(|host| host.trim_matches(['[', ']']).to_owned()).unwrap_or_else(|| MYSQL_SOCKET.to_owned());
    let password = parsed.password().map(decoded).transpose()?.map(Secret::new);
    let location = Location::MySql { host, port: parsed.port().unwrap_or(MYSQL_PORT), user, database, ssl_mode };
    Ok(Database { password, ..Database::at(location) })
}

/// This program speaks no TLS to databases. Whoever demands it learns so when the configuration is read, and not when a
/// backup fails, or after a password went over the wire in the clear.
fn no_tls(key: &str, value: &str, plain: &str) -> NotAUrl {
    NotAUrl(format!(
        "{key}={value} demands TLS, which this upkeep does not speak to databases; connect through the server's Unix socket, or \
         through a tunnel with {key}={plain}"
    ))
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> Result<String, NotAUrl> {
    let wrong = || NotAUrl("a % in the URL is not followed by two hex digits; write a literal one as %25".to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(hex, 16).map_err(|_| wrong())?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| NotAUrl("holds bytes that are not UTF-8".to_owned()))
}
