//! No answer of the status differs from the truth: polled all through good and failing upgrades, a rollback, a restore and a restart, an
//! upgrade whose daemon is killed in the middle, one that waits for a person, and a hold; and compared with what the server was and which
//! release was installed at the moment that the answer names.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use upkeep::clock::{Clock as _, SystemClock};

use crate::support::daemon::{Running, ask};
use crate::support::engines::{Db, on_every_engine};
use crate::support::held::{gate, hold};
use crate::support::wait::until;
use crate::support::world::{World, text};

/// What is true at a moment: the release the server runs as, if it runs, and the one installed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Truth {
    serving: Option<String>,
    installed: Option<String>,
}

/// Both sides of the story, each with its moments.
#[derive(Default)]
struct Seen {
    truth: Mutex<Vec<(DateTime<Utc>, Truth)>>,
    answers: Mutex<Vec<Value>>,
    done: AtomicBool,
}

/// A look takes a while, and so does a sample.
const SLACK: TimeDelta = TimeDelta::milliseconds(60);
const LOOK: TimeDelta = TimeDelta::milliseconds(1_500);

impl Truth {
    fn now(world: &World) -> Self {
        let installed = std::fs::read_to_string(world.root().join("current/VERSION")).ok();
        Self { serving: world.serving(), installed: installed.map(|text| text.trim().to_owned()) }
    }
}

impl Seen {
    fn sample(&self, world: &World) {
        while !self.done.load(Ordering::SeqCst) {
            let (at, truth) = (SystemClock.now(), Truth::now(world));
            let mut all = self.truth.lock().unwrap();
            if all.last().is_none_or(|(_, last)| *last != truth) {
                all.push((at, truth));
            }
            drop(all);
            std::thread::yield_now();
        }
    }

    fn poll(&self, socket: &Path) {
        while !self.done.load(Ordering::SeqCst) {
            // While the daemon restarts nobody answers.
            let Ok(answer) = ask(socket, "GET", "/v1/status", "") else { continue };
            let answer = answer.json();
            let mut all = self.answers.lock().unwrap();
            if all.last().is_none_or(|last: &Value| last["at"] != answer["at"]) {
                all.push(answer);
            }
        }
    }

    /// Everything that was true at some moment between these two.
    fn between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Truth> {
        let all = self.truth.lock().unwrap();
        let first = all.iter().rposition(|(at, _)| *at <= from).unwrap_or(0);
        all[first..].iter().take_while(|(at, _)| *at <= to).map(|(_, truth)| truth.clone()).collect()
    }

    fn check(&self, answer: &Value) -> bool {
        let target = &answer["targets"][0];
        let moment = |value: &Value| value.as_str().map(|at| at.parse::<DateTime<Utc>>().unwrap());
        // What waits for a person is one.
        let waits = target["upgrade"]["phase"] == "stuck";
        assert!(waits || target["problems"] == serde_json::json!([]), "of our own making: {answer:#}");
        let underway = target["upgrade"]["phase"].as_str().is_some_and(|phase| matches!(phase, "running" | "rolling-back"));
        let refusals = target["refusals"].to_string();
        assert!(underway || !refusals.contains("has not ended"), "it has ended: {answer:#}");
        let Some(looked) = moment(&target["looked_at"]) else {
            assert!(target["service"].is_null() && target["release"].is_null() && target["shape"].is_null(), "{answer:#}");
            return false;
        };
        let at = moment(&answer["at"]).unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let installed = text(&target["release"]["version"]);
        let serving = text(&target["serving"]).or_else(|| installed.clone()).filter(|_| target["service"] == "running");
        let then = self.between(looked - SLACK, looked + LOOK);
        assert!(then.iter().any(|truth| truth.installed == installed), "installed: {then:?}, told {answer:#}");
        assert!(then.iter().any(|truth| truth.serving == serving), "serving: {then:?}, told {answer:#}");
        // Only jobs of ours stop and start it here: so what was seen before one is not told after it.
        let now = self.between(at - SLACK, at + SLACK);
        assert!(
            now.iter().any(|truth| truth.serving == serving),
            "serving at the answer's own moment: {now:?}, told {answer:#}"
        );
        true
    }
}

