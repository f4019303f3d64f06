//! As whom a program runs.
//!
//! Owns one decision: when we are root, what somebody weaker decides about runs as they. Nothing changes where we are not root,
//! for then there is nobody we could become.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Command, ProcessError};
use crate::trust::{self, Weak};

/// A user that a program runs as, who is not root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub(super) uid: u32,
    gid: u32,
    pub(super) name: String,
    pub(super) home: String,
    /// Whether the host knows the user, and with it his groups.
    known: bool,
}

impl User {
    /// The user of a number, as `/etc/passwd` has him; one it does not have keeps number and group and has no others.
    #[must_use]
    pub fn numbered(uid: u32, gid: u32) -> Self {
        let passwd = trust::read_to_string(Path::new("/etc/passwd"), PASSWD_BYTES).unwrap_or_default();
        let line = passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.get(2).and_then(|number| number.parse::<u32>().ok()) == Some(uid));
        let field = |at: usize| line.as_ref().and_then(|fields| fields.get(at)).map(|field| (*field).to_owned());
        Self {
            uid,
            gid: field(3).and_then(|number| number.parse().ok()).unwrap_or(gid),
            name: field(0).unwrap_or_else(|| uid.to_string()),
            home: field(5).unwrap_or_else(|| "/".to_owned()),
            known: line.is_some(),
        }
    }

    /// The name, or the number of one whom the host does not know.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As whom a command must run; none for as whom we are.
    ///
    /// # Errors
    /// When we are root, and several decide about it, or a whole group or everybody does.
    pub fn of(command: &Command) -> Result<Option<Self>, ProcessError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let weak = deciders(command);
        let refused = |why: String| ProcessError::NotAsRoot { program: command.argv.first().cloned().unwrap_or_default(), why };
        match decide(&weak) {
            Decision::Root => Ok(None),
            Decision::User { uid, gid } => Ok(Some(Self::numbered(uid, gid))),
            Decision::Nobody(why) => Err(refused(why)),
        }
    }

    /// `argv` begun as this user: in a session of its own, so that no terminal of ours is its terminal, with no way to more rights.
    pub(super) fn wrapped(&self, argv: &[String], more: &[&str]) -> Vec<String> {
        let groups = if self.known { "--init-groups" } else { "--clear-groups" };
        let (uid, gid) = (format!("--reuid={}", self.uid), format!("--regid={}", self.gid));
        // First the session, as root: between becoming the user and losing the terminal another process of theirs could take it.
        let become_ = ["setsid", "setpriv", &uid, &gid, groups, "--inh-caps=-all", "--no-new-privs"];
        let become_ = become_.iter().chain(more).chain(&["--"]).map(|word| (*word).to_owned());
        become_.chain(argv.iter().cloned()).collect()
    }
}

/// A passwd file longer than this is none.
const PASSWD_BYTES: u64 = 16 * 1024 * 1024;

/// Who may run it.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Root,
    User { uid: u32, gid: u32 },
    Nobody(String),
}

/// Pure.
fn decide(weak: &[Weak]) -> Decision {
    let users: Vec<(u32, u32)> =
        weak.iter().filter_map(|weak| if let Weak::User { uid, gid } = weak { Some((*uid, *gid)) } else { None }).collect();
    // Whoever owns it lets his own group change it: what they put there runs as him by his own doing.
    let others = weak.iter().filter(|weak| match weak {
        Weak::User { uid, .. } => users.first().is_some_and(|(first, _)| first != uid),
        Weak::Group(gid) => !users.iter().any(|(_, group)| group == gid),
        Weak::Anyone => true,
    });
    match (users.first(), others.collect::<Vec<_>>().as_slice()) {
        (None, []) => Decision::Root,
        (Some((uid, gid)), []) => Decision::User { uid: *uid, gid: *gid },
        (first, others) => {
            let all = first.map(|(uid, _)| format!("user {uid}")).into_iter().chain(others.iter().map(ToString::to_string));
            Decision::Nobody(format!("what it does is decided by {}", all.collect::<Vec<_>>().join(" and ")))
        }
    }
}

/// Whoever could have chosen or could change the program, its directory, or a file that its arguments name.
fn deciders(command: &Command) -> Vec<Weak> {
    let base = command.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    let program = command.argv.first().and_then(|program| found(program, &base));
    let bare = command.directory.is_some();
    let at = |word: &str| {
        let named = !word.is_empty() && word.len() < 4096 && (bare || word.contains('/'));
        named.then(|| base.join(word))
    };
    let files = command.argv.iter().skip(1).flat_map(|word| {
        // `--file=/path` and `@/path` name a file as a word of its own does.
        let value = word.split_once('=').map(|(_, value)| value);
        let words = [Some(word.as_str()), value, word.strip_prefix('@')].into_iter().flatten().filter_map(at);
        // Of what a shell is told only programs: what it reads or writes beside them decides nothing.
        let pieces = word.split(|letter: char| letter.is_whitespace() || "=;&|()<>\"'`,{}".contains(letter));
        words.chain(pieces.filter_map(at).filter(|path| runs(path)))
    });
    let mut weak = Vec::new();
    for path in program.into_iter().chain(command.directory.clone()).chain(files) {
        // What is not there decides nothing; what cannot be passed by root is a matter of the file system's server.
        for one in trust::weaker(&path).unwrap_or_default() {
            if !weak.contains(&one) {
                weak.push(one);
            }
        }
    }
    weak
}

/// Whether it is a file that somebody may run.
fn runs(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Where a program is, as `execvp` looks for it.
fn found(program: &str, base: &Path) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(base.join(program));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_user_decides_runs_as_he_and_what_several_do_not_at_all() {
        let notes = Weak::User { uid: 1001, gid: 1001 };
        let other = Weak::User { uid: 1002, gid: 1002 };
        assert_eq!(decide(&[]), Decision::Root);
        assert_eq!(decide(&[notes]), Decision::User { uid: 1001, gid: 1001 });
        assert_eq!(decide(&[notes, Weak::Group(1001)]), Decision::User { uid: 1001, gid: 1001 });
        for weak in [
            vec![notes, other],
            vec![notes, Weak::Group(50)],
            vec![Weak::Group(50)],
            vec![Weak::Anyone],
            vec![notes, Weak::Anyone],
        ] {
            assert!(matches!(decide(&weak), Decision::Nobody(_)), "{weak:?}");
        }
    }
}
