//! What keeps a server down, and the words for it: why, and the whole command that ends it.
//!
//! Owns the words of gate, status, alarms and `check` about a server that must not start or was not started. Looks at nothing.
//! Invariant: every cause has a next step that a person can type as it stands; held by the table in the tests beside this file, which
//! has a row for each.

use std::fmt;

use crate::count::few;
use crate::ids::TargetName;
use crate::text::{self, shell};
use crate::version::Version;

/// What keeps a server down, as far as gate and upgrade know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// An upgrade needs a person.
    Stuck {
        /// To this version.
        to: Version,
        /// What he does next, as the upgrade itself says: not every answer is one everywhere.
        next_steps: Vec<String>,
    },
    /// The way back cannot go on, and is tried again.
    Waiting {
        /// From this version.
        to: Version,
        /// What is in its way.
        why: String,
    },
    /// An upgrade has not ended, and nobody is at work on it.
    Unended {
        /// To this version.
        to: Version,
    },
    /// An upgrade was rolled back, and the earlier release is a person's to install.
    RolledBack {
        /// To this version.
        to: Version,
        /// Why.
        why: String,
    },
    /// An upgrade was begun and refused before it changed anything.
    Refused {
        /// To this version.
        to: Version,
        /// Why.
        why: String,
    },
    /// There are traces of an upgrade that is in no journal, in words that name both ways out.
    Lost(String),
    /// A restore stopped half-way.
    HalfRestored {
        /// The archive.
        label: String,
        /// The command that ends it.
        command: String,
    },
    /// The release cannot be read.
    Release(String),
    /// The database does not answer, or is none that a server may start on.
    Database(String),
    /// The database belongs to a newer release.
    Newer(Version),
    /// The database holds migrations that the release does not know.
    Ahead(Vec<String>),
    /// Migrations failed or did not end.
    Failed(Vec<String>),
    /// Scripts and history contradict each other.
    Invalid(Vec<String>),
    /// What is known of the product speaks against the start, each with its way out.
    Product(Vec<String>),
    /// Whether the database belongs to the release cannot be told.
    Unknown(String),
    /// The schema was changed outside of migrations, in words.
    Outside(String),
    /// A hold.
    Held {
        /// Why.
        reason: String,
        /// Whether it is there because an upgrade to this version failed.
        failed: bool,
    },
    /// No room for archives.
    Room {
        /// Free bytes.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// `auto = false`, and nobody asked.
    NotAsked,
    /// Outside the window, in words.
    Window(String),
    /// The upgrade has not run yet.
    Pending,
    /// The gate refused the last start, and would let one pass now.
    Skipped,
    /// The server ended by itself, with systemd's word for how.
    Ended(String),
}

/// What the words name.
#[derive(Debug, Clone)]
pub struct Names<'a> {
    /// The target.
    pub target: &'a TargetName,
    /// The command that starts the server, where one is known.
    pub start: Option<&'a str>,
    /// Its unit, where it has one.
    pub unit: Option<&'a str>,
    /// The release that is installed.
    pub installed: Option<&'a Version>,
    /// The release that the database belongs to.
    pub good: Option<&'a Version>,
    /// The package of the server, where it is one.
    pub package: Option<&'a Package>,
    /// Where archives go.
    pub archives: &'a str,
    /// Whether upgrades begin by themselves.
    pub auto: bool,
}

/// The package that releases come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Releases, each as apt takes it (`notes=2.4.0-1`).
    pub known: Vec<(Version, String)>,
}

impl Package {
    /// As a shell hands it to apt: one whose revision is not known is asked for by a pattern.
    fn of(&self, version: &Version) -> String {
        let known = self.known.iter().find(|(known, _)| known.as_str() == version.as_str());
        let word = known.map_or_else(|| format!("{}={version}*", self.name), |(_, package)| package.clone());
        // Behind the command's first word a shell reads nothing into `=`.
        let without = word.replace('=', "");
        if shell(&[&without]) == without { word } else { shell(&[word]) }
    }
}

/// Why, and what ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Why.
    pub why: String,
    /// The next step, with the whole command.
    pub next_step: String,
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.why, self.next_step)
    }
}

