//! The SQLite host: Flyway's table; a lock of our own, because Flyway has none here.
//!
//! Each script runs on a fresh connection inside `BEGIN IMMEDIATE`, which is the lock: whoever gets it looks at the history
//! again first. A script that cannot run in a transaction is announced by a "failed" row, which stops every other run.
//! Foreign keys are off, as they are in SQLite itself and in Java's driver; a script that wants them says so.

mod script;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row as _};

use super::error::MigrateError;
use super::host::{Amendment, Doing, Host, INSERT_COLUMNS, NewRow, Ran, TRIED, quoted, refused};
use super::placeholders::Connected;
use super::plan::Existing;
use super::prepare::Prepared;
use super::split::Dialect;
use crate::config::Migrations;
use crate::engine::sqlite::open;
use crate::failure::Explain as _;
use crate::fault;
use crate::history::flyway::{Row, Texts};

/// How long SQLite waits for another writer: as long as Flyway tries elsewhere.
const BUSY_TIMEOUT: Duration = Duration::from_secs(50);
/// How long a try waits for another writer; that there is one says that the file may be written to.
const TRY_FOR: Duration = Duration::from_secs(1);
/// SQLite's only schema that scripts write to.
const SCHEMA: &str = "main";

/// One SQLite file.
///
/// What only asks opens the file for reading and ends nothing that a crash left in it; what changes it is done in the name of the
/// file's owner, or not at all (`engine::sqlite`).
pub(super) struct SqliteHost {
    path: PathBuf,
    table: String,
}

impl SqliteHost {
    pub(super) fn new(path: &Path, settings: &Migrations) -> Self {
        Self { path: path.to_owned(), table: settings.table.clone() }
    }

    async fn connect(&self) -> Result<SqliteConnection, MigrateError> {
        let options = SqliteConnectOptions::new().foreign_keys(false).busy_timeout(BUSY_TIMEOUT).disable_statement_logging();
        open::writing(&self.path, options, BUSY_TIMEOUT).await.map_err(MigrateError::from)
    }

    /// What is there; within a transaction.
    async fn read(&self, main: &mut SqliteConnection) -> Result<Existing, MigrateError> {
        let (name, table) = (self.table.clone(), self.quoted_table());
        let doing = || format!("read history table {name}");
        let columns = columns(&mut *main, &name).await.doing(doing)?;
        if columns.is_empty() {
            let asked = sqlx::query(
                "SELECT count(*) FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
            );
            let asked = asked.persistent(false).fetch_one(&mut *main).await;
            let objects: i64 =
                asked.and_then(|row| row.try_get(0)).doing(|| "look whether the database is empty".to_owned())?;
            return Ok(if objects == 0 { Existing::Nothing } else { Existing::NoHistory });
        }
        let listed: Vec<String> = columns.iter().map(|column| format!("CAST({} AS TEXT)", quoted(column))).collect();
        let sql = format!("SELECT {} FROM {table}", listed.join(", "));
        let rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_all(main).await.doing(doing)?;
        let mut texts = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut named = Texts::new();
            for (index, column) in columns.iter().enumerate() {
                named.insert(column.to_lowercase(), row.try_get(index).doing(doing)?);
            }
            texts.push(named);
        }
        let rows = Row::read_all(&texts).map_err(|error| MigrateError::History { table: name, why: error.to_string() })?;
        Ok(Existing::Rows(rows))
    }

    fn quoted_table(&self) -> String {
        format!("{}.{}", quoted(SCHEMA), quoted(&self.table))
    }

    /// Begins the transaction that is the lock.
    async fn begin(&self, connection: &mut SqliteConnection) -> Result<(), MigrateError> {
        match sqlx::raw_sql("BEGIN IMMEDIATE").execute(connection).await {
            Ok(_) => Ok(()),
            Err(error) if is_busy(&error) => {
                Err(MigrateError::Busy { table: self.table.clone(), waited_s: BUSY_TIMEOUT.as_secs() })
            }
            Err(source) => Err(MigrateError::Sql { doing: format!("lock {}", self.path.display()), source }),
        }
    }
}

