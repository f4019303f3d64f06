//! `upkeep gate`: may the managed server start on this database?
//!
//! Owns the waiting for a daemon that is not there: it may be starting beside us after a boot, or be restarted by its own
//! package. Never upgrades by itself: the server's start waits for this very process, and an upgrade would wait for that start.

use std::path::Path;
use std::time::{Duration, Instant};

use super::session::{self, Reach};
use super::{Stop, World, installer, owner};
use crate::config::load::{self, DEFAULT_PATH, DEFAULT_SOCKET, Secrets};
use crate::config::{Config, WithoutDaemon};
use crate::context::Context;
use crate::control::client::Client;
use crate::failure::{Class, Failure};
use crate::gate::{Awaited, Gate};
use crate::ids::{RequestId, TargetName};
use crate::upgrade::{self, token};
use crate::verbs;
use crate::wire::{self, Action, JobState, Passed};

/// How long a daemon that does not answer is waited for, from when it was last seen.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Say whether the server may start on its database; for `ExecCondition=` of the server's own unit.
///
/// In step: returns at once with 0. Migrations pending: the daemon backs up and migrates first, and this waits. Database
/// ahead of the release, a version on hold, or an upgrade stuck: refuses with the reason. `upkeep setup` writes the drop-in.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target.
    target: TargetName,
    /// Only say whether a restart now would pass at once and disturb no upgrade; ask for nothing and wait for nothing.
    #[arg(long)]
    look: bool,
}

/// What became of asking the daemon.
enum Asked {
    Answered(Passed),
    /// It went away before it answered.
    Gone,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let name = arguments.target;
    let config = match session::config(world, Secrets::Leave) {
        Ok(config) => config,
        Err(stop) => return as_before(world, &name, stop).await,
    };
    session::known(world, &config, &name)?;
    let _told = (!arguments.look).then(|| installer::told(&name)).flatten();
    // Root, which systemd starts us as, looks at nothing that the daemon's user or the server's could have put there.
    owner::hand_over(&config, world).await?;
    if arguments.look {
        let answer = verbs::gate_answer(&name, undisturbed(world, &name).await?)?;
        return world.terminal.show(&answer, |answer| format!("{name}: the server may be restarted; {}", answer.why));
    }
    let mut until = Instant::now() + PATIENCE;
    let answer = loop {
        // Before the socket: whoever granted the token waits for this very start.
        if token::granted(&config.daemon.state_dir, &name) {
            break Passed::because("upkeep itself starts the server");
        }
        match session::reach(&config).await? {
            Reach::Daemon(client) => match ask(&client, &name).await? {
                Asked::Answered(answer) => break answer,
                Asked::Gone => until = Instant::now() + PATIENCE,
            },
            Reach::Alone => match alone(world, &name).await? {
                answer @ (Gate::Pass(_) | Gate::Refuse { .. }) => break verbs::gate_answer(&name, answer)?,
                answer if Instant::now() >= until => break without_daemon(&config, &name, answer)?,
                Gate::Ask { .. } | Gate::Wait { .. } => {}
            },
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    world.terminal.show(&answer, |answer| format!("{name}: the server may start; {}", answer.why))
}

/// With a configuration that became invalid a daemon goes on under the one before, and knows the answer.
async fn as_before(world: &World, name: &TargetName, stop: Stop) -> Result<(), Stop> {
    let socket = load::socket(&world.config, &world.environment);
    // A configuration elsewhere that names no socket is not that of whoever listens at the usual one.
    if world.config != Path::new(DEFAULT_PATH) && socket == Path::new(DEFAULT_SOCKET) {
        return Err(stop);
    }
    let Some(client) = Client::connect(&socket).await.ok().flatten() else { return Err(stop) };
    match ask(&client, name).await? {
        Asked::Answered(answer) => {
            world.terminal.show(&answer, |answer| format!("{name}: the server may start; {}", answer.why))
        }
        Asked::Gone => Err(stop),
    }
}

async fn ask(client: &Client, name: &TargetName) -> Result<Asked, Stop> {
    // A daemon that cannot be asked is one that goes, except where it refuses to talk to us.
    let gone = |failure: Failure| match failure.class {
        Class::NoPermission | Class::Protocol => Err(failure),
        _ => Ok(Asked::Gone),
    };
    let pid = match client.status().await {
        Ok(status) => status.pid,
        Err(failure) => return Ok(gone(failure)?),
    };
    let asked = async {
        let job = client.submit(&Action::Gate(wire::Gate { target: name.clone() }), &RequestId::random()).await?;
        client.follow(job, |_| {}).await
    };
    let job = match asked.await {
        Ok(job) => job,
        Err(failure) => return Ok(gone(failure)?),
    };
    match (job.state, job.failure) {
        (JobState::Interrupted, _) => Ok(Asked::Gone),
        (_, None) => {
            let passed = job.result.and_then(|result| serde_json::from_value(result).ok());
            // A daemon of another version may say it otherwise; that the job went well is what counts.
            Ok(Asked::Answered(passed.unwrap_or_else(|| Passed::because(""))))
        }
        (_, Some(failure)) => {
            // What a daemon that stops could not do, its next start does.
            let now = client.status().await.ok();
            let same = now.is_some_and(|status| status.pid == pid && status.state == "running");
            if same || failure.class != Class::TempFail { Err(failure.into()) } else { Ok(Asked::Gone) }
        }
    }
}

/// Looks ourselves, without a lock and without changing anything.
async fn alone(world: &World, name: &TargetName) -> Result<Gate, Stop> {
    let context = match looking(world).await {
        Ok(context) => context,
        // A password that only the daemon's unit gets is as good as a database that does not answer.
        Err(Stop::Failure(failure)) => return Ok(Gate::Wait { why: Awaited::Answer(failure.message.clone()) }),
        Err(stop) => return Err(stop),
    };
    let answer = verbs::gate(&context, verbs::target(&context, name)?).await;
    context.state.close().await;
    Ok(answer?)
}

/// The same for a restart that nobody needs now: an upgrade underway is left in peace, also where it let the server start.
async fn undisturbed(world: &World, name: &TargetName) -> Result<Gate, Stop> {
    let context = looking(world).await?;
    let open = upgrade::open(&context.state, name).await;
    let answer = match open? {
        Some(_) => Gate::Wait { why: Awaited::Upgrade },
        None => verbs::gate(&context, verbs::target(&context, name)?).await?,
    };
    context.state.close().await;
    Ok(answer)
}

async fn looking(world: &World) -> Result<Context, Stop> {
    let config = std::sync::Arc::new(session::config(world, Secrets::Read)?);
    let state = session::state(&config).await?;
    Ok(Context { config, state, clock: world.clock.clone() })
}

fn without_daemon(config: &Config, name: &TargetName, answer: Gate) -> Result<Passed, Stop> {
    let wanted = config.targets.get(name).map(|target| target.upgrade.without_daemon);
    if wanted == Some(WithoutDaemon::Pass) {
        return Ok(Passed::because(format!("no daemon runs, and `without_daemon = \"pass\"`; {answer}")));
    }
    let message = format!("the server of `{name}` must not start: no daemon is running to upgrade it; {answer}");
    let failure = Failure::new(Class::Unavailable, message).on(name).safe("nothing was changed");
    Err(failure.hint("start the daemon, then the server: `systemctl start upkeepd`").into())
}
