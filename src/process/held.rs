//! A program that is known of before it begins, and that goes on when we end.
//!
//! Owns letting it begin and following it. How it ended stands in a line of ours at the end of its output, so that a later run that is
//! not its parent can read it there ([`ended`]); whom it left behind may print more after that.

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::{Command, Group, Identity, ProcessError, Started};
use crate::fault;

/// What the line behind its own begins with; the exit code follows.
pub(super) const ENDED: &str = "upkeep: ended with exit code ";

/// How far back that line is looked for, in bytes: so much may whom it left behind print after it.
const ENDED_WITHIN: u64 = 1024 * 1024;

/// How often its output is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A program that is there and has not begun. Dropped, it never does.
#[derive(Debug)]
pub struct Held {
    pub(super) started: Started,
    pub(super) identity: Identity,
    pub(super) command: Command,
}

impl Held {
    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Lets it begin and follows it to its end; `look` is called now and then, and once more after it. The exit code; none when a signal
    /// ended it. Dropped meanwhile, it goes on.
    ///
    /// # Errors
    /// When it cannot be waited for, or its deadline passes: then it is killed with its group. A program that is not there is told by the
    /// exit code 127.
    pub async fn run(self, look: &mut (dyn FnMut() + Send)) -> Result<Option<i32>, ProcessError> {
        let Self { mut started, command, .. } = self;
        if let Some(mut stdin) = started.child.stdin.take() {
            // One that was killed meanwhile does not read any more; how it ended says so.
            stdin.write_all(b"go\n").await.ok();
        }
        fault::point("process.let_go");
        let program = command.argv.first().cloned().unwrap_or_default();
        let end = tokio::time::Instant::now() + command.deadline;
        let group = started.child.id();
        loop {
            // Both arms are cancel-safe: `wait` may be called again, and a pause leaves nothing behind.
            let status = tokio::select! {
                status = started.child.wait() => Some(status),
                () = tokio::time::sleep(LOOK_EVERY) => None,
            };
            look();
            match status {
                Some(status) => return Ok(status.map_err(|source| ProcessError::Talk { program, source })?.code()),
                None if tokio::time::Instant::now() >= end => {
                    drop(Group(group));
                    started.child.wait().await.ok();
                    return Err(ProcessError::Deadline { program, deadline: command.deadline });
                }
                None => {}
            }
        }
    }
}

/// The exit code that stands at the end of the output of a program that was held, once it has ended; none where that is not known: it was
/// killed, and so was who would have written it down.
#[must_use]
pub fn ended(output: &Path) -> Option<i32> {
    let text = super::end_of(output, ENDED_WITHIN).ok()?;
    text.lines().rev().find_map(|line| line.strip_prefix(ENDED)?.trim().parse().ok())
}

/// Whether a line is ours and not the program's.
#[must_use]
pub fn is_end(line: &str) -> bool {
    line.starts_with(ENDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_end_is_found_behind_what_others_print_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let ended_of = |text: &str| {
            crate::durable::write(&path, text.as_bytes()).unwrap();
            ended(&path)
        };
        assert_eq!(ended_of("applied\n"), None);
        assert_eq!(ended_of(&format!("applied\n\n{ENDED}7\n")), Some(7));
        assert_eq!(ended_of(&format!("applied\n\n{ENDED}0\n{}", "the helper goes on\n".repeat(1000))), Some(0));
        assert_eq!(ended_of(&format!("it said {ENDED}0\n")), None, "no line of ours");
    }
}
