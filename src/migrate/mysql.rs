//! The MySQL and MariaDB host: Flyway's table and lock, and a journal of statements, because a definition cannot be rolled back.
//!
//! One connection holds the lock and keeps the history; each script runs on a fresh one, so that nothing a script sets reaches
//! the next. A script of rows alone is one transaction with its history row. Any other runs statement by statement: its row is
//! there first, as failed, and `journal` knows which statements are done.
//!
//! A script's session holds a lock of its own. A server goes on with a statement whose client died, and the lock is free only
//! when that statement has ended: until then nobody looks at what it did.

mod connect;
mod course;
mod grants;
mod journal;
mod objects;
mod reads;
mod resume;
mod script;

use sqlx::{AssertSqlSafe, Column, Connection, MySqlConnection, Row as _};

use super::error::MigrateError;
use super::host::{Amendment, Doing, Host, NewRow, Ran, refused};
use super::lock::{java_hash, mysql_name};
use super::placeholders::Connected;
use super::plan::Existing;
use super::prepare::Prepared;
use super::pulse::Pulse;
use super::split::Dialect;
use crate::config::{Database, Migrations};
use crate::fault;
use crate::history::flyway::{Row, Texts};
pub(super) use connect::look;
use connect::{Ours, code, number, quoted, text};
use journal::Journal;

/// How long the server is let wait for a lock before it is asked again, in seconds: as long as Flyway lets it.
const LOCK_WAIT_S: u64 = 10;
/// How often it is asked: 50 s in all, as with the other engines. Flyway asks for ever.
const LOCK_TRIES: u64 = 5;
/// `ER_NO_SUCH_TABLE`.
const NO_SUCH_TABLE: u16 = 1146;
/// `ER_BAD_DB_ERROR`.
const NO_SUCH_DATABASE: u16 = 1049;
/// A history that begins with rows is filled under this name first. What a crash leaves of it is dropped by the next try.
const NEW_HISTORY: &str = "upkeep_new_history";
/// What marks a scratch, in which a release may be applied to nothing: `engine::mysql::ours`.
const SCRATCH_MARK: &str = "upkeep_scratch";
/// What our own connection needs: strings as we write them, no end for want of work while a long script runs, and an hour for a
/// backup tool that on MySQL keeps all definitions of the server waiting (`LOCK INSTANCE FOR BACKUP`).
const SETTINGS: &str =
    "SET SESSION sql_mode = '', SESSION autocommit = ON, SESSION wait_timeout = 604800, SESSION lock_wait_timeout = 3600";

/// One MySQL or MariaDB database.
pub(super) struct MySqlHost<'a> {
    database: &'a Database,
    table: String,
    /// The configured schema, which is a database; once connected, the one in use.
    schema: String,
    mariadb: bool,
    /// Whether the database holds tables whose changes no transaction takes back.
    lasting: bool,
    main: Option<(MySqlConnection, Ours)>,
    pulse: Pulse,
}

impl<'a> MySqlHost<'a> {
    pub(super) fn new(database: &'a Database, settings: &Migrations, pulse: Pulse) -> Self {
        let (table, schema) = (settings.table.clone(), settings.schema.clone());
        Self { database, table, schema, mariadb: false, lasting: false, main: None, pulse }
    }

    async fn main(&mut self) -> Result<&mut MySqlConnection, MigrateError> {
        if self.main.is_none() {
            let (mut connection, own) = connect::connect(self.database, &self.pulse).await?;
            sqlx::raw_sql(SETTINGS).execute(&mut connection).await.doing(|| "set up a session".to_owned())?;
            self.main = Some((connection, own));
        }
        let location = || self.database.location.to_string();
        self.main
            .as_mut()
            .map(|(connection, _)| connection)
            .ok_or_else(|| MigrateError::Worker(format!("connecting to {}", location())))
    }

    /// The table in SQL.
    fn quoted_table(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }

    fn journal(&self) -> Journal {
        Journal::new(&self.schema, &self.table)
    }

    /// The name of the lock that a script's session holds.
    fn script_lock(&self) -> String {
        format!("upkeep-{}", java_hash(&self.schema))
    }

