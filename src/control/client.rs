//! The command line's side of the control socket.
//!
//! Owns one request and its answer, each on a connection of its own. Never decides anything: what the daemon refuses comes
//! back as the daemon's own [`Failure`], word for word. Held by `tests/it/control.rs`, which drives the server with it.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::failure::{Chain, Class, Failure};
use crate::ids::{JobId, RequestId, TargetName};
use crate::state_db::catalogue::Entry;
use crate::wire::{Action, Event, Job, JobState, Pin, Restore, Status, TargetStatus, Unpin, Verify};

/// How long an answer may take beyond the time we asked the daemon to wait: it answers from memory or its own small database.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a followed job is looked at: smooth for a progress bar, nothing for the daemon.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The largest answer taken, in bytes: ten thousand archives with notes. More is not our daemon.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Whether an event stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// With what happens next.
    On,
    /// It ends with what has happened.
    Off,
}

/// A daemon that listens.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon that listens on a socket; none when nobody does.
    ///
    /// # Errors
    /// When the socket is there but we may not use it.
    pub async fn connect(socket: &Path) -> Result<Option<Self>, Failure> {
        match UnixStream::connect(socket).await {
            Ok(_) => Ok(Some(Self { socket: socket.to_owned() })),
            // No file, or one that nobody listens on.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
            Err(error) => Err(unreachable(socket, &error)),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where everything stands.
    ///
    /// # Errors
    /// When the daemon refuses, or cannot be reached or understood.
    pub async fn status(&self) -> Result<Status, Failure> {
        self.get("/v1/status").await
    }

    /// Where one target stands.
    ///
    /// # Errors
    /// When there is no such target; otherwise as [`Client::status`].
    pub async fn target(&self, target: &TargetName) -> Result<TargetStatus, Failure> {
        self.get(&format!("/v1/targets/{target}")).await
    }

    /// The archives of a target, newest first.
    ///
    /// # Errors
    /// As [`Client::target`].
    pub async fn archives(&self, target: &TargetName) -> Result<Vec<Entry>, Failure> {
        self.get(&format!("/v1/targets/{target}/archives")).await
    }

    /// The living jobs and the newest ended ones, newest first.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn jobs(&self) -> Result<Vec<Job>, Failure> {
        self.get("/v1/jobs").await
    }

    /// One job, once it has ended or the time has passed.
    ///
    /// # Errors
    /// When there is no such job; otherwise as [`Client::status`].
    pub async fn job(&self, id: &JobId, wait: Duration) -> Result<Job, Failure> {
        let path = format!("/v1/jobs/{id}?wait={}", wait.as_secs_f64());
        read(self.ask(Method::GET, &path, Bytes::new(), wait + PATIENCE).await?)
    }

    /// Asks for an action. The same request id twice is one job.
    ///
    /// # Errors
    /// When the daemon refuses the action itself; otherwise as [`Client::status`].
    pub async fn submit(&self, action: &Action, request: &RequestId) -> Result<Job, Failure> {
        let (path, body) = request_of(action, request)?;
        read(self.ask(Method::POST, &path, body, PATIENCE).await?)
    }

    /// Asks for the end of a job; the job as it is then.
    ///
    /// # Errors
    /// When there is no such job, it has ended, or it runs and may not be cut off; otherwise as [`Client::status`].
    pub async fn cancel(&self, id: &JobId) -> Result<Job, Failure> {
        read(self.ask(Method::POST, &format!("/v1/jobs/{id}/cancel"), Bytes::new(), PATIENCE).await?)
    }

    /// Follows a job to its end, showing each look at it. A job that failed is an answer, not an error.
    ///
    /// # Errors
    /// When the daemon goes away; the job's end is then in `upkeep status`.
    pub async fn follow(&self, mut job: Job, mut show: impl FnMut(&Job)) -> Result<Job, Failure> {
        loop {
            show(&job);
            if !matches!(job.state, JobState::Queued | JobState::Running) {
                return Ok(job);
            }
            job = self.job(&job.id, LOOK_EVERY).await?;
        }
    }

    /// Asks the daemon to read its configuration again.
    ///
    /// # Errors
    /// When the new configuration is invalid; the daemon then keeps the old one.
    pub async fn reload(&self) -> Result<(), Failure> {
        self.ask(Method::POST, "/v1/reload", Bytes::new(), PATIENCE).await.map(|_| ())
    }

    /// Shows events after an id (or from now on), until the stream or the viewer ends.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn events(
        &self,
        after: Option<i64>,
        follow: Follow,
        mut show: impl FnMut(Event) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        let after = after.map(|id| format!("&after={id}")).unwrap_or_default();
        let path = format!("/v1/events?follow={}{after}", follow == Follow::On);
        let talk = async |response: Response<Incoming>| {
            let mut body = response.into_body();
            let mut text = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| lost(&self.socket, &error))?;
                text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
                    let message: Vec<u8> = text.drain(..end + 2).collect();
                    let message = String::from_utf8_lossy(&message);
                    let Some(data) = message.lines().find_map(|line| line.strip_prefix("data: ")) else { continue };
                    let event = serde_json::from_str(data).map_err(|error| not_understood(&error))?;
                    if show(event).is_break() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        };
        self.exchange(Method::GET, &path, Bytes::new(), talk).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(self.ask(Method::GET, path, Bytes::new(), PATIENCE).await?)
    }

    /// One request and its whole answer.
    async fn ask(&self, method: Method, path: &str, body: Bytes, patience: Duration) -> Result<Bytes, Failure> {
        let whole = async |response: Response<Incoming>| self.whole(response.into_body()).await;
        match tokio::time::timeout(patience, self.exchange(method, path, body, whole)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::new(
                Class::Unavailable,
                format!("the daemon at {} did not answer within {} s", self.socket.display(), patience.as_secs()),
            )
            .hint("look at its log: `journalctl -u upkeepd`")),
        }
    }

    async fn whole(&self, body: Incoming) -> Result<Bytes, Failure> {
        let body = http_body_util::Limited::new(body, LARGEST_ANSWER).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| lost(&self.socket, error.as_ref()))
    }

    /// One request on a connection of its own; `talk` gets an answer that is not a refusal.
    async fn exchange<T>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        talk: impl AsyncFnOnce(Response<Incoming>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| unreachable(&self.socket, &error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&self.socket, &error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "upkeep")
            .header("connection", "close")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| Failure::new(Class::Software, format!("cannot ask for {path}: {error}")))?;
        let work = async move {
            let response = sender.send_request(request).await.map_err(|error| lost(&self.socket, &error))?;
            let status = response.status();
            if !status.is_success() {
                let body = self.whole(response.into_body()).await?;
                return Err(serde_json::from_slice(&body).unwrap_or_else(|_| {
                    Failure::new(Class::Protocol, format!("the daemon answered {status} without saying why"))
                }));
            }
            talk(response).await
        };
        // The work ends first: its end drops the sender, which ends the connection; an error of the connection is the work's.
        let mut connection = std::pin::pin!(connection);
        let mut work = std::pin::pin!(work);
        tokio::select! {
            done = &mut work => done,
            _ = &mut connection => work.await,
        }
    }
}

