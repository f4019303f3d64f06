//! One scenario in one order: who does what, and what both say of it afterwards.

use std::collections::BTreeMap;
use std::path::Path;

use upkeep::config::Migrations;
use upkeep::migrate::{self, Selection};
use upkeep::progress::Progress;

use super::ground::{Base, Ground};
use super::scenario::{Act, Scenario, Step};
use super::words::{set, told, with_argument};
use crate::support::flyway::{Settings, Shared};
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
    /// What callbacks wrote down, in the order in which they ran.
    said: Vec<String>,
}

/// What Flyway alone makes of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Played {
    /// After each action.
    pub(super) seen: Vec<Seen>,
    /// At the end, by the server's own tool.
    dump: Vec<String>,
}

/// A scenario being played.
pub(super) struct Stage<'a> {
    pub(super) ground: &'a Ground,
    pub(super) flyway: &'a Shared,
    pub(super) runtime: &'a tokio::runtime::Runtime,
    /// How many states and verdicts were compared.
    pub(super) compared: usize,
}

impl Stage<'_> {
    /// Plays a scenario; `order` says who does its actions, `reference` what was there after each of them when Flyway did
    /// them all.
    pub(super) fn play(&mut self, scenario: &Scenario, order: &[Who], reference: Option<&Played>) -> Played {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("sql")).unwrap();
        let base = self.ground.fresh();
        let mut settings = settings();
        settings.ignore_patterns = vec!["*:future".to_owned()];
        let mut flyway: BTreeMap<String, String> = BTreeMap::new();
        let (mut played, mut whose) = (Played::default(), order.iter());
        let seen = &mut played.seen;
        // Whether anything changed since both were last asked. Before the first action every order is the same.
        let mut changed = reference.is_none();
        for (index, step) in scenario.steps.iter().enumerate() {
            let place = format!("{} on {}, {order:?}, step {} ({step:?})", scenario.name, self.ground.name(), index + 1);
            changed |= !matches!(step, Step::Act(_)) && (reference.is_none() || !seen.is_empty());
            match step {
                Step::Put(path, text) => put(root.path(), &format!("sql/{path}"), text),
                Step::PutLatin(path, text) => {
                    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
                    std::fs::write(root.path().join("sql").join(path), bytes).unwrap();
                }
                Step::Remove(path) => std::fs::remove_file(root.path().join("sql").join(path)).unwrap(),
                Step::Sql(sql) => drop(self.ground.sql(&base, sql)),
                Step::Set(key, value) => {
                    set(&mut settings, key, value);
                    flyway.insert(key.clone(), value.clone());
                }
                Step::Act(act) => {
                    let who = if act.ours_alone() { Who::Upkeep } else { *whose.next().unwrap() };
                    let theirs = told(&base, root.path(), &settings, &flyway);
                    if changed {
                        self.look(&format!("before {place}"), &base, root.path(), &settings, &theirs);
                    }
                    self.act(&place, who, act, &base, root.path(), &settings, &theirs);
                    self.look(&format!("after {place}"), &base, root.path(), &settings, &theirs);
                    changed = false;
                    let (history, schema) = (self.ground.history(&base, &settings), self.ground.schema(&base));
                    let now = Seen { history, schema, said: self.ground.said(&base) };
                    if let Some(reference) = reference {
                        let Seen { history, schema, said } = &reference.seen[seen.len()];
                        assert_eq!(&now.history, history, "{place}: histories");
                        assert_eq!(&now.schema, schema, "{place}: schemas");
                        assert_eq!(&now.said, said, "{place}: what callbacks did");
                        self.compared += 2 + usize::from(!said.is_empty());
                    }
                    seen.push(now);
                }
            }
        }
        played.dump = self.ground.dump(&base);
        if let Some(reference) = reference {
            assert_eq!(played.dump, reference.dump, "{} on {}, {order:?}", scenario.name, self.ground.name());
            self.compared += 1;
        }
        played
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
