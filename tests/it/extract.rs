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
               (CAST(x'6100620d0a' AS TEXT)), ('a' || char(13, 10) || '<0>'), (x'00ff'), ('日本'), (CAST(x'ff' AS TEXT)); \
             INSERT INTO \"We \"\"ird\" (id, v) VALUES (900, 'gone'); DELETE FROM \"We \"\"ird\" WHERE id = 900; \
             CREATE TABLE child (parent INTEGER REFERENCES \"We \"\"ird\", twice INTEGER AS (parent * 2) STORED, body TEXT); \
             INSERT INTO child (rowid, parent, body) SELECT id * 7, id, 'body ' || id FROM \"We \"\"ird\"; \
             CREATE INDEX child_parent ON child (parent); \
             CREATE TRIGGER \"rings\nall is well\" AFTER INSERT ON CHILD BEGIN SELECT 1; END; \
             CREATE TABLE tail (a PRIMARY KEY, how) WITHOUT ROWID -- it's\n; CREATE INDEX tail_how ON tail (how) -- it's\n; \
             INSERT INTO tail VALUES (1, 'x'); CREATE TABLE \"two\nlines\" (id int); CREATE TABLE number (id INTEGER PRIMARY KEY, v); \
             INSERT INTO number (v) WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 2000) \
               SELECT CAST((n * 7919 % 1000003) || '.' || (n * 104729 % 999983) || (n * 1299709 % 999979) || (n * 15485863 % 999961) \
               || 'e' || (n % 300 - 300) AS REAL) FROM up"
        }
        Db::Postgres(_) => {
            "CREATE SCHEMA \"s. x\"; CREATE TYPE mood AS ENUM ('well', 'ill'); \
             CREATE FUNCTION rings() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$; \
             CREATE TABLE \"s. x\".\"We \"\"ird\" (id serial PRIMARY KEY, v text); \
             INSERT INTO \"s. x\".\"We \"\"ird\" (v) VALUES (NULL), (''), (';COMMIT;DROP TABLE other;'), (E'it''s\\n\\\\.\\n\\\\q\\nCOMMIT;\\r\\n'), ('日本'), (E'tab\\tand \\\\N'); \
             SELECT setval('\"s. x\".\"We \"\"ird_id_seq\"', 900); \
             CREATE TABLE child (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int REFERENCES \"s. x\".\"We \"\"ird\", \
               twice int GENERATED ALWAYS AS (parent * 2) STORED, body text); \
             INSERT INTO child (parent, body) SELECT id, 'body ' || id FROM \"s. x\".\"We \"\"ird\"; \
             CREATE INDEX child_parent ON child (parent) WHERE parent > 0; \
             CREATE FUNCTION child(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'; \
             CREATE INDEX child_odd ON child (parent) WHERE child(parent); \
             CREATE RULE never AS ON UPDATE TO child WHERE new.body IS DISTINCT FROM old.body AND new.id < 0 DO INSTEAD NOTHING; \
             CREATE TRIGGER rings BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION rings(); \
             ALTER TABLE child ENABLE ALWAYS TRIGGER rings; \
             COMMENT ON TABLE child IS 'CREATE TABLE \"s. x\".none'; COMMENT ON INDEX child_parent IS 'kept'; \
             CREATE TABLE event (id int, at date) PARTITION BY RANGE (at); CREATE INDEX ON event (id); \
             CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2026-07-01'); \
             CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2026-07-01') TO ('2027-01-01'); \
             INSERT INTO event SELECT n, '2026-01-01'::date + n FROM generate_series(1, 300) n; \
             CREATE TABLE feeling (id int, how mood); CREATE TABLE \"s. x\".feeling (id int); CREATE TABLE \"two\nlines\" (id int); \
             CREATE TABLE above (id int); CREATE TABLE heir (more int) INHERITS (above); INSERT INTO above VALUES (1); INSERT INTO heir VALUES (2, 3)"
        }
        Db::MySql(_) => {
            "CREATE TABLE `We ``ird` (id int AUTO_INCREMENT PRIMARY KEY, v text, b blob, KEY (v(10))) CHARACTER SET utf8mb4 AUTO_INCREMENT = 900; \
             INSERT INTO `We ``ird` (id, v, b) VALUES (1, NULL, NULL), (2, 'it''s; COMMIT;\\r\\n-- x\\0y', 0x00ff), (3, '日本', ''), (4, '`note`', NULL); \
             CREATE TABLE child (parent int, twice int AS (parent * 2) STORED, body text COMMENT 'it REFERENCES `nobody` ;', KEY (parent), \
               FOREIGN KEY (parent) REFERENCES `We ``ird` (id)); \
             INSERT INTO child (parent, body) SELECT id, concat('body ', id) FROM `We ``ird`; \
             CREATE TABLE own (id int PRIMARY KEY, above int, FOREIGN KEY (above) REFERENCES own (id)); INSERT INTO own VALUES (1, NULL), (2, 1); \
             CREATE TABLE `two\nlines` (id int); \
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
            let rest = "SELECT last_value, (SELECT string_agg(indexdef, ';' ORDER BY indexdef) FROM pg_indexes WHERE tablename IN ('child', 'We \"ird') AND indexname <> 'child_odd'), \
                        (SELECT count(*) FROM pg_rules WHERE tablename = 'child'), \
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
    // Whatever a name is, it makes no line of its own.
    assert!(!said.contains("\nall is well") && !said.contains("new.body"), "{said}");

    // Half of it makes nothing, and neither does what broke off; then all of it is what the source has.
    let home = Elsewhere::new(&world);
    let sql = String::from_utf8_lossy(&printed.stdout).into_owned();
    let counts = sql.rfind(", `upkeep_unfinished_2` TO ").or_else(|| sql.rfind("\nCOMMIT;")).unwrap();
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
    if matches!(db, Db::Postgres(_)) {
        home.home.sql("ALTER SEQUENCE child_id_seq RESTART");
    }
    let ran = home.run(&rows.stdout);
    assert!(ran.status.success(), "{}\n{}", text(&ran), String::from_utf8_lossy(&rows.stdout));
    let count = "SELECT count(*), sum(parent), sum(twice), min(body) FROM child";
    assert_eq!(home.home.ask(count), world.ask(count));
    of_this_engine(db, &world, &home, &rows.stdout);
    nobody_reads(&world, child);
    refused(&world);
    assert_eq!(world.leftovers(), Vec::<PathBuf>::new());
}

