//! `GET /v1/events`: server-sent events, read from the table by id.
//!
//! Nothing is pushed: a follower remembers the last id it was sent, and the bell only tells it to look again. A slow one
//! therefore misses nothing that is still kept, and fills no memory.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::{Answer, Refused, Shared};
use crate::control::convert;
use crate::failure::{Chain, Class, Failure};
use crate::state_db::StateDb;

/// Events sent at once: one read of the table, some tens of kilobytes.
const BATCH: u32 = 100;

/// A comment is sent this often into a quiet stream, so that a dead follower is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize)]
pub(super) struct From {
    /// Events after this id; from now on when not given.
    #[serde(default)]
    after: Option<i64>,
    /// Whether to go on with what happens next.
    #[serde(default)]
    follow: Option<bool>,
}

struct Follower {
    state: StateDb,
    after: i64,
    follow: bool,
    bell: watch::Receiver<i64>,
    stop: CancellationToken,
    _room: OwnedSemaphorePermit,
}

/// The event stream.
pub(super) async fn follow(
    state: Shared,
    headers: HeaderMap,
    from: Result<Query<From>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let Query(from) = from.map_err(|error| Failure::new(Class::Usage, error.body_text()))?;
    let full = || Refused::from(Failure::new(Class::TempFail, "too many follow the events").hint("end another follower first"));
    let room = state.followers.clone().try_acquire_owned().map_err(|_| full())?;
    let db = state.board.state().clone();
    let last_seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.trim().parse().ok());
    let bell = db.bell().subscribe();
    let after = match last_seen.or(from.after) {
        Some(after) => after,
        None => db.newest_event().await?,
    };
    let follow = from.follow.unwrap_or(true);
    let follower = Follower { state: db, after, follow, bell, stop: state.stop.clone(), _room: room };
    // The head goes out at once also when nothing has happened: a comment opens the stream.
    let first = futures_util::stream::once(std::future::ready(Ok::<_, Infallible>(Bytes::from_static(b": upkeep events\n\n"))));
    let rest = futures_util::stream::unfold(follower, |mut follower| async move {
        follower.next().await.map(|chunk| (Ok::<_, Infallible>(chunk), follower))
    });
    let mut response = Response::new(Body::from_stream(futures_util::StreamExt::chain(first, rest)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            // Marked as heard before the table is read: what comes after the read rings again.
            self.bell.borrow_and_update();
            let rows = match self.state.events_after(self.after, BATCH).await {
                Ok(rows) => rows,
                Err(error) => {
                    // The stream ends; the follower comes back with the last id and is told then.
                    tracing::warn!(error = %Chain(&error), "the event stream ended");
                    return None;
                }
            };
            if let Some(last) = rows.last() {
                self.after = last.id;
                return Some(rows.into_iter().map(convert::event).fold(String::new(), sent).into());
            }
            if !self.follow {
                return None;
            }
            // Every arm is cancel-safe: `changed` keeps its mark, the others only report.
            tokio::select! {
                changed = self.bell.changed() => changed.ok()?,
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(Bytes::from_static(b": still here\n\n")),
            }
        }
    }
}

fn sent(mut text: String, event: crate::wire::Event) -> String {
    let data = super::json(&event);
    // Writing to a String cannot fail; JSON has no line breaks within.
    write!(text, "id: {}\nevent: {}\ndata: {}\n", event.id, event.kind, String::from_utf8_lossy(&data)).ok();
    text
}