    /// Whether the database holds nothing of anybody's, by Flyway's own question.
    async fn schema_is_empty(&mut self) -> Result<bool, MigrateError> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name NOT IN ('{NEW_HISTORY}', '{SCRATCH_MARK}')) \
             OR EXISTS (SELECT 1 FROM information_schema.routines WHERE routine_schema = DATABASE()) \
             OR EXISTS (SELECT 1 FROM information_schema.triggers WHERE event_object_schema = DATABASE()) \
             OR EXISTS (SELECT 1 FROM information_schema.events WHERE event_schema = DATABASE())"
        );
        let schema = self.schema.clone();
        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(self.main().await?).await;
        Ok(number(&row.doing(|| format!("look whether database {schema} is empty"))?, 0) == Some(0))
    }

    async fn execute_main(&mut self, sql: String, doing: impl FnOnce() -> String) -> Result<(), MigrateError> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.main().await?).await.doing(doing)?;
        Ok(())
    }

    async fn ask(&mut self, sql: String, doing: impl FnOnce() -> String) -> Result<Option<i64>, MigrateError> {
        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(self.main().await?).await.doing(doing)?;
        Ok(number(&row, 0))
    }

    /// Takes a lock by its name on our own connection.
    async fn take(&mut self, name: &str) -> Result<(), MigrateError> {
        let table = self.table();
        for _ in 0..LOCK_TRIES {
            let sql = format!("SELECT GET_LOCK('{name}', {LOCK_WAIT_S})");
            if self.ask(sql, || format!("lock {table}")).await? == Some(1) {
                return Ok(());
            }
        }
        Err(MigrateError::Busy { table, waited_s: LOCK_WAIT_S * LOCK_TRIES })
    }

    /// What the account was granted, one statement each.
    async fn grants(&mut self) -> Result<Vec<String>, MigrateError> {
        let rows = sqlx::raw_sql("SHOW GRANTS").fetch_all(self.main().await?).await;
        let rows = rows.doing(|| "ask what this account may do".to_owned())?;
        Ok(rows.iter().filter_map(|row| text(row, 0)).collect())
    }

    /// Whether a read-only server takes its writes all the same.
    async fn is_super(&mut self) -> Result<bool, MigrateError> {
        let grants = self.grants().await?;
        let any = ["ALL PRIVILEGES ON *.*", "SUPER", "CONNECTION_ADMIN", "READ_ONLY ADMIN", "READ ONLY ADMIN"];
        Ok(grants.iter().any(|grant| any.iter().any(|word| grant.contains(word))))
    }

    /// The table's definition; Flyway names the key on MySQL and not on MariaDB.
    fn definition(&self, table: &str) -> String {
        let constraint =
            if self.mariadb { String::new() } else { format!("CONSTRAINT {} ", quoted(&format!("{}_pk", self.table))) };
        let index = quoted(&format!("{}_s_idx", self.table));
        format!(
            "CREATE TABLE {table} (
    `installed_rank` INT NOT NULL,
    `version` VARCHAR(50),
    `description` VARCHAR(200) NOT NULL,
    `type` VARCHAR(20) NOT NULL,
    `script` VARCHAR(1000) NOT NULL,
    `checksum` INT,
    `installed_by` VARCHAR(100) NOT NULL,
    `installed_on` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    `execution_time` INT NOT NULL,
    `success` BOOL NOT NULL,
    {constraint}PRIMARY KEY (`installed_rank`),
    KEY {index} (`success`)
)"
        )
    }
}

/// Inserts a row on whichever connection is in the right transaction.
async fn insert(connection: &mut MySqlConnection, table: &str, row: &NewRow) -> Result<(), sqlx::Error> {
    let sql = format!(
        "INSERT INTO {table} (`installed_rank`, `version`, `description`, `type`, `script`, `checksum`, `installed_by`, \
         `execution_time`, `success`) VALUES (?, ?, ?, ?, ?, ?, SUBSTRING_INDEX(USER(), '@', 1), ?, ?)"
    );
    let insert = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let insert = insert.bind(row.rank).bind(&row.version).bind(&row.description).bind(row.kind).bind(&row.script);
    insert.bind(row.checksum).bind(row.execution_ms).bind(row.success).execute(connection).await?;
    Ok(())
}

