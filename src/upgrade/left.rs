//! What is written down of a database when it is known whose it is: the release, the shape it has then, and who read that.
//!
//! Owns the look at that moment. What comes of it later, an upgrade that ended after it or a database that fits no longer, is told by
//! `record` and `judge`.

use super::UpgradeError;
use super::state::ReleaseAt;
use crate::backup;
use crate::config::Target;
use crate::context::Context;
use crate::engine::Engine;
use crate::failure::Chain;
use crate::shape::Shape;
use crate::state_db::belongs::{Belongs, By};

/// Who reads a shape: this program, of which server.
pub(super) async fn made_by(engine: &Engine) -> String {
    format!("upkeep {} on {}", env!("CARGO_PKG_VERSION"), engine.called().await.unwrap_or_default())
}

/// Writes down what the database belongs to from now on, with the shape it has now.
///
/// # Errors
/// When the state database cannot be written. A database that cannot be looked at leaves no shape: then its release alone is on record.
pub(super) async fn note_left(
    ctx: &Context,
    target: &Target,
    by: By,
    release: Option<&ReleaseAt>,
    source: String,
) -> Result<(), UpgradeError> {
    note(ctx, target, by, release, source, shape(target).await).await
}

/// The shape that the database has now; none where it cannot be looked at.
pub(super) async fn shape(target: &Target) -> Option<Shape> {
    match Engine::of(&target.database).shape(&backup::history_tables(target)).await {
        Ok(shape) => Some(shape),
        Err(error) => {
            tracing::warn!(target = %target.name, reason = %Chain(&error), "what the upgrade left could not be looked at");
            None
        }
    }
}

/// The same of a shape that was read before.
pub(super) async fn note(
    ctx: &Context,
    target: &Target,
    by: By,
    release: Option<&ReleaseAt>,
    source: String,
    shape: Option<Shape>,
) -> Result<(), UpgradeError> {
    let row = Belongs {
        upgrade: None,
        by,
        version: release.map(|release| release.version.clone()),
        path: release.map(|release| release.path.clone()).unwrap_or_default(),
        shape,
        made_by: made_by(&Engine::of(&target.database)).await,
        source,
        at: ctx.clock.now(),
    };
    Ok(ctx.state.set_belongs(&target.name, &row).await?)
}
