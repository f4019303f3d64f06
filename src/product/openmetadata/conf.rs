//! `conf/openmetadata.yaml`: which database the server uses, and where its migrations are.
//!
//! Owns the few keys that are asked for, with their variables put in as the server does it (`${VAR:-default}`, one inside another). What it
//! does not understand it does not guess. The password is never read.

use std::collections::BTreeMap;
use std::path::Path;

use url::form_urlencoded::byte_serialize;

use crate::config::address;
use crate::config::load::Environment;
use crate::trust;

/// The server's configuration and what its start script reads, below the release.
const CONF: &str = "conf/openmetadata.yaml";
const SCRIPT: &str = "conf/openmetadata-env.sh";

/// Longer than any of them.
const LONGEST: u64 = 4 * 1024 * 1024;

/// A value longer than this is none of those that are asked for.
const LONGEST_VALUE: usize = 4096;

/// As deep as variables may stand in each other's defaults.
const DEPTH: usize = 16;

/// Where migrations are, as written; none where nothing says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MigrationPaths {
    /// `nativePath`.
    pub native: Option<String>,
    /// `extensionPath`.
    pub extension: Option<String>,
}

/// Reads where migrations are; `variables` is what the tool gets. A release without a configuration has them where they are shipped.
///
/// # Errors
/// When the configuration is there and cannot be read or understood: an extension's migrations would be missed. In words.
pub fn migration_paths(root: &Path, variables: &BTreeMap<String, String>) -> Result<MigrationPaths, String> {
    let path = root.join(CONF);
    let text = match trust::read_to_string(&path, LONGEST) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(MigrationPaths::default()),
        Err(error) => {
            return Err(format!(
                "cannot read {}, which says where migrations are: {error}; put the daemon's user into its group, and let that read it",
                path.display()
            ));
        }
    };
    let mut all = variables.clone();
    all.extend(script(root));
    let named = text.lines().any(|line| line.trim_start_matches(['"', '\'']).starts_with("migrationConfiguration"));
    let section = section(&text, "migrationConfiguration");
    if named && section.is_empty() {
        return Err(format!("`migrationConfiguration` in {CONF} is not written as it is shipped: one key a line below it"));
    }
    let read = |key: &str| -> Result<Option<String>, String> {
        let Some(path) = section.get(key).map(|value| put_in(value, &all, DEPTH)) else { return Ok(None) };
        if path.contains("${") {
            return Err(format!(
                "`{key}` in {CONF} has a variable without a value: give it in `environment` or `environment_file`"
            ));
        }
        let path = path.trim_matches(['"', '\'']).trim_start_matches("./").trim_end_matches('/').to_owned();
        Ok((!path.is_empty()).then_some(path))
    };
    Ok(MigrationPaths { native: read("nativePath")?, extension: read("extensionPath")? })
}

/// The database that a release's configuration names, as a URL of ours without a password. `variables` is the environment that the server
/// gets; what its start script reads counts before it.
///
/// # Errors
/// When the configuration cannot be read, or names no database that upkeep knows; in words.
pub fn database(root: &Path, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let path = root.join(CONF);
    let text = trust::read_to_string(&path, LONGEST).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut all = variables.clone();
    all.extend(script(root));
    named_in(&text, &all)
}

/// The same as the server has it, its JDBC URL with the user among the parameters.
///
/// # Errors
/// As [`database`].
pub fn jdbc(root: &Path, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let path = root.join(CONF);
    let text = trust::read_to_string(&path, LONGEST).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut all = variables.clone();
    all.extend(script(root));
    let (url, user) = written(&text, &all)?;
    Ok(with_user(url, user.as_deref()))
}

/// The same of the configuration's text.
///
/// # Errors
/// As [`database`].
pub fn named_in(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let (url, user) = written(text, variables)?;
    our_url(&url, user.as_deref())
}

/// The JDBC URL and the user, with their variables put in.
fn written(text: &str, variables: &BTreeMap<String, String>) -> Result<(String, Option<String>), String> {
    let section = section(text, "database");
    let value = |key: &str| section.get(key).map(|value| put_in(value, variables, DEPTH));
    let jdbc = value("url").ok_or_else(|| format!("`database.url` is not in {CONF}"))?;
    if jdbc.contains("${") {
        return Err(format!("`database.url` in {CONF} has a variable without a value"));
    }
    Ok((jdbc, value("user").filter(|user| !user.contains("${"))))
}

