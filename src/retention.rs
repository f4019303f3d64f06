//! Which archives are kept, and why: a pure function of archives, policy, pins and the moment.
//!
//! Restic's words for the rules. Never touches a file. Invariants: the newest verified archive, the newest of them that has its schema, the newest that has every row, the
//! newest of a known release, pinned ones and the last `minimum` verified ones are never let go; a larger policy never keeps fewer; held by property tests.
//!
//! Only verified archives of a good state count. One that was not read back yet is neither let go nor does it stand for a day, so that an
//! unread file never pushes a good one out. One from the future (the clock was wrong, then or now) is treated the same way,
//! until the clock has passed it. Order is by the moment of the snapshot alone, never by name or version.

mod drop;

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use drop::{Compared, newest_compared, sudden_drop};

use crate::ids::Label;
use crate::version::Version;

/// `[targets.T.retention]`; 0 switches a rule off. With every rule off, nothing is let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The newest N.
    pub keep_last: u32,
    /// The newest of each of the last N hours that have one.
    pub keep_hourly: u32,
    /// The same for days.
    pub keep_daily: u32,
    /// The same for ISO weeks.
    pub keep_weekly: u32,
    /// The same for months.
    pub keep_monthly: u32,
    /// The same for years.
    pub keep_yearly: u32,
    /// Everything younger than this, by the time between the archives: a leap of the clock makes none older.
    pub keep_within: Option<Duration>,
    /// The newest N of each release version.
    pub keep_per_version: u32,
    /// No policy goes below this many verified archives.
    pub minimum: u32,
    /// The zone whose days, weeks, months and years count.
    pub zone: chrono_tz::Tz,
}

/// How far ahead of the clock an archive may be and still count: database host and this one need not agree to the second.
pub const SKEW: TimeDelta = TimeDelta::minutes(5);

/// How long a torn or damaged archive, or an unpinned one that was set aside, is kept for a person to look at, counted from its own moment to the newest verified one's:
/// a month of good archives says that nobody will need it.
pub const BROKEN_KEPT: TimeDelta = TimeDelta::days(30);

/// What is known of an archive's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Every byte was read back.
    Verified,
    /// Not read back yet.
    Unverified,
    /// Torn or damaged.
    Broken,
    /// Of what a restore or a failed upgrade replaced: no good state, however new and whole it is.
    Aside,
}

/// An archive to be decided on.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its label.
    pub label: Label,
    /// The moment of its snapshot.
    pub taken_at: DateTime<Utc>,
    /// The release it was taken of.
    pub release: Option<Version>,
    /// What is known of its bytes.
    pub standing: Standing,
    /// Why it is pinned, if it is.
    pub pinned: Option<String>,
    /// Whether it holds rows without their schema: it restores only where a migration makes the tables.
    pub data_only: bool,
    /// Tables whose rows it was not to hold.
    pub without_rows: Vec<String>,
    /// Its rows.
    pub rows: u64,
    /// Its uncompressed bytes.
    pub raw_bytes: u64,
}

/// What becomes of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It stays.
    Keep,
    /// It may be deleted.
    LetGo,
}

/// The decision on one archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictOf {
    /// The archive.
    pub label: Label,
    /// The moment of its snapshot.
    pub taken_at: DateTime<Utc>,
    /// What becomes of it.
    pub fate: Fate,
    /// Every reason, in the order of the rules (`last 3`, `daily 2026-11-20`).
    pub reasons: Vec<String>,
}

/// Decides on every archive of one target; the answers come newest first.
#[must_use]
pub fn decide(archives: &[Candidate], policy: &Policy, now: DateTime<Utc>) -> Vec<VerdictOf> {
    let mut sorted: Vec<&Candidate> = archives.iter().collect();
    sorted.sort_by(|a, b| (b.taken_at, &b.label).cmp(&(a.taken_at, &a.label)));
    let counted: Vec<&Candidate> = sorted.iter().copied().filter(|archive| counts(archive, now)).collect();
    let kept = counted_reasons(&counted, policy, now);
    let newest = counted.first().map(|archive| archive.taken_at);
    let mut kept = kept.into_iter();
    sorted
        .iter()
        .map(|archive| {
            let mut reasons: Vec<String> = archive.pinned.iter().map(|why| format!("pinned: {why}")).collect();
            if counts(archive, now) {
                reasons.extend(kept.next().unwrap_or_default());
            } else {
                reasons.extend(uncounted_reason(archive, newest, now));
            }
            verdict(archive, reasons)
        })
        .collect()
}