impl Cause {
    /// Its name for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stuck { .. } => "stuck",
            Self::Waiting { .. } => "waiting",
            Self::Unended { .. } => "unended",
            Self::RolledBack { .. } => "rolled-back",
            Self::Refused { .. } => "refused",
            Self::Lost(_) => "lost-journal",
            Self::HalfRestored { .. } => "half-restored",
            Self::Release(_) => "release",
            Self::Database(_) => "database",
            Self::Newer(_) => "downgrade",
            Self::Ahead(_) => "ahead",
            Self::Failed(_) => "failed-migration",
            Self::Invalid(_) => "invalid-migrations",
            Self::Product(_) => "product",
            Self::Unknown(_) => "unknown",
            Self::Outside(_) => "changed-outside",
            Self::Held { .. } => "held",
            Self::Room { .. } => "room",
            Self::NotAsked => "not-asked",
            Self::Window(_) => "window",
            Self::Pending => "pending",
            Self::Skipped => "skipped",
            Self::Ended(_) => "ended",
        }
    }

    /// Why, and the whole command that ends it. Pure.
    #[must_use]
    pub fn words(&self, names: &Names<'_>) -> Words {
        Words { why: self.why(names), next_step: self.next_step(names) }
    }

    fn why(&self, names: &Names<'_>) -> String {
        let installed = names.installed.map_or_else(|| "the installed release".to_owned(), ToString::to_string);
        match self {
            Self::Stuck { to, .. } => format!("the upgrade to {to} needs a person"),
            Self::Waiting { to, why } => format!("the rollback from {to} cannot continue yet and will be tried again: {why}"),
            Self::Unended { to } => format!("the upgrade to {to} is unfinished, and no daemon is working on it"),
            Self::RolledBack { to, why } => format!("the upgrade to {to} was rolled back: {why}"),
            Self::Refused { to, why } => format!("the upgrade to {to} did not start: {why}"),
            Self::Lost(why) | Self::Unknown(why) | Self::Outside(why) => why.clone(),
            Self::HalfRestored { label, .. } => format!("the restore of {label} into its database stopped half-way"),
            Self::Release(why) => format!("its release cannot be read: {why}"),
            Self::Database(why) => format!("its database cannot be looked at: {why}"),
            Self::Newer(version) => {
                format!("its database belongs to the newer release {version}, and {installed} is installed")
            }
            Self::Ahead(migrations) => {
                format!("its database holds migrations that {installed} does not know: {}", few(migrations, ", "))
            }
            Self::Failed(migrations) => {
                format!("the history says that these migrations failed or never finished: {}", few(migrations, ", "))
            }
            Self::Invalid(problems) => format!("scripts and history contradict each other: {}", few(problems, "; ")),
            Self::Product(reasons) => reasons.join("; "),
            Self::Held { reason, .. } => format!("{installed} is on hold: {reason}"),
            Self::Room { free, needed } => {
                format!("{free} bytes are free for archives, and up to {needed} are needed for its upgrade to {installed}")
            }
            Self::NotAsked => format!("its upgrade to {installed} waits for a person, because `auto = false`"),
            Self::Window(why) => format!("its upgrade to {installed} waits: {why}"),
            Self::Pending => format!("its upgrade to {installed} has not run yet"),
            Self::Skipped => "its last start was refused, but release and database are in step now".to_owned(),
            Self::Ended(how) => format!("it ended by itself ({how})"),
        }
    }

    fn next_step(&self, names: &Names<'_>) -> String {
        let Names { target, .. } = names;
        let then = if names.auto { "" } else { "; then `upkeep upgrade TARGET`" };
        let said = match self {
            Self::Stuck { next_steps, .. } if next_steps.is_empty() => {
                "fix the cause and go on: `upkeep upgrade TARGET --resume`".to_owned()
            }
            // It names its target itself.
            Self::Stuck { next_steps, .. } => return next_steps.join("; "),
            Self::Waiting { .. } => "fix the cause; to try at once: `upkeep upgrade TARGET --resume`".to_owned(),
            Self::Unended { .. } => "start the daemon, which carries it on: `systemctl start upkeepd`".to_owned(),
            Self::Refused { .. } => "fix the cause, then: `upkeep upgrade TARGET`".to_owned(),
            Self::RolledBack { .. } | Self::Held { failed: true, .. } => back(names),
            Self::Held { failed: false, .. } => {
                let and = if names.auto { "" } else { " && upkeep upgrade TARGET" };
                format!("allow it: `upkeep release-hold TARGET{and}`; or go back: {}", back(names))
            }
            Self::Lost(_) => {
                "check release and data; if both are right as they are: `upkeep upgrade TARGET --accept`".to_owned()
            }
            Self::HalfRestored { command, .. } => format!("finish the restore: `{command}{}`", and_start(names)),
            Self::Release(_) => match names.package {
                Some(package) => {
                    let name = shell(&[&package.name]);
                    format!("reinstall it: `apt install --reinstall {name}{}`", and_start(names))
                }
                None => format!("reinstall it, `upkeep check` says what is wrong with it{}", then_start(names)),
            },
            Self::Database(_) => format!("fix that (`upkeep check` says more){}", then_start(names)),
            Self::Newer(version) => {
                format!("{}; or go back with the data: `upkeep rollback TARGET`", forward(names, Some(version)))
            }
            Self::Ahead(_) => {
                // Only a newer release can know more.
                let newer = |good: &&Version| names.installed.is_some_and(|installed| *good > installed);
                format!("{}; or go back with the data: `upkeep rollback TARGET`", forward(names, names.good.filter(newer)))
            }
            Self::Failed(_) => "see what they left behind: `upkeep migrate validate TARGET`; once that is fixed: \
                 `upkeep migrate repair TARGET && upkeep upgrade TARGET`"
                .to_owned(),
            Self::Invalid(_) => {
                "compare: `upkeep migrate validate TARGET`; once that is fixed: `upkeep upgrade TARGET`".to_owned()
            }
            Self::Product(_) => "fix that, and make sure with `upkeep check`; then: `upkeep upgrade TARGET`".to_owned(),
            Self::Unknown(_) => {
                "see what changed: `upkeep diff TARGET`; to archive it, start the server on it and record it as the known-good release: \
                 `upkeep upgrade TARGET`"
                    .to_owned()
            }
            Self::Outside(_) => "see what changed: `upkeep diff TARGET`; to archive it as it is and go on: `upkeep upgrade TARGET`; \
                 or put back what was there: `upkeep restore TARGET --replace`"
                .to_owned(),
            Self::Room { .. } => {
                let goes_on = if names.auto { "; it goes on by itself" } else { then };
                format!("make room in {}: `upkeep prune TARGET`{goes_on}", names.archives)
            }
            Self::NotAsked => "run it: `upkeep upgrade TARGET`".to_owned(),
            Self::Window(_) | Self::Pending => "to run it at once: `upkeep upgrade TARGET`".to_owned(),
            Self::Skipped => match names.start {
                Some(start) => format!("start it: `{start}`"),
                None => "start it".to_owned(),
            },
            Self::Ended(_) => match names.unit {
                Some(unit) => {
                    format!("see why: `{}`{}", shell(&["journalctl", "-u", unit, "-n", "100"]), then_start(names))
                }
                None => format!("see its own log{}", then_start(names)),
            },
        };
        text::naming(&said, target.as_str())
    }
}

