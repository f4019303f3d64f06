//! `upkeep init`: a configuration proposed from what is found on the host.
//!
//! Owns the looking (running units, where their programs lie, their package, version file, migration scripts, listening
//! database servers) and the text made of it. Looks only, and writes one new file; never over one that is there. What the
//! text says is a pure function of what was found.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::{Stop, World};
use crate::durable;
use crate::failure::{Class, Failure};
use crate::ids::TargetName;
use crate::process::Command;

/// How long each question to the host may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where servers are installed. What lies elsewhere is the system's own.
const HOMES: [&str; 5] = ["/opt", "/srv", "/usr/local", "/usr/lib", "/usr/share"];

/// Directories below those that are no server's own.
const SHARED: [&str; 10] =
    ["bin", "lib", "sbin", "jvm", "systemd", "postgresql", "polkit-1", "dbus-1.0", "python3", "x86_64-linux-gnu"];

/// How deep below a release scripts are looked for.
const DEPTH: usize = 5;

/// Propose a configuration from what is found on this host: running services with their files, package, version and
/// migrations, and the database servers that listen.
///
/// Writes a new file that says what it guessed and what it could not find out; never over one that is there. Read it, mend it,
/// then run `upkeep check`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file [default: conf.d/found.toml beside the configuration file].
    path: Option<PathBuf>,
    /// Only show it.
    #[arg(long)]
    print: bool,
}

/// A service that may be a target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct Server {
    unit: String,
    /// Its release.
    path: PathBuf,
    /// The Debian package the release is of.
    package: Option<String>,
    /// Whether there is a file `VERSION`.
    version_file: bool,
    /// Directories with scripts in Flyway's layout, below the release.
    scripts: Vec<String>,
}

/// A database server that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Listener {
    /// As a URL begins (`postgres`).
    scheme: &'static str,
    /// The socket's directory or path.
    socket: PathBuf,
    port: u16,
}

#[derive(Debug, Default, Serialize)]
struct Found {
    servers: Vec<Server>,
    listeners: Vec<Listener>,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let found = Found { servers: servers().await, listeners: listeners() };
    let proposal = text(&found);
    if arguments.print {
        return world.terminal.show(&found, |_| proposal);
    }
    let beside = world.config.parent().unwrap_or(Path::new("/"));
    let path = arguments.path.unwrap_or_else(|| beside.join("conf.d/found.toml"));
    if path.exists() {
        let failure = Failure::new(Class::CannotCreate, format!("{} is there already", path.display()));
        return Err(failure.safe("it was left as it is").hint("look at a new proposal: `upkeep init --print`").into());
    }
    if let Some(dir) = path.parent() {
        durable::make_dir(dir)?;
    }
    durable::write(&path, proposal.as_bytes())?;
    world.terminal.show(&found, |found| {
        let count = found.servers.len();
        format!("wrote {} with {count} possible targets; read it, mend it, then run `upkeep check`", path.display())
    })
}

async fn ask(argv: &[&str]) -> String {
    // Whatever cannot be asked is not found.
    Command::new(argv, DEADLINE).run().await.map(|finished| finished.stdout).unwrap_or_default()
}

async fn servers() -> Vec<Server> {
    let listed =
        ask(&["systemctl", "list-units", "--type=service", "--state=running", "--no-legend", "--plain", "--no-pager"]).await;
    let mut servers = Vec::new();
    for unit in listed.lines().filter_map(|line| line.split_whitespace().next()).filter(|unit| !unit.contains('@')) {
        let exec = ask(&["systemctl", "show", "--property=ExecStart", "--value", "--", unit]).await;
        let Some(path) = home(&exec) else { continue };
        let package = ask(&["dpkg-query", "-S", &path.display().to_string()]).await;
        let package = package.split(": ").next().filter(|name| !name.is_empty() && !name.contains([',', ' ', '\n']));
        servers.push(Server {
            unit: unit.to_owned(),
            package: package.map(str::to_owned),
            version_file: path.join("VERSION").is_file(),
            scripts: scripts(&path),
            path,
        });
    }
    servers
}

/// Where a server lies, by the absolute paths on its command line: the directory below one of the homes.
fn home(exec: &str) -> Option<PathBuf> {
    let command = exec.split("argv[]=").nth(1)?.split(" ;").next()?;
    command.split_whitespace().filter(|word| word.starts_with('/')).find_map(|word| {
        let rest = HOMES.iter().find_map(|home| Some((home, Path::new(word).strip_prefix(home).ok()?)))?;
        let first = rest.1.components().next()?.as_os_str().to_str()?;
        let deeper = rest.1.components().count() > 1;
        (deeper && !SHARED.contains(&first)).then(|| Path::new(rest.0).join(first))
    })
}

