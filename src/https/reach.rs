//! Finding a server and connecting to it.
//!
//! A name may have several addresses, and some of them may lead nowhere without saying so. Each has a bound of its own, and both families come
//! in turn, so that a network without a way for one of them costs one wait.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::Server;

/// Finding the addresses of a name takes this long, or nobody knows them.
const FINDING: Duration = Duration::from_secs(30);

/// One address answers within this, or the next is tried.
const ONE_ADDRESS: Duration = Duration::from_secs(10);

/// More are not tried.
const MOST_ADDRESSES: usize = 8;

/// What is not done by then is given up.
pub(super) async fn within<T>(bound: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(bound, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A connection to the first of a server's addresses that takes one.
pub(super) async fn reached(server: &Server) -> io::Result<TcpStream> {
    let found = within(FINDING, tokio::net::lookup_host((&*server.host, server.port))).await?;
    first_of(in_turn(found.collect())).await
}

pub(super) async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut refused = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for address in addresses.into_iter().take(MOST_ADDRESSES) {
        match within(ONE_ADDRESS, TcpStream::connect(address)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Both families in turn, each in the order in which it was named.
pub(super) fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let family = addresses.first().map(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| Some(address.is_ipv6()) == family);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = Vec::new();
    loop {
        let before = turns.len();
        turns.extend(first.next().into_iter().chain(second.next()));
        if turns.len() == before {
            return turns;
        }
    }
}
