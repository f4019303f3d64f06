use super::*;

fn transaction(dialect: Dialect, text: &str) -> Transaction {
    prepare("V1__x.sql", text.to_owned(), dialect, HOW).unwrap().transaction
}

const HOW: How = How { mixed: false, in_transaction: None };

#[test]
fn statements_that_cannot_run_in_a_transaction_are_known() {
    let outside = [
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "create unique index /* x */ concurrently i on t (a)",
        "DROP INDEX CONCURRENTLY IF EXISTS i",
        "VACUUM",
        "VACUUM (ANALYZE) t",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "CREATE DATABASE x",
        "DROP TABLESPACE x",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
        "REINDEX DATABASE x",
        "REINDEX (VERBOSE) SCHEMA x",
        "REINDEX TABLE CONCURRENTLY t",
        "DISCARD ALL",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "ALTER DATABASE d SET TABLESPACE x",
        "SELECT 1; BEGIN; SELECT 2; COMMIT;",
        "START TRANSACTION",
        "ROLLBACK",
        "END",
        "ABORT",
    ];
    for text in outside {
        assert_eq!(transaction(Dialect::Postgres, text), Transaction::None, "{text}");
    }
    let ours = [
        "CREATE INDEX i ON t (a)",
        "CREATE TABLE concurrently_made (vacuum int)",
        "SELECT 'VACUUM'",
        "-- VACUUM\nSELECT 1",
        "ALTER TYPE e ADD VALUE 'x'",
        "REINDEX TABLE t",
        "SAVEPOINT a; ROLLBACK TO SAVEPOINT a; RELEASE a",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END",
        "DO $$ BEGIN NULL; END $$",
        "COMMENT ON TABLE t IS 'x'",
        "",
    ];
    for text in ours {
        assert_eq!(transaction(Dialect::Postgres, text), Transaction::Ours, "{text}");
    }
    for text in ["PRAGMA foreign_keys = OFF", "pragma main.journal_mode=wal", "VACUUM", "BEGIN IMMEDIATE; COMMIT;", "DETACH x"]
    {
        assert_eq!(transaction(Dialect::Sqlite, text), Transaction::None, "{text}");
    }
    for text in [
        "PRAGMA user_version = 3",
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;",
        "ROLLBACK TO a",
        "CREATE TABLE t (a)",
    ] {
        assert_eq!(transaction(Dialect::Sqlite, text), Transaction::Ours, "{text}");
    }
}

#[test]
fn what_cannot_be_run_is_said_with_its_line() {
    for (text, line, why) in [
        ("SELECT 1;\nCOPY t TO STDOUT;", 2, "`COPY … TO STDOUT` has nobody to read it"),
        ("\nSELECT 'x", 2, "a string never ends"),
    ] {
        let expected = Problem::Unrunnable { script: "V1__x.sql".to_owned(), line, why: why.to_owned() };
        assert_eq!(prepare("V1__x.sql", text.to_owned(), Dialect::Postgres, HOW).unwrap_err(), expected);
    }
}

#[test]
fn a_position_within_a_statement_is_a_line_of_the_script() {
    let prepared = prepare("x", "SELECT 1;\n\nSELECT 'é',\n  nope\n;".to_owned(), Dialect::Postgres, HOW).unwrap();
    let piece = &prepared.pieces[1];
    assert_eq!((prepared.line_at(piece, None), prepared.line_at(piece, Some(8)), prepared.line_at(piece, Some(15))), (3, 3, 4));
}

#[test]
fn mixing_is_refused_unless_it_is_allowed_and_a_companion_has_the_last_word() {
    let mixed = "CREATE TABLE t (a int);\nVACUUM;";
    let refused = prepare("V1__x.sql", mixed.to_owned(), Dialect::Postgres, HOW).unwrap_err();
    assert_eq!(refused, Problem::Mixed { script: "V1__x.sql".to_owned(), line: 2 });
    let of = |text: &str, how| prepare("x", text.to_owned(), Dialect::Postgres, how).unwrap().transaction;
    assert_eq!(of(mixed, How { mixed: true, ..HOW }), Transaction::None);
    assert_eq!(of(mixed, How { in_transaction: Some(true), ..HOW }), Transaction::Ours);
    assert_eq!(of("SELECT 1", How { in_transaction: Some(false), ..HOW }), Transaction::None);
    assert_eq!(of("VACUUM; BEGIN; SELECT 1; COMMIT", HOW), Transaction::None, "it says itself where its transactions are");
    let pragma = "PRAGMA foreign_keys = OFF; CREATE TABLE t (a);";
    assert!(prepare("x", pragma.to_owned(), Dialect::Sqlite, HOW).is_err());
    assert!(prepare("x", "PRAGMA journal_mode = WAL; CREATE TABLE t (a);".to_owned(), Dialect::Sqlite, HOW).is_ok());
}

#[test]
fn a_companion_cannot_make_one_transaction_of_what_is_several() {
    let within = How { in_transaction: Some(true), ..HOW };
    let of = |dialect, text: &str| prepare("V1__x.sql", text.to_owned(), dialect, within);
    for text in ["CREATE TABLE t (a int); INSERT INTO t VALUES (1)", "CALL p()", "START TRANSACTION; COMMIT"] {
        assert_eq!(of(Dialect::MySql, text).unwrap().transaction, Transaction::None, "{text}");
    }
    assert_eq!(of(Dialect::MySql, "INSERT INTO t VALUES (1)").unwrap().transaction, Transaction::Ours);
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        let Err(Problem::Unrunnable { line, why, .. }) = of(dialect, "SELECT 1;\nCOMMIT;") else { panic!("{dialect:?}") };
        assert_eq!(line, 2);
        assert!(why.contains("`executeInTransaction=true`") && why.contains("leave the key out"), "{why}");
        assert_eq!(of(dialect, "SAVEPOINT a; ROLLBACK TO a").unwrap().transaction, Transaction::Ours);
    }
}

#[test]
fn a_callback_that_ends_a_transaction_ends_that_of_its_script() {
    let of = |text: &str| prepare("x", text.to_owned(), Dialect::Postgres, HOW).unwrap();
    let mut script = of("SELECT 1");
    assert!(script.is_one_transaction());
    script.before.push(of("SELECT 2"));
    assert!(script.is_one_transaction());
    script.after.push(of("COMMIT"));
    assert!(!script.is_one_transaction());
}
