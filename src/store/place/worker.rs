//! One thread that speaks to a place over the network, for callers that block.
//!
//! Whoever calls a place may be on any thread, one of the daemon's runtime too: what is waited for runs here. It ends with the last that
//! uses the place, and so does every connection and all that was built for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The thread.
#[derive(Debug)]
pub(super) struct Worker(UnboundedSender<Work>);

/// Something that is on its way.
#[derive(Debug)]
pub(super) struct Begun<T>(Receiver<T>);

impl Worker {
    /// Begins the thread.
    pub(super) fn begin() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        // No more waits in it than callers wait for their answers.
        let (sender, mut next) = unbounded_channel::<Work>();
        let work = move || {
            runtime.block_on(async {
                while let Some(work) = next.recv().await {
                    tokio::spawn(work);
                }
            });
            // A name that is being looked for holds up nobody.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("place".to_owned()).spawn(work)?;
        Ok(Self(sender))
    }

    /// Begins something there.
    pub(super) fn start<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Begun<T> {
        let (tell, told) = sync_channel(1);
        // Where the thread is gone the answer is that there is none.
        self.0
            .send(Box::pin(async move {
                // Whoever asked may have gone away.
                tell.send(work.await).ok();
            }))
            .ok();
        Begun(told)
    }
}

impl<T> Begun<T> {
    /// Waits for it; none where it ended without an answer.
    pub(super) fn wait(self) -> Option<T> {
        self.0.recv().ok()
    }

    /// Waits for it, and not for ever.
    pub(super) fn wait_for(self, patience: Duration) -> Option<T> {
        self.0.recv_timeout(patience).ok()
    }
}
