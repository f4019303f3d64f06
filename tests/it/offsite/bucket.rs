//! Copies in a bucket of a real server that speaks S3: made, killed on the way, sealed, read back, restored from with nothing left here.

use std::path::Path;

use super::{backup, fails, works};
use crate::support::engines::Db;
use crate::support::held::Held;
use crate::support::moto::{Fault, Faulty, Moto, SLOW_DOWN};
use crate::support::world::{World, text};

const SECRET: &str = "0123456789abcdefTOPSECRET";

/// Has the notes of a world go to a bucket at this endpoint.
fn configure(world: &World, endpoint: &str) {
    let keys = world.root().join("vault.keys");
    std::fs::write(&keys, format!("[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = {SECRET}\n")).unwrap();
    std::fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    world.write_config(&format!(
        "[offsite.vault]\nurl = \"s3://acme/upkeep\"\nendpoint = \"{}\"\ncredentials_file = \"{}\"\nowner = \"db1\"\n\
         [targets.notes.offsite]\nto = [\"vault\"]\n",
        endpoint,
        keys.display()
    ));
}

/// Whether a file of ours has the secret in it.
fn is_written_down(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().flatten().any(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => is_written_down(&entry.path()),
        kind if kind.is_file() => std::fs::read(entry.path()).unwrap().windows(9).any(|nine| nine == b"TOPSECRET"),
        _ => false,
    })
}

#[test]
fn copies_in_a_bucket_are_made_and_restored_from() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Faulty::before(moto);
    let world = World::new(Db::Sqlite);
    configure(&world, &proxy.endpoint());
    fails(&world, &["offsite", "init", "vault"], 78, "there is no bucket at s3://acme/upkeep");
    moto.bucket("acme", "");
    fails(&world, &["copy"], 78, "not set up on this host");
    works(&world, &["offsite", "init", "vault"]);
    let checked = works(&world, &["offsite", "check", "vault"]);
    assert!(checked.contains("and upkeep writes over no name there"), "{checked}");
    assert!(checked.contains("s3:AbortMultipartUpload") && checked.contains("arn:aws:s3:::acme/upkeep/db1/*"), "{checked}");
    works(&world, &["copy"]);

    // More than two parts, of what no compression makes less of.
    world.sql(
        "INSERT INTO note (id, body) WITH RECURSIVE n(i) AS (VALUES(1000) UNION ALL SELECT i + 1 FROM n WHERE i < 1023) \
         SELECT i, hex(randomblob(500000)) FROM n",
    );
    let label = backup(&world);
    let sealed = || moto.names("acme").contains(&format!("upkeep/db1/{label}.copy.json"));
    for (point, uploads) in [("bucket.begun", 1), ("bucket.part", 1), ("bucket.parts-sent", 1), ("bucket.put-done", 0)] {
        if point == "bucket.put-done" {
            proxy.on("PUT partNumber=1", SLOW_DOWN);
            proxy.on("POST uploadId=", Fault::LoseAnswer);
        }
        Held::at(&world, &["copy"], point).kill();
        assert_eq!((moto.uploads("acme"), sealed()), (uploads, false), "killed at {point}");
    }
    // Of the last the bytes are there, and are taken for what they are.
    works(&world, &["copy"]);
    assert!(sealed());
    assert_eq!(world.json(&["status", "notes"])["targets"][0]["problems"].to_string(), "[]");
    assert!(!is_written_down(&world.root().join("state")), "no secret is kept");

    // A line that is cut while a copy is read back says nothing of the copy.
    proxy.on(&format!("GET {label}.s"), Fault::Cut(200));
    works(&world, &["verify", "--all", "--at", "vault"]);
    assert_eq!(proxy.left(), 0);
    // Nor does one that has to be thawed first.
    let cold = "<Error><Code>InvalidObjectState</Code><Message>It is in the archive.</Message></Error>";
    proxy.on(&format!("GET db1/{label}.s"), Fault::Answer("403 Forbidden", cold));
    fails(&world, &["verify", &label, "--at", "vault"], 75, "has to be thawed before it can be read");
    assert_eq!(world.json(&["status", "notes"])["targets"][0]["problems"].to_string(), "[]");
    let refusal = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
    proxy.on("GET list-type=2", Fault::Answer("400 Bad Request", refusal));
    let expired = fails(&world, &["verify", &label, "--at", "vault"], 77, "the key of s3://acme/upkeep has expired");
    assert!(!text(&expired).contains("TOPSECRET"), "{}", text(&expired));

    // The host's own archives and what it knows are gone.
    let rows = world.ask("SELECT count(*) FROM note");
    std::fs::remove_dir_all(world.root().join("archives")).unwrap();
    std::fs::remove_dir_all(world.root().join("state")).unwrap();
    world.sql("DELETE FROM note WHERE id > 7");
    assert_eq!(world.json(&["inspect", &label, "--at", "vault"])["label"], label.as_str());
    works(&world, &["verify", &label, "--at", "vault"]);
    let said = works(&world, &["restore", "notes", "--at", "vault", "--replace"]);
    assert!(said.contains(&format!("restored {label} from vault")), "{said}");
    assert_eq!(world.ask("SELECT count(*) FROM note"), rows);
    fails(&world, &["offsite", "init", "vault"], 78, "belongs to another host");
    // By another way it is the same place.
    configure(&world, &moto.endpoint());
    works(&world, &["offsite", "init", "vault", "--adopt"]);
    works(&world, &["copy"]);
    assert_eq!(moto.uploads("acme"), 0);
}
