//! Migrations on real MySQL and MariaDB servers.

use std::os::unix::process::ExitStatusExt;

use upkeep::config::{Database, Location, Migrations};
use upkeep::failure::Explain;
use upkeep::migrate::{self, ApplyError, Info, MigrateError, Report};
use upkeep::progress::Progress;

use crate::support::mysql::{Server, Which, name_of, on_every_server, server};
use crate::support::scripts::{put, settings};

/// A release folder and a fresh database.
struct Place {
    server: &'static Server,
    database: Database,
    root: tempfile::TempDir,
    settings: Migrations,
}

impl Place {
    fn new(server: &'static Server, scripts: &[(&str, &str)]) -> Self {
        let place = Self { server, database: server.fresh(), root: tempfile::tempdir().unwrap(), settings: settings() };
        place.sql(&format!("ALTER DATABASE {} CHARACTER SET utf8mb4", place.name()));
        for (path, text) in scripts {
            place.put(path, text);
        }
        std::fs::create_dir_all(place.root.path().join("sql")).unwrap();
        place
    }

    fn put(&self, path: &str, text: &str) {
        put(self.root.path(), &format!("sql/{path}"), text);
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.root.path().join("sql").join(path)).unwrap();
    }

    async fn apply(&self) -> Result<Report, ApplyError> {
        migrate::apply(&self.database, &self.settings, self.root.path(), &Progress::default()).await
    }

    async fn info(&self) -> Info {
        migrate::info(&self.database, &self.settings, self.root.path()).await.unwrap()
    }

    fn name(&self) -> &str {
        name_of(&self.database)
    }

    #[track_caller]
    fn sql(&self, sql: &str) -> String {
        self.server.sql(self.name(), sql).replace('\t', "|").replace('\n', " ")
    }

    fn history(&self) -> String {
        self.sql("SELECT CONCAT_WS('|', installed_rank, version, type, script, success) FROM flyway_schema_history ORDER BY installed_rank")
    }

    fn tables(&self) -> String {
        self.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY BINARY table_name")
    }
}

fn scripts(report: &Report) -> Vec<&str> {
    report.applied.iter().map(|script| script.script.as_str()).collect()
}

fn problems(error: &MigrateError) -> Vec<String> {
    match error {
        MigrateError::Refused(problems) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("not a refusal: {other}"),
    }
}

