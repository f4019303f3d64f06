//! The real binary, held up at one of its fault points while a test acts.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use super::wait::until;
use super::world::{World, text};

/// A command that waits at a point.
pub(crate) struct Held {
    child: Child,
    gate: File,
}

/// Makes a FIFO at which whoever comes to a point (`*` for each) is held, and has a command's points lead there.
pub(crate) fn hold(command: &mut Command, point: &str, fifo: &Path) {
    assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    command.env("UPKEEP_FAULT_HOLD", format!("{point}:{}", fifo.display()));
}

/// Waits until somebody is held at a FIFO, who is so until this is closed; none when he has ended instead.
#[track_caller]
pub(crate) fn gate(what: &str, fifo: &Path, mut has_ended: impl FnMut() -> bool) -> Option<File> {
    let (mut gate, mut ended) = (None, false);
    until(what, || {
        // Opens only when somebody reads.
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
        gate = OpenOptions::new().write(true).custom_flags(flags).open(fifo).ok();
        ended = gate.is_none() && has_ended();
        gate.is_some() || ended
    });
    gate
}

impl Held {
    /// Runs a command on a world up to a point.
    #[track_caller]
    pub(crate) fn at(world: &World, arguments: &[&str], point: &str) -> Self {
        Self::of(world.command(arguments), point, &world.root().join(format!("held-at-{point}")))
    }

    /// Runs any command up to a point.
    #[track_caller]
    pub(crate) fn of(mut command: Command, point: &str, fifo: &Path) -> Self {
        hold(&mut command, point, fifo);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let gate = gate(&format!("{command:?} comes to {point}"), fifo, || child.try_wait().unwrap().is_some());
        match gate {
            Some(gate) => Self { child, gate },
            None => panic!("{command:?} never came to {point}: {}", text(&child.wait_with_output().unwrap())),
        }
    }

    /// Runs a command on a world and has somebody act in every gap between its points: he is told how many points were passed and the
    /// last one's name. Gives the command's end.
    #[track_caller]
    pub(crate) fn at_every(world: &World, arguments: &[&str], mut act: impl FnMut(usize, &str)) -> Output {
        let (fifo, trace) = (world.root().join("held-at-every"), world.root().join("passed"));
        let mut command = world.command(arguments);
        hold(&mut command, "*", &fifo);
        command.env("UPKEEP_FAULT_TRACE", &trace);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let next = format!("{arguments:?} comes to its next point");
        while let Some(gate) = gate(&next, &fifo, || child.try_wait().unwrap().is_some()) {
            let passed = std::fs::read_to_string(&trace).unwrap();
            act(passed.lines().count(), passed.lines().last().unwrap_or_default());
            drop(gate);
        }
        std::fs::remove_file(&fifo).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Kills it where it is held.
    pub(crate) fn kill(self) {
        let Self { mut child, gate } = self;
        child.kill().unwrap();
        child.wait().unwrap();
        drop(gate);
    }

    /// Lets it go on, and gives its end.
    pub(crate) fn go_on(self) -> Output {
        let Self { child, gate } = self;
        drop(gate);
        child.wait_with_output().unwrap()
    }
}
