//! A real connection pooler in front of a test's cluster.

use std::path::{Path, PathBuf};
use std::process::Command;

use upkeep::config::{Database, Location};

use super::postgres::Cluster;
use super::servers::{as_user, give, start_watched, wait_until_ready};

/// One running PgBouncer; it ends with the test process.
pub(crate) struct Pooler {
    directory: PathBuf,
}

impl Pooler {
    /// Starts one. `None` (said loudly) where it is not installed; with `CI` or `REQUIRE_SERVERS` set that fails the test.
    pub(crate) fn start(cluster: &Cluster, name: &str, mode: &str, ignored: &str) -> Option<Self> {
        let program = Path::new("/usr/sbin/pgbouncer");
        if !program.exists() {
            super::skipped("no pgbouncer found (tests/run installs it)", super::SERVERS);
            return None;
        }
        let directory = PathBuf::from(format!("/tmp/upk-pool-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (at, server) = (directory.display(), cluster.socket_dir.display());
        let configuration = format!(
            "[databases]\n* = host={server} port=5432\n[pgbouncer]\nlisten_addr =\nlisten_port = 5432\nunix_socket_dir = {at}\n\
             auth_type = trust\nauth_file = {at}/users\npool_mode = {mode}\nignore_startup_parameters = {ignored}\n"
        );
        std::fs::write(directory.join("pgbouncer.ini"), configuration).unwrap();
        std::fs::write(directory.join("users"), "\"postgres\" \"\"\n").unwrap();
        give("postgres", "", &directory);
        let mut command = as_user("postgres", "", "/usr/sbin/pgbouncer");
        command.arg("-q").arg(directory.join("pgbouncer.ini"));
        start_watched(command, "INT", &directory);
        let pooler = Self { directory };
        wait_until_ready("pgbouncer", || pooler.ask("postgres", "SELECT 1"));
        Some(pooler)
    }

    /// What an application is answered through it.
    pub(crate) fn ask(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-qAt", "-U", "postgres", "-d", database, "-c", sql, "-h"]).arg(&self.directory);
        let said = psql.output().unwrap();
        if said.status.success() {
            return Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned());
        }
        Err(String::from_utf8_lossy(&said.stderr).into_owned())
    }

    /// The same database, with the pooler's address.
    pub(crate) fn before(&self, database: &Database) -> Database {
        let mut database = database.clone();
        if let Location::Postgres { host, .. } = &mut database.location {
            *host = self.directory.display().to_string();
        }
        database
    }
}
