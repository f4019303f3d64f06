//! Logging in, and the part of it that sqlx cannot do over a Unix socket.
//!
//! A password of `caching_sha2_password` that the server does not remember is asked for in full. Over a Unix socket it is then sent as it
//! is: nobody can listen there. sqlx asks for the server's public key instead, which the server takes for a wrong password. So the
//! one full authentication is done here, and sqlx logs in once the server remembers it: until its next restart or `FLUSH PRIVILEGES`.
//! Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>.
//! Held by `tests/it/mysql_traps.rs`.

use std::io::{self, ErrorKind};

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{Connection, MySqlConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::errors::number_of;
use crate::config::Secret;

/// `ER_ACCESS_DENIED_ERROR`.
const ACCESS_DENIED: u16 = 1045;
const PLUGIN: &[u8] = b"caching_sha2_password\0";
/// In place of a digest that only a server that remembers the password could compare with anything.
const NO_SCRAMBLE: [u8; 32] = [0; 32];
/// `CLIENT_LONG_PASSWORD`, `CLIENT_PROTOCOL_41`, `CLIENT_SECURE_CONNECTION`, `CLIENT_PLUGIN_AUTH`.
const CAPABILITIES: u32 = 1 | 1 << 9 | 1 << 15 | 1 << 19;
/// `utf8mb4_general_ci`.
const COLLATION: u8 = 45;
const COM_QUIT: u8 = 1;
/// Packets of a login are short; what is longer is none.
const LONGEST_PACKET: usize = 64 * 1024;

/// Connects. `host` is a name, or the path of a Unix socket.
///
/// # Errors
/// sqlx's, of its own login.
pub async fn connect(
    options: &MySqlConnectOptions,
    host: &str,
    user: &str,
    password: Option<&Secret>,
) -> Result<MySqlConnection, sqlx::Error> {
    let error = match MySqlConnection::connect_with(options).await {
        Err(error) if host.starts_with('/') && number_of(&error) == Some(ACCESS_DENIED) => error,
        other => return other,
    };
    let Some(password) = password else { return Err(error) };
    match remind(host, user, password.reveal()).await {
        Ok(true) => MySqlConnection::connect_with(options).await,
        Ok(false) => Err(error),
        Err(why) => {
            tracing::debug!(error = %why, "no full authentication");
            Err(error)
        }
    }
}

/// Authenticates in full, once and for nothing else; whether the server let us in. No password leaves for an account of another kind.
async fn remind(socket: &str, user: &str, password: &str) -> io::Result<bool> {
    let mut wire = Wire { stream: UnixStream::connect(socket).await?, sequence: 0 };
    // The server's greeting: version 10 of the protocol. What else is in it is for those who compute a scramble.
    if wire.read().await?.first() != Some(&10) {
        return Ok(false);
    }
    let mut response = Vec::new();
    response.extend_from_slice(&CAPABILITIES.to_le_bytes());
    response.extend_from_slice(&u32::MAX.to_le_bytes());
    response.push(COLLATION);
    response.extend_from_slice(&[0; 23]);
    response.extend_from_slice(user.as_bytes());
    response.extend_from_slice(&[0, 32]);
    response.extend_from_slice(&NO_SCRAMBLE);
    response.extend_from_slice(PLUGIN);
    wire.write(&response).await?;
    loop {
        let packet = wire.read().await?;
        match packet[..] {
            // Yes.
            [0, ..] => {
                wire.sequence = 0;
                wire.write(&[COM_QUIT]).await?;
                return Ok(true);
            }
            // The account's kind, where it is not the server's usual one.
            [0xfe, ref kind @ ..] if kind.starts_with(PLUGIN) => wire.write(&NO_SCRAMBLE).await?,
            // Remembered after all: the answer follows.
            [1, 3] => {}
            // In full.
            [1, 4] => wire.write(&[password.as_bytes(), b"\0"].concat()).await?,
            _ => return Ok(false),
        }
    }
}

/// Packets of MySQL's protocol: three bytes of length, one that counts, and so many bytes.
struct Wire {
    stream: UnixStream,
    sequence: u8,
}

impl Wire {
    async fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).await?;
        let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
        if length > LONGEST_PACKET {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("a packet of {length} bytes in a login")));
        }
        self.sequence = head[3].wrapping_add(1);
        let mut packet = vec![0; length];
        self.stream.read_exact(&mut packet).await?;
        Ok(packet)
    }

    async fn write(&mut self, packet: &[u8]) -> io::Result<()> {
        let [a, b, c, _] = u32::try_from(packet.len()).map_err(io::Error::other)?.to_le_bytes();
        let mut bytes = vec![a, b, c, self.sequence];
        bytes.extend_from_slice(packet);
        self.stream.write_all(&bytes).await
    }
}
