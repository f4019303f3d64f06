//! MySQL and MariaDB: what is one database on several nodes is taken for one, and is replaced only where no other node takes writes.

use upkeep::archive::Archive;
use upkeep::engine::{Engine, EngineError, LoadMode, Standing};
use upkeep::failure::{Class, Explain as _};
use upkeep::progress::Progress;

use crate::support::mysql::{Server, dump, galera, said};

fn notes(node: &Server) -> String {
    node.sql("notes", "SELECT GROUP_CONCAT(id ORDER BY id) FROM note").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_other_nodes_of_a_cluster_write_to_is_replaced_by_nobody() {
    let Some([one, two]) = galera() else { return };
    one.sql("", "CREATE DATABASE notes; CREATE TABLE notes.note (id INT PRIMARY KEY); INSERT INTO notes.note VALUES (1), (2)");
    let (here, there) = (Engine::of(&one.database("notes")), Engine::of(&two.database("notes")));
    assert!(here.is_same(&there).await.unwrap() && there.is_same(&here).await.unwrap(), "one database, by either node");
    assert!(!here.is_same(&Engine::of(&two.database("joined"))).await.unwrap());
    assert_ne!(
        here.identity().await.unwrap().lasting(),
        Engine::of(&one.database("joined")).identity().await.unwrap().lasting()
    );

    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&one.database("notes"), dir.path(), 2).await.unwrap();
    let archive = Archive::open(&sealed.path).unwrap();
    two.sql("notes", "INSERT INTO note VALUES (3)");
    let refused = here.may_replace().await.unwrap_err();
    assert_eq!((refused.class(), refused.transient()), (Class::TempFail, true));
    assert!(matches!(refused, EngineError::Cluster { .. }), "{refused:?}");
    let words = said(refused);
    assert!(
        words.contains("a Galera cluster of 2 nodes (127.0.0.1:")
            && words.contains("stop the database server on the other nodes"),
        "{words}"
    );
    let loaded = here.load(&archive, LoadMode::Replace, Standing::Nobodys, 2, &Progress::default()).await;
    assert!(matches!(loaded, Err(EngineError::Cluster { .. })), "{loaded:?}");
    assert_eq!((notes(&one), notes(&two)), ("1,2,3".to_owned(), "1,2,3".to_owned()));

    two.try_sql("", "SHUTDOWN").unwrap();
    let alone = || match one.sql("", "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'").split_whitespace().last() {
        Some("1") => Ok("alone".to_owned()),
        said => Err(format!("a cluster of {said:?}")),
    };
    crate::support::servers::wait_until_ready("the node that is left", alone);
    assert_eq!(here.may_replace().await.unwrap(), None);
    here.load(&archive, LoadMode::Replace, Standing::Nobodys, 2, &Progress::default()).await.unwrap();
    assert_eq!(notes(&one), "1,2");
}
