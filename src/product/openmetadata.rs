//! OpenMetadata: its judge.
//!
//! Every release brings all migrations since 1.1 as directories named after versions, and the database names those that ran in
//! `SERVER_CHANGE_LOG`. What is pending is the difference of the two sets, whatever the release's own tool goes by: that took the highest
//! version by text, then by number, and only since 1.12.2 the set. Before 1.1 there was Flyway, and its history stays beside.

pub mod conf;
pub mod files;
pub mod preflight;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Verdict;
use crate::count::few;
use crate::shape::{Applied, History, Shape, compare};
use crate::version::Version;
use files::Files;

/// Flyway's table in OpenMetadata.
const FLYWAY: &str = "DATABASE_CHANGE_LOG";

/// The first release with migrations of its own.
const NATIVE: &str = "1.1.0";

/// A release from here on takes no database from before [`GATE_DATABASE`].
const GATE_RELEASE: &str = "2.1.0";
const GATE_DATABASE: &str = "2.0.0";

/// Judges. Pure.
#[must_use]
pub fn judge(shape: &Shape, files: &Files, release: &Version) -> Verdict {
    let with_rows = |tool: &str| shape.histories.iter().find(|history| history.tool == tool && !history.applied.is_empty());
    let own = with_rows("openmetadata");
    let flyway = shape.histories.iter().find(|history| is_flyways(history));
    let mut verdict = Verdict::default();
    if is_at_least(release.as_str(), NATIVE) && files.native.is_empty() {
        verdict.blocked.push(format!(
            "release {release} has no migrations in {}: unpack it whole, or name its `nativePath` in conf/openmetadata.yaml",
            files.native_path
        ));
    }
    if is_older(release.as_str(), NATIVE) && files.flyway.is_empty() {
        verdict.blocked.push(format!("release {release} has no scripts below bootstrap/sql: unpack it whole"));
    }
    if !files.strange.is_empty() {
        verdict.blocked.push(format!(
            "what stands among the migrations of release {release} is no version: {}; take it away, or unpack the release again",
            few(&files.strange, ", ")
        ));
    }
    for several in
        [tables(shape, |history| history.tool == "openmetadata" && !history.applied.is_empty()), tables(shape, is_flyways)]
    {
        if several.len() > 1 {
            verdict.blocked.push(format!(
                "the database holds several histories of OpenMetadata's: {}; move the copies into a database of their own",
                few(&several, ", ")
            ));
        }
    }
    if own.is_none() && flyway.is_none() {
        verdict.blocked.push(
            "the database keeps no history of OpenMetadata's migrations, so nothing says which release it is of: check `url` in \
             `[targets.T.database]`; a new database gets its first tables from the vendor's own tool, by hand"
                .to_owned(),
        );
        return verdict;
    }
    by_flyway(flyway, own, files, &mut verdict);
    natively(own, files, release, &mut verdict);
    verdict.failed.extend(unfinished(shape, own));
    let newest = own.and_then(|own| newest(own, Effect::Any));
    let too_old = newest.is_none_or(|newest| !is_at_least(newest, GATE_DATABASE));
    if is_at_least(release.as_str(), GATE_RELEASE) && too_old {
        let at = newest.map_or("from before 1.1".to_owned(), |newest| format!("at {newest}"));
        verdict.blocked.push(format!(
            "release {release} takes no database from before {GATE_DATABASE}, and this one is {at}: install the newest 2.0 release first \
             and upgrade to it, then install {release} again"
        ));
    }
    verdict
}

/// The variables by which a configuration as it is shipped is pointed to another database. Its driver knows no sockets.
#[must_use]
pub fn pointing(by_socket: bool) -> BTreeMap<String, String> {
    let words = [
        ("DB_HOST", if by_socket { "localhost" } else { "{host}" }),
        ("DB_PORT", "{port}"),
        ("OM_DATABASE", "{database}"),
        ("DB_USER", "{user}"),
        ("DB_USER_PASSWORD", "{password}"),
    ];
    words.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The tables of some histories.
fn tables(shape: &Shape, which: impl Fn(&History) -> bool) -> Vec<String> {
    shape.histories.iter().filter(|history| which(history)).map(|history| history.table.clone()).collect()
}

fn is_older(version: &str, than: &str) -> bool {
    by_number(version, than).is_lt()
}

fn is_flyways(history: &History) -> bool {
    let name = history.table.rsplit('.').next().unwrap_or_default().trim_matches(['"', '`']);
    history.tool == "flyway" && name.eq_ignore_ascii_case(FLYWAY) && !history.applied.is_empty()
}

/// Which rows count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Those that ended well.
    Any,
    /// Those of them that stand for everything before.
    Baseline,
}

