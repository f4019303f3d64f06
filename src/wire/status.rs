//! Where everything stands: `GET /v1/status` and `GET /v1/targets/{target}`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Job;
use crate::ids::{Label, PlaceName, TargetName, UpgradeId};
use crate::version::Version;

/// `GET /v1/status`: where everything stands. A ready snapshot; it never waits for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program (`upkeep 0.1.0`).
    pub tool: String,
    /// The daemon's process id; none when the answer was put together without a daemon.
    #[serde(default)]
    pub pid: Option<u32>,
    /// When the daemon started.
    #[serde(default)]
    pub started_at: Option<DateTime<Utc>>,
    /// `running`, `reloading`, `draining`, or `no daemon`.
    pub state: String,
    /// When this snapshot was made.
    pub at: DateTime<Utc>,
    /// The targets, by name.
    pub targets: Vec<TargetStatus>,
    /// Jobs waiting and running.
    pub jobs: Vec<Job>,
    /// What a person should look at that concerns no single target (a configuration that could not be read again).
    #[serde(default)]
    pub problems: Vec<String>,
}

/// Where one target stands; also `GET /v1/targets/{target}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// The name.
    pub name: TargetName,
    /// Its profile.
    pub profile: String,
    /// Where its database is, without a password.
    pub database: String,
    /// When server, release, service and what the database is at were last looked at: they and the refusals are true as of that
    /// moment. None when they were not looked at since the start, or since a job began to change them.
    #[serde(default)]
    pub looked_at: Option<DateTime<Utc>>,
    /// The job that changes the database, the release or the service now (`restore`, `upgrade`): until it has ended nothing is said
    /// of them.
    #[serde(default)]
    pub work: Option<String>,
    /// The database server, as it says it is (`postgresql 15.18`); none when it did not answer.
    #[serde(default)]
    pub server: Option<String>,
    /// The installed release.
    #[serde(default)]
    pub release: Option<ReleaseStatus>,
    /// What the database is at.
    #[serde(default)]
    pub shape: Option<ShapeStatus>,
    /// Whether the managed server runs: `running`, `stopped`, `unknown`; none for a target without one.
    #[serde(default)]
    pub service: Option<String>,
    /// What keeps the server down; none while it runs, while somebody is at work on it, and where only a person stopped it.
    #[serde(default)]
    pub outage: Option<OutageStatus>,
    /// The release that the running server is of, where it is not the installed one: that waits for its upgrade.
    #[serde(default)]
    pub serving: Option<Version>,
    /// The newest verified archive.
    #[serde(default)]
    pub last_good: Option<ArchiveStatus>,
    /// How many archives are sealed.
    pub archives: u64,
    /// Their size together, in bytes.
    pub archives_bytes: u64,
    /// The last backup run, good or not.
    #[serde(default)]
    pub last_run: Option<RunStatus>,
    /// When the next scheduled backup is due.
    #[serde(default)]
    pub next_run: Option<DateTime<Utc>>,
    /// When the scheduled backup that failed is tried again, if that is before the next one is due.
    #[serde(default)]
    pub retry_at: Option<DateTime<Utc>>,
    /// The scheduled backups after that one, the soonest first.
    #[serde(default)]
    pub then: Vec<DateTime<Utc>>,
    /// Whether the newest verified archive is older than `max_age`.
    pub overdue: bool,
    /// The open upgrade, or the last one that ended.
    #[serde(default)]
    pub upgrade: Option<UpgradeStatus>,
    /// How long the upgrade that is pending may be expected to keep the server from serving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_downtime: Option<ExpectedDowntime>,
    /// What stands against an upgrade now, in one sentence each; empty when nothing does.
    #[serde(default)]
    pub refusals: Vec<String>,
    /// Holds on upgrades.
    #[serde(default)]
    pub holds: Vec<HoldStatus>,
    /// Free bytes where its archives live.
    #[serde(default)]
    pub free_bytes: Option<u64>,
    /// Days until that is full at the present growth of archives; none when it does not grow.
    #[serde(default)]
    pub days_left: Option<u32>,
    /// What a person should look at, in one sentence each; empty when all is well.
    #[serde(default)]
    pub problems: Vec<String>,
    /// The newest verified archives of a good state, oldest first, at most a hundred.
    #[serde(default)]
    pub history: Vec<HistoryStatus>,
    /// What retention keeps of the archives that are there now.
    #[serde(default)]
    pub kept: Option<KeptStatus>,
    /// Its copies, one for each place they go to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopiesStatus>,
    /// Its drills; none where there was none and none is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillStatus>,
    /// The last rehearsal of a release; none where there was none and none is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<RehearsalStatus>,
}

