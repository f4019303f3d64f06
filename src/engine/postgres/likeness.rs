//! What belongs to the database itself and not to what is in it: owner, settings, privileges, limits, tablespace.
//!
//! A new database that takes an old one's place gets all of it. Some of it only a superuser or another role's administrator can write,
//! and that is found out here beforehand, from the catalogue alone: whoever may not carry it over leaves the database where it is and
//! exchanges what is in it (`in_place`). Also what keeps any load from replacing anything: a subscription.

use super::super::replace::names::Names;
use super::super::{EngineError, MayRestore};
use super::catalog::{self, texts};
use super::connect::{Session, literal, quote};
use super::grammar::Statement;
use super::strangers::strangers;
use super::{members, subscriptions};

/// Settings whose stored value is a list that is quoted inside already, as `ALTER DATABASE … SET` takes it.
const LISTS: &str =
    "('search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries', 'shared_preload_libraries')";

/// Statements that make the empty database `new` like the database `like`.
pub(super) async fn statements(session: &mut Session, new: &str, like: &str) -> Result<Vec<String>, EngineError> {
    let (new, like) = (literal(&quote(new)), literal(like));
    let database = format!("FROM pg_catalog.pg_database d WHERE d.datname = {like}");
    let owner = "pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(d.datdba))";
    let queries = [
        format!("SELECT 'ALTER DATABASE ' || {new} || ' OWNER TO ' || {owner} {database}"),
        format!(
            "SELECT 'ALTER DATABASE ' || {new} || ' CONNECTION LIMIT ' || d.datconnlimit {database} AND d.datconnlimit <> -1"
        ),
        format!("SELECT 'ALTER DATABASE ' || {new} || ' IS_TEMPLATE true' {database} AND d.datistemplate"),
        format!(
            "SELECT CASE WHEN r.rolname IS NULL THEN 'ALTER DATABASE ' || {new} ELSE 'ALTER ROLE ' || pg_catalog.quote_ident(r.rolname) \
               || ' IN DATABASE ' || {new} END || ' SET ' || pg_catalog.quote_ident(pg_catalog.split_part(c.one, '=', 1)) || ' TO ' \
               || CASE WHEN pg_catalog.split_part(c.one, '=', 1) IN {LISTS} THEN pg_catalog.substr(c.one, pg_catalog.strpos(c.one, '=') + 1) \
                  ELSE pg_catalog.quote_literal(pg_catalog.substr(c.one, pg_catalog.strpos(c.one, '=') + 1)) END \
             FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase \
             LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole, pg_catalog.unnest(s.setconfig) c(one) WHERE d.datname = {like} ORDER BY 1"
        ),
        // The owner may have taken from himself, too.
        format!("SELECT 'REVOKE ALL ON DATABASE ' || {new} || ' FROM PUBLIC, ' || {owner} {database} AND d.datacl IS NOT NULL"),
        format!(
            "SELECT 'GRANT ' || a.privilege_type || ' ON DATABASE ' || {new} || ' TO ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' \
               ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END \
             FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a WHERE d.datname = {like} ORDER BY 1"
        ),
        // Where the provider is not loaded any more a label says nothing, and cannot be set.
        format!(
            "SELECT 'DO ' || pg_catalog.quote_literal('BEGIN SECURITY LABEL FOR ' || pg_catalog.quote_ident(l.provider) || ' ON DATABASE ' || {new} \
               || ' IS ' || pg_catalog.quote_literal(l.label) || '; EXCEPTION WHEN invalid_parameter_value THEN RAISE WARNING ''%'', SQLERRM; END') \
             FROM pg_catalog.pg_shseclabel l JOIN pg_catalog.pg_database d ON d.oid = l.objoid \
             WHERE l.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass AND d.datname = {like} ORDER BY 1"
        ),
    ];
    let mut statements = Vec::new();
    for sql in queries {
        statements.extend(texts(session, "read the database's settings", &sql).await?);
    }
    Ok(statements)
}

/// A statement as it may be told: the value of a setting that some extension or application made up, with a dot in its name, may be a
/// password or a key.
pub(super) fn shown(statement: &str) -> String {
    let cut = Statement::of(statement);
    let of_setting = cut.end_of("SET").and_then(|set| cut.tokens().iter().find(|token| token.at >= set));
    match of_setting {
        Some(name) if name.text.contains('.') => format!("{} TO '…'", &statement[..name.at + name.text.len()]),
        _ => statement.to_owned(),
    }
}

