//! What systemd is told: ready, reloading, stopping, alive, and one sentence of status.
//!
//! Owns every message to `$NOTIFY_SOCKET`; without one, nothing is sent. A message that cannot be sent is logged once and
//! changes nothing: the daemon works the same without a supervisor.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

/// How much time we ask for at a time while draining: three times the pause between two requests.
pub(super) const EXTENSION: Duration = Duration::from_secs(15);

/// How often more time is asked for.
pub(super) const EXTEND_EVERY: Duration = Duration::from_secs(5);

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
    if let Err(error) = sd_notify::notify(states)
        && !COMPLAINED.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(%error, "systemd cannot be told how we are");
    }
}
