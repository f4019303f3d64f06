//! What a person or a script is told when something did not work: the class, the exit code, the next step.
//!
//! Owns the one table of exit codes (sysexits) and the one shape of an error at the edge. Modules keep their own error
//! enums and answer [`Explain`]; only the command line, the daemon's jobs and the socket turn them into a [`Failure`].

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text;

/// What kind of failure it was. The exit code follows from it alone (sysexits.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Busy: a lock is held, an upgrade is in progress; the same command may work later.
    TempFail,
    /// The command line is wrong.
    Usage,
    /// A label, target, file or migration directory does not exist.
    NoInput,
    /// A server, socket or external tool cannot be reached, or the managed server refused to run.
    Unavailable,
    /// Client and daemon do not understand each other.
    Protocol,
    /// Permission or authentication refused.
    NoPermission,
    /// The configuration is invalid.
    Config,
    /// No process, descriptor or other resource of the host.
    OsError,
    /// A backup or state directory cannot be made, or there is no room.
    CannotCreate,
    /// Reading, writing or syncing failed.
    Io,
    /// An archive, manifest, journal, migration or database content is damaged, too new, or does not fit.
    Data,
    /// A bug of upkeep's own.
    Software,
}

impl Class {
    /// Every class, in the order of its exit code.
    pub const ALL: [Class; 12] = [
        Class::Usage,
        Class::Data,
        Class::NoInput,
        Class::Unavailable,
        Class::Software,
        Class::OsError,
        Class::CannotCreate,
        Class::Io,
        Class::TempFail,
        Class::Protocol,
        Class::NoPermission,
        Class::Config,
    ];

    /// The process exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Class::Usage => 64,
            Class::Data => 65,
            Class::NoInput => 66,
            Class::Unavailable => 69,
            Class::Software => 70,
            Class::OsError => 71,
            Class::CannotCreate => 73,
            Class::Io => 74,
            Class::TempFail => 75,
            Class::Protocol => 76,
            Class::NoPermission => 77,
            Class::Config => 78,
        }
    }

    /// One line that says what the code is used for.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Class::Usage => "the command line is wrong",
            Class::Data => "an archive, journal, migration or database is damaged, too new, or does not fit",
            Class::NoInput => "a label, target, file or migration directory does not exist",
            Class::Unavailable => "a server, socket or tool cannot be reached",
            Class::Software => "a bug in upkeep",
            Class::OsError => "the host is out of processes, descriptors or memory",
            Class::CannotCreate => "a backup or state directory cannot be made, or there is no room",
            Class::Io => "reading, writing or syncing failed",
            Class::TempFail => "busy: a lock is held or an upgrade is in progress; try later",
            Class::Protocol => "client and daemon do not understand each other",
            Class::NoPermission => "permission or authentication refused",
            Class::Config => "the configuration is invalid",
        }
    }
}

/// What each module's error enum answers, so that the edge can class it and say what to do next.
pub trait Explain: Error {
    /// The class, and so the exit code.
    fn class(&self) -> Class;

    /// What is still safe, as a full clause without a full stop ("the previous archive is untouched"), if that is in doubt.
    fn safe(&self) -> Option<String> {
        None
    }

    /// The next steps, each a command or a setting to look at.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether the same attempt may succeed later without anybody changing anything.
    fn transient(&self) -> bool {
        matches!(self.class(), Class::TempFail)
    }
}

/// A failure at the edge: what a person reads and a script parses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The class.
    pub class: Class,
    /// The exit code of the class; repeated so that scripts need no table.
    pub code: u8,
    /// What was attempted, to which thing, and why it stopped.
    pub message: String,
    /// The chain of causes, outermost first, without the message itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What is still safe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The target concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether a person wanted it so: then nothing is tried again by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
    /// Whether it does not pass while nobody does anything about it, although its class is that of what may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lasting: bool,
    /// What was done before it stopped, in the form of the work's answer, where some of it stays done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Box<serde_json::Value>>,
}

impl Failure {
    /// A failure that no module's error stands behind.
    #[must_use]
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            code: class.code(),
            message: message.into(),
            causes: Vec::new(),
            safe: None,
            hints: Vec::new(),
            target: None,
            cancelled: false,
            lasting: false,
            done: None,
        }
    }

    /// The failure an error explains itself to be.
    #[must_use]
    pub fn of(error: &(impl Explain + ?Sized)) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Some libraries repeat their source at the end of their own text.
            if !causes.last().is_some_and(|last: &String| last.ends_with(&text)) {
                causes.push(text);
            }
            source = cause.source();
        }
        Self {
            class: error.class(),
            code: error.class().code(),
            message: error.to_string(),
            causes,
            safe: error.safe(),
            hints: error.hints(),
            target: None,
            cancelled: false,
            lasting: false,
            done: None,
        }
    }

    /// Names the target concerned, also where its words say `TARGET`.
    #[must_use]
    pub fn on(mut self, target: impl fmt::Display) -> Self {
        let target = target.to_string();
        let said = [&mut self.message].into_iter().chain(&mut self.causes).chain(&mut self.hints);
        said.for_each(|said| *said = text::naming(said, &target));
        self.target = Some(target);
        self
    }

    /// Adds a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        self.hints.push(self.target.as_ref().map_or_else(|| hint.clone(), |target| text::naming(&hint, target)));
        self
    }

    /// Says what is still safe.
    #[must_use]
    pub fn safe(mut self, safe: impl Into<String>) -> Self {
        self.safe = Some(safe.into());
        self
    }
}

impl fmt::Display for Failure {
    /// The lines printed on standard error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        for cause in &self.causes {
            write!(f, "\n  caused by: {cause}")?;
        }
        if let Some(safe) = &self.safe {
            write!(f, "\n  safe: {safe}")?;
        }
        for hint in &self.hints {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

/// An error and its causes on one line, for a log field.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
