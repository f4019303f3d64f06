//! What a SQLite database says of itself: identity, size, what is in it, who uses it.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::sqlite::SqliteConnection;

use super::around::beside;
use super::open::{self, because};
use super::schema::{self, Form, TableDef};
use super::{Sqlite, sessions};
use crate::archive::manifest::Server;
use crate::engine::{EngineError, Survey};

/// Up to this size a survey measures each table, which reads every page; above it, only the whole is measured and a table's
/// size is given as 0. 256 MiB is read in about a second.
const MEASURED_BYTES: u64 = 256 * 1024 * 1024;

/// What the library and the file say they are.
pub(super) async fn identify(database: &Sqlite) -> Result<Server, EngineError> {
    for _ in 0..open::READINGS {
        let mut opened = open::look(database).await?;
        let server = server(&mut opened, &database.path).await;
        if opened.close().await? {
            return server;
        }
    }
    Err(open::restless(&database.path))
}

/// The same on a connection that is there already.
pub(super) async fn server(opened: &mut open::Opened, path: &Path) -> Result<Server, EngineError> {
    let asked = "SELECT sqlite_version(), (SELECT encoding FROM pragma_encoding), \
                 (SELECT CAST(page_size AS TEXT) FROM pragma_page_size), (SELECT journal_mode FROM pragma_journal_mode), \
                 (SELECT CAST(auto_vacuum AS TEXT) FROM pragma_auto_vacuum), \
                 (SELECT CAST(user_version AS TEXT) FROM pragma_user_version), \
                 (SELECT CAST(application_id AS TEXT) FROM pragma_application_id)";
    let asked: (String, String, String, String, String, String, String) =
        sqlx::query_as(asked).fetch_one(&mut opened.connection).await.map_err(because(path, "read the settings"))?;
    let (version, charset, page_size, journal_mode, auto_vacuum, user_version, application_id) = asked;
    // A connection without locks does not say it.
    let journal_mode = if opened.wal { "wal".to_owned() } else { journal_mode };
    let extra = BTreeMap::from([
        ("application_id".to_owned(), application_id),
        ("auto_vacuum".to_owned(), auto_vacuum),
        (JOURNAL_MODE.to_owned(), journal_mode),
        ("page_size".to_owned(), page_size),
        ("user_version".to_owned(), user_version),
    ]);
    let database = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Server {
        flavour: "sqlite".to_owned(),
        version,
        database,
        charset,
        collation: "BINARY".to_owned(),
        time_zone: String::new(),
        extra,
    })
}

/// The key of the journal mode in [`Server::extra`].
pub(super) const JOURNAL_MODE: &str = "journal_mode";

/// What is in it; an answer of "nothing" when there is no file.
pub(super) async fn survey(database: &Sqlite, history_tables: &[String]) -> Result<Survey, EngineError> {
    let path = &database.path;
    if !path.exists() {
        return Ok(Survey::default());
    }
    let scanned = path.clone();
    let sessions = tokio::task::spawn_blocking(move || sessions::others(&scanned)).await;
    let sessions = sessions.map_err(|_| EngineError::Worker(format!("looking for users of {}", path.display())))?;
    for _ in 0..open::READINGS {
        let mut opened = open::look(database).await?;
        let survey = look(&mut opened.connection, path, history_tables).await;
        if opened.close().await? {
            return Ok(Survey { exists: true, bytes: bytes(path), sessions, ..survey? });
        }
    }
    Err(open::restless(path))
}

async fn look(connection: &mut SqliteConnection, path: &Path, history_tables: &[String]) -> Result<Survey, EngineError> {
    let tables = schema::tables(connection, path).await?;
    let sizes = sizes(connection, path).await?;
    let user = |table: &&TableDef| table.form != Form::Shadow && !table.name.starts_with("sqlite_");
    let mut survey = Survey::default();
    for table in tables.iter().filter(user) {
        survey.tables.push((table.name.clone(), sizes.get(&table.name).copied().unwrap_or(0)));
        let history = schema::tool_of(table, history_tables).is_some() || history_tables.contains(&table.name);
        if !survey.holds_rows && !history {
            survey.holds_rows = holds_a_row(connection, path, table).await?;
        }
    }
    let query = "SELECT count(*) FROM main.sqlite_schema WHERE type = 'view'";
    let views: i64 = sqlx::query_scalar(query).fetch_one(connection).await.map_err(because(path, "count the views"))?;
    survey.others = u64::try_from(views).unwrap_or(0);
    Ok(survey)
}

/// The first table that holds rows of anybody's; migration histories, known by their columns, are none.
pub(super) async fn first_filled(connection: &mut SqliteConnection, path: &Path) -> Result<Option<String>, EngineError> {
    let tables = schema::tables(connection, path).await?;
    for table in tables.iter().filter(|table| table.form != Form::Shadow && !table.name.starts_with("sqlite_")) {
        if schema::tool_of(table, &[]).is_none() && holds_a_row(connection, path, table).await? {
            return Ok(Some(table.name.clone()));
        }
    }
    Ok(None)
}

/// A virtual table of a module we do not have is taken to hold rows: nothing may be cleared on a guess.
async fn holds_a_row(connection: &mut SqliteConnection, path: &Path, table: &TableDef) -> Result<bool, EngineError> {
    let query = format!("SELECT 1 FROM main.{} LIMIT 1", schema::quoted(&table.name));
    match sqlx::query(sqlx::AssertSqlSafe(query)).fetch_optional(connection).await {
        Ok(row) => Ok(row.is_some()),
        Err(_) if table.form == Form::Virtual => Ok(true),
        Err(error) => Err(because(path, format!("look for rows in table {}", table.name))(error)),
    }
}

async fn sizes(connection: &mut SqliteConnection, path: &Path) -> Result<BTreeMap<String, u64>, EngineError> {
    if bytes(path) > MEASURED_BYTES {
        return Ok(BTreeMap::new());
    }
    let query = "SELECT s.tbl_name, sum(d.pgsize) FROM dbstat AS d JOIN sqlite_schema AS s ON s.name = d.name \
                 WHERE d.aggregate = TRUE GROUP BY s.tbl_name";
    let rows: Vec<(String, i64)> =
        sqlx::query_as(query).fetch_all(connection).await.map_err(because(path, "measure the tables"))?;
    Ok(rows.into_iter().map(|(name, bytes)| (name, u64::try_from(bytes).unwrap_or(0))).collect())
}

/// The file and its WAL on disk, in bytes.
pub(super) fn bytes(path: &Path) -> u64 {
    [path.to_owned(), beside(path, "-wal")].iter().filter_map(|path| path.metadata().ok()).map(|found| found.len()).sum()
}
