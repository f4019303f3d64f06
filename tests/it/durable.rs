//! Files change whole or not at all, and a lock says who has it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use upkeep::durable::{self, DurableError, Lock};
use upkeep::failure::{Class, Explain, Failure};

use crate::support::env::{Bystander, SmallDisk, names, put};
use crate::support::wait::until;

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn a_write_replaces_the_whole_file_and_leaves_nothing_beside_it() {
    let dir = scratch();
    let path = dir.path().join("state.json");
    for content in ["a long first content", "short", ""] {
        durable::write(&path, content.as_bytes()).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), content);
        assert_eq!(names(dir.path()), ["state.json"]);
        assert_eq!(mode(&path) & 0o137, 0, "neither executable nor for others");
    }
}

#[test]
fn a_reader_sees_the_old_content_or_the_new_and_never_a_part() {
    let dir = scratch();
    let path = dir.path().join("content");
    let contents = [vec![b'a'; 300_000], vec![b'b'; 200_000]];
    durable::write(&path, &contents[0]).expect("written");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) || reads == 0 {
                let read = fs::read(&path).expect("it is always there");
                assert!(contents.contains(&read), "{} bytes of neither content", read.len());
                reads += 1;
            }
        });
        for round in 0..100 {
            durable::write(&path, &contents[round % 2]).expect("written");
        }
        done.store(true, Ordering::Relaxed);
        reader.join().expect("every read was whole");
    });
}

#[test]
fn nothing_is_published_before_it_is_published() {
    let dir = scratch();
    let path = dir.path().join("archive");
    let file = durable::create_temporary(&path).expect("created");
    assert_eq!(names(dir.path()), [".archive.tmp"]);
    assert!(
        durable::is_temporary(".archive.tmp") && !durable::is_temporary("archive.tmp") && !durable::is_temporary(".archive")
    );
    durable::publish(&file, &path).expect("published");
    assert_eq!(names(dir.path()), ["archive"]);
}

#[test]
fn a_finished_file_takes_the_place_of_another() {
    let dir = scratch();
    let (from, to) = (dir.path().join("new"), dir.path().join("old"));
    put(&from, b"new");
    put(&to, b"old");
    durable::rename(&from, &to).expect("renamed");
    assert_eq!((names(dir.path()), fs::read(&to).expect("read")), (vec!["old".to_owned()], b"new".to_vec()));
    let error = durable::rename(&from, &to).expect_err("there is nothing to rename");
    assert_eq!((error.class(), fs::read(&to).expect("read")), (Class::NoInput, b"new".to_vec()));
}

#[test]
fn what_is_removed_stays_removed_and_removing_it_again_is_success() {
    let dir = scratch();
    let path = dir.path().join("file");
    put(&path, b"x");
    durable::remove(&path).expect("removed");
    durable::remove(&path).expect("not there, which is what was asked");
    assert_eq!(names(dir.path()), [""; 0]);
    let error = durable::remove(dir.path()).expect_err("a directory is not removed");
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
}

#[test]
fn directories_are_made_with_their_parents_and_not_for_everybody() {
    let dir = scratch();
    let deep = dir.path().join("a/b/c");
    durable::make_dir(&deep).expect("made");
    durable::make_dir(&deep).expect("there already");
    assert_eq!((mode(&deep) & 0o027, mode(&dir.path().join("a")) & 0o027), (0, 0));
    put(&dir.path().join("file"), b"");
    let error = durable::make_dir(&dir.path().join("file")).expect_err("a file is in the way");
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn a_link_points_at_one_release_or_the_other_at_every_moment() {
    let dir = scratch();
    let (link, one, two) = (dir.path().join("current"), Path::new("releases/1"), Path::new("releases/2"));
    durable::swap_symlink(&link, one).expect("made");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) || reads == 0 {
                let target = fs::read_link(&link).expect("it is always there");
                assert!(target == one || target == two, "{}", target.display());
                reads += 1;
            }
        });
        for round in 0..200 {
            durable::swap_symlink(&link, if round % 2 == 0 { two } else { one }).expect("swapped");
        }
        done.store(true, Ordering::Relaxed);
        reader.join().expect("every read found a link");
    });
    // What a crash left under the temporary name does not stop the next swap.
    put(&durable::temporary(&link), b"left over");
    durable::swap_symlink(&link, two).expect("swapped");
    assert_eq!((fs::read_link(&link).expect("a link").as_path(), names(dir.path())), (two, vec!["current".to_owned()]));
}

#[test]
fn a_full_disk_leaves_the_old_content_and_says_what_to_do() {
    let Some(disk) = SmallDisk::of(256) else { return };
    let path = disk.path().join("state.json");
    durable::write(&path, b"the old content").expect("written");
    disk.fill(8);
    let error = durable::write(&path, &vec![1; 64 * 1024]).expect_err("there is no room");
    assert!(error.disk_full(), "{error:?}");
    assert_eq!(fs::read(&path).expect("read"), b"the old content");
    assert_eq!(names(disk.path()), ["ballast", "state.json"]);
    let failure = Failure::of(&error);
    assert_eq!(failure.code, 73);
    assert!(failure.safe.is_some() && failure.hints[0].contains(&disk.path().display().to_string()), "{failure}");
    durable::remove(&disk.path().join("ballast")).expect("removed");
    durable::write(&path, &vec![1; 64 * 1024]).expect("there is room again");
}

fn holder_of(error: DurableError) -> String {
    match &error {
        DurableError::Locked { holder, .. } => {
            assert_eq!((error.class(), error.hints().is_empty()), (Class::TempFail, false));
            holder.clone()
        }
        error => panic!("{error} instead of who holds the lock"),
    }
}

#[test]
fn a_lock_has_one_holder_who_is_named() {
    let dir = scratch();
    let path = dir.path().join("lock");
    let living = format!("upkeep daemon, pid {}", std::process::id());
    let lock = Lock::take(&path, &living).expect("free");
    assert_eq!(lock.path(), path);
    assert_eq!(holder_of(Lock::take(&path, "upkeep backup, pid 13").expect_err("taken")), living);
    drop(lock);
    drop(Lock::take(&path, "x").expect("free again"));
    assert_eq!(fs::read_to_string(&path).expect("read"), "x", "a shorter name leaves nothing of a longer one");
}

/// A child that was just being started has it until it is another program.
#[test]
fn a_lock_whose_holder_is_dead_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    // No process has this number: it is above the greatest that Linux gives.
    let lock = Lock::take(&path, "upkeep daemon, pid 4194305").unwrap();
    std::thread::scope(|scope| {
        let next = scope.spawn(|| Lock::take(&path, "the next").map(drop));
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!next.is_finished(), "it gave up at once");
        drop(lock);
        next.join().unwrap().unwrap();
    });
}

#[test]
fn a_lock_of_another_process_ends_with_that_process() {
    let dir = scratch();
    let path = dir.path().join("lock");
    put(&path, b"upkeep daemon, pid 12\n");
    // Without a fork in between, so that the lock ends with the one process there is.
    let other = Bystander::reading(&path, &["flock", "--no-fork", &path.display().to_string(), "sleep", "600"]);
    let mut error = None;
    until("the other process has the lock", || {
        error = Lock::take(&path, "upkeep daemon, pid 12").err();
        error.is_some()
    });
    assert_eq!(holder_of(error.expect("locked")), "upkeep daemon, pid 12");
    drop(other);
    Lock::take(&path, "us").expect("free when its holder is dead");
}
