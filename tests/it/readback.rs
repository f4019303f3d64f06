//! A schema that changes under a restore's hands: the restore says that it does not read back as it was archived.

use crate::support::engines::{Db, on_every_engine};
use crate::support::held::Held;
use crate::support::world::{World, text};

on_every_engine! {
    a_schema_that_does_not_read_back_as_archived_is_told: changed;
}

const SAID: &str = "the schema does not read back word for word";

fn changed(db: Db) {
    let world = World::new(db);
    assert!(world.run(&["backup", "notes"]).status.success());
    let command = ["restore", "notes", "--replace"];
    let same = world.run(&command);
    assert!(same.status.success() && !text(&same).contains(SAID), "{}", text(&same));
    let last = match db {
        Db::Sqlite => "sqlite.replaced",
        Db::Postgres(_) => "pg.swap.unmarked",
        Db::MySql(_) => "my.swap.finished",
    };
    let held = Held::at(&world, &command, last);
    world.sql("CREATE TABLE beside (a int)");
    let other = held.go_on();
    assert!(other.status.success() && text(&other).contains(SAID), "{}", text(&other));
    if matches!(db, Db::MySql(_)) {
        assert!(text(&other).contains("(table beside)"), "{}", text(&other));
    }
}