/// A release's migrations that were tried in a scratch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalStatus {
    /// `passed`, `failed` or `not-tried`; none where there was none.
    #[serde(default)]
    pub outcome: Option<String>,
    /// When it ended.
    #[serde(default)]
    pub at: Option<DateTime<Utc>>,
    /// The archive that was restored.
    #[serde(default)]
    pub label: Option<Label>,
    /// The release that it is of.
    #[serde(default)]
    pub from: Option<Version>,
    /// The release whose migrations ran.
    #[serde(default)]
    pub to: Option<Version>,
    /// Why it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How long restoring and comparing took, in milliseconds.
    #[serde(default)]
    pub restore_ms: u64,
    /// How long the migrations took.
    #[serde(default)]
    pub migrate_ms: u64,
    /// For how long an upgrade may be expected to keep the server from serving.
    #[serde(default)]
    pub downtime_ms: u64,
    /// When the next one is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<DateTime<Utc>>,
}

/// The drills of a target: archives that were restored into a scratch and compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillStatus {
    /// When the last one ended; none where there was none.
    #[serde(default)]
    pub ended_at: Option<DateTime<Utc>>,
    /// How: `proven`, `failed`, or `cut-off`, which says nothing of the archive.
    #[serde(default)]
    pub outcome: Option<String>,
    /// Of which archive it was.
    #[serde(default)]
    pub label: Option<Label>,
    /// Where the copy was read, where it was not the archive here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceName>,
    /// Why it did not prove it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the next one is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<DateTime<Utc>>,
    /// The last one that proved an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<ProvenStatus>,
}

/// An archive that came back as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenStatus {
    /// The archive.
    pub label: Label,
    /// The digest of its manifest.
    pub digest: String,
    /// Whether it is still here; a copy is not looked for.
    pub is_here: bool,
    /// When it was found to be as it was.
    pub at: DateTime<Utc>,
    /// How long restoring and comparing took, in milliseconds.
    pub took_ms: u64,
    /// Tables compared.
    pub tables: u64,
    /// Rows compared.
    pub rows: u64,
    /// Where it was restored to.
    pub scratch: String,
}

/// A target's copies at one place, as far as was last seen there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiesStatus {
    /// The place.
    pub place: PlaceName,
    /// Its kind (`directory`).
    pub kind: String,
    /// How many are there, sealed.
    pub copied: u64,
    /// How many archives are owed.
    pub owed: u64,
    /// Their bytes.
    pub owed_bytes: u64,
    /// The oldest of them.
    #[serde(default)]
    pub oldest_owed: Option<DateTime<Utc>>,
    /// The newest archive that has its copy.
    #[serde(default)]
    pub newest: Option<CopyStatus>,
    /// When each copy was last read back: the longest ago. None where one was never.
    #[serde(default)]
    pub verified_since: Option<DateTime<Utc>>,
    /// Why the place could not be used at the last try.
    #[serde(default)]
    pub error: Option<String>,
    /// Since when that is so.
    #[serde(default)]
    pub error_since: Option<DateTime<Utc>>,
    /// When the place was last reached.
    #[serde(default)]
    pub reached_at: Option<DateTime<Utc>>,
    /// The public keys that copies there are encrypted to; none where they go as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encrypt_to: Vec<String>,
    /// Those of them whose secret half never opened a copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unproven: Vec<String>,
}

/// A copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyStatus {
    /// The archive's label.
    pub label: Label,
    /// The moment of its snapshot.
    pub taken_at: DateTime<Utc>,
}

/// A server that is down, and not because somebody only stopped it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutageStatus {
    /// For machines (`rolled-back`, `held`, `not-asked`, `stuck`, `downgrade`, `skipped`, …).
    pub cause: String,
    /// Why it is down.
    pub why: String,
    /// What ends it, with the whole command.
    pub next_step: String,
}

/// One archive of the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryStatus {
    /// The moment of its snapshot.
    pub taken_at: DateTime<Utc>,
    /// Its bytes.
    pub size: u64,
    /// From the start of the work to the seal, in milliseconds.
    pub duration_ms: u64,
}

/// What the next prune would do, as far as the catalogue knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptStatus {
    /// How many archives stay.
    pub kept: u64,
    /// How many may go.
    pub let_go: u64,
    /// How many each rule keeps (`last`, `daily`, `pinned`); an archive may be kept by several. `uncounted` are those that stay
    /// although no rule looks at them: not verified yet, damaged, or set aside.
    pub rules: Vec<RuleStatus>,
}

