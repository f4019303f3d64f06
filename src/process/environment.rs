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

/// The variables in a file, as systemd reads `EnvironmentFile=`: nothing is put in for `$`; in double quotes a backslash takes away only the
/// meaning of what has one there, and quoted values may go on for lines. A line that is none says nothing.
#[must_use]
pub fn in_file(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let trimmed = rest.trim_start();
        let line = trimmed.split('\n').next().unwrap_or_default();
        let named = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let name = line.split_once('=').map(|(name, _)| name.trim_end()).filter(named);
        rest = match name {
            Some(name) => {
                let (value, after) = value_of(trimmed.split_once('=').map_or("", |(_, value)| value));
                found.insert(name.to_owned(), value);
                after
            }
            None => trimmed.split_once('\n').map_or("", |(_, after)| after),
        };
    }
    found
}

/// A value with its quotes taken away, and what stands behind its line.
fn value_of(text: &str) -> (String, &str) {
    let (mut value, mut quote, mut kept) = (String::new(), None, 0);
    let mut letters = text.trim_start_matches([' ', '\t']).chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\n', None) => break,
            ('\'' | '"', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => {
                quote = None;
                kept = value.len();
            }
            ('\\', None | Some('"')) => match letters.next() {
                Some('\n') | None => {}
                Some(next) if quote.is_none() || "\"\\`$".contains(next) => {
                    value.push(next);
                    kept = value.len();
                }
                Some(next) => value.extend(['\\', next]),
            },
            _ => value.push(letter),
        }
    }
    // White space at the end belongs to a value only where it was quoted.
    let end = value.trim_end().len().max(kept);
    value.truncate(end);
    (value, letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_variables_is_read_as_systemd_reads_it() {
        let text =
            "# A=1\n; B=1\nDB_USER=om\n  DB_HOST = h\nP='a $b \\c'\nQ=\"a \\\"b\\\" $c\"\nR=a\\ b \nS=\nno line\n1 x=2\n";
        let found = in_file(text);
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            found,
            [("DB_HOST", "h"), ("DB_USER", "om"), ("P", "a $b \\c"), ("Q", "a \"b\" $c"), ("R", "a b"), ("S", "")]
        );
    }
}
