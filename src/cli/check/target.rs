//! What of one target is looked at: its database, room, release, migrations, server and tool.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::{World, human, owner, session};
use super::{Findings, Found, database};
use crate::backup;
use crate::config::load::Problem as Unset;
use crate::config::{Config, Migrations, Product, Runner, Service, Target};
use crate::context::{Context, LOCK};
use crate::control::client::Client;
use crate::count::few;
use crate::durable::{self, Lock};
use crate::engine::Engine;
use crate::failure::{Class, Failure};
use crate::migrate::plan::Problem;
use crate::process::Command;
use crate::release::{self, Installed};
use crate::service::ServiceState;
use crate::{migrate, product, service, text, upgrade};

const DEADLINE: Duration = Duration::from_secs(10);

/// `secrets` are the passwords that could not be read, of every target.
pub(super) async fn look(config: &Config, target: &Target, secrets: &[Unset], world: &World, findings: &mut Findings) {
    let ours = format!("targets.{}.database.", target.name);
    let missing: Vec<&Unset> = secrets.iter().filter(|problem| problem.key.starts_with(&ours)).collect();
    let size = if missing.is_empty() {
        let size = database::look(target, findings).await;
        findings.add(Some(target), "archives", room(target, size));
        if let Some(size) = size {
            findings.add(Some(target), "restore", database::room_to_restore(target, size).await);
        }
        size
    } else {
        for problem in missing {
            findings.add(Some(target), "password", password(config, target, problem).await);
        }
        findings.add(Some(target), "archives", room(target, None));
        None
    };
    if let Some(found) = strange(target) {
        findings.add(Some(target), "archives", found);
    }
    schedule(target, world, findings);
    installed(config, target, size.is_some(), findings).await;
    if let Some(settings) = &target.service {
        server(target, settings, findings).await;
        if let Some(down) = Box::pin(down(config, target, world)).await {
            findings.add(Some(target), "server", Err(down));
        }
    }
    if let Some(found) = tool(target).await {
        findings.add(Some(target), "tool", found);
    }
}

/// A password that cannot be read here. One that only the daemon's unit is given is no problem; the daemon knows how it does.
async fn password(config: &Config, target: &Target, problem: &Unset) -> Found {
    let failure = Failure::new(Class::Config, problem.what.clone()).safe("the database and its migrations were not checked");
    if !problem.key.ends_with(".password_credential") {
        return Found::problem(failure.hint(format!("fix it, or name another source in `[targets.{}.database]`", target.name)));
    }
    let unit = Command::new(&["systemctl", "cat", "upkeepd.service"], DEADLINE).run().await;
    let given = |line: &str| {
        let (key, value) = line.split_once('=').unwrap_or_default();
        let name = value.split(':').next().unwrap_or_default();
        ["LoadCredential", "LoadCredentialEncrypted", "SetCredential", "SetCredentialEncrypted"].contains(&key)
            && problem.what.contains(&format!("={name}:"))
    };
    if !unit.is_ok_and(|unit| unit.stdout.lines().any(given)) {
        let edit = "give it to the unit: `systemctl edit upkeepd`, [Service], LoadCredential=NAME:/path/of/the/password";
        return Found::problem(failure.hint(edit));
    }
    let seen = match Client::connect(&config.control.socket).await {
        Ok(Some(client)) => client.target(&target.name).await.ok().and_then(|status| status.server),
        Ok(None) | Err(_) => None,
    };
    match seen {
        Some(server) => Found::good(format!("a credential of the unit; with it the daemon reaches {server}")),
        None => Found::advice(
            Failure::new(Class::Config, "the password is a credential that only the daemon's unit gets")
                .safe("the database and its migrations were not checked")
                .hint(format!("once the daemon runs, it says whether the database answers: `upkeep status {}`", target.name)),
        ),
    }
}

/// Whether one archive fits: it is smaller than its database.
fn room(target: &Target, size: Option<u64>) -> Result<String, Failure> {
    let directory = &target.backup.directory;
    let good = writable(directory)?;
    let free = durable::free_bytes(nearest(directory))?;
    match size {
        Some(size) if free < size => Err(Failure::new(
            Class::CannotCreate,
            format!("{} has {} free, and the database holds {}", directory.display(), human::size(free), human::size(size)),
        )
        .safe("nothing was begun")
        .hint(format!("make room, or name another `directory` in `[targets.{}.backup]`", target.name))),
        _ => Ok(format!("{good}, {} free", human::size(free))),
    }
}

