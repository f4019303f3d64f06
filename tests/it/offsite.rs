//! Copies away from the host, at a mounted directory: made, sealed, read back, restored from; and what the other side may do to them.

mod bucket;
mod encrypted;
mod sftp;

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::support::engines::Db;
use crate::support::held::Held;
use crate::support::wait::until;
use crate::support::world::{World, text};

/// A place in a directory of the world, and the notes go there.
const PLACE: &str = "[offsite.nas]\nkind = \"directory\"\npath = \"{root}/nas\"\nowner = \"db1\"\nallow_same_device = true\n\
    [targets.notes.offsite]\nto = [\"nas\"]\n";

fn configured(db: Db, more: &str) -> World {
    let world = World::new(db);
    world.write_config(&format!("{PLACE}{more}").replace("{root}", &world.root().display().to_string()));
    std::fs::create_dir(world.root().join("nas")).unwrap();
    world
}

/// Set up, with one archive that is not copied yet.
fn with_one_archive(db: Db, more: &str) -> (World, String) {
    let world = configured(db, more);
    works(&world, &["offsite", "init", "nas"]);
    // What was taken before the first migration is no part of these stories.
    for archive in world.json(&["list"]).as_array().unwrap() {
        std::fs::remove_file(archive["path"].as_str().unwrap()).unwrap();
        works(&world, &["unpin", archive["label"].as_str().unwrap()]);
    }
    let label = backup(&world);
    (world, label)
}

fn backup(world: &World) -> String {
    world.json(&["backup", "notes"])["label"].as_str().unwrap().to_owned()
}

#[track_caller]
fn works(world: &World, arguments: &[&str]) -> String {
    let output = world.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn fails(world: &World, arguments: &[&str], code: i32, words: &str) -> Output {
    let output = world.run(arguments);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains(words) && said.contains("safe:") && said.contains("hint:"), "{arguments:?}: {said}");
    output
}

fn part(world: &World) -> PathBuf {
    world.root().join("nas/db1")
}

/// The bytes of the copy of a label.
fn object(world: &World, label: &str) -> PathBuf {
    let named = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&format!("{label}.s"));
    std::fs::read_dir(part(world)).unwrap().flatten().find(named).unwrap().path()
}

/// What is at the place, as label and state, newest first.
fn there(world: &World) -> Vec<(String, String)> {
    let listed = world.json(&["list", "--at", "nas"]);
    let text = |copy: &Value, key: &str| copy[key].as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(|copy| (text(copy, "label"), text(copy, "state"))).collect()
}

fn problems(world: &World) -> String {
    world.json(&["status", "notes"])["targets"][0]["problems"].to_string()
}

