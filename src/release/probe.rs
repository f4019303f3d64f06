//! The ways to read a version: each probe asks one source and gives one version or says why it cannot.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::{ReleaseError, Wanted, dpkg};
use crate::config::{Probe, Release};
use crate::process::Command;
use crate::trust::{self, Base, Refused};
use crate::version::Version;

/// How long a version command may take; it starts a JVM at worst.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// A version file longer than this is none.
const FILE_BYTES: u64 = 64 * 1024;

/// A directory of jars with more entries than this is none.
const GLOB_NAMES: usize = 50_000;

/// The probe's name in messages and manifests.
pub(super) fn name(probe: &Probe) -> String {
    match probe {
        Probe::Glob(pattern) => format!("glob {pattern}"),
        Probe::File(file) => format!("file {}", file.display()),
        Probe::Symlink => "symlink".to_owned(),
        Probe::Command(argv) => format!("command {}", argv.first().map_or("", String::as_str)),
        Probe::Dpkg(package) => format!("dpkg {package}"),
    }
}

/// Asks one probe.
pub(super) async fn ask(probe: &Probe, release: &Release, resolved: &Path, wanted: Wanted) -> Result<Version, ReleaseError> {
    let none = |why: String| ReleaseError::NoVersion { probe: name(probe), path: resolved.to_owned(), why };
    let parse = |text: &str| Version::parse(text).map_err(|error| none(error.to_string()));
    match probe {
        Probe::Glob(pattern) => {
            let base = base(release, resolved).map_err(|source| ReleaseError::Io { path: resolved.to_owned(), source })?;
            let mut versions = glob(&base, pattern).map_err(none)?;
            versions.sort();
            versions.dedup();
            match versions.len() {
                0 => Err(none(format!("no file matches {pattern}"))),
                1 => Ok(versions.swap_remove(0)),
                _ => Err(ReleaseError::Several { probe: name(probe), versions }),
            }
        }
        Probe::File(file) => {
            let path = resolved.join(file);
            match base(release, resolved).and_then(|base| base.read(file, FILE_BYTES)) {
                Ok(content) => parse(String::from_utf8_lossy(&content).lines().next().unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Err(none(format!("{} does not exist", path.display())))
                }
                Err(error) if matches!(trust::refused(&error), Some(Refused::TooLong(_))) => {
                    Err(none(format!("{} is too long", path.display())))
                }
                Err(source) => Err(ReleaseError::Io { path, source }),
            }
        }
        Probe::Symlink => {
            let to = fs::read_link(&release.path).map_err(|_| none(format!("{} is not a symlink", release.path.display())))?;
            let last = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            in_name(&last).ok_or_else(|| none(format!("it points to {}, which has no version in its name", to.display())))
        }
        Probe::Command(argv) => {
            let mut command = Command::new(argv, COMMAND_DEADLINE);
            command.directory = Some(resolved.to_owned());
            let finished = command.succeed().await?;
            parse(finished.stdout.lines().next().unwrap_or_default())
        }
        Probe::Dpkg(package) => dpkg::ask(package, resolved, wanted).await,
    }
}

/// The release's directory, as whoever set a link to it could see it.
fn base(release: &Release, resolved: &Path) -> io::Result<Base> {
    Ok(Base::open(&release.path)?.resolved(resolved))
}

/// The versions that stand where the pattern has its `*`.
fn glob(base: &Base, pattern: &str) -> Result<Vec<Version>, String> {
    let Some((before, after)) = pattern.split_once('*').filter(|(_, after)| !after.contains('*')) else {
        return Err("the pattern must hold exactly one *".to_owned());
    };
    // `libs/app-*.jar` → directory `libs`, prefix `app-`, suffix `.jar`; `app-*/bin/run` → suffix ``, rest `bin/run`.
    let (dir, prefix) = before.rsplit_once('/').map_or(("", before), |(dir, prefix)| (dir, prefix));
    let (suffix, rest) = after.split_once('/').map_or((after, None), |(suffix, rest)| (suffix, Some(rest)));
    let names = base.names(Path::new(dir), GLOB_NAMES);
    let names = names.map_err(|error| format!("cannot list {}: {error}", base.path().join(dir).display()))?;
    let version = |name: std::ffi::OsString| {
        let name = name.to_str()?;
        let version = Version::parse(name.strip_prefix(prefix)?.strip_suffix(suffix)?).ok()?;
        let there = |rest: &str| base.kind(&Path::new(dir).join(name).join(rest)).is_ok();
        rest.is_none_or(there).then_some(version)
    };
    Ok(names.into_iter().filter_map(version).collect())
}

/// The version in a name such as `notes-1.2.0`, `v1.2.0` or `1.2.0`: the longest tail that is one, from a digit that begins
/// a word.
fn in_name(name: &str) -> Option<Version> {
    let begins = |at: usize| {
        let before = name[..at].chars().next_back();
        let word = before.is_none_or(|c| "-_.@".contains(c))
            || (before == Some('v') && (at == 1 || name[..at - 1].ends_with(['-', '_'])));
        word && name[at..].starts_with(|c: char| c.is_ascii_digit())
    };
    name.char_indices().map(|(at, _)| at).filter(|at| begins(*at)).find_map(|at| Version::parse(&name[at..]).ok())
}