/// Runs them and takes them back, so that what cannot be done is known before anything long is begun.
pub(super) async fn try_out(session: &mut Session, statements: &[String]) -> Result<(), EngineError> {
    session.run("begin", "BEGIN").await?;
    for statement in statements {
        session.run(&format!("run `{}`", shown(statement)), statement).await?;
    }
    session.run("take it back", "ROLLBACK").await
}

/// The tablespace of the session's database, where it is not the server's own.
pub(super) async fn tablespace(session: &mut Session) -> Result<Option<String>, EngineError> {
    let sql = "SELECT t.spcname::text FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace \
        WHERE d.datname = pg_catalog.current_database() AND t.spcname <> 'pg_default'";
    Ok(texts(session, "read the database's tablespace", sql).await?.pop())
}

/// The logical replication slots of a database of the session's server: they go with it, whoever reads from them.
async fn slots(session: &mut Session, database: &str) -> Result<Vec<String>, EngineError> {
    let sql = format!(
        "SELECT slot_name::text FROM pg_catalog.pg_replication_slots WHERE database = {} AND NOT temporary ORDER BY 1",
        literal(database)
    );
    texts(session, "look for replication slots", &sql).await
}

fn let_go_of(slot: &str) -> String {
    format!("SELECT pg_drop_replication_slot({});", literal(slot))
}

/// Refuses while a database has a replication slot. It was seen beforehand that it had none: this one was made since. `other` is what
/// else there is to do than to let go of it.
pub(super) async fn demand_no_slot(session: &mut Session, database: &str, other: &str) -> Result<(), EngineError> {
    let Some(slot) = slots(session, database).await?.into_iter().next() else { return Ok(()) };
    Err(EngineError::Inexact {
        what: format!("replication slot {slot} was made in database {database} meanwhile, and would go with it"),
        hint: format!("{other}when nobody reads from it any more: {}", let_go_of(&slot)),
    })
}

/// Which way a restore may go.
///
/// # Errors
/// What keeps every restore from replacing what is in the session's database, with the way out.
pub(super) async fn may_restore(session: &mut Session, names: &Names) -> Result<MayRestore, EngineError> {
    subscriptions::demand_none_at_work(session).await?;
    let doing = "look for the privilege to restore";
    let database = session.place().database.clone();
    // A slot goes with its database, and whoever reads from it would not know.
    let let_go =
        |slot: &String| format!("(when nobody reads from replication slot {} any more) {}", quote(slot), let_go_of(slot));
    let mut grants: Vec<String> = slots(session, &database).await?.iter().map(let_go).collect();
    // What an earlier exchange left cannot be dropped while it has one, and its names are taken until then.
    for left in [&names.new, &names.old] {
        let of = |slot: &String| format!("(database {left} is left of an earlier restore) {}", let_go(slot));
        grants.extend(slots(session, left).await?.iter().map(of));
    }
    // Rows that no archive has go with it, too; inside the database they stay where they are.
    let written: Vec<_> = members::all(session).await?.into_iter().filter(members::Member::is_written).collect();
    if let Some(member) = written.iter().find(|member| member.goes_in_place()) {
        return Ok(MayRestore::Not(format!(
            "{} ({} are in no archive, and would go)",
            member.way_out(),
            member.left_out().what
        )));
    }
    grants.extend(written.iter().map(members::Member::way_out));
    if session.truth(doing, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user").await? {
        return Ok(if grants.is_empty() { MayRestore::Beside } else { MayRestore::InPlace(grants.join(" ")) });
    }
    grants.extend(missing(session).await?);
    if grants.is_empty() {
        return Ok(MayRestore::Beside);
    }
    let grant = grants.join(" ");
    let strange = strangers(session).await?;
    if strange.is_empty() {
        return Ok(MayRestore::InPlace(grant));
    }
    Ok(MayRestore::Not(format!("{grant} (without it the role would have to replace what it may not: {})", strange.join(", "))))
}

