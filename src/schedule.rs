//! When something is due: a pure function of the schedule, the last run and the moment.
//!
//! Cron as cron means it, in a time zone with daylight saving. Never reads the clock, never sleeps. Invariants: a fixed time
//! that the clock skips runs once, at the first moment after the gap; a fixed time that the clock shows twice runs once, the
//! first time; a schedule with a `*` in seconds, minutes or hours follows the clock on the wall; nothing is due twice, also
//! when the clock is set back. Held by `schedule/tests.rs`.
//!
//! `croner` reads the expression and finds matching wall-clock times; which moment a wall-clock time is, is decided here,
//! because croner takes `30 2,14 * * *` for a wildcard and would lose its 02:30 in spring and repeat it in autumn.

use std::time::Duration;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};

use crate::failure::{Class, Explain};
use crate::ids::TargetName;

/// How many missed runs are counted before it is "that many or more": a count for people, not worth a long search.
pub const MISSED_COUNTED: u32 = 1_000;

/// A mark of the last run that lies ahead of the clock says that the clock was set back since. By up to this much: the runs it
/// stands for were had a moment ago, and are not due again.
const SET_BACK: TimeDelta = TimeDelta::hours(2);

/// By more, up to this much, only the very next run was had: a nightly one is not taken twice for a day set back, and an hourly one
/// does not rest for it. A mark further ahead was made by a clock that was wrong and is not believed at all: otherwise one start
/// with the clock in 2099 would end all backups.
const MARK_AHEAD: TimeDelta = TimeDelta::hours(25);

/// How long is waited before a run that failed is tried again, the first time, the second and so on: a database that restarts is
/// back within minutes, one that is gone for the night is not asked a hundred times.
const PAUSES: [TimeDelta; 9] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(2),
    TimeDelta::minutes(5),
    TimeDelta::minutes(10),
    TimeDelta::minutes(20),
    TimeDelta::minutes(40),
    TimeDelta::hours(1),
    TimeDelta::hours(2),
    TimeDelta::hours(4),
];

/// No zone has skipped more than a day (Samoa, 2011); two days end the search for the moment after a gap.
const GAP_MINUTES: i64 = 2 * 24 * 60;

/// The fields of an expression with seconds, in order, and what each may hold.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of month", "1-31, L for the last"),
    ("month", "1-12 or JAN-DEC"),
    ("day of week", "0-7 or SUN-SAT, 0 and 7 being Sunday"),
];

/// Nicknames that crontab(5) knows and that say a time.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Why a text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not five or six fields.
    #[error(
        "schedule `{expression}` has {found} fields, and must have five (minute, hour, day of month, month, day of week) \
         or six (with seconds first)"
    )]
    Fields {
        /// The expression.
        expression: String,
        /// How many fields it has.
        found: usize,
    },
    /// One field is wrong.
    #[error("schedule `{expression}`: `{text}` is not a valid {field} ({allowed}; lists, ranges and steps of them)")]
    Field {
        /// The expression.
        expression: String,
        /// The field's name.
        field: &'static str,
        /// What stands there.
        text: String,
        /// What may stand there.
        allowed: &'static str,
    },
    /// Each field is right, but not all together.
    #[error("schedule `{expression}` is never due: no such day exists")]
    Never {
        /// The expression.
        expression: String,
    },
}

impl Explain for ScheduleError {
    fn class(&self) -> Class {
        Class::Config
    }

    fn hints(&self) -> Vec<String> {
        vec!["a schedule for half past two every night is `30 2 * * *`".to_owned()]
    }
}

/// A cron expression in a time zone, checked: it is due some time.
#[derive(Debug, Clone)]
pub struct Schedule {
    expression: String,
    zone: Tz,
    cron: Cron,
    /// Whether seconds, minutes or hours hold a `*`: then it follows the clock on the wall through its changes.
    wildcard: bool,
}

/// What a look at a schedule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Not now.
    Nothing {
        /// When next; none when never again.
        next: Option<DateTime<Utc>>,
    },
    /// A run is due.
    Run {
        /// The moment it was due; the newest when several have passed.
        scheduled_for: DateTime<Utc>,
        /// How many earlier ones this run stands for, at most [`MISSED_COUNTED`].
        missed: u32,
    },
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression && self.zone == other.zone
    }
}

impl Eq for Schedule {}