fn verdict(archive: &Candidate, reasons: Vec<String>) -> VerdictOf {
    let (label, taken_at) = (archive.label.clone(), archive.taken_at);
    if reasons.is_empty() {
        let why = match archive.standing {
            Standing::Broken => "torn or damaged, and superseded long ago by good ones",
            Standing::Aside => "set aside, and superseded long ago by good ones",
            Standing::Verified | Standing::Unverified => "no rule keeps it",
        };
        return VerdictOf { label, taken_at, fate: Fate::LetGo, reasons: vec![why.to_owned()] };
    }
    VerdictOf { label, taken_at, fate: Fate::Keep, reasons }
}

/// Whether an archive takes part in the rules.
fn counts(archive: &Candidate, now: DateTime<Utc>) -> bool {
    archive.standing == Standing::Verified && archive.taken_at <= now + SKEW
}

/// Why an archive that does not count stays nevertheless.
fn uncounted_reason(archive: &Candidate, newest: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<String> {
    match archive.standing {
        Standing::Unverified => Some("kept until verified; counts toward no rule".to_owned()),
        Standing::Broken | Standing::Aside if newest.is_some_and(|newest| newest - archive.taken_at > BROKEN_KEPT) => None,
        Standing::Aside => Some("set aside by a restore or a failed upgrade; counts toward no rule".to_owned()),
        Standing::Broken => Some("torn or damaged; kept for a person to look at, counts toward no rule".to_owned()),
        Standing::Verified => Some(format!("taken {} in the future; counts toward no rule", human(archive.taken_at - now))),
    }
}

/// The reasons of each counted archive, in the order given (newest first).
fn counted_reasons(counted: &[&Candidate], policy: &Policy, now: DateTime<Utc>) -> Vec<Vec<String>> {
    let mut periods = periods(policy);
    let mut versions: Vec<(&Version, u32)> = Vec::new();
    let ages = ages(counted, now);
    let newest_whole = counted.iter().position(|archive| !archive.data_only);
    let newest_full = counted.iter().position(|archive| archive.without_rows.is_empty());
    // Behind it may stand any number of a schema that somebody changed, which is no release's.
    let newest_known = counted.iter().position(|archive| archive.release.is_some());
    let mut reasons = Vec::with_capacity(counted.len());
    for ((position, archive), age) in (1_u32..).zip(counted).zip(ages) {
        let mut mine = Vec::new();
        if position <= policy.keep_last {
            mine.push(format!("last {position}"));
        }
        mine.extend(periods.iter_mut().filter_map(|period| period.keep(archive, policy.zone)));
        if let Some(within) = policy.keep_within.filter(|within| younger(age, *within)) {
            mine.push(format!("within {}", human(TimeDelta::from_std(within).unwrap_or(TimeDelta::MAX))));
        }
        if let Some(version) = &archive.release
            && nth_of(&mut versions, version) <= policy.keep_per_version
        {
            mine.push(format!("version {version}"));
        }
        if no_rule(policy) {
            mine.push("no rule is set".to_owned());
        }
        if position == 1 {
            mine.push("newest verified".to_owned());
        }
        if position > 1 && newest_whole == Some(reasons.len()) {
            mine.push("newest with its schema".to_owned());
        }
        if position > 1 && newest_full == Some(reasons.len()) {
            mine.push("newest with every row".to_owned());
        }
        if position > 1 && newest_known == Some(reasons.len()) {
            mine.push("newest of a release".to_owned());
        }
        if position <= policy.minimum {
            mine.push("minimum".to_owned());
        }
        reasons.push(mine);
    }
    reasons
}

/// Counts an archive in, and says which of its version it is; versions that are written differently and equal are one.
fn nth_of<'a>(versions: &mut Vec<(&'a Version, u32)>, version: &'a Version) -> u32 {
    if let Some((_, count)) = versions.iter_mut().find(|(known, _)| *known == version) {
        *count += 1;
        return *count;
    }
    versions.push((version, 1));
    1
}

