//! Targets for the databases of a server that listens, as `upkeep init` proposes them.
//!
//! Owns the text made of what a server told, a pure function of it: the account with its commands, one target a database, and what could not
//! be learned. Nothing is passed over in silence.

use std::collections::BTreeSet;
use std::path::Path;

use super::account::{self, About, Login, Runner};
use super::ask::Known;
use super::listen::Listener;
use super::service::{backup, quoted};
use crate::config::{Database, Location};
use crate::count;
use crate::engine::census::Held;
use crate::ids::TargetName;
use crate::pen::human;
use crate::text;

/// So many databases of a server are proposed, the largest first: more would be a list to delete from.
const MOST: usize = 10;

/// What stands in a command for the name of a database that nobody could look up.
const DATABASE: &str = "DATABASE";

/// What is proposed for a server.
#[derive(Debug, Default)]
pub(super) struct Proposed {
    /// Lines of the configuration.
    pub(super) lines: Vec<String>,
    /// Its targets.
    pub(super) targets: Vec<TargetName>,
    /// What makes the account.
    pub(super) commands: Vec<String>,
    /// How a person goes on where its databases could not be listed.
    pub(super) unlisted: Option<Unlisted>,
    /// What else a person must know.
    pub(super) notes: Vec<String>,
}

/// A server whose databases could not be listed.
#[derive(Debug)]
pub(super) struct Unlisted {
    /// What could not be done and why.
    pub(super) said: String,
    /// The command that lists them, for somebody with the right to.
    pub(super) listing: String,
    /// How one of them is named on our command line, with [`DATABASE`] for its name.
    pub(super) url: String,
}

impl Unlisted {
    /// What to do, with the command that proposes a target.
    pub(super) fn advice(&self, init: &str) -> String {
        let Self { said, listing, url } = self;
        format!("{said}. List them with `{listing}`, then name one in place of {DATABASE}: `{init} --database {url}`")
    }
}

/// What the proposal of a server depends on beside the server.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) runner: &'a Runner,
    /// Where the configuration is, and passwords beside it.
    pub(super) beside: &'a Path,
    /// Databases that are looked after already.
    pub(super) taken: &'a [Location],
}

/// Proposes. Names that are used are added to `names`.
pub(super) fn proposed(known: &Known, around: &Around<'_>, names: &mut BTreeSet<String>) -> Proposed {
    let (listener, runner) = (&known.listener, around.runner);
    let login = Login::of(listener, known.version.as_deref(), known.census.as_ref(), runner);
    let held = known.census.as_ref().map_or(&[][..], |census| &census.databases);
    let (theirs, open): (Vec<&Held>, Vec<&Held>) =
        held.iter().partition(|held| around.taken.iter().any(|location| known.is_at(&held.name, location)));
    let (chosen, rest) = open.split_at(open.len().min(MOST));
    let mut proposed = Proposed { lines: vec![String::new(), format!("# {}.", known.called())], ..Proposed::default() };
    if !theirs.is_empty() {
        let names: Vec<_> = theirs.iter().map(|held| text::line(&held.name)).collect();
        proposed.lines.push(format!("# Looked after by another target: {}.", count::few(&names, ", ")));
    }
    if let Some(many) = known.census.as_ref().map(|census| census.unnameable).filter(|many| *many > 0) {
        let said =
            format!("{} with a line break or the like in its name or its owner's: not proposed", human::many(many, "database"));
        proposed.lines.push(format!("# {said}."));
        proposed.notes.push(format!("{}: {said}", known.called()));
    }
    if known.census.is_some() && open.is_empty() {
        proposed.notes.push(format!("{}: no database to propose", known.called()));
        proposed.lines.push("# No database was found in it that could be proposed.".to_owned());
        return proposed;
    }
    let file = account::password_file(around.beside, listener);
    let unknown = [Held { name: DATABASE.to_owned(), ..Held::default() }];
    let databases: Vec<Held> = chosen.iter().map(|held| (*held).clone()).collect();
    let (version, number) =
        (known.version.as_deref(), known.census.as_ref().map(|census| census.number).filter(|number| *number > 0));
    let databases = if known.census.is_some() { &databases } else { &unknown[..] };
    let client = known.census.as_ref().and_then(|census| census.client.as_deref());
    let about = About { login: &login, version, number, databases, client, told: known.unseen.is_none() };
    proposed.commands = account::commands(listener, &about, runner, &file);
    proposed.lines.push(format!("# {}", login.said(&runner.name)));
    proposed.lines.push("# These commands make it, with the least that archives need; what a restore or an upgrade needs beside it, `upkeep check` says:".to_owned());
    proposed.lines.extend(proposed.commands.iter().map(|command| format!("#   {}", text::line(command))));
    if number.is_some_and(|number| number < account::READ_ALL_DATA) && listener.scheme == "postgres" {
        proposed.lines.push("# Before PostgreSQL 14 only an owner, and who is a member of it, may read everything; a member may change everything as well.".to_owned());
        let orphans: Vec<_> = chosen.iter().filter(|held| held.owner.is_none()).map(|held| text::line(&held.name)).collect();
        if !orphans.is_empty() {
            let said = format!(
                "owned by a superuser, so grant the account SELECT on what is in there yourself: {}",
                count::few(&orphans, ", ")
            );
            proposed.notes.push(format!("{}: {said}", known.called()));
        }
    }
    match (&known.unseen, &known.census) {
        (Some(why), None) => {
            let said = format!("its databases could not be listed: {}", text::line(why).trim_end_matches('.'));
            let listing = account::listing(listener, &about, runner);
            let unlisted = Unlisted { said, listing, url: text::shell(&[example(listener)]) };
            // A file of its own: this one is there by then.
            let file = around.beside.join("conf.d").join(format!("{DATABASE}.toml"));
            let init = format!("upkeep init {}", text::shell(&[file.to_string_lossy()]));
            proposed.lines.push(format!("# {}", unlisted.advice(&init)));
            proposed.unlisted = Some(unlisted);
            proposed.commands.clear();
            return proposed;
        }
        (Some(why), Some(_)) => {
            proposed.lines.push(format!("# Whether it has this database is not known: {}.", text::line(why)))
        }
        (None, _) => {}
    }
    for held in chosen {
        let Some(name) = free_name(&held.name, listener.port, names) else { continue };
        proposed.lines.extend(target(&name, known, held, &login, around, &file));
        proposed.targets.push(name);
    }
    if !rest.is_empty() {
        let names: Vec<_> = rest.iter().map(|held| text::line(&held.name)).collect();
        let said = format!("not proposed, because {MOST} are enough to begin with: {}", count::few(&names, ", "));
        proposed.lines.push(format!("# {}: {said}.", known.called()));
        proposed.notes.push(format!("{}: {said}", known.called()));
    }
    proposed
}

