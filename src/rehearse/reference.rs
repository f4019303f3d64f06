//! What a release's own migrations make of an empty database, held against what they made of a real one.
//!
//! Owns the comparison, line by line of what is defined and logged. Invariant: what is told is what the reference has and the other lacks; what somebody added
//! is his. Held by `tests/it/rehearse.rs` and `tests/it/openmetadata.rs`.

use std::collections::BTreeSet;

use super::trial::{Outcome, Seen, Trial};
use crate::archive::Archive;
use crate::config::Reference;
use crate::count::few;
use crate::engine::scratch::Scratch;
use crate::fault;
use crate::release::Installed;

/// Makes the references and compares, where the migrations did not fail and somebody asks; the scratch holds something else after that.
pub(super) async fn hold(trial: &Trial, (scratch, archive): (&Scratch, &Archive), held: &mut Outcome) {
    let Some((before, after)) = &held.around.take() else { return };
    let pending = held.pending.clone();
    let new = match make(trial, (scratch, archive), &trial.release, before).await {
        Ok(new) => new,
        Err(why) => {
            held.notes
                .push(format!("release {} makes nothing of an empty database to compare with: {why}", trial.release.version));
            return;
        }
    };
    let lacking = lacking(trial, (&new, after), &pending);
    // Another server may print the same things in other words, and the real database is on its own.
    let is_same_server = trial.target.drill.scratch.is_none();
    held.expected = is_same_server.then(|| new.definitions.intersection(&after.definitions).cloned().collect());
    if lacking.is_empty() {
        return;
    }
    let told = format!(
        "the migrated database lacks {} that release {} makes of an empty one: {}",
        crate::count::many(lacking.len() as u64, "definition or statement"),
        trial.release.version,
        few(&lacking.iter().map(|line| shown(line)).collect::<Vec<_>>(), "; ")
    );
    // What the release before makes, and this database lacked already, was lacking before anybody migrated.
    let earlier = match &trial.earlier {
        Some(earlier) => make(trial, (scratch, archive), earlier, before).await.map_err(|why| {
            held.notes.push(format!("release {} makes nothing of an empty database to compare with: {why}", earlier.version));
        }),
        None => Err(()),
    };
    let known = earlier.map(|earlier| self::lacking(trial, (&earlier, before), &[])).unwrap_or_default();
    let is_new = lacking.iter().any(|line| !known.contains(line));
    match (trial.target.rehearse.reference, is_new) {
        (Reference::Fail, true) => held.failed = Some(told),
        (_, true) => held.notes.push(told),
        (_, false) => held.notes.push(format!("{told}; it lacked that before the migration as well")),
    }
}

/// What a release makes of an empty database.
async fn make(
    trial: &Trial,
    (scratch, archive): (&Scratch, &Archive),
    release: &Installed,
    before: &Seen,
) -> Result<Seen, String> {
    trial.progress.phase(&format!("making the reference of release {}", release.version), 0);
    let database =
        scratch.renew(&archive.manifest().server).await.map_err(|error| crate::failure::Chain(&error).to_string())?;
    fault::point("rehearse.renewed");
    // Those that a superuser made for the real database before any migration.
    let extensions =
        before.definitions.iter().filter_map(|line| line.strip_prefix("extension\t")).filter(|name| *name != "plpgsql");
    scratch.extend(&extensions.collect::<Vec<_>>()).await.map_err(|error| crate::failure::Chain(&error).to_string())?;
    trial.apply_to_nothing(&database, release).await?;
    let seen = trial.seen(&database).await;
    fault::point("rehearse.referred");
    seen
}

/// What one has and the other lacks: definitions, and statements of the migrations that ran now, for a later release edits those that ran long ago.
fn lacking(trial: &Trial, (reference, other): (&Seen, &Seen), pending: &[String]) -> BTreeSet<String> {
    // Who made the table of the history, and when, is no matter.
    let history = trial.target.migrations.as_ref().map(|migrations| migrations.table.to_lowercase()).unwrap_or_default();
    let is_historys = |line: &&String| !history.is_empty() && line.to_lowercase().contains(&history);
    let definitions = reference.definitions.difference(&other.definitions).filter(|line| !is_historys(line)).cloned();
    let of_now = reference.statements.iter().filter(|(version, _)| pending.contains(version));
    let statements = of_now
        .filter(|statement| !other.statements.contains(statement))
        .map(|(version, text)| format!("statement of {version}\t{text}"));
    definitions.chain(statements).collect()
}

/// A line for people: no longer than a glance.
fn shown(line: &str) -> String {
    let flat = line.split_whitespace().collect::<Vec<_>>().join(" ");
    flat.char_indices().nth(100).map_or_else(|| flat.clone(), |(end, _)| format!("{}…", &flat[..end]))
}
