//! The only waiting helper: a level, a bound, and what was last seen in the failure text.

use std::time::{Duration, Instant};

/// How long anything may take on a busy machine with two cores.
const BOUND: Duration = Duration::from_secs(180);

/// Waits until something is true; panics when it is not within the bound.
#[track_caller]
pub(crate) fn until(what: &str, is_so: impl FnMut() -> bool) {
    until_within(BOUND, what, is_so);
}

/// The same for what waits itself, with pauses that grow.
#[track_caller]
pub(crate) fn until_within(bound: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + bound;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {} s", bound.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
}
