//! What the note says: prose in lines that begin with `#`, and commands, each whole in one line, quoted for a shell.
//!
//! Pure. Invariants: the file as a whole is a shell script, so that whatever part of it is pasted does what it says; no command
//! needs another line of the note to be understood (no variables); no password is in it; nothing that is there is overwritten or
//! dropped before it was kept aside. Held by the tests beside this file and by `tests/it/recovery_note.rs`.

mod engines;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::archive::manifest::Manifest;
use crate::config::{Location, Tls};
use crate::text::shell;

/// How the managed server is stopped and started.
pub(super) enum Server {
    /// A systemd unit.
    Unit(String),
    /// The configuration's own commands.
    Commands { start: Vec<String>, stop: Vec<String> },
    /// Nothing is configured.
    Unknown,
}

/// How the earlier release comes back.
pub(super) enum Release {
    /// A symbolic link points to it again.
    Link { link: PathBuf, to: PathBuf },
    /// The configured command installs it.
    Command(Vec<String>),
    /// A person installs this version.
    ByHand(String),
    /// There was none before.
    Unknown,
}

/// What the note is made from.
pub(super) struct Facts<'a> {
    pub(super) what: String,
    pub(super) rollback: bool,
    pub(super) id: String,
    pub(super) target: String,
    pub(super) archive: PathBuf,
    pub(super) sha256: Option<String>,
    pub(super) manifest: Option<&'a Manifest>,
    pub(super) location: Location,
    pub(super) tls: Tls,
    pub(super) client_bindir: &'a [PathBuf],
    pub(super) asks_password: bool,
    pub(super) server: Server,
    pub(super) release: Release,
}

/// A note being written: numbered steps, each of prose and commands.
pub(super) struct Note {
    text: String,
    steps: u32,
}

impl Note {
    fn say(&mut self, prose: &str) {
        for line in prose.lines() {
            // Writing to a string does not fail.
            writeln!(self.text, "# {}", line.replace(|c: char| c.is_control(), "?")).ok();
        }
    }

    fn step(&mut self, prose: &str) {
        self.steps += 1;
        self.text.push('\n');
        self.say(&format!("{}. {prose}", self.steps));
    }

    fn run(&mut self, command: &str) {
        self.text.push_str(command);
        self.text.push('\n');
    }
}

/// The whole note.
pub(super) fn text(facts: &Facts<'_>) -> String {
    let mut note = Note { text: String::new(), steps: 0 };
    begin(&mut note, facts);
    stop(&mut note, &facts.server);
    check(&mut note, facts);
    engines::put_back(&mut note, facts);
    release(&mut note, &facts.release);
    tell(&mut note, &facts.target);
    start(&mut note, facts);
    note.text.push('\n');
    note.say("This note is removed when the upgrade ends. Where upkeep's own records are lost, it keeps the server from starting until a person has answered.");
    note.text
}

fn begin(note: &mut Note, facts: &Facts<'_>) {
    note.say(&format!(
        "upkeep is in the middle of {}: {}",
        if facts.rollback { "a rollback" } else { "an upgrade" },
        facts.what
    ));
    note.say(&format!("upgrade {}", facts.id));
    note.say(&format!(
        "Before anything changed, the database was archived, and the archive was read back whole:\n  {}",
        facts.archive.display()
    ));
    if let Some(manifest) = facts.manifest {
        note.say(&format!("It holds {} tables with {} rows in all.", manifest.tables.len(), manifest.rows()));
    }
    note.say(
        "\nStart upkeep: it goes on by itself from where it was. Only if it cannot start, this is the way back by hand.\n\
         Run the commands one after the other, as root, and stop at the first that fails: nothing that is there is\n\
         overwritten before it was kept aside, and every step may be begun again from the first.",
    );
    if facts.asks_password {
        note.say("The database's client asks for the password; it is where the configuration says, and not in this note.");
    }
}

fn stop(note: &mut Note, server: &Server) {
    note.step("Stop upkeep, so that it changes nothing meanwhile, and the server.");
    note.run("if systemctl --quiet is-active upkeepd.service 2>/dev/null; then systemctl stop upkeepd.service; fi");
    match server {
        Server::Unit(unit) => note.run(&shell(&["systemctl", "stop", "--", unit])),
        Server::Commands { stop, .. } => note.run(&shell(stop)),
        Server::Unknown => note.say("No service is configured: stop the server the way you started it."),
    }
}

fn check(note: &mut Note, facts: &Facts<'_>) {
    let archive = quoted(&facts.archive);
    note.step("Is the archive whole, and the file that was sealed? Both must end well.");
    note.run(&format!("zstd -tq {archive}"));
    match &facts.sha256 {
        // `sha256sum` reads a line with a backslash or a line end in the name in a form of its own; the standard input has no name.
        Some(digest) => note.run(&format!("test \"$(sha256sum < {archive})\" = '{digest}  -'")),
        None => note.run(&format!("test \"$(tail -c 8 {archive} | head -c 6)\" = upkeep")),
    }
}

fn release(note: &mut Note, release: &Release) {
    note.step("The release from before.");
    match release {
        Release::Link { link, to } => note.run(&format!("ln -sfnT -- {} {}", quoted(to), quoted(link))),
        Release::Command(command) => note.run(&shell(command)),
        Release::ByHand(version) => note.say(&format!(
            "Install version {version} of the server again, with the package manager, and keep it from starting before the next steps."
        )),
        Release::Unknown => note.say("There was none: the database was not upkeep's to upgrade before. Install the version it came from."),
    }
}

fn tell(note: &mut Note, target: &str) {
    note.step(
        "Tell upkeep that this is how it is to be, before the server starts: otherwise it would go on with what it was at, and put\n\
         the archive back once more. If the program itself does not run, go on, and give this command before it is started again.",
    );
    note.run(&shell(&["upkeep", "upgrade", target, "--accept"]));
}

fn start(note: &mut Note, facts: &Facts<'_>) {
    note.step("Start the server.");
    match &facts.server {
        Server::Unit(unit) => {
            note.say(&format!(
                "(Where the last step could not be done, the gate keeps the server from starting. Without it:\n \
                 mv /etc/systemd/system/{unit}.d/50-upkeep-gate.conf /root/ && systemctl daemon-reload)"
            ));
            note.run(&shell(&["systemctl", "start", "--", unit]));
        }
        Server::Commands { start, .. } => note.run(&shell(start)),
        Server::Unknown => note.say("No service is configured: start it the way you did before."),
    }
    note.say("When it serves: start upkeep again, and take a backup:");
    note.say("  systemctl start upkeepd.service");
    note.say(&format!("  {}", shell(&["upkeep", "backup", &facts.target])));
}

/// A path as a shell reads it back.
fn quoted(path: &Path) -> String {
    quote(&path.to_string_lossy())
}

fn quote(word: &str) -> String {
    shell(&[word])
}

#[cfg(test)]
mod tests;
