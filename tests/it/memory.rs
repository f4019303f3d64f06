//! Memory is bounded though values are not: a backup and a restore of huge values are run by the real program, whose peak the kernel tells.
//!
//! `TEST_LARGE_MIB` says how large a value is.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::world::{Db, World, text};

/// What a backup takes whatever the rows are: frames, contexts and the program itself.
const BASE_MIB: u64 = 64;

#[test]
fn huge_values_of_sqlite() {
    bounded(3);
}

/// SQLite itself holds a value once while it is read, however many there are.
fn bounded(values: u64) {
    let mib: u64 = std::env::var("TEST_LARGE_MIB").map_or(32, |mib| mib.parse().unwrap());
    let world = World::new(Db::Sqlite);
    world.sql(&format!(
        "CREATE TABLE large (id INTEGER PRIMARY KEY, value BLOB NOT NULL);\n\
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {values}) \
         INSERT INTO large SELECT i, randomblob({}) FROM n",
        mib << 20
    ));
    let backup = peak_mib(world.command(&["backup", "notes"]));
    let restore = peak_mib(world.command(&["restore", "notes", "--replace"]));
    let verify = peak_mib(world.command(&["verify", "--all"]));
    assert_eq!(world.ask("SELECT min(length(value)), count(*) FROM large"), format!("{}|{values}", mib << 20));
    let mut told = std::io::stderr();
    let peaks = format!("backup {backup} MiB, restore {restore} MiB, verify {verify} MiB at the most");
    writeln!(told, "sqlite: {values} values of {mib} MiB: {peaks}").unwrap();
    let bound = BASE_MIB + mib * 3 / 2;
    assert!(backup.max(restore).max(verify) <= bound, "{values} values of {mib} MiB: {peaks}, more than {bound}");
}

/// Runs a program to its good end, and gives what it held in memory at the most.
fn peak_mib(mut command: Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = seen(&child).unwrap_or(peak).max(peak);
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    peak
}

fn seen(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}
