//! `upkeep names`: what a shell completes: the names of targets, and the labels of their archives.
//!
//! Never fails and never asks for anything: a shell that completes has no use for an error.

use super::session;
use super::{Stop, World, owner};
use crate::config::load::{self, Secrets};
use crate::control::client::Client;
use crate::ids::TargetName;
use crate::store;

/// Names for a shell to complete, one a line.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The targets.
    #[arg(long)]
    targets: bool,
    /// The labels of their archives, newest first.
    #[arg(long)]
    labels: bool,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let config = session::config(world, Secrets::Leave).ok();
    // Who may not read the configuration may still ask the daemon.
    let socket = match &config {
        Some(config) => config.control.socket.clone(),
        None => load::socket(&world.config, &world.environment),
    };
    let daemon = Client::connect(&socket).await.ok().flatten();
    let status = match &daemon {
        Some(client) => client.status().await.ok(),
        None => None,
    };
    let targets: Vec<TargetName> = match (&status, &config) {
        (Some(status), _) => status.targets.iter().map(|target| target.name.clone()).collect(),
        (None, Some(config)) => config.targets.keys().cloned().collect(),
        (None, None) => Vec::new(),
    };
    let mut names: Vec<String> = Vec::new();
    if arguments.targets {
        names.extend(targets.iter().map(ToString::to_string));
    }
    if arguments.labels {
        for target in &targets {
            if let Some(client) = daemon.as_ref().filter(|_| status.is_some()) {
                let entries = client.archives(target).await.unwrap_or_default();
                names.extend(entries.into_iter().map(|entry| entry.label.to_string()));
            } else if let Some(config) = &config {
                names.extend(lying_there(config, target));
            }
        }
    }
    world.terminal.print(&names.iter().map(|name| format!("{name}\n")).collect::<String>())
}

/// The labels of the archives that lie in a target's directory. Root looks at nothing that is another user's.
fn lying_there(config: &crate::config::Config, target: &TargetName) -> Vec<String> {
    let Some(target) = config.targets.get(target).filter(|_| owner::other_owner(&config.daemon.state_dir).is_none()) else {
        return Vec::new();
    };
    let paths = store::list(&target.backup.directory).unwrap_or_default();
    let label = |path: &std::path::PathBuf| store::label_of(path.file_name()?.to_str()?);
    paths.iter().rev().filter_map(label).map(|label| label.to_string()).collect()
}