impl Schedule {
    /// Reads a cron expression of five fields, of six with seconds first, or a nickname (`@daily`).
    ///
    /// # Errors
    /// When a field is wrong (it is named), or when no day will ever match.
    pub fn parse(expression: &str, zone: Tz) -> Result<Self, ScheduleError> {
        let written = expression.trim();
        let fields = fields(written);
        if !matches!(fields.len(), 5 | 6) {
            return Err(ScheduleError::Fields { expression: written.to_owned(), found: fields.len() });
        }
        let unset = 6 - fields.len();
        for (at, text) in fields.iter().enumerate() {
            let alone: Vec<&str> = (0..fields.len()).map(|other| if other == at { *text } else { "*" }).collect();
            if parser().parse(&alone.join(" ")).is_err() {
                let (field, allowed) = FIELDS[at + unset];
                let (expression, text) = (written.to_owned(), (*text).to_owned());
                return Err(ScheduleError::Field { expression, field, text, allowed });
            }
        }
        let never = || ScheduleError::Never { expression: written.to_owned() };
        let cron = parser().parse(&fields.join(" ")).map_err(|_| never())?;
        let wildcard = fields[..3 - unset].iter().any(|field| field.contains(['*', '?']));
        let schedule = Self { expression: written.to_owned(), zone, cron, wildcard };
        // Any moment serves to ask whether it is ever due: the calendar repeats.
        if schedule.next_after(DateTime::UNIX_EPOCH + TimeDelta::days(365 * 55)).is_none() {
            return Err(never());
        }
        Ok(schedule)
    }

    /// The expression as written.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The same in six fields, for who reads no other: nicknames as what they mean, and second 0 where none is said.
    #[must_use]
    pub fn with_seconds(&self) -> String {
        let fields = fields(&self.expression);
        if fields.len() == 5 { format!("0 {}", fields.join(" ")) } else { fields.join(" ") }
    }

    /// The zone it is meant in.
    #[must_use]
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The first moment it is due strictly after the given one.
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.wildcard { self.next_on_the_wall(after) } else { self.next_fixed(after) }
    }

    /// Fixed times: in a gap, the first moment after it; shown twice, the first of the two.
    fn next_fixed(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut wall = self.wall(after);
        loop {
            wall = self.next_wall(wall)?;
            let moment = match self.zone.from_local_datetime(&wall) {
                LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => moment.to_utc(),
                LocalResult::None => self.after_gap(wall)?,
            };
            // Not later only inside the second showing of an hour, whose times have had their run.
            if moment > after {
                return Some(moment);
            }
        }
    }

    /// Wildcards: whatever the clock on the wall shows, as often as it shows it.
    fn next_on_the_wall(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let shown = self.wall(after);
        let mut wall = shown;
        let next = loop {
            wall = self.next_wall(wall)?;
            let moments = match self.zone.from_local_datetime(&wall) {
                LocalResult::None => continue,
                LocalResult::Single(only) => [only, only],
                LocalResult::Ambiguous(first, second) => [first, second],
            };
            if let Some(next) = moments.map(|moment| moment.to_utc()).into_iter().find(|moment| *moment > after) {
                break next;
            }
        };
        // In the first showing of an hour that comes again, the clock will go back to times that it has already shown.
        Some(self.again_after(shown, after).map_or(next, |again| again.min(next)))
    }

    /// The first match within the second showing of the hour that `after` is in the first showing of.
    fn again_after(&self, shown: NaiveDateTime, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let second = |wall: &NaiveDateTime| self.zone.from_local_datetime(wall).latest().map(|moment| moment.to_utc());
        let twice = |wall: &NaiveDateTime| matches!(self.zone.from_local_datetime(wall), LocalResult::Ambiguous(..));
        if !twice(&shown) || second(&shown)? <= after {
            return None;
        }
        let mut begin =
            shown.date().and_hms_opt(0, 0, 0)? + TimeDelta::minutes((shown - shown.date().and_hms_opt(0, 0, 0)?).num_minutes());
        while twice(&(begin - TimeDelta::minutes(1))) {
            begin -= TimeDelta::minutes(1);
        }
        self.next_wall(begin - TimeDelta::seconds(1)).filter(twice).as_ref().and_then(second)
    }

    fn after_gap(&self, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
        let whole = wall - TimeDelta::seconds(wall.and_utc().timestamp().rem_euclid(60));
        (1..=GAP_MINUTES)
            .find_map(|minutes| self.zone.from_local_datetime(&(whole + TimeDelta::minutes(minutes))).earliest())
            .map(|moment| moment.to_utc())
    }

    fn wall(&self, moment: DateTime<Utc>) -> NaiveDateTime {
        moment.with_timezone(&self.zone).naive_local()
    }

    /// The next matching wall-clock time, found as if the zone were UTC, where no time is missing and none comes twice.
    fn next_wall(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        let next = self.cron.find_next_occurrence(&wall.and_utc(), false).ok()?.naive_utc();
        Some(next - TimeDelta::nanoseconds(i64::from(next.and_utc().timestamp_subsec_nanos())))
    }

    /// The newest moment at or before `now` it was due, if one lies after `after`.
    fn newest_until(&self, after: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut window = TimeDelta::minutes(1);
        loop {
            let from = (now - window).max(after);
            let mut newest = None;
            while let Some(next) = self.next_after(newest.unwrap_or(from)).filter(|next| *next <= now) {
                newest = Some(next);
            }
            if newest.is_some() || from == after {
                return newest;
            }
            window = window * 2;
        }
    }
}

