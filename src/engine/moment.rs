//! Getting to one moment of a database while others may be changing its schema.

use std::time::Duration;

use super::EngineError;

/// How long a schema that moved is left to settle before it is read again, after each attempt but the last.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1)];
/// Attempts behind a lock that somebody keeps: each has waited for it already.
const ATTEMPTS_IN_USE: usize = 3;

/// What the `made`-th attempt comes to: none, after a pause, when another is to be made. An attempt answers none when the schema moved
/// under it; `passes` says which of the engine's own errors may be over at the next.
pub(super) async fn ended<T>(
    made: usize,
    attempt: Result<Option<T>, EngineError>,
    passes: impl Fn(&EngineError) -> bool,
) -> Option<Result<T, EngineError>> {
    let error = match attempt {
        Ok(Some(reached)) => return Some(Ok(reached)),
        Ok(None) => EngineError::Moved { doing: "read the schema".to_owned() },
        Err(error) => error,
    };
    let attempts = match error {
        EngineError::InUse { .. } => ATTEMPTS_IN_USE,
        EngineError::Moved { .. } => PAUSES.len() + 1,
        ref error if passes(error) => PAUSES.len() + 1,
        _ => 1,
    };
    let Some(pause) = PAUSES[..attempts - 1].get(made - 1) else { return Some(Err(error)) };
    tokio::time::sleep(*pause).await;
    None
}
