//! Who does what was asked: the daemon through its socket when one runs, else we ourselves under its lock.
//!
//! Owns that choice and the following of work to its end. Invariants: a daemon's job goes on when we stop watching; work of
//! our own is told to stop and ends at a step boundary. Held by `tests/it/cli.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::progress::{LOOK_EVERY, Shown};
use super::{Stop, World, owner};
use crate::config::Config;
use crate::config::load::{self, Secrets};
use crate::context::{self, Context};
use crate::control::client::Client;
use crate::durable::Lock;
use crate::failure::{Class, Failure};
use crate::ids::{RequestId, TargetName};
use crate::progress::Progress;
use crate::state_db::StateDb;
use crate::status::{self, Host};
use crate::store;
use crate::verbs::{self, Effect, Work};
use crate::wire::{Action, Asker, Job, JobState, Status};

/// Who answers.
#[derive(Debug)]
pub(super) enum Reach {
    /// A daemon listens.
    Daemon(Client),
    /// None does.
    Alone,
}

/// The configuration, with its passwords or without.
pub(super) fn config(world: &World, secrets: Secrets) -> Result<Config, Stop> {
    match &world.stand_in {
        Some(config) => Ok(Config::clone(config)),
        None => Ok(load::load_with(&world.config, &world.environment, secrets)?),
    }
}

/// Looks for a daemon. A socket that is there and refuses us is an error: going past it would work behind the daemon's back.
pub(super) async fn reach(config: &Config) -> Result<Reach, Stop> {
    Ok(Client::connect(&config.control.socket).await?.map_or(Reach::Alone, Reach::Daemon))
}

/// The configuration without passwords, and who answers. Whoever may not read all of it asks the daemon, which knows what he may do;
/// then there is none.
pub(super) async fn asked(world: &World) -> Result<(Option<Config>, Reach), Stop> {
    if let Some(config) = &world.stand_in {
        return Ok((Some(Config::clone(config)), Reach::Alone));
    }
    let problems = match load::load_with(&world.config, &world.environment, Secrets::Leave) {
        Ok(config) => {
            let reach = reach(&config).await?;
            return Ok((Some(config), reach));
        }
        Err(problems) => problems,
    };
    let client = match problems.closed() {
        true => Client::connect(&load::socket(&world.config, &world.environment)).await?,
        false => None,
    };
    client.map_or_else(|| Err(problems.into()), |client| Ok((None, Reach::Daemon(client))))
}

/// Whether a target has this name, by the configuration, or by what the daemon shows of it to whoever may not read that.
pub(super) async fn is_target((known, reach): &(Option<Config>, Reach), name: &TargetName) -> Result<bool, Stop> {
    match (known, reach) {
        (Some(config), _) => Ok(config.targets.contains_key(name)),
        (None, Reach::Daemon(client)) => Ok(client.status().await?.targets.iter().any(|target| target.name == *name)),
        (None, Reach::Alone) => Ok(false),
    }
}

/// Performs an action wherever it can be, shows its progress and prints its result.
pub(super) async fn perform(world: &World, action: Action) -> Result<(), Stop> {
    let (known, reach) = asked(world).await?;
    if let (Some(target), Some(config)) = (action.target(), &known) {
        self::known(world, config, target)?;
    }
    let result = match reach {
        Reach::Daemon(client) => through(&client, world, &action).await,
        Reach::Alone if verbs::spec(&action).effect == Effect::Reads => reading(world, &action).await,
        Reach::Alone => ourselves(world, &action).await,
    };
    let result = result.map_err(with_a_next_step)?;
    world.terminal.show(&result, |result| verbs::tell(&action, result, world.terminal.into()))
}

/// Whether a target is configured, before anybody is asked about it.
pub(super) fn known(world: &World, config: &Config, target: &TargetName) -> Result<(), Stop> {
    if config.targets.contains_key(target) {
        return Ok(());
    }
    let names: Vec<&str> = config.targets.keys().map(TargetName::as_str).collect();
    let failure = Failure::new(Class::NoInput, format!("there is no target `{target}` in {}", world.config.display()));
    Err(failure.hint(format!("configured: {}", names.join(", "))).into())
}

