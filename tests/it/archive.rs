//! Archives on disk: every byte flipped, every length cut, a full disk, and the stock `zstd` as the judge.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use upkeep::archive::format::{FOOTER_BYTES, Footer};
use upkeep::archive::manifest::{Consistency, FrameKind, Kind, Manifest, Server, Table};
use upkeep::archive::writer::{EncodedFrame, Sealed};
use upkeep::archive::{Archive, ArchiveError, FrameEncoder, PendingArchive};
use upkeep::failure::{Class, Explain};
use upkeep::ids::{Label, TargetName};
use upkeep::progress::Progress;
use upkeep::shape::Shape;

const EXTENSION: &str = "sql.zst";

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

/// A manifest of one table with `rows` rows; the seal fills in the rest.
fn manifest(rows: u64) -> Manifest {
    let table = Table {
        schema: "public".to_owned(),
        name: "note".to_owned(),
        columns: vec!["id".to_owned()],
        rows,
        bytes: 0,
        checksum: "0".repeat(32),
        computed: None,
    };
    Manifest {
        format: 0,
        tool: "upkeep 0.0.0".to_owned(),
        label: label("replaced-by-the-seal"),
        target: TargetName::parse("notes").unwrap(),
        kind: Kind::Manual,
        note: None,
        taken_at: "2026-11-22T02:30:00Z".parse().unwrap(),
        duration_ms: 12,
        server: Server::default(),
        release: None,
        shape: Shape::default(),
        tables: vec![table],
        consistency: Consistency::default(),
        left_out: Vec::new(),
        data_only: false,
        files: None,
        configuration: None,
        level: 3,
        raw_bytes: 0,
        stored_bytes: 0,
        frames: Vec::new(),
    }
}

/// Seals an archive whose frames after the first hold one row each.
fn seal(directory: &Path, name: &str, frames: &[Vec<u8>]) -> Sealed {
    let pending = PendingArchive::create(directory, &label(name), EXTENSION).unwrap();
    let sink = pending.sink();
    for (number, bytes) in frames.iter().enumerate() {
        let (kind, table) = if number == 0 { (FrameKind::Header, None) } else { (FrameKind::Data, Some(0)) };
        let mut frame = FrameEncoder::new(kind, table, 3).unwrap();
        frame.write(bytes, u64::from(number > 0)).unwrap();
        sink.append(frame.finish().unwrap()).unwrap();
    }
    pending.seal(manifest(frames.len().saturating_sub(1) as u64)).unwrap()
}

/// Opens, reads every frame and verifies; the content, frame by frame.
fn read(path: &Path) -> Result<Vec<Vec<u8>>, ArchiveError> {
    let archive = Archive::open(path)?;
    let mut frames = Vec::new();
    for index in 0..archive.manifest().frames.len() {
        let mut content = Vec::new();
        archive.read_frame(index, &mut |piece| {
            assert!(!piece.is_empty() && piece.len() <= 128 * 1024);
            content.extend_from_slice(piece);
            Ok(())
        })?;
        frames.push(content);
    }
    archive.verify(2, &Progress::default())?;
    Ok(frames)
}

fn refused(path: &Path) -> bool {
    matches!(read(path), Err(ArchiveError::Torn { .. } | ArchiveError::Damaged { .. }))
}

#[expect(clippy::disallowed_methods, reason = "a test's own damage needs no care")]
fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the stock tool, run by the test and not by the program")]
fn stock_zstd(arguments: &[&str], path: &Path) -> std::process::Output {
    std::process::Command::new("zstd").args(arguments).arg(path).output().unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Bytes that do not compress, so that frames span several zstd blocks.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.push((state >> 56) as u8);
    }
    bytes
}

fn sample() -> Vec<Vec<u8>> {
    vec![b"-- for people\n".to_vec(), Vec::new(), b"one\n".repeat(40), noise(700_000, 7), b"x".repeat(3_000_000)]
}

