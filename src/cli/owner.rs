//! Acting as the user whose state it is.
//!
//! Owns one rule: what root does without the daemon is done as the owner of the state directory. No file of root's is left where the
//! daemon cannot read it, and nothing that the daemon's user or the server's decides about (a release, a state, an archive, a
//! program that tells a version) is opened, run or followed by root. Nothing happens where they are the same, or where there is no
//! state yet; what is run as root even then is judged by `process`.
//!
//! The other user's process gets pipes and a session of its own, never root's terminal; on a terminal what it prints is shown as
//! `text::coloured` leaves it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use futures_util::StreamExt as _;

use super::{Stop, World};
use crate::config::Config;
use crate::control::peers::Judge;
use crate::failure::{Class, Failure};
use crate::process::{self, User};
use crate::text;
use crate::trust;

/// The user of `upkeepd.service`, whom the package makes.
pub(super) const DAEMON_USER: &str = "upkeep";

/// A list of users is no longer than this many bytes.
const MOST_USERS: u64 = 16 * 1024 * 1024;

/// The user who logged in, by the kernel's audit: `sudo`, `su` and our own change of user leave it as it is.
const LOGIN: &str = "/proc/self/loginuid";

/// Carries out this very command as the owner of the state directory and ends with its exit code; returns `Ok` only when there is no
/// need.
///
/// # Errors
/// The answer of the command, or why it could not be carried out.
pub(super) async fn hand_over(config: &Config, world: &World) -> Result<(), Stop> {
    hand_over_with(config, world, &[]).await
}

/// The same with more arguments.
pub(super) async fn hand_over_with(config: &Config, world: &World, more: &[OsString]) -> Result<(), Stop> {
    let Some((user, group)) = other_owner(&config.daemon.state_dir) else { return Ok(()) };
    let failed = |what: String| Failure::new(Class::OsError, what);
    let ourselves = std::env::current_exe().map_err(|error| failed(format!("cannot find this very program: {error}")))?;
    let argv: Vec<String> = std::iter::once(ourselves.into_os_string())
        .chain(std::env::args_os().skip(1))
        .chain(more.iter().cloned())
        .map(|word| word.into_string().map_err(|word| failed(format!("not UTF-8: {}", word.display()))))
        .collect::<Result<_, _>>()?;
    let mut signals = passed_on()?;
    let (mut out, mut err) = (Pane::new(std::io::stdout()), Pane::new(std::io::stderr()));
    let takers: [process::Taker<'_>; 2] = [&mut |piece| out.take(piece), &mut |piece| err.take(piece)];
    let user = User::numbered(user, group);
    let code = process::relay(&user, &argv, variables(config, world), &mut signals, takers).await.map_err(|error| {
        let state_dir = config.daemon.state_dir.display();
        failed(format!("cannot go on as the owner of {state_dir}: {}", crate::failure::Chain(&error)))
            .hint("install setsid and setpriv (util-linux), or start the daemon: `systemctl start upkeepd`")
    })?;
    out.end();
    err.end();
    Err(Stop::Answer(code))
}

/// Who sits at the terminal, as the kernel knows: the user who logged in, else the one this process runs as. What the environment
/// says of it, anybody may have put there.
pub(super) async fn person() -> String {
    let uid = rustix::process::getuid().as_raw();
    let login = std::fs::read_to_string(LOGIN).ok().and_then(|text| text.trim().parse::<u32>().ok());
    // All ones: nobody logged in, as for a service.
    let uid = login.filter(|login| *login != u32::MAX).unwrap_or(uid);
    Judge::new(uid).name_of(uid).await
}

/// User and group of the state's owner, when we are root and it is somebody else's.
pub(super) fn other_owner(state_dir: &Path) -> Option<(u32, u32)> {
    // Of a link, first whoever set it: he decides where the state is.
    let metas = [std::fs::symlink_metadata(state_dir), std::fs::metadata(state_dir)];
    let other = metas.into_iter().flatten().map(|meta| (meta.uid(), meta.gid())).find(|(user, _)| *user != 0);
    other.filter(|_| rustix::process::geteuid().is_root())
}

/// User and group of `upkeepd.service`; none where no package made them.
pub(super) fn daemon() -> Option<[u32; 2]> {
    let users = trust::read_to_string(Path::new("/etc/passwd"), MOST_USERS).ok()?;
    users.lines().find_map(|line| {
        let mut parts = line.strip_prefix(DAEMON_USER)?.strip_prefix(':')?.split(':').skip(1);
        Some([parts.next()?.parse().ok()?, parts.next()?.parse().ok()?])
    })
}

/// The command that gives a directory to the daemon, with all in it.
pub(super) fn given(directory: &Path) -> String {
    text::shell(&["chown", "-R", &format!("{DAEMON_USER}:"), &*directory.to_string_lossy()])
}

/// How the other process's words are shown, handed on in its environment.
pub(super) const RELAYED: &str = "UPKEEP_RELAYED";

/// Of our variables those that are meant for upkeep, and the passwords that the configuration asks for by name.
fn variables(config: &Config, world: &World) -> BTreeMap<OsString, OsString> {
    let passwords: Vec<&String> =
        config.targets.values().filter_map(|target| target.database.password_variable.as_ref()).collect();
    let ours = |name: &String| {
        name.starts_with("UPKEEP_") || ["NO_COLOR", "TERM"].contains(&name.as_str()) || passwords.contains(&name)
    };
    let kept = world.environment.iter().filter(|(name, _)| ours(name));
    let mut kept: BTreeMap<OsString, OsString> = kept.map(|(name, value)| (name.into(), value.into())).collect();
    kept.insert(RELAYED.into(), world.terminal.handed_on().into());
    kept
}

/// INT, TERM and HUP, as they come: the other process is in another session and hears none of ours.
fn passed_on() -> Result<tokio::sync::mpsc::UnboundedReceiver<()>, Failure> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let signals = signal_hook_tokio::Signals::new([SIGINT, SIGTERM, SIGHUP]);
    let mut signals = signals.map_err(|error| Failure::new(Class::OsError, format!("cannot take signals: {error}")))?;
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    // It ends with the process, or when nobody listens any more.
    tokio::spawn(async move { while signals.next().await.is_some() && tell.send(()).is_ok() {} });
    Ok(told)
}

/// Where one of the two streams goes. On a terminal it is shown line by line, without what would act there.
struct Pane<W> {
    to: W,
    terminal: bool,
    line: Vec<u8>,
}

/// A line longer than this is shown in pieces.
const LONGEST_LINE: usize = 64 * 1024;

impl<W: std::io::Write + std::io::IsTerminal> Pane<W> {
    fn new(to: W) -> Self {
        Self { terminal: to.is_terminal(), to, line: Vec::new() }
    }

    fn take(&mut self, piece: &[u8]) {
        if !self.terminal {
            self.write(piece);
            return;
        }
        self.line.extend_from_slice(piece);
        let whole = self.line.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        if let Some(whole) = whole.or((self.line.len() > LONGEST_LINE).then_some(self.line.len())) {
            let lines: Vec<u8> = self.line.drain(..whole).collect();
            self.show(&lines);
        }
    }

    fn end(&mut self) {
        let rest = std::mem::take(&mut self.line);
        self.show(&rest);
    }

    fn show(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        self.write(text::coloured(&text).as_bytes());
    }

    fn write(&mut self, bytes: &[u8]) {
        // Whoever does not read any more does not want to hear it; the work goes on to its end.
        self.to.write_all(bytes).and_then(|()| self.to.flush()).ok();
    }
}