/// The start behind another command of the same line.
fn and_start(names: &Names<'_>) -> String {
    names.start.map(|start| format!(" && {start}")).unwrap_or_default()
}

/// The start as a step of its own.
fn then_start(names: &Names<'_>) -> String {
    names.start.map_or_else(|| "; then start the server".to_owned(), |start| format!("; then start it: `{start}`"))
}

/// The earlier release again. Held for apt as well: whatever installs updates by itself would install the newer one the next night.
fn back(names: &Names<'_>) -> String {
    match (names.package, names.good) {
        (Some(package), Some(version)) => {
            let (name, package, start) = (shell(&[&package.name]), package.of(version), and_start(names));
            format!("install the previous version: `apt install {package} --allow-downgrades && apt-mark hold {name}{start}`")
        }
        (None, Some(version)) => format!("install version {version} of the server again{}", then_start(names)),
        (_, None) => {
            format!("install the server's previous version again (`upkeep list TARGET` names it){}", then_start(names))
        }
    }
}

/// The newer release again, where it is known which that is.
fn forward(names: &Names<'_>, version: Option<&Version>) -> String {
    match (names.package, version) {
        (Some(package), Some(version)) => {
            format!("install that release again: `apt install {}{}`", package.of(version), and_start(names))
        }
        (None, Some(version)) => format!("install version {version} of the server again{}", then_start(names)),
        (_, None) => format!("install the release that knows them{}", then_start(names)),
    }
}

#[cfg(test)]
pub(crate) mod tests;
