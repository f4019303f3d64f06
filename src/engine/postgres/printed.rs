//! What rows are found and printed by and no lock on their tables holds: names of schemas and sequences, labels, attributes of types.
//!
//! A snapshot shows the rows of its moment, and the server prints them by its catalogue of now. So the catalogue is looked at in the
//! snapshot and again when everything was read: what is another, or was another in between (a row of the catalogue has the same content and
//! was written more than once since), is an archive of two moments. One transaction that writes the same again, as a repeated `GRANT` does,
//! shows nobody anything else. What only was added says nothing of what was there. Only reads. Held by
//! `tests/it/postgres_traps.rs`.

use std::collections::BTreeMap;

use super::super::EngineError;
use super::catalog::USER_SCHEMA;
use super::connect::Session;

/// Types whose values are stored as numbers and printed as names, with the catalogue of those names: what has such a name, catalogue, column
/// of the name, of its schema, and the types. A table's own name is held by its lock.
const NAMES: [(&str, &str, &str, Option<&str>, &str); 8] = [
    ("relation", "pg_class", "relname", Some("relnamespace"), "'regclass'"),
    ("function", "pg_proc", "proname", Some("pronamespace"), "'regproc', 'regprocedure'"),
    ("type", "pg_type", "typname", Some("typnamespace"), "'regtype', 'regprocedure', 'regoperator'"),
    ("operator", "pg_operator", "oprname", Some("oprnamespace"), "'regoper', 'regoperator'"),
    ("text search configuration", "pg_ts_config", "cfgname", Some("cfgnamespace"), "'regconfig'"),
    ("text search dictionary", "pg_ts_dict", "dictname", Some("dictnamespace"), "'regdictionary'"),
    ("collation", "pg_collation", "collname", Some("collnamespace"), "'regcollation'"),
    ("role", "pg_roles", "rolname", None, "'regrole', 'aclitem'"),
];

/// What is always looked at, each line with: what it is called; its number; what counts of it; which transaction wrote it; which wrote the
/// next one; all of it; whether it must still be there.
const ALWAYS: &str = "SELECT 'schema ' || n.nspname, 'n' || n.oid, n.nspname::text, n.xmin::text, n.xmax::text, n::text, false \
      FROM pg_catalog.pg_namespace n WHERE {user} \
    UNION ALL SELECT 'sequence ' || n.nspname || '.' || c.relname, 's' || c.oid, \
        pg_catalog.concat_ws(' ', c.relname, c.relnamespace, s.seqtypid::oid, s.seqmin, s.seqmax), c.xmin::text, c.xmax::text, c::text, true \
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
      JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid WHERE {user} AND c.relpersistence <> 't' \
    UNION ALL SELECT 'type ' || n.nspname || '.' || t.typname, 'e' || e.oid, e.enumlabel::text, e.xmin::text, e.xmax::text, e::text, false \
      FROM pg_catalog.pg_enum e JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
    UNION ALL SELECT 'type ' || n.nspname || '.' || c.relname, 'a' || c.oid, (SELECT pg_catalog.string_agg( \
          a.attnum::text || CASE WHEN a.attisdropped THEN '-' ELSE '+' END, '' ORDER BY a.attnum) \
          FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0), '', '', '', false \
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_type t ON t.oid = c.reltype \
      WHERE c.relkind = 'c' OR (c.relkind IN ('v', 'm', 'f') AND EXISTS (SELECT FROM pg_catalog.pg_depend d \
        WHERE d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid IN (t.oid, t.typarray) AND d.deptype = 'n' \
          AND d.classid IN ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_type'::pg_catalog.regclass))) \
    UNION ALL SELECT 'extension ' || x.extname, 'x' || x.oid, pg_catalog.concat_ws(' ', x.extversion, x.extnamespace), '', '', '', false \
      FROM pg_catalog.pg_extension x";

/// Every type that a column of the user's holds values of, a domain of his stands on or a range of his spans, found in one pass: there may be
/// tens of thousands of columns.
const STORED: &str = "WITH stored(oid) AS MATERIALIZED ( \
      SELECT a.atttypid FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class k ON k.oid = a.attrelid WHERE k.oid >= 16384 \
        AND k.relkind IN ('r', 'p', 'c') AND NOT a.attisdropped AND a.attnum > 0 \
      UNION SELECT d.typbasetype FROM pg_catalog.pg_type d WHERE d.oid >= 16384 AND d.typbasetype <> 0 \
      UNION SELECT g.rngsubtype FROM pg_catalog.pg_range g WHERE g.rngtypid >= 16384) ";

/// Whether values of one of these types are stored, by themselves, in an array, a domain or a range.
fn is_stored(types: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_catalog.pg_type r JOIN stored s ON s.oid IN (r.oid, r.typarray) \
           WHERE r.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND r.typname IN ({types}))"
    )
}

