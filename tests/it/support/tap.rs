//! Somebody between a client and a server: hears every byte, and may keep the server's offer of TLS from the client.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Where it leads to.
#[derive(Debug, Clone)]
pub(crate) enum To {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A loopback port that leads to a server, for as long as this process lives.
#[derive(Debug, Clone)]
pub(crate) struct Tap {
    /// On 127.0.0.1.
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
    strips: Arc<AtomicBool>,
    /// What greetings begin with instead of the protocol's version; 0 for none.
    version: Arc<AtomicU8>,
}

/// A connection of either kind, of which two hands may hold one.
trait Line: Read + Write + Send {
    fn again(&self) -> Box<dyn Line>;
    fn end(&self);
}

impl Line for TcpStream {
    fn again(&self) -> Box<dyn Line> {
        Box::new(self.try_clone().unwrap())
    }
    fn end(&self) {
        self.shutdown(Shutdown::Write).ok();
    }
}

impl Line for UnixStream {
    fn again(&self) -> Box<dyn Line> {
        Box::new(self.try_clone().unwrap())
    }
    fn end(&self) {
        self.shutdown(Shutdown::Write).ok();
    }
}

impl Tap {
    pub(crate) fn before(to: To) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tap = Self {
            port: listener.local_addr().unwrap().port(),
            heard: Arc::default(),
            strips: Arc::default(),
            version: Arc::default(),
        };
        let here = tap.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server: Option<Box<dyn Line>> = match &to {
                    To::Tcp(address) => TcpStream::connect(address).ok().map(|line| Box::new(line) as _),
                    To::Unix(path) => UnixStream::connect(path).ok().map(|line| Box::new(line) as _),
                };
                let Some(server) = server else { continue };
                client.set_nodelay(true).ok();
                let client: Box<dyn Line> = Box::new(client);
                let (asking, answering) = (here.clone(), here.clone());
                let (from, to) = (client.again(), server.again());
                thread::spawn(move || asking.pour(from, to, false));
                thread::spawn(move || answering.pour(server, client, true));
            }
        });
        tap
    }

    /// From now on no server of MySQL's seems to speak TLS.
    pub(crate) fn strip(&self, strips: bool) {
        self.strips.store(strips, Ordering::SeqCst);
    }

    /// From now on they also greet with this version of the protocol.
    pub(crate) fn greet_with(&self, version: u8) {
        self.version.store(version, Ordering::SeqCst);
    }

    /// Whether a text was heard since this was last asked for any.
    pub(crate) fn heard(&self, texts: &[&str]) -> Vec<bool> {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        assert!(!heard.is_empty(), "nothing came this way");
        texts.iter().map(|text| heard.windows(text.len()).any(|bytes| bytes == text.as_bytes())).collect()
    }

    fn pour(&self, mut from: Box<dyn Line>, mut to: Box<dyn Line>, answers: bool) {
        let mut buffer = [0; 64 * 1024];
        let mut first = answers && self.strips.load(Ordering::SeqCst);
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if std::mem::take(&mut first) {
                without_tls(&mut buffer[..length]);
                if let version @ 1.. = self.version.load(Ordering::SeqCst) {
                    buffer[4] = version;
                }
            }
            self.heard.lock().unwrap().extend_from_slice(&buffer[..length]);
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        to.end();
    }
}

/// A greeting of MySQL's without `CLIENT_SSL`.
fn without_tls(greeting: &mut [u8]) {
    let version = greeting[5..].iter().position(|byte| *byte == 0).expect("a greeting in one piece");
    let capabilities = 5 + version + 1 + 4 + 8 + 1;
    greeting[capabilities + 1] &= !0x08;
}
