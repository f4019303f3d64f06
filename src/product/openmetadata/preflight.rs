//! What makes a migration of OpenMetadata fail that can be seen beforehand: settings of the database server, and files of the release.
//!
//! Owns the questions and what their answers mean ([`of_mysql`], [`of_postgres`]: pure). Changes nothing. What the server does not say
//! is not told.

use std::collections::BTreeMap;
use std::path::Path;

use super::{conf, is_at_least};
use crate::config::{Database, Location, Runner, Target};
use crate::engine::{mysql, postgres};
use crate::process;
use crate::product::{Remark, Weight};
use crate::shape::compare;
use crate::text;
use crate::trust;
use crate::version::Version;

/// What the vendor asks for while migrations run, in bytes.
const SORT_BUFFER: u64 = 20 * 1024 * 1024;

/// A file of variables longer than this is none.
const ENVIRONMENT_BYTES: u64 = 1024 * 1024;

/// The tools, newest first: since 1.3, and before.
const TOOLS: [&str; 2] = ["bootstrap/openmetadata-ops.sh", "bootstrap/bootstrap_storage.sh"];

/// The first release that needs `pg_trgm`, and the first whose generated columns need `MD5()`.
const TRIGRAMS: &str = "1.11.0";
const DIGESTS: &str = "1.4.5";

/// The first MySQL in which `MD5()` is a component's, which no generated column may use.
const WITHOUT_MD5: &str = "9.7";

/// Questions to MySQL, by what [`of_mysql`] calls the answers.
const MYSQL: [(&str, &str); 7] = [
    ("version", "SELECT VERSION()"),
    ("md5", "SELECT MD5('a')"),
    ("charset", "SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = DATABASE()"),
    (
        "logs",
        "SELECT GROUP_CONCAT(table_name ORDER BY table_name) FROM information_schema.tables WHERE table_schema = DATABASE() \
         AND UPPER(table_name) IN ('SERVER_CHANGE_LOG', 'SERVER_MIGRATION_SQL_LOGS') AND table_collation NOT LIKE 'utf8mb4%'",
    ),
    (
        "workflows",
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND UPPER(table_name) LIKE 'ACT\\_%' \
         AND table_collation NOT LIKE 'utf8mb4%' HAVING COUNT(*) > 0",
    ),
    ("sort_buffer", "SELECT @@global.sort_buffer_size"),
    ("invisible_keys", "SELECT @@global.sql_generate_invisible_primary_key"),
];

/// Questions to PostgreSQL.
const POSTGRES: [(&str, &str); 5] = [
    ("encoding", "SHOW server_encoding"),
    ("work_mem", "SELECT (reset_val::bigint * 1024)::text FROM pg_catalog.pg_settings WHERE name = 'work_mem' AND unit = 'kB'"),
    (
        "not_installed",
        "SELECT string_agg(n, ' ' ORDER BY n) FROM (VALUES ('pg_trgm'), ('pgcrypto')) AS w (n) \
         WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = n)",
    ),
    (
        "not_available",
        "SELECT string_agg(n, ' ' ORDER BY n) FROM (VALUES ('pg_trgm'), ('pgcrypto')) AS w (n) \
         WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = n)",
    ),
    (
        "replicated",
        "SELECT string_agg(DISTINCT c.oid::pg_catalog.regclass::text, ', ') FROM pg_catalog.pg_publication_tables AS p \
         JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.schemaname JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = p.tablename \
         WHERE c.relreplident = 'n' OR (c.relreplident = 'd' AND NOT EXISTS \
         (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary))",
    ),
];

