//! Triggers set aside: dropped for as long as they are in the way, kept as text, put back as they were.

use serde::{Deserialize, Serialize};

use super::super::super::EngineError;
use super::super::connect::{Session, literal, quote};
use super::super::definer::without_definer;
use super::objects::may_not_define;

/// A trigger as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Kept {
    name: String,
    /// The session settings it was made under.
    settings: String,
    create: String,
}

/// The triggers of the session's database, in the order in which they fire.
pub(in super::super) async fn all(session: &mut Session) -> Result<Vec<Kept>, EngineError> {
    let doing = "list the triggers";
    let sql = "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE CAST(TRIGGER_SCHEMA AS BINARY) = CAST(DATABASE() AS BINARY) \
        ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER";
    let mut kept = Vec::new();
    for row in session.texts(doing, sql).await? {
        let name = row.into_iter().next().flatten().unwrap_or_default();
        let shown = session.texts(&format!("read trigger {name}"), &format!("SHOW CREATE TRIGGER {}", quote(&name))).await?;
        let mut cells = shown.into_iter().next().unwrap_or_default().into_iter().skip(1).map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let (mode, create, client, connection) = (next(), next(), next(), next());
        if create.is_empty() {
            return Err(EngineError::Privilege {
                user: session.place().user().to_owned(),
                what: format!("read trigger {name}"),
                grant: format!("GRANT TRIGGER ON {}.* TO {};", quote(&session.place().database), session.place().grantee()),
            });
        }
        // Text of other letters arrived here in ours, and has to be sent so.
        let client = if create.is_ascii() { client } else { "utf8mb4".to_owned() };
        let settings = format!(
            "SET SESSION sql_mode = {}, SESSION character_set_client = {client}, SESSION collation_connection = {connection}",
            literal(&mode)
        );
        kept.push(Kept { name, settings, create });
    }
    Ok(kept)
}

/// Drops them, the last to fire first: what is left if we die in between still fires in its order.
pub(in super::super) async fn drop_all(session: &mut Session, kept: &[Kept]) -> Result<(), EngineError> {
    for trigger in kept.iter().rev() {
        let sql = format!("DROP TRIGGER IF EXISTS {}", quote(&trigger.name));
        session.run(&format!("set trigger {} aside", trigger.name), &sql).await?;
    }
    Ok(())
}

/// What was put back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Put {
    /// How many.
    pub(in super::super) many: usize,
    /// Those that are not whose they were, a line each.
    pub(in super::super) changed: Vec<String>,
}

/// Puts back those that are not there, whatever the configuration says of definers: they are no archive's. One whose definer this
/// account may not set becomes this account's.
pub(in super::super) async fn put_back(session: &mut Session, kept: &[Kept]) -> Result<Put, EngineError> {
    let there = all(session).await?;
    let user = session.place().user().to_owned();
    let mut put = Put::default();
    for trigger in kept.iter().filter(|trigger| !there.iter().any(|there| there.name == trigger.name)) {
        let doing = format!("put trigger {} back", trigger.name);
        session.run(&doing, &trigger.settings).await?;
        match session.run(&doing, &trigger.create).await {
            Err(error) if may_not_define(&error) => {
                let Some((definer, own)) = without_definer(&trigger.create) else { return Err(error) };
                session.run(&doing, &own).await?;
                put.changed
                    .push(format!("trigger {}: definer {definer} cannot be set by user {user}, whose it is now", trigger.name));
            }
            other => other?,
        }
        put.many += 1;
    }
    session.run("set up a session", "SET NAMES utf8mb4, SESSION sql_mode = ''").await?;
    Ok(put)
}