fn copies(world: &World) -> Value {
    world.json(&["status", "notes"])["targets"][0]["copies"][0].clone()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// From a backup to a restore on a host whose archives are gone.
fn made_and_restored(db: Db) {
    let (world, label) = with_one_archive(db, "");
    assert_eq!(copies(&world)["owed"], 1);
    let round = world.json(&["copy", "notes"]);
    assert_eq!((&round["copied"][0]["label"], &round["owed"]), (&label.as_str().into(), &0.into()), "{round}");
    assert_eq!(there(&world), [(label.clone(), "verified".to_owned())]);
    assert_eq!(std::fs::read(object(&world, &label)).unwrap(), std::fs::read(archive(&world, &label)).unwrap());
    let sidecar: Value =
        serde_json::from_slice(&std::fs::read(part(&world).join(format!("{label}.copy.json"))).unwrap()).unwrap();
    let digest = blake3::hash(&std::fs::read(object(&world, &label)).unwrap()).to_hex().to_string();
    assert_eq!((sidecar["digest"].as_str(), sidecar["label"].as_str()), (Some(&*digest), Some(&*label)));
    assert!(sidecar.get("tables").is_none() && sidecar.get("note").is_none(), "a sidecar says nothing of the content");
    assert_eq!(world.json(&["copy"])["copied"], Value::Array(Vec::new()), "it is sent once");
    // Of a target, or an archive: what is no such archive is said, and not that nothing is copied anywhere.
    assert_eq!(world.json(&["copy", "notes"])["copied"], Value::Array(Vec::new()));
    fails(&world, &["copy", "nobody"], 66, "there is no such archive here");
    assert!(works(&world, &["offsite", "check", "nas"]).contains("1 copy of owner db1"));
    assert_eq!(world.json(&["inspect", &label, "--at", "nas"])["label"], label.as_str());
    assert!(works(&world, &["verify", "--all", "--at", "nas"]).contains("1 copy read back at nas"));

    // The host's own archives and what it knows are gone.
    std::fs::remove_dir_all(world.root().join("archives")).unwrap();
    std::fs::remove_dir_all(world.root().join("state")).unwrap();
    world.sql("DELETE FROM note WHERE id > 7");
    let planned = works(&world, &["restore", "notes", "--at", "nas", "--replace", "--dry-run"]);
    assert!(planned.contains(&label), "{planned}");
    let said = works(&world, &["restore", "notes", "--at", "nas", "--replace"]);
    assert!(said.contains(&format!("restored {label} from nas")), "{said}");
    assert_eq!(world.whole_version(), "1.0.0");
    // Before it writes there again somebody says that this host is the one that wrote there.
    fails(&world, &["copy"], 78, "not set up on this host");
    fails(&world, &["offsite", "init", "nas"], 78, "belongs to another host");
    works(&world, &["offsite", "init", "nas", "--adopt"]);
    let after = backup(&world);
    works(&world, &["copy"]);
    let labels: Vec<String> = there(&world).into_iter().map(|(label, _)| label).collect();
    assert!(labels.contains(&after) && labels.contains(&label), "{labels:?}");
    assert_eq!(world.leftovers(), Vec::<PathBuf>::new());
}

fn archive(world: &World, label: &str) -> PathBuf {
    let named = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&format!("{label}.s"));
    std::fs::read_dir(world.root().join("archives")).unwrap().flatten().find(named).unwrap().path()
}

#[test]
fn a_copy_is_made_and_restored_from_on_sqlite() {
    made_and_restored(Db::Sqlite);
}

#[test]
fn a_copy_is_made_and_restored_from_on_postgresql() {
    if let Some(cluster) = crate::support::postgres::cluster() {
        made_and_restored(Db::Postgres(cluster));
    }
}

