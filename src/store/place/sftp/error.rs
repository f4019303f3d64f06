//! What a server of SFTP, or `ssh` on the way to it, refuses: whom that is about, what is safe, and what to do next.
//!
//! Pure. Of what `ssh` prints only the last lines are looked at, and nothing of a key is ever in them.

use russh_sftp::client::error::Error as Said;
use russh_sftp::protocol::StatusCode;

use crate::failure::{Class, Explain};
use crate::text;

/// Of what a program or a server says no more than this is repeated.
const LONGEST_SAID: usize = 200;

/// Why something did not work at a server of SFTP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SftpError {
    /// There is no key to log in with.
    #[error("the key for {url} cannot be read: {why}")]
    NoKey {
        /// The place.
        url: String,
        /// Why.
        why: String,
    },
    /// `ssh` cannot be run here.
    #[error("ssh cannot be run for {url}: {why}")]
    Program {
        /// The place.
        url: String,
        /// Why.
        why: String,
    },
    /// The server has another key than the pinned one.
    #[error("the server of {url} does not have the key that `host_key` names")]
    HostKey {
        /// The place.
        url: String,
    },
    /// The server does not let us in.
    #[error("{url} refuses the key: {said}")]
    BadKey {
        /// The place.
        url: String,
        /// What was said.
        said: String,
    },
    /// Nobody answers, or the connection broke.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// The place.
        url: String,
        /// Why.
        why: String,
    },
    /// The account has no SFTP.
    #[error("{url} lets us in and speaks no SFTP: {said}")]
    NoSftp {
        /// The place.
        url: String,
        /// What was said.
        said: String,
    },
    /// The account may not do that.
    #[error("the account may not {doing} {object}")]
    Denied {
        /// What was tried.
        doing: &'static str,
        /// On what.
        object: String,
    },
    /// There is nothing of that name.
    #[error("there is no {object}")]
    Gone {
        /// The object.
        object: String,
    },
    /// There is no more room.
    #[error("{url} is full")]
    Full {
        /// The place.
        url: String,
    },
    /// Anything else.
    #[error("cannot {doing} {object}: {said}")]
    Other {
        /// What was tried.
        doing: &'static str,
        /// On what.
        object: String,
        /// What the server says.
        said: String,
    },
}

impl SftpError {
    /// What it means that the server did not do it; none where it is the connection that failed.
    pub(super) fn of(error: &Said, (doing, object): (&'static str, &str)) -> Option<Self> {
        let object = object.to_owned();
        match error {
            Said::Status(status) => Some(match status.status_code {
                StatusCode::NoSuchFile => Self::Gone { object },
                StatusCode::PermissionDenied => Self::Denied { doing, object },
                StatusCode::NoConnection | StatusCode::ConnectionLost => return None,
                _ => Self::Other { doing, object, said: short(&status.error_message) },
            }),
            Said::Limited(said) => Some(Self::Other { doing, object, said: short(said) }),
            Said::IO(_) | Said::Timeout | Said::UnexpectedPacket | Said::UnexpectedBehavior(_) => None,
        }
    }

    /// What it means that there is no connection (any more), by what `ssh` said at its end; `why` is what is known without that.
    pub(super) fn of_line(url: String, said: &str, why: &str) -> Self {
        let has = |words: &str| said.contains(words);
        let last = || said.lines().map(str::trim).rfind(|line| !line.is_empty()).map_or_else(|| why.to_owned(), short);
        if has("Host key verification failed") || has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            return Self::HostKey { url };
        }
        if has("subsystem request failed") {
            return Self::NoSftp { url, said: last() };
        }
        if has("Load key") || has("Permission denied (") || has("Too many authentication failures") {
            return Self::BadKey { url, said: last() };
        }
        if has("Bad configuration option") || has("command-line: line") {
            return Self::Program { url, why: last() };
        }
        Self::Unreachable { url, why: last() }
    }

    /// Whether it may pass by itself within minutes.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether it would be the same with every other object.
    #[must_use]
    pub fn is_of_the_place(&self) -> bool {
        match self {
            Self::Gone { .. } | Self::Other { .. } => false,
            // One file may well be another's; what may not be written now may not be with the next.
            Self::Denied { doing, .. } => !matches!(*doing, "read" | "look at"),
            _ => true,
        }
    }
}

/// What prints the keys of the server in a URL.
fn keyscan(url: &str) -> String {
    let server = url.split_once('@').and_then(|(_, rest)| rest.split('/').next()).unwrap_or("HOST");
    match server.rsplit_once(':').filter(|(_, port)| port.chars().all(|letter| letter.is_ascii_digit())) {
        Some((host, port)) => format!("ssh-keyscan -p {port} {}", host.trim_matches(['[', ']'])),
        None => format!("ssh-keyscan {}", server.trim_matches(['[', ']'])),
    }
}

