//! A target for a service that runs, as `upkeep init` proposes it.
//!
//! Owns the text made of what was found of a service, a pure function of it. What is a guess says so, and a person starts the first upgrades.

use std::path::PathBuf;

use serde::Serialize;

use super::listen::Listener;
use crate::config::address::Address;
use crate::ids::TargetName;
use crate::text;

/// A service that may be a target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Server {
    pub(super) unit: String,
    /// Its release.
    pub(super) path: PathBuf,
    /// The product it is of, where upkeep knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) product: Option<&'static str>,
    /// The user that its unit names.
    pub(super) user: Option<String>,
    /// The file of variables that its unit names.
    pub(super) environment_file: Option<PathBuf>,
    /// The Debian package the release is of.
    pub(super) package: Option<String>,
    /// Whether there is a file `VERSION`.
    pub(super) version_file: bool,
    /// Directories with scripts in Flyway's layout, below the release.
    pub(super) scripts: Vec<String>,
    /// The database that its command line or environment names, without the password.
    #[serde(skip)]
    pub(super) database: Option<Address>,
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The database's table, and how its backups begin: the same for every target. What of TLS is missing stands under the URL, where it is to
/// be written.
fn database(name: &TargetName, (said, url): (&str, &str), unkept: &[String]) -> Vec<String> {
    let mut lines = vec![format!("[targets.{name}.database]"), said.to_owned(), format!("url = {}", quoted(url))];
    lines.extend_from_slice(unkept);
    lines.extend([
        "# The password, one line: `install -m 640 -g upkeep /dev/null FILE`, then write it there.".to_owned(),
        format!("# password_file = \"/etc/upkeep/{name}.password\""),
    ]);
    lines.extend(backup(name));
    lines
}

/// How the backups of every target that is proposed begin.
pub(super) fn backup(name: &TargetName) -> [String; 3] {
    [format!("[targets.{name}.backup]"), "schedule = \"30 2 * * *\"".to_owned(), "# timezone = \"Europe/Berlin\"".to_owned()]
}

/// A target of a product that upkeep knows: the rest is in the product's profile.
fn product(name: &TargetName, product: &str, server: &Server, database: Vec<String>) -> Vec<String> {
    let mut lines = vec![
        format!("[targets.{name}]"),
        format!("# What this leaves open is in the profile of {product}: docs/{product}.md."),
        format!("product = \"{product}\""),
    ];
    lines.extend(database);
    lines.extend([
        format!("[targets.{name}.release]"),
        format!("path = {}", quoted(&server.path.display().to_string())),
        format!("[targets.{name}.migrations]"),
    ]);
    match &server.user {
        Some(user) => lines.push(format!("user = {}", quoted(user))),
        None => lines.extend([
            "# The unit names no user: name the server's, so that the migration runs as it.".to_owned(),
            "# user = \"NAME\"".to_owned(),
        ]),
    }
    match &server.environment_file {
        Some(file) => lines.push(format!("environment_file = {}", quoted(&file.display().to_string()))),
        None => lines
            .push("# The variables that the unit gives the server, if it does: environment_file = \"/whole/path\"".to_owned()),
    }
    lines.extend([
        format!("[targets.{name}.service]"),
        format!("unit = {}", quoted(&server.unit)),
        format!("[targets.{name}.upgrade]"),
        "# Until you have seen an upgrade go well, a person starts each one.".to_owned(),
        "auto = false".to_owned(),
    ]);
    lines
}

/// The database that a service of which nothing is known is guessed to have: user and database are named after the unit.
pub(super) fn guess(name: &TargetName, listeners: &[Listener]) -> String {
    let scheme = listeners.first().map_or("postgres", |listener| listener.scheme);
    let port = listeners.first().map_or_else(String::new, |listener| format!(":{}", listener.port));
    format!("{scheme}://{name}@127.0.0.1{port}/{name}")
}

/// The lines of a service's target. Pure.
pub(super) fn target(name: &TargetName, server: &Server, listeners: &[Listener]) -> Vec<String> {
    let lost = server.database.iter().flat_map(|address| &address.lost);
    let (said, url) = match &server.database {
        Some(address) if server.product.is_some() => {
            ("# As its configuration says, without the password.", address.url.clone())
        }
        Some(address) => ("# As its command line or environment says, without the password.", address.url.clone()),
        None => ("# A guess: user and database are named after the unit.", guess(name, listeners)),
    };
    let page = if url.starts_with("postgres") { "postgresql" } else { "mysql" };
    let unkept = lost.map(|lost| {
        let lost = text::line(lost);
        format!("# The application says {lost} as well, which is not in this URL: docs/{page}.md has the parameters; until then this is less safe.")
    });
    let database = database(name, (said, &url), &unkept.collect::<Vec<_>>());
    if let Some(known) = server.product {
        return product(name, known, server, database);
    }
    let probe = match &server.package {
        Some(package) => format!("{{ dpkg = \"{package}\" }}"),
        None if server.version_file => "{ file = \"VERSION\" }".to_owned(),
        None => "{ symlink = true }".to_owned(),
    };
    let mut lines = database;
    lines.extend([
        format!("[targets.{name}.release]"),
        format!("path = {}", quoted(&server.path.display().to_string())),
        format!("version = {probe}"),
    ]);
    if server.package.is_none() && !server.version_file {
        lines.push("# A guess: neither a package nor a file VERSION was found.".to_owned());
    }
    if server.scripts.is_empty() {
        lines.push(
            "# No migration scripts were found. Who migrates the database? \"flyway\", \"command\" or \"on-start\".".to_owned(),
        );
        lines.push(format!("# [targets.{name}.migrations]"));
        lines.push("# runner = \"on-start\"".to_owned());
    } else {
        let locations: Vec<String> = server.scripts.iter().map(|location| format!("\"{location}\"")).collect();
        lines.push(format!("[targets.{name}.migrations]"));
        lines.push("runner = \"flyway\"".to_owned());
        lines.push(format!("locations = [{}]", locations.join(", ")));
    }
    lines.push(format!("[targets.{name}.service]"));
    lines.push(format!("unit = \"{}\"", server.unit));
    lines.push("# What must answer before it counts as healthy.".to_owned());
    lines.push("# health = [{ http = \"http://127.0.0.1:8080/health\" }]".to_owned());
    lines.push(format!("[targets.{name}.upgrade]"));
    lines.push("# Until you have seen an upgrade go well, a person starts each one.".to_owned());
    lines.push("auto = false".to_owned());
    lines
}
