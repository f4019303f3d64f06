//! `.my.cnf`, where MySQL's clients keep a password.
//!
//! Reads the `[client]` group as they do. Takes the password alone, and only when the file's user, host and socket, where it
//! names them, are those of the database: a password goes nowhere it was not meant for.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::config::given::Environment;
use crate::config::{Location, Secret};

/// The password for a MySQL or MariaDB database without any other source. A file that others may read is passed over.
pub(crate) fn my_cnf(location: &Location, environment: &Environment) -> Option<Secret> {
    let Location::MySql { host, user, .. } = location else { return None };
    let path = environment.get("HOME").map(|home| PathBuf::from(home).join(".my.cnf"))?;
    let mode = fs::metadata(&path).ok()?.permissions().mode();
    if mode & 0o077 != 0 {
        return None;
    }
    let mut client = client(&crate::trust::read_to_string(&path, super::CLIENTS_BYTES).ok()?);
    let socket = host.starts_with('/');
    let same = |key: &str, ours: &str| client.get(key).is_none_or(|value| value == ours);
    let here = match socket {
        true => same("socket", host) && same("host", "localhost"),
        false => same("host", host),
    };
    if !here || !same("user", user) {
        return None;
    }
    client.remove("password").filter(|password| !password.is_empty()).map(Secret::new)
}

/// The options of the `[client]` group; of one that is given twice, the last.
fn client(text: &str) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    let mut ours = false;
    for line in text.lines().map(str::trim) {
        if let Some(group) = line.strip_prefix('[') {
            ours = group.split(']').next().is_some_and(|group| group.trim() == "client");
        } else if let Some((key, rest)) = line.split_once('=')
            && ours
            && !line.starts_with(['#', ';', '!'])
        {
            options.insert(key.trim().replace('-', "_"), value(rest.trim()));
        }
    }
    options
}

/// A value without its quotes, its escapes undone, and without a comment behind it.
fn value(text: &str) -> String {
    let quote = text.chars().next().filter(|first| matches!(first, '\'' | '"'));
    let mut value = String::new();
    let mut characters = text.chars().skip(usize::from(quote.is_some()));
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('b') => value.push('\u{8}'),
                Some('t') => value.push('\t'),
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('s') => value.push(' '),
                Some(plain @ ('\\' | '"' | '\'')) => value.push(plain),
                other => value.extend(std::iter::once('\\').chain(other)),
            },
            end if Some(end) == quote => return value,
            '#' if quote.is_none() => break,
            other => value.push(other),
        }
    }
    value.trim_end().to_owned()
}

#[cfg(test)]
mod tests;
