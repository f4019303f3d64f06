//! A login under TLS: what stands between the driver, who knows of none, and a server that was asked for it.
//!
//! The server greets in clear; TLS begins before the driver's answer leaves, and what both say is passed on until the server has let us in. A
//! password is only said as it is where nobody else can hear it: under TLS, and what asks for it without a digest (`mysql_clear_password`) must have been
//! demanded to be under TLS. Source: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>.
//! Held by `tests/it/tls.rs`.

use std::io;

use tokio::net::UnixStream;

use super::super::relay::{self, Both, Carrier, Door, Seen};
use super::super::transport::{self, Wish};
use super::packets::{CONNECT_WITHIN, Wire};
use crate::config::{Database, Location, Secret};
use crate::tls::{Ready, Stream, TlsError};

/// The version of the protocol that a greeting begins with.
const PROTOCOL: u8 = 10;
/// What a refusal begins with.
const REFUSES: u8 = 0xff;
/// `CLIENT_SSL`.
const SSL: u32 = 1 << 11;
/// As much of the driver's answer as asks for TLS: capabilities, longest packet, character set, and nothing.
const REQUEST_BYTES: usize = 32;
/// What a server's packet begins with that ends a login, well or badly.
const ENDS: [u8; 2] = [0x00, 0xff];
/// What one begins with that asks for another kind of authentication.
const SWITCH: u8 = 0xfe;
/// `caching_sha2_password`: the server does not remember the password.
const IN_FULL: [u8; 2] = [1, 4];
/// `caching_sha2_password`: it does.
const REMEMBERED: [u8; 2] = [1, 3];

/// What the task needs that carries on the login.
struct Login {
    ready: Ready,
    password: Option<Secret>,
    host: String,
    mode: String,
    /// Whether TLS was demanded, and not only preferred.
    demanded: bool,
}

/// What follows a greeting. Only what was not demanded to be under TLS goes on in clear.
enum Next {
    /// The server has refused us: the driver hears why, and no more.
    Refused,
    /// As it is.
    InClear,
    /// Under TLS.
    Login(Box<Login>),
}

