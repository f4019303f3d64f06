//! When something is due: a pure function of the schedule, the last run and the moment.
//!
//! Cron as cron means it, in a time zone with daylight saving. Never reads the clock, never sleeps.

/// A cron expression in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The expression as written.
    pub expression: String,
    /// The zone.
    pub zone: chrono_tz::Tz,
}
