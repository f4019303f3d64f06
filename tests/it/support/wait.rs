//! The only waiting helper: a level, a bound, and what was last seen in the failure text.

use std::time::{Duration, Instant};

/// How long anything may take on a busy machine with two cores.
const BOUND: Duration = Duration::from_secs(60);

/// Waits until something is true; panics when it is not within the bound.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + BOUND;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {} s", BOUND.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
}
