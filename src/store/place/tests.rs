//! The suite that every kind of place passes, and what is a directory's own.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

mod bucket;
mod sftp;
// One for these and for the stories of the whole program.
#[path = "../../../tests/it/support/skip.rs"]
#[expect(dead_code, reason = "rights are asked for in stories alone")]
mod skip;

use skip::{SERVERS, skipped};

use super::*;
use crate::ids::{Label, OwnerName, PlaceName};

/// What is asked of every kind of place. `place` is a part that is ours and empty.
fn conforms(place: &dyn Place) {
    let names = || place.list().unwrap().into_iter().map(|object| object.name).collect::<BTreeSet<_>>();
    assert_eq!(names(), BTreeSet::new(), "an empty part lists nothing");
    assert_eq!(place.stat("a.sql.zst").unwrap(), None);
    assert!(place.open("a.sql.zst").is_err(), "what is not there is not opened");

    // Longer than any buffer, and of a length that no buffer divides.
    let content: Vec<u8> = (0..3_000_001_u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(place.put_new("a.sql.zst", 0, &mut &*content).unwrap(), Put::Created);
    assert_eq!(place.stat("a.sql.zst").unwrap(), Some(content.len() as u64));
    assert_eq!(place.list().unwrap(), [Object { name: "a.sql.zst".to_owned(), size: content.len() as u64 }]);
    let source = place.open("a.sql.zst").unwrap();
    assert_eq!(source.size().unwrap(), content.len() as u64);
    for (at, length) in [(0, 10), (999_999, 1_000_002), (2_999_991, 10), (3_000_001, 0)] {
        let mut read = vec![0; length];
        source.read_exact_at(&mut read, at as u64).unwrap();
        assert_eq!(read, content[at..at + length], "{length} bytes at {at}");
    }
    let past = source.read_exact_at(&mut [0; 11], 2_999_991).unwrap_err();
    assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof, "an end that comes too early is told as that");

    // A name is had once.
    assert_eq!(place.put_new("a.sql.zst", 0, &mut &b"other"[..]).unwrap(), Put::Exists);
    assert_eq!(place.stat("a.sql.zst").unwrap(), Some(content.len() as u64), "what was there is as it was");
    assert_eq!(place.put_new("empty.copy.json", 0, &mut io::empty()).unwrap(), Put::Created);
    assert_eq!(place.stat("empty.copy.json").unwrap(), Some(0));

    // Content that ends badly leaves nothing that has a name.
    struct Torn(usize);
    impl Read for Torn {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 2 { Err(io::Error::other("torn")) } else { Ok(buffer.len()) }
        }
    }
    assert!(matches!(place.put_new("torn.sql.zst", 0, &mut Torn(0)), Err(PlaceError::Content { .. })));
    assert_eq!(place.stat("torn.sql.zst").unwrap(), None);
    assert_eq!(names(), ["a.sql.zst", "empty.copy.json"].map(str::to_owned).into());

    // Names that lead elsewhere are none.
    for name in ["", ".", "..", "../a.sql.zst", "a/b", "/etc/passwd"] {
        assert!(place.put_new(name, 0, &mut &b"x"[..]).is_err(), "{name}");
        assert!(place.open(name).is_err() && place.stat(name).is_err(), "{name}");
    }
    place.try_out().unwrap();
    place.sweep(&|_| false).unwrap();
    assert_eq!(
        names(),
        ["a.sql.zst", "empty.copy.json"].map(str::to_owned).into(),
        "trying and sweeping take and leave nothing"
    );
    assert!(place.free_bytes().unwrap().is_none_or(|free| free > 0));
}

pub(crate) fn name(text: &str) -> PlaceName {
    PlaceName::parse(text).unwrap()
}

fn owner(text: &str) -> OwnerName {
    OwnerName::parse(text).unwrap()
}

