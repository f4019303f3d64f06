//! Getting to one moment of a database while others may be changing its schema.

use super::EngineError;

/// Attempts at it, each from the beginning.
const ATTEMPTS: u32 = 3;

/// What the `made`-th attempt comes to: none when another is to be made. An attempt answers none when the schema moved under it;
/// `passes` says which of the engine's own errors may be over at the next.
pub(super) fn ended<T>(
    made: u32,
    attempt: Result<Option<T>, EngineError>,
    passes: impl Fn(&EngineError) -> bool,
) -> Option<Result<T, EngineError>> {
    let error = match attempt {
        Ok(Some(reached)) => return Some(Ok(reached)),
        Ok(None) => EngineError::Inexact {
            what: "the schema changed each time it was read".to_owned(),
            hint: "wait until the migration or deployment is over, then try again".to_owned(),
        },
        Err(error) => error,
    };
    let passing = matches!(error, EngineError::Inexact { .. } | EngineError::InUse { .. }) || passes(&error);
    (!passing || made == ATTEMPTS).then_some(Err(error))
}
