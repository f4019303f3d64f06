//! The demo's own eyes: HTTP to its notes server and a look into its database file, past everything upkeep says.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};

/// One answer may take this long.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// `GET`, and the body of a good answer.
pub(super) async fn get(port: u16, path: &str) -> Result<String, String> {
    ask(Method::GET, port, path, "").await
}

/// One request on a connection of its own.
pub(super) async fn ask(method: Method, port: u16, path: &str, body: &str) -> Result<String, String> {
    let asked = async {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
            // The connection below ends when its sender does.
            drop(sender);
            Ok::<_, String>((status, String::from_utf8_lossy(&body).into_owned()))
        };
        let (answer, _) = tokio::join!(exchange, connection);
        match answer? {
            (status, body) if status.is_success() => Ok(body),
            (status, body) => Err(format!("{status}: {body}")),
        }
    };
    tokio::time::timeout(ANSWER_WITHIN, asked).await.map_err(|_| "no answer in time".to_owned())?
}

/// Makes the empty database that the server is given.
pub(super) async fn create(root: &Path) -> Result<(), String> {
    let options = SqliteConnectOptions::new().filename(root.join("notes.db")).create_if_missing(true);
    // Setting the journal mode writes the first page: before it the file is empty, and no database to anybody.
    let options = options.journal_mode(SqliteJournalMode::Wal);
    let connection = SqliteConnection::connect_with(&options).await.map_err(|error| error.to_string())?;
    connection.close().await.map_err(|error| error.to_string())
}

/// How many notes the database file holds.
pub(super) async fn notes(root: &Path) -> Result<i64, String> {
    scalar(root, "SELECT count(*) FROM note").await
}

/// Whether the table `note` has a column.
pub(super) async fn has_column(root: &Path, column: &'static str) -> Result<bool, String> {
    let sql = match column {
        "tag" => "SELECT count(*) FROM pragma_table_info('note') WHERE name = 'tag'",
        "colour" => "SELECT count(*) FROM pragma_table_info('note') WHERE name = 'colour'",
        _ => "SELECT count(*) FROM pragma_table_info('note') WHERE name = 'stars'",
    };
    Ok(scalar(root, sql).await? > 0)
}

async fn scalar(root: &Path, sql: &'static str) -> Result<i64, String> {
    let options = SqliteConnectOptions::new().filename(root.join("notes.db")).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(|error| error.to_string())?;
    let value: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.map_err(|error| error.to_string())?;
    connection.close().await.map_err(|error| error.to_string())?;
    Ok(value)
}
