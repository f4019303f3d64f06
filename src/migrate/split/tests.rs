use super::*;
use proptest::prelude::*;

fn statements(text: &str, dialect: Dialect) -> Vec<String> {
    let pieces = split(text, dialect).unwrap();
    pieces.iter().filter(|piece| !piece.sql.is_empty()).map(|piece| text[piece.sql.clone()].to_owned()).collect()
}

const EVERY: [Dialect; 3] = [Dialect::Postgres, Dialect::Sqlite, Dialect::MySql];

/// Each case is cut exactly where the bars stand; the bars are no part of the text.
fn check(dialect: Dialect, cases: &[&str]) {
    for case in cases {
        let text = case.replace('¦', "");
        let cut: Vec<&str> =
            case.split('¦').map(|part| part.trim().trim_end_matches(';').trim_end()).filter(|part| !part.is_empty()).collect();
        assert_eq!(statements(&text, dialect), cut, "{case}");
    }
}

#[test]
fn every_dialect_cuts_at_semicolons_outside_quotes_and_comments() {
    for dialect in EVERY {
        check(
            dialect,
            &[
                "SELECT 1;¦ SELECT 2",
                "SELECT ';';¦ SELECT 'it''s; so';¦ SELECT \"a;\"\"b\";",
                "SELECT 1 /* ; */ + 2;¦ SELECT 3 -- ;\n + 4;",
                "SELECT 'é;ü' AS größe;¦ SELECT 2;",
                "BEGIN;¦ INSERT INTO t VALUES (1);¦ COMMIT;",
                "CREATE TABLE t (\"end\" int, begin_at int);¦ SELECT CASE WHEN 1 THEN 2 END;¦ SELECT 1;",
                "UPDATE t SET a = '--', b = '/*';¦ SELECT 1;",
                "SELECT 5-3;¦ SELECT 5 - -3;¦ SELECT 4/2;",
            ],
        );
        for text in ["", " \n", ";", ";;\n;", "-- only a comment", "/* ; */ ;", "--\n;\n"] {
            assert_eq!(statements(text, dialect), Vec::<String>::new(), "{text:?}");
        }
    }
}

#[test]
fn a_backslash_escapes_nothing_in_standard_sql() {
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        check(dialect, &["SELECT 'back\\';¦ SELECT 2;"]);
    }
}

#[test]
fn comments_before_a_statement_stay_out_of_it_and_those_within_go_along() {
    let text = "-- head\nSELECT 1 -- one\n , 2 -- two\n;";
    assert_eq!(statements(text, Dialect::Postgres), ["SELECT 1 -- one\n , 2"]);
}

#[test]
fn postgres_bodies_rules_and_strings() {
    check(
        Dialect::Postgres,
        &[
            "CREATE FUNCTION f() RETURNS int AS $$ BEGIN; END; $$ LANGUAGE plpgsql;¦ SELECT 1;",
            "DO $body$ BEGIN PERFORM $$a;b$$; END $body$;¦ SELECT 1;",
            "DO $ä_1$ ; $$ ; $ä_1$;¦ SELECT $1;¦ SELECT a$b$c;¦ SELECT 1",
            "SELECT $1$2;¦ SELECT 3;",
            "SELECT 1 /* a /* ; nested */ ; */ + 1;¦ SELECT 2;",
            "SELECT E'a\\'; b';¦ SELECT e'\\\\';¦ SELECT name'x';¦ SELECT 2;",
            "SELECT E'a'\n  'b\\';c';¦ SELECT 2;",
            "SELECT B'01', X'ff', U&'d\\0061t', N'x';¦ SELECT 2;",
            "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO a VALUES (1); INSERT INTO b VALUES (2));¦ SELECT 1;",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END;¦ SELECT 1;",
            "create procedure p() begin /* x */ atomic select 1 as end; select x.case; end;¦ select 1;",
            "SELECT '[' , a[1], `x;¦ SELECT 1;",
            "SELECT 1 --x\r + 1;¦ SELECT 2;",
        ],
    );
}