/// A byte that is another, an end that is missing, and a sidecar that is another are found, told, and never restored from.
#[test]
fn a_copy_that_is_not_what_was_sent_is_damaged() {
    let (world, label) = with_one_archive(Db::Sqlite, "");
    works(&world, &["copy"]);
    let object = object(&world, &label);
    let whole = std::fs::read(&object).unwrap();

    flip(&object);
    fails(&world, &["verify", &label, "--at", "nas"], 65, "is damaged: its bytes are not those that were sent");
    assert_eq!(there(&world), [(label.clone(), "damaged".to_owned())]);
    assert!(problems(&world).contains(&format!("the copy of {label} at nas is damaged")), "{}", problems(&world));
    world.sql("UPDATE note SET body = 'mine'");
    let refused = world.run(&["restore", "notes", &label, "--at", "nas", "--replace"]);
    assert_eq!(refused.status.code(), Some(65), "{}", text(&refused));
    assert_eq!(world.ask("SELECT body FROM note WHERE id = 7"), "mine", "nothing was changed");
    // A person takes it away, and it is sent again.
    std::fs::remove_file(&object).unwrap();
    std::fs::remove_file(part(&world).join(format!("{label}.copy.json"))).unwrap();
    works(&world, &["copy"]);
    assert_eq!((there(&world), problems(&world)), (vec![(label.clone(), "verified".to_owned())], "[]".to_owned()));

    std::fs::write(&object, &whole[..whole.len() - 1]).unwrap();
    let round = world.json(&["copy"]);
    assert_eq!((round["bad"][0]["state"].as_str(), &round["copied"]), (Some("damaged"), &Value::Array(Vec::new())), "{round}");
    assert!(problems(&world).contains("it was sealed with"), "{}", problems(&world));
    std::fs::write(&object, &whole).unwrap();
    works(&world, &["verify", "--all", "--at", "nas"]);
    assert_eq!(problems(&world), "[]");

    // One that cannot be read is told as that, and keeps nobody from the list.
    let unreadable = |arguments: &[&str]| world.command(arguments).env("UPKEEP_FAULT_FAIL", "place.open").output().unwrap();
    let listed = unreadable(&["list", "--at", "nas"]);
    assert!(listed.status.success() && text(&listed).contains("unreadable"), "{}", text(&listed));
    let read = unreadable(&["verify", "--all", "--at", "nas"]);
    assert!(read.status.code() == Some(65) && text(&read).contains("it cannot be read"), "{}", text(&read));
    fails(&world, &["restore", "notes", "--at", "nas", "--dry-run"], 66, "no verified archive");
    works(&world, &["verify", "--all", "--at", "nas"]);
    assert_eq!(problems(&world), "[]");

    // Both may be another's work: what this host knows of its own copy is held to them.
    flip(&object);
    let forged = std::fs::read_to_string(part(&world).join(format!("{label}.copy.json"))).unwrap();
    let digest = |path: &Path| blake3::hash(&std::fs::read(path).unwrap()).to_hex().to_string();
    let forged = forged.replace(&blake3::hash(&whole).to_hex().to_string(), &digest(&object));
    std::fs::write(part(&world).join(format!("{label}.copy.json")), forged).unwrap();
    let refused = world.run(&["restore", "notes", &label, "--at", "nas", "--replace"]);
    assert!(refused.status.code() == Some(65) && text(&refused).contains("another than"), "{}", text(&refused));
    fails(&world, &["verify", &label, "--at", "nas"], 65, "is damaged");
    works(&world, &["copy"]);
    assert_eq!(there(&world), [(label.clone(), "damaged".to_owned())], "no round takes it for a copy");
    assert_eq!(world.ask("SELECT body FROM note WHERE id = 7"), "mine", "nothing was changed");
}

/// What has an archive's name and is none of ours is left alone, told, and in nobody's way once it is gone.
#[test]
fn a_foreign_file_under_an_archives_name_is_left_alone() {
    let (world, label) = with_one_archive(Db::Sqlite, "");
    let name = archive(&world, &label).file_name().unwrap().to_owned();
    let foreign = part(&world).join(&name);
    std::fs::write(&foreign, "somebody's own").unwrap();
    fails(&world, &["copy"], 65, "is there already and is not archive");
    assert_eq!(std::fs::read(&foreign).unwrap(), b"somebody's own");
    assert_eq!(there(&world), [(label.clone(), "unfinished".to_owned())]);
    assert!(problems(&world).contains("is foreign"), "{}", problems(&world));
    // Bytes of the same length are told from ours as well.
    let mut other = std::fs::read(archive(&world, &label)).unwrap();
    other[40] ^= 1;
    std::fs::write(&foreign, &other).unwrap();
    let only = ["copy", label.as_str()];
    fails(&world, &only, 65, "its bytes are others");
    std::fs::remove_file(&foreign).unwrap();
    works(&world, &["copy"]);
    works(&world, &["copy"]);
    assert_eq!((there(&world), problems(&world)), (vec![(label.clone(), "verified".to_owned())], "[]".to_owned()));
    // What a crash left of ours is taken for what it is: our bytes without their seal.
    std::fs::remove_file(part(&world).join(format!("{label}.copy.json"))).unwrap();
    works(&world, &["copy"]);
    assert_eq!(there(&world), [(label.clone(), "verified".to_owned())]);

    // Sealed, whole, and found to be of another archive: no reading makes it ours, and neither does the loss of ours.
    noted(&world, "UPDATE copy SET state = 'foreign', why = 'of another', verified_at = NULL");
    for arguments in [&["verify", label.as_str(), "--at", "nas"][..], &["verify", "--all", "--at", "nas"]] {
        fails(&world, arguments, 65, "is not archive");
        assert_eq!(there(&world), [(label.clone(), "foreign".to_owned())]);
    }
    std::fs::rename(archive(&world, &label), world.root().join("away")).unwrap();
    works(&world, &["copy"]);
    fails(&world, &["verify", &label, "--at", "nas"], 65, "is not archive");
    assert_eq!(there(&world), [(label.clone(), "foreign".to_owned())]);
    assert!(problems(&world).contains("is foreign"), "{}", problems(&world));
}

