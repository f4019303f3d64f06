//! Statements that a global lock would wait for, and everybody for it: they are waited for first, with nothing locked.

use std::time::{Duration, Instant};

use super::super::EngineError;
use super::connect::Session;
use super::others::{Listed, everybody};

/// A statement that has been running for longer would make the global lock wait for it, and everybody for us.
const LONG_SECONDS: u64 = 1;
/// How long such statements are waited for, before a weaker way is taken. Nothing is locked meanwhile.
const LONG_PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at them.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Waits, by a bound, until no statement has been running for long. Those of this very process count as any other's: another
/// target's dump may be reading a large table, another's migration may be under way.
pub(super) async fn wait_for_long_statements(session: &mut Session) -> Result<(), EngineError> {
    let since = Instant::now();
    loop {
        let long = everybody(session).await?.into_iter().find(is_long);
        let Some(long) = long else { return Ok(()) };
        // It holds the global lock for as long as somebody else's backup lasts.
        let hopeless = long.state == "Waiting for backup lock";
        if hopeless || since.elapsed() >= LONG_PATIENCE {
            let statement: String = long.statement.chars().take(80).collect();
            return Err(EngineError::InUse {
                location: session.place().location(),
                sessions: vec![format!("{}, for {} s: {statement}", long.line(), long.seconds)],
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether a session has been at one statement for long. What applies a replication's events is listed as if it were when it has
/// none.
fn is_long(one: &Listed) -> bool {
    let is_idle = one.state.contains("has read all relay log") || one.state == "Waiting for an event from Coordinator";
    matches!(one.command.as_str(), "Query" | "Execute" | "Fetch") && one.seconds >= LONG_SECONDS && !is_idle
}