/// The fields of an expression, or of what a nickname stands for.
fn fields(written: &str) -> Vec<&str> {
    let nickname = NICKNAMES.iter().find(|(name, _)| written.eq_ignore_ascii_case(name));
    nickname.map_or(written, |(_, meaning)| meaning).split_whitespace().collect()
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Optional).build()
}

/// Whether a run is due at `now`. `last_due` is the moment the last run was due (not when it ran), none before the first;
/// `since` is when the daemon began to look, or the target was configured. With `catch_up` a run missed before `since`
/// happens now, once; without it only what falls due from `since` on.
#[must_use]
pub fn due(
    schedule: &Schedule,
    last_due: Option<DateTime<Utc>>,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
    catch_up: CatchUp,
) -> Due {
    let marked = believed(schedule, last_due, now);
    // `since` itself counts as looked at from, so that a start on the very second misses nothing.
    let begin = since - TimeDelta::nanoseconds(1);
    let after = match (marked, catch_up) {
        (Some(mark), CatchUp::Once) => mark,
        (Some(mark), CatchUp::No) => mark.max(begin.min(now)),
        (None, _) => begin.min(now),
    };
    let mut passed = 0;
    let mut newest = None;
    let mut next = schedule.next_after(after);
    while let Some(moment) = next.filter(|moment| *moment <= now) {
        newest = Some(moment);
        passed += 1;
        if passed > MISSED_COUNTED {
            newest = schedule.newest_until(moment, now).or(newest);
            break;
        }
        next = schedule.next_after(moment);
    }
    match newest {
        Some(scheduled_for) => Due::Run { scheduled_for, missed: passed - 1 },
        None => Due::Nothing { next },
    }
}

/// The mark of the last run as far as the clock lets it be believed.
#[must_use]
pub fn believed(schedule: &Schedule, mark: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let next = || schedule.next_after(now);
    mark.filter(|mark| *mark <= now + SET_BACK || (*mark <= now + MARK_AHEAD && next().is_some_and(|next| *mark <= next)))
}

/// A scheduled run that failed for what may pass by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// The moment it was due.
    pub scheduled_for: DateTime<Utc>,
    /// How often it was tried.
    pub times: u32,
    /// When it last failed.
    pub last: DateTime<Utc>,
}

impl Failed {
    /// When it is tried again: after a pause that grows, a little later for some targets than for others, and not at all when the
    /// next scheduled run (`next`) comes first, which stands for it.
    #[must_use]
    pub fn again(&self, target: &TargetName, next: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let nth = usize::try_from(self.times.saturating_sub(1)).unwrap_or(usize::MAX).min(PAUSES.len() - 1);
        let spread = jitter(target, self.scheduled_for, (PAUSES[nth] / 4).to_std().unwrap_or_default());
        // A failure ahead of the clock was written down by one that was wrong.
        let at = self.last.min(now) + PAUSES[nth] + TimeDelta::from_std(spread).unwrap_or_default();
        Some(at).filter(|at| next.is_none_or(|next| *at < next))
    }
}

/// Whether a run that failed like this may succeed later without anybody changing anything. What a person must mend is not tried
/// again before the next scheduled moment.
#[must_use]
pub fn may_pass(class: Class) -> bool {
    match class {
        Class::TempFail | Class::Unavailable | Class::OsError | Class::CannotCreate | Class::Io | Class::Protocol => true,
        Class::Usage | Class::Data | Class::NoInput | Class::Software | Class::NoPermission | Class::Config => false,
    }
}

/// What happens to a run that was missed while nobody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// It happens at the next look, once for however many were missed.
    Once,
    /// It is let go.
    No,
}

/// How much later than scheduled a run begins: less than `max`, the same for the same target and run, so that a restart
/// between the two moments changes nothing.
#[must_use]
pub fn jitter(target: &TargetName, scheduled_for: DateTime<Utc>, max: Duration) -> Duration {
    let Ok(max_ms) = u64::try_from(max.as_millis()) else { return Duration::ZERO };
    if max_ms == 0 {
        return Duration::ZERO;
    }
    let seed = format!("{target} {}", scheduled_for.timestamp());
    Duration::from_millis(xxhash_rust::xxh3::xxh3_64(seed.as_bytes()) % max_ms)
}

#[cfg(test)]
mod tests;
