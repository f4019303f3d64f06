//! What a database has that no server makes again as it is, though it is in the archive: named where the archive is taken, and by `check`.

use super::super::EngineError;
use super::connect::{Session, quote};
use super::definition::Kind;
use super::rows::timeless;
use super::schema::Schema;
use super::{catalog, here, statistics};
use crate::archive::manifest::LeftOut;

/// Views that do not work, events whose time has passed, reference systems that the server keeps to itself.
pub(super) async fn of(session: &mut Session, schema: &Schema) -> Result<Vec<LeftOut>, EngineError> {
    let broken = schema.of(Kind::View).filter_map(|view| Some((&view.name, view.broken.as_ref()?)));
    let mut all: Vec<LeftOut> = broken.map(|(name, why)| broken_view(name, why)).collect();
    let here = here::by("EVENT_SCHEMA");
    let sql = format!(
        "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE {here} AND ON_COMPLETION = 'NOT PRESERVE' \
         AND COALESCE(EXECUTE_AT, ENDS) < CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', TIME_ZONE) ORDER BY CAST(EVENT_NAME AS BINARY)"
    );
    let names = session.texts("look for events whose time has passed", &sql).await?;
    let names = names.into_iter().filter_map(|row| row.into_iter().next().flatten());
    all.extend(names.map(|name| LeftOut {
        what: format!("event {name} as one that is made again"),
        why: format!(
            "its time has passed, and no server makes such an event; its definition is in the archive. Drop it: DROP EVENT {};",
            quote(&name)
        ),
    }));
    if session.version.is_mariadb() {
        all.extend(reference_systems(session).await?);
        all.extend(statistics::unseen(session).await?);
    }
    Ok(all)
}

/// `REF_SYSTEM_ID` of a column, which MariaDB tells in one list and prints in no definition.
async fn reference_systems(session: &mut Session) -> Result<Vec<LeftOut>, EngineError> {
    let here = here::by("G_TABLE_SCHEMA");
    let sql = format!(
        "SELECT G_TABLE_NAME, G_GEOMETRY_COLUMN, SRID FROM information_schema.GEOMETRY_COLUMNS WHERE {here} AND SRID <> 0 \
         ORDER BY CAST(G_TABLE_NAME AS BINARY), CAST(G_GEOMETRY_COLUMN AS BINARY)"
    );
    let rows = session.texts("look for reference systems of columns", &sql).await?;
    let told = |row: Vec<Option<String>>| {
        let [table, column, system] = <[Option<String>; 3]>::try_from(row).ok()?;
        Some(LeftOut {
            what: format!("reference system {} of column {} of table {}", system?, column?, table?),
            why: "the server prints no REF_SYSTEM_ID; the values keep theirs. Where it is needed, give it to the column after a restore"
                .to_owned(),
        })
    };
    Ok(rows.into_iter().filter_map(told).collect())
}

/// The same without an archive, as far as it is found soon; and why none could be taken. What one look finds hides nothing of another's.
pub(super) async fn seen(session: &mut Session) -> (Vec<LeftOut>, Vec<EngineError>) {
    let (mut all, mut refused) = (Vec::new(), Vec::new());
    // Every definition is read, for a backup reads them too: one that no SQL text can keep is known before the night.
    let schema = Schema::read(session).await.unwrap_or_else(|error| {
        refused.push(error);
        Schema::default()
    });
    match of(session, &schema).await {
        Ok(found) => all.extend(found),
        Err(error) => refused.push(error),
    }
    if session.version.inserts_history() {
        match catalog::relations(session).await {
            Ok(relations) => all.extend(timeless::seen(session, &relations).await),
            Err(error) => refused.push(error),
        }
    }
    (all, refused)
}

fn broken_view(name: &str, why: &str) -> LeftOut {
    LeftOut {
        what: format!("view {name} as one that works"),
        why: format!(
            "{why}; its definition comes last in the archive, and a restore goes on without it. Fix it, or drop it: DROP VIEW {};",
            quote(name)
        ),
    }
}
