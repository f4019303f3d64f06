//! Which version of the server is installed, by several agreeing sources, and how the one before is put back.
//!
//! Owns reading a release and pointing back to one. Never guesses: probes that disagree, two versions at once, a directory
//! that is not there and a package half installed are errors, each with its own words. Invariant: [`read`] answers `Ok` only
//! when every probe names the same version; held by the tests beside this file.

mod dpkg;
mod jar;
mod probe;
mod revert;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::config::{Probe, Release};
use crate::durable::{self, DurableError};
use crate::failure::{Class, Explain};
use crate::process::{Command, ProcessError};
use crate::text;
use crate::trust;
use crate::version::Version;

/// How deep below the release files count for its fingerprint: deep enough for any layout of scripts.
const FINGERPRINT_DEPTH: usize = 8;

/// How many files count for the fingerprint, so that a release that unpacks a whole file tree cannot stall the poll.
const FINGERPRINT_FILES: usize = 50_000;

/// How many of too many versions are named.
const NAMED: usize = 5;

/// How long a revert command may take: a package manager that downloads.
const REVERT_DEADLINE: Duration = Duration::from_secs(900);

/// An installed release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its version.
    pub version: Version,
    /// Where it is, symlinks resolved.
    pub path: PathBuf,
    /// Which probes read it (`symlink, file VERSION`).
    pub probe: String,
    /// A digest of names, sizes and times of its files: while it changes, the release is being unpacked.
    pub fingerprint: String,
}

/// Why it cannot be said which release is installed, or why the earlier one cannot be put back.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Nothing there.
    #[error("release {} does not exist", path.display())]
    Missing {
        /// The configured path.
        path: PathBuf,
    },
    /// A symlink to nothing.
    #[error("release {} points to {}, which does not exist", path.display(), to.display())]
    Dangling {
        /// The symlink.
        path: PathBuf,
        /// Where it points.
        to: PathBuf,
    },
    /// Files of several versions lie side by side.
    #[error("two releases at once: {probe} finds versions {}", list(versions))]
    Several {
        /// The probe.
        probe: String,
        /// The versions found.
        versions: Vec<Version>,
    },
    /// Jars of which only one may be there lie side by side.
    #[error("two releases at once in {}: {}", dir.display(), names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(" and "))]
    SeveralFiles {
        /// The directory.
        dir: PathBuf,
        /// The files.
        names: Vec<String>,
    },
    /// Probes name different versions.
    #[error("the probes disagree on the release: {}", answers.iter().map(|(probe, version)| format!("{probe} says {version}")).collect::<Vec<_>>().join(", "))]
    Disagree {
        /// Each probe's answer.
        answers: Vec<(String, Version)>,
    },
    /// A probe found nothing it can read a version from.
    #[error("{probe} finds no version in {}: {why}", path.display())]
    NoVersion {
        /// The probe.
        probe: String,
        /// The release.
        path: PathBuf,
        /// What was found instead.
        why: String,
    },
    /// The package manager is at work.
    #[error("the package manager is running: {0}")]
    PackageBusy(String),
    /// A package is neither the one version nor the other, and nobody is at work on it.
    #[error("a package is not fully installed: {0}")]
    PackageHalf(String),
    /// A file could not be looked at.
    #[error("cannot check {}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A probe's or revert command failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The symlink could not be swapped.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// After pointing back another version is installed than was wanted.
    #[error("the release should be {wanted} again, but is {found}")]
    NotBack {
        /// The version wanted.
        wanted: Version,
        /// The version found.
        found: Version,
    },
}

fn list(versions: &[Version]) -> String {
    let mut words: Vec<&str> = versions.iter().map(Version::as_str).take(NAMED).collect();
    let more = versions.len().saturating_sub(NAMED);
    let more = format!("{more} more");
    words.extend((versions.len() > NAMED).then_some(more.as_str()));
    words.join(" and ")
}

