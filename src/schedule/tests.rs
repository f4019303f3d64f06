use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::parse(expression, zone.parse().unwrap()).unwrap_or_else(|error| panic!("{expression}: {error}"))
}

/// The next runs after a moment, each as the clock on the wall shows it with its offset.
fn check(zone: &str, expression: &str, after: &str, expect: &[&str]) {
    let schedule = schedule(expression, zone);
    let mut at = utc(after);
    let mut found = Vec::new();
    for _ in expect {
        at = schedule.next_after(at).unwrap();
        found.push(at.with_timezone(&schedule.zone()).format("%m-%d %H:%M:%S %z").to_string());
    }
    assert_eq!(found, expect, "{expression} in {zone} after {after}");
}

/// Berlin 2026: 29 March 02:00 → 03:00 (01:00 UTC), 25 October 03:00 → 02:00 (01:00 UTC).
/// New York 2026: 8 March 02:00 → 03:00 (07:00 UTC), 1 November 02:00 → 01:00 (06:00 UTC).
#[test]
fn cron_follows_daylight_saving() {
    let (berlin, york) = ("Europe/Berlin", "America/New_York");
    // A fixed time that does not exist runs once, at the first moment after the gap.
    check(
        berlin,
        "30 2 * * *",
        "2026-03-28T00:00:00Z",
        &["03-28 02:30:00 +0100", "03-29 03:00:00 +0200", "03-30 02:30:00 +0200"],
    );
    check(
        york,
        "30 2 * * *",
        "2026-03-07T06:00:00Z",
        &["03-07 02:30:00 -0500", "03-08 03:00:00 -0400", "03-09 02:30:00 -0400"],
    );
    // So does one of a list, which croner alone would lose; and two that fall together are one run.
    check(
        berlin,
        "30 2,14 * * *",
        "2026-03-28T20:00:00Z",
        &["03-29 03:00:00 +0200", "03-29 14:30:00 +0200", "03-30 02:30:00 +0200"],
    );
    check(berlin, "0 2,3 * * *", "2026-03-28T20:00:00Z", &["03-29 03:00:00 +0200", "03-30 02:00:00 +0200"]);
    check(berlin, "15 30 2 29 3 *", "2026-03-01T00:00:00Z", &["03-29 03:00:00 +0200"]);
    // A fixed time that exists twice runs once, the first time.
    check(berlin, "30 2 * * *", "2026-10-24T12:00:00Z", &["10-25 02:30:00 +0200", "10-26 02:30:00 +0100"]);
    check(york, "30 1 * * *", "2026-10-31T12:00:00Z", &["11-01 01:30:00 -0400", "11-02 01:30:00 -0500"]);
    check(berlin, "30 2,14 * * *", "2026-10-24T20:00:00Z", &["10-25 02:30:00 +0200", "10-25 14:30:00 +0100"]);
    // Also when we begin to look between the two.
    check(berlin, "30 2 * * *", "2026-10-25T00:45:00Z", &["10-26 02:30:00 +0100"]);
    check(berlin, "30 2 * * *", "2026-10-25T01:10:00Z", &["10-26 02:30:00 +0100"]);
    // Wildcards follow the clock: nothing in the gap, both showings in the overlap.
    check(
        berlin,
        "*/30 * * * *",
        "2026-03-29T00:15:00Z",
        &["03-29 01:30:00 +0100", "03-29 03:00:00 +0200", "03-29 03:30:00 +0200"],
    );
    check(york, "0 * * * *", "2026-03-08T05:30:00Z", &["03-08 01:00:00 -0500", "03-08 03:00:00 -0400", "03-08 04:00:00 -0400"]);
    check(
        berlin,
        "*/30 * * * *",
        "2026-10-25T00:00:00Z",
        &["10-25 02:30:00 +0200", "10-25 02:00:00 +0100", "10-25 02:30:00 +0100", "10-25 03:00:00 +0100"],
    );
    check(york, "0 * * * *", "2026-11-01T04:30:00Z", &["11-01 01:00:00 -0400", "11-01 01:00:00 -0500", "11-01 02:00:00 -0500"]);
    check(
        york,
        "*/20 1 * * *",
        "2026-11-01T05:30:00Z",
        &["11-01 01:40:00 -0400", "11-01 01:00:00 -0500", "11-01 01:20:00 -0500"],
    );
    // Half an hour (Lord Howe) and a whole day (Samoa skipped 30 December 2011).
    check("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00:00Z", &["10-04 02:30:00 +1100", "10-05 02:15:00 +1100"]);
    check("Pacific/Apia", "0 12 * * *", "2011-12-29T23:00:00Z", &["12-31 00:00:00 +1400", "12-31 12:00:00 +1400"]);
}

