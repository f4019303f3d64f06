//! What every piece of work stands on: configuration, state database, clock. Handed down, never global.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::state_db::StateDb;

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
