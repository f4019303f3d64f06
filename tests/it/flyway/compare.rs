//! One scenario in one order: who does what, and what both say of it afterwards.

use std::collections::BTreeMap;
use std::path::Path;

use upkeep::config::Migrations;
use upkeep::migrate::plan::Problem;
use upkeep::migrate::{self, Selection};
use upkeep::progress::Progress;

use super::ground::{Base, Ground};
use super::scenario::{Act, Scenario, Step};
use crate::support::flyway::{Flyway, Settings};
use crate::support::scripts::{put, settings};

/// Who does an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Flyway,
    Upkeep,
}

/// What is there after an action, but for times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    history: Vec<String>,
    schema: Vec<String>,
}

/// A scenario being played.
pub(super) struct Stage<'a> {
    pub(super) ground: &'a Ground,
    pub(super) flyway: &'a mut Flyway,
    pub(super) runtime: &'a tokio::runtime::Runtime,
    /// How many states and verdicts were compared.
    pub(super) compared: usize,
}

impl Stage<'_> {
    /// Plays a scenario; `order` says who does its actions, `reference` what was there after each of them when Flyway did
    /// them all.
    pub(super) fn play(&mut self, scenario: &Scenario, order: &[Who], reference: Option<&[Seen]>) -> Vec<Seen> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("sql")).unwrap();
        let base = self.ground.fresh();
        let mut settings = settings();
        settings.ignore_patterns = vec!["*:future".to_owned()];
        let mut flyway: BTreeMap<String, String> = BTreeMap::new();
        let (mut seen, mut whose) = (Vec::new(), order.iter());
        for (index, step) in scenario.steps.iter().enumerate() {
            let place = format!("{} on {}, {order:?}, step {} ({step:?})", scenario.name, self.ground.name(), index + 1);
            match step {
                Step::Put(path, text) => put(root.path(), &format!("sql/{path}"), text),
                Step::Remove(path) => std::fs::remove_file(root.path().join("sql").join(path)).unwrap(),
                Step::Sql(sql) => drop(self.ground.sql(&base, sql)),
                Step::Set(key, value) => {
                    set(&mut settings, key, value);
                    flyway.insert(key.clone(), value.clone());
                }
                Step::Act(act) => {
                    let who = if act.ours_alone() { Who::Upkeep } else { *whose.next().unwrap() };
                    let theirs = told(&base, root.path(), &settings, &flyway);
                    self.look(&place, "before", &base, root.path(), &settings, &theirs);
                    self.act(&place, who, act, &base, root.path(), &settings, &theirs);
                    self.look(&place, "after", &base, root.path(), &settings, &theirs);
                    let now = Seen { history: self.ground.history(&base, &settings), schema: self.ground.schema(&base) };
                    if let Some(reference) = reference {
                        assert_eq!(now.history, reference[seen.len()].history, "{place}: histories");
                        assert_eq!(now.schema, reference[seen.len()].schema, "{place}: schemas");
                        self.compared += 2;
                    }
                    seen.push(now);
                }
            }
        }
        seen
    }

    #[expect(clippy::too_many_arguments, reason = "an action is all of this")]
    fn act(&mut self, place: &str, who: Who, act: &Act, base: &Base, root: &Path, settings: &Migrations, theirs: &Settings) {
        let failed = match who {
            Who::Flyway => self.flyway.ask(&act.verb, &with_argument(theirs, act)).failed,
            Who::Upkeep => self.runtime.block_on(ours(act, base, root, settings)).err(),
        };
        assert_eq!(failed.is_some(), act.fails, "{place}: {who:?} said {failed:?}");
        self.compared += 1;
    }

    /// Both tools' states and verdicts.
    fn look(&mut self, place: &str, when: &str, base: &Base, root: &Path, settings: &Migrations, theirs: &Settings) {
        let info = self.runtime.block_on(migrate::info(&base.database, settings, root));
        let info = info.unwrap_or_else(|error| panic!("{place}, {when}: upkeep: {error:?}"));
        let answer = self.flyway.ask("info", theirs);
        assert_eq!(answer.failed, None, "{place}, {when}");
        let mut flyways: Vec<String> = answer.rows.iter().map(|row| row.join("|")).collect();
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let entries = info.entries.iter().map(|entry| {
            let (rank, sum) = (entry.rank.map(|rank| rank.to_string()), entry.checksum.map(|sum| sum.to_string()));
            let (version, kind) = (shown(&entry.version), &entry.kind);
            let parts = [entry.state.to_string(), version, entry.description.clone(), kind.clone(), entry.script.clone()];
            format!("{}|{}|{}", parts.join("|"), shown(&rank), shown(&sum))
        });
        let mut upkeeps: Vec<String> = entries.collect();
        flyways.sort();
        upkeeps.sort();
        assert_eq!(upkeeps, flyways, "{place}, {when}: states (upkeep's left, Flyway's right)");
        self.compared += 1;

        // What Flyway finds only when it migrates.
        let later =
            |problem: &&Problem| matches!(problem, Problem::NoHistory | Problem::Unrunnable { .. } | Problem::Mixed { .. });
        let problems = info.problems.iter().filter(|problem| !later(problem));
        let contradictions: Vec<String> = problems.map(ToString::to_string).collect();
        for (pending_counts, patterns) in [(false, "*:pending"), (true, "")] {
            let patterns: Vec<&str> =
                settings.ignore_patterns.iter().map(String::as_str).chain([patterns]).filter(|one| !one.is_empty()).collect();
            let mut asked = theirs.clone();
            asked.retain(|(key, _)| key != "ignoreMigrationPatterns");
            asked.push(("ignoreMigrationPatterns".to_owned(), patterns.join(",")));
            let answer = self.flyway.ask("validate", &asked);
            let valid = answer.failed.is_none() && answer.rows.is_empty();
            let ours = contradictions.is_empty() && (!pending_counts || info.pending.is_empty());
            assert_eq!(
                ours, valid,
                "{place}, {when}: upkeep finds {contradictions:?}, pending {:?}; Flyway {answer:?}",
                info.pending
            );
            self.compared += 1;
        }
    }
}

