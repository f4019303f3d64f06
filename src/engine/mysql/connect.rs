//! Sessions: how one connects to a database.
//!
//! Owns every connection of the MySQL engine and the settings each begins with. Never keeps a connection between two calls of the
//! engine. Invariant: a password travels only in the wire protocol.

use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row};

use super::super::EngineError;
use super::super::relay::Carrier;
use super::errors::{NO_SUCH_DATABASE, number_of_error};
use super::flavour::Version;
use super::login;
use super::packets::CONNECT_WITHIN;
pub(super) use super::place::{Place, literal, quote};
use super::sessions::Own;

/// What every session begins with, whichever the server. No wait of the server for us is cut short (a slow disk slows us
/// down, it does not end us); strings and times are what is stored; nothing that the administrator set for applications
/// changes what we read or write. A lock that others hold is waited for by a bound, in seconds.
const SETTINGS: &str = "SET NAMES utf8mb4, SESSION time_zone = '+00:00', SESSION sql_mode = '', SESSION autocommit = ON, \
    SESSION completion_type = 'NO_CHAIN', SESSION sql_quote_show_create = ON, SESSION sql_select_limit = 18446744073709551615, \
    SESSION sql_big_selects = ON, SESSION sql_safe_updates = OFF, SESSION wait_timeout = 604800, \
    SESSION net_write_timeout = 86400, SESSION net_read_timeout = 86400, SESSION lock_wait_timeout = 10, \
    SESSION group_concat_max_len = 1048576";

impl Place {
    /// Connects to the database.
    pub(super) async fn connect(&self) -> Result<Session, EngineError> {
        self.open(Some(&self.database)).await
    }

