//! A real PostgreSQL for the tests: one cluster per major and test process, a fresh database per test.
//!
//! Finds `initdb` under `/usr/lib/postgresql/*/bin` and in every directory of `TEST_PG_BINDIRS` (colon-separated; a binary
//! directory inside an unpacked root is run with `chroot`); with `TEST_SERVERS_ONLY`, in the latter alone. Listens on a Unix
//! socket in a short path and on no TCP port. PostgreSQL does not run as root: as root, everything runs as the user
//! `postgres`. The server is stopped by its own pid when the process ends (`pg_ctl` is not needed: the postmaster gets a
//! death signal through a watchdog pipe).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use upkeep::archive::manifest::{Kind, Manifest};
use upkeep::archive::writer::Sealed;
use upkeep::archive::{Archive, PendingArchive};
use upkeep::config::{Database, Location};
use upkeep::engine::{DumpRequest, Engine, EngineError, LoadMode, Loaded, Standing};
use upkeep::ids::{Label, TargetName};
use upkeep::progress::Progress;

use super::servers::{Mortal, as_user, feed, feed_archive, give, named_only, start_watched, wait_until_ready};

/// One running cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// `15`, `17`.
    pub(crate) major: u32,
    /// The directory of its Unix socket.
    pub(crate) socket_dir: PathBuf,
    /// Its binaries.
    pub(crate) bindir: PathBuf,
    /// The superuser's name.
    pub(crate) superuser: String,
    data: PathBuf,
    /// What its server is started with beside the usual.
    settings: Vec<String>,
    /// Where it listens over TCP, if it does.
    pub(crate) tcp: Option<SocketAddr>,
}

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The cluster of the oldest major found (Debian's own); `None` (said loudly) where there is none. With `CI` or
/// `REQUIRE_SERVERS` set a missing server fails the test.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| bindirs().first().map(|dir| Cluster::start(dir, "", &[]))).as_ref().or_else(missing)
}

/// The cluster of the newest major found, when there are at least two. Where the tests are for one alone that is the one, if it is of
/// a major whose kinds of objects the tests of a newer one have.
pub(crate) fn newer_cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    if named_only() && bindirs().len() == 1 {
        return cluster().filter(|cluster| cluster.major >= 17);
    }
    let start = || if bindirs().len() > 1 { bindirs().last().map(|dir| Cluster::start(dir, "", &[])) } else { None };
    CLUSTER.get_or_init(start).as_ref().or_else(missing)
}

/// A second host: a cluster of the oldest major that has nothing of the first one's, neither roles nor tablespaces.
pub(crate) fn bare_cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| bindirs().first().map(|dir| Cluster::start(dir, "bare", &[]))).as_ref().or_else(missing)
}

/// A cluster of the newest major that one test may kill; `name` is its own.
pub(crate) fn mortal_cluster(name: &str) -> Option<(&'static Cluster, Mortal)> {
    let bindir = bindirs().pop().or_else(missing)?;
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(&bindir, name, &[])));
    let answers = || cluster.try_psql("postgres", "SELECT 1");
    Some((cluster, Mortal::new(cluster.socket_dir.clone(), rustix::process::Signal::INT, || cluster.program(), answers)))
}

/// A cluster of the oldest major for one test, started with settings of its own.
pub(crate) fn own_cluster(name: &str, settings: &[&str]) -> Option<&'static Cluster> {
    let bindir = bindirs().into_iter().next().or_else(missing)?;
    Some(Box::leak(Box::new(Cluster::start(&bindir, name, settings))))
}

/// A cluster of each major for one test, listening on a loopback address of this process.
pub(crate) fn tls_clusters() -> Vec<&'static Cluster> {
    let started = bindirs().into_iter().map(|bindir| {
        // A process has 250 addresses: one for each major, which all listen on the same port.
        let (pid, major) = (std::process::id(), major_of(&bindir));
        let parts = [127, 1 + pid / 250 % 250, 1 + pid % 250, major].map(|part| u8::try_from(part).unwrap());
        let address = SocketAddr::from((parts, 5432));
        let settings = [format!("listen_addresses={}", address.ip())];
        let settings = settings.each_ref().map(String::as_str);
        &*Box::leak(Box::new(Cluster { tcp: Some(address), ..Cluster::start(&bindir, "tls", &settings) }))
    });
    let started: Vec<_> = started.collect();
    if started.is_empty() { missing().unwrap_or_default() } else { started }
}

fn missing<T>() -> Option<T> {
    super::skipped("no PostgreSQL server found (tests/run installs it)", super::SERVERS);
    None
}

