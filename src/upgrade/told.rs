//! Upgrades step by step with their times, for people.
//!
//! Owns turning a journal's events into a list of what was done when. Only reads, and decides nothing: where an upgrade stands is `state`'s.
//! Pure but for reading the journal; held by the tests beside this file.

use chrono::{DateTime, Utc};

use super::state::{Event, Settle, Step};
use super::{Summary, UpgradeError, record};
use crate::ids::TargetName;
use crate::state_db::StateDb;

/// An upgrade with everything that was done.
#[derive(Debug, Clone)]
pub struct Told {
    /// Where it stands.
    pub summary: Summary,
    /// What happened, in order.
    pub lines: Vec<Line>,
    /// The steps that are still to come.
    pub to_come: Vec<String>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What: a step's name, or what was decided.
    pub what: String,
    /// How it went.
    pub went: Went,
    /// When it began.
    pub began: DateTime<Utc>,
    /// When it ended; none while it runs.
    pub ended: Option<DateTime<Utc>>,
    /// How often it was begun.
    pub attempts: u32,
    /// What was done, or why it did not go through.
    pub note: String,
}

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    /// It is underway, or was when its process ended.
    Underway,
    /// It is done.
    Done,
    /// It did not go through.
    Failed,
    /// No step, but a turn the upgrade took.
    Turn,
}

/// The newest upgrades of a target with what was done, newest first.
///
/// # Errors
/// When the journal cannot be read, is damaged, or is of a newer format.
pub async fn told(db: &StateDb, target: &TargetName, limit: u32) -> Result<Vec<Told>, UpgradeError> {
    let mut found = Vec::new();
    for row in db.upgrades(target, limit).await? {
        let (record, events) = record::with_events(db, row).await?;
        let lines = lines(&events);
        let steps = record.state.route.iter().skip(record.state.at).map(|step| step.name().to_owned());
        let to_come = if record.state.phase.terminal() { Vec::new() } else { not_begun(&lines, steps.collect()) };
        found.push(Told { summary: record.into(), lines, to_come });
    }
    Ok(found)
}

/// The steps that are to come: the first of those that are not done may have its line already.
fn not_begun(lines: &[Line], mut steps: Vec<String>) -> Vec<String> {
    let has_line =
        |step: &String| lines.iter().rev().find(|line| line.went != Went::Turn).is_some_and(|line| line.what == *step);
    if steps.first().is_some_and(has_line) {
        steps.remove(0);
    }
    steps
}

/// What the events say, one line for each step and each turn.
fn lines(events: &[(DateTime<Utc>, Event)]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (at, event) in events {
        match event {
            Event::Intended { step, .. } => intended(&mut lines, *step, *at),
            Event::Done { step, note, .. } => ended(&mut lines, *step, *at, Went::Done, note),
            Event::Failed { step, failed } => ended(&mut lines, *step, *at, Went::Failed, &failed.message),
            Event::Retraced { to, why } => lines.push(turn(*at, format!("back to step {to}"), why)),
            Event::TurnedBack { why, .. } => lines.push(turn(*at, "turned back".to_owned(), why)),
            Event::Halted { why, .. } => lines.push(turn(*at, "needs a person".to_owned(), why)),
            Event::Refused { why } => lines.push(turn(*at, "refused".to_owned(), why)),
            Event::Committed => lines.push(turn(*at, "committed".to_owned(), "")),
            Event::RolledBack { .. } => lines.push(turn(*at, "rolled back".to_owned(), "")),
            Event::Said { settle, who, .. } => lines.push(turn(*at, format!("{who} said {}", said(*settle)), "")),
            Event::Planned { .. } | Event::Spawned { .. } | Event::Handed { .. } | Event::NoReturn => {}
        }
    }
    lines
}

fn said(settle: Settle) -> &'static str {
    match settle {
        Settle::Resume => "resume",
        Settle::Abort => "abort",
        Settle::Accept => "accept",
    }
}

/// A step begins, or begins again: after a crash or a failure it is the same line.
fn intended(lines: &mut Vec<Line>, step: Step, at: DateTime<Utc>) {
    match lines.last_mut().filter(|line| line.what == step.name() && line.went != Went::Done) {
        Some(line) => {
            line.went = Went::Underway;
            line.ended = None;
            line.attempts += 1;
        }
        None => lines.push(Line { went: Went::Underway, ended: None, attempts: 1, ..turn(at, step.name().to_owned(), "") }),
    }
}

fn ended(lines: &mut Vec<Line>, step: Step, at: DateTime<Utc>, went: Went, note: &str) {
    match lines.last_mut().filter(|line| line.what == step.name() && line.went != Went::Done) {
        Some(line) => {
            (line.went, line.ended) = (went, Some(at));
            note.clone_into(&mut line.note);
        }
        // Found done without having been begun.
        None => lines.push(Line { went, ..turn(at, step.name().to_owned(), note) }),
    }
}

fn turn(at: DateTime<Utc>, what: String, note: &str) -> Line {
    Line { what, went: Went::Turn, began: at, ended: Some(at), attempts: 0, note: note.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Class;
    use crate::upgrade::state::{Direction, Failed};

    fn at(second: u32) -> DateTime<Utc> {
        format!("2026-11-22T02:30:{second:02}Z").parse().unwrap()
    }

    #[test]
    fn each_step_is_one_line_however_often_it_was_begun_and_each_turn_is_one() {
        let intended = |step, attempt| Event::Intended { step, attempt };
        let done = |step| Event::Done { step, note: "it is".to_owned(), label: None, between: None };
        let failed = |step| Event::Failed { step, failed: Failed::new(Class::Data, "line 3: no such table") };
        let events = [
            Event::Planned { direction: Direction::Forward, steps: vec![Step::Preflight, Step::Migrate] },
            intended(Step::Preflight, 1),
            done(Step::Preflight),
            intended(Step::Migrate, 1),
            // The process ended here, and the next one begins again.
            intended(Step::Migrate, 2),
            Event::NoReturn,
            failed(Step::Migrate),
            Event::TurnedBack { why: "the migration failed".to_owned(), steps: vec![Step::Restore, Step::Hold] },
            done(Step::Restore),
            intended(Step::Hold, 1),
        ];
        let events: Vec<(DateTime<Utc>, Event)> = (0..).map(at).zip(events).collect();
        let steps = |steps: &[&str]| steps.iter().map(|step| (*step).to_owned()).collect::<Vec<_>>();
        assert_eq!(not_begun(&lines(&events), steps(&["hold", "start"])), ["start"], "what is underway is not to come as well");
        assert_eq!(not_begun(&lines(&events[..9]), steps(&["hold", "start"])), ["hold", "start"]);
        let told: Vec<_> = lines(&events)
            .into_iter()
            .map(|line| {
                let took = line.ended.map(|ended| (ended - line.began).num_seconds());
                (line.what, line.went, took, line.attempts, line.note)
            })
            .collect();
        let line = |what: &str, went, took, attempts, note: &str| (what.to_owned(), went, took, attempts, note.to_owned());
        assert_eq!(
            told,
            [
                line("preflight", Went::Done, Some(1), 1, "it is"),
                line("migrate", Went::Failed, Some(3), 2, "line 3: no such table"),
                line("turned back", Went::Turn, Some(0), 0, "the migration failed"),
                line("restore", Went::Done, Some(0), 0, "it is"),
                line("hold", Went::Underway, None, 1, ""),
            ]
        );
    }
}
