use super::*;
use crate::store::tests::target as plain;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A target with this schedule, in UTC.
fn target(expression: &str) -> Target {
    let mut target = plain(std::path::Path::new("/nowhere"));
    target.backup.schedule = Some(schedule::Schedule::parse(expression, chrono_tz::Tz::UTC).unwrap());
    (target.backup.catch_up, target.backup.jitter) = (true, std::time::Duration::ZERO);
    target
}

/// Lives from one moment to another, looking every ten seconds, and has every run end as told at once. The moments of the runs.
fn live(
    agenda: &mut Agenda,
    target: &Target,
    from: &str,
    to: &str,
    mut ends: impl FnMut(DateTime<Utc>) -> Result<(), Class>,
) -> Vec<String> {
    let (mut now, to) = (utc(from), utc(to));
    let mut ran = Vec::new();
    while now <= to {
        agenda.tick(now);
        if let Next::Now { scheduled_for, .. } = agenda.next(target, now) {
            agenda.give(&target.name, scheduled_for);
            assert_eq!(agenda.next(target, now), Next::At(None), "two at once");
            ran.push(now.format("%d %H:%M").to_string());
            agenda.ended(&target.name, scheduled_for, now, Some(ends(now)));
        }
        now += TimeDelta::seconds(10);
    }
    ran
}

#[test]
fn a_database_that_restarts_has_its_backup_when_it_is_back() {
    let target = target("30 2 * * *");
    let mut agenda = Agenda::new(What::Backup, utc("2026-11-22T00:00:00Z"));
    let back = utc("2026-11-22T02:40:00Z");
    let ends = |now: DateTime<Utc>| if now < back { Err(Class::Unavailable) } else { Ok(()) };
    let ran = live(&mut agenda, &target, "2026-11-22T00:00:00Z", "2026-11-23T03:00:00Z", ends);
    assert!(ran.len() == 6 && ran[0] == "22 02:30" && ran[5] == "23 02:30", "{ran:?}");
    assert!(ran[4].as_str() < "22 03:00", "{ran:?}");
}

#[test]
fn what_a_person_must_mend_is_not_tried_again_before_the_next_run() {
    let target = target("30 2 * * *");
    let mut agenda = Agenda::new(What::Backup, utc("2026-11-22T00:00:00Z"));
    let ran = live(&mut agenda, &target, "2026-11-22T00:00:00Z", "2026-11-24T00:00:00Z", |_| Err(Class::NoPermission));
    assert_eq!(ran, ["22 02:30", "23 02:30"]);
}

#[test]
fn a_database_that_is_gone_is_tried_a_few_times_and_the_next_run_stands_for_it() {
    let target = target("0 * * * *");
    let mut agenda = Agenda::new(What::Backup, utc("2026-11-22T00:30:00Z"));
    let ran = live(&mut agenda, &target, "2026-11-22T00:30:00Z", "2026-11-22T02:59:00Z", |_| Err(Class::TempFail));
    assert!(ran.len() <= 14, "{ran:?}");
    assert!(ran.contains(&"22 02:00".to_owned()), "{ran:?}");
}

/// What a start under a clock years ahead leaves: no storm, and a backup tonight.
#[test]
fn a_mark_from_the_future_queues_nothing_and_disarms_nothing() {
    let target = target("30 2 * * *");
    for catch_up in [true, false] {
        let mut target = target.clone();
        target.backup.catch_up = catch_up;
        let mut agenda = Agenda::new(What::Backup, utc("2026-11-22T00:00:00Z"));
        agenda.marks.insert(target.name.clone(), utc("2031-05-05T02:30:00Z"));
        let ran = live(&mut agenda, &target, "2026-11-22T00:00:00Z", "2026-11-23T03:00:00Z", |_| Ok(()));
        assert_eq!(ran, ["22 02:30", "23 02:30"], "catch_up {catch_up}");
    }
}