fn younger(age: TimeDelta, within: Duration) -> bool {
    TimeDelta::from_std(within).is_ok_and(|within| age < within) || TimeDelta::from_std(within).is_err()
}

/// How old each archive is, given newest first, by the time that the archives themselves bear witness to: the time between one and
/// the next, up to the present, but the few longest for no more than the longest beside them ([`leaps`]). A clock that is wrong leaps, and
/// what was kept before is not older for that; a host that was off for long keeps a little more.
fn ages(archives: &[&Candidate], now: DateTime<Utc>) -> Vec<TimeDelta> {
    let moments = std::iter::once(now).chain(archives.iter().map(|archive| archive.taken_at));
    let between = |(later, earlier): (DateTime<Utc>, DateTime<Utc>)| (later - earlier).max(TimeDelta::zero());
    let gaps: Vec<TimeDelta> = moments.clone().zip(moments.skip(1)).map(between).collect();
    let mut longest = gaps.clone();
    longest.sort_unstable();
    let bound = longest.iter().rev().nth(leaps(gaps.len())).copied().unwrap_or(TimeDelta::MAX);
    let add = |age: &mut TimeDelta, gap: TimeDelta| {
        *age = age.checked_add(&gap.min(bound)).unwrap_or(TimeDelta::MAX);
        Some(*age)
    };
    gaps.into_iter().scan(TimeDelta::zero(), add).collect()
}

/// How many of so many gaps may be leaps of the clock: one leaves no measure where there are but two, two where there are but three; and
/// among many there may be more.
fn leaps(gaps: usize) -> usize {
    let few = if gaps >= 4 { 2 } else { 1 };
    few.max(1 + gaps / 10)
}

fn no_rule(policy: &Policy) -> bool {
    let counts = [
        policy.keep_last,
        policy.keep_hourly,
        policy.keep_daily,
        policy.keep_weekly,
        policy.keep_monthly,
        policy.keep_yearly,
        policy.keep_per_version,
    ];
    counts.iter().all(|count| *count == 0) && policy.keep_within.is_none()
}

/// One rule of "the newest of each of the last N periods that have one".
struct Period {
    word: &'static str,
    left: u32,
    name: fn(DateTime<chrono_tz::Tz>) -> String,
    /// A set and not the last name alone: where a zone's clocks go back over midnight, a day comes twice.
    seen: HashSet<String>,
}

impl Period {
    fn keep(&mut self, archive: &Candidate, zone: chrono_tz::Tz) -> Option<String> {
        if self.left == 0 {
            return None;
        }
        let name = (self.name)(archive.taken_at.with_timezone(&zone));
        let reason = format!("{} {name}", self.word);
        if !self.seen.insert(name) {
            return None;
        }
        self.left -= 1;
        Some(reason)
    }
}

fn periods(policy: &Policy) -> [Period; 5] {
    let period = |word, left, name| Period { word, left, name, seen: HashSet::new() };
    [
        // With the offset: in the hour that comes twice there are two hours.
        period("hourly", policy.keep_hourly, |at| at.format("%Y-%m-%d %H:00%:z").to_string()),
        period("daily", policy.keep_daily, |at| at.format("%Y-%m-%d").to_string()),
        period("weekly", policy.keep_weekly, |at| format!("{}-W{:02}", at.iso_week().year(), at.iso_week().week())),
        period("monthly", policy.keep_monthly, |at| at.format("%Y-%m").to_string()),
        period("yearly", policy.keep_yearly, |at| at.format("%Y").to_string()),
    ]
}

/// A span in its largest whole unit.
fn human(span: TimeDelta) -> String {
    match span.num_minutes() {
        minutes if minutes < 120 => format!("{minutes}m"),
        minutes if minutes < 48 * 60 => format!("{}h", minutes / 60),
        minutes => format!("{}d", minutes / (24 * 60)),
    }
}

#[cfg(test)]
mod tests;