#[test]
fn what_went_in_comes_out_and_the_stock_tool_agrees() {
    let directory = tempfile::tempdir().unwrap();
    let frames = sample();
    let sealed = seal(directory.path(), "notes-1", &frames);
    assert_eq!(read(&sealed.path).unwrap(), frames);
    assert_eq!(sealed.size, fs::metadata(&sealed.path).unwrap().len());
    assert_eq!(sealed.manifest.label, label("notes-1"));
    assert_eq!(Archive::open(&sealed.path).unwrap().manifest(), &sealed.manifest);
    assert_eq!(names(directory.path()), ["notes-1.sql.zst"]);
    let (archive, bytes, mut at) = (Archive::open(&sealed.path).unwrap(), fs::read(&sealed.path).unwrap(), 0);
    for (length, digest) in (0..).map_while(|nth| archive.part(nth)) {
        let end = at + usize::try_from(length).unwrap();
        assert_eq!(blake3::hash(&bytes[at..end]).to_hex().as_str(), digest, "{at}..{end}");
        at = end;
    }
    assert_eq!(at, bytes.len(), "every byte is in a part that has a digest");

    let output = stock_zstd(&["-dc"], &sealed.path);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, frames.concat());
    assert!(stock_zstd(&["-t", "-q"], &sealed.path).status.success());
    let listing = stock_zstd(&["-lv"], &sealed.path);
    assert!(String::from_utf8_lossy(&listing.stdout).contains("XXH64"), "every frame has zstd's own checksum");
}

#[test]
fn many_small_writes_make_the_same_frame_as_one() {
    let rows = noise(1_000_000, 3);
    let mut small = FrameEncoder::new(FrameKind::Data, Some(0), 3).unwrap();
    for row in rows.chunks(100) {
        small.write(row, 1).unwrap();
    }
    let mut large = FrameEncoder::new(FrameKind::Data, Some(0), 3).unwrap();
    large.write(&rows, 10_000).unwrap();
    assert_eq!((small.raw(), large.raw()), (1_000_000, 1_000_000));
    let (small, large) = (small.finish().unwrap(), large.finish().unwrap());
    assert_eq!((small.rows, small.raw), (large.rows, large.raw));
    assert_eq!(zstd::decode_all(&small.stored[..]).unwrap(), rows);
    assert_eq!(zstd::decode_all(&large.stored[..]).unwrap(), rows);
    assert!(FrameEncoder::new(FrameKind::Data, Some(0), 20).is_err(), "a level that stock zstd cannot read is refused");
}

/// Rows of digests, in which short matches are accidents that cost more than they save.
fn digests(rows: usize) -> Vec<u8> {
    let row = |(number, digest): (usize, &[u8])| {
        let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("{number}\t{{\"id\": \"{hex}\", \"userName\": \"ingestion-bot\", \"entityType\": \"table\"}}\n")
    };
    noise(rows * 32, 9).chunks(32).enumerate().map(row).collect::<String>().into_bytes()
}

/// Rows of words and counters, of which a higher level makes less.
fn orders(rows: usize) -> Vec<u8> {
    let row = |n: usize| format!("{n}\t{}\tstate {} of order {}, paid\n", n * 7919 % 10_007, n % 13, n / 3);
    (0..rows).map(row).collect::<String>().into_bytes()
}

#[test]
fn no_frame_is_larger_than_its_level_makes_it() {
    const CHECKSUM_BYTES: usize = 4;
    let at = |content: &[u8], level| zstd::bulk::compress(content, level).unwrap().len() + CHECKSUM_BYTES;
    for (what, content, level, faster) in [
        ("digests", digests(30_000), 3, true),
        ("orders", orders(30_000), 9, false),
        ("a small frame of digests", digests(100), 3, true),
        ("noise", noise(200_000, 2), 3, true),
        ("one letter", b"x".repeat(100_000), 3, true),
        ("nothing", Vec::new(), 3, true),
    ] {
        let mut frame = FrameEncoder::new(FrameKind::Data, Some(0), level).unwrap();
        frame.write(&content, 1).unwrap();
        let stored = frame.finish().unwrap().stored;
        let (asked, fastest) = (at(&content, level), at(&content, 1));
        assert!(stored.len() <= asked, "{what}: {} bytes, {asked} at level {level}", stored.len());
        assert_eq!(stored.len() < fastest, !faster, "{what}: {} bytes, {fastest} at level 1", stored.len());
        assert_eq!(zstd::decode_all(&stored[..]).unwrap(), content, "{what}");
    }
}

