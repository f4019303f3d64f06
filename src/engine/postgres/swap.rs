//! Taking a database's place: a scratch database beside it is filled and compared, then names are exchanged.
//!
//! Owns the names `DB__upkeep_new` and `DB__upkeep_old`. What a crash leaves is read from the names and from a mark on the
//! new database, a comment that is written only after the comparison; [`settle`] needs nothing else. Invariant: at every
//! moment the old content or the compared new content has the name or can be given it; held by
//! `tests/it/postgres_restore.rs`.

use std::sync::Arc;

use super::super::replace::names::{Longest, Names};
use super::super::replace::states::{Left, Seen, by_names};
use super::super::{EngineError, Loaded, MayRestore, Standing};
use super::catalog::{WITH_ROWS, texts};
use super::connect::{Place, Session, literal, quote};
use super::{in_place, load, survey};
use crate::archive::Archive;
use crate::archive::manifest::Server;
use crate::fault;
use crate::progress::Progress;

/// How long a database's name may be (NAMEDATALEN − 1).
const LONGEST_NAME: Longest = Longest::Bytes(63);
/// Begins the comment on a new database that was compared; the comment the old one had follows on the next lines.
const MARK: &str = "upkeep: compared with ";

/// Creates an empty database like the one an archive came from; says what could not be the same here.
pub(super) async fn create(place: &Place, name: &str, like: &Server) -> Result<Vec<String>, EngineError> {
    let mut session = place.beside(name).connect_to_maintenance().await?;
    let mut warnings = Vec::new();
    let full = format!(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}{}",
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
            let plain = format!("CREATE DATABASE {} TEMPLATE template0 ENCODING {}", quote(name), literal(&like.charset));
            session.run(&doing, &plain).await?;
            warnings.push(format!("locale {} is not available here: database {name} has the server's own", like.collation));
        }
        Err(EngineError::Privilege { user, .. }) => {
            let grant = format!("ALTER ROLE {} CREATEDB;", quote(&user));
            return Err(EngineError::Privilege { user, what: doing, grant });
        }
        other => other?,
    }
    session.close().await;
    Ok(warnings)
}

fn provider(like: &Server) -> String {
    match (like.extra.get("locale_provider").map(String::as_str), like.extra.get("locale")) {
        (Some("i"), Some(locale)) => format!(" LOCALE_PROVIDER icu ICU_LOCALE {}", literal(locale)),
        (Some("b"), Some(locale)) => format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", literal(locale)),
        _ => String::new(),
    }
}

/// Whether the role may make a database and give this one another name.
const MAY_CREATE: &str = "SELECT rolsuper OR (rolcreatedb AND (SELECT pg_catalog.pg_has_role(datdba, 'MEMBER') FROM pg_catalog.pg_database \
    WHERE datname = pg_catalog.current_database())) FROM pg_catalog.pg_roles WHERE rolname = current_user";

/// Which way [`replace`] may go. Without the privilege to create databases it takes everything out of this one, which only the
/// owner of each thing may.
pub(super) async fn may_restore(session: &mut Session) -> Result<MayRestore, EngineError> {
    let doing = "look for the privilege to restore";
    if session.truth(doing, MAY_CREATE).await? {
        return Ok(MayRestore::Beside);
    }
    let (role, database) = (quote(session.place().user()), quote(&session.place().database));
    let strange = format!(
        "SELECT EXISTS (SELECT {WITH_ROWS} AND NOT pg_catalog.pg_has_role(c.relowner, 'MEMBER')) \
         OR NOT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')"
    );
    let grant = format!("ALTER ROLE {role} CREATEDB; ALTER DATABASE {database} OWNER TO {role};");
    Ok(if session.truth(doing, &strange).await? { MayRestore::Not(grant) } else { MayRestore::InPlace(grant) })
}

