//! Which archives are kept, and why: a pure function of archives, policy, pins and the moment.
//!
//! Restic's words for the rules. Never touches a file. Invariants: the newest verified archive, pinned ones and the last
//! `minimum` verified ones are never let go; held by property tests.

use std::time::Duration;

/// `[targets.T.retention]`; 0 switches a rule off.
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
    /// Everything younger than this.
    pub keep_within: Option<Duration>,
    /// The newest N of each release version.
    pub keep_per_version: u32,
    /// No policy goes below this many verified archives.
    pub minimum: u32,
    /// The zone whose days, weeks, months and years count.
    pub zone: chrono_tz::Tz,
}
