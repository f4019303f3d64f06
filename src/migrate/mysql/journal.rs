//! What is known of a script whose statements cannot be one transaction: begun, and which of its statements are done.
//!
//! Owns the table beside the history, made before such a script and dropped after it. Invariant: marks count only for the very
//! row of the history that was written with them; a row that anybody wrote since has none. Marks hold digits and digests
//! alone, so that they can be written in any session a script has made of its own.

use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

use super::connect::{code, number, quoted, text};
use super::resume::Mark;
use super::{NO_SUCH_TABLE, insert};
use crate::fault;
use crate::migrate::error::MigrateError;
use crate::migrate::host::{Doing, NewRow};
use crate::migrate::lock::java_hash;

/// The table's name. The engine leaves it out of what it compares and archives.
pub(super) const TABLE: &str = "upkeep_migration_progress";

/// The journal of one history table.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    /// Our table, qualified.
    pub(super) table: String,
    /// The history table, qualified.
    history: String,
    /// Which history its rows are about.
    key: i32,
}

/// A script that was begun and is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfinished {
    /// The rank of its row.
    pub(super) rank: i64,
    /// Its marks, by number.
    pub(super) marks: Vec<Mark>,
}

impl Journal {
    pub(super) fn new(schema: &str, history: &str) -> Self {
        let qualified = |name| format!("{}.{}", quoted(schema), quoted(name));
        Self { table: qualified(TABLE), history: qualified(history), key: java_hash(history) }
    }

    /// The script that was begun and not finished, if its row is still the one that was written then.
    pub(super) async fn unfinished(&self, main: &mut MySqlConnection) -> Result<Option<Unfinished>, MigrateError> {
        let Self { table, history, key } = self;
        let doing = || format!("read {TABLE}");
        let sql = format!(
            "SELECT p.installed_rank, p.statement, p.state, p.digest, p.seen FROM {table} p \
             JOIN {table} head ON head.history = p.history AND head.installed_rank = p.installed_rank AND head.statement = 0 \
             JOIN {history} h ON h.installed_rank = head.installed_rank AND h.success = 0 \
              AND CAST(head.seen AS UNSIGNED) = UNIX_TIMESTAMP(h.installed_on) \
             WHERE p.history = {key} ORDER BY p.installed_rank DESC, p.statement"
        );
        let rows = match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(main).await {
            Err(error) if code(&error) == Some(NO_SUCH_TABLE) => return Ok(None),
            rows => rows.doing(doing)?,
        };
        let Some(rank) = rows.first().and_then(|row| number(row, 0)) else { return Ok(None) };
        let marks = rows.iter().filter(|row| number(row, 0) == Some(rank)).filter_map(|row| {
            let statement = usize::try_from(number(row, 1)?).ok().filter(|statement| *statement > 0)?;
            let (done, digest) = (text(row, 2).as_deref() == Some("done"), text(row, 3)?);
            Some(Mark { number: statement, digest, done, seen: text(row, 4) })
        });
        Ok(Some(Unfinished { rank, marks: marks.collect() }))
    }

