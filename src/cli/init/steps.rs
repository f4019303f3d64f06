//! Where the proposal of `upkeep init` goes, and what a person does next.
//!
//! Owns the commands from the proposal to a first archive that was verified, in their order, whole, for a shell. Pure but for looking whether a
//! configuration is there already.

use std::path::PathBuf;

use super::account::Runner;
use super::{Found, Proposal};
use crate::cli::World;
use crate::config::load::DEFAULT_PATH;
use crate::count;
use crate::pen::human;
use crate::text;

/// The directory of a user's own configuration and state, below the home directory.
const OWN: [&str; 2] = [".config/upkeep", ".local/state/upkeep"];

/// Where the proposal goes.
#[derive(Debug)]
pub(super) struct Place {
    /// The file.
    pub(super) path: PathBuf,
    /// Where passwords go.
    pub(super) beside: PathBuf,
    /// What a configuration says that is not a package's.
    pub(super) head: Vec<String>,
    /// `upkeep`, with what it needs to find the configuration.
    pub(super) command: String,
}

impl Place {
    /// The file that was asked for, else one beside the configuration that is there, else that configuration.
    pub(super) fn of(asked: Option<PathBuf>, world: &World, runner: &Runner) -> Self {
        let is_first = !world.config.exists();
        let home = world.environment.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        // Who is not root and has no package's configuration gets one of his own.
        let own = home.filter(|_| is_first && !runner.root && world.config == std::path::Path::new(DEFAULT_PATH));
        let config = own.as_ref().map_or_else(|| world.config.clone(), |home| home.join(OWN[0]).join("upkeep.toml"));
        let beside = config.parent().map(PathBuf::from).unwrap_or_default();
        let usual = if is_first { config.clone() } else { beside.join("conf.d/found.toml") };
        let path = asked.unwrap_or(usual);
        let head = own.iter().flat_map(|home| {
            let state = home.join(OWN[1]);
            let quoted = |path: PathBuf| super::quoted(&path.to_string_lossy());
            [
                "# Of a user's own; a package's daemon has its state in /var/lib/upkeep.".to_owned(),
                "[daemon]".to_owned(),
                format!("state_dir = {}", quoted(state.clone())),
                "[control]".to_owned(),
                format!("socket = {}", quoted(state.join("upkeep.sock"))),
            ]
        });
        let read = if is_first { &path } else { &world.config };
        let known = read == std::path::Path::new(DEFAULT_PATH)
            || world.environment.get("UPKEEP_CONFIG").is_some_and(|said| std::path::Path::new(said) == read);
        let command =
            if known { "upkeep".to_owned() } else { format!("upkeep --config {}", text::shell(&[read.to_string_lossy()])) };
        Self { head: head.collect(), path, beside, command }
    }
}

/// What was found, and what to do next.
pub(super) fn told(found: &Found, proposal: &Proposal, place: &Place, runner: &Runner) -> String {
    let mut lines = Vec::new();
    for known in &found.listeners {
        let databases = known.census.as_ref().map_or(&[][..], |census| &census.databases);
        let named: Vec<String> = databases
            .iter()
            .map(|held| (text::line(&held.name), held.bytes))
            .map(|(name, bytes)| bytes.map_or_else(|| name.to_string(), |bytes| format!("{name} ({})", human::size(bytes))))
            .collect();
        let named = if named.is_empty() { String::new() } else { format!(": {}", count::few(&named, ", ")) };
        lines.push(format!("found {}{named}", known.called()));
    }
    if let [_, ..] = &proposal.targets[..] {
        let many = human::many(proposal.targets.len() as u64, "possible target");
        lines.push(format!("wrote {} with {many}: {}", place.path.display(), count::few(&proposal.targets, ", ")));
    }
    lines.extend(proposal.notes.iter().map(|note| format!("note: {note}")));
    // The usual file is free where nothing was proposed.
    let init = match proposal.targets.is_empty() {
        true => format!("{} init", place.command),
        false => {
            format!("{} init {}", place.command, text::shell(&[place.beside.join("conf.d/DATABASE.toml").to_string_lossy()]))
        }
    };
    if found.unasked > 0 {
        let many = human::many(found.unasked as u64, "more socket");
        lines.push(format!(
            "note: {many} named like a database server's: not asked, for there are too many; name one: `--database URL`"
        ));
    }
    lines.extend(proposal.unlisted.iter().map(|(called, unlisted)| format!("note: {called}: {}", unlisted.advice(&init))));
    if !runner.root {
        lines.push("note: root sees more: servers' own users are asked for their databases, and other users' processes for their ports; `sudo upkeep init --print`".to_owned());
    }
    let Some(first) = proposal.targets.first() else {
        lines.push(
            "wrote nothing: no database was found that could be proposed; name one: `upkeep init --database FILE|URL`"
                .to_owned(),
        );
        return lines.join("\n");
    };
    lines.push(String::new());
    for (server, commands) in &proposal.accounts {
        lines.push(format!("Create the account in {server}:"));
        lines.extend(commands.iter().map(|command| format!("  {command}")));
    }
    let command = &place.command;
    lines.push("Read the file, and remove what you do not want. Then:".to_owned());
    if !found.servers.is_empty() {
        lines.push(format!("  {command} setup"));
    }
    lines.push(format!("  {command} check"));
    lines.push(format!("  {command} backup {first}"));
    lines.join("\n")
}
