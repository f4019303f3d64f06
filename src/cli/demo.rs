//! `upkeep demo`: the whole story on an embedded database, in under a minute.
//!
//! Owns a directory, a notes server and a real daemon, and tells what happens to them. Nothing is pretended: the daemon is
//! this binary with an ordinary configuration, and each step counts only after it was looked at from outside (rows in the
//! database file, the version over HTTP, the daemon's own answers). Invariant: what it started is stopped on every way out.

mod layout;
mod look;
pub(super) mod server;
mod stage;
mod story;

use std::path::PathBuf;

use super::{Stop, World, session};
use crate::failure::{Class, Failure};

/// Show the whole story on a small server of its own, in under a minute.
///
/// A notes server with a SQLite database is set up in a directory of its own, and a real daemon looks after it: scheduled
/// backups, an upgrade, two upgrades that fail and are rolled back, an accident and the restore from it. Nothing outside
/// the directory is touched. The directory stays for looking around.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where; made anew when it is an earlier demo's.
    #[arg(long, value_name = "DIR", default_value = "upkeep-demo")]
    dir: PathBuf,
    /// Leave the daemon and the notes server running at the end.
    #[arg(long)]
    keep: bool,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let root = std::path::absolute(&arguments.dir);
    let root =
        root.map_err(|error| Failure::new(Class::CannotCreate, format!("cannot place {}: {error}", arguments.dir.display())))?;
    let mut stage = stage::Stage::build(root, world).await?;
    let told = {
        let story = story::tell(&mut stage);
        tokio::select! {
            told = story => told,
            // The story is dropped between two looks; whatever it started is stopped below.
            () = session::interrupted()? => Err(Failure::new(Class::TempFail, "the demo was interrupted").into()),
        }
    };
    let end = match (&told, arguments.keep) {
        (Ok(()), true) => stage.leave_running(),
        _ => stage.strike().await,
    };
    told.and(end)
}
