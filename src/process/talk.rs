//! A program that is talked with over its input and output for as long as somebody wants to.

use tokio::io::Join;
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::{Command, Group, ProcessError, Started, Tail, drain};

/// The program. Dropped, it is killed with its group.
#[derive(Debug)]
pub struct Talk {
    // First, so that nobody of its group is left when it is gone itself.
    _group: Group,
    child: Child,
}

impl Command {
    /// Starts it to be talked with; its deadline and its input say nothing here.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn talk(&self) -> Result<Talk, ProcessError> {
        let Started { child, group } = self.spawn(&self.argv)?;
        Ok(Talk { _group: group, child })
    }
}

impl Talk {
    /// What it answers, and what it is told; none where somebody has them already.
    pub fn pipes(&mut self) -> Option<Join<ChildStdout, ChildStdin>> {
        Some(tokio::io::join(self.child.stdout.take()?, self.child.stdin.take()?))
    }

    /// What reads the end of its complaints, until it closes them.
    pub fn complaints(&mut self) -> impl Future<Output = String> + Send + use<> {
        let stream = self.child.stderr.take();
        async move {
            let mut said = Tail::default();
            // What was read before it broke is what it said.
            drain(stream, &mut |piece: &[u8]| said.keep(piece)).await.ok();
            said.text()
        }
    }
}
