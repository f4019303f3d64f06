//! Rehearsals: a release's migrations run in a scratch of an archive, timed and judged, while the old server serves.
//!
//! Owns the order: the release is found; what cannot be pointed to a scratch is refused; an archive is restored, compared and proven as in a drill, whose
//! scratch, marks and leftovers are used ([`crate::drill`]); the migrations run in it; what they left is judged as an upgrade judges it; the scratch goes.
//! The target's own database is only looked at, and its lane never taken. Invariants: nothing is run whose address was not seen to be the scratch's
//! ([`aim`]); what was cut off leaves no verdict. Held by `tests/it/rehearse.rs` and `tests/it/crash.rs`.

mod aim;
mod error;
mod reach;
mod reference;
mod release;
mod trial;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use error::RehearseError;

use crate::archive::Archive;
use crate::config::{Database, Target};
use crate::context::Context;
use crate::drill::{self, DrillError, Drilled, Halt};
use crate::engine::scratch::Scratch;
use crate::failure::Chain;
use crate::fault;
use crate::ids::{DrillId, Label};
use crate::release::Installed;
use crate::state_db::catalogue::{self, Entry};
use crate::state_db::rehearsals::{Rehearsal, Verdict};
use crate::upgrade;
use crate::version::Version;
use trial::{Outcome, Trial};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// This archive; else the newest good one.
    pub from: Option<Label>,
    /// A version or the directory of a release; else the installed one.
    pub to: Option<String>,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsed {
    /// The archive that was restored.
    pub label: Label,
    /// The release that it is of, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
    /// The release whose migrations ran.
    pub to: Version,
    /// Where the scratch was.
    pub scratch: String,
    /// The migrations that were pending before, as far as something names them.
    pub applied: Vec<String>,
    /// Rows that were restored.
    pub rows: u64,
    /// How long restoring and comparing took, in milliseconds.
    pub restore_ms: u64,
    /// How long the migrations took.
    pub migrate_ms: u64,
    /// For how long an upgrade may be expected to keep the server from serving.
    pub downtime_ms: u64,
    /// What is in that: the parts that are known.
    pub counted: Vec<String>,
    /// What a person should know.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Runs a release's migrations in a scratch, and removes it.
///
/// # Errors
/// When it is refused, cannot be tried, or the migrations fail or leave the database not in step.
pub async fn rehearse(ctx: &Context, target: &Target, request: &Request, halt: &Halt) -> Result<Rehearsed, RehearseError> {
    halt.progress.phase("looking at the release", 0);
    let release = release::find(ctx, target, request.to.as_deref()).await?;
    let done = Box::pin(tried(ctx, target, (request, &release), halt)).await;
    if let Err(error) = &done
        && let Some((verdict, said)) = error.verdict()
    {
        let row = Rehearsal {
            verdict,
            said: Some(said),
            label: error.label().or(request.from.clone()),
            ..row(ctx, target, &release)
        };
        ctx.state.end_rehearsal(&row).await?;
    }
    fault::point("rehearse.noted");
    done
}

async fn tried(
    ctx: &Context,
    target: &Target,
    (request, release): (&Request, &Installed),
    halt: &Halt,
) -> Result<Rehearsed, RehearseError> {
    demand_aim(ctx, target, release)?;
    let outcome: Arc<Mutex<Option<(Label, Outcome)>>> = Arc::default();
    let earlier = release::earlier(ctx, target, (request.from.as_ref(), release)).await;
    let (progress, strayed) = (halt.progress.clone(), AtomicBool::default());
    let trial = Trial { target: target.clone(), release: release.clone(), earlier, progress, strayed };
    let kept = Arc::clone(&outcome);
    let further =
        move |scratch: Scratch, archive: Archive, database: Database| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move {
                let begun = Instant::now();
                let mut seen = trial.run(&database).await;
                reference::hold(&trial, (&scratch, &archive), &mut seen).await;
                seen.took_ms = trial::ms(begun);
                seen.strayed = trial.strayed.load(Ordering::Relaxed);
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((archive.manifest().label.clone(), seen));
                fault::point("rehearse.migrated");
            })
        };
    let asked = drill::Request { label: request.from.clone(), ..drill::Request::default() };
    let drilled = drill::drill_and(ctx, target, &asked, halt, Some(Box::new(further))).await;
    let seen = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some((label, seen)) = &seen
        && let Some(error) = against(target, release, (label, seen), drilled.as_ref().err())
    {
        return Err(error);
    }
    let (drilled, seen) = match (drilled, seen) {
        (Ok(drilled), Some((_, seen))) => (drilled, seen),
        // Cut off between the proof and the end of the migrations.
        (Ok(drilled), None) => return Err(RehearseError::Drill(DrillError::CutOff(drilled.label))),
        (Err(error), _) => return Err(error.into()),
    };
    judged(ctx, target, release, (drilled, seen)).await
}

