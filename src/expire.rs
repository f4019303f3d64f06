//! Retention at work: what the policy lets go is deleted, oldest first.
//!
//! Owns asking and doing; what is decided is `retention`'s, how a file goes is `store`'s. Never deletes when the newest archive
//! holds suddenly less, and never counts an archive whose file is not there as it was entered. Invariant: after a crash at
//! any point the archives left are those kept plus some of those let go, each whole; held by the tests beside this module.

mod freeze;
mod wait;

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::config::Target;
use crate::context::Context;
use crate::durable::DurableError;
use crate::failure::{Class, Explain};
use crate::fault;
use crate::ids::{Label, TargetName};
use crate::progress::Progress;
use crate::retention::{self, Candidate, Fate, Policy, Standing, VerdictOf};
use crate::state_db::StateError;
use crate::state_db::catalogue::{self, Entry, Verdict};
use crate::store::{self, StoreError, pins};

/// Whether what is decided is also done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PruneMode {
    /// Archives let go are deleted.
    Apply,
    /// Nothing is changed.
    DryRun,
}

/// What a prune decided and did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// The target.
    pub target: TargetName,
    /// Whether it was done.
    pub mode: PruneMode,
    /// Every archive's fate with its reasons, newest first.
    pub verdicts: Vec<VerdictOf>,
    /// The archives deleted, in that order.
    pub deleted: Vec<Label>,
    /// The bytes they took; in a dry run, the bytes that would be freed.
    pub freed_bytes: u64,
    /// Why nothing is deleted for now, if so: an alarm for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<String>,
    /// Those of them that went without the copies they should have had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Label>,
}

/// Why retention could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExpireError {
    /// The catalogue gave no answer.
    #[error(transparent)]
    State(#[from] StateError),
    /// What retention remembers could not be read or written.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// An archive could not be deleted. Those before it are gone, those after it are there.
    #[error("cannot delete archive {label} after {deleted} others")]
    Delete {
        /// Which.
        label: Label,
        /// How many were deleted before.
        deleted: usize,
        /// The cause.
        source: StoreError,
    },
}

impl Explain for ExpireError {
    fn class(&self) -> Class {
        match self {
            Self::State(error) => error.class(),
            Self::Durable(error) => error.class(),
            Self::Delete { source, .. } => source.class(),
        }
    }

    fn safe(&self) -> Option<String> {
        Some("every archive that the policy keeps is untouched".to_owned())
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::State(error) => error.hints(),
            Self::Durable(error) => error.hints(),
            Self::Delete { source, .. } => source.hints(),
        }
    }
}

/// Decides on every archive of a target and, unless it is a dry run, deletes those let go, oldest first.
///
/// # Errors
/// When the catalogue gives no answer or an archive cannot be deleted.
pub async fn prune(ctx: &Context, target: &Target, mode: PruneMode, progress: &Progress) -> Result<Pruned, ExpireError> {
    let entries = catalogue::list(&ctx.state, Some(&target.name)).await?;
    let now = ctx.clock.now();
    let there: Vec<&Entry> = entries.iter().filter(|entry| is_there(entry)).collect();
    let candidates: Vec<Candidate> = there.iter().map(|entry| candidate(entry, pinned(entry))).collect();
    let mut verdicts = retention::decide(&candidates, &target.retention, now);
    let lost = wait::for_copies(ctx, target, &there, &mut verdicts, mode).await?;
    let frozen = watch(ctx, target, &candidates, mode, now)?;
    // Newest first as decided, so the oldest come last.
    let let_go = verdicts.iter().rev().filter(|verdict| verdict.fate == Fate::LetGo);
    let doomed: Vec<&Entry> =
        let_go.filter_map(|verdict| there.iter().copied().find(|entry| entry.label == verdict.label)).collect();
    let mut pruned =
        Pruned { target: target.name.clone(), mode, verdicts, deleted: Vec::new(), freed_bytes: 0, frozen, lost: Vec::new() };
    if pruned.frozen.is_some() {
        return Ok(pruned);
    }
    let total = doomed.iter().map(|entry| entry.size).sum();
    if mode == PruneMode::DryRun {
        pruned.freed_bytes = total;
        return Ok(pruned);
    }
    // Before they go: then it is known whatever happens.
    wait::note_lost(ctx, &doomed, &lost).await?;
    pruned.lost = lost.into_keys().collect();
    progress.phase("deleting", total);
    for entry in doomed {
        fault::point("prune.before_delete");
        let deleted = pruned.deleted.len();
        let done = store::delete(&ctx.state, entry).await;
        done.map_err(|source| ExpireError::Delete { label: entry.label.clone(), deleted, source })?;
        fault::point("prune.deleted");
        progress.add(entry.size, entry.rows);
        pruned.freed_bytes += entry.size;
        pruned.deleted.push(entry.label.clone());
    }
    Ok(pruned)
}

