//! Whether a server that is down is kept down by us or by itself, and by what.
//!
//! Owns the turn from a look at the world to a [`Cause`]: [`cause`] is pure, [`outage`] looks at what is missing and gives the words.
//! Changes nothing. Invariant: of a server that runs, and of one that a person stopped while it may start, nothing is said; held by
//! the tests beside this file, which have a row for each refusal and each end of an upgrade.

use super::plan::{self, Asked, Decision, Observation, Refusal};
use super::state::Phase;
use super::{Summary, UpgradeError, current};
use crate::config::{Probe, ServiceControl, Target};
use crate::context::Context;
use crate::gate::Standing;
use crate::gate::cause::{Cause, Names, Package, Words};
use crate::service::{self, LastStart, ServiceState};
use crate::state_db::holds::Hold;
use crate::text;
use crate::version::Version;

/// A server that is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// What keeps it down.
    pub cause: Cause,
    /// Why, and what ends it.
    pub words: Words,
}

/// Looks what keeps the server down; none when it runs, or when only a person's stop does.
///
/// # Errors
/// When our own state database cannot be read.
pub async fn outage(ctx: &Context, target: &Target, seen: &Observation) -> Result<Option<Outage>, UpgradeError> {
    if seen.service != Some(ServiceState::Stopped) {
        return Ok(None);
    }
    let Some(settings) = &target.service else { return Ok(None) };
    let last = current(&ctx.state, &target.name).await?;
    let start = service::last_start(settings).await;
    let Some(cause) = cause(seen, last.as_ref(), &start) else { return Ok(None) };
    let words = cause.words(&Naming::of(ctx, target, seen).await?.names());
    Ok(Some(Outage { cause, words }))
}

/// What keeps a stopped server down. Pure.
#[must_use]
pub(super) fn cause(seen: &Observation, last: Option<&Summary>, start: &LastStart) -> Option<Cause> {
    // The daemon's decision first: it knows the window. What it has nothing to do about, the gate may still refuse.
    let decision = match plan::decide(seen, Asked::ByDaemon, seen.at) {
        Decision::Nothing(_) if matches!(plan::standing(seen), Standing::Pending(_)) => {
            plan::decide(seen, Asked::ByGate, seen.at)
        }
        decision => decision,
    };
    let installed = seen.release.as_ref().and_then(|release| release.as_ref().ok()).map(|release| &release.version);
    match decision {
        Decision::Refuse(refusals) => {
            let ended = last.filter(|last| Some(&last.to) == installed).and_then(end_of);
            refusals.iter().filter_map(|refusal| of_refusal(seen, last, refusal)).next().map(|cause| match (cause, ended) {
                // It says more than the hold that it left.
                (Cause::Held { failed: true, .. }, Some(ended @ Cause::RolledBack { .. })) => ended,
                (cause, _) => cause,
            })
        }
        Decision::Plan(_) => Some(match last.filter(|last| Some(&last.to) == installed).and_then(end_of) {
            Some(refused @ Cause::Refused { .. }) => refused,
            _ => Cause::Pending,
        }),
        Decision::Nothing(_) | Decision::Adopt(_) => match start {
            LastStart::Refused => Some(Cause::Skipped),
            LastStart::Ended(how) => Some(Cause::Ended(how.clone())),
            LastStart::Nothing => None,
        },
    }
}

/// What the end of an upgrade leaves to a person.
fn end_of(last: &Summary) -> Option<Cause> {
    let (to, why) = (last.to.clone(), last.message.clone().unwrap_or_default());
    match last.phase {
        Phase::RolledBack => Some(Cause::RolledBack { to, why }),
        Phase::Refused => Some(Cause::Refused { to, why }),
        _ => None,
    }
}

