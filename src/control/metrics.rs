//! The metrics page, in the OpenMetrics text format.
//!
//! Owns the names of the metrics, which are documented in `docs/api.md` and change only by addition. A pure function of the
//! status and the runs. Invariant: the page ends with `# EOF` and every family is declared once, before its samples; held by
//! the tests beside this file.

use std::fmt::Write as _;

use crate::state_db::runs::Tally;
use crate::wire::{CopiesStatus, JobState, Status, TargetStatus};

/// The content type that asks a scraper to read OpenMetrics.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        // Writing to a String cannot fail.
        writeln!(self.0, "# TYPE {name} {kind}").ok();
        if !unit.is_empty() {
            writeln!(self.0, "# UNIT {name} {unit}").ok();
        }
        writeln!(self.0, "# HELP {name} {help}").ok();
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            write!(self.0, "{}{label}=\"{text}\"", if at == 0 { '{' } else { ',' }).ok();
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        writeln!(self.0, " {value}").ok();
    }

    /// One gauge with one sample per target that has a value.
    fn per_target(&mut self, status: &Status, gauge: (&str, &str, &str), value: impl Fn(&TargetStatus) -> Option<f64>) {
        let (name, unit, help) = gauge;
        self.family(name, "gauge", unit, help);
        for target in &status.targets {
            if let Some(value) = value(target) {
                self.sample(name, &[("target", target.name.as_str())], value);
            }
        }
    }
}

