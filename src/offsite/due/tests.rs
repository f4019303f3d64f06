use super::*;
use crate::archive::manifest::Kind;
use crate::store::place::tests::name;

const DAY: u32 = 86_400;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

const NOW: &str = "2026-11-22T12:00:00Z";

/// A whole archive of so many days ago, of 100 bytes.
fn entry(label: &str, days: i64) -> Entry {
    Entry {
        target: crate::ids::TargetName::parse("notes").unwrap(),
        label: Label::parse(label).unwrap(),
        path: "/nowhere".into(),
        size: 100,
        kind: Kind::Scheduled,
        taken_at: utc(NOW) - TimeDelta::days(days),
        duration_ms: 0,
        release: None,
        head: None,
        rows: 0,
        raw_bytes: 0,
        note: None,
        pinned: None,
        verified_at: None,
        verdict: Verdict::Whole,
        data_only: false,
        left_out: Vec::new(),
    }
}

fn copy(label: &str, state: CopyState, verified_days: Option<i64>) -> Copy {
    Copy {
        place: name("nas"),
        label: Label::parse(label).unwrap(),
        target: crate::ids::TargetName::parse("notes").unwrap(),
        taken_at: utc(NOW),
        size: 100,
        digest: "d".to_owned(),
        state,
        why: None,
        at: utc(NOW),
        verified_at: verified_days.map(|days| utc(NOW) - TimeDelta::days(days)),
    }
}

fn copies() -> Copies {
    Copies { to: vec![name("nas")], kinds: vec![Kind::Scheduled], max_age: None }
}

fn labels(entries: &[&Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.label.to_string()).collect()
}

#[test]
fn owed_is_what_should_be_there_and_was_not_seen_newest_first() {
    let mut entries: Vec<Entry> = [("a", 5), ("b", 4), ("c", 3), ("d", 2), ("e", 1), ("f", 6)].map(|(l, d)| entry(l, d)).into();
    entries[3].kind = Kind::PreRestore;
    entries[4].verdict = Verdict::Damaged;
    let seen = [copy("b", CopyState::Copied, None), copy("c", CopyState::Missing, None), copy("f", CopyState::Foreign, None)];
    let ask = |entries: &[Entry]| labels(&owed(entries, &seen, &name("nas"), &copies(), utc(NOW)));
    assert_eq!(ask(&entries), ["c", "a"], "one that vanished is owed again, one that is barred waits for a person");
    assert_eq!(labels(&owed(&entries, &seen, &name("other"), &copies(), utc(NOW))), ["c", "b", "a", "f"]);
    // A pin is a person's word that it matters, whatever it is.
    entries[3].pinned = Some("mine".to_owned());
    assert_eq!(ask(&entries), ["d", "c", "a"]);
    entries[0].taken_at = utc(NOW) + TimeDelta::days(400);
    assert_eq!(ask(&entries), ["d", "c"], "of a moment that has not come");
}

