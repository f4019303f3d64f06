//! What an archive of a database does not hold, each with why.
//!
//! Only reads. A role that may not see everything is shown less by the server and by `pg_dump`, and neither calls that an error: it is
//! asked for here by name, so that an archive says what is missing in it. Held by `tests/it/postgres_left_out.rs`.

use super::super::EngineError;
use super::catalog::{USER_SCHEMA, WITH_ROWS, texts};
use super::connect::{Session, literal, quote};
use super::grammar::Statement;
use super::{likeness, marks, members};
use crate::archive::manifest::LeftOut;

/// Everything.
pub(super) async fn of(session: &mut Session) -> Result<Vec<LeftOut>, EngineError> {
    let mut found = foreign_rows(session).await?;
    found.extend(members::all(session).await?.iter().map(members::Member::left_out));
    found.extend(shells(session).await?);
    found.extend(hidden(session).await?);
    found.extend(of_the_database(session).await?);
    Ok(found)
}

async fn foreign_rows(session: &mut Session) -> Result<Vec<LeftOut>, EngineError> {
    let sql = format!("SELECT n.nspname || '.' || c.relname {WITH_ROWS} AND c.relkind = 'f' ORDER BY 1");
    let foreign = texts(session, "list the foreign tables", &sql).await?;
    let rows = "foreign: its rows live on another server; the definition is in the archive";
    Ok(foreign.into_iter().map(|name| LeftOut { what: format!("rows of table {name}"), why: rows.to_owned() }).collect())
}

/// Types that were announced and never defined.
async fn shells(session: &mut Session) -> Result<Vec<LeftOut>, EngineError> {
    let sql = format!(
        "SELECT n.nspname || '.' || t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
         WHERE NOT t.typisdefined AND {USER_SCHEMA} ORDER BY 1"
    );
    let shells = texts(session, "list the types without a definition", &sql).await?;
    let why = "announced and never defined, which pg_dump does not print: CREATE TYPE makes it again";
    Ok(shells.into_iter().map(|name| LeftOut { what: format!("type {name}"), why: why.to_owned() }).collect())
}

/// What belongs to the database itself and not to what is in it: a restore in its place keeps it, one elsewhere does not have it.
async fn of_the_database(session: &mut Session) -> Result<Option<LeftOut>, EngineError> {
    let database = session.place().database.clone();
    let mut statements = likeness::statements(session, &database, &database).await?;
    statements.retain(|sql| Statement::of(&format!("{sql};")).owner().is_none());
    let hides = statements.iter_mut().fold(false, |hides, sql| {
        let told = likeness::shown(sql);
        std::mem::replace(sql, told) != *sql || hides
    });
    let comment = "SELECT pg_catalog.shobj_description(d.oid, 'pg_database') FROM pg_catalog.pg_database d \
        WHERE d.datname = pg_catalog.current_database()";
    let comment = session.text("read the database's comment", comment).await?;
    let comment = comment.as_deref().and_then(marks::without_mark);
    statements.extend(comment.map(|text| format!("COMMENT ON DATABASE {} IS {}", quote(&database), literal(text))));
    if statements.is_empty() {
        return Ok(None);
    }
    let values =
        if hides { " (… stands for a value that may be a secret: the server has it, in pg_db_role_setting)" } else { "" };
    Ok(Some(LeftOut {
        what: format!("settings, privileges and comment of database {database} itself"),
        why: format!("a restore in its place keeps them; elsewhere they are made by: {};{values}", statements.join("; ")),
    }))
}

/// Refuses what `pg_dump` prints so that nothing could restore it: a language by its name alone, because the functions that make it one
/// are an extension's or the system's; a name without the quotes that it needs; indexes that 18 does not join again.
pub(super) async fn demand_restorable(session: &mut Session) -> Result<(), EngineError> {
    demand_plain_names(session).await?;
    demand_joinable(session).await?;
    let part = "e.deptype = 'e' AND e.classid =";
    let sql = format!(
        "SELECT l.lanname::text FROM pg_catalog.pg_language l WHERE l.oid >= 16384 \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE {part} 'pg_catalog.pg_language'::pg_catalog.regclass AND e.objid = l.oid) \
         AND EXISTS (SELECT FROM pg_catalog.unnest(ARRAY[l.lanplcallfoid, l.laninline, l.lanvalidator]) f(oid) WHERE f.oid <> 0 AND (f.oid < 16384 \
           OR EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE {part} 'pg_catalog.pg_proc'::pg_catalog.regclass AND e.objid = f.oid))) ORDER BY 1"
    );
    let Some(name) = texts(session, "look for languages", &sql).await?.into_iter().next() else { return Ok(()) };
    Err(EngineError::Inexact {
        what: format!(
            "language {name} is made of functions that are an extension's or the system's, and pg_dump prints it without them: nothing could restore it"
        ),
        hint: format!(
            "make it of functions of its own (CREATE FUNCTION … RETURNS language_handler LANGUAGE c AS '$libdir/…', '…'), or drop it: DROP LANGUAGE {}",
            quote(&name)
        ),
    })
}

