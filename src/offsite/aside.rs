//! What blocks, on threads of its own, and how long it is waited for.
//!
//! Owns the bound: a place that gives no sign for [`PATIENCE`] hangs, and is told as that. The thread that hangs is left to itself; until it
//! has come back nothing else is begun at that place, so that there is one such thread and not one for each try. How long sending takes nobody
//! can tell from here (a sync of everything is one call): it keeps its place's lane, and no other, for as long as it likes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::OffsiteError;
use crate::process::give_way;
use crate::progress::Progress;

/// How long a place may take for one answer, or for the next bytes of many.
const PATIENCE: Duration = Duration::from_secs(600);

/// The threads that were given up and have not come back, by what a person calls where they hang.
static HANGING: Mutex<BTreeSet<(String, u64)>> = Mutex::new(BTreeSet::new());

/// How many threads were begun: each has a number of its own.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Runs what blocks; a place that does not answer is told.
pub(super) async fn aside<T: Send + 'static>(at: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T, OffsiteError> {
    within(at, PATIENCE, None, work).await
}

/// The same for work of many answers: it may go on as long as its numbers do.
pub(super) async fn aside_while<T: Send + 'static>(
    at: &str,
    beat: &Progress,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, OffsiteError> {
    within(at, PATIENCE, Some(beat), work).await
}

/// The same for work of which no part has a bound. When the caller is dropped, the thread finds that out at its next step, or hangs alone.
pub(super) async fn aside_long<T: Send + 'static>(
    at: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, OffsiteError> {
    begin(at, work)?.1.await.map_err(|_| OffsiteError::Worker)
}

async fn within<T: Send + 'static>(
    at: &str,
    patience: Duration,
    beat: Option<&Progress>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, OffsiteError> {
    let (thread, mut told) = begin(at, work)?;
    let beats = || beat.map(Progress::snapshot).map(|now| (now.phase, now.done_bytes, now.done_rows));
    loop {
        let before = beats();
        match tokio::time::timeout(patience, &mut told).await {
            Ok(answer) => return answer.map_err(|_| OffsiteError::Worker),
            Err(_) if beat.is_some() && before != beats() => {}
            Err(_) => break,
        }
    }
    let mut hanging = HANGING.lock().unwrap_or_else(PoisonError::into_inner);
    // Whoever has answered by now finds nothing to take back.
    match told.try_recv() {
        Ok(answer) => Ok(answer),
        Err(TryRecvError::Closed) => Err(OffsiteError::Worker),
        Err(TryRecvError::Empty) => {
            hanging.insert((at.to_owned(), thread));
            Err(OffsiteError::Hangs { place: at.to_owned() })
        }
    }
}

fn begin<T: Send + 'static>(
    at: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<(u64, oneshot::Receiver<T>), OffsiteError> {
    if HANGING.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|(hangs, _)| hangs == at) {
        return Err(OffsiteError::Hangs { place: at.to_owned() });
    }
    let (tell, told) = oneshot::channel();
    let thread = (at.to_owned(), BEGUN.fetch_add(1, Ordering::Relaxed));
    let number = thread.1;
    let begun = std::thread::Builder::new().name("offsite".to_owned()).spawn(move || {
        give_way();
        // Whoever asked may have gone away, or have given it up for hanging.
        tell.send(work()).ok();
        HANGING.lock().unwrap_or_else(PoisonError::into_inner).remove(&thread);
    });
    begun.map_err(OffsiteError::Thread)?;
    Ok((number, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Given up once, and until it comes back nothing more is begun there; elsewhere all goes on.
    #[tokio::test]
    async fn what_hangs_is_given_up_and_is_one_thread() {
        let (release, hangs) = std::sync::mpsc::channel::<()>();
        let hung = within("/mnt/hangs/", Duration::ZERO, None, move || hangs.recv().is_ok()).await;
        assert!(matches!(hung, Err(OffsiteError::Hangs { .. })), "{hung:?}");
        for _ in 0..3 {
            let again = aside_long("/mnt/hangs/", || panic!("begun beside one that hangs")).await;
            assert!(matches!(again, Err(OffsiteError::Hangs { .. })), "{again:?}");
        }
        assert_eq!(aside("/mnt/other/", || 7).await.unwrap(), 7);
        release.send(()).unwrap();
        // It comes back when its thread is given the processor.
        while aside("/mnt/hangs/", || ()).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
