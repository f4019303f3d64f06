//! Running other programs: as argv whose words no shell ever reads, with a deadline and bounded output.
//!
//! Owns every child process of the daemon. A child runs in a process group of its own and is killed with it when the deadline
//! passes or the caller is dropped. What it leaves behind when it ends by itself (a server its start command put into the
//! background) is left alone. One that must be known of before it begins is held back until its [`Identity`] was written
//! down ([`Command::hold`]); with its output in a file it has a life of its own, and goes on when we end. Output kept is bounded to its last [`KEPT_OUTPUT_BYTES`].
//!
//! A child has a small environment of named variables, not ours ([`kept_environment`]). What somebody weaker decides about (who owns, or
//! may change, the program, its directory, or a file among its arguments) never runs as root: it runs as that user, in a session of its
//! own without a terminal, or not at all ([`User::of`]). Held by `tests/it/service.rs` and `tests/it/borders.rs`.

mod environment;
mod error;
mod held;
mod identity;
mod lines;
pub mod memory;
mod relay;
mod talk;
mod user;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::{durable, trust};

pub use environment::{in_file as environment_file, kept as kept_environment};
pub use error::ProcessError;
pub use held::{Held, ended, is_end};
pub use identity::Identity;
pub use lines::Lines;
pub use relay::relay;
pub use talk::Talk;
pub use user::User;

/// How much of a program's output is kept, from its end, in bytes: enough for a stack trace, small enough for a journal row.
pub const KEPT_OUTPUT_BYTES: usize = 64 * 1024;

/// A last line longer than this is no message.
const LINE_CHARACTERS: usize = 1000;

/// How long the rest of a program's output is waited for after the program itself has ended: a server left in the background
/// holds the pipes open for ever, and what the program itself wrote is in them already.
pub const LINGER: Duration = Duration::from_secs(1);

/// By how much the threads that compress, hash and compare stand back behind those that answer.
const STEP_BACK: i32 = 10;

/// Has the calling thread give way to every other of this process: it is about to keep a core busy for long, and whoever asks for
/// the status in the meantime should not notice. The work takes no longer for it where nobody else wants the core.
pub fn give_way() {
    // Where a sandbox forbids it, answers come some milliseconds later; nothing else depends on it.
    rustix::process::nice(STEP_BACK).ok();
}

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Working directory.
    pub directory: Option<PathBuf>,
    /// Variables beside the few that every program has; values may be secret and are never logged.
    pub environment: BTreeMap<String, String>,
    /// Bytes for its standard input.
    pub input: Vec<u8>,
    /// After this long it is killed with its process group.
    pub deadline: Duration,
    /// Where its output goes, for one with a life of its own ([`Command::hold`]): then it is not killed when its caller is dropped,
    /// and does not notice when we die.
    pub output: Option<PathBuf>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The end of its standard output.
    pub stdout: String,
    /// The end of its standard error.
    pub stderr: String,
}

impl Finished {
    /// Whether it exited with 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// The last line it printed, for a message, up to a length; standard error first.
    #[must_use]
    pub fn last_line(&self) -> &str {
        let line = self.said().lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        line.char_indices().nth(LINE_CHARACTERS).map_or(line, |(end, _)| &line[..end])
    }

    /// Standard error, or standard output where that is empty.
    #[must_use]
    pub fn said(&self) -> &str {
        if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr }
    }
}