/// Changes what this host has noted, with nobody at work.
fn noted(world: &World, sql: &str) {
    crate::support::engines::ask_file(&world.root().join("state/state.db"), sql);
}

/// A sealed copy that is known to be bad stays known for that when retention gives its archive up.
#[test]
fn what_is_known_to_be_bad_stays_known_when_its_archive_goes() {
    let rules = "[targets.notes.retention]\nkeep_last = 1\nkeep_daily = 0\nkeep_weekly = 0\nkeep_monthly = 0\n\
        keep_per_version = 0\nminimum = 1\n";
    let (world, label) = with_one_archive(Db::Sqlite, rules);
    works(&world, &["copy"]);
    flip(&object(&world, &label));
    fails(&world, &["verify", &label, "--at", "nas"], 65, "is damaged");
    backup(&world);
    assert!(works(&world, &["prune", "notes"]).contains("waits for its copy at nas"));
    // Somebody was told for two weeks.
    let memory = world.root().join("state/retention/notes.json");
    let mut remembered: Value = serde_json::from_slice(&std::fs::read(&memory).unwrap()).unwrap();
    assert!(remembered["waits"][&label].is_string(), "{remembered}");
    remembered["waits"][&label] = "2026-01-01T00:00:00Z".into();
    std::fs::write(&memory, remembered.to_string()).unwrap();
    noted(&world, "UPDATE copy SET at = '2026-01-01T00:00:00+00:00' WHERE state = 'damaged'");
    assert!(works(&world, &["prune", "notes"]).contains("1 archive deleted"));
    works(&world, &["copy"]);
    let of_it: Vec<_> = there(&world).into_iter().filter(|(of, _)| *of == label).collect();
    assert_eq!(of_it, [(label.clone(), "damaged".to_owned())]);
    assert!(problems(&world).contains(&format!("the copy of {label} at nas is damaged")), "{}", problems(&world));
}

/// Below an absent mount lies an empty directory: nothing is written to it, and nothing at the place counts as gone.
#[test]
fn an_absent_mount_is_never_empty() {
    let (world, first) = with_one_archive(Db::Sqlite, "");
    works(&world, &["copy"]);
    let (mounted, away) = (world.root().join("nas"), world.root().join("nas-away"));
    std::fs::rename(&mounted, &away).unwrap();
    let second = backup(&world);
    fails(&world, &["copy"], 69, "there is no such directory");
    std::fs::create_dir(&mounted).unwrap();
    for arguments in
        [&["copy"][..], &["offsite", "init", "nas"], &["offsite", "check", "nas"], &["verify", "--all", "--at", "nas"]]
    {
        fails(&world, arguments, 69, "it has no marker");
    }
    assert_eq!(names(&mounted), Vec::<String>::new(), "nothing was written");
    let standing = copies(&world);
    assert_eq!((&standing["copied"], &standing["owed"]), (&1.into(), &1.into()), "{standing}");
    assert!(problems(&world).contains("copies to nas cannot be made"), "{}", problems(&world));
    std::fs::remove_dir(&mounted).unwrap();
    std::fs::rename(&away, &mounted).unwrap();
    works(&world, &["copy"]);
    let labels: Vec<String> = there(&world).into_iter().map(|(label, _)| label).collect();
    assert_eq!(labels, [second.clone(), first.clone()]);
    assert_eq!(problems(&world), "[]");

    // Another disk in its place is no place until somebody says so; then what is still here is owed to it.
    std::fs::rename(&mounted, &away).unwrap();
    std::fs::create_dir(&mounted).unwrap();
    fails(&world, &["copy"], 69, "where another disk has taken its place");
    assert!(works(&world, &["offsite", "init", "nas", "--adopt"]).contains("it is another one than before"));
    assert_eq!((&copies(&world)["copied"], &copies(&world)["owed"]), (&0.into(), &2.into()));
    works(&world, &["copy"]);
    let labels: Vec<String> = there(&world).into_iter().map(|(label, _)| label).collect();
    assert_eq!((labels, problems(&world)), (vec![second, first], "[]".to_owned()));
    // And the one before is another one now.
    std::fs::remove_dir_all(&mounted).unwrap();
    std::fs::rename(&away, &mounted).unwrap();
    fails(&world, &["copy"], 69, "its marker is another one");
}

