//! The promise, and what a person is owed, in whatever state.

use super::*;

pub(super) fn must_hold(node: &Node, story: impl Fn() -> String) {
    let Node { world, state, .. } = node;
    let (plan, db, others) = (world.plan(), world.db(), world.others());
    let lost: Vec<String> = world.written().into_iter().filter(|write| !world.keeps(write)).collect();
    assert!(lost.is_empty(), "{lost:?} is in no archive and not in the database: {}", story());
    let (old, moved) = (world.old_db(), others.database);
    let changed = (db.migrations, db.half) != (old.migrations, false) && !moved && plan.purpose == Purpose::Upgrade;
    assert!(!changed || state.archive.is_some(), "changed, and no archive of what was before: {}", story());
    match state.phase {
        Phase::Committed => {
            assert_eq!((db.migrations, db.half), (world.known("2.0"), false), "half a commit: {}", story());
            assert!(others.server || others.release || world.server().as_deref() == Some("2.0"), "{}", story());
        }
        Phase::RolledBack => {
            let whole = (db.migrations, db.half) == (old.migrations, false);
            assert!(whole || moved, "half a rollback: {}", story());
            assert!(others != Others::default() || db == old, "other rows than before: {}", story());
            assert_eq!(world.holds(), ["2.0"], "{}", story());
            let (serves, installed) = if plan.back == Back::Nothing { (None, "2.0") } else { (Some("1.0"), "1.0") };
            assert!(others.release || world.installed() == installed, "{}", story());
            let stopped = state.touched.contains(&Step::Archive) || plan.back != Back::Nothing;
            assert!(others.server || others.release || !stopped || world.server().as_deref() == serves, "{}", story());
        }
        Phase::Refused => {
            let untouched = db.migrations == old.migrations && world.server().as_deref() == Some("1.0");
            assert!(moved || others != Others::default() || untouched, "{}", story());
        }
        Phase::Stuck => {
            let told = state.why.as_ref().is_some_and(|why| !why.is_empty()) && !state.next_steps.is_empty();
            assert!(told, "a person is asked without a reason or a next step: {}", story());
        }
        Phase::Idle | Phase::Running | Phase::Aborting | Phase::RollingBack | Phase::Accepted => {}
    }
}
