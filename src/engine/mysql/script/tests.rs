use rstest::rstest;

use super::super::split::Splitter;
use super::*;

fn object(kind: Kind, name: &str, sql: &str) -> Definition {
    let context = match kind {
        Kind::Table | Kind::Sequence => Context::default(),
        _ => Context {
            sql_mode: "ANSI_QUOTES".to_owned(),
            client: "latin1".to_owned(),
            connection: "latin1_swedish_ci".to_owned(),
            database: "utf8mb4_bin".to_owned(),
            time_zone: String::new(),
        },
    };
    Definition { kind, name: name.to_owned(), sql: sql.to_owned(), context, broken: None }
}

fn schema(objects: Vec<Definition>) -> Schema {
    Schema { charset: "utf8mb4".to_owned(), collation: "utf8mb4_bin".to_owned(), objects, ..Schema::default() }
}

#[test]
fn a_body_stands_between_delimiters_and_its_settings() {
    let text =
        after(&schema(vec![object(Kind::Procedure, "p", "CREATE PROCEDURE `p`()\nBEGIN SELECT 1; END")]), &[], &[]).unwrap();
    assert_eq!(
        text,
        "SET character_set_client = latin1, collation_connection = latin1_swedish_ci, SESSION sql_mode = 'ANSI_QUOTES';\n\
         DELIMITER ;;\nCREATE PROCEDURE `p`()\nBEGIN SELECT 1; END\n;;\nDELIMITER ;\n\
         SET NAMES utf8mb4, SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00';\n\n"
    );
}

#[test]
fn an_object_keeps_the_collation_its_database_had() {
    let mut function = object(Kind::Function, "f", "CREATE FUNCTION `f`() RETURNS int return 1");
    function.context.database = "latin1_bin".to_owned();
    let text = after(&schema(vec![function]), &[], &[]).unwrap();
    assert!(text.starts_with("ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_bin;\n"), "{text}");
    assert!(text.ends_with("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;\n\n"), "{text}");
}

#[test]
fn what_is_not_ascii_is_sent_as_what_it_is() {
    let text =
        after(&schema(vec![object(Kind::Function, "f", "CREATE FUNCTION `f`() RETURNS text return 'ü'")]), &[], &[]).unwrap();
    assert!(text.starts_with("SET character_set_client = utf8mb4, "), "{text}");
}

#[rstest]
#[case::none("BEGIN SELECT 1; END", ";;")]
#[case::one("BEGIN SELECT 1\n;\nEND", ";;")]
#[case::with_more("SELECT '\n ;;\n;; x'", ";;")]
#[case::two("SELECT '\n;;\n'", ";;;")]
#[case::blanks_behind("SELECT '\n;; \t\n'", ";;;")]
#[case::carriage_return("SELECT '\r\n;;\r\n'", ";;;")]
#[case::several("SELECT '\n;;;;\n;;\n'", ";;;;;")]
#[case::longest("SELECT '\n;;;;;;;;;;;;;;\n'", ";;;;;;;;;;;;;;;")]
fn a_line_that_looks_like_the_end_gets_another_end(#[case] body: &str, #[case] delimiter: &str) {
    let sql = format!("CREATE PROCEDURE p()\n{body}");
    let text = after(&schema(vec![object(Kind::Procedure, "p", &sql)]), &[], &[]).unwrap();
    assert!(text.contains(&format!("\nDELIMITER {delimiter}\n{sql}\n{delimiter}\nDELIMITER ;\n")), "{text}");
    let mut splitter = Splitter::new();
    let mut statements = splitter.push(text.as_bytes());
    statements.extend(splitter.finish());
    assert!(statements.iter().any(|statement| statement == sql.as_bytes()), "{text}");
}

#[test]
fn a_line_that_no_end_differs_from_is_refused() {
    let sql = format!("CREATE PROCEDURE p()\nSELECT '\n{}\n'", ";".repeat(15));
    let error = after(&schema(vec![object(Kind::Procedure, "p", &sql)]), &[], &[]).unwrap_err();
    assert!(error.to_string().contains("only semicolons"), "{error}");
}

