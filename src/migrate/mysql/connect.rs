//! A session that means to a script what Flyway's would.

use std::collections::BTreeSet;

use sqlx::mysql::{MySqlDatabaseError, MySqlRow};
use sqlx::{Connection as _, MySqlConnection, Row as _};

use crate::config::{Database, Location};
use crate::engine::mysql::login;
use crate::engine::mysql::sessions::Own;
use crate::migrate::error::MigrateError;
use crate::migrate::host::Doing as _;
use crate::migrate::pulse::{self, Beat, Pulse};

/// As long as it lives, nobody takes the session for a stranger's, and somebody looks whether the server still knows it.
#[derive(Debug)]
pub(super) struct Ours {
    _own: Own,
    _beat: Beat,
}

/// Connects with nothing changed but the character set, which is the one the scripts are in.
pub(super) async fn connect(database: &Database, pulse: &Pulse) -> Result<(MySqlConnection, Ours), MigrateError> {
    pulse::within(database, open(database, pulse)).await
}

/// The numbers of the sessions that the server knows, as far as it shows them: our own always.
pub(in crate::migrate) async fn look(database: &Database) -> Result<BTreeSet<i64>, MigrateError> {
    pulse::within(database, async {
        let (mut connection, _ours) = open(database, &Pulse::default()).await?;
        let listed = sqlx::raw_sql("SHOW PROCESSLIST").fetch_all(&mut connection).await;
        let listed = listed.doing(|| "list the sessions".to_owned())?;
        connection.close().await.ok();
        Ok(listed.iter().filter_map(|row| number(row, 0)).collect())
    })
    .await
}

async fn open(database: &Database, pulse: &Pulse) -> Result<(MySqlConnection, Ours), MigrateError> {
    let failed = |source| MigrateError::connecting(database, source);
    let Location::MySql { host, port, database: name, .. } = &database.location else {
        return Err(MigrateError::Worker("connecting to MySQL".to_owned()));
    };
    // What carries the connection ends with it.
    let (mut connection, _) = Box::pin(login::connect(database, Some(name), |options| options)).await.map_err(failed)?;
    // The driver announces itself as one that ignores spaces, and the server adds that mode; a stored program would keep it.
    sqlx::raw_sql("SET SESSION sql_mode = @@GLOBAL.sql_mode").execute(&mut connection).await.map_err(failed)?;
    let id = sqlx::raw_sql("SELECT CAST(CONNECTION_ID() AS CHAR)").fetch_one(&mut connection).await.map_err(failed)?;
    let id = number(&id, 0).unwrap_or(0);
    let own = Own::begin(host, *port, id.try_into().unwrap_or(0));
    Ok((connection, Ours { _own: own, _beat: pulse.begin(id) }))
}

/// A value of a text answer, if it is not NULL.
pub(super) fn text(row: &MySqlRow, column: usize) -> Option<String> {
    let bytes = row.try_get_unchecked::<Option<&[u8]>, _>(column).ok().flatten()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// A whole number of a text answer.
pub(super) fn number(row: &MySqlRow, column: usize) -> Option<i64> {
    text(row, column)?.parse().ok()
}

/// The number of an error that the server reported.
pub(super) fn code(error: &sqlx::Error) -> Option<u16> {
    error.as_database_error().and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>()).map(MySqlDatabaseError::number)
}

/// A name in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