/// `pg_dump` of 18 forgets the quotes of a NOT NULL's name that a table has of its own on a column that it inherits. What is a plain word
/// gets them (`schema`), and a name of the server's own making is not printed.
async fn demand_plain_names(session: &mut Session) -> Result<(), EngineError> {
    let sql = format!(
        "SELECT pg_catalog.format('ALTER TABLE %I.%I RENAME CONSTRAINT %I TO', n.nspname, c.relname, k.conname) FROM pg_catalog.pg_constraint k \
         JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1] \
         WHERE {USER_SCHEMA} AND k.contype = 'n' AND k.conislocal AND NOT a.attislocal AND NOT c.relispartition \
           AND k.conname !~ '^[A-Za-z_][A-Za-z0-9_]*$' AND k.conname <> c.relname || '_' || a.attname || '_not_null' ORDER BY 1"
    );
    let Some(rename) = texts(session, "look for names without quotes", &sql).await?.into_iter().next() else { return Ok(()) };
    Err(EngineError::Inexact {
        what: "pg_dump prints the name of a NOT NULL constraint without the quotes it needs: nothing could restore it"
            .to_owned(),
        hint: format!("give it a name of plain letters: {rename} …"),
    })
}

/// A partitioned table's constraint by exclusion, or without overlaps, is printed as one of each partition, to be joined afterwards. The releases
/// of 18 that are known say of every such pair that the definitions do not match; 17 joins them.
async fn demand_joinable(session: &mut Session) -> Result<(), EngineError> {
    let sql = format!(
        "SELECT pg_catalog.format('ALTER TABLE %I.%I DROP CONSTRAINT %I', n.nspname, c.relname, i.relname) FROM pg_catalog.pg_index x \
         JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid JOIN pg_catalog.pg_class c ON c.oid = x.indrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE {USER_SCHEMA} AND x.indisexclusion AND c.relkind = 'p' \
           AND EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = i.oid) \
           AND pg_catalog.current_setting('server_version_num')::integer BETWEEN 180000 AND 180004 ORDER BY 1"
    );
    let Some(drop) = texts(session, "look for indexes that are not joined again", &sql).await?.into_iter().next() else {
        return Ok(());
    };
    Err(EngineError::Inexact {
        what: "a partitioned table has a constraint by exclusion or without overlaps, and this release of PostgreSQL refuses to make what pg_dump \
               prints of it (`cannot attach index`): nothing could restore it"
            .to_owned(),
        hint: format!("let each partition have such a constraint by itself, and drop that of them all: {drop}"),
    })
}

/// What is there and is not shown to the session's role.
pub(super) async fn hidden(session: &mut Session) -> Result<Vec<LeftOut>, EngineError> {
    let user = session.place().user().to_owned();
    let doing = "look for what the role may not see";
    if session.truth(doing, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user").await? {
        return Ok(Vec::new());
    }
    let subscriptions = "SELECT s.subname::text FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid \
        WHERE d.datname = pg_catalog.current_database() ORDER BY 1";
    // The server shows the options to whom they are about and to the owner of the foreign server, and to others none.
    let mappings = "SELECT pg_catalog.quote_ident(m.usename) || ' on server ' || pg_catalog.quote_ident(m.srvname) \
        FROM pg_catalog.pg_user_mappings m JOIN pg_catalog.pg_foreign_server s ON s.oid = m.srvid \
        WHERE NOT (m.umuser <> 0 AND m.usename = current_user AND (pg_catalog.pg_has_role(s.srvowner, 'USAGE') \
            OR pg_catalog.has_server_privilege(s.oid, 'USAGE')) OR m.umuser = 0 AND pg_catalog.pg_has_role(s.srvowner, 'USAGE')) ORDER BY 1";
    let superuser = format!("only a superuser may archive it, and {user} is none: pg_dump leaves it out");
    let owner = format!("the server does not show them to {user}: a superuser, or an archive taken as one, has them");
    let mut found = Vec::new();
    for (noun, sql, why) in [("subscription", subscriptions, superuser), ("options of the user mapping for", mappings, owner)] {
        let names = texts(session, doing, sql).await?;
        found.extend(names.into_iter().map(|name| LeftOut { what: format!("{noun} {name}"), why: why.clone() }));
    }
    Ok(found)
}

/// Adds what `pg_dump` warned of, but for what is known by name already.
pub(super) fn add_what_is_told(left_out: &mut Vec<LeftOut>, told: Vec<String>) {
    let named = left_out.iter().any(|left| left.what.starts_with("subscription "));
    for line in told {
        let known = named && line.starts_with("subscriptions not dumped");
        let entry = LeftOut { what: "something of the schema".to_owned(), why: format!("pg_dump warned: {line}") };
        if !known && !left_out.contains(&entry) {
            left_out.push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LeftOut, add_what_is_told};

    /// What `pg_dump` says while it succeeds is in the archive once, but for what is there by name.
    #[test]
    fn what_pg_dump_warned_of_is_kept_with_the_archive() {
        let circular = "there are circular foreign-key constraints on this table".to_owned();
        let told = || vec![circular.clone(), "subscriptions not dumped because current user is not a superuser".to_owned()];
        let mut left_out = Vec::new();
        add_what_is_told(&mut left_out, told());
        add_what_is_told(&mut left_out, told());
        assert_eq!(left_out.len(), 2, "{left_out:?}");
        assert_eq!(left_out[0].why, format!("pg_dump warned: {circular}"));
        let mut named = vec![LeftOut { what: "subscription news".to_owned(), why: "no role may see it".to_owned() }];
        add_what_is_told(&mut named, told());
        assert_eq!(named.iter().filter(|left| left.why.contains("subscriptions")).count(), 0, "{named:?}");
        assert_eq!(named.len(), 2);
    }
}
