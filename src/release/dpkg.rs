//! The Debian package database as a source of versions: only a package fully installed counts, and only while nobody holds
//! the package manager's lock.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::ReleaseError;
use crate::process::Command;
use crate::version::Version;

/// Where dpkg keeps its database; changes here mean that a package changes.
pub(super) const DATABASE: &str = "/var/lib/dpkg";

const DEADLINE: Duration = Duration::from_secs(30);

/// The upstream version of an installed package.
pub(super) async fn ask(package: &str, resolved: &Path) -> Result<Version, ReleaseError> {
    for lock in ["lock-frontend", "lock"] {
        if let Some(pid) = holder(&Path::new(DATABASE).join(lock)) {
            return Err(ReleaseError::PackageBusy(format!("process {pid} holds {DATABASE}/{lock}")));
        }
    }
    let none = |why: String| ReleaseError::NoVersion { probe: format!("dpkg {package}"), path: resolved.to_owned(), why };
    let argv = ["dpkg-query", "-W", "-f", "${Status} ${Version}", package];
    let finished = Command::new(&argv, DEADLINE).run().await?;
    if !finished.success() {
        return Err(none(finished.last_line().to_owned()));
    }
    let answer = finished.stdout.trim();
    let Some((status, version)) = answer.rsplit_once(' ') else { return Err(none(format!("dpkg-query says `{answer}`"))) };
    match status.split_whitespace().collect::<Vec<_>>()[..] {
        ["install" | "hold", "ok", "installed"] => Version::parse(upstream(version)).map_err(|error| none(error.to_string())),
        // unpacked, half-configured, triggers-pending …: dpkg is in the middle of it, or was interrupted there.
        ["install" | "hold", ..] => Err(ReleaseError::PackageBusy(format!("package {package} is `{status}`"))),
        _ => Err(none(format!("the package is `{status}`"))),
    }
}

/// Debian writes `epoch:upstream-revision`; the other probes know only the middle.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

/// Who holds a lock file. A file that we may not read is taken for free: the package's status tells a half-done install too.
fn holder(lock: &Path) -> Option<i32> {
    let file = File::open(lock).ok()?;
    let whole_file = rustix::process::Flock::from(rustix::process::FlockType::WriteLock);
    let found = rustix::process::fcntl_getlk(&file, &whole_file).ok().flatten()?;
    Some(found.pid.map_or(0, |pid| pid.as_raw_nonzero().get()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_upstream_version_is_between_epoch_and_revision() {
        for (debian, upstream) in
            [("1.8.2", "1.8.2"), ("1.8.2-1", "1.8.2"), ("1:2.0-rc1-3+deb12u1", "2.0-rc1"), ("2:7.0", "7.0")]
        {
            assert_eq!(super::upstream(debian), upstream, "{debian}");
        }
    }
}
