use super::*;
use crate::failure::Class;
use crate::upgrade::state::{Direction, Failed, Settle};

/// Seconds after the beginning.
fn at(second: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + chrono::TimeDelta::seconds(second)
}

fn planned() -> Event {
    Event::Planned { direction: Direction::Forward, steps: vec![Step::Preflight, Step::Stop] }
}

fn intended(step: Step) -> Event {
    Event::Intended { step, attempt: 1 }
}

fn done(step: Step, between: Option<i64>) -> Event {
    Event::Done { step, note: String::new(), label: None, between: between.map(at) }
}

fn failed(step: Step) -> Event {
    Event::Failed { step, failed: Failed::new(Class::Io, "no") }
}

/// Until when, whether it was down already, and the parts in seconds.
type Seen = (i64, Option<i64>, bool, Vec<(String, u64)>);

fn seen(events: &[(i64, Event)]) -> Option<Seen> {
    let events: Vec<(DateTime<Utc>, Event)> = events.iter().map(|(second, event)| (at(*second), event.clone())).collect();
    let down = of(&events)?;
    let parts = down.parts.iter().map(|part| (part.what.clone(), part.took.as_secs())).collect();
    Some((down.from.timestamp(), down.until.map(|until| until.timestamp()), down.already, parts))
}

fn parts(parts: &[(&str, u64)]) -> Vec<(String, u64)> {
    parts.iter().map(|(what, took)| ((*what).to_owned(), *took)).collect()
}

/// The server stops at 5, and is archived and migrated by 31.
fn begun() -> Vec<(i64, Event)> {
    vec![
        (0, planned()),
        (1, intended(Step::Preflight)),
        (4, done(Step::Preflight, None)),
        (5, intended(Step::Stop)),
        (7, done(Step::Stop, None)),
        (8, intended(Step::Archive)),
        (27, done(Step::Archive, Some(20))),
        (27, Event::NoReturn),
        (28, intended(Step::Migrate)),
        (31, done(Step::Migrate, None)),
    ]
}

#[test]
fn a_good_upgrade_is_told_from_the_stop_to_the_first_good_answer_and_its_parts_are_all_of_it() {
    let mut events = begun();
    events.extend([
        (31, intended(Step::Inspect)),
        (32, done(Step::Inspect, None)),
        (32, intended(Step::Start)),
        (34, done(Step::Start, None)),
        (34, intended(Step::Healthy)),
        (50, done(Step::Healthy, Some(40))),
        (51, Event::Committed),
    ]);
    let all = [("stop", 2), ("archive", 13), ("verify", 7), ("migrate", 4), ("inspect", 1), ("start", 2), ("healthy", 6)];
    assert_eq!(seen(&events), Some((5, Some(40), false, parts(&all))));
    assert_eq!(all.iter().map(|(_, took)| took).sum::<u64>(), 40 - 5, "nothing is missing and nothing counts twice");
    // So far, while it is underway.
    assert_eq!(seen(&events[..8]), Some((5, None, false, parts(&[("stop", 2), ("archive", 13), ("verify", 7)]))));
    assert_eq!(seen(&events[..4]), None, "a server that was not stopped yet is not down");
    assert_eq!(seen(&events[..0]), None);
    // A journal of an earlier release says no moment between.
    events[6].1 = done(Step::Archive, None);
    events[15].1 = done(Step::Healthy, None);
    let whole = [("stop", 2), ("archive", 20), ("migrate", 4), ("inspect", 1), ("start", 2), ("healthy", 16)];
    assert_eq!(seen(&events), Some((5, Some(50), false, parts(&whole))));
}

#[test]
fn the_way_back_is_down_as_well_and_so_is_a_server_that_was_never_healthy() {
    let mut events = begun();
    events.extend([
        (31, intended(Step::Start)),
        (33, done(Step::Start, None)),
        (33, intended(Step::Healthy)),
        (93, failed(Step::Healthy)),
        (93, Event::TurnedBack { why: String::new(), steps: Vec::new() }),
        (94, intended(Step::StopNew)),
        (95, done(Step::StopNew, None)),
        (95, intended(Step::KeepFailed)),
        (105, done(Step::KeepFailed, Some(103))),
        (106, intended(Step::Restore)),
        (116, done(Step::Restore, None)),
        (116, intended(Step::StartOld)),
        (117, done(Step::StartOld, None)),
        (117, intended(Step::HealthyOld)),
        (120, done(Step::HealthyOld, Some(118))),
        (121, Event::RolledBack { next_steps: Vec::new() }),
    ]);
    let all = parts(&[
        ("stop", 2),
        ("archive", 13),
        ("verify", 9),
        ("migrate", 4),
        ("start", 2),
        ("healthy", 60),
        ("stop-new", 2),
        ("keep-failed", 8),
        ("restore", 11),
        ("start-old", 1),
        ("healthy-old", 1),
    ]);
    assert_eq!(seen(&events), Some((5, Some(118), false, all)));
}

#[test]
fn a_server_that_was_down_already_is_told_as_that_and_one_that_would_not_stop_was_never_down() {
    let found_stopped =
        [(0, planned()), (1, intended(Step::Preflight)), (4, done(Step::Preflight, None)), (5, done(Step::Stop, None))];
    assert_eq!(seen(&found_stopped), Some((0, None, true, parts(&[("preflight", 4), ("stop", 1)]))));
    let would_not = [
        (0, planned()),
        (1, intended(Step::Stop)),
        (91, failed(Step::Stop)),
        (91, Event::TurnedBack { why: String::new(), steps: Vec::new() }),
        (92, intended(Step::HealthyOld)),
        (95, done(Step::HealthyOld, Some(92))),
    ];
    assert_eq!(seen(&would_not), None);
}

#[test]
fn waiting_for_a_person_is_a_part_and_a_clock_that_was_set_back_takes_nothing_away() {
    let mut events = begun();
    events.extend([
        (31, failed(Step::Inspect)),
        (32, Event::Halted { why: String::new(), next_steps: Vec::new() }),
        (3_632, Event::Said { settle: Settle::Resume, who: "root".to_owned(), release: None }),
        (3_000, intended(Step::Start)),
        (3_002, done(Step::Start, None)),
        (3_002, intended(Step::Healthy)),
        // It answered, says this clock, before it was asked.
        (3_010, done(Step::Healthy, Some(2_900))),
    ]);
    let all = [
        ("stop", 2),
        ("archive", 13),
        ("verify", 7),
        ("migrate", 4),
        ("inspect", 1),
        (PERSON, 3_600),
        ("start", 2),
        ("healthy", 0),
    ];
    assert_eq!(seen(&events), Some((5, Some(3_002), false, parts(&all))));
}

#[test]
fn what_served_in_between_was_not_down() {
    let mut events = begun();
    events.extend([
        (32, intended(Step::Healthy)),
        (40, done(Step::Healthy, Some(35))),
        (1_000, intended(Step::StopNew)),
        (1_003, done(Step::StopNew, None)),
    ]);
    let all = parts(&[("stop", 2), ("archive", 13), ("verify", 7), ("migrate", 4), ("healthy", 4), ("stop-new", 3)]);
    assert_eq!(seen(&events), Some((5, None, false, all)));
}
