//! What a database server holds, for somebody who wants to choose: its databases with their sizes, and how its accounts may log in.
//!
//! Owns the questions and the reading of their answers. The vendor's own client asks them, without a password and as a user of the host
//! whom the server lets in for who that is, so that nothing has to be configured before. Changes nothing, and logs in to nothing as root.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process::{Command, Finished, ProcessError, User};

/// How long a server may take for all of it.
const DEADLINE: Duration = Duration::from_secs(20);

/// So many databases are listed, the largest first; all of them would be no list to choose from.
pub const MOST: usize = 100;

/// Longer than any version is.
const LONGEST_VERSION: usize = 64;

/// The version in what answers at a socket (`11.8.3-MariaDB-0+deb13u1 from Debian`: its first word); none where that is no version, for whoever listens
/// there decides what it says.
#[must_use]
pub fn version_in(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".+~_-".contains(&byte);
    (word.len() <= LONGEST_VERSION && word.bytes().all(plain)).then(|| word.to_owned())
}

/// What a server holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Census {
    /// As the server says it (`15.14`, `10.11.14-MariaDB`).
    pub version: String,
    /// PostgreSQL's as a number (`150014`).
    pub number: u32,
    /// Since when it runs: with its port what tells two of its sockets from two servers.
    pub since: String,
    /// What may be archived, the largest first.
    pub databases: Vec<Held>,
    /// How accounts log in at the socket: PostgreSQL's method for all accounts (`peer`), the plugin of MySQL and MariaDB that knows the host's users
    /// (`auth_socket`). None where that was not shown, or there is none.
    pub local: Option<String>,
    /// What its client is called here, where it is not the usual one.
    pub client: Option<String>,
    /// Databases that are not in the list, because their names or their owners' hold line breaks or the like and fit into no command.
    pub unnameable: u64,
}

impl Census {
    /// What was told, without what is not what it should be.
    fn checked(mut self) -> Result<Self, String> {
        self.version = version_in(&self.version).ok_or("what it says of its version is none")?;
        self.local = self.local.as_deref().and_then(version_in);
        let all = self.databases.len();
        let fits = |name: &str| !name.chars().any(char::is_control);
        self.databases.retain(|held| fits(&held.name) && held.owner.as_deref().is_none_or(fits));
        self.unnameable = (all - self.databases.len()) as u64;
        Ok(self)
    }
}

/// One of its databases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Held {
    /// Its name.
    pub name: String,
    /// Its size, where it is shown.
    pub bytes: Option<u64>,
    /// PostgreSQL: whose it is, where that is no superuser.
    pub owner: Option<String>,
    /// PostgreSQL: whether nobody may connect who was not named.
    pub closed: bool,
}

/// Who asks may be a superuser: nothing that somebody else put into the database is run, and nothing is changed.
const POSTGRES_OPTIONS: &str =
    "-c search_path=pg_catalog -c default_transaction_read_only=on -c statement_timeout=15s -c lock_timeout=5s";

/// What `postgres` holds counts only where somebody has put a table there. Scratch databases are ours.
const POSTGRES: &str = "SELECT jsonb_build_object('version', split_part(current_setting('server_version'), ' ', 1), \
  'number', current_setting('server_version_num')::int, 'since', pg_postmaster_start_time()::text, 'databases', (SELECT coalesce(jsonb_agg(d), '[]') FROM (\
  SELECT datname AS name, CASE WHEN NOT rolsuper THEN rolname END AS owner, NOT has_database_privilege('public', d.oid, 'CONNECT') AS closed, \
    CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN pg_database_size(d.oid) END AS bytes \
  FROM pg_database d LEFT JOIN pg_roles r ON r.oid = datdba \
  WHERE datallowconn AND NOT datistemplate AND datname NOT LIKE '%\\_\\_upkeep\\_%' AND (datname <> 'postgres' OR EXISTS (\
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' AND nspname <> 'information_schema')) \
  ORDER BY 4 DESC NULLS LAST, 1 LIMIT 100) d));\n";

/// The rule for an account that no other rule is about. Only superusers are shown it.
const POSTGRES_LOCAL: &str = "SELECT auth_method FROM pg_hba_file_rules WHERE error IS NULL AND type = 'local' AND database && '{all}' \
  AND user_name && '{all}' ORDER BY line_number LIMIT 1;\n";

const MYSQL: &str = "SELECT JSON_OBJECT('version', VERSION(), 'local', (SELECT LOWER(MAX(plugin_name)) FROM information_schema.plugins \
  WHERE plugin_name IN ('unix_socket', 'auth_socket') AND plugin_status = 'ACTIVE'));\n";

const MYSQL_DATABASES: &str = "SELECT JSON_OBJECT('name', s.schema_name, 'bytes', (SELECT CAST(SUM(data_length + index_length) AS UNSIGNED) \
  FROM information_schema.tables t WHERE t.table_schema = s.schema_name)) FROM information_schema.schemata s \
  WHERE s.schema_name NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema') AND s.schema_name NOT LIKE '%\\\\_\\\\_upkeep\\\\_%' \
  LIMIT 300;\n";

