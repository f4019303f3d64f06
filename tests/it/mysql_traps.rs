//! Traps other tools fell into with MySQL and MariaDB, one test each, named after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{AssertSqlSafe, Executor};
use upkeep::config::Secret;
use upkeep::engine::{Engine, EngineError, LoadMode};
use upkeep::failure::{Class, Explain};

use crate::mysql_backup::{same, text_of};
use crate::support::mysql::{Server, dump, load, name_of, on_every_server, said};

on_every_server! { shared;
    t_my1_a_default_that_is_an_expression_is_no_generated_column: default_generated;
    t_my2_generated_columns_are_in_no_insert: generated;
    t_my4_a_schema_change_during_the_dump_fails_it_or_is_not_in_it: changes;
    t_my5_a_user_who_may_only_read_takes_an_exact_dump_under_writers: only_reads;
    t_my6_who_may_not_set_a_definer_becomes_it_and_it_is_said: definer;
    t_my9_no_line_is_for_one_client_alone: client_lines;
    t_my13_a_comment_at_the_end_of_a_body_takes_nothing_with_it: comment_at_the_end;
    t_my12_replication_is_left_alone: replication;
    a_large_table_is_read_in_ranges_and_its_indexes_come_after_its_rows: large;
    what_cannot_be_reached_says_why: unreachable;
    a_password_that_the_server_does_not_remember_opens_its_socket: forgotten;
}

on_every_server! { alone;
    t_my3_invisible_columns_and_keys_arrive: invisible;
    t_my7_modes_of_the_server_change_nothing: modes;
    t_my8_character_sets_and_time_zones_of_the_server_change_nothing: charsets;
    t_my10_a_row_that_no_statement_can_hold_is_named: too_large;
    t_my11_events_stay_as_they_are_and_none_fires_into_a_restore: events;
}

/// Its delimiter, above all: the vendors' own dumps lose the trigger and what comes after it.
async fn comment_at_the_end(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(
        name,
        "CREATE TABLE t (a int); CREATE TRIGGER noted BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1 -- it's the end
        ; CREATE PROCEDURE p() SELECT 1 # it's the end
        ; CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 2 /* it's the end */; CREATE VIEW v AS SELECT f() AS a",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    for by_hand in [false, true] {
        let copy = server.fresh();
        if by_hand {
            server.restore_by_hand(&sealed.path, name_of(&copy)).unwrap();
        } else {
            load(&copy, &sealed, LoadMode::Clean).await.unwrap();
        }
        same(server, name, name_of(&copy));
    }
}

/// Dumps, loads a copy and compares everything.
async fn round_trip(server: &Server, sql: &str) -> String {
    let (source, copy) = (server.fresh(), server.database(&server.fresh_name()));
    server.sql(name_of(&source), sql);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    load(&copy, &sealed, LoadMode::Clean).await.unwrap();
    same(server, name_of(&source), name_of(&copy));
    text_of(&sealed.path)
}

async fn default_generated(server: &Server) {
    let text = round_trip(
        server,
        "CREATE TABLE t (a int, at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, d datetime(3) DEFAULT CURRENT_TIMESTAMP(3), \
           u varchar(36) DEFAULT (uuid())); INSERT INTO t VALUES (1, '2001-01-01 00:00:00', '2001-01-01 00:00:00.123', 'mine')",
    )
    .await;
    assert!(text.contains("'2001-01-01 00:00:00','2001-01-01 00:00:00.123','mine'"), "{text}");
}

async fn generated(server: &Server) {
    let text = round_trip(
        server,
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1); \
         CREATE TABLE t (first int GENERATED ALWAYS AS (a + 1) VIRTUAL, a int, last int GENERATED ALWAYS AS (a + 2) STORED, KEY (last), FOREIGN KEY (a) REFERENCES parent (id)); \
         INSERT INTO t (a) VALUES (1), (NULL)",
    )
    .await;
    assert!(text.contains("INSERT INTO `t` (`a`) VALUES\n("), "{text}");
}

async fn invisible(server: &Server) {
    round_trip(
        server,
        "CREATE TABLE t (a int, hidden int INVISIBLE, made int GENERATED ALWAYS AS (a + 1) STORED INVISIBLE); INSERT INTO t (a, hidden) VALUES (1, 2), (3, NULL)",
    )
    .await;
    if server.is_mariadb() {
        return;
    }
    let made = "SET sql_generate_invisible_primary_key = ON; CREATE TABLE g (v int); INSERT INTO g VALUES (5), (5); DELETE FROM g LIMIT 1; INSERT INTO g VALUES (6)";
    let text = round_trip(server, made).await;
    assert!(text.contains("`my_row_id`"), "{text}");
    // A server that adds such keys adds none to tables that had none.
    server.sql("", "SET GLOBAL sql_generate_invisible_primary_key = ON");
    round_trip(
        server,
        "SET sql_generate_invisible_primary_key = OFF; CREATE TABLE plain (v int); INSERT INTO plain VALUES (1)",
    )
    .await;
    server.sql("", "SET GLOBAL sql_generate_invisible_primary_key = OFF");
}