/// The cause that a refusal is; none where what refuses is no reason for a server to be down, or passes within moments.
fn of_refusal(seen: &Observation, last: Option<&Summary>, refusal: &Refusal) -> Option<Cause> {
    Some(match refusal {
        Refusal::Open { phase, .. } => {
            let last = last?;
            let to = last.to.clone();
            match (phase, &last.waits_for) {
                (Phase::Stuck, _) => Cause::Stuck { to, next_steps: last.next_steps.clone() },
                (_, Some(why)) => Cause::Waiting { to, why: why.clone() },
                _ => Cause::Unended { to },
            }
        }
        Refusal::Lost(why) => Cause::Lost(why.clone()),
        Refusal::HalfRestored(label) => {
            let command = seen.half_restored().map(|mark| mark.command(&seen.target)).unwrap_or_default();
            Cause::HalfRestored { label: label.to_string(), command }
        }
        // The package manager is at work: what it does is not ours to call an outage.
        Refusal::Release(unread) if unread.busy => return None,
        Refusal::Release(unread) => Cause::Release(unread.why.clone()),
        Refusal::Database(why) => Cause::Database(why.clone()),
        Refusal::Downgrade { from, .. } => Cause::Newer(from.clone()),
        Refusal::Ahead(migrations) => Cause::Ahead(migrations.clone()),
        Refusal::Failed(migrations) => Cause::Failed(migrations.clone()),
        Refusal::Invalid(problems) => Cause::Invalid(problems.clone()),
        Refusal::Product(reasons) => Cause::Product(reasons.clone()),
        Refusal::Unknown(why) => Cause::Unknown(why.clone()),
        Refusal::Outside(why) => Cause::Outside(why.clone()),
        Refusal::Hold(hold) => Cause::Held { reason: hold.reason.clone(), failed: left_by_failure(hold) },
        Refusal::Room { free, needed } => Cause::Room { free: *free, needed: *needed },
        Refusal::NotAsked => Cause::NotAsked,
        Refusal::Window(_) | Refusal::Short { .. } => Cause::Window(refusal.to_string()),
        Refusal::Rehearsal(..) => Cause::Product(vec![format!("{refusal}; see why: `upkeep rehearse {}`", seen.target)]),
        // The daemon is about to see to it.
        Refusal::NotRehearsed(_) => return None,
        // Neither is said of a server that is known to be stopped.
        Refusal::NoService | Refusal::Service(_) => return None,
    })
}

/// Whether a hold is there because the upgrade to its version failed, and no person set it.
#[must_use]
pub fn left_by_failure(hold: &Hold) -> bool {
    hold.version.is_some() && hold.who == super::US
}

/// What the words name, as it is known of a target now.
#[derive(Debug)]
pub struct Naming<'a> {
    target: &'a Target,
    start: Option<String>,
    unit: Option<&'a str>,
    installed: Option<&'a Version>,
    good: Option<&'a Version>,
    package: Option<Package>,
    archives: String,
}

impl<'a> Naming<'a> {
    /// Gathers it.
    ///
    /// # Errors
    /// When our own state database cannot be read.
    pub async fn of(ctx: &Context, target: &'a Target, seen: &'a Observation) -> Result<Self, UpgradeError> {
        let (start, unit) = match target.service.as_ref().map(|service| &service.control) {
            Some(ServiceControl::Unit(unit)) => (Some(text::shell(&["systemctl", "start", unit])), Some(unit.as_str())),
            Some(ServiceControl::Commands { start, .. }) => (Some(text::shell(start)), None),
            None => (None, None),
        };
        let good = seen.good.as_ref().map(|good| &good.version);
        let package = package(ctx, target).await?;
        let installed = seen.release.as_ref().and_then(|release| release.as_ref().ok()).map(|release| &release.version);
        let archives = target.backup.directory.display().to_string();
        Ok(Self { target, start, unit, installed, good, package, archives })
    }

    /// For the words.
    #[must_use]
    pub fn names(&self) -> Names<'_> {
        Names {
            target: &self.target.name,
            start: self.start.as_deref(),
            unit: self.unit,
            installed: self.installed,
            good: self.good,
            package: self.package.as_ref(),
            archives: &self.archives,
            auto: self.target.upgrade.auto,
        }
    }

    /// The words for what stands against an upgrade, the weightiest of it.
    #[must_use]
    pub fn words(&self, seen: &Observation, last: Option<&Summary>, refusals: &[Refusal]) -> Option<Words> {
        let cause = refusals.iter().find_map(|refusal| of_refusal(seen, last, refusal))?;
        Some(cause.words(&self.names()))
    }
}

/// The package of the server, with what is known of its releases. The version that Debian gives one is known once it was seen here.
async fn package(ctx: &Context, target: &Target) -> Result<Option<Package>, UpgradeError> {
    let probes = target.release.iter().flat_map(|release| &release.probes);
    let Some(name) = probes.filter_map(|probe| if let Probe::Dpkg(name) = probe { Some(name) } else { None }).next() else {
        return Ok(None);
    };
    let known = ctx.state.seen_releases(&target.name).await?;
    let known = known.into_iter().filter_map(|known| Some((known.version, known.package?))).collect();
    Ok(Some(Package { name: name.clone(), known }))
}

#[cfg(test)]
mod tests;
