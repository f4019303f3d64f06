use super::*;
use crate::archive::manifest::Kind;
use crate::ids::{Label, TargetName};
use crate::state_db::catalogue::Verdict;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn nas() -> PlaceName {
    PlaceName::parse("nas").unwrap()
}

/// A whole archive of this moment.
fn entry(at: DateTime<Utc>) -> Entry {
    let target = TargetName::parse("notes").unwrap();
    Entry {
        label: Label::compose(&target, None, at, 0),
        target,
        path: "/nowhere".into(),
        size: 100,
        kind: Kind::Scheduled,
        taken_at: at,
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

fn copy(entry: &Entry, state: CopyState) -> Copy {
    Copy {
        place: nas(),
        label: entry.label.clone(),
        target: entry.target.clone(),
        taken_at: entry.taken_at,
        size: entry.size,
        digest: "d".to_owned(),
        state,
        why: Some("why".to_owned()),
        at: entry.taken_at,
        verified_at: Some(entry.taken_at),
    }
}

fn known(error: Option<(&str, &str)>, seen: Vec<Copy>) -> KnownCopies {
    let error = error.map(|(why, since)| (why.to_owned(), utc(since)));
    let place = Known { marker: "m".to_owned(), host: "h".to_owned(), reached_at: None, error };
    KnownCopies { places: vec![(nas(), "directory", Some(place))], seen, keys: Vec::new() }
}

fn copies() -> Copies {
    let max_age = Some(std::time::Duration::from_secs(50 * 3600));
    Copies { to: vec![nas()], kinds: vec![Kind::Scheduled], max_age }
}

/// Archives are taken every night, and the place is away from Monday to Sunday: one problem, in the same words all week.
#[test]
fn a_week_without_the_place_is_one_problem() {
    let first = entry(utc("2026-11-22T02:30:00Z"));
    let gone = Some(("nothing is mounted there", "2026-11-23T02:40:00Z"));
    let mut entries = vec![first.clone()];
    let mut told = Vec::new();
    for night in 1..=7 {
        let now = first.taken_at + TimeDelta::days(night) + TimeDelta::minutes(20);
        entries.insert(0, entry(first.taken_at + TimeDelta::days(night)));
        let known = known(gone, vec![copy(&first, CopyState::Copied)]);
        let standing = standing(&known, &entries, &copies(), now);
        assert_eq!((standing[0].owed, standing[0].copied), (u64::try_from(night).unwrap(), 1));
        assert_eq!(standing[0].oldest_owed, Some(first.taken_at + TimeDelta::days(1)));
        told.push(problems(&known, &standing, &copies(), now));
    }
    assert_eq!(told[0].len(), 1, "{told:?}");
    assert!(told.iter().all(|problems| *problems == told[0]), "{told:?}");
    assert!(told[0][0].contains("copies to nas cannot be made: nothing is mounted there (since 2026-11-23 02:40 UTC)"));
}

#[test]
fn what_is_owed_for_too_long_is_late_when_its_time_has_passed_and_not_before() {
    let one = entry(utc("2026-11-22T02:30:00Z"));
    let (known, entries) = (known(None, Vec::new()), vec![one.clone()]);
    let at = |now: &str| problems(&known, &standing(&known, &entries, &copies(), utc(now)), &copies(), utc(now));
    assert_eq!(at("2026-11-24T04:30:00Z"), Vec::<String>::new());
    assert!(
        at("2026-11-24T04:30:01Z")[0].starts_with("copies to nas are late: one of 2026-11-22 02:30 UTC"),
        "{:?}",
        at("2026-11-24T04:30:01Z")
    );
    let late = late_at(&known, &entries, &copies(), utc("2026-11-23T00:00:00Z"));
    assert_eq!(late, [utc("2026-11-24T04:30:00.001Z")], "the daemon looks again then");
    let never = late_at(&known, &entries, &Copies { max_age: None, ..copies() }, utc("2026-11-23T00:00:00Z"));
    assert_eq!(never, Vec::<DateTime<Utc>>::new());
}

#[test]
fn each_copy_that_is_not_well_is_told_by_what_it_is() {
    let days = ["20", "21", "22", "23", "24"].map(|day| entry(utc(&format!("2026-11-{day}T02:30:00Z"))));
    let states = [CopyState::Damaged, CopyState::Foreign, CopyState::Failed, CopyState::Missing, CopyState::Lost];
    let known = known(None, days.iter().zip(states).map(|(entry, state)| copy(entry, state)).collect());
    let now = utc("2026-11-24T03:00:00Z");
    let told = problems(&known, &standing(&known, &[], &copies(), now), &copies(), now);
    for (words, told) in [
        "is damaged: why",
        "is foreign: why",
        "cannot be copied to nas: why",
        "copies are missing at nas: notes",
        "archives were deleted before they were copied to nas: notes",
    ]
    .iter()
    .zip(&told)
    {
        assert!(told.contains(words), "{told}");
    }
    assert_eq!(told.len(), 5, "{told:?}");
    let unknown = KnownCopies { places: vec![(nas(), "directory", None)], seen: Vec::new(), keys: Vec::new() };
    let told = problems(&unknown, &standing(&unknown, &[], &copies(), now), &copies(), now);
    assert!(told.len() == 1 && told[0].contains("`upkeep offsite init nas`"), "{told:?}");
}
