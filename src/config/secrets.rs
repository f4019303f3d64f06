//! Where passwords come from: the URL, a file, an environment variable, a systemd credential, `.pgpass`, `.my.cnf`.
//!
//! Owns reading them, once, at the edge; and what these files say of TLS. Never prints one: it leaves here as a [`Secret`]. Invariant: no message holds a
//! secret; held by `load/tests.rs`.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::given::Environment;
use super::raw::Node;
use super::{Keys, Location, Secret};
use crate::text::shell;
use crate::trust::{self, Refused};

mod my_cnf;
use my_cnf::my_cnf;
pub(crate) use my_cnf::tls as tls_of_clients;

/// The keys that name a source, of which at most one may be given.
pub(crate) const SOURCES: [&str; 3] = ["password_file", "password_env", "password_credential"];

/// A password file is one line; more than this is another file, named by mistake.
const LONGEST_BYTES: u64 = 64 * 1024;

/// A client's file longer than this is none.
const CLIENTS_BYTES: u64 = 4 * 1024 * 1024;

/// The password that `[targets.T.database]` names, from whichever source. Problems go to the node.
pub(crate) fn read(node: &Node<'_>, environment: &Environment) -> Option<Secret> {
    let from_file = node.path("password_file").and_then(|path| told(node, "password_file", private(&path)));
    let from_variable = node.parsed("password_env", |name| {
        environment.get(name).cloned().map(Secret::new).ok_or_else(|| format!("the environment variable {name} is not set"))
    });
    let from_credential = node.text("password_credential").and_then(|name| {
        let Some(directory) = environment.get("CREDENTIALS_DIRECTORY") else {
            let what = "there is no $CREDENTIALS_DIRECTORY here: systemd gives it to a unit with";
            node.wrong("password_credential", format!("{what} `LoadCredential={name}:/path/of/the/password`"));
            return None;
        };
        // systemd keeps others out of the directory itself; the mode of the file says nothing.
        told(node, "password_credential", content(&Path::new(directory).join(name)))
    });
    from_file.or(from_variable).or(from_credential)
}

/// The keys of a bucket, or the key for an account, as they are now.
///
/// # Errors
/// Why they cannot be read, in words.
pub fn of_place(keys: &Keys) -> Result<Secret, String> {
    match keys {
        Keys::File(path) => private(path).map(Secret::new),
        Keys::Variable(name, content) => {
            content.clone().ok_or_else(|| format!("the environment variable {name}, which `credentials_env` names, is not set"))
        }
        Keys::Credential(name, Some(directory)) => content(&directory.join(name)).map(Secret::new),
        Keys::Credential(name, None) => Err(format!(
            "there is no $CREDENTIALS_DIRECTORY here: systemd gives it to a unit with `LoadCredential={name}:/path/of/the/keys`, and to nobody else"
        )),
    }
}

fn told(node: &Node<'_>, key: &str, read: Result<String, String>) -> Option<Secret> {
    read.map(Secret::new).map_err(|what| node.wrong(key, what)).ok()
}

/// Reads a file that nobody else may read.
fn private(path: &Path) -> Result<String, String> {
    let text = content(path)?;
    let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode()).unwrap_or(0);
    if mode & 0o007 != 0 {
        let command = shell(&["chmod", "o=", &*path.to_string_lossy()]);
        return Err(format!("{} is open to everybody (mode {:04o}): `{command}`", path.display(), mode & 0o7777));
    }
    Ok(text)
}

fn content(path: &Path) -> Result<String, String> {
    let refused = |error: io::Error| match error.kind() {
        _ if matches!(trust::refused(&error), Some(Refused::TooLong(_))) => {
            format!("{} is more than {LONGEST_BYTES} bytes long, too long for a secret", path.display())
        }
        io::ErrorKind::PermissionDenied if trust::refused(&error).is_none() => {
            format!("this user may not read {}", path.display())
        }
        io::ErrorKind::NotFound => format!("there is no file {}", path.display()),
        _ => format!("cannot read {}: {error}", path.display()),
    };
    let text = trust::read_to_string(path, LONGEST_BYTES).map_err(refused)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err(format!("{} is empty", path.display())) } else { Ok(text.to_owned()) }
}

/// The password that the clients' own files have for a database without any other source.
pub(crate) fn of_clients(location: &Location, environment: &Environment) -> Option<Secret> {
    pgpass(location, environment).or_else(|| my_cnf(location, environment))
}

/// libpq's password file, for a PostgreSQL database without any other source. As libpq does, a file that others may read is
/// passed over.
fn pgpass(location: &Location, environment: &Environment) -> Option<Secret> {
    let Location::Postgres { host, port, user, database, .. } = location else { return None };
    let home = || environment.get("HOME").map(|home| PathBuf::from(home).join(".pgpass"));
    let path = environment.get("PGPASSFILE").map(PathBuf::from).or_else(home)?;
    let mode = fs::metadata(&path).ok()?.permissions().mode();
    if mode & 0o077 != 0 {
        return None;
    }
    let text = trust::read_to_string(&path, CLIENTS_BYTES).ok()?;
    let host = if host.starts_with('/') { "localhost" } else { host };
    let wanted = [host, &port.to_string(), database, user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| entry(line, wanted)).map(Secret::new)
}

/// The password of one line `host:port:database:user:password` when the line is about `wanted`; `*` stands for anything,
/// a backslash for the next character itself.
fn entry(line: &str, wanted: [&str; 4]) -> Option<String> {
    let mut fields: Vec<(String, bool)> = vec![(String::new(), false)];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let last = fields.len() - 1;
        match character {
            '\\' => {
                fields[last].0.extend(characters.next());
                fields[last].1 = true;
            }
            ':' if fields.len() < 5 => fields.push((String::new(), false)),
            other => fields[last].0.push(other),
        }
    }
    let fits = |(field, escaped): &(String, bool), wanted: &str| field == wanted || (field == "*" && !escaped);
    let matches = fields.len() == 5 && fields.iter().zip(wanted).all(|(field, wanted)| fits(field, wanted));
    matches.then(|| fields.pop().map(|(password, _)| password)).flatten()
}
