//! Files that go along with an archive: in with what could not be read told, out again by upkeep and by stock tools, and never out of the directory
//! that was named.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use upkeep::archive::manifest::FrameKind;
use upkeep::archive::{Archive, FrameEncoder, PendingArchive};
use upkeep::files;

use crate::docs::{blocks, paste, read};
use crate::support::engines::{Db, on_every_engine};
use crate::support::world::{World, text};

on_every_engine! {
    files_go_along_and_come_back: files_go_along_and_come_back;
}

fn configure(world: &World, more: &str) {
    world.write_config("");
    let config = std::fs::read_to_string(world.config()).unwrap();
    let root = world.root().display().to_string();
    let files = format!("[targets.notes.backup]\nfiles = [\"{root}/conf\", \"{root}/*.pem\"]\n{more}");
    // Another target, whose archives lie among the files.
    let other = format!(
        "\n[targets.other.database]\nurl = \"sqlite://{root}/other.db\"\n[targets.other.backup]\ndirectory = \"{root}/conf/others\"\n"
    );
    std::fs::write(world.config(), config.replace("[targets.notes.backup]\n", &files) + &other).unwrap();
}

/// A tree with all that a tree may hold; gives what stands in it that is kept.
fn plant(root: &Path) {
    let conf = root.join("conf");
    std::fs::create_dir_all(conf.join("deep/er")).unwrap();
    std::fs::write(conf.join("a.yaml"), "a: 1\n").unwrap();
    std::fs::create_dir_all(conf.join("others")).unwrap();
    std::fs::write(conf.join("others/archive"), "theirs\n").unwrap();
    std::fs::write(conf.join("deep/er").join("long ".repeat(40)), "x".repeat(9_000_000)).unwrap();
    std::fs::write(root.join("key.pem"), "secret\n").unwrap();
    std::fs::set_permissions(root.join("key.pem"), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", conf.join("link")).unwrap();
    let fifo = conf.join("pipe");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
}

/// Whether what lies below a directory is what was planted.
#[track_caller]
fn is_as_planted(root: &Path, dir: &Path) {
    let below = dir.join(root.strip_prefix("/").unwrap());
    for name in ["conf/a.yaml", "key.pem", &format!("conf/deep/er/{}", "long ".repeat(40))] {
        assert_eq!(std::fs::read(below.join(name)).unwrap(), std::fs::read(root.join(name)).unwrap(), "{name}");
    }
    let (was, is) = (std::fs::metadata(root.join("key.pem")).unwrap(), std::fs::metadata(below.join("key.pem")).unwrap());
    assert_eq!((was.mode(), was.uid(), was.mtime()), (is.mode(), is.uid(), is.mtime()));
    assert_eq!(std::fs::read_link(below.join("conf/link")).unwrap(), Path::new("/etc/passwd"));
    assert!(std::fs::symlink_metadata(below.join("conf/pipe")).is_err());
    assert!(!below.join("conf/others").exists(), "another target's archives do not go along");
}

fn files_go_along_and_come_back(db: Db) {
    let world = World::new(db);
    let root = world.root();
    plant(&root);
    configure(&world, "");
    let archived = world.json(&["backup", "notes"]);
    let left_out = archived["left_out"].to_string();
    assert!(left_out.contains("conf/pipe") && left_out.contains("FIFO"), "{archived}");
    let label = archived["label"].as_str().unwrap();
    std::fs::copy(archived["path"].as_str().unwrap(), root.join("FILE")).unwrap();

    let run = |arguments: &[&str]| {
        let output = world.command(arguments).current_dir(&root).output().unwrap();
        (output.status.code(), text(&output))
    };
    let (code, said) = run(&["restore", "notes", label, "--files", "back"]);
    assert_eq!(code, Some(0), "{said}");
    is_as_planted(&root, &root.join("back"));
    let (code, said) = run(&["restore", "notes", label, "--files", "back"]);
    assert!(code == Some(73) && said.contains("there is something in it"), "{code:?} {said}");
    let (code, said) = run(&["inspect", label]);
    assert!(code == Some(0) && said.contains("conf/link -> /etc/passwd") && said.contains("0640"), "{said}");

    let (code, said) = run(&["inspect", label, "--configuration"]);
    assert!(
        code == Some(0) && said.contains("[targets.notes.backup]") && said.contains("conf\"") && !said.contains("readlink"),
        "{said}"
    );

    let page = read("docs/restore-by-hand.md");
    let [by_hand] = blocks(&page, "Files beside the database")[..] else { panic!("one block") };
    paste(&world, by_hand, &[]);
    is_as_planted(&root, &root.join("files"));

    // The database comes back from such an archive as from any other; what a restore puts aside has no files.
    let (code, said) = run(&["restore", "notes", label, "--replace", "--stop-server"]);
    assert!(code == Some(0) && said.contains("compared"), "{said}");
    let all = world.json(&["list"]);
    let safety = all.as_array().unwrap().iter().find(|entry| entry["kind"] == "pre-restore").unwrap();
    let (code, said) = run(&["restore", "notes", safety["label"].as_str().unwrap(), "--files", "none"]);
    assert!(code == Some(66) && said.contains("has no files with it"), "{code:?} {said}");

    configure(&world, "files_limit = \"1MiB\"\n");
    let (code, said) = run(&["backup", "notes"]);
    assert!(code == Some(78) && said.contains("files_limit"), "{code:?} {said}");
}

/// An archive whose files are these entries: name, type, where it leads, content.
fn archive_of(dir: &Path, entries: &[(&str, tar::EntryType, &str, &str)]) -> Archive {
    let mut bytes = Vec::new();
    for (name, kind, to, content) in entries {
        let mut header = tar::Header::new_old();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..to.len()].copy_from_slice(to.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o4755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_size(content.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    let text = include_str!("../golden/manifest/format-1-sqlite.json");
    let manifest: upkeep::archive::Manifest = serde_json::from_str(text).unwrap();
    let manifest = upkeep::archive::Manifest { tables: Vec::new(), ..manifest };
    let pending = PendingArchive::create(dir, &manifest.label, "sqlite.zst").unwrap();
    for (kind, content) in [(FrameKind::Image, &b"image"[..]), (FrameKind::Files, &*bytes)] {
        let mut frame = FrameEncoder::new(kind, None, 3).unwrap();
        frame.write(content, 0).unwrap();
        pending.sink().append(frame.finish().unwrap()).unwrap();
    }
    let sealed = pending.seal(manifest).unwrap();
    Archive::open(&sealed.path).unwrap()
}

#[test]
fn a_hostile_archive_puts_nothing_outside_of_the_directory() {
    use tar::EntryType::{Link, Regular, Symlink};
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().display().to_string();
    for entries in [
        vec![("../../escaped", Regular, "", "x")],
        vec![("a/../../escaped", Regular, "", "x")],
        vec![("d", Symlink, out.as_str(), ""), ("d/escaped", Symlink, "/x", "")],
        vec![("a", Regular, "", "x"), ("a/b", Regular, "", "x")],
        vec![("d", Symlink, out.as_str(), ""), ("d", Regular, "", "x")],
        vec![("twice", Regular, "", "x"), ("twice", Regular, "", "y")],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let archive = archive_of(dir.path(), &entries);
        files::unpack(&archive, &dir.path().join("to")).unwrap_err();
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0, "{entries:?}");
        assert!(!dir.path().join("escaped").exists() && !dir.path().parent().unwrap().join("escaped").exists());
    }
    // Files below what is a link on their host, by another pattern: they are put back under its name.
    let dir = tempfile::tempdir().unwrap();
    let archive = archive_of(dir.path(), &[("d", Symlink, out.as_str(), ""), ("d/kept", Regular, "", "x")]);
    let put = files::unpack(&archive, &dir.path().join("to")).unwrap();
    assert_eq!(std::fs::read_to_string(dir.path().join("to/d/kept")).unwrap(), "x");
    assert!(put.notes.iter().any(|note| note.starts_with("/d is a link to ")), "{put:?}");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    // A directory that somebody else could exchange meanwhile.
    let open = dir.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    files::unpack(&archive, &open.join("to")).unwrap_err();
    assert!(!open.join("to").exists());
    let dir = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "s").unwrap();
    let secret = secret.display().to_string();
    let archive = archive_of(dir.path(), &[("/abs", Regular, "", "x"), ("hard", Link, &secret, "")]);
    let put = files::unpack(&archive, &dir.path().join("to")).unwrap();
    assert_eq!(put.entries, 1, "{put:?}");
    assert_eq!(std::fs::metadata(dir.path().join("to/abs")).unwrap().mode() & 0o7777, 0o755);
    // An archive with files in it says by its format that it is none that an older upkeep reads.
    assert_eq!(archive.manifest().format, 2);
}
