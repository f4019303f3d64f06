//! Subscriptions: what reads another server's changes into a database.
//!
//! One at work keeps its database from being dropped, and its slot at the publisher belongs to it alone. So a database with one is not
//! replaced; the copy that an archive makes never connects, and has no slot: dropping it touches nobody's.

use super::super::EngineError;
use super::connect::{Place, Session, literal, quote};

/// A subscription.
struct Subscription {
    name: String,
    /// Whether it reads, or has a slot at the publisher.
    at_work: bool,
    slot: Option<String>,
}

/// Those of a database, which need not be the session's own.
async fn of(session: &mut Session, database: &str) -> Result<Vec<Subscription>, EngineError> {
    let doing = "look for subscriptions";
    let sql = format!(
        "SELECT s.subname::text, s.subenabled OR s.subslotname IS NOT NULL, s.subslotname::text FROM pg_catalog.pg_subscription s \
         JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE d.datname = {} ORDER BY 1",
        literal(database)
    );
    let rows = session.rows(doing, &sql).await?;
    let read = |row| -> Result<Subscription, EngineError> {
        Ok(Subscription {
            name: session.cell(doing, row, 0)?,
            at_work: session.cell(doing, row, 1)?,
            slot: session.cell(doing, row, 2)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Refuses while a subscription of the session's database reads or has a slot.
pub(super) async fn demand_none_at_work(session: &mut Session) -> Result<(), EngineError> {
    let database = session.place().database.clone();
    let Some(one) = of(session, &database).await?.into_iter().find(|one| one.at_work) else { return Ok(()) };
    let name = quote(&one.name);
    Err(EngineError::Inexact {
        what: format!("database {database} has subscription {}, and what it holds cannot be replaced while it has", one.name),
        hint: format!(
            "in {database}, drop it: DROP SUBSCRIPTION {name}; or keep its slot for later: ALTER SUBSCRIPTION {name} DISABLE; \
             ALTER SUBSCRIPTION {name} SET (slot_name = NONE);"
        ),
    })
}

/// What a load made of an archive's subscriptions: disabled, as the archive has them, and now without the slot, which is another's.
pub(super) async fn let_go_of_slots(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let database = session.place().database.clone();
    let mut told = Vec::new();
    for Subscription { name, slot, .. } in of(session, &database).await? {
        let Some(slot) = slot else { continue };
        let quoted = quote(&name);
        let sql = format!("ALTER SUBSCRIPTION {quoted} SET (slot_name = NONE)");
        session.run(&format!("take its slot from subscription {name}"), &sql).await?;
        told.push(format!(
            "subscription {name} does not read: it was made disabled and without its slot. To let it read again: \
             ALTER SUBSCRIPTION {quoted} SET (slot_name = {}); ALTER SUBSCRIPTION {quoted} ENABLE;",
            literal(&slot)
        ));
    }
    Ok(told)
}

/// Whose copy of a subscription is dropped with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// All: they were made by a load, disabled.
    All,
    /// Those that do not read and have no slot.
    Idle,
}

/// Drops the subscriptions of another database of the session's server, without a word to the publisher: no database can be dropped
/// that has one.
pub(super) async fn drop_from(session: &mut Session, place: &Place, which: Which) -> Result<(), EngineError> {
    let those = of(session, &place.database).await?;
    if those.is_empty() {
        return Ok(());
    }
    let mut inside = place.connect().await?;
    for Subscription { name, at_work, .. } in those.iter().filter(|one| which == Which::All || !one.at_work) {
        let (doing, quoted) = (format!("drop subscription {name} of database {}", place.database), quote(name));
        if *at_work {
            inside.run(&doing, &format!("ALTER SUBSCRIPTION {quoted} DISABLE")).await?;
            inside.run(&doing, &format!("ALTER SUBSCRIPTION {quoted} SET (slot_name = NONE)")).await?;
        }
        inside.run(&doing, &format!("DROP SUBSCRIPTION {quoted}")).await?;
    }
    inside.close().await;
    Ok(())
}
