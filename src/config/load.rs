//! Reading the configuration: built-in defaults, the profile, the file, `conf.d`, the environment, each above the last.
//!
//! Owns the order of the layers and the turn from raw tables to checked types. Never prints and never fills a gap by a
//! guess. Invariants: every problem is reported at once, each with where it was written and its full key; a password is in no
//! message; held by `tests.rs` beside this file, which also loads everything in `config/`.

mod layers;
mod location;
mod offsite;
mod target;
mod values;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::raw::{Node, Problems, Table};
use super::{Config, Control, Daemon};
use crate::failure::{Class, Explain};

pub(crate) use super::given::duration;
pub use super::given::{Environment, Problem};
pub use location::{NotAUrl, parse_url, parse_url_beside};

/// Where the configuration is when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/upkeep/upkeep.toml";

/// Where the daemon listens when the configuration does not say otherwise.
pub const DEFAULT_SOCKET: &str = "/run/upkeep/upkeep.sock";

/// Everything wrong with a configuration, as an error whose chain of causes is the list of problems.
#[derive(Debug)]
pub struct ConfigProblems {
    path: PathBuf,
    count: usize,
    first: Option<Box<Link>>,
}

#[derive(Debug)]
struct Link {
    problem: Problem,
    next: Option<Box<Link>>,
}

impl ConfigProblems {
    fn new(path: &Path, problems: Vec<Problem>) -> Self {
        let count = problems.len();
        let first = problems.into_iter().rev().fold(None, |next, problem| Some(Box::new(Link { problem, next })));
        Self { path: path.to_owned(), count, first }
    }

    /// Whether nothing is wrong but that this user may not read it: the daemon may, and can be asked.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.count > 0 && self.problems().all(|problem| problem.what == layers::CLOSED)
    }

    /// The problems, in the order they were found.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        std::iter::successors(self.first.as_deref(), |link| link.next.as_deref()).map(|link| &link.problem)
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = crate::count::many(self.count as u64, "problem");
        write!(f, "cannot use the configuration {}: {many}", self.path.display())
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for ConfigProblems {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.first.as_deref().map(|link| link as _)
    }
}

impl std::error::Error for Link {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.next.as_deref().map(|link| link as _)
    }
}

impl Explain for ConfigProblems {
    fn class(&self) -> Class {
        if self.closed() { Class::NoPermission } else { Class::Config }
    }

    fn safe(&self) -> Option<String> {
        Some("nothing was begun; a running daemon goes on with the configuration it has".to_owned())
    }

    fn hints(&self) -> Vec<String> {
        if self.closed() {
            return vec![
                "start the daemon, which answers without it: `systemctl start upkeepd`; or run this as root".to_owned(),
            ];
        }
        vec![format!("fix what is listed, then look again: `upkeep check --config {}`", self.path.display())]
    }
}

/// Whether passwords are read. A client that only talks to the daemon needs none, and may not be allowed to read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Read them; one that cannot be read is a problem.
    Read,
    /// Leave them where they are.
    Leave,
}

/// Reads everything, passwords too.
///
/// # Errors
/// All problems at once.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, ConfigProblems> {
    load_with(path, environment, Secrets::Read)
}

/// Reads everything, and passwords as asked.
///
/// # Errors
/// All problems at once.
pub fn load_with(path: &Path, environment: &Environment, secrets: Secrets) -> Result<Config, ConfigProblems> {
    let problems = Problems::new(path.display().to_string());
    // A file that cannot be parsed hides keys: what would be said of those missing would mislead, so it is said alone.
    let Some(merged) = layers::merged(path, environment, &problems) else {
        return Err(ConfigProblems::new(path, problems.into_found()));
    };
    let config = configured(&Node::root(&merged, &problems), environment, secrets);
    let found = problems.into_found();
    if found.is_empty() { Ok(config) } else { Err(ConfigProblems::new(path, found)) }
}

