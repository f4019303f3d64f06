//! Two upkeeps on one database, each with a state, archives, a release and a server of its own: neither undoes what the other has done.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::ok;
use crate::support::held::Held;
use crate::support::world::{World, text};
use crate::support::writer::Writer;

/// The second one, as it would be on another host. Its server is never healthy as 1.1.0.
struct Second {
    root: PathBuf,
}

impl Second {
    /// One beside a world's own, at 1.0.0.
    fn beside(world: &World) -> Self {
        let (first, root) = (world.root(), world.root().join("second"));
        std::fs::create_dir_all(root.join("run")).unwrap();
        std::os::unix::fs::symlink("../releases", root.join("releases")).unwrap();
        std::os::unix::fs::symlink("releases/1.0.0", root.join("current")).unwrap();
        let config = std::fs::read_to_string(world.config()).unwrap();
        let (from, to) = (first.display().to_string(), root.display().to_string());
        let config = config.replace(&from, &to).replace(&format!("{to}/notes.db"), &format!("{from}/notes.db"));
        std::fs::write(root.join("upkeep.toml"), config.replace("!= releases/1.3.0", "!= releases/1.1.0")).unwrap();
        let second = Self { root };
        let backup = second.command(&["backup", "notes"]).output().unwrap();
        assert!(backup.status.success(), "{}", text(&backup));
        std::fs::remove_file(second.root.join("current")).unwrap();
        std::os::unix::fs::symlink("releases/1.1.0", second.root.join("current")).unwrap();
        second
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upkeep"));
        command.arg("--config").arg(self.root.join("upkeep.toml")).args(arguments).stdin(Stdio::null());
        command
    }

    /// The phase of its upgrade.
    fn phase(&self) -> String {
        let output = self.command(&["status", "notes", "--json"]).output().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        status["targets"][0]["upgrade"]["phase"].as_str().unwrap_or("none").to_owned()
    }
}

/// Held before it has changed anything, before its migrations, and on its own way back, while the first one upgrades, serves and writes.
pub(super) fn do_not_undo_each_other(world: &World) {
    for (point, phase) in [
        ("journal.after.planned", "refused"),
        ("journal.after.intended.migrate", "stuck"),
        ("journal.after.turned-back", "rolled-back"),
    ] {
        world.reset();
        // Both work at once: a start that takes longer than usual is no failure here.
        let config = std::fs::read_to_string(world.config()).unwrap().replace("deadline = \"200ms\"", "deadline = \"2s\"");
        std::fs::write(world.config(), config).unwrap();
        let second = Second::beside(world);
        let held = Held::of(second.command(&["upgrade", "notes"]), point, &second.root.join("held"));
        let said = ok(world, &["upgrade", "notes"]);
        assert_eq!((world.whole_version(), world.serving().as_deref()), ("1.1.0", Some("1.1.0")), "{point}: {said}");
        let rows: Vec<String> = (1..=5).map(|row| format!("row {row} behind the upgrade")).collect();
        for (id, row) in (1_000..).zip(&rows) {
            assert!(Writer::once(world.home(), id, row), "{point}");
        }
        let ended = text(&held.go_on());
        let all_are_kept = |what: &str| {
            for row in &rows {
                assert!(world.keeps(row), "{point}, {what}: `{row}` is nowhere: {ended}");
            }
        };
        all_are_kept("it went on");
        assert_eq!(second.phase(), phase, "{point}: {ended}");
        if phase == "rolled-back" {
            // It had migrated itself: to go back is its to do, and what was written since is in its archives.
            continue;
        }
        // What it was to apply was applied by another: it stops, and what serves stands.
        assert!(world.columns().starts_with("id,body,starred|"), "{point}: {ended}");
        let there = Writer::rows(world.home());
        assert!(rows.iter().all(|row| there.contains(row)), "{point}: {ended}");
        assert_eq!(world.serving().as_deref(), Some("1.1.0"), "{point}");
        // A person may send it back all the same; even so no row is lost.
        let back = second.command(&["upgrade", "notes", "--abort"]).output().unwrap();
        all_are_kept(&text(&back));
    }
}
