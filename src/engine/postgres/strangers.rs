//! What in a database a role could not take out and put back: somebody else's objects, and kinds that only a superuser makes.
//!
//! Only reads. Asked before anything is begun by whoever would replace what is in a database where it stands (`in_place`), so that what
//! cannot be done is said by `check` and before an archive, not in the middle. Held by `tests/it/postgres_kinds.rs`.

use super::super::EngineError;
use super::catalog::{USER_SCHEMA, WITH_ROWS, texts};
use super::connect::{Session, literal};
use super::kinds::{self, Kind, own};

/// Kinds with an owner that are dropped by more than a name. The owner of the schema may drop what is in it, too.
const OWNED: [Kind; 3] = [
    Kind { keyword: "FUNCTION", catalogue: "pg_proc", name: "proname", schema: Some("pronamespace"), owner: Some("proowner") },
    Kind { keyword: "TYPE", catalogue: "pg_type", name: "typname", schema: Some("typnamespace"), owner: Some("typowner") },
    Kind {
        keyword: "OPERATOR",
        catalogue: "pg_operator",
        name: "oprname",
        schema: Some("oprnamespace"),
        owner: Some("oprowner"),
    },
];
/// Of other kinds what only a superuser makes: what it is called, its catalogue, what it is named, which.
const SUPERUSERS: [(&str, &str, &str, &str); 8] = [
    ("operator class", "pg_opclass", "o.opcname", "true"),
    ("operator family", "pg_opfamily", "o.opfname", "true"),
    ("base type", "pg_type", "o.typname", "o.typtype = 'b'"),
    ("publication of all tables", "pg_publication", "o.pubname", "o.puballtables"),
    ("cast without a function from", "pg_cast", FROM_TO, "o.castmethod = 'b'"),
    // The language of an aggregate is nobody's choice.
    (
        "function in an untrusted language,",
        "pg_proc",
        "o.proname",
        "o.prokind <> 'a' AND NOT (SELECT l.lanpltrusted FROM pg_catalog.pg_language l WHERE l.oid = o.prolang)",
    ),
    ("leakproof function", "pg_proc", "o.proname", "o.proleakproof"),
    ("function with a support function,", "pg_proc", "o.proname", "o.prosupport <> 0"),
];
/// What a cast `o` is between.
const FROM_TO: &str = "pg_catalog.format_type(o.castsource, NULL) || ' to ' || pg_catalog.format_type(o.casttarget, NULL)";
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
    // Only whoever has an owner's privileges, which membership alone is not, may drop what is his.
    let theirs = |owner: &str| format!("NOT pg_catalog.pg_has_role({owner}, 'USAGE')");
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
            "SELECT 'cast from ' || {FROM_TO} FROM pg_catalog.pg_cast o WHERE {} AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t \
               WHERE t.oid IN (o.castsource, o.casttarget) AND pg_catalog.pg_has_role(t.typowner, 'USAGE')) ORDER BY 1 LIMIT {NAMED}",
            own("pg_cast")
        ),
        format!(
            "SELECT 'transform for ' || pg_catalog.format_type(o.trftype, NULL) || ' language ' || l.lanname \
             FROM pg_catalog.pg_transform o JOIN pg_catalog.pg_language l ON l.oid = o.trflang JOIN pg_catalog.pg_type t ON t.oid = o.trftype \
             WHERE {} AND {} ORDER BY 1 LIMIT {NAMED}",
            own("pg_transform"),
            theirs("t.typowner")
        ),
        format!(
            "SELECT 'large object ' || m.oid FROM pg_catalog.pg_largeobject_metadata m WHERE {} ORDER BY m.oid LIMIT {NAMED}",
            theirs("m.lomowner")
        ),
    ];
    let kinds = OWNED.iter().chain(&kinds::NAMED).chain(&kinds::WATCHING).chain(&kinds::GLOBAL);
    queries.extend(kinds.map(|kind| {
        let Kind { catalogue, name, schema, owner, .. } = kind;
        let (from, name, ours) = match schema {
            Some(schema) => (
                format!("JOIN pg_catalog.pg_namespace n ON n.oid = o.{schema} AND {USER_SCHEMA}"),
                format!("n.nspname || '.' || o.{name}"),
                theirs("n.nspowner"),
            ),
            None => (String::new(), format!("o.{name}"), "true".to_owned()),
        };
        // Who owns the schema may drop what is in it, but not make what only a superuser does.
        let which = owner.map_or_else(|| "true".to_owned(), |owner| format!("{} AND {ours}", theirs(&format!("o.{owner}"))));
        let noun = literal(&format!("{} ", kind.noun()));
        format!(
            "SELECT {noun} || {name} FROM pg_catalog.{catalogue} o {from} WHERE {} AND {which} ORDER BY 1 LIMIT {NAMED}",
            own(catalogue)
        )
    }));
    queries.extend(SUPERUSERS.iter().map(|(noun, catalogue, name, which)| {
        let noun = literal(&format!("{noun} "));
        format!(
            "SELECT {noun} || {name} FROM pg_catalog.{catalogue} o WHERE {which} AND {} ORDER BY 1 LIMIT {NAMED}",
            own(catalogue)
        )
    }));
    queries
}