/// What lies among the archives under a name of theirs and is none; it is left alone.
fn strange(target: &Target) -> Option<Found> {
    let paths = crate::store::strange(&target.backup.directory).ok()?;
    let first = paths.first()?;
    let more = if paths.len() > 1 { format!(", and {} more", paths.len() - 1) } else { String::new() };
    let failure = Failure::new(Class::Data, format!("{} is not a file; upkeep leaves it alone{more}", first.display()));
    Some(Found::problem(failure.safe("the archives beside it are used as usual").hint("move it away")))
}

fn schedule(target: &Target, world: &World, findings: &mut Findings) {
    let next = target.backup.schedule.as_ref().and_then(|schedule| schedule.next_after(world.clock.now()));
    let found = match next {
        Some(at) => Found::good(format!("next run {} UTC", human::moment(at))),
        None => Found::advice(
            Failure::new(Class::Config, "none: archives are only taken by hand and before upgrades")
                .hint(format!("every night: `schedule = \"30 2 * * *\"` in `[targets.{}.backup]`", target.name)),
        ),
    };
    findings.add(Some(target), "schedule", found);
}

async fn installed(config: &Config, target: &Target, reached: bool, findings: &mut Findings) {
    let Some(settings) = &target.release else { return };
    let release = match release::read(settings).await {
        Ok(installed) => {
            let found = format!("{} in {} (by {})", installed.version, installed.path.display(), installed.probe);
            findings.add(Some(target), "release", Ok(found));
            installed
        }
        Err(error) => return findings.add(Some(target), "release", Err(Failure::of(&error))),
    };
    // Whoever checks is root; what is run later is run as the daemon.
    let daemon =
        owner::other_owner(&config.daemon.state_dir).map(|(user, _)| user).or_else(|| owner::daemon().map(|[user, _]| user));
    let user = daemon.unwrap_or_else(|| rustix::process::geteuid().as_raw());
    if let Some(program) = release::hopeless_revert(settings, user) {
        let message =
            format!("`revert` cannot work: {program} needs root, or the lock that is held while a package is installed");
        let failure = Failure::new(Class::Config, message)
            .safe("it is not run; after a failed upgrade the database is put back, and the server waits for the earlier release")
            .hint("take it out of `[targets.T.release]`: `upkeep status` then names the command that installs the earlier release");
        findings.add(Some(target), "revert", Found::problem(failure));
    }
    let Some(settings) = target.migrations.as_ref().filter(|_| reached) else { return };
    let found = match target.product {
        Some(product) => by_product(product, target, &release).await,
        None => migrations(target, settings, &release.path).await,
    };
    findings.add(Some(target), "migrations", found);
    if let Some(product) = target.product {
        for product::Remark { weight, what, hint } in product::preflight(product, target, &release.path, &release.version).await
        {
            let failure = Failure::new(Class::Config, what).hint(hint);
            let found = if weight == product::Weight::Problem { Found::problem(failure) } else { Found::advice(failure) };
            findings.add(Some(target), product.name(), found);
        }
    }
}

/// How the database stands to the release, by what is known of the product.
async fn by_product(product: Product, target: &Target, release: &Installed) -> Found {
    let shape = match Engine::of(&target.database).shape(&backup::history_tables(target)).await {
        Ok(shape) => shape,
        Err(error) => return Found::problem(Failure::of(&error)),
    };
    let verdict = product::judge(product, target, &shape, &release.path, &release.version);
    let problem = |what: String, hint: &str| Found::problem(Failure::new(Class::Data, what).hint(hint));
    let failed = [verdict.failed, shape.failed(None)].concat();
    if !failed.is_empty() {
        let message = format!("these migrations failed or never finished: {}", few(&failed, ", "));
        return problem(message, "restore the archive taken before them: `upkeep list TARGET`");
    }
    if !verdict.blocked.is_empty() {
        return problem(verdict.blocked.join("; "), "then look again: `upkeep check`");
    }
    if !verdict.ahead.is_empty() {
        let message = format!(
            "the database holds migrations that release {} does not know: {}",
            release.version,
            few(&verdict.ahead, ", ")
        );
        return problem(message, "install the release that knows them");
    }
    let head = shape.head().map(|head| format!("at {head}, ")).unwrap_or_default();
    match verdict.pending.as_slice() {
        [] => Found::good(format!("{head}0 pending")),
        pending => Found::good(format!("{head}{} pending: {}", pending.len(), few(pending, ", "))),
    }
}

