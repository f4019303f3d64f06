//! How a comparison sees what is in a database: through a connection of its own that stays open.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Row, ValueRef};
use tokio::runtime::{Builder, Runtime};
use upkeep::config::{Database, Location};

/// One database's.
pub(super) struct Eyes {
    runtime: Runtime,
    see: RefCell<See>,
}

enum See {
    Postgres(PgConnection),
    MySql(MySqlConnection),
    Sqlite(PathBuf),
}

impl Eyes {
    pub(super) fn on(database: &Database) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let see = runtime.block_on(async {
            match &database.location {
                Location::Postgres { host, user, database, .. } => {
                    let options = sqlx::postgres::PgConnectOptions::new_without_pgpass().socket(host).username(user);
                    See::Postgres(PgConnection::connect_with(&options.database(database)).await.unwrap())
                }
                Location::MySql { host, user, database, .. } => {
                    let options = sqlx::mysql::MySqlConnectOptions::new().socket(host).username(user).database(database);
                    let options = options.ssl_mode(sqlx::mysql::MySqlSslMode::Disabled);
                    See::MySql(MySqlConnection::connect_with(&options).await.unwrap())
                }
                Location::Sqlite { path } => See::Sqlite(path.clone()),
            }
        });
        Self { runtime, see: RefCell::new(see) }
    }

    /// Rows as text, their columns joined by `|`; nothing for NULL.
    #[track_caller]
    pub(super) fn rows(&self, sql: &str) -> Vec<String> {
        let run = AssertSqlSafe(sql.to_owned());
        // The simple protocol answers in text, whatever the types.
        match &mut *self.see.borrow_mut() {
            See::Postgres(connection) => {
                let rows = self.runtime.block_on(sqlx::raw_sql(run).fetch_all(connection));
                let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
                let text = |row: &PgRow, index| match row.try_get_raw(index).unwrap() {
                    value if value.is_null() => String::new(),
                    value => value.as_str().unwrap().to_owned(),
                };
                rows.iter().map(|row| joined(row.len(), |index| text(row, index))).collect()
            }
            See::MySql(connection) => {
                let rows = self.runtime.block_on(sqlx::raw_sql(run).fetch_all(connection));
                let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
                let text = |row: &MySqlRow, index| {
                    let value: Option<Vec<u8>> = row.try_get_unchecked(index).unwrap();
                    String::from_utf8(value.unwrap_or_default()).unwrap()
                };
                rows.iter().map(|row| joined(row.len(), |index| text(row, index))).collect()
            }
            See::Sqlite(path) => sqlite(path, sql),
        }
    }
}

fn joined(columns: usize, text: impl Fn(usize) -> String) -> String {
    (0..columns).map(text).collect::<Vec<_>>().join("|")
}

fn sqlite(path: &Path, sql: &str) -> Vec<String> {
    let output = Command::new("sqlite3").arg("-batch").arg(path).arg(sql).output().unwrap();
    assert!(output.status.success(), "sqlite3: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