#[test]
fn sqlite_triggers_and_quotes() {
    check(
        Dialect::Sqlite,
        &[
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET n = CASE WHEN 1 THEN 2 END; SELECT 1; END;¦ SELECT 1;",
            "create temp trigger t after insert on a begin select 1; end ;¦ SELECT 1;",
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT ';END;'; -- ;END;\n END;¦ SELECT 2;",
            "SELECT `a;b`, [c;d], \"e;f\";¦ SELECT 1;",
            "SELECT x'00', $a, @b, :c, ?1;¦ SELECT 1;",
            "SELECT 1 /* not /* nested */ + 1;¦ SELECT 2;",
            "CREATE TABLE trigger_log (a);¦ SELECT 1;",
        ],
    );
    assert_eq!(statements("SELECT 1; SELECT 2 /* open ;", Dialect::Sqlite), ["SELECT 1", "SELECT 2"]);
}

#[test]
fn copy_rows_are_no_sql() {
    let text = "SELECT 1;\nCOPY t (a, b) FROM STDIN; -- rows\n1\tit's;\n2\t\\N\n\\.\nSELECT 2;\ncopy u from stdin with (format csv);\n\\.\n";
    let pieces = split(text, Dialect::Postgres).unwrap();
    let shown: Vec<(&str, usize, Option<&str>)> = pieces
        .iter()
        .filter(|piece| !piece.sql.is_empty())
        .map(|piece| (&text[piece.sql.clone()], piece.line, piece.rows.clone().map(|rows| &text[rows])))
        .collect();
    assert_eq!(
        shown,
        [
            ("SELECT 1", 1, None),
            ("COPY t (a, b) FROM STDIN", 2, Some("1\tit's;\n2\t\\N\n")),
            ("SELECT 2", 6, None),
            ("copy u from stdin with (format csv)", 7, Some("")),
        ]
    );
    assert_eq!(statements("COPY t TO STDOUT; COPY (SELECT 1 FROM x) TO STDOUT; SELECT 1", Dialect::Postgres).len(), 3);
}

#[test]
fn what_never_ends_is_said_with_its_line() {
    let cases = [
        (Dialect::Postgres, "SELECT 1;\nSELECT 'x;\n", 2, "a string never ends"),
        (Dialect::Postgres, "\n\nSELECT E'x\\'", 3, "a string never ends"),
        (Dialect::Postgres, "SELECT \"x", 1, "a quoted name never ends"),
        (Dialect::Postgres, "DO $a$ $b$", 1, "the body in $a$ never ends"),
        (Dialect::Postgres, "SELECT 1; /* /* */", 1, "a comment never ends"),
        (Dialect::Sqlite, "SELECT [x", 1, "a name in brackets never ends"),
        (Dialect::Sqlite, "SELECT `x", 1, "a quoted name never ends"),
        (
            Dialect::Postgres,
            "SELECT 1;\n\\connect x",
            2,
            "a command of the psql client (a backslash outside quotes) is not SQL",
        ),
        (Dialect::Postgres, "COPY t FROM STDIN;\n1\n", 1, "the rows after `COPY … FROM STDIN;` have no closing `\\.`"),
        (
            Dialect::Postgres,
            "COPY t FROM STDIN; SELECT 1;\n\\.\n",
            1,
            "something other than a comment follows `COPY … FROM STDIN;` on its line",
        ),
    ];
    for (dialect, text, line, what) in cases {
        assert_eq!(split(text, dialect), Err(SplitError { line, what: what.to_owned() }), "{text:?}");
    }
}

