//! MySQL and MariaDB: foreign keys that a server lets stand and would not make, and histories that it does not take back.

use upkeep::engine::LoadMode;

use crate::mysql_backup::same;
use crate::support::mysql::{Server, dump, load, name_of, on_every_server};

on_every_server! { shared;
    foreign_keys_that_no_statement_makes_are_restored: loose;
    versions_that_lasted_no_time_keep_no_archive_from_being_restored: timeless;
}

/// Tables whose names put whom they refer to both before and behind them.
fn tables(server: &Server) -> &'static str {
    if server.is_mariadb() {
        // One end in another character set, and keys that lost the index of an end: to another table, to their own, in a ring, to columns
        // that only another order or a part of them has.
        "SET foreign_key_checks = 0; \
         CREATE TABLE z_child (a varchar(20) CHARACTER SET utf8mb3, CONSTRAINT fz FOREIGN KEY (a) REFERENCES parent (id) ON DELETE CASCADE); \
         CREATE TABLE a_child (a varchar(20) CHARACTER SET utf8mb3, CONSTRAINT fa FOREIGN KEY (a) REFERENCES parent (id) ON UPDATE SET NULL); \
         CREATE TABLE parent (id varchar(20) CHARACTER SET utf8mb4 PRIMARY KEY); \
         CREATE TABLE m_lost (id int PRIMARY KEY, k int); CREATE TABLE n_lost (a int, CONSTRAINT fn FOREIGN KEY (a) REFERENCES m_lost (id)); \
         CREATE TABLE b_lost (a int, CONSTRAINT fb FOREIGN KEY (a) REFERENCES m_lost (id)); ALTER TABLE m_lost DROP PRIMARY KEY; \
         INSERT INTO m_lost VALUES (1, 2); INSERT INTO n_lost VALUES (1); \
         CREATE TABLE itself (id int PRIMARY KEY, u int, p int, UNIQUE KEY u (u), CONSTRAINT fi FOREIGN KEY (p) REFERENCES itself (u)); \
         INSERT INTO itself VALUES (1, 5, 5); ALTER TABLE itself DROP KEY u, ALGORITHM=INPLACE; \
         CREATE TABLE ring_a (id int PRIMARY KEY, u int, b int, KEY u (u), CONSTRAINT fra FOREIGN KEY (b) REFERENCES ring_b (u)); \
         CREATE TABLE ring_b (id int PRIMARY KEY, u int, a int, KEY u (u), CONSTRAINT frb FOREIGN KEY (a) REFERENCES ring_a (u)); \
         INSERT INTO ring_a VALUES (1, 5, 6); INSERT INTO ring_b VALUES (1, 6, 5); \
         ALTER TABLE ring_a DROP KEY u, ALGORITHM=INPLACE; ALTER TABLE ring_b DROP KEY u, ALGORITHM=INPLACE; \
         CREATE TABLE k_parent (t varchar(20), n int, KEY tn (t, n)); \
         CREATE TABLE k_child (t varchar(20), n int, KEY kept (t, n), CONSTRAINT fk FOREIGN KEY (t, n) REFERENCES k_parent (t, n)); \
         ALTER TABLE k_child DROP KEY kept, ADD KEY cut (t(3), n); ALTER TABLE k_parent ADD KEY turned (n, t), DROP KEY tn, ALGORITHM=INPLACE; \
         INSERT INTO k_parent VALUES ('x', 1); INSERT INTO k_child VALUES ('x', 1); \
         CREATE TABLE past (id int PRIMARY KEY, u int, p int, KEY u (u), CONSTRAINT fp FOREIGN KEY (p) REFERENCES past (u)) WITH SYSTEM VERSIONING; \
         INSERT INTO past VALUES (1, 5, 5); SET system_versioning_alter_history = KEEP; ALTER TABLE past DROP KEY u, ALGORITHM=INPLACE; "
    } else {
        // One end converted, in a chain; keys to what is not unique, and to the beginning of a unique one.
        "CREATE TABLE parent (id varchar(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin PRIMARY KEY, v int); \
         CREATE TABLE z_child (a varchar(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin, CONSTRAINT fz FOREIGN KEY (a) REFERENCES parent (id) ON DELETE CASCADE); \
         CREATE TABLE a_child (a varchar(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin NOT NULL DEFAULT 'p' COMMENT 'a, b', UNIQUE KEY (a), \
           CONSTRAINT fa FOREIGN KEY (a) REFERENCES parent (id) ON UPDATE CASCADE); \
         CREATE TABLE b_child (a varchar(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin, CONSTRAINT fb FOREIGN KEY (a) REFERENCES a_child (a)); \
         SET foreign_key_checks = 0; ALTER TABLE parent CONVERT TO CHARACTER SET utf8mb4; \
         ALTER TABLE b_child MODIFY a varchar(20) CHARACTER SET latin1; SET foreign_key_checks = 1; INSERT INTO b_child VALUES (NULL); "
    }
}

