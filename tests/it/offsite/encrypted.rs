//! Copies that only the holder of a key reads: the host that sends them cannot, stock `age` can, and nothing goes in clear by accident.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;

use super::*;

/// A key of somebody's: its public half, and the file with the secret one, as `age-keygen` makes it.
struct Key {
    public: String,
    file: PathBuf,
}

fn key(world: &World, name: &str) -> Key {
    let identity = age::x25519::Identity::generate();
    let (public, file) = (identity.to_public().to_string(), world.root().join(name));
    std::fs::write(&file, format!("# public key: {public}\n{}\n", identity.to_string().expose_secret())).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    Key { public, file }
}

/// The place takes what is encrypted to these.
fn to(world: &World, keys: &[&Key]) {
    let recipients: Vec<String> = keys.iter().map(|key| format!("{:?}", key.public)).collect();
    let place = PLACE.replace("[targets", &format!("encrypt_to = [{}]\n[targets", recipients.join(", ")));
    world.write_config(&place.replace("{root}", &world.root().display().to_string()));
}

fn with_key(arguments: &[&str], key: &Key) -> Vec<String> {
    let mut arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    arguments.extend(["--identity".to_owned(), key.file.display().to_string()]);
    arguments
}

#[track_caller]
fn works_with(world: &World, arguments: &[&str], key: &Key) -> String {
    let arguments = with_key(arguments, key);
    works(world, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[track_caller]
fn fails_with(world: &World, arguments: &[&str], key: &Key, code: i32, words: &str) {
    let arguments = with_key(arguments, key);
    let said = text(&fails(world, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), code, words));
    let held = std::fs::read_to_string(&key.file).unwrap_or_default();
    assert!(!held.lines().any(|line| line.starts_with("AGE-SECRET") && said.contains(line)), "{said}");
}

/// What stock `age` makes of a file; none where it is not installed.
fn stock(key: &Key, file: &Path) -> Option<Vec<u8>> {
    let output = std::process::Command::new("age").arg("-d").arg("-i").arg(&key.file).arg(file).output();
    match output {
        Err(_) if std::env::var_os("REQUIRE_SERVERS").is_none() => None,
        output => {
            let output = output.unwrap();
            assert!(output.status.success(), "{}", text(&output));
            Some(output.stdout)
        }
    }
}

fn encrypted_and_restored(db: Db) {
    let (world, label) = with_one_archive(db, "");
    let (operator, escrow, stranger) = (key(&world, "operator"), key(&world, "escrow"), key(&world, "stranger"));
    to(&world, &[&operator, &escrow]);
    works(&world, &["copy"]);
    let object = object(&world, &label);
    assert!(object.to_str().unwrap().ends_with(".zst.age"), "{object:?}");
    let stored = std::fs::read(&object).unwrap();
    assert!(stored.starts_with(b"age-encryption.org/v1\n"));
    let archived = std::fs::read(archive(&world, &label)).unwrap();
    for key in [&operator, &escrow] {
        assert!(stock(key, &object).is_none_or(|plain| plain == archived), "stock age opens what was written");
    }
    let sidecar = std::fs::read_to_string(part(&world).join(format!("{label}.copy.json"))).unwrap();
    assert!(sidecar.contains(&operator.public) && sidecar.contains(&escrow.public), "{sidecar}");
    assert!(!sidecar.contains("tables") && !sidecar.contains("note\""), "{sidecar}");
    assert_eq!(world.json(&["list", "--at", "nas"])[0]["encrypted_to"].as_array().unwrap().len(), 2);
    assert!(works(&world, &["list", "--at", "nas"]).contains("verified, encrypted"));
    // Without a key its bytes are proved, and nothing is claimed of what is inside.
    let read = works(&world, &["verify", "--all", "--at", "nas"]);
    assert!(read.contains("1 copy read back at nas") && read.contains("unproven until an identity opened"), "{read}");
    let advice = works(&world, &["offsite", "check", "nas"]);
    assert!(advice.contains(&format!("the identity of {}", operator.public)), "{advice}");
    assert!(works(&world, &["status", "notes"]).contains("encrypted to 2 keys of which 2 unproven"));
    fails(&world, &["inspect", &label, "--at", "nas"], 77, "is encrypted");
    fails(&world, &["restore", "notes", "--at", "nas", "--dry-run"], 77, "is encrypted");
    fails_with(
        &world,
        &["restore", "notes", "--at", "nas", "--dry-run"],
        &stranger,
        77,
        "none of the keys in that file opens it",
    );
    fails_with(&world, &["offsite", "prove", "nas"], &stranger, 77, "none of the keys in that file opens it");
    // With one it is opened, and that is noted of the key.
    let proof = works_with(&world, &["offsite", "prove", "nas"], &operator);
    assert!(proof.contains(&format!("proven: {}", operator.public)) && proof.contains(&escrow.public), "{proof}");
    works_with(&world, &["offsite", "prove", "nas", &label], &escrow);
    assert!(!works(&world, &["offsite", "check", "nas"]).contains("identity"));
    assert_eq!((&copies(&world)["unproven"], copies(&world)["encrypt_to"].as_array().unwrap().len()), (&Value::Null, 2));
    let read = works_with(&world, &["verify", &label, "--at", "nas"], &escrow);
    assert!(!read.contains("unproven"), "{read}");
    assert!(works_with(&world, &["inspect", &label, "--at", "nas"], &escrow).contains("age -d -i IDENTITY"));
    let rows = works_with(&world, &["extract", "notes", "--table", "note", "--at", "nas"], &escrow);
    assert!(rows.contains("note 100") && rows.contains("COMMIT;"), "{rows}");

    // The host's own archives and what it knows are gone.
    std::fs::remove_dir_all(world.root().join("archives")).unwrap();
    std::fs::remove_dir_all(world.root().join("state")).unwrap();
    world.sql("DELETE FROM note WHERE id > 7");
    fails(&world, &["restore", "notes", "--at", "nas", "--replace"], 77, "is encrypted");
    let said = works_with(&world, &["restore", "notes", "--at", "nas", "--replace"], &escrow);
    assert!(said.contains(&format!("restored {label} from nas")), "{said}");
    assert_eq!(world.whole_version(), "1.0.0");
    assert_eq!(world.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn an_encrypted_copy_is_opened_by_stock_age_and_restored_from_on_sqlite() {
    encrypted_and_restored(Db::Sqlite);
}

#[test]
fn an_encrypted_copy_is_opened_by_stock_age_and_restored_from_on_postgresql() {
    if let Some(cluster) = crate::support::postgres::cluster() {
        encrypted_and_restored(Db::Postgres(cluster));
    }
}

/// Killed anywhere, what has a name at the place is whole and encrypted, and the next round knows it for its own without being able to open it.
#[test]
fn an_encrypted_copy_may_be_cut_short_anywhere() {
    let (world, label) = with_one_archive(Db::Sqlite, "");
    let key = key(&world, "operator");
    to(&world, &[&key]);
    world.keep();
    let passes = ["copy.drafted", "place.published", "copy.sent", "copy.sealed", "copy.noted"];
    for number in points(&world, &["copy"], &passes) {
        world.reset();
        let at = killed(&world, &["copy"], number);
        let begins = |name: &String| name.starts_with(&label) && !name.ends_with(".copy.json");
        for name in names(&part(&world)).into_iter().filter(begins) {
            assert!(name.ends_with(".zst.age"), "{at}: {name}");
        }
        works(&world, &["copy"]);
        assert_eq!(there(&world), [(label.clone(), "verified".to_owned())], "{at}");
        assert_eq!(names(&part(&world)).len(), 3, "{at}: one object, its sidecar, whose it is");
        works_with(&world, &["verify", &label, "--at", "nas"], &key);
        // What was noted on the way is gone with it.
        assert_eq!(names(&world.root().join("state/offsite/nas")), Vec::<String>::new(), "{at}");
        assert_eq!(world.leftovers(), Vec::<PathBuf>::new(), "{at}");
    }
    assert_eq!(problems(&world), "[]");
}

/// Whatever stands there from before, or from somebody else: nothing in clear is sealed any more, and nothing foreign is taken for ours.
#[test]
fn nothing_goes_in_clear_where_keys_are_named() {
    let (world, label) = with_one_archive(Db::Sqlite, "");
    let (key, other) = (key(&world, "operator"), key(&world, "other"));
    // Bytes in clear whose seal a crash took, from before.
    works(&world, &["copy"]);
    std::fs::remove_file(part(&world).join(format!("{label}.copy.json"))).unwrap();
    to(&world, &[&key]);
    works(&world, &["copy"]);
    let sidecar = std::fs::read_to_string(part(&world).join(format!("{label}.copy.json"))).unwrap();
    assert!(sidecar.contains(".zst.age\""), "{sidecar}");
    let advice = works(&world, &["offsite", "check", "nas"]);
    assert!(advice.contains("1 there is not encrypted") && advice.contains("encrypted to one key"), "{advice}");
    assert_eq!((there(&world), problems(&world)), (vec![(label.clone(), "verified".to_owned())], "[]".to_owned()));

    // Other keys are for what comes: what is there stays as it is, and opens as before.
    to(&world, &[&other, &key]);
    let second = backup(&world);
    assert_eq!(world.json(&["copy"])["copied"].as_array().unwrap().len(), 1);
    works_with(&world, &["verify", &label, "--at", "nas"], &key);
    fails_with(&world, &["verify", &label, "--at", "nas"], &other, 77, "none of the keys");
    works_with(&world, &["verify", &second, "--at", "nas"], &other);
    assert_eq!(problems(&world), "[]", "a key that opens nothing says nothing of a copy");

    // A byte that is another is found without a key, and what has the name of a copy to come is not taken for ours.
    let object = part(&world).join(format!("{second}.sqlite.zst.age"));
    flip(&object);
    fails(&world, &["verify", &second, "--at", "nas"], 65, "is damaged");
    let third = backup(&world);
    std::fs::write(part(&world).join(format!("{third}.sqlite.zst.age")), "somebody's own").unwrap();
    fails(&world, &["copy"], 65, "this host has no record of having sent it");

    // Files that others may read, and what is no identity, are refused before anything is asked.
    std::fs::set_permissions(&key.file, std::fs::Permissions::from_mode(0o640)).unwrap();
    fails_with(&world, &["offsite", "prove", "nas"], &key, 77, "others may read the identity file");
    std::fs::write(&other.file, "AGE-SECRET-KEY-1QQQQ\n").unwrap();
    fails_with(&world, &["offsite", "prove", "nas"], &other, 64, "on line 1 what is no identity");
    std::fs::remove_file(&other.file).unwrap();
    fails_with(&world, &["offsite", "prove", "nas"], &other, 66, "cannot read the identity file");
}

/// What a seal says of the inside is held to the inside by whoever opens it, and a copy that is known for another proves no key.
#[test]
fn what_is_inside_is_held_to_its_seal_and_to_what_is_known() {
    let (world, label) = with_one_archive(Db::Sqlite, "");
    let key = key(&world, "operator");
    to(&world, &[&key]);
    works(&world, &["copy"]);
    let path = part(&world).join(format!("{label}.copy.json"));
    let genuine = std::fs::read_to_string(&path).unwrap();
    let sidecar: Value = serde_json::from_str(&genuine).unwrap();
    let inside = &sidecar["encryption"];
    let (manifest, bytes) = (inside["manifest"].as_str().unwrap(), inside["bytes"].as_u64().unwrap());
    let longer = genuine.replace(&format!("\"bytes\":{bytes}"), &format!("\"bytes\":{}", bytes + 1));
    for (forged, words) in [
        (genuine.replace(manifest, &"0".repeat(64)), "what is inside is another archive than was sealed"),
        (longer, "it was sealed with"),
    ] {
        assert_ne!(forged, genuine);
        std::fs::write(&path, forged).unwrap();
        fails_with(&world, &["offsite", "prove", "nas", &label], &key, 65, words);
        fails_with(&world, &["verify", &label, "--at", "nas"], &key, 65, words);
    }
    std::fs::write(&path, genuine).unwrap();
    works_with(&world, &["verify", &label, "--at", "nas"], &key);
    noted(&world, "UPDATE copy SET digest = 'of others'");
    fails_with(&world, &["offsite", "prove", "nas"], &key, 65, "its sidecar is another than the one that was written");
    noted(&world, "UPDATE copy SET state = 'foreign', why = 'of another host'");
    fails_with(&world, &["offsite", "prove", "nas", &label], &key, 65, "of another host");
    assert!(works(&world, &["status", "notes"]).contains("unproven"));
}

/// What went wrong while it was encrypted has the right digest, and nobody sees it but who opens it.
#[test]
fn what_is_damaged_inside_is_found_by_who_opens_it_and_is_no_copy_from_then_on() {
    use upkeep::store::place::Digests;
    let (world, label) = with_one_archive(Db::Sqlite, "");
    let key = key(&world, "operator");
    to(&world, &[&key]);
    works(&world, &["copy"]);
    let path = part(&world).join(format!("{label}.copy.json"));
    let digests = |bytes: &[u8]| {
        let mut digests = Digests::of(bytes.len() as u64);
        digests.add(bytes);
        let (_, whole, _, stretches) = digests.end();
        (whole, stretches)
    };
    let mut bytes = std::fs::read(object(&world, &label)).unwrap();
    let (whole, stretches) = digests(&bytes);
    let middle = bytes.len() - 100;
    bytes[middle] ^= 1;
    let (other, others) = digests(&bytes);
    std::fs::write(object(&world, &label), &bytes).unwrap();
    let mut seal = std::fs::read_to_string(&path).unwrap().replace(&whole, &other);
    for (one, another) in stretches.iter().zip(&others) {
        seal = seal.replace(one, another);
    }
    std::fs::write(&path, seal).unwrap();
    noted(&world, &format!("UPDATE copy SET digest = '{other}'"));
    works(&world, &["verify", &label, "--at", "nas"]);
    fails_with(&world, &["verify", &label, "--at", "nas"], &key, 65, "is damaged");
    assert_eq!(world.json(&["list", "--at", "nas"])[0]["state"], "damaged");
    fails_with(&world, &["restore", "notes", &label, "--at", "nas", "--replace"], &key, 65, "damaged");
}

/// A seal can be forged by whoever writes at the place, and nobody here sees what is inside: without a record of its own a host counts nothing.
#[test]
fn what_nobody_here_remembers_is_no_copy_until_it_was_opened() {
    let (world, label) = with_one_archive(Db::Sqlite, "");
    let key = key(&world, "operator");
    to(&world, &[&key]);
    works(&world, &["copy"]);
    let state = || world.json(&["list", "--at", "nas"])[0]["state"].as_str().unwrap().to_owned();
    for by_a_round in [true, false] {
        noted(&world, "DELETE FROM copy");
        match by_a_round {
            true => assert!(works(&world, &["copy"]).contains("has no record of having sent it")),
            false => drop(fails(&world, &["verify", &label, "--at", "nas"], 65, "has no record of having sent it")),
        }
        assert_eq!(state(), "foreign");
        fails(&world, &["verify", &label, "--at", "nas"], 65, "has opened it");
        works_with(&world, &["verify", &label, "--at", "nas"], &key);
        assert_eq!(state(), "verified");
        works(&world, &["copy"]);
    }
    // With the archive gone as well, nothing is noted of it; it is still there to be restored from by whoever has the key.
    noted(&world, "DELETE FROM copy");
    let (here, away) = (archive(&world, &label), world.root().join("away"));
    std::fs::rename(&here, &away).unwrap();
    works(&world, &["verify", &label, "--at", "nas"]);
    assert_eq!(state(), "copied");
    std::fs::rename(&away, &here).unwrap();
    fails(&world, &["verify", &label, "--at", "nas"], 65, "has no record of having sent it");
}

/// What was sent and never sealed when the keys were changed is no copy: it would be one that the lost key alone opens.
#[test]
fn what_was_sent_to_keys_of_before_is_not_sealed() {
    let (world, label) = with_one_archive(Db::Sqlite, "");
    let (before, now) = (key(&world, "before"), key(&world, "now"));
    to(&world, &[&before]);
    world.keep();
    points(&world, &["copy"], &["copy.sent"]);
    let passed = std::fs::read_to_string(world.root().join("trace")).unwrap();
    let sent = passed.lines().position(|line| line == "copy.sent").unwrap() + 1;
    world.reset();
    killed(&world, &["copy"], sent);
    to(&world, &[&now]);
    fails(&world, &["copy"], 65, "it is encrypted to other keys than are named now");
    assert!(!part(&world).join(format!("{label}.copy.json")).exists());
    std::fs::remove_file(object(&world, &label)).unwrap();
    works(&world, &["copy"]);
    works_with(&world, &["verify", &label, "--at", "nas"], &now);
}

/// On its way to the daemon a key is in a request, and afterwards nowhere.
#[test]
fn a_key_is_kept_by_nobody() {
    let (world, label) = with_one_archive(Db::Sqlite, "");
    let key = key(&world, "operator");
    to(&world, &[&key]);
    let daemon = world.daemon();
    until("it is there", || copies(&world)["copied"] == 1);
    works_with(&world, &["offsite", "prove", "nas"], &key);
    works_with(&world, &["verify", &label, "--at", "nas"], &key);
    works_with(&world, &["restore", "notes", "--at", "nas", "--dry-run", "--replace"], &key);
    let jobs = daemon.ask("GET", "/v1/jobs", "").body;
    assert!(jobs.contains("\"identity\":\"***\""), "{jobs}");
    let events = daemon.ask("GET", "/v1/events?after=0&follow=false", "").body;
    let told = format!("{jobs}{events}{}", daemon.stop_and_tell().join("\n"));
    let kept: Vec<u8> = names(&world.root().join("state"))
        .iter()
        .map(|name| world.root().join("state").join(name))
        .filter(|path| path.is_file())
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect();
    let in_state = String::from_utf8_lossy(&kept);
    assert!(!told.contains("AGE-SECRET") && !in_state.contains("AGE-SECRET"), "a key was kept");
}
