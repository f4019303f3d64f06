use futures_util::FutureExt as _;

use super::*;

/// A statement goes on where nobody waits for it any more, and would hold the file's lock; until the work is given up.
#[tokio::test]
async fn what_nobody_waits_for_ends_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.db");
    let mut connection = connect(options(&path).create_if_missing(true)).await.unwrap();
    let progress = Progress::default();
    heed(&mut connection, &path, &progress).await.unwrap();
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let mut asked = Box::pin(sqlx::query(endless).execute(&mut connection));
    assert!((&mut asked).now_or_never().is_none());
    drop(asked);
    drop(connection);
    let mut over = Box::pin(progress.threads_ended());
    assert!((&mut over).now_or_never().is_none(), "its thread goes on");
    progress.give_up();
    over.await;
}
