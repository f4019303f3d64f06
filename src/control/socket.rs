//! Binding the control socket.
//!
//! Owns the socket's path. It is bound inside a directory that only we may enter, given its mode there, and renamed into
//! place: at no moment can anybody connect to a socket with another mode than the final one, and a stale socket is replaced
//! in one step. Never removes what is not a socket. The caller holds the state lock. Held by `tests/it/control.rs`.

use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::durable::{self, At, DurableError};
use crate::failure::{Class, Explain};

/// Everybody may connect and is then judged by the kernel's word on who they are (`docs/decisions/003-socket-mode.md`).
const SOCKET_MODE: u32 = 0o666;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Something else is at its path.
    #[error("{} exists and is not a socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Somebody listens on it.
    #[error("another program listens on {}", path.display())]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
}

impl Explain for SocketError {
    fn class(&self) -> Class {
        match self {
            Self::NotASocket { .. } => Class::CannotCreate,
            Self::InUse { .. } => Class::TempFail,
            Self::Durable(error) => error.class(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotASocket { path } => {
                vec![format!("look at it (`ls -l {}`), and move it away or set `control.socket`", path.display())]
            }
            Self::InUse { path } => vec![format!("find it with `ss -xlp src {}`", path.display())],
            Self::Durable(error) => error.hints(),
        }
    }
}

/// A bound socket; its path is removed when it is dropped, if it still is ours.
#[derive(Debug)]
pub struct Socket {
    /// What connections are accepted from.
    pub listener: tokio::net::UnixListener,
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Binds the socket, in place of a stale one.
    ///
    /// # Errors
    /// When something that is not a socket, or a living one, is at the path; or when it cannot be made.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket { path: path.to_owned() }),
            Ok(_) if UnixStream::connect(path).is_ok() => return Err(SocketError::InUse { path: path.to_owned() }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => Err(error).at("look at", path)?,
        }
        let parent = path.parent().unwrap_or(Path::new("."));
        if !parent.is_dir() {
            make_runtime_dir(parent)?;
        }
        let private = parent.join(format!(".bind-{}", std::process::id()));
        let listener = bind_in(&private, path);
        std::fs::remove_dir(&private).ok();
        let listener = listener?;
        let inode = std::fs::symlink_metadata(path).at("look at", path)?.ino();
        listener.set_nonblocking(true).at("listen on", path)?;
        let listener = tokio::net::UnixListener::from_std(listener).at("listen on", path)?;
        Ok(Self { listener, path: path.to_owned(), inode })
    }
}

fn make_runtime_dir(dir: &Path) -> Result<(), DurableError> {
    if let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
        durable::make_dir(above)?;
    }
    // Others must be able to reach the socket; systemd makes this directory itself, with the same mode.
    match std::fs::DirBuilder::new().mode(0o755).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.at("make the directory", dir),
    }
}

fn bind_in(private: &Path, path: &Path) -> Result<UnixListener, DurableError> {
    // Left by an earlier process of our number that died between its two lines; ours by its name and the state lock.
    std::fs::remove_file(private.join("s")).ok();
    std::fs::remove_dir(private).ok();
    std::fs::DirBuilder::new().mode(0o700).create(private).at("make the directory", private)?;
    let inside = private.join("s");
    let listener = UnixListener::bind(&inside).at("bind a socket at", path)?;
    let renamed = std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(SOCKET_MODE))
        .at("set the mode of", path)
        .and_then(|()| std::fs::rename(&inside, path).at("publish the socket", path));
    if renamed.is_err() {
        std::fs::remove_file(&inside).ok();
    }
    renamed.map(|()| listener)
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if ours {
            // One left behind is stale and replaced at the next start.
            std::fs::remove_file(&self.path).ok();
        }
    }
}
