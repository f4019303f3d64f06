//! A program that is known of before it begins.

use tokio::io::AsyncWriteExt;

use super::{Command, Finished, HeldPipe, Identity, Lines, ProcessError, Started, Tail, Taker};
use crate::fault;

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

    /// Lets it begin and runs it to its end, telling each line it prints.
    ///
    /// # Errors
    /// As [`Command::run`]. A program that is not there is told by the exit code 127.
    pub async fn run(self, tell: &(dyn Fn(&str) + Send + Sync)) -> Result<Finished, ProcessError> {
        let Self { mut started, command, .. } = self;
        if let Some(stdin) = &mut started.child.stdin {
            // One that was killed meanwhile does not read any more; how it ended says so.
            stdin.write_all(b"go\n").await.ok();
        }
        fault::point("process.let_go");
        let program = command.argv.first().cloned().unwrap_or_default();
        let (mut out, mut err) = (Told::default(), Told::default());
        let takers: [Taker<'_>; 2] = [&mut |piece| out.take(piece, tell), &mut |piece| err.take(piece, tell)];
        let follow = started.follow(&command.input, command.deadline, program, takers, HeldPipe::LeftBehind);
        let mut finished = follow.await?;
        (finished.stdout, finished.stderr) = (out.end(tell), err.end(tell));
        Ok(finished)
    }
}

/// A stream that is kept, and told line by line.
#[derive(Default)]
struct Told {
    kept: Tail,
    lines: Lines,
}

impl Told {
    fn take(&mut self, piece: &[u8], tell: &(dyn Fn(&str) + Send + Sync)) {
        self.kept.keep(piece);
        self.lines.feed(piece, &mut |line| tell(line));
    }

    fn end(mut self, tell: &(dyn Fn(&str) + Send + Sync)) -> String {
        self.lines.end(&mut |line| tell(line));
        self.kept.text()
    }
}