/// `SQLITE_BUSY` in any of its extended forms.
fn is_busy(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: i32 = 5;
    let code = error.as_database_error().and_then(|said| said.code()).and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

async fn insert(connection: &mut SqliteConnection, table: &str, row: &NewRow) -> Result<(), sqlx::Error> {
    // Flyway knows no user of a file and writes an empty one.
    let sql = format!("INSERT INTO {table} {INSERT_COLUMNS} VALUES (?, ?, ?, ?, ?, ?, '', ?, ?)");
    let insert = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let insert = insert.bind(row.rank).bind(&row.version).bind(&row.description).bind(row.kind).bind(&row.script);
    insert.bind(row.checksum).bind(row.execution_ms).bind(row.success).execute(connection).await?;
    Ok(())
}

async fn last_rank(connection: &mut SqliteConnection, table: &str) -> Result<Option<i64>, sqlx::Error> {
    let sql = format!(r#"SELECT max("installed_rank") FROM {table}"#);
    sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(connection).await?.try_get(0)
}

/// The history's columns as they are spelt there; none when there is no such table.
async fn columns(connection: &mut SqliteConnection, table: &str) -> Result<Vec<String>, sqlx::Error> {
    let asked = sqlx::query("SELECT name FROM pragma_table_info(?, ?)").persistent(false).bind(table).bind(SCHEMA);
    asked.fetch_all(connection).await?.iter().map(|row| row.try_get(0)).collect()
}

impl Host for SqliteHost {
    const DIALECT: Dialect = Dialect::Sqlite;

    fn table(&self) -> String {
        self.table.clone()
    }

    async fn connected(&mut self) -> Result<Connected, MigrateError> {
        Ok(Connected { schema: SCHEMA.to_owned(), user: String::new(), database: None })
    }

    async fn lock(&mut self) -> Result<(), MigrateError> {
        // Taken per script, in `run`: SQLite has no lock that outlives a transaction.
        Ok(())
    }

    async fn look(&mut self) -> Result<Existing, MigrateError> {
        if !self.path.exists() {
            return Ok(Existing::Nothing);
        }
        let name = self.table.clone();
        let doing = || format!("read history table {name}");
        for _ in 0..open::READINGS {
            let mut opened = open::reading(&self.path, BUSY_TIMEOUT).await?;
            // One transaction, so that what is read belongs to one moment.
            sqlx::raw_sql("BEGIN").execute(&mut opened.connection).await.doing(doing)?;
            let read = self.read(&mut opened.connection).await;
            let ended = sqlx::raw_sql("ROLLBACK").execute(&mut opened.connection).await.doing(doing);
            if opened.close().await? {
                return read.and_then(|existing| ended.map(|_| existing));
            }
        }
        Err(open::restless(&self.path).into())
    }

    async fn create_history(&mut self, first: &[NewRow]) -> Result<(), MigrateError> {
        let (table, name) = (self.quoted_table(), self.table.clone());
        let doing = || format!("create history table {name}");
        let index = quoted(&format!("{name}_s_idx"));
        let create = format!(
            r#"CREATE TABLE {table} (
    "installed_rank" INT NOT NULL PRIMARY KEY,
    "version" VARCHAR(50),
    "description" VARCHAR(200) NOT NULL,
    "type" VARCHAR(20) NOT NULL,
    "script" VARCHAR(1000) NOT NULL,
    "checksum" INT,
    "installed_by" VARCHAR(100) NOT NULL,
    "installed_on" TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f','now')),
    "execution_time" INT NOT NULL,
    "success" BOOLEAN NOT NULL
);
CREATE INDEX "main".{index} ON {} ("success")"#,
            quoted(&name)
        );
        fault::point("migrate.history.create");
        if !self.path.exists() {
            open::create(&self.path).await?;
        }
        let mut connection = self.connect().await?;
        self.begin(&mut connection).await?;
        if columns(&mut connection, &name).await.doing(doing)?.is_empty() {
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await.doing(doing)?;
            for row in first {
                insert(&mut connection, &table, row).await.doing(doing)?;
            }
        }
        sqlx::raw_sql("COMMIT").execute(&mut connection).await.doing(doing)?;
        fault::point("migrate.history.created");
        connection.close().await.doing(doing)
    }

    async fn run(&mut self, script: &Prepared, row: &NewRow) -> Result<Ran, MigrateError> {
        if script.is_one_transaction() {
            self.run_in_transaction(script, row).await
        } else {
            self.run_outside(script, row).await
        }
    }

    async fn aside(&mut self, script: &Prepared) -> Result<(), MigrateError> {
        self.run_aside(script).await
    }

    async fn may_write(&mut self) -> Result<(), MigrateError> {
        let location = format!("sqlite://{}", self.path.display());
        let options = SqliteConnectOptions::new().foreign_keys(false).busy_timeout(TRY_FOR).disable_statement_logging();
        let mut tried = match open::writing(&self.path, options, TRY_FOR).await.map_err(MigrateError::from) {
            Err(error) if error.transient() => return Ok(()),
            tried => tried?,
        };
        let sql = format!("BEGIN IMMEDIATE; CREATE TABLE {SCHEMA}.{TRIED} (x); ROLLBACK");
        let said = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut tried).await;
        tried.close().await.ok();
        match said {
            // The server is at work on it: it may be written to.
            Err(error) if !is_busy(&error) => Err(refused(location, error)),
            _ => Ok(()),
        }
    }

    async fn tables_named(&mut self, names: &[&str]) -> Result<Vec<(String, Vec<String>)>, MigrateError> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        for _ in 0..open::READINGS {
            let mut opened = open::reading(&self.path, BUSY_TIMEOUT).await?;
            let found = named(&mut opened.connection, names).await;
            if opened.close().await? {
                return found;
            }
        }
        Err(open::restless(&self.path).into())
    }

    async fn amend(&mut self, amendments: &[Amendment]) -> Result<(), MigrateError> {
        let (table, name) = (self.quoted_table(), self.table.clone());
        let doing = || format!("correct history table {name}");
        let mut connection = self.connect().await?;
        self.begin(&mut connection).await?;
        for amendment in amendments {
            match amendment {
                Amendment::Add(row) => insert(&mut connection, &table, row).await.doing(doing)?,
                Amendment::Remove(rank) => {
                    let sql = format!(r#"DELETE FROM {table} WHERE "installed_rank" = ?"#);
                    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(rank);
                    query.execute(&mut connection).await.doing(doing)?;
                }
                Amendment::Align { rank, description, kind, checksum } => {
                    let sql = format!(
                        r#"UPDATE {table} SET "description" = ?, "type" = ?, "checksum" = ? WHERE "installed_rank" = ?"#
                    );
                    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
                    let query = query.bind(description).bind(*kind).bind(checksum).bind(rank);
                    query.execute(&mut connection).await.doing(doing)?;
                }
            }
        }
        sqlx::raw_sql("COMMIT").execute(&mut connection).await.doing(doing)?;
        connection.close().await.doing(doing)
    }

    async fn close(self) {
        // Nothing is kept open between two questions.
    }
}

/// The tables of these names, with their columns.
async fn named(connection: &mut SqliteConnection, names: &[&str]) -> Result<Vec<(String, Vec<String>)>, MigrateError> {
    let doing = || "look for the histories of other tools".to_owned();
    let asked = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").persistent(false);
    let rows = asked.fetch_all(&mut *connection).await.doing(doing)?;
    let mut found = Vec::new();
    for row in &rows {
        let name: String = row.try_get(0).doing(doing)?;
        if names.iter().any(|wanted| wanted.eq_ignore_ascii_case(&name)) {
            let columns = columns(connection, &name).await.doing(doing)?;
            found.push((name, columns));
        }
    }
    Ok(found)
}
