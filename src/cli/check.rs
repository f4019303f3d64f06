//! `upkeep check`: configuration and host, every problem at once, each with its next step. Changes nothing.

use std::path::Path;

use serde::Serialize;

use super::terminal::{Terminal, Tone};
use super::{Stop, World, human, session};
use crate::config::load::{self, Secrets};
use crate::config::{Config, Location, Target};
use crate::control::client::Client;
use crate::durable;
use crate::engine::{self, Engine};
use crate::failure::{Class, Failure};
use crate::service::ServiceState;
use crate::{migrate, release, service};

/// Check configuration and host. Every problem is shown at once, each with its next step; nothing is changed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    /// The target; none for the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// What was looked at (`database`).
    what: &'static str,
    /// What was found, when it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    good: Option<String>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Failure>,
}

/// Everything looked at.
#[derive(Debug, Serialize)]
struct Report {
    problems: usize,
    findings: Vec<Finding>,
}

/// An answer of one look.
type Found = Result<String, Failure>;

pub(super) async fn run(_arguments: Arguments, world: &World) -> Result<(), Stop> {
    let config = session::config(world, Secrets::Read)?;
    let mut findings = Vec::new();
    let mut add = |target: Option<&Target>, what: &'static str, found: Found| {
        let target = target.map(|target| target.name.to_string());
        let (good, problem) = match found {
            Ok(good) => (Some(good), None),
            Err(problem) => (None, Some(problem)),
        };
        findings.push(Finding { target, what, good, problem });
    };
    let many = human::many(config.targets.len() as u64, "target");
    add(None, "configuration", Ok(format!("{}, {many}", world.config.display())));
    add(None, "state", writable(&config.daemon.state_dir));
    add(None, "daemon", daemon(&config).await);
    if Path::new("/run/systemd/system").is_dir() && world.config == Path::new(load::DEFAULT_PATH) {
        add(None, "setup", set_up(&config, &world.config));
    }
    for target in config.targets.values() {
        let size = database(target, &mut add).await;
        add(Some(target), "archives", room(target, size));
        installed(target, &mut add).await;
        if let Some(settings) = &target.service {
            add(
                Some(target),
                "service",
                match service::status(settings).await {
                    ServiceState::Unknown(why) => Err(Failure::new(
                        Class::Unavailable,
                        format!("the state of {} cannot be told: {why}", service::name(settings)),
                    )
                    .hint("check `unit` or `status` in `[targets.T.service]`")),
                    state => Ok(format!("{} is {state}", service::name(settings))),
                },
            );
        }
    }
    let problems = findings.iter().filter(|finding| finding.problem.is_some()).count();
    let worst = findings.iter().filter_map(|finding| finding.problem.as_ref()).map(|problem| problem.class).max();
    world.terminal.show(&Report { problems, findings }, |report| text(report, world.terminal))?;
    worst.map_or(Ok(()), |class| Err(Stop::Answer(class.code())))
}

fn set_up(config: &Config, path: &Path) -> Found {
    let outdated = super::setup::outdated(config, path);
    if outdated.is_empty() {
        return Ok("polkit rule, gates and sandbox fit the configuration".to_owned());
    }
    let mut failure = Failure::new(Class::Config, "the host does not fit the configuration");
    failure.causes = outdated.iter().map(|path| format!("{} is missing or another", path.display())).collect();
    Err(failure.hint("as root: `upkeep setup`, then `systemctl restart upkeepd`"))
}

async fn daemon(config: &Config) -> Found {
    match Client::connect(&config.control.socket).await? {
        Some(client) => Ok(format!("{} answers at {}", client.status().await?.tool, config.control.socket.display())),
        // Not a problem of configuration or host: before the first start this is what one looks at.
        None => Ok("none runs, so nothing happens by itself; start it: `systemctl enable --now upkeepd`".to_owned()),
    }
}