/// Where an action is asked for, and with which body.
fn request_of(action: &Action, request: &RequestId) -> Result<(String, Bytes), Failure> {
    let path = match action {
        Action::Verify(Verify { label: Some(label), .. }) => format!("/v1/archives/{label}/verify"),
        Action::Pin(Pin { label, .. }) => format!("/v1/archives/{label}/pin"),
        Action::Unpin(Unpin { label }) => format!("/v1/archives/{label}/unpin"),
        _ => match (action.target(), action.place()) {
            (Some(target), _) => format!("/v1/targets/{target}/{}", action.name()),
            (None, Some(place)) => format!("/v1/places/{place}/{}", action.name()),
            (None, None) => format!("/v1/{}", action.name()),
        },
    };
    let value = serde_json::to_value(action);
    let value = value.map_err(|error| Failure::new(Class::Software, format!("cannot write an action: {error}")))?;
    let serde_json::Value::Object(mut fields) = value else {
        return Err(Failure::new(Class::Software, "an action is not an object"));
    };
    // What the path says is not said again.
    fields.retain(|name, value| !matches!(name.as_str(), "action" | "target") && !value.is_null());
    if path.starts_with("/v1/places/") {
        fields.remove("place");
    }
    if path.starts_with("/v1/archives/") {
        fields.remove("label");
    }
    // On its way to the daemon it goes as it was typed; nobody else is shown it.
    if let Action::Restore(Restore { into: Some(address), .. }) = action {
        fields.insert("into".to_owned(), address.reveal().into());
    }
    if let Some(identity) = action.identity() {
        fields.insert("identity".to_owned(), identity.reveal().into());
    }
    fields.insert("request_id".to_owned(), request.as_str().into());
    Ok((path, super::board::json(&fields)))
}

fn read<T: DeserializeOwned>(body: Bytes) -> Result<T, Failure> {
    serde_json::from_slice(&body).map_err(|error| not_understood(&error))
}

fn not_understood(error: &serde_json::Error) -> Failure {
    Failure::new(Class::Protocol, format!("the daemon's answer cannot be understood: {error}"))
        .hint("is the daemon of another version? `systemctl restart upkeepd`")
}

pub(super) fn unreachable(socket: &Path, error: &io::Error) -> Failure {
    let class = if error.kind() == io::ErrorKind::PermissionDenied { Class::NoPermission } else { Class::Unavailable };
    let mut failure = Failure::new(class, format!("cannot reach the daemon at {}", socket.display()));
    failure.causes.push(error.to_string());
    failure.hint("see whether it runs: `systemctl status upkeepd`")
}

pub(super) fn lost(socket: &Path, error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut failure = Failure::new(Class::Unavailable, format!("lost the daemon at {}", socket.display()));
    failure.causes.push(Chain(error).to_string());
    failure.hint("see how it ended: `systemctl status upkeepd`, then `upkeep status`")
}
