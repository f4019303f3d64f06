//! `upkeep setup`: fits the host to the configuration, so that an operator edits one file.
//!
//! Owns which files of the host are ours: each begins with [`HEADER`]; one that does is replaced or removed, any other is left
//! alone. What they hold is a pure function of the configuration, in `setup::files`.

mod files;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Stop, World, owner, session};
use crate::config::Config;
use crate::config::load::Secrets;
use crate::durable;
use crate::failure::{Class, Failure};
use crate::process::Command;
use crate::service::tool::{self, UNITS};
use crate::trust;
use files::{DAEMON, GATE, NEEDRESTART, POLKIT, files};
pub(super) use files::{VERBS, near, units};

/// The first words of every file of ours, after the comment sign.
const HEADER: &str = "Written by `upkeep setup` from the configuration; run it again instead of editing this.";

/// None of our files is longer.
const LONGEST: u64 = 1024 * 1024;

/// How long telling systemd may take.
const RELOAD_DEADLINE: Duration = Duration::from_secs(60);

/// Write what the configuration needs on this host: the polkit rule for exactly the configured units, the gate's drop-in of each, the units
/// of vendors' migration tools, what needrestart must leave alone, and the daemon's own drop-in for directories and addresses
/// outside its sandbox.
///
/// Run it as root after every change of units, directories or database hosts. Files that are not its own are left alone.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only show the files.
    #[arg(long)]
    print: bool,
    /// Write below this directory instead, and do not tell systemd.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let config = session::config(world, Secrets::Leave)?;
    let wanted = files(&config, &world.config);
    if arguments.print {
        return world.terminal.show(&wanted, |wanted| {
            let texts: Vec<String> = wanted.iter().map(|(path, text)| format!("==> /{} <==\n{text}", path.display())).collect();
            texts.join("\n")
        });
    }
    let mut done = directories(&config, &arguments.root)?;
    for (path, text) in &wanted {
        done.extend(write(&arguments.root.join(path), text)?);
    }
    for path in ours(&arguments.root).into_iter().filter(|path| !wanted.contains_key(path)) {
        durable::remove(&arguments.root.join(&path))?;
        done.push(format!("removed /{}", path.display()));
    }
    if arguments.root == Path::new("/") && !done.is_empty() && Path::new("/run/systemd/system").is_dir() {
        Command::new(&["systemctl", "daemon-reload"], RELOAD_DEADLINE).succeed().await?;
        done.push("systemd has read it; restart the daemon: `systemctl restart upkeepd`".to_owned());
    }
    if done.is_empty() {
        done.push("everything is in place".to_owned());
    }
    world.terminal.show(&done, |done| done.join("\n"))
}

