//! PostgreSQL.

use super::{Case, Refused, check, refuse};
use crate::support::postgres::{Cluster, cluster, name_of, newer_cluster};

async fn cases(cluster: Option<&'static Cluster>) {
    let Some(cluster) = cluster else { return };
    let database = cluster.fresh();
    let ask = |sql: &str| cluster.psql(name_of(&database), sql).replace('\n', " ");
    let all: Vec<&Case> = CASES.iter().collect();
    check(&database, &all, &format!("PostgreSQL {}", cluster.major), ask).await;
}

#[tokio::test]
async fn scripts_that_defeat_splitters() {
    cases(cluster()).await;
}

#[tokio::test]
async fn scripts_that_defeat_splitters_on_a_newer_server() {
    cases(newer_cluster()).await;
}

#[tokio::test]
async fn scripts_that_are_no_sql() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.fresh();
    refuse(&database, REFUSED, |sql| cluster.psql(name_of(&database), sql)).await;
}

const CASES: &[Case] = &[
    Case {
        name: "305 a dollar quote within a dollar quote",
        script: "CREATE OR REPLACE FUNCTION f305()\n  RETURNS void AS $$\nDECLARE\n  v varchar = 'abc';\nBEGIN\n  EXECUTE 'CREATE OR REPLACE FUNCTION g305() RETURNS text AS $BODY$\n  DECLARE\n    v varchar = ''abc1'';\n  BEGIN\n    RETURN v;\n  END\n  $BODY$ LANGUAGE plpgsql;';\nEND;\n$$ LANGUAGE plpgsql;\nSELECT f305();\nCREATE TABLE t305 (a text DEFAULT $q$;$$;$q$ || $$;$a$;$$);",
        ask: "INSERT INTO t305 DEFAULT VALUES; SELECT g305(), a FROM t305",
        answer: "abc1|;$$;;$a$;",
    },
    Case {
        name: "1238 escaped strings before a body",
        script: "CREATE TABLE t1238 (\n  id        SERIAL PRIMARY KEY,\n  f TEXT CHECK (f ~ E'.')\n);\n\nCREATE OR REPLACE FUNCTION f1238()\n  RETURNS TEXT AS $$\nBEGIN\n  RETURN E'fo\\'o;';\nEND;\n$$ LANGUAGE 'plpgsql';\n",
        ask: "SELECT f1238()",
        answer: "fo'o;",
    },
    Case {
        name: "863 rows of COPY",
        script: "CREATE TABLE t863 (a int, b text);\nCOPY t863 (a, b) FROM STDIN; -- what follows is 'data\n1\tit's; so\n2\t\\N\n3\t$$ /* \\\\. */ -- E'\n\\.\ncopy t863 from stdin with (format csv, header);\na,b\n4,\"x;\ny\"\n\\.\nCOPY t863 FROM STDIN (DELIMITER ';');\n\\.\nCOPY t863 (a)\n  FROM STDIN\n;\n5\n\\.\nINSERT INTO t863 VALUES (6, 'end');",
        ask: "SELECT string_agg(a || '=' || coalesce(replace(b, chr(10), '!'), '-'), '~' ORDER BY a) FROM t863",
        answer: "1=it's; so~2=-~3=$$ /* \\. */ -- E'~4=x;!y~5=-~6=end",
    },
    Case {
        name: "1446 casts in brackets before COPY",
        script: "CREATE DOMAIN d1446 AS CHARACTER(3)\nCONSTRAINT c1446 CHECK (((VALUE) :: TEXT = ANY (ARRAY ['FOO' :: TEXT, 'BAR' :: TEXT])));\n\nCREATE TABLE t1446 (\n  id          SERIAL PRIMARY KEY,\n  c TEXT\n);\n\nCOPY t1446 (id, c) FROM stdin;\r\n1\tfoobar\r\n\\.\r\nCREATE TABLE u1446 (a d1446);\r\n",
        ask: "SELECT c, to_regclass('u1446') FROM t1446",
        answer: "foobar|u1446",
    },
    Case {
        name: "3643 bodies of the standard",
        script: "CREATE FUNCTION f3643(OUT rval int) RETURNS int\nLANGUAGE sql\nAS 'SELECT 1;';\nCREATE FUNCTION g3643(OUT rval int) RETURNS int\nLANGUAGE sql\nBEGIN ATOMIC\n  SELECT 1;\n  SELECT 2;\nEND;\nCREATE FUNCTION h3643() RETURNS int RETURN 3;\nCREATE TABLE t3643 (a int);",
        ask: "SELECT f3643(), g3643(), h3643()",
        answer: "1|2|3",
    },
    Case {
        name: "3703 a procedure of the standard with choices and names like keywords",
        script: "create table t3703 (begin int, atomic int, \"end\" int);\ncreate procedure p3703()\nlanguage sql\nbegin atomic\n\n    insert into t3703 select 1, case when true then case 1 when 1 then 2 end else 0 end as atomic, 3 as end;\n    update t3703 set begin = t3703.end, atomic = t3703.begin;\n\nend;\ncreate table u3703 (a int);\ncall p3703();",
        ask: "SELECT begin, atomic, \"end\", to_regclass('u3703') FROM t3703",
        answer: "3|1|3|u3703",
    },
    Case {
        name: "strings of every kind",
        script: "CREATE TABLE strings (a text, \"b;\"\"c\" text, c text, d text, e bit(4), f text);\nINSERT INTO strings VALUES ('back\\', E'it\\'s; so', U&'d\\0061t\\+000061;', e'one\\\\' -- one; it's\n  'two\\';', B'0101', N'n;');\nCREATE TABLE U&\"d\\0061t;a\" (x bytea DEFAULT '\\x3b', y text DEFAULT X'3b'::text);",
        ask: "SELECT s.*, to_regclass('\"dat;a\"') FROM strings s",
        answer: "back\\|it's; so|data;|one\\two';|0101|n;|\"dat;a\"",
    },
    Case {
        name: "comments in comments and in everything",
        script: "/* a /* b; */ c; */ CREATE TABLE remarks (a int /* x /* ' */ $$ */, -- don't; stop\n b text DEFAULT '/* -- ');\n-- the last one; is 'open\nINSERT INTO remarks VALUES (5 - -3);\n/* SELECT nope; */",
        ask: "SELECT a, b FROM remarks",
        answer: "8|/* -- ",
    },
    Case {
        name: "dollars that quote nothing",
        script: "CREATE TABLE dollars (a$b int, c money);\nPREPARE q(int, text) AS INSERT INTO dollars VALUES ($1, $2::money);EXECUTE q(3, '$5');\nDEALLOCATE q;\nDO $ä_1$ BEGIN PERFORM $$;$$; /* $ä_1 */ INSERT INTO dollars VALUES (4); END $ä_1$;\nSELECT a$b FROM dollars;",
        ask: "SELECT string_agg(a$b::text, ',' ORDER BY a$b) FROM dollars",
        answer: "3,4",
    },
    Case {
        name: "rules and triggers",
        script: "CREATE TABLE ruled (a int);\nCREATE TABLE other_ruled (a int);\nCREATE RULE r AS ON INSERT TO ruled DO ALSO (INSERT INTO other_ruled VALUES (NEW.a); INSERT INTO other_ruled VALUES (NEW.a + 1));\nINSERT INTO ruled VALUES (1);\nCREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.a := CASE WHEN NEW.a > 1 THEN 9 ELSE NEW.a END; RETURN NEW; END';\nCREATE TRIGGER tr BEFORE INSERT ON other_ruled FOR EACH ROW EXECUTE FUNCTION tf();\nINSERT INTO ruled VALUES (2);",
        ask: "SELECT string_agg(a::text, ',' ORDER BY a) FROM other_ruled",
        answer: "1,2,9,9",
    },
    Case {
        name: "arrays, operators and JSON",
        script: "CREATE TABLE ops (a int[], j jsonb, s text);\nINSERT INTO ops VALUES (ARRAY[1, 2], '{\"a\": [\"x;\", {\"b\": \"$$\"}]}', 'it''s');\nUPDATE ops SET a[1] = 3 WHERE j @> '{\"a\": [\"x;\"]}' AND j -> 'a' ->> 0 = 'x;' AND s !~ '^;' AND j ? 'a';\nCREATE OPERATOR #-# (FUNCTION = int4mi, LEFTARG = int, RIGHTARG = int);\nUPDATE ops SET a[2] = 7 #-# 3;",
        ask: "SELECT a FROM ops",
        answer: "{3,4}",
    },
    Case {
        name: "its own transaction and what cannot be in one",
        script: "BEGIN;\nCREATE TABLE own_tx (a int);\nSAVEPOINT s; INSERT INTO own_tx VALUES (1); ROLLBACK TO s;\nINSERT INTO own_tx VALUES (2);\nEND;\nCREATE INDEX CONCURRENTLY own_tx_i ON own_tx (a);\nSTART TRANSACTION; INSERT INTO own_tx VALUES (3); COMMIT;",
        ask: "SELECT string_agg(a::text, ',' ORDER BY a), to_regclass('own_tx_i') FROM own_tx",
        answer: "2,3|own_tx_i",
    },
    Case {
        name: "a last statement without an end, behind empty ones",
        script: ";;\n; CREATE TABLE semis (a int);;;\n/* ; */ ; INSERT INTO semis VALUES (1)",
        ask: "SELECT a FROM semis",
        answer: "1",
    },
];

const REFUSED: &[Refused] = &[
    Refused {
        script: "\\restrict aBcD\nSELECT 1;",
        line: 1,
        why: "a command of the psql client (a backslash outside quotes) is not SQL",
    },
    Refused {
        script: "SELECT 1;\n\\connect other\n",
        line: 2,
        why: "a command of the psql client (a backslash outside quotes) is not SQL",
    },
    Refused { script: "SELECT 1;\n/* a /* b */\n", line: 2, why: "a comment never ends" },
    Refused { script: "\nDO $a$ BEGIN $b$;", line: 2, why: "the body in $a$ never ends" },
    Refused { script: "COPY t FROM STDIN;\n1\n", line: 1, why: "the rows after `COPY … FROM STDIN;` have no closing `\\.`" },
    Refused { script: "SELECT 1;\nSELECT E'x\\';", line: 2, why: "a string never ends" },
];
