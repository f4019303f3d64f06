//! The Debian package database as a source of versions: a package counts when it is fully installed and nobody holds the
//! package manager's lock; to whoever runs on behalf of a package's own script, as soon as all its files are in place.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::{ReleaseError, Wanted};
use crate::process::Command;
use crate::version::Version;

/// Where dpkg keeps its database; changes here mean that a package changes.
pub(super) const DATABASE: &str = "/var/lib/dpkg";

const DEADLINE: Duration = Duration::from_secs(30);

/// No package's own script takes so long that dpkg is silent for longer, but for one that waits at the gate, and then we are at work.
const QUIET: Duration = Duration::from_secs(600);

/// The upstream version of an installed package.
pub(super) async fn ask(package: &str, resolved: &Path, wanted: Wanted) -> Result<Version, ReleaseError> {
    for lock in ["lock-frontend", "lock"].into_iter().filter(|_| wanted == Wanted::Settled) {
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
    match standing(status, wanted) {
        Standing::Counts => Version::parse(upstream(version)).map_err(|error| none(error.to_string())),
        Standing::Busy if wanted == Wanted::Settled && quiet() => {
            Err(ReleaseError::PackageHalf(format!("package {package} is `{status}`")))
        }
        Standing::Busy => Err(ReleaseError::PackageBusy(format!("package {package} is `{status}`"))),
        Standing::Absent => Err(none(format!("the package is `{status}`"))),
    }
}

/// Whether dpkg has written down nothing for so long that it was interrupted: its lock is root's to ask for, and not the daemon's.
fn quiet() -> bool {
    let written = std::fs::metadata(Path::new(DATABASE).join("status")).and_then(|status| status.modified());
    written.is_ok_and(|at| at.elapsed().is_ok_and(|since| since > QUIET))
}

/// Who has one of the locks: apt itself, before dpkg which it runs.
pub(super) fn at_work() -> Option<i32> {
    ["lock-frontend", "lock"].into_iter().find_map(|lock| holder(&Path::new(DATABASE).join(lock)))
}

/// The version of a package with epoch and revision, as apt asks for it.
pub(super) async fn whole_version(package: &str) -> Option<String> {
    let finished = Command::new(&["dpkg-query", "-W", "-f", "${Version}", package], DEADLINE).run().await.ok()?;
    let version = finished.stdout.trim();
    (finished.success() && !version.is_empty()).then(|| version.to_owned())
}

#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Counts,
    Busy,
    Absent,
}

fn standing(status: &str, wanted: Wanted) -> Standing {
    match status.split_whitespace().collect::<Vec<_>>()[..] {
        ["install" | "hold", "ok", "installed"] => Standing::Counts,
        // Its postinst is running, or somebody else's trigger is still to come.
        ["install" | "hold", "ok", "half-configured" | "triggers-awaited" | "triggers-pending"] if wanted == Wanted::Placed => {
            Standing::Counts
        }
        // half-installed, unpacked …: dpkg is in the middle of it, or was interrupted there.
        ["install" | "hold", ..] => Standing::Busy,
        _ => Standing::Absent,
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
    use super::*;

    #[test]
    fn a_package_counts_as_far_as_is_wanted() {
        for (status, settled, placed) in [
            ("install ok installed", Standing::Counts, Standing::Counts),
            ("hold ok installed", Standing::Counts, Standing::Counts),
            ("install ok half-configured", Standing::Busy, Standing::Counts),
            ("install ok triggers-pending", Standing::Busy, Standing::Counts),
            ("install ok unpacked", Standing::Busy, Standing::Busy),
            ("install reinstreq half-installed", Standing::Busy, Standing::Busy),
            ("install reinstreq half-configured", Standing::Busy, Standing::Busy),
            ("deinstall ok config-files", Standing::Absent, Standing::Absent),
        ] {
            assert_eq!(standing(status, Wanted::Settled), settled, "{status}");
            assert_eq!(standing(status, Wanted::Placed), placed, "{status}");
        }
    }

    #[test]
    fn the_upstream_version_is_between_epoch_and_revision() {
        for (debian, upstream) in
            [("1.8.2", "1.8.2"), ("1.8.2-1", "1.8.2"), ("1:2.0-rc1-3+deb12u1", "2.0-rc1"), ("2:7.0", "7.0")]
        {
            assert_eq!(super::upstream(debian), upstream, "{debian}");
        }
    }
}
