//! A session that means to a script what Flyway's would.

use std::collections::BTreeSet;
use std::path::Path;

use sqlx::{Connection as _, PgConnection, Row as _};

use crate::config::Database;
use crate::engine::postgres::{NotDirect, application_name, connect_plain, readable};
use crate::migrate::error::MigrateError;
use crate::migrate::host::Doing as _;
use crate::migrate::pulse::{self, Beat, Pulse};

/// Connects with nothing changed but the time zone and what dates look like when they are written out. As long as the second lives,
/// somebody looks whether the server still knows the session.
pub(super) async fn connect(database: &Database, pulse: &Pulse) -> Result<(PgConnection, Beat), MigrateError> {
    pulse::within(database, async {
        let mut connection = open(database).await?;
        let pid = sqlx::raw_sql("SELECT pg_catalog.pg_backend_pid()").fetch_one(&mut connection).await;
        let pid: i32 = pid.and_then(|row| row.try_get(0)).doing(|| "ask for the session's number".to_owned())?;
        Ok((connection, pulse.begin(pid.into())))
    })
    .await
}

/// The numbers of the sessions that the server knows: it shows everybody's to everybody.
pub(in crate::migrate) async fn look(database: &Database) -> Result<BTreeSet<i64>, MigrateError> {
    pulse::within(database, async {
        let mut connection = open(database).await?;
        let doing = || "list the sessions".to_owned();
        let listed = sqlx::raw_sql("SELECT pid FROM pg_catalog.pg_stat_activity").fetch_all(&mut connection).await;
        let pids = listed.doing(doing)?.iter().map(|row| row.try_get::<i32, _>(0).map(i64::from)).collect::<Result<_, _>>();
        connection.close().await.ok();
        pids.doing(doing)
    })
    .await
}

async fn open(database: &Database) -> Result<PgConnection, MigrateError> {
    let location = || database.location.to_string();
    let failed = |source| MigrateError::connecting(database, readable(source));
    // What carries the connection ends with it.
    let (mut connection, _) = connect_plain(database, &application_name()).await.map_err(|why| match why {
        NotDirect::Pooler(said) => MigrateError::Pooler { location: location(), said },
        NotDirect::Failed(source) => failed(source),
    })?;
    if let Some(zone) = host_zone() {
        let set = sqlx::query("SELECT pg_catalog.set_config('TimeZone', $1, false)").persistent(false).bind(zone);
        // A zone the server does not know leaves the session at UTC.
        match set.execute(&mut connection).await {
            Ok(_) | Err(sqlx::Error::Database(_)) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    // The driver asks for months first; Java's leaves the order to the server.
    let order = sqlx::query(DATE_STYLE).persistent(false).fetch_optional(&mut connection).await;
    let order: Option<String> = match order {
        Ok(row) => row.and_then(|row| row.try_get(0).ok()),
        Err(sqlx::Error::Database(_)) => None,
        Err(error) => return Err(failed(error)),
    };
    if let Some(order) = order.and_then(|style| day_order(&style)) {
        let set = sqlx::query("SELECT pg_catalog.set_config('DateStyle', $1, false)").persistent(false);
        set.bind(format!("ISO, {order}")).execute(&mut connection).await.map_err(failed)?;
    }
    Ok(connection)
}

/// The style in the server's files, where it may be read. What a role or database sets is left out: Java's driver asks for ISO
/// dates, which overrides that, and keeps the order of the files.
const DATE_STYLE: &str = "SELECT f.setting FROM pg_catalog.pg_file_settings f
  WHERE pg_catalog.has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE')
    AND lower(f.name) = 'datestyle' AND f.error IS NULL ORDER BY f.seqno DESC LIMIT 1";

/// The order of day and month in a style such as `SQL, DMY`.
fn day_order(style: &str) -> Option<&'static str> {
    let style = style.to_uppercase();
    let words: Vec<&str> = style.split(',').map(str::trim).collect();
    let orders = [("DMY", "DMY"), ("EURO", "DMY"), ("EUROPEAN", "DMY"), ("YMD", "YMD"), ("GERMAN", "DMY")];
    orders.into_iter().find(|(word, _)| words.contains(word)).map(|(_, order)| order)
}

/// The host's time zone, which Java's driver gives a Flyway session: what `/etc/localtime` points to.
fn host_zone() -> Option<String> {
    let target = std::fs::canonicalize(Path::new("/etc/localtime")).ok()?;
    let (_, zone) = target.to_str()?.split_once("/zoneinfo/")?;
    Some(zone.to_owned())
}