/// All of it on files; on servers, where each step takes longer, what differs: an upgrade that fails, and a restore.
fn story(world: &World, socket: &Path, db: Db) {
    let whole = matches!(db, Db::Sqlite);
    let daemon = world.daemon();
    let target = |daemon: &Running| daemon.ask("GET", "/v1/targets/notes", "").json();
    let job = |daemon: &Running, verb: &str, body: &str, state: &str| {
        let job = daemon.job(&format!("/v1/targets/notes/{verb}"), body);
        assert_eq!(job["state"], state, "{job:#}");
    };
    // What the first answer after a job says is what the job left. Where a look takes longer than that is waited for, it says nothing of it.
    let left = |daemon: &Running, version: &str, head: &str| {
        let mut told = target(daemon);
        assert_eq!(world.whole_version(), version);
        if told["looked_at"].is_null() {
            assert!(["release", "shape", "service", "serving"].iter().all(|what| told[*what].is_null()), "{told:#}");
            until("it is looked at", || {
                told = target(daemon);
                told["looked_at"].is_string()
            });
        }
        assert_eq!(told["work"], Value::Null, "{told:#}");
        assert_eq!(
            (told["release"]["version"].as_str(), told["shape"]["head"].as_str()),
            (Some(version), Some(head)),
            "{told:#}"
        );
        assert_eq!((told["service"].as_str(), &told["serving"]), (Some("running"), &Value::Null), "{told:#}");
    };
    job(&daemon, "backup", "", "ok");
    until("the release is taken for the good one", || {
        target(&daemon)["shape"]["step"] == "in-step" && {
            daemon.job("/v1/targets/notes/plan", "")["result"]["decision"] == "nothing"
        }
    });
    world.install("1.1.0");
    until("it is seen", || target(&daemon)["release"]["version"] == "1.1.0");
    assert_eq!(target(&daemon)["serving"], "1.0.0", "the old one runs: {:#}", target(&daemon));
    if whole {
        job(&daemon, "upgrade", "", "ok");
        left(&daemon, "1.1.0", "2");
        job(&daemon, "rollback", "", "ok");
        left(&daemon, "1.0.0", "1");
        world.install("1.2.0");
        job(&daemon, "upgrade", "", "failed");
        left(&daemon, "1.0.0", "1");
    }
    world.install("1.3.0");
    job(&daemon, "upgrade", "", "failed");
    left(&daemon, "1.0.0", "1");
    if whole {
        // Planned as if the server, which runs, were stopped.
        job(&daemon, "restore", "{\"replace\": true, \"stop_server\": true, \"dry_run\": true}", "ok");
        left(&daemon, "1.0.0", "1");
    }
    job(&daemon, "restore", "{\"replace\": true, \"stop_server\": true}", "ok");
    left(&daemon, "1.0.0", "1");
    daemon.stop_and_tell();
    let again = world.daemon();
    until("it is looked at", || target(&again)["looked_at"].is_string());
    left(&again, "1.0.0", "1");
    again.stop_and_tell();
    assert!(!socket.exists());
    if whole {
        killed_in_the_middle(world, socket);
        let daemon = world.daemon();
        until("it ends by itself", || target(&daemon)["upgrade"]["phase"] == "rolled-back");
        left(&daemon, "1.0.0", "1");
        daemon.stop_and_tell();
        world.write_config("auto = false\non_failure = \"hold\"");
        let daemon = world.daemon();
        world.install("1.2.0");
        ok(world, &["release-hold", "notes"]);
        job(&daemon, "upgrade", "", "failed");
        until("it waits for a person", || target(&daemon)["upgrade"]["phase"] == "stuck" && target(&daemon)["work"].is_null());
        let back = text(&world.run(&["upgrade", "notes", "--abort"]));
        assert_eq!(target(&daemon)["upgrade"]["phase"], "rolled-back", "{back}");
        left(&daemon, "1.0.0", "1");
        ok(world, &["hold", "notes", "--reason", "month end"]);
        until("the hold is told", || target(&daemon).to_string().contains("month end"));
        left(&daemon, "1.0.0", "1");
        daemon.stop_and_tell();
    }
}

fn ok(world: &World, arguments: &[&str]) {
    let output = world.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
}

/// An upgrade that will fail, whose daemon is killed between two of its steps.
fn killed_in_the_middle(world: &World, socket: &Path) {
    let fifo = world.root().join("held-in-the-middle");
    let mut command = world.command(&["daemon"]);
    hold(&mut command, "journal.after.done.migrate", &fifo);
    let mut daemon = Running::run(command, &world.root(), socket.to_owned());
    world.install("1.3.0");
    ok(world, &["release-hold", "notes"]);
    let mut asks = world.command(&["upgrade", "notes"]);
    let mut asks = asks.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let held = gate("it is migrated", &fifo, || asks.try_wait().unwrap().is_some()).expect("the upgrade is underway");
    daemon.signal(rustix::process::Signal::KILL);
    daemon.ends();
    drop(held);
    assert!(!asks.wait().unwrap().success());
}

fn no_answer_differs(db: Db) {
    let world = Arc::new(World::new(db));
    world.write_config("auto = false");
    world.start_server();
    let socket: PathBuf = world.root().join("state/upkeep.sock");
    let seen = Arc::new(Seen::default());
    let (sampling, polling) = (Arc::clone(&seen), Arc::clone(&seen));
    let (of, at) = (Arc::clone(&world), socket.clone());
    let sampler = std::thread::spawn(move || sampling.sample(&of));
    let poller = std::thread::spawn(move || polling.poll(&at));
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| story(&world, &socket, db)));
    seen.done.store(true, Ordering::SeqCst);
    sampler.join().unwrap();
    poller.join().unwrap();
    told.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let answers = std::mem::take(&mut *seen.answers.lock().unwrap());
    let known = answers.iter().filter(|answer| seen.check(answer)).count();
    let enough = if matches!(db, Db::Sqlite) { 10 } else { 5 };
    assert!(known > enough && known < answers.len(), "{db}: {known} of {} answers told of what was seen", answers.len());
    // Past what captures a test's output: the number is for whoever reads the run.
    let mut told = std::io::stderr();
    std::io::Write::write_fmt(
        &mut told,
        format_args!("{db}: {} answers, {known} of them told of what was seen\n", answers.len()),
    )
    .unwrap();
}

on_every_engine! {
    no_answer_differs_from_the_truth_of_its_moment: super::no_answer_differs;
}