/// How many archives a rule keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStatus {
    /// The rule's word.
    pub rule: String,
    /// How many.
    pub archives: u64,
}

/// The installed release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseStatus {
    /// Its version.
    pub version: Version,
    /// Where it is, symlinks resolved.
    pub path: String,
    /// Which probe read it.
    pub probe: String,
}

/// Whether release and database are in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Neither knows a migration that the other lacks.
    InStep,
    /// The release has migrations that the database lacks, or is a newer version that was not taken over yet.
    Pending,
    /// The database holds migrations that the release does not know.
    Ahead,
    /// The history says that a migration failed or did not end.
    Failed,
    /// Not known: no release, no migrations configured, or the database did not answer.
    Unknown,
}

/// What a database is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeStatus {
    /// The newest applied migration's version.
    #[serde(default)]
    pub head: Option<String>,
    /// Whether release and database are in step.
    pub step: Step,
    /// Migrations the database lacks.
    #[serde(default)]
    pub pending: Vec<String>,
    /// Migrations the release does not know.
    #[serde(default)]
    pub ahead: Vec<String>,
    /// When this was looked at.
    pub at: DateTime<Utc>,
}

/// The newest verified archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveStatus {
    /// Its label.
    pub label: Label,
    /// The moment of its snapshot.
    pub taken_at: DateTime<Utc>,
    /// Its size in bytes.
    pub size: u64,
    /// Rows in it.
    pub rows: u64,
    /// The release it belongs to.
    #[serde(default)]
    pub release: Option<String>,
    /// When every byte was last read back and found good.
    #[serde(default)]
    pub verified_at: Option<DateTime<Utc>>,
}

/// A finished backup run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// `ok`, `failed` or `interrupted`.
    pub outcome: String,
    /// One sentence.
    pub message: String,
}

/// An upgrade, as the fold of its journal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeStatus {
    /// Its identity.
    pub id: UpgradeId,
    /// From this version; none when nothing was known before.
    #[serde(default)]
    pub from: Option<Version>,
    /// To this version.
    pub to: Version,
    /// The phase, in the journal's words (`planned`, `running`, `rolling-back`, `committed`, `rolled-back`, `stuck`, …).
    pub phase: String,
    /// The step being done, if any.
    #[serde(default)]
    pub step: Option<String>,
    /// When it was planned.
    pub started_at: DateTime<Utc>,
    /// When it ended, if it did.
    #[serde(default)]
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it failed or is stuck; what was done.
    #[serde(default)]
    pub message: Option<String>,
    /// What a person does next, when it is stuck: exact commands.
    #[serde(default)]
    pub next_steps: Vec<String>,
    /// How long it kept the server from serving; none where it stopped none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime: Option<DowntimeStatus>,
}

/// The time in which a server did not serve because of an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DowntimeStatus {
    /// When the server was told to stop; where it was down already, when the upgrade was begun.
    pub from: DateTime<Utc>,
    /// When it answered as it should again; none while it does not, and where nobody waited for that.
    #[serde(default)]
    pub until: Option<DateTime<Utc>>,
    /// Whether it was down before the upgrade was begun.
    #[serde(default)]
    pub already: bool,
    /// All of it, in milliseconds; so far, where it has not ended.
    pub took_ms: u64,
    /// What of it took how long.
    pub parts: Vec<DowntimePart>,
}

/// One part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DowntimePart {
    /// A step's name (`stop`, `archive`, `migrate`, `start`, `healthy`, …), `verify` for reading an archive back, or `waiting for a person`.
    pub what: String,
    /// How long, in milliseconds.
    pub took_ms: u64,
}

/// What an upgrade may be expected to need, by what past ones took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedDowntime {
    /// The newest committed upgrades that it is known from; 0 where nothing is known.
    pub upgrades: u64,
    /// The newest one's, in milliseconds.
    #[serde(default)]
    pub took_ms: Option<u64>,
    /// The shortest, in milliseconds.
    #[serde(default)]
    pub least_ms: Option<u64>,
    /// The longest, in milliseconds.
    #[serde(default)]
    pub most_ms: Option<u64>,
    /// What the newest one's consisted of.
    #[serde(default)]
    pub parts: Vec<DowntimePart>,
    /// How long the newest archive took until it was sealed, in milliseconds: the data may have grown since.
    #[serde(default)]
    pub archive_ms: Option<u64>,
}

/// A hold on upgrades of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldStatus {
    /// Only for this version; none for all.
    #[serde(default)]
    pub version: Option<Version>,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub who: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when; none for until it is released.
    #[serde(default)]
    pub until: Option<DateTime<Utc>>,
}
