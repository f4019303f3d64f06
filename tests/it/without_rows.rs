//! Rows that the configuration leaves out: said wherever the archive is shown, refused where the kept ones could not be restored, and there in
//! what a restore takes.

use serde_json::Value;

use crate::support::engines::{Db, on_every_engine};
use crate::support::world::{World, text};

on_every_engine! {
    rows_are_left_out_by_name: rows_are_left_out_by_name;
}

/// What an archive says it lacks.
fn left_out(archive: &Value) -> Vec<&str> {
    let all = archive["left_out"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|left| left["what"].as_str().unwrap()).collect()
}

fn rows_are_left_out_by_name(db: Db) {
    let world = World::new(db);
    let without = |tables: &str| {
        world.write_config("");
        let config = std::fs::read_to_string(world.config()).unwrap();
        let config =
            config.replace("[targets.notes.backup]\n", &format!("[targets.notes.backup]\nwithout_rows = [{tables}]\n"));
        std::fs::write(world.config(), config).unwrap();
    };
    without("\"seen\", \"*_log\"");
    if matches!(db, Db::Sqlite) {
        let said = text(&world.run(&["backup", "notes"]));
        assert!(said.contains("without_rows") && said.contains("image of the whole file"), "{said}");
        return;
    }
    world.sql("CREATE TABLE seen (id INTEGER PRIMARY KEY, note INTEGER REFERENCES note (id))");
    world.sql("CREATE TABLE audit_log (id INTEGER PRIMARY KEY, seen INTEGER)");
    world.sql("ALTER TABLE audit_log ADD FOREIGN KEY (seen) REFERENCES seen (id)");
    world.sql("INSERT INTO seen VALUES (1, 1), (2, 2)");
    world.sql("INSERT INTO audit_log VALUES (1, 1), (2, 2), (3, 2)");
    let prefix = if matches!(db, Db::Postgres(_)) { "public." } else { "" };

    let archived = world.json(&["backup", "notes"]);
    let wanted = [format!("rows of table {prefix}audit_log"), format!("rows of table {prefix}seen")];
    assert_eq!(left_out(&archived), wanted, "{archived}");
    assert!(text(&world.run(&["list"])).contains("verified, some rows left out"));
    let label = archived["label"].as_str().unwrap();
    let output = world.run(&["extract", label, "--table", "seen"]);
    assert!(
        !output.status.success() && output.stdout.is_empty() && text(&output).contains("left them out"),
        "{}",
        text(&output)
    );

    let restored = world.run(&["restore", "notes", "--replace", "--stop-server"]);
    let said = text(&restored);
    assert!(restored.status.success() && said.contains(&format!("not in the archive: rows of table {prefix}seen")), "{said}");
    let counts = "SELECT (SELECT count(*) FROM note), (SELECT count(*) FROM seen), (SELECT count(*) FROM audit_log)";
    assert_eq!(world.ask(counts), "100|0|0");
    let all = world.json(&["list"]);
    let safety = all.as_array().unwrap().iter().find(|entry| entry["kind"] == "pre-restore").unwrap();
    assert!(left_out(safety).is_empty() && safety["rows"] == 106, "{safety}");
    let compared = text(&world.run(&["diff", safety["label"].as_str().unwrap(), label]));
    assert!(compared.contains("rows left out") && !compared.contains("removed"), "{compared}");
    let back = world.run(&["restore", "notes", safety["label"].as_str().unwrap(), "--replace", "--stop-server"]);
    assert!(back.status.success(), "{}", text(&back));
    assert_eq!(world.ask(counts), "100|2|3");

    for (tables, why) in [("\"seen\"", "a foreign key of"), ("\"flyway*\"", "say which migrations")] {
        without(tables);
        let refused = world.run(&["backup", "notes"]);
        assert!(!refused.status.success() && text(&refused).contains(why), "{tables}: {}", text(&refused));
    }
}
