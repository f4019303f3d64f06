//! The files of an archive, listed, handed on as a tar, or put below a directory.
//!
//! Whoever made the archive is believed nothing: a name that leads out, a name that comes twice and a link on the way end the work. Links are made when
//! everything else lies there, and owners and modes are given last, the innermost first; bits that lend an owner's rights are not put back.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use serde::Serialize;

use super::FilesError;
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;
use crate::durable::At as _;
use crate::trust;

/// A frame that would hold more is none of ours.
const MOST_FRAME_BYTES: u64 = 4 * super::pack::FRAME_BYTES as u64;

/// One of them, as the archive says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Its path, from the root.
    pub path: String,
    /// `file`, `directory`, `link`, or what else it claims to be.
    pub kind: String,
    /// Its bytes.
    pub size: u64,
    /// Its permissions.
    pub mode: u32,
    /// Its owner, by number.
    pub uid: u64,
    /// Its group, by number.
    pub gid: u64,
    /// Where it leads, if it is a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// What was put below a directory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Put {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Hands the tar on in pieces. Blocking.
///
/// # Errors
/// When the archive has no files or is not what was sealed, or nobody takes them.
pub fn stream(archive: &Archive, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> Result<(), FilesError> {
    for index in frames(archive)? {
        archive.read_frame(index, take)?;
    }
    Ok(())
}

/// What the archive has. Blocking.
///
/// # Errors
/// As [`stream`].
pub fn list(archive: &Archive) -> Result<Vec<Seen>, FilesError> {
    let mut seen = Vec::new();
    each(archive, &mut |one, _, _| {
        seen.push(one);
        Ok(())
    })?;
    Ok(seen)
}

/// Puts them below a directory that is not there or is empty. Owners are given where we may: as root. Blocking.
///
/// # Errors
/// When the directory is not one for them, when the archive is not what was sealed, or names what cannot be put there: then a part may lie there.
pub fn unpack(archive: &Archive, dir: &Path) -> Result<Put, FilesError> {
    frames(archive)?;
    make_empty(dir)?;
    let top = File::from(rustix::fs::open(dir, DIRECTORY, Mode::empty()).map_err(io::Error::from).at("open", dir)?);
    let mode = Mode::from_raw_mode(top.metadata().at("look at", dir)?.mode() & 0o7777);
    rustix::fs::fchmod(&top, Mode::RWXU).map_err(io::Error::from).at("set the mode of", dir)?;
    let mut put = Put::default();
    let (mut links, mut made) = (Vec::new(), Vec::new());
    each(archive, &mut |seen, mtime, content| {
        let path = below(dir, &seen.path)?;
        match &*seen.kind {
            "directory" => directory(dir, &path)?,
            "file" => {
                path.parent().map_or(Ok(()), |parent| directory(dir, parent))?;
                put.bytes += file(&path, content)?;
            }
            "link" => {
                links.push((path, seen, mtime));
                return Ok(());
            }
            other => {
                put.notes.push(format!("{} is {other}, and was not put back", seen.path));
                return Ok(());
            }
        }
        put.entries += 1;
        made.push((path, seen, mtime));
        Ok(())
    })?;
    for (path, seen, mtime) in links {
        path.parent().map_or(Ok(()), |parent| directory(dir, parent))?;
        let to = seen.to.clone().unwrap_or_default();
        match std::os::unix::fs::symlink(&to, &path) {
            // Files came along below it by another pattern: they went where it leads, and are kept under its name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_directory(&path) => {
                put.notes.push(format!(
                    "{} is a link to {to} and was made as a directory, for files below it came along",
                    seen.path
                ));
            }
            made_it => {
                made_it.at("make the link", &path)?;
                put.entries += 1;
                made.push((path, seen, mtime));
            }
        }
    }
    let is_root = rustix::process::geteuid().is_root();
    // The innermost first: a directory whose mode shuts even its owner out has everything in it by then.
    made.sort_by_key(|(path, ..)| std::cmp::Reverse(path.components().count()));
    for (path, seen, mtime) in &made {
        dress(path, seen, *mtime, is_root)?;
    }
    if !is_root {
        put.notes.push("they belong to whoever ran this: only root can give them the owners that the archive names".to_owned());
    }
    if made.iter().any(|(_, seen, _)| seen.kind != "link" && seen.mode & 0o6000 != 0) {
        put.notes.push("set-user-id and set-group-id bits were not put back".to_owned());
    }
    rustix::fs::syncfs(&top).map_err(io::Error::from).at("sync", dir)?;
    // Last: until here nobody else could pass it, whatever lies in it was given to.
    rustix::fs::fchmod(&top, mode).map_err(io::Error::from).at("set the mode of", dir)?;
    Ok(put)
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn frames(archive: &Archive) -> Result<VecDeque<usize>, FilesError> {
    let manifest = archive.manifest();
    let frames = manifest.frames.iter().enumerate().filter(|(_, frame)| frame.kind == FrameKind::Files);
    let indexes: VecDeque<usize> = frames.clone().map(|(index, _)| index).collect();
    if indexes.is_empty() {
        return Err(FilesError::None(manifest.label.to_string()));
    }
    if frames.clone().any(|(_, frame)| frame.raw > MOST_FRAME_BYTES) {
        return Err(FilesError::Hostile("a frame is longer than any that upkeep writes".to_owned()));
    }
    Ok(indexes)
}

/// Takes one: what it is, when it was changed, and its content.
type Take<'a> = dyn FnMut(Seen, u64, &mut dyn Read) -> Result<(), FilesError> + 'a;

fn each(archive: &Archive, take: &mut Take<'_>) -> Result<(), FilesError> {
    let pulled = Pulled { archive, frames: frames(archive)?, held: Vec::new(), at: 0 };
    let mut tar = tar::Archive::new(pulled);
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let (seen, mtime) = (seen_of(&entry)?, entry.header().mtime().unwrap_or_default());
        take(seen, mtime, &mut entry)?;
    }
    Ok(())
}

