//! What a file's name makes it, by Flyway's rules: a migration, a callback, a companion, or none of Flyway's business.
//!
//! Owns prefixes, separators and suffixes. Pure; never opens a file. Invariant: a file Flyway would run as a migration is one
//! here, with the same version and description, and no other file is. Held by the table in `naming/tests.rs`.

use super::version::{MigrationVersion, NotAMigrationVersion};
use crate::config::Migrations;

/// Flyway's `baselineMigrationPrefix`.
const BASELINE_PREFIX: &str = "B";
/// Flyway's `undoSqlMigrationPrefix`. Applying never looks at such files; `undo` runs them.
const UNDO_PREFIX: &str = "U";
/// What makes a script's companion of the script's own name.
const COMPANION_SUFFIX: &str = ".conf";

/// Every event a callback can be named after.
const EVENTS: &[&str] = &[
    "afterBaseline",
    "afterBaselineError",
    "afterBaselineOperationFinish",
    "afterClean",
    "afterCleanError",
    "afterCleanOperationFinish",
    "afterConnect",
    "afterEachMigrate",
    "afterEachMigrateError",
    "afterEachMigrateStatement",
    "afterEachMigrateStatementError",
    "afterEachUndo",
    "afterEachUndoError",
    "afterEachUndoStatement",
    "afterEachUndoStatementError",
    "afterInfo",
    "afterInfoError",
    "afterInfoOperationFinish",
    "afterMigrate",
    "afterMigrateApplied",
    "afterMigrateError",
    "afterMigrateOperationFinish",
    "afterRepair",
    "afterRepairError",
    "afterRepairOperationFinish",
    "afterUndo",
    "afterUndoError",
    "afterUndoOperationFinish",
    "afterValidate",
    "afterValidateError",
    "afterValidateOperationFinish",
    "afterVersioned",
    "beforeBaseline",
    "beforeClean",
    "beforeConnect",
    "beforeCreateSchema",
    "beforeEachMigrate",
    "beforeEachMigrateStatement",
    "beforeEachUndo",
    "beforeEachUndoStatement",
    "beforeInfo",
    "beforeMigrate",
    "beforeRepair",
    "beforeRepeatables",
    "beforeUndo",
    "beforeValidate",
    "beforeVersioned",
    "createSchema",
];

/// What a migration script is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Runs once, in the order of versions (`V`).
    Versioned,
    /// Stands for every version up to its own on an empty history (`B`).
    Baseline,
    /// Runs again whenever its text changed, after the others (`R`).
    Repeatable,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A migration.
    Migration {
        /// Its kind.
        kind: Kind,
        /// Its version; none exactly for repeatable ones.
        version: Option<MigrationVersion>,
        /// What the history table's `description` column says.
        description: String,
    },
    /// SQL that Flyway runs at an event.
    Callback {
        /// The event.
        event: &'static str,
        /// What stands behind it; several of one event run in the order of their descriptions.
        description: String,
    },
    /// What takes the migration of its version back.
    Undo {
        /// The version.
        version: MigrationVersion,
        /// Its description.
        description: String,
    },
    /// Settings for the script of the same name without `.conf`.
    Companion,
    /// Nothing that Flyway would run, and why.
    Other {
        /// One clause (`no version after the prefix`).
        why: &'static str,
    },
}

#[derive(Clone, Copy)]
enum Role {
    Script(Kind),
    Undo,
    Event(&'static str),
}

/// Reads a file name (without its directory).
///
/// # Errors
/// When the name is a migration's but for a version that is not one. Flyway stops there too.
pub fn parse(file: &str, settings: &Migrations) -> Result<Name, NotAMigrationVersion> {
    if let Some(script) = file.strip_suffix(COMPANION_SUFFIX) {
        let companion =
            matches!(parse(script, settings), Ok(Name::Migration { .. } | Name::Callback { .. } | Name::Undo { .. }));
        return Ok(if companion { Name::Companion } else { Name::Other { why: "not named as a migration" } });
    }
    let Some((stem, role, prefix)) = strip(file, settings) else {
        return Ok(Name::Other { why: "not named as a migration" });
    };
    let inner = stem.get(prefix.len()..).unwrap_or_default();
    let (left, right) = inner.split_once(settings.separator.as_str()).unwrap_or((inner, ""));
    // Every underscore, without trimming: `V1__a__b.sql` is described as `a  b`.
    let description = right.replace('_', " ");
    Ok(match role {
        Role::Undo if left.is_empty() => Name::Other { why: "no version after the prefix" },
        Role::Undo => Name::Undo { version: MigrationVersion::parse(left)?, description },
        Role::Event(event) if left.is_empty() => Name::Callback { event, description },
        Role::Script(Kind::Repeatable) if left.is_empty() => {
            Name::Migration { kind: Kind::Repeatable, version: None, description }
        }
        Role::Event(_) | Role::Script(Kind::Repeatable) => Name::Other { why: "something between prefix and separator" },
        Role::Script(_) if left.is_empty() => Name::Other { why: "no version after the prefix" },
        Role::Script(kind) => Name::Migration { kind, version: Some(MigrationVersion::parse(left)?), description },
    })
}

/// The name without its suffix, and the longest prefix that fits it. Prefixes are case-sensitive, suffixes are not.
fn strip<'a>(file: &'a str, settings: &'a Migrations) -> Option<(&'a str, Role, &'a str)> {
    let tail = |suffix: &str| file.len().checked_sub(suffix.len()).and_then(|at| file.split_at_checked(at));
    let fits = |suffix: &&String| tail(suffix).is_some_and(|(_, end)| end.eq_ignore_ascii_case(suffix));
    let suffix = settings.suffixes.iter().find(fits)?;
    let (stem, _) = tail(suffix)?;
    let scripts = [
        (settings.prefix.as_str(), Role::Script(Kind::Versioned)),
        (settings.repeatable_prefix.as_str(), Role::Script(Kind::Repeatable)),
        (BASELINE_PREFIX, Role::Script(Kind::Baseline)),
        (UNDO_PREFIX, Role::Undo),
    ];
    let events = EVENTS.iter().map(|&event| (event, Role::Event(event)));
    let mut roles: Vec<(&str, Role)> = scripts.into_iter().chain(events).collect();
    // Stable: of equally long prefixes the configured ones come first.
    roles.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    // An event's name alone is a whole name (`afterMigrate.sql`); a prefix alone (`V.sql`) is not.
    let whole = |prefix: &str, role: Role| stem.len() > prefix.len() || matches!(role, Role::Event(_));
    let (prefix, role) = roles.into_iter().find(|(prefix, role)| stem.starts_with(prefix) && whole(prefix, *role))?;
    Some((stem, role, prefix))
}

#[cfg(test)]
mod tests;
