//! Places away from the host: when a round is begun, and what is told of it.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Life;
use crate::daemon::ferry::Ferry;
use crate::failure::Failure;
use crate::ids::{PlaceName, TargetName};
use crate::offsite::Round;
use crate::wire::{Action, Asker, Copy, Job};

impl Life {
    /// The places that copies of any target go to.
    fn places(&self) -> BTreeSet<PlaceName> {
        let targets = self.ctx.config.targets.values();
        targets
            .flat_map(|target| &target.offsite.to)
            .filter(|name| self.ctx.config.offsite.contains_key(*name))
            .cloned()
            .collect()
    }

    /// Begins the rounds that are due, each in its place's own lane.
    pub(super) async fn ferry(&mut self, now: Instant) {
        let places = self.places();
        self.ferries.retain(|name, _| places.contains(name));
        for name in places {
            let ferry = self.ferries.entry(name.clone()).or_insert_with(|| Ferry::new(now));
            if ferry.next() > now {
                continue;
            }
            let underway =
                |action: &Action| matches!(action, Action::Copy(Copy { place, label: None, of: None }) if *place == name);
            if self.jobs.any(underway) {
                // Its end has us look again.
                ferry.went(now);
                ferry.call_after();
                continue;
            }
            if self.jobs.crowded() || self.trouble.is_some() {
                ferry.wait(now);
                continue;
            }
            ferry.went(now);
            let begun =
                self.submit(Action::Copy(Copy { place: name.clone(), label: None, of: None }), None, Asker::daemon()).await;
            if let (Err(_), Some(ferry)) = (&begun, self.ferries.get_mut(&name)) {
                ferry.wait(now);
            }
            self.log(begun.map(|_| ()));
        }
    }

    /// When the next round is due.
    pub(super) fn next_ferry(&self) -> Option<Instant> {
        self.ferries.values().map(Ferry::next).min()
    }

    /// Has the places of a target gone to, for its archives may have changed; of every target where none is named.
    pub(super) fn call_ferries(&mut self, target: Option<&TargetName>) {
        let now = Instant::now();
        let targets = self.ctx.config.targets.values().filter(|one| target.is_none_or(|name| one.name == *name));
        let to: BTreeSet<&PlaceName> = targets.flat_map(|one| &one.offsite.to).collect();
        for (name, ferry) in &mut self.ferries {
            if to.contains(name) {
                ferry.call(now);
            }
        }
    }

    /// Takes note of how a job ended, as far as it is about copies. Whether its end is no news: nothing was done, or it failed as before.
    pub(super) async fn ferried(&mut self, job: &Job, result: Option<&Result<serde_json::Value, Failure>>) -> bool {
        // Whoever sets a place up wants to see it used.
        if let (Action::OffsiteInit(set_up), Some(Ok(_))) = (&job.action, result)
            && let Some(ferry) = self.ferries.get_mut(&set_up.place)
        {
            ferry.call(Instant::now());
        }
        let Action::Copy(Copy { place, label, of }) = &job.action else {
            let changes = matches!(
                job.action,
                Action::Backup(_)
                    | Action::Upgrade(_)
                    | Action::Rollback(_)
                    | Action::Restore(_)
                    | Action::Verify(_)
                    | Action::Pin(_)
            );
            if changes {
                self.call_ferries(job.action.target());
            }
            return false;
        };
        let well = matches!(result, Some(Ok(_)));
        let as_before = match (self.ferries.get_mut(place), label, of) {
            (Some(ferry), None, None) => ferry.came(well, Instant::now()),
            _ => false,
        };
        // A round that ended in an error has done what it did before that.
        let answer = match result {
            Some(Ok(answer)) => Some(answer),
            Some(Err(failure)) => failure.done.as_deref(),
            None => None,
        };
        let Some(answer) = answer else { return as_before };
        let Ok(round) = serde_json::from_value::<Round>(answer.clone()) else { return as_before };
        for sent in &round.copied {
            let message = format!("{} is at {place}, sealed and read back", sent.label);
            self.event(Some(&sent.target), "copy.made", &message).await;
        }
        for bad in &round.bad {
            let message = format!("the copy of {} at {place} is {}: {}", bad.label, bad.state, bad.why);
            self.event(Some(&bad.target), &format!("copy.{}", bad.state), &message).await;
        }
        round.copied.is_empty() && round.bad.is_empty() && (well || as_before)
    }
}
