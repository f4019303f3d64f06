//! How far work has come, shown: a bar on a terminal, a line per phase elsewhere, nothing with `--json`.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::human;
use super::terminal::Terminal;
use crate::progress::Snapshot;

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
            let rows = if now.done_rows > 0 { format!(", {} rows", human::count(now.done_rows)) } else { String::new() };
            bar.set_message(rows);
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
        let template = match now.total_bytes {
            0 => "{prefix:<18} {spinner} {decimal_bytes}{msg}",
            _ => "{prefix:<18} {bar:24} {decimal_bytes}/{decimal_total_bytes}{msg}  {decimal_bytes_per_sec}  {eta} left",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(now.total_bytes), ProgressDrawTarget::stderr()).with_style(style);
        bar.set_prefix(now.phase.clone());
        self.bar = Some(bar);
    }

    /// Takes the bar away so that something else can be printed.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.clear();
    }
}
