//! Where a rehearsal's migrations go: the target's settings with a scratch in the place of its database, or why that cannot be had.
//!
//! Owns the refusal of everything that might reach the real database. Pure but for the files of variables that the vendor's tool gets.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{Database, Location, Product, Runner, Target};
use crate::process;
use crate::product;
use crate::release::Installed;
use crate::service::tool;
use crate::trust;

/// A file of variables longer than this is none.
const ENVIRONMENT_BYTES: u64 = 1024 * 1024;

/// How long a command may take that is configured for rehearsals alone.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(6 * 3600);

/// The target with a scratch in the place of its database, whose migrations go there.
///
/// # Errors
/// Every reason why they might go elsewhere.
pub(super) fn at(target: &Target, scratch: &Database, release: &Installed) -> Result<Target, Vec<String>> {
    let section = format!("[targets.{}.rehearse]", target.name);
    let Some(migrations) = &target.migrations else {
        return Err(vec!["no migrations are configured for it, so there is nothing to try".to_owned()]);
    };
    let (argv, environment, file, directory, deadline) = match (&target.rehearse.command, &migrations.runner) {
        (None, Runner::Flyway) => return Ok(with(target, scratch, Runner::Flyway)),
        (None, Runner::OnStart) => {
            return Err(vec![format!(
                "its server migrates the database at its start, and what a second server would do beside the first is not known here: give `command` in \
                 {section} what brings the database `{{database}}` in step and ends"
            )]);
        }
        (None, Runner::Command { .. }) if tool::unit_here(target).is_some() => {
            return Err(vec![format!(
                "its tool runs as another user in a unit of systemd, whose variables are written by root: give `command` in {section} what the \
                 daemon's own user may run"
            )]);
        }
        (None, Runner::Command { argv, directory, environment, environment_file, deadline, .. }) => {
            (argv, environment.clone(), environment_file.clone(), directory.clone(), *deadline)
        }
        (Some(argv), _) => (argv, BTreeMap::new(), None, None, DEADLINE),
    };
    let mut environment = environment;
    if let Some(file) = &file {
        let text = trust::read_to_string(file, ENVIRONMENT_BYTES);
        let text = text.map_err(|error| vec![format!("cannot read the tool's variables in {}: {error}", file.display())])?;
        environment.extend(process::environment_file(&text));
    }
    let pointing = match (target.rehearse.environment.is_empty(), target.product) {
        (true, Some(Product::OpenMetadata)) => product::openmetadata::pointing(by_socket(&scratch.location)),
        _ => target.rehearse.environment.clone(),
    };
    let says_which = |word: &String| ["{database}", "{path}"].iter().any(|which| word.contains(which));
    if !pointing.values().any(says_which) && !target.rehearse.command.iter().flatten().any(says_which) {
        return Err(vec![format!(
            "nothing says how its tool is pointed to another database: name the variables that it goes by, \
             `environment = {{ DB_NAME = \"{{database}}\" }}` in {section}"
        )]);
    }
    environment.extend(pointing.into_iter().map(|(name, value)| (name, filled(&value, scratch))));
    let was = target.release.as_ref().map(|release| release.path.as_path());
    let argv = argv.iter().map(|word| filled(&moved(word, was, &release.path), scratch)).collect();
    let directory = directory.map(|directory| moved(&directory.to_string_lossy(), was, &release.path).into());
    let runner = Runner::Command { argv, directory, environment, environment_file: None, deadline, user: None };
    let aimed = with(target, scratch, runner);
    if let Some(product) = target.product {
        product::points(product, &aimed, &release.path).map_err(|why| vec![why])?;
    }
    Ok(aimed)
}

fn by_socket(location: &Location) -> bool {
    matches!(location, Location::Postgres { host, .. } | Location::MySql { host, .. } if host.starts_with('/'))
}

fn with(target: &Target, scratch: &Database, runner: Runner) -> Target {
    let mut aimed = Target { database: scratch.clone(), ..target.clone() };
    if let Some(migrations) = &mut aimed.migrations {
        migrations.runner = runner;
        // On these servers a schema is a database, and this one would be the real one.
        if matches!(scratch.location, Location::MySql { .. }) {
            migrations.schema = String::new();
        }
    }
    aimed
}

/// A path in the installed release as one in that which is rehearsed.
fn moved(word: &str, from: Option<&Path>, to: &Path) -> String {
    let below = from.and_then(|from| Path::new(word).strip_prefix(from).ok());
    below.map_or_else(|| word.to_owned(), |below| to.join(below).display().to_string().trim_end_matches('/').to_owned())
}

fn filled(text: &str, scratch: &Database) -> String {
    let password = scratch.password.as_ref().map(|password| password.reveal().to_owned()).unwrap_or_default();
    let (host, port, user, database, path) = match &scratch.location {
        Location::Sqlite { path } => (String::new(), String::new(), String::new(), String::new(), path.display().to_string()),
        Location::Postgres { host, port, user, database, .. } | Location::MySql { host, port, user, database, .. } => {
            (host.clone(), port.to_string(), user.clone(), database.clone(), String::new())
        }
    };
    let words = [
        ("{host}", host),
        ("{port}", port),
        ("{user}", user),
        ("{database}", database),
        ("{path}", path),
        // The last: what stands in a password is no word of ours.
        ("{password}", password),
    ];
    words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
}