/// Pieces of syntax that get in each other's way more often than random characters do.
fn sql_soup() -> impl Strategy<Value = String> {
    let atoms = [
        "'",
        "''",
        "\"",
        "`",
        "[",
        "]",
        "$",
        "$$",
        "$a$",
        "\\",
        "\\.",
        "\n",
        "\r",
        ";",
        "--",
        "/*",
        "*/",
        "(",
        ")",
        ".",
        " ",
        "E'",
        "BEGIN",
        " ATOMIC ",
        "END",
        "CASE",
        "CREATE TRIGGER ",
        "CREATE FUNCTION ",
        "COPY t FROM STDIN;\n",
        "é",
        "\u{feff}",
        "1",
        "#",
        "/*!50003 ",
        "/*M!",
        "\nDELIMITER $$\n",
        "DELIMITER ;\n",
        ";;",
        "IF ",
        " THEN ",
        "LOOP ",
        "-- ",
        "CREATE PROCEDURE p() ",
        "DELIMITER\n",
        "$$\n",
        "--x",
        "*/*",
        "/*/",
        "E'a'\n",
        "\t",
        "WHILE ",
        "REPEAT ",
        "UNTIL ",
        "ELSE ",
        "stdin",
    ];
    prop::collection::vec(prop::sample::select(atoms.to_vec()), 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn pieces_cover_the_text_without_gap(text in prop_oneof![sql_soup(), any::<String>()]) {
        for dialect in EVERY {
            let Ok(pieces) = split(&text, dialect) else { continue };
            let joined: String = pieces.iter().map(|piece| &text[piece.raw.clone()]).collect();
            prop_assert_eq!(&joined, &text);
            let mut at = 0;
            for piece in &pieces {
                prop_assert_eq!(piece.raw.start, at);
                prop_assert!(piece.sql.start >= at && piece.sql.end <= piece.raw.end);
                prop_assert!(text.is_char_boundary(piece.sql.start) && text.is_char_boundary(piece.sql.end));
                prop_assert!(piece.rows.as_ref().is_none_or(|rows| rows.start >= piece.sql.end && rows.end <= piece.raw.end));
                at = piece.raw.end;
            }
            prop_assert_eq!(at, text.len());
        }
    }

    /// What is cut off is one statement: cut again, by itself, it stays whole.
    #[test]
    fn a_statement_cut_again_stays_whole(text in sql_soup()) {
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            let Ok(pieces) = split(&text, dialect) else { continue };
            for piece in pieces.iter().filter(|piece| !piece.sql.is_empty() && piece.rows.is_none()) {
                let sql = &text[piece.sql.clone()];
                prop_assert_eq!(statements(sql, dialect), vec![sql.to_owned()]);
            }
        }
    }

    #[test]
    fn quoted_statements_come_back_whole(inner in "[a-z;'$\\n -]{0,20}", count in 1usize..5) {
        let statement = format!("SELECT '{}' AS x", inner.replace('\'', "''"));
        let text = vec![statement.clone(); count].join(";\n");
        for dialect in EVERY {
            prop_assert_eq!(statements(&text, dialect), vec![statement.clone(); count]);
        }
    }
}

#[test]
fn what_defeats_other_splitters() {
    check(
        Dialect::Postgres,
        &[
            "CREATE TABLE \"begin\" (\"end\" int, atomic int, \"case\" int);¦ SELECT \"end\" FROM \"begin\";",
            "SELECT 1 AS begin, 2 AS atomic;¦ SELECT 1 AS case;",
            "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE a WHEN 1 THEN CASE WHEN true THEN 2 END END; END;¦ SELECT 3;",
            "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN NULL; END';¦ CALL p();",
            "SELECT $$a$$ || $b$;$$;$b$;¦ SELECT 2;",
            "SELECT e'\\''';' , 1;¦ SELECT '\\';¦ SELECT 3;",
            "SELECT /* outer /* inner; */ still; */ 1;¦ SELECT 2;",
            "SELECT 1 -- don't; stop\n + 1;¦ SELECT 2;",
            "GRANT SELECT ON TABLE t TO r;¦ REVOKE ALL ON t FROM stdin;¦ SELECT 1;",
            "SELECT '{\"a\": \"${x};\"}'::jsonb -> 'a';¦ SELECT 2;",
        ],
    );
    check(
        Dialect::Sqlite,
        &[
            "CREATE TABLE begin_end (\"end\" int, [case] int);¦ SELECT \"end\" FROM begin_end;",
            "CREATE TRIGGER IF NOT EXISTS t AFTER UPDATE OF a ON b FOR EACH ROW WHEN old.a <> CASE new.a WHEN 1 THEN 2 END BEGIN DELETE FROM c; INSERT INTO c VALUES (';'); END;¦ SELECT 1;",
            "BEGIN;¦ CREATE TABLE a (b);¦ COMMIT;¦ SELECT 1;",
            "SELECT CASE WHEN 1 THEN 'end;' END;¦ SELECT 2;",
        ],
    );
}

mod linear;
mod mysql;
mod programs;
