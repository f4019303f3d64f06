//! How long upgrades keep a server from serving: what happened, and what may be expected.
//!
//! Owns the form that the socket tells it in, and its words. Pure.

use std::time::Duration;

use crate::pen::human;
use crate::upgrade::{Downtime, Expected, Part};
use crate::wire::{DowntimePart, DowntimeStatus, ExpectedDowntime};

/// Parts that took less are not worth a word beside the others.
const WORTH_A_WORD_MS: u64 = 50;

/// What happened, as the socket tells it.
#[must_use]
pub fn happened(downtime: &Downtime) -> DowntimeStatus {
    DowntimeStatus {
        from: downtime.from,
        until: downtime.until,
        already: downtime.already,
        took_ms: ms(downtime.took()),
        parts: parts(&downtime.parts),
    }
}

/// What may be expected, as the socket tells it; `archive_ms` is how long the newest archive took.
#[must_use]
pub fn expected(known: Option<&Expected>, archive_ms: Option<u64>) -> ExpectedDowntime {
    ExpectedDowntime {
        upgrades: known.map_or(0, |known| known.upgrades as u64),
        took_ms: known.map(|known| ms(known.last.took())),
        least_ms: known.map(|known| ms(known.least)),
        most_ms: known.map(|known| ms(known.most)),
        parts: known.map(|known| parts(&known.last.parts)).unwrap_or_default(),
        archive_ms,
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn parts(parts: &[Part]) -> Vec<DowntimePart> {
    parts.iter().map(|part| DowntimePart { what: part.what.clone(), took_ms: ms(part.took) }).collect()
}

/// What happened, in words; `ended` is whether the upgrade has. One that ended without the server leaves it to somebody, and does not know
/// for how long.
#[must_use]
pub fn said(downtime: &DowntimeStatus, ended: bool) -> String {
    let (took, parts) = (span(downtime.took_ms), listed(&downtime.parts));
    let stopped = || format!("the server was stopped at {} UTC", human::moment(downtime.from));
    match (downtime.until, downtime.already, ended) {
        (Some(_), false, _) => format!("the server was down for {took}{parts}"),
        (Some(_), true, _) => format!("the server was down already, and for {took} more{parts}"),
        (None, false, false) => format!("{}; {took} so far{parts}", stopped()),
        (None, true, false) => format!("the server was down already; {took} more so far{parts}"),
        (None, false, true) => format!("{}, and this ended {took} later without it{parts}", stopped()),
        (None, true, true) => format!("the server was down already, and this ended {took} later without it{parts}"),
    }
}

/// What may be expected, in words.
#[must_use]
pub fn foretold(expected: &ExpectedDowntime) -> String {
    let archive = |before: &str| {
        let took = |ms| format!("{before}the newest archive took {} until it was sealed", span(ms));
        expected.archive_ms.map(took).unwrap_or_default()
    };
    let Some(took) = expected.took_ms else {
        return format!(
            "not known before a first upgrade here has completed; taking an archive is part of it{}",
            archive(": ")
        );
    };
    let others = match (expected.upgrades, expected.least_ms, expected.most_ms) {
        (2.., Some(least), Some(most)) => {
            format!("; the last {} took {} to {}", expected.upgrades, span(least), span(most))
        }
        _ => String::new(),
    };
    format!("about {}, as at the last upgrade{}{others}{}", span(took), listed(&expected.parts), archive("; "))
}

fn span(ms: u64) -> String {
    human::span(Duration::from_millis(ms))
}

fn listed(parts: &[DowntimePart]) -> String {
    let worth = parts.iter().filter(|part| part.took_ms >= WORTH_A_WORD_MS);
    let listed: Vec<String> = worth.map(|part| format!("{} {}", part.what, span(part.took_ms))).collect();
    if listed.is_empty() { String::new() } else { format!(" ({})", listed.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(what: &str, took_ms: u64) -> DowntimePart {
        DowntimePart { what: what.to_owned(), took_ms }
    }

    #[test]
    fn what_happened_is_told_whole_and_in_its_parts() {
        let from = "2026-11-22T02:30:00Z".parse().unwrap();
        let parts =
            vec![part("stop", 400), part("archive", 8_000), part("verify", 2_100), part("inspect", 3), part("start", 900)];
        let mut downtime = DowntimeStatus { from, until: Some(from), already: false, took_ms: 11_403, parts };
        let listed = "(stop 0.4 s, archive 8 s, verify 2.1 s, start 0.9 s)";
        let said = |downtime: &DowntimeStatus| super::said(downtime, false);
        assert_eq!(said(&downtime), format!("the server was down for 11 s {listed}"));
        downtime.already = true;
        assert_eq!(said(&downtime), format!("the server was down already, and for 11 s more {listed}"));
        (downtime.until, downtime.already) = (None, false);
        assert_eq!(said(&downtime), format!("the server was stopped at 2026-11-22 02:30:00 UTC; 11 s so far {listed}"));
        let ended = "this ended 11 s later without it";
        assert_eq!(
            super::said(&downtime, true),
            format!("the server was stopped at 2026-11-22 02:30:00 UTC, and {ended} {listed}")
        );
        downtime.already = true;
        assert_eq!(super::said(&downtime, true), format!("the server was down already, and {ended} {listed}"));
        downtime.already = false;
        (downtime.parts, downtime.took_ms) = (Vec::new(), 0);
        assert_eq!(said(&downtime), "the server was stopped at 2026-11-22 02:30:00 UTC; 0.0 s so far");
    }

    #[test]
    fn what_may_be_expected_names_what_it_is_known_from() {
        let parts = vec![part("archive", 8_000), part("healthy", 3_000)];
        let mut expected = ExpectedDowntime {
            upgrades: 1,
            took_ms: Some(11_000),
            least_ms: Some(11_000),
            most_ms: Some(11_000),
            parts,
            archive_ms: Some(9_000),
        };
        let last = "about 11 s, as at the last upgrade (archive 8 s, healthy 3 s)";
        let archive = "the newest archive took 9 s until it was sealed";
        assert_eq!(foretold(&expected), format!("{last}; {archive}"));
        (expected.upgrades, expected.most_ms) = (3, Some(240_000));
        assert_eq!(foretold(&expected), format!("{last}; the last 3 took 11 s to 4 min; {archive}"));
        let none = super::expected(None, Some(9_000));
        let unknown = "not known before a first upgrade here has completed; taking an archive is part of it";
        assert_eq!(foretold(&none), format!("{unknown}: {archive}"));
        assert_eq!(foretold(&ExpectedDowntime { archive_ms: None, ..none }), unknown);
    }
}