    /// Writes the intent: the row of the history, as failed, and with it the first row of ours.
    pub(super) async fn begin(&self, main: &mut MySqlConnection, row: &NewRow) -> Result<(), MigrateError> {
        let Self { table, history, key } = self;
        let doing = || format!("record that {} begins", row.script);
        fault::point("migrate.journal.create");
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {table} (history INT NOT NULL, installed_rank INT NOT NULL, statement INT NOT NULL, \
             state VARCHAR(8) NOT NULL, digest CHAR(64) NOT NULL, seen VARCHAR(64), \
             PRIMARY KEY (history, installed_rank, statement)) ENGINE = InnoDB DEFAULT CHARACTER SET ascii"
        );
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *main).await.doing(doing)?;
        fault::point("migrate.journal.created");
        let mut transaction = main.begin().await.doing(doing)?;
        let clear = format!("DELETE FROM {table} WHERE history = {key}");
        sqlx::raw_sql(AssertSqlSafe(clear)).execute(&mut *transaction).await.doing(doing)?;
        insert(&mut transaction, history, row).await.doing(doing)?;
        let head = format!(
            "INSERT INTO {table} (history, installed_rank, statement, state, digest, seen) \
             SELECT {key}, installed_rank, 0, 'begun', '', CAST(UNIX_TIMESTAMP(installed_on) AS CHAR) \
               FROM {history} WHERE installed_rank = {}",
            row.rank
        );
        sqlx::raw_sql(AssertSqlSafe(head)).execute(&mut *transaction).await.doing(doing)?;
        transaction.commit().await.doing(doing)?;
        fault::point("migrate.outside.begun");
        Ok(())
    }

    /// The statement that notes that a statement was begun, or is done.
    pub(super) fn mark(&self, rank: i64, mark: &Mark) -> String {
        let Self { table, key, .. } = self;
        let (state, digest, statement) = (if mark.done { "done" } else { "begun" }, &mark.digest, mark.number);
        let seen = mark.seen.as_ref().map_or("NULL".to_owned(), |seen| format!("'{seen}'"));
        format!(
            "INSERT INTO {table} (history, installed_rank, statement, state, digest, seen) \
             VALUES ({key}, {rank}, {statement}, '{state}', '{digest}', {seen}) \
             ON DUPLICATE KEY UPDATE state = '{state}', digest = '{digest}', seen = {seen}"
        )
    }

    /// The statement that takes back that a statement was begun.
    pub(super) fn unmark(&self, rank: i64, statement: usize) -> String {
        let Self { table, key, .. } = self;
        format!(
            "DELETE FROM {table} WHERE history = {key} AND installed_rank = {rank} AND statement = {statement} AND state = 'begun'"
        )
    }

    /// Turns the row to success, or removes it when nothing took effect; the marks go with it. Then the table goes.
    pub(super) async fn end(&self, main: &mut MySqlConnection, rank: i64, row: Option<&NewRow>) -> Result<(), MigrateError> {
        let Self { table, history, key } = self;
        let doing = || format!("record the script of rank {rank}");
        fault::point("migrate.outside.ran");
        let mut transaction = main.begin().await.doing(doing)?;
        match row {
            Some(row) => {
                let sql = format!(
                    "UPDATE {history} SET version = ?, description = ?, type = ?, script = ?, checksum = ?, execution_time = ?, \
                     success = 1 WHERE installed_rank = ?"
                );
                let update = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(&row.version).bind(&row.description);
                let update = update.bind(row.kind).bind(&row.script).bind(row.checksum).bind(row.execution_ms).bind(rank);
                let updated = update.execute(&mut *transaction).await.doing(doing)?;
                // Somebody removed it meanwhile.
                if updated.rows_affected() == 0 {
                    let row = NewRow { rank: i32::try_from(rank).unwrap_or(row.rank), ..row.clone() };
                    insert(&mut transaction, history, &row).await.doing(doing)?;
                }
            }
            None => {
                let sql = format!("DELETE FROM {history} WHERE installed_rank = {rank} AND success = 0");
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await.doing(doing)?;
            }
        }
        let clear = format!("DELETE FROM {table} WHERE history = {key}");
        sqlx::raw_sql(AssertSqlSafe(clear)).execute(&mut *transaction).await.doing(doing)?;
        transaction.commit().await.doing(doing)?;
        // Whoever dies here leaves an empty table, which no archive and no shape holds and whoever settles drops.
        fault::point("migrate.journal.ended");
        self.tidy(main).await?;
        fault::point("migrate.journal.dropped");
        Ok(())
    }

    /// Drops the table when it holds nothing of use: no script is under way, here or in another history. Says whether it did.
    pub(super) async fn tidy(&self, main: &mut MySqlConnection) -> Result<bool, MigrateError> {
        let doing = || format!("drop {TABLE}");
        let sql = format!("SELECT COUNT(*) FROM {}", self.table);
        let count = match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut *main).await {
            Err(error) if code(&error) == Some(NO_SUCH_TABLE) => return Ok(false),
            row => number(&row.doing(doing)?, 0),
        };
        if count != Some(0) {
            return Ok(false);
        }
        let sql = format!("DROP TABLE IF EXISTS {}", self.table);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(main).await.doing(doing)?;
        Ok(true)
    }

    /// Forgets what was known of the scripts of this history, after the history itself was corrected.
    pub(super) async fn forget(&self, main: &mut MySqlConnection) -> Result<(), MigrateError> {
        let sql = format!("DELETE FROM {} WHERE history = {}", self.table, self.key);
        match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *main).await {
            Err(error) if code(&error) == Some(NO_SUCH_TABLE) => return Ok(()),
            done => {
                done.doing(|| format!("clear {TABLE}"))?;
            }
        }
        self.tidy(main).await.map(drop)
    }
}
