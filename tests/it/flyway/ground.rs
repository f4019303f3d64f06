//! Databases that both tools reach: Flyway through a JDBC URL, upkeep through its own.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use upkeep::config::{Database, Location, Migrations};

use crate::support::flyway::Settings;
use crate::support::postgres::{Cluster, cluster, name_of, newer_cluster};
use crate::support::relay::port_before;

static FILES: AtomicU32 = AtomicU32::new(0);

/// A server on which fresh databases are made.
pub(super) enum Ground {
    Postgres { cluster: &'static Cluster, port: u16 },
    Sqlite { dir: tempfile::TempDir },
}

/// One fresh database.
pub(super) struct Base {
    pub(super) database: Database,
    /// How Flyway gets there.
    pub(super) jdbc: Settings,
}

impl Ground {
    pub(super) fn postgres() -> Option<Self> {
        static PORT: OnceLock<u16> = OnceLock::new();
        let cluster = cluster()?;
        Some(Self::Postgres { cluster, port: *PORT.get_or_init(|| port_before(&socket(cluster))) })
    }

    pub(super) fn newer_postgres() -> Option<Self> {
        static PORT: OnceLock<u16> = OnceLock::new();
        let cluster = newer_cluster()?;
        Some(Self::Postgres { cluster, port: *PORT.get_or_init(|| port_before(&socket(cluster))) })
    }

    pub(super) fn sqlite() -> Self {
        Self::Sqlite { dir: tempfile::tempdir().unwrap() }
    }

    /// As the table of scenarios calls it.
    pub(super) fn engine(&self) -> &'static str {
        match self {
            Self::Postgres { .. } => "postgresql",
            Self::Sqlite { .. } => "sqlite",
        }
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Postgres { cluster, .. } => format!("PostgreSQL {}", cluster.major),
            Self::Sqlite { .. } => "SQLite".to_owned(),
        }
    }

    pub(super) fn fresh(&self) -> Base {
        let (database, url) = match self {
            Self::Postgres { cluster, port } => {
                let database = cluster.fresh();
                let url = format!("jdbc:postgresql://127.0.0.1:{port}/{}?sslmode=disable", name_of(&database));
                (database, url)
            }
            Self::Sqlite { dir } => {
                let path = dir.path().join(format!("{}.db", FILES.fetch_add(1, Ordering::SeqCst)));
                let url = format!("jdbc:sqlite:{}", path.display());
                (Database { location: Location::Sqlite { path }, password: None, client_bindir: Vec::new() }, url)
            }
        };
        let mut jdbc = vec![("url".to_owned(), url)];
        if let Self::Postgres { cluster, .. } = self {
            jdbc.push(("user".to_owned(), cluster.superuser.clone()));
        }
        Base { database, jdbc }
    }

    /// Rows as text, their columns joined by `|`.
    #[track_caller]
    pub(super) fn sql(&self, base: &Base, sql: &str) -> Vec<String> {
        match (self, &base.database.location) {
            (Self::Postgres { cluster, .. }, _) => {
                cluster.psql(name_of(&base.database), sql).lines().map(str::to_owned).collect()
            }
            (Self::Sqlite { .. }, Location::Sqlite { path }) => sqlite(path, sql),
            _ => panic!("not a database of this ground"),
        }
    }

    /// The history, but for times; empty when there is none.
    pub(super) fn history(&self, base: &Base, settings: &Migrations) -> Vec<String> {
        let columns = "installed_rank, version, description, type, script, checksum, installed_by, success";
        match self {
            Self::Postgres { .. } => {
                let schema = if settings.schema.is_empty() { "public" } else { &settings.schema };
                let table = format!("\"{schema}\".\"{}\"", settings.table);
                if self.sql(base, &format!("SELECT to_regclass('{table}')")).concat().is_empty() {
                    return Vec::new();
                }
                self.sql(base, &format!("SELECT {columns} FROM {table} ORDER BY 1"))
            }
            Self::Sqlite { .. } => {
                let found = format!("SELECT name FROM sqlite_schema WHERE name = '{}'", settings.table);
                if self.sql(base, &found).is_empty() {
                    return Vec::new();
                }
                self.sql(base, &format!("SELECT {columns} FROM \"{}\" ORDER BY 1", settings.table))
            }
        }
    }

    /// Everything the database is made of, in the words of its own tools.
    pub(super) fn schema(&self, base: &Base) -> Vec<String> {
        match self {
            Self::Postgres { cluster, .. } => {
                let dump = cluster.pg_dump(name_of(&base.database), &["--schema-only"]);
                dump.lines().filter(|line| !line.starts_with("--") && !line.is_empty()).map(str::to_owned).collect()
            }
            Self::Sqlite { .. } => {
                let sql =
                    "SELECT type, name, replace(replace(sql, char(10), ' '), char(13), ' ') FROM sqlite_schema ORDER BY 1, 2";
                let spaced = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
                // The engine keeps the text of `CREATE` with its blanks.
                self.sql(base, sql).iter().map(|line| spaced(line).replace("( ", "(").replace(" )", ")")).collect()
            }
        }
    }
}

fn socket(cluster: &Cluster) -> std::path::PathBuf {
    cluster.socket_dir.join(".s.PGSQL.5432")
}

fn sqlite(path: &Path, sql: &str) -> Vec<String> {
    let output = Command::new("sqlite3").arg("-batch").arg(path).arg(sql).output().unwrap();
    assert!(output.status.success(), "sqlite3: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
