//! `upkeep status`: where everything stands, at a glance.

use chrono::{DateTime, Utc};

use super::terminal::{Terminal, Tone};
use super::{Stop, World, human, session, table};
use crate::failure::{Class, Failure};
use crate::ids::TargetName;
use crate::wire::{CopiesStatus, HoldStatus, Job, JobState, Status, Step, TargetStatus, UpgradeStatus};

/// Room that lasts longer than ten years is not worth a number.
const FORESEEABLE_DAYS: u32 = 3650;

/// Lines are broken to the terminal's columns, but to no more than this, indented by the width of the names before them.
const COLUMNS: usize = 100;
/// The same where there is no terminal.
const ELSEWHERE: usize = 80;
const INDENT: usize = 12;

/// Show where everything stands: in step, pending, overdue or stuck, the last good archive, the next run.
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
    lines.extend(running.into_iter().map(job_line));
    lines.join("\n")
}

pub(super) fn headline(status: &Status, now: DateTime<Utc>, terminal: Terminal) -> String {
    let since = status.started_at.map(|at| format!(", up {}", human::when(at, now).trim_end_matches(" ago")));
    match status.pid {
        Some(pid) => format!("{}, daemon {} (pid {pid}{})", status.tool, status.state, since.unwrap_or_default()),
        None => format!("{}, {}", status.tool, terminal.paint(Tone::Warn, "no daemon is running: nothing happens by itself")),
    }
}

/// The one word that says whether a person must do something, the most pressing first.
pub(super) fn state(target: &TargetStatus) -> (String, Tone) {
    if let Some(work) = target.work.as_ref().filter(|work| *work != "upgrade") {
        return (format!("{work} underway"), Tone::Warn);
    }
    if let Some(outage) = &target.outage {
        let first = match outage.cause.as_str() {
            "rolled-back" => "ROLLED BACK, ",
            "stuck" => "STUCK, ",
            "failed-migration" => "MIGRATION FAILED, ",
            "held" => "ON HOLD, ",
            "not-asked" | "window" | "pending" | "room" => "UPGRADE PENDING, ",
            "downgrade" | "ahead" => "DATABASE AHEAD, ",
            _ => "",
        };
        return (format!("{first}SERVER DOWN"), Tone::Bad);
    }
    let open = target.upgrade.as_ref().filter(|upgrade| upgrade.ended_at.is_none());
    let step = target.shape.as_ref().map(|shape| shape.step);
    match (open, step) {
        (Some(upgrade), _) if upgrade.phase == "stuck" => ("STUCK".to_owned(), Tone::Bad),
        (Some(upgrade), _) => (format!("upgrading to {}", upgrade.to), Tone::Warn),
        (None, Some(Step::Failed)) => ("MIGRATION FAILED".to_owned(), Tone::Bad),
        (None, Some(Step::Ahead)) => ("database ahead of the release".to_owned(), Tone::Bad),
        (None, Some(Step::Pending)) => ("upgrade pending".to_owned(), Tone::Warn),
        (None, Some(Step::InStep)) => ("in step".to_owned(), Tone::Good),
        (None, None) if target.looked_at.is_none() && target.server.is_none() => ("not looked at yet".to_owned(), Tone::Plain),
        (None, Some(Step::Unknown)) if target.server.is_none() => ("database unreachable".to_owned(), Tone::Bad),
        (None, Some(Step::Unknown)) if target.release.is_some() => ("not known to be in step".to_owned(), Tone::Warn),
        (None, Some(Step::Unknown) | None) => ("backed up only".to_owned(), Tone::Plain),
    }
}

