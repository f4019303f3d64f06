//! MySQL: stored programs of every shape the grammar has, cut without `DELIMITER`.

use super::*;

/// An expression, with everything in it that looks like the beginning or end of a block.
fn expression() -> BoxedStrategy<String> {
    let leaves =
        ["1", "'a; end;'", "x", "NEW.end", "t.begin", "@end", "`case`", "end", "begin", "@@sql_mode", "(x)", "-1", "NULL"];
    let leaf = prop::sample::select(leaves.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("IF({a}, {b}, {c})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("CASE {a} WHEN {b} THEN {c} END")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("case when {a} then {b} else {c} end")),
            inner.clone().prop_map(|a| format!("(SELECT {a} FROM t WHERE t.end = {a})")),
            inner.clone().prop_map(|a| format!("REPEAT('x;', {a})")),
            inner.clone().prop_map(|a| format!("REPLACE({a}, 'x', /* ; end */ {a})")),
            inner.clone().prop_map(|a| format!("NOT EXISTS (SELECT {a})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a} = 1 OR {b} = 2) AND {a} <> 3")),
        ]
    })
    .boxed()
}

fn plain() -> BoxedStrategy<String> {
    let e = expression;
    prop_oneof![
        e().prop_map(|a| format!("SET @x = {a}")),
        e().prop_map(|a| format!("SET x = {a}, y = {a}")),
        e().prop_map(|a| format!("SELECT {a}, end, begin FROM t")),
        e().prop_map(|a| format!("SELECT {a} INTO x FROM t WHERE {a} FOR UPDATE")),
        e().prop_map(|a| format!("INSERT INTO t (begin, end) VALUES ({a}, {a})")),
        e().prop_map(|a| format!("UPDATE t SET end = {a}, t.begin = {a} WHERE end = {a}")),
        e().prop_map(|a| format!("SELECT x FROM t ORDER BY {a}, end LIMIT 1")),
        e().prop_map(|a| format!("CALL p({a})")),
        Just("DROP TABLE IF EXISTS t".to_owned()),
        Just("CREATE TABLE IF NOT EXISTS t (end int)".to_owned()),
        Just("START TRANSACTION".to_owned()),
        Just("FETCH c INTO x".to_owned()),
        Just("LEAVE l".to_owned()),
        Just("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no; end'".to_owned()),
    ]
    .boxed()
}

/// Statements with the semicolon behind each.
fn list(statement: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(statement, 1..3).prop_map(|all| all.iter().map(|one| format!("{one};\n ")).collect())
}

fn statement() -> BoxedStrategy<String> {
    let e = expression;
    plain()
        .prop_recursive(3, 16, 3, move |inner| {
            let body = list(inner.clone()).boxed();
            prop_oneof![
                (e(), body.clone()).prop_map(|(a, s)| format!("IF {a} THEN {s} END IF")),
                (e(), body.clone(), body.clone())
                    .prop_map(|(a, s, t)| format!("if {a} then {s} elseif {a} then {t} else {s} end if")),
                (e(), body.clone(), body.clone()).prop_map(|(a, s, t)| format!("CASE {a} WHEN {a} THEN {s} ELSE {t} END CASE")),
                (e(), body.clone()).prop_map(|(a, s)| format!("CASE WHEN {a} THEN {s} WHEN 2 THEN {s} END CASE")),
                body.clone().prop_map(|s| format!("l: LOOP {s} END LOOP l")),
                (e(), body.clone()).prop_map(|(a, s)| format!("WHILE {a} DO {s} END WHILE")),
                (e(), body.clone()).prop_map(|(a, s)| format!("REPEAT {s} UNTIL {a} END REPEAT")),
                body.clone().prop_map(|s| format!("BEGIN {s} END")),
                body.clone().prop_map(|s| format!("l: BEGIN DECLARE c CURSOR FOR SELECT end FROM t; {s} END l")),
                (inner, body.clone())
                    .prop_map(|(h, s)| format!("begin declare exit handler for sqlexception, not found {h}; {s} end")),
                Just("BEGIN END".to_owned()),
                // MariaDB's.
                body.clone().prop_map(|s| format!("FOR i IN 1..3 DO {s} END FOR")),
                (e(), body).prop_map(|(a, s)| format!("FOR r IN (SELECT {a} AS b) DO {s} END FOR")),
            ]
        })
        .boxed()
}

proptest! {
    #[test]
    fn a_program_ends_where_its_body_does(body in statement(), head in 0usize..5) {
        let head = [
            "CREATE PROCEDURE p(IN a INT) COMMENT 'x; y'",
            "CREATE DEFINER=`r`@`%` TRIGGER IF NOT EXISTS t BEFORE INSERT ON a FOR EACH ROW",
            "create or replace function f() returns int deterministic",
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO",
            "ALTER EVENT e DO",
        ][head];
        let program = format!("{head} {body}");
        let text = format!("{program};\nSELECT 2;");
        prop_assert_eq!(statements(&text, Dialect::MySql), vec![program, "SELECT 2".to_owned()]);
    }
}
