use super::*;

/// Two connections that make one new file a WAL's at the same moment are in each other's way, and neither waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_one_opens_every_time() {
    for _ in 0..100 {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDb::open(dir.path()).await.unwrap();
        assert_eq!(state.pool().options().get_min_connections(), 0, "none is made beside the first");
        state.close().await;
    }
}

/// Whatever the umask, and whatever was there before: jobs and events are nobody else's to read.
#[tokio::test]
async fn its_files_are_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let files = ["state.db", "state.db-wal", "state.db-shm"].map(|name| dir.path().join(name));
    let modes = || files.each_ref().map(|file| std::fs::metadata(file).unwrap().permissions().mode() & 0o777);
    let state = StateDb::open(dir.path()).await.unwrap();
    assert_eq!(modes(), [0o600; 3], "made");
    // As a crash leaves them, of a version that did not care.
    let aside = tempfile::tempdir().unwrap();
    for file in &files {
        std::fs::copy(file, aside.path().join(file.file_name().unwrap())).unwrap();
    }
    state.close().await;
    for file in &files {
        std::fs::copy(aside.path().join(file.file_name().unwrap()), file).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o666)).unwrap();
    }
    let state = StateDb::open(dir.path()).await.unwrap();
    assert_eq!(modes(), [0o600; 3], "found");
    state.close().await;
}

/// What only looks does so before anybody has brought the file up to date, and leaves it as it is.
#[tokio::test]
async fn one_of_an_older_upkeep_is_read_as_it_will_be() {
    let dir = tempfile::tempdir().unwrap();
    let all = ours::migrations();
    let old = sqlx::migrate::Migrator::with_migrations(all.migrations[..1].to_vec());
    let path = dir.path().join(FILE_NAME);
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let file = pool_options(1).connect_with(options).await.unwrap();
    old.run(&file).await.unwrap();
    let db = StateDb { pool: file.clone(), path: path.clone(), bell: Arc::default() };
    let target = crate::ids::TargetName::parse("notes").unwrap();
    let at = "2026-11-22T02:30:00Z".parse().unwrap();
    let hold = holds::Hold { version: None, reason: "why".to_owned(), who: "me".to_owned(), since: at, until: None };
    db.set_hold(&target, &hold).await.unwrap();
    db.add_event(at, None, "daemon.started", "it started", &serde_json::json!({ "n": 1 })).await.unwrap();
    assert!(db.belongs(&target).await.is_err(), "a table of today is not there");

    let seen = StateDb::open_read_only(dir.path()).await.unwrap();
    assert_eq!(seen.belongs(&target).await.unwrap(), None);
    assert_eq!(seen.active_holds(&target, at).await.unwrap(), [hold]);
    assert_eq!(seen.events_after(0, 10).await.unwrap().len(), 1);
    let made: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(&file).await.unwrap();
    assert_eq!(made, 1, "the file is as it was");
}
