//! `[offsite.NAME]` and `[targets.T.offsite]`, turned into checked types.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

mod bucket;
mod sftp;

use crate::archive::manifest::Kind;
use crate::cipher::{MOST_RECIPIENTS, Recipient};
use crate::config::given::Environment;
use crate::config::offsite::{Copies, Offsite, OffsiteKind};
use crate::config::raw::{Node, guess};
use crate::ids::{OwnerName, PlaceName};

/// Each place has a lane of its own in the daemon: more than anybody has, and few enough that all of them may hang.
const MOST_PLACES: usize = 16;

/// How much older than the newest archive may be the newest copy may be: a night without the other side is no alarm.
const A_DAY: Duration = Duration::from_secs(24 * 3600);

/// Where a target has no `max_age` of its own.
const TWO_DAYS: Duration = Duration::from_secs(50 * 3600);

/// Copies are read back at most this often: each reading costs the other side as much as a restore.
const LEAST_REREAD: Duration = Duration::from_secs(3600);

/// What is copied where nobody says: not what a restore or a failed upgrade put aside.
const KINDS: [Kind; 3] = [Kind::Scheduled, Kind::Manual, Kind::PreUpgrade];

/// The places, by name.
pub(super) fn places(node: &Node<'_>, environment: &Environment) -> BTreeMap<PlaceName, Offsite> {
    let entries = node.entries();
    if let Some((name, _)) = entries.get(MOST_PLACES) {
        node.wrong(name, format!("is one place too many: there may be {MOST_PLACES}"));
    }
    let read = entries.into_iter().filter_map(|(name, place)| one(&name, &place, node, environment));
    read.map(|place| (place.name.clone(), place)).collect()
}

fn one(name: &str, node: &Node<'_>, places: &Node<'_>, environment: &Environment) -> Option<Offsite> {
    let parsed = PlaceName::parse(name).map_err(|error| error.to_string());
    // On the command line a place and a moment stand behind the same word, and a moment begins with a digit.
    let begins = |parsed: PlaceName| match name.starts_with(|letter: char| letter.is_ascii_digit()) || name == "now" {
        true => Err("a place's name begins with a letter, and is not `now`, so that nobody takes it for a moment".to_owned()),
        false => Ok(parsed),
    };
    let parsed = parsed.and_then(begins).map_err(|what| places.wrong(name, what)).ok();
    // What a directory needs beside its path no URL says well; a bucket has nothing that a URL does not say.
    let kind = match node.has("url") && !node.has("kind") {
        true if sftp::is_meant(node) => sftp::read(node, environment).map(OffsiteKind::Sftp),
        true => bucket::read(node, environment).map(OffsiteKind::Bucket),
        false => directory(node),
    };
    let owner = match node.has("owner") {
        true => node.parsed("owner", |text| OwnerName::parse(text).map_err(|error| error.to_string())),
        false => of_this_host().or_else(|| {
            node.wrong("owner", "is missing: this host has no name that could stand for it");
            None
        }),
    };
    let reread = match node.has("reread") {
        true => node.parsed("reread", span).flatten(),
        false => Some(A_DAY * 90),
    };
    if reread.is_some_and(|reread| reread < LEAST_REREAD) {
        node.wrong("reread", "is shorter than 1h, which would only read");
    }
    let encrypt_to = recipients(node);
    node.close();
    Some(Offsite { name: parsed?, kind: kind?, owner: owner?, reread, encrypt_to: encrypt_to? })
}

fn directory(node: &Node<'_>) -> Option<OffsiteKind> {
    let known = node.word("kind", &[("directory", ())]);
    if !node.has("kind") {
        node.wrong("kind", "is missing: \"directory\"; of a bucket or a server of SFTP `url` stands in its place");
    }
    let path = node.path("path");
    if !node.has("path") {
        node.wrong("path", "is missing: the directory, whole from the root");
    }
    let allow_same_device = node.flag("allow_same_device").unwrap_or_default();
    known?;
    Some(OffsiteKind::Directory { path: path?, allow_same_device })
}