#[test]
fn a_context_serves_one_level_after_another() {
    let directory = tempfile::tempdir().unwrap();
    let pending = PendingArchive::create(directory.path(), &label("a"), EXTENSION).unwrap();
    let content = [noise(200_000, 8), b"y".repeat(9_000_000)].concat();
    let mut sizes = Vec::new();
    for level in [1, 19, -5, 3, 19, 1] {
        let mut frame = FrameEncoder::new(FrameKind::PreData, None, level).unwrap();
        frame.write(&content, 0).unwrap();
        let frame = frame.finish().unwrap();
        sizes.push(frame.stored.len());
        pending.sink().append(frame).unwrap();
    }
    assert_eq!((sizes[0], sizes[1]), (sizes[5], sizes[4]), "a level means the same whatever came before");
    let sealed = pending.seal(manifest(0)).unwrap();
    assert!(read(&sealed.path).unwrap().iter().all(|frame| *frame == content));
}

#[test]
fn a_flipped_byte_anywhere_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = seal(directory.path(), "small", &[b"-- head\n".to_vec(), b"1\tone\n".repeat(9), noise(300, 1)]);
    let whole = fs::read(&sealed.path).unwrap();
    let damaged = directory.path().join("damaged");
    for at in 0..whole.len() {
        for mask in [0x01, 0x80, 0xFF] {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            put(&damaged, &bytes);
            assert!(refused(&damaged), "byte {at} of {} xor {mask:#x} went unseen", whole.len());
            let checked = Archive::open(&damaged).and_then(|archive| archive.check(1, &Progress::default()));
            assert!(checked.is_err(), "byte {at} of {} xor {mask:#x} agrees with a digest", whole.len());
        }
    }
}

/// A frame of one huge row is not held in memory: it is read for its digest, and then once more.
#[test]
fn a_frame_that_is_too_long_to_be_held_is_read_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let frames = [b"-- head\n".to_vec(), noise(17 << 20, 5), b"2\ttwo\n".to_vec()];
    let sealed = seal(directory.path(), "huge", &frames);
    assert_eq!(read(&sealed.path).unwrap(), frames);
    let frame = sealed.manifest.frames[1].clone();
    assert!(frame.stored > 16 << 20, "{} bytes", frame.stored);
    let file = fs::OpenOptions::new().read(true).write(true).open(&sealed.path).unwrap();
    for at in [0, 1 << 20, frame.stored / 2, frame.stored - 1] {
        let mut byte = [0];
        file.read_exact_at(&mut byte, frame.offset + at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], frame.offset + at).unwrap();
        let archive = Archive::open(&sealed.path).unwrap();
        let nothing = archive.read_frame(1, &mut |_| panic!("a byte of a damaged frame is handed on"));
        assert!(matches!(nothing, Err(ArchiveError::Damaged { .. })), "byte {at}: {nothing:?}");
        assert!(matches!(archive.check(2, &Progress::default()), Err(ArchiveError::Damaged { .. })), "byte {at}");
        file.write_all_at(&byte, frame.offset + at).unwrap();
    }
    assert_eq!(read(&sealed.path).unwrap(), frames, "fixed");
    // Changed behind the look at its digest: what was handed on was right, and the rest is not.
    let archive = Archive::open(&sealed.path).unwrap();
    let mut handed = Vec::new();
    let torn = archive.read_frame(1, &mut |piece| {
        if handed.is_empty() {
            file.write_all_at(&[0; 16], frame.offset + (10 << 20)).unwrap();
        }
        handed.extend_from_slice(piece);
        Ok(())
    });
    assert!(matches!(torn, Err(ArchiveError::Damaged { .. })), "{torn:?}");
    assert!(frames[1].starts_with(&handed), "what it handed on is not what was sealed");
}

#[test]
fn a_cut_at_any_length_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = seal(directory.path(), "small", &[b"-- head\n".to_vec(), b"1\tone\n".repeat(9)]);
    let whole = fs::read(&sealed.path).unwrap();
    let cut = directory.path().join("cut");
    for length in 0..whole.len() {
        put(&cut, &whole[..length]);
        assert!(matches!(Archive::open(&cut), Err(ArchiveError::Torn { .. })), "cut at {length} of {}", whole.len());
    }
}