/// Meets the server, and says where the driver finds it.
pub(super) async fn to(database: &Database, server: impl Both, wish: Wish) -> io::Result<(String, Carrier)> {
    let mut server = Wire::new(server);
    let greeting = server.read().await?;
    let speaks = capabilities(&greeting).is_some_and(|capabilities| capabilities & SSL != 0);
    // The driver takes whatever begins with another byte for a greeting, and would answer it.
    let next = match (greeting.first(), wish) {
        (Some(&REFUSES), _) => Next::Refused,
        (Some(&PROTOCOL), Wish::Prefer(ready)) if speaks => Next::Login(Box::new(Login::of(database, ready, false))),
        (Some(&PROTOCOL), Wish::Demand(ready)) if speaks => Next::Login(Box::new(Login::of(database, ready, true))),
        (Some(&PROTOCOL), Wish::Demand(_)) => return Err(io::Error::other(transport::not_spoken(database))),
        (Some(&PROTOCOL), Wish::Prefer(_) | Wish::Plain) => Next::InClear,
        (other, _) => {
            let other = other.copied().unwrap_or_default();
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it greets with {other:#04x}, as no MySQL does")));
        }
    };
    let (room, door) = Door::open(str::to_owned)?;
    let carrier = Carrier::begin(|seen| async move {
        let Ok(driver) = door.arrival().await else { return };
        if let Err(error) = pass_on(driver, server, &greeting, next, &seen).await {
            seen.put(error);
        }
    });
    Ok((room, carrier))
}

async fn pass_on<S: Both>(driver: UnixStream, server: Wire<S>, greeting: &[u8], next: Next, seen: &Seen) -> io::Result<()> {
    let mut driver = Wire::new(driver);
    driver.write(greeting).await?;
    let login = match next {
        Next::Refused => return Ok(()),
        Next::InClear => {
            relay::carry(driver.stream, server.stream, drop).await;
            return Ok(());
        }
        Next::Login(login) => login,
    };
    // Whoever waits gives up by then: a server that says no more holds nothing of ours.
    let secured = tokio::time::timeout(CONNECT_WITHIN, login.begin(&mut driver, server)).await;
    let secured = secured.unwrap_or_else(|late| Err(late.into()));
    match secured {
        Ok(server) => {
            seen.secured(login.ready.worth(&server));
            relay::carry(driver.stream, server, |error| seen.put(login.ready.said(error))).await;
        }
        // Said before the driver's end is let go.
        Err(error) => seen.put(login.ready.said(error)),
    }
    Ok(())
}

impl Login {
    fn of(database: &Database, ready: Ready, demanded: bool) -> Self {
        let (host, mode) = match &database.location {
            Location::MySql { host, ssl_mode, .. } => (host.clone(), ssl_mode.clone()),
            _ => Default::default(),
        };
        Self { ready, password: database.password.clone(), host, mode, demanded }
    }

    /// From the driver's answer until the server has let us in, or not; both sides are then at the end of a packet.
    async fn begin<S: Both>(&self, driver: &mut Wire<UnixStream>, mut server: Wire<S>) -> io::Result<Stream<S>> {
        let mut answer = driver.read().await?;
        let short = || io::Error::new(io::ErrorKind::InvalidData, "the driver's answer to the greeting is too short");
        let asked = answer.first_chunk_mut::<4>().ok_or_else(short)?;
        *asked = (u32::from_le_bytes(*asked) | SSL).to_le_bytes();
        server.write(answer.get(..REQUEST_BYTES).ok_or_else(short)?).await?;
        let Wire { stream, sequence } = server;
        let mut server = Wire { stream: self.ready.over(stream).await?, sequence };
        server.write(&answer).await?;
        loop {
            let packet = server.read().await?;
            match packet.as_slice() {
                [first, ..] if ENDS.contains(first) => {
                    driver.write(&packet).await?;
                    return Ok(server.stream);
                }
                // The driver knows of no TLS, and would ask for a key to hide the password with.
                full if full == IN_FULL => self.say_password(&mut server).await?,
                [SWITCH, kind @ ..] if is(kind, "sha256_password") => self.say_password(&mut server).await?,
                [SWITCH, kind @ ..] if is(kind, "mysql_clear_password") => {
                    if !self.demanded {
                        return Err(io::Error::other(self.clear()));
                    }
                    self.say_password(&mut server).await?;
                }
                remembered if remembered == REMEMBERED => driver.write(&packet).await?,
                _ => {
                    driver.write(&packet).await?;
                    let answer = driver.read().await?;
                    server.write(&answer).await?;
                }
            }
        }
    }

    async fn say_password<S: Both>(&self, server: &mut Wire<Stream<S>>) -> io::Result<()> {
        let password = self.password.as_ref().map_or("", Secret::reveal);
        server.write(&[password.as_bytes(), b"\0"].concat()).await
    }

    fn clear(&self) -> TlsError {
        TlsError::Clear {
            host: self.host.clone(),
            plugin: "mysql_clear_password".to_owned(),
            mode: format!("ssl-mode={}", self.mode),
            wanted: "ssl-mode=VERIFY_IDENTITY",
        }
    }
}

/// Whether a wish to change the kind of authentication names this one.
fn is(kind: &[u8], name: &str) -> bool {
    kind.split(|byte| *byte == 0).next() == Some(name.as_bytes())
}

/// The lower half of what a server can do: behind its version, a number, eight bytes of a challenge and one of nothing.
fn capabilities(greeting: &[u8]) -> Option<u32> {
    const BETWEEN: usize = 4 + 8 + 1;
    let end = greeting.iter().position(|byte| *byte == 0)?;
    let bytes = greeting.get(end + 1 + BETWEEN..)?.first_chunk::<2>()?;
    Some(u32::from(u16::from_le_bytes(*bytes)))
}
