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
