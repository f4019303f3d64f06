//! Which files there are, looked at and not opened.
//!
//! A pattern is a whole path in which `*` stands for any letters of one name; what begins with a dot is meant only where the pattern says so. Never
//! follows a link at the end of a path or below it.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Component, Path, PathBuf};

use crate::archive::manifest::LeftOut;
use crate::{text, trust};

/// More than this is no configuration beside a database: it is a file store, with tools of its own.
const MOST: usize = 200_000;

/// Names in one directory.
const MOST_NAMES: usize = MOST;

/// How many that could not be read are named; of the rest it is said how many they are.
const NAMED: usize = 50;

/// One of them, as it was when it was looked at.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) path: PathBuf,
    pub(super) meta: Metadata,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    Link(PathBuf),
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    pub(super) items: Vec<Item>,
    pub(super) missing: Missing,
    /// Bytes of all files.
    pub bytes: u64,
}

impl Found {
    /// Leaves all of them out, for one reason.
    pub fn leave_all(&mut self, why: impl Into<String>) {
        let first = self.items.first().map_or_else(|| PathBuf::from("/"), |item| item.path.clone());
        let rest = (self.items.len() as u64).saturating_sub(1);
        self.items.clear();
        self.missing.add(&first, why);
        self.missing.more += rest;
    }
}

/// What is not in the archive, as it will be said.
#[derive(Debug, Default)]
pub(super) struct Missing {
    told: Vec<LeftOut>,
    more: u64,
}

impl Missing {
    pub(super) fn add(&mut self, path: &Path, why: impl Into<String>) {
        if self.told.len() < NAMED {
            self.told.push(LeftOut { what: format!("file {}", path.display()), why: why.into() });
        } else {
            self.more += 1;
        }
    }

    pub(super) fn all(self) -> Vec<LeftOut> {
        let more = (self.more > 0)
            .then(|| LeftOut { what: crate::count::many(self.more, "more file"), why: "as those named before".to_owned() });
        self.told.into_iter().chain(more).collect()
    }
}

/// Looks for what the patterns mean, but for what is spared and all below it: the database itself, and archives.
#[must_use]
pub fn look(patterns: &[PathBuf], spared: &[PathBuf]) -> Found {
    let mut found = Found::default();
    let mut seen = BTreeSet::new();
    for pattern in patterns {
        let meant = expand(pattern);
        if meant.is_empty() {
            found.missing.add(pattern, "there is no such file");
        }
        // The last is looked at first.
        let mut open: Vec<PathBuf> = meant.into_iter().rev().collect();
        while let Some(path) = open.pop() {
            if spared.contains(&path) || !seen.insert(path.clone()) {
                continue;
            }
            if found.items.len() >= MOST {
                found.missing.add(&path, format!("there are more than {MOST} files"));
                break;
            }
            open.extend(one(path, &mut found));
        }
    }
    found
}

/// Notes one, and gives what is below it, the last first.
fn one(path: PathBuf, found: &mut Found) -> Vec<PathBuf> {
    let meta = match fs::symlink_metadata(&path) {
        Ok(meta) => meta,
        Err(error) => {
            found.missing.add(&path, unread(&error));
            return Vec::new();
        }
    };
    let kind = meta.file_type();
    let (kind, below) = if kind.is_dir() {
        (Kind::Directory, names(&path))
    } else if kind.is_file() {
        found.bytes += meta.len();
        (Kind::File, Ok(Vec::new()))
    } else if kind.is_symlink() {
        match fs::read_link(&path) {
            Ok(to) => (Kind::Link(to), Ok(Vec::new())),
            Err(error) => {
                found.missing.add(&path, unread(&error));
                return Vec::new();
            }
        }
    } else {
        let what = match kind {
            kind if kind.is_fifo() => "a FIFO",
            kind if kind.is_socket() => "a socket",
            _ => "a device",
        };
        found.missing.add(&path, format!("it is {what}, which has no content to keep"));
        return Vec::new();
    };
    let below = below.unwrap_or_else(|error| {
        found.missing.add(&path, unread(&error));
        Vec::new()
    });
    let below = below.into_iter().rev().map(|name| path.join(name)).collect();
    found.items.push(Item { path, meta, kind });
    below
}

/// The paths that a pattern means; one without a star means itself, where it is there.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from("/")];
    for part in pattern.components() {
        let Component::Normal(part) = part else { continue };
        let Some(stars) = part.to_str().filter(|part| part.contains('*')) else {
            paths.iter_mut().for_each(|path| path.push(part));
            continue;
        };
        let is_meant = |name: &String| text::fits(stars, name) && (!name.starts_with('.') || stars.starts_with('.'));
        let below = |dir: &PathBuf| {
            let names = names(dir).unwrap_or_default().into_iter().filter(is_meant);
            names.map(|name| dir.join(name)).collect::<Vec<_>>()
        };
        paths = paths.iter().flat_map(below).collect();
    }
    paths.retain(|path| fs::symlink_metadata(path).is_ok_and(|_| path.parent().is_some()) || is_unknown(path));
    paths
}

/// Whether it cannot be told that it is not there.
fn is_unknown(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
}

/// The names in a directory, in order. One that is not UTF-8 is told as far as it is.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let names = trust::Base::open(dir)?.names(Path::new("."), MOST_NAMES)?;
    let mut names: Vec<String> = names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// Why something could not be read, and whom that is about.
pub(super) fn unread(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!("upkeep may not read it ({error})"),
        io::ErrorKind::NotFound => "it went away while it was looked at".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}