impl Command {
    /// A command without variables of its own or input, and with a deadline.
    #[must_use]
    pub fn new(argv: &[impl AsRef<str>], deadline: Duration) -> Self {
        Self {
            argv: argv.iter().map(|word| word.as_ref().to_owned()).collect(),
            directory: None,
            environment: BTreeMap::new(),
            input: Vec::new(),
            deadline,
            output: None,
        }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started or talked to, or when the deadline passes. A non-zero exit is not an error here.
    pub async fn run(&self) -> Result<Finished, ProcessError> {
        let started = self.spawn(&self.argv)?;
        self.kept(started).await
    }

    /// Runs it to its end as another user, for whom we must be root; nothing that anybody decides about then has more rights than that user.
    ///
    /// # Errors
    /// As [`Command::run`].
    pub async fn run_as(&self, user: &User) -> Result<Finished, ProcessError> {
        let started = self.spawn_as(&self.argv, Some(user))?;
        self.kept(started).await
    }

    async fn kept(&self, started: Started) -> Result<Finished, ProcessError> {
        let mut kept = Tail::default();
        let mut finished = self.carry_out(started, &mut |piece| kept.keep(piece), HeldPipe::LeftBehind).await?;
        finished.stdout = kept.text();
        Ok(finished)
    }

    /// Runs it to its end, handing its standard output to `take` piece by piece instead of keeping any; for programs whose
    /// output is the point and may be of any length.
    ///
    /// # Errors
    /// As [`Command::run`], and when it ended without closing its output: then the end of it may be missing.
    pub async fn run_into(&self, take: &mut (dyn FnMut(&[u8]) + Send)) -> Result<Finished, ProcessError> {
        self.carry_out(self.spawn(&self.argv)?, take, HeldPipe::Error).await
    }

    /// Starts it held back: the process is there and has its number, and the program itself begins with [`Held::run`]. If we
    /// die before that, it ends without having done anything.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn hold(&self) -> Result<Held, ProcessError> {
        if self.argv.is_empty() {
            return Err(ProcessError::Empty);
        }
        // The words are handed over as they are, never read by the shell. Without a word from us its input just ends, and so does
        // it. The shell stays, as the one who can say how the program ended when nobody is there any more to be told.
        let script =
            format!("read -r go || exit 0; \"$@\" </dev/null; code=$?; printf '\\n%s\\n' \"{}$code\"; exit $code", held::ENDED);
        let waiting = ["/bin/sh", "-c", &script, "sh"].map(str::to_owned);
        let started = self.spawn(&[&waiting, self.argv.as_slice()].concat())?;
        let identity = started.child.id().and_then(Identity::of).ok_or_else(|| ProcessError::Talk {
            program: self.argv.first().cloned().unwrap_or_default(),
            source: std::io::Error::other("the host does not say when it began"),
        })?;
        Ok(Held { started, identity, command: self.clone() })
    }

    async fn carry_out(
        &self,
        started: Started,
        take: &mut (dyn FnMut(&[u8]) + Send),
        held: HeldPipe,
    ) -> Result<Finished, ProcessError> {
        let program = self.argv.first().cloned().unwrap_or_default();
        let mut said = Tail::default();
        let mut keep = |piece: &[u8]| said.keep(piece);
        let mut finished = started.follow(&self.input, self.deadline, program, [take, &mut keep], held).await?;
        finished.stderr = said.text();
        Ok(finished)
    }

    /// Starts `argv`, which is ours or a wrapping of it.
    fn spawn(&self, argv: &[String]) -> Result<Started, ProcessError> {
        self.spawn_as(argv, User::of(self)?.as_ref())
    }

    fn spawn_as(&self, argv: &[String], user: Option<&User>) -> Result<Started, ProcessError> {
        let argv = user.map_or_else(|| argv.to_vec(), |user| user.wrapped(argv, &[]));
        let (program, arguments) = argv.split_first().ok_or(ProcessError::Empty)?;
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).env_clear().envs(environment::kept(user)).envs(&self.environment);
        command.kill_on_drop(self.output.is_none());
        if user.is_none() {
            // Another user's is made the leader of a session, and with it of a group, by what it is wrapped in: a leader of a group
            // already could not become that without a further process.
            command.process_group(0);
        }
        let [out, err] = self.outputs().map_err(|source| ProcessError::Start { program: program.clone(), source })?;
        command.stdin(Stdio::piped()).stdout(out).stderr(err);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let child = command.spawn().map_err(|source| ProcessError::Start { program: program.clone(), source })?;
        let group = Group(child.id().filter(|_| self.output.is_none()));
        Ok(Started { child, group })
    }

    /// A pipe ends with us, and whoever writes to it then is killed for it; a file stays.
    fn outputs(&self) -> std::io::Result<[Stdio; 2]> {
        let Some(path) = &self.output else { return Ok([Stdio::piped(), Stdio::piped()]) };
        durable::write(path, b"").map_err(std::io::Error::other)?;
        let file = File::options().append(true).open(path)?;
        Ok([file.try_clone()?.into(), file.into()])
    }

    /// Runs it and takes a non-zero exit for an error.
    ///
    /// # Errors
    /// As [`Command::run`], and [`ProcessError::Failed`].
    pub async fn succeed(&self) -> Result<Finished, ProcessError> {
        let finished = self.run().await?;
        if finished.success() {
            return Ok(finished);
        }
        Err(ProcessError::Failed {
            program: self.argv.first().cloned().unwrap_or_default(),
            code: finished.code,
            last_line: finished.last_line().to_owned(),
        })
    }
}