/// Whether an archive holds suddenly less, or did and nobody has looked since; remembered before anything is deleted, so that what
/// comes after it does not make it the new normal.
fn watch(
    ctx: &Context,
    target: &Target,
    candidates: &[Candidate],
    mode: PruneMode,
    now: DateTime<Utc>,
) -> Result<Option<String>, ExpireError> {
    let state_dir = &ctx.config.daemon.state_dir;
    let before = freeze::read(state_dir, &target.name)?;
    let mut memory = before.clone();
    memory.frozen = memory.frozen.or_else(|| retention::sudden_drop(candidates, memory.compared, now));
    memory.compared.until = retention::newest_compared(candidates, now).or(memory.compared.until);
    if mode == PruneMode::Apply && memory != before {
        freeze::write(state_dir, &target.name, &memory)?;
    }
    Ok(memory.frozen.map(|why| freeze::words(&target.name, &why)))
}

/// Takes a person's word that he has looked at what holds suddenly less: from now on the archives that are there are the measure.
///
/// # Errors
/// When the catalogue gives no answer, or the word cannot be written down.
pub async fn looked(ctx: &Context, target: &Target) -> Result<(), ExpireError> {
    let entries = catalogue::list(&ctx.state, Some(&target.name)).await?;
    let candidates: Vec<Candidate> =
        entries.iter().filter(|entry| is_there(entry)).map(|entry| candidate(entry, None)).collect();
    let newest = retention::newest_compared(&candidates, ctx.clock.now());
    let state_dir = &ctx.config.daemon.state_dir;
    let waits = freeze::read(state_dir, &target.name)?.waits;
    let memory = freeze::Memory { compared: retention::Compared { until: newest, looked: newest }, frozen: None, waits };
    Ok(freeze::write(state_dir, &target.name, &memory)?)
}

/// Why nothing of a target is deleted until a person has looked, if so.
///
/// # Errors
/// When what is remembered cannot be read.
pub fn frozen(state_dir: &Path, target: &TargetName) -> Result<Option<String>, ExpireError> {
    Ok(freeze::read(state_dir, target)?.frozen.map(|why| freeze::words(target, &why)))
}

/// What a prune would decide as far as the catalogue knows, without a look at any file. Pure.
#[must_use]
pub fn foresee(entries: &[Entry], policy: &Policy, now: DateTime<Utc>) -> Vec<VerdictOf> {
    let there = entries.iter().filter(|entry| entry.verdict != Verdict::Missing);
    let candidates: Vec<Candidate> = there.map(|entry| candidate(entry, entry.pinned.clone())).collect();
    retention::decide(&candidates, policy, now)
}

/// Whether the file is there with the length it was entered with: a name in the catalogue keeps nothing by itself.
fn is_there(entry: &Entry) -> bool {
    entry.verdict != Verdict::Missing && std::fs::metadata(&entry.path).is_ok_and(|file| file.len() == entry.size)
}

fn candidate(entry: &Entry, pinned: Option<String>) -> Candidate {
    Candidate {
        label: entry.label.clone(),
        taken_at: entry.taken_at,
        release: entry.release.clone(),
        standing: match entry.verdict {
            Verdict::Whole if entry.set_aside() => Standing::Aside,
            Verdict::Whole => Standing::Verified,
            Verdict::Unverified | Verdict::Missing => Standing::Unverified,
            Verdict::Torn | Verdict::Damaged => Standing::Broken,
        },
        pinned,
        data_only: entry.data_only,
        without_rows: entry.without_rows().map(str::to_owned).collect(),
        rows: entry.rows,
        raw_bytes: entry.raw_bytes,
    }
}

/// The pin by the file beside the archive, which is the truth, and by the catalogue; a pin that cannot be asked for pins.
fn pinned(entry: &Entry) -> Option<String> {
    match pins::of(&entry.path, &entry.label) {
        Ok(pin) => pin.map(|pin| pin.reason).or_else(|| entry.pinned.clone()),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
