//! Serving the control socket: who may come in, how many at once, and for how long.
//!
//! Owns every connection from its acceptance to its end. Never decides anything about targets: `routes` turns requests into
//! questions to the board or actions for the daemon. Invariants: a stranger, a silent, slow, greedy or babbling client takes
//! nothing from anybody else (each role has a lane of its own, root and the daemon's user one that nobody else is in, nobody but
//! them fills one alone, every wait has an end); every answer but the bare ones of the
//! HTTP parser is JSON; held by `tests/it/control.rs`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::board::Board;
use super::lanes::{Lane, Place};
pub use super::limits::Limits;
use super::peers::{Credentials, Judge, Peer, Role};
use super::{origin, routes};
use crate::failure::{Class, Failure};

/// How long accepting pauses when the host is out of descriptors: long enough for one to come free, short for a person.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Room for connections, by role.
#[derive(Debug)]
struct Lanes {
    /// Of root and the daemon's own user: one too many of theirs, being told so.
    own_arriving: Lane,
    own: Lane,
    arriving: Lane,
    operators: Lane,
    observers: Lane,
    strangers: Lane,
}

impl Lanes {
    fn new(limits: Limits) -> Self {
        Self {
            own_arriving: Lane::of(limits.arriving),
            own: Lane::of(limits.operators),
            arriving: Lane::shared(limits.arriving),
            operators: Lane::shared(limits.operators),
            observers: Lane::shared(limits.observers),
            strangers: Lane::shared(limits.strangers),
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Shared {
    board: Arc<Board>,
    lanes: Arc<Lanes>,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
    judge: Arc<Judge>,
}

/// Serves until `stop`, then lets connections end within [`Limits::farewell`].
pub async fn serve(listener: &UnixListener, board: Arc<Board>, limits: Limits, stop: CancellationToken) {
    let judge = Judge::new(rustix::process::geteuid().as_raw());
    serve_judged(listener, board, limits, stop, judge).await;
}

/// As [`serve`], with who knows the peers given.
pub async fn serve_judged(listener: &UnixListener, board: Arc<Board>, limits: Limits, stop: CancellationToken, judge: Judge) {
    let router = routes::router(routes::State::new(board.clone(), limits, stop.clone()));
    let lanes = Arc::new(Lanes::new(limits));
    let shared = Shared { board, lanes, router, limits, stop: stop.clone(), judge: Arc::new(judge) };
    let tasks = TaskTracker::new();
    loop {
        // Both arms are cancel-safe: tokio documents `accept` as such, and a token only reports.
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let Ok(credentials) = stream.peer_cred() else { continue };
                let credentials = Credentials { uid: credentials.uid(), gid: credentials.gid() };
                // Nobody's crowd keeps root out: its places are its own from the first moment on.
                let ours = shared.judge.ours(credentials);
                let lane = if ours { &shared.lanes.own_arriving } else { &shared.lanes.arriving };
                if let Some(place) = lane.enter(credentials.uid) {
                    tasks.spawn(arrive(stream, credentials, place, shared.clone()));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection on the control socket");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    tasks.close();
    if tokio::time::timeout(limits.farewell, tasks.wait()).await.is_err() {
        tracing::debug!(left = tasks.len(), "connections were cut at the end");
    }
}

/// Judges a connection and finds it a lane.
async fn arrive(stream: UnixStream, credentials: Credentials, arriving: Place, shared: Shared) {
    let peer = shared.judge.identify(credentials, &shared.board.config().control).await;
    let (lane, age) = match peer.role {
        Role::Operator if shared.judge.ours(credentials) => (&shared.lanes.own, shared.limits.age),
        Role::Operator => (&shared.lanes.operators, shared.limits.age),
        Role::Observer => (&shared.lanes.observers, shared.limits.age),
        Role::Stranger => (&shared.lanes.strangers, shared.limits.refusal),
    };
    match lane.enter(credentials.uid) {
        Some(place) => {
            drop(arriving);
            connection(stream, Admission::In(peer), age, &shared).await;
            drop(place);
        }
        None if peer.role == Role::Stranger => {}
        // One too many: told so, while it still counts as arriving, which bounds how many are being told.
        None => {
            connection(stream, Admission::Full, shared.limits.refusal, &shared).await;
            drop(arriving);
        }
    }
}

/// Whether a connection found room.
#[derive(Debug, Clone)]
enum Admission {
    In(Peer),
    Full,
}

async fn connection(stream: UnixStream, admission: Admission, age: Duration, shared: &Shared) {
    let router = TowerToHyperService::new(shared.router.clone());
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let refusal = refusal(&admission, &request);
        if let Admission::In(peer) = &admission {
            request.extensions_mut().insert(peer.clone());
        }
        let answer = refusal.is_none().then(|| router.call(request));
        async move {
            match (refusal, answer) {
                (None, Some(answer)) => answer.await,
                (Some(refusal), _) => Ok::<Response<Body>, Infallible>(refusal),
                (None, None) => Ok(routes::failed(&Failure::new(Class::Software, "a request found no answer"))),
            }
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(shared.limits.head).max_header_size(shared.limits.head_bytes);
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    // Every arm is cancel-safe: the connection is polled on by reference after the others.
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shared.stop.cancelled() => farewell(served, shared.limits.farewell).await,
        () = tokio::time::sleep(age) => farewell(served, Duration::ZERO).await,
    };
    if let Err(error) = ended {
        tracing::debug!(error = %crate::failure::Chain(&error), "a connection on the control socket ended early");
    }
}

/// Lets the request at hand end, but no other begin.
async fn farewell<C>(mut served: std::pin::Pin<&mut C>, time: Duration) -> hyper::Result<()>
where
    C: Farewell + Future<Output = hyper::Result<()>>,
{
    served.as_mut().begin();
    tokio::time::timeout(time, served).await.unwrap_or(Ok(()))
}

trait Farewell {
    fn begin(self: std::pin::Pin<&mut Self>);
}

impl<S> Farewell for hyper::server::conn::http1::Connection<TokioIo<UnixStream>, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn begin(self: std::pin::Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// What a connection's peer may not do, before any route is looked at.
fn refusal(admission: &Admission, request: &Request<Incoming>) -> Option<Response<Body>> {
    let peer = match admission {
        Admission::Full => {
            let failure = Failure::new(Class::TempFail, "too many connections to the control socket");
            return Some(routes::failed(&failure.hint("try again in a moment")));
        }
        Admission::In(peer) => peer,
    };
    // Before the role: what another site's page has a browser ask is not what the browser's user asks.
    if let Some(failure) = origin::refusal(request.method(), request.uri(), request.headers()) {
        return Some(routes::failed(&failure));
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match peer.role {
        Role::Operator => None,
        Role::Observer if reads => None,
        Role::Observer => {
            let failure = Failure::new(Class::NoPermission, format!("user `{}` may look but not act", peer.name));
            Some(routes::failed(&failure.hint("add it, or one of its groups, to `control.operators`")))
        }
        Role::Stranger => {
            let failure = Failure::new(Class::NoPermission, format!("user `{}` may not use this socket", peer.name));
            Some(routes::failed(&failure.hint("add it, or one of its groups, to `control.observers` or `control.operators`")))
        }
    }
}