/// Looks at everything; what cannot be asked is left out.
pub async fn look(target: &Target, root: &Path, release: &Version) -> Vec<Remark> {
    let mut remarks = files(target, root);
    let names = |questions: &[(&'static str, &'static str)]| questions.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let asked = |questions: &[(&'static str, &'static str)]| questions.iter().map(|(_, sql)| *sql).collect::<Vec<_>>();
    match &target.database.location {
        Location::MySql { database, .. } => {
            if let Ok(told) = mysql::ask(&target.database, &asked(&MYSQL)).await {
                remarks.extend(of_mysql(&names(&MYSQL).into_iter().zip(told).collect(), database, release));
            }
        }
        Location::Postgres { .. } => {
            if let Ok(told) = postgres::ask(&target.database, &asked(&POSTGRES)).await {
                remarks.extend(of_postgres(&names(&POSTGRES).into_iter().zip(told).collect(), release));
            }
        }
        Location::Sqlite { .. } => remarks.push(Remark::new(
            Weight::Problem,
            "OpenMetadata has no database in a SQLite file",
            "name the server's database: `url` in `[targets.T.database]`",
        )),
    }
    remarks
}

/// Answers by name; none where the question failed, an empty text where there was no answer.
type Told = BTreeMap<&'static str, Option<String>>;

fn text_of<'a>(told: &'a Told, name: &str) -> Option<&'a str> {
    told.get(name)?.as_deref().filter(|text| !text.is_empty())
}

/// What MySQL's answers mean.
fn of_mysql(told: &Told, database: &str, release: &Version) -> Vec<Remark> {
    let mut found = Vec::new();
    let version = text_of(told, "version").unwrap_or_default();
    let name = format!("`{}`", database.replace('`', "``"));
    if version.to_lowercase().contains("mariadb") {
        found.push(Remark::new(
            Weight::Problem,
            "the server is MariaDB, which cannot load OpenMetadata's tables (they use `->>`)",
            "OpenMetadata needs MySQL 8.0 or PostgreSQL",
        ));
        return found;
    }
    let gone = told.get("md5").is_some_and(Option::is_none)
        || compare(version.split('-').next().unwrap_or_default(), WITHOUT_MD5).is_ge();
    if gone && !version.is_empty() && is_at_least(release.as_str(), DIGESTS) {
        found.push(Remark::new(
            Weight::Problem,
            format!("MySQL {version} has no MD5() for generated columns, and OpenMetadata's tables since {DIGESTS} have such columns"),
            "stay on MySQL 8.0 or 8.4: an archive cannot be restored on this server either",
        ));
    }
    if let Some(charset) = text_of(told, "charset").filter(|charset| *charset != "utf8mb4") {
        found.push(Remark::new(
            Weight::Problem,
            format!("the database's character set is {charset}: migrations whose statements hold other letters are logged as not done"),
            format!("as an administrator: ALTER DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci;"),
        ));
    }
    if let Some(tables) = text_of(told, "logs") {
        let alter =
            |table: &str| format!("ALTER TABLE {name}.`{table}` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci;");
        found.push(Remark::new(
            Weight::Problem,
            format!(
                "the history's character set is not utf8mb4 in {}: a release may say that migrations are pending forever",
                tables.replace(',', ", ")
            ),
            format!("with the server stopped: {}", tables.split(',').map(alter).collect::<Vec<_>>().join(" ")),
        ));
    }
    if let Some(tables) = text_of(told, "workflows") {
        found.push(Remark::new(
            Weight::Advice,
            format!(
                "{tables} tables of the workflow engine (ACT_…) are not in utf8mb4: what a release adds to them may not fit"
            ),
            "if a migration or the first start fails with error 3780, convert them to utf8mb4, all at once",
        ));
    }
    let sort = text_of(told, "sort_buffer").and_then(|bytes| bytes.parse::<u64>().ok());
    if sort.is_some_and(|bytes| bytes < SORT_BUFFER) {
        found.push(Remark::new(
            Weight::Advice,
            format!(
                "sort_buffer_size is {}, and the vendor asks for {SORT_BUFFER} while migrations run",
                sort.unwrap_or_default()
            ),
            format!("as an administrator, before the upgrade: SET GLOBAL sort_buffer_size = {SORT_BUFFER};"),
        ));
    }
    if text_of(told, "invisible_keys").is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("ON")) {
        found.push(Remark::new(
            Weight::Problem,
            "the server gives tables without a key an invisible one (my_row_id), and a later migration that adds their own fails",
            "as an administrator: SET PERSIST sql_generate_invisible_primary_key = OFF;",
        ));
    }
    found
}