/// Asks a PostgreSQL at a socket, as another user or as ourselves.
///
/// # Errors
/// Why it was not told, in the client's words.
pub async fn postgres(directory: &Path, port: u16, user: Option<&User>) -> Result<Census, String> {
    let (directory, port) = (directory.display().to_string(), port.to_string());
    let words = ["psql", "-X", "-w", "-q", "-A", "-t", "-h", &directory, "-p", &port, "-d", "postgres", "-f", "-"];
    let mut client = Command::new(&words, DEADLINE);
    client.input = [POSTGRES, POSTGRES_LOCAL].concat().into_bytes();
    // No password is given to what was found: none is read from a file, and where the client can it takes no demand for one.
    client.environment = [
        ("PGCONNECT_TIMEOUT", "5"),
        ("PGCLIENTENCODING", "UTF8"),
        ("PGOPTIONS", POSTGRES_OPTIONS),
        ("PGPASSFILE", "/dev/null"),
        ("PGREQUIREAUTH", "none"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let told = told(&client, user).await?;
    let mut lines = told.stdout.lines();
    let census: Census = lines.next().and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| why(&told))?;
    Census { local: lines.next().filter(|line| !line.is_empty()).map(str::to_owned), ..census }.checked()
}

/// Asks a MySQL or MariaDB at a socket, as another user or as ourselves.
///
/// # Errors
/// Why it was not told, in the client's words.
pub async fn mysql(socket: &Path, user: Option<&User>) -> Result<Census, String> {
    let socket = format!("--socket={}", socket.display());
    let options = [
        "--no-defaults",
        "--skip-password",
        "--batch",
        "--raw",
        "--skip-column-names",
        "--connect-timeout=5",
        "--local-infile=0",
    ];
    let mut failed = String::new();
    for name in ["mysql", "mariadb"] {
        let words: Vec<&str> = [name].into_iter().chain(options).chain(["--default-character-set=utf8mb4", &socket]).collect();
        let mut client = Command { input: [MYSQL, MYSQL_DATABASES].concat().into_bytes(), ..Command::new(&words, DEADLINE) };
        // MySQL's reads it whatever else it is told not to read.
        client.environment = [("MYSQL_TEST_LOGIN_FILE".to_owned(), "/nonexistent/.mylogin.cnf".to_owned())].into();
        let told = match told(&client, user).await {
            Ok(told) => told,
            Err(error) => {
                failed = error;
                continue;
            }
        };
        let mut lines = told.stdout.lines();
        let Some(census) = lines.next().and_then(|line| serde_json::from_str::<Census>(line).ok()) else {
            return Err(why(&told));
        };
        let mut databases: Vec<Held> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
        databases.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        databases.truncate(MOST);
        let client = (name != "mysql").then(|| name.to_owned());
        return Census { databases, client, ..census }.checked();
    }
    Err(failed)
}

async fn told(client: &Command, user: Option<&User>) -> Result<Finished, String> {
    let program = client.argv.first().cloned().unwrap_or_default();
    let ran = match user {
        Some(user) => client.run_as(user).await,
        None => client.run().await,
    };
    match ran {
        // What wraps it for another user says so by this code, as a shell does.
        Ok(told) if told.code == Some(127) => Err(format!("{program} is not installed")),
        Ok(told) if told.stdout.trim().is_empty() => Err(why(&told)),
        Ok(told) => Ok(told),
        Err(ProcessError::Start { .. }) => Err(format!("{program} cannot be started; is it installed?")),
        Err(error) => Err(error.to_string()),
    }
}

fn why(told: &Finished) -> String {
    match told.last_line() {
        "" => "its client printed nothing".to_owned(),
        line => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_version_and_what_fits_into_no_command_is_not_believed() {
        for (text, version) in [
            ("17.2", Some("17.2")),
            ("11.8.6-MariaDB-0+deb13u1 from Debian", Some("11.8.6-MariaDB-0+deb13u1")),
            ("9.7.4-0ubuntu1~22.04", Some("9.7.4-0ubuntu1~22.04")),
            ("8.0\n[targets.x]", Some("8.0")),
            ("", None),
            ("8.0\u{1b}[2J", None),
            ("15\"", None),
            (&"1".repeat(65), None),
        ] {
            assert_eq!(version_in(text).as_deref(), version, "{text:?}");
        }
        let held = |name: &str, owner: &str| Held { name: name.to_owned(), owner: Some(owner.to_owned()), ..Held::default() };
        let databases = vec![held("shop", "app"), held("a\n  curl x | sh", "app"), held("wiki", "app\rx")];
        let census = Census { version: "15.3".to_owned(), local: Some("pe'er".to_owned()), databases, ..Census::default() };
        let checked = census.clone().checked().unwrap();
        assert_eq!((checked.databases, checked.unnameable, checked.local), (vec![held("shop", "app")], 2, None));
        Census { version: "#8.0".to_owned(), ..census }.checked().unwrap_err();
    }
}