#[test]
fn cron_reads_what_crontab_reads() {
    check("UTC", "@daily", "2026-01-01T00:00:00Z", &["01-02 00:00:00 +0000"]);
    check("UTC", "0 5 * * 7", "2026-11-22T04:00:00Z", &["11-22 05:00:00 +0000", "11-29 05:00:00 +0000"]);
    check("UTC", "0 5 * * SUN", "2026-11-22T05:00:00Z", &["11-29 05:00:00 +0000"]);
    check("UTC", "*/10 * * * * *", "2026-11-22T05:00:01.5Z", &["11-22 05:00:10 +0000", "11-22 05:00:20 +0000"]);
    // Day of month or day of week, as cron has it when both are given.
    check(
        "UTC",
        "0 0 13 * FRI",
        "2026-11-01T00:00:00Z",
        &["11-06 00:00:00 +0000", "11-13 00:00:00 +0000", "11-20 00:00:00 +0000"],
    );
    check("UTC", "0 0 29 2 *", "2026-11-01T00:00:00Z", &["02-29 00:00:00 +0000"]);
}

#[test]
fn what_is_not_a_schedule_is_refused_by_field() {
    for (expression, expect) in [
        ("", "schedule `` has 0 fields"),
        ("30 2 * *", "has 4 fields"),
        ("0 30 2 * * * 2026", "has 7 fields"),
        ("61 2 * * *", "`61` is not a valid minute (0-59;"),
        ("30 24 * * *", "`24` is not a valid hour (0-23;"),
        ("30 2 0 * *", "`0` is not a valid day of month"),
        ("30 2 * 13 *", "`13` is not a valid month"),
        ("30 2 * * MOO", "`MOO` is not a valid day of week"),
        ("60 30 2 * * *", "`60` is not a valid second"),
        ("half 2 * * *", "`half` is not a valid minute"),
        ("30 2 31 2 *", "is never due"),
        ("30 2 30 FEB *", "is never due"),
    ] {
        let error = Schedule::parse(expression, Tz::UTC).unwrap_err();
        assert!(error.to_string().contains(expect), "{expression}: {error}");
        assert_eq!(error.class(), Class::Config);
    }
}

#[test]
fn a_missed_run_happens_once_or_is_let_go() {
    let nightly = schedule("30 2 * * *", "Europe/Berlin");
    let next = |text: &str| Due::Nothing { next: Some(utc(text)) };
    let run = |text: &str, missed| Due::Run { scheduled_for: utc(text), missed };
    let (started, now) = ("2026-11-22T08:00:00Z", "2026-11-22T08:00:05Z");
    for (last_due, since, at, catch_up, expect) in [
        // Never run before: nothing was missed.
        (None, started, now, CatchUp::Once, next("2026-11-23T01:30:00Z")),
        // Three nights missed while the host was down.
        (Some("2026-11-19T01:30:00Z"), started, now, CatchUp::Once, run("2026-11-22T01:30:00Z", 2)),
        (Some("2026-11-19T01:30:00Z"), started, now, CatchUp::No, next("2026-11-23T01:30:00Z")),
        // Had its run.
        (Some("2026-11-22T01:30:00Z"), started, now, CatchUp::Once, next("2026-11-23T01:30:00Z")),
        // Due while we look: in either case, also late, also on the very second of the start.
        (Some("2026-11-22T01:30:00Z"), started, "2026-11-23T01:30:00Z", CatchUp::No, run("2026-11-23T01:30:00Z", 0)),
        (Some("2026-11-22T01:30:00Z"), started, "2026-11-23T05:00:00Z", CatchUp::No, run("2026-11-23T01:30:00Z", 0)),
        (None, "2026-11-23T01:30:00Z", "2026-11-23T01:30:00Z", CatchUp::No, run("2026-11-23T01:30:00Z", 0)),
        // The clock is set back an hour after the run: it is not due again.
        (Some("2026-11-22T01:30:00Z"), started, "2026-11-22T00:45:00Z", CatchUp::Once, next("2026-11-23T01:30:00Z")),
        (Some("2026-11-22T01:30:00Z"), started, "2026-11-22T01:30:00Z", CatchUp::Once, next("2026-11-23T01:30:00Z")),
        // The same without catching up.
        (Some("2026-11-22T01:30:00Z"), started, "2026-11-22T00:45:00Z", CatchUp::No, next("2026-11-23T01:30:00Z")),
        // A week ahead: tonight's run is not had, and neither is any that was due before we began to look.
        (Some("2026-11-29T01:30:00Z"), started, now, CatchUp::Once, next("2026-11-23T01:30:00Z")),
        // The clock went back behind the moment we began at: what comes is due when it comes.
        (None, "2030-01-01T00:00:00Z", "2026-11-22T08:00:00Z", CatchUp::No, next("2026-11-23T01:30:00Z")),
        // A mark from a clock that stood in 2099 is not believed.
        (Some("2099-01-01T01:30:00Z"), started, now, CatchUp::Once, next("2026-11-23T01:30:00Z")),
        (Some("2099-01-01T01:30:00Z"), started, "2026-11-23T01:30:00Z", CatchUp::Once, run("2026-11-23T01:30:00Z", 0)),
    ] {
        let due = due(&nightly, last_due.map(utc), utc(since), utc(at), catch_up);
        assert_eq!(due, expect, "last {last_due:?}, since {since}, at {at}, {catch_up:?}");
    }
}

