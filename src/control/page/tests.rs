use serde_json::json;

use super::*;
use crate::upgrade::{Line, Phase, Summary, Went};

/// What a database, a release or a person may have written.
const HOSTILE: &str =
    "<script>alert('1')</script>\" onload=x `</code>` &amp; \u{202e}ltr\u{2066} \u{7}\r\n\u{9b}31m</title></style>";

fn status() -> Status {
    let at = "2026-11-22T10:00:00Z";
    serde_json::from_value(json!({
        "tool": HOSTILE, "state": HOSTILE, "at": at, "started_at": "2026-11-22T00:00:00Z", "pid": 7, "problems": [HOSTILE],
        "jobs": [],
        "targets": [
            {"name": "notes", "profile": HOSTILE, "database": HOSTILE, "archives": 3, "archives_bytes": 1024, "overdue": true,
             "looked_at": at, "server": HOSTILE, "release": {"version": "1.0.0", "path": HOSTILE, "probe": HOSTILE}, "service": HOSTILE,
             "outage": {"cause": HOSTILE, "why": HOSTILE, "next_step": HOSTILE},
             "shape": {"head": HOSTILE, "step": "pending", "pending": [HOSTILE], "ahead": [HOSTILE], "at": at},
             "last_good": {"label": "notes-1.0.0-20261122T090000Z", "taken_at": "2026-11-22T09:00:00Z", "size": 512, "rows": 7},
             "last_run": {"ended_at": at, "outcome": HOSTILE, "message": HOSTILE}, "next_run": "2026-11-23T01:30:00Z",
             "then": ["2026-11-24T01:30:00Z"], "retry_at": "2026-11-22T11:00:00Z",
             "upgrade": {"id": "notes-1.1.0-20261122T090000Z", "to": "1.1.0", "phase": "stuck", "started_at": at, "message": HOSTILE,
                         "next_steps": [HOSTILE, "as root: `upkeep upgrade notes --resume`"]},
             "refusals": [HOSTILE], "problems": [HOSTILE, "the upgrade needs a person: `upkeep status notes`"],
             "holds": [{"reason": HOSTILE, "who": HOSTILE, "since": at}],
             "kept": {"kept": 2, "let_go": 1, "rules": [{"rule": HOSTILE, "archives": 2}]},
             "copies": [{"place": "nas", "kind": HOSTILE, "copied": 1, "owed": 2, "owed_bytes": 1024, "error": HOSTILE}]},
            {"name": "bare", "profile": "generic", "database": "sqlite:///b.db", "archives": 0, "archives_bytes": 0, "overdue": false},
        ],
    }))
    .unwrap()
}

fn job(state: &str, failed: bool) -> Job {
    let failure =
        json!({"class": "data", "code": 65, "message": HOSTILE, "causes": [HOSTILE], "safe": HOSTILE, "hints": [HOSTILE]});
    serde_json::from_value(json!({
        "id": "1f0c9a7be2d4", "action": {"action": "backup", "target": "notes", "note": HOSTILE}, "state": state,
        "created_at": "2026-11-22T09:59:00Z", "ended_at": failed.then_some("2026-11-22T09:59:30Z"),
        "progress": {"phase": HOSTILE, "done_bytes": 500, "total_bytes": 1000, "done_rows": 3, "said": HOSTILE},
        "failure": failed.then_some(failure),
    }))
    .unwrap()
}

fn row(hour: u32, verdict: &str) -> Row {
    let label = format!("notes-1.0.0-20261122T{hour:02}0000Z");
    let taken_at = format!("2026-11-22T{hour:02}:00:00Z");
    let entry: Entry = serde_json::from_value(json!({
        "target": "notes", "label": label, "path": "/a", "size": 512 * hour, "kind": "scheduled", "taken_at": taken_at, "duration_ms": 1500,
        "head": HOSTILE, "rows": 7, "raw_bytes": 2048, "note": HOSTILE, "pinned": HOSTILE, "verdict": verdict,
        "left_out": [{"what": HOSTILE, "why": HOSTILE}],
    }))
    .unwrap();
    let verdict =
        serde_json::from_value(json!({"label": label, "taken_at": taken_at, "fate": "keep", "reasons": [HOSTILE]})).unwrap();
    Row { entry, verdict: Some(verdict), copies: vec![(PlaceName::parse("nas").unwrap(), CopyState::Copied)] }
}