/// Binary directories by rising major.
fn bindirs() -> Vec<PathBuf> {
    let listed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let listed = listed.filter(|_| !named_only());
    let extra = std::env::var("TEST_PG_BINDIRS").unwrap_or_default();
    let extra = extra.split(':').filter(|dir| !dir.is_empty()).map(PathBuf::from).collect::<Vec<_>>();
    let mut dirs: Vec<PathBuf> = listed.chain(extra).filter(|dir| dir.join("initdb").exists()).collect();
    dirs.sort_by_key(|dir| major_of(dir));
    dirs.dedup_by_key(|dir| major_of(dir));
    dirs
}

fn major_of(bindir: &Path) -> u32 {
    let name = bindir.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    name.and_then(|name| name.parse().ok()).unwrap_or(0)
}

/// Dumps a database into a sealed archive in `dir`.
pub(crate) async fn dump(database: &Database, dir: &Path, jobs: usize) -> Result<Sealed, EngineError> {
    let label = Label::parse(&format!("t-{}", DATABASES.fetch_add(1, Ordering::SeqCst))).unwrap();
    let pending = PendingArchive::create(dir, &label, Engine::of(database).extension())?;
    let request = DumpRequest {
        level: 1,
        jobs,
        preamble: vec!["a preamble".to_owned()],
        history_tables: Vec::new(),
        expected: None,
        without_rows: Vec::new(),
    };
    let dumped = Engine::of(database).dump(&request, &pending, &Progress::default()).await?;
    let manifest = Manifest {
        format: upkeep::archive::format::FORMAT,
        tool: "upkeep test".to_owned(),
        label,
        target: TargetName::parse("test").unwrap(),
        kind: Kind::Manual,
        note: None,
        taken_at: dumped.taken_at,
        duration_ms: 0,
        server: dumped.server,
        release: None,
        shape: dumped.shape,
        tables: dumped.tables,
        consistency: dumped.consistency,
        left_out: dumped.left_out,
        data_only: dumped.data_only,
        files: None,
        configuration: None,
        level: request.level,
        raw_bytes: 0,
        stored_bytes: 0,
        frames: Vec::new(),
    };
    Ok(pending.seal(manifest)?)
}

/// Loads a sealed archive.
pub(crate) async fn load(database: &Database, sealed: &Sealed, mode: LoadMode) -> Result<Loaded, EngineError> {
    let archive = Archive::open(&sealed.path)?;
    Engine::of(database).load(&archive, mode, Standing::Nobodys, 2, &Progress::default()).await
}

/// The error of a load or dump that must fail, as a person reads it.
pub(crate) fn said(error: EngineError) -> String {
    upkeep::failure::Failure::from(error).to_string()
}

/// The name of a database of ours.
pub(crate) fn name_of(database: &Database) -> &str {
    match &database.location {
        Location::Postgres { database, .. } => database,
        other => panic!("{other} is not a PostgreSQL database"),
    }
}

/// The root that a program of PostgreSQL's is in, and the program's path in it.
fn split_root(program: &Path) -> (String, String) {
    let program = program.to_string_lossy();
    let at = program.find("/usr/lib/postgresql/").unwrap_or(0);
    (program[..at].to_owned(), program[at..].to_owned())
}

/// A program of the cluster's, as a user PostgreSQL accepts.
fn as_server(program: &Path) -> Command {
    let (root, path) = split_root(program);
    as_user("postgres", &root, &path)
}

