//! Whether polkit lets the daemon do with its units what it must do, asked of polkit itself; only root may ask about others.

use std::time::Duration;

use super::super::owner;
use super::super::setup::{VERBS, units};
use super::Found;
use crate::config::Config;
use crate::failure::{Class, Failure};
use crate::process::Command;

const DEADLINE: Duration = Duration::from_secs(60);

/// polkit judges a process, so one of the daemon's user is there for as long as it is asked. Prints what is refused.
const ASK: &str = r#"
command -v pkcheck >/dev/null || exit 127
verbs=$1 uid=$2 gid=$3
shift 3
setpriv --reuid="$uid" --regid="$gid" --clear-groups -- sleep 50 &
pid=$!
trap 'kill "$pid"' EXIT
until [ "$(stat -c %u "/proc/$pid")" = "$uid" ]; do sleep 0.02; done
for unit; do
    for verb in $verbs; do
        pkcheck --action-id org.freedesktop.systemd1.manage-units --process "$pid" --detail unit "$unit" --detail verb "$verb" \
            >/dev/null 2>&1 || echo "$verb $unit"
    done
done
"#;

/// None where there is nothing to ask about, or we may not ask.
pub(super) async fn look(config: &Config) -> Option<Found> {
    let units = units(config);
    let (user, group) = owner::other_owner(&config.daemon.state_dir).filter(|_| !units.is_empty())?;
    let mut argv = ["sh", "-c", ASK, "sh", &VERBS.join(" "), &user.to_string(), &group.to_string()].map(str::to_owned).to_vec();
    argv.extend(units.iter().cloned());
    let failed = |message: String| Failure::new(Class::Unavailable, message);
    let asked = match Command::new(&argv, DEADLINE).run().await {
        Ok(asked) => asked,
        Err(error) => return Some(Found::problem(Failure::of(&error))),
    };
    let refused: Vec<&str> = asked.stdout.lines().collect();
    Some(match (asked.code, refused.as_slice()) {
        (Some(127), _) => Found::problem(
            failed("polkit is missing, so the daemon may not start or stop any server".to_owned())
                .hint("install it: `apt-get install polkitd`"),
        ),
        (Some(0), []) => {
            Found::good(format!("the daemon may {} {}", VERBS.join(", "), units.iter().cloned().collect::<Vec<_>>().join(", ")))
        }
        (Some(0), refused) => Found::problem(
            Failure::new(Class::NoPermission, format!("the daemon may not {}", refused.join(", ")))
                .hint("as root: `upkeep setup`; when that changes nothing, a newer polkit is needed (0.106 or later)"),
        ),
        _ => Found::problem(failed(format!("polkit could not be asked: {}", asked.last_line()))),
    })
}
