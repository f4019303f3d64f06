use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::plan::tests::due;
use super::super::plan::{Lost, Scripts, Unread};
use super::*;
use crate::failure::Class;
use crate::gate::cause::tests::codes;
use crate::ids::{Label, UpgradeId};
use crate::restore::Unfinished;
use crate::shape::Shape;

fn v(version: &str) -> Version {
    Version::parse(version).unwrap()
}

fn last(phase: Phase, to: &str, waits_for: Option<&str>) -> Option<Summary> {
    Some(Summary {
        id: UpgradeId::parse("notes-2.0-x").unwrap(),
        from: Some(v("1.0")),
        to: v(to),
        phase,
        step: None,
        started: None,
        started_at: DateTime::<Utc>::UNIX_EPOCH,
        ended_at: None,
        message: Some("it broke".to_owned()),
        next_steps: Vec::new(),
        waits_for: waits_for.map(str::to_owned),
        downtime: None,
    })
}

fn hold(version: Option<&str>, who: &str) -> Hold {
    Hold { version: version.map(v), reason: "it broke".to_owned(), who: who.to_owned(), since: due().at, until: None }
}

fn scripts(seen: &mut Observation) -> &mut Scripts {
    seen.database.as_mut().unwrap().scripts.as_mut().unwrap()
}

/// In step with the good release.
fn in_step(seen: &mut Observation) {
    seen.good.as_mut().unwrap().version = v("2.0");
    seen.left.as_mut().unwrap().release = Some(v("2.0"));
    scripts(seen).pending.clear();
}

fn window(seen: &mut Observation) {
    let from = (seen.at + TimeDelta::hours(3)).time();
    let to = (seen.at + TimeDelta::hours(4)).time();
    seen.rules.window = Some(crate::config::Window { from, to, zone: chrono_tz::UTC });
}

fn lost(seen: &mut Observation) {
    let says = "there is a mark".to_owned();
    seen.lost = Some(Lost { target: seen.target.clone(), says, archive: None });
}

/// The histories are as they were left, and the schema is not.
fn outside(seen: &mut Observation) {
    let shape = Shape { histories: Vec::new(), fingerprint: Some("before".to_owned()) };
    seen.left.as_mut().unwrap().shape = Some(shape);
}

/// No script and no record says which release the database belongs to.
fn unknown(seen: &mut Observation) {
    seen.database.as_mut().unwrap().scripts = None;
    seen.left.as_mut().unwrap().release = None;
}

fn unread(seen: &mut Observation) {
    seen.release = Some(Err(Unread { class: Class::TempFail, why: "it is not there".to_owned(), busy: false }));
}

fn half_restored(seen: &mut Observation) {
    let (label, location) = (Label::parse("notes-0").unwrap(), "here".to_owned());
    let mode = crate::engine::LoadMode::Clean;
    seen.unfinished = Some(Unfinished { label, location, of: None, mode, begun_at: seen.at, safety: None });
}