#[test]
fn a_long_absence_is_counted_up_to_a_bound() {
    let minutely = schedule("* * * * *", "UTC");
    let (last, now) = (utc("2024-01-01T00:00:00Z"), utc("2026-11-22T08:00:30Z"));
    let expect = Due::Run { scheduled_for: utc("2026-11-22T08:00:00Z"), missed: MISSED_COUNTED };
    assert_eq!(due(&minutely, Some(last), now, now, CatchUp::Once), expect);
}

/// However the clock jumps, a run is never due twice: what `due` says becomes the next mark.
#[test]
fn nothing_is_due_twice_however_the_clock_jumps() {
    for expression in ["30 2 * * *", "*/30 * * * *", "0 2,3 * * *"] {
        let schedule = schedule(expression, "Europe/Berlin");
        let start = utc("2026-10-24T20:00:00Z");
        let (mut mark, mut ran) = (None, Vec::new());
        // Forward in steps of seven minutes with an hour back in every tenth step, over both showings of 02:00 to 03:00.
        let mut now = start;
        for step in 0..400 {
            now += if step % 10 == 9 { TimeDelta::minutes(-60) } else { TimeDelta::minutes(14) };
            if let Due::Run { scheduled_for, .. } = due(&schedule, mark, start, now, CatchUp::Once) {
                assert!(!ran.contains(&scheduled_for), "{expression}: {scheduled_for} ran twice");
                ran.push(scheduled_for);
                mark = Some(scheduled_for);
            }
        }
        assert!(ran.is_sorted() && !ran.is_empty(), "{expression}: {ran:?}");
    }
}

#[test]
fn jitter_is_the_same_for_the_same_run_and_below_its_bound() {
    let (one, two) = (TargetName::parse("one").unwrap(), TargetName::parse("two").unwrap());
    let (at, max) = (utc("2026-11-22T01:30:00Z"), Duration::from_secs(600));
    assert_eq!(jitter(&one, at, max), jitter(&one, at, max));
    assert_ne!(jitter(&one, at, max), jitter(&two, at, max));
    assert_ne!(jitter(&one, at, max), jitter(&one, at + TimeDelta::days(1), max));
    assert_eq!(jitter(&one, at, Duration::ZERO), Duration::ZERO);
    for day in 0..200 {
        assert!(jitter(&one, at + TimeDelta::days(day), max) < max);
    }
}

/// An hourly schedule does not rest for a day because the clock was set back by one, a monthly one not for a month.
#[test]
fn a_mark_ahead_of_the_clock_is_believed_for_the_next_run_at_most() {
    let check = |expression: &str, mark: &str, now: &str, expect: bool| {
        let mark = utc(mark);
        let schedule = schedule(expression, "UTC");
        assert_eq!(believed(&schedule, Some(mark), utc(now)), expect.then_some(mark), "{expression}: {mark} at {now}");
    };
    let now = "2026-11-22T08:00:00Z";
    check("0 * * * *", "2026-11-22T10:00:00Z", now, true);
    check("0 * * * *", "2026-11-22T11:00:00Z", now, false);
    check("30 2 * * *", "2026-11-23T02:30:00Z", now, true);
    check("30 2 * * *", "2026-11-24T02:30:00Z", now, false);
    check("0 0 1 * *", "2026-12-01T00:00:00Z", now, false);
    check("0 0 1 * *", "2099-12-01T00:00:00Z", now, false);
}

#[test]
fn what_failed_is_tried_again_with_growing_pauses_until_the_next_run_stands_for_it() {
    let target = TargetName::parse("notes").unwrap();
    let due = utc("2026-11-22T02:30:00Z");
    let (mut at, mut pauses) = (due, Vec::new());
    for times in 1..12 {
        let failed = Failed { scheduled_for: due, times, last: at };
        let next = failed.again(&target, None, at).unwrap();
        pauses.push((next - at).num_minutes());
        at = next;
    }
    let bounds = [1, 2, 5, 10, 20, 40, 60, 120, 240, 240, 240];
    assert!(pauses.iter().zip(bounds).all(|(pause, least)| (least..=least * 5 / 4).contains(pause)), "{pauses:?}");
    let failed = Failed { scheduled_for: due, times: 6, last: utc("2026-11-22T03:10:00Z") };
    assert_eq!(failed.again(&target, Some(utc("2026-11-22T03:30:00Z")), utc("2026-11-22T03:11:00Z")), None);
    assert!(failed.again(&target, Some(utc("2026-11-23T02:30:00Z")), utc("2026-11-22T03:11:00Z")).is_some());
    // Failed under a clock that stood in 2099: tried again soon by the one that is right.
    let failed = Failed { last: utc("2099-01-01T00:00:00Z"), ..failed };
    assert!(failed.again(&target, None, utc("2026-11-22T03:11:00Z")).unwrap() < utc("2026-11-22T04:11:00Z"));
}
