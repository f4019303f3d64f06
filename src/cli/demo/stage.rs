//! The demo's stage: its directory, its daemon, its notes server, and the lines it prints.
//!
//! Owns every child process. Invariant: [`Stage::strike`] ends them all by their own pids; if it is never reached, the
//! daemon's death follows from dropping the stage.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Child;

use super::{layout, look, server};
use crate::cli::table;
use crate::cli::terminal::{Terminal, Tone};
use crate::cli::{Stop, World};
use crate::control::client::Client;
use crate::durable;
use crate::failure::{Class, Failure};
use crate::ids::TargetName;
use crate::process::{Command, Finished};
use crate::state_db::catalogue::Entry;
use crate::wire::TargetStatus;

/// Columns before the words of a line: the tick and the seconds.
const ASIDE: usize = 11;

/// Columns for what came true, so that where to look stands in one column.
const WHAT: usize = 64;

/// No step of the story takes this long on a laptop under load; a step that does has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a step looks whether what it waits for has come true.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long the daemon may take to stop at a step boundary.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Everything the story plays with.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) root: PathBuf,
    pub(super) port: u16,
    pub(super) target: TargetName,
    pub(super) terminal: Terminal,
    program: PathBuf,
    config: PathBuf,
    daemon: Option<Child>,
    started: Instant,
}

impl Stage {
    /// Lays everything out; nothing runs yet.
    pub(super) async fn build(root: PathBuf, world: &World) -> Result<Self, Stop> {
        let started = Instant::now();
        layout::is_ours_to_make(&root)?;
        // Of a demo that was killed.
        if server::running(&root).is_some() {
            server::stop(&root).await?;
        }
        layout::prepare(&root)?;
        let program = std::env::current_exe();
        let program = program.map_err(|error| Failure::new(Class::OsError, format!("cannot find our own program: {error}")))?;
        let port = free_port().await?;
        let config = layout::write(&root, &program, port)?;
        if let Some(directory) = layout::socket(&root).parent() {
            durable::make_dir(directory)?;
        }
        layout::install(&root, layout::RELEASES[0])?;
        let target = TargetName::parse("notes").map_err(|error| Failure::new(Class::Software, error.to_string()))?;
        Ok(Self { root, port, target, terminal: world.terminal, program, config, daemon: None, started })
    }

    /// One line of the story that came true.
    pub(super) fn done(&self, what: &str, look: &str) {
        let seconds = self.started.elapsed().as_secs_f32();
        let tick = self.terminal.paint(Tone::Good, "✓");
        // Beside it where the terminal has room, else below.
        let needed = ASIDE + WHAT + 1 + look.chars().count();
        let line = match self.terminal.columns().filter(|columns| needed > *columns) {
            None => format!("{what:<WHAT$} {}", self.terminal.paint(Tone::Quiet, look)),
            Some(columns) => {
                let look = table::wrapped(look, columns, ASIDE);
                format!("{what}\n{:ASIDE$}{}", "", self.terminal.paint(Tone::Quiet, &look))
            }
        };
        // The story is a result: with --json nothing is printed but a failure.
        if !self.terminal.is_json() {
            self.terminal.print(&format!("{tick} {seconds:5.1} s  {line}\n")).ok();
        }
    }

    /// What was typed for the line above.
    pub(super) fn aside(&self, command: &str) {
        if !self.terminal.is_json() {
            self.terminal.print(&format!("          $ {command}\n")).ok();
        }
    }

    /// A line between.
    pub(super) fn heading(&self, text: &str) {
        if !self.terminal.is_json() {
            self.terminal.print(&format!("\n{}\n", self.terminal.paint(Tone::Strong, text))).ok();
        }
    }

    /// What did not come true, with where to look.
    pub(super) fn failed(&self, what: &str, why: &str) -> Stop {
        let seconds = self.started.elapsed().as_secs_f32();
        if !self.terminal.is_json() {
            let cross = self.terminal.paint(Tone::Bad, "✗");
            self.terminal.print(&format!("{cross} {seconds:5.1} s  {what}\n")).ok();
        }
        let mut failure = Failure::new(Class::Software, format!("the demo's step did not come true: {what}"));
        failure.causes.push(why.to_owned());
        failure
            .safe("nothing outside the demo's directory was touched")
            .hint(format!(
                "look into {} and {}",
                self.root.join("daemon.log").display(),
                self.root.join("server.log").display()
            ))
            .into()
    }

