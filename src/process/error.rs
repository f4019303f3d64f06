//! Why a program gave no answer, and what to do about it.

use std::time::Duration;

use crate::failure::{Class, Explain};

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no program to run.
    #[error("the command is empty")]
    Empty,
    /// It could not be started.
    #[error("cannot run {program}")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        source: std::io::Error,
    },
    /// We are root, and somebody weaker decides what it does.
    #[error("{program} is not run as root: {why}")]
    NotAsRoot {
        /// The program.
        program: String,
        /// Who decides, and why it cannot run as they.
        why: String,
    },
    /// Talking to it failed.
    #[error("cannot talk to {program}")]
    Talk {
        /// The program.
        program: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The deadline passed; it was killed.
    #[error("{program} did not end within {} s and was killed", deadline.as_secs_f32())]
    Deadline {
        /// The program.
        program: String,
        /// The deadline.
        deadline: Duration,
    },
    /// It ended with an error. Built by callers that need success.
    #[error("{program} failed with {}: {last_line}", code.map_or("a signal".to_owned(), |code| format!("exit code {code}")))]
    Failed {
        /// The program.
        program: String,
        /// Its exit code.
        code: Option<i32>,
        /// The last line it printed.
        last_line: String,
    },
}

impl Explain for ProcessError {
    fn class(&self) -> Class {
        match self {
            Self::Empty => Class::Config,
            Self::NotAsRoot { .. } => Class::NoPermission,
            Self::Start { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => Class::NoPermission,
            Self::Start { .. } | Self::Failed { .. } | Self::Deadline { .. } => Class::Unavailable,
            Self::Talk { .. } => Class::OsError,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Start { program, .. } => {
                vec![format!("check that {program} is installed and executable: `command -v {program}`")]
            }
            Self::NotAsRoot { .. } => vec![
                "give program, arguments and working directory, and the directories they lie in, to root or to one user"
                    .to_owned(),
            ],
            _ => Vec::new(),
        }
    }
}
