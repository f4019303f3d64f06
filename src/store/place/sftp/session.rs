//! One connection: `ssh -s … sftp` as a child, and what is asked over it; made anew where it broke.
//!
//! Owns the child's words. No file of the user's or the host's is read by it: what it obeys is here, the key and the server's key are handed to it in
//! memory that nobody else can open, and a server with another key gets nothing. An answer has a bound, a request as a whole has none.

use std::fs::File;
use std::future::Future;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use russh_sftp::client::error::Error as Said;
use russh_sftp::client::{Config as Bounds, RawSftpSession};
use russh_sftp::extensions::{FSYNC, STATVFS};
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use rustix::fs::{MemfdFlags, Mode};

use super::super::worker::{Begun, Worker};
use super::SftpError;
use crate::config;
use crate::failure::Chain;
use crate::https::SILENCE;
use crate::process::{Command, LINGER, Talk};

/// What every server takes in one message.
const PACKET_BYTES: u64 = 32 * 1024;

/// So much is on its way at once: enough for a line that answers late, little enough that the slowest sends it within the bound on silence.
const WINDOW_BYTES: u64 = 1 << 20;

/// How often what only reads is asked again, each time over a new connection.
const TRIES: u32 = 5;

/// The pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// By which name the server's key is looked for: whatever the host is called, one key alone fits.
const ALIAS: &str = "upkeep-place";

/// What `ssh` obeys, and nothing else: it asks nobody anything, and looks after a connection at rest.
const OBEYS: [&str; 20] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=none",
    "UpdateHostKeys=no",
    "CheckHostIP=no",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "ConnectTimeout=30",
    "ConnectionAttempts=1",
    "ServerAliveInterval=30",
    "ServerAliveCountMax=8",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ControlPath=none",
    "PermitLocalCommand=no",
    "EscapeChar=none",
    "Compression=no",
    "LogLevel=ERROR",
];

/// A connection, and what its server can do beyond what all can.
pub(super) struct Line {
    pub(super) raw: RawSftpSession,
    pub(super) has_sync: bool,
    pub(super) has_room: bool,
    // Nobody asks it anything; it is there to end with the line.
    _talk: Mutex<Talk>,
}

impl Line {
    pub(super) async fn open_to_read(&self, path: String) -> Result<String, Said> {
        Ok(self.raw.open(path, OpenFlags::READ, FileAttributes::empty()).await?.handle)
    }
}

/// What all that use one opened place share.
pub(super) struct Session {
    worker: Worker,
    sftp: config::Sftp,
    /// The connection, where there is one, and what `ssh` said by its end.
    line: Mutex<Option<(Arc<Line>, Begun<String>)>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(sftp: &config::Sftp) -> Result<Self, SftpError> {
        let worker = Worker::begin()
            .map_err(|error| SftpError::Program { url: sftp.to_string(), why: format!("no thread can be begun: {error}") })?;
        Ok(Self { worker, sftp: sftp.clone(), line: Mutex::new(None) })
    }

    pub(super) fn url(&self) -> String {
        self.sftp.to_string()
    }

    /// What a person calls a directory there.
    pub(super) fn address(&self, dir: &str) -> String {
        self.sftp.address(dir)
    }

