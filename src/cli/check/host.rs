//! What of the host is looked at, beside its targets: files, rights, locks, the daemon, the clock.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::{World, human, owner, session, setup};
use super::{Findings, Found, polkit, target};
use crate::config::load::{self, Secrets};
use crate::config::{Config, Secret};
use crate::context::LOCK;
use crate::control::client::Client;
use crate::durable::Lock;
use crate::failure::{Class, Failure};
use crate::process::Command;
use crate::state_db::StateDb;
use crate::{service, text, trust};

/// A configuration longer than this holds no password that anybody wrote.
const LONGEST: u64 = 16 * 1024 * 1024;

/// How long each question to the host may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// An event may be this much younger than now before the clock is said to have gone back.
const SLACK: chrono::TimeDelta = chrono::TimeDelta::minutes(2);

/// Whether the host fits the configuration, as far as this user may see it; root sees all of it.
pub(super) async fn fits(config: &Config, world: &World, findings: &mut Findings) {
    if !Path::new("/run/systemd/system").is_dir() || world.config != Path::new(load::DEFAULT_PATH) {
        return;
    }
    findings.add(None, "setup", set_up(config, &world.config));
    if let Some(found) = whose_state(config) {
        findings.add(None, "state", found);
    }
    if let Some(found) = polkit::look(config).await {
        findings.add(None, "polkit", found);
    }
}

fn set_up(config: &Config, path: &Path) -> Result<String, Failure> {
    let outdated = setup::outdated(config, path);
    if outdated.is_empty() {
        return Ok("polkit rule, gates and sandbox match the configuration".to_owned());
    }
    let mut failure = Failure::new(Class::Config, "the host does not match the configuration");
    failure.causes = outdated.iter().map(|path| format!("{} is missing or out of date", path.display())).collect();
    Err(failure.hint("as root: `upkeep setup`, then `systemctl restart upkeepd`"))
}

/// A state that is root's is looked at as root, who may do everything; the daemon may not.
fn whose_state(config: &Config) -> Option<Found> {
    let (dir, [daemon, _]) = (&config.daemon.state_dir, owner::daemon()?);
    let owner = fs::metadata(dir).map(|meta| meta.uid());
    let (message, hint) = match owner {
        Ok(uid) if uid == daemon => return None,
        Ok(uid) => {
            let message = format!("{} belongs to user {uid}, and the daemon runs as {}", dir.display(), owner::DAEMON_USER);
            (message, format!("give it to the daemon: `{}`", owner::given(dir)))
        }
        Err(_) => (format!("{} does not exist", dir.display()), "make it: `upkeep setup`".to_owned()),
    };
    Some(Found::problem(Failure::new(Class::NoPermission, message).hint(hint)))
}

/// The rest, as the daemon's user.
pub(super) async fn look(config: &Config, world: &World, findings: &mut Findings) {
    let many = human::many(config.targets.len() as u64, "target");
    findings.add(None, "configuration", Ok(format!("{}, {many}", world.config.display())));
    if let Some(found) = in_the_open(world) {
        findings.add(None, "configuration", found);
    }
    findings.add(None, "state", target::writable(&config.daemon.state_dir));
    let daemon = daemon(config).await;
    let runs = daemon.as_ref().is_ok_and(Option::is_some);
    findings.add(
        None,
        "daemon",
        match daemon {
            Ok(Some(tool)) => Found::good(format!("{tool} answers at {}", config.control.socket.display())),
            // Not a problem of configuration or host: before the first start this is what one looks at.
            Ok(None) => Found::advice(
                Failure::new(Class::Unavailable, "not running, so nothing happens by itself")
                    .hint("once nothing here is marked ✗, start it: `systemctl enable --now upkeepd`"),
            ),
            Err(failure) => Found::problem(failure),
        },
    );
    findings.add(None, "lock", lock(config, runs));
    findings.add(None, "clock", clock(config, world).await);
    if let Some(alarms) = &config.alarms {
        let mut urls = alarms.webhook.iter().chain(&alarms.ping);
        // An incident is no time to find out.
        if let Some((url, error)) = urls.find_map(|url| service::can_ask(url).err().map(|error| (url, error))) {
            let mut failure = Failure::of(&error);
            failure.message = format!("nothing can be sent to {}: {}", url.host(), failure.message);
            findings.add(None, "alarms", Found::problem(failure));
        }
    }
}

