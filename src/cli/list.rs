//! `upkeep list`: the archives, newest first.

use super::at::At;
use super::session::{self, Reach};
use super::table::{Side, Table};
use super::terminal::{Terminal, Tone};
use super::{Stop, World, human, offsite, owner};
use crate::config::load::Secrets;
use crate::failure::{Class, Failure};
use crate::ids::{OwnerName, PlaceName, TargetName};
use crate::offsite::Listed;
use crate::state_db::catalogue::{self, Entry, Verdict};
use crate::store;

/// List archives, newest first.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this target's.
    target: Option<TargetName>,
    /// List the copies at this place away from the host, as found there now: by its name in the configuration, or a directory, an s3:// or an sftp:// URL without one.
    #[arg(long, value_name = "PLACE|URL")]
    at: Option<At>,
    /// The copies of another host, by the name (`owner`) under which that host writes there.
    #[arg(long, value_name = "OWNER", requires = "at")]
    owner: Option<OwnerName>,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    if let Some(at) = &arguments.at {
        let (place, world) = &at.known(arguments.owner.as_ref(), None, world).await?;
        return there(place, &arguments, world).await;
    }
    let (config, reach) = session::asked(world).await?;
    let mut targets: Vec<TargetName> = match (&config, &reach) {
        (Some(config), _) => config.targets.keys().cloned().collect(),
        (None, Reach::Daemon(client)) => client.status().await?.targets.into_iter().map(|target| target.name).collect(),
        (None, Reach::Alone) => Vec::new(),
    };
    targets.retain(|name| arguments.target.as_ref().is_none_or(|wanted| wanted == name));
    if let (Some(wanted), true) = (&arguments.target, targets.is_empty()) {
        return Err(Failure::new(Class::NoInput, format!("there is no target `{wanted}` in {}", world.config.display())).into());
    }
    let mut entries = Vec::new();
    match reach {
        Reach::Daemon(client) => {
            for target in &targets {
                entries.extend(client.archives(target).await?);
            }
        }
        Reach::Alone => {
            let config = session::config(world, Secrets::Leave)?;
            owner::hand_over(&config, world).await?;
            let state = session::state(&config).await?;
            for target in &targets {
                entries.extend(catalogue::list(&state, Some(target)).await?);
            }
            state.close().await;
        }
    }
    let mut entries = store::as_it_is(entries);
    entries.sort_by(|a: &Entry, b: &Entry| b.taken_at.cmp(&a.taken_at).then_with(|| b.label.cmp(&a.label)));
    let now = world.clock.now();
    world.terminal.show(&entries, |entries| text(entries, &targets, now, world.terminal))
}

/// What is at a place, newest first.
async fn there(place: &PlaceName, arguments: &Arguments, world: &World) -> Result<(), Stop> {
    let there = offsite::there(world, place, arguments.owner.as_ref()).await?;
    let listed = crate::offsite::listed(&there.state, place, &there.place).await;
    there.state.close().await;
    let mut listed = listed?;
    listed.retain(|copy| arguments.target.is_none() || copy.target.is_none() || copy.target == arguments.target);
    let now = world.clock.now();
    world.terminal.show(&listed, |listed| copies(listed, place, now, world))
}

fn copies(listed: &[Listed], place: &PlaceName, now: chrono::DateTime<chrono::Utc>, world: &World) -> String {
    if listed.is_empty() && world.stand_in.is_some() {
        return "no copies there under this name".to_owned();
    }
    if listed.is_empty() {
        return format!("no copies at {place} yet; send what is owed: `upkeep copy --to {place}`");
    }
    let columns = [
        ("label", Side::Left),
        ("taken", Side::Right),
        ("kind", Side::Left),
        ("size", Side::Right),
        ("state", Side::Left),
        ("", Side::Left),
    ];
    let mut table = Table::new(&columns).cut().sparing(&[3, 2]);
    for copy in listed {
        let tone = match copy.state.as_str() {
            "verified" => Tone::Good,
            "copied" => Tone::Plain,
            "damaged" => Tone::Bad,
            _ => Tone::Warn,
        };
        let read = copy.verified_at.map(|at| format!("read back {}", human::when(at, now)));
        table.row(vec![
            (copy.label.to_string(), Tone::Plain),
            (copy.taken_at.map(|at| human::when(at, now)).unwrap_or_default(), Tone::Plain),
            (copy.kind.map(|kind| kind.to_string()).unwrap_or_default(), Tone::Plain),
            (human::size(copy.size), Tone::Plain),
            (copy_words(copy), tone),
            (copy.why.clone().or(read).unwrap_or_default(), Tone::Quiet),
        ]);
    }
    table.render(world.terminal)
}

fn copy_words(copy: &Listed) -> String {
    let state = if copy.state == "damaged" { "DAMAGED" } else { &copy.state };
    let encrypted = if copy.encrypted_to.is_empty() { "" } else { ", encrypted" };
    format!("{state}{encrypted}")
}

fn text(entries: &[Entry], targets: &[TargetName], now: chrono::DateTime<chrono::Utc>, terminal: Terminal) -> String {
    if entries.is_empty() {
        let target = targets.first().map_or("TARGET", TargetName::as_str);
        return format!("no archives yet; take one: `upkeep backup {target}`");
    }
    let columns = [
        ("label", Side::Left),
        ("taken", Side::Right),
        ("kind", Side::Left),
        ("rows", Side::Right),
        ("size", Side::Right),
        ("state", Side::Left),
        ("", Side::Left),
    ];
    let mut table = Table::new(&columns).cut().sparing(&[3, 4, 2]);
    for entry in entries {
        let (state, tone) = match entry.verdict {
            Verdict::Whole if entry.from_the_future(now) => ("verified, dated in the future", Tone::Warn),
            Verdict::Whole if entry.data_only => ("verified, rows only", Tone::Warn),
            Verdict::Whole if entry.without_rows().next().is_some() => ("verified, some rows left out", Tone::Plain),
            Verdict::Whole => ("verified", Tone::Good),
            Verdict::Unverified => ("not yet verified", Tone::Warn),
            Verdict::Torn => ("TORN", Tone::Bad),
            Verdict::Damaged => ("DAMAGED", Tone::Bad),
            Verdict::Missing => ("MISSING", Tone::Bad),
        };
        // Beside the state, for a narrow terminal has no room for the reason.
        let pinned = if entry.pinned.is_some() { ", pinned" } else { "" };
        let about = entry.pinned.as_ref().or(entry.note.as_ref()).cloned().unwrap_or_default();
        table.row(vec![
            (entry.label.to_string(), Tone::Plain),
            (human::when(entry.taken_at, now), Tone::Plain),
            (entry.kind.to_string(), Tone::Plain),
            (human::count(entry.rows), Tone::Plain),
            (human::size(entry.size), Tone::Plain),
            (format!("{state}{pinned}"), tone),
            (about, Tone::Quiet),
        ]);
    }
    table.render(terminal)
}
