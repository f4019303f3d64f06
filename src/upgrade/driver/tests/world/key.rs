//! What of a world and of a run at it decides everything that may follow: where two are alike in this, the same ways lead on.
//!
//! Counters are cut where nothing asks any further, words are left out, and a write is only where it stands: in the database, in which of
//! the archives that may be looked at again, in any other. One that is in none but the others is kept for good and never asked for.

use std::collections::BTreeSet;

use super::*;

/// Failures above which only the pauses grow, and what a long pause is to whoever drives, a stop is as well.
const MANY: u32 = 3;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Key {
    release: String,
    server: Option<String>,
    db: (usize, bool),
    archives: Vec<Option<(usize, bool, bool)>>,
    writes: BTreeSet<(bool, Vec<bool>, bool)>,
    held: bool,
    tool: (Option<u32>, bool),
    others: Others,
    phase: String,
    route: (usize, Vec<Step>, Option<Step>),
    counts: (u32, u32, u32),
    failure: Option<(bool, bool, bool, bool)>,
    touched: BTreeSet<Step>,
    flags: [bool; 7],
    seen: Option<bool>,
}

impl World {
    /// `seen`: whether the run that is underway, if one is, saw everything since the newest archive.
    pub(in super::super) fn key(&self, state: &State, seen: Option<bool>) -> Key {
        let inner = self.inner();
        let roles = inner.roles(state);
        let signature = |write: &String| {
            let of: Vec<bool> =
                roles.iter().map(|role| role.is_some_and(|at| inner.archives[at].2.writes.contains(write))).collect();
            let others = inner.archives.iter().enumerate().filter(|(at, _)| !roles.contains(&Some(*at)));
            let kept = others.into_iter().any(|(_, (_, _, db))| db.writes.contains(write));
            (inner.db.writes.contains(write), of, kept)
        };
        let archive = |at: usize| {
            let db = &inner.archives[at].2;
            (db.migrations, db.half, *db == inner.db)
        };
        let failure = state.failure.as_ref();
        Key {
            release: inner.installed.version.to_string(),
            server: inner.server.as_ref().map(ToString::to_string),
            db: (inner.db.migrations, inner.db.half),
            archives: roles.iter().map(|role| role.map(archive)).collect(),
            writes: inner.written.iter().map(signature).filter(|(db, of, _)| *db || of.contains(&true)).collect(),
            held: !inner.holds.is_empty(),
            tool: (inner.tool, inner.outcome_known),
            others: inner.others,
            phase: state.phase.to_string(),
            route: (state.at, state.route.clone(), state.open),
            counts: (state.attempts.min(2), state.unanswered, state.failures.min(MANY)),
            failure: failure.map(|failed| (failed.transient, failed.person, failed.passes(), failed.partial)),
            touched: state.touched.clone(),
            flags: [
                state.crashed,
                state.partial,
                state.no_return,
                state.tool.is_some(),
                state.tool_judged,
                state.told,
                state.turned_back.is_some(),
            ],
            seen,
        }
    }

    pub(in super::super) fn others(&self) -> Others {
        self.inner().others
    }

    pub(in super::super) fn wrong(&self) -> Vec<String> {
        self.inner().wrong.clone()
    }

    pub(in super::super) fn called(&self) -> Vec<String> {
        self.inner().called.clone()
    }

    /// A copy whose journal begins at what it added up to.
    pub(in super::super) fn fork_at(&self, state: &State) -> Self {
        let world = self.fork();
        let mut inner = world.inner();
        (inner.base, inner.journal) = (state.clone(), Vec::new());
        drop(inner);
        world
    }
}

impl Inner {
    /// The archives that may be looked at again, each by what it is asked for as.
    fn roles(&self, state: &State) -> Vec<Option<usize>> {
        let named = |label: Option<&Label>| self.archives.iter().position(|(_, of, _)| Some(of) == label);
        let newest = |kind: Kind| self.archives.iter().rposition(|(of, _, _)| *of == kind);
        let asked = match &self.plan.purpose {
            Purpose::Rollback { archive, .. } => Some(archive),
            Purpose::Upgrade | Purpose::Adopt => None,
        };
        let kinds = [Kind::PreUpgrade, Kind::FailedState, Kind::PreRestore].map(newest);
        let labels = [state.archive.as_ref(), state.kept.as_ref(), asked].map(named);
        [kinds, labels].concat()
    }
}
