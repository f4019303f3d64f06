//! Real MySQL and MariaDB servers for the tests: one per flavour, version and test process, a fresh database per test.
//!
//! Finds `mariadbd` or `mysqld` on the host and in every unpacked root of `TEST_MYSQL_ROOTS` (colon-separated; run with
//! `chroot`, so only as root); with `TEST_SERVERS_ONLY`, in the latter alone. Listens on a Unix socket in a short path and on no
//! TCP port. As root everything runs as the user `mysql`. The server is stopped by its own pid through a watchdog when the process ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use upkeep::archive::writer::Sealed;
use upkeep::config::{Database, Location};
use upkeep::engine::EngineError;

mod galera;

use super::certificates::Certificates;
pub(crate) use super::postgres::{load, said};
use super::servers::{Mortal, as_user, feed, feed_archive, give, inside, is_root, named_only, start_watched, wait_until_ready};
pub(crate) use galera::galera;

/// Which of the servers a test asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The oldest MariaDB found (Debian's own).
    MariaDb,
    /// The newest MariaDB, when there are two.
    NewerMariaDb,
    /// MySQL itself.
    MySql,
}

/// One running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// Which it is.
    pub(crate) which: Which,
    /// Its version, as the program prints it (`10.11.6`).
    pub(crate) version: String,
    /// Its Unix socket, as seen from the host.
    pub(crate) socket: PathBuf,
    program: Program,
    /// The directory of everything it keeps, as it sees it.
    seen: PathBuf,
    /// What it is started with beside what all are.
    options: Vec<String>,
    /// Held by those who use the server's settings, and alone by those who change them.
    settings: RwLock<()>,
}

/// Where a server program is.
#[derive(Debug, Clone)]
struct Program {
    /// The unpacked root; empty for the host.
    root: String,
    /// The program inside.
    path: &'static str,
    is_mariadb: bool,
    /// `(10, 11)`.
    version: (u32, u32),
    text: String,
}

/// Dumps a database into a sealed archive in `dir`. All tests of a server change schemas at once, for which a dump waits by a
/// bound and then says that it may be tried again: it is.
pub(crate) async fn dump(database: &Database, dir: &Path, jobs: usize) -> Result<Sealed, EngineError> {
    for _ in 0..5 {
        match super::postgres::dump(database, dir, jobs).await {
            Err(EngineError::InUse { .. }) => {}
            other => return other,
        }
    }
    super::postgres::dump(database, dir, jobs).await
}

static NUMBERS: AtomicU32 = AtomicU32::new(0);
static PLACES: AtomicU32 = AtomicU32::new(0);

/// The server asked for; `None` (said loudly) where there is none. With `CI` or `REQUIRE_SERVERS` set a missing server fails
/// the test.
pub(crate) fn server(which: Which) -> Option<&'static Server> {
    static SERVERS: [OnceLock<Option<Server>>; 3] = [const { OnceLock::new() }; 3];
    started(&SERVERS, which, &[])
}

/// Another server of the same program, which keeps names in lower case and which few tests use.
pub(crate) fn folding_server(which: Which) -> Option<&'static Server> {
    static SERVERS: [OnceLock<Option<Server>>; 3] = [const { OnceLock::new() }; 3];
    started(&SERVERS, which, &["--lower-case-table-names=1"])
}

/// A server that one test may kill; what was committed is then in its files.
pub(crate) fn mortal_server(which: Which) -> Option<(&'static Server, Mortal)> {
    mortal(which, &[])
}

/// The same, which also listens on a port of 127.0.0.1.
pub(crate) fn networked_server(which: Which) -> Option<(&'static Server, Mortal, u16)> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (server, mortal) = mortal(which, &["--skip-networking=0", "--bind-address=127.0.0.1", &format!("--port={port}")])?;
    Some((server, mortal, port))
}

