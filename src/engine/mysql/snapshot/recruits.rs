//! Workers before they work: connected first, told to open all at once, and heard.

use tokio::sync::oneshot;

use super::super::super::EngineError;
use super::super::super::crew::{Hand, hire};
use super::super::super::tally::Tally;
use super::super::worker::{Go, Seen, Setup, Words, work};

/// A worker that waits for its tasks.
#[derive(Debug)]
pub(in super::super) struct Worker {
    /// Its answer.
    pub(in super::super) hand: Hand<Vec<(usize, Tally)>>,
    /// Its word to begin.
    pub(in super::super) go: oneshot::Sender<Go>,
}

/// A worker that is connected, with what it is still to be told and to tell.
pub(super) struct Recruit {
    worker: Worker,
    open: oneshot::Sender<()>,
    ready: oneshot::Receiver<Result<(), EngineError>>,
    seen: Looking,
}

/// What a worker saw, when it has looked.
pub(super) type Looking = oneshot::Receiver<Result<Seen, EngineError>>;

/// Connects so many, before anything is locked.
pub(super) async fn hire_all(count: usize, setup: &Setup) -> Result<Vec<Recruit>, EngineError> {
    let (mut recruits, mut connecting) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for _ in 0..count {
        let ((connected, is_connected), (open, is_open)) = (oneshot::channel(), oneshot::channel());
        let ((ready, is_ready), (seen, has_seen)) = (oneshot::channel(), oneshot::channel());
        let (go, word) = oneshot::channel();
        let words = Words { connected, open: is_open, ready, seen, go: word };
        let own = setup.clone();
        let hand = hire("reading tables", &setup.stop, move || work(own, words))?;
        recruits.push(Recruit { worker: Worker { hand, go }, open, ready: is_ready, seen: has_seen });
        connecting.push(is_connected);
    }
    for connected in connecting {
        connected.await.unwrap_or(Err(EngineError::Worker("connecting".to_owned())))?;
    }
    Ok(recruits)
}

/// Tells everybody to open, and waits until all have.
pub(super) async fn begin(recruits: Vec<Recruit>) -> Result<(Vec<Worker>, Vec<Looking>), EngineError> {
    let (mut workers, mut waiting, mut looking) = (Vec::new(), Vec::new(), Vec::new());
    for Recruit { worker, open, ready, seen } in recruits {
        // A worker that is gone says why when it is asked for its word.
        open.send(()).ok();
        workers.push(worker);
        waiting.push(ready);
        looking.push(seen);
    }
    for ready in waiting {
        ready.await.unwrap_or(Err(gone()))?;
    }
    Ok((workers, looking))
}

/// What the first worker saw, once all have looked.
pub(super) async fn first_of(looking: Vec<Looking>) -> Result<Seen, EngineError> {
    let mut first = None;
    for seen in looking {
        let seen = seen.await.unwrap_or(Err(gone()))?;
        first.get_or_insert(seen);
    }
    Ok(first.unwrap_or_default())
}

fn gone() -> EngineError {
    EngineError::Worker("opening a snapshot".to_owned())
}
