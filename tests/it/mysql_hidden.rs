//! MySQL and MariaDB: routines that an account sees and may not read are not dropped for an archive that lacks them.

use crate::support::mysql::{Which, server};
use crate::support::world::{Db, World, text};

fn kept(db: Db) {
    let mut world = World::new(db);
    world.confine();
    world.sql("CREATE FUNCTION doubled(n int) RETURNS int DETERMINISTIC RETURN 2 * n");
    let check = text(&world.run(&["check"]));
    assert!(check.contains("functions of other accounts are hidden") && check.contains("GRANT"), "{check}");
    let backup = world.run(&["backup", "notes"]);
    assert!(backup.status.success() && text(&backup).contains("function doubled"), "{}", text(&backup));
    world.sql("UPDATE note SET body = 'changed'");
    let restore = world.run(&["restore", "notes", "--replace"]);
    let said = text(&restore);
    assert!(!restore.status.success() && said.contains("function doubled") && said.contains("GRANT"), "{said}");
    assert_eq!(world.ask("SELECT doubled(2), body FROM note WHERE id = 1"), "4|changed");
    world.sql("DROP FUNCTION doubled");
    let restore = world.run(&["restore", "notes", "--replace"]);
    assert!(restore.status.success(), "{}", text(&restore));
    assert_eq!(world.ask("SELECT body FROM note WHERE id = 1"), "note 1");
}

#[test]
fn a_routine_that_no_archive_holds_is_not_replaced_on_mysql() {
    server(Which::MySql).map(Db::MySql).into_iter().for_each(kept);
}

#[test]
fn a_routine_that_no_archive_holds_is_not_replaced_on_mariadb() {
    server(Which::MariaDb).map(Db::MySql).into_iter().for_each(kept);
}
