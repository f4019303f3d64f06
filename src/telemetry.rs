//! Where log lines go, and in which form.
//!
//! Owns the one subscriber of the process. Lines go to standard error; where systemd connected that to the journal, each begins
//! with its priority as journald reads it, and without the time, which journald stamps itself. journald's own protocol would
//! keep the fields apart and out of the message, and `journalctl -u upkeepd` would show "a step is done" without saying
//! which. On a terminal there are colours. Fields are always named the same: `target`, `engine`,
//! `version`, `label`, `upgrade`, `step`, `attempt`, `elapsed_ms`. Never logs a secret: `config::Secret` cannot be printed. Whatever others
//! wrote into a field, a line of the log is one line and acts on no terminal.

use std::fmt;
use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::text;

/// The variable that sets the level, in `tracing`'s directives (`debug`, `upkeep::upgrade=trace`).
pub const LEVEL_VARIABLE: &str = "UPKEEP_LOG";

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sink {
    /// Standard error, read by journald, which stamps the time.
    Journald,
    /// Standard error, read by another collector or a file.
    Collected,
    /// Standard error of a person.
    Terminal,
}

/// Starts logging. To be called once, before the configuration is read, so that its errors are logged. A second call
/// changes nothing.
pub fn start() {
    let directives = std::env::var(LEVEL_VARIABLE).unwrap_or_default();
    let (filter, wrong) = filter(&directives);
    let sink = match (connected_to_journal(), std::io::stderr().is_terminal()) {
        (true, _) => Sink::Journald,
        (false, true) => Sink::Terminal,
        (false, false) => Sink::Collected,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let text = tracing_subscriber::fmt::layer().with_writer(|| Readable(std::io::stderr())).with_target(false);
    let started = match sink {
        Sink::Journald => registry.with(text.with_ansi(false).event_format(Prioritised::new())).try_init(),
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

/// Lines on their way out, each written in one piece: what would act on a terminal, or would pass for a line of its own, is shown as
/// what it is.
struct Readable<W>(W);

impl<W: std::io::Write> std::io::Write for Readable<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = String::from_utf8_lossy(bytes);
        let (line, end) = written.strip_suffix('\n').map_or((&*written, ""), |line| (line, "\n"));
        // Line ends first: they stay otherwise.
        let line = line.replace('\n', "\\n");
        self.0.write_all(format!("{}{end}", text::coloured(&line)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
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

/// A line as journald reads it from a service's output: its priority in angle brackets, then message and fields.
struct Prioritised(Format<Full, ()>);

impl Prioritised {
    fn new() -> Self {
        Self(Format::default().without_time().with_target(false).with_level(false).with_ansi(false))
    }
}

impl<S, N> FormatEvent<S, N> for Prioritised
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
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
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_in_the_journal_says_everything() {
        let page = Page::default();
        let writer = page.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || Readable(writer.clone()));
        let subscriber = tracing_subscriber::registry().with(layer.with_ansi(false).event_format(Prioritised::new()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target = %"notes", step = %"archive", "a step begins");
            tracing::warn!(reason = "no route", "a step failed");
            tracing::info!(reason = %"\u{1b}[2J\n<0>owned \u{9b}1m\u{202e}", "a note");
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "<6>a step begins target=notes step=archive\n<4>a step failed reason=\"no route\"\n<6>a note reason=\\u001b[2J\\n<0>owned \\u009b1m\\u202e\n"
        );
    }

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