fn sheet() -> Sheet {
    let at: DateTime<Utc> = "2026-11-22T09:00:00Z".parse().unwrap();
    let upgrade = status().targets[0].upgrade.clone().unwrap();
    let summary = Summary {
        id: upgrade.id,
        from: None,
        to: upgrade.to,
        phase: Phase::Stuck,
        step: None,
        started: None,
        started_at: at,
        ended_at: None,
        message: Some(HOSTILE.to_owned()),
        next_steps: Vec::new(),
        waits_for: None,
        downtime: None,
    };
    let line =
        |what: &str, went, ended| Line { what: what.to_owned(), went, began: at, ended, attempts: 2, note: HOSTILE.to_owned() };
    let lines = vec![
        line("archive", Went::Done, Some(at)),
        line("migrate", Went::Failed, Some(at)),
        line(HOSTILE, Went::Turn, Some(at)),
    ];
    let told = Told { summary, lines, to_come: vec!["start".to_owned()] };
    let details = Details {
        archives: vec![row(9, "whole"), row(8, "damaged"), row(7, "unverified")],
        of: 5,
        upgrades: vec![told],
        unread: Some(HOSTILE.to_owned()),
    };
    let rest =
        Rest { ended: vec![job("failed", true)], targets: BTreeMap::from([(TargetName::parse("notes").unwrap(), details)]) };
    let snapshot = Snapshot { status: status(), json: bytes::Bytes::new(), metrics: bytes::Bytes::new() };
    Sheet { snapshot: Arc::new(snapshot), living: vec![job("running", false)], rest: Some(rest) }
}

#[test]
fn what_others_wrote_is_text_wherever_it_stands() {
    let page = html(&sheet(), "abc123");
    assert_eq!(page.matches("<script").count(), 1, "a script that is not ours");
    assert_eq!(page.matches("</title>").count() - page.matches("<title>").count(), 0);
    assert_eq!(page.matches("</style>").count(), 1);
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; onload=x"), "{page}");
    assert!(page.contains("\\u202eltr\\u2066 \\u0007\\u000d\\u000a\\u009b31m"));
    let acts: Vec<char> = page.chars().filter(|letter| crate::text::acts(*letter) && *letter != '\n').collect();
    assert!(acts.is_empty(), "{acts:?}");
    // Nothing is loaded, sent or run from an attribute.
    for way in ["http://", "https://", " src=", "style=", "<form", "<iframe", "<img", "javascript:", " on"] {
        let ours = page.replace(STYLE, "").replace(SCRIPT, "").replace("&quot; onload=x", "");
        let found: Vec<&str> = ours.split(way).skip(1).map(|rest| &rest[..rest.len().min(30)]).collect();
        let text = |rest: &&str| way == " on" && !rest.split(['<', ' ']).next().unwrap_or_default().contains('=');
        assert!(found.iter().all(text), "{way}: {found:?}");
    }
}

#[test]
fn every_fact_is_there_without_a_script() {
    let page = html(&sheet(), "abc123");
    for words in [
        "<title>upkeep: 3 problems</title>",
        "2 targets; 3 problems need a look.",
        "SERVER DOWN</span>",
        "<span class=\"badge bad\">overdue</span>",
        "<code>upkeep status notes</code>",
        "<li>as root: <code>upkeep upgrade notes --resume</code>",
        "notes-1.0.0-20261122T090000Z",
        "2026-11-23 01:30:00 UTC",
        ", then <time datetime=\"2026-11-24T01:30:00+00:00\">",
        "<progress max=1000 value=500 aria-label=\"backup notes\">",
        "data-busy=yes",
        "size: newest 4.6 kB, 3.6 kB to 4.6 kB",
        "<td>kept: ",
        "nas: <span class=plain>copied</span>",
        "<strong>migrate</strong> <span class=\"badge bad\">failed</span>",
        ", begun 2 times",
        "<li class=quiet>start <span class=badge>to come</span>",
        "The newest 3 are shown; all of them: <code>upkeep list notes</code>",
        "not looked at yet",
        "no verified archive yet",
        "nonce=\"abc123\"",
        "<html lang=en>",
    ] {
        assert!(page.contains(words), "no {words} in\n{page}");
    }
    // What is named is there, and named once.
    let ids: Vec<&str> =
        page.split(" id=").skip(1).map(|rest| rest.trim_start_matches('"').split(['"', ' ', '>']).next().unwrap()).collect();
    let once: std::collections::BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), once.len(), "{ids:?}");
    for named in
        page.split("aria-labelledby=").skip(1).map(|rest| rest.trim_start_matches('"').split(['"', ' ', '>']).next().unwrap())
    {
        assert!(once.contains(named), "nothing is called {named}");
    }
    for link in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(once.contains(link), "no place {link}");
    }
}

#[test]
fn the_top_alone_has_what_changes_while_a_job_runs() {
    let page = html(&Sheet { rest: None, ..sheet() }, "abc123");
    assert!(page.contains("<section id=now") && page.contains("<section id=targets") && !page.contains("<section id=ended"));
}

#[test]
fn a_host_without_targets_and_problems_says_so() {
    let mut status = status();
    (status.targets, status.problems) = (Vec::new(), Vec::new());
    let snapshot = Snapshot { status, json: bytes::Bytes::new(), metrics: bytes::Bytes::new() };
    let rest = Rest { ended: Vec::new(), targets: BTreeMap::new() };
    let page = html(&Sheet { snapshot: Arc::new(snapshot), living: Vec::new(), rest: Some(rest) }, "abc123");
    for words in
        ["upkeep: all is well", "All is well: 0 targets.", "No target is configured.", "No job is running.", "data-busy=no"]
    {
        assert!(page.contains(words), "{page}");
    }
}
