use super::*;

fn action(json: &str) -> Action {
    serde_json::from_str(json).unwrap()
}

#[test]
fn each_verb_says_what_it_changes_and_what_it_must_not_run_beside() {
    let own = Lane::Target(TargetName::parse("notes").unwrap());
    for (json, lane, effect) in [
        (r#"{"action": "backup", "target": "notes"}"#, own.clone(), Effect::Archives),
        (r#"{"action": "prune", "target": "notes"}"#, own.clone(), Effect::Archives),
        (r#"{"action": "prune", "target": "notes", "dry_run": true}"#, own.clone(), Effect::Reads),
        (r#"{"action": "restore", "target": "notes"}"#, own.clone(), Effect::Changes),
        (r#"{"action": "restore", "target": "notes", "into": "sqlite:///x"}"#, own.clone(), Effect::Changes),
        (r#"{"action": "restore", "target": "notes", "dry_run": true}"#, own.clone(), Effect::Reads),
        (r#"{"action": "upgrade", "target": "notes"}"#, own.clone(), Effect::Changes),
        (r#"{"action": "rollback", "target": "notes"}"#, own.clone(), Effect::Changes),
        (r#"{"action": "verify", "target": "notes"}"#, own.clone(), Effect::Notes),
        (r#"{"action": "verify"}"#, Lane::Host, Effect::Notes),
        (r#"{"action": "verify", "label": "notes-20261122T200738Z"}"#, Lane::Host, Effect::Notes),
        (r#"{"action": "migrate", "target": "notes", "verb": "info"}"#, Lane::Aside, Effect::Reads),
        (r#"{"action": "migrate", "target": "notes", "verb": "validate"}"#, Lane::Aside, Effect::Reads),
        (r#"{"action": "migrate", "target": "notes", "verb": "apply", "dry_run": true}"#, own.clone(), Effect::Reads),
        (r#"{"action": "migrate", "target": "notes", "verb": "apply"}"#, own.clone(), Effect::Changes),
        (r#"{"action": "migrate", "target": "notes", "verb": "baseline"}"#, own.clone(), Effect::Changes),
        (r#"{"action": "migrate", "target": "notes", "verb": "repair"}"#, own.clone(), Effect::Changes),
        (r#"{"action": "migrate", "target": "notes", "verb": "undo"}"#, own, Effect::Changes),
        (r#"{"action": "drill", "target": "notes"}"#, Lane::Drill, Effect::Notes),
        (r#"{"action": "rehearse", "target": "notes"}"#, Lane::Drill, Effect::Notes),
        (r#"{"action": "plan", "target": "notes"}"#, Lane::Aside, Effect::Reads),
        (r#"{"action": "gate", "target": "notes"}"#, Lane::Aside, Effect::Reads),
        (r#"{"action": "hold", "target": "notes"}"#, Lane::Aside, Effect::Notes),
        (r#"{"action": "release-hold", "target": "notes"}"#, Lane::Aside, Effect::Notes),
        (r#"{"action": "pin", "label": "notes-20261122T200738Z"}"#, Lane::Aside, Effect::Notes),
        (r#"{"action": "unpin", "label": "notes-20261122T200738Z"}"#, Lane::Aside, Effect::Notes),
    ] {
        let action = action(json);
        let spec = spec(&action);
        assert_eq!((spec.lane, spec.effect), (lane, effect), "{json}");
    }
}

/// What another version's daemon answers is shown, and never lost.
#[test]
fn an_answer_of_no_known_form_is_shown_as_it_is() {
    let told = tell(
        &action(r#"{"action": "pin", "label": "notes-20261122T200738Z"}"#),
        &serde_json::json!({ "n": 7 }),
        Pen::default(),
    );
    assert!(told.contains('n') && told.contains('7'), "{told}");
}
