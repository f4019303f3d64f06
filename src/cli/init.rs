//! `upkeep init`: a configuration proposed from what is found on the host, and the commands from there to a first archive.
//!
//! Owns the text made of what was found, a pure function of it; the looking is done by `look`, `listen`, `ask` and `named`. Writes one new file; never over
//! one that is there. Held by `tests/it/first_archive.rs`.

mod account;
mod ask;
mod listen;
mod look;
mod named;
mod server;
mod service;
mod steps;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Stop, World, owner};
use crate::config::load::{self, Secrets, parse_url};
use crate::config::{Database, Location};
use crate::durable;
use crate::failure::{Class, Failure};
use crate::ids::TargetName;
use crate::text;

use account::Runner;
use ask::Known;
use named::Named;
use server::{Around, Proposed, Unlisted};
use service::{Server, backup, quoted};

/// Where the state is unless the configuration says otherwise; its group is the daemon's.
const STATE: &str = "/var/lib/upkeep";

/// Propose a configuration from what is found on this host: database servers that listen, with their databases and the account to
/// create; running services with their files, package, version, migrations and database; and what else lies in /opt and /srv.
///
/// Writes a new file that says what it guessed and what it could not find out, and prints the commands from there to a first
/// archive; never writes over a file that is there. A password is neither asked for nor printed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file [default: conf.d/found.toml beside the configuration file, or that file itself if there is none].
    path: Option<PathBuf>,
    /// Propose this database alone and look at nothing else: a SQLite file, or the URL of a database
    /// (`postgres:///shop?host=/run/postgresql`). May be given several times.
    #[arg(long, value_name = "FILE|URL")]
    database: Vec<String>,
    /// Only show it.
    #[arg(long)]
    print: bool,
}

#[derive(Debug, Default, Serialize)]
struct Found {
    servers: Vec<Server>,
    /// Database servers.
    listeners: Vec<Known>,
    /// Sockets that look like a database server's and were left alone, because there are too many.
    unasked: usize,
    /// SQLite files that were named.
    files: Vec<PathBuf>,
    /// URLs that were named with their account, and the names of their databases.
    urls: Vec<(String, String)>,
    /// Directories in /opt and /srv of which no running service is.
    idle: Vec<PathBuf>,
    /// Whether the host was looked at, or only what was named.
    #[serde(skip)]
    whole: bool,
    /// Names and places of the targets that are configured already.
    #[serde(skip)]
    configured: Vec<(TargetName, Location)>,
}

/// What is proposed of all that was found.
#[derive(Debug, Default)]
struct Proposal {
    text: String,
    targets: Vec<TargetName>,
    /// What makes the accounts, each with what it is for.
    accounts: Vec<(String, Vec<String>)>,
    notes: Vec<String>,
    /// Servers whose databases could not be listed, each with what it is.
    unlisted: Vec<(String, Unlisted)>,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let runner = runner(world);
    let found = found(&arguments.database, world).await?;
    let place = steps::Place::of(arguments.path.clone(), world, &runner);
    let proposal = proposal(&found, &runner, &place);
    is_as_meant(&proposal)?;
    if arguments.print {
        return world.terminal.show(&found, |_| proposal.text);
    }
    let path = &place.path;
    if path.exists() {
        let failure = Failure::new(Class::CannotCreate, format!("{} is there already", path.display()));
        return Err(failure.safe("it was left as it is").hint("look at a new proposal: `upkeep init --print`").into());
    }
    // A file that configures nothing would only be in the way of the next proposal.
    if !proposal.targets.is_empty() {
        write(path, &proposal.text)?;
    }
    world.terminal.show(&found, |found| steps::told(found, &proposal, &place, &runner))
}

/// As whom upkeep will run here: the daemon's user where a package made one, else whoever asks.
fn runner(world: &World) -> Runner {
    let uid = rustix::process::geteuid().as_raw();
    let name = owner::DAEMON_USER.to_owned();
    let own = crate::process::User::numbered(uid, uid);
    match (owner::daemon().is_some(), uid) {
        (true, uid) => Runner { name, known: true, root: uid == 0, uid },
        // Root's own name is no account for archives.
        (false, 0) => Runner { name, known: false, root: true, uid: 0 },
        (false, uid) if own.name().parse::<u32>().is_err() => {
            Runner { name: own.name().to_owned(), known: true, root: false, uid }
        }
        (false, uid) => Runner { name: world.environment.get("USER").cloned().unwrap_or(name), known: false, root: false, uid },
    }
}

async fn found(named: &[String], world: &World) -> Result<Found, Failure> {
    let configured = load::load_with(&world.config, &world.environment, Secrets::Leave).ok();
    let configured = configured.map(|config| config.targets).unwrap_or_default();
    let configured = configured.into_iter().map(|(name, target)| (name, target.database.location)).collect();
    if named.is_empty() {
        let servers = look::servers(&world.environment).await;
        let idle = look::idle(&servers);
        let (listeners, unasked) = ask::servers().await;
        return Ok(Found { listeners, unasked, idle, servers, whole: true, configured, ..Found::default() });
    }
    let mut found = Found { configured, ..Found::default() };
    for text in named {
        match named::look(text, &world.environment).await? {
            Named::File(path) => found.files.push(path),
            Named::Account { url, name } => found.urls.push((url, name)),
            Named::Server(known) => found.listeners.push(*known),
        }
    }
    Ok(found)
}

