//! What the tests' own database servers have in common: whose processes they are, how long they live, and what is fed to them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether the tests are for the servers that are named to them and not for the host's own (`tests/servers`).
pub(crate) fn named_only() -> bool {
    std::env::var_os("TEST_SERVERS_ONLY").is_some()
}

/// A program of a server's, as the user it runs as. `path` is as the server sees it: inside `root` when there is one.
pub(crate) fn as_user(user: &str, root: &str, path: &str) -> Command {
    let mut command = match (is_root(), root.is_empty()) {
        (true, true) => Command::new("setpriv"),
        (true, false) => Command::new("chroot"),
        (false, _) => Command::new(path),
    };
    match (is_root(), root.is_empty()) {
        (true, true) => {
            command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups", path]);
        }
        (true, false) => {
            command.args([&format!("--userspec={user}:{user}"), root, path]);
        }
        (false, _) => {}
    }
    command.current_dir("/");
    command
}

/// A program inside a root, as whoever we are.
pub(crate) fn inside(root: &str, path: &str) -> Command {
    if root.is_empty() {
        return Command::new(path);
    }
    let mut command = Command::new("chroot");
    command.args([root, path]);
    command
}

/// Makes a directory (as the server sees it) a user's.
pub(crate) fn give(user: &str, root: &str, directory: &Path) {
    if is_root() {
        let owner = format!("{user}:{user}");
        let given = inside(root, "/bin/chown").args(["-R", &owner]).arg(directory).status();
        assert!(given.unwrap().success(), "chown of {root}{}", directory.display());
    }
}

/// Starts a server with a watchdog that outlives us by a moment, stops it by its own pid and removes its files.
#[expect(clippy::zombie_processes, reason = "it outlives this process on purpose")]
pub(crate) fn start_watched(server: Command, signal: &str, files: &Path) -> u32 {
    let pid = spawn_watched(server, files);
    // The pid is read at the end: a server that was killed meanwhile has left none, and its number may be somebody else's.
    Command::new("sh")
        .arg("-c")
        .arg(format!(
            "trap '' INT TERM; while kill -0 {} 2>/dev/null; do sleep 1; done; pid=$(cat '{files}/watched'); kill -{signal} $pid; \
             for i in 1 2 3 4 5 6 7 8 9; do kill -0 $pid || break; sleep 1; done; kill -KILL $pid; rm -rf '{files}'",
            std::process::id(),
            files = files.display()
        ))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    pid
}

/// Starts a server that a watchdog is already there for.
fn spawn_watched(mut server: Command, files: &Path) -> u32 {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(files.join("log")).unwrap();
    let pid = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap().id();
    std::fs::write(files.join("watched"), pid.to_string()).unwrap();
    pid
}

/// A server that one test has to itself, to kill it, to hold it up and to start it again.
pub(crate) struct Mortal {
    files: PathBuf,
    /// What it takes for an order to shut down at once.
    order: rustix::process::Signal,
    program: Box<dyn Fn() -> Command + Send + Sync>,
    answers: Box<dyn Fn() -> Result<String, String> + Send + Sync>,
}

impl Mortal {
    /// The server whose files are there, which this starts and which answers to that.
    pub(crate) fn new(
        files: PathBuf,
        order: rustix::process::Signal,
        program: impl Fn() -> Command + Send + Sync + 'static,
        answers: impl Fn() -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        Self { files, order, program: Box::new(program), answers: Box::new(answers) }
    }

    fn pid(&self) -> rustix::process::Pid {
        let pid = std::fs::read_to_string(self.files.join("watched")).unwrap();
        rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Has it shut down, and waits for its end.
    pub(crate) fn shut_down(&self) {
        self.end(self.order);
    }

    /// Ends it with a signal, and waits for its end.
    pub(crate) fn end(&self, signal: rustix::process::Signal) {
        self.signal(signal);
        rustix::process::waitpid(Some(self.pid()), rustix::process::WaitOptions::empty()).unwrap();
        std::fs::write(self.files.join("watched"), "").unwrap();
    }

    /// Starts it again, and waits until it answers. What is left of the one before may be in the way for a moment.
    pub(crate) fn begin(&self) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(180);
        while std::time::Instant::now() < deadline {
            let pid = spawn_watched((self.program)(), &self.files);
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            while rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG).unwrap().is_none() {
                if (self.answers)().is_ok() {
                    return;
                }
                assert!(std::time::Instant::now() < deadline, "it does not answer");
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
        panic!("it does not start: {}", std::fs::read_to_string(self.files.join("log")).unwrap_or_default());
    }
}

/// Asks until the server answers; bounded.
pub(crate) fn wait_until_ready(server: &str, ask: impl Fn() -> Result<String, String>) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(180);
    let mut said = String::new();
    while std::time::Instant::now() < deadline {
        match ask() {
            Ok(_) => return,
            Err(error) => said = error,
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{server} did not become ready: {said}");
}

/// Feeds a text to a client; what it printed, or what it said when it failed.
pub(crate) fn feed(mut client: Command, text: &str) -> Result<String, String> {
    let mut child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, text) = (child.stdin.take().unwrap(), text.to_owned());
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, text.as_bytes()).ok());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// `zstd -dc ARCHIVE | CLIENT`.
pub(crate) fn feed_archive(mut client: Command, archive: &Path) -> Result<(), String> {
    let mut zstd = Command::new("zstd").arg("-dc").arg(archive).stdout(Stdio::piped()).spawn().unwrap();
    let output = client.stdin(zstd.stdout.take().unwrap()).output().unwrap();
    // Our end of the pipe: with it open zstd would wait for a client that is gone.
    drop(client);
    let unpacked = zstd.wait().unwrap().success();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    assert!(unpacked, "zstd -dc");
    Ok(())
}