/// What of it is missing or of another configuration, as far as can be read.
pub(super) fn outdated(config: &Config, config_path: &Path) -> Vec<PathBuf> {
    let stale = |(path, text): (PathBuf, String)| {
        let path = Path::new("/").join(path);
        match trust::read_to_string(&path, LONGEST) {
            Ok(found) => (found != text).then_some(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(path),
            // polkit's directory is closed to most; root is told.
            Err(_) => None,
        }
    };
    files(config, config_path).into_iter().filter_map(stale).collect()
}

/// Makes the archives' directories for the daemon, which may not make them itself outside its state, and that of the output
/// of vendors' tools.
fn directories(config: &Config, root: &Path) -> Result<Vec<String>, Stop> {
    let mut done = Vec::new();
    let ours = rustix::process::geteuid().as_raw();
    // A state directory elsewhere than the package's is made for the user of its unit.
    if root == Path::new("/")
        && let Some(daemon) = owner::daemon()
    {
        done.extend(make(root, &config.daemon.state_dir, daemon)?);
    }
    let Ok(owner) = fs::metadata(below(root, &config.daemon.state_dir)) else { return Ok(done) };
    for target in config.targets.values() {
        let directory = &target.backup.directory;
        done.extend(make(root, directory, [owner.uid(), owner.gid()])?);
    }
    if config.targets.values().any(|target| tool::unit(target).is_some()) {
        // Root's: whoever may change it could have systemd write to any file. The daemon reads it as its group.
        done.extend(make(root, Path::new(tool::OUTPUT), [ours, owner.gid()])?);
    }
    Ok(done)
}

/// Makes a directory for a user, by handle and only where root alone decides what lies there; one that lies below a directory of that
/// user's he makes himself.
fn make(root: &Path, directory: &Path, owner: [u32; 2]) -> Result<Option<String>, Stop> {
    match trust::make_dir(root, directory, owner, 0o750) {
        Ok(trust::Made::New) => Ok(Some(format!("made {}", directory.display()))),
        Ok(trust::Made::Already) => Ok(None),
        Ok(trust::Made::LeftTo) => left_to(root, directory, owner),
        Err(error) if trust::refused(&error).is_some() => {
            let message = format!("{} is not made for the daemon: {error}", directory.display());
            let failure = Failure::new(Class::NoPermission, message).safe("nothing was made or given away there");
            let hint = "give the directories it lies in to root, or make it yourself: `install -d -o upkeep -g upkeep -m 750`";
            Err(failure.hint(hint).into())
        }
        Err(error) => Err(at(directory, &error).into()),
    }
}

/// A directory that its user makes himself, below one of his own: nothing of somebody else's may stand in the way.
fn left_to(root: &Path, directory: &Path, [user, _]: [u32; 2]) -> Result<Option<String>, Stop> {
    let standing = directory.ancestors().find_map(|above| Some((above, fs::symlink_metadata(below(root, above)).ok()?)));
    let Some((above, meta)) = standing.filter(|(_, meta)| meta.is_dir() && meta.uid() != user) else { return Ok(None) };
    let message =
        format!("{} cannot be made by the daemon: {} belongs to user {}", directory.display(), above.display(), meta.uid());
    let failure = Failure::new(Class::NoPermission, message).safe("nothing was made or given away there");
    Err(failure.hint(format!("give it to the daemon: `{}`", owner::given(above))).into())
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    let class = if error.kind() == std::io::ErrorKind::PermissionDenied { Class::NoPermission } else { Class::Io };
    Failure::new(class, format!("cannot write {}: {error}", path.display())).hint("run this as root")
}

/// Writes a file for everybody to read; says nothing when it is there already.
fn write(path: &Path, text: &str) -> Result<Option<String>, Stop> {
    match trust::read_to_string(path, LONGEST) {
        Ok(found) if found == text => return Ok(None),
        Ok(found) if !found.contains(HEADER) => {
            let failure = Failure::new(Class::CannotCreate, format!("{} was not written by upkeep", path.display()));
            return Err(failure.safe("it was left as it is").hint("move it away, and run this again").into());
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(at(path, &error).into()),
    }
    if let Some(dir) = path.parent() {
        let us = [rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()];
        trust::make_dir(Path::new("/"), dir, us, 0o755).map_err(|error| at(dir, &error))?;
    }
    // Readable before it has its name: polkit looks at the moment it is there, as a user of its own, and not again.
    let mut file = durable::create_temporary(path)?;
    let written = file.set_permissions(fs::Permissions::from_mode(0o644)).and_then(|()| file.write_all(text.as_bytes()));
    written.map_err(|error| at(path, &error))?;
    durable::publish(&file, path)?;
    Ok(Some(format!("wrote {}", path.display())))
}

/// The files of ours that are there.
fn ours(root: &Path) -> Vec<PathBuf> {
    let dirs = fs::read_dir(root.join(UNITS)).into_iter().flatten().filter_map(Result::ok);
    // Below an entry the drop-ins, and itself where it is the unit of a tool.
    let here = dirs.flat_map(|dir| {
        let entry = Path::new(UNITS).join(dir.file_name());
        [entry.join(GATE), entry.join(DAEMON), entry]
    });
    let all = here.chain([POLKIT, NEEDRESTART].map(PathBuf::from));
    all.filter(|path| trust::read_to_string(&root.join(path), LONGEST).is_ok_and(|text| text.contains(HEADER))).collect()
}

#[cfg(test)]
mod tests;
