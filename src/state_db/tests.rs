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
