//! Statements of a schema, several of them in one message.
//!
//! Each message is a round trip and a commit, and a schema has several statements a table. What is sent together is one transaction: where
//! one of them fails none of them was done, and they are run again one by one, so that the one that fails is named, and one that the server
//! does in no transaction is done. What sets something for those behind it is sent alone, for the server reads the whole message before it
//! does any of it. Not for a session that is in a transaction: there is no second time there.

use std::sync::Arc;

use super::super::super::EngineError;
use super::super::connect::{Session, sqlstate};
use super::super::guard::{self, Need};
use super::super::split::{Chunk, Splitter};
use super::owners::Owners;
use super::{joined, note_needs, pieces, run_one};
use crate::archive::Archive;

/// How many at once: few round trips, and no more locks than there is room for beside others.
const MANY: usize = 50;
/// And how long they may be.
const BYTES: usize = 128 * 1024;

/// How those begin that stand for themselves and mean the same in whatever company.
const BEGINNINGS: [&str; 7] = ["ALTER ", "COMMENT ", "CREATE ", "GRANT ", "REVOKE ", "DO ", "SELECT pg_catalog.setval("];
/// Those among them that look beyond the database, or change what the others do.
const ALONE: [&str; 4] = ["EXTENSION ", "SUBSCRIPTION ", "EVENT TRIGGER ", "SYSTEM "];

/// What looks at rows takes long, and would be done twice where another fails beside it.
const LONG: [&str; 3] = [" ADD CONSTRAINT ", "CREATE INDEX ", "CREATE UNIQUE INDEX "];

/// SQLSTATE class `operator_intervention`.
const INTERVENTION: &str = "57";

/// Whether a statement may be sent with others.
fn has_company(sql: &str) -> bool {
    let inner = guard::inner(sql);
    let behind = inner.split_once(' ').map_or("", |(_, behind)| behind);
    sql.len() <= BYTES
        && [sql, inner].iter().all(|sql| BEGINNINGS.iter().any(|beginning| sql.starts_with(beginning)))
        && !ALONE.iter().any(|what| behind.starts_with(what))
        && !LONG.iter().any(|what| inner.contains(what))
}

/// Statements that wait for company.
#[derive(Debug, Default)]
struct Together {
    statements: Vec<String>,
    bytes: usize,
    owners: Owners,
}

impl Together {
    async fn add(&mut self, session: &mut Session, archive: &Arc<Archive>, sql: String) -> Result<(), EngineError> {
        if !has_company(&sql) || self.owners.looks_first(session, &sql).await? {
            self.run(session, archive).await?;
            return self.owners.run(session, archive, &sql).await;
        }
        self.bytes += sql.len();
        self.statements.push(sql);
        if self.statements.len() >= MANY || self.bytes >= BYTES {
            self.run(session, archive).await?;
        }
        Ok(())
    }

    /// Runs what waits.
    async fn run(&mut self, session: &mut Session, archive: &Arc<Archive>) -> Result<(), EngineError> {
        let statements = std::mem::take(&mut self.statements);
        self.bytes = 0;
        if passed(session, &statements).await? {
            return Ok(());
        }
        for sql in &statements {
            self.owners.run(session, archive, sql).await?;
        }
        Ok(())
    }
}

/// Whether several statements went through, as one message. Where it was no statement that failed, but somebody ended the session or what it
/// did, running them again would be against him, or of no use.
async fn passed(session: &mut Session, statements: &[String]) -> Result<bool, EngineError> {
    if statements.is_empty() {
        return Ok(true);
    }
    match session.run("run several statements of the schema", &statements.join("\n;\n")).await {
        Ok(()) => Ok(true),
        Err(error @ EngineError::Lost { .. }) => Err(error),
        Err(error) if sqlstate(&error).is_some_and(|code| code.starts_with(INTERVENTION)) => Err(error),
        Err(error) => {
            tracing::debug!(%error, "statements of the schema are run again one by one");
            Ok(false)
        }
    }
}

/// Runs the statements of a frame. Roles they name are added to `named`.
pub(super) async fn run_frame(
    session: &mut Session,
    archive: &Arc<Archive>,
    index: usize,
    named: &mut Vec<Need>,
) -> Result<(), EngineError> {
    let (mut pieces, reading) = pieces(archive, index);
    let (mut splitter, mut together) = (Splitter::new(), Together::default());
    while let Some(piece) = pieces.recv().await {
        take(session, archive, splitter.push(&piece), &mut together, named).await?;
    }
    joined(reading.await)?;
    take(session, archive, splitter.finish(), &mut together, named).await?;
    together.run(session, archive).await
}

async fn take(
    session: &mut Session,
    archive: &Arc<Archive>,
    chunks: Vec<Chunk>,
    together: &mut Together,
    named: &mut Vec<Need>,
) -> Result<(), EngineError> {
    for chunk in chunks {
        if let Some(sql) = super::statement(chunk)? {
            note_needs(&sql, named);
            together.add(session, archive, sql).await?;
        }
    }
    Ok(())
}

/// Runs statements that hand nothing over.
pub(super) async fn run_all(session: &mut Session, statements: &[String]) -> Result<(), EngineError> {
    for few in statements.chunk_by(|one, next| has_company(one) && has_company(next)).flat_map(|few| few.chunks(MANY)) {
        if few.len() > 1 && passed(session, few).await? {
            continue;
        }
        for sql in few {
            run_one(session, sql).await?;
        }
    }
    Ok(())
}

/// Runs statements that look at few rows each.
pub(super) async fn run_short(session: &mut Session, statements: &[String]) -> Result<(), EngineError> {
    if statements.len() > 1 && passed(session, statements).await? {
        return Ok(());
    }
    for sql in statements {
        run_one(session, sql).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::has_company;

    #[test]
    fn what_sets_something_for_others_or_looks_beyond_the_database_is_alone() {
        let guarded =
            |inner: &str| format!("DO $upkeep0$BEGIN IF true THEN\n{inner}\nELSE RAISE WARNING 'x'; END IF; END$upkeep0$;");
        for (sql, company) in [
            ("CREATE TABLE public.t (a text DEFAULT 'SET x');".to_owned(), true),
            ("COMMENT ON TABLE public.t IS 'CREATE EXTENSION x';".to_owned(), true),
            ("SELECT pg_catalog.setval('public.s', 3, true);".to_owned(), true),
            (guarded("ALTER TABLE public.t OWNER TO app;"), true),
            ("SELECT pg_catalog.set_config('search_path', '', false);".to_owned(), false),
            ("SET default_tablespace = '';".to_owned(), false),
            (guarded("SET default_tablespace = fast;"), false),
            ("CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public;".to_owned(), false),
            ("ALTER SUBSCRIPTION s DISABLE;".to_owned(), false),
            ("ALTER TABLE ONLY public.a ADD CONSTRAINT k FOREIGN KEY (b) REFERENCES public.b(id);".to_owned(), false),
            ("CREATE UNIQUE INDEX i ON public.t USING btree (a);".to_owned(), false),
            ("BEGIN;".to_owned(), false),
            ("COMMIT;".to_owned(), false),
            (format!("CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT {}';", "1".repeat(200_000)), false),
        ] {
            assert_eq!(has_company(&sql), company, "{}", &sql[..sql.len().min(80)]);
        }
    }
}