#[test]
fn a_clock_that_jumps_while_we_live_costs_one_run_more_at_most() {
    let target = target("30 2 * * *");
    for catch_up in [true, false] {
        let mut target = target.clone();
        target.backup.catch_up = catch_up;
        // Years ahead for a minute, and back.
        let mut agenda = Agenda::new(What::Backup, utc("2026-11-22T00:00:00Z"));
        let mut ran = live(&mut agenda, &target, "2026-11-22T00:00:00Z", "2026-11-22T01:00:00Z", |_| Ok(()));
        ran.extend(live(&mut agenda, &target, "2031-05-05T12:00:00Z", "2031-05-05T12:01:00Z", |_| Ok(())));
        assert_eq!(ran, ["05 12:00"], "one stands for all that were missed");
        assert_eq!(
            live(&mut agenda, &target, "2026-11-22T01:02:00Z", "2026-11-24T01:00:00Z", |_| Ok(())),
            ["22 02:30", "23 02:30"],
            "catch_up {catch_up}"
        );
        // Started years ahead, and set right while it runs.
        let mut agenda = Agenda::new(What::Backup, utc("2031-05-05T12:00:00Z"));
        live(&mut agenda, &target, "2031-05-05T12:00:00Z", "2031-05-05T12:01:00Z", |_| Ok(()));
        let ran = live(&mut agenda, &target, "2026-11-22T01:02:00Z", "2026-11-23T03:00:00Z", |_| Ok(()));
        assert_eq!(ran, ["22 02:30", "23 02:30"], "catch_up {catch_up}");
        // Three hours back after the run: it is not due again; a failed one is tried again soon.
        let mut agenda = Agenda::new(What::Backup, utc("2026-11-22T00:00:00Z"));
        live(&mut agenda, &target, "2026-11-22T00:00:00Z", "2026-11-22T03:00:00Z", |_| Ok(()));
        assert_eq!(
            live(&mut agenda, &target, "2026-11-22T00:00:00Z", "2026-11-23T03:00:00Z", |_| Ok(())),
            ["23 02:30"],
            "catch_up {catch_up}"
        );
    }
}

#[test]
fn a_drill_that_fails_for_what_passes_is_tried_once_more_and_no_oftener() {
    let mut target = target("30 2 * * *");
    (target.drill.schedule, target.backup.schedule) = (target.backup.schedule.take(), None);
    for (class, wanted) in [(Class::Unavailable, 4), (Class::Data, 2)] {
        let mut agenda = Agenda::new(What::Drill, utc("2026-11-22T00:00:00Z"));
        let ran = live(&mut agenda, &target, "2026-11-22T00:00:00Z", "2026-11-24T00:00:00Z", |_| Err(class));
        assert_eq!(ran.len(), wanted, "{ran:?}");
    }
}

/// Both tries failed, and the daemon is started again within the pause behind them.
#[tokio::test]
async fn a_drill_that_was_given_up_is_not_taken_up_again_by_a_start() {
    use crate::ids::JobId;
    use crate::state_db::runs::{End, Outcome, Run};
    let dir = tempfile::tempdir().unwrap();
    let state = StateDb::open(dir.path()).await.unwrap();
    let mut target = target("30 2 * * *");
    (target.drill.schedule, target.backup.schedule) = (target.backup.schedule.take(), None);
    let due = utc("2026-11-22T02:30:00Z");
    let mut next = Vec::new();
    for (id, at) in [("j1", "2026-11-22T02:31:00Z"), ("j2", "2026-11-22T02:40:00Z")] {
        let (id, at) = (JobId::parse(id).unwrap(), utc(at));
        let run = Run {
            id: id.clone(),
            request: None,
            target: Some(target.name.clone()),
            action: "drill".to_owned(),
            body: serde_json::Value::Null,
            scheduled_for: Some(due),
            started_at: at,
            end: None,
        };
        state.begin_run(&run).await.unwrap();
        let result = serde_json::to_value(Failure::new(Class::Unavailable, "away")).unwrap();
        state.end_run(&id, &End { at, outcome: Outcome::Failed, result }).await.unwrap();
        let mut agenda = Agenda::new(What::Drill, utc("2026-11-22T02:41:00Z"));
        state.mark_schedule(&target.name, "drill", due).await.unwrap();
        agenda.remember(&state).await.unwrap();
        next.push(agenda.next(&target, utc("2026-11-22T12:00:00Z")));
    }
    assert!(matches!(next[0], Next::Now { failed: 1, .. }) && matches!(next[1], Next::At(Some(_))), "{next:?}");
}
