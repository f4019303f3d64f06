//! What is to be done: pure, from the history's rows and the release's scripts to states, pending scripts and problems.
//!
//! Owns Flyway's states and its rules for them. Never connects or reads files. Stricter than Flyway in one place: a database
//! that holds versions the release does not know is *ahead*, which Flyway only warns of. Held by `plan/tests.rs`.

mod amendment;
mod facts;
mod ignore;
mod problem;
pub(in crate::migrate) mod repair;
mod state;
mod target;

use std::collections::BTreeMap;

use super::naming::Kind;
use super::version::MigrationVersion;
use crate::history::flyway::Row;
pub use amendment::Repaired;
pub(in crate::migrate) use amendment::{Amendment, NewRow};
use facts::{Facts, Role};
pub use ignore::Ignore;
pub use problem::{Problem, in_words};
pub use state::{Entry, State};
use state::{entry_of_row, entry_of_script};
pub use target::{NotATarget, Target};

/// A script as the plan sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Its kind.
    pub kind: Kind,
    /// Its version; none exactly for repeatable ones.
    pub version: Option<MigrationVersion>,
    /// Its description.
    pub description: String,
    /// Its path relative to its location.
    pub script: String,
    /// The checksum stored when it is applied.
    pub checksum: i32,
    /// Another checksum that counts as the same: a repeatable script's before placeholders are replaced.
    pub equivalent: Option<i32>,
    /// Whether it runs at all: a companion may say no.
    pub execute: bool,
}

/// What the database has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// No history table in a schema without anything.
    Nothing,
    /// No history table, but other objects.
    NoHistory,
    /// A history table with these rows, by rank.
    Rows(Vec<Row>),
}

/// The settings that decide.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Whether a script older than the newest applied one still runs.
    pub out_of_order: bool,
    /// The baseline given to a database that has objects but no history.
    pub baseline_on_migrate: Option<MigrationVersion>,
    /// How far is migrated.
    pub target: Target,
    /// What is no problem.
    pub ignore: Ignore,
}

/// What follows from rows and scripts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Every row and script: rows by rank, then scripts without a row.
    pub entries: Vec<Entry>,
    /// What is to be applied, in order: indices into the scripts given.
    pub pending: Vec<usize>,
    /// Applied versions the release does not know and that are newer than all it has.
    pub ahead: Vec<String>,
    /// Why nothing may be applied.
    pub problems: Vec<Problem>,
    /// The baseline row to be written when the history is created.
    pub baseline: Option<MigrationVersion>,
    /// The newest version in effect.
    pub head: Option<String>,
}

/// Flyway's `type` of a script.
#[must_use]
pub fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Baseline => "SQL_BASELINE",
        Kind::Versioned | Kind::Repeatable => "SQL",
    }
}

/// Makes the plan.
#[must_use]
pub fn plan(existing: &Existing, scripts: &[Resolved], rules: &Rules) -> Plan {
    let mut plan = Plan::default();
    let rows: &[Row] = match existing {
        Existing::Rows(rows) => rows,
        Existing::Nothing => &[],
        Existing::NoHistory => {
            plan.baseline.clone_from(&rules.baseline_on_migrate);
            if plan.baseline.is_none() && !scripts.is_empty() {
                plan.problems.push(Problem::NoHistory);
            }
            &[]
        }
    };
    duplicates(scripts, &mut plan.problems);
    let mut facts = Facts::read(rows, &mut plan.problems);
    if let Some(baseline) = &plan.baseline {
        facts.baseline = Some(baseline.clone());
        facts.newest = Some(baseline.clone());
    }
    // On a history without versions the newest baseline script stands for everything up to its version.
    let opening = scripts.iter().filter(|script| script.kind == Kind::Baseline && facts.newest.is_none());
    let opening = opening.max_by(|a, b| a.version.cmp(&b.version)).and_then(|script| script.version.clone());

    applied(&facts, scripts, rules, &mut plan);
    let states = states(scripts, &facts, opening.as_ref(), rules, &mut plan.problems);
    for (script, state) in scripts.iter().zip(&states).filter_map(|(script, state)| Some((script, (*state)?))) {
        let meant_to_run = script.execute && script.kind != Kind::Baseline;
        if state == State::Ignored && meant_to_run && !rules.ignore.covers(script.version.is_some(), "ignored") {
            plan.problems.push(Problem::Skipped { version: shown(script), script: script.script.clone() });
        }
        // A script that is to run again stands beside its row.
        plan.entries.push(entry_of_script(script, state));
    }
    plan.pending = in_order(scripts, &states);
    // With two scripts for one version the other problems are about whichever was looked at.
    if plan.problems.iter().any(|problem| matches!(problem, Problem::Duplicate { .. })) {
        plan.problems.retain(|problem| matches!(problem, Problem::Duplicate { .. }));
    }
    plan.head = facts.head();
    plan
}

