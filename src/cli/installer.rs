//! Who installs a package now, and what he is told while its server waits at the gate.
//!
//! Owns one message on one terminal: the one of the process that has the package manager's lock, which only root can take. Its own output
//! is silent meanwhile, and whoever sits there would press Ctrl-C. Only root says it, once, and nothing depends on it: a terminal that
//! cannot be written to is left alone.

use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use tokio::task::JoinHandle;

use crate::ids::TargetName;
use crate::release;

/// A start that passes at once is nobody's to wonder about.
const GRACE: Duration = Duration::from_secs(2);

/// The majors of pseudo terminals, and of the consoles.
const PTS: std::ops::RangeInclusive<u32> = 136..=143;
const CONSOLE: u32 = 4;

/// Says it after a moment, unless dropped before.
pub(super) struct Told(JoinHandle<()>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells whoever installs a package that the server of a target waits, if it still does after a moment.
pub(super) fn told(target: &TargetName) -> Option<Told> {
    let words = words(target);
    rustix::process::geteuid().is_root().then(|| {
        Told(tokio::spawn(async move {
            tokio::time::sleep(GRACE).await;
            say(&words);
        }))
    })
}

fn words(target: &TargetName) -> String {
    format!(
        "\r\nupkeep: the server of {target} waits while its database is archived and migrated; it starts after that.\r\n\
         upkeep: watch it from another terminal: upkeep status --watch\r\n\
         upkeep: do not press Ctrl-C: it would break the installation off, and not the migration.\r\n"
    )
}

fn say(words: &str) {
    let Some(terminal) = release::package_manager().and_then(terminal_of) else { return };
    let (Some(path), number) = (path_of(terminal), terminal) else { return };
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(handle) = rustix::fs::open(path.as_str(), flags, Mode::empty()) else { return };
    // The very device that the kernel named, and no other that lies under its name here.
    if rustix::fs::fstat(&handle).is_ok_and(|stat| stat.st_rdev == number) {
        // Nobody is harmed who does not read it.
        rustix::io::write(&handle, words.as_bytes()).ok();
    }
}

/// The controlling terminal of a process, as the kernel numbers it.
fn terminal_of(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    number_in(&stat)
}

/// The seventh field; the second, a program's name, may hold anything.
fn number_in(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let number: u32 = rest.split_whitespace().nth(4)?.parse().ok()?;
    // As `/proc` writes it: the minor's low byte, the major, the minor's rest.
    let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xf_ff00));
    (number != 0).then(|| rustix::fs::makedev(major, minor))
}

fn path_of(number: u64) -> Option<String> {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    match major {
        CONSOLE if (1..64).contains(&minor) => Some(format!("/dev/tty{minor}")),
        _ if PTS.contains(&major) => Some(format!("/dev/pts/{}", (major - PTS.start()) * 256 + minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_found_by_the_kernels_number() {
        for (stat, path) in [
            ("812 (apt-get) S 1 812 800 34817 812 4194304", Some("/dev/pts/1")),
            ("812 (a) b (c) S 1 812 800 34816 812 4194304", Some("/dev/pts/0")),
            ("812 (apt) S 1 812 800 1025 812 0", Some("/dev/tty1")),
            ("812 (unattended-upgr) S 1 812 800 0 -1 0", None),
            ("812 (odd) S 1 812 800 257 812 0", None),
        ] {
            assert_eq!(number_in(stat).and_then(path_of).as_deref(), path, "{stat}");
        }
    }
}
