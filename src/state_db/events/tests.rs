use super::*;

fn now() -> DateTime<Utc> {
    "2026-11-22T02:30:00Z".parse().unwrap()
}

#[tokio::test]
async fn readers_are_woken_and_miss_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDb::open(dir.path()).await.unwrap();
    let target = TargetName::parse("notes").unwrap();
    let mut bell = state.bell().subscribe();
    assert_eq!(state.newest_event().await.unwrap(), 0);
    for number in 1..=3 {
        let body = serde_json::json!({ "number": number });
        state.add_event(now(), Some(&target), "backup.ok", "a backup was taken", &body).await.unwrap();
    }
    bell.changed().await.unwrap();
    assert_eq!(*bell.borrow_and_update(), 3);
    let seen = state.events_after(1, 10).await.unwrap();
    assert_eq!(seen.iter().map(|event| event.id).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(seen[0].target.as_ref(), Some(&target));
    assert_eq!(seen[1].body["number"], 3);
}

#[tokio::test]
async fn the_table_is_bounded_and_ids_are_never_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDb::open(dir.path()).await.unwrap();
    let many = KEPT_EVENTS * 2 + TRIM_EVERY - 1 - (KEPT_EVENTS * 2) % TRIM_EVERY;
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
         INSERT INTO event (at, kind, message, body_json) SELECT '2026-11-22T00:00:00Z', 'test', 'old', 'null' FROM n",
    )
    .bind(many)
    .execute(state.pool())
    .await
    .unwrap();
    let id = state.add_event(now(), None, "test", "the newest", &serde_json::Value::Null).await.unwrap();
    assert_eq!(id, many + 1);
    let (kept,): (i64,) = sqlx::query_as("SELECT count(*) FROM event").fetch_one(state.pool()).await.unwrap();
    assert_eq!(kept, KEPT_EVENTS);
    sqlx::query("DELETE FROM event").execute(state.pool()).await.unwrap();
    let next = state.add_event(now(), None, "test", "after all were gone", &serde_json::Value::Null).await.unwrap();
    assert_eq!(next, id + 1);
}