/// The directories below a release that hold scripts in Flyway's layout.
fn scripts(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(root.to_owned(), 0)];
    while let Some((dir, depth)) = open.pop() {
        let mut holds = false;
        for entry in fs::read_dir(&dir).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let versioned = name.strip_prefix('V').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            holds |= versioned && name.contains("__") && name.ends_with(".sql");
            // Not through symlinks, which may lead anywhere.
            if depth < DEPTH && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push((entry.path(), depth + 1));
            }
        }
        if let Some(below) = dir.strip_prefix(root).ok().filter(|_| holds) {
            found.push(below.display().to_string());
        }
    }
    found.sort();
    found
}

fn listeners() -> Vec<Listener> {
    let mut found = Vec::new();
    let directory = Path::new("/run/postgresql");
    for entry in fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(port) = name.strip_prefix(".s.PGSQL.").and_then(|port| port.parse().ok()) {
            found.push(Listener { scheme: "postgres", socket: directory.to_owned(), port });
        }
    }
    let mysql = Path::new("/run/mysqld/mysqld.sock");
    if mysql.exists() {
        found.push(Listener { scheme: "mysql", socket: mysql.to_owned(), port: 3306 });
    }
    found.sort_by_key(|listener| listener.port);
    found
}

/// The proposal. Pure.
fn text(found: &Found) -> String {
    let mut lines = vec![
        "# Proposed by `upkeep init` from what it found on this host. What is a guess says so; `upkeep check` says what is"
            .to_owned(),
        "# missing. Every key with its default: /etc/upkeep/upkeep.toml, or config/upkeep.toml of the sources.".to_owned(),
    ];
    for listener in &found.listeners {
        lines.push(format!("# Listening: {} at {}, port {}.", listener.scheme, listener.socket.display(), listener.port));
    }
    if found.servers.is_empty() {
        lines.push(
            "# No running service was found whose files lie under /opt, /srv, /usr/local or a directory of its own.".to_owned(),
        );
    }
    for server in &found.servers {
        let name = server.unit.trim_end_matches(".service").to_lowercase();
        let Ok(name) = TargetName::parse(&name) else { continue };
        lines.push(String::new());
        lines.extend(target(&name, server, &found.listeners));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn target(name: &TargetName, server: &Server, listeners: &[Listener]) -> Vec<String> {
    let scheme = listeners.first().map_or("postgres", |listener| listener.scheme);
    let port = listeners.first().map_or_else(String::new, |listener| format!(":{}", listener.port));
    let probe = match &server.package {
        Some(package) => format!("{{ dpkg = \"{package}\" }}"),
        None if server.version_file => "{ file = \"VERSION\" }".to_owned(),
        None => "{ symlink = true }".to_owned(),
    };
    let mut lines = vec![
        format!("[targets.{name}.database]"),
        "# A guess: user and database are called as the unit. The password from a file that root owns and group upkeep reads."
            .to_owned(),
        format!("url = \"{scheme}://{name}@127.0.0.1{port}/{name}\""),
        format!("# password_file = \"/etc/upkeep/{name}.password\""),
        format!("[targets.{name}.backup]"),
        "schedule = \"30 2 * * *\"".to_owned(),
        "# timezone = \"Europe/Berlin\"".to_owned(),
        format!("[targets.{name}.release]"),
        format!("path = \"{}\"", server.path.display()),
        format!("version = {probe}"),
    ];
    if server.package.is_none() && !server.version_file {
        lines.push("# A guess: neither a package nor a file VERSION was found.".to_owned());
    }
    if server.scripts.is_empty() {
        lines.push(
            "# No migration scripts were found. Who migrates the database? \"flyway\", \"command\" or \"on-start\".".to_owned(),
        );
        lines.push(format!("# [targets.{name}.migrations]"));
        lines.push("# runner = \"on-start\"".to_owned());
    } else {
        let locations: Vec<String> = server.scripts.iter().map(|location| format!("\"{location}\"")).collect();
        lines.push(format!("[targets.{name}.migrations]"));
        lines.push("runner = \"flyway\"".to_owned());
        lines.push(format!("locations = [{}]", locations.join(", ")));
    }
    lines.push(format!("[targets.{name}.service]"));
    lines.push(format!("unit = \"{}\"", server.unit));
    lines.push("# What must answer before it counts as healthy.".to_owned());
    lines.push("# health = [{ http = \"http://127.0.0.1:8080/health\" }]".to_owned());
    lines.push(format!("[targets.{name}.upgrade]"));
    lines.push("# A person decides until you have seen one go well.".to_owned());
    lines.push("auto = false".to_owned());
    lines
}

#[cfg(test)]
mod tests;
