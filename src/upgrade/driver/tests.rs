//! The driver against a world that misbehaves: every call cut off before and after its effect, every step failing, and any
//! mixture of both.

mod explored;
mod gaps;
mod world;

use proptest::prelude::*;
use world::{Cut, Fault, World, plan, rollback_plan};

use super::*;
use crate::archive::manifest::Kind;
use crate::ids::Label;
use crate::service::tool::ToolRun;
use crate::upgrade::plan::{Applies, Outside};
use crate::upgrade::state::{Settle, Tool};

const EVERY_RUNNER: [Applies; 4] = [Applies::Nobody, Applies::Upkeep, Applies::Tool, Applies::Server];

/// How the journal reads: kind and step of each event.
fn story(world: &World) -> String {
    let events = world.journal();
    let word = |event: &Event| event.step().map_or(event.kind().to_owned(), |step| format!("{}:{step}", event.kind()));
    events.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// What must hold however it ended.
fn check(world: &World, plan: &Plan, ended: &Ended, what: &str) {
    let state = world.state();
    let lost: Vec<String> = world.written().into_iter().filter(|write| !world.keeps(write)).collect();
    assert!(lost.is_empty(), "{what}: {lost:?} is in no archive and not in the database");
    if !world.disturbed() {
        assert!(world.archives(Kind::PreUpgrade).len() <= 1, "{what}: a second one only for what others wrote");
        assert!(world.archives(Kind::FailedState).len() <= 1, "{what}: a second one only for what others wrote");
    }
    match ended {
        Ended::Committed => {
            // Whoever stopped it behind our end had their reasons.
            assert!(world.server() == Some("2.0".to_owned()) || world.disturbed(), "{what}");
            assert_eq!((world.db().migrations, world.db().half), (world.known("2.0"), false), "{what}");
            if !world.disturbed() {
                assert_eq!(world.archives(Kind::PreUpgrade), [world.old_db()], "{what}: the archive holds the old database");
            }
        }
        Ended::RolledBack { .. } => {
            assert_eq!(
                (world.db().migrations, world.db().half),
                (world.old_db().migrations, false),
                "{what}: the database is wholly the old one"
            );
            assert!(world.disturbed() || world.db() == world.old_db(), "{what}: and holds what it held");
            assert_eq!(world.holds(), ["2.0"], "{what}");
            if plan.back == Back::Nothing {
                assert_eq!(world.installed(), "2.0", "{what}");
            } else {
                // Whoever stopped it behind our end had their reasons.
                let serves = world.server() == Some("1.0".to_owned()) || world.disturbed() && world.server().is_none();
                assert!(serves && world.installed() == "1.0", "{what}: {:?} serves", world.server());
            }
        }
        // What others did meanwhile is none of its business.
        Ended::Refused { .. } if world.disturbed() => {}
        Ended::Refused { .. } => assert_eq!((world.db(), world.server()), (world.old_db(), Some("1.0".to_owned())), "{what}"),
        Ended::Stuck { why, next_steps } | Ended::Waiting { why, next_steps, .. } => {
            assert!(!why.is_empty() && !next_steps.is_empty(), "{what}");
            let changed = world.db() != world.old_db() && !world.disturbed();
            assert!(!changed || state.archive.is_some(), "{what}: changed, and no archive of what was before");
        }
        Ended::NothingOpen | Ended::Accepted | Ended::Paused => panic!("{what}: {ended:?}"),
    }
}

#[test]
fn a_good_upgrade_reads_as_its_plan() {
    let world = World::new(plan(Applies::Upkeep));
    assert_eq!(world.drive(), Some(Ended::Committed));
    check(&world, &world.plan(), &Ended::Committed, "good");
    let steps = ["preflight", "stop", "archive"].map(|step| format!("intended:{step} done:{step}")).join(" ");
    let rest = ["migrate", "inspect", "start", "healthy"].map(|step| format!("intended:{step} done:{step}")).join(" ");
    assert_eq!(story(&world), format!("planned {steps} no-return {rest} committed"));
    assert_eq!(world.drive(), Some(Ended::Committed), "an ended upgrade rests");
}

#[test]
fn killed_at_any_call_and_begun_again_it_ends_as_it_would_have() {
    for applies in EVERY_RUNNER {
        let whole = World::new(plan(applies));
        assert_eq!(whole.drive(), Some(Ended::Committed));
        for call in 1..=whole.calls() {
            for cut in [Cut::Before, Cut::After] {
                let what = format!("{applies:?}, killed {cut:?} call {call}");
                let world = World::new(plan(applies));
                world.kill_at(call, cut);
                assert_eq!(world.drive(), None, "{what}");
                let ended = world.drive().unwrap();
                // What a tool did that nobody saw end is not ours to repeat.
                let tool =
                    applies == Applies::Tool && world.state().turned_back.is_some_and(|why| why.contains("how is not known"));
                assert!(ended == Ended::Committed || tool, "{what}: {}", story(&world));
                check(&world, &world.plan(), &ended, &what);
            }
        }
    }
}

/// Every effect that may fail on the way forward, and how that ends.
fn failures() -> Vec<(Applies, Fault, &'static str)> {
    let mut cases =
        vec![(Applies::Upkeep, Fault::always("look"), "refused"), (Applies::Upkeep, Fault::always("release"), "refused")];
    for applies in EVERY_RUNNER {
        cases.push((applies, Fault::always("stop"), "rolled-back"));
        cases.push((applies, Fault::always("archive:pre-upgrade"), "rolled-back"));
        cases.push((applies, Fault::always("start:2.0"), "rolled-back"));
        cases.push((applies, Fault::always("healthy:2.0"), "rolled-back"));
    }
    for applies in [Applies::Upkeep, Applies::Tool] {
        cases.push((applies, Fault::always("migrate"), "rolled-back"));
        cases.push((applies, Fault::always("migrate-half"), "rolled-back"));
        cases.push((applies, Fault::always("migrate-second"), "rolled-back"));
    }
    cases
}

#[test]
fn a_failure_at_any_step_puts_everything_back_also_when_killed_on_the_way() {
    for (applies, fault, expected) in failures() {
        let whole = World::new(plan(applies));
        whole.fail(fault.clone());
        let ended = whole.drive().unwrap();
        check(&whole, &whole.plan(), &ended, &format!("{applies:?}, {fault:?}"));
        assert_eq!(whole.state().phase.to_string(), expected, "{applies:?}, {fault:?}: {}", story(&whole));
        for call in 1..=whole.calls() {
            for cut in [Cut::Before, Cut::After] {
                let what = format!("{applies:?}, {fault:?}, killed {cut:?} call {call}");
                let world = World::new(plan(applies));
                world.fail(fault.clone());
                world.kill_at(call, cut);
                assert_eq!(world.drive(), None, "{what}");
                let ended = world.drive().unwrap();
                assert_eq!(world.state().phase.to_string(), expected, "{what}: {}", story(&world));
                check(&world, &world.plan(), &ended, &what);
            }
        }
    }
}

#[test]
fn a_migration_that_left_nothing_needs_no_restore_and_one_that_did_is_restored() {
    let note = |world: &World, step: Step| {
        let find = |event: &Event| match event {
            Event::Done { step: done, note, .. } if *done == step => Some(note.clone()),
            _ => None,
        };
        world.journal().iter().find_map(find).unwrap()
    };
    for (applies, fault, restored) in [
        (Applies::Upkeep, "migrate", false),
        (Applies::Upkeep, "migrate-second", true),
        (Applies::Tool, "migrate", true),
        (Applies::Upkeep, "healthy:2.0", true),
    ] {
        let world = World::new(plan(applies));
        world.fail(Fault::always(fault));
        world.drive().unwrap();
        assert_eq!(note(&world, Step::Restore).starts_with("nothing to restore"), !restored, "{applies:?} {fault}");
        assert_eq!(world.archives(Kind::FailedState).len(), usize::from(restored), "{applies:?} {fault}");
    }
}

#[test]
fn a_failure_that_passes_is_tried_again() {
    for call in ["stop", "archive:pre-upgrade", "migrate"] {
        let world = World::new(plan(Applies::Upkeep));
        world.fail(Fault::passing(call, 2));
        assert_eq!(world.drive(), Some(Ended::Committed), "{call}: {}", story(&world));
        assert_eq!(world.pauses(), [BACKOFF, BACKOFF * 2], "{call}");
    }
    let world = World::new(plan(Applies::Tool));
    world.fail(Fault::passing("migrate", 1));
    assert!(matches!(world.drive(), Some(Ended::RolledBack { .. })), "a vendor's tool is not run twice on a guess");
}

/// What may go wrong on the way back, and a command that is told then.
const BACK: [(&str, &str); 6] = [
    ("restore", "`upkeep restore notes pre-upgrade-1-0 --replace`"),
    ("archive:failed-state", "`upkeep upgrade notes --resume`"),
    ("point-back", "`ln -sfnT -- /srv/app-1.0 /srv/app`"),
    ("start:1.0", "`systemctl start notes.service`"),
    ("healthy:1.0", "`systemctl start notes.service`"),
    ("hold", "`upkeep upgrade notes --resume`"),
];

#[test]
fn a_way_back_that_cannot_pass_asks_a_person_and_says_what_to_type() {
    for (fault, command) in BACK {
        let world = World::new(plan(Applies::Upkeep));
        world.fail(Fault::always("healthy:2.0"));
        world.fail(Fault::lasting(fault));
        let ended = world.drive().unwrap();
        check(&world, &world.plan(), &ended, fault);
        let Ended::Stuck { next_steps, .. } = ended else { panic!("{fault}: {ended:?}") };
        assert!(next_steps.iter().any(|line| line.contains(command)), "{fault}: {next_steps:?}");
        assert!(!next_steps.iter().any(|line| line.contains("--abort")), "{fault}: already on its way back");
        let again = world.drive().unwrap();
        assert!(matches!(again, Ended::Stuck { .. }), "{fault}: it waits for the person");
        world.mend(fault);
        world.say(Settle::Resume);
        let ended = world.drive().unwrap();
        assert!(matches!(ended, Ended::RolledBack { .. }), "{fault}: {}", story(&world));
        check(&world, &world.plan(), &ended, fault);
    }
}

#[test]
fn a_way_back_waits_for_what_passes_as_long_as_it_takes_and_a_person_may_speak_meanwhile() {
    for (fault, command) in BACK {
        for settle in [None, Some(Settle::Resume), Some(Settle::Accept)] {
            let world = World::new(plan(Applies::Upkeep));
            world.fail(Fault::always("healthy:2.0"));
            world.fail(Fault::always(fault));
            let ended = world.drive_on(30);
            check(&world, &world.plan(), &ended, fault);
            let Ended::Waiting { next_steps, pause, .. } = ended else { panic!("{fault}: {ended:?}") };
            assert_eq!(pause, LONGEST_PAUSE, "{fault}: never longer, however often it failed");
            assert!(next_steps.iter().any(|line| line.contains(command)), "{fault}: {next_steps:?}");
            world.mend(fault);
            if let Some(settle) = settle {
                world.say(settle);
            }
            let ended = world.drive().unwrap();
            assert_eq!(matches!(ended, Ended::Accepted), settle == Some(Settle::Accept), "{fault}: {ended:?}");
            if settle != Some(Settle::Accept) {
                check(&world, &world.plan(), &ended, fault);
                assert!(matches!(ended, Ended::RolledBack { .. }), "{fault}: {}", story(&world));
                assert!(world.state().why.is_some_and(|why| why.contains("healthy:2.0")), "{fault}: the first cause is told");
            }
        }
    }
}

#[test]
fn a_step_that_kills_us_three_times_is_not_begun_a_fourth_time() {
    let world = World::new(plan(Applies::Upkeep));
    world.kill_in("migrate");
    for _ in 0..3 {
        assert_eq!(world.drive(), None);
    }
    let ended = world.drive().unwrap();
    let Ended::Stuck { why, .. } = &ended else { panic!("{ended:?}") };
    assert_eq!(why, "step migrate was interrupted 3 times before it finished");
    world.mend("migrate");
    world.say(Settle::Abort);
    let ended = world.drive().unwrap();
    let reason = "a person aborted it: step migrate was interrupted 3 times before it finished";
    assert_eq!(world.state().why.as_deref(), Some(reason));
    assert!(matches!(ended, Ended::RolledBack { .. }), "{}", story(&world));
    check(&world, &world.plan(), &ended, "poison");
}

#[test]
fn hold_on_failure_asks_a_person_once_the_database_may_have_changed() {
    let ask = |fault| {
        let world = World::new(Plan { after_failure: AfterFailure::AskPerson, ..plan(Applies::Upkeep) });
        world.fail(Fault::always(fault));
        (world.drive().unwrap(), world)
    };
    assert!(matches!(ask("archive:pre-upgrade").0, Ended::RolledBack { .. }), "nothing was changed: put back");
    for (settle, phase) in
        [(Settle::Resume, Phase::Committed), (Settle::Abort, Phase::RolledBack), (Settle::Accept, Phase::Accepted)]
    {
        let (ended, world) = ask("healthy:2.0");
        assert!(matches!(ended, Ended::Stuck { .. }), "{ended:?}");
        world.mend("healthy:2.0");
        world.say(settle);
        world.drive().unwrap();
        assert_eq!(world.state().phase, phase, "{settle:?}: {}", story(&world));
    }
}

#[test]
fn half_a_migration_goes_on_when_it_was_mended_or_is_restored() {
    for (settle, phase) in [(Settle::Resume, Phase::Committed), (Settle::Abort, Phase::RolledBack)] {
        let world = World::new(Plan { after_failure: AfterFailure::AskPerson, ..plan(Applies::Upkeep) });
        world.fail(Fault::always("migrate-second"));
        assert!(matches!(world.drive(), Some(Ended::Stuck { .. })), "{}", story(&world));
        assert!(world.db().half && world.state().partial, "a part of the second migration is in effect");
        world.mend("migrate-second");
        world.say(settle);
        let ended = world.drive().unwrap();
        assert_eq!(world.state().phase, phase, "{settle:?}: {}", story(&world));
        check(&world, &world.plan(), &ended, &format!("{settle:?}"));
    }
}

#[test]
fn the_release_before_is_not_let_loose_unasked_on_a_schema_that_was_changed_outside_of_migrations() {
    for (back, settle, phase, serves) in [
        (Back::Symlink, Settle::Resume, Phase::RolledBack, Some("1.0")),
        (Back::Nothing, Settle::Resume, Phase::RolledBack, None),
        (Back::Symlink, Settle::Accept, Phase::Accepted, None),
    ] {
        let label = Label::parse("notes-1.0-0").unwrap();
        let outside = Some(Outside { archive: Some(label) });
        let world = World::new(Plan { back, outside, ..plan(Applies::Upkeep) });
        world.fail(Fault::always("healthy:2.0"));
        let ended = world.drive().unwrap();
        let Ended::Stuck { why, next_steps } = &ended else { panic!("{ended:?}, {}", story(&world)) };
        assert!(why.contains("that is not what release 1.0 left"), "{why}");
        assert!(next_steps.iter().any(|step| step.contains("upkeep restore notes notes-1.0-0 --replace")), "{next_steps:?}");
        assert_eq!((world.db(), world.server()), (world.old_db(), None), "{}", story(&world));
        world.say(settle);
        let ended = world.drive();
        assert_eq!(world.state().phase, phase, "{ended:?}, {}", story(&world));
        assert_eq!(world.server().as_deref(), serves, "{}", story(&world));
    }
}

#[test]
fn another_release_in_the_middle_stops_everything() {
    let world = World::new(plan(Applies::Upkeep));
    world.on("archive:pre-upgrade", |inner| inner.install("3.0"));
    let ended = world.drive().unwrap();
    let Ended::Stuck { why, .. } = &ended else { panic!("{ended:?}") };
    assert!(why.contains("now 3.0 at /srv/app-3.0 is installed"), "{why}");
    assert_eq!(world.db(), world.old_db());
}

#[test]
fn a_release_replaced_by_a_newer_one_while_it_starts_keeps_what_it_wrote() {
    for (applies, then, keeps) in [
        (Applies::Upkeep, "3.0", true),
        (Applies::Tool, "3.0", true),
        // Back to the old one is what a person does who saw it fail.
        (Applies::Upkeep, "1.0", false),
        // Nobody has looked at the database yet.
        (Applies::Server, "3.0", false),
    ] {
        let world = World::new(Plan { back: Back::Nothing, ..plan(applies) });
        world.on("start:2.0", move |inner| inner.install(then));
        world.fail(Fault::always("healthy:2.0"));
        let ended = world.drive().unwrap();
        assert_eq!(ended == Ended::Committed, keeps, "{applies:?}, {then}: {}", story(&world));
        assert_eq!(world.db() != world.old_db(), keeps, "{applies:?}, {then}: what it wrote is still there");
    }
}

#[test]
fn a_server_that_somebody_starts_in_the_middle_loses_nothing() {
    for call in ["stop", "archive:pre-upgrade", "migrate"] {
        let world = World::new(plan(Applies::Upkeep));
        world.on(call, world::Inner::serve);
        world.drive().unwrap();
        let lost: Vec<String> = world.written().into_iter().filter(|write| !world.keeps(write)).collect();
        assert!(lost.is_empty(), "{call}: {lost:?}, {}", story(&world));
    }
}

#[test]
fn a_release_that_cannot_be_put_back_leaves_the_server_stopped_and_says_what_to_install() {
    let world = World::new(Plan { back: Back::Nothing, ..plan(Applies::Upkeep) });
    world.fail(Fault::always("healthy:2.0"));
    let ended = world.drive().unwrap();
    check(&world, &world.plan(), &ended, "in place");
    assert_eq!(world.server(), None);
    let Ended::RolledBack { next_steps, .. } = ended else { panic!("{ended:?}") };
    assert_eq!(next_steps, ["install version 1.0 of the server again", "then start it: `systemctl start notes.service`"]);
    // One that was never stopped was never replaced either.
    let world = World::new(Plan { back: Back::Nothing, ..plan(Applies::Upkeep) });
    world.fail(Fault::always("stop"));
    let Some(Ended::RolledBack { next_steps, .. }) = world.drive() else { panic!("{}", story(&world)) };
    assert_eq!(world.server(), Some("1.0".to_owned()));
    assert_eq!(next_steps.len(), 1, "{next_steps:?}");
    assert!(next_steps[0].starts_with("the server was never stopped"), "{next_steps:?}");
}

/// The journal as a run left it that was killed while the vendor's tool ran; the tool lives on.
fn outlived() -> World {
    let world = World::new(plan(Applies::Tool));
    world.kill_in("migrate");
    assert_eq!(world.drive(), None);
    world.mend("migrate");
    world.meddle(|inner| inner.tool = Some(4711));
    world
}

#[test]
fn beside_a_tool_that_outlived_us_nothing_is_begun() {
    for settle in [Settle::Resume, Settle::Abort] {
        let world = outlived();
        let calls = world.calls();
        let ended = world.drive().unwrap();
        let Ended::Stuck { why, .. } = &ended else { panic!("{ended:?}") };
        assert!(why.contains("4711"), "{why}");
        assert_eq!(world.calls() - calls, 2, "it looked for the tool and wrote down what it saw: {}", story(&world));
        // Asked again while it still lives, whatever the answer was: the same.
        world.meddle(|inner| inner.tool = Some(4711));
        world.say(settle);
        assert!(matches!(world.drive(), Some(Ended::Stuck { .. })), "{settle:?}: {}", story(&world));
        assert_eq!((world.archives(Kind::FailedState).len(), world.db().migrations), (0, 1), "{settle:?}");
        // It has ended: now it goes on, and looks at what the tool made of the database.
        world.meddle(|inner| inner.tool = None);
        world.say(settle);
        let ended = world.drive().unwrap();
        check(&world, &world.plan(), &ended, &format!("{settle:?}"));
        assert_eq!(matches!(ended, Ended::Committed), settle == Settle::Resume, "{settle:?}: {}", story(&world));
    }
}

/// The journal as a run left it that stopped while the vendor's tool ran as a unit.
fn handed_over(plan: Plan) -> (World, Tool) {
    let world = World::new(plan);
    let stop = CancellationToken::new();
    let asked = stop.clone();
    world.kill_in("migrate");
    world.meddle(|inner| (inner.handed, inner.outcome_known) = (true, true));
    // The step is in the middle of its effect when somebody wants us to stop.
    world.on("migrate dies", move |_| asked.cancel());
    assert_eq!(world.drive_until(&stop), Some(Ended::Paused), "it does not wait for a tool that goes on without us");
    world.mend("migrate");
    let run = ToolRun { unit: "upkeep-migrate-notes.service".to_owned(), before: "a".to_owned() };
    (world, Tool::Unit(run))
}

#[test]
fn a_tool_that_was_handed_over_is_judged_and_not_begun_again() {
    for (parts, phase) in [(3, Phase::Committed), (1, Phase::RolledBack)] {
        let (world, tool) = handed_over(plan(Applies::Tool));
        assert_eq!(world.state().open, Some(Step::Migrate), "nothing is said of how it ended: {}", story(&world));
        world.meddle(|inner| (0..parts).for_each(|_| inner.migrate_on()));
        world.drive().unwrap();
        assert_eq!(world.state().phase, phase, "{}", story(&world));
        assert_eq!(story(&world).matches("handed:migrate").count(), 1, "{}", story(&world));
        // What is wholly in effect is found so by a look.
        let judged = (phase == Phase::RolledBack).then_some(tool);
        world.meddle(|inner| assert_eq!(inner.begun, judged, "the step was told which run is to be judged"));
    }
}

#[test]
fn a_tool_that_was_judged_is_begun_anew_when_a_person_says_so() {
    let (world, _) = handed_over(Plan { after_failure: AfterFailure::AskPerson, ..plan(Applies::Tool) });
    assert!(matches!(world.drive(), Some(Ended::Stuck { .. })), "{}", story(&world));
    world.say(Settle::Resume);
    assert_eq!(world.drive(), Some(Ended::Committed), "{}", story(&world));
    world.meddle(|inner| assert_eq!(inner.begun, None, "its outcome was known"));
}

#[test]
fn a_stop_waits_for_every_other_step() {
    let world = World::new(plan(Applies::Upkeep));
    let stop = CancellationToken::new();
    let asked = stop.clone();
    world.on("migrate", move |_| asked.cancel());
    assert_eq!(world.drive_until(&stop), Some(Ended::Paused));
    assert_eq!(world.state().open, None, "the step has its outcome: {}", story(&world));
}

#[test]
fn what_a_server_wrote_while_a_person_was_asked_is_kept_before_anything_is_restored() {
    let world = World::new(plan(Applies::Upkeep));
    world.fail(Fault::always("healthy:2.0"));
    world.fail(Fault::lasting("restore"));
    assert!(matches!(world.drive(), Some(Ended::Stuck { .. })));
    assert_eq!(world.archives(Kind::FailedState).len(), 1);
    // The person tries the server once more, and stops it again.
    world.meddle(|inner| {
        inner.serve();
        inner.stop();
    });
    world.mend("restore");
    world.say(Settle::Resume);
    let ended = world.drive().unwrap();
    assert!(matches!(ended, Ended::RolledBack { .. }), "{ended:?}");
    let lost: Vec<String> = world.written().into_iter().filter(|write| !world.keeps(write)).collect();
    assert!(lost.is_empty(), "{lost:?}: {}", story(&world));
}

#[test]
fn a_release_that_cannot_be_read_any_more_does_not_keep_the_old_one_from_coming_back() {
    for applies in EVERY_RUNNER {
        let world = World::new(plan(applies));
        world.fail(Fault::always("healthy:2.0"));
        world.on("start:2.0", world::Inner::damage);
        let ended = world.drive().unwrap();
        assert!(matches!(ended, Ended::RolledBack { .. }), "{applies:?}: {ended:?}");
        check(&world, &world.plan(), &ended, &format!("{applies:?}, damaged"));
    }
}

#[test]
fn it_stops_between_steps_and_goes_on_later() {
    let world = World::new(plan(Applies::Upkeep));
    let stop = CancellationToken::new();
    let flag = stop.clone();
    world.on("archive:pre-upgrade", move |_| flag.cancel());
    assert_eq!(world.drive_until(&stop), Some(Ended::Paused));
    assert!(story(&world).ends_with("intended:archive done:archive"), "the step underway was finished: {}", story(&world));
    assert_eq!(world.drive(), Some(Ended::Committed));
}

#[test]
fn a_rollback_on_request_keeps_what_was_written_since() {
    let world = World::new(plan(Applies::Upkeep));
    world.drive().unwrap();
    world.begin(rollback_plan(&world));
    let whole = world.fork();
    let ended = whole.drive().unwrap();
    check(&whole, &whole.plan(), &ended, "rollback");
    assert!(matches!(ended, Ended::RolledBack { .. }), "{}", story(&whole));
    for call in 1..=whole.calls() {
        for cut in [Cut::Before, Cut::After] {
            let what = format!("rollback killed {cut:?} call {call}");
            let world = world.fork();
            world.kill_at(call, cut);
            assert_eq!(world.drive(), None, "{what}");
            let ended = world.drive().unwrap();
            assert!(matches!(ended, Ended::RolledBack { .. }), "{what}: {}", story(&world));
            check(&world, &world.plan(), &ended, &what);
            assert_eq!(world.archives(Kind::PreRestore).len(), 1, "{what}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Whatever fails and wherever it is killed, it comes to an end or to a person, in a bounded number of calls, and the
    /// invariants hold.
    #[test]
    fn it_always_ends(
        runner in 0..4_usize,
        back in prop::bool::ANY,
        kills in prop::collection::vec((1..80_usize, prop::bool::ANY), 0..4),
        faults in prop::collection::vec((prop::sample::select(world::CALLS.to_vec()), 1..8_u32, prop::bool::ANY), 0..4),
    ) {
        let plan = Plan { back: if back { Back::Symlink } else { Back::Nothing }, ..plan(EVERY_RUNNER[runner]) };
        let world = World::new(plan.clone());
        for (call, times, passing) in &faults {
            world.fail(if *passing { Fault::passing(call, *times) } else { Fault::failing(call, *times) });
        }
        let mut ended = None;
        for (call, before) in &kills {
            world.kill_at(*call, if *before { Cut::Before } else { Cut::After });
            ended = world.drive();
        }
        world.spare();
        let ended = match ended {
            Some(ended) if !matches!(ended, Ended::Waiting { .. }) => ended,
            _ => world.drive_on(20),
        };
        prop_assert!(world.calls() < 600, "{} calls", world.calls());
        check(&world, &plan, &ended, &story(&world));
    }
}