impl Cluster {
    fn start(bindir: &Path, name: &str, settings: &[&str]) -> Self {
        let major = major_of(bindir);
        let (root, _) = split_root(bindir);
        // Paths as the server sees them; inside an unpacked root they lie below it.
        let seen = PathBuf::from(format!("/tmp/upk-pg{major}{name}-{}", std::process::id()));
        let real = PathBuf::from(format!("{root}{}", seen.display()));
        std::fs::remove_dir_all(&real).ok();
        std::fs::create_dir_all(&real).unwrap();
        give("postgres", &root, &seen);
        let data = seen.join("data");
        let made = as_server(&bindir.join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let cluster = Self {
            major,
            socket_dir: real,
            bindir: bindir.to_owned(),
            superuser: "postgres".to_owned(),
            data,
            settings,
            tcp: None,
        };
        cluster.run();
        cluster
    }

    fn run(&self) {
        start_watched(self.program(), "INT", &self.socket_dir);
        let name = format!("PostgreSQL {} in {}", self.major, self.data.display());
        wait_until_ready(&name, || self.try_psql("postgres", "SELECT 1"));
    }

    /// A hot standby of this cluster, which must not be inside an unpacked root.
    pub(crate) fn standby(&self) -> Self {
        let directory = PathBuf::from(format!("{}-standby", self.socket_dir.display()));
        std::fs::remove_dir_all(&directory).ok();
        std::fs::create_dir_all(&directory).unwrap();
        give("postgres", "", &directory);
        let data = directory.join("data");
        let mut copy = as_server(&self.bindir.join("pg_basebackup"));
        copy.args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-U", &self.superuser, "-h"])
            .arg(&self.socket_dir)
            .arg("-D")
            .arg(&data);
        let made = copy.output().unwrap();
        assert!(made.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&made.stderr));
        let (bindir, superuser, settings) = (self.bindir.clone(), self.superuser.clone(), self.settings.clone());
        let standby = Self { major: self.major, socket_dir: directory, bindir, superuser, data, settings, tcp: None };
        standby.run();
        standby
    }

