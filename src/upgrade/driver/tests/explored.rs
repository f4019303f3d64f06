//! Every state that an upgrade can come to, and every way that leads on from it.
//!
//! A way is one move of the driver as it goes well, and the same gone wrong: killed before or after any of its calls, with a call that
//! fails in each manner that is told apart (without an effect, or with all of it), with somebody who acts right before a call;
//! and what others do, what becomes of a tool and what a person answers while nothing is driven. States that are alike in what decides anything
//! further are one. What must hold is asked in each of them ([`held`]).
//!
//! `TEST_EXPLORED_WRONG` says how much may go wrong on one way; with a number that is large enough, all that can be reached is.

mod held;

use std::collections::{HashMap, HashSet};
use std::io::Write as _;

use futures_util::FutureExt as _;

use held::must_hold;

use super::world::key::Key;
use super::world::{Inner, Others, Twist};
use super::*;
use crate::failure::Class;

type Act = fn(&mut Inner);

/// Somebody who is not upkeep, and what he does.
const ACTS: [(&str, Act); 6] = [
    ("somebody writes", |inner| {
        inner.write();
        inner.others.rows = true;
    }),
    ("somebody starts the server", |inner| {
        let before = inner.migrations();
        inner.serve();
        inner.others.server = true;
        // One that migrates by itself.
        inner.others.database |= inner.migrations() != before;
    }),
    ("somebody stops the server", |inner| {
        inner.stop();
        inner.others.server = true;
    }),
    ("another release is installed", |inner| {
        inner.install("3.0");
        inner.others.release = true;
    }),
    ("the release before is installed", |inner| {
        inner.install("1.0");
        inner.others.release = true;
    }),
    ("another upkeep migrates", |inner| {
        inner.migrate_elsewhere();
        inner.others.database = true;
    }),
];

/// How many of them a start has not asked about.
const SEEN_BEFORE_A_START: usize = 3;

type Failure = fn(&str) -> Failed;

/// How a call may fail: each of these is treated otherwise.
const FAILURES: [(&str, Failure); 4] = [
    ("for a moment", |call| Failed { transient: true, ..Failed::new(Class::TempFail, format!("{call} failed")) }),
    ("for a while", |call| Failed::new(Class::Unavailable, format!("{call} failed"))),
    ("for good", |call| Failed::new(Class::Data, format!("{call} failed"))),
    ("so that a person must decide", |call| Failed::undecided(format!("{call} failed"), vec!["do it".to_owned()])),
];

/// Calls that have no answer of their own that could be a failure.
const SURE: [&str; 2] = ["record", "service"];

/// A state: a world, what the journal adds up to, and the run that is underway, if one is.
struct Node {
    world: World,
    state: State,
    drive: Option<Drive>,
}

/// Where a state was found first, and what led from there.
type From = (usize, String);

#[derive(Default)]
struct Found {
    known: HashMap<Key, usize>,
    from: Vec<Option<From>>,
    /// Where each leads when nothing goes wrong any more and a person answers whatever helps.
    well: Vec<Vec<usize>>,
    ended: Vec<bool>,
    /// Found, and what leads on from it not looked at yet.
    open: Vec<(usize, Node)>,
    /// What was reached by one thing more that went wrong.
    next: Vec<(From, Node)>,
    waiting: HashSet<Key>,
    ways: usize,
}

impl Found {
    fn explore(&mut self, begun: Node, wrong: usize) {
        self.add(None, begun);
        for left in (0..=wrong).rev() {
            while let Some((at, node)) = self.open.pop() {
                match &node.drive {
                    _ if node.state.phase.terminal() => {}
                    Some(_) => self.turn(at, &node, left > 0),
                    None => self.idle(at, &node, left > 0),
                }
            }
            self.waiting.clear();
            for (from, node) in std::mem::take(&mut self.next) {
                if !self.known.contains_key(&node.key()) {
                    self.add(Some(from), node);
                }
            }
        }
    }

    fn add(&mut self, from: Option<From>, node: Node) -> usize {
        let at = self.from.len();
        self.known.insert(node.key(), at);
        self.from.push(from);
        self.well.push(Vec::new());
        self.ended.push(node.state.phase.terminal());
        must_hold(&node, || self.story(at));
        self.open.push((at, node));
        at
    }

    /// A way on which nothing goes wrong.
    fn well(&mut self, at: usize, node: Node, how: impl FnOnce() -> String) {
        self.ways += 1;
        self.is_right(at, &node);
        let to = match self.known.get(&node.key()) {
            Some(to) => *to,
            None => self.add(Some((at, how())), node),
        };
        self.well[at].push(to);
    }