/// No message ends without a next step; where the work knows none, looking at configuration and host is one.
fn with_a_next_step(stop: Stop) -> Stop {
    match stop {
        Stop::Failure(failure) if failure.hints.is_empty() => {
            Stop::from(failure.hint("fix the cause, and look at configuration and host: `upkeep check`"))
        }
        stop => stop,
    }
}

/// Asks the daemon and follows its job.
async fn through(client: &Client, world: &World, action: &Action) -> Result<Value, Stop> {
    let job = client.submit(action, &RequestId::random()).await?;
    let id = job.id.clone();
    let mut shown = Shown::new(world.terminal);
    let followed = {
        let mut looks = 0;
        let follow = client.follow(job, |job| {
            looks += 1;
            // Every job is queued for a moment; one that still is waits for another.
            if job.state == JobState::Queued && looks == 2 {
                world.terminal.say(&format!("{} …", waits(job)));
            }
            shown.update(&job.progress);
        });
        tokio::select! {
            // Dropping the follower drops one open request; the job is the daemon's and goes on.
            followed = follow => Some(followed?),
            () = interrupted()? => None,
        }
    };
    shown.clear();
    match followed {
        Some(job) => ended(job),
        None => {
            let end = if action.may_be_cut_off() { format!("; to stop it: `upkeep cancel {id}`") } else { String::new() };
            world.terminal.say(&format!("no longer watching; the daemon goes on with job {id} (see `upkeep status`){end}"));
            Err(Stop::Answer(INTERRUPTED))
        }
    }
}

/// What a job that has not begun waits for.
fn waits(job: &Job) -> String {
    let what = match job.action.target() {
        Some(target) => format!("other work on {target}"),
        None => "other work".to_owned(),
    };
    format!("waiting for {what} to end (see `upkeep status`); to drop this job: `upkeep cancel {}`", job.id)
}

fn ended(job: Job) -> Result<Value, Stop> {
    match (job.state, job.failure) {
        (_, Some(failure)) => Err(failure.into()),
        (JobState::Ok, None) => Ok(job.result.unwrap_or(Value::Null)),
        (_, None) => {
            Err(Failure::new(Class::TempFail, format!("job {} was interrupted: the daemon stopped before it was done", job.id))
                .hint("see how it ended: `upkeep status`, `upkeep events`")
                .into())
        }
    }
}

/// 128 and the number of SIGINT, as shells report it.
const INTERRUPTED: u8 = 130;

/// Settles what a crash left of whom the action is about, then does what was asked.
async fn settled(
    context: &Context,
    action: &Action,
    progress: &Progress,
    stop: &CancellationToken,
    world: &World,
) -> Result<Value, Failure> {
    for line in verbs::settle(context, action).await? {
        world.terminal.say(&line);
    }
    let asker = Asker::person(owner::person().await);
    verbs::perform(action, Work { ctx: context, asker: &asker, progress, stop, lanes: &verbs::Lanes::default() }).await
}

/// Does what only reads: without the lock, beside whoever holds it, and with nothing made or settled.
async fn reading(world: &World, action: &Action) -> Result<Value, Stop> {
    owner::hand_over(&config(world, Secrets::Leave)?, world).await?;
    let config = Arc::new(config(world, Secrets::Read)?);
    let state = match stored(&config).await? {
        Some(state) => state,
        None => {
            let state = StateDb::empty().await?;
            // In memory only: what archives there are is known from their directories, also where our own state is lost.
            let directories: Vec<_> = config.targets.values().map(|target| target.backup.directory.clone()).collect();
            store::rebuild(&state, &directories).await?;
            state
        }
    };
    let context = Context { config, state, clock: world.clock.clone() };
    let asker = Asker::person(owner::person().await);
    let (progress, stop) = (Progress::default(), CancellationToken::new());
    let lanes = verbs::Lanes::default();
    let work = Work { ctx: &context, asker: &asker, progress: &progress, stop: &stop, lanes: &lanes };
    let done = verbs::perform(action, work).await;
    context.state.close().await;
    Ok(done?)
}

