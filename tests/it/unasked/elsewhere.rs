//! A restore into an address that is a target's own database by another spelling: guarded like one into that target, and its gate is shut
//! meanwhile.

use std::process::Stdio;

use super::ok;
use crate::identity::{by, way};
use crate::support::daemon::Running;
use crate::support::held::{gate, hold};
use crate::support::wait::until;
use crate::support::world::{World, text};

/// Of a world that serves.
pub(super) fn is_guarded_as_the_targets_own(world: &World) {
    ok(world, &["backup", "notes"]);
    let (own, link) = (world.database(), world.root().join("another-way"));
    std::os::unix::fs::symlink(way(&own), &link).unwrap();
    let url = by(&own, &link, None).location.to_string();
    assert_ne!(url, own.location.to_string());
    let into = ["restore", "notes", "--into", &url, "--replace"];
    let refused = world.run(&into);
    let said = text(&refused);
    assert!(refused.status.code() == Some(75) && said.contains("the server of target notes is running"), "{url}: {said}");

    world.stop_server();
    let fifo = world.root().join("held-in-the-daemon");
    let mut command = world.command(&["daemon"]);
    hold(&mut command, "restore.marked", &fifo);
    let daemon = Running::run(command, &world.root(), world.root().join("state/upkeep.sock"));
    let mut restore = world.command(&into).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let held = gate("the restore is underway", &fifo, || restore.try_wait().unwrap().is_some());
    let shut = world.run(&["gate", "notes"]);
    drop(held.unwrap_or_else(|| panic!("it never came to it: {}", daemon.log())));
    let restored = restore.wait_with_output().unwrap();
    assert!(restored.status.success(), "{url}: {}", text(&restored));
    assert!(!shut.status.success() && text(&shut).contains("a restore is underway"), "{url}: {}", text(&shut));
    until("the gate is open again", || world.run(&["gate", "notes"]).status.success());
    daemon.stop_and_tell();
}
