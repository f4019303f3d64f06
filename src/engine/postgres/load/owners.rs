//! Handing things over where a new owner needs a grant that the archive has further down.
//!
//! A role that is to own something must have `CREATE` on its schema; only a superuser is not asked for that. An archive has privileges behind
//! all things, as `pg_dump` does. So those on schemas are given as soon as one is needed, and given again in their place, which changes
//! nothing. Held by `tests/it/postgres_left_out.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::super::EngineError;
use super::super::connect::{Session, literal};
use super::super::grammar::Statement;
use super::super::guard;
use super::super::split::{Chunk, Splitter, statements_of};
use super::{run_one, text};
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;

/// What is known of the schemas' privileges while a frame is run.
#[derive(Debug, Default)]
pub(super) struct Owners {
    superuser: Option<bool>,
    /// Whether a role may own something in a schema.
    may: HashMap<(String, String), bool>,
    granted: bool,
}

impl Owners {
    /// Runs a statement, and before it the grants that it needs.
    pub(super) async fn run(&mut self, session: &mut Session, archive: &Arc<Archive>, sql: &str) -> Result<(), EngineError> {
        let Some((schema, role)) = handed_over(sql) else { return run_one(session, sql).await };
        if !self.is_superuser(session).await? && !self.may_own(session, &schema, &role).await? && !self.granted {
            self.granted = true;
            for grant in grants_on_schemas(&text(archive, FrameKind::PreData).await?) {
                run_one(session, &grant).await?;
            }
            self.may.clear();
        }
        match run_one(session, sql).await {
            Err(EngineError::Privilege { what, .. }) if !self.may_own(session, &schema, &role).await.unwrap_or(true) => {
                Err(EngineError::Inexact {
                    what: format!(
                        "cannot {what}: role {role} may not make anything in schema {schema}, and so cannot be given anything there"
                    ),
                    hint: format!(
                        "let a superuser restore, or in the source: GRANT CREATE ON SCHEMA {schema} TO {role}; then take another archive"
                    ),
                })
            }
            other => other,
        }
    }

    /// Whether something is looked up, and perhaps granted, before a statement is run.
    pub(super) async fn looks_first(&mut self, session: &mut Session, sql: &str) -> Result<bool, EngineError> {
        Ok(handed_over(sql).is_some() && !self.is_superuser(session).await?)
    }

    async fn is_superuser(&mut self, session: &mut Session) -> Result<bool, EngineError> {
        if let Some(known) = self.superuser {
            return Ok(known);
        }
        let sql = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
        let is = session.truth("ask whose session it is", sql).await?;
        self.superuser = Some(is);
        Ok(is)
    }

    async fn may_own(&mut self, session: &mut Session, schema: &str, role: &str) -> Result<bool, EngineError> {
        let key = (schema.to_owned(), role.to_owned());
        if let Some(known) = self.may.get(&key) {
            return Ok(*known);
        }
        let sql = format!(
            "SELECT pg_catalog.has_schema_privilege(pg_catalog.to_regrole({})::oid, pg_catalog.to_regnamespace({})::oid, 'CREATE')",
            literal(role),
            literal(schema)
        );
        let may = session.truth("look whether a role may own something in a schema", &sql).await?;
        self.may.insert(key, may);
        Ok(may)
    }
}

/// The schema of what a statement hands over, and to whom, as they are spelled.
fn handed_over(sql: &str) -> Option<(String, String)> {
    // Most are none, and some are long.
    let inner = Some(guard::inner(sql)).filter(|inner| inner.starts_with("ALTER "))?;
    // What is behind it in its block comes along.
    let first = statements_of(inner).into_iter().next()?;
    let statement = Statement::of(&first);
    let schema = statement.owner_in()?;
    Some((schema.to_owned(), statement.owner()?.to_owned()))
}

/// The statements of a schema section that give privileges on schemas.
fn grants_on_schemas(section: &str) -> Vec<String> {
    let mut splitter = Splitter::new();
    let mut chunks = splitter.push(section.as_bytes());
    chunks.extend(splitter.finish());
    let grant = |chunk| match chunk {
        Chunk::Statement { sql, .. } => Some(sql).filter(|sql| Statement::of(guard::inner(sql)).grants_on_schema()),
        _ => None,
    };
    chunks.into_iter().filter_map(grant).collect()
}

#[cfg(test)]
mod tests {
    use super::{grants_on_schemas, handed_over};

    #[test]
    fn what_is_handed_over_is_in_a_schema_or_in_none() {
        for (sql, found) in [
            (
                "DO $upkeep0$BEGIN IF true THEN\nALTER TABLE s.t OWNER TO app;\nELSE RAISE WARNING 'x'; END IF; END$upkeep0$;",
                Some(("s", "app")),
            ),
            ("ALTER OPERATOR \"s. x\".=== (a.b, c.d) OWNER TO \"We ird\";", Some(("\"s. x\"", "\"We ird\""))),
            ("ALTER FUNCTION s.f(a.b) OWNER TO app;", Some(("s", "app"))),
            ("ALTER TEXT SEARCH DICTIONARY s.d OWNER TO app;", Some(("s", "app"))),
            ("ALTER SCHEMA s OWNER TO app;", None),
            ("ALTER PUBLICATION \"a.b\" OWNER TO app;", None),
            ("ALTER TABLE s.t ENABLE ROW LEVEL SECURITY;", None),
        ] {
            let found = found.map(|(schema, role): (&str, &str)| (schema.to_owned(), role.to_owned()));
            assert_eq!(handed_over(sql), found, "{sql}");
        }
    }

    #[test]
    fn privileges_on_schemas_are_found_and_no_others() {
        let section = "CREATE SCHEMA s;\nGRANT ALL ON SCHEMA s TO app;\nGRANT SELECT ON TABLE s.\"ON SCHEMA\" TO app;\n\
            REVOKE ALL ON SCHEMA s FROM app;\nALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO app;\n";
        assert_eq!(grants_on_schemas(section), ["GRANT ALL ON SCHEMA s TO app;"]);
    }
}