/// Puts an archive in the place of a database.
pub(super) async fn replace(
    place: &Place,
    archive: &Arc<Archive>,
    _standing: Standing<'_>,
    jobs: usize,
    progress: &Progress,
) -> Result<Loaded, EngineError> {
    settle(place).await?;
    let Some(mut session) = place.connect_if_exists().await? else {
        return from_nothing(place, archive, jobs, progress).await;
    };
    let users = survey::lasting_sessions(&mut session, &place.database).await?;
    let may_create = session.truth("look for the privilege to create databases", MAY_CREATE).await?;
    let like = super::catalog::identify(&mut session).await?;
    session.close().await;
    if !users.is_empty() {
        return Err(EngineError::InUse { location: place.location(), sessions: users });
    }
    if !may_create {
        return in_place::replace(place, archive, progress).await;
    }
    let names = Names::of(&place.database, LONGEST_NAME);
    let warnings = create(place, &names.new, &like).await?;
    fault::point("pg.load.created");
    let mut loaded = match load::fill(&place.beside(&names.new), archive, jobs, progress).await {
        Ok(loaded) => loaded,
        Err(error) => {
            // The error at hand is the one to report; what cannot be dropped now, `settle` drops.
            settle(place).await.ok();
            return Err(error);
        }
    };
    loaded.warnings.splice(0..0, warnings);
    progress.phase("swapping", 0);
    if let Err(error) = swap(place, &names, archive.manifest().label.as_str()).await {
        settle(place).await.ok();
        return Err(error);
    }
    Ok(loaded)
}

async fn from_nothing(place: &Place, archive: &Arc<Archive>, jobs: usize, progress: &Progress) -> Result<Loaded, EngineError> {
    let warnings = create(place, &place.database, &archive.manifest().server).await?;
    fault::point("pg.load.created");
    let mut loaded = load::fill(place, archive, jobs, progress).await?;
    loaded.warnings.splice(0..0, warnings);
    Ok(loaded)
}

/// Marks the new database as compared and exchanges the names.
///
/// A crash before the first rename leaves the old content in its place and the new one to be dropped. Between the renames
/// the database has no name, so nobody can have written to either: the second rename is made up for. After it, only the old
/// content is left to be dropped.
async fn swap(place: &Place, names: &Names, label: &str) -> Result<(), EngineError> {
    let mut session = place.connect_to_maintenance().await?;
    for statement in likeness(&mut session, names).await? {
        session.run("give the new database the old one's settings", &statement).await?;
    }
    let comment = comment_on(&mut session, &names.own).await?.unwrap_or_default();
    let mark = literal(&format!("{MARK}{label}\n{comment}"));
    session.run("mark the new database", &format!("COMMENT ON DATABASE {} IS {mark}", quote(&names.new))).await?;
    fault::point("pg.swap.marked");
    rename(&mut session, &names.own, &names.old).await?;
    fault::point("pg.swap.first");
    rename(&mut session, &names.new, &names.own).await?;
    fault::point("pg.swap.second");
    drop_database(&mut session, &names.old).await?;
    fault::point("pg.swap.dropped");
    unmark(&mut session, &names.own).await?;
    fault::point("pg.swap.unmarked");
    session.close().await;
    Ok(())
}

async fn rename(session: &mut Session, from: &str, to: &str) -> Result<(), EngineError> {
    session
        .run(&format!("rename database {from} to {to}"), &format!("ALTER DATABASE {} RENAME TO {}", quote(from), quote(to)))
        .await
}

async fn drop_database(session: &mut Session, name: &str) -> Result<(), EngineError> {
    session.run(&format!("drop database {name}"), &format!("DROP DATABASE IF EXISTS {}", quote(name))).await
}

async fn comment_on(session: &mut Session, name: &str) -> Result<Option<String>, EngineError> {
    let sql = format!(
        "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database WHERE datname = {}",
        literal(name)
    );
    let rows = session.rows("read a database's comment", &sql).await?;
    rows.first().map_or(Ok(None), |row| session.cell("read a database's comment", row, 0))
}

/// Gives the database back the comment it had before the mark.
async fn unmark(session: &mut Session, name: &str) -> Result<(), EngineError> {
    let Some(comment) = comment_on(session, name).await?.filter(|comment| comment.starts_with(MARK)) else { return Ok(()) };
    let before = comment.split_once('\n').map(|(_, before)| before).filter(|before| !before.is_empty());
    let before = before.map_or("NULL".to_owned(), literal);
    session.run("take the mark off", &format!("COMMENT ON DATABASE {} IS {before}", quote(name))).await
}

