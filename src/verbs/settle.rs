//! Settling what a crash left of the target that is about to be worked on, and of no other.
//!
//! Owns what is put in order before a verb, by what the verb says that it changes: before one that reads nothing, before one that
//! notes nothing but the list of archives that it reads. An upgrade that was cut short is never carried on here: `upgrade` and
//! `rollback` do that, which were asked for it, and a daemon at its start. Every part may be repeated; a second call finds
//! nothing. Held by `tests/it/crash.rs` and `tests/it/unasked.rs`.

use super::{Effect, Lane, Subject, spec};
use crate::config::{Runner, Target};
use crate::context::Context;
use crate::engine::Engine;
use crate::failure::{Class, Explain, Failure};
use crate::state_db::catalogue;
use crate::wire::Action;
use crate::{migrate, store};

/// Puts in order what a crash may have left of backups and restores: the catalogue follows the files, the engine ends or
/// undoes a load, a migration's journal with nothing in it goes. Says what it did, one line each.
///
/// # Errors
/// When the files or the database cannot be looked at; of class `TempFail` when the database only does not answer now.
pub async fn tidy(ctx: &Context, target: &Target) -> Result<Vec<String>, Failure> {
    let mut lines = store::reconcile(&ctx.state, target).await?;
    lines.extend(Engine::of(&target.database).settle().await.map_err(|error| not_settled(target, &error))?);
    if let Some(migrations) = target.migrations.as_ref().filter(|migrations| migrations.runner == Runner::Flyway) {
        let settled = migrate::settle(&target.database, migrations).await;
        lines.extend(settled.map_err(|error| not_settled(target, &error))?);
    }
    Ok(lines)
}

fn not_settled(target: &Target, error: &impl Explain) -> Failure {
    let failure = Failure::of(error).on(&target.name);
    if error.transient() { Failure { class: Class::TempFail, ..failure } } else { failure }
}

/// Settles what stands in the way of an action, where no daemon does it. A database that does not answer is left for the work
/// itself to name. Says what it did, one line each.
///
/// # Errors
/// When the action must wait for an open upgrade, or our own state cannot be read or written.
pub async fn settle(ctx: &Context, action: &Action) -> Result<Vec<String>, Failure> {
    // First: what is refused leaves everything as it is.
    super::open::admit(ctx, action).await?;
    let spec = spec(action);
    let mut lines = Vec::new();
    for target in subjects(ctx, spec.subject).await? {
        match (spec.effect, &spec.lane, spec.subject) {
            (Effect::Reads, _, _) | (Effect::Notes, Lane::Aside, _) => {}
            // Archives are read, and the database of the target is not touched.
            (Effect::Notes, _, _) | (_, _, Subject::Elsewhere(_)) => lines.extend(store::reconcile(&ctx.state, target).await?),
            (Effect::Archives | Effect::Changes, _, _) => match tidy(ctx, target).await {
                Ok(done) => {
                    lines.extend(done);
                    // Without a daemon nobody else would. What cannot be removed now is in nobody's way.
                    lines.extend(super::sweep(ctx, target).await?.0);
                }
                Err(failure) if matches!(failure.class, Class::TempFail | Class::Unavailable | Class::NoPermission) => {
                    tracing::debug!(target = %target.name, error = %failure.message, "the database was not looked at");
                }
                Err(failure) => return Err(failure),
            },
        }
    }
    Ok(lines)
}

/// The targets that an action is about; an archive that nobody knows may be anybody's.
async fn subjects<'a>(ctx: &'a Context, subject: Subject<'_>) -> Result<Vec<&'a Target>, Failure> {
    let name = match subject {
        Subject::Target(name) | Subject::Elsewhere(name) => Some(name.clone()),
        Subject::Archive(label) => catalogue::find(&ctx.state, label).await?.map(|entry| entry.target),
        Subject::All | Subject::Place(_) => None,
    };
    Ok(ctx.config.targets.values().filter(|target| name.as_ref().is_none_or(|name| *name == target.name)).collect())
}
