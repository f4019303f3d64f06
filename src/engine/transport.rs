//! Which TLS a database's configuration asks for, in the words of each vendor's own clients.
//!
//! Owns what each mode means: whether TLS is tried, demanded or left, and what of a certificate is looked at. Never weaker than the vendor's clients under
//! the same settings, and whatever program of the vendor's is run gets the same ones. Held by `tests/it/tls.rs`.

use super::EngineError;
use crate::config::{Database, Location, Roots, Tls};
use crate::tls::{self, Demand, Ready, Settings, TlsError, Verify, system_file};

/// What a connection is to be.
pub(super) enum Wish {
    /// As it is: a Unix socket, or TLS is turned off.
    Plain,
    /// Under TLS where the server speaks it.
    Prefer(Ready),
    /// Under TLS or not at all.
    Demand(Ready),
}

/// What each is called in PostgreSQL's URLs.
const POSTGRES: Settings = Settings {
    place: "the database's url",
    roots: "sslrootcert",
    certificate: "sslcert",
    key: "sslkey",
    mode: "sslmode",
    without_name: Some("sslmode=verify-ca"),
};

/// What each is called in MySQL's.
const MYSQL: Settings = Settings {
    place: "the database's url",
    roots: "ssl-ca",
    certificate: "ssl-cert",
    key: "ssl-key",
    mode: "ssl-mode",
    without_name: Some("ssl-mode=VERIFY_CA"),
};

/// libpq's modes. A CA that is named is looked at under every one of them.
pub(super) fn postgres(database: &Database) -> Result<Wish, TlsError> {
    let Location::Postgres { host, sslmode, .. } = &database.location else { return Ok(Wish::Plain) };
    if host.starts_with('/') || sslmode == "disable" {
        return Ok(Wish::Plain);
    }
    let verify = match (sslmode.as_str(), &database.tls.roots) {
        ("verify-full", _) => Verify::Name,
        ("verify-ca", _) | (_, Some(Roots::File(_))) => Verify::Chain,
        _ => Verify::Nothing,
    };
    let ready = demand(database, host, verify, POSTGRES).ready()?;
    Ok(if matches!(sslmode.as_str(), "prefer" | "allow") { Wish::Prefer(ready) } else { Wish::Demand(ready) })
}

/// MySQL's modes. A Unix socket is left as it is unless TLS is demanded: an account may do so.
pub(super) fn mysql(database: &Database) -> Result<Wish, TlsError> {
    let Location::MySql { host, ssl_mode, .. } = &database.location else { return Ok(Wish::Plain) };
    let socket = host.starts_with('/');
    let verify = match ssl_mode.as_str() {
        "DISABLED" => return Ok(Wish::Plain),
        "PREFERRED" if socket => return Ok(Wish::Plain),
        "VERIFY_IDENTITY" => Verify::Name,
        "VERIFY_CA" => Verify::Chain,
        _ => Verify::Nothing,
    };
    if ssl_mode == "VERIFY_CA" && database.tls.roots.is_none() {
        // The host's list of CAs would let in anybody with a public certificate for a name of his own.
        return Err(TlsError::NoCa { mode: "ssl-mode=VERIFY_CA", setting: MYSQL.roots });
    }
    let name = if socket { "localhost" } else { host };
    let ready = demand(database, name, verify, MYSQL).ready()?;
    Ok(if ssl_mode == "PREFERRED" { Wish::Prefer(ready) } else { Wish::Demand(ready) })
}

fn demand<'a>(database: &'a Database, host: &'a str, verify: Verify, settings: Settings) -> Demand<'a> {
    let roots = database.tls.roots.as_ref().unwrap_or(&Roots::System);
    Demand { host, verify, roots, identity: database.tls.identity.as_ref(), settings }
}

/// The server does not offer TLS, and must.
pub(super) fn not_spoken(database: &Database) -> TlsError {
    match &database.location {
        Location::MySql { host, ssl_mode, .. } => TlsError::NotSpoken {
            host: host.clone(),
            demand: format!("ssl-mode={ssl_mode}"),
            // Whoever had it verified is not advised to do without: it is what somebody in between would bring about.
            hint: match ssl_mode.starts_with("VERIFY") {
                true => "enable it at the server (`ssl_cert` and `ssl_key`)",
                false => "enable it at the server (`ssl_cert` and `ssl_key`), or set ssl-mode=PREFERRED if the network is safe",
            },
        },
        Location::Postgres { host, sslmode, .. } => TlsError::NotSpoken {
            host: host.clone(),
            demand: format!("sslmode={sslmode}"),
            hint: match sslmode.starts_with("verify") {
                true => "enable it at the server (`ssl = on` in postgresql.conf)",
                false => {
                    "enable it at the server (`ssl = on` in postgresql.conf), or set sslmode=prefer if the network is safe"
                }
            },
        },
        Location::Sqlite { .. } => TlsError::Broken("a file has no TLS".to_owned()),
    }
}

/// The same for a program of PostgreSQL's, as options of libpq beside the mode. Before 16 it knows no `system`, and takes every root from a
/// file.
#[must_use]
pub(crate) fn tls_options(location: &Location, tls: &Tls) -> Vec<(&'static str, String)> {
    let Location::Postgres { sslmode, .. } = location else { return Vec::new() };
    let roots = match &tls.roots {
        Some(Roots::File(path)) => Some(path.as_path()),
        Some(Roots::System) => Some(system_file().unwrap_or("system".as_ref())),
        None if sslmode == "verify-full" => Some(system_file().unwrap_or("system".as_ref())),
        None => None,
    };
    let identity = tls.identity.iter();
    let identity = identity.flat_map(|identity| [("sslcert", &*identity.certificate), ("sslkey", &*identity.key)]);
    let options = roots.map(|path| ("sslrootcert", path)).into_iter().chain(identity);
    options.map(|(name, path)| (name, path.display().to_string())).collect()
}

/// The refusal in an error of the driver's, if it is one of ours.
pub(super) fn refusal(error: &sqlx::Error) -> Option<&TlsError> {
    match error {
        sqlx::Error::Tls(inner) => inner.downcast_ref(),
        _ => None,
    }
}

/// The error of a connection that was refused for its TLS, if that is what it is.
pub(crate) fn untrusted(database: &Database, error: &sqlx::Error) -> Option<EngineError> {
    refusal(error).map(|refusal| EngineError::untrusted(database.location.to_string(), refusal))
}

/// An error of a connection, as the driver would say it.
pub(super) fn said(error: std::io::Error) -> sqlx::Error {
    if tls::refusal(&error).is_none() {
        return sqlx::Error::Io(error);
    }
    match error.into_inner() {
        Some(refusal) => sqlx::Error::Tls(refusal),
        None => sqlx::Error::Io(std::io::ErrorKind::InvalidData.into()),
    }
}
