//! Files, links, FIFOs and directories as somebody weaker would plant them. Where we are root, the weaker one is user 4711.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

use super::*;

const NOTES: u32 = 4711;

fn write(path: &Path, text: &str, owner: u32, mode: u32) {
    crate::durable::write(path, text.as_bytes()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(path, Some(owner), Some(owner)).unwrap();
    }
}

/// A release of user 4711 in a place of root's, a secret of root's and a public file beside it; none where we are not root.
fn place() -> Option<tempfile::TempDir> {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let release = place.path().join("release");
    fs::create_dir_all(release.join("sub")).unwrap();
    write(&place.path().join("secret"), "root:$y$secret", 0, 0o600);
    write(&place.path().join("public"), "public", 0, 0o644);
    write(&release.join("VERSION"), "1.0.0", NOTES, 0o600);
    let fifo = release.join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::from_raw_mode(0o666)).unwrap();
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    for path in [&release, &release.join("sub"), &fifo] {
        chown(path, Some(NOTES), Some(NOTES)).unwrap();
    }
    Some(place)
}

fn why(read: io::Result<Vec<u8>>) -> String {
    read.unwrap_err().to_string()
}

#[test]
fn only_what_the_releases_owner_may_read_is_read() {
    let Some(place) = place() else { return };
    let release = place.path().join("release");
    let base = Base::open(&release).unwrap();
    assert_eq!(base.read(Path::new("VERSION"), 64).unwrap(), b"1.0.0");
    // A link to a secret, by each way to name it, is refused; so is a second name for it where the host lets anybody make one.
    symlink(place.path().join("secret"), release.join("absolute")).unwrap();
    symlink("../secret", release.join("relative")).unwrap();
    symlink("sub/../../secret", release.join("roundabout")).unwrap();
    symlink("..", release.join("up")).unwrap();
    for name in ["absolute", "relative", "roundabout", "up/secret"] {
        assert!(why(base.read(Path::new(name), 64)).contains("leads out of"), "{name}");
        assert!(why(read(&release.join(name), 64)).contains("user 4711 could have put it there"), "{name}");
    }
    fs::hard_link(place.path().join("secret"), release.join("second")).unwrap();
    assert!(why(base.read(Path::new("second"), 64)).contains("may not read it"));
    // A public file is as good as his own, and still out of the release.
    symlink("../public", release.join("shared")).unwrap();
    assert_eq!(read(&release.join("shared"), 64).unwrap(), b"public");
    assert!(why(base.read(Path::new("shared"), 64)).contains("leads out of"));
    // One that is readable by its mode, and lies where he may not pass.
    fs::create_dir(place.path().join("closed")).unwrap();
    fs::set_permissions(place.path().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    write(&place.path().join("closed/open"), "inside", 0, 0o644);
    symlink(place.path().join("closed/open"), release.join("inside")).unwrap();
    assert!(why(read(&release.join("inside"), 64)).contains("may not read it"));
    // Links that stay inside are his to set.
    symlink("../VERSION", release.join("sub/same")).unwrap();
    symlink(release.join("VERSION"), release.join("whole")).unwrap();
    for name in ["sub/same", "whole", "sub/../VERSION"] {
        assert_eq!(base.read(Path::new(name), 64).unwrap(), b"1.0.0", "{name}");
    }
}

#[test]
fn a_directory_that_a_link_chose_is_read_as_he_could() {
    let Some(place) = place() else { return };
    // The release itself is a link of his, to a directory whose file has the right name.
    let state = place.path().join("state");
    fs::create_dir(&state).unwrap();
    write(&state.join("VERSION"), "secret", 0, 0o640);
    symlink(&state, place.path().join("release/current")).unwrap();
    let base = Base::open(&place.path().join("release/current")).unwrap();
    assert!(why(base.read(Path::new("VERSION"), 64)).contains("may not read it"));
}

#[test]
fn nothing_but_a_regular_file_is_opened_and_nothing_endless_is_read() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), Mode::from_raw_mode(0o600)).unwrap();
    symlink("/dev/zero", at("zero")).unwrap();
    symlink(at("fifo"), at("to-fifo")).unwrap();
    symlink(at("loop"), at("loop")).unwrap();
    fs::create_dir(at("directory")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    crate::durable::write(&at("long"), b"12345").unwrap();
    for (name, what) in [
        ("fifo", "a FIFO"),
        ("to-fifo", "a FIFO"),
        ("zero", "a device"),
        ("directory", "a directory"),
        ("socket", "a socket"),
        ("long", "longer than 4 bytes"),
        ("loop", "Too many levels"),
        ("none", "No such file"),
    ] {
        let said = why(read(&at(name), 4));
        assert!(said.contains(what), "{name}: {said}");
        assert!(read_own(&at(name), 4).is_err(), "{name}");
    }
    assert_eq!(read(&at("long"), 5).unwrap(), b"12345");
    let base = Base::open(place.path()).unwrap();
    assert!(matches!(refused(&base.names(Path::new(""), 3).unwrap_err()), Some(Refused::TooMany(3))));
    assert_eq!(base.names(Path::new(""), 100).unwrap().len(), 7);
}

