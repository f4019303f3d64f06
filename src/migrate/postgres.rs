//! The PostgreSQL host: Flyway's table, lock and search path.
//!
//! One connection holds the lock and keeps the history; scripts run in another session, everything in which is discarded
//! between two of them, so that no `SET` of one reaches the next. The lock is a session lock, and nothing of ours is in a transaction while a script runs outside one:
//! `CREATE INDEX CONCURRENTLY` waits for every older transaction, ours included.
//!
//! sqlx begins each session with `TimeZone=UTC`, `DateStyle=ISO, MDY`. The zone is set to the host's, as Java's driver does for
//! Flyway; the order of day and month is put back to what the server's files say.

mod connect;
mod script;

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Column, Connection, Row as _, ValueRef};

use super::error::MigrateError;
use super::host::{Amendment, Doing, Host, INSERT_COLUMNS, NewRow, Ran, TRIED, quoted, refused};
use super::lock::postgres_key;
use super::placeholders::Connected;
use super::plan::Existing;
use super::prepare::Prepared;
use super::pulse::{Beat, Pulse};
use super::split::Dialect;
use crate::config::{Database, Migrations};
use crate::engine::postgres::literal;
use crate::fault;
use crate::history::flyway::{Row, Texts};
pub(super) use connect::look;
use script::Session;

/// How often a lock that is taken is asked for again. Polling, because a blocking wait is itself a transaction that
/// `CREATE INDEX CONCURRENTLY` of the lock's holder would wait for.
const LOCK_POLL: Duration = Duration::from_millis(200);
/// How often it is asked for: 50 s in all, as long as Flyway tries.
const LOCK_TRIES: u32 = 250;
/// Our own connection is idle while a long statement of a script runs, and the lock goes with it. Not a setting of every server:
/// it came with PostgreSQL 14.
const NEVER_IDLE: &str =
    "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'";

/// One PostgreSQL database.
pub(super) struct PostgresHost<'a> {
    database: &'a Database,
    table: String,
    /// The configured schema; once connected, the one in use.
    schema: String,
    user: String,
    create_schemas: bool,
    main: Option<PgConnection>,
    /// Of our own connection, as long as it lives.
    main_beat: Option<Beat>,
    pulse: Pulse,
    /// The session of the script before, if it may be used again.
    session: Option<Session>,
}

impl<'a> PostgresHost<'a> {
    pub(super) fn new(database: &'a Database, settings: &Migrations, pulse: Pulse) -> Self {
        let (table, schema) = (settings.table.clone(), settings.schema.clone());
        Self {
            database,
            table,
            schema,
            user: String::new(),
            create_schemas: settings.create_schemas,
            main: None,
            main_beat: None,
            pulse,
            session: None,
        }
    }

    async fn main(&mut self) -> Result<&mut PgConnection, MigrateError> {
        if self.main.is_none() {
            let (mut main, beat) = connect::connect(self.database, &self.pulse).await?;
            sqlx::raw_sql(NEVER_IDLE).execute(&mut main).await.doing(|| "set up a session".to_owned())?;
            (self.main, self.main_beat) = (Some(main), Some(beat));
        }
        let location = || self.database.location.to_string();
        self.main.as_mut().ok_or_else(|| MigrateError::Worker(format!("connecting to {}", location())))
    }

    /// The table in SQL.
    fn quoted_table(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }

    async fn schema_exists(&mut self) -> Result<bool, MigrateError> {
        let schema = self.schema.clone();
        let found = sqlx::query("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1").persistent(false).bind(&schema);
        Ok(found.fetch_optional(self.main().await?).await.doing(|| format!("look for schema {schema}"))?.is_some())
    }

    /// Whether the schema holds nothing of anybody's, by Flyway's own question; what extensions bring does not count.
    async fn schema_is_empty(&mut self) -> Result<bool, MigrateError> {
        const OBJECTS: &str = "SELECT EXISTS (
            SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              LEFT JOIN pg_catalog.pg_depend d ON d.objid = c.oid AND d.deptype = 'e'
             WHERE n.nspname = $1 AND d.objid IS NULL AND c.relkind IN ('r', 'v', 'S', 't', 'p', 'm', 'f')
            UNION ALL
            SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
              LEFT JOIN pg_catalog.pg_depend d ON d.objid = t.oid AND d.deptype = 'e'
             WHERE n.nspname = $1 AND d.objid IS NULL AND t.typcategory NOT IN ('A', 'C')
            UNION ALL
            SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
              LEFT JOIN pg_catalog.pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
             WHERE n.nspname = $1 AND d.objid IS NULL)";
        let schema = self.schema.clone();
        let asked = sqlx::query(OBJECTS).persistent(false).bind(&schema).fetch_one(self.main().await?).await;
        let found: bool = asked.and_then(|row| row.try_get(0)).doing(|| format!("look whether schema {schema} is empty"))?;
        Ok(!found)
    }

    /// What is there; within a transaction.
    async fn read(&mut self) -> Result<Existing, MigrateError> {
        let (schema, name, table) = (self.schema.clone(), self.table.clone(), self.table());
        let doing = || format!("read history table {table}");
        let found = sqlx::query(
            "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'f')",
        );
        let found = found.persistent(false).bind(schema).bind(name).fetch_optional(self.main().await?).await.doing(doing)?;
        if found.is_none() {
            return Ok(if self.schema_is_empty().await? { Existing::Nothing } else { Existing::NoHistory });
        }
        // The simple protocol answers in text, whatever types somebody's table has.
        let sql = format!("SELECT * FROM {}", self.quoted_table());
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(self.main().await?).await.doing(doing)?;
        let mut texts = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut named = Texts::new();
            for column in row.columns() {
                let value = row.try_get_raw(column.ordinal()).doing(doing)?;
                let text = if value.is_null() { None } else { value.as_str().ok().map(str::to_owned) };
                named.insert(column.name().to_lowercase(), text);
            }
            texts.push(named);
        }
        let rows = Row::read_all(&texts).map_err(|error| MigrateError::History { table, why: error.to_string() })?;
        Ok(Existing::Rows(rows))
    }

    async fn execute_main(&mut self, sql: String, doing: impl FnOnce() -> String) -> Result<(), MigrateError> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.main().await?).await.doing(doing)?;
        Ok(())
    }
}

