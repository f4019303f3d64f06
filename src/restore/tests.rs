use std::path::PathBuf;

use rstest::rstest;

use super::*;
use crate::failure::{Class, Explain};
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
#[case::safety_by_name(Which::Label(Label::parse("safety").unwrap()), Ok("safety"))]
#[case::damaged_by_name(Which::Label(Label::parse("damaged").unwrap()), Ok("damaged"))]
#[case::unknown(Which::Label(Label::parse("nothing").unwrap()), Err("has no archive nothing"))]
fn chooses(#[case] which: Which, #[case] expected: Result<&str, &str>) {
    let entries = [
        entry("damaged", "2026-01-09T00:00:00Z", Kind::Scheduled, Verdict::Damaged),
        entry("safety", "2026-01-08T00:00:00Z", Kind::PreRestore, Verdict::Whole),
        entry("failed", "2026-01-07T00:00:00Z", Kind::FailedState, Verdict::Whole),
        entry("third", "2026-01-05T00:00:00Z", Kind::PreUpgrade, Verdict::Whole),
        entry("second", "2026-01-03T00:00:00Z", Kind::Manual, Verdict::Whole),
        entry("unread", "2026-01-02T00:00:00Z", Kind::Manual, Verdict::Unverified),
        entry("first", "2026-01-01T00:00:00Z", Kind::Scheduled, Verdict::Whole),
    ];
    let target = TargetName::parse("notes").unwrap();
    match (choose(&entries, &target, &which), expected) {
        (Ok(entry), Ok(label)) => assert_eq!(entry.label.as_str(), label),
        (Err(error), Err(text)) => {
            assert!(error.to_string().contains(text), "{error}");
            assert_eq!(error.class(), Class::NoInput);
        }
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}
