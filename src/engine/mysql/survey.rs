//! A glance at a database: is it there, what is in it, who else is using it. Works with as few privileges as it can.

use super::super::{EngineError, Glance, Survey};
use super::connect::{Place, Session, quote};
use super::here::{self, HERE};
use super::others::sessions;
use super::ours::OWN_TABLES;
use super::privileges::Grants;
use super::shape::history_tables;
use super::{in_place, swap};

/// The least of it.
pub(super) async fn glance(place: &Place) -> Result<Glance, EngineError> {
    let Some(mut session) = place.connect_if_exists().await? else { return Ok(Glance::default()) };
    swap::demand_in_place(&mut session).await?;
    let sum = format!(
        "SELECT CAST(COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) AS CHAR) FROM information_schema.TABLES WHERE {HERE}"
    );
    let bytes = session.number("measure the database", &sum).await?;
    let half_loaded = is_half_loaded(&mut session).await?;
    session.close().await;
    Ok(Glance { exists: true, bytes, half_loaded })
}

async fn is_half_loaded(session: &mut Session) -> Result<bool, EngineError> {
    Ok(in_place::is_half(session).await? || swap::is_unfinished(session).await?)
}

/// Looks.
pub(super) async fn survey(place: &Place, histories: &[String]) -> Result<Survey, EngineError> {
    let Some(mut session) = place.connect_if_exists().await? else { return Ok(Survey::default()) };
    swap::demand_in_place(&mut session).await?;
    let doing = "list the tables with their sizes";
    let own = OWN_TABLES.map(|name| format!("'{name}'")).join(", ");
    let sql = format!(
        "SELECT TABLE_NAME, COALESCE(DATA_LENGTH + INDEX_LENGTH, 0) FROM information_schema.TABLES \
         WHERE {HERE} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_NAME NOT IN ({own}) \
         ORDER BY CAST(TABLE_NAME AS BINARY)"
    );
    let rows = session.texts(doing, &sql).await?;
    let cells = rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default));
    let tables: Vec<(String, u64)> = cells
        .map(|mut cells| (cells.next().unwrap_or_default(), cells.next().and_then(|text| text.parse().ok()).unwrap_or(0)))
        .collect();
    let histories: Vec<String> = history_tables(&mut session, histories).await?.into_iter().map(|(name, _)| name).collect();
    let mut holds_rows = false;
    for (name, _) in tables.iter().filter(|(name, _)| !histories.contains(name)) {
        if any_row(&mut session, name).await? {
            holds_rows = true;
            break;
        }
    }
    let others = others(&mut session).await?;
    let half_loaded = is_half_loaded(&mut session).await?;
    let sessions = sessions(&mut session).await?;
    let unseen = Grants::read(&mut session).await?.blind_to_sessions(&session);
    session.close().await;
    let bytes = tables.iter().map(|(_, bytes)| bytes).sum();
    Ok(Survey { exists: true, tables, others, bytes, holds_rows, sessions, unseen, half_loaded })
}

async fn others(session: &mut Session) -> Result<u64, EngineError> {
    let count =
        |table: &str, schema: &str| format!("(SELECT COUNT(*) FROM information_schema.{table} WHERE {})", here::by(schema));
    let (views, routines) = (count("VIEWS", "TABLE_SCHEMA"), count("ROUTINES", "ROUTINE_SCHEMA"));
    let sql = format!("SELECT {views} + {routines} + {}", count("EVENTS", "EVENT_SCHEMA"));
    session.number("count views, routines and events", &sql).await
}

/// What we may not look into counts as filled: better one refusal too many than rows lost.
async fn any_row(session: &mut Session, table: &str) -> Result<bool, EngineError> {
    let doing = format!("look for rows in table {table}");
    match session.rows(&doing, &format!("SELECT 1 FROM {} LIMIT 1", quote(table))).await {
        Ok(rows) => Ok(!rows.is_empty()),
        Err(EngineError::Privilege { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}
