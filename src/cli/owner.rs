//! Acting as the user whose state it is.
//!
//! Owns one rule: what root does without the daemon is done as the owner of the state directory, so that no file of root's
//! is left where the daemon cannot read it. Nothing happens where they are the same, or where there is no state yet.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use crate::control::peers::Judge;
use crate::failure::{Class, Failure};

/// The user who logged in, by the kernel's audit: `sudo`, `su` and our own change of user leave it as it is.
const LOGIN: &str = "/proc/self/loginuid";

/// Begins this very command anew as the owner of `state_dir`; returns only when there is no need.
///
/// # Errors
/// When it cannot be begun anew.
pub(super) fn act_as(state_dir: &Path) -> Result<(), Failure> {
    match other_owner(state_dir) {
        Some((user, group)) => become_(user, group, state_dir, &[]),
        None => Ok(()),
    }
}

/// Who sits at the terminal, as the kernel knows: the user who logged in, else the one this process runs as. What the environment
/// says of it, anybody may have put there.
pub(super) async fn person() -> String {
    let uid = rustix::process::getuid().as_raw();
    let login = std::fs::read_to_string(LOGIN).ok().and_then(|text| text.trim().parse::<u32>().ok());
    // All ones: nobody logged in, as for a service.
    let uid = login.filter(|login| *login != u32::MAX).unwrap_or(uid);
    Judge::new(uid).name_of(uid).await
}

/// User and group of the state's owner, when we are root and it is somebody else's.
pub(super) fn other_owner(state_dir: &Path) -> Option<(u32, u32)> {
    let (user, group) = std::fs::metadata(state_dir).ok().map(|meta| (meta.uid(), meta.gid()))?;
    (user != 0 && rustix::process::geteuid().is_root()).then_some((user, group))
}

/// Begins this very command anew as a user, with more arguments; never returns `Ok`.
///
/// # Errors
/// When it cannot be begun anew.
pub(super) fn become_(user: u32, group: u32, state_dir: &Path, more: &[OsString]) -> Result<(), Failure> {
    let ourselves = std::env::current_exe()
        .map_err(|error| Failure::new(Class::OsError, format!("cannot find this very program: {error}")))?;
    // No deadline and no group of its own: it is not a child, it becomes us.
    #[expect(clippy::disallowed_methods, reason = "nothing is started: this process goes on as another user")]
    let error = std::process::Command::new("setpriv")
        .args([format!("--reuid={user}"), format!("--regid={group}"), "--init-groups".to_owned(), "--".to_owned()])
        .arg(ourselves)
        .args(std::env::args_os().skip(1))
        .args(more)
        .exec();
    let failure = Failure::new(Class::OsError, format!("cannot go on as user {user}, who owns {}", state_dir.display()));
    Err(failure.hint(format!("{error}; install setpriv (util-linux), or start the daemon: `systemctl start upkeepd`")))
}
