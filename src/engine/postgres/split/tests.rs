use super::{Chunk, Splitter};

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
