//! How far work has come, shown: a bar on a terminal, a line per phase elsewhere, nothing with `--json`.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::human;
use super::terminal::Terminal;
use crate::progress::Snapshot;
use crate::text;

/// How often we look: often enough for a smooth bar, rare enough not to be felt by the work.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(150);

/// The shown progress of one piece of work. Dropped, it leaves the line clean.
#[derive(Debug)]
pub(super) struct Shown {
    terminal: Terminal,
    phase: String,
    bar: Option<ProgressBar>,
}

impl Shown {
    pub(super) fn new(terminal: Terminal) -> Self {
        Self { terminal, phase: String::new(), bar: None }
    }

    /// Shows the state now.
    pub(super) fn update(&mut self, now: &Snapshot) {
        if now.phase != self.phase {
            self.phase.clone_from(&now.phase);
            self.begin(now);
        }
        if let Some(bar) = &self.bar {
            // `total` is an estimate: a bar that has passed its end would look stuck at 100 %.
            bar.set_length(now.total_bytes.max(now.done_bytes));
            bar.set_position(now.done_bytes);
            bar.set_message(beside(now));
        }
    }

    fn begin(&mut self, now: &Snapshot) {
        self.clear();
        if now.phase.is_empty() {
            return;
        }
        if !self.terminal.is_lively() {
            self.terminal.say(&format!("{} …", now.phase));
            return;
        }
        let style = ProgressStyle::with_template(template(now.total_bytes, self.terminal.columns()));
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = style
            .with_key("done", |state: &ProgressState, out: &mut dyn Write| {
                // Nobody is told of a full line.
                out.write_str(&human::size(state.pos())).ok();
            })
            .with_key("total", |state: &ProgressState, out: &mut dyn Write| {
                out.write_str(&human::size(state.len().unwrap_or_default())).ok();
            })
            .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
                write!(out, "{}/s", human::size(rounded(state.per_sec()))).ok();
            })
            .with_key("left", |state: &ProgressState, out: &mut dyn Write| {
                // Before anything was done nobody knows, and the last second is over before it is read.
                let left = Duration::from_secs(state.eta().as_secs());
                if state.pos() > 0 && !left.is_zero() {
                    write!(out, "{} left", human::span(left)).ok();
                }
            });
        let bar = ProgressBar::with_draw_target(Some(now.total_bytes), ProgressDrawTarget::stderr()).with_style(style);
        bar.set_prefix(text::line(&now.phase).into_owned());
        self.bar = Some(bar);
    }

    /// Takes the bar away so that something else can be printed.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// One line, whatever the terminal's width: the bar takes what the words leave.
fn template(total_bytes: u64, columns: Option<usize>) -> &'static str {
    match (total_bytes, columns) {
        // A line that the terminal breaks is never cleared whole.
        (_, Some(..50)) => "{prefix} {done}",
        (0, _) => "{prefix:<12} {spinner} {msg}",
        (_, Some(50..100)) => "{prefix:<12} {wide_bar} {done}/{total}{msg}  {left}",
        _ => "{prefix:<12} {wide_bar} {done}/{total}{msg}  {rate}  {left}",
    }
}

/// What stands beside the bar; with no end in sight, all there is to say.
fn beside(now: &Snapshot) -> String {
    let rows = (now.done_rows > 0).then(|| human::many(now.done_rows, "row"));
    match now.total_bytes {
        0 => {
            let bytes = (now.done_bytes > 0).then(|| human::size(now.done_bytes));
            bytes.into_iter().chain(rows).collect::<Vec<_>>().join(", ")
        }
        _ => rows.map(|rows| format!(", {rows}")).unwrap_or_default(),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, shown with two digits")]
fn rounded(rate: f64) -> u64 {
    rate as u64
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.clear();
    }
}
