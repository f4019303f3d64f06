//! Whose database an address leads to: asked of the databases themselves, for one has many addresses.

use futures_util::future::join_all;

use super::RestoreError;
use crate::config::{Database, Target};
use crate::context::Context;
use crate::engine::Engine;

/// The configured target whose database this is; none where it is nobody's here.
///
/// A target whose database cannot be asked is not the one: what is restored into answers. Where it is one whose server is away for a moment, its
/// own address is away for the restore as well.
///
/// # Errors
/// When the destination itself cannot be asked.
pub async fn owner<'a>(ctx: &'a Context, database: &Database) -> Result<Option<&'a Target>, RestoreError> {
    let there = Engine::of(database);
    let by_address = ctx.config.targets.values().find(|target| target.database.location == database.location);
    if by_address.is_some() {
        return Ok(by_address);
    }
    // What cannot be asked itself is an error of its own, and not of the first target that it is compared with.
    there.identity().await?;
    let targets: Vec<&Target> = ctx.config.targets.values().collect();
    let engines: Vec<Engine> = targets.iter().map(|target| Engine::of(&target.database)).collect();
    let asked = join_all(engines.iter().map(|engine| Box::pin(engine.is_same(&there)))).await;
    let owner = targets.into_iter().zip(asked).find(|(target, same)| {
        if let Err(error) = same {
            tracing::warn!(target = %target.name, error = %error, "whether a restore goes into its database could not be asked");
        }
        matches!(same, Ok(true))
    });
    Ok(owner.map(|(target, _)| target))
}
