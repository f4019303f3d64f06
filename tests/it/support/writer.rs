//! Somebody who connects, commits one row and leaves, again and again, and remembers what was acknowledged.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection, Executor as _, Row as _};

use super::engines::{Db, Home};

/// How long one row may take: a server that is held up answers nobody.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between two rows.
const PACE: Duration = Duration::from_millis(20);

/// The one who writes; ends with [`Writer::end`].
pub(crate) struct Writer {
    stop: Sender<()>,
    thread: JoinHandle<BTreeSet<String>>,
}

/// How somebody else comes in.
#[derive(Clone)]
enum Door {
    Sqlite(PathBuf),
    Postgres(PgConnectOptions),
    MySql(MySqlConnectOptions),
}

impl Door {
    fn of(home: &Home) -> Self {
        match home.db {
            Db::Sqlite => Self::Sqlite(home.file().to_owned()),
            Db::Postgres(cluster) => Self::Postgres(
                PgConnectOptions::new_without_pgpass()
                    .socket(&cluster.socket_dir)
                    .username(&cluster.superuser)
                    .ssl_mode(PgSslMode::Disable)
                    .database(&home.name),
            ),
            Db::MySql(server) => Self::MySql(
                MySqlConnectOptions::new()
                    .socket(&server.socket)
                    .username("root")
                    .ssl_mode(MySqlSslMode::Disabled)
                    .database(&home.name),
            ),
        }
    }

    /// Connects, commits, leaves. `Ok` is said only for what the server acknowledged.
    async fn write(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = || sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_millis(500));
                let mut connection = options.connect().await?;
                connection.execute(sql()).await?;
                connection.close().await
            }
            Self::Postgres(options) => {
                let mut connection = options.connect().await?;
                connection.execute(sql()).await?;
                // What was acknowledged is acknowledged, however the farewell goes.
                connection.close().await.or(Ok(()))
            }
            Self::MySql(options) => {
                let mut connection = options.connect().await?;
                connection.execute(sql()).await?;
                connection.close().await.or(Ok(()))
            }
        }
    }

    async fn read(&self, sql: &str) -> Result<BTreeSet<String>, sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        Ok(match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE);
                let mut connection = options.connect().await?;
                connection.fetch_all(sql).await?.iter().map(|row| row.get(0)).collect()
            }
            Self::Postgres(options) => options.connect().await?.fetch_all(sql).await?.iter().map(|row| row.get(0)).collect(),
            Self::MySql(options) => options.connect().await?.fetch_all(sql).await?.iter().map(|row| row.get(0)).collect(),
        })
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

impl Writer {
    /// Begins to write notes, each with a text of its own.
    pub(crate) fn begin(home: &Home) -> Self {
        let (stop, stopped) = channel::<()>();
        let door = Door::of(home);
        let thread = std::thread::spawn(move || {
            let (runtime, mut written) = (runtime(), BTreeSet::new());
            // The place of a row in time: no two writers of a database share one.
            let first = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() % 1_000_000_000;
            for number in first.. {
                let row = format!("token-{number}.");
                let sql = format!("INSERT INTO note (id, body) VALUES ({}, '{row}')", number + 1_000);
                let tried = runtime.block_on(async { tokio::time::timeout(PATIENCE, door.write(&sql)).await });
                if matches!(tried, Ok(Ok(()))) {
                    written.insert(row);
                }
                if stopped.recv_timeout(PACE).is_ok() {
                    break;
                }
            }
            written
        });
        Self { stop, thread }
    }

    /// Connects, commits one row and leaves; whether that was acknowledged.
    pub(crate) fn once(home: &Home, id: i64, row: &str) -> bool {
        let (door, sql) = (Door::of(home), format!("INSERT INTO note (id, body) VALUES ({id}, '{row}')"));
        // Whoever is kept out by a lock is so for as long as the test holds it up.
        let tried = runtime().block_on(async { tokio::time::timeout(PATIENCE / 10, door.write(&sql)).await });
        matches!(tried, Ok(Ok(())))
    }

    /// Ends, and says what was acknowledged.
    pub(crate) fn end(self) -> BTreeSet<String> {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap()
    }

    /// The texts of all notes.
    pub(crate) fn rows(home: &Home) -> BTreeSet<String> {
        runtime().block_on(Door::of(home).read("SELECT body FROM note")).unwrap()
    }
}
