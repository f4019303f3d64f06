//! Tables out of an archive, alone: what the vendor's client makes of what is printed equals the source, and half of it makes nothing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::engines::{Home, on_every_engine};
use crate::support::world::{Db, World, text};

on_every_engine! {
    tables_come_out_of_an_archive_alone: alone;
}

/// A table with a name and values that defeat whoever quotes by guessing, one that refers to it, and what the two cannot have alone.
fn setup(db: Db) -> &'static str {
    match db {
        Db::Sqlite => {
            "CREATE TABLE \"We \"\"ird\" (id INTEGER PRIMARY KEY AUTOINCREMENT, v); \
             INSERT INTO \"We \"\"ird\" (v) VALUES (NULL), (0.1), (9e999), (-9223372036854775808), ('it''s' || char(10) || '.quit' || char(10) || 'COMMIT;'), \
               (CAST(x'6100620d0a' AS TEXT)), (x'00ff'), ('日本'); \
             INSERT INTO \"We \"\"ird\" (id, v) VALUES (900, 'gone'); DELETE FROM \"We \"\"ird\" WHERE id = 900; \
             CREATE TABLE child (parent INTEGER REFERENCES \"We \"\"ird\", twice INTEGER AS (parent * 2) STORED, body TEXT); \
             INSERT INTO child (rowid, parent, body) SELECT id * 7, id, 'body ' || id FROM \"We \"\"ird\"; \
             CREATE INDEX child_parent ON child (parent); \
             CREATE TRIGGER rings AFTER INSERT ON child BEGIN SELECT 1; END"
        }
        Db::Postgres(_) => {
            "CREATE SCHEMA \"s. x\"; CREATE TYPE mood AS ENUM ('well', 'ill'); \
             CREATE FUNCTION rings() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$; \
             CREATE TABLE \"s. x\".\"We \"\"ird\" (id serial PRIMARY KEY, v text); \
             INSERT INTO \"s. x\".\"We \"\"ird\" (v) VALUES (NULL), (''), (E'it''s\\n\\\\.\\n\\\\q\\nCOMMIT;\\r\\n'), ('日本'), (E'tab\\tand \\\\N'); \
             SELECT setval('\"s. x\".\"We \"\"ird_id_seq\"', 900); \
             CREATE TABLE child (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int REFERENCES \"s. x\".\"We \"\"ird\", \
               twice int GENERATED ALWAYS AS (parent * 2) STORED, body text); \
             INSERT INTO child (parent, body) SELECT id, 'body ' || id FROM \"s. x\".\"We \"\"ird\"; \
             CREATE INDEX child_parent ON child (parent) WHERE parent > 0; \
             CREATE TRIGGER rings BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION rings(); \
             ALTER TABLE child ENABLE ALWAYS TRIGGER rings; \
             COMMENT ON TABLE child IS 'CREATE TABLE \"s. x\".none'; COMMENT ON INDEX child_parent IS 'kept'; \
             CREATE TABLE event (id int, at date) PARTITION BY RANGE (at); CREATE INDEX ON event (id); \
             CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2026-07-01'); \
             CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2026-07-01') TO ('2027-01-01'); \
             INSERT INTO event SELECT n, '2026-01-01'::date + n FROM generate_series(1, 300) n; \
             CREATE TABLE feeling (id int, how mood)"
        }
        Db::MySql(_) => {
            "CREATE TABLE `We ``ird` (id int AUTO_INCREMENT PRIMARY KEY, v text, b blob, KEY (v(10))) CHARACTER SET utf8mb4 AUTO_INCREMENT = 900; \
             INSERT INTO `We ``ird` (id, v, b) VALUES (1, NULL, NULL), (2, 'it''s; COMMIT;\\r\\n-- x\\0y', 0x00ff), (3, '日本', ''), (4, '`note`', NULL); \
             CREATE TABLE child (parent int, twice int AS (parent * 2) STORED, body text COMMENT 'it REFERENCES `nobody` ;', KEY (parent), \
               FOREIGN KEY (parent) REFERENCES `We ``ird` (id)); \
             INSERT INTO child (parent, body) SELECT id, concat('body ', id) FROM `We ``ird`; \
             CREATE TABLE own (id int PRIMARY KEY, above int, FOREIGN KEY (above) REFERENCES own (id)); INSERT INTO own VALUES (1, NULL), (2, 1); \
             CREATE TRIGGER rings BEFORE INSERT ON child FOR EACH ROW SET @rings = 1"
        }
    }
}

