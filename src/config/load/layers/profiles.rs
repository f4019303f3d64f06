//! Profiles: sets of defaults for one server product, shipped ones and an operator's own.
//!
//! Owns which profiles lie below a target and what of them counts there. An operator's own are in `profiles/NAME.toml` beside the
//! configuration file; one with a shipped one's name lies above it. A profile that names a product lies above that product's.

use std::path::Path;

use config::{Value, ValueKind};

use super::{OPTIONAL_SECTIONS, file, parse};
use crate::config::raw::{Problems, Table, guess, origin_of};

/// The shipped profiles, by name.
const SHIPPED: [(&str, &str); 2] = [
    ("generic", include_str!("../../../../config/profiles/generic.toml")),
    ("openmetadata", include_str!("../../../../config/profiles/openmetadata.toml")),
];

/// What of `[migrations]` is for the profile's own runner alone.
const OF_RUNNER: [&str; 7] = ["runner", "locations", "command", "directory", "environment", "environment_file", "user"];

/// One profile.
#[derive(Debug)]
pub(super) struct Profile {
    table: Table,
    /// Whether it is the operator's alone: then every section in it is meant.
    own: bool,
}

impl Profile {
    fn text(&self, key: &str) -> Option<String> {
        self.table.get(key)?.clone().into_string().ok()
    }

    /// A profile's tool and `locations` are for its own runner: where another one was written for the target, only what was written with
    /// it counts.
    pub(super) fn without_what_others_run(mut self, target: &Table) -> Table {
        let runner = |table: &Table| -> Option<String> {
            let migrations = table.get("migrations")?.clone().into_table().ok()?;
            migrations.get("runner")?.clone().into_string().ok()
        };
        match (runner(target), runner(&self.table)) {
            (Some(written), Some(shipped)) if written != shipped => {}
            _ => return self.table,
        }
        if let Some(Ok(mut migrations)) = self.table.remove("migrations").map(Value::into_table) {
            OF_RUNNER.iter().for_each(|key| drop(migrations.remove(*key)));
            self.table.insert("migrations".to_owned(), Value::new(None, ValueKind::Table(migrations)));
        }
        self.table
    }
}

/// The optional sections that a target has: those written for it or in an operator's own profile, and what a product's profile knows of
/// migrations wherever there is a release.
pub(super) fn sections(chain: &[Profile], target: &Table) -> Vec<String> {
    let written = |section: &&str| {
        let own = |profile: &Profile| profile.own && profile.table.contains_key(*section);
        target.contains_key(*section) || chain.iter().any(own)
    };
    let mut wanted: Vec<String> =
        OPTIONAL_SECTIONS.iter().filter(|section| written(section)).map(|&name| name.to_owned()).collect();
    let of_product =
        chain.iter().any(|profile| profile.table.contains_key("product") && profile.table.contains_key("migrations"));
    if of_product && written(&"release") {
        wanted.push("migrations".to_owned());
    }
    wanted
}

/// The profiles below a target, lowest first, and the name of the one that it chose; none where there is no such profile, which is among
/// the problems then.
pub(super) fn chain(path: &Path, name: &str, target: &Table, problems: &Problems) -> Option<(String, Vec<Profile>)> {
    let written = |key: &str| target.get(key).cloned().and_then(|value| value.into_string().ok());
    let (key, chosen) = match (written("profile"), written("product")) {
        (Some(profile), _) => ("profile", profile),
        (None, Some(product)) => ("product", product),
        (None, None) => ("profile", "generic".to_owned()),
    };
    let mut chain = named(path, &chosen, problems)?;
    if chain.is_empty() && key == "product" {
        // No such product: that is told where the key is read.
        return Some(("generic".to_owned(), named(path, "generic", problems)?));
    }
    if chain.is_empty() {
        let own = own_names(path, problems)?;
        let known: Vec<&str> = SHIPPED.iter().map(|(profile, _)| *profile).chain(own.iter().map(String::as_str)).collect();
        let near = guess(&chosen, known.iter().copied());
        let what = format!("there is no profile `{chosen}`{near}; there are: {}", known.join(", "));
        problems.add(target.get(key).and_then(origin_of), &format!("targets.{name}.{key}"), what);
        return None;
    }
    let of_profile = chain.iter().rev().find_map(|profile| profile.text("product"));
    // What the target itself says of its product counts before its profile's word.
    if let Some(product) = written("product").or(of_profile).filter(|product| *product != chosen) {
        let mut below = named(path, &product, problems)?;
        below.append(&mut chain);
        chain = below;
    }
    Some((chosen, chain))
}

/// The profiles of a name, the shipped one first; none where there is none, nothing where one cannot be read.
fn named(path: &Path, name: &str, problems: &Problems) -> Option<Vec<Profile>> {
    let mut found = Vec::new();
    if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        found.push(Profile { table: parse(text, &format!("built-in profile {name}"), problems)?, own: false });
    }
    if own_names(path, problems)?.iter().any(|own| own == name) {
        let mut table = file(&path.with_file_name("profiles").join(format!("{name}.toml")), problems)?.0;
        table.remove("profile");
        // One of a shipped one's name only changes what that says.
        let own = found.is_empty();
        found.push(Profile { table, own });
    }
    Some(found)
}

/// The operator's own profiles, by name; nothing where they cannot be listed. Only what is listed is opened: a name in the configuration
/// is no path.
fn own_names(path: &Path, problems: &Problems) -> Option<Vec<String>> {
    let directory = path.with_file_name("profiles");
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(Vec::new()),
        Err(error) => {
            problems.add(Some(&directory.display().to_string()), "", format!("cannot list the directory: {error}"));
            return None;
        }
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned));
    let mut names: Vec<String> = names.collect();
    names.sort();
    Some(names)
}
