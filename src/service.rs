//! The managed server: whether it runs, stopping and starting it, and whether it answers.
//!
//! Owns talking to `systemctl`, to the configured commands, and to the server's health checks. Never decides when; that is
//! the upgrade's. Invariant: `stop` and `start` return `Ok` only when the service was looked at afterwards and is what was
//! asked for; held by `tests/it/service.rs`.

mod health;
pub mod tool;

pub use health::{ask, can_ask, ping, post};

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Service, ServiceControl};
use crate::failure::{Class, Explain};
use crate::process::{Command, Finished, ProcessError};
use crate::text;

/// How often the server is asked while it becomes healthy: a rolling start is noticed soon, a slow one is not pestered.
pub const HEALTH_INTERVAL: Duration = Duration::from_millis(250);

/// How long beyond `healthy_for` a server is asked at least that was waited for before: after a power cut all of its deadline may have
/// passed while nobody could ask.
const CHANCE: Duration = Duration::from_secs(2);

/// How often in a row the service must be found stopped before waiting for its health is given up: a unit that systemd
/// restarts is down for a moment only.
const STOPPED_LOOKS: u32 = 8;

/// How long asking for the state may take.
const STATUS_DEADLINE: Duration = Duration::from_secs(30);

/// What is asked of a unit.
const UNIT_PROPERTIES: &str = "--property=LoadState,ActiveState,SubState";

/// The exit code by which a status command says "it is not running", as LSB has it.
const STOPPED: i32 = 3;

/// Whether the managed server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceState {
    /// It runs, or is on its way up or down.
    Running,
    /// It does not run.
    Stopped,
    /// Its state cannot be told, with the reason.
    Unknown(String),
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ServiceState::Running => "running",
            ServiceState::Stopped => "stopped",
            ServiceState::Unknown(_) => "unknown",
        })
    }
}

/// What the managed server would not do.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The program that stops, starts or asks could not be run.
    #[error("cannot {what} {service}")]
    Run {
        /// `stop`, `start`.
        what: &'static str,
        /// The unit or command.
        service: String,
        /// The cause.
        source: ProcessError,
    },
    /// It ended well, and the service is still not what was asked for.
    #[error("asked {service} to {what}, but it is {state}")]
    Still {
        /// `stop`, `start`.
        what: &'static str,
        /// The unit or command.
        service: String,
        /// What it is.
        state: String,
    },
    /// It did not become healthy.
    #[error("{service} was not healthy for {:.1} s within {:.1} s: {last}", healthy_for.as_secs_f32(), within.as_secs_f32())]
    Unhealthy {
        /// The unit or command.
        service: String,
        /// How long it was to be healthy.
        healthy_for: Duration,
        /// How long it was waited for.
        within: Duration,
        /// The last answer.
        last: String,
    },
}

impl Explain for ServiceError {
    fn class(&self) -> Class {
        match self {
            Self::Run { source, .. } => source.class(),
            Self::Still { .. } | Self::Unhealthy { .. } => Class::Unavailable,
        }
    }

    fn hints(&self) -> Vec<String> {
        let service = match self {
            Self::Run { service, .. } | Self::Still { service, .. } | Self::Unhealthy { service, .. } => service,
        };
        match service.strip_suffix(".service") {
            Some(unit) => vec![format!("read its log: `{}`", text::shell(&["journalctl", "-u", unit, "-n", "100"]))],
            None => vec!["read the server's own log".to_owned()],
        }
    }
}

/// The unit or start command, as messages name it.
#[must_use]
pub fn name(service: &Service) -> String {
    match &service.control {
        ServiceControl::Unit(unit) => unit.clone(),
        ServiceControl::Commands { start, .. } => text::shell(start),
    }
}

/// Whether it runs. Not knowing is an answer.
pub async fn status(service: &Service) -> ServiceState {
    match &service.control {
        ServiceControl::Unit(unit) => {
            match Command::new(&["systemctl", "show", UNIT_PROPERTIES, "--", unit], STATUS_DEADLINE).run().await {
                Ok(finished) => of_unit(&finished),
                Err(error) => ServiceState::Unknown(crate::failure::Chain(&error).to_string()),
            }
        }
        ServiceControl::Commands { status, .. } => match Command::new(status, STATUS_DEADLINE).run().await {
            Ok(Finished { code: Some(0), .. }) => ServiceState::Running,
            Ok(Finished { code: Some(STOPPED), .. }) => ServiceState::Stopped,
            Ok(finished) => ServiceState::Unknown(format!(
                "the status command ended with {}, neither 0 (running) nor {STOPPED} (stopped): {}",
                finished.code.map_or("a signal".to_owned(), |code| format!("exit code {code}")),
                finished.last_line()
            )),
            Err(error) => ServiceState::Unknown(crate::failure::Chain(&error).to_string()),
        },
    }
}

