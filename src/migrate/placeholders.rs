//! `${name}` in scripts: replaced everywhere, comments and strings included, before the script is read as SQL.
//!
//! Owns the names and their values for one script. Names compare without case; an unknown name is an error, as in Flyway,
//! because a script sent with a literal `${…}` would do something nobody wrote. Pure.

use std::collections::BTreeMap;

use crate::config::Migrations;

const OPEN: &str = "${";
const CLOSE: char = '}';

/// Names a real Flyway gives a value that we do not: they differ at every run or on every host.
const UNSTABLE: &[&str] = &["flyway:timestamp", "flyway:workingdirectory"];

/// Values by lower-cased name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placeholders {
    values: BTreeMap<String, String>,
    /// Whether they are replaced where a script's companion says nothing.
    on: bool,
}

/// What the database itself says, for the `flyway:` placeholders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connected {
    /// The schema the scripts run in.
    pub(crate) schema: String,
    /// The user connected.
    pub(crate) user: String,
    /// The database's name; a file has none, as for Flyway.
    pub(crate) database: Option<String>,
}

/// What cannot be replaced, where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreplaced {
    /// The placeholder's name.
    pub(crate) name: String,
    /// The line it stands in, from 1.
    pub(crate) line: usize,
    /// Why.
    pub(crate) why: &'static str,
}

impl Placeholders {
    /// The configured values and the built-in ones.
    #[must_use]
    pub(crate) fn new(settings: &Migrations, connected: &Connected) -> Self {
        let built_in = [
            ("flyway:defaultschema", Some(connected.schema.as_str())),
            ("flyway:user", Some(connected.user.as_str())),
            ("flyway:database", connected.database.as_deref()),
            ("flyway:table", Some(settings.table.as_str())),
            ("flyway:environment", Some("default")),
        ];
        let built_in = built_in.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        let own = settings.placeholders.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
        Self { values: built_in.chain(own).collect(), on: settings.placeholder_replacement }
    }

    /// The text with every placeholder replaced, or as it is with replacement off; `own` is what the script's companion says
    /// of that. `file` is the script's file name, for `${flyway:filename}`.
    ///
    /// # Errors
    /// At the first name without a value, or without an end.
    pub(crate) fn replace(&self, text: &str, file: &str, own: Option<bool>) -> Result<String, Unreplaced> {
        if !own.unwrap_or(self.on) {
            return Ok(text.to_owned());
        }
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPEN) {
            replaced.push_str(before);
            let at = text.len() - after.len();
            let unreplaced =
                |name: &str, why| Unreplaced { name: name.chars().take(80).collect(), line: line_of(text, at), why };
            let Some((name, following)) = after.split_once(CLOSE) else {
                return Err(unreplaced(after.lines().next().unwrap_or_default(), "it has no closing brace"));
            };
            let key = name.to_lowercase();
            match self.values.get(&key) {
                Some(value) => replaced.push_str(value),
                None if key == "flyway:filename" => replaced.push_str(file),
                None if UNSTABLE.contains(&key.as_str()) => {
                    return Err(unreplaced(name, "its value differs from run to run; use SQL's own `now()`"));
                }
                None => return Err(unreplaced(name, "it has no value")),
            }
            rest = following;
        }
        replaced.push_str(rest);
        Ok(replaced)
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

#[cfg(test)]
mod tests;