/// What was whole when it was looked at is read otherwise when it is sent: a copy of that is never sealed.
#[test]
fn what_is_read_otherwise_while_it_is_sent_gets_no_seal() {
    let (world, label) = with_one_archive(Db::Sqlite, "");
    let public = age::x25519::Identity::generate().to_public().to_string();
    let encrypted = PLACE.replace("[targets", &format!("encrypt_to = [{public:?}]\n[targets"));
    for config in [PLACE.to_owned(), encrypted] {
        world.write_config(&config.replace("{root}", &world.root().display().to_string()));
        let held = Held::at(&world, &["copy"], "copy.begun");
        flip(&archive(&world, &label));
        let output = held.go_on();
        let said = text(&output);
        assert!(output.status.code() == Some(74) && said.contains("not those that were sealed"), "{said}");
        assert_eq!(names(&part(&world)), [".upkeep-owner.json"]);
        flip(&archive(&world, &label));
        std::fs::remove_file(world.root().join("held-at-copy.begun")).unwrap();
    }
    works(&world, &["copy"]);
    assert_eq!((there(&world), problems(&world)), (vec![(label, "verified".to_owned())], "[]".to_owned()));
}

/// A round that does not go well for one archive is told of for the others.
#[test]
fn what_a_round_did_before_it_failed_is_told() {
    let (world, first) = with_one_archive(Db::Sqlite, "");
    std::fs::write(part(&world).join(archive(&world, &first).file_name().unwrap()), "somebody's own").unwrap();
    let second = backup(&world);
    let daemon = world.daemon();
    let told = |words: &str| daemon.ask("GET", "/v1/events?after=0&follow=false", "").body.contains(words);
    until("what was sent is told", || told(&format!("{second} is at nas, sealed and read back")));
    until("what was not is told", || told(&format!("the copy of {first} at nas is foreign")));
}

/// Somebody deletes copies there: they are told missing, and made again while their archives are here.
#[test]
fn copies_that_vanish_are_told_and_made_again() {
    let (world, label) = with_one_archive(Db::Sqlite, "");
    works(&world, &["copy"]);
    for name in names(&part(&world)).iter().filter(|name| !name.starts_with('.')) {
        std::fs::remove_file(part(&world).join(name)).unwrap();
    }
    let round = world.json(&["copy"]);
    assert_eq!(
        (round["bad"][0]["state"].as_str(), round["copied"][0]["label"].as_str()),
        (Some("missing"), Some(&*label)),
        "{round}"
    );
    assert_eq!(there(&world), [(label.clone(), "verified".to_owned())]);
    // With its archive gone too, that it is missing stays told.
    works(&world, &["unpin", &label]);
    std::fs::remove_file(archive(&world, &label)).unwrap();
    for name in names(&part(&world)).iter().filter(|name| !name.starts_with('.')) {
        std::fs::remove_file(part(&world).join(name)).unwrap();
    }
    works(&world, &["unpin", &label]);
    works(&world, &["copy"]);
    assert!(problems(&world).contains(&format!("copies are missing at nas: {label}")), "{}", problems(&world));
}

