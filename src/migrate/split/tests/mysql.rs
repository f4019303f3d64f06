//! MySQL and MariaDB: where a statement ends.
use super::*;

/// Cut where the bars stand; what is cut off is compared without its delimiter and the `DELIMITER` lines.
fn cut(case: &str, delimiter: &str) {
    let text = case.replace('¦', "");
    let command = |line: &&str| !line.trim_start().to_lowercase().starts_with("delimiter ");
    let part = |part: &str| {
        let lines: Vec<&str> = part.split('\n').filter(command).collect();
        let part = lines.join("\n");
        let part = part.trim();
        part.strip_suffix(delimiter).unwrap_or(part.trim_end_matches(';')).trim_end().to_owned()
    };
    let expected: Vec<String> = case.split('¦').map(part).filter(|part| !part.is_empty()).collect();
    assert_eq!(statements(&text, Dialect::MySql), expected, "{case}");
}

#[test]
fn strings_names_and_comments_as_the_server_reads_them() {
    check(
        Dialect::MySql,
        &[
            "SELECT 'a\\'; b';¦ SELECT \"a\\\"; b\";¦ SELECT 'c:\\\\';¦ SELECT 2;",
            "SELECT 'a''; b', \"c\"\"; d\", `e``; f`;¦ SELECT 2;",
            "SELECT `back\\`;¦ SELECT 2;",
            "SELECT 1 # ; no end\n + 1;¦ SELECT 2;",
            "SELECT 1 -- ; no end\n + 1;¦ SELECT 2;",
            "SELECT 5--3;¦ SELECT 5--\t; no end\n + 1;",
            "SELECT 1 /* a /* ; not nested */ + 1;¦ SELECT 2;",
            "SELECT /*+ NO_INDEX(t) */ 1;¦ SELECT 2;",
            "SELECT N'x;', _utf8mb4'y;', x'00', b'1', \\N, @`v;`, @@sql_mode;¦ SELECT 2;",
            "/*!40101 SET NAMES utf8mb4 */;¦ /*!50003 SELECT 1; SELECT 2 */;¦ SELECT 3;",
            "SELECT 1 /*! + 1; + 2 */ ;¦ SELECT /*M!100100 ';*/' */ 4;¦ SELECT 5;",
            "/*!40000 ALTER TABLE t DISABLE KEYS */;¦ INSERT INTO t VALUES ('/*!');¦ SELECT '*/';",
            "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN SET @a = 1; /* ; */ END */;¦ SELECT 1;",
            "BEGIN;¦ INSERT INTO t VALUES (1);¦ COMMIT;¦ START TRANSACTION;¦ ROLLBACK;",
        ],
    );
    // A version that no server has: a comment everywhere, whatever is in it.
    assert_eq!(statements("/*M!999999\\- enable the sandbox mode */ \nSELECT 1;", Dialect::MySql), ["SELECT 1"]);
    assert_eq!(statements("/*!999999 don't */; SELECT 1;", Dialect::MySql), ["SELECT 1"]);
}