    /// What upkeep did on this way: another may lead to the same state.
    fn is_right(&self, at: usize, node: &Node) {
        let wrong = node.world.wrong();
        assert!(wrong.is_empty(), "{wrong:?}: {}; {}", self.story(at), node.goes());
    }

    /// One on which something does: looked at when all is known that is reached without.
    fn wrong(&mut self, at: usize, node: Node, how: impl FnOnce() -> String) {
        self.ways += 1;
        self.is_right(at, &node);
        let key = node.key();
        if !self.known.contains_key(&key) && self.waiting.insert(key) {
            self.next.push(((at, how()), node));
        }
    }

    /// What may follow where a run is underway.
    fn turn(&mut self, at: usize, node: &Node, wrong: bool) {
        let (next, called) = node.turn(None, None);
        self.well(at, next, || node.goes());
        let stopped = Node { drive: None, ..node.fork() };
        self.well(at, stopped, || "it is stopped".to_owned());
        for (call, name) in called.iter().enumerate().map(|(number, name)| (number + 1, name)).filter(|_| wrong) {
            self.kill(at, node, call, name);
            for (how, failure) in FAILURES.iter().filter(|_| !SURE.contains(&name.as_str())) {
                for (after, done) in [(false, ""), (true, ", though it is done")] {
                    let (next, _) = node.turn(Some((call, Twist::Fails { failure: *failure, after })), None);
                    self.wrong(at, next, || format!("{}, where {name} fails {how}{done}", node.goes()));
                }
            }
            // Nobody can see that release and database fit, and start, in one.
            let seen = if name.starts_with("start:") { SEEN_BEFORE_A_START } else { ACTS.len() };
            for (who, act) in &ACTS[..seen] {
                let (next, _) = node.turn(Some((call, Twist::Act(*act))), None);
                self.wrong(at, next, || format!("{}, and before {name} {who}", node.goes()));
            }
        }
    }

    fn kill(&mut self, at: usize, node: &Node, call: usize, name: &str) {
        for cut in [Cut::Before, Cut::After] {
            let (next, _) = node.turn(None, Some((call, cut)));
            if let Some(lives) = next.tool_lives() {
                self.wrong(at, lives, || format!("{}, killed {cut:?} {name}, and the tool lives on", node.goes()));
            }
            self.wrong(at, next, || format!("{}, killed {cut:?} {name}", node.goes()));
        }
    }

    /// What may follow where none is.
    fn idle(&mut self, at: usize, node: &Node, wrong: bool) {
        if !matches!(next(&node.world.plan(), &node.state), Move::Rest) {
            let begun = Node { drive: Some(Drive::begin(node.state.clone())), ..node.fork() };
            self.well(at, begun, || "it is begun".to_owned());
        }
        for (what, act) in [("the tool goes on", Inner::tool_goes_on as Act), ("the tool ends", Inner::tool_ends)] {
            self.well(at, node.after(act), || what.to_owned());
        }
        for settle in [Settle::Resume, Settle::Abort, Settle::Accept] {
            let said = Event::Said { settle, who: "root".to_owned(), release: None };
            let Ok(state) = node.state.clone().apply(&said) else { continue };
            let next = Node { state, ..node.fork() };
            let others = node.world.others();
            match settle {
                // It is a way out of whatever there is, and the only one where others decided about release or database.
                Settle::Accept if !others.release && !others.database => {
                    self.wrong(at, next, || "a person takes it as it is".to_owned())
                }
                _ => self.well(at, next, || format!("a person says {settle:?}")),
            }
        }
        for (who, act) in ACTS.iter().filter(|_| wrong) {
            let next = node.after(*act);
            next.world.meddle(|inner| inner.others.unseen = true);
            self.wrong(at, next, || (*who).to_owned());
        }
    }

    fn story(&self, mut at: usize) -> String {
        let mut story = Vec::new();
        while let Some((before, how)) = &self.from[at] {
            story.push(how.clone());
            at = *before;
        }
        story.reverse();
        story.join("; ")
    }

    fn longest(&self) -> usize {
        let mut depth = vec![0; self.from.len()];
        for (at, from) in self.from.iter().enumerate() {
            depth[at] = from.as_ref().map_or(0, |(before, _)| depth[*before] + 1);
        }
        depth.into_iter().max().unwrap_or_default()
    }

