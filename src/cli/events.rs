//! `upkeep events`: what happened, in one sentence each.

use std::ops::ControlFlow;

use super::session::{self, Reach};
use super::terminal::{Terminal, Tone};
use super::{Stop, World, human, owner};
use crate::config::load::Secrets;
use crate::control::client::Follow;
use crate::failure::{Class, Failure};
use crate::state_db::events::EventRow;
use crate::text;
use crate::wire::Event;

/// How many events are shown when nobody asked for all: a screen or two.
const SHOWN: i64 = 100;

/// The most rows one question to the state database takes; it keeps no more.
const AT_ONCE: u32 = 10_000;

/// Show what happened, oldest first.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Keep printing new events until Ctrl-C. With --json, one object a line.
    #[arg(long)]
    follow: bool,
    /// Every event that is kept, not only the newest 100.
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    match session::asked(world).await?.1 {
        Reach::Daemon(client) if arguments.follow => {
            let mut stop = None;
            let show = |event: Event| match line(&event, world.terminal).and_then(|line| world.terminal.print(&line)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(why) => {
                    stop = Some(why);
                    ControlFlow::Break(())
                }
            };
            tokio::select! {
                // Only an open request is dropped by Ctrl-C.
                followed = client.events(None, Follow::On, show) => followed?,
                () = session::interrupted()? => {}
            }
            stop.map_or(Ok(()), Err)
        }
        Reach::Daemon(client) => {
            let mut events = Vec::new();
            let take = |event| {
                events.push(event);
                ControlFlow::Continue(())
            };
            client.events(Some(0), Follow::Off, take).await?;
            show(newest(events, &arguments), world)
        }
        Reach::Alone if arguments.follow => {
            Err(Failure::new(Class::Unavailable, "no daemon is running, so there will be no new events")
                .hint("start it: `systemctl start upkeepd`; what happened before: `upkeep events`")
                .into())
        }
        Reach::Alone => {
            let config = session::config(world, Secrets::Leave)?;
            owner::hand_over(&config, world).await?;
            let state = session::state(&config).await?;
            let rows = state.events_after(0, AT_ONCE).await?;
            state.close().await;
            let events = rows.into_iter().map(of_row).collect();
            show(newest(events, &arguments), world)
        }
    }
}

fn newest(mut events: Vec<Event>, arguments: &Arguments) -> Vec<Event> {
    let from = if arguments.all { 0 } else { events.len().saturating_sub(usize::try_from(SHOWN).unwrap_or(usize::MAX)) };
    events.split_off(from)
}

fn show(events: Vec<Event>, world: &World) -> Result<(), Stop> {
    world.terminal.show(&events, |events| {
        let lines: Vec<String> = events.iter().map(|event| sentence(event, world.terminal)).collect();
        if lines.is_empty() { "nothing has happened yet".to_owned() } else { lines.join("\n") }
    })
}

fn of_row(row: EventRow) -> Event {
    Event { id: row.id, at: row.at, target: row.target, kind: row.kind, message: row.message, body: row.body }
}

/// One line of a stream.
fn line(event: &Event, terminal: Terminal) -> Result<String, Stop> {
    if !terminal.is_json() {
        return Ok(format!("{}\n", sentence(event, terminal)));
    }
    let object = serde_json::to_string(event);
    let object = object.map_err(|error| Failure::new(Class::Software, format!("cannot put an event into JSON: {error}")))?;
    Ok(format!("{object}\n"))
}

fn sentence(event: &Event, terminal: Terminal) -> String {
    let tone = match event.kind.rsplit('.').next() {
        Some("failed" | "stuck" | "refused" | "overdue") => Tone::Bad,
        Some("held" | "rolled-back" | "interrupted") => Tone::Warn,
        _ => Tone::Plain,
    };
    let at = terminal.paint(Tone::Quiet, &human::moment(event.at));
    let target = event.target.as_ref().map(|target| format!("{target}: ")).unwrap_or_default();
    format!("{at}  {}  {target}{}", terminal.paint(tone, &format!("{:<20}", event.kind)), text::line(&event.message))
}
