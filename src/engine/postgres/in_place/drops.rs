//! What has to be dropped to empty a database that stays where it is.
//!
//! Every kind of object that `pg_dump` knows, by the catalogue it is in; members of extensions go with their extension. Kinds that a
//! further major adds stay; creating them a second time then fails, and with it the whole exchange, which changes nothing. Held by
//! `tests/it/postgres_kinds.rs`.

use super::super::super::EngineError;
use super::super::catalog::{USER_SCHEMA, WITH_ROWS, texts};
use super::super::connect::{Session, quote};
use super::super::grammar::{Statement, unquoted};
use super::super::kinds::{self, Kind, own};
use super::super::split::statements_of;

/// What is asked, in messages.
const DOING: &str = "list what to replace";

/// What empties a database of the user's objects.
pub(super) async fn drop_statements(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let mut statements = Vec::new();
    // What fires at every change goes first.
    for kind in kinds::WATCHING {
        statements.extend(global(session, kind).await?);
    }
    // Only idle ones are left by now.
    let subscriptions = "SELECT s.subname::text FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid \
        WHERE d.datname = pg_catalog.current_database() ORDER BY 1";
    let names = texts(session, DOING, subscriptions).await?;
    statements.extend(names.iter().map(|name| format!("DROP SUBSCRIPTION IF EXISTS {}", quote(name))));
    statements.extend(rows_of_extensions(session).await?);
    let schemas = format!(
        "SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE {USER_SCHEMA} AND n.nspname <> 'public' \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass \
                         AND e.objid = n.oid AND e.deptype = 'e') ORDER BY 1"
    );
    let schemas = texts(session, DOING, &schemas).await?;
    statements.extend(schemas.iter().map(|name| format!("DROP SCHEMA {} CASCADE", quote(name))));
    statements.extend(in_public(session).await?);
    for kind in kinds::GLOBAL {
        statements.extend(global(session, kind).await?);
    }
    statements.extend(without_a_name(session).await?);
    statements.extend(defaults(session).await?);
    Ok(statements)
}

async fn global(session: &mut Session, kind: Kind) -> Result<Vec<String>, EngineError> {
    let Kind { keyword, catalogue, name, .. } = kind;
    let sql = format!("SELECT o.{name}::text FROM pg_catalog.{catalogue} o WHERE {} ORDER BY 1", own(catalogue));
    let names = texts(session, DOING, &sql).await?;
    Ok(names.iter().map(|name| format!("DROP {keyword} IF EXISTS {} CASCADE", quote(name))).collect())
}

/// Rows of the user's in tables of extensions, which stay.
async fn rows_of_extensions(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let sql = format!(
        "SELECT pg_catalog.format('DELETE FROM ONLY %I.%I %s', n.nspname, c.relname, COALESCE(x.filter, '')) {WITH_ROWS} \
         AND x.oid IS NOT NULL AND c.relkind = 'r' ORDER BY 1"
    );
    texts(session, DOING, &sql).await
}

/// Extensions, which stay: not everybody could make them again.
pub(super) async fn extensions(session: &mut Session) -> Result<Vec<String>, EngineError> {
    texts(session, DOING, "SELECT extname::text FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' ORDER BY 1").await
}

/// Extensions that a schema makes.
pub(super) fn extensions_in(schema: &str) -> Vec<String> {
    let statements = statements_of(schema);
    let name = |sql: &String| {
        let statement = Statement::of(sql);
        let known = statement.has(0, &["CREATE", "EXTENSION", "IF", "NOT", "EXISTS"]);
        statement.tokens().get(5).filter(|_| known).map(|token| unquoted(token.text))
    };
    statements.iter().filter_map(name).collect()
}

/// What is in the schema that stays.
async fn in_public(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let name = |column: &str| format!("pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(o.{column})");
    let from = |catalogue: &str, schema: &str| {
        format!(
            "FROM pg_catalog.{catalogue} o JOIN pg_catalog.pg_namespace n ON n.oid = o.{schema} WHERE n.nspname = 'public' AND {}",
            own(catalogue)
        )
    };
    let method =
        |column: &str| format!("(SELECT pg_catalog.quote_ident(m.amname) FROM pg_catalog.pg_am m WHERE m.oid = o.{column})");
    let mut queries = vec![
        format!(
            "SELECT CASE o.relkind WHEN 'v' THEN 'VIEW ' WHEN 'm' THEN 'MATERIALIZED VIEW ' WHEN 'S' THEN 'SEQUENCE ' WHEN 'f' THEN 'FOREIGN TABLE ' \
               WHEN 'c' THEN 'TYPE ' ELSE 'TABLE ' END || 'IF EXISTS ' || {} {} AND o.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') \
             ORDER BY pg_catalog.strpos('prfvmSc', o.relkind::text), 1",
            name("relname"),
            from("pg_class", "relnamespace")
        ),
        // Before the functions they are made of, which drop them along where they are theirs alone.
        format!(
            "SELECT 'OPERATOR FAMILY IF EXISTS ' || {} || ' USING ' || {} {} ORDER BY 1",
            name("opfname"),
            method("opfmethod"),
            from("pg_opfamily", "opfnamespace")
        ),
        format!(
            "SELECT 'OPERATOR CLASS IF EXISTS ' || {} || ' USING ' || {} {} ORDER BY 1",
            name("opcname"),
            method("opcmethod"),
            from("pg_opclass", "opcnamespace")
        ),
        format!(
            "SELECT 'OPERATOR IF EXISTS ' || pg_catalog.quote_ident(n.nspname) || '.' || o.oprname || ' (' \
               || CASE o.oprleft WHEN 0 THEN 'NONE' ELSE pg_catalog.format_type(o.oprleft, NULL) END || ', ' \
               || pg_catalog.format_type(o.oprright, NULL) || ')' {} ORDER BY 1",
            from("pg_operator", "oprnamespace")
        ),
        format!(
            "SELECT 'ROUTINE IF EXISTS ' || o.oid::pg_catalog.regprocedure::text {} ORDER BY 1",
            from("pg_proc", "pronamespace")
        ),
        format!(
            "SELECT 'TYPE IF EXISTS ' || {} {} AND o.typtype IN ('d', 'e', 'r', 'b', 'p') ORDER BY 1",
            name("typname"),
            from("pg_type", "typnamespace")
        ),
    ];
    queries.extend(kinds::NAMED.iter().map(|kind| {
        let from = from(kind.catalogue, kind.schema.unwrap_or_default());
        format!("SELECT '{} IF EXISTS ' || {} {from} ORDER BY 1", kind.keyword, name(kind.name))
    }));
    let mut statements = Vec::new();
    for sql in queries {
        let names = texts(session, DOING, &sql).await?;
        statements.extend(names.iter().map(|name| format!("DROP {name} CASCADE")));
    }
    Ok(statements)
}

