//! Which other processes have a database file open, as the kernel tells it.
//!
//! SQLite has no sessions: an idle connection holds no lock in rollback-journal mode, so descriptors are the only witness.
//! As an ordinary user only one's own processes can be seen; [`sees_everybody`] says which.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Processes other than ours that have the file open: `pid 812, notes-server`. Blocking, but only on `/proc`.
pub(super) fn others(path: &Path) -> Vec<String> {
    let Ok(wanted) = fs::metadata(path) else { return Vec::new() };
    let Some(name) = path.canonicalize().ok().and_then(|path| path.file_name().map(ToOwned::to_owned)) else {
        return Vec::new();
    };
    let ours = std::process::id();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).filter(|pid| *pid != ours);
    let uses = |pid: &u32| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        // The name first: asking for the identity of every descriptor could wait for a dead network mount.
        let named = descriptors.filter(|fd| fs::read_link(fd.path()).is_ok_and(|link| link.file_name() == Some(&name)));
        let mut same = named.filter_map(|fd| fs::metadata(fd.path()).ok());
        same.any(|found| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()))
    };
    pids.filter(uses).map(describe).collect()
}

fn describe(pid: u32) -> String {
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("pid {pid}, {}", name.trim()),
        Err(_) => format!("pid {pid}"),
    }
}

/// Whether the descriptors of every user's processes can be looked at.
pub(super) fn sees_everybody() -> bool {
    rustix::process::geteuid().is_root()
}