impl Host for MySqlHost<'_> {
    const DIALECT: Dialect = Dialect::MySql;

    fn table(&self) -> String {
        if self.schema.is_empty() { self.table.clone() } else { format!("{}.{}", self.schema, self.table) }
    }

    async fn connected(&mut self) -> Result<Connected, MigrateError> {
        let doing = || "ask who is connected".to_owned();
        let sql = "SELECT DATABASE(), SUBSTRING_INDEX(USER(), '@', 1), VERSION()";
        let row = sqlx::raw_sql(sql).fetch_one(self.main().await?).await.doing(doing)?;
        let database = text(&row, 0).unwrap_or_default();
        if !self.schema.is_empty() && self.schema != database {
            let why = format!(
                "`schema` in `[targets.T.migrations]` names database {}, and the target is {database}; leave it out",
                self.schema
            );
            return Err(MigrateError::History { table: self.table(), why });
        }
        self.schema.clone_from(&database);
        self.mariadb = text(&row, 2).is_some_and(|version| version.contains("MariaDB"));
        Ok(Connected { schema: database.clone(), user: text(&row, 1).unwrap_or_default(), database: Some(database) })
    }

    async fn lock(&mut self) -> Result<(), MigrateError> {
        self.take(&mysql_name(&self.quoted_table())).await?;
        // Free once no statement of a run that died is still at work, here or for another history of this database.
        let script_lock = self.script_lock();
        self.take(&script_lock).await?;
        let journal = self.journal();
        let main = self.main().await?;
        if journal.unfinished(main).await?.is_none() {
            journal.forget(main).await?;
        }
        self.ask(format!("SELECT RELEASE_LOCK('{script_lock}')"), || "let go of a lock".to_owned()).await.map(drop)
    }

    async fn look(&mut self) -> Result<Existing, MigrateError> {
        let table = self.table();
        let doing = || format!("read history table {table}");
        let sql = format!("SELECT * FROM {}", self.quoted_table());
        let rows = match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(self.main().await?).await {
            Err(error) if code(&error) == Some(NO_SUCH_TABLE) => {
                return Ok(if self.schema_is_empty().await? { Existing::Nothing } else { Existing::NoHistory });
            }
            rows => rows.doing(doing)?,
        };
        let named = |row: &sqlx::mysql::MySqlRow| -> Texts {
            row.columns().iter().map(|column| (column.name().to_lowercase(), text(row, column.ordinal()))).collect()
        };
        let texts: Vec<Texts> = rows.iter().map(named).collect();
        let rows = Row::read_all(&texts).map_err(|error| MigrateError::History { table, why: error.to_string() })?;
        Ok(Existing::Rows(rows))
    }

    async fn unfinished(&mut self) -> Result<Option<i64>, MigrateError> {
        let journal = self.journal();
        Ok(journal.unfinished(self.main().await?).await?.map(|unfinished| unfinished.rank))
    }

    /// With rows, under another name first: renaming is one step, so that the table is never there without them.
    async fn create_history(&mut self, first: &[NewRow]) -> Result<(), MigrateError> {
        let (table, shown) = (self.quoted_table(), self.table());
        let doing = || format!("create history table {shown}");
        fault::point("migrate.history.create");
        if first.is_empty() {
            self.execute_main(self.definition(&table), doing).await?;
        } else {
            let new = format!("{}.{}", quoted(&self.schema), quoted(NEW_HISTORY));
            self.execute_main(format!("DROP TABLE IF EXISTS {new}"), doing).await?;
            self.execute_main(self.definition(&new), doing).await?;
            for row in first {
                insert(self.main().await?, &new, row).await.doing(doing)?;
            }
            fault::point("migrate.history.filled");
            self.execute_main(format!("RENAME TABLE {new} TO {table}"), doing).await?;
        }
        fault::point("migrate.history.created");
        Ok(())
    }

    async fn run(&mut self, script: &Prepared, row: &NewRow) -> Result<Ran, MigrateError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() \
            AND table_type = 'BASE TABLE' AND engine NOT IN ('InnoDB', 'ndbcluster', 'ROCKSDB'))";
        self.lasting = self.ask(sql.to_owned(), || "look at the tables' engines".to_owned()).await? == Some(1);
        if script.is_one_transaction() && !self.lasting && self.unfinished().await?.is_none() {
            self.run_in_transaction(script, row).await
        } else {
            self.run_outside(script, row).await
        }
    }

    async fn aside(&mut self, script: &Prepared) -> Result<(), MigrateError> {
        self.run_aside(script).await
    }

    async fn may_write(&mut self) -> Result<(), MigrateError> {
        let (location, schema) = (self.database.location.to_string(), self.schema.clone());
        let doing = || format!("try {location}");
        let may_not = |why: String| MigrateError::MayNot { location: location.clone(), why };
        if matches!(self.look().await?, Existing::Rows(_)) {
            let table = self.quoted_table();
            // Refused before it runs, by a read-only server as by one that misses a privilege; and it inserts nothing.
            let sql = format!("INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0");
            let tried = sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.main().await?).await;
            tried.map_err(|error| refused(location.clone(), error))?;
        } else if self.ask("SELECT @@global.read_only".to_owned(), doing).await? == Some(1) && !self.is_super().await? {
            return Err(may_not("the server is read-only".to_owned()));
        }
        // A definition cannot be tried and taken back here.
        let grants = self.grants().await?;
        if grants::may_define(&grants, &schema) {
            Ok(())
        } else {
            Err(may_not(format!("it has neither CREATE nor ALTER on `{schema}`")))
        }
    }

    async fn tables_named(&mut self, names: &[&str]) -> Result<Vec<(String, Vec<String>)>, MigrateError> {
        let sql = "SELECT t.table_name, c.column_name FROM information_schema.tables t JOIN information_schema.columns c \
            ON c.table_schema = t.table_schema AND c.table_name = t.table_name \
            WHERE t.table_schema = DATABASE() AND t.table_type = 'BASE TABLE' ORDER BY t.table_name, c.ordinal_position";
        let rows = sqlx::raw_sql(sql).fetch_all(self.main().await?).await;
        let rows = rows.doing(|| "look for the histories of other tools".to_owned())?;
        let mut found: Vec<(String, Vec<String>)> = Vec::new();
        for row in &rows {
            let (Some(table), Some(column)) = (text(row, 0), text(row, 1)) else { continue };
            match found.last_mut() {
                Some((last, columns)) if *last == table => columns.push(column),
                _ if names.iter().any(|name| name.eq_ignore_ascii_case(&table)) => found.push((table, vec![column])),
                _ => {}
            }
        }
        Ok(found)
    }

    async fn amend(&mut self, amendments: &[Amendment]) -> Result<(), MigrateError> {
        let (table, shown, journal) = (self.quoted_table(), self.table(), self.journal());
        let doing = || format!("correct history table {shown}");
        let main = self.main().await?;
        let mut transaction = main.begin().await.doing(doing)?;
        for amendment in amendments {
            let sql = match amendment {
                Amendment::Add(row) => {
                    insert(&mut transaction, &table, row).await.doing(doing)?;
                    continue;
                }
                Amendment::Remove(_) => format!("DELETE FROM {table} WHERE `installed_rank` = ?"),
                Amendment::Align { .. } => {
                    format!("UPDATE {table} SET `description` = ?, `type` = ?, `checksum` = ? WHERE `installed_rank` = ?")
                }
            };
            let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
            let query = match amendment {
                Amendment::Align { rank, description, kind, checksum } => {
                    query.bind(description).bind(*kind).bind(checksum).bind(rank)
                }
                Amendment::Remove(rank) => query.bind(rank),
                Amendment::Add(_) => continue,
            };
            query.execute(&mut *transaction).await.doing(doing)?;
        }
        transaction.commit().await.doing(doing)?;
        journal.forget(main).await
    }

    async fn settle(&mut self) -> Result<Vec<String>, MigrateError> {
        let database = match self.main().await {
            Err(MigrateError::Connect { source, .. }) if code(&source) == Some(NO_SUCH_DATABASE) => return Ok(Vec::new()),
            main => sqlx::raw_sql("SELECT DATABASE()").fetch_one(main?).await,
        };
        self.schema = text(&database.doing(|| "ask which database it is".to_owned())?, 0).unwrap_or_default();
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{}'",
            journal::TABLE
        );
        if self.ask(sql, || format!("look for {}", journal::TABLE)).await? == Some(0) {
            return Ok(Vec::new());
        }
        // Only who holds this lock makes the table.
        let script_lock = self.script_lock();
        if self.ask(format!("SELECT GET_LOCK('{script_lock}', 0)"), || "look for a migration under way".to_owned()).await?
            != Some(1)
        {
            return Ok(Vec::new());
        }
        let journal = self.journal();
        let is_dropped = journal.tidy(self.main().await?).await?;
        let line = || format!("database {}: dropped the journal of a migration that had ended", self.schema);
        Ok(is_dropped.then(line).into_iter().collect())
    }

    async fn close(mut self) {
        if let Some((main, _own)) = self.main.take() {
            // Closing ends the session and with it the lock; if this fails the server ends it when it sees the socket gone.
            main.close().await.ok();
        }
    }
}
