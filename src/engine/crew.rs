//! Workers: OS threads with a runtime of their own, so that compressing and hashing never hold up the daemon's.
//!
//! Every worker is joined by whoever hired it. A worker that panics or is lost is an error, never a silence.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use super::EngineError;
use crate::process::give_way;
use crate::progress::{Progress, Thread};

/// Tells workers to stop at their next step; set by the first that fails, and when its owner is dropped.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop {
    asked: Arc<AtomicBool>,
    /// The work that they are at, which is not over while one of them goes on.
    of: Option<(Progress, Thread)>,
}

impl Stop {
    /// For workers at work that may be given up: they end where they are as soon as it is.
    pub(super) fn of(progress: &Progress) -> Self {
        Self { asked: Arc::default(), of: Some((progress.clone(), progress.thread())) }
    }

    /// Tells them.
    pub(super) fn now(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether to stop.
    pub(super) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The work's answer, if it is not given up before there is one.
    async fn unless_given_up<T>(
        &self,
        work: impl Future<Output = Result<T, EngineError>>,
        doing: &str,
    ) -> Result<T, EngineError> {
        let Some((progress, _)) = &self.of else { return work.await };
        // Who is given up on is asked for nothing any more: dropping the work where it is loses nothing.
        tokio::select! {
            biased;
            () = progress.given_up() => Err(EngineError::Worker(doing.to_owned())),
            done = work => done,
        }
    }
}

/// Stops the workers when the caller's future is dropped half-way.
#[derive(Debug, Default)]
pub(super) struct StopOnDrop(pub(super) Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.now();
    }
}

/// A worker at work.
#[derive(Debug)]
pub(super) struct Hand<T> {
    answer: oneshot::Receiver<Result<T, EngineError>>,
    doing: String,
}

/// Starts a worker. Its first failure stops the others.
pub(super) fn hire<T, W, F>(doing: &str, stop: &Stop, work: W) -> Result<Hand<T>, EngineError>
where
    T: Send + 'static,
    W: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<T, EngineError>>,
{
    let (tell, answer) = oneshot::channel();
    let (stop, named) = (stop.clone(), doing.to_owned());
    let body = move || {
        give_way();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let done = match runtime {
            Ok(runtime) => runtime.block_on(stop.unless_given_up(work(), &named)),
            Err(_) => Err(EngineError::Worker("starting a runtime".to_owned())),
        };
        if done.is_err() {
            stop.now();
        }
        // Nobody listens any more when the caller was dropped; it told us to stop as well.
        tell.send(done).ok();
    };
    let spawned = std::thread::Builder::new().name("upkeep-worker".to_owned()).spawn(body);
    spawned.map_err(|_| EngineError::Worker(format!("starting a thread for {doing}")))?;
    Ok(Hand { answer, doing: doing.to_owned() })
}

impl<T> Hand<T> {
    /// Waits for its answer.
    pub(super) async fn join(self) -> Result<T, EngineError> {
        self.answer.await.unwrap_or(Err(EngineError::Worker(self.doing)))
    }
}

/// Does one thing on a thread of its own and waits for it, to its end. Threads that it starts give way as it does: a driver's, for one.
pub(super) async fn aside<T, W, F>(doing: &str, work: W) -> Result<T, EngineError>
where
    T: Send + 'static,
    W: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<T, EngineError>>,
{
    hire(doing, &Stop::default(), work)?.join().await
}

/// Waits for all, and gives the answers, or the failure that explains most: a worker that was only stopped explains nothing.
pub(super) async fn join_all<T>(hands: Vec<Hand<T>>) -> Result<Vec<T>, EngineError> {
    let mut answers = Vec::with_capacity(hands.len());
    let mut worst: Option<EngineError> = None;
    for hand in hands {
        match hand.join().await {
            Ok(answer) => answers.push(answer),
            Err(error) if worst.as_ref().is_none_or(explains_little) => worst = Some(error),
            Err(_) => {}
        }
    }
    worst.map_or(Ok(answers), Err)
}

fn explains_little(error: &EngineError) -> bool {
    use crate::archive::ArchiveError;
    matches!(error, EngineError::Worker(_) | EngineError::Archive(ArchiveError::WriterStopped))
}