/// How the database stands to the release's migrations, by whatever says so.
async fn migrations(target: &Target, settings: &Migrations, root: &Path) -> Found {
    if settings.locations.is_empty() {
        return history(target, "no `locations` say what should be there").await;
    }
    let ours = settings.runner == Runner::Flyway;
    let section = format!("[targets.{}.migrations]", target.name);
    let beside = |why: &str| {
        let message = format!("{why}: `locations` say nothing of what the release still has to do");
        Found::advice(Failure::new(Class::Config, message).hint(format!("leave them out: `locations = []` in `{section}`")))
    };
    let info = match migrate::info(&target.database, settings, root).await {
        Ok(info) => info,
        Err(migrate::MigrateError::NoLocation { location, .. }) if !ours => {
            return beside(&format!("`{location}` does not exist in this release"));
        }
        Err(error) => return Found::problem(Failure::of(&error)),
    };
    let owned = info.problems.iter().find(|problem| matches!(problem, Problem::Owned { .. }));
    if let Some(owned) = owned.filter(|_| !ours && !info.exists) {
        return beside(&owned.to_string());
    }
    if !ours && info.entries.is_empty() && !info.left_alone.is_empty() {
        return beside("none of the files there is a migration of Flyway's");
    }
    // Whoever else migrates may keep a history of its own, and may be handed over to.
    let others = |problem: &Problem| matches!(problem, Problem::Owned { .. } | Problem::HandsOver { .. });
    let problems: Vec<Problem> = info.problems.into_iter().filter(|problem| ours || !others(problem)).collect();
    if !problems.is_empty() {
        let failure = Failure::of(&migrate::MigrateError::Refused(problems));
        return Found::problem(failure.hint(format!("see all: `upkeep migrate validate {}`", target.name)));
    }
    let head = info.head.as_deref().map(|head| format!("at {head}, ")).unwrap_or_default();
    let told = format!("{head}{} pending", info.pending.len());
    if ours { Found::good(told) } else { history(target, &told).await }
}

/// What the histories in the database say by themselves.
async fn history(target: &Target, told: &str) -> Found {
    let shape = match Engine::of(&target.database).shape(&backup::history_tables(target)).await {
        Ok(shape) => shape,
        Err(error) => return Found::problem(Failure::of(&error)),
    };
    let failed = shape.failed(None);
    if !failed.is_empty() {
        let message = format!("the history says that these migrations failed or never finished: {}", few(&failed, ", "));
        let hint = format!("restore the archive taken before them: `upkeep list {}`", target.name);
        return Found::problem(Failure::new(Class::Data, message).hint(hint));
    }
    match (shape.counting(None), shape.head()) {
        (Some(history), Some(head)) => Found::good(format!("{} is at {head} in {}; {told}", history.tool, history.table)),
        _ => Found::good(format!("no history of them in the database; {told}")),
    }
}

async fn server(target: &Target, settings: &Service, findings: &mut Findings) {
    let name = service::name(settings);
    let state = service::status(settings).await;
    let section = format!("[targets.{}.service]", target.name);
    let found = match &state {
        ServiceState::Unknown(why) => {
            let message = format!("cannot determine whether {name} runs: {why}");
            Err(Failure::new(Class::Unavailable, message).hint(format!("check `unit` or `status` in `{section}`")))
        }
        state => Ok(format!("{name} is {state}")),
    };
    findings.add(Some(target), "service", found);
    if settings.health.is_empty() {
        let message = "none: a server that starts but does not work would count as healthy";
        let hint = format!("say what must answer: `health = [{{ http = \"http://127.0.0.1:8080/health\" }}]` in `{section}`");
        findings.add(Some(target), "health", Found::advice(Failure::new(Class::Config, message).hint(hint)));
    } else if state == ServiceState::Running {
        let found = match service::healthy(settings).await {
            Ok(answer) => Ok(answer),
            Err(answer) => Err(Failure::new(Class::Unavailable, format!("{name} is running but not healthy: {answer}"))
                .hint(format!("fix the server, or `health` in `{section}`; an upgrade would be rolled back"))),
        };
        findings.add(Some(target), "health", found);
    }
}

