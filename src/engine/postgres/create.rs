//! Making a database like another, or like the one an archive came from.

use super::super::EngineError;
use super::catalog::OWNER;
use super::connect::{Place, Session, literal, quote};
use super::{guard, standby};
use crate::archive::manifest::Server;

/// Where a manifest's server says in which tablespace the database was, if not in the server's own.
pub(super) const TABLESPACE: &str = "tablespace";

/// Creates an empty database like the one an archive came from, in the same tablespace where that is here; says what could not be the same.
pub(super) async fn create_as_archived(
    place: &Place,
    like: &Server,
    connections: Option<u32>,
) -> Result<Vec<String>, EngineError> {
    let Some(tablespace) = like.extra.get(TABLESPACE) else {
        return create(place, &place.database, like, None, connections).await;
    };
    let mut session = place.connect_to_maintenance().await?;
    let usable = session.truth("look for the tablespace", &format!("SELECT {}", usable_tablespace(tablespace))).await?;
    session.close().await;
    let mut warnings = create(place, &place.database, like, usable.then_some(tablespace.as_str()), connections).await?;
    if !usable {
        warnings.push(format!(
            "tablespace {tablespace}, in which the database was, does not exist here, or {} may not use it: it is in the server's own",
            place.user()
        ));
    }
    Ok(warnings)
}

/// That a tablespace is there and the session's role may put something in it: a condition.
pub(super) fn usable_tablespace(name: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_catalog.pg_tablespace WHERE spcname = {} AND pg_catalog.has_tablespace_privilege(oid, 'CREATE'))",
        literal(name)
    )
}

/// Creates an empty database like the one described, its owner's where it may be, in a tablespace where one is named, with a limit to its
/// connections where one is wanted; says what could not be the same here.
pub(super) async fn create(
    place: &Place,
    name: &str,
    like: &Server,
    tablespace: Option<&str>,
    connections: Option<u32>,
) -> Result<Vec<String>, EngineError> {
    let mut session = place.beside(name).connect_to_maintenance().await?;
    standby::demand_primary(&mut session).await?;
    let mut warnings = Vec::new();
    let tablespace = tablespace.map_or_else(String::new, |tablespace| format!(" TABLESPACE {}", quote(tablespace)));
    let limit = connections.map_or_else(String::new, |most| format!(" CONNECTION LIMIT {most}"));
    let full = format!(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}{}{tablespace}{limit}",
        quote(name),
        literal(&like.charset),
        literal(&like.collation),
        literal(like.extra.get("lc_ctype").unwrap_or(&like.collation)),
        provider(like)
    );
    let doing = format!("create database {name}");
    match session.run(&doing, &full).await {
        // A locale this host does not have: the encoding still has to be right.
        Err(EngineError::Sql { .. }) => {
            let encoding = literal(&like.charset);
            let plain = format!("CREATE DATABASE {} TEMPLATE template0 ENCODING {encoding}{tablespace}{limit}", quote(name));
            session.run(&doing, &plain).await?;
            warnings.push(format!("locale {} is not available here: database {name} has the server's own", like.collation));
        }
        Err(EngineError::Privilege { user, .. }) => {
            let grant = format!("ALTER ROLE {} CREATEDB;", quote(&user));
            return Err(EngineError::Privilege { user, what: doing, grant });
        }
        other => other?,
    }
    give_to_owner(&mut session, name, like).await?;
    session.close().await;
    Ok(warnings)
}

/// Gives a new database to the role that the other one belongs to, where we may act for it: whoever gets a thing must be allowed to make
/// one in its schema, and the owner of the database is in `public`.
async fn give_to_owner(session: &mut Session, name: &str, like: &Server) -> Result<(), EngineError> {
    let Some(owner) = like.extra.get(OWNER) else { return Ok(()) };
    let ours = format!("SELECT {}", guard::may_hand_over(&quote(owner)));
    if session.truth("look for the owner of the database", &ours).await? {
        let sql = format!("ALTER DATABASE {} OWNER TO {}", quote(name), quote(owner));
        session.run("give the new database to the old one's owner", &sql).await?;
    }
    Ok(())
}

fn provider(like: &Server) -> String {
    match (like.extra.get("locale_provider").map(String::as_str), like.extra.get("locale")) {
        (Some("i"), Some(locale)) => format!(" LOCALE_PROVIDER icu ICU_LOCALE {}", literal(locale)),
        (Some("b"), Some(locale)) => format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", literal(locale)),
        _ => String::new(),
    }
}