/// Archives wait here until they are there; then retention has them.
#[test]
fn retention_waits_for_copies() {
    let rules = "[targets.notes.retention]\nkeep_last = 1\nkeep_daily = 0\nkeep_weekly = 0\nkeep_monthly = 0\n\
        keep_per_version = 0\nminimum = 1\n";
    let (world, _) = with_one_archive(Db::Sqlite, rules);
    backup(&world);
    let newest = backup(&world);
    let said = works(&world, &["prune", "notes"]);
    assert!(said.matches("waits for its copy at nas").count() == 2 && said.contains("0 archives deleted"), "{said}");
    let round = world.json(&["copy"]);
    assert_eq!(
        (round["copied"].as_array().unwrap().len(), &round["copied"][0]["label"]),
        (3, &newest.as_str().into()),
        "newest first"
    );
    let said = works(&world, &["prune", "notes"]);
    assert!(said.contains("2 archives deleted"), "{said}");
    assert_eq!(there(&world).len(), 3, "nothing is deleted there");
    works(&world, &["copy"]);
    assert_eq!((there(&world).len(), problems(&world)), (3, "[]".to_owned()));
}

/// A disk that is full at the place costs the copy and nothing else.
#[test]
fn a_full_disk_at_the_place_leaves_nothing_half_there() {
    let (world, label) = with_one_archive(Db::Sqlite, "");
    for point in ["place.create", "place.write", "place.sync", "place.publish"] {
        let output = world.command(&["copy"]).env("UPKEEP_FAULT_FAIL", point).output().unwrap();
        assert_eq!(output.status.code(), Some(73), "{point}: {}", text(&output));
        assert_eq!(world.leftovers(), Vec::<PathBuf>::new(), "{point}");
        assert_eq!(there(&world), [], "{point}");
        assert!(problems(&world).contains("copies to nas cannot be made"), "{point}: {}", problems(&world));
    }
    works(&world, &["copy"]);
    assert_eq!((there(&world), problems(&world)), (vec![(label, "verified".to_owned())], "[]".to_owned()));
}

/// Two hosts share a place, each under its name; each sees the other's when it asks.
#[test]
fn two_hosts_share_a_place() {
    let (one, label) = with_one_archive(Db::Sqlite, "");
    works(&one, &["copy"]);
    let other = World::new(Db::Sqlite);
    let place = PLACE.replace("{root}", &one.root().display().to_string());
    other.write_config(&place);
    fails(&other, &["offsite", "init", "nas"], 78, "belongs to another host");
    other.write_config(&place.replace("db1", "db2"));
    works(&other, &["offsite", "init", "nas"]);
    backup(&other);
    works(&other, &["copy"]);
    assert_eq!(there(&other).len(), other.json(&["list"]).as_array().unwrap().len(), "its own, and no other's");
    let seen = other.json(&["list", "--at", "nas", "--owner", "db1"]);
    assert_eq!((seen.as_array().unwrap().len(), seen[0]["label"].as_str()), (1, Some(&*label)), "{seen}");
    assert_eq!(other.json(&["inspect", &label, "--at", "nas", "--owner", "db1"])["label"], label.as_str());
}