fn write(path: &Path, proposal: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Class::Io, format!("cannot write {} for the daemon's group to read: {error}", path.display()))
    };
    let elsewhere = |error: durable::DurableError| {
        Failure::of(&error).hint("name another place, `upkeep init FILE`, or only look: `upkeep init --print`")
    };
    if let Some(dir) = path.parent() {
        durable::make_dir(dir).map_err(elsewhere)?;
    }
    let mut file = durable::create_temporary(path).map_err(elsewhere)?;
    // For the daemon's group to read: somebody may write a password into it. Before it has its name, and by handle.
    if let Some(daemon) = fs::metadata(STATE).ok().filter(|_| rustix::process::geteuid().is_root()) {
        std::os::unix::fs::fchown(&file, None, Some(daemon.gid())).map_err(failed)?;
        file.set_permissions(fs::Permissions::from_mode(0o640)).map_err(failed)?;
    }
    file.write_all(proposal.as_bytes()).map_err(failed)?;
    durable::publish(&file, path).map_err(elsewhere)
}

/// Holds the text to what is meant by it: whatever servers, files and services are called, it configures the targets that are told, and nothing
/// beside. The last of several bars.
fn is_as_meant(proposal: &Proposal) -> Result<(), Failure> {
    let other = |what: String| {
        let failure = Failure::new(Class::Software, format!("the proposal says something else than is meant: {what}"));
        failure
            .safe("nothing was written")
            .hint("something on this host has a name that misleads; name what you want: `--database`")
    };
    let read: toml::Table = proposal.text.parse().map_err(|error: toml::de::Error| other(error.message().to_owned()))?;
    let none = toml::Table::new();
    let targets = read.get("targets").and_then(toml::Value::as_table).unwrap_or(&none);
    let meant: BTreeSet<&str> = proposal.targets.iter().map(TargetName::as_str).collect();
    let found: BTreeSet<&str> = targets.keys().map(String::as_str).collect();
    let head = read.keys().find(|key| !["targets", "daemon", "control"].contains(&key.as_str()));
    match (head, meant == found) {
        (Some(key), _) => Err(other(format!("it has `{key}`"))),
        (None, false) => Err(other("its targets are others".to_owned())),
        (None, true) => Ok(()),
    }
}

/// The proposal. Pure.
fn proposal(found: &Found, runner: &Runner, place: &steps::Place) -> Proposal {
    let mut lines = vec![
        "# Proposed by `upkeep init` from what it found on this host. What is a guess says so; `upkeep check` says what is"
            .to_owned(),
        "# missing. Every key with its default: /etc/upkeep/upkeep.toml, or config/upkeep.toml of the sources.".to_owned(),
    ];
    lines.extend(place.head.iter().cloned());
    lines.extend(
        found.idle.iter().map(|path| format!("# {}: no running service was found there.", text::line(&path.to_string_lossy()))),
    );
    if found.whole && found.servers.is_empty() {
        lines.push(
            "# No running service was found whose files lie under /opt, /srv, /usr/local or a directory of its own.".to_owned(),
        );
    }
    let mut proposal = Proposal::default();
    let mut names: BTreeSet<String> = found.configured.iter().map(|(name, _)| name.to_string()).collect();
    let mut taken: Vec<Location> = found.configured.iter().map(|(_, location)| location.clone()).collect();
    let listeners: Vec<_> = found.listeners.iter().map(|known| known.listener.clone()).collect();
    for server in &found.servers {
        let name = server.unit.trim_end_matches(".service").to_lowercase();
        let Ok(name) = TargetName::parse(&name) else { continue };
        // What is guessed is not proposed a second time: it is one database, and a person looks at the guess.
        let url = server.database.as_ref().map_or_else(|| service::guess(&name, &listeners), |address| address.url.clone());
        taken.extend(parse_url(&url, &load::Environment::new()).ok().map(|database| database.location));
        lines.push(String::new());
        lines.extend(service::target(&name, server, &listeners));
        names.insert(name.to_string());
        proposal.targets.push(name);
    }
    for known in &found.listeners {
        let around = Around { runner, beside: &place.beside, taken: &taken };
        let Proposed { lines: more, targets, commands, unlisted, notes } = server::proposed(known, &around, &mut names);
        lines.extend(more);
        proposal.targets.extend(targets);
        proposal.notes.extend(notes);
        proposal.unlisted.extend(unlisted.map(|unlisted| (known.called(), unlisted)));
        if !commands.is_empty() {
            proposal.accounts.push((known.called(), commands));
        }
    }
    let files = found.files.iter().map(|path| {
        let database = Database::at(Location::Sqlite { path: path.clone() });
        (database.url(), path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), false)
    });
    let urls = found.urls.iter().map(|(url, name)| (url.clone(), name.clone(), true));
    for (url, database, account) in files.chain(urls) {
        let Some(name) = server::free_name(&database, 2, &mut names) else { continue };
        lines.extend([String::new(), format!("[targets.{name}.database]"), format!("url = {}", quoted(&url))]);
        if account {
            lines.push("# The account's password, one line, in a file that only upkeep's user and root may read:".to_owned());
            lines.push(format!(
                "# password_file = {}",
                quoted(&place.beside.join(format!("{name}.password")).to_string_lossy())
            ));
        }
        lines.extend(backup(&name));
        proposal.targets.push(name);
    }
    lines.push(String::new());
    Proposal { text: text::printable(&lines.join("\n")).into_owned(), ..proposal }
}

#[cfg(test)]
mod tests;
