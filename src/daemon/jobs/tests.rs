use super::*;

fn name(text: &str) -> TargetName {
    TargetName::parse(text).unwrap()
}

#[test]
fn what_touches_a_target_has_its_lane_and_what_must_not_wait_has_none() {
    let target = name("notes");
    let lane = Lane::Target(target.clone());
    for (json, expect) in [
        (r#"{"action": "backup", "target": "notes"}"#, lane.clone()),
        (r#"{"action": "restore", "target": "notes"}"#, lane.clone()),
        (r#"{"action": "upgrade", "target": "notes"}"#, lane.clone()),
        (r#"{"action": "rollback", "target": "notes"}"#, lane.clone()),
        (r#"{"action": "prune", "target": "notes"}"#, lane.clone()),
        (r#"{"action": "verify", "target": "notes"}"#, lane.clone()),
        (r#"{"action": "migrate", "target": "notes", "verb": "apply"}"#, lane.clone()),
        (r#"{"action": "migrate", "target": "notes", "verb": "info"}"#, Lane::Aside),
        (r#"{"action": "verify"}"#, Lane::Host),
        (r#"{"action": "gate", "target": "notes"}"#, Lane::Aside),
        (r#"{"action": "hold", "target": "notes"}"#, Lane::Aside),
        (r#"{"action": "plan", "target": "notes"}"#, Lane::Aside),
    ] {
        let action: Action = serde_json::from_str(json).unwrap();
        assert_eq!(verbs::spec(&action).lane, expect, "{json}");
    }
    assert_eq!(Piece::Tidy(target).lane(), lane, "nothing begins before the target is in order");
}

/// Work that ends as it is told to, without a database behind it.
async fn ended(task: impl Future<Output = Result<serde_json::Value, Failure>> + Send + 'static) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let state = crate::state_db::StateDb::open(dir.path()).await.unwrap();
    let status =
        serde_json::json!({ "tool": "upkeep", "state": "running", "at": "2026-11-22T12:00:00Z", "targets": [], "jobs": [] });
    let config = crate::config::Config {
        daemon: crate::config::Daemon {
            state_dir: dir.path().to_owned(),
            poll: std::time::Duration::from_secs(60),
            stop_timeout: std::time::Duration::from_secs(60),
        },
        control: crate::config::Control {
            socket: dir.path().join("s"),
            observers: Vec::new(),
            operators: Vec::new(),
            restore_into: Vec::new(),
        },
        alarms: None,
        offsite: BTreeMap::new(),
        targets: BTreeMap::new(),
    };
    let (board, _asks) = Board::new(state, Arc::new(config), serde_json::from_value(status).unwrap());
    let mut jobs = Jobs::new(board);
    let id = jobs.tasks.spawn(async { Some(task.await) }).id();
    let piece = Piece::Tidy(name("notes"));
    let lane = piece.lane();
    let entered = jobs.lanes.enter(&lane).unwrap();
    jobs.running.insert(id, (piece.clone(), entered, lane));
    assert!(!jobs.idle());
    let ended = jobs.next_end().await.unwrap();
    assert!(jobs.idle(), "its lane is free again");
    ended
}

#[tokio::test]
async fn a_panic_fails_the_job_and_nothing_else() {
    let panicked = ended(async { panic!("a bug") }).await;
    let failure = panicked.result.unwrap().unwrap_err();
    assert_eq!(failure.class, Class::Software);
    assert!(failure.message.contains("panicked") && failure.safe.is_some(), "{failure}");
    let well = ended(async { Ok(serde_json::json!(1)) }).await;
    assert_eq!(well.result.unwrap().unwrap(), 1);
}

/// Dropping what waits for a thread does not end the thread: its lane is nobody else's until it has ended.
#[tokio::test]
async fn what_is_cut_off_is_over_when_its_threads_are() {
    use futures_util::FutureExt as _;
    let progress = Progress::default();
    let thread = progress.thread();
    let mut work = Box::pin(unless_given_up(std::future::pending::<()>(), progress.clone()));
    assert_eq!((&mut work).now_or_never(), None);
    progress.give_up();
    assert_eq!((&mut work).now_or_never(), None, "a thread of it goes on");
    drop(thread);
    assert_eq!(work.await, None, "cut off");
    assert_eq!(unless_given_up(std::future::ready(1), Progress::default()).await, Some(1));
}

#[test]
fn the_gate_sees_what_no_journal_shows() {
    let job = |action: &str, state: &str| -> Job {
        let action: serde_json::Value = serde_json::from_str(action).unwrap();
        let (id, at, progress) = (crate::ids::JobId::random(), "2026-11-22T12:00:00Z", crate::progress::Snapshot::default());
        let job = serde_json::json!({ "id": id, "state": state, "created_at": at, "progress": progress, "action": action });
        serde_json::from_value(job).unwrap()
    };
    let restore = r#"{"action": "restore", "target": "notes"}"#;
    for (action, state, expect) in [
        (restore, "running", Some("restore")),
        (restore, "queued", None),
        (r#"{"action": "restore", "target": "other"}"#, "running", None),
        (r#"{"action": "restore", "target": "notes", "into": "sqlite:///x"}"#, "running", None),
        (r#"{"action": "restore", "target": "notes", "dry_run": true}"#, "running", None),
        (r#"{"action": "migrate", "target": "notes", "verb": "apply"}"#, "running", Some("migration")),
        (r#"{"action": "migrate", "target": "notes", "verb": "undo"}"#, "running", Some("migration")),
        (r#"{"action": "migrate", "target": "notes", "verb": "apply", "dry_run": true}"#, "running", None),
        (r#"{"action": "migrate", "target": "notes", "verb": "info"}"#, "running", None),
        // The journal says how far these are, and the gate reads it.
        (r#"{"action": "upgrade", "target": "notes"}"#, "running", None),
        (r#"{"action": "rollback", "target": "notes"}"#, "running", None),
        (r#"{"action": "backup", "target": "notes"}"#, "running", None),
    ] {
        assert_eq!(at_work(&[job(action, state)], &name("notes")), expect, "{action} {state}");
    }
}
