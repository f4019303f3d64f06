use serde_json::json;

use super::*;

fn jobs(asked: &[(&str, &str, serde_json::Value)]) -> Vec<Job> {
    let one = |(id, state, action): &(&str, &str, serde_json::Value)| {
        serde_json::from_value(json!({
            "id": format!("{:0>32}", id), "action": action, "state": state, "created_at": "2026-11-22T02:30:00Z"
        }))
        .unwrap()
    };
    asked.iter().map(one).collect()
}

/// The last letter of each job that is meant by the target's name.
fn meant(asked: &[(&str, &str, serde_json::Value)]) -> Result<String, String> {
    let target = TargetName::parse("notes").unwrap();
    let ids = of_target(jobs(asked), &target).map_err(|failure| failure.hints.join("; "))?;
    Ok(ids.iter().filter_map(|id| id.as_str().chars().last()).collect())
}

fn of(action: &str) -> serde_json::Value {
    json!({ "action": action, "target": "notes" })
}

#[test]
fn a_target_stands_for_its_backups_and_for_what_waits_only_where_there_is_none() {
    let backup = ("1", "running", of("backup"));
    let waiting = ("2", "queued", of("backup"));
    let upgrade = ("3", "queued", of("upgrade"));
    let gate = ("4", "running", of("gate"));
    let elsewhere = ("5", "running", json!({ "action": "backup", "target": "other" }));
    let ended = ("6", "ok", of("backup"));
    let all = [backup.clone(), waiting.clone(), upgrade.clone(), elsewhere.clone(), ended];
    assert_eq!(meant(&all).unwrap(), "12");
    assert_eq!(meant(&[upgrade.clone(), waiting]).unwrap(), "2");
    assert_eq!(meant(&[("1", "running", of("rollback")), upgrade.clone(), elsewhere]).unwrap(), "3");
    // The installation of a package waits for this one.
    assert_eq!(meant(&[backup, upgrade.clone(), gate.clone()]).unwrap(), "1");
    let said = meant(&[("1", "running", of("rollback")), upgrade, gate]).unwrap_err();
    assert!(said.contains("`upkeep cancel 00000000000000000000000000000003`"), "{said}");
    assert!(meant(&[("1", "running", of("upgrade"))]).is_err());
}