/// The daemon sends each archive by itself, tells when it cannot, and goes on by itself.
#[test]
fn the_daemon_copies_after_each_backup() {
    let (world, first) = with_one_archive(Db::Sqlite, "");
    let daemon = world.daemon();
    let copies = || daemon.ask("GET", "/v1/targets/notes", "").json()["copies"][0].clone();
    until("what was owed at the start is there", || copies()["owed"] == 0 && copies()["copied"] == 1);
    let second = daemon.job("/v1/targets/notes/backup", "")["result"]["label"].as_str().unwrap().to_owned();
    until("the new one is there", || copies()["newest"]["label"] == second.as_str() && copies()["owed"] == 0);
    let labels: Vec<String> = there(&world).into_iter().map(|(label, _)| label).collect();
    assert_eq!(labels, [second, first]);

    let (mounted, away) = (world.root().join("nas"), world.root().join("nas-away"));
    std::fs::rename(&mounted, &away).unwrap();
    let third = daemon.job("/v1/targets/notes/backup", "")["result"]["label"].as_str().unwrap().to_owned();
    let problems = || daemon.ask("GET", "/v1/targets/notes", "").json()["problems"].to_string();
    until("it is told", || problems().contains("copies to nas cannot be made"));
    assert_eq!(copies()["owed"], 1);
    std::fs::rename(&away, &mounted).unwrap();
    // At once where a person asks, unless the daemon was faster.
    let copied = daemon.job("/v1/places/nas/copy", "{}");
    assert_eq!(copied["state"], "ok", "{copied}");
    until("it is over", || copies()["owed"] == 0 && copies()["newest"]["label"] == third.as_str() && problems() == "[]");
    let events = daemon.ask("GET", "/v1/events?after=0&follow=false", "").body;
    assert_eq!(events.matches("event: copy.made").count(), 3, "{events}");
    drop(daemon.stop_and_tell());
    assert_eq!(world.leftovers(), Vec::<PathBuf>::new());
}

/// Killed anywhere, setting a place up is done by doing it again: what was half-way is known for this host's own.
#[test]
fn setting_up_may_be_cut_short_anywhere() {
    let world = configured(Db::Sqlite, "");
    world.keep();
    let command = ["offsite", "init", "nas"];
    for number in points(&world, &command, &["offsite.intended", "place.published", "offsite.marked", "offsite.owned"]) {
        world.reset();
        let at = killed(&world, &command, number);
        works(&world, &command);
        assert_eq!(world.leftovers(), Vec::<PathBuf>::new(), "{at}");
    }
    works(&world, &["offsite", "check", "nas"]);
}

/// Killed anywhere on the way to a place, nothing counts as a copy that is not one, no archive here is lost, and the next round pays what was
/// left.
#[test]
fn a_copy_may_be_cut_short_anywhere() {
    let (world, label) = with_one_archive(Db::Sqlite, "");
    world.keep();
    let passes = ["place.created", "place.synced", "place.published", "copy.sent", "copy.sealed", "copy.noted"];
    for number in points(&world, &["copy"], &passes) {
        world.reset();
        let at = killed(&world, &["copy"], number);
        for (label, state) in there(&world) {
            let sidecar = part(&world).join(format!("{label}.copy.json"));
            let bytes = std::fs::read(object(&world, &label)).unwrap();
            assert_eq!(bytes, std::fs::read(archive(&world, &label)).unwrap(), "{at}: what has a name is whole");
            assert_eq!(sidecar.exists(), state != "unfinished", "{at}: {state}");
        }
        works(&world, &["copy"]);
        assert_eq!(there(&world), [(label.clone(), "verified".to_owned())], "{at}");
        assert_eq!(world.leftovers(), Vec::<PathBuf>::new(), "{at}");
    }
    assert_eq!(problems(&world), "[]");
}

/// The numbers of the fault points that a command passes at a place; those of these names are among them.
fn points(world: &World, command: &[&str], names: &[&str]) -> Vec<usize> {
    let trace = world.root().join("trace");
    let output = world.command(command).env("UPKEEP_FAULT_TRACE", &trace).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let passed = std::fs::read_to_string(trace).unwrap();
    for name in names {
        assert!(passed.lines().any(|line| line == *name), "never passed {name}: {passed}");
    }
    let at_a_place = |name: &str| ["place.", "copy.", "offsite."].iter().any(|room| name.starts_with(room));
    passed.lines().enumerate().filter(|(_, name)| at_a_place(name)).map(|(at, _)| at + 1).collect()
}

/// Kills a command at a point; what is said of it.
fn killed(world: &World, command: &[&str], number: usize) -> String {
    let output = world.command(command).env("UPKEEP_FAULT_KILL", number.to_string()).output().unwrap();
    assert_eq!(output.status.signal(), Some(9), "{}", text(&output));
    format!("{command:?}, killed at point {number}")
}
