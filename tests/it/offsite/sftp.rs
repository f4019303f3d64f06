//! Copies at a real OpenSSH server: made, killed on the way, gone on with, sealed, read back, restored from with nothing left here.

use std::path::Path;

use super::{backup, fails, works};
use crate::support::engines::Db;
use crate::support::held::Held;
use crate::support::sshd::Sshd;
use crate::support::world::World;

fn url(server: &Sshd) -> String {
    format!("sftp://{}@127.0.0.1:{}{}", server.user(), server.port(), server.path())
}

/// Has the notes of a world go to the server.
fn configure(world: &World, server: &Sshd, host_key: &str, key: &Path) {
    world.write_config(&format!(
        "[offsite.box]\nurl = \"{}\"\nhost_key = \"{host_key}\"\ncredentials_file = \"{}\"\nowner = \"db1\"\n\
         [targets.notes.offsite]\nto = [\"box\"]\n",
        url(server),
        key.display()
    ));
}

#[test]
fn copies_at_a_server_of_sftp_are_made_and_restored_from() {
    let Some(server) = Sshd::start() else { return };
    let world = World::new(Db::Sqlite);
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKdc2WYOV5xtvHB8aPWQD9RRL+jm4MZbazorTIg60Msy";
    configure(&world, &server, other, &server.key());
    fails(&world, &["offsite", "init", "box"], 78, "does not have the key that `host_key` names");
    configure(&world, &server, &server.host_key(), &server.other_key());
    fails(&world, &["offsite", "init", "box"], 77, "refuses the key");
    configure(&world, &server, &server.host_key(), &server.key());
    works(&world, &["offsite", "init", "box"]);
    let checked = works(&world, &["offsite", "check", "box"]);
    assert!(
        checked.contains("upkeep writes over no name there") && checked.contains("ForceCommand internal-sftp"),
        "{checked}"
    );

    // Some pieces, of what no compression makes less of.
    world.sql(
        "INSERT INTO note (id, body) WITH RECURSIVE n(i) AS (VALUES(1000) UNION ALL SELECT i + 1 FROM n WHERE i < 1009) \
         SELECT i, hex(randomblob(500000)) FROM n",
    );
    let label = backup(&world);
    let part = server.copies().join("db1");
    let there = |ending: &str| part.join(format!("{label}{ending}")).exists();
    let begun = || {
        let names = std::fs::read_dir(&part).unwrap().flatten();
        let is_begun = |name: &str| name.starts_with(&format!(".{label}.sqlite.zst.")) && name.ends_with(".begun.tmp");
        let mut begun = names.filter(|entry| entry.file_name().to_str().is_some_and(is_begun));
        begun.next().map_or(0, |entry| entry.metadata().unwrap().len())
    };
    for (point, least) in [("sftp.created", 0), ("sftp.piece", 1 << 20), ("sftp.synced", 4 << 20), ("sftp.published", 0)] {
        Held::at(&world, &["copy"], point).kill();
        assert!(begun() >= least && !there(".copy.json"), "killed at {point}: {}", begun());
        assert_eq!(there(".sqlite.zst"), point == "sftp.published", "killed at {point}");
    }
    works(&world, &["copy"]);
    assert!(there(".copy.json") && begun() == 0);
    assert_eq!(world.json(&["status", "notes"])["targets"][0]["problems"].to_string(), "[]");

    // The host's own archives and what it knows are gone.
    let rows = world.ask("SELECT count(*) FROM note");
    std::fs::remove_dir_all(world.root().join("archives")).unwrap();
    std::fs::remove_dir_all(world.root().join("state")).unwrap();
    world.sql("DELETE FROM note WHERE id > 7");
    works(&world, &["verify", &label, "--at", "box"]);
    let said = works(&world, &["restore", "notes", "--at", "box", "--replace"]);
    assert!(said.contains(&format!("restored {label} from box")), "{said}");
    assert_eq!(world.ask("SELECT count(*) FROM note"), rows);
    fails(&world, &["offsite", "init", "box"], 78, "belongs to another host");
    // And by its address alone, as on a new host; whose copies they are it sees.
    let address = url(&server);
    let arguments = ["list", "--at", &address];
    fails(&world, &arguments, 78, "UPKEEP_SFTP_HOST_KEY");
    let known = [("UPKEEP_SFTP_KEY_FILE", server.key().display().to_string()), ("UPKEEP_SFTP_HOST_KEY", server.host_key())];
    let known = known.each_ref().map(|(name, value)| (*name, value.as_str()));
    let listed = world.command(&arguments).envs(known).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains(&label), "{}", crate::support::world::text(&listed));
}