#[test]
fn retention_waits_for_a_copy_for_two_weeks_and_while_there_is_room() {
    // How old an archive is says nothing: the policy kept it for a month before it let it go.
    let entries: Vec<Entry> = [("new", 41), ("week", 47), ("old", 55), ("there", 43)].map(|(l, d)| entry(l, d)).into();
    let doomed: Vec<&Entry> = entries.iter().collect();
    let seen = [copy("there", CopyState::Copied, None)];
    let label = |text: &str| Label::parse(text).unwrap();
    let since: BTreeMap<Label, DateTime<Utc>> =
        [("week", 7), ("old", 15)].map(|(l, days)| (label(l), utc(NOW) - TimeDelta::days(days))).into();
    let ask = |free: Option<u64>| {
        let waiting = waiting(&doomed, &seen, &copies(), &since, (free, 100), utc(NOW));
        let names = |labels: BTreeMap<Label, Vec<PlaceName>>| labels.into_keys().map(|l| l.to_string()).collect::<Vec<_>>();
        (names(waiting.stay), names(waiting.lost))
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(ask(Some(1_000)), (words(&["new", "week"]), words(&["old"])));
    assert_eq!(ask(None), (words(&["new", "week"]), words(&["old"])), "room that cannot be measured is not short");
    // The copied one goes and makes room for one; the old one goes and makes it for two.
    assert_eq!(ask(Some(0)), (words(&["new", "week"]), words(&["old"])));
    let four: Vec<Entry> = [("a", 4), ("b", 3), ("c", 2), ("d", 1)].map(|(l, d)| entry(l, d)).into();
    let doomed: Vec<&Entry> = four.iter().collect();
    let tight = waiting(&doomed, &[], &copies(), &BTreeMap::new(), (Some(0), 100), utc(NOW));
    assert_eq!(
        tight.lost.keys().map(Label::as_str).collect::<Vec<_>>(),
        ["a", "b"],
        "the oldest first, and no more than are needed"
    );
    assert_eq!(tight.stay.keys().map(Label::as_str).collect::<Vec<_>>(), ["c", "d"]);
    let none = waiting(&doomed, &[], &Copies::default(), &BTreeMap::new(), (Some(0), 100), utc(NOW));
    assert_eq!(none, Waiting::default(), "where nothing is copied nothing waits");
}

#[test]
fn a_wait_begins_where_its_copy_is_first_missed() {
    let old = entry("old", 400);
    let at = |days: i64| utc(NOW) - TimeDelta::days(days);
    let ask = |since: Option<i64>, ill: Option<(CopyState, i64)>| {
        let since: BTreeMap<Label, DateTime<Utc>> = since.map(|days| (old.label.clone(), at(days))).into_iter().collect();
        let seen: Vec<Copy> = ill.map(|(state, days)| Copy { at: at(days), ..copy("old", state, None) }).into_iter().collect();
        waiting(&[&old], &seen, &copies(), &since, (None, 100), utc(NOW)).lost.is_empty()
    };
    assert!(ask(None, None), "found lacking just now");
    assert!(ask(Some(14), None) && !ask(Some(15), None));
    assert!(ask(Some(-400), None), "remembered by a clock that was wrong");
    for state in [CopyState::Damaged, CopyState::Foreign, CopyState::Missing] {
        assert!(ask(Some(15), Some((state, 3))), "{state} since three days: somebody was told then");
        assert!(!ask(Some(15), Some((state, 15))) && !ask(Some(15), Some((state, -400))), "{state}");
    }
    assert!(!ask(Some(15), Some((CopyState::Failed, 1))), "one that could never be made is no other wait");
}

#[test]
fn every_copy_is_read_within_its_time_and_no_more_than_a_share_at_once() {
    let day = Duration::from_secs(u64::from(DAY));
    let hour = Duration::from_secs(3600);
    let all: Vec<Copy> = (0..50).map(|n| copy(&format!("c{n}"), CopyState::Copied, Some(n))).collect();
    let due = to_reread(&all, day * 30, hour, utc(NOW));
    assert_eq!(due.len(), 1, "720 rounds for 50 copies");
    assert_eq!(due[0].label.as_str(), "c49", "the one that was not read for longest");
    assert_eq!(to_reread(&all, day * 90, hour, utc(NOW)), Vec::<&Copy>::new());
    // Never read goes first; more copies than rounds are read several at once.
    let many: Vec<Copy> = (0..50).map(|n| copy(&format!("c{n}"), CopyState::Copied, None)).collect();
    assert_eq!(to_reread(&many, hour * 10, hour, utc(NOW)).len(), 5);
    assert_eq!(to_reread(&[copy("x", CopyState::Damaged, None)], day, hour, utc(NOW)), Vec::<&Copy>::new());
    // Read at a moment that has not come: the clock was wrong, and it is read.
    assert_eq!(to_reread(&[copy("x", CopyState::Copied, Some(-400))], day, hour, utc(NOW)).len(), 1);
}