/// Reaches the database and sizes it; gives its size in bytes.
async fn database(target: &Target, add: &mut impl FnMut(Option<&Target>, &'static str, Found)) -> Option<u64> {
    let engine = Engine::of(&target.database);
    let server = match engine.identify().await {
        Ok(server) => server,
        Err(error) => {
            add(Some(target), "database", Err(Failure::of(&error)));
            return None;
        }
    };
    let histories: Vec<String> = target.migrations.iter().map(|migrations| migrations.table.clone()).collect();
    match engine.survey(&histories).await {
        Ok(survey) if !survey.exists => {
            let what = format!("{} does not exist", target.database.location);
            add(
                Some(target),
                "database",
                Err(Failure::new(Class::NoInput, what).hint("check `url` in `[targets.T.database]`")),
            );
            None
        }
        Ok(survey) => {
            let tables = human::many(survey.tables.len() as u64, "table");
            add(
                Some(target),
                "database",
                Ok(format!("{} {}, {tables}, {}", server.flavour, server.version, human::size(survey.bytes))),
            );
            if let Location::Postgres { .. } = target.database.location {
                add(Some(target), "pg_dump", pg_dump(&server.version, target).await);
                let all = engine::postgres::can_read_all(&target.database).await;
                add(
                    Some(target),
                    "privileges",
                    all.map(|()| "every row can be read".to_owned()).map_err(|error| Failure::of(&error)),
                );
            }
            Some(survey.bytes)
        }
        Err(error) => {
            add(Some(target), "database", Err(Failure::of(&error)));
            None
        }
    }
}

async fn pg_dump(version: &str, target: &Target) -> Found {
    if engine::postgres::has_pg_dump(version, &target.database).await {
        return Ok(format!("one for PostgreSQL {version} is here"));
    }
    let major = version.split('.').next().unwrap_or(version);
    Err(Failure::new(Class::Unavailable, format!("there is no pg_dump of the server's major, {major}"))
        .safe("archives are taken, but without the schema: they restore only into a database of the same shape")
        .hint(format!("install it: `apt-get install postgresql-client-{major}`"))
        .hint(format!("or say where it is: `client_bindir` in `[targets.{}.database]`", target.name)))
}

/// Whether one archive and its restore fit: an archive is smaller than its database, and a restore needs as much again.
fn room(target: &Target, size: Option<u64>) -> Found {
    let directory = &target.backup.directory;
    let good = writable(directory)?;
    let free = durable::free_bytes(nearest(directory))?;
    match size {
        Some(size) if free < size => Err(Failure::new(
            Class::CannotCreate,
            format!("{} has {} free, and the database holds {}", directory.display(), human::size(free), human::size(size)),
        )
        .safe("nothing was begun")
        .hint("make room, or name another `directory` in `[targets.T.backup]`")),
        _ => Ok(format!("{good}, {} free", human::size(free))),
    }
}

async fn installed(target: &Target, add: &mut impl FnMut(Option<&Target>, &'static str, Found)) {
    let Some(settings) = &target.release else { return };
    let root = match release::read(settings).await {
        Ok(installed) => {
            add(
                Some(target),
                "release",
                Ok(format!("{} in {} (by {})", installed.version, installed.path.display(), installed.probe)),
            );
            installed.path
        }
        Err(error) => return add(Some(target), "release", Err(Failure::of(&error))),
    };
    let Some(settings) = &target.migrations else { return };
    let found = match migrate::info(&target.database, settings, &root).await {
        Err(error) => Err(Failure::of(&error)),
        Ok(info) if !info.problems.is_empty() => Err(Failure::of(&migrate::MigrateError::Refused(info.problems))
            .hint(format!("see all: `upkeep migrate validate {}`", target.name))),
        Ok(info) => {
            let head = info.head.as_deref().map(|head| format!("at {head}, ")).unwrap_or_default();
            Ok(format!("{head}{} pending", info.pending.len()))
        }
    };
    add(Some(target), "migrations", found);
}

/// The directory itself, or the nearest one above it that exists.
fn nearest(directory: &Path) -> &Path {
    directory.ancestors().find(|above| above.exists()).unwrap_or(directory)
}

fn writable(directory: &Path) -> Found {
    let there = nearest(directory);
    let wanted = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    match rustix::fs::access(there, wanted) {
        Ok(()) if there == directory => Ok(format!("{} can be written", directory.display())),
        Ok(()) => Ok(format!("{} will be made", directory.display())),
        Err(errno) => Err(Failure::new(Class::NoPermission, format!("cannot write in {}: {errno}", there.display())).hint(
            format!("run this as the user that runs upkeep, or give it the directory: `chown upkeep {}`", directory.display()),
        )),
    }
}

fn text(report: &Report, terminal: Terminal) -> String {
    let mut lines = Vec::new();
    for finding in &report.findings {
        let whose = finding.target.as_deref().unwrap_or("host");
        let subject = format!("{whose:<14} {:<14}", finding.what);
        match (&finding.good, &finding.problem) {
            (Some(good), _) => lines.push(format!("{} {subject} {good}", terminal.paint(Tone::Good, "✓"))),
            (None, Some(problem)) => {
                lines.push(format!(
                    "{} {subject} {}",
                    terminal.paint(Tone::Bad, "✗"),
                    terminal.paint(Tone::Bad, &problem.message)
                ));
                lines.extend(problem.causes.iter().map(|cause| format!("{:32}caused by: {cause}", "")));
                lines.extend(problem.safe.iter().map(|safe| format!("{:32}safe: {safe}", "")));
                lines.extend(problem.hints.iter().map(|hint| format!("{:32}hint: {hint}", "")));
            }
            (None, None) => {}
        }
    }
    lines.push(match report.problems {
        0 => "all is well".to_owned(),
        count => human::many(count as u64, "problem"),
    });
    lines.join("\n")
}
