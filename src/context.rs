//! What every piece of work stands on: configuration, state database, clock. Handed down, never global.
//!
//! Owns the order of opening: the state directory, then the lock, then the database. Whoever writes holds the lock.

use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use crate::clock::Clock;
use crate::config::Config;
use crate::durable::{self, DurableError, Lock};
use crate::failure::{Class, Explain};
use crate::state_db::{StateDb, StateError};

/// The lock of whoever writes, in the state directory.
pub const LOCK: &str = "upkeep.lock";

/// Handed to every piece of work; cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    /// The configuration this work was begun under; a reload does not change it.
    pub config: Arc<Config>,
    /// The state database.
    pub state: StateDb,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Why work cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The state directory or its lock.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The state database.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Explain for ContextError {
    fn class(&self) -> Class {
        match self {
            Self::Durable(error) => error.class(),
            Self::State(error) => error.class(),
        }
    }

    fn safe(&self) -> Option<String> {
        match self {
            Self::Durable(error) => error.safe(),
            Self::State(error) => error.safe(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Durable(error) => error.hints(),
            Self::State(error) => error.hints(),
        }
    }
}

impl Context {
    /// Makes the state directory when missing, takes its lock, opens the state database. `holder` is what a second process
    /// is told about us (`upkeep daemon, pid 12`). The lock lasts as long as the returned value.
    ///
    /// # Errors
    /// When another process holds the lock (temporary), or something cannot be made or opened.
    pub async fn open(config: Arc<Config>, clock: Arc<dyn Clock>, holder: &str) -> Result<(Self, Lock), ContextError> {
        let state_dir = &config.daemon.state_dir;
        durable::make_dir(state_dir)?;
        let archives = config.targets.values().map(|target| &target.backup.directory);
        for directory in std::iter::once(state_dir).chain(archives) {
            close_to_others(directory);
        }
        let lock = Lock::take(&state_dir.join(LOCK), holder)?;
        // Ours is the lock, so whatever is unfinished here has no writer any more.
        durable::sweep_temporaries(state_dir)?;
        let state = StateDb::open(state_dir).await?;
        Ok((Self { config, state, clock }, lock))
    }
}

/// Takes from everybody but owner and group what a directory of ours gives them: archives and notes hold what the database holds.
/// One that is not there yet is made narrow; one that is not ours to change is `upkeep check`'s to tell.
fn close_to_others(directory: &Path) {
    let Ok(handle) = rustix::fs::open(directory, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else { return };
    let Ok(found) = rustix::fs::fstat(&handle) else { return };
    let (mode, owner) = (Mode::from_raw_mode(found.st_mode), found.st_uid);
    let ours = owner == rustix::process::geteuid().as_raw();
    if ours
        && mode.intersects(Mode::RWXO)
        && let Err(error) = rustix::fs::fchmod(&handle, mode.difference(Mode::RWXO))
    {
        tracing::warn!(path = %directory.display(), %error, "everybody on this host may look into this directory");
    }
}
