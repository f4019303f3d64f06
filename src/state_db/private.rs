//! The state database is its owner's alone to read, whatever the umask was when its files were made.
//!
//! Owns the mode of the file and of the two that SQLite keeps beside it. Held by `state_db/tests.rs`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Read and written by the daemon's user and nobody else: jobs and events tell what an operator typed.
const MODE: u32 = 0o600;

/// Makes the file where there is none, before SQLite would: it gives `-wal` and `-shm` the mode of the database. Narrows what an
/// earlier version, or a copy by hand, left wider.
pub(super) fn keep(database: &Path) -> io::Result<()> {
    let mut made = open();
    narrow(&made.write(true).create(true).truncate(false).mode(MODE).open(database)?)?;
    for suffix in ["-wal", "-shm"] {
        let mut beside = database.as_os_str().to_owned();
        beside.push(suffix);
        match open().read(true).open(PathBuf::from(beside)) {
            Ok(file) => narrow(&file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Never through a link: what is narrowed is what SQLite has in this directory.
fn open() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32);
    options
}

fn narrow(file: &File) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    if permissions.mode() & 0o777 & !MODE != 0 {
        permissions.set_mode(MODE);
        file.set_permissions(permissions)?;
    }
    Ok(())
}
