//! `upkeep status`: where everything stands, at a glance.

use chrono::{DateTime, Utc};

use super::terminal::{Terminal, Tone};
use super::{Stop, World, human, session, table};
use crate::failure::{Class, Failure};
use crate::ids::TargetName;
use crate::status::{downtime, drills, rehearsals, words};
use crate::wire::{Job, JobState, Status, TargetStatus};

/// Lines are broken to the terminal's columns, but to no more than this, indented by the width of the names before them.
const COLUMNS: usize = 100;
/// The same where there is no terminal.
const ELSEWHERE: usize = 80;
const INDENT: usize = 12;

/// Show every target: whether its database fits the installed release, what is wrong, the last good archive, the next backup.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this target.
    pub(super) target: Option<TargetName>,
    /// A live view: jobs, history, next runs, what is kept; until Ctrl-C.
    #[arg(long, conflicts_with = "json")]
    pub(super) watch: bool,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let status = asked(arguments.target.as_ref(), world).await?;
    // The snapshot may be a minute old: how long ago something was is counted from now.
    let now = world.clock.now().max(status.at);
    world.terminal.show(&status, |status| text(status, now, world.terminal))
}

/// Where everything stands, or the one target.
pub(super) async fn asked(target: Option<&TargetName>, world: &World) -> Result<Status, Stop> {
    narrowed(session::status(world).await?, target)
}

/// The same while a screen is open.
pub(super) async fn asked_in_place(target: Option<&TargetName>, world: &World) -> Result<Status, Stop> {
    narrowed(session::status_in_place(world).await?, target)
}

fn narrowed(mut status: Status, target: Option<&TargetName>) -> Result<Status, Stop> {
    if let Some(wanted) = target {
        status.targets.retain(|target| target.name == *wanted);
        if status.targets.is_empty() {
            return Err(Failure::new(Class::NoInput, format!("there is no target `{wanted}`"))
                .hint("targets are listed by `upkeep status`")
                .into());
        }
    }
    Ok(status)
}

/// The whole answer, one block per target, as of `now`.
pub(super) fn text(status: &Status, now: DateTime<Utc>, terminal: Terminal) -> String {
    let mut lines = vec![headline(status, now, terminal)];
    lines.extend(status.problems.iter().map(|problem| terminal.paint(Tone::Bad, &format!("problem: {problem}"))));
    for target in &status.targets {
        lines.push(String::new());
        lines.extend(block(target, now, terminal));
    }
    let running: Vec<&Job> =
        status.jobs.iter().filter(|job| matches!(job.state, JobState::Queued | JobState::Running)).collect();
    if !running.is_empty() {
        lines.push(String::new());
    }
    lines.extend(running.into_iter().map(words::job));
    lines.join("\n")
}

pub(super) fn headline(status: &Status, now: DateTime<Utc>, terminal: Terminal) -> String {
    let since = status.started_at.map(|at| format!(", up {}", human::when(at, now).trim_end_matches(" ago")));
    match status.pid {
        Some(pid) => format!("{}, daemon {} (pid {pid}{})", status.tool, status.state, since.unwrap_or_default()),
        None => format!("{}, {}", status.tool, terminal.paint(Tone::Warn, "no daemon is running: nothing happens by itself")),
    }
}

pub(super) fn block(target: &TargetStatus, now: DateTime<Utc>, terminal: Terminal) -> Vec<String> {
    let (word, tone) = words::state(target);
    let mut head = format!("{}  {}", terminal.paint(Tone::Strong, target.name.as_str()), terminal.paint(tone, &word));
    if target.overdue {
        head.push_str(&format!("  {}", terminal.paint(Tone::Bad, "OVERDUE")));
    }
    let mut lines = vec![head];
    let mut line = |name: &str, text: String, tone: Tone| lines.push(line(terminal, name, &text, tone));
    line("database", words::database(target), Tone::Plain);
    if let Some(release) = &target.release {
        line("release", words::release(target, release), Tone::Plain);
    }
    match &target.last_good {
        Some(archive) => {
            let verified = archive.verified_at.map(|at| format!(", verified {}", human::when(at, now)));
            let what = format!("{}, {}", human::many(archive.rows, "row"), human::size(archive.size));
            let taken = human::when(archive.taken_at, now);
            line("last good", format!("{taken}: {}, {what}{}", archive.label, verified.unwrap_or_default()), Tone::Plain);
        }
        None => line("last good", "no verified archive yet".to_owned(), Tone::Warn),
    }
    line("archives", words::room(target), Tone::Plain);
    for copies in &target.copies {
        let (text, tone) = words::copies(copies, now);
        line("copies", text, tone);
    }
    if let Some(drill) = &target.drill {
        let tone = if drill.outcome.as_deref() == Some("failed") { Tone::Bad } else { Tone::Plain };
        line("drill", drills::said(drill, now), tone);
    }
    if let Some(rehearsal) = &target.rehearsal {
        let tone = if rehearsal.outcome.as_deref() == Some("failed") { Tone::Bad } else { Tone::Plain };
        line("rehearsal", rehearsals::said(rehearsal, now), tone);
    }
    if let Some(failed) = target.last_run.as_ref().filter(|run| run.outcome != "ok") {
        line("last run", format!("{} {}: {}", failed.outcome, human::when(failed.ended_at, now), failed.message), Tone::Bad);
    }
    if let Some(at) = target.retry_at {
        line("retry at", format!("{} UTC, {}", human::moment(at), human::when(at, now)), Tone::Warn);
    }
    match target.next_run {
        Some(at) => line("next run", format!("{} UTC, {}", human::moment(at), human::when(at, now)), Tone::Plain),
        None => line("next run", "none scheduled".to_owned(), Tone::Quiet),
    }
    if let Some(upgrade) = &target.upgrade {
        let (text, tone) = words::upgrade(upgrade, now);
        line("upgrade", text, tone);
        let ended = upgrade.ended_at.is_some();
        let which = if ended { "last" } else { "this" };
        let said = |downtime| line("downtime", format!("{which} upgrade: {}", downtime::said(downtime, ended)), Tone::Plain);
        upgrade.downtime.iter().for_each(said);
        upgrade.next_steps.iter().for_each(|step| line("next step", step.clone(), Tone::Strong));
    }
    let foretold = |expected| line("downtime", format!("next upgrade: {}", downtime::foretold(expected)), Tone::Plain);
    target.expected_downtime.iter().for_each(foretold);
    target.holds.iter().for_each(|hold| line("hold", words::hold(hold, now), Tone::Warn));
    target.refusals.iter().for_each(|refusal| line("no upgrade", refusal.clone(), Tone::Warn));
    target.problems.iter().for_each(|problem| line("problem", problem.clone(), Tone::Bad));
    lines
}

/// A name and what is to be said, broken to the terminal's columns.
pub(super) fn line(terminal: Terminal, name: &str, text: &str, tone: Tone) -> String {
    let text = table::wrapped(text, terminal.columns().map_or(ELSEWHERE, |columns| columns.min(COLUMNS)), INDENT);
    format!("  {} {}", terminal.paint(Tone::Quiet, &format!("{name:<9}")), terminal.paint(tone, &text))
}
