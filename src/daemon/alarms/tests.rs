use super::*;

fn at(minute: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + i64::from(minute) * 60, 0).unwrap()
}

fn wrong(messages: &[&str]) -> BTreeMap<Key, String> {
    let words = |message: &str| message.split(": ").next().unwrap().to_owned();
    messages.iter().map(|message| ((Some("notes".to_owned()), words(message)), (*message).to_owned())).collect()
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
