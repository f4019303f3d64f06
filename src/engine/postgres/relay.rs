//! Carries a connection over TCP without waiting for a full packet.
//!
//! The driver leaves Nagle's algorithm on, and each `COPY` ends with a small message after a small message: the kernel holds it back until
//! the server's kernel acknowledges, 40 ms later, for every table. The driver opens its sockets itself, but is content with one of this
//! process, so the bytes go through a pair of sockets here, and on over one that sends at once.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, copy_buf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;

/// Bytes carried at once.
const PIECE: usize = 64 * 1024;
/// How long a server may take to hang up after a goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long the driver may take to come. It is told where at once; who gave up before is not waited for.
const ARRIVAL: Duration = Duration::from_mins(1);

/// Carries until either side ends. Whoever drops it leaves it to that.
#[derive(Debug)]
pub(crate) struct Carrier(JoinHandle<()>);

impl Carrier {
    /// Waits until what was said last is with the server, but not for a server that is gone.
    pub(super) async fn ended(self) {
        tokio::time::timeout(GOODBYE, self.0).await.ok();
    }
}

/// Connects; the directory to give the driver for the socket that leads there.
pub(super) async fn to(host: &str, port: u16) -> io::Result<(String, Carrier)> {
    let server = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    server.set_nodelay(true)?;
    // A name in no directory, which nobody can guess; whoever reads it off a list is still not us.
    let directory = format!("\0upkeep-{}", uuid::Uuid::new_v4().simple());
    let address = SocketAddr::from_abstract_name(&format!("{directory}/.s.PGSQL.{port}").as_bytes()[1..])?;
    let listener = UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let ours = i32::try_from(std::process::id()).ok();
    let arrival = async move {
        loop {
            let (driver, _) = listener.accept().await?;
            if driver.peer_cred().is_ok_and(|peer| peer.pid() == ours) {
                return Ok::<_, io::Error>(driver);
            }
        }
    };
    let carry = async move {
        if let Ok(Ok(driver)) = tokio::time::timeout(ARRIVAL, arrival).await {
            carry(driver, server).await;
        }
    };
    Ok((directory, Carrier(tokio::spawn(carry))))
}

/// Carries both ways. How it ends is what both sides see: the server's end ends it, and the driver's leaves the server the time of a
/// goodbye, for one that hangs would be waited for without end.
async fn carry(driver: UnixStream, server: TcpStream) {
    let ((from_driver, to_driver), (from_server, to_server)) = (driver.into_split(), server.into_split());
    let (mut asked, mut answered) = (Box::pin(one_way(from_driver, to_server)), Box::pin(one_way(from_server, to_driver)));
    tokio::select! {
        ended = &mut answered => if ended.is_err() {
            // The driver is gone: what it said last is still said.
            tokio::time::timeout(GOODBYE, asked).await.ok();
        },
        _ = &mut asked => {
            tokio::time::timeout(GOODBYE, answered).await.ok();
        }
    }
}

async fn one_way(from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    copy_buf(&mut BufReader::with_capacity(PIECE, from), &mut to).await?;
    to.shutdown().await
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
        (driver, server, tokio::spawn(carry(ours, to_server)))
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