#[test]
fn what_is_not_one_archive_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = seal(directory.path(), "small", &[b"-- head\n".to_vec()]);
    let whole = fs::read(&sealed.path).unwrap();
    let plain = zstd::encode_all(&b"SELECT 1;\n"[..], 3).unwrap();
    let cases: [(&str, Vec<u8>); 7] = [
        ("two in one", [&whole[..], &whole[..]].concat()),
        ("something after the end", [&whole[..], b"\n"].concat()),
        ("something before the start", [b"\n", &whole[..]].concat()),
        ("a frame put in front", [&plain[..], &whole[..]].concat()),
        ("nothing", Vec::new()),
        ("a plain zstd file", plain),
        ("a text", b"CREATE TABLE note (id int);\n".repeat(20)),
    ];
    for (what, bytes) in cases {
        let path = directory.path().join("case");
        put(&path, &bytes);
        assert!(refused(&path), "{what} was taken for an archive");
    }
    assert!(refused(directory.path()), "a directory was taken for an archive");
    let missing = Archive::open(&directory.path().join("missing")).unwrap_err();
    assert_eq!(missing.class(), Class::NoInput);
}

#[test]
fn a_file_that_shrinks_after_it_was_opened_is_torn() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = seal(directory.path(), "small", &[b"-- head\n".to_vec(), noise(5_000, 2)]);
    let archive = Archive::open(&sealed.path).unwrap();
    fs::OpenOptions::new().write(true).open(&sealed.path).unwrap().set_len(1_000).unwrap();
    assert!(matches!(archive.verify(2, &Progress::default()), Err(ArchiveError::Torn { .. })));
}

#[test]
fn a_reading_that_is_given_up_is_no_verdict() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = seal(directory.path(), "small", &[b"-- head\n".to_vec(), noise(5_000, 2)]);
    let (archive, progress) = (Archive::open(&sealed.path).unwrap(), Progress::default());
    progress.give_up();
    for read in [archive.verify(2, &progress), archive.check(2, &progress)] {
        assert!(matches!(&read, Err(ArchiveError::Durable(_))), "{read:?}");
    }
}

#[test]
fn a_later_format_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = seal(directory.path(), "small", &[b"-- head\n".to_vec()]);
    let mut bytes = fs::read(&sealed.path).unwrap();
    let footer = bytes.len() - 84;
    bytes[footer + 56..footer + 60].copy_from_slice(&3_u32.to_le_bytes());
    let check = blake3::hash(&bytes[footer..footer + 60]);
    bytes[footer + 60..footer + 76].copy_from_slice(&check.as_bytes()[..16]);
    put(&sealed.path, &bytes);
    assert!(matches!(Archive::open(&sealed.path), Err(ArchiveError::TooNew { found: 3, known: 2, .. })));
}

/// An archive whose digests are all right, with `edit` made to its manifest and `change` to its footer.
fn forged(whole: &[u8], edit: impl Fn(&mut serde_json::Value), change: impl Fn(&mut Footer)) -> Vec<u8> {
    let (front, footer) = whole.split_last_chunk::<FOOTER_BYTES>().unwrap();
    let footer = Footer::decode(footer).unwrap();
    let (frames, json) = front.split_at(footer.manifest_offset as usize);
    let mut manifest = serde_json::from_slice(json).unwrap();
    edit(&mut manifest);
    let json = serde_json::to_vec(&manifest).unwrap();
    let length = (json.len() + FOOTER_BYTES) as u32;
    let mut footer = Footer {
        manifest_bytes: json.len() as u64,
        manifest_digest: *blake3::hash(&json).as_bytes(),
        file_bytes: (frames.len() + json.len() + FOOTER_BYTES) as u64,
        ..footer
    };
    change(&mut footer);
    [&frames[..frames.len() - 4], &length.to_le_bytes(), &json, &footer.encode()].concat()
}

#[test]
fn numbers_that_cannot_be_are_damage_and_never_an_allocation() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = seal(directory.path(), "small", &[b"-- head\n".to_vec(), b"1\n".to_vec()]);
    let whole = fs::read(&sealed.path).unwrap();
    let path = directory.path().join("forged");
    put(&path, &forged(&whole, |_| (), |_| ()));
    assert!(!refused(&path), "the forgery itself is right");
    for member in ["offset", "stored", "raw", "rows", "table"] {
        for value in [0, 1, 1 << 20, u64::from(u32::MAX), 1 << 40, u64::MAX - 8, u64::MAX] {
            if matches!((member, value), ("table", 0) | ("rows", 1)) {
                continue; // What was sealed.
            }
            put(&path, &forged(&whole, |manifest| manifest["frames"][1][member] = value.into(), |_| ()));
            assert!(refused(&path), "{member} = {value}");
        }
    }
    type Change = fn(&mut Footer);
    let changes: [Change; 7] = [
        |footer| footer.manifest_bytes = u64::MAX,
        |footer| footer.manifest_bytes = 0,
        |footer| footer.manifest_offset = u64::MAX,
        |footer| footer.manifest_offset = 7,
        |footer| footer.manifest_offset += 1,
        |footer| footer.file_bytes = 0,
        |footer| footer.format = 0,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        put(&path, &forged(&whole, |_| (), change));
        assert!(refused(&path), "footer change {number}");
    }
}

