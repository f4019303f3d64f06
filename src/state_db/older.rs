//! A state database that an older upkeep made, read before whoever takes the lock has brought it up to date.
//!
//! Owns a copy in memory with the tables of today; the file is only read. Invariants: what is in the copy is what
//! [`super::StateDb::open`] would make of the file; all of it is of one moment; held by the tests beside `state_db`.

use std::collections::BTreeSet;
use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool};
use sqlx::{AssertSqlSafe, Connection as _};

use super::{BUSY, StateError, pool_options};

/// The copy, where tables of today are missing in the file; none where there is nothing to be brought up to date.
pub(super) async fn brought_up(file: &SqlitePool, path: &Path) -> Result<Option<SqlitePool>, StateError> {
    let ours = super::ours::migrations();
    let opened = |source| StateError::Open { path: path.to_owned(), source };
    let is_up = {
        let mut connection = file.acquire().await.map_err(opened)?;
        applied(&mut connection, "main").await?.is_none_or(|theirs| split(&ours, &theirs).1.is_empty())
    };
    if is_up {
        return Ok(None);
    }
    // Rows come in the order of the tables and not of what they refer to; they fitted together where they are from.
    let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(false).busy_timeout(BUSY);
    let copy = pool_options(1).connect_with(options).await.map_err(opened)?;
    let filled = {
        let mut connection = copy.acquire().await.map_err(opened)?;
        fill(&mut connection, &ours, path).await?
    };
    if !filled {
        // Somebody has brought it up to date meanwhile.
        copy.close().await;
        return Ok(None);
    }
    ours.run(&copy).await.map_err(|source| StateError::Migrate { path: path.to_owned(), source })?;
    Ok(Some(copy))
}

/// Makes the tables of the file and copies their rows, in the order they came; whether there was still something to be brought up to date.
async fn fill(copy: &mut SqliteConnection, ours: &Migrator, path: &Path) -> Result<bool, StateError> {
    let doing = || StateError::doing("read a state database of an older upkeep");
    sqlx::query("ATTACH ? AS file").bind(address(path)).execute(&mut *copy).await.map_err(doing())?;
    let mut one_moment = copy.begin().await.map_err(doing())?;
    let theirs = applied(&mut one_moment, "file").await?.unwrap_or_default();
    let (old, new) = split(ours, &theirs);
    if !new.is_empty() {
        let made = Migrator::with_migrations(old).run(&mut *one_moment).await;
        made.map_err(|source| StateError::Migrate { path: path.to_owned(), source })?;
        for table in tables(&mut one_moment).await? {
            let quoted = format!("\"{}\"", table.replace('"', "\"\""));
            let sql = AssertSqlSafe(format!("INSERT INTO main.{quoted} SELECT * FROM file.{quoted} ORDER BY rowid"));
            sqlx::query(sql).execute(&mut *one_moment).await.map_err(doing())?;
        }
    }
    one_moment.commit().await.map_err(doing())?;
    sqlx::query("DETACH file").execute(copy).await.map_err(doing())?;
    Ok(!new.is_empty())
}

/// The file as SQLite takes it for reading alone.
fn address(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?mode=ro")
}

/// Our migrations, those that were applied and those that were not.
fn split(ours: &Migrator, theirs: &BTreeSet<i64>) -> (Vec<sqlx::migrate::Migration>, Vec<sqlx::migrate::Migration>) {
    ours.migrations.iter().cloned().partition(|migration| theirs.contains(&migration.version))
}

/// The migrations that are in the file; none where it keeps no account of any.
async fn applied(connection: &mut SqliteConnection, schema: &str) -> Result<Option<BTreeSet<i64>>, StateError> {
    let doing = || StateError::doing("see which upkeep made the state database");
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {schema}.sqlite_schema WHERE name = '_sqlx_migrations'"));
    if sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *connection).await.map_err(doing())? == 0 {
        return Ok(None);
    }
    let sql = AssertSqlSafe(format!("SELECT version FROM {schema}._sqlx_migrations WHERE success"));
    let rows = sqlx::query_scalar::<_, i64>(sql).fetch_all(connection).await;
    Ok(Some(rows.map_err(doing())?.into_iter().collect()))
}

async fn tables(connection: &mut SqliteConnection) -> Result<Vec<String>, StateError> {
    let sql =
        "SELECT name FROM file.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> '_sqlx_migrations'";
    let rows = sqlx::query_scalar::<_, String>(sql).fetch_all(connection).await;
    rows.map_err(StateError::doing("list the tables of the state database"))
}
