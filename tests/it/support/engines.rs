//! Every engine there is, behind one value: what the stories that all of them are told need of a database.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sqlx::{AssertSqlSafe, Connection as _, Executor};
use upkeep::config::{Database, Location};

use super::mysql::Server;
use super::postgres::Cluster;

/// An engine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Db {
    Sqlite,
    Postgres(&'static Cluster),
    MySql(&'static Server),
}

impl std::fmt::Display for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite => f.write_str("sqlite"),
            Self::Postgres(cluster) => write!(f, "postgresql {}", cluster.major),
            Self::MySql(server) => write!(f, "{:?} {}", server.which, server.version),
        }
    }
}

/// Makes one test of each body (a `fn(Db)`) for each engine there is.
macro_rules! on_every_engine {
    ($($name:ident: $body:path;)+) => {
        $(mod $name {
            #[allow(unused_imports, reason = "not every body is of the file itself")]
            use super::*;
            use crate::support::engines::Db;
            use crate::support::mysql::{Which, server};
            #[test]
            fn sqlite() {
                $body(Db::Sqlite);
            }
            #[test]
            fn postgresql() {
                if let Some(cluster) = crate::support::postgres::cluster() {
                    $body(Db::Postgres(cluster));
                }
            }
            #[test]
            fn mariadb() {
                if let Some(server) = server(Which::MariaDb) {
                    $body(Db::MySql(server));
                }
            }
            #[test]
            fn mysql() {
                if let Some(server) = server(Which::MySql) {
                    $body(Db::MySql(server));
                }
            }
        })+
    };
}
pub(crate) use on_every_engine;

/// A database of a test's own.
#[derive(Debug)]
pub(crate) struct Home {
    /// Its engine.
    pub(crate) db: Db,
    /// Its name on a server; the template that PostgreSQL keeps of it has `_t` behind it.
    pub(crate) name: String,
    file: PathBuf,
    kept: Mutex<String>,
    /// Who the URL names; `root` is whoever may do all.
    pub(crate) user: String,
}

impl Home {
    /// One that is not there yet; `file` is where it would be if it is a file.
    pub(crate) fn new(db: Db, file: &Path) -> Self {
        let name = match db {
            Db::Sqlite => String::new(),
            Db::Postgres(cluster) => cluster.fresh_name(),
            Db::MySql(server) => server.fresh_name(),
        };
        Self { db, name, file: file.to_owned(), kept: Mutex::default(), user: "root".to_owned() }
    }

    /// Where it is, if it is a file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Makes it, empty.
    pub(crate) fn create(&self) {
        match self.db {
            // An empty file is an empty SQLite database.
            Db::Sqlite => drop(std::fs::File::create(&self.file).unwrap()),
            Db::Postgres(cluster) => {
                drop(cluster.psql("postgres", &format!("CREATE DATABASE {} TEMPLATE template0", self.name)))
            }
            Db::MySql(server) => drop(server.sql("", &format!("CREATE DATABASE {}", self.name))),
        }
    }

