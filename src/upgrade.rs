//! Upgrades: seeing that one is due, planning it, carrying it through any crash, and putting everything back.
//!
//! Owns the journal's meaning and the order of every effect. Outside it is a reconciler without inputs: [`observe`] looks at
//! the world, [`decide`] answers with nothing, a plan or refusals. Inside it is a linear saga over that plan: [`drive`] carries
//! whatever upgrade is open to its end, after a start-up as after a request. Never restores over what somebody wrote without
//! having archived it, never begins while another upgrade of the target is open. Invariant: when `drive` returns an end, the
//! database is wholly at the old or wholly at the new version; held by `tests/it/upgrade.rs` and `tests/it/crash.rs`.

pub mod judge;
pub mod plan;
pub mod state;
pub mod token;

mod adoption;
mod downtime;
mod driver;
mod evidence;
mod expected;
mod hands;
mod left;
mod note;
mod observe;
mod outage;
mod real;
mod record;
mod rollback;
mod steps;
mod told;
mod turn;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::config::Target;
use crate::context::Context;
use crate::durable::DurableError;
use crate::failure::{Class, Explain};
use crate::ids::{Label, TargetName, UpgradeId};
use crate::progress::Progress;
use crate::state_db::holds::Hold;
use crate::state_db::{StateDb, StateError};
use crate::version::Version;

pub use adoption::{adopting, end_adoption};
pub use downtime::{Downtime, Part};
pub use driver::Ended;
pub use evidence::lost;
pub use expected::{Expected, expected};
pub use observe::{OfTheData, grown, observe, observe_at_gate, release_of_the_data, remember_release, remember_shape, stand};
pub use outage::{Naming, Outage, left_by_failure, outage};
pub use plan::{Asked, Decision, Lost, Observation, Plan, Refusal, decide, next_steps, standing};
pub use rollback::begin_rollback;
pub use state::{Phase, Settle};
pub use told::{Line, Told, Went, told};
pub use turn::{Turned, turn_back};

/// Whether nothing would keep an upgrade by this plan from being begun. Changes nothing and writes nothing down.
pub async fn nothing_in_the_way(ctx: &Context, target: &Target, plan: &Plan) -> bool {
    let (progress, state) = (Progress::default(), state::State::default());
    let hands = real::RealHands::looking(ctx, target, &progress, plan);
    Box::pin(steps::apply(&hands, plan, &state, state::Step::Preflight, steps::Since::Begun)).await.is_ok()
}

/// Who sets the holds of a rollback.
const US: &str = "upkeep";

/// What keeps an upgrade from being begun, carried on or settled.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The state database.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file operation.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The release's migration scripts.
    #[error(transparent)]
    Migrate(Box<crate::migrate::MigrateError>),
    /// The journal holds what cannot be.
    #[error(transparent)]
    Illegal(#[from] state::IllegalEvent),
    /// A newer upkeep began it.
    #[error("upgrade {id} is journaled in format {found}; this upkeep knows formats up to {known}")]
    TooNew {
        /// Which.
        id: UpgradeId,
        /// The format it names.
        found: u32,
        /// The newest we know.
        known: u32,
    },
    /// Its plan or events are not what was written.
    #[error("the journal of upgrade {id} is damaged: {why}")]
    Damaged {
        /// Which.
        id: UpgradeId,
        /// What is wrong.
        why: String,
    },
    /// A plan or event of ours cannot be written as JSON.
    #[error("cannot write a plan or event as JSON")]
    Encode(#[source] serde_json::Error),
    /// Another upgrade has not ended.
    #[error("upgrade {id} has not ended: it is {phase}")]
    Open {
        /// Which.
        id: UpgradeId,
        /// Its phase.
        phase: Phase,
    },
    /// There is nothing for a person to settle.
    #[error("no upgrade of `{0}` needs a person")]
    NotStuck(TargetName),
    /// An upgrade that is in no journal cannot be settled.
    #[error("the present state of `{}` cannot be recorded as known-good: {why}", lost.target)]
    Lost {
        /// What is known of it.
        lost: Box<Lost>,
        /// Why.
        why: String,
    },
    /// The archive from before is not what the release before left.
    #[error(
        "the last upgrade of `{target}` cannot be rolled back: the schema was changed outside of migrations before it began, \
         so its archive {archive} is not what release {from} left"
    )]
    NotAsLeft {
        /// The target.
        target: TargetName,
        /// The release before.
        from: Version,
        /// The archive that the upgrade took.
        archive: Label,
        /// The newest archive of what that release left.
        last: Option<Label>,
    },
    /// There is nothing to roll back.
    #[error("nothing to undo for `{target}`: {why}")]
    NothingToRollBack {
        /// The target.
        target: TargetName,
        /// Why.
        why: String,
    },
}

