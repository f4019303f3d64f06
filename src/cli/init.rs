//! `upkeep init`: a configuration proposed from what is found on the host.
//!
//! Owns the text made of what was found, a pure function of it; the looking is `init::look`'s. Writes one new file; never over
//! one that is there.

mod look;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Stop, World, human};
use crate::config::address::Address;
use crate::durable;
use crate::failure::{Class, Failure};
use crate::ids::TargetName;
use crate::text;

/// Where the state is unless the configuration says otherwise; its group is the daemon's.
const STATE: &str = "/var/lib/upkeep";

/// Propose a configuration from what is found on this host: running services with their files, package, version, migrations
/// and database, the database servers that listen, and what else lies in /opt and /srv.
///
/// Writes a new file that says what it guessed and what it could not find out; never over one that is there. Read it, fix it,
/// then run `upkeep check`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file [default: conf.d/found.toml beside the configuration file].
    path: Option<PathBuf>,
    /// Only show it.
    #[arg(long)]
    print: bool,
}

/// A service that may be a target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct Server {
    unit: String,
    /// Its release.
    path: PathBuf,
    /// The product it is of, where upkeep knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<&'static str>,
    /// The user that its unit names.
    user: Option<String>,
    /// The file of variables that its unit names.
    environment_file: Option<PathBuf>,
    /// The Debian package the release is of.
    package: Option<String>,
    /// Whether there is a file `VERSION`.
    version_file: bool,
    /// Directories with scripts in Flyway's layout, below the release.
    scripts: Vec<String>,
    /// The database that its command line or environment names, without the password.
    #[serde(skip)]
    database: Option<Address>,
}

/// A database server that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Listener {
    /// As a URL begins (`postgres`).
    scheme: &'static str,
    /// The socket's directory or path; none for one that listens on the network only.
    socket: Option<PathBuf>,
    port: u16,
}

#[derive(Debug, Default, Serialize)]
struct Found {
    servers: Vec<Server>,
    listeners: Vec<Listener>,
    /// Directories in /opt and /srv of which no running service is.
    idle: Vec<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let servers = look::servers(&world.environment).await;
    let found = Found { listeners: look::listeners(), idle: look::idle(&servers), servers };
    let proposal = proposal(&found);
    if arguments.print {
        return world.terminal.show(&found, |_| proposal);
    }
    let beside = world.config.parent().unwrap_or(Path::new("/"));
    let path = arguments.path.unwrap_or_else(|| beside.join("conf.d/found.toml"));
    if path.exists() {
        let failure = Failure::new(Class::CannotCreate, format!("{} is there already", path.display()));
        return Err(failure.safe("it was left as it is").hint("look at a new proposal: `upkeep init --print`").into());
    }
    if let Some(dir) = path.parent() {
        durable::make_dir(dir)?;
    }
    let failed = |error: std::io::Error| {
        Failure::new(Class::Io, format!("cannot write {} for the daemon's group to read: {error}", path.display()))
    };
    let mut file = durable::create_temporary(&path)?;
    // For the daemon's group to read: somebody may write a password into it. Before it has its name, and by handle.
    if let Some(daemon) = fs::metadata(STATE).ok().filter(|_| rustix::process::geteuid().is_root()) {
        std::os::unix::fs::fchown(&file, None, Some(daemon.gid())).map_err(failed)?;
        file.set_permissions(fs::Permissions::from_mode(0o640)).map_err(failed)?;
    }
    file.write_all(proposal.as_bytes()).map_err(failed)?;
    durable::publish(&file, &path)?;
    world.terminal.show(&found, |found| {
        let many = human::many(found.servers.len() as u64, "possible target");
        format!("wrote {} with {many}; read it, fix it, then run `upkeep setup` and `upkeep check`", path.display())
    })
}

/// The proposal. Pure.
fn proposal(found: &Found) -> String {
    let mut lines = vec![
        "# Proposed by `upkeep init` from what it found on this host. What is a guess says so; `upkeep check` says what is"
            .to_owned(),
        "# missing. Every key with its default: /etc/upkeep/upkeep.toml, or config/upkeep.toml of the sources.".to_owned(),
    ];
    for Listener { scheme, socket, port } in &found.listeners {
        let at = socket.as_ref().map_or("the network".to_owned(), |socket| socket.display().to_string());
        lines.push(format!("# Listening: {scheme} at {at}, port {port}."));
    }
    for path in &found.idle {
        lines.push(format!("# {}: no running service was found there.", path.display()));
    }
    if found.servers.is_empty() {
        lines.push(
            "# No running service was found whose files lie under /opt, /srv, /usr/local or a directory of its own.".to_owned(),
        );
    }
    for server in &found.servers {
        let name = server.unit.trim_end_matches(".service").to_lowercase();
        let Ok(name) = TargetName::parse(&name) else { continue };
        lines.push(String::new());
        lines.extend(target(&name, server, &found.listeners));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
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
        format!("[targets.{name}.backup]"),
        "schedule = \"30 2 * * *\"".to_owned(),
        "# timezone = \"Europe/Berlin\"".to_owned(),
    ]);
    lines
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

fn target(name: &TargetName, server: &Server, listeners: &[Listener]) -> Vec<String> {
    let lost = server.database.iter().flat_map(|address| &address.lost);
    let (said, url) = match &server.database {
        Some(address) if server.product.is_some() => {
            ("# As its configuration says, without the password.", address.url.clone())
        }
        Some(address) => ("# As its command line or environment says, without the password.", address.url.clone()),
        None => {
            let scheme = listeners.first().map_or("postgres", |listener| listener.scheme);
            let port = listeners.first().map_or_else(String::new, |listener| format!(":{}", listener.port));
            ("# A guess: user and database are named after the unit.", format!("{scheme}://{name}@127.0.0.1{port}/{name}"))
        }
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

#[cfg(test)]
mod tests;
