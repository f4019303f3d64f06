//! Which file it is: by its number on its file system, and by the entry of a directory that leads to it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::EngineError;
use super::super::identity::Identity;
use super::Sqlite;
use crate::durable::At;

/// How many links are followed, as the kernel does.
const LINKS: u32 = 40;

impl Sqlite {
    pub(in super::super) async fn identity(&self) -> Result<Identity, EngineError> {
        let path = self.path.clone();
        let asked = tokio::task::spawn_blocking(move || identity(&path).at("look which file it is", &path)).await;
        Ok(asked.map_err(|_| EngineError::Worker("looking which file it is".to_owned()))??)
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    let path = resolved(path)?;
    let (parent, name) = (path.parent().unwrap_or(Path::new("/")), path.file_name().unwrap_or_default());
    let directory = match std::fs::metadata(parent) {
        Ok(directory) => format!("{}:{}", directory.dev(), directory.ino()),
        // Nothing is there, so that no other path leads there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => parent.display().to_string(),
        Err(error) => return Err(error),
    };
    let entry = format!("sqlite {directory} {}", name.to_string_lossy());
    let mut names = vec![entry.clone()];
    match std::fs::metadata(&path) {
        // Another name of the same file, too.
        Ok(file) => names.push(format!("sqlite file {}:{}", file.dev(), file.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(Identity::new(names, entry))
}

/// Where the links at the end of a path lead, also where nothing is there yet.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut path = std::path::absolute(path)?;
    for _ in 0..LINKS {
        match std::fs::read_link(&path) {
            // A relative link begins at its own directory; an absolute one takes the place of all that was.
            Ok(to) => path = path.parent().unwrap_or(Path::new("/")).join(to),
            Err(_) => break,
        }
    }
    Ok(path)
}
