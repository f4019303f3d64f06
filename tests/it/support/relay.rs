//! A loopback port in front of a Unix socket: Java's drivers speak TCP, the tests' servers do not.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

/// Opens a port of 127.0.0.1 that leads to the socket, for as long as this process lives.
pub(crate) fn port_before(socket: &Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let socket = socket.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let socket: PathBuf = socket.clone();
            thread::spawn(move || carry(&client, &socket));
        }
    });
    port
}

fn carry(client: &TcpStream, socket: &Path) {
    let Ok(server) = UnixStream::connect(socket) else { return };
    client.set_nodelay(true).ok();
    thread::scope(|scope| {
        scope.spawn(|| {
            pour(client, &server);
            server.shutdown(Shutdown::Write).ok();
        });
        pour(&server, client);
        client.shutdown(Shutdown::Both).ok();
    });
}

fn pour(mut from: impl Read, mut to: impl Write) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(length) = from.read(&mut buffer) {
        if length == 0 || to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}
