//! Memory is bounded though values are not: a backup and a restore of huge values are run by the real program, whose peak the kernel tells.
//!
//! `TEST_LARGE_MIB` says how large a value is, on every engine.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::engines::on_every_engine;
use crate::support::mysql::Server;
use crate::support::world::{Db, World, text};

on_every_engine! {
    a_row_for_which_there_is_no_room: refused;
}

/// What a process may have, in MiB: more than all of it takes beside the row, and less than the row.
const LIMIT_MIB: u64 = 160;

/// Under a limit of the kernel's a row that does not fit is refused by name, by a backup and by a restore, before an allocation fails.
fn refused(db: Db) {
    let world = World::new(db);
    let asked = std::env::var("TEST_LARGE_MIB").ok().map(|mib| mib.parse::<u64>().unwrap());
    let (mib, value, named) = match db {
        Db::Sqlite => (96, "zeroblob", "table large (rowid = 42)"),
        Db::Postgres(_) => (54, "repeat", "table public.large (id = 42)"),
        Db::MySql(_) => (34, "repeat", "table large (id = 42)"),
    };
    let mib = asked.unwrap_or(mib);
    let value = if value == "repeat" { format!("repeat('x', {})", mib << 20) } else { format!("zeroblob({})", mib << 20) };
    let waiting = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _alone = match db {
        Db::MySql(server) => Some((waiting.block_on(server.alone()), Packet::raise(server, mib))),
        _ => None,
    };
    let columns = if matches!(db, Db::MySql(_)) { "LONGTEXT" } else { "TEXT" };
    world.sql(&format!(
        "CREATE TABLE large (id INTEGER PRIMARY KEY, value {columns} NOT NULL); INSERT INTO large VALUES (1, 'small'); \
         INSERT INTO large VALUES (42, {value});"
    ));
    let told = limited(&world, &["backup", "notes"], 65);
    assert!(told.contains(named) && told.contains("LimitDATA"), "{told}");
    let backup = peak_mib(&world.command(&["backup", "notes"]));
    world.sql("DELETE FROM large WHERE id = 42");
    // SQLite's is met when the rows are compared, those of the others beforehand.
    let told = limited(&world, &["restore", "notes", "--replace"], 65);
    assert!(told.contains("table") && told.contains("large") && told.contains("LimitDATA"), "{told}");
    assert_eq!(world.ask("SELECT count(*) FROM large"), "1", "the old content stands");
    let restore = peak_mib(&world.command(&["restore", "notes", "--replace"]));
    assert_eq!(world.ask("SELECT count(*) FROM large"), "2");
    let mut told = std::io::stderr();
    writeln!(told, "{db}: a value of {mib} MiB: backup {backup} MiB, restore {restore} MiB at the most").unwrap();
    // A server's row is there as the server sends it and as it is written: 2.6 of it were measured with all the rest.
    let bound = BASE_MIB + mib * 5 / 2;
    assert!(
        backup.max(restore) <= bound,
        "{db}: a value of {mib} MiB: backup {backup} MiB, restore {restore} MiB, more than {bound}"
    );
}

/// What the program says when it refuses under the limit. On one core, for each has threads of its own.
fn limited(world: &World, arguments: &[&str], code: i32) -> String {
    let command = world.command(arguments);
    let mut limited = Command::new("taskset");
    limited.args(["-c", &first_core(), "prlimit", &format!("--data={}", LIMIT_MIB << 20)]);
    let output = under(limited, &command).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    text(&output)
}

/// The first core that we may run on.
fn first_core() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let all = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    all.trim().split([',', '-']).next().unwrap().to_owned()
}

/// A server takes longer statements, until this is dropped.
struct Packet {
    server: &'static Server,
    before: String,
}

impl Packet {
    fn raise(server: &'static Server, mib: u64) -> Self {
        let before = server.sql("", "SELECT @@GLOBAL.max_allowed_packet").trim().to_owned();
        // The server's own limit is 1 GiB; a text is quoted on its way.
        let packet = (mib << 21).next_power_of_two().min(1 << 30);
        server.sql("", &format!("SET GLOBAL max_allowed_packet = {packet}"));
        Self { server, before }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        self.server.sql("", &format!("SET GLOBAL max_allowed_packet = {}", self.before));
    }
}

/// What a backup takes whatever the rows are: frames, contexts, the program itself (64), and what a busy machine's threads hold at once beside
/// that. A second value of 96 would not fit in it.
const BASE_MIB: u64 = 64 + 32;

#[test]
fn huge_values_of_sqlite() {
    bounded(2);
}

/// SQLite itself holds a value once while it is read, however many there are.
fn bounded(values: u64) {
    let mib: u64 = std::env::var("TEST_LARGE_MIB").map_or(96, |mib| mib.parse().unwrap());
    let world = World::new(Db::Sqlite);
    world.sql(&format!(
        "CREATE TABLE large (id INTEGER PRIMARY KEY, value BLOB NOT NULL);\n\
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {values}) \
         INSERT INTO large SELECT i, randomblob({}) FROM n",
        mib << 20
    ));
    let backup = peak_mib(&world.command(&["backup", "notes"]));
    let restore = peak_mib(&world.command(&["restore", "notes", "--replace"]));
    let verify = peak_mib(&world.command(&["verify", "--all"]));
    assert_eq!(world.ask("SELECT min(length(value)), count(*) FROM large"), format!("{}|{values}", mib << 20));
    let mut told = std::io::stderr();
    let peaks = format!("backup {backup} MiB, restore {restore} MiB, verify {verify} MiB at the most");
    writeln!(told, "sqlite: {values} values of {mib} MiB: {peaks}").unwrap();
    let bound = BASE_MIB + mib * 3 / 2;
    assert!(backup.max(restore).max(verify) <= bound, "{values} values of {mib} MiB: {peaks}, more than {bound}");
}

/// Runs a program to its good end, and gives what it held in memory at the most.
fn peak_mib(command: &Command) -> u64 {
    let told = tempfile::NamedTempFile::new().unwrap();
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%M", "-o"]).arg(told.path());
    let output = under(timed, command).stdin(Stdio::null()).output().expect("the package `time`, which tests/run installs");
    assert!(output.status.success(), "{}", text(&output));
    let kib: u64 = std::fs::read_to_string(told.path()).unwrap().trim().parse().unwrap();
    kib / 1024
}

/// The same program, run by another.
fn under(mut outer: Command, command: &Command) -> Command {
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}