/// The newest version among those rows.
fn newest(own: &History, effect: Effect) -> Option<&str> {
    let rows = own.applied.iter().filter(|row| row.success);
    let is_baseline = |row: &Applied| {
        row.kind.eq_ignore_ascii_case("BASELINE")
            || row.version.as_deref().is_some_and(|version| version.ends_with("-baseline"))
    };
    let rows = rows.filter(|row| effect == Effect::Any || is_baseline(row));
    rows.filter_map(|row| row.version.as_deref()).max_by(|a, b| by_number(a, b))
}

/// Versions by their numbers alone: what stands behind a dash is an addition (`1.10.1-collate`, `1.2.0-SNAPSHOT`).
fn by_number(a: &str, b: &str) -> Ordering {
    let bare = |text: &str| text.split(['-', '+', '~']).next().unwrap_or_default().to_owned();
    compare(&bare(a), &bare(b))
}

fn is_at_least(version: &str, least: &str) -> bool {
    by_number(version, least).is_ge()
}

/// The release's Flyway scripts and Flyway's history. It takes no script below its head, and neither does anybody since: from 1.11 on they
/// are replayed as `0.0.N`.
fn by_flyway(flyway: Option<&History>, own: Option<&History>, files: &Files, verdict: &mut Verdict) {
    let Some((flyway, head)) = flyway.and_then(|flyway| Some((flyway, flyway.head()?))) else { return };
    let replayed = |script: &str| {
        let as_native = |version: &str| version.strip_prefix("0.0.").is_some_and(|rest| compare(rest, script).is_eq());
        own.is_some_and(|own| own.applied.iter().any(|row| row.success && row.version.as_deref().is_some_and(as_native)))
    };
    let later = files.flyway.iter().filter(|script| compare(script, head).is_gt() && !replayed(script));
    verdict.pending.extend(later.map(|script| format!("v{script} (Flyway)")));
    let Some(last) = files.flyway.iter().max_by(|a, b| compare(a, b)) else { return };
    // What took over from Flyway says more: a release without these scripts may be a newer one.
    if own.is_none() && compare(head, last).is_gt() {
        verdict.ahead.push(format!("{head} ({})", flyway.table));
    }
}

fn natively(own: Option<&History>, files: &Files, release: &Version, verdict: &mut Verdict) {
    let rows = || own.into_iter().flat_map(|own| own.applied.iter().filter(|row| row.success));
    let ran = |version: &str| rows().any(|row| row.version.as_deref() == Some(version));
    let baseline = own.and_then(|own| newest(own, Effect::Baseline));
    // What bears the baseline's own numbers comes after it, as a migration like any other.
    let covered = |version: &str| baseline.is_some_and(|baseline| by_number(version, baseline).is_lt());
    let lacking = files.native.iter().filter(|version| !ran(version) && !covered(version));
    let lacking = lacking.chain(files.extension.iter().filter(|version| !ran(version)));
    let mut lacking: Vec<&String> = lacking.collect();
    lacking.sort_by(|a, b| compare(a, b));
    verdict.pending.extend(lacking.into_iter().cloned());
    // What is no newer than the release and lacks its directory was taken out or moved between patch releases.
    let known =
        |version: &str| is_at_least(release.as_str(), version) || files.native.iter().any(|dir| is_at_least(dir, version));
    let newer = rows().filter_map(|row| row.version.as_deref()).filter(|version| !known(version));
    verdict.ahead.extend(newer.map(str::to_owned));
}

/// Versions of which statements are logged and that are in the history in no way: the run was interrupted or failed between the two.
fn unfinished(shape: &Shape, own: Option<&History>) -> Vec<String> {
    let logs = shape.histories.iter().filter(|history| history.is_log());
    let baseline = own.and_then(|own| newest(own, Effect::Baseline));
    let named = |version: &str| own.is_some_and(|own| own.applied.iter().any(|row| row.version.as_deref() == Some(version)));
    let mut found: Vec<(String, usize)> = Vec::new();
    for (log, row) in logs.flat_map(|log| log.applied.iter().map(move |row| (log, row))) {
        let Some(version) = row.version.as_deref() else { continue };
        let covered = baseline.is_some_and(|baseline| by_number(version, baseline).is_lt());
        if named(version) || covered || !is_at_least(version, NATIVE) {
            continue;
        }
        let name = format!("{version} ({})", log.table);
        match found.iter_mut().find(|(known, _)| *known == name) {
            Some((_, many)) => *many += 1,
            None => found.push((name, 1)),
        }
    }
    let told = |(name, many): (String, usize)| {
        format!("{name}: {} ran, and it did not end", crate::count::many(many as u64, "statement"))
    };
    found.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests;
