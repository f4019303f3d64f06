//! In step, pending, ahead, failed, or not known: one pure function from what a database is at, and what is known of its release.
//!
//! Owns the rule by which a database is said to belong to a release. Never connects, never remembers. Where the release's scripts are
//! known they say what should be there; a server that migrates itself and a tool without `locations` are judged by what the last
//! committed upgrade (or restore) left on record. Invariants: a history that holds a failed or unfinished migration is never in step,
//! and neither is a database of which nothing is known but that a release lies beside it on the disk; held by `judge/tests.rs`.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::config::Runner;
use crate::count::few;
use crate::history::{self, Stands};
use crate::shape::{Difference, Shape};
use crate::state_db::belongs::Belongs;
use crate::version::Version;

/// How the scripts of the release and the history in the database stand to each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scripts {
    /// Migrations the database lacks, in the order they would be applied.
    pub pending: Vec<String>,
    /// Migrations the release does not know.
    pub ahead: Vec<String>,
    /// Migrations the history says failed.
    pub failed: Vec<String>,
    /// What else keeps release and history apart: changed checksums, missing scripts, versions out of order.
    pub invalid: Vec<String>,
    /// What a person has to see to first, by what is known of the product.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<String>,
}

/// Whether the managed server runs, as far as it bears on what the database is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// It runs.
    Yes,
    /// It does not, or nobody can tell.
    No,
    /// None is configured.
    NoServer,
}

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The installed release.
    pub installed: &'a Version,
    /// Who applies migrations; none when there are none.
    pub runner: Option<&'a Runner>,
    /// How the history stands to the release's scripts; none when nothing says what should be there.
    pub scripts: Option<&'a Scripts>,
    /// The table that the scripts are judged by.
    pub table: Option<&'a str>,
    /// What the database is at.
    pub shape: &'a Shape,
    /// What the database belonged to when that was last known; none at first sight.
    pub left: Option<&'a Left>,
    /// The releases that this very shape is known to be of, oldest first.
    pub known: &'a [Version],
    /// Whether fingerprints can be compared: the same program read both from the same database server.
    pub comparable: bool,
    /// Whether the server runs.
    pub serving: Serving,
}

/// What the last upgrade, restore or look left on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The release; none when it is known that nobody knows.
    pub release: Option<Version>,
    /// The shape; none in records of an older upkeep.
    pub shape: Option<Shape>,
    /// Where this is from, in words.
    pub source: String,
}

impl From<&Belongs> for Left {
    fn from(row: &Belongs) -> Self {
        Self { release: row.version.clone(), shape: row.shape.clone(), source: row.source.clone() }
    }
}

/// The word for how release and database stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// The database is the release's.
    InStep,
    /// The release is newer than the database.
    Pending,
    /// The database is newer than the release.
    Ahead,
    /// A migration failed or did not end.
    Failed,
    /// It cannot be told.
    Unknown,
}

/// Why it cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// Nothing is on record yet and nothing says it; it settles by itself when the server runs.
    FirstSight(String),
    /// What is there contradicts what is on record.
    Contradicts(String),
    /// The histories are those on record, and the schema is not: somebody changed it past them.
    Outside(String),
}

impl Unknown {
    /// In words.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::FirstSight(why) | Self::Contradicts(why) | Self::Outside(why) => why,
        }
    }
}

/// The judgement, with everything that speaks for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// Migrations the database lacks.
    pub pending: Vec<String>,
    /// Migrations the release does not know.
    pub ahead: Vec<String>,
    /// Migrations that failed or did not end.
    pub failed: Vec<String>,
    /// What else keeps scripts and history apart.
    pub invalid: Vec<String>,
    /// What a person has to see to first, by what is known of the product.
    pub blocked: Vec<String>,
    /// Why it cannot be told.
    pub unknown: Option<Unknown>,
    /// The release that the database belongs to; none where that is not known.
    pub release: Option<Version>,
    /// Whether it is the installed one, another, or not known.
    order: Option<Ordering>,
}

impl Judgement {
    /// The word.
    #[must_use]
    pub fn stand(&self) -> Stand {
        if !self.failed.is_empty() {
            Stand::Failed
        } else if !self.ahead.is_empty() || self.order == Some(Ordering::Greater) {
            Stand::Ahead
        } else if !self.blocked.is_empty() || !self.invalid.is_empty() || self.unknown.is_some() {
            Stand::Unknown
        } else if !self.pending.is_empty() || self.order == Some(Ordering::Less) {
            Stand::Pending
        } else {
            Stand::InStep
        }
    }

