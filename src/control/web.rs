//! The page on loopback, for whoever has its address: what `upkeep web` serves.
//!
//! Owns a listener and passes what is read over to the socket, where the kernel says who reads. Never passes on anything that acts. Every
//! process of the host reaches loopback, so the address begins with a token that only the user who asked was told; a cookie would go to
//! every port of this host, a path goes nowhere else. Held by `tests/it/page.rs`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::{lost, unreachable};
use super::limits::Limits;
use super::{origin, routes};
use crate::failure::{Class, Failure};

/// Connections at once: a browser has six, and a page that is open in several tabs some more. Another one waits.
const CONNECTIONS: usize = 32;

/// How long accepting pauses when the host is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Headers that are about one connection, or that our own connection writes.
const OF_A_CONNECTION: [header::HeaderName; 3] = [header::CONNECTION, header::TRANSFER_ENCODING, header::DATE];

/// What is served, and to whom.
#[derive(Debug)]
pub struct Web {
    /// The daemon's socket.
    socket: PathBuf,
    /// What the path of every address begins with.
    token: String,
    tasks: TaskTracker,
}

impl Web {
    /// Over this socket, with a token that nobody was told yet.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket, token: uuid::Uuid::new_v4().simple().to_string(), tasks: TaskTracker::new() }
    }

    /// The path that the page is at.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}/", self.token)
    }

    /// Serves until `stop`; then every connection is cut.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let (web, room) = (Arc::new(self), Arc::new(Semaphore::new(CONNECTIONS)));
        while let Some(place) = stop.run_until_cancelled(room.clone().acquire_owned()).await {
            // Never closed, so there always is one in the end.
            let Ok(place) = place else { break };
            match stop.run_until_cancelled(listener.accept()).await {
                None => break,
                Some(Ok((stream, _))) => {
                    let (serving, stop) = (Arc::clone(&web), stop.clone());
                    web.tasks.spawn(async move {
                        // Cut where it stands: whoever reads comes again.
                        stop.run_until_cancelled(serving.connection(stream)).await;
                        drop(place);
                    });
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "cannot accept a connection on loopback");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        web.tasks.close();
        tokio::time::timeout(Limits::DEFAULT.farewell, web.tasks.wait()).await.ok();
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let web = Arc::clone(&self);
            async move { Ok::<_, Infallible>(web.answer(&request).await.unwrap_or_else(|failure| routes::failed(&failure))) }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        let limits = Limits::DEFAULT;
        http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_header_size(limits.head_bytes);
        if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
            tracing::debug!(error = %crate::failure::Chain(&error), "a connection on loopback ended early");
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Result<Response<Body>, Failure> {
        if let Some(failure) = origin::refusal(request.method(), request.uri(), request.headers()) {
            return Err(failure);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(
                Failure::new(Class::NoPermission, "this address only shows").hint("act with the command line: `upkeep --help`")
            );
        }
        let path = request.uri().path();
        let Some(rest) =
            path.get(1..=self.token.len()).filter(|given| same(given, &self.token)).map(|_| &path[1 + self.token.len()..])
        else {
            let failure = Failure::new(Class::NoPermission, "this address lacks its token, or has that of another run");
            return Err(failure.hint("open the whole address that `upkeep web` printed"));
        };
        if rest.is_empty() {
            // The page's own addresses are relative to the directory it is in.
            let mut moved = Response::new(Body::empty());
            *moved.status_mut() = StatusCode::PERMANENT_REDIRECT;
            if let Ok(place) = HeaderValue::from_str(&self.path()) {
                moved.headers_mut().insert(header::LOCATION, place);
            }
            return Ok(moved);
        }
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        self.passed_on(request, &format!("{rest}{query}")).await
    }

    /// Asks the socket, and hands its answer on as it comes.
    async fn passed_on(&self, request: &Request<Incoming>, path: &str) -> Result<Response<Body>, Failure> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| unreachable(&self.socket, &error))?;
        let handshake = hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| lost(&self.socket, &error))?;
        // It ends with the answer, or when nobody reads that any more; what goes wrong in it the answer's reader is told.
        self.tasks.spawn(async move { drop(connection.await) });
        let mut asked = Request::builder()
            .method(request.method())
            .uri(path)
            .header(header::HOST, "upkeep")
            .header(header::CONNECTION, "close");
        if let Some(last) = request.headers().get("last-event-id") {
            asked = asked.header("last-event-id", last);
        }
        let asked = asked.body(Empty::new());
        let asked = asked.map_err(|error| Failure::new(Class::Usage, format!("`{path}` cannot be asked for: {error}")))?;
        let answer = sender.send_request(asked).await.map_err(|error| lost(&self.socket, &error))?;
        let mut answer = answer.map(Body::new);
        OF_A_CONNECTION.iter().for_each(|name| drop(answer.headers_mut().remove(name)));
        Ok(answer)
    }
}

/// Whether two texts are the same, found out in the same time wherever they differ.
fn same(given: &str, token: &str) -> bool {
    given.len() == token.len() && given.bytes().zip(token.bytes()).fold(0, |unlike, (a, b)| unlike | (a ^ b)) == 0
}