/// Casts and transforms, which are found by their types.
async fn without_a_name(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let kind = "pg_catalog.format_type";
    let casts = format!(
        "SELECT 'DROP CAST IF EXISTS (' || {kind}(o.castsource, NULL) || ' AS ' || {kind}(o.casttarget, NULL) || ') CASCADE' \
         FROM pg_catalog.pg_cast o WHERE {} ORDER BY 1",
        own("pg_cast")
    );
    let transforms = format!(
        "SELECT 'DROP TRANSFORM IF EXISTS FOR ' || {kind}(o.trftype, NULL) || ' LANGUAGE ' || pg_catalog.quote_ident(l.lanname) || ' CASCADE' \
         FROM pg_catalog.pg_transform o JOIN pg_catalog.pg_language l ON l.oid = o.trflang WHERE {} ORDER BY 1",
        own("pg_transform")
    );
    let mut statements = texts(session, DOING, &casts).await?;
    statements.extend(texts(session, DOING, &transforms).await?);
    Ok(statements)
}

/// Privileges of what will be made, and those of the schema that stays, as a new database has them.
async fn defaults(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let role = |column: &str| {
        format!("CASE {column} WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid({column})) END")
    };
    let kinds = "CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' \
        WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END";
    let of = "'ALTER DEFAULT PRIVILEGES FOR ROLE ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(d.defaclrole))";
    let here = "FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace \
        WHERE (n.nspname = 'public' OR d.defaclnamespace = 0)";
    // Those of a schema add to those of the database: taken away they are gone. Those of the database take the place of the server's own.
    let taken = format!(
        "SELECT DISTINCT {of} || CASE WHEN n.nspname IS NULL THEN '' ELSE ' IN SCHEMA ' || pg_catalog.quote_ident(n.nspname) END \
           || ' REVOKE ALL ON ' || {kinds} || ' FROM ' || {} FROM (SELECT d.*, n.nspname, (pg_catalog.aclexplode(d.defaclacl)).grantee {here}) d \
         LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace ORDER BY 1",
        role("d.grantee")
    );
    let given = format!(
        "SELECT DISTINCT {of} || ' GRANT ' || a.privilege_type || ' ON ' || {kinds} || ' TO ' || {} \
         FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(pg_catalog.acldefault( \
           CASE d.defaclobjtype WHEN 'S' THEN 's'::\"char\" WHEN 'L' THEN 'L'::\"char\" ELSE d.defaclobjtype END, d.defaclrole)) a \
         WHERE d.defaclnamespace = 0 ORDER BY 1",
        role("a.grantee")
    );
    // What a schema had when the cluster was made, in the name of whoever owns it now, as giving it away would have it.
    let first = "(SELECT i.initprivs FROM pg_catalog.pg_init_privs i WHERE i.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND i.objoid = n.oid)";
    let public = format!(
        "FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public' AND n.nspacl IS DISTINCT FROM {first} AND {first} IS NOT NULL \
         AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')"
    );
    let closed = format!(
        "SELECT 'REVOKE ALL ON SCHEMA public FROM ' || {} || ' CASCADE' FROM (SELECT DISTINCT (pg_catalog.aclexplode(n.nspacl)).grantee {public}) g ORDER BY 1",
        role("g.grantee")
    );
    let opened = format!(
        "SELECT 'GRANT ' || a.privilege_type || ' ON SCHEMA public TO ' || CASE WHEN a.grantee IN (10, 6171) \
           THEN pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(p.nspowner)) ELSE {} END \
         FROM (SELECT n.nspowner, {first} AS acl {public}) p, pg_catalog.aclexplode(p.acl) a ORDER BY 1",
        role("a.grantee")
    );
    let mut statements = Vec::new();
    for sql in [taken, given, closed, opened] {
        statements.extend(texts(session, DOING, &sql).await?);
    }
    Ok(statements)
}