impl Explain for ReleaseError {
    fn class(&self) -> Class {
        match self {
            Self::Missing { .. } | Self::Dangling { .. } => Class::NoInput,
            Self::Several { .. }
            | Self::SeveralFiles { .. }
            | Self::Disagree { .. }
            | Self::NoVersion { .. }
            | Self::NotBack { .. } => Class::Data,
            Self::PackageBusy(_) | Self::PackageHalf(_) => Class::TempFail,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Class::NoPermission,
            Self::Io { .. } => Class::Io,
            Self::Process(error) => error.class(),
            Self::Durable(error) => error.class(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing { .. } => vec!["check `path` in `[targets.T.release]`".to_owned()],
            Self::Dangling { path, .. } => {
                let command = text::shell(&["ln", "-sfnT", "--", "/path/to/release", &*path.to_string_lossy()]);
                vec![format!("point it to an installed release: `{command}`")]
            }
            Self::Several { .. } | Self::SeveralFiles { .. } | Self::Disagree { .. } => {
                vec!["remove the files of the version that is not meant, or install it again".to_owned()]
            }
            Self::NoVersion { .. } => {
                vec!["is the release fully unpacked? else check `version` in `[targets.T.release]`".to_owned()]
            }
            Self::PackageBusy(_) => vec!["it will be looked at again when the package manager is done".to_owned()],
            Self::PackageHalf(_) => vec!["end the installation: `dpkg --configure -a`, `apt-get install -f`".to_owned()],
            Self::NotBack { wanted, .. } => vec![format!("install version {wanted} by hand")],
            Self::Process(error) => error.hints(),
            Self::Durable(error) => error.hints(),
            Self::Io { source, .. } if trust::refused(source).is_some() => {
                vec!["a release's files are regular files in its own directory, which its owner may read".to_owned()]
            }
            Self::Io { .. } => Vec::new(),
        }
    }
}

/// Reads the installed release.
///
/// # Errors
/// When it is not there, not whole, or not one version.
pub async fn read(release: &Release) -> Result<Installed, ReleaseError> {
    read_when(release, Wanted::Settled).await
}

/// How far the package manager must be for a release to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Done with this package and with every other.
    Settled,
    /// All files of this package are in their place. Its own script may be running, and be what waits for us.
    Placed,
}

/// Reads the installed release as soon as it is as far as wanted.
///
/// # Errors
/// When it is not there, not that far, or not one version.
pub async fn read_when(release: &Release, wanted: Wanted) -> Result<Installed, ReleaseError> {
    let path = resolve(&release.path)?;
    let mut answers = Vec::with_capacity(release.probes.len());
    for probe in &release.probes {
        answers.push((probe::name(probe), probe::ask(probe, release, &path, wanted).await?));
    }
    agreed(path, answers)
}

/// Reads a release in another directory than the installed one's, by the same probes; what a symlink's target is called, the directory is.
///
/// # Errors
/// As [`read`].
pub async fn read_at(release: &Release, directory: &Path) -> Result<Installed, ReleaseError> {
    let path = resolve(directory)?;
    let there = Release { path: path.clone(), ..release.clone() };
    let mut answers = Vec::with_capacity(release.probes.len());
    for probe in &release.probes {
        let version = match probe {
            Probe::Symlink => probe::in_directory(&path)?,
            probe => probe::ask(probe, &there, &path, Wanted::Settled).await?,
        };
        answers.push((probe::name(probe), version));
    }
    agreed(path, answers)
}

fn agreed(path: PathBuf, answers: Vec<(String, Version)>) -> Result<Installed, ReleaseError> {
    let Some((_, version)) = answers.first().cloned() else {
        return Err(ReleaseError::NoVersion { probe: "no probe".to_owned(), path, why: "none is configured".to_owned() });
    };
    if answers.iter().any(|(_, other)| *other != version) {
        return Err(ReleaseError::Disagree { answers });
    }
    let probe = answers.into_iter().map(|(probe, _)| probe).collect::<Vec<_>>().join(", ");
    let fingerprint = fingerprint(&path)?;
    Ok(Installed { version, path, probe, fingerprint })
}

/// The process that has the package manager's lock now, if one has.
#[must_use]
pub fn package_manager() -> Option<i32> {
    dpkg::at_work()
}

/// The package of the installed release as apt takes it (`notes=2.4.0-1`), with the version that Debian gives it; none where it is no
/// package.
pub async fn package(release: &Release) -> Option<String> {
    let name = release.probes.iter().find_map(|probe| if let Probe::Dpkg(name) = probe { Some(name) } else { None })?;
    dpkg::whole_version(name).await.map(|version| format!("{name}={version}"))
}

/// The directories whose changes may mean a new release.
#[must_use]
pub fn watch_paths(release: &Release) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    paths.extend(release.path.parent().map(Path::to_owned));
    if let Ok(resolved) = fs::canonicalize(&release.path) {
        for probe in &release.probes {
            let below = match probe {
                Probe::Glob(pattern) | Probe::Jar { pattern, .. } => resolved.join(pattern).parent().map(Path::to_owned),
                Probe::File(file) => resolved.join(file).parent().map(Path::to_owned),
                Probe::Symlink | Probe::Command(_) | Probe::Dpkg(_) => None,
            };
            // A glob in a directory's name has no one parent; the release itself is watched anyway.
            paths.extend(below.filter(|path| path.is_dir()));
        }
        paths.extend(resolved.parent().map(Path::to_owned));
        paths.push(resolved);
    }
    if release.probes.iter().any(|probe| matches!(probe, Probe::Dpkg(_))) {
        paths.push(dpkg::DATABASE.into());
    }
    paths.retain(|path| path.is_dir());
    paths.sort();
    paths.dedup();
    paths
}