    /// Puts a file in its data directory in the place of another.
    pub(crate) fn replace(&self, name: &str, file: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        let place = self.socket_dir.join("data").join(name);
        std::fs::remove_file(&place).ok();
        std::fs::copy(file, &place).unwrap();
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o600)).unwrap();
        give("postgres", &split_root(&self.bindir).0, &self.data.join(name));
    }

    /// Who may come, from now on.
    pub(crate) fn admit(&self, who: &str) {
        std::fs::write(self.socket_dir.join("data/pg_hba.conf"), who).unwrap();
        self.reload();
    }

    /// Has it read its files again; sessions that begin afterwards know.
    pub(crate) fn reload(&self) {
        let before = self.psql("postgres", "SELECT pg_conf_load_time() FROM pg_reload_conf()");
        let after = || match self.try_psql("postgres", "SELECT pg_conf_load_time()") {
            Ok(after) if after == before => Err(format!("still as of {after}")),
            other => other,
        };
        wait_until_ready("a reload", after);
    }

    fn program(&self) -> Command {
        let mut server = as_server(&self.bindir.join("postgres"));
        server.arg("-D").arg(&self.data).args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]);
        server.args(["-c", "wal_level=logical", "-c", "max_prepared_transactions=10", "-c"]);
        server.arg(format!("unix_socket_directories={}", self.data.parent().unwrap().display()));
        for setting in &self.settings {
            server.args(["-c", setting]);
        }
        server
    }

    /// Runs SQL through the cluster's own `psql` as the superuser; unaligned tuples only.
    pub(crate) fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut command = Command::new(self.client("psql"));
        command
            .args(["-X", "-v", "ON_ERROR_STOP=1", "-qAt", "-U", &self.superuser, "-d", database, "-h"])
            .arg(&self.socket_dir);
        command.args(["-f", "-"]);
        feed(command, sql)
    }

    /// Runs SQL as the superuser and panics with the server's words when it fails.
    #[track_caller]
    pub(crate) fn psql(&self, database: &str, sql: &str) -> String {
        self.try_psql(database, sql).unwrap_or_else(|error| panic!("psql on {database}: {error}"))
    }

    /// A client program of this major. Inside an unpacked root the host's own client serves when there is one.
    pub(crate) fn client(&self, name: &str) -> PathBuf {
        let own = self.bindir.join(name);
        if self.bindir.starts_with("/usr/lib/postgresql") { own } else { PathBuf::from(name) }
    }

    /// A fresh, empty database owned by the superuser; dropped with the cluster.
    pub(crate) fn fresh(&self) -> Database {
        let name = format!("t{}", DATABASES.fetch_add(1, Ordering::SeqCst));
        self.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
        self.database(&name)
    }

    /// A role that may log in and no more; these databases, and `public` in them, are its own.
    pub(crate) fn plain_role(&self, databases: &[&str]) -> String {
        let role = format!("plain_{}", databases.join("_"));
        self.psql("postgres", &format!("CREATE ROLE {role} LOGIN"));
        for database in databases {
            self.psql("postgres", &format!("ALTER DATABASE {database} OWNER TO {role}"));
            self.psql(database, &format!("ALTER SCHEMA public OWNER TO {role}"));
        }
        role
    }

    /// A name no database has yet.
    pub(crate) fn fresh_name(&self) -> String {
        format!("t{}", DATABASES.fetch_add(1, Ordering::SeqCst))
    }

    /// The configuration's form of one of its databases.
    pub(crate) fn database(&self, name: &str) -> Database {
        self.database_as(name, &self.superuser)
    }

    /// The same, as another user.
    pub(crate) fn database_as(&self, name: &str, user: &str) -> Database {
        let location = Location::Postgres {
            host: self.socket_dir.display().to_string(),
            port: 5432,
            user: user.to_owned(),
            database: name.to_owned(),
            sslmode: "disable".to_owned(),
        };
        Database { client_bindir: vec![self.bindir.clone()], ..Database::at(location) }
    }

    /// The URL form of one of its databases.
    pub(crate) fn url(&self, name: &str) -> String {
        self.database(name).location.to_string()
    }

    /// A fresh database full of everything (`torture.sql`); the role `torture` owns some of it.
    pub(crate) fn torture(&self) -> Database {
        for role in ["torture", "\"We ird\""] {
            // Roles belong to the cluster: another test may have made them already.
            let made = format!(
                "DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            );
            self.psql("postgres", &made);
        }
        let database = self.fresh();
        self.psql(name_of(&database), &format!("\\set owner torture\n{}", include_str!("torture.sql")));
        database
    }

    /// The same with every kind of object twice (`kinds.sql`), some of it in tablespaces.
    pub(crate) fn kinds(&self) -> Database {
        for tablespace in ["fast", "TO slow; OWNER TO x"] {
            // They belong to the cluster: another test may have made them already.
            let made = format!("SET allow_in_place_tablespaces = on;\nCREATE TABLESPACE \"{tablespace}\" LOCATION ''");
            if let Err(error) = self.try_psql("postgres", &made) {
                assert!(error.contains("already exists"), "{error}");
            }
        }
        let database = self.torture();
        let sql = format!("SET client_min_messages = error;\n\\set owner torture\n{}", include_str!("kinds.sql"));
        self.psql(name_of(&database), &sql);
        database
    }

    /// What the cluster's own `pg_dump` says, without what differs from run to run.
    pub(crate) fn pg_dump(&self, database: &str, arguments: &[&str]) -> String {
        // pg_dump must be of the server's major; inside an unpacked root it sees the socket where the server does.
        let unpacked = !self.bindir.starts_with("/usr/lib/postgresql");
        let socket_dir = if unpacked { self.data.parent().unwrap() } else { &self.socket_dir };
        let mut command = as_server(&self.bindir.join("pg_dump"));
        command.args(arguments).args(["-U", &self.superuser, "-d", database, "-h"]).arg(socket_dir);
        let output = command.output().unwrap();
        assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict "));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The content of a database without upkeep's help: a digest of every table's and view's rows, each sequence, each
    /// large object, one line each.
    pub(crate) fn content(&self, database: &str) -> String {
        let rows = "SELECT format('SELECT %L, count(*), md5(string_agg(r::text, chr(10) ORDER BY r::text COLLATE \"C\")) FROM ONLY %s r', \
             c.oid::regclass::text, c.oid::regclass) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'm') \
             AND (c.relkind = 'r' OR c.relispopulated) ORDER BY c.oid::regclass::text COLLATE \"C\" \\gexec\n\
             SELECT format('SELECT %L, last_value, is_called FROM %s', c.oid::regclass::text, c.oid::regclass) FROM pg_class c \
             WHERE relkind = 'S' ORDER BY c.oid::regclass::text COLLATE \"C\" \\gexec\n\
             SELECT oid, md5(lo_get(oid)), lomowner::regrole, lomacl, obj_description(oid, 'pg_largeobject') \
             FROM pg_largeobject_metadata ORDER BY oid;";
        self.psql(
            database,
            &format!("SET client_min_messages = error; SET extra_float_digits = 3; SET search_path = '';\n{rows}"),
        )
    }

    /// Restores an archive with stock tools alone: `zstd -dc FILE | psql -v ON_ERROR_STOP=1 -q DATABASE`.
    pub(crate) fn restore_by_hand(&self, archive: &Path, database: &str) -> Result<(), String> {
        let mut psql = Command::new(self.client("psql"));
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", &self.superuser, "-d", database, "-h"]).arg(&self.socket_dir);
        feed_archive(psql, archive)
    }

    /// A connection of somebody else's.
    pub(crate) async fn connect(&self, database: &str) -> sqlx::PgConnection {
        let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
            .socket(&self.socket_dir)
            .username(&self.superuser)
            .database(database);
        <sqlx::PgConnection as sqlx::Connection>::connect_with(&options).await.unwrap()
    }
}
