//! MySQL and MariaDB: an event of what is replaced never acts on what replaces it, and is there again where nothing was.

use std::os::unix::process::ExitStatusExt;

use crate::support::held::Held;
use crate::support::mysql::{Which, name_of, server};
use crate::support::wait::until;
use crate::support::world::{Db, World, text};

const EVENTS: &str = "SET time_zone = '+03:00', sql_mode = 'ANSI_QUOTES'; \
    CREATE DEFINER = `gh``ost`@`localhost` EVENT `eager; one` ON SCHEDULE EVERY 1 SECOND STARTS '2020-01-01 00:00:00' \
      ON COMPLETION PRESERVE ENABLE COMMENT 'it''s DISABLE' DO DELETE FROM \"note\"; \
    CREATE EVENT off ON SCHEDULE EVERY 1 SECOND DISABLE DO DELETE FROM note;";
const SOON: &str =
    "CREATE EVENT soon ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 SECOND ON COMPLETION PRESERVE DO DELETE FROM note;";
const LOOK: &str = "SELECT GROUP_CONCAT(CONCAT_WS('; ', event_name, definer, status, on_completion, event_comment, event_definition, \
    starts, time_zone, sql_mode, character_set_client, collation_connection) ORDER BY event_name SEPARATOR '\\n') \
    FROM information_schema.events WHERE event_schema = DATABASE() AND event_name <> 'soon'";
const ENABLED: &str = "SELECT COALESCE(GROUP_CONCAT(event_name), '') FROM information_schema.events WHERE event_schema = DATABASE() AND status = 'ENABLED'";

fn told(db: Db) {
    let world = World::new(db);
    assert!(world.run(&["backup", "notes"]).status.success());
    world.sql("UPDATE note SET body = 'old content'");
    world.keep();
    let (trace, command) = (world.root().join("trace"), ["restore", "notes", "--replace"]);
    let whole = world.command(&command).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    assert!(whole.status.success(), "{}", text(&whole));
    let points = std::fs::read_to_string(&trace).unwrap();
    let (mut undone, mut finished) = (0, 0);
    for (number, point) in points.lines().enumerate().filter(|(_, point)| point.starts_with("my.swap.")) {
        world.reset();
        world.sql(EVENTS);
        let before = world.ask(LOOK);
        let is_cleared = point == "my.swap.cleared";
        if is_cleared {
            world.sql(SOON);
        }
        let killed = world.command(&command).env("UPKEEP_FAULT_KILL", (number + 1).to_string()).output().unwrap();
        assert_eq!(killed.status.signal(), Some(9), "{point}: {}", text(&killed));
        let armed = if ["my.swap.noted", "my.swap.ready"].contains(&point) { "eager; one" } else { "" };
        assert_eq!(world.ask(ENABLED), armed, "{point}");
        if is_cleared {
            world.sql("DO SLEEP(2)");
            // Once more, between what is put back and the end of the notes: the tables were moved back before.
            let settling = ["prune", "notes"];
            let killed =
                world.command(&settling).env("UPKEEP_FAULT_TRACE", &trace).env("UPKEEP_FAULT_KILL", "2").output().unwrap();
            assert_eq!(killed.status.signal(), Some(9), "{}", text(&killed));
            let passed = std::fs::read_to_string(&trace).unwrap();
            assert!(passed.ends_with("my.settle.undone\n"), "{passed}");
            assert_eq!(world.ask(LOOK), before);
        }
        let settled = text(&world.run(&["prune", "notes"]));
        if world.ask("SELECT body FROM note WHERE id = 1") == "old content" {
            undone += 1;
            assert_eq!(world.ask(LOOK), before, "{point}: {settled}");
            assert_eq!(
                settled.contains("event soon: its time has passed meanwhile, and it may not have run"),
                is_cleared,
                "{point}: {settled}"
            );
        } else {
            finished += 1;
            assert_eq!(world.ask(LOOK), "NULL", "{point}: {settled}");
        }
    }
    assert!(undone >= 3 && finished >= 3, "{undone}, {finished}: {points}");
}

#[test]
fn events_of_the_old_content_are_set_aside_on_mysql() {
    server(Which::MySql).map(Db::MySql).into_iter().for_each(told);
}

#[test]
fn events_of_the_old_content_are_set_aside_on_mariadb() {
    server(Which::MariaDb).map(Db::MySql).into_iter().for_each(told);
}

/// Who came while the archive was loaded, or an event of the old content that still runs, would write into the new.
fn late(db: Db) {
    let Db::MySql(server) = db else { return };
    let world = World::new(db);
    assert!(world.run(&["backup", "notes"]).status.success());
    world.sql("UPDATE note SET body = 'old content'");
    world.sql(EVENTS);
    let before = world.ask(LOOK);
    let name = name_of(&world.database()).to_owned();
    let held = Held::at(&world, &["restore", "notes", "--replace"], "my.load.tried");
    let mut other = server.client("mariadb", "mysql").args([&name, "--execute=DO SLEEP(600)"]).spawn().unwrap();
    let runs = format!("SELECT count(*) FROM information_schema.processlist WHERE db = '{name}' AND info LIKE 'DO SLEEP%'");
    until("the other session is there", || server.sql("", &runs) == "1");
    let output = held.go_on();
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(!output.status.success() && text(&output).contains("in use"), "{}", text(&output));
    assert_eq!((world.ask("SELECT body FROM note WHERE id = 1").as_str(), world.ask(LOOK)), ("old content", before));
    assert_eq!(world.scratch_databases(), Vec::<String>::new());
    let end = format!(
        "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist WHERE db = '{name}' AND info LIKE 'DO SLEEP%'"
    );
    server.try_sql("", &server.sql("", &end)).ok();
    let again = world.run(&["restore", "notes", "--replace"]);
    assert!(again.status.success(), "{}", text(&again));
}

#[test]
fn who_comes_while_an_archive_is_loaded_keeps_it_out_on_mysql() {
    server(Which::MySql).map(Db::MySql).into_iter().for_each(late);
}

#[test]
fn who_comes_while_an_archive_is_loaded_keeps_it_out_on_mariadb() {
    server(Which::MariaDb).map(Db::MySql).into_iter().for_each(late);
}