/// What PostgreSQL's answers mean.
fn of_postgres(told: &Told, release: &Version) -> Vec<Remark> {
    let mut found = Vec::new();
    if let Some(encoding) = text_of(told, "encoding").filter(|encoding| *encoding != "UTF8") {
        found.push(Remark::new(
            Weight::Problem,
            format!("the database's encoding is {encoding}: what migrations write does not fit"),
            "make the database anew with ENCODING 'UTF8', and restore an archive into it",
        ));
    }
    let memory = text_of(told, "work_mem").and_then(|bytes| bytes.parse::<u64>().ok());
    if memory.is_some_and(|bytes| bytes < SORT_BUFFER) {
        found.push(Remark::new(
            Weight::Advice,
            format!("work_mem is {} kB, and the vendor asks for 20 MB while migrations run", memory.unwrap_or_default() / 1024),
            "as an administrator, where OpenMetadata's role has no more of its own: ALTER DATABASE NAME SET work_mem = '20MB';",
        ));
    }
    let listed = |name: &str| text_of(told, name).unwrap_or_default().split(' ').map(str::to_owned).collect::<Vec<_>>();
    let missing = listed("not_available");
    let needed = |name: &&str| *name == "pgcrypto" || is_at_least(release.as_str(), TRIGRAMS);
    for name in ["pg_trgm", "pgcrypto"].iter().filter(|name| needed(name)) {
        if missing.iter().any(|missing| missing == name) {
            found.push(Remark::new(
                Weight::Problem,
                format!("the extension {name} is not installed on the database server, and release {release} needs it"),
                "install it there: on Debian it is in `postgresql`, elsewhere in `postgresql-contrib`",
            ));
        } else if listed("not_installed").iter().any(|missing| missing == name) {
            found.push(Remark::new(
                Weight::Advice,
                format!("the database does not have the extension {name}, which migrations create where their role may"),
                format!("as an administrator, in the database: CREATE EXTENSION {name};"),
            ));
        }
    }
    if let Some(tables) = text_of(told, "replicated") {
        let tables = text::line(tables);
        found.push(Remark::new(
            Weight::Problem,
            format!("a publication holds tables without a replica identity, in which a migration can change no row: {tables}"),
            "as an administrator, for each: ALTER TABLE … REPLICA IDENTITY FULL; or take them out of the publication",
        ));
    }
    found
}

/// What of the release's own files is missing or meant for another database.
fn files(target: &Target, root: &Path) -> Vec<Remark> {
    let mut found = Vec::new();
    if !TOOLS.iter().any(|tool| root.join(tool).exists()) {
        found.push(Remark::new(
            Weight::Problem,
            format!("the release has neither {} nor {}", TOOLS[0], TOOLS[1]),
            "unpack the release whole",
        ));
    }
    let other = match conf::database(root, &variables(target)) {
        Ok(url) => other_database(&url, &target.database),
        Err(why) => Some((Weight::Advice, format!("cannot determine which database the server uses: {why}"))),
    };
    found.extend(other.map(|(weight, what)| Remark::new(weight, what, SAME)));
    found
}

/// What is done about a configuration that names another database, or none that can be told.
const SAME: &str = "give the migration what the server gets (`environment_file` or `environment` in `[targets.T.migrations]`), or correct `url` \
                    in `[targets.T.database]` or the release's configuration: else one database is archived and another one migrated";

/// Why the vendor's tool would migrate another database than the one that is archived, if it would.
pub(super) fn blocked_elsewhere(url: &str, ours: &Database) -> Option<String> {
    let (weight, what) = other_database(url, ours)?;
    (weight == Weight::Problem).then(|| format!("{what}; {SAME}"))
}