    /// The states from which no end is reached though nothing fails any more and a person says whatever helps.
    fn without_end(&self) -> Vec<usize> {
        let mut before = vec![Vec::new(); self.well.len()];
        for (at, nexts) in self.well.iter().enumerate() {
            nexts.iter().for_each(|next| before[*next].push(at));
        }
        let mut ends = self.ended.clone();
        let mut open: Vec<usize> = (0..ends.len()).filter(|at| ends[*at]).collect();
        while let Some(at) = open.pop() {
            for from in &before[at] {
                if !ends[*from] {
                    ends[*from] = true;
                    open.push(*from);
                }
            }
        }
        (0..ends.len()).filter(|at| !ends[*at]).collect()
    }
}

impl Node {
    fn fork(&self) -> Self {
        Self { world: self.world.fork_at(&self.state), state: self.state.clone(), drive: self.drive.clone() }
    }

    fn after(&self, act: Act) -> Self {
        let node = self.fork();
        node.world.meddle(act);
        node
    }

    fn key(&self) -> Key {
        self.world.key(&self.state, self.drive.as_ref().map(|drive| drive.since == Since::Begun))
    }

    fn goes(&self) -> String {
        match next(&self.world.plan(), &self.state) {
            Move::Rest => "it rests".to_owned(),
            Move::Record(event) => format!("it notes {}", event.kind()),
            Move::Try(step, _) => format!("it tries {step}"),
        }
    }

    /// One move of the run, and the calls it made.
    fn turn(&self, twist: Option<(usize, Twist)>, kill: Option<(usize, Cut)>) -> (Self, Vec<String>) {
        let Self { world, drive, .. } = self.fork();
        world.meddle(|inner| inner.twist = twist);
        if let Some((call, cut)) = kill {
            world.kill_at(call, cut);
        }
        let plan = world.plan();
        let turned = drive.unwrap().turn(&world, &plan, &CancellationToken::new()).now_or_never().map(Result::unwrap);
        let drive = match turned {
            Some(ControlFlow::Continue(drive)) => Some(drive),
            Some(ControlFlow::Break(_)) | None => None,
        };
        world.spare();
        let (state, called) = (world.state(), world.called());
        (Self { world, state, drive }, called)
    }

    /// The same where the vendor's tool, which was underway, goes on without us.
    fn tool_lives(&self) -> Option<Self> {
        let begun = self.state.open == Some(Step::Migrate) && self.state.tool.is_some() && !self.state.tool_judged;
        begun.then(|| self.after(|inner| inner.tool = Some(4711)))
    }
}

/// Every kind of upgrade, by name.
fn kinds() -> Vec<(String, World)> {
    let mut kinds = Vec::new();
    for applies in EVERY_RUNNER {
        for (back, after_failure) in [
            (Back::Symlink, AfterFailure::PutBack),
            (Back::Symlink, AfterFailure::AskPerson),
            (Back::Nothing, AfterFailure::PutBack),
        ] {
            let world = World::new(Plan { back, after_failure, ..plan(applies) });
            kinds.push((format!("{applies:?}, {back:?}, {after_failure:?}"), world));
        }
        let world = World::new(plan(applies));
        world.drive().unwrap();
        world.begin(rollback_plan(&world));
        kinds.push((format!("{applies:?}, asked back"), world));
    }
    let world = World::new(plan(Applies::Tool));
    world.meddle(|inner| (inner.handed, inner.outcome_known) = (true, true));
    kinds.push(("Tool in a unit".to_owned(), world));
    kinds
}

#[test]
fn every_state_that_can_be_reached_holds_what_was_promised_and_has_a_way_out() {
    let wrong = std::env::var("TEST_EXPLORED_WRONG").map_or(1, |wrong| wrong.parse().unwrap());
    let mut told = std::io::stderr();
    let (mut states, mut ways, mut longest) = (0, 0, 0);
    for (name, world) in kinds() {
        let mut found = Found::default();
        let state = world.state();
        found.explore(Node { world, state, drive: None }, wrong);
        let stays = found.without_end();
        // Past what captures a test's output: the numbers are for whoever reads the run.
        let (all, between, far) = (found.from.len(), found.ways, found.longest());
        writeln!(told, "{name}: {all} states, {between} ways between them, the longest of {far} moves").unwrap();
        assert!(stays.is_empty(), "{name}: {} states without an end, one of them: {}", stays.len(), found.story(stays[0]));
        (states, ways, longest) = (states + all, ways + between, longest.max(far));
    }
    let bound = format!("where at most {wrong} things go wrong");
    writeln!(told, "every upgrade {bound}: {states} states, {ways} ways between them, the longest of {longest} moves").unwrap();
}