/// Sets a place up for a host, known before or new; the marker's and the host's id.
fn set_up(path: &Path, owner: &OwnerName, known: Option<(&str, &str)>, adopt: bool) -> Result<(String, String), PlaceError> {
    let host = known.map_or_else(|| Marker::random().id, |(_, host)| host.to_owned());
    let (place, marker) = (name("nas"), known.map(|(marker, _)| marker));
    let setup = Setup { path, place: &place, owner, apart_from: &[], marker, host: &host, adopt };
    setup.run().map(|marker| (marker, host))
}

fn opened(path: &Path) -> (Directory, PathBuf) {
    let (marker, host) = set_up(path, &owner("db1"), None, false).unwrap();
    (Directory::write(path, &name("nas"), &owner("db1"), (&marker, &host)).unwrap(), path.join("db1"))
}

#[test]
fn a_directory_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let (place, part) = opened(dir.path());
    conforms(&place);
    let temporary = std::fs::read_dir(part)
        .unwrap()
        .flatten()
        .filter(|entry| crate::durable::is_temporary(&entry.file_name().to_string_lossy()));
    assert_eq!(temporary.count(), 0, "nothing is left over");
}

/// Below a mount that is absent lies an empty directory: it is no place, and never becomes one by itself.
#[test]
fn an_absent_mount_is_neither_empty_nor_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let (marker, host) = set_up(dir.path(), &owner("db1"), None, false).unwrap();
    let write = |path: &Path| Directory::write(path, &name("nas"), &owner("db1"), (&marker, &host));
    drop(write(dir.path()).unwrap());

    let below = tempfile::tempdir().unwrap();
    assert!(matches!(write(below.path()), Err(PlaceError::Absent { .. })));
    assert!(matches!(write(&below.path().join("gone")), Err(PlaceError::Absent { .. })));
    let again = set_up(below.path(), &owner("db1"), Some((&marker, &host)), false);
    assert!(matches!(again, Err(PlaceError::Absent { .. })), "a place that was set up is not set up anew elsewhere: {again:?}");
    assert_eq!(std::fs::read_dir(below.path()).unwrap().count(), 0, "nothing was written");
    // Another disk on the same mount point.
    set_up(below.path(), &owner("db1"), None, false).unwrap();
    assert!(matches!(write(below.path()), Err(PlaceError::Absent { .. })));
}

#[test]
fn a_copy_on_the_disk_of_the_archives_is_refused_unless_it_is_meant() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("not/there/yet");
    let apart = [missing.as_path()];
    let (nas, db1) = (name("nas"), owner("db1"));
    let setup = Setup { path: dir.path(), place: &nas, owner: &db1, apart_from: &apart, marker: None, host: "h", adopt: false };
    assert!(matches!(setup.run(), Err(PlaceError::SameDevice { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    Setup { apart_from: &[], ..setup }.run().unwrap();
}

/// Two hosts at one place have their own parts; a host whose state was made anew takes its part back only when somebody says so.
#[test]
fn a_part_is_one_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let (marker, host) = set_up(dir.path(), &owner("db1"), None, false).unwrap();
    let mode = std::fs::metadata(dir.path().join(".upkeep-destination")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o644, "the other host's daemon reads it");
    let (same, other) = set_up(dir.path(), &owner("db2"), None, false).unwrap();
    assert!(same == marker && other != host, "one place, two hosts");
    assert_eq!(
        set_up(dir.path(), &owner("db1"), Some((&marker, &host)), false).unwrap(),
        (marker.clone(), host.clone()),
        "again"
    );

    assert!(matches!(set_up(dir.path(), &owner("db1"), None, false), Err(PlaceError::Foreign { .. })));
    let wrong = Directory::write(dir.path(), &name("nas"), &owner("db1"), (&marker, &other));
    assert!(matches!(wrong, Err(PlaceError::Foreign { .. })));
    let (_, adopted) = set_up(dir.path(), &owner("db1"), None, true).unwrap();
    assert_ne!(adopted, host);
    drop(Directory::write(dir.path(), &name("nas"), &owner("db1"), (&marker, &adopted)).unwrap());
    let before = Directory::write(dir.path(), &name("nas"), &owner("db1"), (&marker, &host));
    assert!(matches!(before, Err(PlaceError::Foreign { .. })), "whoever had it before has it no more");
    drop(Directory::read(dir.path(), &owner("db1"), None).unwrap());
}

#[test]
fn links_and_fifos_are_nobodys_objects() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (place, part) = opened(dir.path());
    crate::durable::write(&outside.path().join("secret"), b"secret").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), part.join("link.sql.zst")).unwrap();
    let fifo = part.join("fifo.sql.zst");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::from(0o600), 0).unwrap();
    std::fs::create_dir(part.join("dir.sql.zst")).unwrap();
    assert_eq!(place.list().unwrap(), []);
    for name in ["link.sql.zst", "fifo.sql.zst", "dir.sql.zst"] {
        assert!(place.open(name).is_err(), "{name}");
        assert_eq!(place.put_new(name, 0, &mut &b"x"[..]).unwrap(), Put::Exists, "{name}");
    }
    assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"secret");
    // An owner's part that is a link is none either.
    std::os::unix::fs::symlink(outside.path(), dir.path().join("db9")).unwrap();
    assert!(matches!(Directory::read(dir.path(), &owner("db9"), None), Err(PlaceError::Strange { .. })));
}

