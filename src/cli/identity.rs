//! `--identity FILE`: the secret half of a key, for one command.
//!
//! Owns the reading of the file, which is done by whoever typed the command: the daemon's user needs no access to it, and gets its content with
//! the request, or in the environment of the one process that acts for him.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Stop, World, owner};
use crate::cipher::Identity;
use crate::failure::{Class, Failure};
use crate::text;
use crate::trust;
use crate::wire::Private;

/// An identity file is a few lines.
const MOST_BYTES: u64 = 32 * 1024;

/// The content, handed on to the process that acts as the owner of the state.
const HANDED_ON: &str = "UPKEEP_IDENTITY";

/// What `--identity` names, looked at before anybody is asked.
pub(super) fn given(path: Option<&Path>, world: &World) -> Result<Option<Private>, Stop> {
    let Some(path) = path else { return Ok(None) };
    let handed_on = world.environment.get(HANDED_ON).filter(|_| world.environment.contains_key(owner::RELAYED));
    let text = match handed_on {
        Some(text) => text.clone(),
        None => read(path)?,
    };
    if let Err(why) = Identity::parse(&text) {
        let failure = Failure::new(Class::Usage, format!("{} {why}", path.display())).safe("nothing was changed");
        return Err(failure
            .hint("an identity file has lines that begin with AGE-SECRET-KEY-1, or is an ssh-ed25519 key")
            .into());
    }
    Ok(Some(Private::new(text)))
}

/// The same world for a command that may have to be handed over, with what it was given.
pub(super) fn with(world: &World, identity: Option<&Private>) -> World {
    let mut environment = world.environment.clone();
    if let Some(identity) = identity {
        environment.insert(HANDED_ON.to_owned(), identity.reveal().to_owned());
    }
    World { environment, ..world.clone() }
}

/// Reads it where nobody else may.
fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let failed = |class: Class, what: String| Failure::new(class, what).safe("nothing was changed");
    let unread = |error: std::io::Error| {
        let class = if error.kind() == std::io::ErrorKind::NotFound { Class::NoInput } else { Class::NoPermission };
        failed(class, format!("cannot read the identity file {shown}: {error}")).hint(format!("look at it: `ls -l {shown}`"))
    };
    let file = trust::open(path).map_err(unread)?;
    let meta = file.metadata().map_err(unread)?;
    let me = rustix::process::geteuid().as_raw();
    if me != 0 && ![me, 0].contains(&meta.uid()) {
        let what = format!("the identity file {shown} belongs to another user, who may change it");
        return Err(failed(Class::NoPermission, what).hint("take one of your own"));
    }
    if meta.mode() & 0o077 != 0 {
        let what = format!("others may read the identity file {shown} (mode {:04o})", meta.mode() & 0o7777);
        let close = text::shell(&["chmod", "go=", &*path.to_string_lossy()]);
        return Err(failed(Class::NoPermission, what).hint(format!("close it: `{close}`")));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unread)?;
    match String::from_utf8(bytes) {
        Ok(text) if text.len() as u64 <= MOST_BYTES && !text.contains('\0') => Ok(text),
        _ => Err(failed(Class::Data, format!("{shown} is no identity file")).hint("it is a short text")),
    }
}
