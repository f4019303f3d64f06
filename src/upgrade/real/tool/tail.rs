//! Reading a file that another process writes.
//!
//! Owns a position in it. Never fails: what cannot be read is output that nobody sees, and no reason to fail a migration.

use std::collections::VecDeque;
use std::fmt;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::process::Lines;
use crate::trust;

/// How far back the last lines are looked for.
const LAST_BYTES: u64 = 4096;

/// How many of them say what went wrong: a database's error has its statement and a mark under it.
const LINES: usize = 4;

/// The last lines that a tool printed.
#[derive(Debug, Default)]
pub(super) struct LastLines(VecDeque<String>);

impl LastLines {
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Blank lines, and those that only point at another, say nothing.
    pub(super) fn keep(&mut self, line: &str) {
        if !line.contains(char::is_alphanumeric) {
            return;
        }
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.trim().to_owned());
    }
}

impl fmt::Display for LastLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(String::as_str).collect::<Vec<_>>().join(" | "))
    }
}

/// A position in a file.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    at: u64,
    /// When it was last written before the run that is followed: as it was then, it is of an earlier run.
    before: Option<SystemTime>,
}

impl Tail {
    /// Everything that a run puts in it which begins after this: it empties it first, but not before it has begun.
    pub(super) fn of_next_run(path: &Path) -> Self {
        Self { path: path.to_owned(), at: 0, before: written(path) }
    }

    /// Everything that is in it, and that is added from now on.
    pub(super) fn from_the_beginning(path: &Path) -> Self {
        Self { path: path.to_owned(), at: 0, before: None }
    }

    /// Everything that is added from now on.
    pub(super) fn at_end(path: &Path) -> Self {
        Self { path: path.to_owned(), at: path.metadata().map_or(0, |facts| facts.len()), before: None }
    }

    /// The last lines before the position.
    pub(super) fn last_lines(&self) -> LastLines {
        let mut last = LastLines::default();
        let mut lines = Lines::default();
        let mut before = Self { path: self.path.clone(), at: self.at.saturating_sub(LAST_BYTES), before: None };
        let mut keep = |line: &str| last.keep(line);
        if self.at > 0 {
            before.read(&mut |piece| lines.feed(piece, &mut keep));
        }
        lines.end(&mut keep);
        last
    }

    /// Hands on what was added since.
    pub(super) fn read(&mut self, take: &mut dyn FnMut(&[u8])) {
        if self.before.is_some() && self.before == written(&self.path) {
            return;
        }
        self.before = None;
        let Ok(mut file) = trust::open(&self.path) else { return };
        // Emptied meanwhile: a new run begins where the file does.
        let length = file.metadata().map_or(0, |facts| facts.len());
        if length < self.at {
            self.at = 0;
        }
        if file.seek(SeekFrom::Start(self.at)).is_err() {
            return;
        }
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = file.read(&mut buffer) {
            self.at += count as u64;
            take(&buffer[..count]);
        }
    }
}

fn written(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|facts| facts.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable;

    fn read(tail: &mut Tail) -> String {
        let mut text = Vec::new();
        tail.read(&mut |piece| text.extend_from_slice(piece));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_is_added_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut tail = Tail::of_next_run(&path);
        assert_eq!(read(&mut tail), "", "not there yet");
        durable::write(&path, b"one\ntwo").unwrap();
        assert_eq!(read(&mut tail), "one\ntwo");
        durable::write(&path, b"one\ntwo\nthree\n").unwrap();
        assert_eq!(read(&mut tail), "\nthree\n");
        durable::write(&path, b"new\n").unwrap();
        assert_eq!(read(&mut tail), "new\n", "another run has begun");
    }

    #[test]
    fn what_an_earlier_run_left_is_not_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        durable::write(&path, b"long ago\n").unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let mut tail = Tail::of_next_run(&path);
        assert_eq!(read(&mut tail), "", "the new run has not emptied it yet");
        durable::write(&path, b"now, and more\n").unwrap();
        assert_eq!(read(&mut tail), "now, and more\n");
    }

    #[test]
    fn a_later_reader_knows_the_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        assert_eq!(Tail::at_end(&path).last_lines().to_string(), "");
        durable::write(&path, b"one\ntwo\n\nthree\nfour\n  five\n    ^\n").unwrap();
        let mut tail = Tail::at_end(&path);
        assert_eq!((tail.last_lines().to_string().as_str(), read(&mut tail).as_str()), ("two | three | four | five", ""));
    }
}
