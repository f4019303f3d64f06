//! No text costs more than its length.
//!
//! Quadratic work on these texts would take hours; nobody looks at a clock.

use super::*;

/// Long enough that quadratic work is noticed.
const LONG: usize = 1 << 18;
/// Long enough where the work is counted.
const SHORT: usize = 1 << 16;

/// Numbered, so that no two parts are the same.
fn numbered(bytes: usize, text: impl Fn(usize) -> String) -> String {
    let mut all = String::with_capacity(bytes + 64);
    for number in 0.. {
        if all.len() >= bytes {
            break;
        }
        all.push_str(&text(number));
    }
    all
}

/// What a reader that looks ahead or back pays for.
fn texts(bytes: usize) -> Vec<String> {
    let repeated = |text: &str| text.repeat(bytes / text.len());
    let numbered = |text: fn(usize) -> String| numbered(bytes, text);
    vec![
        repeated("SELECT 1;"),
        format!("INSERT INTO t VALUES {};", repeated("(1, 'it''s; so'),")),
        format!("SELECT '{}';", repeated("'' ")),
        format!("SELECT {};", repeated("$1 + $x ")),
        format!("DO $a${}$a$;", repeated("$b$ $")),
        format!("SELECT {}", numbered(|number| format!("$a{number}"))),
        format!("SELECT {};", numbered(|number| format!("$a{number} "))),
        format!("SELECT {};", numbered(|number| format!("$a{number}$x$a{number}$, "))),
        format!("SELECT 1{};", repeated("$")),
        format!("/*{}*/ SELECT 1", repeated("* ")),
        format!("{} SELECT 1 {}", "/*".repeat(bytes / 4), "*/".repeat(bytes / 4)),
        repeated("/*"),
        repeated("/* */"),
        repeated("/*!"),
        repeated("/*/"),
        repeated("-- x\n"),
        repeated("--x;\n"),
        repeated("#\n"),
        repeated("'"),
        format!("'{}", repeated("\\'")),
        repeated("''"),
        repeated("\""),
        repeated("`"),
        repeated("["),
        repeated("E'a'\n"),
        repeated("E'a' -- b\n"),
        format!("SELECT E'a' {}x", repeated("-- b\r")),
        repeated("E'"),
        format!("SELECT E'a' {}x", repeated("\n ")),
        repeated("COPY t FROM STDIN;\n1\n\\.\n"),
        format!("COPY t FROM STDIN;\n{}\\.\n", repeated("\\ .\n")),
        repeated("COPY t FROM STDIN "),
        repeated("CREATE TRIGGER t BEGIN SELECT 1; END;"),
        format!("CREATE TRIGGER t BEGIN {}", repeated("SELECT 1; END ")),
        format!("CREATE FUNCTION f() BEGIN ATOMIC {} END;", repeated("SELECT CASE WHEN 1 THEN 2 END;")),
        format!("CREATE FUNCTION f() BEGIN ATOMIC {}", repeated("CASE ")),
        repeated("((("),
        repeated(";"),
        repeated("\n"),
        repeated("x"),
        repeated("é"),
        repeated("\u{feff}"),
        repeated("delimiter $$\n"),
        repeated("DELIMITER\n"),
        format!("SELECT {};", repeated("delimiter ")),
        format!("SELECT {};", repeated("\ndelimiter")),
        format!("SELECT 1{}", repeated(" \n delimiter x")),
        format!("DELIMITER $$\n{}", repeated("a$$")),
        format!("DELIMITER $$\n{}", repeated("a$b")),
        format!("DELIMITER {}\n{}", "$".repeat(64), repeated("$")),
        format!("DELIMITER {}x\n{}", ";".repeat(63), repeated(";")),
        format!("DELIMITER {}", repeated(";")),
        format!("CREATE PROCEDURE p() {}", repeated("BEGIN ")),
        format!("CREATE PROCEDURE p() BEGIN {}", repeated("CASE IF a THEN ")),
        format!("CREATE PROCEDURE p() BEGIN {}", repeated("IF a THEN ")),
        format!("CREATE PROCEDURE p() BEGIN {} END;", repeated("CASE WHEN a THEN SELECT IF(1, 2, 3); END CASE; ")),
        format!("CREATE PROCEDURE p() BEGIN {} END;", repeated("WHILE a DO SELECT 1; END WHILE; ")),
    ]
}

#[test]
fn every_byte_is_looked_at_a_bounded_number_of_times() {
    for text in &texts(SHORT) {
        for dialect in EVERY {
            let mut lexer = Lexer::new(text, dialect);
            while let Ok(Some(_)) = lexer.next_token() {}
            let shown: String = text.chars().take(30).collect();
            assert!(lexer.looked() <= 4 * text.len(), "{shown}… in {dialect:?}: {}", lexer.looked());
        }
    }
}

#[test]
fn no_text_takes_more_than_its_length() {
    for text in &texts(LONG) {
        for dialect in EVERY {
            let Ok(pieces) = split(text, dialect) else { continue };
            assert_eq!(pieces.last().map_or(0, |piece| piece.raw.end), text.len());
            let shown: String = text.chars().take(30).collect();
            assert!(kept(&pieces) <= 128 * text.len() + 1024, "{shown}… in {dialect:?} keeps {}", kept(&pieces));
        }
    }
}

/// What a script's pieces take of the memory, in bytes.
fn kept(pieces: &Vec<Piece>) -> usize {
    pieces.capacity() * size_of::<Piece>() + pieces.iter().map(|piece| piece.head.bytes()).sum::<usize>()
}

const LARGE: usize = 100_000_000;

#[test]
fn a_statement_of_a_hundred_megabytes() {
    let values = "(1, 'it''s; so'), ($b$; $b$, E'x\\';'), /* ; */ (42, \"c;\")\n,";
    let text = format!("INSERT INTO t VALUES {}(1, '');\nSELECT 2;", values.repeat(LARGE / values.len()));
    let pieces = split(&text, Dialect::Postgres).unwrap();
    let lines: Vec<usize> = pieces.iter().map(|piece| piece.line).collect();
    assert_eq!(lines, [1, LARGE / values.len() + 2]);
    assert!(kept(&pieces) < 1024);
}

#[test]
fn a_million_statements() {
    const COUNT: usize = 1_000_000;
    let insert = "INSERT INTO t (a, b) VALUES (1234567, 'it''s; so, and so on until a hundred bytes'); -- 1234567890\n";
    let text = insert.repeat(COUNT);
    assert!(text.len() > 90_000_000);
    let pieces = split(&text, Dialect::MySql).unwrap();
    assert_eq!(pieces.iter().filter(|piece| !piece.sql.is_empty()).count(), COUNT);
    assert_eq!(pieces[COUNT - 1].line, COUNT);
    assert!(kept(&pieces) <= 3 * text.len(), "{}", kept(&pieces));
}
