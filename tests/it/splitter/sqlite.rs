//! SQLite.

use std::process::Command;

use upkeep::config::{Database, Location};

use super::{Case, check};

#[tokio::test]
async fn scripts_that_defeat_splitters() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("app.db");
    let database = Database::at(Location::Sqlite { path: path.clone() });
    let ask = |sql: &str| {
        let output = Command::new("sqlite3").arg(&path).arg(sql).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().replace('\n', " ")
    };
    let all: Vec<&Case> = CASES.iter().collect();
    check(&database, &all, "SQLite", ask).await;
}

const CASES: &[Case] = &[
    Case {
        name: "2795 a choice in an insert, behind a comment",
        script: "-- comment\n\nCREATE TABLE t2795 (a, title);\nINSERT INTO t2795 (\n  a,\n  title)\n  SELECT\n    r.a,\n    CASE WHEN r.a = 1 then r.b || ' (' || ';' || ')' else r.b end\n  FROM (SELECT 1 AS a, 'x' AS b UNION SELECT 2, 'end') r;\nCREATE TABLE u2795 (a);",
        ask: "SELECT title FROM t2795 ORDER BY a",
        answer: "x (;) end",
    },
    Case {
        name: "its own transaction, closed by COMMIT and by END",
        script: "BEGIN;\nCREATE TABLE own_tx (a);\nINSERT INTO own_tx VALUES (1);\nCOMMIT;\nBEGIN IMMEDIATE TRANSACTION;\nINSERT INTO own_tx VALUES (2);\nEND TRANSACTION;\nBEGIN; INSERT INTO own_tx VALUES (3); END;\nBEGIN; DELETE FROM own_tx; ROLLBACK;",
        ask: "SELECT group_concat(a) FROM own_tx",
        answer: "1,2,3",
    },
    Case {
        name: "triggers with choices in them",
        script: "CREATE TABLE watched (a, b);\nCREATE TABLE log (what);\nCREATE TRIGGER IF NOT EXISTS w1 AFTER INSERT ON watched FOR EACH ROW WHEN new.a <> CASE new.b WHEN 1 THEN 2 ELSE CASE WHEN 1 THEN 0 END END\nBEGIN\n  INSERT INTO log SELECT CASE WHEN new.a > 1 THEN 'big;' ELSE 'small' END;\n  UPDATE watched SET b = case when 1=1 then 42 end\n  ;\nend;\nINSERT INTO watched VALUES (1, 5), (7, 5);\nCREATE TRIGGER w2 BEFORE DELETE ON watched BEGIN SELECT RAISE(IGNORE) WHERE old.a = 1; INSERT INTO log VALUES (';END;'); -- ;END;\n END -- done;\n;\nDELETE FROM watched;",
        ask: "SELECT (SELECT group_concat(what, '~') FROM log), (SELECT group_concat(a || '=' || b) FROM watched)",
        answer: "small~big;~;END;|1=42",
    },
    Case {
        name: "names that are keywords",
        script: "CREATE TABLE [begin] (\"end\" int, [case] int, `trigger;` int, end_date, case_id, begin_at);\nINSERT INTO \"begin\" (\"end\", [case], `trigger;`) VALUES (1, 2, 3);\nCREATE TRIGGER [end;] AFTER UPDATE ON [begin] BEGIN UPDATE \"begin\" SET [case] = 9, end_date = 'end'; END;\nUPDATE [begin] SET \"end\" = 4;\nCREATE TABLE trigger_log (a);\nCREATE VIEW [v;] AS SELECT 1 AS \"begin\";",
        ask: "SELECT \"end\", [case], `trigger;`, end_date FROM [begin]",
        answer: "4|9|3|end",
    },
    Case {
        name: "strings, names and comments",
        script: "CREATE TABLE `odd``;name` (\"a\"\"b;\" TEXT, [c;d] TEXT /* not /* nested; */, e BLOB);\nINSERT INTO `odd``;name` VALUES ('it''s; so', 'back\\', x'3b'); -- don't; stop\nINSERT INTO `odd``;name` VALUES ('--', '/*', X'00');\n/* open to the end; '",
        ask: "SELECT \"a\"\"b;\", [c;d], hex(e) FROM `odd``;name` ORDER BY 1 DESC",
        answer: "it's; so|back\\|3B --|/*|00",
    },
    Case {
        name: "temporary triggers and twelve steps",
        script: "PRAGMA foreign_keys = OFF;\nBEGIN;\nCREATE TABLE steps_new (id INTEGER PRIMARY KEY, x DEFAULT (CASE WHEN 1 THEN ';' END));\nCREATE TEMP TRIGGER tt AFTER INSERT ON steps_new BEGIN UPDATE steps_new SET x = 't'; SELECT 1; END;\nINSERT INTO steps_new (id) VALUES (1);\nDROP TRIGGER tt;\nINSERT INTO steps_new (id) VALUES (2);\nALTER TABLE steps_new RENAME TO steps;\nCOMMIT;\nPRAGMA foreign_keys = ON;",
        ask: "SELECT group_concat(id || x) FROM steps",
        answer: "1t,2;",
    },
    Case {
        name: "a last statement without an end, behind empty ones",
        script: ";;\r\n; CREATE TABLE semis (a);;;\r\n/* ; */ ; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) INSERT INTO semis SELECT i FROM n",
        ask: "SELECT group_concat(a) FROM semis",
        answer: "1,2,3",
    },
];
