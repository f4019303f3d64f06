//! A real PostgreSQL for the tests: one cluster per major and test process, a fresh database per test.
//!
//! Finds `initdb` under `/usr/lib/postgresql/*/bin` and in every directory of `TEST_PG_BINDIRS` (colon-separated; a binary
//! directory inside an unpacked root is run with `chroot`). Listens on a Unix socket in a short path and on no TCP port.
//! PostgreSQL does not run as root: as root, everything runs as the user `postgres`. The server is stopped by its own pid
//! when the process ends (`pg_ctl` is not needed: the postmaster gets a death signal through a watchdog pipe).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use upkeep::archive::manifest::{Kind, Manifest};
use upkeep::archive::writer::Sealed;
use upkeep::archive::{Archive, PendingArchive};
use upkeep::config::{Database, Location};
use upkeep::engine::{DumpRequest, Engine, EngineError, LoadMode, Loaded};
use upkeep::ids::{Label, TargetName};
use upkeep::progress::Progress;

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
}

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The cluster of the oldest major found (Debian's own); `None` (said loudly) where there is none. With `CI` or
/// `REQUIRE_SERVERS` set a missing server fails the test.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| bindirs().first().map(|dir| Cluster::start(dir))).as_ref().or_else(missing)
}

/// The cluster of the newest major found, when there are at least two.
pub(crate) fn newer_cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let start = || if bindirs().len() > 1 { bindirs().last().map(|dir| Cluster::start(dir)) } else { None };
    CLUSTER.get_or_init(start).as_ref().or_else(missing)
}

fn missing() -> Option<&'static Cluster> {
    assert!(
        std::env::var_os("CI").is_none() && std::env::var_os("REQUIRE_SERVERS").is_none(),
        "a PostgreSQL server is required here and none was found; tests/run installs it"
    );
    eprintln!("skipped: no PostgreSQL server found (tests/run installs it)");
    None
}

/// Binary directories by rising major.
fn bindirs() -> Vec<PathBuf> {
    let listed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
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
    let request = DumpRequest { level: 1, jobs, preamble: vec!["a preamble".to_owned()], history_tables: Vec::new() };
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
    Engine::of(database).load(&archive, mode, 2, &Progress::default()).await
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

/// Looks again until it is so; bounded.
#[track_caller]
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "did not become so within a minute");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// A command of the cluster's, as a user PostgreSQL accepts.
fn as_server(program: &Path) -> Command {
    let root = program.to_string_lossy().split("/usr/lib/postgresql/").next().unwrap_or("").to_owned();
    let inside = format!("/{}", program.strip_prefix(if root.is_empty() { "/" } else { &root }).unwrap().display());
    let mut command = match (is_root(), root.is_empty()) {
        (true, true) => Command::new("setpriv"),
        (true, false) => Command::new("chroot"),
        (false, _) => Command::new(program),
    };
    match (is_root(), root.is_empty()) {
        (true, true) => {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        }
        (true, false) => {
            command.args(["--userspec=postgres:postgres", root.as_str(), inside.as_str()]);
        }
        (false, _) => {}
    }
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Cluster {
    #[expect(clippy::zombie_processes, reason = "both outlive this process on purpose; the watchdog ends them")]
    fn start(bindir: &Path) -> Self {
        let major = major_of(bindir);
        let root = bindir.to_string_lossy().split("/usr/lib/postgresql/").next().unwrap_or("").to_owned();
        // Paths as the server sees them; inside an unpacked root they lie below it.
        let seen = PathBuf::from(format!("/tmp/upk-pg{major}-{}", std::process::id()));
        let real = PathBuf::from(format!("{root}{}", seen.display()));
        std::fs::remove_dir_all(&real).ok();
        std::fs::create_dir_all(&real).unwrap();
        if is_root() {
            let owner = Command::new(if root.is_empty() { "chown" } else { "chroot" })
                .args(if root.is_empty() { vec![] } else { vec![root.as_str(), "chown"] })
                .arg("postgres:postgres")
                .arg(if root.is_empty() { &real } else { &seen })
                .status();
            assert!(owner.unwrap().success(), "chown of {}", real.display());
        }
        let data = seen.join("data");
        let made = as_server(&bindir.join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let log = std::fs::File::create(real.join("log")).unwrap();
        let mut server = as_server(&bindir.join("postgres"));
        server.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]);
        server.args(["-c", "wal_level=replica", "-c", "max_prepared_transactions=10", "-c"]);
        server.arg(format!("unix_socket_directories={}", seen.display()));
        let child = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let pid = child.id();
        // A watchdog that outlives us by a moment stops the server by its own pid and removes the cluster.
        Command::new("sh")
            .arg("-c")
            .arg(format!(
                "trap '' INT TERM; while kill -0 {} 2>/dev/null; do sleep 1; done; kill -INT {pid} 2>/dev/null; \
                 for i in 1 2 3 4 5; do kill -0 {pid} 2>/dev/null || break; sleep 1; done; rm -rf '{}'",
                std::process::id(),
                real.display()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let cluster = Self { major, socket_dir: real, bindir: bindir.to_owned(), superuser: "postgres".to_owned(), data };
        cluster.wait_until_ready();
        cluster
    }

    fn wait_until_ready(&self) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let mut said = String::new();
        while std::time::Instant::now() < deadline {
            match self.try_psql("postgres", "SELECT 1") {
                Ok(_) => return,
                Err(error) => said = error,
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("PostgreSQL {} in {} did not become ready: {said}", self.major, self.data.display());
    }

    /// Runs SQL through the cluster's own `psql` as the superuser; unaligned tuples only.
    pub(crate) fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut command = Command::new(self.client("psql"));
        command
            .args(["-X", "-v", "ON_ERROR_STOP=1", "-qAt", "-U", &self.superuser, "-d", database, "-h"])
            .arg(&self.socket_dir);
        let mut child =
            command.arg("-f").arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), sql.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
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
        Database { location, password: None }
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
        let mut zstd = Command::new("zstd").arg("-dc").arg(archive).stdout(Stdio::piped()).spawn().unwrap();
        let mut psql = Command::new(self.client("psql"));
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", &self.superuser, "-d", database, "-h"]).arg(&self.socket_dir);
        let output = psql.stdin(zstd.stdout.take().unwrap()).output().unwrap();
        assert!(zstd.wait().unwrap().success(), "zstd -dc");
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
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