fn mortal(which: Which, more: &[&str]) -> Option<(&'static Server, Mortal)> {
    const SAFE: [&str; 3] = ["--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=1", "--skip-log-bin"];
    let program = program(which).or_else(|| missing(which))?;
    let server: &'static Server = Box::leak(Box::new(Server::start(which, program, &[&SAFE, more].concat())));
    let files = server.socket.parent().unwrap().to_owned();
    Some((server, Mortal::new(files, rustix::process::Signal::TERM, || server.command(), || server.try_sql("", "SELECT 1"))))
}

fn started(servers: &'static [OnceLock<Option<Server>>; 3], which: Which, options: &[&str]) -> Option<&'static Server> {
    let place = match which {
        Which::MariaDb => 0,
        Which::NewerMariaDb => 1,
        Which::MySql => 2,
    };
    let found = servers[place].get_or_init(|| program(which).map(|program| Server::start(which, program, options))).as_ref();
    found.or_else(|| missing(which))
}

fn missing<T>(which: Which) -> Option<T> {
    super::skipped(&format!("no server found for {which:?} (tests/run installs it)"), super::SERVERS);
    None
}

/// Makes one test of each body for each server there is: `NAME::mariadb`, `NAME::newer_mariadb`, `NAME::mysql`. Those that
/// change a server's own settings begin with `alone;`, all others with `shared;`.
macro_rules! on_every_server {
    ($guard:ident; $($name:ident: $body:path;)+) => {
        $(mod $name {
            #[allow(unused_imports, reason = "not every body is of the file itself")]
            use super::*;
            use crate::support::mysql::{Which, server};
            async fn on(which: Which) {
                if let Some(server) = server(which) {
                    let _guard = server.$guard().await;
                    $body(server).await;
                }
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mariadb() {
                on(Which::MariaDb).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn newer_mariadb() {
                on(Which::NewerMariaDb).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mysql() {
                on(Which::MySql).await;
            }
        })+
    };
}
pub(crate) use on_every_server;

fn program(which: Which) -> Option<Program> {
    let programs = programs();
    let mut mariadbs: Vec<Program> = programs.iter().filter(|program| program.is_mariadb).cloned().collect();
    mariadbs.sort_by_key(|program| program.version);
    match which {
        Which::MariaDb => mariadbs.first().cloned(),
        Which::NewerMariaDb if mariadbs.len() > 1 => mariadbs.last().cloned(),
        Which::NewerMariaDb => None,
        Which::MySql => programs.into_iter().find(|program| !program.is_mariadb),
    }
}

fn programs() -> Vec<Program> {
    let listed = std::env::var("TEST_MYSQL_ROOTS").unwrap_or_default();
    let host = std::iter::once(String::new()).filter(|_| !named_only());
    let roots = host.chain(listed.split(':').filter(|root| !root.is_empty()).map(str::to_owned));
    // Another root is entered with chroot, which only root may.
    let roots = roots.filter(|root| root.is_empty() || is_root());
    let paths = |root: String| ["/usr/sbin/mariadbd", "/usr/sbin/mysqld"].map(|path| (root.clone(), path));
    let mut seen = Vec::new();
    for (root, path) in roots.flat_map(paths) {
        let real = format!("{root}{path}");
        // `mysqld` may be another name of `mariadbd`.
        let is_link = std::fs::symlink_metadata(&real).is_ok_and(|meta| meta.is_symlink());
        if !Path::new(&real).exists() || is_link {
            continue;
        }
        let output = as_user("mysql", &root, path).arg("--version").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version =
            text.split("Ver ").nth(1).unwrap_or_default().split(['-', ' ', '+']).next().unwrap_or_default().to_owned();
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
        let numbers = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        seen.push(Program { root, path, is_mariadb: text.contains("MariaDB"), version: numbers, text: version });
    }
    seen
}

impl Server {
    fn start(which: Which, program: Program, options: &[&str]) -> Self {
        let server = Self::installed(which, program, options);
        server.begin();
        server
    }

    fn begin(&self) {
        start_watched(self.command(), "TERM", self.socket.parent().unwrap());
        wait_until_ready(&format!("{:?} in {}", self.program, self.seen.display()), || self.try_sql("", "SELECT 1"));
    }

    /// One that was not started yet.
    fn installed(which: Which, program: Program, options: &[&str]) -> Self {
        let name = if program.is_mariadb { "ma" } else { "my" };
        let ((major, minor), place) = (program.version, PLACES.fetch_add(1, Ordering::SeqCst));
        let seen = PathBuf::from(format!("/tmp/upk-{name}{major}.{minor}-{}-{place}", std::process::id()));
        let real = PathBuf::from(format!("{}{}", program.root, seen.display()));
        std::fs::remove_dir_all(&real).ok();
        std::fs::create_dir_all(real.join("data")).unwrap();
        std::fs::create_dir_all(real.join("tmp")).unwrap();
        let certificates = Certificates::make(&real.join("certificates"));
        for end in ["pem", "key"] {
            std::fs::copy(certificates.file(&format!("server.{end}")), certificates.file(&format!("shown.{end}"))).unwrap();
        }
        give("mysql", &program.root, &seen);
        let mut install = match program.is_mariadb {
            true => as_user("mysql", &program.root, "/usr/bin/mariadb-install-db"),
            false => as_user("mysql", &program.root, program.path),
        };
        install.arg("--no-defaults").arg(format!("--datadir={}/data", seen.display())).arg("--innodb-use-native-aio=0");
        match program.is_mariadb {
            true => install.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--debug-no-sync"]),
            false => install.args(["--initialize-insecure", "--innodb-flush-method=nosync"]),
        };
        install.args(options);
        let made = install.stdin(Stdio::null()).output().unwrap();
        assert!(made.status.success(), "{program:?}: {}", String::from_utf8_lossy(&made.stderr));
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let version = program.text.clone();
        Self { which, version, socket: real.join("sock"), program, seen, options, settings: RwLock::new(()) }
    }

    fn command(&self) -> Command {
        let mut server = as_user("mysql", &self.program.root, self.program.path);
        server.arg("--no-defaults").arg(format!("--datadir={}/data", self.seen.display()));
        server.arg(format!("--socket={}/sock", self.seen.display())).arg(format!("--pid-file={}/pid", self.seen.display()));
        server.arg(format!("--tmpdir={}/tmp", self.seen.display()));
        server.args(["--skip-networking", "--innodb-buffer-pool-size=96M", "--innodb-use-native-aio=0", "--server-id=1"]);
        server.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--sync-binlog=0", "--log-bin=binlog"]);
        server.args([
            "--max-connections=200",
            "--event-scheduler=OFF",
            "--binlog-format=ROW",
            "--log-bin-trust-function-creators=ON",
        ]);
        match self.program.is_mariadb {
            true => server.arg("--debug-no-sync"),
            false => server.args(["--innodb-flush-method=nosync", "--mysqlx=OFF", "--log-error-verbosity=1"]),
        };
        let certificates = self.seen.join("certificates");
        for (option, file) in [("cert", "shown.pem"), ("key", "shown.key"), ("ca", "ca.pem")] {
            server.arg(format!("--ssl-{option}={}", certificates.join(file).display()));
        }
        server.args(&self.options);
        server
    }

    /// What its certificate is one of, `server` by itself.
    pub(crate) fn certificates(&self) -> Certificates {
        Certificates { directory: self.socket.parent().unwrap().join("certificates") }
    }

    /// Has it present another of its certificates; sessions that begin afterwards see it.
    pub(crate) fn presents(&self, certificates: &Certificates, name: &str) {
        for end in ["pem", "key"] {
            std::fs::copy(certificates.file(&format!("{name}.{end}")), certificates.file(&format!("shown.{end}"))).unwrap();
        }
        give("mysql", &self.program.root, &self.seen.join("certificates"));
        self.sql("", if self.is_mariadb() { "FLUSH SSL" } else { "ALTER INSTANCE RELOAD TLS" });
    }

    /// Uses the server beside others.
    pub(crate) async fn shared(&self) -> RwLockReadGuard<'_, ()> {
        self.settings.read().await
    }

    /// The same outside of a runtime.
    pub(crate) fn shared_blocking(&self) -> RwLockReadGuard<'_, ()> {
        self.settings.blocking_read()
    }

    /// Has the server to itself.
    pub(crate) async fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.settings.write().await
    }

    /// Whether it is MariaDB.
    pub(crate) fn is_mariadb(&self) -> bool {
        self.program.is_mariadb
    }

    /// Whether it has libraries of JavaScript.
    pub(crate) fn has_libraries(&self) -> bool {
        !self.is_mariadb() && self.program.version >= (9, 2)
    }

    /// A client program of the server's own release, with what it needs to reach the server.
    pub(crate) fn client(&self, mariadb: &str, mysql: &str) -> Command {
        let path = format!("/usr/bin/{}", if self.program.is_mariadb { mariadb } else { mysql });
        let mut command = inside(&self.program.root, &path);
        command.arg("--no-defaults").arg(format!("--socket={}/sock", self.seen.display())).arg("--user=root");
        if self.program.is_mariadb {
            // Newer ones would look at the server's certificate.
            command.arg("--skip-ssl");
        }
        command
    }

    /// Makes the server's own clients programs of a directory, as a host that has it would have them: they take its socket by the
    /// path that the host knows.
    pub(crate) fn put_clients(&self, directory: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        for (name, dumps) in [("mariadb", false), ("mysql", false), ("mariadb-dump", true), ("mysqldump", true)] {
            let client = if dumps { self.client("mariadb-dump", "mysqldump") } else { self.client("mariadb", "mysql") };
            let words = std::iter::once(client.get_program()).chain(client.get_args());
            let words: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
            let words = words.into_iter().filter(|word| !word.starts_with("'--user")).collect::<Vec<_>>().join(" ");
            let script = format!(
                "#!/bin/sh\nfor word do shift; case \"$word\" in --socket=*) ;; *) set -- \"$@\" \"$word\";; esac; done\nexec {words} \"$@\"\n"
            );
            let path = directory.join(name);
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// Runs SQL through the server's own client as root; tab-separated rows without a head.
    pub(crate) fn try_sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut command = self.client("mariadb", "mysql");
        command.args([
            "--batch",
            "--skip-column-names",
            "--default-character-set=utf8mb4",
            "--comments",
            "--binary-mode",
            database,
        ]);
        feed(command, sql)
    }

    /// Runs SQL as root and panics with the server's words when it fails.
    #[track_caller]
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        self.try_sql(database, sql).unwrap_or_else(|error| panic!("{} on {database}: {error}", self.version))
    }

    /// A name no database has yet.
    pub(crate) fn fresh_name(&self) -> String {
        format!("t{}", NUMBERS.fetch_add(1, Ordering::SeqCst))
    }

    /// A fresh, empty database; dropped with the server.
    pub(crate) fn fresh(&self) -> Database {
        let name = self.fresh_name();
        self.sql("", &format!("CREATE DATABASE {name}"));
        self.database(&name)
    }

    /// The configuration's form of one of its databases.
    pub(crate) fn database(&self, name: &str) -> Database {
        self.database_as(name, "root")
    }

    /// The same, as another user.
    pub(crate) fn database_as(&self, name: &str, user: &str) -> Database {
        let location = Location::MySql {
            host: self.socket.display().to_string(),
            port: 3306,
            user: user.to_owned(),
            database: name.to_owned(),
            ssl_mode: "DISABLED".to_owned(),
        };
        Database::at(location)
    }

    /// A user with these privileges on a database (`SELECT, SHOW VIEW`), or none.
    pub(crate) fn user(&self, name: &str, database: &str, privileges: &str) {
        self.sql("", &format!("DROP USER IF EXISTS '{name}'@'%'; CREATE USER '{name}'@'%'"));
        if !privileges.is_empty() {
            self.sql("", &format!("GRANT {privileges} ON `{database}`.* TO '{name}'@'%'"));
        }
    }

    /// A fresh database full of everything (`torture_mysql.sql` and the flavour's own).
    pub(crate) fn torture(&self) -> Database {
        let database = self.fresh();
        let name = name_of(&database).to_owned();
        for user in ["torture", "We ird"] {
            self.sql("", &format!("CREATE USER IF NOT EXISTS '{user}'@'localhost'"));
        }
        self.sql("", &format!("ALTER DATABASE {name} CHARACTER SET latin1 COLLATE latin1_german2_ci"));
        self.sql(&name, include_str!("torture_mysql.sql"));
        match self.program.is_mariadb {
            true => self.sql(&name, include_str!("torture_mariadb_only.sql")),
            false => self.sql(&name, include_str!("torture_mysql_only.sql")),
        };
        database
    }

    /// Every `SHOW CREATE` of a database, one line each: the database itself, tables, sequences, views, routines, packages,
    /// libraries, triggers, events. What names the database itself is given as `DB`.
    pub(crate) fn schema(&self, database: &str) -> String {
        let libraries = if self.has_libraries() {
            format!(
                "SELECT CONCAT('SHOW CREATE LIBRARY `', REPLACE(library_name, '`', '``'), '`') FROM information_schema.libraries \
                   WHERE library_schema = '{database}' ORDER BY BINARY library_name;"
            )
        } else {
            String::new()
        };
        let lists = format!(
            "{libraries} SELECT CONCAT('SHOW CREATE TABLE `', REPLACE(table_name, '`', '``'), '`') FROM information_schema.tables \
               WHERE table_schema = '{database}' ORDER BY BINARY table_name; \
             SELECT CONCAT('SHOW CREATE ', routine_type, ' `', REPLACE(routine_name, '`', '``'), '`') FROM information_schema.routines \
               WHERE routine_schema = '{database}' ORDER BY routine_type, BINARY routine_name; \
             SELECT CONCAT('SHOW CREATE TRIGGER `', REPLACE(trigger_name, '`', '``'), '`') FROM information_schema.triggers \
               WHERE trigger_schema = '{database}' ORDER BY BINARY event_object_table, action_timing, event_manipulation, action_order; \
             SELECT CONCAT('SHOW CREATE EVENT `', REPLACE(event_name, '`', '``'), '`') FROM information_schema.events \
               WHERE event_schema = '{database}' ORDER BY BINARY event_name;"
        );
        let statements = self.sql(database, &lists).lines().map(|line| format!("{line};\n")).collect::<String>();
        let order = format!(
            "SELECT event_object_table, trigger_name, action_order FROM information_schema.triggers WHERE trigger_schema = '{database}' ORDER BY 1, 2; \
             SELECT event_name, status, starts, time_zone, event_comment FROM information_schema.events WHERE event_schema = '{database}' ORDER BY 1; \
             SELECT table_name, table_comment FROM information_schema.tables \
               WHERE table_schema = '{database}' ORDER BY BINARY table_name;"
        );
        let text = self.sql(database, &format!("SHOW CREATE DATABASE `{database}`;\n{statements}{order}"));
        // The moment a trigger was made is its own; it comes last.
        let lines = text.lines().map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let is_moment = |cell: &str| cell.len() == 22 && cell.starts_with("20") && cell.as_bytes()[10] == b' ';
            cells.iter().filter(|cell| !is_moment(cell) && **cell != database).copied().collect::<Vec<_>>().join("\t")
        });
        lines
            .collect::<Vec<_>>()
            .join("\n")
            .replace(&format!("`{database}`"), "`DB`")
            .replace(&format!("\"{database}\""), "`DB`")
    }

    /// The content of a database without upkeep's help: every value of every row, as hex of what is stored, in an order of its
    /// own; and the next value of each sequence.
    pub(crate) fn content(&self, database: &str) -> String {
        // A geometry's hex is its stored form with SRID; a float's exact value needs the widest cast.
        let hex = "CONCAT('CONVERT(IFNULL(', CASE \
              WHEN data_type = 'float' THEN CONCAT('CAST(`', c, '` AS DOUBLE)') \
              WHEN data_type IN ('tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'double') THEN CONCAT('CAST(`', c, '` AS CHAR)') \
              WHEN data_type = 'bit' THEN CONCAT('BIN(`', c, '` + 0)') WHEN data_type IN ('enum', 'set', 'year') THEN CONCAT('`', c, '` + 0') \
              ELSE CONCAT('HEX(`', c, '`)') END, ',''NULL'') USING utf8mb4) COLLATE utf8mb4_bin')";
        let order = "SET SESSION group_concat_max_len = 1048576; SET time_zone = '+00:00';";
        let of =
            if self.program.is_mariadb { "IF(t.table_type = 'SYSTEM VERSIONED', ' FOR SYSTEM_TIME ALL', '')" } else { "''" };
        let list = format!(
            "{order} SELECT CONCAT('SELECT ', QUOTE(t.table_name), ', SHA2(CONCAT_WS('','', ', GROUP_CONCAT({hex} ORDER BY ordinal_position SEPARATOR ', '), \
               '), 256) AS h, CONCAT_WS('','', ', GROUP_CONCAT({hex} ORDER BY ordinal_position SEPARATOR ', '), ') AS v FROM `', REPLACE(t.table_name, '`', '``'), '`', {of}, ' ORDER BY h;') \
             FROM information_schema.tables t JOIN (SELECT table_schema, table_name, data_type, ordinal_position, REPLACE(column_name, '`', '``') AS c \
               FROM information_schema.columns) k ON k.table_schema = t.table_schema AND k.table_name = t.table_name \
             WHERE t.table_schema = '{database}' AND t.table_type <> 'SEQUENCE' GROUP BY t.table_name, t.table_type ORDER BY BINARY t.table_name"
        );
        let sequences = format!(
            "SELECT CONCAT('SELECT ', QUOTE(table_name), ', next_not_cached_value, cycle_count FROM `', REPLACE(table_name, '`', '``'), '`;') \
             FROM information_schema.tables WHERE table_schema = '{database}' AND table_type = 'SEQUENCE' ORDER BY BINARY table_name"
        );
        let queries = self.sql(database, &list) + "\n" + &self.sql(database, &sequences);
        // The client doubles backslashes of what it prints.
        self.sql(database, &format!("{order}\n{}", queries.replace("\\\\", "\\")))
    }

    /// Restores an archive with stock tools alone: `zstd -dc FILE | mysql --comments --binary-mode DATABASE`.
    pub(crate) fn restore_by_hand(&self, archive: &Path, database: &str) -> Result<(), String> {
        let mut client = self.client("mariadb", "mysql");
        client.args(["--comments", "--binary-mode", database]);
        feed_archive(client, archive)
    }

    /// What the server's own dump program says of a database.
    pub(crate) fn vendor_dump(&self, database: &str, arguments: &[&str]) -> String {
        let output = self.client("mariadb-dump", "mysqldump").args(arguments).arg(database).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A connection of somebody else's.
    pub(crate) async fn connect(&self, database: &str) -> sqlx::MySqlConnection {
        self.connect_as(database, "root").await
    }

    /// The same, as another user.
    pub(crate) async fn connect_as(&self, database: &str, user: &str) -> sqlx::MySqlConnection {
        let options = sqlx::mysql::MySqlConnectOptions::new().socket(&self.socket).username(user).database(database);
        let options = options.ssl_mode(sqlx::mysql::MySqlSslMode::Disabled);
        <sqlx::MySqlConnection as sqlx::Connection>::connect_with(&options).await.unwrap()
    }

    /// Databases whose names begin with this one's, in order.
    pub(crate) fn databases(&self, name: &str) -> String {
        let sql = format!(
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name = '{name}' OR schema_name LIKE '{name}\\_\\_%' ORDER BY 1"
        );
        self.sql("", &sql).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The name of a database of ours.
pub(crate) fn name_of(database: &Database) -> &str {
    match &database.location {
        Location::MySql { database, .. } => database,
        other => panic!("{other} is not a MySQL or MariaDB database"),
    }
}
