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
    let argv: Vec<String> = argv.iter().map(|word| filled(&moved(word, was, &release.path), scratch)).collect();
    let unmoved = unmoved(&target.database.location, &environment, &argv);
    if !unmoved.is_empty() {
        return Err(vec![format!(
            "its tool would still be told of the real database by {}: set that in {section} too",
            unmoved.join(", ")
        )]);
    }
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

/// The variables and words that still name the real database. A user of the same name is none.
fn unmoved(real: &Location, environment: &BTreeMap<String, String>, argv: &[String]) -> Vec<String> {
    let names = |value: &str| match real {
        Location::Sqlite { path } => value.contains(&*path.to_string_lossy()),
        Location::Postgres { database, .. } | Location::MySql { database, .. } => {
            let in_url = value.split_once("://").and_then(|(_, rest)| rest.split(['?', '#']).next()?.split('/').nth(1));
            value == database || in_url == Some(database) || value.contains(&format!("dbname={database}"))
        }
    };
    let variables = environment.iter().filter(|(name, value)| names(value) && !name.to_uppercase().contains("USER"));
    let words = argv.iter().filter(|word| names(word));
    variables.map(|(name, _)| format!("the variable {name}")).chain(words.map(|_| "a word of its command".to_owned())).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_still_names_the_real_database_is_found() {
        let real = Location::Postgres {
            host: "h".into(),
            port: 1,
            user: "notes".into(),
            database: "notes".into(),
            sslmode: "prefer".into(),
        };
        let found = |name: &str, value: &str| unmoved(&real, &BTreeMap::from([(name.to_owned(), value.to_owned())]), &[]).len();
        for (name, value, wanted) in [
            ("DB_NAME", "notes", 1),
            ("DATABASE_URL", "postgres://app:x@db/notes?sslmode=require", 1),
            ("JDBC_URL", "jdbc:postgresql://db:5432/notes", 1),
            ("CONNECTION", "host=db dbname=notes user=app", 1),
            ("DB_USER", "notes", 0),
            ("DATABASE_URL", "postgres://notes:x@db/notes__scratch", 0),
            ("APP_HOME", "/srv/notes/current", 0),
        ] {
            assert_eq!(found(name, value), wanted, "{name}={value}");
        }
        assert_eq!(unmoved(&real, &BTreeMap::new(), &["--database".to_owned(), "notes".to_owned()]).len(), 1);
    }
}
