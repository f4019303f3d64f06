//! A session that means to a script what Flyway's would.

use std::path::Path;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};

use crate::config::{Database, Location};
use crate::migrate::error::MigrateError;

/// Connects with nothing changed but the time zone.
pub(super) async fn connect(database: &Database) -> Result<PgConnection, MigrateError> {
    let failed = |source| MigrateError::Connect { location: database.location.to_string(), source };
    let Location::Postgres { host, port, user, database: name, sslmode } = &database.location else {
        return Err(MigrateError::Worker("connecting to PostgreSQL".to_owned()));
    };
    let options = PgConnectOptions::new_without_pgpass();
    let options = if host.starts_with('/') { options.socket(host) } else { options.host(host) };
    let options = options.port(*port).username(user).database(name).application_name("upkeep migrate");
    let options = options.ssl_mode(PgSslMode::from_str(sslmode).map_err(failed)?).extra_float_digits(None);
    let options = match &database.password {
        Some(password) => options.password(password.reveal()),
        None => options,
    };
    // Scripts may hold secrets; they are not for the log.
    let mut connection = options.disable_statement_logging().connect().await.map_err(failed)?;
    if let Some(zone) = host_zone() {
        let set = sqlx::query("SELECT pg_catalog.set_config('TimeZone', $1, false)").persistent(false).bind(zone);
        // A zone the server does not know leaves the session at UTC.
        match set.execute(&mut connection).await {
            Ok(_) | Err(sqlx::Error::Database(_)) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(connection)
}

/// The host's time zone, which Java's driver gives a Flyway session: what `/etc/localtime` points to.
fn host_zone() -> Option<String> {
    let target = std::fs::canonicalize(Path::new("/etc/localtime")).ok()?;
    let (_, zone) = target.to_str()?.split_once("/zoneinfo/")?;
    Some(zone.to_owned())
}
