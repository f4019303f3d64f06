//! Sessions: where a database is, how one connects to it, and what its errors mean.
//!
//! Owns every session of the PostgreSQL engine and the one place that sorts `sqlx::Error`s. Never keeps a connection
//! between two calls of the engine. Invariant: a password travels only in the wire protocol or in a child's environment,
//! never in argv or a message; held by `tests/it/postgres_traps.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::super::relay::Carrier;
use super::super::{EngineError, transport};
use super::direct::{self, MONETARY, NotDirect};
pub(super) use super::said::sqlstate;
use super::said::{NO_MEMORY, code_of, explained, message_of, readable, unreadable};
use crate::archive::manifest::Server;
use crate::config::{Database, Location, Secret};
use crate::failure::Class;

/// How long one attempt to connect may take. A server that is up answers in milliseconds; one that recovers from a crash
/// refuses at once.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// How long one attempt waits for a lock somebody else holds: longer than an ordinary schema change, shorter than anybody's
/// patience.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Databases that every cluster has, in the order tried, for what cannot be done from inside the database itself.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// Where a database is and as whom; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Place {
    inner: Arc<Inner>,
    /// The database's name.
    pub(super) database: String,
    /// How `money` is written in an archive that is loaded, where that is not as every session has it.
    monetary: Option<String>,
}

#[derive(Debug)]
struct Inner {
    host: String,
    port: u16,
    user: String,
    sslmode: String,
    password: Option<Secret>,
    client_bindir: Vec<PathBuf>,
    /// What all of the above was read from.
    configured: Database,
}

impl Place {
    /// The place a configuration names.
    pub(super) fn of(database: &Database) -> Result<Self, EngineError> {
        let Location::Postgres { host, port, user, database: name, sslmode } = &database.location else {
            return Err(EngineError::Unfit(format!("{} is not a PostgreSQL database", database.location)));
        };
        let inner = Inner {
            host: host.clone(),
            port: *port,
            user: user.clone(),
            sslmode: sslmode.clone(),
            password: database.password.clone(),
            client_bindir: database.client_bindir.clone(),
            configured: database.clone(),
        };
        Ok(Self { inner: Arc::new(inner), database: name.clone(), monetary: None })
    }

    /// The same server and role, another database.
    pub(super) fn beside(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }

    /// What a configuration of this place would be.
    pub(super) fn as_database(&self) -> Database {
        let mut database = self.inner.configured.clone();
        if let Location::Postgres { database: name, .. } = &mut database.location {
            name.clone_from(&self.database);
        }
        database
    }

    /// Where its client programs are, before the usual places.
    pub(super) fn client_bindir(&self) -> &[PathBuf] {
        &self.inner.client_bindir
    }

    /// The role.
    pub(super) fn user(&self) -> &str {
        &self.inner.user
    }

    /// The address, without a password.
    pub(super) fn location(&self) -> String {
        let Inner { host, port, user, sslmode, .. } = &*self.inner;
        Location::Postgres {
            host: host.clone(),
            port: *port,
            user: user.clone(),
            database: self.database.clone(),
            sslmode: sslmode.clone(),
        }
        .to_string()
    }

    /// What a libpq program of a major needs to reach the same place, as environment so that no password is in its argv.
    pub(super) fn environment(&self, major: u32) -> BTreeMap<String, String> {
        let Inner { host, port, user, sslmode, password, .. } = &*self.inner;
        let mut variables = BTreeMap::from([
            ("PGHOST".to_owned(), host.clone()),
            ("PGPORT".to_owned(), port.to_string()),
            ("PGUSER".to_owned(), user.clone()),
            ("PGDATABASE".to_owned(), self.database.clone()),
            ("PGAPPNAME".to_owned(), application_name()),
            ("PGOPTIONS".to_owned(), direct::as_environment(major)),
        ]);
        variables.insert("PGSSLMODE".to_owned(), sslmode.clone());
        let Database { location, tls, .. } = &self.inner.configured;
        let options = transport::tls_options(location, tls);
        variables.extend(options.into_iter().map(|(name, value)| (format!("PG{}", name.to_ascii_uppercase()), value)));
        if let Some(password) = password {
            variables.insert("PGPASSWORD".to_owned(), password.reveal().to_owned());
        }
        variables
    }