/// To whom copies are encrypted. What cannot be read is never taken for nobody: copies would go in clear.
fn recipients(node: &Node<'_>) -> Option<Vec<Recipient>> {
    if !node.has("encrypt_to") {
        return Some(Vec::new());
    }
    let texts = node.texts("encrypt_to")?;
    if texts.is_empty() {
        node.wrong(
            "encrypt_to",
            "names nobody: copies would go in clear. Name a public key, or leave the key out where that is meant",
        );
        return None;
    }
    if texts.len() > MOST_RECIPIENTS {
        node.wrong("encrypt_to", format!("names more than {MOST_RECIPIENTS} public keys"));
        return None;
    }
    let mut recipients: Vec<Recipient> = Vec::new();
    let mut good = true;
    for text in &texts {
        match Recipient::parse(text) {
            Ok(recipient) if recipients.contains(&recipient) => {
                node.wrong("encrypt_to", format!("names {recipient} twice"));
                good = false;
            }
            Ok(recipient) => recipients.push(recipient),
            Err(what) => {
                node.wrong("encrypt_to", what);
                good = false;
            }
        }
    }
    good.then_some(recipients)
}

/// Refuses a place that lies where archives or our state lie, and the reverse: what is away there is gone with what is here, and each would
/// find the other's files.
pub(super) fn lie_apart(node: &Node<'_>, places: &BTreeMap<PlaceName, Offsite>, ours: &[&Path]) {
    for place in places.values() {
        let OffsiteKind::Directory { path, .. } = &place.kind else { continue };
        if let Some(here) =
            ours.iter().find(|here| !here.as_os_str().is_empty() && (path.starts_with(here) || here.starts_with(path)))
        {
            let what = format!(
                "{} and {} lie in each other: copies stand away from archives and state",
                path.display(),
                here.display()
            );
            node.table(place.name.as_str()).wrong("path", what);
        }
    }
}

/// A span of time, or `none`.
fn span(text: &str) -> Result<Option<Duration>, String> {
    if text == "none" { Ok(None) } else { super::duration(text).map(Some) }
}

/// The host's own name, in the letters of an owner.
fn of_this_host() -> Option<OwnerName> {
    let name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let legal = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    OwnerName::parse(&name.chars().map(legal).collect::<String>()).ok()
}

/// What of a target is copied, and where to. `max_age` is the target's own.
pub(super) fn copies(node: &Node<'_>, known: &[String], max_age: Option<Duration>) -> Copies {
    let mut to = Vec::new();
    for name in node.texts("to").unwrap_or_default() {
        match PlaceName::parse(&name) {
            Ok(place) if known.contains(&name) && !to.contains(&place) => to.push(place),
            Ok(_) if known.contains(&name) => node.wrong("to", format!("names `{name}` twice")),
            _ => {
                let near = guess(&name, known.iter().map(String::as_str));
                node.wrong("to", format!("there is no place `{name}`{near}: it would be [offsite.{name}]"));
            }
        }
    }
    let max_age = match node.has("max_age") {
        true => node.parsed("max_age", span).flatten(),
        false => Some(max_age.map_or(TWO_DAYS, |age| age + A_DAY)),
    };
    let kinds = match node.texts("kinds") {
        Some(words) => words.iter().filter_map(|word| kind(node, word)).collect(),
        None => KINDS.to_vec(),
    };
    node.close();
    Copies { to, kinds, max_age }
}

fn kind(node: &Node<'_>, word: &str) -> Option<Kind> {
    let all = [Kind::Scheduled, Kind::Manual, Kind::PreUpgrade, Kind::PreRestore, Kind::FailedState];
    let found = all.into_iter().find(|kind| kind.to_string() == word);
    if found.is_none() {
        let words = all.map(|kind| kind.to_string());
        node.wrong("kinds", format!("`{word}` is no kind of archive; they are {}", words.join(", ")));
    }
    found
}
