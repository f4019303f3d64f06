//! What both tools say of a database, side by side.

use std::path::Path;

use upkeep::config::Migrations;
use upkeep::migrate;
use upkeep::migrate::plan::{Entry, Problem};

use super::compare::Stage;
use super::ground::Base;
use crate::support::flyway::Settings;

impl Stage<'_> {
    /// Both tools' states, and both verdicts of each: pending scripts passed over, and counted.
    pub(super) fn look(&mut self, place: &str, base: &Base, root: &Path, settings: &Migrations, theirs: &Settings) {
        let info = self.runtime.block_on(migrate::info(&base.database, settings, root));
        let info = info.unwrap_or_else(|error| panic!("{place}: upkeep: {error:?}"));
        let answer = self.flyway.ask("look", theirs);
        assert_eq!(answer.failed, None, "{place}");
        let mut flyways: Vec<String> = answer.rows.iter().map(|row| row.join("|")).collect();
        let mut upkeeps: Vec<String> = info.entries.iter().map(shown).collect();
        flyways.sort();
        upkeeps.sort();
        assert_eq!(upkeeps, flyways, "{place}: states (upkeep's left, Flyway's right)");

        // What Flyway finds only when it migrates.
        let later =
            |problem: &&Problem| matches!(problem, Problem::NoHistory | Problem::Unrunnable { .. } | Problem::Mixed { .. });
        let contradictions: Vec<&Problem> = info.problems.iter().filter(|problem| !later(problem)).collect();
        let consistent = contradictions.is_empty();
        let said = (&contradictions, &info.pending);
        assert_eq!(consistent, answer.pending.is_empty(), "{place}: upkeep {said:?}; Flyway {:?}", answer.pending);
        let in_step = consistent && info.pending.is_empty();
        assert_eq!(in_step, answer.strict.is_empty(), "{place}: upkeep {said:?}; Flyway {:?}", answer.strict);
        self.compared += 3;
    }
}

/// An entry as the driver prints Flyway's.
fn shown(entry: &Entry) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let (rank, sum) = (entry.rank.map(|rank| rank.to_string()), entry.checksum.map(|sum| sum.to_string()));
    let parts = [
        entry.state.to_string(),
        or_dash(entry.version.clone()),
        entry.description.clone(),
        entry.kind.clone(),
        entry.script.clone(),
        or_dash(rank),
        or_dash(sum),
    ];
    parts.join("|")
}
