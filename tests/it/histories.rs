//! The histories of other tools in real databases: found whatever the letter case of their names, and read.

use upkeep::engine::Engine;

use crate::support::engines::{Db, Home, on_every_engine};

/// A tool's table: its name, its columns with their types, its rows, and what is read of it.
struct Table {
    name: &'static str,
    columns: &'static [(&'static str, &'static str)],
    rows: &'static [&'static [&'static str]],
    tool: &'static str,
    read: &'static str,
}

const TEXT: &str = "varchar(255)";
const WHEN: &str = "timestamp NULL";

/// As each tool makes it, with the types that all engines know. `BYTES` and `FLAG` are the engine's own.
const TABLES: &[Table] = &[
    Table {
        name: "server_change_log",
        columns: &[
            ("installed_rank", "int"),
            ("version", TEXT),
            ("migrationFileName", TEXT),
            ("checksum", TEXT),
            ("installed_on", TEXT),
            ("metrics", "text"),
            ("migrationType", TEXT),
            ("status", TEXT),
        ],
        rows: &[
            &["2", "'1.10.0'", "'/opt/om/native/1.10.0'", "'c'", "'2025'", "NULL", "'NATIVE'", "'COMPLETED'"],
            &["1", "'1.9.0'", "'/opt/om/native/1.9.0'", "'c'", "'2025'", "NULL", "'NATIVE'", "'COMPLETED'"],
        ],
        tool: "openmetadata",
        read: "1.9.0 true, 1.10.0 true",
    },
    Table {
        name: "server_migration_sql_logs",
        columns: &[("version", TEXT), ("sqlStatement", "text"), ("checksum", TEXT), ("executedAt", TEXT)],
        rows: &[&["'1.1.0'", "'CREATE TABLE a (x)'", "'aa'", "'2025-01'"]],
        tool: "openmetadata-statements",
        read: "1.1.0 true",
    },
    Table {
        name: "databasechangelog",
        columns: &[
            ("id", TEXT),
            ("author", TEXT),
            ("filename", TEXT),
            ("dateexecuted", TEXT),
            ("orderexecuted", "int"),
            ("exectype", TEXT),
            ("md5sum", TEXT),
            ("description", TEXT),
        ],
        rows: &[
            &["'two'", "'ann'", "'db/b.xml'", "'x'", "2", "'FAILED'", "NULL", "'sql'"],
            &["'one'", "'bob'", "'db/a.xml'", "'x'", "1", "'EXECUTED'", "'9:ab'", "'createTable'"],
        ],
        tool: "liquibase",
        read: "one true, two false",
    },
    Table {
        name: "_sqlx_migrations",
        columns: &[
            ("version", "bigint"),
            ("description", TEXT),
            ("installed_on", TEXT),
            ("success", "boolean"),
            ("checksum", "BYTES"),
            ("execution_time", "bigint"),
        ],
        rows: &[&["20240102", "'two'", "'x'", "false", "'b'", "5"], &["20230101", "'one'", "'x'", "true", "'a'", "5"]],
        tool: "sqlx",
        read: "20230101 true, 20240102 false",
    },
    Table {
        name: "alembic_version",
        columns: &[("version_num", TEXT)],
        rows: &[&["'ff00'"]],
        tool: "alembic",
        read: "ff00 true",
    },
    Table {
        name: "_prisma_migrations",
        columns: &[
            ("id", TEXT),
            ("checksum", TEXT),
            ("finished_at", WHEN),
            ("migration_name", TEXT),
            ("logs", "text"),
            ("rolled_back_at", WHEN),
            ("started_at", WHEN),
            ("applied_steps_count", "int"),
        ],
        rows: &[
            &["'u1'", "'c'", "NULL", "'20240301_c'", "'no such column'", "NULL", "'2024-03-01 10:00:00'", "0"],
            &["'u2'", "'c'", "NULL", "'20240201_b'", "'x'", "'2024-02-01 11:00:00'", "'2024-02-01 10:00:00'", "0"],
            &["'u3'", "'c'", "'2024-02-01 12:00:01'", "'20240201_b'", "NULL", "NULL", "'2024-02-01 12:00:00'", "1"],
            &["'u4'", "'c'", "'2024-01-01 10:00:01'", "'20240101_a'", "NULL", "NULL", "'2024-01-01 10:00:00'", "1"],
        ],
        tool: "prisma",
        read: "20240101_a true, 20240201_b true, 20240301_c false",
    },
    Table {
        name: "goose_db_version",
        columns: &[("id", "int"), ("version_id", "bigint"), ("is_applied", "boolean"), ("tstamp", WHEN)],
        rows: &[
            &["1", "0", "true", "'2024-01-01 10:00:00'"],
            &["2", "1", "true", "'2024-01-01 10:00:00'"],
            &["3", "2", "true", "'2024-01-01 10:00:00'"],
            &["4", "2", "false", "'2024-01-01 10:00:00'"],
        ],
        tool: "goose",
        read: "1 true",
    },
    Table {
        name: "django_migrations",
        columns: &[("id", "int"), ("app", TEXT), ("name", TEXT), ("applied", WHEN)],
        rows: &[
            &["2", "'notes'", "'0001_initial'", "'2024-01-01 10:00:00'"],
            &["1", "'auth'", "'0012_last'", "'2024-01-01 10:00:00'"],
        ],
        tool: "django",
        read: "auth.0012_last true, notes.0001_initial true",
    },
    Table {
        name: "knex_migrations",
        columns: &[("id", "int"), ("name", TEXT), ("batch", "int"), ("migration_time", WHEN)],
        rows: &[&["1", "'20240101_a.js'", "1", "'2024-01-01 10:00:00'"]],
        tool: "knex",
        read: "20240101_a.js true",
    },
    Table {
        name: "refinery_schema_history",
        columns: &[("version", "int"), ("name", TEXT), ("applied_on", TEXT), ("checksum", TEXT)],
        rows: &[&["10", "'more'", "'x'", "'9'"], &["9", "'first'", "'x'", "'8'"]],
        tool: "refinery",
        read: "9 true, 10 true",
    },
];

/// golang-migrate's and Rails's have one name.
const GOLANG: Table = Table {
    name: "schema_migrations",
    columns: &[("version", "bigint"), ("dirty", "boolean")],
    rows: &[&["7", "true"]],
    tool: "golang-migrate",
    read: "7 false",
};
const RAILS: Table = Table {
    name: "schema_migrations",
    columns: &[("version", TEXT)],
    rows: &[&["'20240101000000'"], &["'9'"]],
    tool: "rails",
    read: "9 true, 20240101000000 true",
};

fn read(db: Db) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    type Spell = fn(&str) -> String;
    let spellings: [(&Table, Spell); 3] = [
        (&GOLANG, |name| name.to_lowercase()),
        (&RAILS, |name| name.to_uppercase()),
        (&RAILS, |name| {
            name.split('_')
                .map(|part| part[..part.len().min(1)].to_uppercase() + part.get(1..).unwrap_or(""))
                .collect::<Vec<_>>()
                .join("_")
        }),
    ];
    for (last, spelled) in spellings {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(db, &dir.path().join("app.db"));
        home.create();
        let (mark, bytes, flag) = match db {
            Db::MySql(_) => ('`', "varbinary(64)", "bit(1)"),
            Db::Postgres(_) => ('"', "bytea", "boolean"),
            Db::Sqlite => ('"', "blob", "boolean"),
        };
        let own = |kind: &str| kind.replace("BYTES", bytes).replace("FLAG", flag);
        let quoted = |name: &str| format!("{mark}{}{mark}", spelled(name));
        let tables: Vec<&Table> = TABLES.iter().chain([last]).collect();
        for table in &tables {
            let columns = table.columns.iter().map(|(name, kind)| format!("{} {}", quoted(name), own(kind)));
            let name = quoted(table.name);
            let rows = table.rows.iter().map(|row| format!("({})", row.join(", ")));
            home.sql(&format!("CREATE TABLE {name} ({})", columns.collect::<Vec<_>>().join(", ")));
            home.sql(&format!("INSERT INTO {name} VALUES {}", rows.collect::<Vec<_>>().join(", ")));
        }
        // One that only looks like a history.
        home.sql(&format!("CREATE TABLE {} (id int)", quoted("flyway_schema_history")));
        let shape = runtime.block_on(Engine::of(&home.database()).shape(&[])).unwrap();
        let mut found: Vec<String> = shape
            .histories
            .iter()
            .map(|history| {
                let rows =
                    history.applied.iter().map(|row| format!("{} {}", row.version.as_deref().unwrap_or("-"), row.success));
                format!("{}: {}", history.tool, rows.collect::<Vec<_>>().join(", "))
            })
            .collect();
        found.sort();
        let mut expected: Vec<String> = tables.iter().map(|table| format!("{}: {}", table.tool, table.read)).collect();
        expected.sort();
        assert_eq!(found, expected, "{db}, {}", spelled(last.name));
    }
}

on_every_engine! {
    the_histories_of_other_tools_are_read: super::read;
}