    /// Drops it.
    pub(crate) fn remove(&self) {
        match self.db {
            Db::Sqlite => std::fs::remove_file(&self.file).unwrap(),
            Db::Postgres(cluster) => {
                drop(cluster.psql("postgres", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)))
            }
            Db::MySql(server) => drop(server.sql("", &format!("DROP DATABASE IF EXISTS {}", self.name))),
        }
    }

    /// The configuration's form of it.
    pub(crate) fn database(&self) -> Database {
        match self.db {
            Db::Sqlite => Database::at(Location::Sqlite { path: self.file.clone() }),
            Db::Postgres(cluster) => cluster.database(&self.name),
            Db::MySql(server) => server.database(&self.name),
        }
    }

    /// The same as a user who may connect to the server and has no privilege there yet; none where there are no users.
    pub(crate) fn as_stranger(&self) -> Option<Database> {
        let user = format!("stranger_{}", self.name);
        match self.db {
            Db::Sqlite => None,
            Db::Postgres(cluster) => {
                cluster.psql("postgres", &format!("CREATE ROLE {user} LOGIN"));
                Some(cluster.database_as(&self.name, &user))
            }
            Db::MySql(server) => {
                server.user(&user, &self.name, "");
                Some(server.database_as(&self.name, &user))
            }
        }
    }

    /// The client that runs what stands on its standard input, as words for a shell.
    pub(crate) fn client(&self) -> String {
        match self.db {
            Db::Sqlite => String::new(),
            Db::Postgres(cluster) => {
                let (program, socket) = (cluster.client("psql"), cluster.socket_dir.display());
                format!(
                    "{} -X -v ON_ERROR_STOP=1 -qAt -U {} -d {} -h {socket} -f -",
                    program.display(),
                    cluster.superuser,
                    self.name
                )
            }
            Db::MySql(server) => {
                let client = server.client("mariadb", "mysql");
                let words = std::iter::once(client.get_program()).chain(client.get_args()).map(|word| word.to_string_lossy());
                format!("{} --batch --skip-column-names {}", words.collect::<Vec<_>>().join(" "), self.name)
            }
        }
    }

    /// What the configuration says of it.
    pub(crate) fn keys(&self) -> String {
        let url = format!("url = \"{}\"", self.url());
        match self.db {
            Db::Postgres(cluster) => format!("{url}\nclient_bindir = \"{}\"", cluster.bindir.display()),
            Db::Sqlite | Db::MySql(_) => url,
        }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        match self.db {
            Db::Sqlite => format!("sqlite://{}", self.file.display()),
            Db::Postgres(cluster) if self.user == "root" => cluster.url(&self.name),
            Db::Postgres(cluster) => cluster.database_as(&self.name, &self.user).location.to_string(),
            Db::MySql(server) => server.database_as(&self.name, &self.user).location.to_string(),
        }
    }

    /// Runs statements.
    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) {
        match self.db {
            Db::Postgres(cluster) => drop(cluster.psql(&self.name, sql)),
            Db::MySql(server) => drop(server.sql(&self.name, sql)),
            Db::Sqlite => drop(self.sqlite(sql)),
        }
    }

    /// The first row of a query, its columns with `|` between them.
    #[track_caller]
    pub(crate) fn ask(&self, sql: &str) -> String {
        match self.db {
            Db::Postgres(cluster) => cluster.psql(&self.name, sql),
            Db::MySql(server) => server.sql(&self.name, sql).replace('\t', "|"),
            Db::Sqlite => self.sqlite(sql),
        }
    }

    fn sqlite(&self, sql: &str) -> String {
        ask_file(&self.file, sql)
    }

    /// The columns of a table, in order, with commas between them; and in the same way the names of all tables; and what
    /// else is asked for as one row. One question, for asking takes a client and a session of its own.
    pub(crate) fn columns_and_tables(&self, table: &str, more: &str) -> String {
        let shape = match self.db {
            Db::Sqlite => format!(
                "SELECT (SELECT group_concat(name, ',') FROM pragma_table_info('{table}')), \
                 (SELECT group_concat(name, ',') FROM (SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name))"
            ),
            Db::Postgres(_) => format!(
                "SELECT (SELECT string_agg(column_name, ',' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = '{table}'), \
                 (SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public')"
            ),
            Db::MySql(_) => format!(
                "SELECT (SELECT group_concat(column_name ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = '{table}' AND table_schema = DATABASE()), \
                 (SELECT group_concat(table_name ORDER BY table_name) FROM information_schema.tables WHERE table_schema = DATABASE())"
            ),
        };
        self.ask(&format!("{shape}, {more}"))
    }

    /// Keeps what is on the server as it stands for [`Home::put_back`]; a file is its owner's to keep.
    pub(crate) fn keep(&self) {
        match self.db {
            Db::Sqlite => {}
            Db::Postgres(cluster) => {
                let sql = format!("DROP DATABASE IF EXISTS {0}_t; CREATE DATABASE {0}_t TEMPLATE {0}", self.name);
                cluster.psql("postgres", &sql);
            }
            Db::MySql(server) => {
                let arguments: &[&str] = if server.is_mariadb() { &[] } else { &["--set-gtid-purged=OFF"] };
                *self.kept.lock().unwrap() = server.vendor_dump(&self.name, arguments);
            }
        }
    }

    /// Puts it back as it was kept, without what upkeep left beside it.
    pub(crate) fn put_back(&self) {
        // One session for all of it: starting a client takes longer than what it does here.
        match self.db {
            Db::Sqlite => {}
            Db::Postgres(cluster) => {
                let sql = format!(
                    "SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE datname ~ '^{0}_(_upkeep|new_|before_)' \\gexec\n\
                     DROP DATABASE IF EXISTS {0} WITH (FORCE);\nCREATE DATABASE {0} TEMPLATE {0}_t;",
                    self.name
                );
                cluster.psql("postgres", &sql);
            }
            Db::MySql(server) => {
                let beside =
                    ["upkeep_new", "upkeep_old"].map(|what| format!("DROP DATABASE IF EXISTS {}__{what}; ", self.name));
                let drops = beside.concat();
                let (name, kept) = (&self.name, self.kept.lock().unwrap());
                server.sql("", &format!("{drops}DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}; USE {name};\n{kept}"));
            }
        }
    }

    /// Databases on the server that upkeep made for itself and that should be gone.
    pub(crate) fn scratch_databases(&self) -> Vec<String> {
        let found = match self.db {
            Db::Sqlite => String::new(),
            Db::Postgres(cluster) => cluster
                .psql("postgres", &format!("SELECT datname FROM pg_database WHERE datname LIKE '{}\\_\\_upkeep%'", self.name)),
            Db::MySql(server) => {
                server.databases(&self.name).split(' ').filter(|name| *name != self.name).collect::<Vec<_>>().join("\n")
            }
        };
        found.lines().filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// A connection of somebody else's.
    pub(crate) async fn connect(&self) -> Connection {
        match self.db {
            Db::Sqlite => Connection::Sqlite(super::env::connect(&self.file).await),
            Db::Postgres(cluster) => Connection::Postgres(cluster.connect(&self.name).await),
            Db::MySql(server) => Connection::MySql(server.connect(&self.name).await),
        }
    }
}

/// The first row of a query on an SQLite file, its columns with `|` between them.
pub(crate) fn ask_file(file: &Path, sql: &str) -> String {
    use sqlx::{ConnectOptions, Row};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    // On a thread of its own: the caller may be inside a runtime.
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = options.connect().await.unwrap();
                let rows = sql.fetch_all(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                let cell = |row: &sqlx::sqlite::SqliteRow, place: usize| {
                    let number = || row.try_get::<i64, _>(place).map(|number| number.to_string()).ok();
                    row.try_get::<String, _>(place).ok().or_else(number).unwrap_or_default()
                };
                let first = rows.first();
                first.map(|row| (0..row.len()).map(|place| cell(row, place)).collect::<Vec<_>>().join("|")).unwrap_or_default()
            })
        });
        work.join().unwrap()
    })
}

/// A connection of somebody else's.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgConnection),
    MySql(sqlx::MySqlConnection),
}

impl Connection {
    /// Runs statements.
    pub(crate) async fn execute(&mut self, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => drop(connection.execute(sql).await.unwrap()),
            Self::Postgres(connection) => drop(connection.execute(sql).await.unwrap()),
            Self::MySql(connection) => drop(connection.execute(sql).await.unwrap()),
        }
    }
}
