//! Which lanes are worked in, and whose gates are shut for what only turned out on the way.
//!
//! A verb says from what was asked alone where it waits. What a `restore --into` goes into is only known when the databases were asked: if it
//! is another target's, the work goes on only where nobody works on that one, and nobody begins to until it has ended.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Lane;
use crate::ids::TargetName;

#[derive(Debug, Default)]
struct Held {
    lanes: BTreeSet<Lane>,
    gates: BTreeSet<TargetName>,
}

/// Shared by all work of a process.
#[derive(Debug, Clone, Default)]
pub struct Lanes(Arc<Mutex<Held>>);

/// A lane that is worked in until this is dropped.
#[derive(Debug)]
pub struct InLane(Lanes, Lane);

/// A gate that lets no server start until this is dropped.
#[derive(Debug)]
pub struct Shut(Lanes, TargetName);

impl Lanes {
    fn held(&self) -> MutexGuard<'_, Held> {
        // Sets of names, each changed in one step: a panic elsewhere leaves them whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to work in a lane; `None` where somebody does. What stands aside never waits.
    #[must_use]
    pub fn enter(&self, lane: &Lane) -> Option<InLane> {
        let is_free = *lane == Lane::Aside || self.held().lanes.insert(lane.clone());
        is_free.then(|| InLane(self.clone(), lane.clone()))
    }

    /// Shuts a target's gate.
    #[must_use]
    pub fn shut(&self, target: &TargetName) -> Shut {
        self.held().gates.insert(target.clone());
        Shut(self.clone(), target.clone())
    }

    /// Whether work that does not name the target changes its database.
    #[must_use]
    pub fn is_shut(&self, target: &TargetName) -> bool {
        self.held().gates.contains(target)
    }
}

impl Drop for InLane {
    fn drop(&mut self) {
        self.0.held().lanes.remove(&self.1);
    }
}

impl Drop for Shut {
    fn drop(&mut self) {
        self.0.held().gates.remove(&self.1);
    }
}

#[cfg(test)]
mod tests;