/// A JDBC URL as ours. What of its parameters says something of TLS comes along.
fn our_url(jdbc: &str, user: Option<&str>) -> Result<String, String> {
    let rest = jdbc.strip_prefix("jdbc:").unwrap_or(jdbc);
    let (scheme, rest) = rest.split_once(':').ok_or("its JDBC URL names no engine")?;
    if !["mysql", "postgresql"].contains(&scheme) {
        return Err(format!("its JDBC URL is of `{scheme}`, and upkeep knows `mysql` and `postgresql`"));
    }
    let place = rest.split('?').next().unwrap_or_default();
    let (authority, database) = match place.strip_prefix("//") {
        Some(place) => place.split_once('/').unwrap_or((place, "")),
        None => ("", place),
    };
    let several = place.split('/').next().is_some_and(|first| first.contains(':')) || authority.contains([',', '(']);
    if several || database.is_empty() {
        return Err("its JDBC URL names several servers, or no database: write `url` yourself".to_owned());
    }
    let whole = if rest.starts_with("//") { format!("{scheme}:{rest}") } else { format!("{scheme}://localhost/{rest}") };
    let found = address::read(&with_user(whole, user), &BTreeMap::new(), &Environment::new());
    found.map(|address| address.url).ok_or_else(|| "its JDBC URL cannot be read: write `url` yourself".to_owned())
}

/// A JDBC URL with the user among its parameters.
fn with_user(url: String, user: Option<&str>) -> String {
    let Some(user) = user else { return url };
    let between = if url.contains('?') { '&' } else { '?' };
    format!("{url}{between}user={}", byte_serialize(user.as_bytes()).collect::<String>())
}

/// The variables that the start script's file sets, where their values are plain.
fn script(root: &Path) -> BTreeMap<String, String> {
    trust::read_to_string(&root.join(SCRIPT), LONGEST).map(|text| assignments(&text)).unwrap_or_default()
}

/// `NAME=value` and `export NAME="value"`, a line each. A value that the shell would make something else of is left out.
#[must_use]
pub fn assignments(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| {
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).trim_start().split_once('=')?;
        let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let value = value.trim();
        let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        let plain = match (quoted('\''), quoted('"')) {
            (Some(text), _) => Some(text),
            (None, Some(text)) => (!text.contains(['$', '`', '\\', '"'])).then_some(text),
            (None, None) => (!value.contains(['$', '`', '\\', '"', '\'', ' ', ';', '&', '|'])).then_some(value),
        };
        named.then_some(())?;
        Some((name.to_owned(), plain?.to_owned()))
    });
    pairs.collect()
}

/// The plain values right below a key at the margin. Values of several lines, lists and tables are left out.
fn section(text: &str, name: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut inside = false;
    let mut margin = None;
    for line in text.lines() {
        let bare = line.trim_start();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        let depth = line.len() - bare.len();
        if depth == 0 {
            let key = bare.split(" #").next().unwrap_or_default().trim_end();
            inside = key.strip_suffix(':').map(|key| key.trim_matches(['"', '\''])) == Some(name);
            continue;
        }
        if !inside || *margin.get_or_insert(depth) != depth {
            continue;
        }
        if let Some((key, value)) = bare.split_once(':')
            && let Some(value) = scalar(value)
        {
            values.insert(key.trim().to_owned(), value);
        }
    }
    values
}

/// A value of one line, without its quotes and what stands behind it.
fn scalar(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > LONGEST_VALUE {
        return None;
    }
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            return rest.split_once(quote).map(|(value, _)| value.to_owned());
        }
    }
    let value = text.split(" #").next().unwrap_or_default().trim();
    (!value.is_empty() && !value.starts_with(['|', '>', '&', '*', '{', '[', '#'])).then(|| value.to_owned())
}

/// Puts variables in: `${VAR}` and `${VAR:-default}`, where a default may hold others. One without a value stays as it is. What follows is a
/// loop and only defaults are gone into, so that no text of somebody else's takes a stack along.
fn put_in(text: &str, variables: &BTreeMap<String, String>, depth: usize) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        done.push_str(before);
        let Some(end) = closing(after).filter(|_| depth > 0 && done.len() <= LONGEST_VALUE) else {
            done.push_str("${");
            rest = after;
            continue;
        };
        let inner = &after[..end];
        let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
        match (variables.get(name), default) {
            (Some(value), _) => done.push_str(value),
            (None, Some(default)) => done.push_str(&put_in(default, variables, depth - 1)),
            (None, None) => done.push_str(&format!("${{{inner}}}")),
        }
        rest = &after[end + 1..];
    }
    done.push_str(rest);
    done
}

/// Where the brace closes that was open at the beginning.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if text[..at].ends_with('$') => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests;
