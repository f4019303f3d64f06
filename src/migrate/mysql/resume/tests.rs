use super::*;
use crate::migrate::prepare::{How, prepare};

fn script(text: &str) -> Prepared {
    prepare("V1__x.sql", text.to_owned(), Dialect::MySql, How { mixed: true, in_transaction: None }).unwrap()
}

/// Marks of a script's statements: `d` done, `b` begun, `s` begun with something seen, `-` none.
fn marks(script: &Prepared, states: &str) -> Vec<Mark> {
    let all = statements(script);
    let mark = |(index, state): (usize, char)| {
        let seen = (state == 's').then(|| "seen".to_owned());
        (state != '-').then(|| Mark { number: index + 1, digest: all[index].digest.clone(), done: state == 'd', seen })
    };
    states.chars().enumerate().filter_map(mark).collect()
}

fn judged(before: &str, states: &str, after: &str) -> String {
    let (before, after) = (script(before), script(after));
    match judge(&marks(&before, states), &statements(&after)) {
        Ok(Resume::From { next, again }) => format!("from {} after {again:?}", next + 1),
        Ok(Resume::Ask { begun, .. }) => format!("ask about {}", begun + 1),
        Err(stop) => format!("line {}: {}", stop.line, stop.why),
    }
}

#[test]
fn it_goes_on_behind_the_last_that_is_done() {
    let text = "CREATE TABLE a (a int);\nINSERT INTO a VALUES (1);\nALTER TABLE a ADD b int;\nINSERT INTO a VALUES (2, 2);";
    assert_eq!(judged(text, "", text), "from 1 after []");
    assert_eq!(judged(text, "d", text), "from 2 after []");
    assert_eq!(judged(text, "dd", text), "from 3 after []");
    assert_eq!(judged(text, "dddd", text), "from 5 after []");
    // Undone with its transaction: no mark, and something done after it.
    assert_eq!(judged(text, "d-d", text), "from 4 after []");
    let mended = "CREATE TABLE a (a int);\nINSERT INTO a VALUES (1);\nALTER TABLE a ADD c int;";
    assert_eq!(judged(text, "dd", mended), "from 3 after []");
}

#[test]
fn what_had_run_must_not_have_changed() {
    let text = "CREATE TABLE a (a int);\nINSERT INTO a VALUES (1);\nALTER TABLE a ADD b int;";
    let changed = "CREATE TABLE a (a bigint);\nINSERT INTO a VALUES (1);\nALTER TABLE a ADD b int;";
    let why = "statement 1 had run and was changed since; only what comes after may be mended";
    assert_eq!(judged(text, "dd", changed), format!("line 1: {why}"));
    let other = "CREATE TABLE a (a int);\n\nINSERT INTO a VALUES (7);\nALTER TABLE a ADD b int;";
    let why = "statement 2 had run and was changed since; only what comes after may be mended";
    assert_eq!(judged(text, "dd", other), format!("line 3: {why}"));
    let why = "statements 1 to 2 had run, and one of them was changed since; only what comes after may be mended";
    assert_eq!(
        judged("SET @a = 1; INSERT INTO a VALUES (@a)", "-d", "SET @a = 2; INSERT INTO a VALUES (@a)"),
        format!("line 1: {why}")
    );
    assert!(judged(text, "dd", "CREATE TABLE a (a int)").starts_with("line 1: statement 2 had run"), "a statement is missing");
    // Blanks and comments between statements are no statements.
    let commented = "-- why\nCREATE TABLE a (a int);\n\n\nINSERT INTO a VALUES (1); ALTER TABLE a ADD b int;";
    assert_eq!(judged(text, "dd", commented), "from 3 after []");
}

#[test]
fn one_that_was_begun_is_asked_about_or_refused() {
    let text = "CREATE TABLE a (a int);\nALTER TABLE a ADD b int;\nCREATE USER u;\nTRUNCATE a;\nCALL p();";
    assert_eq!(judged(text, "ds", text), "ask about 2");
    let unknown = |line: usize, number: usize| {
        format!("line {line}: statement {number} was begun, and whether it took effect cannot be told")
    };
    assert_eq!(judged(text, "ddb", text), unknown(3, 3));
    assert_eq!(judged(text, "dddb", text), "from 4 after []");
    assert_eq!(judged(text, "ddddb", text), unknown(5, 5));
    let mended = text.replace("ADD b int", "ADD c int");
    assert_eq!(judged(text, "ds", &mended), unknown(2, 2));
}

#[test]
fn the_session_is_made_again_where_that_gives_the_same() {
    let begin = "SET NAMES latin1; SET @a = 1, sql_mode = (SELECT REPLACE(@@sql_mode, 'X', '')); USE d; CREATE TABLE t (a int); SELECT 1";
    assert_eq!(judged(begin, "---d", begin), "from 5 after [0, 1, 2]");
    let lock = "LOCK TABLES t WRITE; INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)";
    assert_eq!(judged(lock, "-d", lock), "from 3 after [0]");
    let unlocked = "LOCK TABLES t WRITE; INSERT INTO t VALUES (1); UNLOCK TABLES; ALTER TABLE t ADD b int; SELECT 1";
    assert_eq!(judged(unlocked, "-d-d", unlocked), "from 5 after []");
    // The usual way to change a table only when it needs it: all of it runs again.
    let conditional = "CREATE TABLE t (a int); SET @s = (SELECT IF(COUNT(*) > 0, 'SELECT 1', 'ALTER TABLE t ADD b int') FROM x); PREPARE s FROM @s; EXECUTE s";
    assert_eq!(judged(conditional, "d", conditional), "from 2 after []");
}

#[test]
fn what_the_session_cannot_get_back_is_named() {
    let lost = |number: usize, what: &str| {
        format!("line 1: statement {number} {what}, which was lost with its session and which later statements use")
    };
    let last = "INSERT INTO a VALUES (1); SET @id = LAST_INSERT_ID(); INSERT INTO b VALUES (2); INSERT INTO c VALUES (@id)";
    assert_eq!(judged(last, "d-d", last), lost(2, "set a variable from data"));
    let unused = "INSERT INTO a VALUES (1); SET @id = LAST_INSERT_ID(); INSERT INTO b VALUES (@id); SET @id = 3; SELECT @id";
    assert_eq!(judged(unused, "d-d", unused), "from 4 after []");
    let into = "SELECT max(a) INTO @m FROM a; CREATE TABLE b (a int); INSERT INTO b VALUES (@m)";
    assert_eq!(judged(into, "dd", into), lost(1, "set a variable from data"));
    let temporary = "CREATE TEMPORARY TABLE tmp (a int); CREATE TABLE b (a int); INSERT INTO b SELECT * FROM `tmp`";
    assert_eq!(judged(temporary, "-d", temporary), lost(1, "made a temporary table"));
    assert_eq!(
        judged(
            "CREATE TEMPORARY TABLE tmp (a int); CREATE TABLE b (a int); SELECT 1",
            "-d",
            "CREATE TEMPORARY TABLE tmp (a int); CREATE TABLE b (a int); SELECT 1"
        ),
        "from 3 after []"
    );
    let prepared = "PREPARE s FROM 'ALTER TABLE a ADD b int'; EXECUTE s; EXECUTE s";
    assert_eq!(judged(prepared, "-d", prepared), lost(1, "prepared a statement"));
    let again = "PREPARE s FROM 'SELECT 1'; EXECUTE s; PREPARE s FROM 'SELECT 2'; EXECUTE s";
    assert_eq!(judged(again, "-d", again), "from 3 after []");
}
