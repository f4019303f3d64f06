//! A whole small host in a directory: a database, releases behind a symlink, a managed server that is a real process, and a
//! configuration; plus ways to run the real `upkeep` on it, kill it at any fault point, and look at what is left.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use upkeep::config::Database;

use super::daemon::Running;
pub(crate) use super::engines::{Db, Home};

/// The world. Its files are made once (`pristine`) and put back by [`World::reset`], always at the same path, because the
/// state database holds absolute paths.
#[derive(Debug)]
pub(crate) struct World {
    dir: tempfile::TempDir,
    home: Home,
}

const V1: &str = "CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT NOT NULL);\n";
const V2: &str = "ALTER TABLE note ADD COLUMN starred INTEGER NOT NULL DEFAULT 0;\nUPDATE note SET starred = id % 2;\n";
const V3_BROKEN: &str =
    "CREATE TABLE half (id INTEGER);\nINSERT INTO half SELECT id FROM note;\nINSERT INTO no_such_table VALUES (1);\n";
const V3: &str = "ALTER TABLE note ADD COLUMN colour TEXT;\nDELETE FROM note WHERE id > 50;\n";

impl World {
    /// A world at release 1.0.0, its database migrated to V1 and filled; 1.1.0 is good, 1.2.0's migration fails half-way
    /// unless it is mended, 1.3.0 migrates and is never healthy.
    pub(crate) fn new(db: Db) -> Self {
        let dir = tempfile::Builder::new().prefix("upk-world-").tempdir_in("/tmp").unwrap();
        let home = Home::new(db, &dir.path().join("w/notes.db"));
        let world = Self { dir, home };
        let root = world.root();
        for (version, scripts) in [
            ("1.0.0", vec![("V1__init.sql", V1)]),
            ("1.1.0", vec![("V1__init.sql", V1), ("V2__star.sql", V2)]),
            ("1.2.0", vec![("V1__init.sql", V1), ("V2__star.sql", V2), ("V3__half.sql", V3_BROKEN)]),
            ("1.3.0", vec![("V1__init.sql", V1), ("V2__star.sql", V2), ("V3__colour.sql", V3)]),
        ] {
            let migrations = root.join("releases").join(version).join("migrations");
            std::fs::create_dir_all(&migrations).unwrap();
            std::fs::write(migrations.parent().unwrap().join("VERSION"), format!("{version}\n")).unwrap();
            for (file, sql) in scripts {
                std::fs::write(migrations.join(file), sql).unwrap();
            }
        }
        std::os::unix::fs::symlink("releases/1.0.0", root.join("current")).unwrap();
        std::fs::create_dir(root.join("run")).unwrap();
        world.write_config("");
        world.home.create();
        let applied = world.run(&["migrate", "apply", "notes"]);
        assert!(applied.status.success(), "{}", text(&applied));
        let notes = (1..=100).map(|n| format!("({n}, 'note {n}')")).collect::<Vec<_>>().join(", ");
        world.sql(&format!("INSERT INTO note (id, body) VALUES {notes}"));
        world
    }

    /// The directory everything is in.
    pub(crate) fn root(&self) -> PathBuf {
        let root = self.dir.path().join("w");
        std::fs::create_dir_all(&root).unwrap();
        root
    }

    /// Writes the configuration; `more` is appended (more keys of `[targets.notes.upgrade]`, more tables).
    pub(crate) fn write_config(&self, more: &str) {
        let root = self.root();
        let root = root.display();
        let database = self.home.keys();
        let config = format!(
            r#"
[daemon]
state_dir = "{root}/state"
poll = "1s"
[control]
socket = "{root}/state/upkeep.sock"

[targets.notes.database]
{database}
[targets.notes.backup]
directory = "{root}/archives"
[targets.notes.release]
path = "{root}/current"
version = {{ file = "VERSION" }}
settle = "0s"
[targets.notes.migrations]
runner = "flyway"
locations = ["migrations"]
[targets.notes.service]
start = ["sh", "-c", "cd {root} && readlink current > run/serving && (sleep 600 </dev/null >/dev/null 2>&1 & echo $! > run/pid)"]
stop = ["sh", "-c", "cd {root} && if [ -e run/pid ]; then p=$(cat run/pid); [ /proc/$p/cwd -ef . ] && kill $p 2>/dev/null; rm -f run/pid run/serving; fi; true"]
status = ["sh", "-c", "kill -0 $(cat {root}/run/pid 2>/dev/null) 2>/dev/null || exit 3"]
health = [{{ command = ["sh", "-c", "cd {root} && kill -0 $(cat run/pid) && [ $(cat run/serving) != releases/1.3.0 ]"] }}]
healthy_for = "0s"
deadline = "200ms"
[targets.notes.upgrade]
{more}
"#
        );
        std::fs::write(self.config(), config).unwrap();
    }

