use super::*;

fn at(second: u32) -> DateTime<Utc> {
    format!("2026-11-22T02:30:{second:02}Z").parse().unwrap()
}

fn asked(id: &str, request: Option<&str>, second: u32) -> Run {
    Run {
        id: JobId::parse(id).unwrap(),
        request: request.map(|request| RequestId::parse(request).unwrap()),
        target: Some(TargetName::parse("notes").unwrap()),
        action: "backup".to_owned(),
        body: serde_json::json!({"action": "backup", "target": "notes"}),
        scheduled_for: Some(at(0)),
        started_at: at(second),
        end: None,
    }
}

async fn fresh() -> (tempfile::TempDir, StateDb) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDb::open(dir.path()).await.unwrap();
    (dir, state)
}

#[tokio::test]
async fn a_run_is_read_back_as_written_and_one_request_is_one_run() {
    let (_dir, state) = fresh().await;
    let mut run = asked("j1", Some("r1"), 1);
    state.begin_run(&run).await.unwrap();
    assert_eq!(state.run(&run.id).await.unwrap().as_ref(), Some(&run));
    assert!(state.begin_run(&asked("j2", Some("r1"), 2)).await.is_err(), "the same request made a second run");

    let end = End { at: at(9), outcome: Outcome::Ok, result: serde_json::json!({"label": "notes-1"}) };
    state.end_run(&run.id, &end).await.unwrap();
    let late = End { at: at(10), outcome: Outcome::Failed, result: serde_json::Value::Null };
    state.end_run(&run.id, &late).await.unwrap();
    run.end = Some(end);
    let found = state.run_by_request(&RequestId::parse("r1").unwrap()).await.unwrap();
    assert_eq!(found.as_ref(), Some(&run), "a run ends once");
    assert_eq!(state.last_run(&TargetName::parse("notes").unwrap(), "backup").await.unwrap(), Some(run));
}

#[tokio::test]
async fn runs_without_an_end_were_interrupted() {
    let (_dir, state) = fresh().await;
    let done = End { at: at(4), outcome: Outcome::Ok, result: serde_json::Value::Null };
    for (id, second) in [("j1", 1), ("j2", 2), ("j3", 3)] {
        state.begin_run(&asked(id, None, second)).await.unwrap();
    }
    state.end_run(&JobId::parse("j1").unwrap(), &done).await.unwrap();
    let interrupted = state.interrupt_runs(at(5)).await.unwrap();
    assert_eq!(interrupted.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["j2", "j3"]);
    assert!(state.interrupt_runs(at(6)).await.unwrap().is_empty(), "a second look finds nothing");
    let tally: Vec<_> = state.tally_runs().await.unwrap().into_iter().map(|t| (t.outcome, t.count, t.last_ms)).collect();
    assert_eq!(tally, [(Outcome::Interrupted, 2, 2_000), (Outcome::Ok, 1, 3_000)]);
}

#[tokio::test]
async fn old_runs_go_and_marks_stay() {
    let (_dir, state) = fresh().await;
    let target = TargetName::parse("notes").unwrap();
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
         INSERT INTO run (id, target, action, body_json, started_at, ended_at, outcome, result_json) \
         SELECT 'old' || i, 'notes', 'backup', '{}', '2026-11-22T00:00:00Z', '2026-11-22T00:00:01Z', 'ok', 'null' FROM n",
    )
    .bind(KEPT_RUNS + 7)
    .execute(state.pool())
    .await
    .unwrap();
    state.trim_runs().await.unwrap();
    assert_eq!(state.runs(KEPT_RUNS * 2).await.unwrap().len(), KEPT_RUNS as usize);

    assert_eq!(state.schedule_mark(&target, "backup").await.unwrap(), None);
    for second in [1, 2] {
        state.mark_schedule(&target, "backup", at(second)).await.unwrap();
        assert_eq!(state.schedule_mark(&target, "backup").await.unwrap(), Some(at(second)));
    }
}
