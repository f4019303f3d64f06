//! Where log lines go, and in which form.
//!
//! Owns the one subscriber of the process. Lines go to journald when systemd connected us to it, else to standard error.
//! journald stamps the time itself; on a terminal there are colours. Fields are always named the same: `target`, `engine`,
//! `version`, `label`, `upgrade`, `step`, `attempt`, `elapsed_ms`. Never logs a secret: `config::Secret` cannot be printed.

use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// The variable that sets the level, in `tracing`'s directives (`debug`, `upkeep::upgrade=trace`).
pub const LEVEL_VARIABLE: &str = "UPKEEP_LOG";

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sink {
    /// journald's own socket, with fields.
    Journald,
    /// Standard error, read by journald or another collector that stamps the time.
    Collected,
    /// Standard error of a person.
    Terminal,
}

/// Starts logging. To be called once, before the configuration is read, so that its errors are logged. A second call
/// changes nothing.
pub fn start() {
    let directives = std::env::var(LEVEL_VARIABLE).unwrap_or_default();
    let (filter, wrong) = filter(&directives);
    let journal = journald();
    let sink = match (&journal, connected_to_journal(), std::io::stderr().is_terminal()) {
        (Some(_), true, _) => Sink::Journald,
        (_, false, true) => Sink::Terminal,
        _ => Sink::Collected,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let text = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let started = match sink {
        Sink::Journald => registry.with(journal).try_init(),
        Sink::Collected if connected_to_journal() => registry.with(text.with_ansi(false).without_time()).try_init(),
        Sink::Collected => registry.with(text.with_ansi(false)).try_init(),
        Sink::Terminal => registry.with(text.with_ansi(true).boxed()).try_init(),
    };
    if started.is_ok() {
        panics();
        if let Some(wrong) = wrong {
            tracing::warn!(variable = LEVEL_VARIABLE, error = wrong, "the log level cannot be read; it is `info`");
        }
    }
}

/// The level, and what is wrong with the directives if something is. Libraries speak from WARN on: their INFO is not for
/// operators.
fn filter(directives: &str) -> (EnvFilter, Option<String>) {
    let default = || EnvFilter::new("warn,upkeep=info");
    match directives.trim() {
        "" => (default(), None),
        // A bare level is meant for us.
        level if level.parse::<tracing::Level>().is_ok() => (EnvFilter::new(format!("warn,upkeep={level}")), None),
        directives => match EnvFilter::try_new(directives) {
            Ok(filter) => (filter, None),
            Err(error) => (default(), Some(error.to_string())),
        },
    }
}

/// journald's layer; none in a container without its socket.
fn journald() -> Option<tracing_journald::Layer> {
    let layer = tracing_journald::layer().ok()?;
    Some(layer.with_field_prefix(Some("UPKEEP".to_owned())).with_syslog_identifier("upkeepd".to_owned()))
}

/// Whether standard error is the stream systemd says it connected to the journal, and not a file it was redirected to since.
fn connected_to_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Some((device, inode)) = stream.split_once(':') else { return false };
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|file| device == file.dev().to_string() && inode == file.ino().to_string())
}

/// A panic is logged with its place, beside what the job that panicked reports.
fn panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload().downcast_ref::<&str>().map(|text| (*text).to_owned());
        let message = message.or_else(|| panic.payload().downcast_ref::<String>().cloned()).unwrap_or_default();
        tracing::error!(place, message, "a bug: a task panicked; the daemon goes on");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_for_us_and_nonsense_is_told() {
        for (directives, expect, wrong) in [
            ("", "upkeep=info,warn", false),
            ("debug", "upkeep=debug,warn", false),
            ("upkeep::upgrade=trace,info", "upkeep::upgrade=trace,info", false),
            ("upkeep=loud", "upkeep=info,warn", true),
        ] {
            let (filter, told) = filter(directives);
            assert_eq!((filter.to_string().as_str(), told.is_some()), (expect, wrong), "{directives}");
        }
    }
}