    fn of(release: Option<Version>, installed: &Version) -> Self {
        let order = release.as_ref().map(|release| release.cmp(installed));
        Self { release, order, ..Self::default() }
    }

    fn because(self, why: Unknown) -> Self {
        Self { unknown: Some(why), release: None, ..self }
    }
}

/// Judges.
#[must_use]
pub fn judge(case: &Case<'_>) -> Judgement {
    let mut judgement = match case.scripts {
        Some(scripts) => by_scripts(case, scripts),
        None => by_record(case),
    };
    by_product(case, &mut judgement);
    // The scripts have told of their own table, and in better words.
    let told = case.scripts.and(case.table);
    judgement.failed.extend(case.shape.failed(told));
    if !judgement.failed.is_empty() {
        // A part of a migration belongs to no release.
        judgement.release = None;
    }
    judgement
}

/// The scripts say what should be there; the record says which of two releases with the same scripts it is.
fn by_scripts(case: &Case<'_>, scripts: &Scripts) -> Judgement {
    let left = case.left.and_then(|left| left.release.clone());
    let mut judgement = Judgement::of(left.clone(), case.installed);
    judgement.pending.clone_from(&scripts.pending);
    judgement.ahead.clone_from(&scripts.ahead);
    judgement.failed.clone_from(&scripts.failed);
    judgement.invalid.clone_from(&scripts.invalid);
    judgement.blocked.clone_from(&scripts.blocked);
    let fits = *scripts == Scripts::default();
    let is_left = case.left.is_some_and(|left| left.shape.as_ref().is_none_or(|shape| shape.still(case.shape)));
    judgement.release = match left {
        Some(left) if is_left || case.known.contains(&left) => Some(left),
        // Migrated by hand, say: what is there is what the installed release makes of it.
        _ if fits => Some(case.installed.clone()),
        // Not what is on record: nothing but a shape seen before says whose it is.
        _ => case.known.last().cloned(),
    };
    match outside(case) {
        Some(why) => judgement.because(why),
        None => judgement,
    }
}

/// Another release than the one on record is installed, the histories are still those on record, and the schema is not: its package's
/// script migrated, or a person did. What the recorded release changes itself while it serves is on record by then.
fn outside(case: &Case<'_>) -> Option<Unknown> {
    let left = case.left?;
    let (release, shape) = (left.release.as_ref()?, left.shape.as_ref()?);
    let taken = shape.fingerprint.is_some() && case.shape.fingerprint.is_some();
    let same = shape.fingerprint == case.shape.fingerprint || !shape.difference(case.shape).is_empty();
    let told = taken && case.comparable && case.known.is_empty() && release != case.installed;
    (told && !same).then(|| {
        let why = format!("the schema was changed outside of migrations: it is not the one that release {release} left");
        let silent = !shape.histories.iter().any(|history| !history.applied.is_empty());
        Unknown::Outside(if silent { format!("{why}, and the database keeps no history of its migrations") } else { why })
    })
}

