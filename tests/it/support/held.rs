//! The real binary, held up at one of its fault points while a test acts.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Output, Stdio};

use super::wait::until;
use super::world::{World, text};

/// A command that waits at a point.
pub(crate) struct Held {
    child: Child,
    gate: File,
}

impl Held {
    /// Runs a command on a world up to a point.
    #[track_caller]
    pub(crate) fn at(world: &World, arguments: &[&str], point: &str) -> Self {
        let fifo = world.root().join(format!("held-at-{point}"));
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let mut command = world.command(arguments);
        command.env("UPKEEP_FAULT_HOLD", format!("{point}:{}", fifo.display()));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut gate = None;
        until(&format!("{arguments:?} comes to {point}"), || {
            // Opens only when somebody reads, who is then held until this end is closed.
            let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
            gate = OpenOptions::new().write(true).custom_flags(flags).open(&fifo).ok();
            gate.is_some() || child.try_wait().unwrap().is_some()
        });
        match gate {
            Some(gate) => Self { child, gate },
            None => panic!("{arguments:?} never came to {point}: {}", text(&child.wait_with_output().unwrap())),
        }
    }

    /// Runs a command on a world and has somebody act in every gap between its points: he is told how many points were passed and the
    /// last one's name. Gives the command's end.
    #[track_caller]
    pub(crate) fn at_every(world: &World, arguments: &[&str], mut act: impl FnMut(usize, &str)) -> Output {
        let (fifo, trace) = (world.root().join("held-at-every"), world.root().join("passed"));
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let mut command = world.command(arguments);
        command.env("UPKEEP_FAULT_HOLD", format!("*:{}", fifo.display())).env("UPKEEP_FAULT_TRACE", &trace);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        loop {
            let (mut gate, mut ended) = (None, false);
            until(&format!("{arguments:?} comes to its next point"), || {
                let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
                gate = OpenOptions::new().write(true).custom_flags(flags).open(&fifo).ok();
                ended = gate.is_none() && child.try_wait().unwrap().is_some();
                gate.is_some() || ended
            });
            if ended {
                std::fs::remove_file(&fifo).unwrap();
                return child.wait_with_output().unwrap();
            }
            let passed = std::fs::read_to_string(&trace).unwrap();
            act(passed.lines().count(), passed.lines().last().unwrap_or_default());
            drop(gate);
        }
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
