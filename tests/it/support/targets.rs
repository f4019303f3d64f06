//! A target that is only backed up, as the unit tests and the integration tests begin with it.

use std::path::PathBuf;
use std::time::Duration;

use upkeep::config::{Backup, Copies, Database, Drills, Location, OnFailure, Rehearsals, Target, Upgrade, WithoutDaemon};
use upkeep::ids::TargetName;
use upkeep::retention::Policy;

/// A policy without a rule.
pub(crate) fn keep_all() -> Policy {
    Policy {
        keep_last: 0,
        keep_hourly: 0,
        keep_daily: 0,
        keep_weekly: 0,
        keep_monthly: 0,
        keep_yearly: 0,
        keep_within: None,
        keep_per_version: 0,
        minimum: 0,
        zone: chrono_tz::UTC,
    }
}

/// Target `notes`, whose archives live in `directory`, and which keeps the last few.
pub(crate) fn target(location: Location, directory: PathBuf, keep_last: u32) -> Target {
    Target {
        name: TargetName::parse("notes").unwrap(),
        profile: "generic".to_owned(),
        product: None,
        database: Database::at(location),
        backup: Backup {
            directory,
            schedule: None,
            catch_up: false,
            jitter: Duration::ZERO,
            max_age: None,
            level: 3,
            jobs: 2,
            without_rows: Vec::new(),
            files: Vec::new(),
            files_limit: 0,
        },
        retention: Policy { keep_last, minimum: 1, ..keep_all() },
        drill: Drills::default(),
        rehearse: Rehearsals::default(),
        offsite: Copies::default(),
        release: None,
        migrations: None,
        service: None,
        upgrade: Upgrade {
            auto: false,
            window: None,
            on_failure: OnFailure::Rollback,
            attempts: 3,
            without_daemon: WithoutDaemon::Refuse,
        },
    }
}
