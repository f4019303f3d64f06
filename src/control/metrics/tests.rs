use std::collections::BTreeSet;

use super::*;
use crate::ids::TargetName;
use crate::state_db::runs::Outcome;

fn status() -> Status {
    serde_json::from_value(serde_json::json!({
        "tool": "upkeep 0.1.0", "state": "running", "at": "2026-11-22T10:00:00Z", "started_at": "2026-11-22T00:00:00Z",
        "jobs": [], "targets": [
            {"name": "notes", "profile": "generic", "database": "sqlite:///n.db", "archives": 3, "archives_bytes": 1024,
             "overdue": true, "problems": ["one"], "next_run": "2026-11-23T01:30:00Z",
             "last_good": {"label": "notes-1", "taken_at": "2026-11-22T09:00:00Z", "size": 512, "rows": 7},
             "upgrade": {"id": "u", "to": "1.1", "phase": "say \"hi\"\\n", "started_at": "2026-11-22T00:00:00Z",
                         "downtime": {"from": "2026-11-22T00:00:00Z", "took_ms": 12_050,
                                      "parts": [{"what": "archive", "took_ms": 12_000}, {"what": "start", "took_ms": 50}]}}},
            {"name": "bare", "profile": "generic", "database": "sqlite:///b.db", "archives": 0, "archives_bytes": 0, "overdue": false},
        ],
    }))
    .unwrap()
}

#[test]
fn the_page_is_openmetrics() {
    let target = Some(TargetName::parse("notes").unwrap());
    let tally = Tally { target, action: "backup".to_owned(), outcome: Outcome::Ok, count: 4, last_ms: 1_050 };
    let page = page(&status(), &[tally]);
    assert!(page.ends_with("\n# EOF\n"));
    for line in [
        "upkeep_archives{target=\"notes\"} 3",
        "upkeep_last_good_age_seconds{target=\"notes\"} 3600",
        "upkeep_overdue{target=\"notes\"} 1",
        "upkeep_overdue{target=\"bare\"} 0",
        "upkeep_upgrade_phase{target=\"notes\",phase=\"say \\\"hi\\\"\\\\n\"} 1",
        "upkeep_upgrade_downtime_seconds{target=\"notes\",part=\"archive\"} 12.000",
        "upkeep_upgrade_downtime_seconds{target=\"notes\",part=\"start\"} 0.050",
        "upkeep_runs{target=\"notes\",action=\"backup\",outcome=\"ok\"} 4",
        "upkeep_last_duration_seconds{target=\"notes\",action=\"backup\",outcome=\"ok\"} 1.050",
    ] {
        assert!(page.lines().any(|found| found == line), "no line {line} in\n{page}");
    }
    assert!(!page.contains("upkeep_last_good_age_seconds{target=\"bare\"}"), "no archive has no age");

    // Each family is declared once, before its samples, and its samples stand together.
    let mut declared = BTreeSet::new();
    let mut family = "";
    for line in page.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap();
            assert!(declared.insert(family), "{family} is declared twice");
        } else if let Some(rest) = line.strip_prefix("# ") {
            assert_eq!(rest.split(' ').nth(1), Some(family), "{line}");
        } else {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(name.strip_suffix("_info").unwrap_or(name), family, "{line}");
        }
        // A unit must end the name of its family.
        if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').unwrap();
            assert!(name.ends_with(unit), "{line}");
        }
    }
}