#[test]
fn a_frame_that_was_sealed_wrong_is_damaged() {
    let content = noise(300_000, 5);
    let frame = zstd::encode_all(&content[..], 3).unwrap();
    let skippable = [&[0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 9][..], &frame].concat();
    let raw = content.len() as u64;
    let cases: [(&str, Vec<u8>, u64, bool); 7] = [
        ("right", frame.clone(), raw, true),
        ("holds more than it says", frame.clone(), raw - 1, false),
        ("holds less than it says", frame.clone(), raw + 1, false),
        ("is cut short", frame[..frame.len() - 5].to_vec(), raw, false),
        ("is two frames", [&frame[..], &frame].concat(), 2 * raw, false),
        ("hides something in front", skippable, raw, false),
        ("is no frame", content.clone(), raw, false),
    ];
    for (what, stored, raw, right) in cases {
        let directory = tempfile::tempdir().unwrap();
        let pending = PendingArchive::create(directory.path(), &label("a"), EXTENSION).unwrap();
        let digest = blake3::hash(&stored).to_hex().to_string();
        let frame = EncodedFrame { kind: FrameKind::PreData, table: None, rows: 0, raw, stored, digest };
        pending.sink().append(frame).unwrap();
        let sealed = pending.seal(manifest(0)).unwrap();
        let archive = Archive::open(&sealed.path);
        // What does not begin like a frame is not even opened.
        let verified = archive.and_then(|archive| archive.verify(2, &Progress::default()));
        match verified {
            Ok(()) => assert!(right, "a frame that {what} was taken"),
            Err(ArchiveError::Damaged { .. }) => assert!(!right, "{what}"),
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

#[test]
fn whoever_takes_the_content_may_fail_and_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = seal(directory.path(), "a", &[noise(500_000, 6)]);
    let archive = Archive::open(&sealed.path).unwrap();
    let error = archive.read_frame(0, &mut |_| Err(std::io::Error::other("no more room"))).unwrap_err();
    assert!(matches!(error, ArchiveError::Codec { what: "hand on", .. }), "{error}");
    let mut length = 0;
    archive
        .read_frame(0, &mut |piece| {
            length += piece.len();
            Ok(())
        })
        .unwrap();
    assert_eq!(length, 500_000);
    assert!(matches!(archive.read_frame(1, &mut |_| Ok(())), Err(ArchiveError::Damaged { .. })));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the document's own commands, run by the test and not by the program")]
fn the_manifest_is_found_by_hand_as_the_document_says() {
    let directory = tempfile::tempdir().unwrap();
    let sealed = seal(directory.path(), "a", &sample());
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/restore-by-hand.md")).unwrap();
    let commands = document.split("```").find(|block| block.contains("od -An")).unwrap();
    let commands = commands.replace("FILE", sealed.path.to_str().unwrap());
    let output = std::process::Command::new("sh").args(["-c", &commands]).output().unwrap();
    let manifest: Manifest = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(manifest, sealed.manifest);
}

#[test]
fn an_archive_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let pending = PendingArchive::create(directory.path(), &label("a"), EXTENSION).unwrap();
    let rival = PendingArchive::create(directory.path(), &label("a"), EXTENSION);
    assert!(matches!(rival, Err(ArchiveError::Exists { .. })), "a second writer of a name that is being written");
    pending.seal(manifest(0)).unwrap();
    let again = PendingArchive::create(directory.path(), &label("a"), EXTENSION);
    assert!(matches!(again, Err(ArchiveError::Exists { .. })));
    assert_eq!(read(&directory.path().join("a.sql.zst")).unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_leftover_of_a_dead_writer_is_no_hindrance() {
    let directory = tempfile::tempdir().unwrap();
    put(&directory.path().join(".a.sql.zst.tmp"), &noise(5_000, 9));
    let sealed = seal(directory.path(), "a", &[b"-- head\n".to_vec()]);
    assert_eq!(read(&sealed.path).unwrap(), [b"-- head\n".to_vec()]);
}

#[test]
fn dropped_unsealed_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let pending = PendingArchive::create(directory.path(), &label("a"), EXTENSION).unwrap();
    let sink = pending.sink();
    let frame = || FrameEncoder::new(FrameKind::Header, None, 3).unwrap().finish().unwrap();
    sink.append(frame()).unwrap();
    assert_eq!(names(directory.path()), [".a.sql.zst.tmp"]);
    drop(pending);
    assert_eq!(names(directory.path()), Vec::<String>::new());
    assert!(matches!(sink.append(frame()), Err(ArchiveError::WriterStopped)));
}

#[test]
fn a_manifest_that_tells_of_other_rows_is_not_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let pending = PendingArchive::create(directory.path(), &label("a"), EXTENSION).unwrap();
    let mut frame = FrameEncoder::new(FrameKind::Data, Some(0), 3).unwrap();
    frame.write(b"1\n2\n", 2).unwrap();
    pending.sink().append(frame.finish().unwrap()).unwrap();
    assert!(matches!(pending.seal(manifest(3)), Err(ArchiveError::Unsealable { .. })));
    assert_eq!(names(directory.path()), Vec::<String>::new());
}

/// A file system of one MiB, unmounted when dropped.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    #[expect(clippy::disallowed_methods, reason = "the host's mount, run by the test and not by the program")]
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(directory.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(directory))
    }
}

