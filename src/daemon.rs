//! The daemon's life: one loop over everything that can wake it.
//!
//! Owns the state lock, the socket, the jobs and every task, and joins each before it ends. Work itself is in `actions`; this
//! module only decides when it begins. Timers, file events and requests mean "look again" and carry no facts, so that a
//! restart takes the same path as an ordinary wake. Invariants: one piece of work per target at a time; a second daemon on
//! the same state is refused before it touches anything; a panicking job fails, and the daemon lives; a TERM ends work at a
//! step boundary, or within `stop_timeout`. Held by `tests/it/daemon.rs`.

mod agenda;
mod alarms;
mod eyes;
mod ferry;
mod jobs;
mod life;
mod metronome;
mod signals;
mod supervisor;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::load::{self, Environment};
use crate::context::Context;
use crate::control::board::Board;
use crate::control::server::{self, Limits};
use crate::control::socket::Socket;
use crate::failure::{Class, Failure};
use crate::status::TOOL;
use crate::wire::Status;

use life::Life;

/// Threads of the runtime: one may be busy with a dump's bookkeeping while the other answers the socket.
const WORKERS: usize = 2;

/// Threads for blocking work (compression, hashing, reading files): the engines bound themselves below this, and a thread
/// that has nothing to do for ten seconds ends.
const BLOCKING_THREADS: usize = 64;

/// The runtime a daemon runs on.
///
/// # Errors
/// When the host has no threads for it.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
}

/// Runs the daemon until it is told to stop. The configuration is read in `environment`, at start and at every reload.
///
/// # Errors
/// When the configuration is invalid, another process holds the state, or socket or state database cannot be opened. Once it
/// runs, nothing but a lost state database ends it with an error.
pub async fn run(config_path: &Path, environment: &Environment, clock: Arc<dyn Clock>) -> Result<(), Failure> {
    // Before anything else, so that a TERM during the start is orderly too.
    let inbox =
        signals::Inbox::open().map_err(|error| Failure::new(Class::OsError, format!("cannot take signals: {error}")))?;
    let config = Arc::new(load::load(config_path, environment)?);
    let started_at = clock.now();
    let holder = format!("upkeep daemon, pid {}", std::process::id());
    let (ctx, lock) = Context::open(Arc::clone(&config), clock, &holder).await?;
    // After the lock: only its holder replaces a stale socket.
    let socket = Socket::bind(&config.control.socket)?;
    let status = Status {
        tool: TOOL.to_owned(),
        pid: Some(std::process::id()),
        started_at: Some(started_at),
        state: "running".to_owned(),
        at: started_at,
        targets: Vec::new(),
        jobs: Vec::new(),
        problems: Vec::new(),
    };
    let (board, asks) = Board::new(ctx.state.clone(), config, status);
    let source = Source { path: config_path.to_owned(), environment: environment.clone() };
    let mut life = Life::new(ctx.clone(), Arc::clone(&board), source, started_at);
    // The first snapshot is whole before the first client can ask for it.
    life.begin().await?;
    let stop = CancellationToken::new();
    let serving = stop.clone();
    let server = tokio::spawn(async move {
        server::serve(&socket.listener, board, Limits::DEFAULT, serving).await;
        socket
    });
    let lived = life.live(inbox, asks).await;
    // In the reverse order of their making, on every way out: socket, state, lock.
    stop.cancel();
    if let Err(error) = server.await {
        tracing::error!(%error, "the control server ended early");
    }
    ctx.state.close().await;
    drop(lock);
    lived
}

/// Where the configuration comes from, again at every reload.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    environment: Environment,
}