/// What a rehearsal says of itself before anything of it is known.
fn row(ctx: &Context, target: &Target, release: &Installed) -> Rehearsal {
    Rehearsal {
        target: target.name.clone(),
        label: None,
        digest: String::new(),
        scratch: String::new(),
        from: None,
        to: release.version.clone(),
        path: release.path.clone(),
        at: ctx.clock.now(),
        verdict: Verdict::NotTried,
        said: None,
        restore_ms: 0,
        migrate_ms: 0,
        downtime_ms: 0,
        expected: None,
    }
}

/// Whether the migrations could be pointed to a scratch, asked before one is made.
fn demand_aim(ctx: &Context, target: &Target, release: &Installed) -> Result<(), RehearseError> {
    let beside = target.drill.scratch.as_ref().unwrap_or(&target.database);
    let sample = Scratch::beside(beside, &ctx.config.daemon.state_dir, &DrillId::random()).map_err(DrillError::from)?;
    aim::at(target, &sample.database(), release).map(drop).map_err(|reasons| RehearseError::Refused {
        target: target.name.clone(),
        to: release.version.clone(),
        reasons,
    })
}

/// What speaks against the release, or why it was not tried; whatever became of the scratch.
fn against(
    target: &Target,
    release: &Installed,
    (label, seen): (&Label, &Outcome),
    left: Option<&DrillError>,
) -> Option<RehearseError> {
    let (target, to) = (target.name.clone(), release.version.clone());
    let and = |why: &String| left.map_or_else(|| why.clone(), |left| format!("{why}; and {}", Chain(left)));
    if seen.strayed {
        let said = and(seen.failed.as_ref().unwrap_or(&String::new()));
        return Some(RehearseError::Strayed { target, to, said });
    }
    if let Some(why) = &seen.failed {
        return Some(RehearseError::Failed { target, to, label: label.clone(), said: and(why) });
    }
    seen.refused.as_ref().map(|why| RehearseError::Refused { target, to, reasons: vec![and(why)] })
}

/// Writes the proof down.
async fn judged(
    ctx: &Context,
    target: &Target,
    release: &Installed,
    (drilled, seen): (Drilled, Outcome),
) -> Result<Rehearsed, RehearseError> {
    let entry = catalogue::find(&ctx.state, &drilled.label).await?;
    let (downtime_ms, counted) = foretold(ctx, target, (entry.as_ref(), seen.migrate_ms)).await;
    let from = entry.and_then(|entry| entry.release);
    let restore_ms = drilled.took_ms.saturating_sub(seen.took_ms);
    let row = Rehearsal {
        label: Some(drilled.label.clone()),
        digest: drilled.digest.clone(),
        scratch: drilled.scratch.clone(),
        from: from.clone(),
        verdict: Verdict::Passed,
        restore_ms,
        migrate_ms: seen.migrate_ms,
        downtime_ms,
        expected: seen.expected,
        ..row(ctx, target, release)
    };
    ctx.state.end_rehearsal(&row).await?;
    Ok(Rehearsed {
        label: drilled.label,
        from,
        to: release.version.clone(),
        scratch: drilled.scratch,
        applied: seen.pending,
        rows: drilled.rows,
        restore_ms,
        migrate_ms: seen.migrate_ms,
        downtime_ms,
        counted,
        notes: drilled.notes.into_iter().chain(seen.notes).collect(),
    })
}

/// What an upgrade may be expected to take, and which parts are in it: the migrations as they were now, the archive as the one that was restored, the rest as at
/// the last upgrade.
async fn foretold(ctx: &Context, target: &Target, (entry, migrate_ms): (Option<&Entry>, u64)) -> (u64, Vec<String>) {
    let archive = entry.map(|entry| ("archive".to_owned(), entry.duration_ms));
    // That it passed is known whether or not the past can be read.
    let last = upgrade::expected(&ctx.state, &target.name).await.unwrap_or_else(|error| {
        tracing::warn!(target = %target.name, error = %Chain(&error), "past upgrades cannot be read; what a rehearsal foretells lacks their parts");
        None
    });
    let others =
        last.into_iter().flat_map(|expected| expected.last.parts).filter(|part| !["archive", "migrate"].contains(&&*part.what));
    let others = others.map(|part| (part.what, u64::try_from(part.took.as_millis()).unwrap_or(u64::MAX)));
    let parts: Vec<(String, u64)> = archive.into_iter().chain([("migrate".to_owned(), migrate_ms)]).chain(others).collect();
    let sum = parts.iter().fold(0_u64, |sum, (_, ms)| sum.saturating_add(*ms));
    (sum, parts.into_iter().map(|(what, _)| what).collect())
}
