//! MySQL and MariaDB: values and places of rows that depend on more than the row.

use upkeep::engine::LoadMode;

use crate::support::mysql::{Server, dump, load, name_of, on_every_server};

on_every_server! { shared;
    generated_columns_that_are_computed_otherwise_are_named: computed;
    a_row_in_another_partition_than_its_key_s_is_in_the_archive: misplaced;
}

async fn computed(server: &Server) {
    let source = server.fresh();
    server.sql(
        name_of(&source),
        "SET time_zone = '+03:00'; CREATE TABLE moments (id int PRIMARY KEY, ts timestamp NOT NULL, day date AS (date(ts)) STORED, \
         twice int AS (id * 2) STORED); INSERT INTO moments (id, ts) VALUES (1, '2020-01-02 01:30:00'); \
         SET time_zone = '+00:00'; CREATE TABLE same (id int PRIMARY KEY, ts timestamp NOT NULL, day date AS (date(ts)) STORED); \
         INSERT INTO same (id, ts) VALUES (1, '2020-01-02 01:30:00'), (2, '2021-01-02 01:30:00')",
    );
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    for mode in [LoadMode::Clean, LoadMode::DataOnly] {
        let target = server.fresh();
        if mode == LoadMode::DataOnly {
            load(&target, &sealed, LoadMode::Clean).await.unwrap();
            server.sql(name_of(&target), "DELETE FROM moments; DELETE FROM same");
        }
        let loaded = load(&target, &sealed, mode).await.unwrap();
        assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
        let said = &loaded.warnings[0];
        assert!(said.contains("table moments: its generated columns (day) were computed anew"), "{said}");
    }
    server.sql(name_of(&source), "DELETE FROM moments");
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    assert_eq!(load(&server.fresh(), &sealed, LoadMode::Clean).await.unwrap().warnings, Vec::<String>::new());
}

/// More than twice what a range is, so that it would be cut.
async fn misplaced(server: &Server) {
    let (source, copy) = (server.fresh(), server.fresh());
    let name = name_of(&source);
    let row = |n: usize| format!("({n}, REPEAT(SHA2({n}, 256), 16000))");
    let rows = (0..60).map(row).collect::<Vec<_>>().join(", ");
    server.sql(
        name,
        &format!(
            "CREATE TABLE parts (id int PRIMARY KEY, v longtext) PARTITION BY RANGE (id) \
               (PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN MAXVALUE); \
             INSERT INTO parts VALUES {rows}; ANALYZE TABLE parts; \
             CREATE TABLE stray (id int PRIMARY KEY, v longtext); INSERT INTO stray VALUES (1000, 'in the wrong place')"
        ),
    );
    let moved = server.try_sql(name, "ALTER TABLE parts EXCHANGE PARTITION low WITH TABLE stray WITHOUT VALIDATION");
    if let Err(error) = moved {
        assert!(server.is_mariadb() && error.contains("WITHOUT VALIDATION"), "only an older MariaDB does not know it: {error}");
        return;
    }
    server.sql(name, "DROP TABLE stray");
    assert_eq!(server.sql(name, "SELECT count(*), max(id) FROM parts"), "51\t1000");
    let dir = tempfile::tempdir().unwrap();
    let sealed = dump(&source, dir.path(), 2).await.unwrap();
    assert_eq!(sealed.manifest.rows(), 51);
    load(&copy, &sealed, LoadMode::Clean).await.unwrap();
    assert_eq!(server.sql(name_of(&copy), "SELECT v FROM parts WHERE id = 1000"), "in the wrong place");
}