/// What became of the last start of a server that does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastStart {
    /// Nothing that asks for anybody: somebody stopped it, or it was never started.
    Nothing,
    /// Its condition refused it, which is our gate.
    Refused,
    /// It ended by itself, with systemd's word for how (`exit-code`, `start-limit-hit`).
    Ended(String),
}

/// What is asked of a unit that does not run.
const END_PROPERTIES: &str = "--property=ActiveState,Result,ExecMainCode,ExecMainStatus,KillSignal,RuntimeMaxUSec,\
     InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic";

/// The exit status of a Java server, among others, that a signal asked to end: this, and the signal's number.
const BY_SIGNAL: u32 = 128;

/// `ExecMainCode` of a process that ended by itself, as waitid(2) has it (`CLD_EXITED`).
const EXITED: u32 = 1;

/// What became of the last start. What cannot be told is nothing.
pub async fn last_start(service: &Service) -> LastStart {
    let ServiceControl::Unit(unit) = &service.control else { return LastStart::Nothing };
    match Command::new(&["systemctl", "show", END_PROPERTIES, "--", unit], STATUS_DEADLINE).run().await {
        Ok(finished) => start_of_unit(&finished.stdout),
        Err(_) => LastStart::Nothing,
    }
}

fn start_of_unit(shown: &str) -> LastStart {
    let value = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
    match (value("Result"), value("ActiveState")) {
        ("exec-condition", _) => LastStart::Refused,
        (how, "failed") if !stopped(how, value) => LastStart::Ended(how.to_owned()),
        _ => LastStart::Nothing,
    }
}

/// Whether a unit that failed failed at its stop: somebody asked it to end, and it did so in its own way, or not in time.
fn stopped<'a>(how: &str, value: impl Fn(&str) -> &'a str) -> bool {
    let number = |name: &str| value(name).parse::<u32>().ok();
    let (code, status, signal) = (number("ExecMainCode"), number("ExecMainStatus"), number("KillSignal"));
    let signal = signal.unwrap_or(rustix::process::Signal::TERM.as_raw().unsigned_abs());
    let term = rustix::process::Signal::TERM.as_raw().unsigned_abs();
    match how {
        "exit-code" => status.is_some_and(|status| [term, signal].map(|signal| BY_SIGNAL + signal).contains(&status)),
        "signal" | "core-dump" => code != Some(EXITED) && status == Some(signal),
        // Once it was up it has no time to be late for but that of its stop, and that of its life where it is given one. One that was late
        // to come up never was.
        "timeout" => {
            let (left, up) =
                (number_of(value("InactiveExitTimestampMonotonic")), number_of(value("ActiveEnterTimestampMonotonic")));
            let unbounded = matches!(value("RuntimeMaxUSec"), "" | "infinity");
            unbounded && up.is_some_and(|up| up > 0) && up >= left
        }
        _ => false,
    }
}

fn number_of(moment: &str) -> Option<u64> {
    moment.parse().ok()
}

/// How long a state that cannot be told is asked for again, and how often: a bus or a status command that is busy for a moment answers
/// by then, and one that is broken does not.
const UNKNOWN_FOR: Duration = Duration::from_secs(3);
const UNKNOWN_LOOK: Duration = Duration::from_millis(250);

/// As [`status`], for whoever is about to do what needs a stopped server: not knowing is asked again for a while, for it is no
/// permission.
pub async fn certain_status(service: &Service) -> ServiceState {
    let until = Instant::now() + UNKNOWN_FOR;
    loop {
        let state = status(service).await;
        if !matches!(state, ServiceState::Unknown(_)) || Instant::now() >= until {
            return state;
        }
        tokio::time::sleep(UNKNOWN_LOOK).await;
    }
}

/// What `systemctl show` printed. A unit on its way down still holds the database.
fn of_unit(finished: &Finished) -> ServiceState {
    let value = |name: &str| finished.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    match (value("LoadState"), value("ActiveState"), value("SubState")) {
        (Some("not-found"), Some("inactive"), _) => ServiceState::Unknown("there is no such unit".to_owned()),
        // Its `ExecCondition=` is running, which is our gate: nothing of the server itself is.
        (_, Some("activating"), Some("condition")) => ServiceState::Stopped,
        (_, Some("active" | "reloading" | "refreshing" | "activating" | "deactivating" | "maintenance"), _) => {
            ServiceState::Running
        }
        (_, Some("inactive" | "failed"), _) => ServiceState::Stopped,
        (_, Some(other), _) => ServiceState::Unknown(format!("it is {other}")),
        (_, None, _) => ServiceState::Unknown(finished.last_line().to_owned()),
    }
}

