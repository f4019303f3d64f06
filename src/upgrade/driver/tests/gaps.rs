//! Others who act in every gap: between a kill and the next run, and while it is driven. Whatever they do, no row is lost, and nobody's
//! work is undone.

use std::io::Write as _;

use super::*;

/// What somebody does to the world.
type Meddling = fn(&mut world::Inner);

/// What somebody may do while nothing is driven.
const MEDDLING: [(&str, Meddling); 3] = [
    ("writes", world::Inner::write),
    ("starts the server and stops it", |inner| {
        inner.serve();
        inner.stop();
    }),
    ("starts the server and leaves it", world::Inner::serve),
];

/// Goes on until it ends, as a person would have it who says "go on" to whatever is asked; where that does not help (another release is
/// installed than the plan was made for), it stays a person's.
fn insist(world: &World, what: &str) {
    for _ in 0..4 {
        let ended = world.drive_on(20);
        check(world, &world.plan(), &ended, what);
        let Ended::Stuck { .. } = ended else { return };
        world.say(Settle::Resume);
    }
}

/// Every story with a way back.
fn ways_back() -> Vec<(String, World)> {
    let mut worlds = Vec::new();
    for applies in EVERY_RUNNER {
        for fault in ["healthy:2.0", "start:2.0", "migrate-second"] {
            let world = World::new(plan(applies));
            world.fail(Fault::always(fault));
            worlds.push((format!("{applies:?}, {fault}"), world));
        }
        let world = World::new(plan(applies));
        world.drive().unwrap();
        world.begin(rollback_plan(&world));
        worlds.push((format!("{applies:?}, asked back"), world));
    }
    worlds
}

#[test]
fn whoever_acts_in_whatever_gap_loses_nothing() {
    let mut gaps = 0;
    for (name, world) in ways_back() {
        let whole = world.fork();
        whole.drive().unwrap();
        for call in 1..=whole.calls() {
            for (does, act) in MEDDLING {
                for cut in [Cut::Before, Cut::After] {
                    let what = format!("{name}, killed {cut:?} call {call}, and somebody {does}");
                    let world = world.fork();
                    world.kill_at(call, cut);
                    if world.drive().is_none() {
                        world.meddle(act);
                        insist(&world, &what);
                        gaps += 1;
                    }
                }
            }
            // Somebody connects, writes and leaves while it is driven.
            let (world, what) = (world.fork(), format!("{name}, and somebody writes before call {call}"));
            world.write_at(call);
            insist(&world, &what);
            gaps += 1;
        }
    }
    // Past what captures a test's output: the number is for whoever reads the run.
    writeln!(std::io::stderr(), "driver: {gaps} gaps tried").unwrap();
    assert!(gaps > 2000, "{gaps}");
}

#[test]
fn an_old_copy_of_the_journal_loses_nothing_that_was_written_since() {
    for (name, world) in ways_back() {
        let whole = world.fork();
        whole.drive().unwrap();
        for events in 1..whole.journal().len() {
            for (does, act) in MEDDLING {
                let what = format!("{name}, with its first {events} events, and somebody {does}");
                let world = world.fork();
                world.drive().unwrap();
                world.meddle(|inner| {
                    act(inner);
                    inner.forget_after(events);
                });
                insist(&world, &what);
            }
        }
    }
}

#[test]
fn a_restore_that_was_done_before_we_died_is_not_done_again() {
    let world = World::new(plan(Applies::Upkeep));
    world.fail(Fault::always("healthy:2.0"));
    let whole = world.fork();
    whole.drive().unwrap();
    let call = (1..=whole.calls())
        .find(|call| {
            let world = world.fork();
            world.kill_at(*call, Cut::After);
            world.drive().is_none() && world.state().open == Some(Step::Restore) && world.db() == world.old_db()
        })
        .unwrap();
    world.kill_at(call, Cut::After);
    assert_eq!(world.drive(), None);
    world.fail(Fault::always("restore"));
    let ended = world.drive().unwrap();
    check(&world, &world.plan(), &ended, "behind the exchange");
    assert!(matches!(ended, Ended::RolledBack { .. }), "{ended:?}");
}