fn target(name: &TargetName, known: &Known, held: &Held, login: &Login, around: &Around<'_>, file: &Path) -> Vec<String> {
    let mut lines = vec![format!("[targets.{name}.database]")];
    if let Some(bytes) = held.bytes {
        lines.push(format!("# {}", human::size(bytes)));
    }
    lines.push(format!("url = {}", quoted(&url(known, login, &around.runner.name, &held.name))));
    if matches!(login, Login::Password { .. }) {
        lines.push(format!("password_file = {}", quoted(&file.to_string_lossy())));
    }
    lines.extend(backup(name));
    lines
}

/// The address of one of its databases, as our configuration writes it.
fn url(known: &Known, login: &Login, user: &str, database: &str) -> String {
    let (listener, user, database) = (&known.listener, user.to_owned(), database.to_owned());
    let over_tcp = matches!(login, Login::Password { socket: false, .. });
    let socket = listener.socket.as_ref().filter(|_| !over_tcp).map(|socket| socket.display().to_string());
    let (host, port) = (socket.unwrap_or_else(|| "127.0.0.1".to_owned()), listener.port);
    let location = match listener.scheme {
        "postgres" => Location::Postgres { host, port, user, database, sslmode: "prefer".to_owned() },
        _ => Location::MySql { host, port, user, database, ssl_mode: "PREFERRED".to_owned() },
    };
    Database::at(location).url()
}

/// A target's name after a database's, which no other target has.
pub(super) fn free_name(database: &str, port: u16, names: &mut BTreeSet<String>) -> Option<TargetName> {
    let legal = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c.to_ascii_lowercase() } else { '-' };
    let plain: String = database.chars().map(legal).take(48).collect();
    let plain = plain.trim_start_matches(['-', '_']);
    let plain = if plain.is_empty() { "database" } else { plain };
    let first = [plain.to_owned(), format!("{plain}-{port}")];
    let mut all = first.into_iter().chain((2..).map(|number| format!("{plain}-{number}")));
    all.find_map(|name| TargetName::parse(&name).ok().filter(|_| names.insert(name.clone())))
}

/// How a database of a server is named on our command line.
fn example(listener: &Listener) -> String {
    let Listener { scheme, socket, port, .. } = listener;
    match (socket, *scheme) {
        (Some(socket), "postgres") => format!("postgres:///{DATABASE}?host={}&port={port}", socket.display()),
        (Some(socket), _) => format!("mysql:///{DATABASE}?socket={}", socket.display()),
        (None, scheme) => format!("{scheme}://127.0.0.1:{port}/{DATABASE}"),
    }
}