/// Statements that give the new database the owner, settings, connection limit and privileges of the old one.
async fn likeness(session: &mut Session, names: &Names) -> Result<Vec<String>, EngineError> {
    let (new, own) = (literal(&quote(&names.new)), literal(&names.own));
    let database = format!("FROM pg_catalog.pg_database d WHERE d.datname = {own}");
    // A setting is stored as `name=value`; lists are already quoted inside, as `ALTER DATABASE … SET` takes them.
    let list = "('search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries', 'shared_preload_libraries')";
    let queries = [
        format!(
            "SELECT 'ALTER DATABASE ' || {new} || ' OWNER TO ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(d.datdba)) {database}"
        ),
        format!(
            "SELECT 'ALTER DATABASE ' || {new} || ' CONNECTION LIMIT ' || d.datconnlimit {database} AND d.datconnlimit <> -1"
        ),
        format!(
            "SELECT CASE WHEN r.rolname IS NULL THEN 'ALTER DATABASE ' || {new} ELSE 'ALTER ROLE ' || pg_catalog.quote_ident(r.rolname) \
               || ' IN DATABASE ' || {new} END || ' SET ' || pg_catalog.quote_ident(pg_catalog.split_part(c.one, '=', 1)) || ' TO ' \
               || CASE WHEN pg_catalog.split_part(c.one, '=', 1) IN {list} THEN pg_catalog.substr(c.one, pg_catalog.strpos(c.one, '=') + 1) \
                  ELSE pg_catalog.quote_literal(pg_catalog.substr(c.one, pg_catalog.strpos(c.one, '=') + 1)) END \
             FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase \
             LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole, pg_catalog.unnest(s.setconfig) c(one) WHERE d.datname = {own}"
        ),
        format!("SELECT 'REVOKE ALL ON DATABASE ' || {new} || ' FROM PUBLIC' {database} AND d.datacl IS NOT NULL"),
        format!(
            "SELECT 'GRANT ' || a.privilege_type || ' ON DATABASE ' || {new} || ' TO ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' \
               ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END \
             FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a WHERE d.datname = {own} AND a.grantee <> d.datdba"
        ),
    ];
    let mut statements = Vec::new();
    for sql in queries {
        statements.extend(texts(session, "read the database's settings", &sql).await?);
    }
    Ok(statements)
}

/// Whether a database is there, and marked.
async fn look(session: &mut Session, name: &str) -> Result<Seen, EngineError> {
    let sql = format!("SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {})", literal(name));
    let is_there = session.truth("look for databases of our own", &sql).await?;
    let comment = comment_on(session, name).await?;
    Ok(Seen { is_there, is_marked: comment.is_some_and(|comment| comment.starts_with(MARK)) })
}

/// Finishes or undoes what a crash left; says what it did.
pub(super) async fn settle(place: &Place) -> Result<Vec<String>, EngineError> {
    let names = Names::of(&place.database, LONGEST_NAME);
    let mut session = place.connect_to_maintenance().await?;
    let mut seen = [Seen::default(); 3];
    for (seen, name) in seen.iter_mut().zip([&names.own, &names.new, &names.old]) {
        *seen = look(&mut session, name).await?;
    }
    let [own_seen, new_seen, old_seen] = seen;
    let Names { own, new, old } = &names;
    let mut done = Vec::new();
    match by_names(own_seen, new_seen, old_seen) {
        Left::Begun => {
            rename(&mut session, new, own).await?;
            fault::point("pg.settle.renamed");
            drop_database(&mut session, old).await?;
            unmark(&mut session, own).await?;
            done.push(format!("database {own}: finished taking the compared archive's content in"));
        }
        Left::Fenced => {
            rename(&mut session, old, own).await?;
            fault::point("pg.settle.renamed");
            drop_database(&mut session, new).await?;
            done.push(format!("database {own}: the old content has its name again"));
        }
        Left::Exchanged => {
            drop_database(&mut session, old).await?;
            fault::point("pg.settle.dropped");
            unmark(&mut session, own).await?;
            done.push(format!("database {own}: tidied up after its content was replaced"));
        }
        Left::Loading => {
            drop_database(&mut session, new).await?;
            done.push(format!("database {new}: dropped, an unfinished load"));
        }
        Left::Foreign => {
            let more = if new_seen.is_there { format!(" and {new}") } else { String::new() };
            done.push(format!("database {old}{more} beside {own}: not of our making in this order, left alone"));
        }
        Left::Nothing => {}
    }
    session.close().await;
    Ok(done)
}
