//! Database URLs: where a database is, and the password when somebody wrote one into the URL.
//!
//! Invariant: no message of this file holds a password; held by `tests.rs`.

use std::path::PathBuf;

use super::Environment;
use crate::config::encryption;
use crate::config::raw::guess;
use crate::config::{Database, Location, Secret, secrets};
use crate::failure::{Class, Explain};

/// Where Debian's PostgreSQL puts its socket: what no host means.
const POSTGRES_SOCKET_DIR: &str = "/var/run/postgresql";

const POSTGRES_PORT: u16 = 5432;

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
    let mut database = Database { password, client_bindir, definers, ..parsed };
    let same = server(&database.location) == server(&beside.location);
    match (&beside.location, &mut database.location) {
        _ if database.tls.in_url => {}
        // The same server is spoken to no less safely than the configuration has it.
        (Location::Postgres { sslmode: theirs, .. }, Location::Postgres { sslmode: mode, .. })
        | (Location::MySql { ssl_mode: theirs, .. }, Location::MySql { ssl_mode: mode, .. })
            if same =>
        {
            mode.clone_from(theirs);
            database.tls.clone_from(&beside.tls);
        }
        _ => secrets::tls_of_clients(&mut database, environment),
    }
    Ok(database)
}

/// Engine, host and port.
fn server(location: &Location) -> Option<(bool, &str, u16)> {
    account(location).map(|(engine, host, port, _)| (engine, host, port))
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
    let mut tls = encryption::Postgres::default();
    for (key, value) in parsed.query_pairs() {
        match key.as_ref() {
            "host" => host = Some(value.into_owned()),
            "user" => user = Some(value.into_owned()),
            "port" => port = Some(value.parse().map_err(|_| NotAUrl(format!("`{value}` is not a port")))?),
            key if tls.take(key, &value).map_err(NotAUrl)? => {}
            "password" => return Err(NotAUrl("write the password before the @, or better into `password_file`".to_owned())),
            other => {
                let known = [&["host", "port", "user"][..], &encryption::Postgres::KEYS].concat();
                let near = guess(other, known.iter().copied());
                return Err(NotAUrl(format!("unknown parameter `{other}`{near}; known are {}", known.join(", "))));
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
    let (sslmode, tls) = tls.finish().map_err(NotAUrl)?;
    let location = Location::Postgres { host, port: port.unwrap_or(POSTGRES_PORT), user, database, sslmode };
    Ok(Database { password, tls, ..Database::at(location) })
}

fn mysql(parsed: &url::Url, environment: &Environment) -> Result<Database, NotAUrl> {
    let form = "mysql://user@host:3306/database";
    let mut host = parsed.host_str().filter(|host| !host.is_empty()).map(decoded).transpose()?;
    let mut user = Some(parsed.username()).filter(|user| !user.is_empty()).map(decoded).transpose()?;
    let mut tls = encryption::MySql::default();
    for (key, value) in parsed.query_pairs() {
        match key.as_ref() {
            "socket" => host = Some(value.into_owned()),
            "user" => user = Some(value.into_owned()),
            key if tls.take(key, &value).map_err(NotAUrl)? => {}
            "password" => return Err(NotAUrl("write the password before the @, or better into `password_file`".to_owned())),
            other => {
                let known = [&["socket", "user"][..], &encryption::MySql::KEYS].concat();
                let near = guess(other, known.iter().copied());
                return Err(NotAUrl(format!("unknown parameter `{other}`{near}; known are {}", known.join(", "))));
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
    let (ssl_mode, tls) = tls.finish().map_err(NotAUrl)?;
    let location = Location::MySql { host, port: parsed.port().unwrap_or(MYSQL_PORT), user, database, ssl_mode };
    Ok(Database { password, tls, ..Database::at(location) })
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