impl From<crate::migrate::MigrateError> for UpgradeError {
    fn from(error: crate::migrate::MigrateError) -> Self {
        Self::Migrate(Box::new(error))
    }
}

impl Explain for UpgradeError {
    fn class(&self) -> Class {
        match self {
            Self::State(error) => error.class(),
            Self::Durable(error) => error.class(),
            Self::Migrate(error) => error.class(),
            Self::Illegal(_) | Self::Encode(_) => Class::Software,
            Self::TooNew { .. } | Self::Damaged { .. } | Self::NotAsLeft { .. } => Class::Data,
            Self::Open { .. } => Class::TempFail,
            Self::Lost { .. } => Class::Unavailable,
            Self::NotStuck(_) | Self::NothingToRollBack { .. } => Class::NoInput,
        }
    }

    fn safe(&self) -> Option<String> {
        match self {
            Self::State(error) => error.safe(),
            Self::Durable(error) => error.safe(),
            Self::Migrate(error) => error.safe(),
            Self::Illegal(_) | Self::TooNew { .. } | Self::Damaged { .. } => {
                Some("server and database are left alone from here on; the pre-upgrade archive is pinned".to_owned())
            }
            Self::NotAsLeft { .. } => Some("nothing was changed".to_owned()),
            _ => None,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::State(error) => error.hints(),
            Self::Durable(error) => error.hints(),
            Self::Migrate(error) => error.hints(),
            Self::TooNew { .. } => vec!["install the newer upkeep again and let it end the upgrade".to_owned()],
            Self::Illegal(_) | Self::Damaged { .. } => vec![
                "read `RECOVERY-TARGET.txt` beside the archives for the way back by hand".to_owned(),
                "report this with `upkeep events`".to_owned(),
            ],
            Self::Open { phase: Phase::Stuck, .. } => vec!["see what it needs: `upkeep status`".to_owned()],
            Self::Open { .. } => vec!["watch it: `upkeep status --watch`".to_owned()],
            Self::NothingToRollBack { .. } => {
                vec!["choose an archive: `upkeep list TARGET`, `upkeep restore TARGET LABEL`".to_owned()]
            }
            Self::NotAsLeft { target, from, archive, last } => {
                let mut hints: Vec<String> = Vec::new();
                if let Some(last) = last {
                    hints.push(format!(
                        "what release {from} left, without what was written since: install {from}, then \
                         `upkeep restore {target} {last} --replace --stop-server`"
                    ));
                }
                hints.push(format!(
                    "what was there right before the upgrade, changes included: `upkeep restore {target} {archive} --replace --stop-server`"
                ));
                hints
            }
            Self::Lost { lost, .. } => vec![lost.to_string()],
            Self::NotStuck(_) | Self::Encode(_) => Vec::new(),
        }
    }
}

/// An upgrade, for status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its identity.
    pub id: UpgradeId,
    /// From this version; none when nothing was known before.
    pub from: Option<Version>,
    /// To this version.
    pub to: Version,
    /// Its phase.
    pub phase: Phase,
    /// The step it stands at, if it has not ended.
    pub step: Option<String>,
    /// The release that it has let start and that it waits for to be healthy.
    pub started: Option<Version>,
    /// When it was begun.
    pub started_at: DateTime<Utc>,
    /// When it ended, if it did.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it turned back, was refused or is stuck.
    pub message: Option<String>,
    /// What a person does next.
    pub next_steps: Vec<String>,
    /// What keeps its way back from going on, when that has been tried several times and is tried again.
    pub waits_for: Option<String>,
    /// How long it has kept the server from serving.
    pub downtime: Option<Downtime>,
}