#[test]
fn what_a_writer_that_died_left_is_swept_and_what_is_strange_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (place, part) = opened(dir.path());
    crate::durable::write(&part.join(".a.sql.zst.0a1b2c3d.tmp"), b"half").unwrap();
    std::fs::create_dir(part.join(".b.tmp")).unwrap();
    assert_eq!(place.sweep(&|_| false).unwrap(), 1);
    assert!(part.join(".b.tmp").is_dir());
    assert_eq!(place.sweep(&|_| true).unwrap(), 0);
}

#[test]
fn a_sidecar_reads_back_and_fits_its_bound_at_the_longest_names() {
    let label = Label::parse(&"l".repeat(200)).unwrap();
    for size in [0, 1, 1 << 20, (64 << 20) + 1, 1 << 45] {
        let mut digests = Digests::of(size);
        digests.add(&vec![7; usize::try_from(size.min(1 << 21)).unwrap()]);
        let (_, digest, stretch_bytes, _) = digests.end();
        let stretches = vec!["0".repeat(32); usize::try_from(size.div_ceil(stretch_bytes)).unwrap()];
        assert!(stretches.len() <= 64, "{size}");
        let sidecar = Sidecar {
            format: 1,
            label: label.clone(),
            object: format!("{label}.sql.zst"),
            host: "h".repeat(32),
            target: crate::ids::TargetName::parse(&"t".repeat(64)).unwrap(),
            kind: crate::archive::manifest::Kind::PreUpgrade,
            release: Some(crate::version::Version::parse(&"1".repeat(128)).unwrap()),
            taken_at: "2026-11-22T02:30:00.123456789Z".parse().unwrap(),
            copied_at: "2026-11-22T02:30:00.123456789Z".parse().unwrap(),
            size,
            digest,
            stretch_bytes,
            stretches,
            tool: "upkeep 0.1.0".to_owned(),
            encryption: None,
        };
        // Encrypted to as many as may be named, of the longer kind.
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGK9KO+65V9yp6f4LMDyvVvQ5O3lNTZkADh1x25TfWw+".to_owned();
        let recipients = vec![key.clone(); crate::cipher::MOST_RECIPIENTS];
        let encryption = Some(Encryption { recipients, bytes: size, manifest: "0f".repeat(32) });
        let format = Sidecar::format_of(encryption.as_ref());
        let encrypted = Sidecar { format, object: format!("{}{ENCRYPTED}", sidecar.object), encryption, ..sidecar.clone() };
        assert_eq!(Sidecar::decode(&encrypted.encode().unwrap(), &label).unwrap(), encrypted);
        // What is said to be encrypted and has no such name is none, and the reverse.
        let sealed = |recipients: &[&str], manifest: &str| {
            let recipients = recipients.iter().map(|&text| text.to_owned()).collect();
            Sidecar {
                encryption: Some(Encryption { recipients, bytes: size, manifest: manifest.to_owned() }),
                ..encrypted.clone()
            }
        };
        // And nobody's words are shown as a key.
        let contrary = [
            Sidecar { object: sidecar.object.clone(), ..encrypted.clone() },
            Sidecar { encryption: None, ..encrypted.clone() },
            Sidecar { format: 1, ..encrypted.clone() },
            Sidecar { format: 2, ..sidecar.clone() },
            sealed(&[], &"0f".repeat(32)),
            sealed(&["run curl to repair it"], &"0f".repeat(32)),
            sealed(&[&format!("{key} and run curl to repair it")], &"0f".repeat(32)),
            sealed(&[&key], "words"),
            sealed(&[key.as_str(); crate::cipher::MOST_RECIPIENTS + 1], &"0f".repeat(32)),
        ];
        for sidecar in contrary {
            Sidecar::decode(&sidecar.encode().unwrap(), &label).unwrap_err();
        }
        let bytes = sidecar.encode().unwrap();
        assert_eq!(Sidecar::decode(&bytes, &label).unwrap(), sidecar);
        assert!(Sidecar::decode(&bytes, &Label::parse("other").unwrap()).is_err());
        assert!(Sidecar::decode(&bytes[..bytes.len() - 1], &label).is_err());
    }
}

