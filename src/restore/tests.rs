use std::path::PathBuf;

use rstest::rstest;

use super::*;
use crate::failure::{Class, Explain};
use crate::ids::TargetName;
use crate::state_db::catalogue::Verdict;

fn entry(label: &str, taken_at: &str, kind: Kind, verdict: Verdict) -> Entry {
    Entry {
        target: TargetName::parse("notes").unwrap(),
        label: Label::parse(label).unwrap(),
        path: PathBuf::from(label),
        size: 1,
        kind,
        taken_at: taken_at.parse().unwrap(),
        duration_ms: 1,
        release: None,
        head: None,
        rows: 1,
        raw_bytes: 1,
        note: None,
        pinned: None,
        verified_at: None,
        verdict,
        data_only: false,
        left_out: Vec::new(),
    }
}

#[rstest]
#[case::newest(Which::Newest, Ok("third"))]
#[case::between(Which::At("2026-01-03T12:00:00Z".parse().unwrap()), Ok("second"))]
#[case::exactly(Which::At("2026-01-03T00:00:00Z".parse().unwrap()), Ok("second"))]
#[case::before_all(Which::At("2025-12-31T00:00:00Z".parse().unwrap()), Err("no verified archive from 2025-12-31"))]
#[case::now(Which::At("2026-01-20T00:00:00Z".parse().unwrap()), Ok("third"))]
#[case::of_the_future_by_name(Which::Label(Label::parse("dreamt").unwrap()), Ok("dreamt"))]
#[case::of_the_future_by_its_moment(Which::At("2030-01-01T00:00:00Z".parse().unwrap()), Ok("dreamt"))]
#[case::safety_by_name(Which::Label(Label::parse("safety").unwrap()), Ok("safety"))]
#[case::damaged_by_name(Which::Label(Label::parse("damaged").unwrap()), Ok("damaged"))]
#[case::unknown(Which::Label(Label::parse("nothing").unwrap()), Err("has no archive nothing"))]
fn chooses(#[case] which: Which, #[case] expected: Result<&str, &str>) {
    let entries = [
        entry("dreamt", "2030-01-01T00:00:00Z", Kind::Scheduled, Verdict::Whole),
        entry("damaged", "2026-01-09T00:00:00Z", Kind::Scheduled, Verdict::Damaged),
        entry("safety", "2026-01-08T00:00:00Z", Kind::PreRestore, Verdict::Whole),
        entry("failed", "2026-01-07T00:00:00Z", Kind::FailedState, Verdict::Whole),
        entry("third", "2026-01-05T00:00:00Z", Kind::PreUpgrade, Verdict::Whole),
        entry("second", "2026-01-03T00:00:00Z", Kind::Manual, Verdict::Whole),
        entry("unread", "2026-01-02T00:00:00Z", Kind::Manual, Verdict::Unverified),
        entry("first", "2026-01-01T00:00:00Z", Kind::Scheduled, Verdict::Whole),
    ];
    let target = TargetName::parse("notes").unwrap();
    match (choose(&entries, &target, &which, "2026-01-20T00:00:00Z".parse().unwrap()), expected) {
        (Ok(entry), Ok(label)) => assert_eq!(entry.label.as_str(), label),
        (Err(error), Err(text)) => {
            assert!(error.to_string().contains(text), "{error}");
            assert_eq!(error.class(), Class::NoInput);
        }
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

/// Whoever meant another one learns its name.
#[test]
fn the_nearer_ones_that_are_not_chosen_are_named() {
    let now = "2026-01-20T00:00:00Z".parse().unwrap();
    let chosen = entry("chosen", "2026-01-05T00:00:00Z", Kind::Scheduled, Verdict::Whole);
    let mut entries = vec![
        entry("dreamt", "2030-01-01T00:00:00Z", Kind::Scheduled, Verdict::Whole),
        entry("torn", "2026-01-09T00:00:00Z", Kind::Manual, Verdict::Torn),
        entry("safety", "2026-01-08T00:00:00Z", Kind::PreRestore, Verdict::Whole),
        entry("unread", "2026-01-07T00:00:00Z", Kind::Scheduled, Verdict::Unverified),
        chosen.clone(),
        entry("older", "2026-01-01T00:00:00Z", Kind::PreRestore, Verdict::Whole),
    ];
    let words = |which: Which, entries: &[Entry]| passed_over(entries, &chosen, &which, now).join("\n");
    let at = |at: &str| Which::At(at.parse().unwrap());
    let said = words(at("2026-01-08T12:00:00Z"), &entries);
    assert_eq!(
        said,
        "safety of 2026-01-08 00:00:00 UTC is newer but was not chosen: it is pre-restore, what a restore or a failed upgrade put aside\n\
         unread of 2026-01-07 00:00:00 UTC is newer but was not chosen: it is scheduled, unverified"
    );
    let said = words(Which::Newest, &entries);
    assert!(
        said.contains("dreamt of 2030-01-01 00:00:00 UTC is newer but was not chosen: it is dated in the future"),
        "{said}"
    );
    assert!(said.contains("torn of") && !said.contains("older"), "{said}");
    assert_eq!(words(Which::Label(chosen.label.clone()), &entries), "");
    entries.extend(
        (10..19).map(|day| entry(&format!("s{day}"), &format!("2026-01-{day}T00:00:00Z"), Kind::PreRestore, Verdict::Whole)),
    );
    assert!(words(Which::Newest, &entries).ends_with("8 more are newer but were not chosen: `upkeep list notes`"));
}