    /// Looks until something is true, and gives what the look found.
    pub(super) async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> Result<T, Stop> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match look().await {
                Ok(found) => return Ok(found),
                Err(why) if Instant::now() > deadline => return Err(self.failed(what, &why)),
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Runs `upkeep` on the demo's configuration, as a person would.
    pub(super) async fn upkeep(&self, arguments: &[&str]) -> Result<Finished, Stop> {
        let program = self.program.display().to_string();
        let config = self.config.display().to_string();
        let words = [&[program.as_str(), "--config", config.as_str()], arguments].concat();
        let finished = Command::new(&words, PATIENCE).run().await?;
        if finished.success() {
            return Ok(finished);
        }
        Err(self.failed(&format!("`upkeep {}`", arguments.join(" ")), finished.stderr.trim()))
    }

    pub(super) async fn start_server(&self) -> Result<(), Stop> {
        let words =
            [self.program.display().to_string(), "demo-server".into(), "--root".into(), self.root.display().to_string()];
        let words: Vec<String> = words.into_iter().chain(["--port".into(), self.port.to_string(), "start".into()]).collect();
        Ok(Command::new(&words, PATIENCE).succeed().await.map(drop)?)
    }

    /// Starts the daemon as a child, its log in the directory.
    pub(super) fn start_daemon(&mut self) -> Result<(), Stop> {
        let failed = |error: std::io::Error| Failure::new(Class::OsError, format!("cannot start the daemon: {error}"));
        let log = std::fs::File::create(self.root.join("daemon.log")).map_err(failed)?;
        let mut command = tokio::process::Command::new(&self.program);
        command.arg("--config").arg(&self.config).arg("daemon");
        // Its own process group: Ctrl-C reaches the story, which then stops the daemon in order.
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log).process_group(0).kill_on_drop(true);
        self.daemon = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    async fn client(&self) -> Result<Client, String> {
        let client = Client::connect(&layout::socket(&self.root)).await.map_err(|failure| failure.to_string())?;
        client.ok_or_else(|| "the daemon does not listen".to_owned())
    }

    /// What the daemon says of the target.
    pub(super) async fn status(&self) -> Result<TargetStatus, String> {
        self.client().await?.target(&self.target).await.map_err(|failure| failure.to_string())
    }

    /// The archives, newest first.
    pub(super) async fn archives(&self) -> Result<Vec<Entry>, String> {
        self.client().await?.archives(&self.target).await.map_err(|failure| failure.to_string())
    }

    /// The version that answers over HTTP.
    pub(super) async fn version(&self) -> Result<String, String> {
        look::get(self.port, "/version").await
    }

    /// Stops everything in order: first the daemon, which may be using the server, then the server.
    pub(super) async fn strike(&mut self) -> Result<(), Stop> {
        if let Some(mut daemon) = self.daemon.take() {
            let pid = daemon.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                // It may have ended by itself; waiting says so.
                rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
            }
            if tokio::time::timeout(STOP_WITHIN, daemon.wait()).await.is_err() {
                daemon.start_kill().ok();
                drop(daemon.wait().await);
            }
        }
        server::stop(&self.root).await?;
        let socket_directory = layout::socket(&self.root);
        if !socket_directory.starts_with(&self.root) {
            // Empty by now; one that is not is somebody else's.
            socket_directory.parent().map(std::fs::remove_dir);
        }
        Ok(())
    }

    /// Leaves daemon and server running and says how to end them.
    pub(super) fn leave_running(&mut self) -> Result<(), Stop> {
        let Some(daemon) = self.daemon.take() else { return Ok(()) };
        let pid = daemon.id().unwrap_or_default();
        // Forgotten on purpose: the person asked for a daemon that outlives us.
        std::mem::forget(daemon);
        self.terminal.say(&format!(
            "both go on; to end them: kill {pid}; {} demo-server --root {} --port {} stop",
            self.program.display(),
            self.root.display(),
            self.port
        ));
        Ok(())
    }

    /// The directory, for the last line.
    pub(super) fn readme(&self) -> PathBuf {
        self.root.join("README.txt")
    }
}

/// A port that nobody listens on now. Somebody could take it before the server does; then the demo says so and fails.
async fn free_port() -> Result<u16, Stop> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await;
    let address = listener.and_then(|listener| listener.local_addr());
    Ok(address.map_err(|error| Failure::new(Class::OsError, format!("cannot find a free port on 127.0.0.1: {error}")))?.port())
}