    /// Asks once.
    pub(super) fn ask<T, F>(&self, what: (&'static str, &str), work: impl FnOnce(Arc<Line>) -> F) -> Result<T, SftpError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Said>> + Send + 'static,
    {
        let line = self.line()?;
        let begun = self.begin(work(Arc::clone(&line)));
        self.end(begun, &line, what)
    }

    /// Begins what [`Session::end`] ends.
    pub(super) fn begin<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Begun<T> {
        self.worker.start(work)
    }

    /// Waits for what was begun. A connection that broke is let go of, and the next question makes a new one.
    pub(super) fn end<T>(
        &self,
        begun: Begun<Result<T, Said>>,
        line: &Arc<Line>,
        what: (&'static str, &str),
    ) -> Result<T, SftpError> {
        let error = match begun.wait() {
            Some(Ok(done)) => return Ok(done),
            Some(Err(error)) => error,
            None => Said::UnexpectedBehavior("the work ended without an answer".to_owned()),
        };
        match SftpError::of(&error, what) {
            Some(told) => Err(told),
            None => Err(self.broken(line, &error)),
        }
    }

    /// Asks what only reads, again where that may help.
    pub(super) fn patiently<T, F>(&self, what: (&'static str, &str), work: impl Fn(Arc<Line>) -> F) -> Result<T, SftpError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Said>> + Send + 'static,
    {
        let mut pause = FIRST_PAUSE;
        let mut left = TRIES;
        // Whether anybody is there at all is known at once; what broke in the middle may well go on.
        let was_open = self.is_open();
        loop {
            left -= 1;
            match self.ask(what, &work) {
                Err(error) if error.may_pass() && left > 0 && was_open => {
                    tracing::debug!(place = self.url(), error = %error, "asked again");
                    std::thread::sleep(pause);
                    pause *= 2;
                }
                done => return done,
            }
        }
    }

    fn is_open(&self) -> bool {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The connection that is there, or a new one.
    pub(super) fn line(&self) -> Result<Arc<Line>, SftpError> {
        let mut kept = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((line, _)) = &*kept {
            return Ok(Arc::clone(line));
        }
        let (line, said) = self.connect()?;
        let line = Arc::new(line);
        *kept = Some((Arc::clone(&line), said));
        Ok(line)
    }

    fn connect(&self) -> Result<(Line, Begun<String>), SftpError> {
        let no_key = |why: String| SftpError::NoKey { url: self.url(), why };
        let program = |why: String| SftpError::Program { url: self.url(), why };
        let key = config::keys_of_place(&self.sftp.keys).map_err(no_key)?;
        // The last line of a key counts only with its end.
        let key =
            handed("upkeep-key", &format!("{}\n", key.reveal().trim_end())).map_err(|error| program(error.to_string()))?;
        let known =
            handed("upkeep-host", &format!("{ALIAS} {}\n", self.sftp.host_key)).map_err(|error| program(error.to_string()))?;
        let command = self.command(&path_of(&key), &path_of(&known));
        let no_answer = || program("it ended without an answer".to_owned());
        let started = self.begin(async move { command.talk() }).wait().ok_or_else(no_answer)?;
        let mut talk = started.map_err(|error| program(Chain(&error).to_string()))?;
        let pipes = talk.pipes().ok_or_else(no_answer)?;
        let said = self.begin(talk.complaints());
        let opened = self.begin(async move {
            let bounds = Bounds { request_timeout_secs: SILENCE.as_secs(), ..Bounds::default() };
            let raw = RawSftpSession::new_with_config(pipes, bounds);
            let version = raw.init().await?;
            let knows = |extension: &str| version.extensions.contains_key(extension);
            Ok::<_, Said>(Line { has_sync: knows(FSYNC), has_room: knows(STATVFS), raw, _talk: Mutex::new(talk) })
        });
        // Key and server's key are handed over by then.
        let opened = opened.wait().ok_or_else(no_answer)?;
        drop((key, known));
        match opened {
            Ok(line) => Ok((line, said)),
            Err(error) => Err(self.told(said, &error)),
        }
    }

    fn command(&self, key: &str, known: &str) -> Command {
        let mut argv: Vec<String> = ["ssh", "-F", "none", "-T"].map(str::to_owned).into();
        let own = [format!("HostKeyAlias={ALIAS}"), format!("UserKnownHostsFile={known}"), format!("IdentityFile={key}")];
        for option in OBEYS.map(str::to_owned).into_iter().chain(own) {
            argv.extend(["-o".to_owned(), option]);
        }
        let config::Sftp { user, host, port, .. } = &self.sftp;
        argv.extend(["-p".to_owned(), port.to_string(), "-l".to_owned(), user.clone(), "-s".to_owned(), "--".to_owned()]);
        argv.extend([host.clone(), "sftp".to_owned()]);
        Command::new(&argv, Duration::MAX)
    }

    fn broken(&self, line: &Arc<Line>, error: &Said) -> SftpError {
        let mut kept = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever was faster has let go of it, and has told why.
        match kept.take_if(|(kept, _)| Arc::ptr_eq(kept, line)) {
            Some((_, said)) => self.told(said, error),
            None => SftpError::Unreachable { url: self.url(), why: why(error) },
        }
    }

    fn told(&self, said: Begun<String>, error: &Said) -> SftpError {
        SftpError::of_line(self.url(), &said.wait_for(LINGER).unwrap_or_default(), &why(error))
    }
}

fn why(error: &Said) -> String {
    match error {
        Said::Timeout => format!("it was silent for {} s", SILENCE.as_secs()),
        _ => "the connection was cut".to_owned(),
    }
}

/// A text in memory that has no name: who we are alone can open it.
fn handed(name: &str, text: &str) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?);
    rustix::fs::fchmod(&file, Mode::from(0o600))?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// How a child of ours opens it.
fn path_of(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

/// The bytes from one to before another; fewer where the file ends.
pub(super) async fn read(line: &Line, handle: &str, from: u64, to: u64) -> Result<Vec<u8>, Said> {
    let mut bytes = Vec::new();
    let mut at = from;
    while at < to {
        let until = to.min(at + WINDOW_BYTES);
        let mut packets = Vec::new();
        while at < until {
            let end = until.min(at + PACKET_BYTES);
            packets.push(packet(line, handle, at, end));
            at = end;
        }
        for packet in join_all(packets).await {
            bytes.extend(packet?);
        }
        if (bytes.len() as u64) < until - from {
            break;
        }
    }
    Ok(bytes)
}

/// One packet's bytes. A server may send fewer than were asked for, and says so where there are no more.
async fn packet(line: &Line, handle: &str, from: u64, to: u64) -> Result<Vec<u8>, Said> {
    let mut bytes = Vec::new();
    loop {
        let at = from + bytes.len() as u64;
        let left = u32::try_from(to - at).unwrap_or(u32::MAX);
        if left == 0 {
            return Ok(bytes);
        }
        let mut data = match line.raw.read(handle, at, left).await {
            Err(Said::Status(status)) if status.status_code == StatusCode::Eof => return Ok(bytes),
            read => read?.data,
        };
        if data.is_empty() {
            return Ok(bytes);
        }
        data.truncate(left as usize);
        bytes.extend(data);
    }
}

/// Writes bytes; whole when it returns.
pub(super) async fn write(line: Arc<Line>, handle: String, at: u64, bytes: Bytes) -> Result<(), Said> {
    let packets = bytes.chunks(PACKET_BYTES as usize).enumerate();
    let sent = packets.map(|(nth, packet)| line.raw.write(handle.clone(), at + nth as u64 * PACKET_BYTES, packet.to_vec()));
    try_join_all(sent).await.map(drop)
}