/// What one kind of server alone has.
fn of_this_engine(db: Db, world: &World, home: &Elsewhere, rows: &[u8]) {
    match db {
        Db::Postgres(_) => {
            sequences_and_words(world, home, rows);
            let tables = ["--table", "event", "--table", "two\nlines", "--table", "above", "--table", "heir"];
            let printed = extracted(world, &[&["extract", "notes"], &tables[..]].concat());
            assert!(home.run(&printed.stdout).status.success(), "{}", String::from_utf8_lossy(&printed.stdout));
            let question = "SELECT count(*), sum(id), (SELECT count(*) FROM event_2), (SELECT count(*) FROM pg_inherits), \
                            (SELECT sum(id) FROM above), (SELECT count(*) FROM \"two\nlines\") FROM event";
            assert_eq!(home.home.ask(question), world.ask(question));
            // A type goes with no table, nor does a table that inherits; it is said, and the client says the first.
            let printed = extracted(world, &["extract", "notes", "--table", "public.feeling", "--table", "above"]);
            let said = String::from_utf8_lossy(&printed.stderr).into_owned();
            assert!(
                said.contains("not printed: public.mood") && said.contains("public.heir inherits from public.above"),
                "{said}"
            );
            assert_eq!(home.run(&printed.stdout).status.code(), Some(3));
            let output = world.run(&["extract", "notes", "--table", "feeling"]);
            assert!(output.status.code() == Some(66) && text(&output).contains("several tables"), "{}", text(&output));
        }
        Db::Sqlite => {
            let tables = ["--table", "tail", "--table", "number", "--table", "two\nlines"];
            let printed = extracted(world, &[&["extract", "notes"], &tables[..]].concat());
            let ran = home.run(&printed.stdout);
            assert!(ran.status.success(), "{}", text(&ran));
            let source = world.home().file().display();
            let question = format!(
                "ATTACH '{source}' AS source; SELECT count(*), (SELECT count(*) FROM tail), (SELECT count(*) FROM \"two\nlines\") \
                 FROM number JOIN source.number other USING (id) WHERE number.v = other.v AND typeof(number.v) = 'real'"
            );
            assert_eq!(home.home.ask(&question), "2000|1|0");
        }
        Db::MySql(_) => {
            let printed = extracted(world, &["extract", "notes", "--table", "own", "--table", "two\nlines"]);
            assert!(home.run(&printed.stdout).status.success(), "{}", String::from_utf8_lossy(&printed.stdout));
            for question in
                ["SHOW CREATE TABLE own", "SELECT count(*), sum(above), (SELECT count(*) FROM `two\nlines`) FROM own"]
            {
                assert_eq!(home.home.ask(question), world.ask(question), "{question}");
            }
        }
    }
}

/// A sequence goes on where the archive's stood and never back; where the tables are there already, nobody's row runs as a statement.
fn sequences_and_words(world: &World, home: &Elsewhere, rows: &[u8]) {
    let stands = "SELECT last_value, is_called FROM child_id_seq";
    assert_eq!(home.home.ask(stands), world.ask(stands));
    home.home.sql("DELETE FROM child; SELECT setval('child_id_seq', 5000); CREATE TABLE other (id int)");
    assert!(home.run(rows).status.success());
    assert_eq!(home.home.ask(stands), "5000|t");
    let printed = extracted(world, &["extract", "notes", "--table", "We \"ird"]);
    let ran = home.run(&printed.stdout);
    assert!(ran.status.code() == Some(3) && home.has("other"), "{}", text(&ran));
    // An index over a function that has the table's name is no index over the table.
    let printed = extracted(world, &["extract", "notes", "--table", "child"]);
    let said = String::from_utf8_lossy(&printed.stderr).into_owned();
    assert!(said.contains("index child_odd of table public.child: it needs public.child\n"), "{said}");
}

/// A full disk behind standard output is told, by the exit code too.
fn nobody_reads(world: &World, table: &str) {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = world.command(&["extract", "notes", "--table", table]).stdout(full).output().unwrap();
    assert!(output.status.code() == Some(74) && text(&output).contains("its end is missing"), "{}", text(&output));
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
    // A file of anywhere is unpacked where nobody else can enter, and nothing stays there.
    let scratch = tempfile::tempdir_in(world.root()).unwrap();
    let mut command = world.command(&["extract", file.to_str().unwrap(), "--table", weird, "--table", child]);
    let output = command.env("TMPDIR", scratch.path()).output().unwrap();
    assert!(output.status.code() == Some(65) && text(&output).contains("is damaged"), "{}", text(&output));
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
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
            // As somebody types it, who knows of no options.
            _ => self.home.client().replace(" -v ON_ERROR_STOP=1", ""),
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