impl From<record::Record> for Summary {
    fn from(record: record::Record) -> Self {
        let ended = record.state.phase.terminal();
        let started = match record.state.step().filter(|_| !ended) {
            Some(state::Step::Healthy) => Some(record.plan.to.version.clone()),
            Some(state::Step::HealthyOld) => record.plan.earlier().map(|earlier| earlier.version.clone()),
            _ => None,
        };
        Self {
            from: record.plan.from.as_ref().map(|from| from.version.clone()),
            to: record.plan.to.version.clone(),
            phase: record.state.phase,
            step: record.state.step().filter(|_| !ended).map(|step| step.name().to_owned()),
            started,
            started_at: record.created_at,
            ended_at: ended.then_some(record.touched_at),
            message: record.state.why.clone(),
            next_steps: match waits(&record.state) {
                true => driver::commands(&record.plan, &record.state),
                false => record.state.next_steps.clone(),
            },
            waits_for: record.state.failure.as_ref().filter(|_| waits(&record.state)).map(|failure| failure.message.clone()),
            downtime: record.downtime,
            id: record.id,
        }
    }
}

/// Writes a plan down. From here on [`drive`] carries it through, also after a crash.
///
/// # Errors
/// When an upgrade of the target is open, or the journal cannot be written.
pub async fn begin(ctx: &Context, plan: Plan) -> Result<UpgradeId, UpgradeError> {
    let last = plan.outside.as_ref().and_then(|outside| outside.archive.clone());
    let id = record::begin(&ctx.state, plan, ctx.clock.now()).await?.id;
    if let Some(last) = last {
        keep_last(ctx, &last, &id).await;
    }
    Ok(id)
}

/// Pins the last archive of what the release before left: no archive that is taken from now on is another one of it.
async fn keep_last(ctx: &Context, label: &Label, id: &UpgradeId) {
    let pin = async || -> Result<(), crate::failure::Failure> {
        let entry = crate::state_db::catalogue::find(&ctx.state, label).await?;
        if let Some(entry) = entry.filter(|entry| entry.pinned.is_none()) {
            let reason = format!("the last of its release before the schema was changed outside of migrations; upgrade {id}");
            crate::store::pin(&ctx.state, &entry, &reason, ctx.clock.now()).await?;
        }
        Ok(())
    };
    if let Err(failure) = pin().await {
        // Retention keeps the newest of a known release by itself.
        tracing::warn!(label = %label, reason = failure.message, "the last archive of the release before could not be pinned");
    }
}

