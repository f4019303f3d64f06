//! Memory is bounded though values are not: a backup and a restore of huge values are run by the real program, whose peak the kernel tells.
//!
//! `TEST_LARGE_MIB` says how large a value is.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::world::{Db, World, text};

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
    timed.args(["-f", "%M", "-o"]).arg(told.path()).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(name, value),
            None => timed.env_remove(name),
        };
    }
    let output = timed.stdin(Stdio::null()).output().expect("the package `time`, which tests/run installs");
    assert!(output.status.success(), "{}", text(&output));
    let kib: u64 = std::fs::read_to_string(told.path()).unwrap().trim().parse().unwrap();
    kib / 1024
}
