//! The dashboard and the alert rules: each metric that they name is one of ours, and each of ours is drawn or watched. `tests/metrics` has a real
//! Prometheus read them.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use upkeep::control::metrics;
use upkeep::ids::TargetName;
use upkeep::state_db::runs::{Outcome, Tally};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("upkeep_") || word.starts_with("process_")).map(str::to_owned).collect()
}

/// The samples of a page that has every metric.
fn ours() -> BTreeSet<String> {
    let at = "2026-11-22T10:00:00Z";
    let status = json!({
        "tool": "upkeep", "state": "running", "at": at, "started_at": at, "jobs": [],
        "targets": [{
            "name": "notes", "profile": "generic", "database": "sqlite:///n.db", "archives": 1, "archives_bytes": 1, "overdue": false,
            "next_run": at, "free_bytes": 1, "last_good": {"label": "notes-1", "taken_at": at, "size": 1, "rows": 1},
            "upgrade": {"id": "u", "to": "1.1", "phase": "committed", "started_at": at,
                        "downtime": {"from": at, "took_ms": 1, "parts": [{"what": "stop", "took_ms": 1}]}},
            "drill": {"outcome": "proven", "proven": {"label": "notes-1", "digest": "d", "is_here": true, "at": at, "took_ms": 1, "tables": 1,
                      "rows": 1, "scratch": "s"}},
            "rehearsal": {"outcome": "passed", "at": at, "to": "1.1", "downtime_ms": 1},
            "copies": [{"place": "nas", "kind": "directory", "copied": 1, "owed": 0, "owed_bytes": 0,
                        "newest": {"label": "notes-1", "taken_at": at}}],
        }],
    });
    let target = Some(TargetName::parse("notes").unwrap());
    let tally = Tally { target, action: "backup".to_owned(), outcome: Outcome::Ok, count: 1, last_ms: 1 };
    let page = metrics::page(&serde_json::from_value(status).unwrap(), &[tally]);
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
}

#[test]
fn the_dashboard_and_the_rules_name_our_metrics_and_no_others() {
    let board: Value = serde_json::from_str(&read("packaging/grafana/upkeep.json")).unwrap();
    let (drawn, watched) = (named(&board.to_string()), named(&read("packaging/prometheus/upkeep.yml")));
    let ours = ours();
    let unknown: Vec<&String> = drawn.union(&watched).filter(|name| !ours.contains(*name)).collect();
    assert!(unknown.is_empty(), "no such metric: {unknown:?}; there are {ours:?}");
    let unseen: Vec<&String> = ours.iter().filter(|name| !drawn.contains(*name) && !watched.contains(*name)).collect();
    assert!(unseen.is_empty(), "neither drawn nor watched: {unseen:?}");
}

#[test]
fn every_panel_asks_something_and_says_what_it_shows_and_every_alert_has_a_next_step() {
    let board: Value = serde_json::from_str(&read("packaging/grafana/upkeep.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    for panel in panels {
        let asks = panel["targets"]
            .as_array()
            .is_some_and(|asks| asks.iter().all(|ask| !named(ask["expr"].as_str().unwrap()).is_empty()));
        assert!(asks && !panel["description"].as_str().unwrap().is_empty(), "{panel}");
    }
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");
    let rules = read("packaging/prometheus/upkeep.yml");
    let alerts = rules.matches("- alert: ").count();
    assert!(
        alerts > 5
            && ["summary: ", "next_step: ", "severity: ", "expr: "].iter().all(|key| rules.matches(key).count() == alerts)
    );
}