    /// Connects to the database, or answers `None` where there is none of this name.
    pub(super) async fn connect_if_exists(&self) -> Result<Option<Session>, EngineError> {
        match self.connect().await {
            Err(error) if number_of_error(&error) == Some(NO_SUCH_DATABASE) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Connects to the server, with no database chosen.
    pub(super) async fn connect_to_server(&self) -> Result<Session, EngineError> {
        self.open(None).await
    }

    async fn open(&self, database: Option<&str>) -> Result<Session, EngineError> {
        let failed = |source| self.connecting(source);
        let configured = self.configured();
        // Names of character sets come in one statement of our own.
        let connecting = Box::pin(login::connect(&configured, database, |options| options.set_names(false)));
        let connecting = tokio::time::timeout(CONNECT_WITHIN, connecting);
        let late = || sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let logged = connecting.await.map_err(|_| failed(late()))?.map_err(failed)?;
        Session::begin(logged, self.clone()).await
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    /// The wire, for rows; in the middle of an answer the session is only good for [`Session::abandon`].
    pub(super) connection: MySqlConnection,
    place: Place,
    /// Which server it is.
    pub(super) version: Version,
    /// The longest statement the server takes.
    pub(super) max_packet: u64,
    carrier: Option<Carrier>,
    _own: Own,
}

impl Session {
    async fn begin((mut connection, carrier): login::Logged, place: Place) -> Result<Self, EngineError> {
        let sql = "SELECT VERSION(), @@version_comment, CAST(CONNECTION_ID() AS CHAR), CAST(@@max_allowed_packet AS CHAR), CURRENT_USER()";
        let row = sqlx::raw_sql(sql).fetch_one(&mut connection).await;
        let row = row.map_err(|source| place.sort("ask the server what it is", source))?;
        let text = |column: usize| text_of(&row, column).unwrap_or_default();
        let unknown = || EngineError::Unfit(format!("{} is neither MySQL nor MariaDB but {}", place.location(), text(0)));
        let version = Version::of(&text(0), &text(1)).ok_or_else(unknown)?;
        let too_old = |oldest| {
            let name = version.name();
            EngineError::Unfit(format!("{} is {name} {}; {oldest} is the oldest spoken to", place.location(), version.text))
        };
        version.demand_supported().map_err(too_old)?;
        place.inner.account.get_or_init(|| text(4));
        let (id, max_packet) = (text(2).parse().unwrap_or(0), text(3).parse().unwrap_or(1 << 20));
        let _own = Own::begin(&place.inner.host, place.inner.port, id);
        let mut session = Self { connection, place, version, max_packet, carrier, _own };
        let own = session.version.settings().iter().map(|setting| format!(", SESSION {setting}")).collect::<String>();
        let settings = format!("{SETTINGS}{own}; SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
        session.run("set up a session", &settings).await?;
        Ok(session)
    }

    /// Where it is connected to.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Runs one or more statements. `doing` completes "cannot …".
    pub(super) async fn run(&mut self, doing: &str, sql: &str) -> Result<(), EngineError> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection).await;
        done.map(drop).map_err(|source| self.place.sort(doing, source))
    }

    /// From here on the server makes, and moves, what it let stand elsewhere, as far as this account may ask for that.
    pub(super) async fn be_lenient(&mut self) -> Result<(), EngineError> {
        for leniency in self.version.leniencies() {
            match self.run("set up a session", &format!("SET SESSION {leniency}")).await {
                Err(EngineError::Privilege { .. }) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// From here on changes of definitions wait an hour for their locks. On MySQL a backup tool may keep all of them waiting until it
    /// is done (`LOCK INSTANCE FOR BACKUP`): it must delay a restore, and not fail it. A dump of ours does so for a moment only.
    pub(super) async fn wait_for_backups(&mut self) -> Result<(), EngineError> {
        self.run("set up a session", "SET SESSION lock_wait_timeout = 3600").await
    }

    /// Runs a query and gives all its rows. For what is small.
    pub(super) async fn rows(&mut self, doing: &str, sql: &str) -> Result<Vec<MySqlRow>, EngineError> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.connection).await;
        rows.map_err(|source| self.place.sort(doing, source))
    }

    /// Runs a query and gives every value of every row as text, whatever its type.
    pub(super) async fn texts(&mut self, doing: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, EngineError> {
        let rows = self.rows(doing, sql).await?;
        Ok(rows.iter().map(|row| (0..row.len()).map(|column| text_of(row, column)).collect()).collect())
    }

    /// Runs a query whose answer is one text, or none.
    pub(super) async fn text(&mut self, doing: &str, sql: &str) -> Result<Option<String>, EngineError> {
        let rows = self.rows(doing, sql).await?;
        Ok(rows.first().and_then(|row| text_of(row, 0)))
    }

    /// Runs a query whose answer is one number; nothing, NULL and what is no number are 0.
    pub(super) async fn number(&mut self, doing: &str, sql: &str) -> Result<u64, EngineError> {
        Ok(self.text(doing, sql).await?.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// Says goodbye. An error here changes nothing: the server ends the session with the socket.
    pub(super) async fn close(self) {
        self.connection.close().await.ok();
        if let Some(carrier) = self.carrier {
            carrier.ended().await;
        }
    }

    /// What the connection is worth, where it is under TLS.
    pub(super) fn worth(&self) -> Option<String> {
        self.carrier.as_ref().and_then(Carrier::worth)
    }

    /// Drops the socket without a word, for a session in the middle of an answer. The server notices when it next writes.
    pub(super) async fn abandon(self) {
        self.connection.close_hard().await.ok();
    }
}

/// A value of a text answer as it came, if it is not NULL; bytes that are no UTF-8 are shown as such.
pub(super) fn text_of(row: &MySqlRow, column: usize) -> Option<String> {
    bytes_of(row, column).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// The bytes of a value of a text answer, if it is not NULL.
pub(super) fn bytes_of(row: &MySqlRow, column: usize) -> Option<&[u8]> {
    row.try_get_unchecked::<Option<&[u8]>, _>(column).ok().flatten()
}

#[cfg(test)]
mod tests;
