//! Databases that both tools reach: Flyway through a JDBC URL, upkeep through its own.

mod eyes;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use upkeep::config::{Database, Location, Migrations};

use crate::support::flyway::Settings;
use crate::support::mysql::{self, Server, Which};
use crate::support::postgres::{self, Cluster, cluster, newer_cluster};
use crate::support::relay::port_before;
use eyes::Eyes;

static FILES: AtomicU32 = AtomicU32::new(0);

/// A server on which fresh databases are made.
pub(super) enum Ground {
    Postgres { cluster: &'static Cluster, port: u16 },
    MySql { server: &'static Server, port: u16 },
    Sqlite { dir: tempfile::TempDir },
}

/// One fresh database.
pub(super) struct Base {
    pub(super) database: Database,
    /// How Flyway gets there.
    pub(super) jdbc: Settings,
    /// How we see what is in it.
    eyes: Eyes,
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

    pub(super) fn mysql() -> Option<Self> {
        static PORT: OnceLock<u16> = OnceLock::new();
        let server = mysql::server(Which::MySql)?;
        Some(Self::MySql { server, port: *PORT.get_or_init(|| port_before(&server.socket)) })
    }

    pub(super) fn mariadb() -> Option<Self> {
        static PORT: OnceLock<u16> = OnceLock::new();
        let server = mysql::server(Which::MariaDb)?;
        Some(Self::MySql { server, port: *PORT.get_or_init(|| port_before(&server.socket)) })
    }

    pub(super) fn sqlite() -> Self {
        Self::Sqlite { dir: tempfile::tempdir().unwrap() }
    }

    /// As the table of scenarios calls it.
    pub(super) fn engine(&self) -> &'static str {
        match self {
            Self::Postgres { .. } => "postgresql",
            Self::MySql { server, .. } if server.is_mariadb() => "mariadb",
            Self::MySql { .. } => "mysql",
            Self::Sqlite { .. } => "sqlite",
        }
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Postgres { cluster, .. } => format!("PostgreSQL {}", cluster.major),
            Self::MySql { server, .. } if server.is_mariadb() => format!("MariaDB {}", server.version),
            Self::MySql { server, .. } => format!("MySQL {}", server.version),
            Self::Sqlite { .. } => "SQLite".to_owned(),
        }
    }

    /// Keeps others from changing the server's settings for as long as what comes back is held.
    pub(super) fn shared(&self) -> Option<tokio::sync::RwLockReadGuard<'_, ()>> {
        match self {
            Self::MySql { server, .. } => Some(server.shared_blocking()),
            Self::Postgres { .. } | Self::Sqlite { .. } => None,
        }
    }

    pub(super) fn fresh(&self) -> Base {
        let (database, url, user) = match self {
            Self::Postgres { cluster, port } => {
                let database = cluster.fresh();
                let url = format!("jdbc:postgresql://127.0.0.1:{port}/{}?sslmode=disable", postgres::name_of(&database));
                (database, url, Some(cluster.superuser.clone()))
            }
            Self::MySql { server, port } => {
                let database = server.fresh();
                let (scheme, encryption) =
                    if server.is_mariadb() { ("mariadb", "sslMode=disable") } else { ("mysql", "sslMode=DISABLED") };
                let name = mysql::name_of(&database);
                let url = format!("jdbc:{scheme}://127.0.0.1:{port}/{name}?{encryption}&allowPublicKeyRetrieval=true");
                (database, url, Some("root".to_owned()))
            }
            Self::Sqlite { dir } => {
                let path = dir.path().join(format!("{}.db", FILES.fetch_add(1, Ordering::SeqCst)));
                let url = format!("jdbc:sqlite:{}", path.display());
                (Database::at(Location::Sqlite { path }), url, None)
            }
        };
        let mut jdbc = vec![("url".to_owned(), url)];
        jdbc.extend(user.map(|user| ("user".to_owned(), user)));
        let eyes = Eyes::on(&database);
        Base { database, jdbc, eyes }
    }

    /// Rows as text, their columns joined by `|`.
    #[track_caller]
    pub(super) fn sql(&self, base: &Base, sql: &str) -> Vec<String> {
        base.eyes.rows(sql)
    }

    /// The history, but for times; empty when there is none.
    pub(super) fn history(&self, base: &Base, settings: &Migrations) -> Vec<String> {
        let columns = "installed_rank, version, description, type, script, checksum, installed_by, success";
        self.rows(base, &settings.schema, &settings.table, &format!("{columns} FROM {{}} ORDER BY 1"))
    }

    /// The rows of table `said`, which callbacks write to; none when there is no such table.
    pub(super) fn said(&self, base: &Base) -> Vec<String> {
        self.rows(base, "", "said", "what FROM {}")
    }

    /// What is asked of a table if it is there; `{}` stands for it.
    fn rows(&self, base: &Base, schema: &str, table: &str, ask: &str) -> Vec<String> {
        let (found, table) = match self {
            Self::Postgres { .. } => {
                let schema = if schema.is_empty() { "public" } else { schema };
                let table = format!("\"{schema}\".\"{table}\"");
                (format!("SELECT 1 WHERE to_regclass('{table}') IS NOT NULL"), table)
            }
            Self::MySql { .. } => (format!("SHOW TABLES LIKE '{table}'"), format!("`{table}`")),
            Self::Sqlite { .. } => {
                let found = format!("SELECT name FROM sqlite_schema WHERE name = '{table}'");
                (found, format!("\"{table}\""))
            }
        };
        if self.sql(base, &found).is_empty() {
            return Vec::new();
        }
        self.sql(base, &format!("SELECT {}", ask.replace("{}", &table)))
    }

    /// Everything the database is made of, by one look at its catalogue: cheap, after each action.
    pub(super) fn schema(&self, base: &Base) -> Vec<String> {
        match self {
            Self::Postgres { .. } => self.sql(base, include_str!("ground/catalogue_postgres.sql")),
            Self::MySql { .. } => self.mysql_schema(base),
            Self::Sqlite { .. } => {
                let sql =
                    "SELECT type, name, replace(replace(sql, char(10), ' '), char(13), ' ') FROM sqlite_schema ORDER BY 1, 2";
                let spaced = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
                // The engine keeps the text of `CREATE` with its blanks.
                self.sql(base, sql).iter().map(|line| spaced(line).replace("( ", "(").replace(" )", ")")).collect()
            }
        }
    }

    /// The same in the words of the server's own tool, which costs more: once, at the end.
    pub(super) fn dump(&self, base: &Base) -> Vec<String> {
        let text = match self {
            Self::Postgres { cluster, .. } => cluster.pg_dump(postgres::name_of(&base.database), &["--schema-only"]),
            Self::MySql { server, .. } => server.schema(mysql::name_of(&base.database)),
            Self::Sqlite { .. } => String::new(),
        };
        // Our journal of a failed script's statements stands beside the history on purpose.
        let shown = |line: &&str| !line.starts_with("--") && !line.is_empty() && !line.contains("upkeep_migration_progress");
        text.lines().filter(shown).map(str::to_owned).collect()
    }

    /// Every `SHOW CREATE`.
    fn mysql_schema(&self, base: &Base) -> Vec<String> {
        let shows = self.sql(base, include_str!("ground/catalogue_mysql.sql"));
        shows.iter().flat_map(|show| self.sql(base, show)).collect()
    }
}

fn socket(cluster: &Cluster) -> std::path::PathBuf {
    cluster.socket_dir.join(".s.PGSQL.5432")
}
