use super::super::grammar::Statement;
use super::{Chunk, Splitter, statements_of};

/// The statements of `text`, the same however the text is cut into pieces.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    for size in [1, 7, 70, 100_000] {
        let mut splitter = Splitter::new();
        let mut chunks = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            chunks.extend(splitter.push(piece));
        }
        chunks.extend(splitter.finish());
        let found: Vec<String> = chunks
            .iter()
            .filter_map(|chunk| match chunk {
                Chunk::Statement { sql, .. } => Some(sql.clone()),
                Chunk::Meta(line) => Some(line.clone()),
                Chunk::Rest(_) | Chunk::Bytes(_) => None,
            })
            .collect();
        assert_eq!(found, expected, "in pieces of {size}");
        let whole: String = chunks
            .into_iter()
            .map(|chunk| match chunk {
                Chunk::Statement { lead, sql } => lead + &sql,
                Chunk::Meta(line) | Chunk::Rest(line) => line,
                Chunk::Bytes(bytes) => panic!("{bytes:?}"),
            })
            .collect();
        assert_eq!(whole, text, "nothing is lost, in pieces of {size}");
    }
}

#[test]
fn statements_end_where_psql_ends_them() {
    check("SELECT 1;\nSELECT 2;\n", &["SELECT 1;", "SELECT 2;"]);
    check("-- a; comment\nSELECT ';', \"a;b\", E'\\';' ;\n", &["SELECT ';', \"a;b\", E'\\';' ;"]);
    check("SELECT 'it''s;';SELECT 2;", &["SELECT 'it''s;';", "SELECT 2;"]);
    check("SELECT 'back\\';SELECT 2;", &["SELECT 'back\\';", "SELECT 2;"]);
    check("DO $x$ BEGIN; $y$ ; $$ ; END $x$;\nSELECT $$;$$;", &["DO $x$ BEGIN; $y$ ; $$ ; END $x$;", "SELECT $$;$$;"]);
    check("/* a; /* b; */ c; */ SELECT 1;", &["SELECT 1;"]);
    check(
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);",
        &["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);"],
    );
    check("SELECT a$b$c; SELECT 1 $1;", &["SELECT a$b$c;", "SELECT 1 $1;"]);
    check("SELECT 1", &["SELECT 1"]);
    check("", &[]);
}

#[test]
fn a_body_of_standard_sql_is_one_statement() {
    let body = "CREATE FUNCTION f() RETURNS int LANGUAGE sql\nBEGIN ATOMIC\n SELECT CASE WHEN true THEN 1 ELSE 2 END;\n SELECT 3;\nEND;";
    check(&format!("{body}\nSELECT 1;"), &[body, "SELECT 1;"]);
}

#[test]
fn lines_for_psql_are_told_apart_from_the_same_text_in_a_body() {
    let body = "CREATE FUNCTION f() AS $_$\n\\restrict no\n$_$;";
    check(&format!("\\restrict abc\n\n{body}\n\\unrestrict abc\n"), &["\\restrict abc\n", body, "\\unrestrict abc\n"]);
}

/// Each with how many statements it has, for the cutter of a text and that of a statement.
#[test]
fn quotes_and_comments_end_where_the_server_ends_them() {
    let words = |sql: &str| Statement::of(sql).tokens().iter().map(|token| token.text.to_owned()).collect::<Vec<_>>();
    for (text, statements) in [
        ("-- a; 'x\rSELECT 1;", 1),
        ("-- a; 'x\r\nSELECT 1;", 1),
        ("SELECT 1 -- a;\r;SELECT 2;", 2),
        ("SELECT E'a'\n'\\';' ;", 1),
        ("SELECT E'a' \t\r 'it\\'s;' ;SELECT ';';", 2),
        ("SELECT E'a' -- ; '\n -- b'\r 'it\\'s;' ;", 1),
        ("SELECT E'a' -- ; '\n , 'b\\';SELECT 2;", 2),
        ("SELECT E'a' /* ; */\n, 'b\\';SELECT 2;", 2),
        ("SELECT E'a';\n SELECT ';\\';", 2),
        ("SELECT e'a''\\';b''';SELECT 2;", 2),
        ("SELECT E'''\\';' ;SELECT 2;", 2),
        ("SELECT E'';SELECT 2;", 2),
        ("SELECT 'a'\n'\\';SELECT 2;", 2),
        ("SELECT name'\\';SELECT 2;", 2),
        ("SELECT U&'a'\n'\\';SELECT 2;", 2),
        ("SELECT \"a\"\"; \", $a$'$a$, $é$;$é$;SELECT a$b$, ';$b$';", 2),
        ("SELECT 1\x0b;\x0bSELECT E'a'\x0b\n'\\';';", 2),
    ] {
        let found = statements_of(text);
        assert_eq!(found.len(), statements, "{text:?}: {found:?}");
        let of_all = words(text);
        assert_eq!(of_all.iter().filter(|token| *token == ";").count(), statements, "{text:?}: {of_all:?}");
        assert_eq!(found.iter().flat_map(|sql| words(sql)).collect::<Vec<_>>(), of_all, "{text:?}");
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        check(text, &found);
    }
}
