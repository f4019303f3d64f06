//! Where a target stands in words: the same ones on a terminal and on the page of the socket.
//!
//! Pure: a function of the status and the moment it is read. Nothing here colours, breaks lines or escapes; whoever shows it does.

use chrono::{DateTime, Utc};

use crate::pen::{Tone, human};
use crate::wire::{CopiesStatus, HoldStatus, Job, JobState, ReleaseStatus, Step, TargetStatus, UpgradeStatus};

/// Room that lasts longer than ten years is not worth a number.
const FORESEEABLE_DAYS: u32 = 3650;

/// The one word that says whether a person must do something, the most pressing first.
#[must_use]
pub fn state(target: &TargetStatus) -> (String, Tone) {
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

/// The database, its server and what it is at.
#[must_use]
pub fn database(target: &TargetStatus) -> String {
    let server = match (&target.server, &target.work, target.looked_at) {
        (Some(server), ..) => server.clone(),
        (None, Some(work), _) => format!("{work} works on it"),
        (None, None, None) => "not looked at yet".to_owned(),
        (None, None, Some(_)) => "does not answer".to_owned(),
    };
    format!("{}, {server}{}", target.database, shape(target))
}

/// The installed release, and what runs.
#[must_use]
pub fn release(target: &TargetStatus, release: &ReleaseStatus) -> String {
    let service = match (&target.service, &target.serving) {
        // What runs is what was installed when it was started.
        (Some(word), Some(serving)) => format!(", not taken over yet; server {word}, of {serving}"),
        (Some(word), None) => format!(", server {word}"),
        (None, _) => String::new(),
    };
    format!("{} in {}{service}", release.version, release.path)
}

fn shape(target: &TargetStatus) -> String {
    let Some(shape) = &target.shape else { return String::new() };
    let head = shape.head.as_deref().map(|head| format!(", at migration {head}")).unwrap_or_default();
    let list = |word: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!(", {word} {}", names.join(", ")),
    };
    format!("{head}{}{}", list("pending:", &shape.pending), list("unknown to the release:", &shape.ahead))
}

/// How many archives there are, and how long there is room for more.
#[must_use]
pub fn room(target: &TargetStatus) -> String {
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

/// The copies at one place.
#[must_use]
pub fn copies(copies: &CopiesStatus, now: DateTime<Utc>) -> (String, Tone) {
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
    let keys = match (copies.encrypt_to.len(), copies.unproven.len()) {
        (0, _) => String::new(),
        (_, 0) => ", encrypted".to_owned(),
        (all, unproven) => format!(", encrypted to {} of which {unproven} unproven", human::many(all as u64, "key")),
    };
    let tone = if copies.error.is_some() || copies.owed > 0 { Tone::Warn } else { Tone::Plain };
    (format!("{}: {}{newest}{read}{owed}{keys}", copies.place, human::many_of(copies.copied, "copy", "copies")), tone)
}

/// An upgrade, in one line.
#[must_use]
pub fn upgrade(upgrade: &UpgradeStatus, now: DateTime<Utc>) -> (String, Tone) {
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

/// A hold.
#[must_use]
pub fn hold(hold: &HoldStatus, now: DateTime<Utc>) -> String {
    let what = hold.version.as_ref().map_or("every version".to_owned(), |version| format!("version {version}"));
    let until = hold.until.map(|at| format!(" until {} UTC", human::moment(at))).unwrap_or_default();
    format!("{what}, by {} {}{until}: {}", hold.who, human::when(hold.since, now), hold.reason)
}

/// A job and how far it is, in one line.
#[must_use]
pub fn job(job: &Job) -> String {
    let target = job.action.target().map(|target| format!(" {target}")).unwrap_or_default();
    let phase = match job.state {
        JobState::Queued => "waits for another job to end".to_owned(),
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