impl Drop for TinyDisk {
    #[expect(clippy::disallowed_methods, reason = "the host's umount, run by the test and not by the program")]
    fn drop(&mut self) {
        std::process::Command::new("umount").arg(self.0.path()).output().unwrap();
    }
}

#[test]
fn a_full_disk_is_named_by_every_worker_and_leaves_no_archive() {
    let Some(disk) = TinyDisk::mount() else {
        crate::support::skipped("a tmpfs can be mounted by root only", crate::support::ROOT);
        return;
    };
    let pending = PendingArchive::create(disk.0.path(), &label("a"), EXTENSION).unwrap();
    let sinks = [pending.sink(), pending.sink()];
    let frame = |seed| {
        let mut frame = FrameEncoder::new(FrameKind::Data, Some(0), 3).unwrap();
        frame.write(&noise(300_000, seed), 1).unwrap();
        frame.finish().unwrap()
    };
    let first = (0..20).find_map(|seed| sinks[0].append(frame(seed)).err()).unwrap();
    let second = sinks[1].append(frame(99)).unwrap_err();
    let sealed = pending.seal(manifest(20)).unwrap_err();
    for error in [first, second, sealed] {
        assert_eq!(error.class(), Class::CannotCreate, "{error}");
        assert!(!error.hints().is_empty());
    }
    assert_eq!(names(disk.0.path()), Vec::<String>::new());
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/manifest")
}

#[test]
fn every_manifest_ever_released_still_reads() {
    let mut read = 0;
    for entry in fs::read_dir(golden()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let manifest: Manifest = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // Written again it says the same: nothing in the file is dropped or renamed.
        let again = serde_json::to_value(&manifest).unwrap();
        let was: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(again, was, "{}", path.display());
        read += 1;
    }
    assert!(read >= 2, "the golden manifests are gone");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_frames_come_back(frames in proptest::collection::vec((0_usize..400_000, any::<u64>(), any::<bool>()), 0..6)) {
        let directory = tempfile::tempdir().unwrap();
        let make = |&(length, seed, random): &(usize, u64, bool)| {
            if random { noise(length, seed) } else { seed.to_string().into_bytes().repeat(length / 20) }
        };
        let frames: Vec<Vec<u8>> = frames.iter().map(make).collect();
        let sealed = seal(directory.path(), "any", &frames);
        prop_assert_eq!(read(&sealed.path).unwrap(), frames);
    }

    #[test]
    fn any_damage_to_a_range_is_seen(at in 0.0_f64..1.0, length in 1_usize..64, seed in any::<u64>()) {
        let directory = tempfile::tempdir().unwrap();
        let sealed = seal(directory.path(), "a", &[b"-- head\n".to_vec(), b"row\n".repeat(30), noise(900, 4)]);
        let mut bytes = fs::read(&sealed.path).unwrap();
        let before = bytes.clone();
        let start = (at * bytes.len() as f64) as usize;
        let end = (start + length).min(bytes.len());
        bytes[start..end].copy_from_slice(&noise(end - start, seed));
        prop_assume!(bytes != before);
        put(&sealed.path, &bytes);
        prop_assert!(refused(&sealed.path));
    }
}
