use super::*;
use crate::gate::cause::Cause;
use crate::gate::cause::tests::each;
use crate::status::words::state;
use crate::wire::OutageStatus;

fn at(minute: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + i64::from(minute) * 60, 0).unwrap()
}

/// Of messages with a `|` what stands behind it is the cause.
fn wrong(messages: &[&str]) -> BTreeMap<Key, Wrong> {
    let one = |text: &&str| {
        let (message, cause) = text.split_once('|').unwrap_or((text, ""));
        let wrong = Wrong { message: message.to_owned(), cause: cause.to_owned() };
        ((Some("notes".to_owned()), words(message)), wrong)
    };
    messages.iter().map(one).collect()
}

/// What is told at a minute, each told well or not.
fn told(alarms: &mut Alarms, minute: u32, messages: &[&str], well: bool) -> Vec<String> {
    let due = alarms.due(wrong(messages), &[], Duration::from_secs(60), at(minute));
    let mut said = Vec::new();
    for (key, alarm) in due {
        said.push(format!("{} {}", alarm.kind, alarm.message));
        let result = if well { Ok(()) } else { Err("nobody listens".to_owned()) };
        alarms.sent(Sent { key, alarm, result }, at(minute));
    }
    said
}

#[test]
fn an_incident_is_told_once_and_once_more_when_it_is_over() {
    let mut alarms = Alarms::default();
    let nothing: [&str; 0] = [];
    assert_eq!(told(&mut alarms, 0, &["no answer: one"], true), nothing, "it may pass");
    assert_eq!(told(&mut alarms, 1, &["no answer: two"], true), ["problem no answer: one"]);
    assert_eq!(told(&mut alarms, 2, &["no answer: three", "overdue"], true), nothing, "the same incident in other words");
    assert_eq!(told(&mut alarms, 3, &["overdue"], true), ["recovered no answer: one", "problem overdue"]);
    assert_eq!(told(&mut alarms, 4, &[], true), ["recovered overdue"]);
    assert_eq!(told(&mut alarms, 5, &[], true), nothing);
}

#[test]
fn what_passes_before_anybody_was_told_is_not_told_at_all() {
    let mut alarms = Alarms::default();
    for minute in 0..10 {
        let messages: &[&str] = if minute % 2 == 0 { &["flapping"] } else { &[] };
        assert!(told(&mut alarms, minute, messages, true).is_empty());
    }
}

#[test]
fn what_could_not_be_told_is_tried_again() {
    let mut alarms = Alarms::default();
    told(&mut alarms, 0, &["overdue"], false);
    for minute in 1..4 {
        assert_eq!(told(&mut alarms, minute, &["overdue"], false), ["problem overdue"], "minute {minute}");
    }
    assert_eq!(told(&mut alarms, 4, &["overdue"], true), ["problem overdue"]);
    assert_eq!(told(&mut alarms, 5, &[], false), ["recovered overdue"]);
    assert_eq!(told(&mut alarms, 6, &[], true), ["recovered overdue"]);
    assert!(alarms.incidents.is_empty());
}

/// A person who is told that the server is down has mended one cause: the next one is news, and the end is told once.
#[test]
fn a_server_that_is_down_for_another_cause_is_another_incident() {
    let mut alarms = Alarms::default();
    let (waits, back) = ("the server is down: it waits|not-asked 2.0", "the server is down: it failed|rolled-back 2.0");
    told(&mut alarms, 0, &[waits], true);
    assert_eq!(told(&mut alarms, 1, &[waits], true), ["problem the server is down: it waits"]);
    assert!(told(&mut alarms, 2, &[waits], true).is_empty());
    assert!(told(&mut alarms, 3, &[back], true).is_empty(), "it may pass");
    assert_eq!(told(&mut alarms, 4, &[back], true), ["problem the server is down: it failed"]);
    assert!(told(&mut alarms, 5, &["the server is down: in other words|rolled-back 2.0"], true).is_empty());
    assert_eq!(told(&mut alarms, 6, &[], true), ["recovered the server is down: it failed"]);
    // One that ends before anybody is told of it ends what was told before.
    told(&mut alarms, 9, &[waits], true);
    assert_eq!(told(&mut alarms, 10, &[waits], true), ["problem the server is down: it waits"]);
    assert!(told(&mut alarms, 11, &[back], true).is_empty());
    assert_eq!(told(&mut alarms, 12, &[], true).len(), 1);
    // The same again, after it ran.
    told(&mut alarms, 13, &[back], true);
    assert_eq!(told(&mut alarms, 14, &[back], true), ["problem the server is down: it failed"]);
}

