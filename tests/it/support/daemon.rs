//! The real daemon with a supervisor that listens, and a client that speaks plain HTTP.

use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::upkeep::Upkeep;
use super::wait::until;

/// A daemon that said it is ready; ended with the test.
pub(crate) struct Running {
    child: Child,
    /// What the supervisor was sent; a thread reads it as it comes, as systemd would.
    heard: Arc<Mutex<Vec<String>>>,
    log: PathBuf,
    socket: PathBuf,
}

impl Running {
    /// Starts the daemon and waits for its READY.
    #[track_caller]
    pub(crate) fn start(place: &Upkeep) -> Self {
        Self::start_with(place, &[])
    }

    /// The same with more variables in its environment.
    #[track_caller]
    pub(crate) fn start_with(place: &Upkeep, variables: &[(&str, &str)]) -> Self {
        let mut command = place.command(&["daemon"]);
        command.envs(variables.iter().copied());
        Self::run(command, place.root(), place.path("upkeep.sock"))
    }

    /// Starts this command, with its log and its supervisor in a directory, and waits for its READY.
    #[track_caller]
    pub(crate) fn run(mut command: Command, directory: &Path, socket: PathBuf) -> Self {
        let notify = directory.join("notify");
        std::fs::remove_file(&notify).ok();
        let supervisor = UnixDatagram::bind(&notify).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        // Ends with the test process: nobody closes a datagram socket from the other side.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = supervisor.recv(&mut buffer) {
                hearing.lock().unwrap().push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            }
        });
        let log = directory.join("daemon.log");
        let out = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        command.env("NOTIFY_SOCKET", &notify).env("UPKEEP_LOG", "debug");
        let child = command.stdout(Stdio::null()).stderr(out).spawn().unwrap();
        let mut running = Self { child, heard, log, socket };
        running.hears("READY=1");
        running
    }

    /// Waits until the supervisor was sent a message that contains `words`, and gives it.
    #[track_caller]
    pub(crate) fn hears(&mut self, words: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(180);
        loop {
            let heard = self.heard.lock().unwrap().clone();
            if let Some(message) = heard.iter().find(|message| message.contains(words)) {
                return message.clone();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended with {ended:?} instead of saying {words}:\n{}", self.log());
            assert!(Instant::now() < deadline, "never heard {words}, only {heard:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Forgets what was heard so far.
    pub(crate) fn forget(&mut self) {
        self.heard.lock().unwrap().clear();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let mut ended = None;
        until("the daemon ends", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    /// Stops it as systemd does and sees that nothing went wrong in its life.
    #[track_caller]
    pub(crate) fn stop(self) {
        let errors = self.stop_and_tell();
        assert!(errors.is_empty(), "the daemon logged errors: {errors:#?}");
    }

    /// Stops it as systemd does; gives the errors of its life.
    #[track_caller]
    pub(crate) fn stop_and_tell(mut self) -> Vec<String> {
        self.signal(rustix::process::Signal::TERM);
        let status = self.ends();
        assert_eq!(status.code(), Some(0), "{}", self.log());
        self.log().lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect()
    }

    /// Asks the daemon.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        ask(&self.socket, method, path, body).unwrap()
    }

    /// Asks for an action, waits for its job's end, and gives the job.
    #[track_caller]
    pub(crate) fn job(&self, path: &str, body: &str) -> serde_json::Value {
        let asked = self.ask("POST", path, body);
        assert_eq!(asked.status, 202, "{path}: {}", asked.body);
        self.ended(asked.json()["id"].as_str().unwrap())
    }

    /// Waits for a job's end, and gives it.
    #[track_caller]
    pub(crate) fn ended(&self, id: &str) -> serde_json::Value {
        let mut job = serde_json::Value::Null;
        until("the job ends", || {
            job = self.ask("GET", &format!("/v1/jobs/{id}?wait=1"), "").json();
            !matches!(job["state"].as_str(), Some("queued" | "running"))
        });
        job
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed before its end; what it did is told already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What came over a connection until it was closed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }
}

/// One request on a connection of its own, and everything that comes back.
pub(crate) fn ask(socket: &Path, method: &str, path: &str, body: &str) -> std::io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(180)))?;
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: upkeep\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Answer::parse(&text).ok_or_else(|| std::io::Error::other(format!("not an answer: {text}")))
}