#[test]
fn the_delimiter_is_what_the_client_was_told() {
    for (case, delimiter) in [
        ("DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; SELECT '//'; END//¦\nDELIMITER ;\nSELECT 2;¦ SELECT 3;", "//"),
        (
            "delimiter $$\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.x = 1; $$¦\nSELECT a$b$$¦ DELIMITER ;\nSELECT 2",
            "$$",
        ),
        ("DELIMITER $$\nCREATE FUNCTION f() RETURNS INT RETURN 1;\nEND$$¦\nDELIMITER ;\n", "$$"),
        (
            "DELIMITER ;;\n/*!50003 CREATE*/ /*!50003 TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET @x = 1; END */;;¦\nDELIMITER ;\n",
            ";;",
        ),
        ("DELIMITER |\nSELECT 1 | ¦SELECT 2\n|¦ DELIMITER ;\nSELECT 3;", "|"),
        ("DELIMITER EOF\nSELECT EOFX; SELECT 1\nEOF\n¦DELIMITER ;\nSELECT 3;", "EOF"),
        ("DELIMITER #\nSELECT 1 # ¦SELECT 2 # ¦\nDELIMITER ;\nSELECT 3;", "#"),
        // The delimiter on the line after, and a last statement without one.
        ("DELIMITER $$\nSELECT 1\n$$\n¦SELECT 2", "$$"),
        // A second DELIMITER without a statement between; one behind a comment.
        ("DELIMITER //\nDELIMITER ;\nDELIMITER //\nSELECT 1;//¦\n", "//"),
    ] {
        cut(case, delimiter);
    }
    let cases = [
        ("SELECT 1;\nSELECT 2\nDELIMITER //\n", 3, "the delimiter is changed in the middle of a statement"),
        ("DELIMITER\nSELECT 1;", 1, "`DELIMITER` is followed by nothing"),
        ("SELECT 1;\nSELECT 1 \\G\n", 2, "a command of the mysql client (a backslash outside quotes) is not SQL"),
        ("SELECT 1;\n\nSELECT `x", 3, "a quoted name never ends"),
        ("/*!50003 SELECT 1;", 1, "a comment never ends"),
        ("SELECT 1; /* ", 1, "a comment never ends"),
        ("SELECT 1;\nCREATE PROCEDURE p() BEGIN SELECT 1;\nSELECT 2;", 2, "a block of a stored program never ends"),
    ];
    for (text, line, what) in cases {
        assert_eq!(split(text, Dialect::MySql), Err(SplitError { line, what: what.to_owned() }), "{text:?}");
    }
    let long = format!("DELIMITER {}\nSELECT 1;", "$".repeat(65));
    assert_eq!(split(&long, Dialect::MySql).unwrap_err().what, "a delimiter cannot have more than 64 bytes");
    // A column of that name is none of the client's business.
    assert_eq!(
        statements("CREATE TABLE t (a int,\n  delimiter varchar(10)\n);\nSELECT\ndelimiter, 1 FROM t;", Dialect::MySql).len(),
        2
    );
}