/// What keeps the server down, where more does than that somebody stopped it. A daemon knows whether somebody is at work on it; beside
/// somebody who works without one, whatever is seen is the middle of that work.
async fn down(config: &Config, target: &Target, world: &World) -> Option<Failure> {
    let failure = |why: &str, next_step: String| Failure::new(Class::Unavailable, format!("it is down: {why}")).hint(next_step);
    if let Ok(Some(client)) = Client::connect(&config.control.socket).await {
        let outage = client.target(&target.name).await.ok()?.outage?;
        return Some(failure(&outage.why, outage.next_step));
    }
    if Lock::holder(&config.daemon.state_dir.join(LOCK)).is_some() {
        return None;
    }
    let state = session::state(config).await.ok()?;
    let ctx = Context { config: Arc::new(config.clone()), state, clock: world.clock.clone() };
    let outage = match upgrade::observe(&ctx, target).await {
        Ok(seen) => upgrade::outage(&ctx, target, &seen).await.ok().flatten(),
        Err(_) => None,
    };
    ctx.state.close().await;
    let words = outage?.words;
    Some(failure(&words.why, words.next_step))
}

/// The vendor's tool: its user and its program must be there before an upgrade needs them.
async fn tool(target: &Target) -> Option<Found> {
    let Runner::Command { argv, directory, user, .. } = &target.migrations.as_ref()?.runner else { return None };
    let section = format!("[targets.{}.migrations]", target.name);
    if let Some(user) = user {
        let known = Command::new(&["id", "-u", "--", user], DEADLINE).run().await;
        if !known.is_ok_and(|known| known.success()) {
            let failure = Failure::new(Class::NoInput, format!("there is no user {user}"));
            return Some(Found::problem(failure.hint(format!("fix `user` in `{section}`, or make that user"))));
        }
    }
    let program = argv.first()?;
    let base = directory.as_ref().or(target.release.as_ref().map(|release| &release.path));
    let path = base.map_or_else(|| program.into(), |base| base.join(program));
    let whose = user.as_deref().map_or("the daemon's user".to_owned(), |user| format!("user {user}"));
    // A bare name is looked for by whoever runs it; what lies where we may not look is not missing.
    let missing =
        program.contains('/') && std::fs::metadata(&path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    if missing {
        let failure = Failure::new(Class::NoInput, format!("there is no {}", path.display()));
        return Some(Found::problem(failure.hint(format!("fix `command` in `{section}`"))));
    }
    let told = match target.product {
        // The profile's own, which is longer than a line and which nobody wrote.
        Some(product) if argv.iter().any(|word| word.contains("; ")) => {
            format!("the vendor's own, by the profile of {product}")
        }
        _ => text::shell(argv),
    };
    Some(Found::good(format!("{told} as {whose}")))
}

/// The directory itself, or the nearest one above it that exists.
fn nearest(directory: &Path) -> &Path {
    directory.ancestors().find(|above| above.exists()).unwrap_or(directory)
}

/// Whether a directory lies below one of ours.
fn below_ours(directory: &Path) -> bool {
    let us = rustix::process::geteuid().as_raw();
    directory.ancestors().skip(1).any(|above| std::fs::metadata(above).is_ok_and(|meta| us != 0 && meta.uid() == us))
}

pub(super) fn writable(directory: &Path) -> Result<String, Failure> {
    let there = nearest(directory);
    let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    match rustix::fs::access(there, wanted) {
        Ok(()) if there == directory => Ok(format!("{} can be written", directory.display())),
        Ok(()) => Ok(format!("{} will be made", directory.display())),
        Err(errno) => {
            let failure = Failure::new(Class::NoPermission, format!("cannot write in {}: {errno}", there.display()));
            Err(match there == directory {
                true => failure.hint(format!(
                    "give it to the daemon's user: `chown upkeep: {}`",
                    text::shell(&[directory.to_string_lossy()])
                )),
                // Below a directory of the daemon's own `setup` makes nothing.
                false if below_ours(there) => failure.hint(format!("give it to the daemon: `{}`", owner::given(there))),
                false => failure.hint(format!(
                    "make it: `upkeep setup`, or `install -d -o upkeep -g upkeep -m 750 {}`",
                    text::shell(&[directory.to_string_lossy()])
                )),
            })
        }
    }
}
