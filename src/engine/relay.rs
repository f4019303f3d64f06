//! Carries a driver's connection to a server, so that what lies between is ours: packets that leave at once, and TLS.
//!
//! The drivers leave Nagle's algorithm on, and each `COPY` ends with a small message after a small message: the kernel holds it back until
//! the server's kernel acknowledges, 40 ms later, for every table. And they add a CA that is named to those that the host trusts, where the
//! vendors' clients trust it alone. They open their sockets themselves, but are content with one of this process, so the bytes go through a
//! pair of sockets here, and on over a connection that was made as it should be (`docs/decisions/027-tls-before-the-driver.md`).

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;

use super::transport;
use crate::tls;

/// Bytes carried at once.
const PIECE: usize = 64 * 1024;
/// How long a server may take to hang up after a goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long the driver may take to come. It is told where at once; who gave up before is not waited for.
const ARRIVAL: Duration = Duration::from_mins(1);

/// Both ways of a connection.
pub(super) trait Both: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Both for T {}

/// Carries until either side ends. Whoever drops it leaves it to that.
#[derive(Debug)]
pub(crate) struct Carrier {
    carrying: JoinHandle<()>,
    seen: Seen,
}

/// What is known of a connection that the driver cannot see.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Why it ended.
    why: Option<io::Error>,
    /// What it is worth, in words, where it is under TLS.
    worth: Option<String>,
}

impl Seen {
    /// Why it ends, to be put before the driver's end is let go. What came first is kept.
    pub(super) fn put(&self, error: io::Error) {
        if let Ok(mut known) = self.0.lock() {
            known.why.get_or_insert(error);
        }
    }

    /// It is under TLS.
    pub(super) fn secured(&self, worth: String) {
        if let Ok(mut known) = self.0.lock() {
            known.worth = Some(worth);
        }
    }
}

impl Carrier {
    /// Carries in a task, which says here what the driver cannot see.
    pub(super) fn begin<W: Future<Output = ()> + Send + 'static>(work: impl FnOnce(Seen) -> W) -> Self {
        let seen = Seen::default();
        Self { carrying: tokio::spawn(work(seen.clone())), seen }
    }

    /// Waits until what was said last is with the server, but not for a server that is gone.
    pub(super) async fn ended(self) {
        tokio::time::timeout(GOODBYE, self.carrying).await.ok();
    }

    /// Why the driver could not connect: what of TLS did not fit, if that is it. What the server itself said stands.
    pub(super) fn why(&self, error: sqlx::Error) -> sqlx::Error {
        let why = self.seen.0.lock().ok().and_then(|mut seen| seen.why.take());
        match why.filter(|why| tls::refusal(why).is_some() && error.as_database_error().is_none()) {
            Some(why) => transport::said(why),
            None => error,
        }
    }

    /// What the connection is worth, where it is under TLS.
    pub(super) fn worth(&self) -> Option<String> {
        self.seen.0.lock().ok()?.worth.clone()
    }
}

/// Connects over TCP; an address of version 6 may stand in brackets.
pub(super) async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let server = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    server.set_nodelay(true)?;
    Ok(server)
}

/// Where the driver is let in.
pub(super) struct Door(tokio::net::UnixListener);

impl Door {
    /// A name in no directory, which nobody can guess; whoever reads it off a list is still not us. `name` makes of it what the driver will
    /// look for.
    pub(super) fn open(name: impl FnOnce(&str) -> String) -> io::Result<(String, Self)> {
        let room = format!("\0upkeep-{}", uuid::Uuid::new_v4().simple());
        let address = SocketAddr::from_abstract_name(&name(&room).as_bytes()[1..])?;
        let listener = UnixListener::bind_addr(&address)?;
        listener.set_nonblocking(true)?;
        Ok((room, Self(tokio::net::UnixListener::from_std(listener)?)))
    }

    /// Waits for the driver.
    pub(super) async fn arrival(self) -> io::Result<UnixStream> {
        let ours = i32::try_from(std::process::id()).ok();
        let arrival = async {
            loop {
                let (driver, _) = self.0.accept().await?;
                if driver.peer_cred().is_ok_and(|peer| peer.pid() == ours) {
                    return Ok::<_, io::Error>(driver);
                }
            }
        };
        tokio::time::timeout(ARRIVAL, arrival).await?
    }
}

/// Carries both ways. How it ends is what both sides see: the server's end ends it, and the driver's leaves the server the time of a
/// goodbye, for one that hangs would be waited for without end. What broke the server's side is told before the driver sees its end.
pub(super) async fn carry(driver: UnixStream, server: impl Both, broken: impl FnOnce(io::Error)) {
    let ((from_driver, to_driver), (from_server, to_server)) = (driver.into_split(), tokio::io::split(server));
    let (mut asked, mut answered) = (Box::pin(one_way(from_driver, to_server)), Box::pin(one_way(from_server, to_driver)));
    tokio::select! {
        ended = &mut answered => {
            if let Err(error) = ended {
                broken(error);
                // Where it is the driver that is gone, what it said last is still said.
                tokio::time::timeout(GOODBYE, asked).await.ok();
            }
        }
        _ = &mut asked => {
            tokio::time::timeout(GOODBYE, answered).await.ok();
        }
    }
}

/// What was read goes out whole before more is read: under TLS a piece may wait in memory until it is told to go.
async fn one_way(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..read]).await?;
        to.flush().await?;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UnixStream};

    use super::carry;

    /// Longer than any machine takes.
    const LONG: Duration = Duration::from_mins(2);

    async fn pair() -> (UnixStream, tokio::net::TcpStream, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to_server = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let (driver, ours) = UnixStream::pair().unwrap();
        (driver, server, tokio::spawn(carry(ours, to_server, drop)))
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_not_waited_for() {
        let (driver, mut server, carrying) = pair().await;
        drop(driver);
        tokio::time::timeout(LONG, carrying).await.expect("it ends").unwrap();
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0, "and hangs up");
    }

    #[tokio::test]
    async fn what_is_said_arrives_and_the_end_of_either_side_is_the_others() {
        let (mut driver, mut server, carrying) = pair().await;
        let mut heard = [0; 5];
        driver.write_all(b"asked").await.unwrap();
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"asked");
        server.write_all(b"after").await.unwrap();
        drop(server);
        tokio::time::timeout(LONG, carrying).await.expect("it ends").unwrap();
        let mut rest = Vec::new();
        driver.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"after");
        // The driver's last words are the server's to hear.
        let (mut driver, mut server, carrying) = pair().await;
        driver.write_all(b"goodbye").await.unwrap();
        drop(driver);
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"goodbye");
        drop(server);
        tokio::time::timeout(LONG, carrying).await.expect("it ends").unwrap();
    }
}