/// The same of a target whose migrations the vendor's tool applies: only it gets the variables that we know.
#[must_use]
pub fn elsewhere(target: &Target, root: &Path) -> Option<String> {
    let runner = target.migrations.as_ref().map(|settings| &settings.runner);
    let url = conf::database(root, &variables(target)).ok().filter(|_| matches!(runner, Some(Runner::Command { .. })))?;
    blocked_elsewhere(&url, &target.database)
}

/// Whether the release's configuration, with the variables that the migration gets, names the target's database.
///
/// # Errors
/// When it names another, or none that is understood; in words.
pub fn points(target: &Target, root: &Path) -> Result<(), String> {
    let url = conf::database(root, &variables(target))?;
    match other_database(&url, &target.database) {
        None => Ok(()),
        Some((_, what)) => Err(format!("{what}: the variables for a rehearsal do not reach it")),
    }
}

/// The variables that the migration gets.
#[must_use]
pub fn variables(target: &Target) -> BTreeMap<String, String> {
    let Some(Runner::Command { environment, environment_file, .. }) =
        target.migrations.as_ref().map(|settings| &settings.runner)
    else {
        return BTreeMap::new();
    };
    let mut all = environment.clone();
    let text = environment_file.as_ref().and_then(|file| trust::read_to_string(file, ENVIRONMENT_BYTES).ok());
    all.extend(text.map(|text| process::environment_file(&text)).unwrap_or_default());
    all
}

/// A migration of one database behind the archive of another would be the worst of all. Two names of hosts may mean one; a name of this
/// host and one of another do not.
fn other_database(url: &str, ours: &Database) -> Option<(Weight, String)> {
    let theirs = match crate::config::load::parse_url(&with_user(url), &BTreeMap::new()) {
        Ok(database) => database.location,
        Err(error) => return Some((Weight::Advice, format!("cannot determine which database the server uses: {error}"))),
    };
    let named = |location: &Location| match location {
        Location::Sqlite { path } => ("sqlite", path.display().to_string(), String::new(), None),
        Location::Postgres { database, host, port, .. } => ("postgres", database.clone(), host.to_lowercase(), Some(*port)),
        Location::MySql { database, host, port, .. } => ("mysql", database.clone(), host.to_lowercase(), Some(*port)),
    };
    let (their_engine, their_name, their_host, their_port) = named(&theirs);
    let (engine, name, host, port) = named(&ours.location);
    let socket = host.starts_with('/') || their_host.starts_with('/');
    let apart = engine != their_engine
        || name != their_name
        || (!socket && port != their_port)
        || (is_here(&host) != is_here(&their_host));
    let (theirs, ours) = (text::line(&theirs.to_string()).into_owned(), &ours.location);
    if apart {
        let what = format!("conf/openmetadata.yaml of the release names the database {theirs}, and upkeep archives {ours}");
        return Some((Weight::Problem, what));
    }
    let unlike = !is_here(&host) && host != their_host;
    unlike.then(|| {
        (
            Weight::Advice,
            format!(
                "conf/openmetadata.yaml of the release names the host of {theirs}, and upkeep that of {ours}: are they one?"
            ),
        )
    })
}

/// A URL of which only the place counts: a user that is not written in the configuration is no matter here.
fn with_user(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) if !rest.split('/').next().unwrap_or_default().contains('@') => format!("{scheme}://any@{rest}"),
        _ => url.to_owned(),
    }
}

/// Whether a host's name, address or socket is of this host.
fn is_here(host: &str) -> bool {
    let own = rustix::system::uname();
    let own = own.nodename().to_string_lossy().to_lowercase();
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let numbers = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    match numbers {
        Ok(address) => address.is_loopback(),
        Err(_) => host.starts_with('/') || host == "localhost" || (!own.is_empty() && short(host) == short(&own)),
    }
}

#[cfg(test)]
mod tests;
