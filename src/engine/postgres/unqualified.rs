//! Functions that would not find what they name while an archive is loaded, for no session that loads has a search path.
//!
//! Only reads, and runs nobody's function: whoever wrote one would have it run as whoever takes the backup. What is called for each row that
//! arrives and for a materialized view is followed along what the server knows; each function's text is then given to its language's own
//! validator under the empty search path, and what that does not look at is searched for names (`scan`). It is said and never refused:
//! what a text means at last only its run would tell. Held by `tests/it/postgres_order.rs` and `scan/tests.rs`.

mod scan;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::AssertSqlSafe;

use super::super::EngineError;
use super::catalog::{self, USER_SCHEMA, WITH_ROWS};
use super::connect::{Place, Session};
use super::order;
use super::said::{code_of, looks_in_path, message_of, missing_name, readable};
use crate::archive::manifest::LeftOut;
use scan::{Found, Names, scan};

/// How long a table that a function names is waited for: whoever wants it changed stands in line behind the backup's own locks.
const WAIT_MS: u32 = 500;
/// How many callers are named.
const NAMED: usize = 3;

/// A function of the user's or an extension's.
#[derive(Debug, Clone)]
struct Function {
    oid: i64,
    /// With its schema and arguments, as a statement spells it.
    signature: String,
    schema: String,
    name: String,
    /// The call that lets its language look at it; none where no language of ours would.
    validator: Option<&'static str>,
    /// Its text, where that says what it names.
    text: Option<String>,
    /// Whether it has a search path of its own, or sets one.
    has_path: bool,
    extension: Option<String>,
}

/// What a function does not find, and which functions it calls.
#[derive(Debug, Clone, Default)]
struct Look {
    missing: Option<String>,
    calls: Vec<i64>,
}

/// The functions, each with why.
pub(super) async fn of(place: &Place) -> Result<Vec<LeftOut>, EngineError> {
    let mut session = place.connect().await?;
    let found = within(&mut session).await;
    session.close().await;
    found
}

async fn within(session: &mut Session) -> Result<Vec<LeftOut>, EngineError> {
    let begin = format!("BEGIN READ ONLY; SET LOCAL lock_timeout = {WAIT_MS}; SET LOCAL check_function_bodies = on");
    session.run("begin", &begin).await?;
    let callers = callers(session).await?;
    if callers.is_empty() {
        return Ok(Vec::new());
    }
    let functions = functions(session).await?;
    let names = names(session).await?;
    let mut looks = HashMap::new();
    let mut blind: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for (root, those) in callers {
        let (mut seen, mut open) = (BTreeSet::new(), vec![root]);
        while let Some(oid) = open.pop() {
            // What has a search path gives it to all that it calls.
            let Some(function) = functions.get(&oid).filter(|function| !function.has_path) else { continue };
            if !seen.insert(oid) {
                continue;
            }
            let look = match looks.entry(oid) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(look(session, function, &functions, &names).await?),
            };
            if look.missing.is_some() {
                blind.entry(oid).or_default().extend(those.iter().cloned());
            }
            open.extend(look.calls.iter().copied());
        }
    }
    session.run("end", "ROLLBACK").await?;
    let told = blind.iter().map(|(oid, those)| told(&functions[oid], &looks[oid], those, &names));
    Ok(told.collect())
}

/// What a function names in vain.
async fn look(
    session: &mut Session,
    function: &Function,
    functions: &HashMap<i64, Function>,
    names: &Names,
) -> Result<Look, EngineError> {
    let Found { mut missing, calls } = function.text.as_deref().map(|text| scan(text, names)).unwrap_or_default();
    // The server's own word, where it has one.
    missing = match function.validator {
        Some(call) => validated(session, &format!("{call}({})", function.oid)).await?.or(missing),
        None => missing,
    };
    let calls = functions.values().filter(|other| calls.contains(&other.name)).map(|other| other.oid).collect();
    Ok(Look { missing, calls })
}

/// What a validator does not find under the empty search path, if that is why it fails.
async fn validated(session: &mut Session, call: &str) -> Result<Option<String>, EngineError> {
    let sql = format!("SAVEPOINT looking; SELECT pg_catalog.{call}; ROLLBACK TO looking");
    let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut session.connection).await else { return Ok(None) };
    let error = readable(error);
    if error.as_database_error().is_none() {
        return Err(session.place().sort("look at functions", error));
    }
    session.run("look at functions", "ROLLBACK TO looking").await?;
    let message = message_of(&error);
    let in_path = code_of(&error).is_some_and(|code| looks_in_path(&code, &message));
    Ok(in_path.then(|| missing_name(&message)))
}