async fn loose(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(name, tables(server));
    let dir = tempfile::tempdir().unwrap();
    let differing = dump(&source, dir.path(), 2).await.unwrap();
    for target in [server.fresh(), source.clone()] {
        for mode in [LoadMode::Clean, LoadMode::Replace] {
            if mode == LoadMode::Clean && name_of(&target) == name {
                continue;
            }
            let loaded = load(&target, &differing, mode).await.unwrap();
            assert_eq!(loaded.warnings, Vec::<String>::new(), "{mode:?}");
            same(server, name, name_of(&target));
            assert_eq!(server.databases(name_of(&target)), name_of(&target), "nothing is left beside");
        }
    }
    let by_hand = server.fresh();
    server.restore_by_hand(&differing.path, name_of(&by_hand)).unwrap();
    same(server, name, name_of(&by_hand));
    dangling(server).await;
    if server.is_mariadb() {
        columnless(server).await;
    }
}

/// A table that was made anew without the column that others refer to, before it and behind it.
async fn columnless(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(
        name,
        "CREATE TABLE p (u int PRIMARY KEY); CREATE TABLE a (u int, CONSTRAINT fa FOREIGN KEY (u) REFERENCES p (u)); \
         CREATE TABLE z (u int, CONSTRAINT fz FOREIGN KEY (u) REFERENCES p (u)); SET foreign_key_checks = 0; DROP TABLE p; \
         CREATE TABLE p (id varchar(10)); INSERT INTO p VALUES ('x'); INSERT INTO z VALUES (1)",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    for (target, mode) in [(server.fresh(), LoadMode::Clean), (source.clone(), LoadMode::Replace)] {
        let said = ["a", "z"].map(|table| {
            format!("table {table}: foreign key f{table} refers to columns that p does not have; so it is in the archive")
        });
        assert_eq!(load(&target, &sealed, mode).await.unwrap().warnings, said, "{mode:?}");
        same(server, name, name_of(&target));
    }
    let by_hand = server.fresh();
    server.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    same(server, name, name_of(&by_hand));
}

/// A key to a table that is not there goes on to refer to one of its own database, also where something else has the table's name; on MySQL
/// with keys to what is not unique beside it.
async fn dangling(server: &Server) {
    let source = server.fresh();
    let name = name_of(&source);
    let not_unique = if server.is_mariadb() {
        "CREATE TABLE p2 (id int, KEY (id));"
    } else {
        "SET restrict_fk_on_non_standard_key = OFF; CREATE TABLE p2 (id int, k int, KEY (id)); CREATE TABLE p3 (id int, k int, PRIMARY KEY (id, k)); \
         CREATE TABLE c3 (a int, CONSTRAINT f3 FOREIGN KEY (a) REFERENCES p3 (id));"
    };
    // Whatever has the name, tables before it and behind it refer to it.
    let taken = |parent: &str, by: &str| {
        let child = |table: String| {
            format!("CREATE TABLE {table} (a int, CONSTRAINT f_{table} FOREIGN KEY (a) REFERENCES {parent} (id));")
        };
        let children = child(format!("a_{parent}")) + &child(format!("z_{parent}"));
        format!("CREATE TABLE {parent} (id int PRIMARY KEY); {children} DROP TABLE {parent}; {by};")
    };
    let of_mariadb = if server.is_mariadb() {
        taken("p", "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 2")
            + &taken("t", "CREATE TABLE t (id bigint PRIMARY KEY)")
    } else {
        String::new()
    };
    server.sql(
        name,
        &format!(
            "{not_unique} CREATE TABLE c2 (a int, CONSTRAINT f2 FOREIGN KEY (a) REFERENCES p2 (id)); INSERT INTO p2 (id) VALUES (1); INSERT INTO c2 VALUES (1); \
             SET foreign_key_checks = 0; {} {} {} CREATE TABLE c (a int, `x y` int, CONSTRAINT `f ``x` FOREIGN KEY (a, `x y`) REFERENCES nothing (id, `i d`) ON DELETE CASCADE, \
             CONSTRAINT fy FOREIGN KEY (a) REFERENCES nothing (id)); INSERT INTO c VALUES (NULL, 1)",
            taken("v", "CREATE VIEW v AS SELECT 1 AS id"),
            taken("m", "CREATE TABLE m (id int PRIMARY KEY) ENGINE = MyISAM"),
            of_mariadb
        ),
    );
    let before = server.schema(name);
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 1).await.unwrap();
    for mode in [LoadMode::Clean, LoadMode::Replace, LoadMode::Replace] {
        let target = if mode == LoadMode::Clean { server.fresh() } else { source.clone() };
        let loaded = load(&target, &sealed, mode).await.unwrap();
        let said = "table c: foreign key fy refers to table nothing, which is not there; so it is in the archive";
        assert!(loaded.warnings.iter().any(|warning| warning == said), "{:?}", loaded.warnings);
        same(server, name, name_of(&target));
        assert_eq!(server.schema(name_of(&target)), before, "{mode:?}");
    }
    let by_hand = server.fresh();
    server.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    same(server, name, name_of(&by_hand));
}

