//! What the files hold that fit the host to the configuration. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::super::owner::DAEMON_USER;
use super::HEADER;
use crate::config::load::DEFAULT_PATH;
use crate::config::{Config, Health, Location, OffsiteKind, Probe, ServiceControl, Target};
use crate::service::tool::{self, UNITS};

pub(super) const POLKIT: &str = "etc/polkit-1/rules.d/60-upkeep.rules";
pub(super) const NEEDRESTART: &str = "etc/needrestart/conf.d/60-upkeep.conf";
pub(super) const GATE: &str = "50-upkeep-gate.conf";
pub(super) const DAEMON: &str = "50-upkeep-setup.conf";

/// What the daemon asks systemd for.
pub(in crate::cli) const VERBS: [&str; 3] = ["start", "stop", "reset-failed"];

/// Directories in which the unit may write anyway.
const WRITABLE: &str = "/var/lib/upkeep";

/// Every unit that the daemon starts and stops.
pub(in crate::cli) fn units(config: &Config) -> BTreeSet<String> {
    let of = |target: &Target| {
        let server = match target.service.as_ref().map(|service| &service.control) {
            Some(ServiceControl::Unit(unit)) => Some(unit.clone()),
            Some(ServiceControl::Commands { .. }) | None => None,
        };
        [server, tool::unit(target).map(|(unit, _)| unit)]
    };
    config.targets.values().flat_map(of).flatten().collect()
}

/// Every file, by its path below the root.
pub(super) fn files(config: &Config, config_path: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let units = units(config);
    let mut left_alone = Vec::new();
    let asked = config_path != Path::new(DEFAULT_PATH);
    let at = if asked { format!(" --config {}", config_path.display()) } else { String::new() };
    for target in config.targets.values() {
        if let Some((unit, text)) = tool::unit(target) {
            files.insert(Path::new(UNITS).join(&unit), format!("# {HEADER}\n{text}"));
            left_alone.push(format!("push(@{{$nrconf{{blacklist_rc}}}}, qr({}));", pattern(&unit)));
        }
        let Some(ServiceControl::Unit(unit)) = target.service.as_ref().map(|service| &service.control) else { continue };
        if target.release.is_some() {
            files.insert(Path::new(UNITS).join(format!("{unit}.d")).join(GATE), gate(&at, target));
            left_alone.push(format!(
                "$nrconf{{override_rc}}{{qr({})}} = 0\n    \
                 if -x '/usr/bin/upkeep' && system('/usr/bin/upkeep{} gate --look {} >/dev/null 2>&1') != 0;",
                pattern(unit),
                at.replace('\\', "\\\\").replace('\'', "\\'"),
                target.name
            ));
        }
    }
    if !units.is_empty() {
        files.insert(POLKIT.into(), rule(&units));
    }
    if !left_alone.is_empty() {
        files.insert(NEEDRESTART.into(), needrestart(&left_alone));
    }
    let outside = sandbox(config);
    if !outside.is_empty() {
        let text = format!("# {HEADER}\n[Service]\n{}\n", outside.join("\n"));
        files.insert(Path::new(UNITS).join("upkeepd.service.d").join(DAEMON), text);
    }
    files
}

/// `at` is what the command line says of the configuration file.
fn gate(at: &str, target: &Target) -> String {
    format!(
        "# {HEADER}\n[Service]\n\
         # A condition, not ExecStartPre: a refused start is skipped, and the package that asked for it is still installed\n\
         # well. As root, for the server's user may neither ask the daemon nor see its state.\n\
         ExecCondition=+/usr/bin/upkeep{at} gate {}\n\
         # An upgrade happens while the gate waits.\n\
         TimeoutStartSec=4h\n",
        target.name
    )
}