/// Reads everything; passwords that cannot be read are told beside it, and missing in it. For whoever looks for problems.
///
/// # Errors
/// All problems at once, when anything but a password is wrong.
pub fn load_telling(path: &Path, environment: &Environment) -> Result<(Config, Vec<Problem>), ConfigProblems> {
    load_with(path, environment, Secrets::Leave)?;
    let problems = Problems::new(path.display().to_string());
    let Some(merged) = layers::merged(path, environment, &problems) else {
        return Err(ConfigProblems::new(path, problems.into_found()));
    };
    let config = configured(&Node::root(&merged, &problems), environment, Secrets::Read);
    Ok((config, problems.into_found()))
}

/// What a command line says in place of a configuration, read by the same rules as one; it may have no target.
///
/// # Errors
/// All problems at once, as of a file at `path`.
pub fn load_said(said: toml::Table, path: &Path, environment: &Environment) -> Result<Config, ConfigProblems> {
    let problems = Problems::new("the command line".to_owned());
    let read = layers::said(said, path, &problems).map(|all| read(&Node::root(&all, &problems), environment, Secrets::Read));
    match (read, problems.into_found()) {
        (Some(config), found) if found.is_empty() => Ok(config),
        (_, found) => Err(ConfigProblems::new(path, found)),
    }
}

/// Whether nothing is configured: there is no file, or it names no target and no place. One that cannot be read is something.
#[must_use]
pub fn is_blank(path: &Path, environment: &Environment) -> bool {
    if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return true;
    }
    let problems = Problems::new(path.display().to_string());
    let merged = layers::merged(path, environment, &problems);
    let is_empty =
        |table: &Table| ["targets", "offsite"].iter().all(|key| Node::root(table, &problems).table(key).entries().is_empty());
    merged.is_some_and(|merged| is_empty(&merged)) && problems.into_found().is_empty()
}

/// Where the daemon listens, by what this user may read of the configuration.
#[must_use]
pub fn socket(path: &Path, environment: &Environment) -> PathBuf {
    let problems = Problems::new(path.display().to_string());
    let merged = layers::readable(path, environment, &problems);
    let named = merged.and_then(|merged| Node::root(&merged, &problems).table("control").path("socket"));
    named.unwrap_or_else(|| DEFAULT_SOCKET.into())
}

fn configured(root: &Node<'_>, environment: &Environment, secrets: Secrets) -> Config {
    let config = read(root, environment, secrets);
    if root.table("targets").entries().is_empty() {
        root.wrong("targets", "no target is configured; the least is [targets.NAME.database] with url = \"…\"");
    }
    config
}

/// Values that stand in for what is wrong are never seen: a configuration with a problem is not returned.
fn read(root: &Node<'_>, environment: &Environment, secrets: Secrets) -> Config {
    let daemon = root.table("daemon");
    let control = root.table("control");
    let targets = root.table("targets");
    let poll = daemon.duration("poll");
    let daemon_settings = Daemon {
        state_dir: daemon.path("state_dir").unwrap_or_default(),
        poll: poll.unwrap_or_default(),
        stop_timeout: daemon.duration("stop_timeout").unwrap_or_default(),
    };
    if poll.is_some_and(|poll| poll < values::SHORTEST_POLL) {
        daemon.wrong("poll", "is shorter than 100ms, which would only waste processor time");
    }
    let control_settings = Control {
        socket: control.path("socket").unwrap_or_default(),
        observers: values::principals(&control, "observers"),
        operators: values::principals(&control, "operators"),
        restore_into: control.paths("restore_into"),
    };
    let alarms = values::alarms(&root.table("alarms"));
    let offsite_node = root.table("offsite");
    // By what is written: a place that has something wrong with it is there all the same.
    let places: Vec<String> = offsite_node.entries().into_iter().map(|(name, _)| name).collect();
    let offsite = offsite::places(&offsite_node, environment);
    let entries = targets.entries();
    let read = entries.into_iter().filter_map(|(name, node)| {
        target::read(&name, node, &daemon_settings.state_dir, environment, secrets, (&targets, &places))
    });
    let read: BTreeMap<_, _> = read.map(|target| (target.name.clone(), target)).collect();
    let archives = read.values().map(|target| &*target.backup.directory).chain([&*daemon_settings.state_dir]);
    offsite::lie_apart(&offsite_node, &offsite, &archives.collect::<Vec<_>>());
    daemon.close();
    control.close();
    root.close();
    Config { daemon: daemon_settings, control: control_settings, alarms, offsite, targets: read }
}