const PROGRAMS: &str = "\
CREATE TABLE log (id int AUTO_INCREMENT PRIMARY KEY, what varchar(100)) ENGINE=InnoDB;
CREATE TRIGGER t AFTER UPDATE ON note FOR EACH ROW IF NEW.body <> OLD.body THEN INSERT INTO log (what) VALUES ('a;b'); INSERT INTO log (what) VALUES (\"c\\\";d\"); END IF;
CREATE PROCEDURE p(IN n int) BEGIN
  DECLARE i int DEFAULT 0;
  WHILE i < n DO SET i = i + 1; UPDATE note SET body = CONCAT(body, CASE WHEN i > 1 THEN '!' ELSE '?' END); END WHILE;
END;
DELIMITER $$
CREATE FUNCTION f() RETURNS int DETERMINISTIC
BEGIN
  RETURN 7; -- the end;
END$$
DELIMITER ;
/*!50003 CREATE*/ /*!50003 PROCEDURE q() BEGIN SELECT 1; SELECT 2; END */;
/*M!999999\\- enable the sandbox mode */
# a comment; or two
CALL p(2);
";

async fn new_database(server: &'static Server) {
    let place = Place::new(
        server,
        &[
            ("V1__init.sql", "CREATE TABLE note (id int PRIMARY KEY, body text);\nINSERT INTO note VALUES (1, 'it\\'s; so');"),
            ("V2__programs.sql", PROGRAMS),
            (
                "V3__rows.sql",
                "INSERT INTO note VALUES (2, 'zwei'), (3, '\u{1f600};');\nUPDATE note SET body = 'drei' WHERE id = 2;",
            ),
            ("R__views.sql", "CREATE OR REPLACE VIEW v AS SELECT count(*) AS n FROM note;"),
        ],
    );
    let report = place.apply().await.unwrap();
    assert_eq!(scripts(&report), ["V1__init.sql", "V2__programs.sql", "V3__rows.sql", "R__views.sql"]);
    assert_eq!(report.table, format!("{}.flyway_schema_history", place.name()));
    assert_eq!(report.head.as_deref(), Some("3"));
    assert_eq!(place.sql("SELECT body FROM note ORDER BY id"), "it's; so?! drei \u{1f600};");
    assert_eq!(place.sql("SELECT what FROM log ORDER BY id"), "a;b c\";d a;b c\";d a;b c\";d");
    assert_eq!(place.sql("SELECT f(), n FROM v"), "7|3");
    assert_eq!(
        place.history(),
        "1|1|SQL|V1__init.sql|1 2|2|SQL|V2__programs.sql|1 3|3|SQL|V3__rows.sql|1 4|SQL|R__views.sql|1"
    );
    assert_eq!(place.sql("SELECT DISTINCT installed_by, installed_on <= now() FROM flyway_schema_history"), "root|1");
    assert_eq!(
        place.sql("SELECT column_name, column_type, is_nullable FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'flyway_schema_history' ORDER BY ordinal_position").replace("int(11)", "int"),
        "installed_rank|int|NO version|varchar(50)|YES description|varchar(200)|NO type|varchar(20)|NO script|varchar(1000)|NO \
         checksum|int|YES installed_by|varchar(100)|NO installed_on|timestamp|NO execution_time|int|NO success|tinyint(1)|NO"
    );
    assert_eq!(
        place.sql("SELECT GROUP_CONCAT(DISTINCT index_name ORDER BY index_name = 'PRIMARY' DESC SEPARATOR ' ') FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'flyway_schema_history'"),
        "PRIMARY flyway_schema_history_s_idx"
    );
    assert_eq!(place.tables(), "flyway_schema_history log note v", "nothing of ours is left");
    assert!(place.info().await.in_step());
    assert_eq!(scripts(&place.apply().await.unwrap()), Vec::<&str>::new());
    place.put("R__views.sql", "CREATE OR REPLACE VIEW v AS SELECT count(*) AS n FROM note WHERE id > 1;");
    assert_eq!(scripts(&place.apply().await.unwrap()), ["R__views.sql"]);
}

async fn rows_alone_are_one_transaction(server: &'static Server) {
    let place = Place::new(
        server,
        &[
            ("V1__init.sql", "CREATE TABLE a (id int PRIMARY KEY);"),
            ("V2__broken.sql", "INSERT INTO a VALUES (1);\nSET @x = 2;\nINSERT INTO a\n  VALUES (@x),\n  (nope);"),
        ],
    );
    let failure = place.apply().await.unwrap_err();
    assert_eq!(scripts(&failure.report), ["V1__init.sql"]);
    assert_eq!(failure.to_string(), "V2__broken.sql line 5 (statement 3) failed", "the line that names what is not there");
    let said = std::error::Error::source(&failure).unwrap().to_string();
    assert!(said.starts_with("Unknown column 'nope' in ") && said.ends_with("(1054, 42S22)"), "{said}");
    assert!(failure.safe().unwrap().contains("rolled back"));
    assert_eq!((place.history().as_str(), place.sql("SELECT count(*) FROM a").as_str()), ("1|1|SQL|V1__init.sql|1", "0"));
    place.put("V2__broken.sql", "INSERT INTO a VALUES (1);\n\nINSERT INTO a\n  VALUES (2),\n  oops (3);");
    let failure = place.apply().await.unwrap_err();
    assert_eq!(failure.to_string(), "V2__broken.sql line 5 (statement 2) failed", "the line the server points to");
    place.put("V2__broken.sql", "INSERT INTO a VALUES (1);");
    place.apply().await.unwrap();
    assert_eq!(place.history(), "1|1|SQL|V1__init.sql|1 2|2|SQL|V2__broken.sql|1");
}

async fn resumed(server: &'static Server) {
    let place = Place::new(
        server,
        &[(
            "V1__half.sql",
            "CREATE TABLE a (id int PRIMARY KEY);\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);\nALTER TABLE a ADD b int;\n\
             UPDATE a SET b = id;\nALTER TABLE nowhere ADD b int;\nINSERT INTO a VALUES (3, 3);",
        )],
    );
    let failure = place.apply().await.unwrap_err();
    assert_eq!(failure.to_string(), "V1__half.sql line 6 (statement 6) failed");
    assert!(failure.safe().unwrap().contains("written down"), "{:?}", failure.safe());
    assert_eq!(place.history(), "1|1|SQL|V1__half.sql|0");
    assert_eq!(place.sql("SELECT id, b FROM a"), "1|1 2|2", "what came before the definition that failed is committed with it");
    assert_eq!(place.tables(), "a flyway_schema_history upkeep_migration_progress");
    let info = place.info().await;
    assert_eq!(
        info.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["migration 1 (V1__half.sql) stopped half-way"]
    );

    // Not mended: the same again, and nothing twice.
    assert_eq!(place.apply().await.unwrap_err().to_string(), "V1__half.sql line 6 (statement 6) failed");
    let text = std::fs::read_to_string(place.root.path().join("sql/V1__half.sql")).unwrap();
    place.put("V1__half.sql", &text.replace("(2)", "(9)").replace("nowhere", "a"));
    assert_eq!(
        problems(&place.apply().await.unwrap_err().error),
        ["V1__half.sql line 3: statement 3 had run and was changed since; only what comes after may be fixed"]
    );
    place.put(
        "V1__half.sql",
        &text.replace("ALTER TABLE nowhere ADD b int", "ALTER TABLE a ADD c int").replace("(3, 3)", "(3, 3, 3)"),
    );
    place.put("V2__next.sql", "CREATE TABLE n (a int);");
    assert_eq!(scripts(&place.apply().await.unwrap()), ["V1__half.sql", "V2__next.sql"]);
    assert_eq!(place.sql("SELECT id, b, c FROM a"), "1|1|NULL 2|2|NULL 3|3|3");
    assert_eq!(place.history(), "1|1|SQL|V1__half.sql|1 2|2|SQL|V2__next.sql|1");
    assert_eq!(place.tables(), "a flyway_schema_history n");
    assert!(place.info().await.in_step(), "the checksum is the fixed script's");
}

async fn first_statement_fails(server: &'static Server) {
    let place = Place::new(
        server,
        &[
            ("V1__a.sql", "CREATE TABLE a (id int);"),
            ("V2__b.sql", "SET @a = 1;\nALTER TABLE nowhere ADD b int;\nALTER TABLE a ADD b int;"),
        ],
    );
    let failure = place.apply().await.unwrap_err();
    assert!(failure.safe().unwrap().contains("rolled back"), "nothing took effect: {:?}", failure.safe());
    assert_eq!(place.history(), "1|1|SQL|V1__a.sql|1", "so nothing needs to be repaired");
    assert_eq!(place.tables(), "a flyway_schema_history");
}

async fn failed_row_of_somebody_else(server: &'static Server) {
    let place = Place::new(
        server,
        &[("V1__a.sql", "CREATE TABLE a (id int);"), ("V2__b.sql", "CREATE TABLE b (id int);\nCREATE TABLE a (id int);")],
    );
    assert_eq!(place.apply().await.unwrap_err().to_string(), "V2__b.sql line 2 (statement 2) failed");
    // As Flyway would after its own repair and a second failure: the row is new, and our marks are not about it.
    place.sql("DELETE FROM flyway_schema_history WHERE success = 0; INSERT INTO flyway_schema_history VALUES (2, '2', 'b', 'SQL', 'V2__b.sql', 0, 'x', now() + INTERVAL 1 DAY, 1, 0)");
    assert_eq!(problems(&place.apply().await.unwrap_err().error), ["migration 2 (V2__b.sql) failed earlier"]);
    let repaired = migrate::repair(&place.database, &place.settings, place.root.path()).await.unwrap();
    assert_eq!(repaired.removed, ["V2__b.sql"]);
    assert_eq!(place.tables(), "a b flyway_schema_history", "a repair forgets what was known");
    place.put("V2__b.sql", "CREATE TABLE IF NOT EXISTS b (id int);");
    place.apply().await.unwrap();
}

async fn a_dump_as_a_script(server: &'static Server) {
    let place = Place::new(server, &[]);
    place.put(
        "V1__dump.sql",
        "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n\
         /*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;\n\
         DROP TABLE IF EXISTS `t`;\nCREATE TABLE `t` (`a` int NOT NULL AUTO_INCREMENT, `b` text, PRIMARY KEY (`a`)) ENGINE=InnoDB;\n\
         LOCK TABLES `t` WRITE;\n/*!40000 ALTER TABLE `t` DISABLE KEYS */;\nset autocommit=0;\nINSERT INTO `t` VALUES (1,'x;'),(2,'y\\n');\n\
         INSERT INTO `t` VALUES (3,'bad',3);\n/*!40000 ALTER TABLE `t` ENABLE KEYS */;\nUNLOCK TABLES;\ncommit;\n\
         /*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;\n/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n",
    );
    assert_eq!(place.apply().await.unwrap_err().to_string(), "V1__dump.sql line 11 (statement 9) failed");
    let text = std::fs::read_to_string(place.root.path().join("sql/V1__dump.sql")).unwrap();
    place.put("V1__dump.sql", &text.replace("'bad',3", "'good'"));
    place.apply().await.unwrap();
    assert_eq!(place.sql("SELECT a, HEX(b) FROM t"), "1|783B 2|790A 3|676F6F64");
    assert_eq!(place.tables(), "flyway_schema_history t");
}

async fn sessions_are_the_servers_own(server: &'static Server) {
    let place = Place::new(
        server,
        &[
            (
                "V1__a.sql",
                "CREATE TABLE s (n int, v text);\nINSERT INTO s VALUES (1, CONCAT_WS(',', @@sql_mode = @@GLOBAL.sql_mode, @@time_zone = @@GLOBAL.time_zone, @@character_set_client, @@foreign_key_checks + 0));\nSET NAMES latin1; SET sql_mode = '', time_zone = '+05:00', foreign_key_checks = 0, @left = 1;",
            ),
            (
                "V2__b.sql",
                "INSERT INTO s VALUES (2, CONCAT_WS(',', @@sql_mode = @@GLOBAL.sql_mode, @@time_zone = @@GLOBAL.time_zone, @@character_set_client, @@foreign_key_checks + 0, @left));",
            ),
        ],
    );
    place.apply().await.unwrap();
    assert_eq!(
        place.sql("SELECT v FROM s ORDER BY n"),
        "1,1,utf8mb4,1 1,1,utf8mb4,1",
        "nothing of the driver's, nothing of the script before"
    );
}

async fn tables_that_no_transaction_takes_back(server: &'static Server) {
    let place = Place::new(
        server,
        &[
            ("V1__a.sql", "CREATE TABLE m (a int PRIMARY KEY) ENGINE=MyISAM;"),
            ("V2__b.sql", "INSERT INTO m VALUES (1);\nINSERT INTO m VALUES (2), (1);\nINSERT INTO m VALUES (3);"),
        ],
    );
    let failure = place.apply().await.unwrap_err();
    assert_eq!(failure.to_string(), "V2__b.sql line 2 (statement 2) failed");
    assert_eq!(place.sql("SELECT a FROM m ORDER BY a"), "1 2", "half of the statement stays");
    assert_eq!(place.history(), "1|1|SQL|V1__a.sql|1 2|2|SQL|V2__b.sql|0");
    assert_eq!(
        problems(&place.apply().await.unwrap_err().error),
        ["V2__b.sql line 2: statement 2 was begun, and whether it took effect cannot be told"]
    );
}

/// The journal writes rows of its own, in the script's own session.
async fn counts(server: &'static Server) {
    let script = "CREATE TABLE a (n int);\nINSERT INTO a VALUES (1), (2), (3);\nSET @made = ROW_COUNT();\nUPDATE a SET n = n + 10 WHERE n < 3;\n\
        INSERT INTO a SELECT ROW_COUNT() * 100;\nALTER TABLE a ADD KEY (n);\nINSERT INTO a VALUES (@made * 1000);";
    let place = Place::new(server, &[("V1__a.sql", script)]);
    place.apply().await.unwrap();
    assert_eq!(place.sql("SELECT n FROM a ORDER BY n"), "3 11 12 200 3000");
}

/// As a repair does, which waits for nobody.
async fn row_removed_meanwhile(server: &'static Server) {
    let script = "CREATE TABLE a (n int);\nDELETE FROM flyway_schema_history WHERE success = 0;\nINSERT INTO a VALUES (1);";
    let place = Place::new(server, &[("V1__a.sql", script)]);
    assert_eq!(scripts(&place.apply().await.unwrap()), ["V1__a.sql"]);
    assert_eq!(place.history(), "1|1|SQL|V1__a.sql|1");
    assert!(place.apply().await.unwrap().applied.is_empty());
    assert_eq!(place.sql("SELECT n FROM a"), "1");
}

async fn several_as_one(server: &'static Server) {
    let several = "DELIMITER $$\nINSERT INTO a VALUES (1); ALTER TABLE a ADD m int; SELECT * FROM nowhere$$\n";
    let place = Place::new(server, &[("V1__a.sql", "CREATE TABLE a (n int);"), ("V2__b.sql", several)]);
    assert_eq!(place.apply().await.unwrap_err().to_string(), "V2__b.sql line 2 (statement 1) failed");
    assert_eq!(place.history(), "1|1|SQL|V1__a.sql|1 2|2|SQL|V2__b.sql|0");
    assert_eq!(
        problems(&place.apply().await.unwrap_err().error),
        ["V2__b.sql line 2: statement 1 was begun, and whether it took effect cannot be told"]
    );
    assert_eq!(place.sql("SELECT n FROM a"), "1", "and nothing ran twice");
}

async fn companion_of_definitions(server: &'static Server) {
    let script = "INSERT INTO a VALUES (1);\nALTER TABLE a ADD m int;\nINSERT INTO nowhere VALUES (1);";
    let place = Place::new(server, &[("V1__a.sql", "CREATE TABLE a (n int);"), ("V2__b.sql", script)]);
    place.put("V2__b.sql.conf", "executeInTransaction=true");
    assert_eq!(place.apply().await.unwrap_err().to_string(), "V2__b.sql line 3 (statement 3) failed");
    assert_eq!(place.history(), "1|1|SQL|V1__a.sql|1 2|2|SQL|V2__b.sql|0");
    place.put("V2__b.sql", &script.replace("nowhere VALUES (1)", "a VALUES (2, 2)"));
    assert_eq!(scripts(&place.apply().await.unwrap()), ["V2__b.sql"]);
    assert_eq!(place.sql("SELECT n FROM a ORDER BY n"), "1 2");
}

async fn baseline(server: &'static Server) {
    let place = Place::new(server, &[("V1__a.sql", "CREATE TABLE a (a int);"), ("V2__b.sql", "CREATE TABLE b (a int);")]);
    place.sql("CREATE TABLE a (a int)");
    assert_eq!(problems(&place.apply().await.unwrap_err().error), ["the database has objects but no migration history"]);
    migrate::baseline(&place.database, &place.settings, place.root.path(), "1", None).await.unwrap();
    assert_eq!(place.history(), "1|1|BASELINE|<< Flyway Baseline >>|1");
    assert_eq!(scripts(&place.apply().await.unwrap()), ["V2__b.sql"]);
    assert_eq!(place.tables(), "a b flyway_schema_history");
}

async fn two_runs(server: &'static Server) {
    let place = Place::new(server, &[]);
    for n in 1..=6 {
        place.put(&format!("V{n}__t.sql"), &format!("CREATE TABLE t{n} (a int); INSERT INTO t{n} VALUES ({n});"));
    }
    let (a, b) = tokio::join!(place.apply(), place.apply());
    let applied: Vec<usize> = [a, b].into_iter().map(|report| report.unwrap().applied.len()).collect();
    assert_eq!(applied.iter().sum::<usize>(), 6, "{applied:?}");
    assert_eq!(place.sql("SELECT count(*) FROM flyway_schema_history"), "6");
}

async fn flyways_lock(server: &'static Server) {
    let place = Place::new(server, &[("V1__init.sql", "CREATE TABLE a (a int);")]);
    let table = format!("`{}`.`flyway_schema_history`", place.name());
    // Java's hash, reckoned here anew.
    let hash = table.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let mut holder = server.connect(place.name()).await;
    sqlx::query(sqlx::AssertSqlSafe(format!("SELECT GET_LOCK('Flyway-{hash}', 0)"))).execute(&mut holder).await.unwrap();
    let release = async {
        for _ in 0..500 {
            if place.sql("SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT GET\\_LOCK%'") != "0" {
                break;
            }
            tokio::task::yield_now().await;
        }
        sqlx::query("CREATE TABLE held (a int)").execute(&mut holder).await.unwrap();
        sqlx::Connection::close(holder).await.unwrap();
    };
    let (refused, ()) = tokio::join!(place.apply(), release);
    // The table made under the lock is seen, so we waited: without a baseline it is refused.
    assert_eq!(problems(&refused.unwrap_err().error), ["the database has objects but no migration history"]);
}

async fn missing_script_of_half_a_migration(server: &'static Server) {
    let place = Place::new(server, &[("V1__a.sql", "CREATE TABLE a (a int);\nALTER TABLE nowhere ADD b int;")]);
    place.apply().await.unwrap_err();
    place.remove("V1__a.sql");
    place.put("V2__b.sql", "CREATE TABLE b (a int);");
    let refused = place.apply().await.unwrap_err();
    assert!(problems(&refused.error).contains(&"migration 1 (V1__a.sql) failed earlier".to_owned()), "{refused}");
    assert_eq!(place.tables(), "a flyway_schema_history upkeep_migration_progress");
}

async fn another_tools_history(server: &'static Server) {
    let place = Place::new(server, &[("V1__a.sql", "CREATE TABLE a (a int);")]);
    place.sql("CREATE TABLE Alembic_Version (VERSION_NUM varchar(32))");
    let refused = place.apply().await.unwrap_err();
    assert_eq!(problems(&refused.error)[0], "the history of this database is kept by alembic in Alembic_Version");
    place.sql("DROP TABLE Alembic_Version");
    place.apply().await.unwrap();
    place.sql("CREATE TABLE server_change_log (installed_rank int, version varchar(256), migrationFileName varchar(256), checksum varchar(256), installed_on timestamp)");
    place.put("V2__b.sql", "CREATE TABLE b (a int);");
    let owned = "the history of this database is kept by openmetadata in server_change_log";
    assert_eq!(problems(&place.apply().await.unwrap_err().error), [owned]);
    let repair = migrate::repair(&place.database, &place.settings, place.root.path()).await;
    assert_eq!(problems(&repair.unwrap_err()), [owned]);
    assert_eq!(place.tables(), "a flyway_schema_history server_change_log");
}

async fn callbacks(server: &'static Server) {
    let place = Place::new(
        server,
        &[
            ("beforeMigrate.sql", "CREATE TABLE said (what varchar(40));"),
            ("beforeEachMigrate.sql", "INSERT INTO said VALUES ('before');"),
            ("afterEachMigrate.sql", "INSERT INTO said VALUES ('after');"),
            ("V1__rows.sql", "INSERT INTO said VALUES ('one');"),
            ("V2__definition.sql", "CREATE TABLE two (a int); INSERT INTO said VALUES ('two');"),
        ],
    );
    place.apply().await.unwrap();
    assert_eq!(place.sql("SELECT what FROM said"), "before one after before two after");
    // It is in the script's transaction, and goes with it.
    place.remove("beforeMigrate.sql");
    place.put("V3__rows.sql", "INSERT INTO said VALUES ('three');");
    place.put("afterEachMigrate.sql", "INSERT INTO said VALUES ('after');\nSELECT\n nope;");
    let failure = place.apply().await.unwrap_err();
    assert_eq!(failure.to_string(), "afterEachMigrate.sql line 3 (statement 2) failed");
    assert_eq!(place.sql("SELECT COUNT(*) FROM said"), "6");
    // Where there is none, it goes on where it stopped.
    place.put("V3__rows.sql", "CREATE TABLE three (a int);");
    assert_eq!(place.apply().await.unwrap_err().to_string(), "afterEachMigrate.sql line 3 (statement 2) failed");
    assert_eq!(place.history(), "1|1|SQL|V1__rows.sql|1 2|2|SQL|V2__definition.sql|1 3|3|SQL|V3__rows.sql|0");
    place.put("afterEachMigrate.sql", "INSERT INTO said VALUES ('after');\nINSERT INTO said VALUES ('three');");
    place.apply().await.unwrap();
    assert_eq!(place.sql("SELECT what FROM said"), "before one after before two after before after three");
    assert_eq!(place.tables(), "flyway_schema_history said three two");
    // One that makes a definition ends a transaction of rows alone: then there is none.
    place.put("afterEachMigrate.sql", "CREATE TABLE IF NOT EXISTS made (a int);");
    place.put("V4__rows.sql", "INSERT INTO said VALUES ('four');");
    place.apply().await.unwrap();
    assert_eq!(place.tables(), "flyway_schema_history made said three two");
}

on_every_server! {
    shared;
    callbacks_run_with_each_script: super::callbacks;
    a_database_that_another_tool_migrates_is_left_to_it: super::another_tools_history;
    a_new_database_gets_every_script_and_flyways_own_history: super::new_database;
    a_script_of_rows_alone_leaves_nothing_when_it_fails: super::rows_alone_are_one_transaction;
    a_script_that_stopped_half_way_goes_on_when_it_was_mended: super::resumed;
    a_script_of_which_nothing_took_effect_leaves_no_row: super::first_statement_fails;
    a_failed_row_that_is_not_ours_needs_a_repair: super::failed_row_of_somebody_else;
    a_clients_dump_is_a_script_like_any_other: super::a_dump_as_a_script;
    a_script_runs_under_the_servers_own_settings: super::sessions_are_the_servers_own;
    rows_that_no_transaction_takes_back_are_told_apart: super::tables_that_no_transaction_takes_back;
    a_filled_database_is_given_a_baseline: super::baseline;
    two_runs_at_once_apply_each_script_once: super::two_runs;
    flyways_own_lock_keeps_us_out_until_it_is_free: super::flyways_lock;
    half_a_migration_whose_script_is_gone_is_refused: super::missing_script_of_half_a_migration;
    killed_at_every_point_a_run_goes_on_and_does_nothing_twice: super::killed;
    a_script_that_asks_how_many_rows_it_changed_is_told: super::counts;
    a_row_that_somebody_removes_meanwhile_is_written_again: super::row_removed_meanwhile;
    several_statements_sent_as_one_are_not_taken_for_the_first: super::several_as_one;
    a_companion_makes_no_transaction_of_definitions: super::companion_of_definitions;
}

/// Definitions and rows in every mixture, each of which shows when it ran twice or not at all.
const WALKED: &str = "\
CREATE TABLE w (id int AUTO_INCREMENT PRIMARY KEY, what varchar(20));
INSERT INTO w (what) VALUES ('one');
INSERT INTO w (what) VALUES ('two');
ALTER TABLE w ADD extra int DEFAULT 7;
SET @from = 'three';
START TRANSACTION;
INSERT INTO w (what) VALUES (@from);
COMMIT;
RENAME TABLE w TO x;
CREATE PROCEDURE p() BEGIN INSERT INTO x (what) VALUES ('four'); END;
CALL p();
SET @s = (SELECT IF(COUNT(*) = 4, 'INSERT INTO x (what) VALUES (''five'')', 'SELECT 1') FROM x);
PREPARE s FROM @s;
EXECUTE s;
DROP PROCEDURE p;
INSERT INTO x (what) VALUES ('six');
";

async fn killed(server: &'static Server) {
    let place = Place::new(server, &[("V1__walk.sql", WALKED), ("V2__rows.sql", "INSERT INTO x (what) VALUES ('seven');")]);
    let trace = place.root.path().join("trace");
    let whole = child(&place, "UPKEEP_FAULT_TRACE", trace.to_str().unwrap());
    assert!(whole.success(), "{whole}");
    let points = std::fs::read_to_string(&trace).unwrap();
    let points: Vec<&str> = points.lines().collect();
    assert!(points.contains(&"migrate.statement.ran") && points.contains(&"migrate.script.commit"), "{points:?}");
    let expected = "1|one|7 2|two|7 3|three|7 4|four|7 5|five|7 6|six|7 7|seven|7";
    assert_eq!(place.sql("SELECT id, what, extra FROM x ORDER BY id"), expected);
    for (number, point) in (1..).zip(&points) {
        place.sql(&format!("DROP DATABASE {0}; CREATE DATABASE {0} CHARACTER SET utf8mb4", place.name()));
        let ended = child(&place, "UPKEEP_FAULT_KILL", &number.to_string());
        assert_eq!(ended.signal(), Some(9), "killed at {number} ({point})");
        if let Err(error) = place.apply().await {
            panic!("killed at {number} ({point}): {error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
        }
        let numbered = "SELECT ROW_NUMBER() OVER (ORDER BY id), what, extra FROM x ORDER BY id";
        assert_eq!(place.sql(numbered), expected, "killed at {number} ({point})");
        assert_eq!(place.tables(), "flyway_schema_history x", "killed at {number} ({point})");
        assert_eq!(place.history(), "1|1|SQL|V1__walk.sql|1 2|2|SQL|V2__rows.sql|1", "killed at {number} ({point})");
    }
    println!("{:?} {}: killed at {} points", server.which, server.version, points.len());
}

/// Applies the scripts of a place in a process of its own, which is this program with one test of its own.
fn child(place: &Place, variable: &str, value: &str) -> std::process::ExitStatus {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "migrate_mysql::scripts_are_applied_in_a_process_of_its_own", "--quiet"]);
    command.env("UPKEEP_TEST_ROOT", place.root.path()).env("UPKEEP_TEST_DATABASE", place.name());
    command.env("UPKEEP_TEST_SOCKET", &place.server.socket).env(variable, value);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().unwrap()
}

/// Alone: on a database of its own. As [`child`]: where it is told.
#[tokio::test]
async fn scripts_are_applied_in_a_process_of_its_own() {
    let told = |name: &str| std::env::var(format!("UPKEEP_TEST_{name}")).ok();
    if let (Some(root), Some(database), Some(host)) = (told("ROOT"), told("DATABASE"), told("SOCKET")) {
        let location = Location::MySql { host, port: 3306, user: "root".to_owned(), database, ssl_mode: "DISABLED".to_owned() };
        let database = Database::at(location);
        migrate::apply(&database, &settings(), root.as_ref(), &Progress::default()).await.unwrap();
        return;
    }
    let Some(server) = server(Which::MariaDb) else { return };
    let place = Place::new(server, &[("V1__a.sql", "CREATE TABLE a (a int);")]);
    assert!(child(&place, "UPKEEP_TEST_NOTHING", "").success());
    assert_eq!(place.history(), "1|1|SQL|V1__a.sql|1");
}