/// How an earlier release can be put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayBack {
    /// By swapping the symlink.
    Symlink,
    /// By the configured command.
    Command,
    /// Not by us: the package replaced the files.
    Nothing,
}

/// The program in the revert command that this user cannot have work: who is not root becomes nobody else, and a package manager is at work
/// itself while a package's script waits at the gate.
#[must_use]
pub fn hopeless_revert(release: &Release, user: u32) -> Option<&str> {
    revert::hopeless(release.revert.as_deref()?, user)
}

/// How `previous` could be put back now.
#[must_use]
pub fn way_back(release: &Release, previous: &Path) -> WayBack {
    let is_link = fs::symlink_metadata(&release.path).is_ok_and(|meta| meta.file_type().is_symlink());
    let elsewhere = fs::canonicalize(&release.path).is_ok_and(|now| now != previous);
    if is_link && elsewhere && previous.is_dir() {
        WayBack::Symlink
    } else if release.revert.is_some() && hopeless_revert(release, rustix::process::geteuid().as_raw()).is_none() {
        WayBack::Command
    } else {
        WayBack::Nothing
    }
}

/// Makes an earlier release the installed one again, and looks whether it is. Safe to repeat.
///
/// # Errors
/// When there is no way back, it failed, or another version is installed afterwards.
pub async fn point_back(release: &Release, version: &Version, path: &Path) -> Result<Installed, ReleaseError> {
    match way_back(release, path) {
        WayBack::Symlink => durable::swap_symlink(&release.path, &as_written(&release.path, path))?,
        WayBack::Command => {
            let argv = release.revert.iter().flatten().map(|word| word.replace("{version}", version.as_str()));
            Command::new(&argv.collect::<Vec<_>>(), REVERT_DEADLINE).succeed().await?;
        }
        // Already there, or no way: the look below tells which.
        WayBack::Nothing => {}
    }
    let installed = read(release).await?;
    if installed.version == *version {
        Ok(installed)
    } else {
        Err(ReleaseError::NotBack { wanted: version.clone(), found: installed.version })
    }
}

/// The text of a symlink to `path`, relative where the link is relative now: a tree that is moved or mounted elsewhere as a
/// whole goes on working.
fn as_written(link: &Path, path: &Path) -> PathBuf {
    let relative = fs::read_link(link).is_ok_and(|to| to.is_relative());
    let base = link.parent().filter(|_| relative).and_then(|parent| fs::canonicalize(parent).ok());
    base.and_then(|base| path.strip_prefix(base).ok()).unwrap_or(path).to_owned()
}

fn resolve(path: &Path) -> Result<PathBuf, ReleaseError> {
    match fs::canonicalize(path) {
        Ok(resolved) => Ok(resolved),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(match fs::read_link(path) {
            Ok(to) => ReleaseError::Dangling { path: path.to_owned(), to },
            Err(_) => ReleaseError::Missing { path: path.to_owned() },
        }),
        Err(source) => Err(ReleaseError::Io { path: path.to_owned(), source }),
    }
}

fn fingerprint(root: &Path) -> Result<String, ReleaseError> {
    let mut hasher = blake3::Hasher::new();
    let mut left = FINGERPRINT_FILES;
    let mut waiting = vec![(root.to_owned(), 0)];
    while let Some((path, depth)) = waiting.pop() {
        let at = |source| ReleaseError::Io { path: path.clone(), source };
        let meta = match fs::symlink_metadata(&path) {
            // It is being replaced under our eyes; its absence changes the fingerprint, which is all that is asked of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(at)?,
        };
        let modified = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let line = format!("{}\0{}\0{}\n", path.display(), meta.len(), modified.as_nanos());
        hasher.update(line.as_bytes());
        left = left.saturating_sub(1);
        if meta.is_dir() && depth < FINGERPRINT_DEPTH && left > 0 {
            let entries = match fs::read_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied || error.kind() == io::ErrorKind::NotFound => {
                    continue;
                }
                other => other.map_err(at)?,
            };
            let entries = entries.take(FINGERPRINT_FILES);
            let mut names: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
            names.sort();
            waiting.extend(names.into_iter().take(left).map(|name| (name, depth + 1)));
        }
    }
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

#[cfg(test)]
mod tests;
