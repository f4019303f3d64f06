//! Alarms: who is told of a problem, once, and once more when it is over.
//!
//! Owns which incidents are open and what was told of them. What is wrong is the status's to say; this only tells it onwards.
//! Invariants: an incident is told once, also across restarts of the daemon, for the table of events remembers it; its end is
//! told if and only if its beginning was; telling never holds up the loop. Held by `tests/it/alarms.rs`.

mod tell;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::config::{Alarms as Settings, HttpUrl};
use crate::failure::Failure;
use crate::state_db::StateDb;
use crate::status;
use crate::wire::Status;

/// The kinds of event by which what was told is remembered.
const RAISED: &str = "alarm.raised";
const ENDED: &str = "alarm.ended";

/// An alarm that could not be told is tried again after this long.
const AGAIN: TimeDelta = TimeDelta::seconds(60);

/// How many events are read at a time at the start.
const PAGE: u32 = 1000;

/// How long what is still being told may take when the daemon ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Alarm {
    /// `problem` or `recovered`.
    kind: &'static str,
    /// The target; none for the daemon itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// What is wrong, or was.
    message: String,
    /// Since when.
    since: DateTime<Utc>,
    /// When this was told.
    at: DateTime<Utc>,
    /// The host's name.
    host: String,
}

/// Which incident: target, and the words that stay the same while its details change.
type Key = (Option<String>, String);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    /// Not yet, and not to be tried before then.
    NotBefore(DateTime<Utc>),
    /// It is being told now.
    Underway,
    /// It was.
    Yes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Incident {
    message: String,
    /// What is behind it, where the same words may come of several things: the cause of an outage and the release it is of.
    cause: String,
    since: DateTime<Utc>,
    told: Told,
    /// Over, and that is still to be told.
    over: bool,
    /// Whether somebody was told of an earlier cause: then its end is told though this one was not.
    before: bool,
}

/// Something was told, or could not be.
#[derive(Debug)]
pub(super) struct Sent {
    key: Key,
    alarm: Alarm,
    result: Result<(), String>,
}

/// Open incidents and what is being told of them.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    incidents: BTreeMap<Key, Incident>,
    sending: JoinSet<Option<Sent>>,
}

impl Alarms {
    /// What was told before this start and is not over, as the events remember it.
    pub(super) async fn remember(state: &StateDb) -> Result<Self, Failure> {
        let mut alarms = Self::default();
        let mut after = 0;
        loop {
            let events = state.events_after(after, PAGE).await?;
            let Some(last) = events.last() else { return Ok(alarms) };
            after = last.id;
            for event in events {
                let Some(words) = event.body.get("incident").and_then(Value::as_str) else { continue };
                let key = (event.target.as_ref().map(ToString::to_string), words.to_owned());
                match event.kind.as_str() {
                    RAISED => {
                        let cause = event.body.get("cause").and_then(Value::as_str).unwrap_or_default().to_owned();
                        let (message, since) = (event.message, event.at);
                        let incident = Incident { message, cause, since, told: Told::Yes, over: false, before: false };
                        alarms.incidents.insert(key, incident);
                    }
                    ENDED => drop(alarms.incidents.remove(&key)),
                    _ => {}
                }
            }
        }
    }

    /// Looks at what is wrong now, and begins to tell what is to be told. Of a target that was not looked at since the start, or that a job
    /// decides about now, that nothing is wrong means nothing: it would end an incident that goes on.
    pub(super) fn look(&mut self, settings: Option<&Settings>, status: &Status, now: DateTime<Utc>) {
        let Some(settings) = settings else { return self.nobody_listens() };
        let unseen =
            status.targets.iter().filter(|target| target.looked_at.is_none() || status::undecided(&target.name, &status.jobs));
        let unseen = unseen.map(|target| target.name.to_string());
        let wrong = problems(status);
        let kept = self.incidents.keys().filter(|(target, _)| target.is_some()).cloned();
        let unseen: std::collections::BTreeSet<String> = unseen.collect();
        let undecided: Vec<Key> =
            kept.filter(|(target, _)| target.as_ref().is_some_and(|name| unseen.contains(name))).collect();
        for (key, alarm) in self.due(wrong, &undecided, settings.after, now) {
            let settings = settings.clone();
            self.sending.spawn(async move {
                let result = tell::everybody(&settings, &alarm).await;
                Some(Sent { key, alarm, result })
            });
        }
    }

    /// Nobody is to be told any more. What nobody was told of is forgotten, and so waits for no moment that would come and pass; where
    /// somebody was told of an earlier cause, that is what is remembered, for its end.
    fn nobody_listens(&mut self) {
        self.incidents.retain(|_, incident| incident.before || !matches!(incident.told, Told::NotBefore(_)));
        for incident in self.incidents.values_mut().filter(|incident| matches!(incident.told, Told::NotBefore(_))) {
            incident.told = Told::Yes;
        }
    }

