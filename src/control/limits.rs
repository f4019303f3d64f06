//! What a client of the control socket may cost.

use std::time::Duration;

/// What a client may cost. Each bound says what happens when it is hit.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections being judged at once, half of them of one user; another is closed unanswered. Judging takes microseconds, or
    /// `getent`'s deadline. Root and the daemon's user are not judged and have as many of their own.
    pub arriving: usize,
    /// Connections of operators, and as many again of root and the daemon's user; another gets 503. Far more than people and
    /// scripts need.
    pub operators: usize,
    /// Connections of observers; another gets 503. They can never crowd operators out.
    pub observers: usize,
    /// Connections of strangers, each for a moment only; another is closed.
    pub strangers: usize,
    /// Followers of the event stream; another gets 503.
    pub followers: usize,
    /// How long the head of a request may take, which is also how long an idle connection is kept; then it is closed.
    pub head: Duration,
    /// How many bytes the head may have; more gets 431.
    pub head_bytes: usize,
    /// How long the body may take; then 408.
    pub body: Duration,
    /// How many bytes the body may have; more gets 413. The largest action is a few hundred bytes.
    pub body_bytes: usize,
    /// How long a request may ask to wait for a job; a longer wait is cut to this.
    pub wait: Duration,
    /// How long a connection lasts; a follower comes back with the id of the last event it saw. Ends those that never read.
    pub age: Duration,
    /// How long a stranger, or one too many, has for its request and our refusal.
    pub refusal: Duration,
    /// How long connections have to end when the daemon stops.
    pub farewell: Duration,
}

impl Limits {
    /// In force in the daemon.
    pub const DEFAULT: Limits = Limits {
        arriving: 32,
        operators: 64,
        observers: 32,
        strangers: 8,
        followers: 16,
        head: Duration::from_secs(10),
        head_bytes: 16 * 1024,
        body: Duration::from_secs(10),
        body_bytes: 64 * 1024,
        wait: Duration::from_secs(60),
        age: Duration::from_secs(3600),
        refusal: Duration::from_secs(2),
        farewell: Duration::from_secs(2),
    };
}
