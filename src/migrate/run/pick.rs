//! Which of the pending scripts, and which of the applied ones, are meant. Pure.

use super::Selection;
use crate::migrate::plan::{Entry, Plan, Problem, Resolved, State, shown};
use crate::migrate::version::MigrationVersion;

/// Keeps only what is picked among the pending scripts; what cannot be picked becomes a problem. `None` when all are meant.
///
/// They run in the order of their versions, whatever order they were named in, and none is left behind that could then never
/// run: a database must not come out of a run in a state that the next run refuses.
pub(super) fn pick(plan: &mut Plan, scripts: &[Resolved], selection: &Selection, out_of_order: bool) -> Option<Vec<usize>> {
    if selection.cherry_pick.is_empty() {
        return None;
    }
    let is = |script: &Resolved, asked: &str| match &script.version {
        Some(version) => MigrationVersion::parse(asked).is_ok_and(|asked| asked == *version),
        None => script.description == asked,
    };
    let mut picked = Vec::new();
    for asked in &selection.cherry_pick {
        let found = plan.pending.iter().copied().find(|&index| scripts.get(index).is_some_and(|script| is(script, asked)));
        match found {
            Some(index) => picked.push(index),
            None => plan.problems.push(Problem::NotPending { asked: asked.clone() }),
        }
    }
    let newest = picked.iter().filter_map(|&index| scripts.get(index)?.version.as_ref()).max();
    let left = plan.pending.iter().filter(|index| !picked.contains(index)).filter_map(|&index| scripts.get(index));
    let behind = left.filter(|script| script.version.is_some() && script.version.as_ref() < newest);
    let versions: Vec<String> = behind.map(shown).collect();
    if !versions.is_empty() && !out_of_order {
        plan.problems.push(Problem::LeavesBehind { versions });
    }
    plan.pending.retain(|index| picked.contains(index));
    Some(picked)
}

/// The applied versions to be taken back, newest first: by the order in which they were applied.
pub(super) fn undo_steps<'p>(plan: &'p Plan, down_to: Option<&MigrationVersion>) -> Vec<(MigrationVersion, &'p Entry)> {
    let standing = plan.entries.iter().filter(|entry| matches!(entry.state, State::Success | State::OutOfOrder));
    let standing = standing.filter(|entry| entry.rank.is_some() && !entry.kind.ends_with("BASELINE"));
    let mut steps: Vec<(MigrationVersion, &Entry)> = standing
        .filter_map(|entry| Some((MigrationVersion::parse(entry.version.as_deref()?).ok()?, entry)))
        .filter(|(version, _)| down_to.is_none_or(|down_to| version > down_to))
        .collect();
    steps.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.rank));
    if down_to.is_none() {
        steps.truncate(1);
    }
    steps
}
