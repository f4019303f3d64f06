//! Who owns an SQLite file decides what happens to it, and to nothing else: whatever he plants beside it, no verb of root's and
//! nothing the daemon does plays it back, follows it or writes through it; and what is put in its place is his as it was.
//!
//! As root these tests give the file to another user; as anybody else they say so and tell what is left of the story.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::wait::until;
use crate::support::world::{Db, World, text};

/// `nobody`, on every Debian.
const NOBODY: u32 = 65534;

/// A database of nobody's in a directory of nobody's, which everybody can reach.
fn world_of_nobody() -> Option<World> {
    if !rustix::process::geteuid().is_root() {
        crate::support::skipped("only root can give a file to somebody else", crate::support::ROOT);
        return None;
    }
    let world = World::new(Db::Sqlite);
    let own = world.root().join("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::rename(world.root().join("notes.db"), own.join("notes.db")).unwrap();
    let config = std::fs::read_to_string(world.config()).unwrap();
    let (from, to) = (world.root().join("notes.db"), own.join("notes.db"));
    std::fs::write(world.config(), config.replace(from.to_str().unwrap(), to.to_str().unwrap())).unwrap();
    for path in [own.clone(), to] {
        std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    for above in world.root().ancestors().take_while(|above| *above != Path::new("/tmp")) {
        std::fs::set_permissions(above, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    Some(world)
}

fn file(world: &World) -> PathBuf {
    world.root().join("own/notes.db")
}

fn beside(world: &World, suffix: &str) -> PathBuf {
    world.root().join(format!("own/notes.db{suffix}"))
}

/// A journal that SQLite takes for one that a crash left, and that names a file: SQLite deletes it when it has played it back.
fn plant(world: &World, victim: &Path) {
    let pages = u32::try_from(std::fs::metadata(file(world)).unwrap().len() / 4096).unwrap();
    let mut journal = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    for number in [0, 0, pages, 512, 4096_u32] {
        journal.extend_from_slice(&number.to_be_bytes());
    }
    journal.resize(512, 0);
    let name = victim.to_str().unwrap().as_bytes();
    // The number of the page that locks are taken on, which never is in a journal.
    journal.extend_from_slice(&(0x4000_0000_u32 / 4096 + 1).to_be_bytes());
    journal.extend_from_slice(name);
    journal.extend_from_slice(&u32::try_from(name.len()).unwrap().to_be_bytes());
    journal.extend_from_slice(&name.iter().map(|byte| u32::from(*byte)).sum::<u32>().to_be_bytes());
    journal.extend_from_slice(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    let path = beside(world, "-journal");
    std::fs::write(&path, journal).unwrap();
    std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
}

/// Every file beside the database and beside the archives, with its owner and a digest of its bytes.
fn all(world: &World) -> Vec<(PathBuf, u32, String)> {
    let mut found = Vec::new();
    for directory in ["own", "archives"] {
        for entry in std::fs::read_dir(world.root().join(directory)).unwrap().flatten() {
            let meta = entry.path().symlink_metadata().unwrap();
            let bytes = if meta.is_file() { std::fs::read(entry.path()).unwrap() } else { Vec::new() };
            found.push((entry.path(), meta.uid(), blake3::hash(&bytes).to_hex()[..8].to_owned()));
        }
    }
    found.sort();
    found
}

/// What a person can type that looks at the database or changes it; and the shortest of it that opens it in each of our ways.
const VERBS: [&[&str]; 11] = [
    &["status", "notes"],
    &["check"],
    &["gate", "notes", "--look"],
    &["list"],
    &["plan", "notes"],
    &["migrate", "info", "notes"],
    &["migrate", "validate", "notes"],
    &["migrate", "apply", "notes"],
    &["backup", "notes"],
    &["restore", "notes", "--replace"],
    &["upgrade", "notes"],
];
const WAYS: [&[&str]; 4] = [VERBS[0], VERBS[2], VERBS[8], VERBS[9]];

/// The real SQLite would do it: else these tests show nothing.
#[test]
fn a_planted_journal_is_one_that_sqlite_plays_back() {
    let Some(world) = world_of_nobody() else { return };
    let victim = world.root().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    plant(&world, &victim);
    let read = Command::new("sqlite3").arg(file(&world)).arg("SELECT count(*) FROM note").output().unwrap();
    assert!(!victim.exists(), "{}", text(&read));
}

#[test]
fn a_planted_journal_deletes_nothing_whatever_is_typed() {
    let Some(world) = world_of_nobody() else { return };
    let backup = world.run(&["backup", "notes"]);
    assert!(backup.status.success(), "{}", text(&backup));
    world.install("1.1.0");
    let newest = std::fs::read_dir(world.root().join("archives")).unwrap().flatten();
    let newest = newest.map(|entry| entry.path()).find(|path| path.to_str().unwrap().ends_with(".zst")).unwrap();
    let secret = world.root().join("of-root");
    std::fs::write(&secret, "precious").unwrap();
    for (victim, verbs) in [(newest, &VERBS[..]), (world.root().join("state/state.db"), &WAYS), (secret, &WAYS)] {
        plant(&world, &victim);
        let before = all(&world);
        for verb in verbs {
            let output = world.run(verb);
            assert!(victim.exists(), "{verb:?} deleted {}: {}", victim.display(), text(&output));
            assert_eq!(all(&world), before, "{verb:?}: {}", text(&output));
        }
        let refused = text(&world.run(&["backup", "notes"]));
        assert!(refused.contains("its journal names") && refused.contains(victim.to_str().unwrap()), "{refused}");
        let daemon = world.daemon();
        until("the daemon has looked", || text(&world.run(&["status", "notes"])).contains("middle of a transaction"));
        drop(daemon);
        assert!(victim.exists(), "the daemon deleted {}", victim.display());
        assert_eq!(all(&world), before, "the daemon");
    }
    // With it gone everything goes on.
    std::fs::remove_file(beside(&world, "-journal")).unwrap();
    let upgrade = world.run(&["upgrade", "notes"]);
    assert!(upgrade.status.success(), "{}", text(&upgrade));
}

#[test]
fn links_pipes_and_second_names_beside_the_file_are_not_opened() {
    let Some(world) = world_of_nobody() else { return };
    let victim = world.root().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    for suffix in ["-journal", "-wal", "-shm"] {
        let place = beside(&world, suffix);
        let plants: [fn(&Path, &Path); 3] = [
            |victim, place| symlink(victim, place).unwrap(),
            |victim, place| std::fs::hard_link(victim, place).unwrap(),
            |_, place| {
                rustix::fs::mknodat(rustix::fs::CWD, place, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
            },
        ];
        for plant in plants {
            plant(&victim, &place);
            for verb in WAYS {
                let output = world.run(verb);
                assert_eq!(std::fs::read(&victim).unwrap(), b"precious", "{suffix}, {verb:?}: {}", text(&output));
                assert!(place.symlink_metadata().is_ok(), "{suffix}, {verb:?}: {}", text(&output));
            }
            let said = text(&world.run(&["backup", "notes"]));
            assert!(said.contains("nothing was opened"), "{suffix}: {said}");
            std::fs::remove_file(&place).unwrap();
        }
    }
}

/// A look leaves a database in WAL mode, and one that a crash left, exactly as they are.
#[test]
fn a_look_makes_no_file_and_ends_nothing() {
    let Some(world) = world_of_nobody() else { return };
    let sqlite = |script: &str| {
        let mut sqlite = Command::new("setpriv");
        sqlite.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sqlite3"]).arg(file(&world)).arg(script);
        let output = sqlite.output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    };
    let looks = [&["status", "notes"][..], &["gate", "notes", "--look"], &["list"], &["migrate", "info", "notes"], &["check"]];
    sqlite("PRAGMA journal_mode = WAL; UPDATE note SET body = body");
    let before = all(&world);
    for verb in looks {
        let output = world.run(verb);
        assert_eq!(all(&world), before, "{verb:?}: {}", text(&output));
    }
    assert!(text(&world.run(&["status", "notes"])).contains("in step"));
    // A backup of it says that it is in WAL mode, and leaves nothing beside it either.
    let backup = world.run(&["backup", "notes"]);
    assert!(backup.status.success(), "{}", text(&backup));
    assert_eq!(std::fs::read_dir(world.root().join("own")).unwrap().count(), 1);
    // A server that was killed in the middle of a transaction.
    sqlite("PRAGMA journal_mode = DELETE");
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) INSERT INTO note SELECT i + 1000, 'x' FROM n;";
    let script = format!("PRAGMA cache_size = 10; PRAGMA cache_spill = 1;\nBEGIN;\n{rows}\n.shell kill -9 $PPID\n");
    let mut server = Command::new("setpriv");
    server.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sqlite3"]).arg(file(&world)).stdin(Stdio::piped());
    let mut server = server.spawn().unwrap();
    std::io::Write::write_all(&mut server.stdin.take().unwrap(), script.as_bytes()).unwrap();
    server.wait().unwrap();
    assert!(beside(&world, "-journal").exists());
    let before = all(&world);
    for verb in looks.iter().filter(|verb| verb[0] != "migrate") {
        let output = world.run(verb);
        assert_eq!(all(&world), before, "{verb:?}: {}", text(&output));
    }
    assert!(text(&world.run(&["status", "notes"])).contains("middle of a transaction"));
    // What needs the database has its owner end it.
    let backup = world.run(&["backup", "notes"]);
    assert!(backup.status.success(), "{}", text(&backup));
    assert!(!beside(&world, "-journal").exists());
    assert_eq!(crate::support::engines::ask_file(&file(&world), "SELECT count(*) FROM note"), "100");
}

/// Owner, mode and labels are the file's own, and a link to it stays one.
#[test]
fn what_takes_a_files_place_is_its_owners_as_it_was() {
    let Some(world) = world_of_nobody() else { return };
    let link = world.root().join("link.db");
    symlink("own/notes.db", &link).unwrap();
    let config = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), config.replace(file(&world).to_str().unwrap(), link.to_str().unwrap())).unwrap();
    let backup = world.run(&["backup", "notes"]);
    assert!(backup.status.success(), "{}", text(&backup));
    std::fs::set_permissions(file(&world), std::fs::Permissions::from_mode(0o660)).unwrap();
    let named = c"user.label";
    rustix::fs::setxattr(file(&world), named, b"mine", rustix::fs::XattrFlags::empty()).unwrap();
    rustix::fs::setxattr(file(&world), ACL, &access(), rustix::fs::XattrFlags::empty()).unwrap();
    // Anybody may plant what a guessed name of ours would be.
    let victim = world.root().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    symlink(&victim, world.root().join("own/.notes.db.upkeep-new.tmp")).unwrap();
    crate::support::engines::ask_file(&file(&world), "UPDATE note SET body = 'changed'");
    let restored = world.run(&["restore", "notes", "--replace"]);
    assert!(restored.status.success(), "{}", text(&restored));
    let is_as_it_was = |what: &str| {
        let meta = file(&world).symlink_metadata().unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (NOBODY, NOBODY, 0o660), "{what}");
        for (name, value) in [(named, b"mine".to_vec()), (ACL, access())] {
            let mut found = [0; 64];
            let length = rustix::fs::getxattr(file(&world), name, &mut found[..]).unwrap();
            assert_eq!(found[..length], value, "{what}: {name:?}");
        }
    };
    is_as_it_was("a restore");
    assert_eq!(crate::support::engines::ask_file(&file(&world), "SELECT body FROM note WHERE id = 1"), "note 1");
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    assert_ne!(victim.symlink_metadata().unwrap().uid(), NOBODY, "chown followed a link");
    // The same by an upgrade and a rollback.
    world.start_server();
    world.install("1.1.0");
    for (verb, columns) in [("upgrade", "id,body,starred"), ("rollback", "id,body")] {
        let output = world.run(&[verb, "notes"]);
        assert!(output.status.success(), "{verb}: {}", text(&output));
        let found = "SELECT group_concat(name, ',') FROM pragma_table_info('note')";
        assert_eq!(crate::support::engines::ask_file(&file(&world), found), columns, "{verb}");
        is_as_it_was(verb);
    }
}

const ACL: &std::ffi::CStr = c"system.posix_acl_access";

/// The access list that gives another user the file to read and to write, as the kernel keeps it.
fn access() -> Vec<u8> {
    const NO_ID: u32 = u32::MAX;
    // The owner, a user by number, the group, the mask, all others.
    let entries: [(u16, u16, u32); 5] = [(1, 6, NO_ID), (2, 6, 65533), (4, 6, NO_ID), (16, 6, NO_ID), (32, 0, NO_ID)];
    let entries =
        entries.iter().flat_map(|(tag, may, id)| [&tag.to_le_bytes()[..], &may.to_le_bytes(), &id.to_le_bytes()].concat());
    2_u32.to_le_bytes().into_iter().chain(entries).collect()
}

/// A second name of the file would keep the old content, and nobody would say so.
#[test]
fn a_file_with_two_names_is_not_replaced() {
    let world = World::new(Db::Sqlite);
    let (own, other) = (world.root().join("notes.db"), world.root().join("other-name.db"));
    let backup = world.run(&["backup", "notes"]);
    assert!(backup.status.success(), "{}", text(&backup));
    std::fs::hard_link(&own, &other).unwrap();
    crate::support::engines::ask_file(&own, "UPDATE note SET body = 'changed'");
    for verb in [&["restore", "notes", "--replace"][..], &["check"]] {
        let output = world.run(verb);
        let said = text(&output);
        assert!(said.contains("2 names (hard links)"), "{verb:?}: {said}");
        assert!(verb[0] == "check" || !output.status.success(), "{said}");
    }
    assert_eq!(crate::support::engines::ask_file(&own, "SELECT body FROM note WHERE id = 1"), "changed");
    std::fs::remove_file(&other).unwrap();
    let restored = world.run(&["restore", "notes", "--replace"]);
    assert!(restored.status.success(), "{}", text(&restored));
}

/// SQLite's numbers say nothing to a person.
#[test]
fn a_directory_that_nobody_may_write_to_is_said_in_words() {
    let Some(world) = world_of_nobody() else { return };
    let pages = u32::try_from(std::fs::metadata(file(&world)).unwrap().len() / 4096).unwrap();
    // As a crash leaves it: to be played back, with no page in it.
    let mut journal = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    for number in [0, 0, pages, 512, 4096_u32] {
        journal.extend_from_slice(&number.to_be_bytes());
    }
    journal.resize(512, 0);
    let (path, own) = (beside(&world, "-journal"), world.root().join("own"));
    std::fs::write(&path, journal).unwrap();
    std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    for (path, mode) in [(&path, 0o444), (&file(&world), 0o444), (&own, 0o555)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let output = world.run(&["backup", "notes"]);
    let said = text(&output);
    assert!(!output.status.success() && said.contains("where we may not write"), "{said}");
    assert!(said.contains(own.to_str().unwrap()) && !said.contains("code:"), "{said}");
    for (path, mode) in [(&path, 0o644), (&file(&world), 0o644), (&own, 0o755)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let output = world.run(&["backup", "notes"]);
    assert!(output.status.success(), "{}", text(&output));
}

/// The daemon's user is not the file's owner: what he could not leave as it was is refused before the server is stopped.
#[test]
fn who_may_not_give_the_file_back_refuses_before_anything() {
    let Some(world) = world_of_nobody() else { return };
    world.start_server();
    for directory in ["state", "archives"] {
        std::fs::create_dir_all(world.root().join(directory)).unwrap();
    }
    let mut given = Command::new("chown");
    given.args(["-R", "65533:65533", "state", "archives", "run", "upkeep.toml"]).current_dir(world.root());
    assert!(given.status().unwrap().success());
    std::fs::set_permissions(file(&world), std::fs::Permissions::from_mode(0o644)).unwrap();
    // Where the build's own lies, no other user may be let in.
    let program = world.root().join("upkeep");
    std::fs::copy(env!("CARGO_BIN_EXE_upkeep"), &program).unwrap();
    let run = |arguments: &[&str]| {
        let mut as_upkeep = Command::new("setpriv");
        as_upkeep
            .args(["--reuid=65533", "--regid=65533", "--clear-groups"])
            .arg(&program)
            .args(world.command(arguments).get_args());
        as_upkeep.stdin(Stdio::null()).output().unwrap()
    };
    let backup = run(&["backup", "notes"]);
    assert!(backup.status.success(), "{}", text(&backup));
    world.install("1.1.0");
    let before = std::fs::read(file(&world)).unwrap();
    for verb in [&["upgrade", "notes"][..], &["restore", "notes", "--replace", "--stop-server"], &["migrate", "apply", "notes"]]
    {
        let output = run(verb);
        let said = text(&output);
        assert!(!output.status.success() && said.contains("belongs to user 65534"), "{verb:?}: {said}");
        assert_eq!(std::fs::read(file(&world)).unwrap(), before, "{verb:?}");
        assert_eq!(world.serving().as_deref(), Some("1.0.0"), "{verb:?} stopped the server: {said}");
    }
    let check = text(&run(&["check"]));
    assert!(check.contains("belongs to user 65534"), "{check}");
}

/// Whatever a script says, it reaches its own database only.
#[test]
fn a_script_opens_no_other_database() {
    let world = World::new(Db::Sqlite);
    let state = world.root().join("state/state.db");
    let known = world.json(&["list", "notes"])[0]["label"].as_str().unwrap().to_owned();
    world.install("1.1.0");
    let script = world.root().join("releases/1.1.0/migrations/V2__star.sql");
    let copy = world.root().join("copy.db");
    for sql in [
        format!("/* ; */ aTTach '{}' AS s; DELETE FROM s.archive;", state.display()),
        format!("SELECT $a('); ATTACH '{}' AS s; DELETE FROM s.archive; --');", state.display()),
        format!("VACUUM INTO '{}';", copy.display()),
    ] {
        for conf in [None, Some("executeInTransaction=false\n")] {
            let companion = script.with_extension("sql.conf");
            std::fs::remove_file(&companion).ok();
            if let Some(conf) = conf {
                std::fs::write(&companion, conf).unwrap();
            }
            std::fs::write(&script, &sql).unwrap();
            let output = world.run(&["migrate", "apply", "notes"]);
            let said = text(&output);
            assert!(!output.status.success() && said.contains("reaches beyond the database"), "{sql}: {said}");
            assert!(!copy.exists(), "{sql}");
            assert_eq!(world.whole_version(), "1.0.0", "{sql}");
        }
    }
    assert!(world.journal().contains(&known), "our own state was emptied");
}

/// An archive that is gone is a problem until somebody says that it is to be so.
#[test]
fn an_archive_that_is_gone_is_told_until_somebody_answers() {
    let world = World::new(Db::Sqlite);
    for _ in 0..2 {
        let output = world.run(&["backup", "notes"]);
        assert!(output.status.success(), "{}", text(&output));
    }
    let archives = world.json(&["list", "notes"]);
    let label = archives[0]["label"].as_str().unwrap().to_owned();
    std::fs::remove_file(archives[0]["path"].as_str().unwrap()).unwrap();
    let told = |world: &World| text(&world.run(&["status", "notes"])).contains(&format!("archive {label} is missing"));
    assert_eq!(world.json(&["list", "notes"])[0]["verdict"], "missing");
    assert!(told(&world));
    let output = world.run(&["verify", "--all"]);
    assert!(told(&world), "{}", text(&output));
    let daemon = world.daemon();
    until("the daemon tells it", || told(&world));
    assert_eq!(world.json(&["list", "notes"])[0]["verdict"], "missing");
    drop(daemon);
    let output = world.run(&["unpin", &label]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(!told(&world));
    assert!(!world.json(&["list", "notes"]).to_string().contains(&label));
}
