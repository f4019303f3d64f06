//! `upkeep status --watch`: where everything stands as a live view.
//!
//! Owns what a frame shows; each is a pure function of the last answers. What reaches the terminal and how it is left is
//! `watch::screen`'s. Shows nothing that the socket does not say. Held by the snapshots beside this file.

mod pace;
mod screen;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::chart::{Glyphs, bar, chart};
use super::status::{self, block, headline, line};
use super::terminal::{Terminal, Tone};
use super::{Stop, World, human, session};
use crate::ids::TargetName;
use crate::text;
use crate::wire::{HistoryStatus, Job, JobState, Status, TargetStatus};
use pace::Pace;
use screen::Screen;

/// How often it looks again. The answer is a ready snapshot, so looking costs nothing that matters.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A name before a line, with the gap around it.
const INDENT: usize = 12;

/// Lines are no longer than this on a wide terminal: nobody reads across a desk.
const COLUMNS: usize = 120;

/// What a frame is drawn on.
#[derive(Debug, Clone, Copy)]
struct View {
    terminal: Terminal,
    glyphs: Glyphs,
    columns: usize,
    rows: usize,
}

/// Shows it until somebody presses Ctrl-C.
pub(super) async fn run(target: Option<&TargetName>, world: &World) -> Result<(), Stop> {
    let glyphs = Glyphs::of(&world.environment);
    let mut pace = Pace::default();
    let mut answer = status::asked(target, world).await?;
    let mut trouble = None;
    let mut stopped = std::pin::pin!(session::interrupted()?);
    let mut screen = Screen::open(world.terminal)?;
    loop {
        pace.see(&answer);
        let terminal = world.terminal.measured();
        let view = View {
            terminal,
            glyphs,
            columns: terminal.columns().unwrap_or(80).min(COLUMNS),
            rows: terminal.rows().unwrap_or(usize::MAX),
        };
        screen.show(&frame(&answer, &pace, trouble.as_deref(), view))?;
        tokio::select! {
            () = &mut stopped => return screen.close(),
            // Only a timer is dropped here.
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        // A daemon that is just restarted is no reason to end; what was seen last stays in sight.
        trouble = match status::asked_in_place(target, world).await {
            Ok(seen) => {
                answer = seen;
                None
            }
            Err(Stop::Failure(failure)) => Some(failure.message),
            Err(stop) => return Err(stop),
        };
    }
}

/// Everything, one text per row, none wider and not more of them than the terminal has room for.
fn frame(answer: &Status, pace: &Pace, trouble: Option<&str>, view: View) -> Vec<String> {
    let terminal = view.terminal;
    let at = format!("{} UTC", human::moment(answer.at));
    let mut lines = vec![headline(answer, answer.at, terminal), terminal.paint(Tone::Quiet, &at)];
    lines.extend(trouble.map(|why| terminal.paint(Tone::Bad, &format!("no answer since then: {why}"))));
    lines.extend(answer.problems.iter().map(|problem| terminal.paint(Tone::Bad, problem)));
    for job in answer.jobs.iter().filter(|job| matches!(job.state, JobState::Queued | JobState::Running)) {
        lines.push(String::new());
        lines.extend(work(job, pace, view));
    }
    for target in &answer.targets {
        lines.push(String::new());
        lines.extend(block(target, answer.at, terminal));
        lines.extend(more(target, view));
    }
    let rows: Vec<String> =
        lines.iter().flat_map(|line| line.split('\n')).map(|row| screen::cut(&text::coloured(row), view.columns)).collect();
    fitted(rows, view)
}

/// As many rows as there is room for; the last one says what is missing.
fn fitted(mut rows: Vec<String>, view: View) -> Vec<String> {
    if rows.len() > view.rows {
        let kept = view.rows.saturating_sub(1);
        let missing = human::many((rows.len() - kept) as u64, "more line");
        rows.truncate(kept);
        rows.push(
            view.terminal
                .paint(Tone::Quiet, &screen::cut(&format!("({missing}: `upkeep status TARGET --watch`)"), view.columns)),
        );
    }
    rows
}

/// A job: what is done, and underneath how far it has come.
fn work(job: &Job, pace: &Pace, view: View) -> Vec<String> {
    let target = job.action.target().map(|target| format!(" {target}")).unwrap_or_default();
    let progress = &job.progress;
    let phase = match job.state {
        JobState::Queued => "waits for another job to end",
        _ if progress.phase.is_empty() => "starting",
        _ => progress.phase.as_str(),
    };
    let head = view.terminal.paint(Tone::Strong, &format!("{}{target}", job.action.name()));
    let mut lines = vec![format!("{head}  {phase}")];
    let rate = pace.of(&job.id).filter(|rate| *rate > 0);
    let mut words = Vec::new();
    if progress.total_bytes > 0 {
        let total = progress.total_bytes.max(progress.done_bytes);
        words.push(format!("{} of {}", human::size(progress.done_bytes), human::size(total)));
        words.push(format!("{} %", u128::from(progress.done_bytes) * 100 / u128::from(total)));
    } else if progress.done_bytes > 0 {
        words.push(human::size(progress.done_bytes));
    }
    words.extend((progress.done_rows > 0).then(|| human::many(progress.done_rows, "row")));
    words.extend(rate.map(|rate| format!("{}/s", human::size(rate))));
    let left = progress.total_bytes.saturating_sub(progress.done_bytes);
    words.extend(
        rate.filter(|_| left > 0).map(|rate| format!("{} left", human::span(Duration::from_secs(left.div_ceil(rate))))),
    );
    if progress.total_bytes > 0 {
        lines
            .push(format!("  {}", bar(progress.done_bytes, progress.total_bytes, view.columns.saturating_sub(4), view.glyphs)));
    }
    lines.extend((!words.is_empty()).then(|| format!("  {}", words.join("  "))));
    lines.extend((!progress.said.is_empty()).then(|| format!("  says: {}", progress.said)));
    lines
}

/// What the live view says of a target beyond the ordinary answer.
fn more(target: &TargetStatus, view: View) -> Vec<String> {
    let mut lines = Vec::new();
    let terminal = view.terminal.of_width(view.columns);
    if !target.then.is_empty() {
        let moments: Vec<String> = target.then.iter().map(|at| human::moment(*at)).collect();
        lines.push(line(terminal, "and then", &format!("{} UTC", moments.join(", ")), Tone::Plain));
    }
    if let Some(kept) = &target.kept {
        let rules: Vec<String> = kept.rules.iter().map(|rule| format!("{} {}", rule.rule, rule.archives)).collect();
        let go = if kept.let_go == 0 { "none to delete".to_owned() } else { format!("{} to delete next", kept.let_go) };
        let rules = if rules.is_empty() { String::new() } else { format!("; by rule: {}", rules.join(", ")) };
        lines.push(line(terminal, "kept", &format!("{} of {}, {go}{rules}", kept.kept, kept.kept + kept.let_go), Tone::Plain));
    }
    if target.history.len() > 1 {
        lines.push(charted("sizes", &target.history, |taken| taken.size, human::size, view));
        let span = |ms| human::span(Duration::from_millis(ms));
        lines.push(charted("durations", &target.history, |taken| taken.duration_ms, span, view));
    }
    lines
}

/// A chart with its words: the newest value, and the range of those that are drawn.
fn charted(
    name: &str,
    history: &[HistoryStatus],
    value: impl Fn(&HistoryStatus) -> u64,
    shown: impl Fn(u64) -> String,
    view: View,
) -> String {
    const WORDS: usize = 34;
    let values: Vec<u64> = history.iter().map(value).collect();
    let drawn = &values[values.len().saturating_sub(view.columns.saturating_sub(INDENT + WORDS))..];
    let least = drawn.iter().copied().min().unwrap_or_default();
    let most = drawn.iter().copied().max().unwrap_or_default();
    let newest = drawn.last().copied().unwrap_or_default();
    let words = format!("newest {}, {} to {}", shown(newest), shown(least), shown(most));
    format!("  {} {} {words}", view.terminal.paint(Tone::Quiet, &format!("{name:<9}")), chart(drawn, drawn.len(), view.glyphs))
}