    /// From here on upkeep is a user who may do all in the world's own database and nothing beside it (on a server).
    pub(crate) fn confine(&mut self) {
        let user = format!("confined_{}", self.home.name);
        match self.home.db {
            Db::Sqlite => panic!("a file has no users of its own"),
            Db::MySql(server) => server.user(&user, &self.home.name, "ALL"),
            Db::Postgres(_) => self.home.sql(&format!(
                "CREATE ROLE {user} LOGIN; ALTER DATABASE {} OWNER TO {user}; ALTER SCHEMA public OWNER TO {user}; \
                 ALTER TABLE note OWNER TO {user}; ALTER TABLE flyway_schema_history OWNER TO {user}",
                self.home.name
            )),
        }
        self.home.user = user;
        self.write_config("");
    }

    /// The configuration's form of the world's database.
    pub(crate) fn database(&self) -> Database {
        self.home.database()
    }

    /// A directory of programs for whoever acts by hand: upkeep, and the clients of the world's own server.
    pub(crate) fn programs(&self) -> PathBuf {
        let bin = self.root().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        // It may be there from before.
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_upkeep"), bin.join("upkeep")).ok();
        if let Db::MySql(server) = self.home.db {
            server.put_clients(&bin);
        }
        bin
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.root().join("upkeep.toml")
    }

    /// Mends the migration of 1.2.0: the statement that failed, and nothing before it.
    pub(crate) fn mend(&self) {
        let script = self.root().join("releases/1.2.0/migrations/V3__half.sql");
        std::fs::write(script, V3_BROKEN.replace("no_such_table", "half")).unwrap();
    }

    /// Points `current` at a release, as a package would.
    pub(crate) fn install(&self, version: &str) {
        let link = self.root().join("current.new");
        std::os::unix::fs::symlink(format!("releases/{version}"), &link).unwrap();
        std::fs::rename(link, self.root().join("current")).unwrap();
    }

    /// Keeps the world as it stands for [`World::reset`].
    pub(crate) fn keep(&self) {
        let kept = self.dir.path().join("kept");
        std::fs::remove_dir_all(&kept).ok();
        copy(&self.root(), &kept);
        self.home.keep();
    }

    /// Puts the world back as it was kept; a server that ran then runs again.
    pub(crate) fn reset(&self) {
        self.stop_server();
        std::fs::remove_dir_all(self.root()).unwrap();
        copy(&self.dir.path().join("kept"), &self.root());
        self.home.put_back();
        if self.root().join("run/pid").exists() {
            self.start_server();
        }
    }

    /// Starts the managed server as its own unit would.
    pub(crate) fn start_server(&self) {
        let started = Command::new("sh")
            .arg("-c")
            .arg("{ [ -e run/serving ] || readlink current > run/serving; } && (sleep 600 </dev/null >/dev/null 2>&1 & echo $! > run/pid)")
            .current_dir(self.root())
            .status();
        assert!(started.unwrap().success());
    }

