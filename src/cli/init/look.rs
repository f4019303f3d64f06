//! What `upkeep init` looks at. Looks only; whatever cannot be asked is not found.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::service::Server;
use crate::config::Product;
use crate::config::address;
use crate::config::load::Environment;
use crate::process::{self, Command};
use crate::{product, trust};

/// How long each question to the host may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where servers are installed that came with no package of the system's, or with a vendor's.
const HOMES: [&str; 3] = ["/opt", "/srv", "/usr/local"];

/// Where the system's own lie too: only what has a version file or migrations of its own counts.
const SYSTEM: [&str; 2] = ["/usr/lib", "/usr/share"];

/// Directories below those that are no server's own.
const SHARED: [&str; 10] =
    ["bin", "lib", "sbin", "jvm", "systemd", "postgresql", "polkit-1", "dbus-1.0", "python3", "x86_64-linux-gnu"];

/// A file of variables longer than this is none.
const VARIABLES_BYTES: u64 = 1024 * 1024;

/// How deep below a release scripts are looked for.
const DEPTH: usize = 5;

/// A failed or restarting one is a server too.
const STATES: &str = "--state=running,activating,auto-restart,failed";

async fn ask(argv: &[&str]) -> String {
    Command::new(argv, DEADLINE).run().await.map(|finished| finished.stdout).unwrap_or_default()
}

pub(super) async fn servers(environment: &Environment) -> Vec<Server> {
    let listed = ask(&["systemctl", "list-units", "--type=service", STATES, "--no-legend", "--plain", "--no-pager"]).await;
    let units = listed.lines().filter_map(|line| line.split_whitespace().next()).filter(|unit| !unit.contains('@'));
    let mut argv = vec!["systemctl", "show", "--property=Id,ExecStart,WorkingDirectory,MainPID,User,EnvironmentFiles", "--"];
    argv.extend(units);
    let shown = if argv.len() > 4 { ask(&argv).await } else { String::new() };
    let mut servers = Vec::new();
    for unit in shown.split("\n\n") {
        let value = |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
        let running = process_of(value("MainPID"));
        let words = arguments(value("ExecStart")).into_iter().map(str::to_owned).chain(running.words.iter().cloned());
        let words: Vec<String> = words.chain([value("WorkingDirectory").trim_start_matches('!').to_owned()]).collect();
        let own = |path: &PathBuf| HOMES.iter().any(|home| path.starts_with(home));
        let whole = |path: &PathBuf| own(path) || path.join("VERSION").is_file() || !scripts(path).is_empty();
        let Some(path) = words.iter().flat_map(|word| homes(word)).find(whole) else { continue };
        let known = product::recognise(&path);
        let file = value("EnvironmentFiles").split(" (").next().filter(|file| file.starts_with('/')).map(PathBuf::from);
        servers.push(Server {
            unit: value("Id").to_owned(),
            product: known.map(Product::name),
            user: Some(value("User")).filter(|user| !user.is_empty() && *user != "root").map(str::to_owned),
            package: package(&path).await,
            version_file: path.join("VERSION").is_file(),
            scripts: scripts(&path),
            database: match known {
                Some(product) => named_by(product, &path, &running.environment, file.as_deref(), environment),
                None => address::of(&words, &running.environment, environment),
            },
            environment_file: file,
            path,
        });
    }
    servers
}

async fn package(path: &Path) -> Option<String> {
    let said = ask(&["dpkg-query", "-S", &path.display().to_string()]).await;
    let name = said.split(": ").next().filter(|name| !name.is_empty() && !name.contains([',', ' ', '\n']));
    name.map(str::to_owned)
}

/// What runs as a server, where we may look.
#[derive(Debug, Default)]
struct Process {
    words: Vec<String>,
    environment: BTreeMap<String, String>,
}

fn process_of(pid: &str) -> Process {
    let read = |name: &str| {
        let bytes = fs::read(Path::new("/proc").join(pid).join(name)).unwrap_or_default();
        let parts = bytes.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>()
    };
    if pid.is_empty() || pid == "0" {
        return Process::default();
    }
    let variables = read("environ").into_iter().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    Process { words: read("cmdline"), environment: variables.collect() }
}

/// The words of a command line as `systemctl show` prints it.
fn arguments(exec: &str) -> Vec<&str> {
    let command = exec.split("argv[]=").nth(1).and_then(|rest| rest.split(" ;").next());
    command.unwrap_or_default().split_whitespace().collect()
}

/// Where a server may lie, by the paths in a word of its command line: the directories below the homes.
fn homes(word: &str) -> Vec<PathBuf> {
    // Class paths and `-Dapp.home=/opt/app` too.
    let parts = word.split([':', '=']).filter(|part| part.starts_with('/'));
    let below = parts.filter_map(|part| {
        let (home, rest) =
            HOMES.iter().chain(&SYSTEM).find_map(|home| Some((home, Path::new(part).strip_prefix(home).ok()?)))?;
        let first = rest.components().next()?.as_os_str().to_str()?;
        let deeper = rest.components().count() > 1 || (HOMES.contains(home) && Path::new(part).is_dir());
        (deeper && !SHARED.contains(&first)).then(|| Path::new(home).join(first))
    });
    below.collect()
}

/// The database that a product's own configuration names, with the variables that its server gets.
fn named_by(
    product: Product,
    path: &Path,
    running: &BTreeMap<String, String>,
    file: Option<&Path>,
    environment: &Environment,
) -> Option<address::Address> {
    let mut variables = file.and_then(|file| trust::read_to_string(file, VARIABLES_BYTES).ok());
    let mut all = variables.take().map(|text| process::environment_file(&text)).unwrap_or_default();
    // What it really runs with counts before what it would be given today.
    all.extend(running.clone());
    let url = product::jdbc(product, path, &all).ok()?;
    address::of(&[url], &BTreeMap::new(), environment)
}

/// Directories in /opt and /srv of which no server is.
pub(super) fn idle(servers: &[Server]) -> Vec<PathBuf> {
    let entries = ["/opt", "/srv"].iter().flat_map(|home| fs::read_dir(home).into_iter().flatten().filter_map(Result::ok));
    let mut idle: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| !servers.iter().any(|server| server.path == *path))
        .collect();
    idle.sort();
    idle
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

#[cfg(test)]
mod tests;