/// Does it under the lock that the daemon would hold.
async fn ourselves(world: &World, action: &Action) -> Result<Value, Stop> {
    super::owner::hand_over(&config(world, Secrets::Leave)?, world).await?;
    let config = Arc::new(config(world, Secrets::Read)?);
    let holder = format!("upkeep {}, pid {}", action.name(), std::process::id());
    let (context, lock) = Context::open(config, world.clock.clone(), &holder).await?;
    let (progress, stop) = (Progress::default(), CancellationToken::new());
    let mut shown = Shown::new(world.terminal);
    let outcome = {
        let work = settled(&context, action, &progress, &stop, world);
        let mut work = std::pin::pin!(work);
        let mut signal = std::pin::pin!(interrupted()?);
        let mut told = false;
        loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                () = &mut signal, if !told => {
                    if action.may_be_cut_off() {
                        // Dropping it drops its temporary files with it.
                        let failure = Failure::new(Class::TempFail, format!("the {} was ended", action.name()));
                        break Err(failure.safe("earlier archives are untouched"));
                    }
                    told = true;
                    stop.cancel();
                    shown.clear();
                    world.terminal.say("stopping after the current step …");
                }
                // Only a timer is dropped here.
                () = tokio::time::sleep(LOOK_EVERY) => shown.update(&progress.snapshot()),
            }
        }
    };
    shown.clear();
    // Of what was ended something may go on in threads: the lock is theirs as well.
    progress.give_up();
    progress.threads_ended().await;
    context.state.close().await;
    drop(lock);
    Ok(outcome?)
}

/// Resolves at the first Ctrl-C or TERM. Fails only when the host gives us no signals.
pub(super) fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    let signals = signal_hook_tokio::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM]);
    let mut signals = signals.map_err(|error| Failure::new(Class::OsError, format!("cannot take signals: {error}")))?;
    Ok(async move { _ = signals.next().await })
}

/// The state database for reading, beside whoever holds the lock; an empty one in memory where there is none yet, or where
/// a first start is just making it. Never makes or migrates it: that is the lock's holder's to do.
pub(super) async fn state(config: &Config) -> Result<StateDb, Stop> {
    match stored(config).await? {
        Some(state) => Ok(state),
        None => Ok(StateDb::empty().await?),
    }
}

/// The state database as it lies there, for reading.
async fn stored(config: &Config) -> Result<Option<StateDb>, Stop> {
    if config.daemon.state_dir.join(crate::state_db::FILE_NAME).exists() {
        let state = StateDb::open_read_only(&config.daemon.state_dir).await?;
        // Whoever makes it may have died before anything was in it.
        if !state.is_blank().await? {
            return Ok(Some(state));
        }
        state.close().await;
    }
    Ok(None)
}

/// Where everything stands: the daemon's ready answer, or what we find out ourselves.
pub(super) async fn status(world: &World) -> Result<Status, Stop> {
    match asked(world).await?.1 {
        Reach::Daemon(client) => Ok(client.status().await?),
        Reach::Alone => {
            super::owner::hand_over(&config(world, Secrets::Leave)?, world).await?;
            alone(world).await
        }
    }
}

/// The same for whoever has a screen open: without a daemon only where we may look ourselves.
pub(super) async fn status_in_place(world: &World) -> Result<Status, Stop> {
    match asked(world).await? {
        (Some(known), Reach::Alone) if super::owner::other_owner(&known.daemon.state_dir).is_some() => {
            Err(Failure::new(Class::Unavailable, "no daemon runs").hint("start it: `systemctl start upkeepd`").into())
        }
        _ => status(world).await,
    }
}

/// Asks everything ourselves. Takes no lock: this only reads, also beside a command that is at work.
async fn alone(world: &World) -> Result<Status, Stop> {
    let config = Arc::new(config(world, Secrets::Read)?);
    let state = state(&config).await?;
    let context = Context { config: config.clone(), state, clock: world.clock.clone() };
    let mut seen = BTreeMap::new();
    // What another command is at is neither cut short nor anybody's to end.
    let at_work = Lock::holder(&config.daemon.state_dir.join(context::LOCK));
    for target in config.targets.values() {
        let look = status::look(&context, target).await?.seen;
        let unfinished = look.unfinished.clone().filter(|_| at_work.is_none());
        let outage = look.outage.clone().filter(|_| at_work.is_none());
        seen.insert(target.name.clone(), status::Seen { unfinished, outage, ..look });
    }
    let state = at_work.map_or_else(|| "no daemon".to_owned(), |holder| format!("no daemon; {holder} is at work"));
    let host = Host { state, ..Host::default() };
    let answer = status::observe(&context.state, &config, &seen, Vec::new(), &host, world.clock.now()).await;
    context.state.close().await;
    Ok(answer?)
}