#[test]
fn only_large_tables_that_nothing_refers_to_get_their_indexes_later() {
    let table = |name: &str, more: &str| {
        let sql = format!("CREATE TABLE `{name}` (\n  `a` int,\n  KEY `k` (`a`){more}\n) ENGINE=InnoDB");
        object(Kind::Table, name, &sql)
    };
    let foreign = ",\n  CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `referred` (`a`)";
    let schema = schema(vec![table("large", ""), table("refers", foreign), table("referred", ""), table("small", "")]);
    let large = ["large", "refers", "referred"].map(str::to_owned);
    assert_eq!(after(&schema, &large, &[]).unwrap(), "ALTER TABLE `large`\n  ADD KEY `k` (`a`);\n\n");
    assert_eq!(before(&schema, &large, &Making::default()).unwrap().matches("\n  KEY `k`").count(), 3);
}

#[test]
fn views_come_after_those_they_read() {
    let view = |name: &str, body: &str| object(Kind::View, name, &format!("CREATE VIEW `{name}` AS {body}"));
    let views = [
        view("a", "select `b`.`c` AS `c` from `b`"),
        view("b", "select `c`.`a` AS `a` from (`c` join `t`)"),
        view("c", "select 1 AS `a`"),
    ];
    let order: Vec<String> = ordered(&views).into_iter().map(|view| view.name).collect();
    assert_eq!(order, ["c", "b", "a"]);
}

#[test]
fn counters_are_brought_to_where_they_were() {
    let sql =
        "CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT\n) ENGINE=InnoDB AUTO_INCREMENT=42 DEFAULT CHARSET=utf8mb4";
    let schema = schema(vec![object(Kind::Table, "t`", sql)]);
    let sequence = |is_within, round| Sequence { name: "s".to_owned(), next: 7, is_within, round, cycles: true };
    let text = counters(&schema, &[sequence(true, 0)]);
    assert_eq!(text, "ALTER TABLE `t``` AUTO_INCREMENT = 42;\nALTER SEQUENCE `s` RESTART 7;\n\n");
    let text = counters(&Schema::default(), &[sequence(true, 1), sequence(false, 0)]);
    assert_eq!(text, "ALTER SEQUENCE `s` RESTART 7;\nDO SETVAL(`s`, 7, 0, 1);\nDO SETVAL(`s`, 7, 0, 0);\n\n");
}

#[test]
fn definers_are_those_of_the_heads() {
    let schema = schema(vec![
        object(Kind::View, "v", "CREATE ALGORITHM=MERGE DEFINER=`app`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1"),
        object(Kind::Trigger, "t", "CREATE DEFINER=`root`@`localhost` TRIGGER `t` BEFORE INSERT ON `a`"),
        object(Kind::Function, "f", "CREATE DEFINER=\"x\"@\"y\" FUNCTION \"f\"() RETURNS int return 1"),
        object(Kind::Procedure, "p", "CREATE PROCEDURE `p`()\nselect 'DEFINER=`x`@`y`'"),
    ]);
    assert_eq!(definers(&schema), ["\"x\"@\"y\"", "`app`@`%`", "`root`@`localhost`"]);
}

#[test]
fn the_header_is_undone_by_the_trailer() {
    let (head, tail) = (
        header(&["shop".to_owned()], Needs { history: true, keyless: true, checks: true, foreign: true }),
        trailer(&schema(Vec::new())).unwrap(),
    );
    for (name, _) in SETTINGS {
        assert!(head.contains(&format!("@upkeep_{name} = @@SESSION.{name}")), "{name}");
        assert!(tail.contains(&format!("SET SESSION {name} = @upkeep_{name};")), "{name}");
    }
    assert!(head.starts_with("-- shop\n") && head.contains("system_versioning_insert_history"));
    assert!(!header(&[], Needs::default()).contains("/*"));
}
