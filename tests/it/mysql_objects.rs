//! MySQL and MariaDB: objects that few databases have are in the archive as they are, or the backup says why they cannot be.

use upkeep::engine::{EngineError, LoadMode};

use crate::mysql_backup::{same, text_of};
use crate::support::mysql::{Server, dump, load, name_of, on_every_server, said};

on_every_server! { shared;
    libraries_come_before_what_uses_them: libraries;
    bytes_that_no_text_can_keep_are_named: bytes;
    a_history_by_transactions_is_named: by_transactions;
}

/// Dumps, loads a copy by upkeep and one by hand, and compares everything.
async fn round_trip(server: &Server, name: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&server.database(name), dir.path(), 2).await.unwrap();
    let (by_upkeep, by_hand) = (server.fresh(), server.fresh());
    for mode in [LoadMode::Clean, LoadMode::Replace] {
        load(&by_upkeep, &sealed, mode).await.unwrap();
        same(server, name, name_of(&by_upkeep));
    }
    server.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    same(server, name, name_of(&by_hand));
    text_of(&sealed.path)
}

/// A backup of the database fails, and says all of this.
async fn refused(server: &Server, name: &str, words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let error = dump(&server.database(name), dir.path(), 1).await.unwrap_err();
    assert!(matches!(error, EngineError::Inexact { .. }), "{error:?}");
    let by_check = upkeep::engine::mysql::may_read(&server.database(name)).await.unwrap().refused;
    assert!(!by_check.is_empty(), "{words:?}");
    for said in by_check.into_iter().chain([error]).map(said) {
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    }
}

async fn libraries(server: &Server) {
    if !server.has_libraries() {
        return;
    }
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(
        name,
        "CREATE LIBRARY `its; own` COMMENT 'it''s; one' LANGUAGE JAVASCRIPT AS $x$\n// it's \"two\n;;;\nexport function twice(n) { return n + n } /* '$$' */\n$x$; \
         CREATE LIBRARY plain LANGUAGE JAVASCRIPT AS $$// it's\nexport function once(n) { return n }$$; \
         CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC LANGUAGE JAVASCRIPT USING (`its; own` AS l, plain) AS $$ return l.twice(n) $$; \
         SET sql_mode = 'ANSI_QUOTES'; CREATE PROCEDURE once(n int) LANGUAGE JAVASCRIPT USING (plain) COMMENT 'USING (\"a\".\"b\")' AS $$ plain.once(n) $$",
    );
    let text = round_trip(server, name).await;
    let (library, function) = (text.find("CREATE LIBRARY `plain`"), text.find("FUNCTION `twice`"));
    assert!(library.is_some() && library < function, "{text}");
    assert!(text.contains("USING (`its; own` AS `l`, `plain`)") && text.contains("USING (\"plain\")"), "{text}");
}

async fn bytes(server: &Server) {
    let table = if server.is_mariadb() {
        ["b varbinary(8) DEFAULT x'ff'", "b varbinary(8) DEFAULT (UNHEX('ff'))"]
    } else {
        ["b int DEFAULT (ascii(_latin1 x'e9'))", "b int DEFAULT (ascii(CONVERT(UNHEX('e9') USING latin1)))"]
    };
    let view = [
        "_latin1 x'e9' AS l, _gbk x'c4e3' AS g",
        "CONVERT(UNHEX('e9') USING latin1) AS l, CONVERT(UNHEX('c4e3') USING gbk) AS g",
    ];
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(name, &format!("CREATE TABLE t (a int PRIMARY KEY, {})", table[0]));
    // A newer MariaDB prints what it means.
    if server.sql(name, "SHOW CREATE TABLE t").contains("DEFAULT x'ff'") {
        round_trip(server, name).await;
    } else {
        refused(server, name, &["the definition of table t holds", "DEFAULT (UNHEX('ff'))"]).await;
    }
    server.sql(name, &format!("DROP TABLE t; CREATE TABLE t (a int PRIMARY KEY, {}); INSERT INTO t (a) VALUES (1)", table[1]));
    server.sql(name, &format!("CREATE VIEW l AS SELECT {}", view[0]));
    refused(server, name, &["the definition of view l holds", "CONVERT(UNHEX('e9') USING latin1)"]).await;
    server.sql(name, &format!("DROP VIEW l; CREATE VIEW l AS SELECT {}, '\u{fffd}' AS x", view[1]));
    round_trip(server, name).await;
}

async fn by_transactions(server: &Server) {
    if !server.is_mariadb() {
        return;
    }
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(
        name,
        "CREATE TABLE t (x int, a bigint unsigned GENERATED ALWAYS AS ROW START, b bigint unsigned GENERATED ALWAYS AS ROW END, \
           PERIOD FOR SYSTEM_TIME (a, b)) ENGINE=InnoDB WITH SYSTEM VERSIONING; INSERT INTO t (x) VALUES (1); UPDATE t SET x = 2",
    );
    refused(server, name, &["table t", "transactions", "ADD SYSTEM VERSIONING"]).await;
    server.sql(
        name,
        "SET system_versioning_alter_history = KEEP; ALTER TABLE t DROP COLUMN a, DROP COLUMN b, DROP PERIOD FOR SYSTEM_TIME, DROP SYSTEM VERSIONING; ALTER TABLE t ADD SYSTEM VERSIONING; \
         UPDATE t SET x = 3",
    );
    round_trip(server, name).await;
}