/// A statement that writes a row twice leaves a version that no server takes back; it is left out, and told, and all else is restored.
async fn timeless(server: &Server) {
    if !server.is_mariadb() {
        return;
    }
    let source = server.fresh();
    let name = name_of(&source);
    server.sql(
        name,
        "CREATE TABLE s (id int PRIMARY KEY, v int) WITH SYSTEM VERSIONING; REPLACE INTO s VALUES (1, 1), (1, 2); UPDATE s SET v = 3; \
         CREATE TABLE own (id int PRIMARY KEY, `von ``x` timestamp(6) GENERATED ALWAYS AS ROW START, bis timestamp(6) GENERATED ALWAYS AS ROW END, \
           PERIOD FOR SYSTEM_TIME (`von ``x`, bis)) WITH SYSTEM VERSIONING; \
         SET timestamp = 1700000000; INSERT INTO own VALUES (1, DEFAULT, DEFAULT), (2, DEFAULT, DEFAULT); DELETE FROM own WHERE id = 1; \
         SET timestamp = DEFAULT; DELETE FROM own; INSERT INTO own (id) VALUES (3)",
    );
    let lasting = |database: &str| {
        let rows = "SELECT id, v, row_start, row_end FROM s FOR SYSTEM_TIME ALL WHERE row_start < row_end ORDER BY 3; \
                    SELECT * FROM own FOR SYSTEM_TIME ALL WHERE `von ``x` < bis ORDER BY 1, 2";
        server.sql(database, rows)
    };
    let lost = server.sql(name, "SELECT COUNT(*) FROM own FOR SYSTEM_TIME ALL WHERE NOT `von ``x` < bis");
    assert_ne!(lost, "0", "the trap is set");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    let told: Vec<&str> = sealed.manifest.left_out.iter().map(|left| left.what.as_str()).collect();
    let said = format!("{lost} past version{} of rows of table own that lasted no time", if lost == "1" { "" } else { "s" });
    assert!(told.contains(&said.as_str()), "{told:?}");
    let may = upkeep::engine::mysql::may_read(&source).await.unwrap();
    assert!(may.obstacles.iter().any(|seen| seen.what.contains("of rows of table own")), "{:?}", may.obstacles);
    let expected = lasting(name);
    let target = server.fresh();
    for mode in [LoadMode::Clean, LoadMode::Replace] {
        load(&target, &sealed, mode).await.unwrap();
        assert_eq!(lasting(name_of(&target)), expected, "{mode:?}");
    }
    load(&source, &sealed, LoadMode::Replace).await.unwrap();
    assert_eq!(lasting(name), expected);
    let by_hand = server.fresh();
    server.restore_by_hand(&sealed.path, name_of(&by_hand)).unwrap();
    assert_eq!(lasting(name_of(&by_hand)), expected);
}
