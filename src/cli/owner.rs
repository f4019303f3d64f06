//! Acting as the user whose state it is.
//!
//! Owns one rule: what root does without the daemon is done as the owner of the state directory, so that no file of root's
//! is left where the daemon cannot read it. Nothing happens where they are the same, or where there is no state yet.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use crate::failure::{Class, Failure};

/// Begins this very command anew as the owner of `state_dir`; returns only when there is no need.
///
/// # Errors
/// When it cannot be begun anew.
pub(super) fn act_as(state_dir: &Path) -> Result<(), Failure> {
    let Some((user, group)) = std::fs::metadata(state_dir).ok().map(|meta| (meta.uid(), meta.gid())) else { return Ok(()) };
    if user == 0 || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let ourselves = std::env::current_exe()
        .map_err(|error| Failure::new(Class::OsError, format!("cannot find this very program: {error}")))?;
    // No deadline and no group of its own: it is not a child, it becomes us.
    #[expect(clippy::disallowed_methods, reason = "nothing is started: this process goes on as another user")]
    let error = std::process::Command::new("setpriv")
        .args([format!("--reuid={user}"), format!("--regid={group}"), "--init-groups".to_owned(), "--".to_owned()])
        .arg(ourselves)
        .args(std::env::args_os().skip(1))
        .exec();
    let failure = Failure::new(Class::OsError, format!("cannot go on as user {user}, who owns {}", state_dir.display()));
    Err(failure.hint(format!("{error}; install setpriv (util-linux), or start the daemon: `systemctl start upkeepd`")))
}