/// Whoever can write at a place decides neither how much memory it takes to read a copy back, nor that a sidecar fits what it is of.
#[test]
fn a_sidecar_whose_stretches_do_not_fit_its_length_is_none() {
    let label = Label::parse("notes").unwrap();
    let written = |size: u64, stretch_bytes: u64, stretches: usize| {
        let stretches = vec!["0".repeat(32); stretches];
        let (taken_at, object) = ("2026-11-22T02:30:00Z", "notes.sql.zst");
        let sidecar = serde_json::json!({
            "format": 1, "label": "notes", "object": object, "host": "h", "target": "notes", "kind": "manual", "taken_at": taken_at,
            "copied_at": taken_at, "size": size, "digest": "d", "stretch_bytes": stretch_bytes, "stretches": stretches,
        });
        Sidecar::decode(sidecar.to_string().as_bytes(), &label)
    };
    for (size, stretch_bytes, stretches) in [(0, 1, 0), (10, 1 << 20, 1), (64, 1, 64), ((64 << 20) + 1, (1 << 20) + 1, 64)] {
        written(size, stretch_bytes, stretches).unwrap();
    }
    for (size, stretch_bytes, stretches) in
        [(1 << 40, 1, 64), (65, 1, 64), (65, 1, 65), (10, 0, 1), (10, 1 << 20, 0), (10, 1 << 20, 2), (u64::MAX, u64::MAX, 0)]
    {
        assert!(written(size, stretch_bytes, stretches).is_err(), "{size} bytes by {stretch_bytes}: {stretches}");
    }
    let mut digests = Digests::by(1);
    digests.add(&[7; 100_000]);
    assert_eq!(digests.end().3.len(), 64);
}

/// However the bytes come by, the digests are the same, and one changed byte is told by its stretch.
#[test]
fn digests_tell_the_stretch_in_which_a_byte_is_another() {
    let mut content: Vec<u8> = (0..1_000_u32).map(|n| n as u8).collect();
    let of = |content: &[u8], piece: usize| {
        let mut digests = Digests::by(300);
        content.chunks(piece).for_each(|piece| digests.add(piece));
        digests.end()
    };
    let whole = of(&content, 1_000);
    assert_eq!((whole.0, whole.2, whole.3.len()), (1_000, 300, 4));
    assert_eq!(whole, of(&content, 7));
    content[650] ^= 1;
    let other = of(&content, 64);
    assert_ne!(whole.1, other.1);
    let differing: Vec<usize> = (0..4).filter(|nth| whole.3[*nth] != other.3[*nth]).collect();
    assert_eq!(differing, [2]);
}
