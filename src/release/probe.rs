//! The ways to read a version: each probe asks one source and gives one version or says why it cannot.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::{ReleaseError, Wanted, dpkg, jar};
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
        Probe::Jar { pattern, .. } => format!("jar {pattern}"),
        Probe::File(file) => format!("file {}", file.display()),
        Probe::Symlink => "symlink".to_owned(),
        Probe::Command(argv) => format!("command {}", argv.first().map_or("", String::as_str)),
        Probe::Dpkg(package) => format!("dpkg {package}"),
    }
}

/// Asks one probe.
pub(super) async fn ask(probe: &Probe, release: &Release, resolved: &Path, wanted: Wanted) -> Result<Version, ReleaseError> {
    let none = |why: String| ReleaseError::NoVersion { probe: name(probe), path: resolved.to_owned(), why };
    let parse = |text: &str| in_text(text).map_err(none);
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
        Probe::Jar { pattern, inside } => {
            let base = base(release, resolved).map_err(|source| ReleaseError::Io { path: resolved.to_owned(), source })?;
            one_jar(probe, &base, pattern, inside.as_deref())
        }
        Probe::File(file) => {
            let path = resolved.join(file);
            match base(release, resolved).and_then(|base| base.read(file, FILE_BYTES)) {
                Ok(content) => parse(&String::from_utf8_lossy(&content)),
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
            parse(&finished.stdout)
        }
        Probe::Dpkg(package) => dpkg::ask(package, resolved, wanted).await,
    }
}

/// The version that a directory is called by.
pub(super) fn in_directory(path: &Path) -> Result<Version, ReleaseError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    in_name(&name).ok_or_else(|| ReleaseError::NoVersion {
        probe: "symlink".to_owned(),
        path: path.to_owned(),
        why: "the directory has no version in its name".to_owned(),
    })
}

/// The release's directory, as whoever set a link to it could see it.
fn base(release: &Release, resolved: &Path) -> io::Result<Base> {
    Ok(Base::open(&release.path)?.resolved(resolved))
}

/// The version of the one jar that matches: by its name, and by the file inside it where it has that.
fn one_jar(probe: &Probe, base: &Base, pattern: &str, inside: Option<&str>) -> Result<Version, ReleaseError> {
    let none = |why: String| ReleaseError::NoVersion { probe: name(probe), path: base.path().to_owned(), why };
    let (before, after) = pattern.split_once('*').unwrap_or((pattern, ""));
    let (dir, prefix) = before.rsplit_once('/').map_or(("", before), |(dir, prefix)| (dir, prefix));
    let names = base.names(Path::new(dir), GLOB_NAMES);
    let names = names.map_err(|error| none(format!("cannot list {}: {error}", base.path().join(dir).display())))?;
    // Every one of them is on the server's class path, also those whose names hold no version.
    let fits = |name: &String| name.len() >= prefix.len() + after.len() && name.starts_with(prefix) && name.ends_with(after);
    let mut jars: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).filter(fits).collect();
    jars.sort();
    let jar = match jars.as_slice() {
        [] => return Err(none(format!("no file matches {pattern}"))),
        [jar] => jar,
        _ => return Err(ReleaseError::SeveralFiles { dir: base.path().join(dir), names: jars }),
    };
    let version = Version::parse(&jar[prefix.len()..jar.len() - after.len()]);
    let version = version.map_err(|_| none(format!("{jar} has no version in its name")))?;
    let Some(inside) = inside else { return Ok(version) };
    let file = Path::new(dir).join(jar);
    let broken = |why: String| none(format!("{jar} is not whole: {why}"));
    let mut opened = base.open_file(&file).map_err(|source| ReleaseError::Io { path: base.path().join(&file), source })?;
    // A jar without that file is older than the file.
    let Some(content) = jar::read(&mut opened, inside, FILE_BYTES).map_err(broken)? else { return Ok(version) };
    let text = String::from_utf8_lossy(&content);
    let property = text.lines().find_map(|line| line.trim().strip_prefix("version")?.trim_start().strip_prefix(['=', ':']));
    let said = in_text(property.unwrap_or(&text)).map_err(none)?;
    if said == version {
        return Ok(version);
    }
    Err(ReleaseError::Disagree { answers: vec![(jar.clone(), version), (format!("{inside} inside it"), said)] })
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

/// The version in the first line of a text that has words: `2.3.1`, or `ACME Server 2.3.1 (build 77)`. Of several nobody knows which is meant.
fn in_text(text: &str) -> Result<Version, String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let plain = Version::parse(line).map_err(|error| error.to_string());
    let Err(why) = plain else { return plain };
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "._+~:-".contains(c)));
    let words = words.map(|word| word.trim_matches(['.', ':', '-', '_', '~', '+']));
    // Behind a colon, but for an epoch (`1:2.3`).
    let bare = |word: &str| match word.rsplit_once(':') {
        Some((before, after)) if !before.chars().all(|c| c.is_ascii_digit()) => after.to_owned(),
        _ => word.to_owned(),
    };
    let mut found: Vec<Version> = words.filter_map(|word| in_name(&bare(word))).collect();
    // What has a point in it is the version, and a number beside it the build's.
    if found.iter().any(|version| version.as_str().contains('.')) {
        found.retain(|version| version.as_str().contains('.'));
    }
    found.dedup();
    match found.len() {
        0 => Err(why),
        1 => Ok(found.swap_remove(0)),
        _ => {
            let all: Vec<&str> = found.iter().map(Version::as_str).collect();
            let all = all.join("`, `");
            Err(format!("`{line}` holds several: `{all}`; name a file or command that says the version alone"))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_among_words_where_there_is_one() {
        for (text, version) in [
            ("2.3.1\n", Some("2.3.1")),
            ("v2.3.1-rc1+b5", Some("2.3.1-rc1+b5")),
            ("\nACME Server 2.3.1 (build 77)\nmore 9.9\n", Some("2.3.1")),
            ("ACME Server v2.3.1.", Some("2.3.1")),
            ("acme-server-2.3.1", Some("2.3.1")),
            ("nginx version: nginx/1.24.0", Some("1.24.0")),
            ("openjdk version \"17.0.9\" 2023-10-17", Some("17.0.9")),
            ("VERSION=2.3.1", Some("2.3.1")),
            ("version:2.3.1", Some("2.3.1")),
            ("1:2.3-1", Some("1:2.3-1")),
            ("ACME Server 7", Some("7")),
            ("2.3.1 is 2.3.1", Some("2.3.1")),
            ("ACME Server 7 (build 77)", None),
            ("ACME 2.3.1 on Base 5.15.2", None),
            ("ACME Server", None),
            ("", None),
        ] {
            let found = in_text(text);
            assert_eq!(found.as_ref().ok().map(Version::as_str), version, "{text}: {found:?}");
        }
        let why = in_text("ACME 2.3.1 on Base 5.15.2").unwrap_err();
        assert!(why.contains("holds several: `2.3.1`, `5.15.2`"), "{why}");
    }
}
