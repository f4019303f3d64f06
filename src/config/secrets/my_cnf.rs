//! `.my.cnf`, where MySQL's clients keep a password, and how they connect under TLS.
//!
//! Reads the `[client]` group as they do. Takes the password and what is said of TLS, and only when the file's user, host and socket,
//! where it names them, are those of the database: a password goes nowhere it was not meant for.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::config::encryption::MYSQL_SSL_MODES;
use crate::config::given::Environment;
use crate::config::{Database, Identity, Location, Roots, Secret};

/// The password for a MySQL or MariaDB database without any other source. A file that others may read is passed over.
pub(crate) fn my_cnf(location: &Location, environment: &Environment) -> Option<Secret> {
    found(location, environment, Readers::Owner)?.remove("password").filter(|password| !password.is_empty()).map(Secret::new)
}

/// What the file says of TLS, where the URL says nothing of it. As the clients read it: a CA without a mode has it looked at.
pub(crate) fn tls(database: &mut Database, environment: &Environment) {
    let options = match database.tls.in_url {
        true => None,
        false => found(&database.location, environment, Readers::Any),
    };
    let (Some(options), Location::MySql { ssl_mode, .. }) = (options, &mut database.location) else { return };
    // One that cannot be read, for it is relative to whoever starts a client, is refused by name when it is used, and never passed over.
    let path = |key: &str| options.get(key).filter(|path| !path.is_empty()).map(PathBuf::from);
    let on = |key: &str| options.get(key).map(|value| !matches!(value.to_ascii_uppercase().as_str(), "0" | "OFF" | "FALSE"));
    // A CA beside a mode that looks at none is passed over, as the clients do.
    database.tls.roots = path("ssl_ca").map(Roots::File);
    let identity = path("ssl_cert").zip(path("ssl_key")).map(|(certificate, key)| Identity { certificate, key });
    database.tls.identity = database.tls.identity.take().or(identity);
    let named = options.get("ssl_mode").map(|mode| mode.to_ascii_uppercase());
    let named = named.filter(|mode| MYSQL_SSL_MODES.contains(&mode.as_str()));
    let mode = match named {
        Some(mode) => mode,
        // MariaDB's words for them.
        None if on("ssl_verify_server_cert") == Some(true) => "VERIFY_IDENTITY".to_owned(),
        // A directory of CAs is demanded as a file is, and then refused by name.
        None if database.tls.roots.is_some() || path("ssl_capath").is_some() => "VERIFY_CA".to_owned(),
        None if on("ssl") == Some(true) || database.tls.identity.is_some() => "REQUIRED".to_owned(),
        None if on("ssl") == Some(false) || on("skip_ssl") == Some(true) => "DISABLED".to_owned(),
        None => return,
    };
    *ssl_mode = mode;
}

/// Who may read the file for what is asked of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    /// Nobody else, for a password.
    Owner,
    /// Whoever: it is no secret how the server is spoken to.
    Any,
}

/// The options that are meant for this database.
fn found(location: &Location, environment: &Environment, readers: Readers) -> Option<BTreeMap<String, String>> {
    let Location::MySql { host, user, .. } = location else { return None };
    let path = environment.get("HOME").map(|home| PathBuf::from(home).join(".my.cnf"))?;
    let mode = fs::metadata(&path).ok()?.permissions().mode();
    if readers == Readers::Owner && mode & 0o077 != 0 {
        return None;
    }
    let client = client(&crate::trust::read_to_string(&path, super::CLIENTS_BYTES).ok()?);
    let socket = host.starts_with('/');
    let same = |key: &str, ours: &str| client.get(key).is_none_or(|value| value == ours);
    let here = match socket {
        true => same("socket", host) && same("host", "localhost"),
        false => same("host", host),
    };
    (here && same("user", user)).then_some(client)
}

/// The options of the `[client]` group; of one that is given twice, the last.
fn client(text: &str) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    let mut ours = false;
    for line in text.lines().map(str::trim) {
        if let Some(group) = line.strip_prefix('[') {
            ours = group.split(']').next().is_some_and(|group| group.trim() == "client");
        } else if ours && !line.is_empty() && !line.starts_with(['#', ';', '!']) {
            // An option alone is one that is on; a password alone is one that is asked for.
            let (key, rest) = line.split_once('=').unwrap_or((line, ""));
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
