//! A state database that an older upkeep made, read before whoever takes the lock has brought it up to date.
//!
//! Owns a copy in memory with the tables of today; the file is only read. Invariant: what is in the copy is what
//! [`super::StateDb::open`] would make of the file; held by the tests beside `state_db`.

use std::collections::BTreeSet;
use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use super::{StateError, pool_options};

/// The copy, where tables of today are missing in the file; none where there is nothing to be brought up to date.
pub(super) async fn brought_up(file: &SqlitePool, path: &Path) -> Result<Option<SqlitePool>, StateError> {
    let ours = sqlx::migrate!("./migrations");
    let Some(theirs) = versions(file).await? else { return Ok(None) };
    let (old, new): (Vec<_>, Vec<_>) =
        ours.migrations.iter().cloned().partition(|migration| theirs.contains(&migration.version));
    if new.is_empty() {
        return Ok(None);
    }
    let wrong = |source| StateError::Migrate { path: path.to_owned(), source };
    // Rows come in the order of the tables and not of what they refer to; they fitted together where they are from.
    let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(false);
    let opened = pool_options(1).connect_with(options).await;
    let copy = opened.map_err(|source| StateError::Open { path: path.to_owned(), source })?;
    Migrator::with_migrations(old).run(&copy).await.map_err(wrong)?;
    for table in tables(file).await? {
        fill(file, &copy, &table).await?;
    }
    ours.run(&copy).await.map_err(wrong)?;
    Ok(Some(copy))
}

/// The migrations that are in the file; none where it keeps no account of any.
async fn versions(file: &SqlitePool) -> Result<Option<BTreeSet<i64>>, StateError> {
    let doing = || StateError::doing("see which upkeep made the state database");
    let counted = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'");
    if counted.fetch_one(file).await.map_err(doing())? == 0 {
        return Ok(None);
    }
    let rows = sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(file).await;
    Ok(Some(rows.map_err(doing())?.into_iter().collect()))
}

async fn tables(file: &SqlitePool) -> Result<Vec<String>, StateError> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> '_sqlx_migrations'";
    let rows = sqlx::query_scalar::<_, String>(sql).fetch_all(file).await;
    rows.map_err(StateError::doing("list the tables of the state database"))
}

/// Copies the rows of a table, in the order they came.
async fn fill(file: &SqlitePool, copy: &SqlitePool, table: &str) -> Result<(), StateError> {
    use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};
    let doing = || StateError::doing("read a state database of an older upkeep");
    let quoted = format!("\"{}\"", table.replace('"', "\"\""));
    let all = sqlx::AssertSqlSafe(format!("SELECT * FROM {quoted} ORDER BY rowid"));
    let rows = sqlx::query(all).fetch_all(file).await.map_err(doing())?;
    let Some(first) = rows.first() else { return Ok(()) };
    let names: Vec<String> =
        first.columns().iter().map(|column| format!("\"{}\"", column.name().replace('"', "\"\""))).collect();
    let places = vec!["?"; names.len()].join(", ");
    let insert = format!("INSERT INTO {quoted} ({}) VALUES ({places})", names.join(", "));
    for row in &rows {
        let mut query = sqlx::query(sqlx::AssertSqlSafe(insert.clone()));
        for at in 0..names.len() {
            let value = row.try_get_raw(at).map_err(doing())?;
            let kind = value.type_info().name().to_owned();
            query = match (value.is_null(), kind.as_str()) {
                (true, _) => query.bind(None::<String>),
                (false, "INTEGER") => query.bind(row.try_get_unchecked::<i64, _>(at).map_err(doing())?),
                (false, "REAL") => query.bind(row.try_get_unchecked::<f64, _>(at).map_err(doing())?),
                (false, "BLOB") => query.bind(row.try_get_unchecked::<Vec<u8>, _>(at).map_err(doing())?),
                (false, _) => query.bind(row.try_get_unchecked::<String, _>(at).map_err(doing())?),
            };
        }
        query.execute(copy).await.map_err(doing())?;
    }
    Ok(())
}