fn rule(units: &BTreeSet<String>) -> String {
    let list = |words: Vec<&str>| words.iter().map(|word| script_text(word)).collect::<Vec<_>>().join(", ");
    let (units, verbs) = (list(units.iter().map(String::as_str).collect()), list(VERBS.to_vec()));
    format!(
        "// {HEADER}\n\
         polkit.addRule(function(action, subject) {{\n    \
             if (action.id == \"org.freedesktop.systemd1.manage-units\" && subject.user == \"{DAEMON_USER}\" &&\n        \
                 [{units}].indexOf(action.lookup(\"unit\")) >= 0 &&\n        \
                 [{verbs}].indexOf(action.lookup(\"verb\")) >= 0) {{\n        \
                 return polkit.Result.YES;\n    }}\n}});\n"
    )
}

/// A text as JavaScript reads it back: every character that is not plainly itself by its number, so that `\x2d` in a unit's name stays
/// four characters and nothing ends the text.
fn script_text(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.@:".contains(letter);
    let mut written = String::from("\"");
    for letter in text.chars() {
        if plain(letter) {
            written.push(letter);
        } else {
            let mut units = [0; 2];
            written.extend(letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    written.push('"');
    written
}

/// needrestart(1) reads its configuration as Perl each time it runs, and takes `override_rc` of 0 for "only say so".
fn needrestart(left_alone: &[String]) -> String {
    format!(
        "# {HEADER}\n\
         # A vendor's migration tool is cut off by no restart. A server is left to a person while a restart could disturb an upgrade,\n\
         # or would end at the gate: then what runs now would not come back.\n\
         {}\n",
        left_alone.join("\n")
    )
}

/// A unit's name and nothing else, as a regular expression of Perl.
fn pattern(unit: &str) -> String {
    let escaped = unit.chars().flat_map(|letter| (!letter.is_ascii_alphanumeric()).then_some('\\').into_iter().chain([letter]));
    format!("^{}$", escaped.collect::<String>())
}

/// What the daemon needs beyond its unit.
fn sandbox(config: &Config) -> Vec<String> {
    let mut paths = BTreeSet::new();
    let mut afar = false;
    for target in config.targets.values() {
        paths.insert(target.backup.directory.clone());
        match &target.database.location {
            // The files beside it too: `-wal`, `-shm`, and what a restore puts in its place.
            Location::Sqlite { path } => paths.extend(path.parent().map(Path::to_owned)),
            Location::Postgres { host, .. } | Location::MySql { host, .. } => afar |= !near(host),
        }
        if let Some(release) = &target.release
            && release.probes.contains(&Probe::Symlink)
        {
            paths.extend(release.path.parent().map(Path::to_owned));
        }
        for health in target.service.iter().flat_map(|service| &service.health) {
            afar |= match health {
                Health::Http(url) => url::Url::parse(url.reveal()).ok().and_then(|url| url.host_str().map(near)) == Some(false),
                Health::Tcp(address) => !near(address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host)),
                Health::Command(_) => false,
            };
        }
    }
    // The mount itself, and not what is above it: it may come and go.
    for place in config.offsite.values() {
        match &place.kind {
            OffsiteKind::Directory { path, .. } => drop(paths.insert(path.clone())),
            // Whose addresses change.
            OffsiteKind::Bucket(bucket) => afar |= !bucket.is_near(),
            OffsiteKind::Sftp(sftp) => afar |= !near(&sftp.host),
        }
    }
    let told = config.alarms.iter().flat_map(|alarms| [&alarms.webhook, &alarms.ping]).flatten();
    afar |= told.filter_map(|url| url::Url::parse(url.reveal()).ok()).any(|url| url.host_str().is_some_and(|host| !near(host)));
    paths.insert(config.daemon.state_dir.clone());
    let mut lines: Vec<String> = paths
        .into_iter()
        .filter(|path| !path.starts_with(WRITABLE))
        // Quoted for blanks; with a minus, for a directory that is missing is `upkeep check`'s to tell.
        .map(|path| format!("ReadWritePaths={}", tool::quoted(&format!("-{}", path.display()), "")))
        .collect();
    lines.extend(afar.then(|| "IPAddressAllow=any".to_owned()));
    lines
}

/// Whether a host is this one, as far as its name says.
pub(in crate::cli) fn near(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.is_empty() || host.starts_with('/') || host == "localhost" || host == "::1" || host.starts_with("127.")
}