/// The statements that would let an ordinary role make a second database and give it all that this one has.
async fn missing(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let doing = "look for the privilege to restore";
    let major = catalog::major(session).await?;
    let (role, database) = (literal(&quote(session.place().user())), literal(&quote(&session.place().database)));
    // Since 16 membership alone does not let one hand a thing over.
    let hand_over = if major >= 16 { "SET" } else { "MEMBER" };
    // Since 15 a superuser may let others set what only he could.
    let (granted, name) =
        ("pg_catalog.split_part(c.one, '=', 1)", "pg_catalog.quote_ident(pg_catalog.split_part(c.one, '=', 1))");
    let may_set =
        if major >= 15 { format!("pg_catalog.has_parameter_privilege({granted}, 'SET')") } else { "false".to_owned() };
    let help = if major >= 15 {
        format!("'GRANT SET ON PARAMETER ' || {name} || ' TO ' || {role} || ';'")
    } else {
        format!("'ALTER DATABASE ' || {database} || ' RESET ' || {name} || ';'")
    };
    let (admin, admin_help) = if major >= 16 {
        (
            "u.rolcreaterole AND pg_catalog.pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')",
            format!(
                "'GRANT ' || pg_catalog.quote_ident(r.rolname) || ' TO ' || {role} || ' WITH ADMIN OPTION; ALTER ROLE ' || {role} || ' CREATEROLE;'"
            ),
        )
    } else {
        ("u.rolcreaterole", format!("'ALTER ROLE ' || {role} || ' CREATEROLE;'"))
    };
    let here = "FROM pg_catalog.pg_database d CROSS JOIN (SELECT * FROM pg_catalog.pg_roles WHERE rolname = current_user) u";
    let settings = format!(
        "{here} JOIN pg_catalog.pg_db_role_setting s ON s.setdatabase = d.oid LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole"
    );
    let mine = "d.datname = pg_catalog.current_database()";
    let queries = [
        format!("SELECT 'ALTER ROLE ' || {role} || ' CREATEDB;' {here} WHERE {mine} AND NOT u.rolcreatedb"),
        format!(
            "SELECT 'ALTER DATABASE ' || {database} || ' OWNER TO ' || {role} || ';' {here} WHERE {mine} \
             AND NOT (pg_catalog.pg_has_role(d.datdba, 'USAGE') AND pg_catalog.pg_has_role(d.datdba, '{hand_over}'))"
        ),
        format!(
            "SELECT 'GRANT CREATE ON TABLESPACE ' || pg_catalog.quote_ident(t.spcname) || ' TO ' || {role} || ';' {here} \
             JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace \
             WHERE {mine} AND t.spcname <> 'pg_default' AND NOT pg_catalog.has_tablespace_privilege(t.oid, 'CREATE')"
        ),
        // What the server does not show may be anybody's to set: then it counts as not ours.
        format!(
            "SELECT DISTINCT {help} {settings}, pg_catalog.unnest(s.setconfig) c(one) WHERE {mine} AND NOT {may_set} \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_settings g WHERE pg_catalog.lower(g.name) = pg_catalog.lower({granted}) \
                             AND g.context IN ('user', 'backend')) ORDER BY 1"
        ),
        format!(
            "SELECT DISTINCT {admin_help} {settings} WHERE {mine} AND s.setrole <> 0 AND r.rolname IS DISTINCT FROM current_user \
             AND (r.rolsuper OR NOT ({admin})) ORDER BY 1"
        ),
    ];
    let mut grants = Vec::new();
    for sql in queries {
        grants.extend(texts(session, doing, &sql).await?);
    }
    Ok(grants)
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_value_that_may_be_a_secret_is_not_shown() {
        for (statement, told) in [
            ("ALTER DATABASE d SET \"app.key\" TO 'secret'", "ALTER DATABASE d SET \"app.key\" TO '…'"),
            (
                "ALTER ROLE \"SET a.b\" IN DATABASE d SET \"app.Key\" TO 'secret'",
                "ALTER ROLE \"SET a.b\" IN DATABASE d SET \"app.Key\" TO '…'",
            ),
        ] {
            assert_eq!(shown(statement), told);
        }
        for plain in [
            "ALTER DATABASE d SET search_path TO a, \"b.c\"",
            "ALTER DATABASE d SET \"DateStyle\" TO 'ISO, DMY'",
            "GRANT CONNECT ON DATABASE \"d.SET e.f\" TO a",
            "ALTER DATABASE d OWNER TO \"a.b\"",
        ] {
            assert_eq!(shown(plain), plain);
        }
    }
}
