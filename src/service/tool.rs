//! The vendor's migration tool as a unit of systemd, which outlives whoever asked for it.
//!
//! Owns the unit's text, which `upkeep setup` writes as root, and asking systemd to begin it and how it stands. The daemon may
//! begin exactly this unit and can change nothing in it. Never ends a tool that runs. Invariant: which run of the unit is
//! ours is told by systemd's invocation id, never guessed; held by the tests beside this file and by `tests/host/run`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Runner, Target};
use crate::failure::{Class, Explain};
use crate::process::{Command, Finished, ProcessError};
use crate::trust;

/// A unit longer than this is none of ours.
const UNIT_BYTES: u64 = 1024 * 1024;

/// Where units of this host are.
pub const UNITS: &str = "etc/systemd/system";

/// It is there while systemd runs (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// Where their output goes. Root's alone to change: systemd opens the file as root, and whoever could put a link in its place
/// could have any file written.
pub const OUTPUT: &str = "/var/log/upkeep";

/// How long asking systemd may take.
const DEADLINE: Duration = Duration::from_secs(30);

const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,InvocationID";

/// What the journal says of a run that was asked for: which unit, and its invocation before. Another one is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolRun {
    /// The unit.
    pub unit: String,
    /// The unit's invocation id before it was asked to begin; empty when it had none since the boot.
    pub before: String,
}

/// How the unit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolState {
    /// The invocation this is about; empty when it never ran since the boot.
    pub invocation: String,
    /// What it does.
    pub doing: Doing,
}

impl ToolState {
    /// Whether this is about that run, and not about one before it or before a boot.
    #[must_use]
    pub fn is_of(&self, run: &ToolRun) -> bool {
        !self.invocation.is_empty() && self.invocation != run.before
    }
}

/// What the unit of a tool does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// Nothing; how its last run ended is not known any more.
    Idle,
    /// It runs.
    Running,
    /// It has ended.
    Ended {
        /// Whether it exited with 0.
        well: bool,
        /// In words (`exit code 3`).
        how: String,
    },
}

/// Why systemd did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The unit is not there, or of another configuration.
    #[error("the unit of the migration tool, {}, is missing or of another configuration", .0.display())]
    Outdated(PathBuf),
    /// systemd could not be asked, or refused.
    #[error("cannot {what} {unit}")]
    Ask {
        /// `begin`, `see`.
        what: &'static str,
        /// The unit.
        unit: String,
        /// The cause.
        source: ProcessError,
    },
}

