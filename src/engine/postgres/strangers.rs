//! What in a database a role could not take out and put back: somebody else's objects, and kinds that only a superuser makes.
//!
//! Only reads. Asked before anything is begun by whoever would replace what is in a database where it stands (`in_place`), so that what
//! cannot be done is said by `check` and before an archive, not in the middle. Held by `tests/it/postgres_kinds.rs`.

use super::super::EngineError;
use super::catalog::{USER_SCHEMA, WITH_ROWS, texts};
use super::connect::{Session, literal};

/// Kinds with an owner: what it is called, catalogue, column of the name, of the schema (none: the database's own), of the owner.
/// The owner of the schema may drop what is in it, too.
const OWNED: [(&str, &str, &str, Option<&str>, &str); 11] = [
    ("function", "pg_proc", "proname", Some("pronamespace"), "proowner"),
    ("type", "pg_type", "typname", Some("typnamespace"), "typowner"),
    ("operator", "pg_operator", "oprname", Some("oprnamespace"), "oprowner"),
    ("text search configuration", "pg_ts_config", "cfgname", Some("cfgnamespace"), "cfgowner"),
    ("text search dictionary", "pg_ts_dict", "dictname", Some("dictnamespace"), "dictowner"),
    ("conversion", "pg_conversion", "conname", Some("connamespace"), "conowner"),
    ("collation", "pg_collation", "collname", Some("collnamespace"), "collowner"),
    ("statistics", "pg_statistic_ext", "stxname", Some("stxnamespace"), "stxowner"),
    ("publication", "pg_publication", "pubname", None, "pubowner"),
    ("foreign server", "pg_foreign_server", "srvname", None, "srvowner"),
    ("language", "pg_language", "lanname", None, "lanowner"),
];
/// Kinds that only a superuser makes.
const SUPERUSERS: [(&str, &str, &str, &str); 9] = [
    ("event trigger", "pg_event_trigger", "evtname", "true"),
    ("foreign data wrapper", "pg_foreign_data_wrapper", "fdwname", "true"),
    ("access method", "pg_am", "amname", "true"),
    ("text search parser", "pg_ts_parser", "prsname", "true"),
    ("text search template", "pg_ts_template", "tmplname", "true"),
    ("operator class", "pg_opclass", "opcname", "true"),
    ("operator family", "pg_opfamily", "opfname", "true"),
    ("base type", "pg_type", "typname", "o.typtype = 'b'"),
    ("publication of all tables", "pg_publication", "pubname", "o.puballtables"),
];
/// How many are named.
const NAMED: usize = 3;

/// The first of them, in words; none where all of it could be replaced.
pub(super) async fn strangers(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let doing = "look for what could not be replaced";
    let mut found = Vec::new();
    for sql in queries() {
        found.extend(texts(session, doing, &sql).await?);
        if found.len() >= NAMED {
            break;
        }
    }
    found.truncate(NAMED);
    Ok(found)
}

fn queries() -> Vec<String> {
    let own = |catalogue: &str| {
        format!(
            "o.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.{catalogue}'::pg_catalog.regclass \
             AND e.objid = o.oid AND e.deptype IN ('e', 'i'))"
        )
    };
    let theirs = |owner: &str| format!("NOT pg_catalog.pg_has_role({owner}, 'MEMBER')");
    let mut queries = vec![
        "SELECT 'a schema, for CREATE on the database is missing' WHERE NOT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')"
            .to_owned(),
        format!("SELECT 'table ' || n.nspname || '.' || c.relname {WITH_ROWS} AND {} ORDER BY 1 LIMIT {NAMED}", theirs("c.relowner")),
        format!(
            "SELECT 'schema ' || n.nspname FROM pg_catalog.pg_namespace n WHERE {USER_SCHEMA} AND n.nspname <> 'public' AND {} \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass \
               AND e.objid = n.oid AND e.deptype = 'e') ORDER BY 1 LIMIT {NAMED}",
            theirs("n.nspowner")
        ),
        format!(
            "SELECT 'default privileges of role ' || pg_catalog.pg_get_userbyid(d.defaclrole) FROM pg_catalog.pg_default_acl d WHERE {} \
             ORDER BY 1 LIMIT {NAMED}",
            theirs("d.defaclrole")
        ),
        format!(
            "SELECT 'cast from ' || pg_catalog.format_type(o.castsource, NULL) || ' to ' || pg_catalog.format_type(o.casttarget, NULL) \
             FROM pg_catalog.pg_cast o WHERE {} AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t \
               WHERE t.oid IN (o.castsource, o.casttarget) AND pg_catalog.pg_has_role(t.typowner, 'MEMBER')) ORDER BY 1 LIMIT {NAMED}",
            own("pg_cast")
        ),
        format!(
            "SELECT 'large object ' || m.oid FROM pg_catalog.pg_largeobject_metadata m WHERE {} ORDER BY m.oid LIMIT {NAMED}",
            theirs("m.lomowner")
        ),
    ];
    for (noun, catalogue, name, schema, owner) in OWNED {
        let (from, name, ours) = match schema {
            Some(schema) => (
                format!("JOIN pg_catalog.pg_namespace n ON n.oid = o.{schema} AND {USER_SCHEMA}"),
                format!("n.nspname || '.' || o.{name}"),
                theirs("n.nspowner"),
            ),
            None => (String::new(), format!("o.{name}"), "true".to_owned()),
        };
        queries.push(format!(
            "SELECT {} || {name} FROM pg_catalog.{catalogue} o {from} WHERE {} AND {} AND {ours} ORDER BY 1 LIMIT {NAMED}",
            literal(&format!("{noun} ")),
            own(catalogue),
            theirs(&format!("o.{owner}"))
        ));
    }
    queries.extend(SUPERUSERS.iter().map(|(noun, catalogue, name, which)| {
        format!(
            "SELECT {} || o.{name} FROM pg_catalog.{catalogue} o WHERE {which} AND {} ORDER BY 1 LIMIT {NAMED}",
            literal(&format!("{noun} ")),
            own(catalogue)
        )
    }));
    queries
}