/// Carries the open upgrade of a target on until it ends, needs a person, or `stop` is set; at start-up and after a request
/// alike. `stop` is looked at between steps only. Without an open upgrade, [`Ended::NothingOpen`].
///
/// # Errors
/// When the journal cannot be read or written: then nothing more is done, and the next call goes on.
pub async fn drive(
    ctx: &Context,
    target: &Target,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Ended, UpgradeError> {
    // A token left by a crash would let one start past the gate; the start step grants its own.
    token::revoke(&ctx.config.daemon.state_dir, &target.name)?;
    let Some(record) = record::open(&ctx.state, &target.name).await? else { return Ok(Ended::NothingOpen) };
    let hands = real::RealHands::new(ctx, target, progress, &record);
    let ended = Box::pin(driver::drive(&hands, &record.plan, record.state.clone(), stop)).await?;
    if ended == Ended::Committed {
        let_earlier_go(ctx, target, &record).await;
    }
    Ok(ended)
}

/// Unpins the pre-upgrade archives of upgrades before this one: it was committed, so they are no longer the way back, and
/// retention (which keeps the last of each version) may judge them. The last archive of the release before is still one way back of this
/// one, whoever pinned it.
async fn let_earlier_go(ctx: &Context, target: &Target, committed: &record::Record) {
    let still = committed.plan.outside.as_ref().and_then(|outside| outside.archive.as_ref());
    let unpin = async || -> Result<(), crate::failure::Failure> {
        for earlier in record::newest(&ctx.state, &target.name, u32::MAX).await? {
            if earlier.id == committed.id {
                continue;
            }
            let last = earlier.plan.outside.and_then(|outside| outside.archive);
            for label in earlier.state.archive.into_iter().chain(last).filter(|label| Some(label) != still) {
                let entry = crate::state_db::catalogue::find(&ctx.state, &label).await?;
                let is_its = |reason: &String| reason.ends_with(earlier.id.as_str());
                if let Some(entry) = entry.filter(|entry| entry.pinned.as_ref().is_some_and(is_its)) {
                    crate::store::unpin(&ctx.state, &entry).await?;
                }
            }
        }
        Ok(())
    };
    if let Err(failure) = unpin().await {
        // One archive more is kept than need be; the next upgrade tries again.
        tracing::warn!(target = %target.name, reason = failure.message, "an earlier pre-upgrade archive stays pinned");
    }
}

/// The upgrade of a target that has not ended, else the newest; adoptions do not count.
///
/// # Errors
/// When the journal cannot be read.
pub async fn current(db: &StateDb, target: &TargetName) -> Result<Option<Summary>, UpgradeError> {
    Ok(history(db, target, 1).await?.pop())
}

/// The version that the newest ended upgrade (or the first look) left as the good one.
///
/// # Errors
/// When the journal cannot be read.
pub async fn good_version(db: &StateDb, target: &TargetName) -> Result<Option<Version>, UpgradeError> {
    Ok(record::good(db, target).await?.map(|good| good.version))
}

/// The newest upgrades of a target, newest first; adoptions do not count.
///
/// # Errors
/// When the journal cannot be read.
pub async fn history(db: &StateDb, target: &TargetName, limit: usize) -> Result<Vec<Summary>, UpgradeError> {
    let mut upgrades = Vec::new();
    for row in db.upgrades(target, u32::MAX).await? {
        if upgrades.len() == limit {
            break;
        }
        let record = record::load(db, row).await?;
        if record.plan.purpose != plan::Purpose::Adopt {
            upgrades.push(Summary::from(record));
        }
    }
    Ok(upgrades)
}

/// The upgrade of a target that has not ended; an adoption cut short counts.
///
/// # Errors
/// When the journal cannot be read.
pub async fn open(db: &StateDb, target: &TargetName) -> Result<Option<(UpgradeId, Phase)>, UpgradeError> {
    Ok(record::open(db, target).await?.map(|record| (record.id, record.state.phase)))
}

/// Whether what is open of a target is a rollback that somebody asked for, and no upgrade.
///
/// # Errors
/// When the journal cannot be read.
pub async fn is_going_back(db: &StateDb, target: &TargetName) -> Result<bool, UpgradeError> {
    let open = record::open(db, target).await?;
    Ok(open.is_some_and(|record| matches!(record.plan.purpose, plan::Purpose::Rollback { .. })))
}

/// Whether what is open of a target is on its way back, also where it waits for a person there.
///
/// # Errors
/// When the journal cannot be read.
pub async fn is_on_its_way_back(db: &StateDb, target: &TargetName) -> Result<bool, UpgradeError> {
    Ok(record::open(db, target).await?.is_some_and(|record| record.state.direction == state::Direction::Back))
}

/// The open upgrade of a target whose way back is this archive, if there is one.
///
/// # Errors
/// When the journal cannot be read.
pub async fn needs(db: &StateDb, target: &TargetName, label: &Label) -> Result<Option<UpgradeId>, UpgradeError> {
    let needed = |record: &record::Record| match &record.plan.purpose {
        plan::Purpose::Rollback { archive, .. } => archive == label,
        plan::Purpose::Upgrade | plan::Purpose::Adopt => record.state.archive.as_ref() == Some(label),
    };
    Ok(record::open(db, target).await?.filter(needed).map(|record| record.id))
}

/// Answers a stuck upgrade. Call [`drive`] afterwards.
///
/// # Errors
/// When none is stuck, or the journal cannot be written.
pub async fn settle(ctx: &Context, target: &Target, settle: Settle, who: &str) -> Result<(), UpgradeError> {
    let open = record::open(&ctx.state, &target.name).await?;
    // What was put back by hand is told whatever we were at; everything else only answers a question, as a way back asks one that waits
    // between two tries.
    let listens =
        |record: &record::Record| record.state.phase == Phase::Stuck || settle == Settle::Accept || waits(&record.state);
    let record = open.filter(listens);
    if let (None, Settle::Accept, Some(lost)) = (&record, settle, lost(&ctx.state, target).await?) {
        return evidence::accept(ctx, target, &lost).await;
    }
    let record = match record {
        Some(record) => record,
        None => {
            // Said before, and written down: whoever begins again with the steps of a recovery note says it twice.
            let said = settle == Settle::Accept && record::is_accepted(&ctx.state, &target.name).await?;
            return if said { Ok(()) } else { Err(UpgradeError::NotStuck(target.name.clone())) };
        }
    };
    let release = match (settle, &target.release) {
        (Settle::Accept, Some(release)) => {
            // What cannot be read is not taken for good; the plan's own release stands in.
            let installed = crate::release::read(release).await.ok();
            installed.map(|installed| state::ReleaseAt { version: installed.version, path: installed.path })
        }
        _ => None,
    };
    if settle == Settle::Accept {
        // Before the answer, which makes it count: the present state is the good one, whatever shape it has.
        let good = release.clone().unwrap_or_else(|| record.plan.to.clone());
        let source = format!("upgrade {}", record.id);
        left::note_left(ctx, target, crate::state_db::belongs::By::Upgrade, Some(&good), source).await?;
    }
    let said = state::Event::Said { settle, who: who.to_owned(), release };
    append(ctx, &record, &said).await?;
    if settle == Settle::Accept {
        // A load that was cut short is nobody's any more: the person says that the database is right.
        crate::restore::unfinished::clear(&ctx.config.daemon.state_dir, &target.name, crate::restore::unfinished::Place::Own)?;
        note::remove(target);
    }
    Ok(())
}

/// Whether a way back has failed often enough that a person is told, and goes on trying.
fn waits(state: &state::State) -> bool {
    state.phase == Phase::RollingBack && state.failures >= driver::TRIES
}

/// How long to wait before an open upgrade is driven again that nobody drives: its way back waits for a cause to pass. None when nothing is
/// open, or it waits for a person.
///
/// # Errors
/// When the journal cannot be read.
pub async fn again_in(db: &StateDb, target: &TargetName) -> Result<Option<std::time::Duration>, UpgradeError> {
    let open = record::open(db, target).await?;
    Ok(open.filter(|record| record.state.phase != Phase::Stuck).map(|record| driver::pause(record.state.failures)))
}

async fn append(ctx: &Context, record: &record::Record, event: &state::Event) -> Result<(), UpgradeError> {
    use crate::state_db::journal::Ends;
    let after = record.state.clone().apply(event)?;
    let ends = if after.phase.terminal() { Ends::Yes } else { Ends::No };
    let row = record::row(record.events + 1, ctx.clock.now(), event)?;
    Ok(ctx.state.append_event(&record.id, &row, ends).await?)
}

/// Holds upgrades of a target.
///
/// # Errors
/// When the state database cannot be written.
pub async fn hold(
    ctx: &Context,
    target: &TargetName,
    until: Option<DateTime<Utc>>,
    reason: &str,
    who: &str,
) -> Result<Hold, UpgradeError> {
    let hold = Hold { version: None, reason: reason.to_owned(), who: who.to_owned(), since: ctx.clock.now(), until };
    ctx.state.set_hold(target, &hold).await?;
    Ok(hold)
}

/// Ends every hold of a target and says how many there were.
///
/// # Errors
/// When the state database cannot be written.
pub async fn release_hold(ctx: &Context, target: &TargetName) -> Result<u64, UpgradeError> {
    Ok(ctx.state.release_holds(target).await?)
}