/// Baseline first, then by version, then repeatable ones by description, as Java orders texts.
fn order(a: &Resolved, b: &Resolved) -> std::cmp::Ordering {
    let class = |script: &Resolved| (script.kind == Kind::Repeatable, script.kind != Kind::Baseline);
    class(a)
        .cmp(&class(b))
        .then_with(|| a.version.cmp(&b.version))
        .then_with(|| a.description.encode_utf16().cmp(b.description.encode_utf16()))
}

/// The states of the scripts without a row in effect, up to the target.
fn states(
    scripts: &[Resolved],
    facts: &Facts<'_>,
    opening: Option<&MigrationVersion>,
    rules: &Rules,
    problems: &mut Vec<Problem>,
) -> Vec<Option<State>> {
    let mut states: Vec<Option<State>> = scripts.iter().map(|script| not_applied(script, facts, opening, rules)).collect();
    let last = match &rules.target {
        Target::Latest => return states,
        Target::Current => facts.newest.clone(),
        Target::Next => {
            let versions = in_order(scripts, &states).into_iter().filter_map(|index| scripts.get(index)?.version.clone());
            match versions.into_iter().next() {
                Some(next) => Some(next),
                None => return states,
            }
        }
        Target::Version { version, must_exist } => {
            let known = scripts.iter().filter_map(|script| script.version.as_ref());
            let applied = facts.rows.iter().filter_map(|fact| fact.version.as_ref());
            if *must_exist && !known.chain(applied).any(|known| known == version) {
                problems.push(Problem::NoTarget { version: version.to_string() });
            }
            Some(version.clone())
        }
    };
    for (script, state) in scripts.iter().zip(&mut states) {
        let above = script.version.is_some() && script.version > last;
        if above && matches!(state, Some(State::Pending | State::Ignored)) {
            *state = Some(State::AboveTarget);
        }
    }
    states
}

/// The pending scripts in the order in which they run.
fn in_order(scripts: &[Resolved], states: &[Option<State>]) -> Vec<usize> {
    let pending = states.iter().enumerate().filter(|(_, state)| **state == Some(State::Pending));
    let mut pending: Vec<usize> = pending.map(|(index, _)| index).collect();
    pending.sort_by(|&a, &b| match (scripts.get(a), scripts.get(b)) {
        (Some(a), Some(b)) => order(a, b),
        _ => std::cmp::Ordering::Equal,
    });
    pending
}

/// The state of a script without a row in effect; an outdated repeatable one is pending. None for one that is in effect.
fn not_applied(script: &Resolved, facts: &Facts<'_>, opening: Option<&MigrationVersion>, rules: &Rules) -> Option<State> {
    let Some(version) = &script.version else {
        if !script.execute {
            return facts.repeatable(&script.description).is_none().then_some(State::Ignored);
        }
        let latest = facts.repeatable(&script.description);
        return match latest {
            Some(row) if !row.success || same_checksum(script, row) => None,
            _ => Some(State::Pending),
        };
    };
    if facts.row_of(script).is_some() {
        return None;
    }
    let baseline = facts.baseline.as_ref().or(opening);
    let state = if !script.execute {
        State::Ignored
    } else if script.kind == Kind::Baseline && Some(version) == opening {
        State::Pending
    } else if baseline.is_some_and(|baseline| version < baseline) {
        State::BelowBaseline
    } else if baseline == Some(version) {
        State::IgnoredBaseline
    } else if script.kind == Kind::Baseline || (facts.is_past(version) && !rules.out_of_order) {
        State::Ignored
    } else {
        State::Pending
    };
    Some(state)
}

/// Flyway takes a repeatable script's checksum with or without its placeholders replaced.
fn same_checksum(script: &Resolved, row: &Row) -> bool {
    row.checksum == Some(script.checksum) || (script.equivalent.is_some() && row.checksum == script.equivalent)
}