/// Nothing says what should be there but what was left.
fn by_record(case: &Case<'_>) -> Judgement {
    let Some(left) = case.left else { return at_first_sight(case) };
    let Some(release) = &left.release else {
        return match case.known.last() {
            Some(known) => Judgement::of(Some(known.clone()), case.installed),
            None => Judgement::default().because(Unknown::Contradicts(format!(
                "the database is what the {} left, and no record says which release that is",
                left.source
            ))),
        };
    };
    let on_record = || Judgement::of(Some(release.clone()), case.installed);
    let Some(shape) = &left.shape else { return on_record() };
    // A newer upkeep reads the histories of more tools than the one that wrote the record.
    let narrowed = (!case.comparable).then(|| case.shape.as_read_for(shape));
    let now = narrowed.as_ref().unwrap_or(case.shape);
    if shape.same_as(now) || case.known.contains(release) {
        return on_record();
    }
    // Somebody put another release's database there, beside upkeep.
    if let Some(known) = case.known.last() {
        return Judgement::of(Some(known.clone()), case.installed);
    }
    let differences = shape.difference(now);
    let keys = |pick: fn(&Difference) -> Option<String>| -> Vec<String> { differences.iter().filter_map(pick).collect() };
    let lost = keys(|difference| match difference {
        Difference::OnlyLeft(key) => Some(key.to_string()),
        Difference::OnlyRight(_) => None,
    });
    let grown = keys(|difference| match difference {
        Difference::OnlyRight(key) => Some(key.to_string()),
        Difference::OnlyLeft(_) => None,
    });
    let own = case.serving != Serving::No && release == case.installed;
    match (lost.is_empty(), grown.is_empty()) {
        // A database from before that release's migrations.
        (false, true) => Judgement { pending: lost, release: None, ..on_record() },
        // The server whose release is on record runs on it: they are its own (a plugin's, or what it migrates while it serves). Where no
        // server is configured nobody could tell.
        (true, false) if own => on_record(),
        (true, false) if release > case.installed => Judgement { ahead: grown, release: None, ..on_record() },
        (true, false) => on_record().because(Unknown::Contradicts(format!(
            "the database has migrations that release {release} did not leave: {}; the server may have migrated by itself",
            few(&grown, ", ")
        ))),
        (false, false) => on_record().because(Unknown::Contradicts(format!(
            "the database has other migrations than release {release} left: it has {}, and lacks {}",
            few(&grown, ", "),
            few(&lost, ", ")
        ))),
        (true, true) => same_history(case, release, shape),
    }
}

/// The histories are those on record; the fingerprints are not.
fn same_history(case: &Case<'_>, release: &Version, left: &Shape) -> Judgement {
    let on_record = Judgement::of(Some(release.clone()), case.installed);
    let own = case.serving != Serving::No && release == case.installed;
    let both = left.fingerprint.is_some() && case.shape.fingerprint.is_some();
    if let Some(why) = outside(case) {
        return on_record.because(why);
    }
    if left.still(case.shape) || own || !both || !case.comparable {
        return on_record;
    }
    on_record.because(Unknown::Contradicts(format!(
        "the schema is not the one that release {release} left, and the database keeps no history of its migrations"
    )))
}

/// Nothing is on record: only what the database says of itself can tell.
fn at_first_sight(case: &Case<'_>) -> Judgement {
    if let Some(known) = case.known.last() {
        return Judgement::of(Some(known.clone()), case.installed);
    }
    let fresh = Judgement::default();
    let why = match history::stands_to_release(case.shape, case.installed) {
        Stands::Unclear(why) => why,
        Stands::Silent if migrates_unseen(case) && case.serving == Serving::No => format!(
            "nothing says yet whether the database belongs to release {}: it is recorded as the known-good release once its server runs",
            case.installed
        ),
        _ => return fresh,
    };
    fresh.because(Unknown::FirstSight(why))
}

/// What a product's own history says of releases, whatever else is believed: a tool that ended well may have done nothing, and a release
/// may have been taken for good by mistake.
fn by_product(case: &Case<'_>, judgement: &mut Judgement) {
    if !judgement.pending.is_empty() || !judgement.ahead.is_empty() {
        return;
    }
    let stands = histories_say(case.runner, case.shape, case.installed);
    judgement.pending.extend(stands.pending);
    judgement.ahead.extend(stands.ahead);
    if !judgement.pending.is_empty() || !judgement.ahead.is_empty() {
        let right = judgement.order.is_some_and(Ordering::is_ne);
        judgement.release = judgement.release.take().filter(|_| right);
    }
}

fn migrates_unseen(case: &Case<'_>) -> bool {
    matches!(case.runner, Some(Runner::OnStart | Runner::Command { .. }))
}

/// What the histories say by themselves, beside the scripts: how they stand to the release where a product numbers them so. Our own engine
/// leaves such databases alone, and refuses them in its own words.
#[must_use]
pub fn histories_say(runner: Option<&Runner>, shape: &Shape, installed: &Version) -> Scripts {
    let mut said = Scripts::default();
    if runner == Some(&Runner::Flyway) {
        return said;
    }
    match history::stands_to_release(shape, installed) {
        Stands::Older(head) => said.pending.push(head),
        Stands::Newer(head) => said.ahead.push(head),
        Stands::Same | Stands::Silent | Stands::Unclear(_) => {}
    }
    said
}

#[cfg(test)]
mod tests;