fn query() -> String {
    let names = NAMES.map(|(noun, catalogue, name, schema, types)| {
        let counts = schema.map_or(String::new(), |schema| format!(", o.{schema}"));
        let within = schema.map_or(String::new(), |schema| format!("o.{schema}::pg_catalog.regnamespace || '.' || "));
        let own = match catalogue {
            "pg_class" => "o.oid >= 16384 AND o.relkind NOT IN ('r', 'p', 't') AND o.relpersistence <> 't'",
            "pg_type" => "o.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_class k WHERE k.reltype IN (o.oid, o.typelem) AND k.relpersistence = 't')",
            _ => "o.oid >= 16384",
        };
        format!(
            " UNION ALL SELECT '{noun} ' || {within}o.{name}, '{noun}' || o.oid, pg_catalog.concat_ws(' ', o.{name}{counts}), '', '', '', true \
             FROM pg_catalog.{catalogue} o WHERE {own} AND {}",
            is_stored(types)
        )
    });
    format!("{STORED}{}{}", ALWAYS.replace("{user}", USER_SCHEMA), names.concat())
}

/// One thing, as it was at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Thing {
    name: String,
    counts: String,
    writer: String,
    next: String,
    whole: String,
    must_stay: bool,
}

/// All of them, by number.
type Things = BTreeMap<String, Thing>;

async fn look(session: &mut Session) -> Result<Things, EngineError> {
    let doing = "look what rows are printed by";
    let mut things = Things::new();
    for row in session.rows(doing, &query()).await? {
        let thing = Thing {
            name: session.cell(doing, &row, 0)?,
            counts: session.cell::<Option<String>>(doing, &row, 2)?.unwrap_or_default(),
            writer: session.cell(doing, &row, 3)?,
            next: session.cell(doing, &row, 4)?,
            whole: session.cell(doing, &row, 5)?,
            must_stay: session.cell(doing, &row, 6)?,
        };
        things.insert(session.cell(doing, &row, 1)?, thing);
    }
    Ok(things)
}

/// What was there then and is another now, or was another in between.
fn moved(then: &Things, now: &Things) -> Option<String> {
    // Between two writers there may have been a moment with another name, which is in neither look.
    let written_again = |then: &Thing, now: &Thing| now.writer != then.writer && now.writer != then.next;
    let is_another = |then: &Thing, now: Option<&Thing>| match now {
        None => then.must_stay,
        Some(now) => now.counts != then.counts || (written_again(then, now) && now.whole == then.whole),
    };
    then.iter().find(|(number, thing)| is_another(thing, now.get(*number))).map(|(_, thing)| thing.name.clone())
}

/// Refuses what was read in the session's snapshot where the catalogue it was printed by is another since.
pub(super) async fn demand_as_in_snapshot(session: &mut Session) -> Result<(), EngineError> {
    let then = look(session).await?;
    let mut fresh = session.place().connect_to_look().await?;
    let now = look(&mut fresh).await?;
    fresh.close().await;
    match moved(&then, &now) {
        Some(what) => Err(EngineError::Moved {
            doing: format!("keep what was read to one moment, for {what} was altered, or given its privileges anew"),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Thing, Things, moved};

    fn thing(counts: &str, writer: &str, whole: &str, must_stay: bool) -> Things {
        let name = "schema live".to_owned();
        let [counts, writer, whole] = [counts, writer, whole].map(str::to_owned);
        Things::from([("n1".to_owned(), Thing { name, counts, writer, next: "8".to_owned(), whole, must_stay })])
    }

    #[test]
    fn what_is_or_was_another_is_told_and_what_only_came_or_was_granted_is_not() {
        let then = thing("live", "7", "live, nobody", false);
        for (now, told) in [
            (then.clone(), false),
            (thing("tmp", "8", "tmp, nobody", false), true),
            (thing("live", "9", "live, nobody", false), true),
            (thing("live", "8", "live, nobody", false), false),
            (thing("live", "9", "live, granted", false), false),
            (Things::new(), false),
        ] {
            assert_eq!(moved(&then, &now).is_some(), told, "{now:?}");
        }
        assert_eq!(moved(&Things::new(), &then), None, "what is new");
        assert!(moved(&thing("", "", "", true), &Things::new()).is_some(), "what must stay");
    }
}
