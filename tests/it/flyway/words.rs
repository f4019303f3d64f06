//! The settings of a scenario in each tool's words.

use std::collections::BTreeMap;
use std::path::Path;

use upkeep::config::Migrations;

use super::ground::Base;
use super::scenario::Act;
use crate::support::flyway::Settings;

/// Flyway's settings for this moment.
pub(super) fn told(base: &Base, root: &Path, settings: &Migrations, set: &BTreeMap<String, String>) -> Settings {
    let mut told = base.jdbc.clone();
    told.push(("locations".to_owned(), format!("filesystem:{}", root.join("sql").display())));
    told.push(("ignoreMigrationPatterns".to_owned(), settings.ignore_patterns.join(",")));
    // Its default lock is an open transaction, for the end of which `CREATE INDEX CONCURRENTLY` waits for ever.
    told.push(("postgresql.transactional.lock".to_owned(), "false".to_owned()));
    told.extend(
        set.iter().filter(|(key, _)| *key != "ignoreMigrationPatterns").map(|(key, value)| (key.clone(), value.clone())),
    );
    told
}

pub(super) fn with_argument(theirs: &Settings, act: &Act) -> Settings {
    let mut theirs = theirs.clone();
    if act.verb == "baseline" && !act.argument.is_empty() {
        theirs.push(("baselineVersion".to_owned(), act.argument.clone()));
    }
    theirs
}

/// Flyway's setting in upkeep's words.
pub(super) fn set(settings: &mut Migrations, key: &str, value: &str) {
    match key {
        "table" => settings.table = value.to_owned(),
        "defaultSchema" => settings.schema = value.to_owned(),
        "sqlMigrationPrefix" => settings.prefix = value.to_owned(),
        "repeatableSqlMigrationPrefix" => settings.repeatable_prefix = value.to_owned(),
        "sqlMigrationSeparator" => settings.separator = value.to_owned(),
        "sqlMigrationSuffixes" => settings.suffixes = value.split(',').map(str::to_owned).collect(),
        "placeholderReplacement" => settings.placeholder_replacement = value == "true",
        "outOfOrder" => settings.out_of_order = value == "true",
        "mixed" => settings.mixed = value == "true",
        "baselineOnMigrate" => settings.baseline_on_migrate = (value == "true").then(|| "1".to_owned()),
        "baselineVersion" => settings.baseline_on_migrate = settings.baseline_on_migrate.as_ref().map(|_| value.to_owned()),
        "target" => settings.target = (value != "latest").then(|| value.to_owned()),
        "encoding" => settings.encoding = value.to_owned(),
        "ignoreMigrationPatterns" => {
            settings.ignore_patterns = value.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect();
        }
        other => match other.strip_prefix("placeholders.") {
            Some(name) => drop(settings.placeholders.insert(name.to_owned(), value.to_owned())),
            None => panic!("setting {other} has no counterpart"),
        },
    }
}