impl Explain for ToolError {
    fn class(&self) -> Class {
        match self {
            Self::Outdated(_) => Class::Config,
            Self::Ask { source, .. } => source.class(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Outdated(_) => vec!["as root: `upkeep setup`".to_owned()],
            Self::Ask { unit, .. } => vec![format!("see what systemd says: `systemctl status {unit}`")],
        }
    }
}

/// The unit of a target's tool, where its configuration asks for one: its name and its text. Pure.
#[must_use]
pub fn unit(target: &Target) -> Option<(String, String)> {
    let Runner::Command { argv, directory, environment, environment_file, deadline, user: Some(user) } =
        &target.migrations.as_ref()?.runner
    else {
        return None;
    };
    let directory = directory.as_ref().or(target.release.as_ref().map(|release| &release.path));
    let mut lines = vec![
        "[Unit]".to_owned(),
        format!("Description=Migrates the database of {}, when upkeep asks for it", target.name),
        "Documentation=man:upkeep(1)".to_owned(),
        "[Service]".to_owned(),
        "Type=oneshot".to_owned(),
        "# So that a daemon that was restarted meanwhile sees how it ended.".to_owned(),
        "RemainAfterExit=yes".to_owned(),
        format!("User={user}"),
    ];
    lines.extend(directory.map(|directory| format!("WorkingDirectory={}", directory.display().to_string().replace('%', "%%"))));
    let variables = environment.iter().map(|(name, value)| format!("Environment={}", quoted(&format!("{name}={value}"), "")));
    lines.extend(variables);
    lines.extend(
        environment_file.as_ref().map(|file| format!("EnvironmentFile={}", file.display().to_string().replace('%', "%%"))),
    );
    // Only whole paths and bare names mean to systemd what they mean to everybody else.
    let program = |word: &String| match directory {
        Some(directory) if word.contains('/') => directory.join(word).display().to_string(),
        _ => word.clone(),
    };
    let words = argv.iter().enumerate().map(|(at, word)| quoted(&if at == 0 { program(word) } else { word.clone() }, "$"));
    lines.push(format!("ExecStart={}", words.collect::<Vec<_>>().join(" ")));
    lines.push(format!("TimeoutStartSec={}s", deadline.as_secs().max(1)));
    lines.push(format!("StandardOutput=truncate:{}", output(target).display()));
    lines.push("StandardError=inherit\n".to_owned());
    Some((format!("upkeep-migrate-{}.service", target.name), lines.join("\n")))
}

/// The same where systemd is the one who starts things; elsewhere the tool is a child process.
#[must_use]
pub fn unit_here(target: &Target) -> Option<(String, String)> {
    unit(target).filter(|_| Path::new(BOOTED).is_dir())
}

/// A word as systemd reads it back. `doubled` are characters that mean something to it in this place, beside `%`.
#[must_use]
pub fn quoted(word: &str, doubled: &str) -> String {
    let mut text = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '\n' => text.push_str("\\n"),
            '%' => text.push_str("%%"),
            letter if doubled.contains(letter) => text.extend([letter, letter]),
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

/// Where the tool's output is, of its newest run.
#[must_use]
pub fn output(target: &Target) -> PathBuf {
    Path::new(OUTPUT).join(format!("migrate-{}.log", target.name))
}

/// Whether the unit on this host is the one of the configuration.
///
/// # Errors
/// When it is not: what root allowed is then another command than the one that is meant.
pub fn ready(target: &Target) -> Result<(), ToolError> {
    let Some((name, text)) = unit_here(target) else { return Ok(()) };
    let path = Path::new("/").join(UNITS).join(name);
    match trust::read_to_string(&path, UNIT_BYTES) {
        // Before it stands who wrote it.
        Ok(found) if found.ends_with(&text) => Ok(()),
        Ok(_) | Err(_) => Err(ToolError::Outdated(path)),
    }
}

/// Asks how the unit stands.
///
/// # Errors
/// When systemd does not say.
pub async fn look(unit: &str) -> Result<ToolState, ToolError> {
    let shown = Command::new(&["systemctl", "show", PROPERTIES, "--", unit], DEADLINE).succeed().await;
    let shown = shown.map_err(|source| ToolError::Ask { what: "see", unit: unit.to_owned(), source })?;
    Ok(state(&shown))
}

/// What `systemctl show` printed.
fn state(shown: &Finished) -> ToolState {
    let value = |name: &str| {
        let line = shown.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default()
    };
    let doing = match (value("ActiveState"), value("SubState")) {
        ("active", "exited") => Doing::Ended { well: true, how: "exit code 0".to_owned() },
        ("failed", _) => {
            Doing::Ended { well: false, how: how(value("Result"), value("ExecMainCode"), value("ExecMainStatus")) }
        }
        ("inactive" | "", _) => Doing::Idle,
        _ => Doing::Running,
    };
    ToolState { invocation: value("InvocationID").to_owned(), doing }
}

/// How a failed run ended. `code` is the kernel's `si_code`: 1 for an exit, 2 and 3 for a signal.
fn how(result: &str, code: &str, status: &str) -> String {
    match (result, code) {
        ("timeout", _) => "no end within its deadline, and was killed".to_owned(),
        ("exit-code", "1") => format!("exit code {status}"),
        (_, "2" | "3") => format!("signal {status}"),
        (result, _) => format!("result {result}"),
    }
}

/// Makes ready for a new run what an earlier one left; the caller has seen that it does not run.
///
/// # Errors
/// When systemd refuses.
pub async fn clear(unit: &str) -> Result<ToolState, ToolError> {
    let seen = look(unit).await?;
    match &seen.doing {
        Doing::Idle | Doing::Running => return Ok(seen),
        Doing::Ended { well: true, .. } => ask("stop", unit).await?,
        Doing::Ended { well: false, .. } => ask("reset-failed", unit).await?,
    }
    look(unit).await
}

/// Begins a new run and does not wait for its end.
///
/// # Errors
/// When systemd refuses.
pub async fn begin(unit: &str) -> Result<(), ToolError> {
    ask("start", unit).await
}

async fn ask(verb: &'static str, unit: &str) -> Result<(), ToolError> {
    // Its beginning is all that is waited for; its end is looked for, so that a restart of ours in between changes nothing.
    let block = if verb == "start" { "--no-block" } else { "--quiet" };
    let asked = Command::new(&["systemctl", "--no-ask-password", block, verb, "--", unit], DEADLINE).succeed().await;
    asked.map(drop).map_err(|source| ToolError::Ask { what: verb, unit: unit.to_owned(), source })
}

#[cfg(test)]
mod tests;