#[test]
fn whoever_could_change_a_program_is_told() {
    let Some(place) = place() else { return };
    let user = Weak::User { uid: NOTES, gid: NOTES };
    let at = |name: &str| place.path().join(name);
    assert_eq!(weaker(&at("public")).unwrap(), []);
    assert_eq!(weaker(&at("release/VERSION")).unwrap(), [user]);
    write(&at("release/root"), "#!/bin/sh", 0, 0o755);
    assert_eq!(weaker(&at("release/root")).unwrap(), [user], "it lies in his directory");
    write(&at("his"), "#!/bin/sh", NOTES, 0o755);
    assert_eq!(weaker(&at("his")).unwrap(), [user]);
    for (mode, weak) in [(0o646, Weak::Anyone), (0o664, Weak::Group(50))] {
        write(&at("shared"), "#!/bin/sh", 0, mode);
        chown(at("shared"), None, Some(50)).unwrap();
        assert_eq!(weaker(&at("shared")).unwrap(), [weak]);
    }
    symlink(at("public"), at("release/link")).unwrap();
    assert_eq!(weaker(&at("release/link")).unwrap(), [user], "he says where it leads");
}

#[test]
fn a_directory_is_made_only_where_root_decides() {
    let Some(place) = place() else { return };
    let root = place.path();
    let owner = |path: &str| fs::metadata(root.join(path)).map(|meta| (meta.uid(), meta.mode() & 0o777)).unwrap();
    assert_eq!(make_dir(root, Path::new("/var/backups/notes"), [NOTES, NOTES], 0o750).unwrap(), Made::New);
    assert_eq!((owner("var/backups"), owner("var/backups/notes")), ((0, 0o755), (NOTES, 0o750)));
    assert_eq!(make_dir(root, Path::new("/var/backups/notes"), [NOTES, NOTES], 0o750).unwrap(), Made::Already);
    // Below his own he makes it himself, and a link of his leads nowhere.
    assert_eq!(make_dir(root, Path::new("/release/archives"), [NOTES, NOTES], 0o750).unwrap(), Made::LeftTo);
    fs::create_dir(root.join("etc")).unwrap();
    symlink(root.join("etc"), root.join("release/out")).unwrap();
    assert_eq!(make_dir(root, Path::new("/release/out/polkit"), [NOTES, NOTES], 0o750).unwrap(), Made::LeftTo);
    assert!(make_dir(root, Path::new("/release/archives"), [NOTES + 1, NOTES], 0o750).is_err(), "another user's");
    assert!(!root.join("etc/polkit").exists());
    // A link of root's is root's word; one that leads to nothing is none.
    symlink("var/backups", root.join("by-root")).unwrap();
    assert_eq!(make_dir(root, Path::new("/by-root/more"), [NOTES, NOTES], 0o750).unwrap(), Made::New);
    symlink("nowhere", root.join("dangling")).unwrap();
    assert!(make_dir(root, Path::new("/dangling"), [NOTES, NOTES], 0o750).is_err());
    assert!(make_dir(root, Path::new("/x/../../etc/y"), [NOTES, NOTES], 0o750).is_err());
}