async fn changes(server: &'static Server) {
    let source = server.fresh();
    let (name, user) = (name_of(&source).to_owned(), format!("changes_{}", name_of(&source)));
    server.user(&user, &name, "SELECT, SHOW VIEW, TRIGGER, EVENT");
    server.sql(
        &name,
        "CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, v varchar(300)); INSERT INTO t (v) VALUES (REPEAT('x', 300)); CREATE TABLE v (a int); INSERT INTO v VALUES (1)",
    );
    for _ in 0..12 {
        server.sql(&name, "INSERT INTO t (v) SELECT v FROM t");
    }
    let changes = Changes::begin(server.connect(&name).await);
    let dir = tempfile::tempdir().unwrap();
    let accounts = [source.clone(), server.database_as(&name, &user)];
    let mut made = 0;
    for (round, account) in accounts.iter().cycle().enumerate() {
        if round == 6 {
            // No dump need get through what never pauses; one has to when it does.
            changes.slow_down();
        }
        match dump(account, dir.path(), 2).await {
            Ok(sealed) => {
                made += 1;
                let copy = server.fresh();
                load(&copy, &sealed, LoadMode::Clean).await.unwrap();
                assert_eq!(server.sql(name_of(&copy), "SELECT count(*) FROM t"), "4096");
                whole_moment(server, name_of(&copy));
            }
            // Busy with schema changes: said, and never hung or wrong.
            Err(error) => assert!(
                matches!(error, EngineError::InUse { .. } | EngineError::Moved { .. } | EngineError::Sql { .. }),
                "{error:?}"
            ),
        }
        if round >= 5 && made > 0 {
            break;
        }
        assert!(round < 30, "no dump gets through a change of the schema every second");
    }
    changes.end().await;
    dump(&source, dir.path(), 2).await.unwrap();
}

