//! MySQL and MariaDB: characters outside of the basic plane in definitions, which the servers print as question marks.

use upkeep::engine::{EngineError, LoadMode};

use crate::support::mysql::{Server, dump, load, name_of, on_every_server};

on_every_server! { shared;
    a_definition_that_the_server_does_not_print_is_refused: refused;
    question_marks_that_are_some_are_no_objection: plain;
}

async fn refused(server: &Server) {
    let mut columns = vec!["c ENUM('a','🍣') CHARACTER SET utf8mb4", "c SET('🍣','b') CHARACTER SET utf8mb4"];
    if server.is_mariadb() {
        columns.push("c varchar(10) CHARACTER SET utf8mb4 DEFAULT '🍣é'");
    }
    for column in columns {
        let source = server.fresh();
        server.sql(name_of(&source), &format!("CREATE TABLE em ({column}); INSERT INTO em VALUES ('🍣')"));
        let dir = tempfile::tempdir().unwrap();
        let error = dump(&source, dir.path(), 1).await.unwrap_err();
        assert!(matches!(&error, EngineError::Inexact { what, .. } if what.contains("column c of table em")), "{error:?}");
    }
}

async fn plain(server: &Server) {
    let (source, target) = (server.fresh(), server.fresh());
    let name = name_of(&source);
    server.sql(
        name,
        "CREATE TABLE em (e ENUM('yes','?') CHARACTER SET utf8mb4, d varchar(10) CHARACTER SET utf8mb4 DEFAULT '?é', n int DEFAULT 7, \
         f varchar(9) DEFAULT (CONCAT('?', 'x')), s varchar(10) CHARACTER SET utf8mb4); INSERT INTO em (e, s) VALUES ('?', '🍣')",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    assert_eq!(load(&target, &sealed, LoadMode::Clean).await.unwrap().warnings, Vec::<String>::new());
    assert_eq!(server.content(name_of(&target)), server.content(name));
}
