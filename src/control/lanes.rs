//! Room for connections: how many at once, and how many of them may be one user's.
//!
//! Owns counting. Invariants: what is given back is counted as given back, on every way out; no user but the daemon's own and root
//! fills a lane alone. Held by the tests below and by `tests/it/control.rs`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A lane with room for so many connections.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    room: Arc<Semaphore>,
    /// How many of them one user may have.
    each: usize,
    held: Arc<Mutex<BTreeMap<u32, usize>>>,
}

/// A place in a lane, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _room: OwnedSemaphorePermit,
    held: Arc<Mutex<BTreeMap<u32, usize>>>,
    uid: u32,
}

impl Lane {
    /// A lane that one user may fill.
    pub(super) fn of(size: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(size)), each: size, held: Arc::default() }
    }

    /// A lane that is never one user's alone.
    pub(super) fn shared(size: usize) -> Self {
        Self { each: (size / 2).max(1), ..Self::of(size) }
    }

    /// A place for a user, if there is one.
    pub(super) fn enter(&self, uid: u32) -> Option<Place> {
        let mut held = lock(&self.held);
        let mine = held.get(&uid).copied().unwrap_or_default();
        if mine >= self.each {
            return None;
        }
        let room = self.room.clone().try_acquire_owned().ok()?;
        held.insert(uid, mine + 1);
        Some(Place { _room: room, held: Arc::clone(&self.held), uid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        match held.get_mut(&self.uid) {
            Some(mine) if *mine > 1 => *mine -= 1,
            // Whoever is gone is not remembered: the map is no longer than the lane.
            _ => drop(held.remove(&self.uid)),
        }
    }
}

fn lock(held: &Mutex<BTreeMap<u32, usize>>) -> MutexGuard<'_, BTreeMap<u32, usize>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_has_half_and_what_is_given_back_is_there_again() {
        let lane = Lane::shared(4);
        let (first, second) = (lane.enter(1), lane.enter(1));
        assert!(first.is_some() && second.is_some() && lane.enter(1).is_none());
        let others = [lane.enter(2), lane.enter(3)];
        assert!(others.iter().all(Option::is_some) && lane.enter(4).is_none(), "it is full");
        drop(first);
        assert!(lane.enter(4).is_some());
        assert!(lane.enter(1).is_some());
        drop((second, others));
        assert_eq!(lock(&lane.held).len(), 0);
        assert_eq!((0..9).filter_map(|_| Lane::of(4).enter(1)).count(), 9, "each has a lane of its own");
    }
}