fn broken(error: io::Error) -> FilesError {
    match error.downcast::<crate::archive::ArchiveError>() {
        Ok(error) => error.into(),
        Err(error) => FilesError::Hostile(format!("they are no tar that can be read: {error}")),
    }
}

/// The frames as one stream, each held whole and found good before a byte of it is given.
struct Pulled<'a> {
    archive: &'a Archive,
    frames: VecDeque<usize>,
    held: Vec<u8>,
    at: usize,
}

impl Read for Pulled<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.held.len() {
            let Some(index) = self.frames.pop_front() else { return Ok(0) };
            self.held.clear();
            self.at = 0;
            let held = &mut self.held;
            let read = self.archive.read_frame(index, &mut |piece| {
                held.extend_from_slice(piece);
                Ok(())
            });
            read.map_err(io::Error::other)?;
        }
        let given = into.len().min(self.held.len() - self.at);
        into[..given].copy_from_slice(&self.held[self.at..self.at + given]);
        self.at += given;
        Ok(given)
    }
}

fn seen_of<R: Read>(entry: &tar::Entry<'_, R>) -> Result<Seen, FilesError> {
    let header = entry.header();
    let path = entry.path().map_err(broken)?.to_string_lossy().into_owned();
    let to = entry.link_name().map_err(broken)?.map(|to| to.to_string_lossy().into_owned());
    let kind = match header.entry_type() {
        tar::EntryType::Regular => "file",
        tar::EntryType::Directory => "directory",
        tar::EntryType::Symlink => "link",
        tar::EntryType::Link => "a hard link",
        _ => "something else",
    };
    Ok(Seen {
        path: format!("/{}", path.trim_start_matches('/')),
        kind: kind.to_owned(),
        size: entry.size(),
        mode: header.mode().map_err(broken)? & 0o7777,
        uid: header.uid().map_err(broken)?,
        gid: header.gid().map_err(broken)?,
        to: to.filter(|_| kind == "link"),
    })
}