    /// Stops it, as a person would who does not ask us.
    pub(crate) fn stop_server(&self) {
        if let Some(pid) = self.server_pid() {
            // One that has ended has nothing to be told, and its number may be somebody else's by now: a thread's of a database server even,
            // which then shuts down.
            let is_ours = std::fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).is_ok_and(|cwd| cwd == self.root());
            if is_ours {
                rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
            }
            for name in ["run/pid", "run/serving"] {
                std::fs::remove_file(self.root().join(name)).ok();
            }
        }
    }

    fn server_pid(&self) -> Option<rustix::process::Pid> {
        let pid = std::fs::read_to_string(self.root().join("run/pid")).ok()?;
        rustix::process::Pid::from_raw(pid.trim().parse().ok()?)
    }

    /// The release the managed server runs as, if it runs.
    pub(crate) fn serving(&self) -> Option<String> {
        let alive = rustix::process::test_kill_process(self.server_pid()?).is_ok();
        let serving = std::fs::read_to_string(self.root().join("run/serving")).ok()?;
        alive.then(|| serving.trim().rsplit('/').next().unwrap_or_default().to_owned())
    }

    /// The real binary on this world.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upkeep"));
        command.arg("--config").arg(self.config()).args(arguments).stdin(Stdio::null()).env_remove("NOTIFY_SOCKET");
        command
    }

    /// The real daemon on this world, once it is ready.
    #[track_caller]
    pub(crate) fn daemon(&self) -> Running {
        let root = self.root();
        Running::run(self.command(&["daemon"]), &root, root.join("state/upkeep.sock"))
    }

    /// Runs `upkeep` to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs `upkeep … --json` and reads what it printed; panics when it failed.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.command(arguments).arg("--json").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output)))
    }

    /// Runs one statement on the world's database.
    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) {
        self.home.sql(sql);
    }

    /// The first row, its columns with `|` between them.
    #[track_caller]
    pub(crate) fn ask(&self, sql: &str) -> String {
        self.home.ask(sql)
    }

    /// Which version the database is wholly at, by its history, its schema and its rows; panics when it is between two.
    #[track_caller]
    pub(crate) fn whole_version(&self) -> &'static str {
        let counts = "(SELECT count(*) FROM flyway_schema_history), (SELECT count(*) FROM note)";
        let found = self.home.columns_and_tables("note", counts);
        let counts_at = found.match_indices('|').rev().nth(1).map_or(0, |(at, _)| at);
        match (found[counts_at..].trim_start_matches('|'), &found[..counts_at]) {
            ("1|100", "id,body|flyway_schema_history,note") => "1.0.0",
            ("2|100", "id,body,starred|flyway_schema_history,note") => "1.1.0",
            ("3|100", "id,body,starred|flyway_schema_history,half,note") => "1.2.0",
            ("3|50", "id,body,starred,colour|flyway_schema_history,note") => "1.3.0",
            between => panic!("the database is between versions: {between:?}"),
        }
    }

    /// The columns of the notes, and all tables.
    #[track_caller]
    pub(crate) fn columns(&self) -> String {
        self.home.columns_and_tables("note", "1")
    }

    /// The database, for somebody else.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// What the state database holds of archives, upgrades and holds, for comparing two moments.
    pub(crate) fn journal(&self) -> String {
        super::engines::ask_file(
            &self.root().join("state/state.db"),
            "SELECT (SELECT group_concat(label || ' ' || verdict || ' ' || ifnull(pinned, '-'), char(10)) FROM (SELECT * FROM archive ORDER BY label)), \
             (SELECT group_concat(upgrade_id || ' ' || seq || ' ' || kind || ' ' || body_json, char(10)) FROM (SELECT * FROM upgrade_event ORDER BY upgrade_id, seq)), \
             (SELECT group_concat(version || ' ' || reason, char(10)) FROM (SELECT * FROM hold ORDER BY version))",
        )
    }

    /// The processes of ours that work on this world.
    pub(crate) fn processes(&self) -> Vec<String> {
        let config = self.config();
        let config = config.to_str().unwrap();
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = all.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok());
        lines.filter(|line| line.contains(config)).map(|line| line.replace('\0', " ")).collect()
    }

    /// Databases on the server that upkeep made for itself and that should be gone.
    pub(crate) fn scratch_databases(&self) -> Vec<String> {
        self.home.scratch_databases()
    }

    /// Whether a text is in the database, or in an archive anywhere in the world as stock tools read it.
    pub(crate) fn keeps(&self, body: &str) -> bool {
        let there = self.ask(&format!("SELECT count(*) FROM note WHERE body = '{body}'")) != "0";
        there
            || self.files(|name| name.ends_with(".zst")).iter().any(|path| {
                let mut content = Vec::new();
                let mut decoder = zstd::Decoder::new(std::fs::File::open(path).unwrap()).unwrap();
                // Behind the content is what only we read; stock zstd passes over it as well.
                std::io::Read::read_to_end(&mut decoder, &mut content).ok();
                content.windows(body.len()).any(|window| window == body.as_bytes())
            })
    }

    /// Temporary files anywhere in the world.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        self.files(|name| upkeep::durable::is_temporary(name) || name.contains("upkeep-new"))
    }

    /// Files anywhere in the world whose name is such a one.
    fn files(&self, is_such: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.root()];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap().flatten() {
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with("scratch-") {
                    found.push(path);
                } else if path.is_dir() && !path.is_symlink() {
                    open.push(path);
                } else if is_such(&name) {
                    found.push(path);
                }
            }
        }
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop_server();
        if std::thread::panicking() {
            let kept = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap()).keep();
            eprintln!("the world is kept in {}", kept.display());
        }
    }
}

/// Both streams of a finished program, for a message.
pub(crate) fn text(output: &Output) -> String {
    format!("{}\n{}\n{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(copied.success(), "cp -a {} {}", from.display(), to.display());
}