/// What keeps a server down in every case that gate and upgrade know: each refusal, each end of an upgrade, each end of a start.
#[test]
fn whatever_keeps_a_server_down_is_known_by_its_cause() {
    type Change = fn(&mut Observation);
    let open = |seen: &mut Observation, phase| seen.open = Some((UpgradeId::parse("notes-2.0-x").unwrap(), phase));
    let rolled_back: Change = |seen| seen.holds = vec![hold(Some("2.0"), "upkeep")];
    let cases: &[(Change, Option<Summary>, LastStart, Option<&str>)] = &[
        (|_| {}, None, LastStart::Nothing, Some("pending")),
        (|_| {}, last(Phase::Refused, "2.0", None), LastStart::Nothing, Some("refused")),
        (|_| {}, last(Phase::Refused, "1.5", None), LastStart::Nothing, Some("pending")),
        (|seen| seen.rules.auto = false, None, LastStart::Refused, Some("not-asked")),
        (window, None, LastStart::Nothing, Some("window")),
        (|seen| seen.free_bytes = 0, None, LastStart::Refused, Some("room")),
        (|seen| seen.holds = vec![hold(None, "anna")], None, LastStart::Refused, Some("held")),
        (rolled_back, last(Phase::RolledBack, "2.0", None), LastStart::Nothing, Some("rolled-back")),
        // The version that failed came again, without an upgrade of its own.
        (rolled_back, last(Phase::RolledBack, "1.9", None), LastStart::Refused, Some("held")),
        (|seen| scripts(seen).ahead.push("V9".to_owned()), None, LastStart::Refused, Some("ahead")),
        (|seen| scripts(seen).failed.push("V2".to_owned()), None, LastStart::Refused, Some("failed-migration")),
        (|seen| scripts(seen).invalid.push("V1".to_owned()), None, LastStart::Refused, Some("invalid-migrations")),
        (|seen| seen.good.as_mut().unwrap().version = v("3.0"), None, LastStart::Refused, Some("downgrade")),
        (|seen| seen.database = Err("refused".to_owned()), None, LastStart::Refused, Some("database")),
        (|seen| seen.database.as_mut().unwrap().half_loaded = true, None, LastStart::Refused, Some("database")),
        (lost, None, LastStart::Refused, Some("lost-journal")),
        (half_restored, None, LastStart::Refused, Some("half-restored")),
        (unread, None, LastStart::Refused, Some("release")),
        (outside, None, LastStart::Refused, Some("changed-outside")),
        (unknown, None, LastStart::Refused, Some("unknown")),
        (|seen| scripts(seen).blocked.push("it goes by 1.9".to_owned()), None, LastStart::Refused, Some("product")),
        (in_step, None, LastStart::Refused, Some("skipped")),
        (in_step, None, LastStart::Ended("exit-code".to_owned()), Some("ended")),
        // A person stopped it.
        (in_step, last(Phase::Committed, "2.0", None), LastStart::Nothing, None),
        (in_step, last(Phase::RolledBack, "3.0", None), LastStart::Nothing, None),
    ];
    let mut known = BTreeSet::new();
    for (change, last, start, expected) in cases {
        let mut seen = due();
        change(&mut seen);
        let found = cause(&seen, last.as_ref(), start);
        assert_eq!(found.as_ref().map(Cause::code), *expected, "{found:?} of {seen:?}");
        known.extend(*expected);
    }
    for (phase, waits_for, expected) in
        [(Phase::Stuck, None, "stuck"), (Phase::RollingBack, Some("no room"), "waiting"), (Phase::Running, None, "unended")]
    {
        let mut seen = due();
        open(&mut seen, phase);
        let found = cause(&seen, last(phase, "2.0", waits_for).as_ref(), &LastStart::Nothing);
        assert_eq!(found.as_ref().map(Cause::code), Some(expected), "{found:?}");
        known.insert(expected);
    }
    assert_eq!(known, codes(), "a cause that no row leads to");
}

#[test]
fn a_release_that_cannot_be_read_keeps_a_server_down_and_a_package_manager_at_work_does_not() {
    let found = |busy| {
        let (mut seen, class) = (due(), Class::TempFail);
        seen.release = Some(Err(Unread { class, why: "it is not there".to_owned(), busy }));
        cause(&seen, None, &LastStart::Refused)
    };
    assert_eq!(found(false), Some(Cause::Release("it is not there".to_owned())));
    assert_eq!(found(true), None);
}

#[test]
fn a_restore_that_stopped_half_way_is_ended_by_its_own_command() {
    let mut seen = due();
    half_restored(&mut seen);
    let found = cause(&seen, None, &LastStart::Refused);
    let command = "upkeep restore notes notes-0".to_owned();
    assert_eq!(found, Some(Cause::HalfRestored { label: "notes-0".to_owned(), command }));
}
