//! What acts by itself, set aside: dropped for as long as it would act on what is not its own, kept as text, put back as it was.

use serde::{Deserialize, Serialize};

use super::super::super::EngineError;
use super::super::connect::{Session, quote};
use super::super::definer::without_definer;
use super::super::definition::Kind;
use super::super::schema::{self, Shown};
use super::super::{here, script};
use super::making::may_not_define;
use crate::count::many;

/// What fires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Acting {
    /// On a change of a row.
    #[default]
    Trigger,
    /// At its time. `ALTER EVENT … DISABLE` would make it the property of whoever says so.
    Event,
}

impl Acting {
    fn kind(self) -> Kind {
        match self {
            Self::Trigger => Kind::Trigger,
            Self::Event => Kind::Event,
        }
    }

    fn name(self) -> String {
        self.kind().word().to_lowercase()
    }
}

/// A trigger or an event as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Kept {
    #[serde(default)]
    acting: Acting,
    name: String,
    /// The session settings it was made under.
    settings: String,
    /// The collation that the database had then.
    #[serde(default)]
    database: String,
    create: String,
}

impl Kept {
    /// As it is noted.
    pub(in super::super) fn note(&self) -> Result<String, EngineError> {
        serde_json::to_string(self).map_err(|error| EngineError::Unfit(format!("cannot note {}: {error}", self.name)))
    }

    /// From a note. One that cannot be read is not passed over: what it speaks of would be lost with it.
    pub(in super::super) fn noted(note: &str) -> Result<Self, EngineError> {
        serde_json::from_str(note).map_err(|error| EngineError::Unfit(format!("the note `{note}` cannot be read: {error}")))
    }
}

/// Which events.
#[derive(Debug, Clone, Copy)]
enum Events {
    Enabled,
    Any,
}

/// The triggers of the session's database, in the order in which they fire.
pub(in super::super) async fn triggers(session: &mut Session) -> Result<Vec<Kept>, EngineError> {
    let names = trigger_names(session).await?;
    read(session, Acting::Trigger, names).await
}

/// Its triggers, and its events that are enabled.
pub(in super::super) async fn all(session: &mut Session) -> Result<Vec<Kept>, EngineError> {
    let mut kept = triggers(session).await?;
    let names = event_names(session, Events::Enabled).await?;
    kept.extend(read(session, Acting::Event, names).await?);
    Ok(kept)
}

async fn trigger_names(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let here = here::by("TRIGGER_SCHEMA");
    let sql = format!(
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE {here} \
         ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER"
    );
    names(session, "list the triggers", &sql).await
}

async fn event_names(session: &mut Session, which: Events) -> Result<Vec<String>, EngineError> {
    let here = here::by("EVENT_SCHEMA");
    let which = match which {
        Events::Enabled => " AND STATUS = 'ENABLED'",
        Events::Any => "",
    };
    let sql = format!("SELECT EVENT_NAME FROM information_schema.EVENTS WHERE {here}{which} ORDER BY EVENT_NAME");
    names(session, "list the events", &sql).await
}

async fn names(session: &mut Session, doing: &str, sql: &str) -> Result<Vec<String>, EngineError> {
    let rows = session.texts(doing, sql).await?;
    Ok(rows.into_iter().map(|row| row.into_iter().next().flatten().unwrap_or_default()).collect())
}

async fn read(session: &mut Session, acting: Acting, names: Vec<String>) -> Result<Vec<Kept>, EngineError> {
    let (kind, what) = (acting.kind(), acting.name());
    let mut kept = Vec::new();
    for name in names {
        let Some(Shown { sql: create, context, .. }) = schema::show(session, kind, &name).await? else {
            let place = session.place();
            return Err(EngineError::Privilege {
                user: place.user().to_owned(),
                what: format!("read {what} {name}"),
                grant: format!("GRANT {} ON {}.* TO {};", kind.word(), quote(&place.database), place.grantee()),
            });
        };
        kept.push(Kept {
            acting,
            name,
            settings: script::settings(kind, &create, &context),
            database: context.database,
            create,
        });
    }
    Ok(kept)
}

/// Drops them, the last to fire first: what is left if we die in between still fires in its order.
pub(in super::super) async fn drop_all(session: &mut Session, kept: &[Kept]) -> Result<(), EngineError> {
    for Kept { acting, name, .. } in kept.iter().rev() {
        let sql = format!("DROP {} IF EXISTS {}", acting.kind().word(), quote(name));
        session.run(&format!("set {} {name} aside", acting.name()), &sql).await?;
    }
    Ok(())
}

/// What was put back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Put {
    /// How many triggers.
    pub(in super::super) triggers: u64,
    /// How many events.
    pub(in super::super) events: u64,
    /// Those that are not as they were, a line each.
    pub(in super::super) changed: Vec<String>,
}

impl Put {
    /// "2 triggers and 1 event"; `None` for nothing.
    pub(in super::super) fn told(&self) -> Option<String> {
        let all = [(self.triggers, "trigger"), (self.events, "event")];
        let all: Vec<String> = all.iter().filter(|(of, _)| *of > 0).map(|(of, what)| many(*of, what)).collect();
        (!all.is_empty()).then(|| all.join(" and "))
    }
}

/// Puts back those that are not there, whatever the configuration says of definers: they are no archive's. One whose definer this
/// account may not set becomes this account's.
pub(in super::super) async fn put_back(session: &mut Session, kept: &[Kept]) -> Result<Put, EngineError> {
    let user = session.place().user().to_owned();
    let (triggers, events) = (trigger_names(session).await?, event_names(session, Events::Any).await?);
    let is_there = |kept: &&Kept| match kept.acting {
        Acting::Trigger => triggers.contains(&kept.name),
        Acting::Event => events.contains(&kept.name),
    };
    let collation = session.text("ask for the database's collation", "SELECT @@collation_database").await?.unwrap_or_default();
    let mut put = Put::default();
    for one in kept.iter().filter(|kept| !is_there(kept)) {
        let what = format!("{} {}", one.acting.name(), one.name);
        let doing = format!("put {what} back");
        session.run(&doing, &one.settings).await?;
        match session.run(&doing, &one.create).await {
            Err(error) if may_not_define(&error) => {
                let Some((definer, own)) = without_definer(&one.create) else { return Err(error) };
                session.run(&doing, &own).await?;
                put.changed.push(format!("{what}: definer {definer} cannot be set by user {user}, whose it is now"));
            }
            other => other?,
        }
        if !one.database.is_empty() && one.database != collation {
            put.changed.push(format!("{what}: its texts without a collation had {}, and have {collation} now", one.database));
        }
        match one.acting {
            Acting::Trigger => put.triggers += 1,
            Acting::Event => put.events += 1,
        }
    }
    session.run("set up a session", "SET NAMES utf8mb4, SESSION sql_mode = '', SESSION time_zone = '+00:00'").await?;
    put.changed.extend(missed(session, kept).await?);
    Ok(put)
}

/// Events that were to run once, at a time that has passed: the server makes none such again, and drops one that it has run.
async fn missed(session: &mut Session, kept: &[Kept]) -> Result<Vec<String>, EngineError> {
    let there = event_names(session, Events::Enabled).await?;
    let gone = kept.iter().filter(|kept| kept.acting == Acting::Event && !there.contains(&kept.name));
    Ok(gone.map(|kept| format!("event {}: its time has passed meanwhile, and it may not have run", kept.name)).collect())
}
