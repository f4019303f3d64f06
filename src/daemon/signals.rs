//! Signals as wakes.
//!
//! The first TERM or INT is a wake, and the loop drains. The second ends the process inside the signal handler, also when
//! the runtime is wedged: what was begun is then settled by the next start, as after a crash. The order of registration is
//! what makes it so: the conditional exit stands before the flag that arms it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_util::StreamExt as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::{Handle, Signals};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Stop (TERM, INT).
    Stop,
    /// Read the configuration again (HUP).
    Reload,
}

/// The signals of this process, from its making on.
pub(super) struct Inbox {
    signals: Signals,
    handle: Handle,
}

impl Inbox {
    /// Registers the handlers.
    pub(super) fn open() -> io::Result<Self> {
        let armed = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // 128 and the number, as a shell would tell of a process that the signal ended.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&armed))?;
            signal_hook::flag::register(signal, Arc::clone(&armed))?;
        }
        let signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        Ok(Self { handle: signals.handle(), signals })
    }

    /// The next one. Cancel-safe: a signal not taken stays.
    pub(super) async fn next(&mut self) -> Signal {
        match self.signals.next().await {
            Some(SIGHUP) => Signal::Reload,
            Some(_) => Signal::Stop,
            // Closed only by our own drop.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.handle.close();
    }
}
