//! `upkeep restore`: an archive's content back into a database.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::at::{self, At};
use super::elsewhere::Elsewhere;
use super::source::Source;
use super::{Stop, World, human, identity, moments, session};
use crate::config::load::Secrets;
use crate::failure::{Class, Failure};
use crate::files;
use crate::ids::{Label, OwnerName, PlaceName, TargetName};
use crate::wire::{Action, Address, Restore};

/// Put an archive's content into a database, and compare every row with the archive before it counts.
///
/// Without LABEL or --at the newest verified archive is taken. On a host without a configuration --at names a directory or an s3:// or sftp:// URL, and --into
/// the database. A database that holds rows is refused without --replace;
/// with it, a safety archive of what is there is taken and sealed first. The server must be stopped: --stop-server stops
/// it and starts it again after.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target.
    target: TargetName,
    /// This archive.
    label: Option<Label>,
    /// A time: the newest verified archive taken at that time or before (2026-11-22T02:30:00Z, "2026-11-22 02:30", 2h for two hours
    /// ago). A place away from the host: from the copies there; by its path or URL where no configuration names it. Both may be given.
    #[arg(long, value_name = "TIME|PLACE|URL")]
    at: Vec<String>,
    /// The copy that another host wrote at that place under this name.
    #[arg(long, value_name = "OWNER", requires = "at")]
    owner: Option<OwnerName>,
    /// The file with the secret half of a key, for a copy that is encrypted: lines AGE-SECRET-KEY-1…, or an ssh-ed25519 key.
    #[arg(long, value_name = "FILE", requires = "at")]
    identity: Option<PathBuf>,
    /// Into this database instead of the target's own (postgres://…, mysql://…, sqlite:///…).
    #[arg(long, value_name = "URL")]
    into: Option<String>,
    /// Put the files that went along with the archive into this directory, which is not there yet or is empty; the database is left alone.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["into", "dry_run", "replace", "stop_server"])]
    files: Option<PathBuf>,
    /// Only say what would happen.
    #[arg(long)]
    dry_run: bool,
    /// Replace the rows that the database holds; they go into a safety archive first.
    #[arg(long)]
    replace: bool,
    /// Stop the server first and start it again afterwards.
    #[arg(long)]
    stop_server: bool,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    let (at, place) = told_apart(&arguments.at, world)?;
    if let (None, Some(owner)) = (&place, &arguments.owner) {
        let failure = Failure::new(Class::Usage, format!("`--owner {owner}` is of copies at a place, and none is named"));
        return Err(failure.safe("nothing was changed").hint("name it as well: `--at PLACE`").into());
    }
    if at.is_some() && arguments.label.is_some() {
        let failure = Failure::new(Class::Usage, "LABEL and a time each choose an archive");
        return Err(failure.hint("give only one of them; `--at PLACE` may be added to either").into());
    }
    if let Some(dir) = arguments.files.clone() {
        return put_files(arguments, (at.is_some(), place), &dir, world).await;
    }
    let identity = identity::given(arguments.identity.as_deref(), world)?;
    let world = identity::with(world, identity.as_ref());
    let (place, world) = match &place {
        Some(place) => {
            let into = into(place, &arguments)?;
            let (name, world) = place.known(arguments.owner.as_ref(), into, &world).await?;
            (Some(name), world)
        }
        None => (None, world.clone()),
    };
    let action = Action::Restore(Restore {
        target: arguments.target,
        label: arguments.label,
        at,
        // What stands in for a configuration names it.
        into: arguments.into.filter(|_| world.stand_in.is_none()).map(Address::new),
        replace: arguments.replace,
        dry_run: arguments.dry_run,
        stop_server: arguments.stop_server,
        place,
        owner: arguments.owner,
        identity,
    });
    session::perform(&world, action).await
}

/// A moment and a place, each given once at most. A place's name begins with a letter, and a moment but `now` does not.
fn told_apart(at: &[String], world: &World) -> Result<(Option<DateTime<Utc>>, Option<At>), Stop> {
    let (mut moment, mut place) = (None, None);
    for text in at {
        let named = text.starts_with(|letter: char| letter.is_ascii_lowercase()) && text != "now";
        let twice = match PlaceName::parse(text).ok().filter(|_| named) {
            Some(name) => place.replace(At::Place(known(name, world)?)).is_some(),
            None if at::is_address(text) => place.replace(At::Address(text.clone())).is_some(),
            None => moment.replace(moments::parse(text, moments::Toward::Past, world.clock.now())?).is_some(),
        };
        if twice {
            let failure = Failure::new(Class::Usage, "`--at` names two moments or two places");
            return Err(failure.hint("one moment and one place may be given").into());
        }
    }
    Ok((moment, place))
}

/// What went along with an archive, put below a directory by whoever asks: no database and no daemon has a part in it.
async fn put_files(
    arguments: Arguments,
    (has_moment, place): (bool, Option<At>),
    dir: &Path,
    world: &World,
) -> Result<(), Stop> {
    if has_moment {
        let failure = Failure::new(Class::Usage, "files come from an archive that is named, and not from a moment");
        return Err(failure.safe("nothing was changed").hint("name it by its label: `upkeep list`").into());
    }
    let what = arguments.label.map_or_else(|| arguments.target.to_string(), |label| label.to_string());
    let elsewhere = Elsewhere::new(place, arguments.owner, arguments.identity);
    let archive = Source::new(what, elsewhere).open(world).await?.archive;
    let label = archive.manifest().label.clone();
    let (name, to) = (label.clone(), dir.to_owned());
    let put = tokio::task::spawn_blocking(move || files::unpack(&archive, &to)).await;
    let put =
        put.map_err(|_| Failure::new(Class::Software, format!("a worker ended without an answer with the files of {name}")))??;
    world.terminal.show(&put, |put| {
        let what = format!("{} of {label} put into {}", human::many(put.entries, "file"), dir.display());
        let notes = put.notes.iter().map(|note| format!("\n  note: {note}")).collect::<String>();
        format!("{what} ({}){notes}", human::size(put.bytes))
    })
}

/// The database, where no configuration names one for the target.
fn into<'a>(place: &At, arguments: &'a Arguments) -> Result<Option<at::Toward<'a>>, Failure> {
    match (place, &arguments.into) {
        (At::Place(_), _) => Ok(None),
        (At::Address(_), Some(url)) => Ok(Some((&arguments.target, url.as_str()))),
        (At::Address(address), None) => {
            let what = format!(
                "where the database of {} is to be is not said: a copy at {address} needs no configuration, and has none",
                arguments.target
            );
            let failure = Failure::new(Class::Usage, what).safe("nothing was changed");
            Err(failure.hint("name the database: `--into postgres://…`, `--into mysql://…` or `--into sqlite:///…`"))
        }
    }
}

/// Whoever mistypes a moment is told of both.
fn known(name: PlaceName, world: &World) -> Result<PlaceName, Stop> {
    // Who may not read the configuration asks the daemon, which knows.
    let config = session::config(world, Secrets::Leave).ok();
    if config.is_none_or(|config| config.offsite.contains_key(&name)) {
        return Ok(name);
    }
    let failure = Failure::new(Class::Usage, format!("`{name}` is neither a moment nor a place"));
    let failure = failure.hint("a moment is 2026-11-22T02:30:00Z, \"2026-11-22 02:30\" (UTC), or a span before now such as 2h");
    Err(failure.hint("places are tables of the configuration: [offsite.NAME]").into())
}