/// Stops it and sees that it is stopped. Stopping a stopped one is fine.
///
/// # Errors
/// When the program could not be run or failed, or the server still runs.
pub async fn stop(service: &Service) -> Result<(), ServiceError> {
    run(service, "stop").await?;
    match status(service).await {
        ServiceState::Stopped => Ok(()),
        other => Err(still(service, "stop", other)),
    }
}

/// Starts it and sees that it runs. Whether it is healthy is another question.
///
/// # Errors
/// When the program could not be run or failed, or the server does not run.
pub async fn start(service: &Service) -> Result<(), ServiceError> {
    if let ServiceControl::Unit(unit) = &service.control {
        // A unit that was restarted too often is refused by systemd without being tried. One that has nothing to reset says
        // so, and that is fine.
        Command::new(&["systemctl", "reset-failed", "--", unit], STATUS_DEADLINE).run().await.ok();
    }
    run(service, "start").await?;
    match status(service).await {
        ServiceState::Running => Ok(()),
        other => Err(still(service, "start", other)),
    }
}

fn still(service: &Service, what: &'static str, state: ServiceState) -> ServiceError {
    let state = match state {
        ServiceState::Unknown(why) => format!("in an unknown state ({why})"),
        known => known.to_string(),
    };
    ServiceError::Still { what, service: name(service), state }
}

async fn run(service: &Service, what: &'static str) -> Result<(), ServiceError> {
    let unit_command;
    let argv = match &service.control {
        ServiceControl::Unit(unit) => {
            unit_command = ["systemctl", what, "--", unit].map(str::to_owned).to_vec();
            &unit_command
        }
        ServiceControl::Commands { stop, .. } if what == "stop" => stop,
        ServiceControl::Commands { start, .. } => start,
    };
    let finished = Command::new(argv, service.deadline).succeed().await;
    finished.map(drop).map_err(|source| ServiceError::Run { what, service: name(service), source })
}

/// Asks every health check once. `Err` is the first bad answer.
///
/// # Errors
/// The answer that was not good.
pub async fn healthy(service: &Service) -> Result<String, String> {
    if service.health.is_empty() {
        // Nothing to ask: running is all that can be known.
        return match status(service).await {
            ServiceState::Running => Ok("it is running; no health check is configured".to_owned()),
            ServiceState::Stopped => Err("it is not running".to_owned()),
            ServiceState::Unknown(why) => Err(why),
        };
    }
    let mut answers = Vec::with_capacity(service.health.len());
    for check in &service.health {
        answers.push(health::ask(check).await?);
    }
    Ok(answers.join(", "))
}

/// A server that has been healthy for long enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthy {
    /// In words.
    pub said: String,
    /// For how long without a break, up to now.
    pub lasted: Duration,
}