/// The whole page.
#[must_use]
pub fn page(status: &Status, tallies: &[Tally]) -> String {
    let mut page = Page(String::with_capacity(4096));
    page.family("upkeep_build", "info", "", "The program that runs.");
    page.sample("upkeep_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    targets(&mut page, status);
    upgrades(&mut page, status);
    runs(&mut page, tallies);
    page.family("upkeep_jobs", "gauge", "", "Jobs by state.");
    for (state, name) in [(JobState::Queued, "queued"), (JobState::Running, "running")] {
        page.sample("upkeep_jobs", &[("state", name)], status.jobs.iter().filter(|job| job.state == state).count());
    }
    if let Some(started) = status.started_at {
        page.family("process_start_time_seconds", "gauge", "seconds", "When the daemon started, since the epoch.");
        page.sample("process_start_time_seconds", &[], started.timestamp());
    }
    if let Some(bytes) = resident_bytes() {
        page.family("process_resident_memory_bytes", "gauge", "bytes", "Resident memory of the daemon.");
        page.sample("process_resident_memory_bytes", &[], bytes);
    }
    page.0.push_str("# EOF\n");
    page.0
}

#[expect(clippy::cast_precision_loss, reason = "OpenMetrics numbers are floats; 2^53 bytes is 8 PiB")]
fn targets(page: &mut Page, status: &Status) {
    let flag = |yes: bool| Some(f64::from(u8::from(yes)));
    page.per_target(status, ("upkeep_archives", "", "Sealed archives."), |t| Some(t.archives as f64));
    page.per_target(status, ("upkeep_archives_bytes", "bytes", "Size of all archives."), |t| Some(t.archives_bytes as f64));
    let age = |t: &TargetStatus| t.last_good.as_ref().map(|good| (status.at - good.taken_at).num_seconds().max(0) as f64);
    page.per_target(status, ("upkeep_last_good_age_seconds", "seconds", "Age of the newest verified archive."), age);
    let size = |t: &TargetStatus| t.last_good.as_ref().map(|good| good.size as f64);
    page.per_target(status, ("upkeep_last_good_bytes", "bytes", "Size of the newest verified archive."), size);
    let rows = |t: &TargetStatus| t.last_good.as_ref().map(|good| good.rows as f64);
    page.per_target(status, ("upkeep_last_good_rows", "", "Rows in the newest verified archive."), rows);
    page.per_target(status, ("upkeep_overdue", "", "1 when the newest verified archive is too old."), |t| flag(t.overdue));
    let next = |t: &TargetStatus| t.next_run.map(|at| at.timestamp() as f64);
    page.per_target(status, ("upkeep_next_run_timestamp_seconds", "seconds", "When the next backup is due."), next);
    page.per_target(status, ("upkeep_free_bytes", "bytes", "Free where the archives live."), |t| {
        t.free_bytes.map(|b| b as f64)
    });
    copies(page, status);
    let age = |t: &TargetStatus| {
        let proven = t.drill.as_ref()?.proven.as_ref()?;
        Some((status.at - proven.at).num_seconds().max(0) as f64)
    };
    page.per_target(status, ("upkeep_drill_proven_age_seconds", "seconds", "Since a drill last proved an archive."), age);
    let failed = |t: &TargetStatus| t.drill.as_ref().and_then(|d| Some(f64::from(u8::from(d.outcome.as_deref()? == "failed"))));
    page.per_target(status, ("upkeep_drill_failed", "", "1 when the last drill could not restore its archive."), failed);
    let failed =
        |t: &TargetStatus| t.rehearsal.as_ref().and_then(|r| Some(f64::from(u8::from(r.outcome.as_deref()? == "failed"))));
    page.per_target(status, ("upkeep_rehearsal_failed", "", "1 when the last rehearsed release did not pass."), failed);
    let passed = |t: &TargetStatus| {
        t.rehearsal.as_ref().filter(|r| r.outcome.as_deref() == Some("passed")).map(|r| r.downtime_ms as f64 / 1000.0)
    };
    let help = "What an upgrade to the last rehearsed release is expected to take.";
    page.per_target(status, ("upkeep_rehearsal_downtime_seconds", "seconds", help), passed);
    page.per_target(status, ("upkeep_holds", "", "Holds on upgrades."), |t| Some(t.holds.len() as f64));
    page.per_target(status, ("upkeep_problems", "", "What a person should look at."), |t| Some(t.problems.len() as f64));
}

#[expect(clippy::cast_precision_loss, reason = "OpenMetrics numbers are floats; 2^53 bytes is 8 PiB")]
fn copies(page: &mut Page, status: &Status) {
    type Value = fn(&CopiesStatus, &Status) -> Option<f64>;
    let gauges: [(&str, &str, &str, Value); 4] = [
        ("upkeep_offsite_copies", "", "Copies at a place.", |copies, _| Some(copies.copied as f64)),
        ("upkeep_offsite_owed", "", "Archives that a place lacks.", |copies, _| Some(copies.owed as f64)),
        ("upkeep_offsite_owed_bytes", "bytes", "Their size.", |copies, _| Some(copies.owed_bytes as f64)),
        ("upkeep_offsite_newest_copy_age_seconds", "seconds", "Age of the newest archive that is there.", |copies, status| {
            copies.newest.as_ref().map(|newest| (status.at - newest.taken_at).num_seconds().max(0) as f64)
        }),
    ];
    for (name, unit, help, value) in gauges {
        page.family(name, "gauge", unit, help);
        for target in &status.targets {
            for copies in &target.copies {
                if let Some(value) = value(copies, status) {
                    page.sample(name, &[("target", target.name.as_str()), ("place", copies.place.as_str())], value);
                }
            }
        }
    }
}

fn upgrades(page: &mut Page, status: &Status) {
    let name = "upkeep_upgrade_phase";
    page.family(name, "gauge", "", "1 for the phase the target's open or last upgrade is in.");
    for target in &status.targets {
        if let Some(upgrade) = &target.upgrade {
            page.sample(name, &[("target", target.name.as_str()), ("phase", &upgrade.phase)], 1);
        }
    }
    // Part by part: they add up, and what grows is seen beside what does not.
    let name = "upkeep_upgrade_downtime_seconds";
    page.family(name, "gauge", "seconds", "How long the target's open or last upgrade kept the server from serving, by part.");
    for target in &status.targets {
        for part in target.upgrade.iter().flat_map(|upgrade| &upgrade.downtime).flat_map(|downtime| &downtime.parts) {
            page.sample(name, &[("target", target.name.as_str()), ("part", &part.what)], seconds(part.took_ms));
        }
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

fn runs(page: &mut Page, tallies: &[Tally]) {
    fn labels(tally: &Tally) -> [(&str, &str); 3] {
        let target = tally.target.as_ref().map_or("", crate::ids::TargetName::as_str);
        [("target", target), ("action", &tally.action), ("outcome", tally.outcome.as_str())]
    }
    // A gauge, not a counter: the oldest runs are let go in time.
    page.family("upkeep_runs", "gauge", "", "Runs kept, by how they ended.");
    for tally in tallies {
        page.sample("upkeep_runs", &labels(tally), tally.count);
    }
    page.family("upkeep_last_duration_seconds", "gauge", "seconds", "How long the newest run took.");
    for tally in tallies {
        page.sample("upkeep_last_duration_seconds", &labels(tally), seconds(tally.last_ms));
    }
}

/// Resident memory of this process; none where `/proc` is hidden.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests;