/// What upkeep does for an action.
async fn ours(act: &Act, base: &Base, root: &Path, settings: &Migrations) -> Result<(), String> {
    let said = |error: &dyn std::error::Error| {
        let mut words = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            words.push(error.to_string());
            cause = error.source();
        }
        words.join(": ")
    };
    let (database, progress) = (&base.database, Progress::default());
    match act.verb.as_str() {
        "migrate" => migrate::apply(database, settings, root, &progress).await.map(drop).map_err(|error| said(&error)),
        "baseline" => {
            let version = if act.argument.is_empty() { "1" } else { &act.argument };
            migrate::baseline(database, settings, root, version, None).await.map_err(|error| said(&error))
        }
        "repair" => migrate::repair(database, settings, root).await.map(drop).map_err(|error| said(&error)),
        "undo" => {
            let down_to = Some(act.argument.as_str()).filter(|version| !version.is_empty());
            migrate::undo(database, settings, root, down_to).await.map(drop).map_err(|error| said(&error))
        }
        "cherry-pick" => {
            let selection = Selection { cherry_pick: act.argument.split(',').map(str::to_owned).collect() };
            let done = migrate::apply_some(database, settings, root, &selection, &progress).await;
            done.map(drop).map_err(|error| said(&error))
        }
        other => panic!("upkeep has no {other}"),
    }
}

/// Flyway's settings for this moment.
fn told(base: &Base, root: &Path, settings: &Migrations, set: &BTreeMap<String, String>) -> Settings {
    let mut told = base.jdbc.clone();
    told.push(("locations".to_owned(), format!("filesystem:{}", root.join("sql").display())));
    told.push(("ignoreMigrationPatterns".to_owned(), settings.ignore_patterns.join(",")));
    // Its default lock is an open transaction, for the end of which `CREATE INDEX CONCURRENTLY` waits for ever.
    told.push(("postgresql.transactional.lock".to_owned(), "false".to_owned()));
    told.extend(
        set.iter().filter(|(key, _)| *key != "ignoreMigrationPatterns").map(|(key, value)| (key.clone(), value.clone())),
    );
    told
}

fn with_argument(theirs: &Settings, act: &Act) -> Settings {
    let mut theirs = theirs.clone();
    if act.verb == "baseline" && !act.argument.is_empty() {
        theirs.push(("baselineVersion".to_owned(), act.argument.clone()));
    }
    theirs
}

/// Flyway's setting in upkeep's words.
fn set(settings: &mut Migrations, key: &str, value: &str) {
    match key {
        "table" => settings.table = value.to_owned(),
        "defaultSchema" => settings.schema = value.to_owned(),
        "sqlMigrationPrefix" => settings.prefix = value.to_owned(),
        "repeatableSqlMigrationPrefix" => settings.repeatable_prefix = value.to_owned(),
        "sqlMigrationSeparator" => settings.separator = value.to_owned(),
        "sqlMigrationSuffixes" => settings.suffixes = value.split(',').map(str::to_owned).collect(),
        "placeholderReplacement" => settings.placeholder_replacement = value == "true",
        "outOfOrder" => settings.out_of_order = value == "true",
        "mixed" => settings.mixed = value == "true",
        "baselineOnMigrate" => settings.baseline_on_migrate = (value == "true").then(|| "1".to_owned()),
        "baselineVersion" => settings.baseline_on_migrate = settings.baseline_on_migrate.as_ref().map(|_| value.to_owned()),
        "target" => settings.target = (value != "latest").then(|| value.to_owned()),
        "encoding" => settings.encoding = value.to_owned(),
        "ignoreMigrationPatterns" => {
            settings.ignore_patterns = value.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect();
        }
        other => match other.strip_prefix("placeholders.") {
            Some(name) => drop(settings.placeholders.insert(name.to_owned(), value.to_owned())),
            None => panic!("setting {other} has no counterpart"),
        },
    }
}