pub(super) fn block(target: &TargetStatus, now: DateTime<Utc>, terminal: Terminal) -> Vec<String> {
    let (word, tone) = state(target);
    let mut head = format!("{}  {}", terminal.paint(Tone::Strong, target.name.as_str()), terminal.paint(tone, &word));
    if target.overdue {
        head.push_str(&format!("  {}", terminal.paint(Tone::Bad, "OVERDUE")));
    }
    let mut lines = vec![head];
    let mut line = |name: &str, text: String, tone: Tone| lines.push(line(terminal, name, &text, tone));
    let server = match (&target.server, &target.work, target.looked_at) {
        (Some(server), ..) => server.clone(),
        (None, Some(work), _) => format!("{work} works on it"),
        (None, None, None) => "not looked at yet".to_owned(),
        (None, None, Some(_)) => "does not answer".to_owned(),
    };
    line("database", format!("{}, {server}{}", target.database, shape_words(target)), Tone::Plain);
    if let Some(release) = &target.release {
        let service = match (&target.service, &target.serving) {
            // What runs is what was installed when it was started.
            (Some(word), Some(serving)) => format!(", not taken over yet; server {word}, of {serving}"),
            (Some(word), None) => format!(", server {word}"),
            (None, _) => String::new(),
        };
        line("release", format!("{} in {}{service}", release.version, release.path), Tone::Plain);
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
    line("archives", room(target), Tone::Plain);
    for copies in &target.copies {
        let (text, tone) = copies_words(copies, now);
        line("copies", text, tone);
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
        let (text, tone) = upgrade_words(upgrade, now);
        line("upgrade", text, tone);
        upgrade.next_steps.iter().for_each(|step| line("next step", step.clone(), Tone::Strong));
    }
    target.holds.iter().for_each(|hold| line("hold", hold_words(hold, now), Tone::Warn));
    target.refusals.iter().for_each(|refusal| line("no upgrade", refusal.clone(), Tone::Warn));
    target.problems.iter().for_each(|problem| line("problem", problem.clone(), Tone::Bad));
    lines
}

/// A name and what is to be said, broken to the terminal's columns.
pub(super) fn line(terminal: Terminal, name: &str, text: &str, tone: Tone) -> String {
    let text = table::wrapped(text, terminal.columns().map_or(ELSEWHERE, |columns| columns.min(COLUMNS)), INDENT);
    format!("  {} {}", terminal.paint(Tone::Quiet, &format!("{name:<9}")), terminal.paint(tone, &text))
}

fn shape_words(target: &TargetStatus) -> String {
    let Some(shape) = &target.shape else { return String::new() };
    let head = shape.head.as_deref().map(|head| format!(", at migration {head}")).unwrap_or_default();
    let list = |word: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!(", {word} {}", names.join(", ")),
    };
    format!("{head}{}{}", list("pending:", &shape.pending), list("unknown to the release:", &shape.ahead))
}

fn room(target: &TargetStatus) -> String {
    let free = target.free_bytes.map(|free| format!("; {} free", human::size(free))).unwrap_or_default();
    let days = target
        .days_left
        .filter(|days| *days <= FORESEEABLE_DAYS)
        .map(|days| format!(", {} at the current growth", human::many(u64::from(days), "day")));
    format!(
        "{}, {}{free}{}",
        human::many(target.archives, "archive"),
        human::size(target.archives_bytes),
        days.unwrap_or_default()
    )
}

fn copies_words(copies: &CopiesStatus, now: DateTime<Utc>) -> (String, Tone) {
    let newest =
        copies.newest.as_ref().map(|copy| format!(", newest of {}", human::when(copy.taken_at, now))).unwrap_or_default();
    let read = match (copies.copied, copies.verified_since) {
        (0, _) => String::new(),
        (_, Some(at)) => format!(", each read back since {}", human::moment(at)),
        (_, None) => ", not all read back yet".to_owned(),
    };
    let owed = match copies.owed {
        0 => ", nothing owed".to_owned(),
        owed => format!(", {} owed ({})", human::many(owed, "archive"), human::size(copies.owed_bytes)),
    };
    let tone = if copies.error.is_some() || copies.owed > 0 { Tone::Warn } else { Tone::Plain };
    (format!("{}: {}{newest}{read}{owed}", copies.place, human::many_of(copies.copied, "copy", "copies")), tone)
}

fn upgrade_words(upgrade: &UpgradeStatus, now: DateTime<Utc>) -> (String, Tone) {
    let from = upgrade.from.as_ref().map(|from| format!("{from} to ")).unwrap_or_else(|| "to ".to_owned());
    let step = upgrade.step.as_deref().map(|step| format!(" at step {step}")).unwrap_or_default();
    let when = human::when(upgrade.ended_at.unwrap_or(upgrade.started_at), now);
    let message = upgrade.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    let tone = match upgrade.phase.as_str() {
        "committed" => Tone::Plain,
        "stuck" => Tone::Bad,
        _ => Tone::Warn,
    };
    (format!("{from}{}: {}{step}, {when}{message}", upgrade.to, upgrade.phase), tone)
}

fn hold_words(hold: &HoldStatus, now: DateTime<Utc>) -> String {
    let what = hold.version.as_ref().map_or("every version".to_owned(), |version| format!("version {version}"));
    let until = hold.until.map(|at| format!(" until {} UTC", human::moment(at))).unwrap_or_default();
    format!("{what}, by {} {}{until}: {}", hold.who, human::when(hold.since, now), hold.reason)
}

fn job_line(job: &Job) -> String {
    let target = job.action.target().map(|target| format!(" {target}")).unwrap_or_default();
    let phase = match job.state {
        JobState::Queued => "waiting for other work to end".to_owned(),
        _ if job.progress.phase.is_empty() => "starting".to_owned(),
        _ => job.progress.phase.clone(),
    };
    let done = match (job.progress.done_bytes, job.progress.total_bytes) {
        (0, _) => String::new(),
        (done, 0) => format!(", {}", human::size(done)),
        (done, total) => format!(", {} of {}", human::size(done), human::size(total.max(done))),
    };
    let said = if job.progress.said.is_empty() { String::new() } else { format!(": {}", job.progress.said) };
    format!("{}{target}: {phase}{done}{said}", job.action.name())
}