/// The two tables as they are typed, and what is asked of both databases.
fn asked(db: Db) -> ([&'static str; 2], Vec<String>) {
    match db {
        Db::Sqlite => {
            let all = "SELECT group_concat(id || typeof(v) || ifnull(hex(v), '') || ifnull(v = 0.1, ''), ';') FROM (SELECT * FROM \"We \"\"ird\" ORDER BY id)";
            let child = "SELECT group_concat(rowid || ' ' || parent || ' ' || twice || body, ';') FROM (SELECT rowid, * FROM child ORDER BY parent)";
            let rest = "SELECT (SELECT seq FROM sqlite_sequence WHERE name LIKE 'We%'), (SELECT sql FROM sqlite_schema WHERE name = 'child_parent')";
            (["We \"ird", "child"], [all, child, rest].map(str::to_owned).to_vec())
        }
        Db::Postgres(_) => {
            let all = "SELECT string_agg(w::text, ';' ORDER BY id) FROM \"s. x\".\"We \"\"ird\" w";
            let child = "SELECT string_agg(c::text, ';' ORDER BY id) FROM child c";
            let rest = "SELECT last_value, (SELECT string_agg(indexdef, ';' ORDER BY indexdef) FROM pg_indexes WHERE tablename IN ('child', 'We \"ird')), \
                        obj_description('child'::regclass), obj_description('child_parent'::regclass), \
                        (SELECT string_agg(pg_get_constraintdef(oid), ';' ORDER BY conname) FROM pg_constraint WHERE conrelid = 'child'::regclass) \
                        FROM \"s. x\".\"We \"\"ird_id_seq\"";
            (["\"s. x\".\"We \"\"ird\"", "child"], [all, child, rest].map(str::to_owned).to_vec())
        }
        Db::MySql(_) => {
            let all = "SELECT group_concat(concat_ws('/', id, hex(v), hex(b)) ORDER BY id SEPARATOR ';') FROM `We ``ird`";
            let child = "SELECT group_concat(concat_ws('/', parent, twice, body) ORDER BY parent SEPARATOR ';') FROM child";
            (
                ["We `ird", "child"],
                [all, child, "SHOW CREATE TABLE `We ``ird`", "SHOW CREATE TABLE child"].map(str::to_owned).to_vec(),
            )
        }
    }
}

fn alone(db: Db) {
    let world = World::new(db);
    world.sql(setup(db));
    let label = world.json(&["backup", "notes"])["label"].as_str().unwrap().to_owned();
    let ([weird, child], questions) = asked(db);
    let both = ["extract", "notes", "--table", weird, "--table", child];
    let printed = extracted(&world, &both);
    let said = String::from_utf8_lossy(&printed.stderr).into_owned();
    assert!(said.contains(&format!("from {label}, taken ")) && said.contains("left out: trigger"), "{said}");

    // Half of it makes nothing, and neither does what broke off; then all of it is what the source has.
    let home = Elsewhere::new(&world);
    let sql = String::from_utf8_lossy(&printed.stdout).into_owned();
    let counts = sql.rfind("RENAME TABLE ").or_else(|| sql.rfind("\nCOMMIT;")).unwrap();
    home.run(&sql.as_bytes()[..counts]);
    home.remove_unfinished();
    damaged(&world, &home, &label, [weird, child]);
    assert!(!home.has("child"), "half of the rows make a table");
    let ran = home.run(&printed.stdout);
    assert!(ran.status.success(), "{}\n{}", text(&ran), String::from_utf8_lossy(&printed.stdout));
    for question in &questions {
        assert_eq!(home.home.ask(question), world.ask(question), "{question}");
    }
    // The rows alone go into a table that is there, and not on top of rows that are.
    let rows = extracted(&world, &["extract", &label, "--table", child, "--data-only"]);
    home.home.sql("DELETE FROM child");
    let ran = home.run(&rows.stdout);
    assert!(ran.status.success(), "{}\n{}", text(&ran), String::from_utf8_lossy(&rows.stdout));
    let count = "SELECT count(*), sum(parent), sum(twice), min(body) FROM child";
    assert_eq!(home.home.ask(count), world.ask(count));
    if !matches!(db, Db::Sqlite) {
        of_this_engine(db, &world, &home);
    }
    refused(&world);
    assert_eq!(world.leftovers(), Vec::<PathBuf>::new());
}

/// What one kind of server alone has.
fn of_this_engine(db: Db, world: &World, home: &Elsewhere) {
    match db {
        Db::Postgres(_) => {
            let printed = extracted(world, &["extract", "notes", "--table", "event"]);
            assert!(home.run(&printed.stdout).status.success(), "{}", String::from_utf8_lossy(&printed.stdout));
            let question =
                "SELECT count(*), sum(id), (SELECT count(*) FROM event_2), (SELECT count(*) FROM pg_inherits) FROM event";
            assert_eq!(home.home.ask(question), world.ask(question));
            // A type goes with no table; it is said, and the client says it.
            let printed = extracted(world, &["extract", "notes", "--table", "feeling"]);
            let said = String::from_utf8_lossy(&printed.stderr).into_owned();
            assert!(said.contains("not printed: public.mood"), "{said}");
            assert_eq!(home.run(&printed.stdout).status.code(), Some(3));
        }
        _ => {
            let printed = extracted(world, &["extract", "notes", "--table", "own"]);
            assert!(home.run(&printed.stdout).status.success(), "{}", String::from_utf8_lossy(&printed.stdout));
            for question in ["SHOW CREATE TABLE own", "SELECT count(*), sum(above) FROM own"] {
                assert_eq!(home.home.ask(question), world.ask(question), "{question}");
            }
        }
    }
}

/// What is not there is named with what is near, and nothing is printed.
fn refused(world: &World) {
    for (arguments, code, words) in [
        (&["extract", "notes", "--table", "chlid"][..], 66, "child"),
        (&["extract", "notes", "--table", "no\u{1b}[2J"], 66, "no\\u001b[2J"),
        (&["extract", "nobody", "--table", "note"], 66, "upkeep list"),
        (&["extract", "notes"], 64, "--table"),
        (&["extract", "notes", "--table", "note", "--json"], 64, "SQL and no JSON"),
    ] {
        let output = world.run(arguments);
        let said = text(&output);
        assert!(output.status.code() == Some(code) && said.contains(words), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty() || arguments.contains(&"--json"), "{arguments:?}: {said}");
    }
}

/// An archive of which one of the last rows' bytes is another.
fn damaged(world: &World, home: &Elsewhere, label: &str, [weird, child]: [&str; 2]) {
    let manifest = world.json(&["inspect", label]);
    let frames = manifest["frames"].as_array().unwrap();
    let tables = manifest["tables"].as_array().unwrap();
    let is_ours = |frame: &&serde_json::Value| {
        let name = frame["table"].as_u64().map(|at| tables[at as usize]["name"].as_str().unwrap());
        frame["kind"] == "image" || name.is_some_and(|name| name == "child" || name.contains("ird"))
    };
    let last = frames.iter().rfind(is_ours).unwrap();
    let at = last["offset"].as_u64().unwrap() + last["stored"].as_u64().unwrap() / 2;
    let extension = if matches!(home.home.db, Db::Sqlite) { "sqlite.zst" } else { "sql.zst" };
    let mut bytes = std::fs::read(world.root().join(format!("archives/{label}.{extension}"))).unwrap();
    bytes[at as usize] ^= 1;
    let file = world.root().join(format!("damaged.{extension}"));
    std::fs::write(&file, bytes).unwrap();
    let output = world.run(&["extract", file.to_str().unwrap(), "--table", weird, "--table", child]);
    assert!(output.status.code() == Some(65) && text(&output).contains("is damaged"), "{}", text(&output));
    if !matches!(home.home.db, Db::Sqlite) {
        let ran = home.run(&output.stdout);
        assert!(!ran.status.success() && text(&ran).contains("not all rows are here"), "{}", text(&ran));
        home.remove_unfinished();
    }
}

/// Runs it, which must end well.
#[track_caller]
fn extracted(world: &World, arguments: &[&str]) -> Output {
    let output = world.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    output
}

/// A database of the same engine, with the client that runs SQL there.
struct Elsewhere {
    home: Home,
    root: PathBuf,
}

impl Elsewhere {
    fn new(world: &World) -> Self {
        let root = world.root();
        let home = Home::new(world.home().db, &root.join("elsewhere.db"));
        home.create();
        Self { home, root }
    }

    /// Whether a table of this name is there.
    fn has(&self, table: &str) -> bool {
        self.home
            .columns_and_tables(table, "1")
            .split('|')
            .next()
            .is_some_and(|columns| !columns.is_empty() && columns != "NULL")
    }

    /// What MySQL made is under a name that says what it is.
    fn remove_unfinished(&self) {
        if matches!(self.home.db, Db::MySql(_)) {
            self.home.sql("DROP TABLE upkeep_unfinished_2, upkeep_unfinished_1");
        }
    }

    fn run(&self, sql: &[u8]) -> Output {
        let client = match self.home.db {
            Db::Sqlite => format!("sqlite3 {}", Path::new(self.home.file()).display()),
            _ => self.home.client(),
        };
        let mut shell = Command::new("sh");
        shell.args(["-c", &client]).current_dir(&self.root).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        // A client that stops at an error reads no more.
        child.stdin.take().unwrap().write_all(sql).ok();
        child.wait_with_output().unwrap()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.home.remove();
        }
    }
}
