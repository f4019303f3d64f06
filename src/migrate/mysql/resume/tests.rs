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
    let why = "statement 1 had run and was changed since; only what comes after may be fixed";
    assert_eq!(judged(text, "dd", changed), format!("line 1: {why}"));
    let other = "CREATE TABLE a (a int);\n\nINSERT INTO a VALUES (7);\nALTER TABLE a ADD b int;";
    let why = "statement 2 had run and was changed since; only what comes after may be fixed";
    assert_eq!(judged(text, "dd", other), format!("line 3: {why}"));
    let why = "statements 1 to 2 had run, and one of them was changed since; only what comes after may be fixed";
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

#[test]
fn a_variable_made_of_a_lost_one_is_lost() {
    let lost = |number: usize, what: &str| {
        format!("line 1: statement {number} {what}, which was lost with its session and which later statements use")
    };
    let chain = "SELECT max(a) INTO @m FROM a; SET @n = @m + 1; CREATE TABLE b (a int); INSERT INTO b VALUES (@n)";
    assert_eq!(judged(chain, "d-d", chain), lost(2, "set a variable from data"));
    let anew = "SELECT max(a) INTO @m FROM a; SET @m = 1; SET @n = @m + 1; CREATE TABLE b (a int); INSERT INTO b VALUES (@n)";
    assert_eq!(judged(anew, "d--d", anew), "from 5 after [1, 2]");
    let mode = "SELECT a INTO @m FROM a; SET sql_mode = @m; CREATE TABLE b (a int); INSERT INTO b VALUES (1)";
    assert_eq!(judged(mode, "d-d", mode), lost(2, "set its session up from data"));
    let used_for_the_session = "SELECT a INTO @m FROM a; CREATE TABLE b (a int); SET sql_mode = @m";
    assert_eq!(judged(used_for_the_session, "dd", used_for_the_session), lost(1, "set a variable from data"));
    let got = "INSERT INTO a VALUES (1); GET DIAGNOSTICS @n = ROW_COUNT; CREATE TABLE b (a int); INSERT INTO b VALUES (@n)";
    assert_eq!(judged(got, "d-d", got), lost(2, "set a variable from data"));
    let got_anew =
        "GET DIAGNOSTICS @n = ROW_COUNT; INSERT INTO a VALUES (1); SELECT 1; GET DIAGNOSTICS @n = ROW_COUNT; SELECT @n";
    assert_eq!(judged(got_anew, "-d", got_anew), "from 3 after []");
}

#[test]
fn what_is_of_the_moment_is_not_the_same_again() {
    let words = [
        "UTC_DATE",
        "utc_time",
        "UTC_TIMESTAMP",
        "NEXT VALUE FOR s",
        "PREVIOUS VALUE FOR s",
        "@@last_insert_id",
        "@@identity",
        "@@warning_count",
        "@@session.error_count",
        "@@GLOBAL.x",
        "@@persist.x",
        "`f`()",
    ];
    for read in words {
        let text = format!("SET @a = {read}; CREATE TABLE b (a int); INSERT INTO b VALUES (@a)");
        assert!(judged(&text, "-d", &text).starts_with("line 1: statement 1 set a variable from data"), "{read}");
    }
    let named = "SET @next = 1, @from = 2, @global = 3; CREATE TABLE b (a int); INSERT INTO b VALUES (@next)";
    assert_eq!(judged(named, "-d", named), "from 3 after [0]");
    let everybodys = "SET @@GLOBAL.x = 1; CREATE TABLE b (a int); SELECT 1";
    assert_eq!(judged(everybodys, "-d", everybodys), "from 3 after []");
}

#[test]
fn who_asks_the_session_of_before_is_named() {
    let asks = |number: usize, what: &str| {
        format!("line 1: statement {number} asks for {what}, which was lost with the session of before")
    };
    let id = "LAST_INSERT_ID()";
    let text = "INSERT INTO a VALUES (1); CREATE TABLE b (a int); INSERT INTO b VALUES (LAST_INSERT_ID())";
    assert_eq!(judged(text, "dd", text), asks(3, id));
    let text = "CALL p(); CREATE TABLE b (a int); UPDATE b SET a = 1; SET @id = @@identity";
    assert_eq!(judged(text, "dd", text), asks(4, id));
    let text = "INSERT INTO a VALUES (1); CREATE TABLE b (a int); REPLACE INTO b VALUES (1); SELECT LAST_INSERT_ID()";
    assert_eq!(judged(text, "dd", text), "from 3 after []");
    let text = "CREATE TABLE b (a int); SELECT LAST_INSERT_ID()";
    assert_eq!(judged(text, "d", text), "from 2 after []");
    let before = "what became of the statement before it";
    let text = "UPDATE a SET a = 1; SET @n = ROW_COUNT(); ALTER TABLE a ADD b int";
    assert_eq!(judged(text, "d", text), asks(2, before));
    assert_eq!(judged(text, "", text), "from 1 after []");
    let text = "UPDATE a SET a = 1; SHOW WARNINGS; ALTER TABLE a ADD b int";
    assert_eq!(judged(text, "d", text), "from 2 after []");
}

#[test]
fn a_set_that_calls_what_may_change_rows_is_marked_like_them() {
    let text = "SET @id = add_row(); SET @n = (SELECT COUNT(*) FROM a); SET autocommit = f();";
    let sorts: Vec<Sort> = statements(&script(text)).iter().map(|statement| statement.sort).collect();
    assert_eq!(sorts, [Sort::Rows, Sort::Session, Sort::Session]);
    let text = "SET @id = add_row(); CREATE TABLE b (a int); INSERT INTO b VALUES (@id)";
    let why = "which was lost with its session and which later statements use";
    assert_eq!(judged(text, "dd", text), format!("line 1: statement 1 set a variable from data, {why}"));
}

#[test]
fn several_statements_sent_as_one_are_never_guessed_at() {
    let text = "DELIMITER $$\nTRUNCATE a; INSERT INTO a VALUES (1)$$\nSELECT 1$$";
    let why = "statement 1 was begun, and whether it took effect cannot be told";
    assert_eq!(judged(text, "b", text), format!("line 2: {why}"));
    assert_eq!(judged(text, "d", text), "from 2 after []");
    assert_eq!(script(text).transaction, crate::migrate::prepare::Transaction::None);
    let rows = "DELIMITER $$\nINSERT INTO a VALUES (1); INSERT INTO a VALUES (2)$$";
    assert_eq!(statements(&script(rows))[0].sort, Sort::Call);
    assert_eq!(script(rows).transaction, crate::migrate::prepare::Transaction::None);
    let used = "DELIMITER $$\nUSE b; INSERT INTO a VALUES (1)$$\nSELECT 1$$";
    assert!(judged(used, "d", used).starts_with("line 2: statement 1 may have set its session up among other things"));
}
