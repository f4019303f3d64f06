use chrono::{TimeDelta, TimeZone as _, Utc};

use super::*;
use crate::ids::{JobId, Label};
use crate::progress::Snapshot;
use crate::wire::{Action, ArchiveStatus, Backup, KeptStatus, RuleStatus};

fn at(second: i64) -> chrono::DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 28, 6, 30, 0).unwrap() + TimeDelta::seconds(second)
}

fn target() -> TargetStatus {
    let golden = include_str!("../../../tests/golden/api/status.json");
    let status: Status = serde_json::from_str(golden).unwrap();
    let mut target = status.targets.into_iter().next().unwrap();
    let past = |n: u64| HistoryStatus {
        taken_at: at(-86_400 * (90 - i64::try_from(n).unwrap())),
        size: 20_000_000_000 + n * 100_000_000,
        duration_ms: if n == 80 { 190_000 } else { 60_000 + n * 100 },
    };
    target.last_good = Some(ArchiveStatus {
        label: Label::parse("notes-20261128T023000Z").unwrap(),
        taken_at: at(-14_400),
        size: 28_900_000_000,
        rows: 120_000_000,
        release: None,
        verified_at: Some(at(-14_000)),
    });
    target.history = (0..90).map(past).collect();
    target.archives = 91;
    target.archives_bytes = 2_200_000_000_000;
    target.days_left = Some(212);
    target.next_run = Some(at(72_000));
    target.then = vec![at(158_400), at(244_800)];
    let rules =
        [("daily", 7), ("last", 3), ("pinned", 1)].map(|(rule, archives)| RuleStatus { rule: rule.to_owned(), archives });
    target.kept = Some(KeptStatus { kept: 10, let_go: 81, rules: rules.into() });
    target
}

/// An answer while a backup has done so much.
fn answer(second: i64, done_bytes: u64) -> Status {
    let progress =
        Snapshot { phase: "dumping".to_owned(), done_bytes, total_bytes: 3_000_000_000, done_rows: 0, said: String::new() };
    let job = Job {
        id: JobId::random(),
        request: None,
        action: Action::Backup(Backup { target: target().name, note: None, pin: None, scheduled_for: None }),
        state: JobState::Running,
        created_at: at(0),
        ended_at: None,
        progress,
        result: None,
        failure: None,
    };
    Status {
        tool: "upkeep 0.1.0".to_owned(),
        pid: Some(17),
        started_at: Some(at(-7_200)),
        state: "running".to_owned(),
        at: at(second),
        targets: vec![target()],
        jobs: vec![job],
        problems: Vec::new(),
    }
}

/// The second answer, with the pace between the two.
fn two(first: u64, second: u64) -> (Status, Pace) {
    let mut pace = Pace::default();
    let before = answer(0, first);
    let mut after = answer(2, second);
    after.jobs[0].id = before.jobs[0].id.clone();
    pace.see(&before);
    pace.see(&after);
    (after, pace)
}

fn view(columns: usize, rows: usize, glyphs: Glyphs) -> View {
    View { terminal: Terminal::plain().of_width(columns), glyphs, columns, rows }
}

fn drawn(columns: usize, rows: usize, glyphs: Glyphs) -> String {
    let (status, pace) = two(500_000_000, 900_000_000);
    let rows = frame(&status, &pace, None, view(columns, rows, glyphs));
    assert!(rows.iter().all(|row| row.chars().count() <= columns), "{rows:#?}");
    rows.join("\n")
}