#[test]
fn an_archive_that_is_not_what_is_there_any_more_is_taken_again() {
    let world = World::new(plan(Applies::Upkeep));
    let stop = CancellationToken::new();
    let flag = stop.clone();
    world.on("archive:pre-upgrade", move |_| flag.cancel());
    assert_eq!(world.drive_until(&stop), Some(Ended::Paused));
    world.meddle(world::Inner::write);
    world.fail(Fault::always("healthy:2.0"));
    let ended = world.drive().unwrap();
    check(&world, &world.plan(), &ended, "written before the migrations");
    assert_eq!(world.archives(Kind::PreUpgrade).len(), 2, "{}", story(&world));
    assert!(world.db().writes.iter().any(|write| write.contains("somebody")), "it goes back to what was written");
}

#[test]
fn two_that_work_on_one_database_do_not_undo_each_other() {
    for (call, told) in [("archive:pre-upgrade", "migrated by somebody else"), ("stop", "somebody migrated the database")] {
        let world = World::new(plan(Applies::Upkeep));
        world.on(call, world::Inner::migrate_elsewhere);
        let ended = world.drive().unwrap();
        check(&world, &world.plan(), &ended, call);
        assert_eq!(world.db().migrations, 3, "{call}: what the other made of it stands: {}", story(&world));
        let state = world.state();
        let why = [state.why.clone(), state.turned_back.clone()].into_iter().flatten().collect::<Vec<_>>().join("; ");
        assert!(matches!(ended, Ended::Stuck { .. }) && why.contains(told), "{call}: {why}");
        assert_eq!(world.server(), None, "{call}: the old server is not started on it");
        world.say(if state.direction == Direction::Forward { Settle::Abort } else { Settle::Resume });
        assert!(matches!(world.drive(), Some(Ended::Stuck { .. })), "{call}: {}", story(&world));
        assert_eq!(world.db().migrations, 3, "{call}: nor is it replaced by the old one");
    }
}

#[test]
fn migrations_from_before_the_upgrade_leave_no_way_back_and_so_nothing_is_begun() {
    let world = World::new(plan(Applies::Upkeep));
    let mut ahead = world.plan();
    world.meddle(world::Inner::migrate_elsewhere);
    (ahead.before, ahead.pending) = (world.shape(), Vec::new());
    for settle in [Settle::Abort, Settle::Accept] {
        let world = world.fork();
        world.begin(ahead.clone());
        let Some(Ended::Stuck { why, .. }) = world.drive() else { panic!("{}", story(&world)) };
        assert!(why.contains("already holds migrations that 1.0 does not know (V2; V3)"), "{why}");
        assert_eq!(world.server(), Some("1.0".to_owned()), "it was not even stopped");
        world.say(settle);
        let ended = world.drive().unwrap();
        assert_eq!(matches!(ended, Ended::Refused { .. }), settle == Settle::Abort, "{ended:?}");
        assert_eq!((world.server(), world.db().migrations), (Some("1.0".to_owned()), 3));
    }
}

#[test]
fn a_tool_that_nobody_saw_end_is_not_begun_on_what_it_left() {
    for (outcome_known, committed) in [(false, false), (true, true)] {
        let world = World::new(plan(Applies::Tool));
        // It is killed with us in the middle of what it does.
        world.kill_in("migrate-second");
        assert_eq!(world.drive(), None);
        world.mend("migrate-second");
        world.meddle(|inner| {
            inner.outcome_known = outcome_known;
            if outcome_known {
                inner.migrate_on();
            }
        });
        let ended = world.drive().unwrap();
        check(&world, &world.plan(), &ended, "half a tool");
        assert_eq!(ended == Ended::Committed, committed, "{}", story(&world));
    }
}
