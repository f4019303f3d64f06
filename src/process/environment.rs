//! What a child sees of our environment: a few named variables, none of which is a secret or a handle of ours.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::User;

/// Where programs are, who and where we are, and how words and times are written. Not among them on purpose: passwords in
/// `password_env`, `CREDENTIALS_DIRECTORY`, `NOTIFY_SOCKET`, `LISTEN_FDS`, `WATCHDOG_USEC`, `INVOCATION_ID`, `JOURNAL_STREAM`,
/// what a loader or an interpreter would obey (`LD_PRELOAD`, `PYTHONPATH`), and our own `UPKEEP_…`.
const NAMES: [&str; 9] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"];

/// The variables that a child gets, of ours or of the user it runs as.
#[must_use]
pub fn kept(user: Option<&User>) -> BTreeMap<OsString, OsString> {
    let named = |name: &str| NAMES.contains(&name) || name.starts_with("LC_");
    let mut kept: BTreeMap<OsString, OsString> =
        std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(named)).collect();
    if let Some(user) = user {
        for name in ["HOME", "USER", "LOGNAME", "SHELL", "TMPDIR"] {
            kept.remove(&OsString::from(name));
        }
        kept.insert("HOME".into(), user.home.clone().into());
        for name in ["USER", "LOGNAME"] {
            kept.insert(name.into(), user.name.clone().into());
        }
    }
    kept
}