#[test]
fn at_80_columns() {
    insta::assert_snapshot!(drawn(80, 24, Glyphs::Blocks), @"
    upkeep 0.1.0, daemon running (pid 17, up 2 h)
    2026-11-28 06:30:02 UTC

    backup notes  dumping
      ██████████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
      900 MB of 3.0 GB  30 %  200 MB/s  11 s left

    notes  backed up only
      database  sqlite:///srv/notes/notes.db, sqlite 3.51.3
      last good 4 h ago: notes-20261128T023000Z, 120 000 000 rows, 29 GB, verified 3
                h ago
      archives  91 archives, 2.2 TB; 54 GB free, 212 days at the current growth
      next run  2026-11-29 02:30:00 UTC, in 19 h
      and then  2026-11-30 02:30:00, 2026-12-01 02:30:00 UTC
      kept      10 of 91, 81 to delete next; by rule: daily 7, last 3, pinned 1
      sizes     ██████████████████████████████████ newest 29 GB, 26 GB to 29 GB
      durations ▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃█▃▃▃▃▃▃▃▃▃ newest 68 s, 65 s to 3 min
    ");
}

#[test]
fn at_120_columns() {
    insta::assert_snapshot!(drawn(120, 40, Glyphs::Blocks), @"
    upkeep 0.1.0, daemon running (pid 17, up 2 h)
    2026-11-28 06:30:02 UTC

    backup notes  dumping
      ██████████████████████████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░
      900 MB of 3.0 GB  30 %  200 MB/s  11 s left

    notes  backed up only
      database  sqlite:///srv/notes/notes.db, sqlite 3.51.3
      last good 4 h ago: notes-20261128T023000Z, 120 000 000 rows, 29 GB, verified 3 h ago
      archives  91 archives, 2.2 TB; 54 GB free, 212 days at the current growth
      next run  2026-11-29 02:30:00 UTC, in 19 h
      and then  2026-11-30 02:30:00, 2026-12-01 02:30:00 UTC
      kept      10 of 91, 81 to delete next; by rule: daily 7, last 3, pinned 1
      sizes     ▆▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇█████████████████████████████████████ newest 29 GB, 22 GB to 29 GB
      durations ▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃█▃▃▃▃▃▃▃▃▃ newest 68 s, 61 s to 3 min
    ");
}

#[test]
fn without_utf_8() {
    let text = drawn(80, 24, Glyphs::Ascii);
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!(text, @"
    upkeep 0.1.0, daemon running (pid 17, up 2 h)
    2026-11-28 06:30:02 UTC

    backup notes  dumping
      ######################------------------------------------------------------
      900 MB of 3.0 GB  30 %  200 MB/s  11 s left

    notes  backed up only
      database  sqlite:///srv/notes/notes.db, sqlite 3.51.3
      last good 4 h ago: notes-20261128T023000Z, 120 000 000 rows, 29 GB, verified 3
                h ago
      archives  91 archives, 2.2 TB; 54 GB free, 212 days at the current growth
      next run  2026-11-29 02:30:00 UTC, in 19 h
      and then  2026-11-30 02:30:00, 2026-12-01 02:30:00 UTC
      kept      10 of 91, 81 to delete next; by rule: daily 7, last 3, pinned 1
      sizes     @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@ newest 29 GB, 26 GB to 29 GB
      durations ------------------------@--------- newest 68 s, 65 s to 3 min
    ");
}

#[test]
fn a_small_window_says_what_is_missing() {
    let text = drawn(80, 6, Glyphs::Blocks);
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(text.lines().last().unwrap().contains("more lines"), "{text}");
}

#[test]
fn the_pace_is_of_the_last_seconds_and_of_one_phase() {
    let (mut status, mut pace) = two(500, 900);
    let id = status.jobs[0].id.clone();
    assert_eq!(pace.of(&id), Some(200));
    // The same answer again says nothing new.
    pace.see(&status);
    assert_eq!(pace.of(&id), Some(200));
    // Long after, only the last seconds count.
    for second in 3..=20 {
        status.at = at(second);
        status.jobs[0].progress.done_bytes += 1000;
        pace.see(&status);
    }
    assert_eq!(pace.of(&id), Some(1000));
    status.at = at(21);
    status.jobs[0].progress.phase = "verifying".to_owned();
    pace.see(&status);
    assert_eq!(pace.of(&id), None, "another phase begins anew");
    status.jobs.clear();
    pace.see(&status);
    assert_eq!(pace.of(&id), None);
}

#[test]
fn what_a_tool_says_and_what_waits() {
    let (mut status, pace) = two(0, 0);
    status.jobs[0].progress = Snapshot { phase: "migrate".to_owned(), said: "applying V34".to_owned(), ..Snapshot::default() };
    let rows = frame(&status, &pace, Some("connection refused"), view(80, 40, Glyphs::Blocks));
    assert_eq!(rows[2..6], ["no answer since then: connection refused", "", "backup notes  migrate", "  says: applying V34"]);
    status.jobs[0].state = JobState::Queued;
    let rows = frame(&status, &pace, None, view(80, 40, Glyphs::Blocks));
    assert_eq!(rows[3], "backup notes  waits for another job to end");
}
