//! What systemd is told: ready, reloading, stopping, alive, and one sentence of status.
//!
//! Owns every message to `$NOTIFY_SOCKET`; without one, nothing is sent. A message that cannot be sent is logged once and
//! changes nothing: the daemon works the same without a supervisor.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

/// How much time we ask for at a time while draining: three times the pause between two requests.
pub(super) const EXTENSION: Duration = Duration::from_secs(15);

/// How often more time is asked for.
pub(super) const EXTEND_EVERY: Duration = Duration::from_secs(5);

/// How long one message may wait for a supervisor that is slow to read; then it is let go, and the next one says more anyway.
const LONGEST_SEND: Duration = Duration::from_millis(100);

static COMPLAINED: AtomicBool = AtomicBool::new(false);

/// How often the watchdog wants to hear from the loop: half of what systemd allows; none when it does not watch us.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

pub(super) fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// systemd 253 and later end a `notify-reload` service that does not say when it began; earlier ones ignore it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reading the configuration again")]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

pub(super) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
    more_time();
}

pub(super) fn more_time() {
    let micros = u32::try_from(EXTENSION.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
}

fn tell(states: &[NotifyState<'_>]) {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return };
    // One message a line: what a server said may have several.
    let message: String = states.iter().map(|state| format!("{}\n", state.to_string().replace('\n', " "))).collect();
    if let Err(error) = send(&address, message.as_bytes())
        && !COMPLAINED.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(%error, "cannot tell systemd our state");
    }
}

/// Not by the crate's own call, which waits without end for a supervisor that does not read: ten messages, and our loop
/// would stand still.
fn send(address: &std::ffi::OsStr, message: &[u8]) -> io::Result<()> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(LONGEST_SEND))?;
    socket.send_to_addr(message, &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_that_does_not_read_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let supervisor = UnixDatagram::bind(&path).unwrap();
        let mut sent = 0;
        let error = loop {
            match send(path.as_os_str(), b"STATUS=well\n") {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 100_000, "its queue never fills");
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let mut buffer = [0; 64];
        let length = supervisor.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"STATUS=well\n");
        send(path.as_os_str(), b"STATUS=well\n").unwrap();
    }
}