/// Where it goes.
fn below(dir: &Path, path: &str) -> Result<PathBuf, FilesError> {
    let mut at = dir.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => at.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(FilesError::Hostile(format!("`{path}` leads out of the directory")));
            }
        }
    }
    if at == dir { Err(FilesError::Hostile(format!("`{path}` is no name of a file"))) } else { Ok(at) }
}

/// The top: ours alone while we work, so that nobody puts a link in our way.
fn make_empty(dir: &Path) -> Result<(), FilesError> {
    let refused = |why: &str| FilesError::Directory { path: dir.to_owned(), why: why.to_owned() };
    let made = match std::fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::DirBuilder::new().mode(0o700).create(dir).at("make the directory", dir)?;
            true
        }
        Ok(meta) if !meta.is_dir() => return Err(refused("it is no directory")),
        Ok(meta) if meta.uid() != rustix::process::geteuid().as_raw() => return Err(refused("it belongs to somebody else")),
        Ok(meta) if meta.mode() & 0o022 != 0 => return Err(refused("others may write there")),
        meta => meta.map(|_| false).at("look at", dir)?,
    };
    if let Some(weak) = trust::weaker(dir).at("look at", dir)?.into_iter().next() {
        if made {
            std::fs::remove_dir(dir).at("remove the directory", dir)?;
        }
        return Err(refused(&format!(
            "{weak} could put another in its place: name one below directories that nobody else may change"
        )));
    }
    match std::fs::read_dir(dir).at("list", dir)?.next() {
        None => Ok(()),
        Some(_) => Err(refused("there is something in it")),
    }
}

fn is_directory(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// Makes a directory below the top, and those above it. What is there already must be one itself: a link would lead out.
fn directory(top: &Path, path: &Path) -> Result<(), FilesError> {
    let mut at = top.to_owned();
    for name in path.strip_prefix(top).unwrap_or(Path::new("")) {
        at.push(name);
        match std::fs::DirBuilder::new().mode(0o700).create(&at) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !is_directory(&at) {
                    return Err(FilesError::Hostile(format!(
                        "{} is no directory, and something is named below it",
                        at.display()
                    )));
                }
            }
            made => made.at("make the directory", &at)?,
        }
    }
    Ok(())
}

/// A new file; a name that is taken is an error.
fn file(path: &Path, content: &mut dyn Read) -> Result<u64, FilesError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(io::Error::from).at("make", path)?;
    let mut file = File::from(opened);
    let (mut buffer, mut written) = (vec![0; 128 * 1024], 0);
    loop {
        let read = content.read(&mut buffer).map_err(broken)?;
        if read == 0 {
            return Ok(written);
        }
        file.write_all(&buffer[..read]).at("write", path)?;
        written += read as u64;
    }
}

/// Owner, then mode, which a new owner would take away, then time. Of a link only the owner.
fn dress(path: &Path, seen: &Seen, mtime: u64, is_root: bool) -> Result<(), FilesError> {
    let cwd = rustix::fs::CWD;
    if is_root {
        let (uid, gid) = (u32::try_from(seen.uid), u32::try_from(seen.gid));
        let (Ok(uid), Ok(gid)) = (uid, gid) else {
            return Err(FilesError::Hostile(format!("{} has an owner that is none", seen.path)));
        };
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        let given = rustix::fs::chownat(cwd, path, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW);
        given.map_err(io::Error::from).at("give away", path)?;
    }
    if seen.kind == "link" {
        return Ok(());
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from).at("open", path)?;
    let time = Timespec { tv_sec: i64::try_from(mtime).unwrap_or_default(), tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::futimens(&opened, &times).map_err(io::Error::from).at("set the time of", path)?;
    rustix::fs::fchmod(&opened, Mode::from_raw_mode(seen.mode & 0o1777))
        .map_err(io::Error::from)
        .at("set the mode of", path)?;
    Ok(())
}