/// What in a statement reaches beyond the database it runs in, on a server of this kind; `real` is the name of the database that is not to be touched.
pub(super) fn beyond(location: &Location, real: &str, sql: &str) -> Option<String> {
    let words: Vec<String> = sql
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .take(3)
        .map(str::to_uppercase)
        .collect();
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let (first, second) = (word(0), if word(1) == "OR" { word(2) } else { word(1) });
    let makes = ["CREATE", "ALTER", "DROP", "RENAME"].contains(&first);
    let lower = sql.to_lowercase();
    let found = match location {
        // The runner refuses by itself what leaves a file.
        Location::Sqlite { .. } => false,
        Location::Postgres { .. } => {
            (makes && ["DATABASE", "ROLE", "USER", "GROUP", "TABLESPACE", "SYSTEM"].contains(&second))
                || first == "REASSIGN"
                || (["GRANT", "REVOKE"].contains(&first) && !lower.split_whitespace().any(|word| word == "on"))
                || ["dblink", "postgres_fdw"].iter().any(|way| lower.contains(way))
        }
        Location::MySql { .. } => {
            let server = ["DATABASE", "SCHEMA", "USER", "ROLE", "SERVER", "TABLESPACE", "INSTANCE", "LOGFILE", "RESOURCE"];
            let always = [
                "USE",
                "GRANT",
                "REVOKE",
                "FLUSH",
                "INSTALL",
                "UNINSTALL",
                "RESET",
                "PURGE",
                "KILL",
                "SHUTDOWN",
                "CHANGE",
                "STOP",
            ];
            (makes && server.contains(&second))
                || always.contains(&first)
                || (first == "SET"
                    && (["GLOBAL", "PERSIST", "PASSWORD", "ROLE", "DEFAULT"].contains(&second)
                        || lower.contains("@@global")
                        || lower.contains("@@persist")))
                || names(&lower, &real.to_lowercase())
        }
    };
    found.then(|| sql.split_whitespace().take(6).collect::<Vec<_>>().join(" "))
}

/// Whether a text names something of a database, in quotes or without.
fn names(sql: &str, database: &str) -> bool {
    let is_of_a_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    sql.match_indices(database).any(|(at, _)| {
        let before = sql[..at].chars().next_back().is_some_and(is_of_a_name);
        let behind = sql[at + database.len()..].trim_start_matches('`').trim_start();
        !before && behind.starts_with('.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_beyond_its_database_is_found_and_what_does_not_is_let_be() {
        let mysql =
            Location::MySql { host: "h".into(), port: 1, user: "u".into(), database: "s".into(), ssl_mode: "PREFERRED".into() };
        let postgres =
            Location::Postgres { host: "h".into(), port: 1, user: "u".into(), database: "s".into(), sslmode: "prefer".into() };
        for (location, sql, found) in [
            (&mysql, "USE notes", true),
            (&mysql, "INSERT INTO notes.note VALUES (1)", true),
            (&mysql, "INSERT INTO `notes` . `note` VALUES (1)", true),
            (&mysql, "DELETE n FROM Notes.note n", true),
            (&mysql, "SET GLOBAL max_connections = 1", true),
            (&mysql, "SET @@global.max_connections = 1", true),
            (&mysql, "CREATE USER a", true),
            (&mysql, "DROP SCHEMA notes", true),
            (&mysql, "GRANT SELECT ON x TO a", true),
            (&mysql, "INSERT INTO note VALUES ('my notes, all')", false),
            (&mysql, "CREATE TABLE notes (a int)", false),
            (&mysql, "SET @a = 1", false),
            (&mysql, "ALTER TABLE note ADD COLUMN use_it int", false),
            (&postgres, "ALTER DATABASE notes SET work_mem = 1", true),
            (&postgres, "ALTER SYSTEM SET work_mem = 1", true),
            (&postgres, "CREATE ROLE a", true),
            (&postgres, "GRANT boss TO a", true),
            (&postgres, "GRANT SELECT ON note TO a", false),
            (&postgres, "CREATE EXTENSION dblink", true),
            (&postgres, "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", false),
            (&postgres, "CREATE TABLE notes.note (a int)", false),
        ] {
            assert_eq!(beyond(location, "notes", sql).is_some(), found, "{sql}");
        }
    }

    #[test]
    fn words_are_filled_with_where_the_scratch_is_and_a_password_with_words_stays_as_it_is() {
        let location = Location::Postgres {
            host: "h".into(),
            port: 5432,
            user: "u".into(),
            database: "s".into(),
            sslmode: "prefer".into(),
        };
        let mut scratch = Database::at(location);
        scratch.password = Some(crate::config::Secret::new("{database}".into()));
        assert_eq!(filled("{user}:{password}@{host}:{port}/{database}", &scratch), "u:{database}@h:5432/s");
        let from = Path::new("/srv/app/current");
        assert_eq!(moved("/srv/app/current/bin/m", Some(from), Path::new("/srv/app/2.0")), "/srv/app/2.0/bin/m");
        assert_eq!(moved("bash", Some(from), Path::new("/srv/app/2.0")), "bash");
    }
}