/// Somebody who changes the schema of [`changes`] all the time.
struct Changes {
    stop: Arc<AtomicBool>,
    slow: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Changes {
    fn begin(mut session: sqlx::MySqlConnection) -> Self {
        let (stop, slow) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (stopped, slowed) = (Arc::clone(&stop), Arc::clone(&slow));
        let task = tokio::spawn(async move {
            let mut at = 0;
            while !stopped.load(Ordering::Relaxed) {
                at += 1;
                for change in [
                    format!("ALTER TABLE v ADD COLUMN c{at} int DEFAULT {at}"),
                    "TRUNCATE v".to_owned(),
                    format!("INSERT INTO v (a) VALUES ({at})"),
                    format!("ALTER TABLE t ADD KEY k{at} (v(5))"),
                    format!("ALTER TABLE t DROP KEY k{at}"),
                    format!("ALTER TABLE v DROP COLUMN c{at}"),
                    "CREATE TABLE w (a int)".to_owned(),
                    format!("RENAME TABLE w TO w{at}"),
                    format!("DROP TABLE w{at}"),
                ] {
                    // The server may choose a change that waits for others' locks as the one to give up. It is made again: the next
                    // ones build on it.
                    let mut tries = 0;
                    while let Err(error) = session.execute(sqlx::raw_sql(AssertSqlSafe(change.clone()))).await {
                        tries += 1;
                        assert!(tries < 20, "{change}: {error}");
                    }
                }
                if slowed.load(Ordering::Relaxed) {
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        });
        Self { stop, slow, task }
    }

    /// A second of rest after each round from now on.
    fn slow_down(&self) {
        self.slow.store(true, Ordering::Relaxed);
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

/// What the changes of [`changes`] leave at any one moment: at most one added column and at most one row of it; one added index
/// at most; and a table of a passing name only where its moment was.
#[track_caller]
fn whole_moment(server: &Server, copy: &str) {
    let counts = server.sql(
        copy,
        "SELECT (SELECT count(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'v'), (SELECT count(*) FROM v), \
           (SELECT count(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 't'), \
           (SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'w%')",
    );
    let counts: Vec<u64> = counts.split('\t').map(|count| count.parse().unwrap()).collect();
    assert!((1..=2).contains(&counts[0]) && counts[1] <= 1 && (1..=2).contains(&counts[2]) && counts[3] <= 1, "{counts:?}");
    // The column and the index of one round are never there together, nor the passing table with either.
    assert!(counts[0] == 2 || counts[2] == 1, "{counts:?}");
}

async fn only_reads(server: &'static Server) {
    let source = server.fresh();
    let (name, user) = (name_of(&source).to_owned(), format!("reader_{}", name_of(&source)));
    server.sql(
        &name,
        "CREATE TABLE a (id int PRIMARY KEY, balance int); CREATE TABLE b (id int PRIMARY KEY, balance int); INSERT INTO a VALUES (1, 1000), (2, 1000); INSERT INTO b SELECT * FROM a; \
         CREATE VIEW both_sides AS SELECT id, balance FROM a; CREATE TRIGGER nothing BEFORE DELETE ON a FOR EACH ROW SET @x = 1; \
         CREATE EVENT never ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' DO SET @x = 1",
    );
    server.user(&user, &name, "SELECT, SHOW VIEW, TRIGGER, EVENT");
    let reader = server.database_as(&name, &user);
    let dir = tempfile::tempdir().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut other = server.connect(&name).await;
    let writing = tokio::spawn({
        let stop = Arc::clone(&stop);
        async move {
            let mut n = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let transfer = format!(
                    "START TRANSACTION; UPDATE a SET balance = balance - {0} WHERE id = 1; UPDATE b SET balance = balance + {0} WHERE id = 2; COMMIT",
                    n % 9
                );
                other.execute(sqlx::raw_sql(AssertSqlSafe(transfer))).await.unwrap();
                // A writer that never rests leaves no two moments alike.
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        }
    });
    let mut exact = 0;
    for _ in 0..6 {
        match dump(&reader, dir.path(), 2).await {
            Ok(sealed) => {
                exact += 1;
                let technique = sealed.manifest.consistency.technique.clone();
                let copy = server.fresh();
                load(&copy, &sealed, LoadMode::Clean).await.unwrap();
                let total = server.sql(name_of(&copy), "SELECT (SELECT sum(balance) FROM a) + (SELECT sum(balance) FROM b)");
                assert_eq!(total, "4000", "{technique}");
                assert_eq!(server.sql(name_of(&copy), "SHOW TRIGGERS").lines().count(), 1);
            }
            Err(error) => assert!(
                matches!(error, EngineError::Moved { .. } | EngineError::InUse { .. } | EngineError::Privilege { .. }),
                "{error:?}"
            ),
        }
    }
    stop.store(true, Ordering::Relaxed);
    writing.await.unwrap();
    let root = dump(&source, dir.path(), 2).await.unwrap().manifest.consistency;
    let calm = dump(&reader, dir.path(), 2).await.unwrap().manifest.consistency;
    assert_ne!(root.technique, calm.technique, "a weaker way is taken and said");
    assert!(exact > 0 || calm.locks.is_empty(), "{calm:?}");
}

async fn definer(server: &Server) {
    let (source, target) = (server.torture(), server.fresh());
    let (name, user) = (name_of(&target), format!("other_{}", name_of(&target)));
    server.user(&user, name, "ALL");
    server.sql("", &format!("GRANT ALL ON `{name}\\_\\_upkeep\\_%`.* TO '{user}'@'%'"));
    if server.version == "11.4.5" {
        server.sql("", &format!("GRANT INSERT, ALTER ON *.* TO '{user}'@'%'"));
    }
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    assert!(text_of(&sealed.path).contains("DEFINER=`torture`@`localhost`"), "the archive keeps who made what");
    for mode in [LoadMode::Clean, LoadMode::Replace] {
        let loaded = load(&server.database_as(name, &user), &sealed, mode).await.unwrap();
        for who in ["`torture`@`localhost`", "`We ird`@`localhost`", "`root`@`localhost`"] {
            let named = |said: &String| said.contains(&format!("definer {who} cannot be set by user {user}"));
            assert!(loaded.warnings.iter().any(named), "{mode:?}: {:?}", loaded.warnings);
        }
        assert_eq!(server.content(name), server.content(name_of(&source)));
    }
}

async fn modes(server: &Server) {
    let source = server.torture();
    let dir = tempfile::tempdir().unwrap();
    let calm = dump(&source, dir.path(), 1).await.unwrap();
    let before = server.sql("", "SELECT @@GLOBAL.sql_mode");
    for mode in [
        "TRADITIONAL,NO_ZERO_DATE,NO_ZERO_IN_DATE",
        "ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE,IGNORE_SPACE",
    ] {
        server.sql("", &format!("SET GLOBAL sql_mode = '{mode}'"));
        let odd = dump(&source, dir.path(), 1).await.unwrap();
        assert_eq!(odd.manifest.tables, calm.manifest.tables, "{mode}");
        let (by_hand, by_upkeep) = (server.fresh(), server.fresh());
        load(&by_upkeep, &odd, LoadMode::Clean).await.unwrap();
        server.restore_by_hand(&calm.path, name_of(&by_hand)).unwrap();
        server.sql("", &format!("SET GLOBAL sql_mode = '{before}'"));
        same(server, name_of(&source), name_of(&by_upkeep));
        same(server, name_of(&source), name_of(&by_hand));
    }
}

async fn charsets(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    // Text of one character set in a column of another, as applications write it that lie about their own.
    server.sql(
        name,
        "SET NAMES utf8mb4; SET time_zone = '+00:00'; CREATE TABLE t (id int PRIMARY KEY, l varchar(50) CHARACTER SET latin1, at timestamp NULL, d datetime) DEFAULT CHARSET=latin1; \
         INSERT INTO t VALUES (1, x'C3A9E697A5', '2024-03-31 01:30:00', '2024-03-31 02:30:00'), (2, x'00818D8F909D', '2024-10-27 00:30:00', NULL); \
         CREATE TABLE u (v varchar(10)) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci; CREATE VIEW v AS SELECT _utf8mb4'日本' AS a, l FROM t",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    server.sql("", "SET GLOBAL time_zone = '+05:45'; SET GLOBAL character_set_server = 'cp1250'; SET GLOBAL collation_server = 'cp1250_czech_cs'");
    let again = dump(&source, dir.path(), 1).await.unwrap();
    let (by_hand, by_upkeep) = (server.fresh(), server.database(&server.fresh_name()));
    server.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    load(&by_upkeep, &again, LoadMode::Clean).await.unwrap();
    server.sql("", "SET GLOBAL time_zone = 'SYSTEM'; SET GLOBAL character_set_server = 'utf8mb4'");
    assert_eq!(again.manifest.tables, sealed.manifest.tables);
    for copy in [&by_hand, &by_upkeep] {
        same(server, name, name_of(copy));
    }
}

async fn client_lines(server: &Server) {
    let source = server.torture();
    let dir = tempfile::tempdir().unwrap();
    let text = text_of(&dump(&source, dir.path(), 1).await.unwrap().path);
    assert!(text.starts_with("-- a preamble\n"), "{}", &text[..80]);
    assert!(!text.contains("sandbox") && !text.contains("\\-"));
    let meta = text.lines().filter(|line| line.starts_with('\\') || line.starts_with("USE ") || line.starts_with("source "));
    assert_eq!(meta.collect::<Vec<_>>(), Vec::<&str>::new());
}

async fn too_large(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    let before = server.sql("", "SELECT @@GLOBAL.max_allowed_packet");
    server.sql(
        name,
        "CREATE TABLE t (id int PRIMARY KEY, b longblob); INSERT INTO t VALUES (1, 'small'), (42, REPEAT('x', 3000000))",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    server.sql("", "SET GLOBAL max_allowed_packet = 4194304");
    let copy = server.fresh();
    let dumped = dump(&source, dir.path(), 1).await;
    let loaded = load(&copy, &sealed, LoadMode::Clean).await;
    server.sql("", &format!("SET GLOBAL max_allowed_packet = {before}"));
    let error = said(dumped.unwrap_err());
    assert!(error.contains("table t (id = 42)") && error.contains("max_allowed_packet"), "{error}");
    let error = said(loaded.unwrap_err());
    assert!(error.contains("table t") && error.contains("max_allowed_packet"), "{error}");
    load(&server.fresh(), &sealed, LoadMode::Clean).await.unwrap();
}

async fn events(server: &Server) {
    let (source, target) = (server.fresh(), server.fresh());
    server.sql(
        name_of(&source),
        "CREATE TABLE fired (a int); CREATE EVENT eager ON SCHEDULE EVERY 1 YEAR STARTS '2020-01-01 00:00:00' ON COMPLETION PRESERVE ENABLE DO INSERT INTO fired VALUES (1); \
         CREATE EVENT off ON SCHEDULE EVERY 5 MINUTE STARTS '2020-01-01 00:00:00' DISABLE DO INSERT INTO fired VALUES (2)",
    );
    server.sql(name_of(&target), "CREATE TABLE old (a int)");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    server.sql("", "SET GLOBAL event_scheduler = ON");
    let loaded = load(&target, &sealed, LoadMode::Replace).await;
    server.sql("", "SET GLOBAL event_scheduler = OFF");
    loaded.unwrap();
    same(server, name_of(&source), name_of(&target));
}

async fn replication(server: &Server) {
    let source = server.torture();
    let dir = tempfile::tempdir().unwrap();
    let text = text_of(&dump(&source, dir.path(), 1).await.unwrap().path).to_ascii_lowercase();
    for word in ["gtid_purged", "sql_log_bin", "gtid_slave_pos", "change master", "change replication", "reset master"] {
        assert!(!text.contains(word), "{word}");
    }
}

/// More than twice what a range is, by a key whose first column is equal in many rows, by its collation and not by its bytes.
async fn large(server: &Server) {
    let (source, copy) = (server.fresh(), server.fresh());
    let name = name_of(&source);
    let keys = ["É", "e", "E ", "z", "", "日本", "ß", "a'\\\\"];
    let row =
        |n: usize| format!("('{}', {n}, REPEAT(SHA2({n}, 256), 16000), {})", keys[n % keys.len()].replace('\'', "''"), n % 7);
    let rows = (0..60).map(row).collect::<Vec<_>>().join(", ");
    server.sql(
        name,
        &format!(
            "CREATE TABLE big (k varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL, n int NOT NULL, v longtext CHARACTER SET latin1, tag int, \
               PRIMARY KEY (k DESC, n), KEY tag (tag, n)); INSERT INTO big VALUES {rows}; ANALYZE TABLE big"
        ),
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 3).await.unwrap();
    let size = "SELECT data_length FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'big'";
    assert!(server.sql(name, size).parse::<u64>().unwrap() > 48 << 20, "it is no large table");
    let text = text_of(&sealed.path);
    let (last_row, index) = (text.rfind("INSERT INTO `big`"), text.find("ALTER TABLE `big`\n  ADD KEY `tag`"));
    assert!(last_row.is_some() && last_row < index, "{last_row:?} {index:?}");
    load(&copy, &sealed, LoadMode::Clean).await.unwrap();
    assert_eq!(server.schema(name_of(&copy)), server.schema(name));
    let rows = "SELECT HEX(k), n, SHA2(v, 256), tag FROM big ORDER BY n";
    assert_eq!(server.sql(name_of(&copy), rows), server.sql(name, rows));
}

/// Server down, database missing, wrong password: each its own words, and never the password.
async fn unreachable(server: &Server) {
    let dir = tempfile::tempdir().unwrap();
    let missing = server.database(&server.fresh_name());
    let error = dump(&missing, dir.path(), 1).await.unwrap_err();
    assert!(matches!(error, EngineError::Connect { .. }), "{error:?}");
    assert!(!Engine::of(&missing).survey(&[]).await.unwrap().exists);
    let user = format!("locked_{}", name_of(&missing));
    server.sql("", &format!("CREATE USER '{user}'@'%' IDENTIFIED BY 'right'"));
    let mut stranger = server.database_as("mysql", &user);
    stranger.password = Some(Secret::new("hunter2".to_owned()));
    let error = Engine::of(&stranger).identify().await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");
    assert_eq!(error.class(), Class::NoPermission);
    assert!(!said(error).contains("hunter2"));
    let mut down = server.database("mysql");
    if let upkeep::config::Location::MySql { host, .. } = &mut down.location {
        host.push_str("-is-not-there");
    }
    let error = Engine::of(&down).survey(&[]).await.unwrap_err();
    assert!(matches!(error, EngineError::Connect { .. }), "{error:?}");
    assert!(error.transient());
}

/// MySQL's own kind of account, which over a socket wants the password itself the first time after a restart.
async fn forgotten(server: &Server) {
    let database = server.fresh();
    let (name, user) = (name_of(&database), format!("forgotten_{}", name_of(&database)));
    let mut account = server.database_as(name, &user);
    for password in ["right", "naïve 'ﬆ' \\"] {
        server.user(&user, name, "ALL");
        server.sql(
            "",
            &format!("ALTER USER '{user}'@'%' IDENTIFIED BY '{}'", password.replace('\\', "\\\\").replace('\'', "''")),
        );
        account.password = Some(Secret::new(password.to_owned()));
        for _ in 0..2 {
            server.sql("", "FLUSH PRIVILEGES");
            Engine::of(&account).identify().await.unwrap();
        }
        account.password = Some(Secret::new("wrong".to_owned()));
        for _ in 0..2 {
            let error = Engine::of(&account).identify().await.unwrap_err();
            assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");
            server.sql("", "FLUSH PRIVILEGES");
        }
    }
}