    /// Connects to the server itself.
    pub(super) async fn connect(&self) -> Result<Session, EngineError> {
        let (database, application) = (self.as_database(), application_name());
        let connecting = tokio::time::timeout(CONNECT_WITHIN, direct::settled(&database, &application));
        let late = || NotDirect::Failed(sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut)));
        let connected = connecting.await.unwrap_or_else(|_| Err(late()));
        let (connection, carrier) = connected.map_err(|why| self.connecting(why))?;
        let mut session = Session { connection, carrier, place: self.clone() };
        if let Some(monetary) = &self.monetary {
            session.run("set up a session", &format!("SET {MONETARY} = {}", literal(monetary))).await?;
        }
        Ok(session)
    }

    /// Connects to look or to read: nobody's lock is waited for long.
    pub(super) async fn connect_to_look(&self) -> Result<Session, EngineError> {
        let mut session = self.connect().await?;
        session.wait_at_most(LOCK_WAIT).await?;
        Ok(session)
    }

    /// The place as an archive is loaded there. One that does not say how `money` is written in it was written as the server's own sessions
    /// write it.
    pub(super) async fn for_archive(&self, server: &Server) -> Self {
        if server.extra.contains_key(MONETARY) {
            return self.clone();
        }
        for name in std::iter::once(self.database.as_str()).chain(MAINTENANCE) {
            let (database, application) = (self.beside(name).as_database(), application_name());
            let own = direct::monetary(&database, &application);
            // Whatever keeps us from asking is met again by the load, and told there.
            if let Ok(Ok(monetary)) = tokio::time::timeout(CONNECT_WITHIN, own).await {
                return Self { monetary: Some(monetary), ..self.clone() };
            }
        }
        self.clone()
    }

    /// The place as every other session has it.
    pub(super) fn as_usual(&self) -> Self {
        Self { monetary: None, ..self.clone() }
    }

    /// Connects, or answers `None` where there is no such database.
    pub(super) async fn connect_if_exists(&self) -> Result<Option<Session>, EngineError> {
        match self.connect().await {
            Err(EngineError::Connect { source, .. }) if code_of(&source).as_deref() == Some(NO_SUCH_DATABASE) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Connects to a database of the same server that is not this one.
    pub(super) async fn connect_to_maintenance(&self) -> Result<Session, EngineError> {
        let mut last = EngineError::Worker("looking for a maintenance database".to_owned());
        for name in MAINTENANCE.iter().filter(|name| **name != self.database) {
            let tried = self.beside(name).connect().await;
            match tried {
                // The same stands in front of every database.
                Ok(_) | Err(EngineError::Pooler { .. }) => return tried,
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn connecting(&self, why: NotDirect) -> EngineError {
        let source = match why {
            NotDirect::Pooler(said) => return EngineError::Pooler { location: self.location(), said },
            NotDirect::Failed(source) => readable(source),
        };
        if let Some(refusal) = transport::refusal(&source) {
            return EngineError::untrusted(self.location(), refusal);
        }
        match code_of(&source).as_deref() {
            Some(code) if code.starts_with("28") => {
                EngineError::Refused { location: self.location(), user: self.inner.user.clone(), source }
            }
            Some(INSUFFICIENT_PRIVILEGE) => EngineError::Privilege {
                user: self.inner.user.clone(),
                what: format!("connect to database {}", self.database),
                grant: format!("GRANT CONNECT ON DATABASE {} TO {};", quote(&self.database), quote(&self.inner.user)),
            },
            Some(TOO_MANY_CONNECTIONS) => EngineError::TurnedAway {
                location: self.location(),
                why: "it has no free connection".to_owned(),
                hint: format!(
                    "try later, or raise what is full: ALTER SYSTEM SET max_connections = …; ALTER ROLE {} CONNECTION LIMIT …; \
                     ALTER DATABASE {} CONNECTION LIMIT …;",
                    quote(&self.inner.user),
                    quote(&self.database)
                ),
                class: Class::TempFail,
                source: Some(source),
            },
            Some(NO_MEMORY) => EngineError::TurnedAway {
                location: self.location(),
                why: "it has no room for the locks or the memory of another session".to_owned(),
                hint: "try later, when others have ended; if that does not help, as a superuser: ALTER SYSTEM SET max_locks_per_transaction = …, to \
                       twice what it is, and restart the database server"
                    .to_owned(),
                class: Class::TempFail,
                source: Some(source),
            },
            _ => EngineError::Connect { location: self.location(), source },
        }
    }

    /// What an error on a session of this place means. `doing` completes "cannot …".
    pub(super) fn sort(&self, doing: &str, source: sqlx::Error) -> EngineError {
        let source = readable(source);
        if let Some(known) = explained(doing, &source) {
            return known;
        }
        match code_of(&source).as_deref() {
            Some(INSUFFICIENT_PRIVILEGE) => EngineError::Privilege {
                user: self.inner.user.clone(),
                what: doing.to_owned(),
                grant: format!("grant what the server misses ({})", message_of(&source)),
            },
            Some(OBJECT_IN_USE) => EngineError::InUse { location: self.location(), sessions: vec![message_of(&source)] },
            Some(code) if code.starts_with("08") || code.starts_with("57P") => {
                EngineError::Lost { location: self.location(), doing: doing.to_owned(), source }
            }
            None if !matches!(source, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
                EngineError::Lost { location: self.location(), doing: doing.to_owned(), source }
            }
            _ => EngineError::Sql { doing: doing.to_owned(), source },
        }
    }
}

/// SQLSTATE `invalid_catalog_name`.
const NO_SUCH_DATABASE: &str = "3D000";
/// SQLSTATE `too_many_connections`: the server's, the database's or the role's.
const TOO_MANY_CONNECTIONS: &str = "53300";
/// SQLSTATE `insufficient_privilege`.
const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// SQLSTATE `object_in_use`.
const OBJECT_IN_USE: &str = "55006";

/// The name our sessions carry, the engine's and a migration's; with our pid, so that a survey does not count us but does count
/// another upkeep.
#[must_use]
pub fn application_name() -> String {
    format!("upkeep[{}]", std::process::id())
}

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    /// The wire, for `COPY`; after an error of a `COPY` the session is only good for [`Session::abandon`].
    pub(super) connection: PgConnection,
    carrier: Option<Carrier>,
    place: Place,
}

impl Session {
    /// Where it is connected to.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Bounds how long each lock is waited for; zero is no bound.
    pub(super) async fn wait_at_most(&mut self, wait: Duration) -> Result<(), EngineError> {
        self.run("bound the wait for locks", &format!("SET lock_timeout = {}", wait.as_millis())).await
    }

    /// Runs one or more statements. `doing` completes "cannot …".
    pub(super) async fn run(&mut self, doing: &str, sql: &str) -> Result<(), EngineError> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection).await;
        done.map(drop).map_err(|source| self.place.sort(doing, source))
    }

    /// Runs a query and gives all its rows.
    pub(super) async fn rows(&mut self, doing: &str, sql: &str) -> Result<Vec<PgRow>, EngineError> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.connection).await;
        rows.map_err(|source| unreadable(doing, &source).unwrap_or_else(|| self.place.sort(doing, source)))
    }

    /// Runs a query whose answer is one text, or none.
    pub(super) async fn text(&mut self, doing: &str, sql: &str) -> Result<Option<String>, EngineError> {
        let rows = self.rows(doing, sql).await?;
        rows.first().map_or(Ok(None), |row| self.cell(doing, row, 0))
    }

    /// Runs a query whose answer is one truth; nothing or NULL is false.
    pub(super) async fn truth(&mut self, doing: &str, sql: &str) -> Result<bool, EngineError> {
        let rows = self.rows(doing, sql).await?;
        rows.first().map_or(Ok(None), |row| self.cell::<Option<bool>>(doing, row, 0)).map(|truth| truth.unwrap_or(false))
    }

    /// One value of a row.
    pub(super) fn cell<T>(&self, doing: &str, row: &PgRow, column: usize) -> Result<T, EngineError>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        row.try_get(column).map_err(|source| self.place.sort(doing, source))
    }

    /// What the connection is worth, where it is under TLS.
    pub(super) fn worth(&self) -> Option<String> {
        self.carrier.as_ref().and_then(Carrier::worth)
    }

    /// Says goodbye. An error here changes nothing: the server ends the session with the socket.
    pub(super) async fn close(self) {
        self.connection.close().await.ok();
        if let Some(carrier) = self.carrier {
            carrier.ended().await;
        }
    }

    /// Drops the socket without a word, for a session in the middle of a broken `COPY`.
    pub(super) async fn abandon(self) {
        self.connection.close_hard().await.ok();
    }
}

/// An identifier, quoted.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal, whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}