async fn daemon(config: &Config) -> Result<Option<String>, Failure> {
    match Client::connect(&config.control.socket).await? {
        Some(client) => Ok(Some(client.status().await?.tool)),
        None => Ok(None),
    }
}

/// Who works on the state now. The daemon does for as long as it runs.
fn lock(config: &Config, daemon_runs: bool) -> Found {
    match Lock::holder(&config.daemon.state_dir.join(LOCK)) {
        None => Found::good("no other upkeep works in the state directory"),
        Some(holder) if daemon_runs => Found::good(format!("the state directory is in use by {holder}")),
        Some(holder) => Found::advice(
            Failure::new(Class::TempFail, format!("the state directory is in use by {holder}, and no daemon answers"))
                .hint("wait until that process has ended; no daemon can start before"),
        ),
    }
}

/// Whether the clock can be trusted: schedules, ages and the order of archives go by it.
async fn clock(config: &Config, world: &World) -> Found {
    let now = world.clock.now();
    let newest = newest_event(config).await.filter(|at| *at - now > SLACK);
    if let Some(at) = newest {
        let message = format!("it is {} UTC, but the newest event is from {} UTC", human::moment(now), human::moment(at));
        return Found::problem(
            Failure::new(Class::OsError, message)
                .safe("nothing is deleted for its age while the clock is behind")
                .hint("set the clock: `timedatectl`"),
        );
    }
    let asked = Command::new(&["timedatectl", "show", "--property=NTPSynchronized", "--value"], DEADLINE).run().await;
    match asked.map(|finished| finished.stdout.trim().to_owned()).as_deref() {
        Ok("yes") => Found::good(format!("{} UTC, synchronised", human::moment(now))),
        Ok("no") => Found::advice(
            Failure::new(Class::OsError, format!("{} UTC, but nothing keeps it synchronised", human::moment(now)))
                .hint("keep it synchronised: `apt-get install systemd-timesyncd`, or chrony"),
        ),
        Ok(_) | Err(_) => Found::good(format!("{} UTC", human::moment(now))),
    }
}

async fn newest_event(config: &Config) -> Option<chrono::DateTime<chrono::Utc>> {
    let state = session::state(config).await.ok()?;
    let newest = newest_of(&state).await;
    state.close().await;
    newest
}

async fn newest_of(state: &StateDb) -> Option<chrono::DateTime<chrono::Utc>> {
    let id = state.newest_event().await.ok()?;
    state.events_after(id.saturating_sub(1), 1).await.ok()?.pop().map(|event| event.at)
}

/// Passwords in configuration files that everybody may read.
fn in_the_open(world: &World) -> Option<Found> {
    // Without asking the sources, what there is of passwords was written into the URLs.
    let config = session::config(world, Secrets::Leave).ok()?;
    let passwords: Vec<&Secret> = config.targets.values().filter_map(|target| target.database.password.as_ref()).collect();
    let beside = world.config.parent().map(|parent| parent.join("conf.d")).unwrap_or_default();
    let pieces = fs::read_dir(beside).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let open = |path: &PathBuf| fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0);
    let holds = |path: &PathBuf| {
        let text = trust::read_to_string(path, LONGEST).unwrap_or_default();
        passwords.iter().any(|password| text.contains(&format!(":{}@", password.reveal())))
    };
    let files: Vec<String> = std::iter::once(world.config.clone())
        .chain(pieces)
        .filter(|path| open(path) && holds(path))
        .map(|path| path.display().to_string())
        .collect();
    let first = files.first()?;
    let message = format!("everybody on this host can read a password: it is in the URL in {}", files.join(", "));
    let first = text::shell(&[first]);
    Some(Found::problem(
        Failure::new(Class::Config, message)
            .hint(format!("`chown root:upkeep {first} && chmod 640 {first}`"))
            .hint("or move it into a file of its own: `password_file` in `[targets.NAME.database]`"),
    ))
}
