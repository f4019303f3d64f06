//! The demo's managed server: a small notes application over HTTP with its data in SQLite.
//!
//! A hidden command of the same binary, so that the demo needs nothing installed. It does what real servers do: it reads its
//! release's version, opens its database, answers on a port, and is started, stopped and asked for by commands. A release
//! with a file `broken` in it starts and is never healthy.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use futures_util::StreamExt;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};

use super::look;
use crate::cli::{Stop, World};
use crate::durable;
use crate::failure::{Class, Failure};
use crate::state_db::pool_options;

/// How long starting and stopping may take: a laptop under load, not a broken server.
const PATIENCE: Duration = Duration::from_secs(10);

/// The exit code of `status` for a server that does not run, as systemd and LSB have it.
const NOT_RUNNING: u8 = 3;

/// Run or control the demo's notes server.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The demo's directory.
    #[arg(long)]
    root: PathBuf,
    /// The port on 127.0.0.1.
    #[arg(long)]
    port: u16,
    verb: Verb,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Verb {
    Serve,
    Start,
    Stop,
    Status,
}

pub(in crate::cli) async fn run(arguments: Arguments, _world: &World) -> Result<(), Stop> {
    match arguments.verb {
        Verb::Serve => serve(&arguments.root, arguments.port).await,
        Verb::Start => start(&arguments.root, arguments.port).await,
        Verb::Stop => stop(&arguments.root).await,
        Verb::Status if running(&arguments.root).is_some() => Ok(()),
        Verb::Status => Err(Stop::Answer(NOT_RUNNING)),
    }
}

fn pid_file(root: &Path) -> PathBuf {
    root.join("server.pid")
}

/// The server's pid, if it runs: the file may be old and the number somebody else's by now, so the process is looked at.
pub(super) fn running(root: &Path) -> Option<rustix::process::Pid> {
    let pid: i32 = std::fs::read_to_string(pid_file(root)).ok()?.trim().parse().ok()?;
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = arguments.split(|byte| *byte == 0);
    let ours =
        words.clone().any(|word| word == b"demo-server") && words.any(|word| word == root.as_os_str().as_encoded_bytes());
    // A zombie has ended; whoever started it has not looked yet. Its cmdline is empty, so it is not ours above.
    if ours { rustix::process::Pid::from_raw(pid) } else { None }
}

/// Starts the server in the background and returns when it listens.
async fn start(root: &Path, port: u16) -> Result<(), Stop> {
    if running(root).is_some() {
        return Ok(());
    }
    let failed = |what: &str, error: std::io::Error| Failure::new(Class::Unavailable, format!("cannot {what}: {error}"));
    let log = std::fs::OpenOptions::new().create(true).append(true).open(root.join("server.log"));
    let log = log.map_err(|error| failed("open server.log", error))?;
    let program = std::env::current_exe().map_err(|error| failed("find our own program", error))?;
    let mut command = tokio::process::Command::new(program);
    command.arg("demo-server").arg("--root").arg(root).args(["--port", &port.to_string(), "serve"]);
    let errors = log.try_clone().map_err(|error| failed("open server.log", error))?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
    let mut child = command.spawn().map_err(|error| failed("start the notes server", error))?;
    if let Some(pid) = child.id() {
        durable::write(&pid_file(root), pid.to_string().as_bytes())?;
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while look::get(port, "/version").await.is_err() {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(
                Failure::new(Class::Unavailable, format!("the notes server ended at once ({status}); see server.log")).into()
            );
        }
        if tokio::time::Instant::now() > deadline {
            return Err(Failure::new(Class::Unavailable, "the notes server does not answer; see server.log").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Stops the server and returns when it is gone.
pub(super) async fn stop(root: &Path) -> Result<(), Stop> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut signal = rustix::process::Signal::TERM;
    while let Some(pid) = running(root) {
        // It may have ended since we looked; then the next look says so.
        rustix::process::kill_process(pid, signal).ok();
        if tokio::time::Instant::now() > deadline {
            signal = rustix::process::Signal::KILL;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    durable::remove(&pid_file(root))?;
    Ok(())
}

/// What the handlers share.
#[derive(Debug)]
struct Notes {
    pool: SqlitePool,
    version: String,
    broken: bool,
}

type Answer = Result<Json<Value>, (StatusCode, String)>;

async fn serve(root: &Path, port: u16) -> Result<(), Stop> {
    let unavailable = |what: String| Failure::new(Class::Unavailable, what);
    let release = std::fs::canonicalize(root.join("current")).map_err(|error| unavailable(format!("no release: {error}")))?;
    let version = std::fs::read_to_string(release.join("VERSION"));
    let version = version.map_err(|error| unavailable(format!("the release has no VERSION: {error}")))?.trim().to_owned();
    let options = SqliteConnectOptions::new().filename(root.join("notes.db")).journal_mode(SqliteJournalMode::Wal);
    let pool = pool_options(2).connect_with(options.busy_timeout(PATIENCE)).await;
    let pool = pool.map_err(|error| unavailable(format!("cannot open notes.db: {error}")))?;
    let notes = Arc::new(Notes { pool: pool.clone(), version, broken: release.join("broken").exists() });
    let router = Router::new()
        .route("/health", get(health))
        .route("/version", get(|State(notes): State<Arc<Notes>>| async move { notes.version.clone() }))
        .route("/notes", get(count).post(add).delete(forget))
        .with_state(notes);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.map_err(|error| unavailable(format!("cannot listen on port {port}: {error}")))?;
    let mut signals = signal_hook_tokio::Signals::new([signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT])
        .map_err(|error| Failure::new(Class::OsError, format!("cannot take signals: {error}")))?;
    let told = async move { _ = signals.next().await };
    let served = axum::serve(listener, router).with_graceful_shutdown(told).await;
    pool.close().await;
    Ok(served.map_err(|error| unavailable(format!("cannot serve: {error}")))?)
}

/// Healthy when the database can be read by this version; a broken release finds an excuse.
async fn health(State(notes): State<Arc<Notes>>) -> Answer {
    if notes.broken {
        return Err((StatusCode::SERVICE_UNAVAILABLE, format!("notes {} cannot connect to its search index", notes.version)));
    }
    count(State(notes)).await
}

async fn count(State(notes): State<Arc<Notes>>) -> Answer {
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM note").fetch_one(&notes.pool).await.map_err(refused)?;
    Ok(Json(json!({ "notes": rows, "version": notes.version })))
}

/// Writes as many notes as the body says.
async fn add(State(notes): State<Arc<Notes>>, body: String) -> Answer {
    let wanted: u32 = body.trim().parse().map_err(|_| (StatusCode::BAD_REQUEST, "how many?".to_owned()))?;
    let mut transaction = notes.pool.begin().await.map_err(refused)?;
    for number in 0..wanted {
        let text = format!("note {number}, written by notes {}", notes.version);
        sqlx::query("INSERT INTO note (text) VALUES (?)").bind(text).execute(&mut *transaction).await.map_err(refused)?;
    }
    transaction.commit().await.map_err(refused)?;
    count(State(notes)).await
}

/// The accident: somebody deletes every second note.
async fn forget(State(notes): State<Arc<Notes>>) -> Answer {
    sqlx::query("DELETE FROM note WHERE id % 2 = 0").execute(&notes.pool).await.map_err(refused)?;
    count(State(notes)).await
}

#[expect(clippy::needless_pass_by_value, reason = "the form map_err wants")]
fn refused(error: sqlx::Error) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}
