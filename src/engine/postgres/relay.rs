//! Carries a connection over TCP without waiting for a full packet.
//!
//! The driver leaves Nagle's algorithm on, and each `COPY` ends with a small message after a small message: the kernel holds it back until
//! the server's kernel acknowledges, 40 ms later, for every table. The driver opens its sockets itself, but is content with one of this
//! process, so the bytes go through a pair of sockets here, and on over one that sends at once.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Bytes carried at once.
const PIECE: usize = 64 * 1024;
/// How long a server may take to hang up after a goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Carries until either side ends.
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
    let mut server = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    server.set_nodelay(true)?;
    // A name in no directory, which nobody can guess; whoever reads it off a list is still not us.
    let directory = format!("\0upkeep-{}", uuid::Uuid::new_v4().simple());
    let address = SocketAddr::from_abstract_name(&format!("{directory}/.s.PGSQL.{port}").as_bytes()[1..])?;
    let listener = UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let carry = async move {
        let ours = i32::try_from(std::process::id()).ok();
        let mut driver = loop {
            let Ok((driver, _)) = listener.accept().await else { return };
            if driver.peer_cred().is_ok_and(|peer| peer.pid() == ours) {
                break driver;
            }
        };
        drop(listener);
        // How it ends is what both sides see.
        copy_bidirectional_with_sizes(&mut driver, &mut server, PIECE, PIECE).await.ok();
    };
    Ok((directory, Carrier(tokio::spawn(carry))))
}