/// States and problems of the rows.
fn applied(facts: &Facts<'_>, scripts: &[Resolved], rules: &Rules, plan: &mut Plan) {
    let newest_known = scripts.iter().filter_map(|script| script.version.as_ref()).max();
    // Found by version, because a plan is made anew after each of thousands of scripts.
    let (mut versioned, mut repeatable): (BTreeMap<&MigrationVersion, Vec<&Resolved>>, Vec<&Resolved>) = Default::default();
    for script in scripts {
        match &script.version {
            Some(version) => versioned.entry(version).or_default().push(script),
            None => repeatable.push(script),
        }
    }
    for fact in &facts.rows {
        let candidates = match &fact.version {
            Some(version) => versioned.get(version),
            None => Some(&repeatable),
        };
        let script = candidates.into_iter().flatten().copied().find(|script| fact.is_of(script));
        let missing = || {
            let future = fact.version.as_ref().is_some_and(|version| newest_known.is_none_or(|known| version > known));
            match (future, fact.row.success) {
                (true, true) => State::Future,
                (true, false) => State::FailedFuture,
                (false, true) => State::Missing,
                (false, false) => State::FailedMissing,
            }
        };
        let state = match (fact.role, fact.gone) {
            (_, Some(gone)) => gone,
            (Role::Note, _) if !fact.row.success => State::Failed,
            (Role::Note, _) => State::Success,
            (Role::Baseline, _) => State::Baseline,
            (Role::Script, _) if fact.superseded => State::Superseded,
            (Role::Script, _) if script.is_some() && fact.row.success && fact.row.kind.ends_with("_BASELINE") => {
                State::Baseline
            }
            (Role::Script, _) if script.is_none() => missing(),
            (Role::Script, _) if !fact.row.success => State::Failed,
            (Role::Script, _) if fact.version.is_none() => match script {
                Some(script) if !same_checksum(script, fact.row) => State::Outdated,
                _ => State::Success,
            },
            (Role::Script, _) if fact.out_of_order => State::OutOfOrder,
            (Role::Script, _) => State::Success,
        };
        // A version's deletion shows as the state of what it deleted; in Flyway's own list too, which shows a repeatable's.
        if fact.role != Role::Note || fact.version.is_none() || !fact.row.success {
            plan.entries.push(entry_of_row(fact.row, state));
        }
        let what = || problem::named(fact.row);
        let ignored = |what| rules.ignore.covers(fact.version.is_some(), what);
        match state {
            State::FailedFuture if ignored("future") => {}
            State::Missing if ignored("missing") => {}
            State::Failed | State::FailedMissing | State::FailedFuture => {
                plan.problems.push(Problem::Failed { migration: what(), script: fact.row.script.clone() });
            }
            State::Missing => plan.problems.push(Problem::Missing { migration: what(), script: fact.row.script.clone() }),
            State::Future => plan.ahead.push(fact.row.version.clone().unwrap_or_default()),
            _ => {}
        }
        if let (Some(script), Role::Script, None) = (script, fact.role, fact.gone)
            && matches!(state, State::Success | State::OutOfOrder | State::Outdated | State::Baseline)
        {
            let above_baseline = fact.version.as_ref().is_none_or(|version| Some(version) > facts.baseline.as_ref());
            let own_baseline = script.kind == Kind::Baseline;
            if above_baseline || own_baseline {
                problem::compare(script, fact.row, same_checksum(script, fact.row), &mut plan.problems);
            }
        }
    }
    if !plan.ahead.is_empty() && !rules.ignore.covers(true, "future") {
        plan.problems.push(Problem::Ahead { versions: plan.ahead.clone() });
    }
}

fn duplicates(scripts: &[Resolved], problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<(Kind, Option<&MigrationVersion>, &str), &Resolved> = BTreeMap::new();
    for script in scripts {
        let description = if script.kind == Kind::Repeatable { script.description.as_str() } else { "" };
        match seen.entry((script.kind, script.version.as_ref(), description)) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(script);
            }
            std::collections::btree_map::Entry::Occupied(first) => problems.push(Problem::Duplicate {
                migration: shown(script),
                scripts: [first.get().script.clone(), script.script.clone()],
            }),
        }
    }
}

/// A description as the table's column takes it.
pub(super) fn abbreviated_description(description: &str) -> String {
    facts::abbreviated(description, facts::DESCRIPTION_MAX)
}

/// A script's path as the table's column takes it: Flyway lets the beginning give way to three dots.
pub(super) fn abbreviated_script(script: &str) -> String {
    const MAX: usize = 1000;
    if script.encode_utf16().count() <= MAX {
        return script.to_owned();
    }
    let units: Vec<u16> = script.encode_utf16().skip(3).take(MAX - 3).collect();
    format!("...{}", String::from_utf16_lossy(&units))
}

/// Whether a row is of a script, whatever else there is.
pub(super) fn is_of(row: &Row, script: &Resolved) -> bool {
    Facts::read(std::slice::from_ref(row), &mut Vec::new()).rows.iter().any(|fact| fact.is_of(script))
}

/// How a script is named to people: its version, or its description.
#[must_use]
pub fn shown(script: &Resolved) -> String {
    script.version.as_ref().map_or_else(|| format!("repeatable `{}`", script.description), ToString::to_string)
}

#[cfg(test)]
mod tests;