/// Inserts a row on whichever connection is in the right transaction.
async fn insert(connection: &mut PgConnection, table: &str, user: &str, row: &NewRow) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(insert_text(table, user, row))).execute(connection).await?;
    Ok(())
}

/// A row's insert as text, for the simple protocol.
fn insert_text(table: &str, user: &str, row: &NewRow) -> String {
    let or_null = |text: Option<String>| text.unwrap_or_else(|| "NULL".to_owned());
    let (version, sum) = (or_null(row.version.as_deref().map(literal)), or_null(row.checksum.map(|sum| sum.to_string())));
    let (description, kind, script) = (literal(&row.description), literal(row.kind), literal(&row.script));
    let NewRow { rank, execution_ms, success, .. } = row;
    let user = literal(user);
    format!(
        "INSERT INTO {table} {INSERT_COLUMNS} \
         VALUES ({rank}, {version}, {description}, {kind}, {script}, {sum}, {user}, {execution_ms}, {success})"
    )
}

impl Host for PostgresHost<'_> {
    const DIALECT: Dialect = Dialect::Postgres;

    fn table(&self) -> String {
        if self.schema.is_empty() { self.table.clone() } else { format!("{}.{}", self.schema, self.table) }
    }

    async fn connected(&mut self) -> Result<Connected, MigrateError> {
        let table = self.table();
        let asked =
            sqlx::query("SELECT current_schema()::text, current_user::text, current_database()::text").persistent(false);
        let row = asked.fetch_one(self.main().await?).await.doing(|| "ask who is connected".to_owned())?;
        let text = |index: usize| row.try_get::<Option<String>, _>(index).doing(|| "ask who is connected".to_owned());
        if self.schema.is_empty() {
            let why = "the connection has no schema; set `schema` in `[targets.T.migrations]`".to_owned();
            self.schema = text(0)?.ok_or(MigrateError::History { table, why })?;
        }
        self.user = text(1)?.unwrap_or_default();
        let database = text(2)?;
        Ok(Connected { schema: self.schema.clone(), user: self.user.clone(), database })
    }

    async fn lock(&mut self) -> Result<(), MigrateError> {
        let (key, table) = (postgres_key(&self.quoted_table()), self.table());
        let main = self.main().await?;
        for _ in 0..LOCK_TRIES {
            let asked = sqlx::query("SELECT pg_try_advisory_lock($1)").persistent(false).bind(key).fetch_one(&mut *main).await;
            let taken: bool = asked.and_then(|row| row.try_get(0)).doing(|| format!("lock {table}"))?;
            if taken {
                return Ok(());
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
        Err(MigrateError::Busy { table, waited_s: (LOCK_POLL * LOCK_TRIES).as_secs() })
    }

    async fn look(&mut self) -> Result<Existing, MigrateError> {
        let table = self.table();
        let doing = || format!("read history table {table}");
        // One snapshot, so that what is read belongs to one moment. Over before any script runs.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        sqlx::raw_sql(begin).execute(self.main().await?).await.doing(doing)?;
        let read = self.read().await;
        let ended = sqlx::raw_sql("ROLLBACK").execute(self.main().await?).await.doing(doing);
        read.and_then(|existing| ended.map(|_| existing))
    }

    async fn create_history(&mut self, first: &[NewRow]) -> Result<(), MigrateError> {
        let (table, user, shown) = (self.quoted_table(), self.user.clone(), self.table());
        let doing = || format!("create history table {shown}");
        let create_schema = if self.schema_exists().await? { None } else { Some(self.schema.clone()) };
        if let Some(schema) = create_schema.as_ref().filter(|_| !self.create_schemas) {
            let why = format!("schema {schema} does not exist, and `create_schemas` is off");
            return Err(MigrateError::History { table: shown, why });
        }
        let (key, index) = (quoted(&format!("{}_pk", self.table)), quoted(&format!("{}_s_idx", self.table)));
        let create = format!(
            r#"CREATE TABLE {table} (
    "installed_rank" INT NOT NULL,
    "version" VARCHAR(50),
    "description" VARCHAR(200) NOT NULL,
    "type" VARCHAR(20) NOT NULL,
    "script" VARCHAR(1000) NOT NULL,
    "checksum" INTEGER,
    "installed_by" VARCHAR(100) NOT NULL,
    "installed_on" TIMESTAMP NOT NULL DEFAULT now(),
    "execution_time" INTEGER NOT NULL,
    "success" BOOLEAN NOT NULL
)"#
        );
        fault::point("migrate.history.create");
        let main = self.main().await?;
        let mut transaction = main.begin().await.doing(doing)?;
        if let Some(schema) = create_schema {
            let sql = format!("CREATE SCHEMA {}", quoted(&schema));
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await.doing(|| format!("create schema {schema}"))?;
            let row = NewRow {
                rank: 0,
                version: None,
                description: "<< Flyway Schema Creation >>".to_owned(),
                kind: "SCHEMA",
                script: quoted(&schema),
                checksum: None,
                execution_ms: 0,
                success: true,
            };
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *transaction).await.doing(doing)?;
            insert(&mut transaction, &table, &user, &row).await.doing(doing)?;
        } else {
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *transaction).await.doing(doing)?;
        }
        for row in first {
            insert(&mut transaction, &table, &user, row).await.doing(doing)?;
        }
        let finish = format!(
            r#"ALTER TABLE {table} ADD CONSTRAINT {key} PRIMARY KEY ("installed_rank"); CREATE INDEX {index} ON {table} ("success")"#
        );
        sqlx::raw_sql(AssertSqlSafe(finish)).execute(&mut *transaction).await.doing(doing)?;
        transaction.commit().await.doing(doing)?;
        fault::point("migrate.history.created");
        Ok(())
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
        let location = self.database.location.to_string();
        let history = matches!(self.look().await?, Existing::Rows(_));
        let schema = if self.schema_exists().await? { Some(quoted(&self.schema)) } else { None };
        let mut tries = vec![match schema {
            Some(schema) => format!("CREATE TABLE {schema}.{TRIED} ()"),
            // It would be made first.
            None => format!("CREATE SCHEMA {}", quoted(&self.schema)),
        }];
        if history {
            let table = self.quoted_table();
            tries.push(format!("INSERT INTO {table} SELECT * FROM {table} WHERE false"));
        }
        sqlx::raw_sql("BEGIN").execute(self.main().await?).await.doing(|| format!("try {location}"))?;
        let mut tried = Ok(());
        for sql in tries {
            tried = sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.main().await?).await.map(drop);
            if tried.is_err() {
                break;
            }
        }
        // Whatever came of it, nothing stays.
        sqlx::raw_sql("ROLLBACK").execute(self.main().await?).await.doing(|| format!("try {location}"))?;
        tried.map_err(|error| refused(location, error))
    }

    async fn tables_named(&mut self, names: &[&str]) -> Result<Vec<(String, Vec<String>)>, MigrateError> {
        let doing = || "look for the histories of other tools".to_owned();
        let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let asked = sqlx::query(
            "SELECT c.relname::text, array_agg(a.attname::text) FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
              WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND pg_catalog.lower(c.relname) = ANY ($2) GROUP BY 1 ORDER BY 1",
        );
        let asked = asked.persistent(false).bind(self.schema.clone()).bind(names);
        let rows = asked.fetch_all(self.main().await?).await.doing(doing)?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, sqlx::Error>>().doing(doing)
    }

    async fn amend(&mut self, amendments: &[Amendment]) -> Result<(), MigrateError> {
        let (table, user, shown) = (self.quoted_table(), self.user.clone(), self.table());
        let doing = || format!("correct history table {shown}");
        let mut transaction = self.main().await?.begin().await.doing(doing)?;
        for amendment in amendments {
            let sql = match amendment {
                Amendment::Add(row) => {
                    insert(&mut transaction, &table, &user, row).await.doing(doing)?;
                    continue;
                }
                Amendment::Remove(_) => format!(r#"DELETE FROM {table} WHERE "installed_rank" = $1"#),
                Amendment::Align { .. } => format!(
                    r#"UPDATE {table} SET "description" = $2, "type" = $3, "checksum" = $4 WHERE "installed_rank" = $1"#
                ),
            };
            let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
            let query = match amendment {
                Amendment::Align { rank, description, kind, checksum } => {
                    query.bind(rank).bind(description).bind(*kind).bind(checksum)
                }
                Amendment::Remove(rank) => query.bind(rank),
                Amendment::Add(_) => continue,
            };
            query.execute(&mut *transaction).await.doing(doing)?;
        }
        transaction.commit().await.doing(doing)
    }

    async fn close(mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
        if let Some(main) = self.main.take() {
            // Closing ends the session and with it the lock; if this fails the server ends it when it sees the socket gone.
            main.close().await.ok();
        }
    }
}