/// Waits until it has been healthy for as long as configured, without a break. `waited` is how long it was waited for before we were
/// cut off: it counts, but for the time that one which is healthy by now needs to show it.
///
/// # Errors
/// [`ServiceError::Unhealthy`] with the last answer, when the deadline passes or the server has stopped.
pub async fn wait_healthy(service: &Service, waited: Duration) -> Result<Healthy, ServiceError> {
    let begun = Instant::now();
    let deadline = service.deadline.saturating_sub(waited).max((service.healthy_for + CHANCE).min(service.deadline));
    let mut healthy_since: Option<Instant> = None;
    let mut stopped = 0;
    loop {
        let mut last = match healthy(service).await {
            Ok(answer) => {
                let since = *healthy_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= service.healthy_for {
                    let lasted = since.elapsed();
                    return Ok(Healthy { said: format!("{answer}, for {:.1} s", lasted.as_secs_f32()), lasted });
                }
                stopped = 0;
                format!("{answer}, but not for long enough")
            }
            Err(answer) => {
                healthy_since = None;
                stopped = if status(service).await == ServiceState::Stopped { stopped + 1 } else { 0 };
                answer
            }
        };
        if stopped >= STOPPED_LOOKS {
            last = format!("the server has stopped; {last}");
        }
        if stopped >= STOPPED_LOOKS || begun.elapsed() >= deadline {
            return Err(ServiceError::Unhealthy {
                service: name(service),
                healthy_for: service.healthy_for,
                within: begun.elapsed() + waited,
                last,
            });
        }
        tokio::time::sleep(HEALTH_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_start_is_told_by_systemd() {
        for (shown, expected) in [
            ("Result=success\nActiveState=inactive\nExecMainStatus=0\n", LastStart::Nothing),
            ("Result=exec-condition\nActiveState=inactive\nExecMainStatus=0\n", LastStart::Refused),
            ("Result=exit-code\nActiveState=failed\nExecMainStatus=1\n", LastStart::Ended("exit-code".to_owned())),
            ("Result=start-limit-hit\nActiveState=failed\nExecMainStatus=1\n", LastStart::Ended("start-limit-hit".to_owned())),
            // Stopped by a person, and its runtime says so in its own way.
            ("Result=exit-code\nActiveState=failed\nExecMainStatus=143\n", LastStart::Nothing),
            ("Result=exit-code\nActiveState=failed\nExecMainCode=1\nExecMainStatus=130\nKillSignal=2\n", LastStart::Nothing),
            (
                "Result=exit-code\nActiveState=failed\nExecMainCode=1\nExecMainStatus=130\nKillSignal=15\n",
                LastStart::Ended("exit-code".to_owned()),
            ),
            ("Result=signal\nActiveState=failed\nExecMainCode=2\nExecMainStatus=3\nKillSignal=3\n", LastStart::Nothing),
            (
                "Result=signal\nActiveState=failed\nExecMainCode=2\nExecMainStatus=9\nKillSignal=15\n",
                LastStart::Ended("signal".to_owned()),
            ),
            // It did not end in time when it was stopped; it did not come up in time; it was given a time to live.
            (
                "Result=timeout\nActiveState=failed\nExecMainCode=2\nExecMainStatus=9\nKillSignal=15\nRuntimeMaxUSec=infinity\n\
                 InactiveExitTimestampMonotonic=100\nActiveEnterTimestampMonotonic=200\n",
                LastStart::Nothing,
            ),
            (
                "Result=timeout\nActiveState=failed\nExecMainCode=2\nExecMainStatus=15\nKillSignal=15\nRuntimeMaxUSec=infinity\n\
                 InactiveExitTimestampMonotonic=300\nActiveEnterTimestampMonotonic=200\n",
                LastStart::Ended("timeout".to_owned()),
            ),
            (
                "Result=timeout\nActiveState=failed\nExecMainCode=2\nExecMainStatus=15\nKillSignal=15\nRuntimeMaxUSec=infinity\n\
                 InactiveExitTimestampMonotonic=300\nActiveEnterTimestampMonotonic=0\n",
                LastStart::Ended("timeout".to_owned()),
            ),
            (
                "Result=timeout\nActiveState=failed\nExecMainCode=2\nExecMainStatus=15\nKillSignal=15\nRuntimeMaxUSec=1h\n\
                 InactiveExitTimestampMonotonic=100\nActiveEnterTimestampMonotonic=200\n",
                LastStart::Ended("timeout".to_owned()),
            ),
            ("", LastStart::Nothing),
        ] {
            assert_eq!(start_of_unit(shown), expected, "{shown}");
        }
    }

    #[test]
    fn what_systemctl_prints_is_understood() {
        let unknown = |why: &str| ServiceState::Unknown(why.to_owned());
        let cases = [
            ("LoadState=loaded\nActiveState=active\nSubState=running\n", ServiceState::Running),
            ("LoadState=loaded\nActiveState=activating\nSubState=start\n", ServiceState::Running),
            ("LoadState=loaded\nActiveState=activating\nSubState=condition\n", ServiceState::Stopped),
            ("LoadState=loaded\nActiveState=activating\nSubState=auto-restart\n", ServiceState::Running),
            ("LoadState=loaded\nActiveState=deactivating\nSubState=stop-sigterm\n", ServiceState::Running),
            ("LoadState=loaded\nActiveState=inactive\nSubState=dead\n", ServiceState::Stopped),
            ("LoadState=loaded\nActiveState=failed\nSubState=failed\n", ServiceState::Stopped),
            // Removed while it runs.
            ("LoadState=not-found\nActiveState=active\nSubState=running\n", ServiceState::Running),
            ("LoadState=not-found\nActiveState=inactive\nSubState=dead\n", unknown("there is no such unit")),
            ("", unknown("Failed to connect to bus")),
        ];
        for (stdout, expected) in cases {
            let stderr = if stdout.is_empty() { "Failed to connect to bus\n" } else { "" };
            let finished = Finished { code: Some(0), stdout: stdout.to_owned(), stderr: stderr.to_owned() };
            assert_eq!(of_unit(&finished), expected, "{stdout}");
        }
    }
}
