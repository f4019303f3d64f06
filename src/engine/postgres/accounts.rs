//! The roles that a database needs, as SQL for a server that lacks them; without secrets.
//!
//! Needed are owners and whoever has a privilege or a policy, whoever is a member of one of them, and what all of these are members of. Only
//! reads, and only what every role may. Held by `tests/it/new_host.rs`.

use super::super::EngineError;
use super::connect::{Session, literal, quote};
use super::guard::tag_for;
use crate::text;

/// The roles, those the database names, their members, and what both are members of. The role that made the
/// cluster is on every one, and `pg_…` are the server's own.
const NEEDED: &str = "WITH RECURSIVE here(oid) AS (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()), \
    named(role) AS ( \
      SELECT s.refobjid FROM pg_catalog.pg_shdepend s, here WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass \
        AND (s.dbid = here.oid OR (s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND s.objid = here.oid)) \
      UNION SELECT m.member FROM pg_catalog.pg_auth_members m JOIN named ON named.role = m.roleid), \
    needed(role) AS (SELECT role FROM named \
      UNION SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN needed ON needed.role = m.member)";

/// The statements, with what a person has to do beside them; nothing where no role is needed.
pub(super) async fn read(session: &mut Session) -> Result<Vec<String>, EngineError> {
    let doing = "read the roles that the database needs";
    let roles = format!(
        "{NEEDED} SELECT r.rolname::text, r.rolcanlogin, pg_catalog.concat_ws(' ', \
           CASE WHEN r.rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, CASE WHEN r.rolsuper THEN 'SUPERUSER' END, \
           CASE WHEN NOT r.rolinherit THEN 'NOINHERIT' END, CASE WHEN r.rolcreatedb THEN 'CREATEDB' END, \
           CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END, CASE WHEN r.rolreplication THEN 'REPLICATION' END, \
           CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END, \
           CASE WHEN r.rolconnlimit >= 0 THEN 'CONNECTION LIMIT ' || r.rolconnlimit END, \
           CASE WHEN r.rolvaliduntil IS NOT NULL THEN 'VALID UNTIL ' || pg_catalog.quote_literal(r.rolvaliduntil::text) END), \
           COALESCE((SELECT pg_catalog.string_agg(pg_catalog.split_part(c, '=', 1), ', ' ORDER BY c) \
             FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c WHERE s.setrole = r.oid AND s.setdatabase = 0), '') \
         FROM pg_catalog.pg_roles r WHERE r.oid IN (SELECT role FROM needed) AND r.oid >= 16384 ORDER BY r.rolname::text COLLATE \"C\""
    );
    let members = format!(
        "{NEEDED} SELECT g.rolname::text, r.rolname::text, pg_catalog.concat_ws(', ', \
           CASE WHEN pg_catalog.bool_or(m.admin_option) THEN 'ADMIN TRUE' END, \
           CASE WHEN NOT pg_catalog.bool_or((pg_catalog.to_jsonb(m)->>'inherit_option')::boolean) THEN 'INHERIT FALSE' END, \
           CASE WHEN NOT pg_catalog.bool_or((pg_catalog.to_jsonb(m)->>'set_option')::boolean) THEN 'SET FALSE' END) \
         FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid JOIN pg_catalog.pg_roles r ON r.oid = m.member \
         WHERE m.roleid IN (SELECT role FROM needed) AND m.member IN (SELECT role FROM needed) AND r.oid >= 16384 AND g.oid <> 10 \
         GROUP BY 1, 2 ORDER BY 1, 2"
    );
    let mut out = Vec::new();
    for row in session.rows(doing, &roles).await? {
        let (name, logs_in, words): (String, bool, String) =
            (session.cell(doing, &row, 0)?, session.cell(doing, &row, 1)?, session.cell(doing, &row, 2)?);
        let settings: String = session.cell(doing, &row, 3)?;
        role(&mut out, &name, logs_in, &words, &settings);
    }
    for row in session.rows(doing, &members).await? {
        let (group, member, words): (String, String, String) =
            (session.cell(doing, &row, 0)?, session.cell(doing, &row, 1)?, session.cell(doing, &row, 2)?);
        // Alone, it is written as every release reads it.
        let with = if words == "ADMIN TRUE" { "ADMIN OPTION" } else { &words };
        let with = if with.is_empty() { String::new() } else { format!(" WITH {with}") };
        out.push(format!("GRANT {} TO {}{with};", quote(&group), quote(&member)));
    }
    Ok(out)
}

/// One that is there already stays as it is.
fn role(out: &mut Vec<String>, name: &str, logs_in: bool, words: &str, settings: &str) {
    let quoted = quote(name);
    let (asked, told) =
        (literal(&quoted), literal(&format!("role {name} is there already and stays as it is").replace('%', "%%")));
    let tag = tag_for(&[&quoted, &asked, &told]);
    out.push(format!(
        "DO {tag}BEGIN IF pg_catalog.to_regrole({asked}) IS NULL THEN CREATE ROLE {quoted} {words}; ELSE RAISE NOTICE {told}; END IF; END{tag};"
    ));
    if logs_in {
        out.push(format!("-- {} logs in: set its password, if it has one", text::line(&quoted)));
    }
    if !settings.is_empty() {
        out.push(format!(
            "-- {} had settings of its own, whose values are not kept: {}",
            text::line(&quoted),
            text::line(settings)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_made_where_it_lacks_and_no_name_gets_out_of_its_quotes() {
        let mut out = Vec::new();
        role(&mut out, "a\"b'c%$upkeep0$", true, "LOGIN", "search_path, app.x\n");
        assert!(
            out[0].starts_with("DO $upkeep1$BEGIN IF pg_catalog.to_regrole('\"a\"\"b''c%$upkeep0$\"') IS NULL THEN"),
            "{out:?}"
        );
        assert!(out[0].contains("CREATE ROLE \"a\"\"b'c%$upkeep0$\" LOGIN;") && out[0].contains("b''c%%"), "{out:?}");
        assert!(out[1].contains("-- \"a\"\"b'c%$upkeep0$\" logs in") && out[2].contains("app.x\\u000a"), "{out:?}");
    }
}
