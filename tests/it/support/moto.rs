//! A real server that speaks S3, one for all tests of a program, and a proxy before it that misbehaves where it is told to.
//!
//! `tests/run` puts moto into its cache and says where in `TEST_MOTO`. Without it a test is skipped loudly; with `CI` or `REQUIRE_SERVERS` set
//! that is a failure.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

/// The server; it ends with whoever runs the tests.
pub(crate) struct Moto {
    address: String,
}

static SHARED: OnceLock<Option<Moto>> = OnceLock::new();

impl Moto {
    /// The one of this program, which is started for the first that asks; `None` (said loudly) where it is not installed.
    pub(crate) fn shared() -> Option<&'static Self> {
        let start = || {
            let (tell, told) = std::sync::mpsc::channel();
            // The signal that ends it comes when the thread ends that started it, so this one lasts as long as the program.
            std::thread::spawn(move || {
                let (child, server) = Self::start().unzip();
                tell.send(server).unwrap();
                // It is ended with us and by nobody before.
                child.map(|mut child| child.wait());
                loop {
                    std::thread::park();
                }
            });
            told.recv().expect("moto starts")
        };
        SHARED.get_or_init(start).as_ref()
    }

    fn start() -> Option<(Child, Self)> {
        let cached = || Some(PathBuf::from(std::env::var_os("UPKEEP_TEST_CACHE")?).join("moto/bin/moto_server"));
        let program = std::env::var_os("TEST_MOTO").map(PathBuf::from).or_else(cached).filter(|program| program.exists());
        let Some(program) = program else {
            super::skipped("no moto found (tests/run installs it)", super::SERVERS);
            return None;
        };
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program).args(["-H", "127.0.0.1", "-p", "0"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut address = String::new();
        while address.is_empty() {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "moto ended before it listened");
            address = line.split_once("http://").map(|(_, rest)| rest.trim().to_owned()).unwrap_or_default();
        }
        // What it says of each request is read, and nobody's.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()).ok());
        Some((child, Self { address }))
    }

    /// `http://HOST:PORT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks it something; the number of its answer and all of it.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let signed =
            "Authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let (address, length) = (&self.address, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{signed}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let code = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
        (code, answer.split_off(end))
    }

    /// Makes a bucket.
    pub(crate) fn bucket(&self, name: &str, headers: &str) {
        assert_eq!(self.ask("PUT", &format!("/{name}"), headers, b"").0, 200, "{name}");
    }

    /// The names in a bucket.
    pub(crate) fn names(&self, bucket: &str) -> Vec<String> {
        let listing = String::from_utf8(self.ask("GET", &format!("/{bucket}?list-type=2"), "", b"").1).unwrap();
        listing.split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
    }

    /// How many uploads were begun there and are neither complete nor aborted.
    pub(crate) fn uploads(&self, bucket: &str) -> usize {
        let listing = String::from_utf8(self.ask("GET", &format!("/{bucket}?uploads"), "", b"").1).unwrap();
        listing.matches("<UploadId>").count()
    }
}

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It never arrives, and this is answered.
    Answer(&'static str, &'static str),
    /// It is carried out, and nobody hears of it.
    LoseAnswer,
    /// Of its answer so many bytes come back.
    Cut(usize),
}

/// The number and body of an answer that asks for patience.
pub(crate) const SLOW_DOWN: Fault =
    Fault::Answer("503 Slow Down", "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>");

/// A proxy before a server. Each connection is one request, as the server has it.
pub(crate) struct Faulty {
    address: String,
    rules: Arc<Mutex<Vec<(String, Fault)>>>,
}

impl Faulty {
    pub(crate) fn before(moto: &Moto) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let rules: Arc<Mutex<Vec<(String, Fault)>>> = Arc::default();
        let (server, asked) = (moto.address.clone(), Arc::clone(&rules));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, asked) = (server.clone(), Arc::clone(&asked));
                std::thread::spawn(move || pass(client, &server, &asked));
            }
        });
        Self { address, rules }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request whose first line has these words meets a fault.
    pub(crate) fn on(&self, words: &str, fault: Fault) {
        self.rules.lock().unwrap().push((words.to_owned(), fault));
    }

    /// What has met nothing yet.
    pub(crate) fn left(&self) -> usize {
        self.rules.lock().unwrap().len()
    }
}

fn pass(mut client: TcpStream, server: &str, rules: &Mutex<Vec<(String, Fault)>>) -> Option<()> {
    let mut request = Vec::new();
    let mut reader = client.try_clone().ok()?;
    let mut chunk = vec![0; 64 * 1024];
    // Whole, before anything is done with it.
    let (head, length) = loop {
        let read = reader.read(&mut chunk).ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&chunk[..read]);
        let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
        break (end + 4, length.unwrap_or(0));
    };
    while request.len() < head + length {
        let read = reader.read(&mut chunk).ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&chunk[..read]);
    }
    let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
    let fault = {
        let mut rules = rules.lock().unwrap();
        let at = rules.iter().position(|(words, _)| words.split(' ').all(|word| line.contains(word)));
        at.map(|at| rules.remove(at).1)
    };
    if let Some(Fault::Answer(status, body)) = fault {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        return client.write_all(answer.as_bytes()).ok();
    }
    let mut upstream = TcpStream::connect(server).ok()?;
    upstream.write_all(&request).ok()?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).ok()?;
    let told = match fault {
        Some(Fault::LoseAnswer) => 0,
        Some(Fault::Cut(bytes)) => bytes.min(answer.len()),
        _ => answer.len(),
    };
    client.write_all(&answer[..told]).ok()?;
    client.shutdown(Shutdown::Both).ok()
}