#[test]
fn stored_programs_without_a_delimiter_end_with_their_blocks() {
    check(
        Dialect::MySql,
        &[
            "CREATE PROCEDURE p() SELECT 1;¦ SELECT 2;",
            "CREATE PROCEDURE p() BEGIN END;¦ SELECT 2;",
            "CREATE DEFINER=`root`@`%` PROCEDURE p(IN a INT) COMMENT 'x; y' BEGIN SELECT 1; SELECT 2; END;¦ SELECT 3;",
            "CREATE DEFINER=CURRENT_USER() FUNCTION f() RETURNS INT DETERMINISTIC BEGIN RETURN (SELECT CASE WHEN 1 THEN 2 END); END;¦ SELECT 3;",
            "create trigger t before insert on a for each row begin set new.x = if(new.y, 1, 2); end;¦ select 3;",
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM a; DELETE FROM b; END;¦ SELECT 1;",
            "ALTER EVENT e DO BEGIN SELECT 1; END;¦ SELECT 1;",
            "CREATE PROCEDURE p() BEGIN IF a THEN SELECT 1; ELSEIF b THEN SELECT 2; ELSE SELECT 3; END IF; END;¦ SELECT 1;",
            "CREATE PROCEDURE p() BEGIN IF a THEN IF b THEN SELECT 1; END IF; ELSE IF c THEN SELECT 2; END IF; END IF; END;¦ SELECT 1;",
            "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN SELECT 1; WHEN IF(b, 1, 2) THEN SELECT 2; ELSE BEGIN END; END CASE; END;¦ SELECT 1;",
            "CREATE PROCEDURE p() BEGIN l: LOOP LEAVE l; END LOOP l; WHILE a DO SELECT 1; END WHILE; REPEAT SELECT REPEAT('x', 2); UNTIL b END REPEAT; END;¦ SELECT 1;",
            "CREATE PROCEDURE p() l: BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; DECLARE CONTINUE HANDLER FOR NOT FOUND SET @d = 1; START TRANSACTION; COMMIT; END l;¦ SELECT 1;",
            "CREATE PROCEDURE p() BEGIN DECLARE c CURSOR FOR SELECT 1; SELECT a FROM t FOR UPDATE; SELECT IF(a, b, c), CASE WHEN d THEN e ELSE IF(f, 1, 2) END FROM t; END;¦ SELECT 1;",
            "CREATE PROCEDURE p() BEGIN SET @x = CASE WHEN a THEN CASE b WHEN 1 THEN 2 END ELSE 3 END; SELECT @begin, t.end, `end`; END;¦ SELECT 1;",
            "CREATE PROCEDURE p() BEGIN DROP TABLE IF EXISTS t; CREATE TABLE IF NOT EXISTS t (a int); IF NOT EXISTS (SELECT 1) THEN SELECT 1; END IF; END;¦ SELECT 1;",
            "CREATE TRIGGER IF NOT EXISTS t BEFORE INSERT ON a FOR EACH ROW FOLLOWS u BEGIN SELECT 1; END;¦ SELECT 1;",
            "CREATE FUNCTION f RETURNS STRING SONAME 'f.so';¦ SELECT 1;",
            // Not programs: nothing in them is a block.
            "CREATE TABLE IF NOT EXISTS t (begin_at int, `end` int);¦ SELECT CASE WHEN 1 THEN 2 END;¦ DROP PROCEDURE IF EXISTS p;¦ SELECT 1;",
            "CREATE USER event;¦ SELECT 1;",
            // MariaDB's compound statements.
            "BEGIN NOT ATOMIC SELECT 1; IF a THEN SELECT 2; END IF; END;¦ SELECT 3;",
            "IF a THEN SELECT 1; END IF;¦ FOR i IN 1..3 DO SELECT i; END FOR;¦ SELECT 3;",
            "CREATE PROCEDURE p() BEGIN FOR r IN (SELECT 1 AS a) DO SELECT r.a; END FOR; END;¦ SELECT 1;",
            "CREATE OR REPLACE PACKAGE k PROCEDURE a(); FUNCTION b() RETURNS INT; END;¦ SELECT 1;",
        ],
    );
}

#[test]
fn two_dashes_are_a_comment_where_no_statement_was_begun() {
    check(Dialect::MySql, &["SELECT 5--3;¦ SELECT 1;", "SELECT 2 */* two */ 3;¦ SELECT 7 /*/ ; /*/ + 1;"]);
    assert_eq!(statements("--a; remark\nSELECT 5--3; --don't\n--", Dialect::MySql), ["SELECT 5--3"]);
}

#[test]
fn several_statements_between_two_delimiters_are_known() {
    let several = |text: &str| split(text, Dialect::MySql).unwrap().iter().any(|piece| piece.several);
    for text in [
        "DELIMITER $$\nINSERT INTO a VALUES (1); ALTER TABLE b ADD c int$$",
        "DELIMITER $$\nDROP PROCEDURE IF EXISTS p; CREATE PROCEDURE p() BEGIN SELECT 1; END$$",
        "DELIMITER //\nUSE a; SELECT 1;//",
    ] {
        assert!(several(text), "{text}");
    }
    for text in [
        "INSERT INTO a VALUES (1); ALTER TABLE b ADD c int;",
        "DELIMITER $$\nINSERT INTO a VALUES (1);$$\nALTER TABLE b ADD c int; $$",
        "DELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END$$",
        "DELIMITER $$\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET @a = 1; SET @b = 2; END;$$",
        "DELIMITER $$\nBEGIN NOT ATOMIC SELECT 1; SELECT 2; END$$",
        "/*!40101 SET NAMES utf8mb4; */;",
    ] {
        assert!(!several(text), "{text}");
    }
}