fn short(said: &str) -> String {
    let said: String = text::line(said).chars().take(LONGEST_SAID).collect();
    if said.is_empty() { "it says no more".to_owned() } else { said }
}

impl Explain for SftpError {
    fn class(&self) -> Class {
        match self {
            Self::NoKey { .. } | Self::HostKey { .. } | Self::NoSftp { .. } | Self::Program { .. } => Class::Config,
            Self::BadKey { .. } | Self::Denied { .. } => Class::NoPermission,
            Self::Unreachable { .. } => Class::Unavailable,
            Self::Gone { .. } => Class::NoInput,
            Self::Full { .. } | Self::Other { .. } => Class::Io,
        }
    }

    fn safe(&self) -> Option<String> {
        Some("archives on this host are untouched, and nothing that is sealed at the place was changed".to_owned())
    }

    fn hints(&self) -> Vec<String> {
        let hint = |text: &str| vec![text.to_owned()];
        match self {
            Self::NoKey { .. } => hint(
                "it is a private key of SSH's without a passphrase, where `credentials_file`, `credentials_env` or `credentials_credential` of the place says",
            ),
            Self::Program { .. } => hint("OpenSSH's client is needed: `openssh-client` of Debian, `openssh-clients` of Red Hat"),
            Self::HostKey { url } => vec![
                "somebody may stand in between: ask who runs the server before anything is changed".to_owned(),
                format!(
                    "what it has now: `{}`; one of its lines, compared with what they say, goes into `host_key` of the place",
                    keyscan(url)
                ),
            ],
            Self::BadKey { .. } => hint("look whether the public half is in the account's authorized_keys there, and the private one has no passphrase"),
            Self::Unreachable { .. } => vec![
                "it is tried again, after 1, 2, 4 … 60 minutes, or at once: `upkeep copy`".to_owned(),
                "a server that closes at once may refuse the directory of its chroot: all of it has to be root's, and writable for nobody else".to_owned(),
                "from within the daemon's sandbox: `upkeep setup` opens it, `upkeep offsite check` tries it".to_owned(),
            ],
            Self::NoSftp { .. } => hint("the account needs the subsystem: `ForceCommand internal-sftp` in sshd_config there"),
            Self::Denied { .. } => hint("let the account write in the directory that `url` names; `upkeep offsite check` prints what it needs"),
            Self::Gone { .. } => hint("look what is there: `upkeep list --at` and the place's name"),
            Self::Full { .. } => hint("make room there: upkeep deletes nothing at a place, old copies are a person's to take away"),
            Self::Other { .. } => hint("`upkeep offsite check` lists, reads and writes there as copies do"),
        }
    }

    fn transient(&self) -> bool {
        self.may_pass()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_is_told_as_what_it_is() {
        let told = |said: &str| SftpError::of_line("sftp://u@h/p".to_owned(), said, "the connection was cut");
        let words = |error: &SftpError| error.to_string();
        for (said, class) in [
            ("@@@@\nHost key verification failed.\n", Class::Config),
            (
                "No ED25519 host key is known for place and you have requested strict checking.\nHost key verification failed.",
                Class::Config,
            ),
            ("u@h: Permission denied (publickey).", Class::NoPermission),
            ("Load key \"/proc/1/fd/3\": invalid format\r\nu@h: Permission denied (publickey).", Class::NoPermission),
            ("ssh: connect to host h port 22: Connection refused", Class::Unavailable),
            ("subsystem request failed on channel 0", Class::Config),
            ("Connection closed by 127.0.0.1 port 22", Class::Unavailable),
            ("", Class::Unavailable),
        ] {
            let error = told(said);
            assert_eq!(error.class(), class, "{said}");
            assert!(words(&error).contains("sftp://u@h/p") && error.safe().is_some() && !error.hints().is_empty(), "{error}");
        }
        for (url, command) in [
            ("sftp://u@h/p", "ssh-keyscan h"),
            ("sftp://u@h:23/p", "ssh-keyscan -p 23 h"),
            ("sftp://u@[::1]:23/p", "ssh-keyscan -p 23 ::1"),
        ] {
            assert_eq!(keyscan(url), command);
        }
        let denied = |doing| SftpError::Denied { doing, object: "sftp://u@h/p/x".to_owned() };
        assert!(denied("write").is_of_the_place() && !denied("read").is_of_the_place());
        assert!(words(&told("")).ends_with("the connection was cut"), "{}", told(""));
        assert!(words(&told("\u{1b}[31mred")).contains("red") && !words(&told("\u{1b}[31mred")).contains('\u{1b}'));
    }
}