/// What a job of ours does to a target is no recovery of it, and a clock that was years ahead silences nobody.
#[test]
fn what_is_not_known_ends_no_incident_and_a_wrong_clock_delays_none() {
    let mut alarms = Alarms::default();
    told(&mut alarms, 0, &["no answer: one"], true);
    assert_eq!(told(&mut alarms, 1, &["no answer: one"], true), ["problem no answer: one"]);
    let key = (Some("notes".to_owned()), "no answer".to_owned());
    assert!(alarms.due(wrong(&[]), std::slice::from_ref(&key), Duration::from_secs(60), at(2)).is_empty());
    assert_eq!(told(&mut alarms, 3, &[], true), ["recovered no answer: one"]);

    let years = 5 * 365 * 24 * 60;
    told(&mut alarms, years, &["overdue"], true);
    assert!(told(&mut alarms, 4, &["overdue"], true).is_empty());
    assert_eq!(told(&mut alarms, 5, &["overdue"], true), ["problem overdue"]);
}

/// A reload takes the alarms out of the configuration while an incident waits for its moment: it waits for none any more, for each that
/// has passed would wake the daemon at once, and again.
#[test]
fn nobody_is_waited_for_where_nobody_is_told() {
    let mut alarms = Alarms::default();
    told(&mut alarms, 0, &["overdue", "down|one"], true);
    assert!(alarms.due_at().is_some());
    alarms.nobody_listens();
    assert_eq!(alarms.due_at(), None);
    assert!(alarms.incidents.is_empty());
    // What somebody was told of has its end once they listen again.
    told(&mut alarms, 0, &["down|one"], true);
    assert_eq!(told(&mut alarms, 1, &["down|one"], true), ["problem down"]);
    assert!(told(&mut alarms, 2, &["down|two"], true).is_empty());
    alarms.nobody_listens();
    assert_eq!(alarms.due_at(), None);
    assert_eq!(told(&mut alarms, 9, &[], true).len(), 1);
}

/// A status for each cause for which a server can be down, and what a person reads of it first.
pub(in crate::daemon) fn down() -> Vec<(Cause, Status, String)> {
    let with = |(cause, words): (Cause, crate::gate::cause::Words)| {
        let outage = OutageStatus { cause: cause.code().to_owned(), why: words.why, next_step: words.next_step };
        let problem = status::down(&outage);
        let target = json!({"name": "notes", "profile": "plain", "database": "here", "archives": 1, "archives_bytes": 1, "overdue": false,
            "outage": outage, "problems": [problem, "another"]});
        let status = json!({"tool": "upkeep", "state": "ready", "at": at(0), "started_at": at(0), "pid": 7, "problems": [],
            "jobs": [], "targets": [target]});
        (cause, serde_json::from_value(status).unwrap(), problem)
    };
    each().into_iter().map(with).collect()
}

/// What the headline says before `SERVER DOWN`. Whoever adds a cause says here what a person reads first.
fn first_word(cause: &Cause) -> &'static str {
    match cause {
        Cause::RolledBack { .. } => "ROLLED BACK, ",
        Cause::Stuck { .. } => "STUCK, ",
        Cause::Failed(_) => "MIGRATION FAILED, ",
        Cause::Held { .. } => "ON HOLD, ",
        Cause::NotAsked | Cause::Window(_) | Cause::Pending | Cause::Room { .. } => "UPGRADE PENDING, ",
        Cause::Newer(_) | Cause::Ahead(_) => "DATABASE AHEAD, ",
        Cause::Waiting { .. } | Cause::Unended { .. } | Cause::Refused { .. } | Cause::Lost(_) | Cause::HalfRestored { .. } => {
            ""
        }
        Cause::Release(_) | Cause::Database(_) | Cause::Invalid(_) | Cause::Product(_) | Cause::Unknown(_) => "",
        Cause::Outside(_) | Cause::Skipped | Cause::Ended(_) => "",
    }
}

/// Each cause is the headline and an alarm of its own, which has the whole command that ends it.
#[test]
fn whatever_keeps_a_server_down_is_the_headline_and_an_alarm_with_its_command() {
    for (cause, status, problem) in down() {
        assert_eq!(state(&status.targets[0]).0, format!("{}SERVER DOWN", first_word(&cause)), "{cause:?}");
        let told = problems(&status).into_values().find(|wrong| wrong.message == problem).unwrap();
        assert_eq!(told.cause, cause.code(), "{cause:?}");
        let command = &status.targets[0].outage.as_ref().unwrap().next_step;
        assert!(told.message.ends_with(command.as_str()) && command.contains('`'), "{cause:?}: {told:?}");
    }
}
