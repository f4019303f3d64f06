//! What of a target's configuration goes along with its archives: enough to set a new host up, and no secret.
//!
//! Made of the checked types, key by key: what is not named here is not in it, whatever it is called. Never a password, a command, an environment, a
//! placeholder or an address with a token in it. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Definers, Offsite, OffsiteKind, Target};
use crate::ids::PlaceName;

/// What it says at its head.
const HEAD: &str = "# What upkeep was told of this target, without passwords, commands and addresses that may hold a token: those are on the host it came from.\n";

impl Target {
    /// Its configuration as TOML, with the places that its archives are copied to.
    #[must_use]
    pub fn handed_on(&self, places: &BTreeMap<PlaceName, Offsite>) -> String {
        let mut target = toml::Table::new();
        put(&mut target, "profile", self.profile.as_str());
        put(&mut target, "database", self.database_keys());
        put(&mut target, "backup", self.backup_keys());
        put(&mut target, "retention", self.retention_keys());
        let to: Vec<toml::Value> = self.offsite.to.iter().map(|place| place.as_str().into()).collect();
        if !to.is_empty() {
            put(&mut target, "offsite", one("to", to));
        }
        if let Some(release) = &self.release {
            put(&mut target, "release", one("path", shown(&release.path)));
        }
        let mut all = toml::Table::new();
        let used = self.offsite.to.iter().filter_map(|name| places.get(name));
        let used: toml::Table = used.map(|place| (place.name.to_string(), place_keys(place).into())).collect();
        if !used.is_empty() {
            put(&mut all, "offsite", used);
        }
        put(&mut all, "targets", one(self.name.as_str(), target));
        // A table of texts, numbers and tables always has a form in TOML.
        format!("{HEAD}{}", toml::to_string_pretty(&all).unwrap_or_default())
    }

    fn database_keys(&self) -> toml::Table {
        let mut keys = one("url", self.database.url());
        let bins: Vec<toml::Value> = self.database.client_bindir.iter().map(|path| shown(path).into()).collect();
        if !bins.is_empty() {
            put(&mut keys, "client_bindir", bins);
        }
        match &self.database.definers {
            Definers::Keep => {}
            Definers::Strip => put(&mut keys, "definers", "strip"),
            Definers::Rewrite { user, host } => put(&mut keys, "definers", format!("{user}@{host}")),
        }
        keys
    }

    fn backup_keys(&self) -> toml::Table {
        let backup = &self.backup;
        let mut keys = one("directory", shown(&backup.directory));
        if let Some(schedule) = &backup.schedule {
            put(&mut keys, "schedule", schedule.expression());
            put(&mut keys, "timezone", schedule.zone().name());
        }
        put(&mut keys, "level", i64::from(backup.level));
        let lists = [
            ("without_rows", backup.without_rows.iter().map(ToString::to_string).collect::<Vec<_>>()),
            ("files", backup.files.iter().map(|path| shown(path)).collect()),
        ];
        for (key, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            put(&mut keys, key, list.into_iter().map(toml::Value::from).collect::<Vec<_>>());
        }
        keys
    }

    fn retention_keys(&self) -> toml::Table {
        let policy = &self.retention;
        let numbers = [
            ("keep_last", policy.keep_last),
            ("keep_hourly", policy.keep_hourly),
            ("keep_daily", policy.keep_daily),
            ("keep_weekly", policy.keep_weekly),
            ("keep_monthly", policy.keep_monthly),
            ("keep_yearly", policy.keep_yearly),
            ("keep_per_version", policy.keep_per_version),
            ("minimum", policy.minimum),
        ];
        numbers.into_iter().map(|(key, number)| (key.to_owned(), i64::from(number).into())).collect()
    }
}

fn place_keys(place: &Offsite) -> toml::Table {
    let mut keys = match &place.kind {
        OffsiteKind::Directory { path, allow_same_device } => {
            let mut keys = one("kind", "directory");
            put(&mut keys, "path", shown(path));
            if *allow_same_device {
                put(&mut keys, "allow_same_device", true);
            }
            keys
        }
        OffsiteKind::Bucket(bucket) => {
            let mut keys = one("url", bucket.to_string());
            put(&mut keys, "region", bucket.region.as_str());
            if let Some(endpoint) = &bucket.endpoint {
                put(&mut keys, "endpoint", endpoint.as_str());
            }
            keys
        }
        OffsiteKind::Sftp(sftp) => {
            let mut keys = one("url", sftp.to_string());
            put(&mut keys, "host_key", sftp.host_key.as_str());
            keys
        }
    };
    put(&mut keys, "owner", place.owner.as_str());
    let recipients: Vec<toml::Value> = place.encrypt_to.iter().map(|recipient| recipient.to_string().into()).collect();
    if !recipients.is_empty() {
        put(&mut keys, "encrypt_to", recipients);
    }
    keys
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn put(table: &mut toml::Table, key: &str, value: impl Into<toml::Value>) {
    table.insert(key.to_owned(), value.into());
}

fn one(key: &str, value: impl Into<toml::Value>) -> toml::Table {
    let mut table = toml::Table::new();
    put(&mut table, key, value);
    table
}