/// Functions that a row or a view calls, each with whose they are.
async fn callers(session: &mut Session) -> Result<BTreeMap<i64, BTreeSet<String>>, EngineError> {
    let doing = "look what calls functions";
    let relations = format!("SELECT c.oid {WITH_ROWS} AND c.relkind IN ('r', 'm')");
    let mut callers: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for row in session.rows(doing, &order::calls(&relations)).await? {
        let [schema, name, kind]: [String; 3] =
            [session.cell(doing, &row, 0)?, session.cell(doing, &row, 1)?, session.cell(doing, &row, 3)?];
        let noun = if kind == "m" { "materialized view" } else { "table" };
        callers.entry(session.cell(doing, &row, 2)?).or_default().insert(format!("{noun} {schema}.{name}"));
    }
    Ok(callers)
}

async fn functions(session: &mut Session) -> Result<HashMap<i64, Function>, EngineError> {
    let doing = "read the functions";
    let body = if catalog::major(session).await? >= 14 { "pg_catalog.pg_get_function_sqlbody(p.oid)" } else { "NULL" };
    let sql = format!(
        "SELECT p.oid::bigint, p.oid::pg_catalog.regprocedure::text, n.nspname::text, p.proname::text, l.lanname::text, \
           COALESCE({body}, p.prosrc), \
           COALESCE((SELECT pg_catalog.bool_or(c.one LIKE 'search_path=%') FROM pg_catalog.unnest(p.proconfig) c(one)), false), \
           (SELECT x.extname::text FROM pg_catalog.pg_depend e JOIN pg_catalog.pg_extension x ON x.oid = e.refobjid \
            WHERE e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND e.objid = p.oid AND e.deptype = 'e' \
              AND e.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass) \
         FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
         JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE p.oid >= 16384"
    );
    let mut functions = HashMap::new();
    for row in session.rows(doing, &sql).await? {
        let language: String = session.cell(doing, &row, 4)?;
        let validator = match language.as_str() {
            "sql" => Some("fmgr_sql_validator"),
            "plpgsql" => Some("plpgsql_validator"),
            _ => None,
        };
        let text: String = session.cell(doing, &row, 5)?;
        let oid = session.cell(doing, &row, 0)?;
        functions.insert(
            oid,
            Function {
                oid,
                signature: session.cell(doing, &row, 1)?,
                schema: session.cell(doing, &row, 2)?,
                name: session.cell(doing, &row, 3)?,
                validator,
                has_path: session.cell(doing, &row, 6)? || text.contains("search_path"),
                text: validator.map(|_| text),
                extension: session.cell(doing, &row, 7)?,
            },
        );
    }
    Ok(functions)
}

async fn names(session: &mut Session) -> Result<Names, EngineError> {
    Ok(Names {
        relations: those(session, "pg_class", "relname", "relnamespace", "o.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')").await?,
        functions: those(session, "pg_proc", "proname", "pronamespace", "true").await?,
        types: those(session, "pg_type", "typname", "typnamespace", "o.typtype IN ('e', 'd', 'r')").await?,
    })
}

/// What is in the user's schemas, and under the same name nowhere in the system's: each name with its schemas.
async fn those(
    session: &mut Session,
    catalogue: &str,
    name: &str,
    schema: &str,
    which: &str,
) -> Result<BTreeMap<String, BTreeSet<String>>, EngineError> {
    let doing = "read what functions may name";
    let sql = format!(
        "SELECT DISTINCT o.{name}::text, n.nspname::text FROM pg_catalog.{catalogue} o JOIN pg_catalog.pg_namespace n ON n.oid = o.{schema} \
         WHERE {which} AND {USER_SCHEMA} AND NOT EXISTS (SELECT FROM pg_catalog.{catalogue} s \
           WHERE s.{name} = o.{name} AND s.{schema} = 'pg_catalog'::pg_catalog.regnamespace)"
    );
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in session.rows(doing, &sql).await? {
        found.entry(session.cell(doing, &row, 0)?).or_default().insert(session.cell(doing, &row, 1)?);
    }
    Ok(found)
}

fn told(function: &Function, look: &Look, callers: &BTreeSet<String>, names: &Names) -> LeftOut {
    let Function { signature, schema, extension, .. } = function;
    let missing = look.missing.as_deref().unwrap_or_default();
    let first = callers.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = callers.len().saturating_sub(NAMED);
    let whose = if more > 0 { format!("{first} and {more} more") } else { first };
    let mut path: Vec<String> = names.schemas(missing).into_iter().map(super::connect::quote).collect();
    if path.is_empty() {
        path.push(super::connect::quote(schema));
    }
    let way_out = match extension {
        Some(extension) => format!(
            "it belongs to extension {extension}, of which pg_dump prints no setting: call it from a function of your own that has a search_path"
        ),
        None => format!("ALTER FUNCTION {signature} SET search_path = {}; then take another archive", path.join(", ")),
    };
    LeftOut {
        what: format!("a search_path for function {signature}"),
        why: format!(
            "it names {missing} without a schema, {whose} calls it, and a session that loads has an empty search_path: a restore may fail there. \
             Write the schema before the name, or: {way_out}"
        ),
    }
}