/// A program that was started.
#[derive(Debug)]
struct Started {
    child: tokio::process::Child,
    group: Group,
}

impl Started {
    /// Follows it to its end, handing what it prints to the two takers, standard output first.
    async fn follow(
        self,
        input: &[u8],
        deadline: Duration,
        program: String,
        [out, err]: [Taker<'_>; 2],
        held: HeldPipe,
    ) -> Result<Finished, ProcessError> {
        let Self { mut child, group } = self;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program that does not read its input is free to; its exit code speaks.
                stdin.write_all(input).await.ok();
            }
        };
        let talk = async {
            let mut pipes = Box::pin(async { tokio::join!(feed, drain(stdout, out), drain(stderr, err)) });
            // Both arms are cancel-safe: `wait` may be called again, and `pipes` is polled on by reference.
            let (status, talked) = tokio::select! {
                ((), out, err) = &mut pipes => (child.wait().await, out.and(err)),
                status = child.wait() => match tokio::time::timeout(LINGER, &mut pipes).await {
                    Ok(((), out, err)) => (status, out.and(err)),
                    Err(_) => (status, held.verdict()),
                },
            };
            talked.and(status)
        };
        let Ok(status) = tokio::time::timeout(deadline, talk).await else {
            drop(group);
            return Err(ProcessError::Deadline { program, deadline });
        };
        let status = status.map_err(|source| ProcessError::Talk { program, source })?;
        group.disarm();
        Ok(Finished { code: status.code(), stdout: String::new(), stderr: String::new() })
    }
}

/// What is done with a piece of output.
pub type Taker<'a> = &'a mut (dyn FnMut(&[u8]) + Send);

/// What it means when a program has ended but its output is still held open by a child it left behind.
#[derive(Debug, Clone, Copy)]
enum HeldPipe {
    /// A server was started in the background: what it prints later is its own.
    LeftBehind,
    /// The output is the point, and its end may be missing.
    Error,
}

impl HeldPipe {
    fn verdict(self) -> std::io::Result<()> {
        match self {
            Self::LeftBehind => Ok(()),
            Self::Error => Err(std::io::Error::other("it ended without closing its output")),
        }
    }
}

/// The last bytes of a file, as text.
fn end_of(path: &std::path::Path, bytes: u64) -> std::io::Result<String> {
    let mut file = trust::open_own(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

/// Kills the child's process group when dropped armed: a deadline or a dropped caller leaves no grandchildren behind.
#[derive(Debug)]
struct Group(Option<u32>);

impl Group {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // Already gone is what we want.
            rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).ok();
        }
    }
}

/// The last [`KEPT_OUTPUT_BYTES`] of a stream.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn keep(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
        if self.0.len() > 2 * KEPT_OUTPUT_BYTES {
            self.0.drain(..self.0.len() - KEPT_OUTPUT_BYTES);
        }
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

async fn drain(stream: Option<impl AsyncRead + Unpin>, take: Taker<'_>) -> std::io::Result<()> {
    let Some(mut stream) = stream else { return Ok(()) };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        take(&buffer[..count]);
    }
}
