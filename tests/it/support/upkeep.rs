//! The real binary in a place of its own: its configuration, its output, its exit code.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::wait::until;

/// A scratch directory with a configuration in it. Nothing of the host's environment reaches the program.
pub(crate) struct Upkeep {
    dir: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

/// How a run ended.
#[derive(Debug)]
#[must_use]
pub(crate) struct Ran {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Upkeep {
    /// A scratch place without a configuration.
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("upk").tempdir().unwrap(), environment: Vec::new() }
    }

    /// A scratch place whose configuration has its own state directory and socket, and `targets` below them.
    pub(crate) fn with(targets: &str) -> Self {
        let upkeep = Self::new();
        upkeep.configure(targets);
        upkeep
    }

    /// Writes the configuration; `{dir}` in it is the scratch directory.
    pub(crate) fn configure(&self, targets: &str) {
        let head = format!(
            "[daemon]\nstate_dir = \"{{dir}}/state\"\npoll = \"200ms\"\n[control]\nsocket = \"{{dir}}/upkeep.sock\"\noperators = [\"{}\"]\n",
            rustix::process::geteuid().as_raw()
        );
        self.file("upkeep.toml", &format!("{head}{targets}"));
    }

    /// Writes a file below the scratch directory; `{dir}` in it is that directory.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text.replace("{dir}", &self.root().display().to_string())).unwrap();
        path
    }

    /// Removes a file below the scratch directory.
    pub(crate) fn lose(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
    }

    /// Renames a file below the scratch directory.
    pub(crate) fn moved(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Sets a variable for what runs from here on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The scratch directory.
    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// A path below the scratch directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// The program, ready to run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upkeep"));
        command.args(arguments).current_dir(self.root()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.root()).env("USER", "tester");
        command.env("UPKEEP_CONFIG", self.path("upkeep.toml"));
        if let Some(value) = std::env::var_os("LLVM_PROFILE_FILE") {
            command.env("LLVM_PROFILE_FILE", value);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs it and panics with its own words when it fails; gives standard output.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert!(ran.code == 0, "upkeep {}: {}\n{}\n{}", arguments.join(" "), ran.code, ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Runs it with `--json` and gives the one object it printed.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let ran = self.run(&[&["--json"], arguments].concat());
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    /// Keeps everybody else out of a SQLite file until the guard is dropped.
    pub(crate) fn hold_sqlite(&self, name: &str) -> Child {
        let mut holder = Command::new("sqlite3");
        holder.arg(self.path(name)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = holder.spawn().unwrap();
        holder.stdin.as_mut().unwrap().write_all(b"BEGIN EXCLUSIVE; SELECT 'held';\n").unwrap();
        let mut said = [0; 4];
        holder.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
        holder
    }

    /// Runs SQL on a SQLite file below the scratch directory.
    pub(crate) fn sqlite(&self, name: &str, sql: &str) {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path(name)).create_if_missing(true);
        let work = async {
            let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
            sqlx::Connection::close(connection).await.unwrap();
        };
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    }

    /// Starts the daemon and waits until it answers.
    #[track_caller]
    pub(crate) fn daemon(&self) -> Daemon {
        let log = std::fs::File::create(self.path("daemon.log")).unwrap();
        let child = self.command(&["daemon"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let daemon = Daemon { child };
        until("the daemon answers", || self.json(&["status"])["pid"].as_u64().is_some());
        daemon
    }

    /// What a person sees of a failed run, with everything that differs from run to run named instead.
    pub(crate) fn snapshot(&self, name: &str, ran: &Ran) {
        let text = format!("{}{}exit code {}", ran.stdout, ran.stderr, ran.code);
        let mut settings = insta::Settings::clone_current();
        settings.set_omit_expression(true);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_path("../snapshots");
        for (pattern, stands_for) in [
            // What is shown on the way, which a busy host shows more of.
            (r"(?m)^.* …\n".to_owned(), ""),
            (self.root().display().to_string().replace('.', "\\."), "[dir]"),
            (r"\d{8}T\d{6}Z(-\d+)?".to_owned(), "[stamp]"),
            // Of the server's own source: each minor release has another.
            (" at line \\d+".to_owned(), ""),
            (r"\bpid \d+".to_owned(), "pid [pid]"),
            (r"/tmp/upk-pg\d+-\d+".to_owned(), "[socket]"),
            (r"\bt\d+\b".to_owned(), "[database]"),
        ] {
            settings.add_filter(&pattern, stands_for);
        }
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

/// A running daemon, told to stop and waited for when dropped.
pub(crate) struct Daemon {
    child: Child,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The number of one that was waited for may be somebody else's by now.
        if self.child.try_wait().ok().flatten().is_some() {
            return;
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if self.child.try_wait().ok().flatten().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