    /// What is to be told now. From then on it is underway.
    fn due(
        &mut self,
        wrong: BTreeMap<Key, Wrong>,
        undecided: &[Key],
        after: Duration,
        now: DateTime<Utc>,
    ) -> Vec<(Key, Alarm)> {
        // A moment further ahead than any we would set was set by a clock that was wrong.
        let latest = now + delta(after).max(AGAIN);
        for (key, Wrong { message, cause }) in &wrong {
            let new = |before| Incident {
                message: message.clone(),
                cause: cause.clone(),
                since: now,
                told: Told::NotBefore(now + delta(after)),
                over: false,
                before,
            };
            let incident = self.incidents.entry(key.clone()).or_insert_with(|| new(false));
            // Another cause is another incident, though nobody saw the one before end. One that is being told now is told first.
            if incident.cause != *cause && incident.told != Told::Underway {
                *incident = new(incident.before || incident.told == Told::Yes);
            }
            incident.over = false;
        }
        for incident in self.incidents.values_mut() {
            if matches!(incident.told, Told::NotBefore(at) if at > latest) {
                incident.told = Told::NotBefore(latest);
            }
        }
        let ended = |key: &Key| !wrong.contains_key(key) && !undecided.contains(key);
        for (_, incident) in self.incidents.iter_mut().filter(|(key, _)| ended(key)) {
            incident.over = true;
            if incident.before && matches!(incident.told, Told::NotBefore(_)) {
                incident.told = Told::Yes;
            }
        }
        // One that passed before anybody was told of it is nobody's business.
        self.incidents.retain(|_, incident| !(incident.over && matches!(incident.told, Told::NotBefore(_))));
        let mut due = Vec::new();
        for (key, incident) in &mut self.incidents {
            let kind = match (&incident.told, incident.over) {
                (Told::NotBefore(at), false) if *at <= now => "problem",
                (Told::Yes, true) => "recovered",
                _ => continue,
            };
            incident.told = Told::Underway;
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            let (target, message, since) = (key.0.clone(), incident.message.clone(), incident.since);
            due.push((key.clone(), Alarm { kind, target, message, since, at: now, host }));
        }
        due
    }

    /// When the next is due to be told; none while nobody waits to be.
    pub(super) fn due_at(&self) -> Option<DateTime<Utc>> {
        let waiting = self.incidents.values().filter(|incident| !incident.over);
        waiting.filter_map(|incident| if let Told::NotBefore(at) = incident.told { Some(at) } else { None }).min()
    }

    /// The archive is good: whoever listens for a dead man is told that we live.
    pub(super) fn alive(&mut self, url: HttpUrl) {
        self.sending.spawn(async move {
            tell::ping(&url).await;
            None
        });
    }

    /// The next that was told. Cancel-safe, as `join_next` is; waits for ever while nothing is underway.
    pub(super) async fn next(&mut self) -> Option<Sent> {
        match self.sending.join_next().await {
            Some(sent) => sent.ok().flatten(),
            None => std::future::pending().await,
        }
    }

    /// Takes note of what was told, and says which event remembers it: kind, message, body.
    pub(super) fn sent(&mut self, sent: Sent, now: DateTime<Utc>) -> Option<(&'static str, Option<String>, String, Value)> {
        let (raised, key) = (sent.alarm.kind == "problem", sent.key);
        let cause = self.incidents.get(&key).map(|incident| incident.cause.clone()).unwrap_or_default();
        let mut body = json!({ "incident": key.1 });
        if let Some(body) = body.as_object_mut().filter(|_| !cause.is_empty()) {
            body.insert("cause".to_owned(), cause.into());
        }
        match sent.result {
            Ok(()) if raised => {
                if let Some(incident) = self.incidents.get_mut(&key) {
                    incident.told = Told::Yes;
                }
                Some((RAISED, key.0, sent.alarm.message, body))
            }
            Ok(()) => {
                self.incidents.remove(&key);
                Some((ENDED, key.0, sent.alarm.message, body))
            }
            Err(error) => {
                tracing::warn!(error, message = sent.alarm.message, "an alarm could not be delivered and is retried");
                if let Some(incident) = self.incidents.get_mut(&key) {
                    incident.told = if raised { Told::NotBefore(now + AGAIN) } else { Told::Yes };
                }
                None
            }
        }
    }

    /// Lets what is being told come to its end, for a moment.
    pub(super) async fn end(&mut self) {
        let all = async { while self.sending.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_WORDS, all).await.is_err() {
            self.sending.shutdown().await;
        }
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// Something that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wrong {
    message: String,
    /// As an incident has it.
    cause: String,
}

/// What is wrong, each under the words that stay the same while it lasts.
fn problems(status: &Status) -> BTreeMap<Key, Wrong> {
    let mut wrong: Vec<(Option<String>, String)> = status.problems.iter().map(|problem| (None, problem.clone())).collect();
    let mut causes = BTreeMap::new();
    for target in &status.targets {
        let mut all = target.problems.clone();
        if let Some(upgrade) = target.upgrade.as_ref().filter(|upgrade| upgrade.phase == "rolled-back") {
            // For as long as the version that failed is held: then it is somebody's to decide.
            let held = target.holds.iter().any(|hold| hold.version.as_ref().is_some_and(|version| *version == upgrade.to));
            let why = upgrade.message.clone().unwrap_or_default();
            all.extend(held.then(|| format!("the upgrade to {} was rolled back: {why}", upgrade.to)));
        }
        if let Some(outage) = &target.outage {
            let release = target.release.as_ref().map(|release| release.version.to_string()).unwrap_or_default();
            let key = (Some(target.name.to_string()), words(&status::down(outage)));
            causes.insert(key, format!("{} {release}", outage.cause).trim_end().to_owned());
        }
        wrong.extend(all.into_iter().map(|problem| (Some(target.name.to_string()), problem)));
    }
    let wrong = wrong.into_iter().map(|(target, message)| {
        let key = (target, words(&message));
        let cause = causes.get(&key).cloned().unwrap_or_default();
        (key, Wrong { message, cause })
    });
    wrong.collect()
}

/// The words of a problem that stay the same while its details change.
fn words(message: &str) -> String {
    message.split(": ").next().unwrap_or(message).to_owned()
}

#[cfg(test)]
pub(super) mod tests;
