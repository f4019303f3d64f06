//! Large objects: read in pieces, written as SQL, summed like the rows of a table.
//!
//! `pg_dump --schema-only` leaves them out, with their owners, privileges and comments. In the manifest they are the table
//! `pg_catalog.pg_largeobject`, a row for each piece.

use super::super::EngineError;
use super::super::crew::Stop;
use super::super::tally::{TakeRows, Tally};
use super::catalog::Relation;
use super::connect::{Session, literal, quote};

use crate::progress::Progress;

/// Bytes of one piece. Its hexadecimal form is one statement of twice that.
const PIECE: i64 = 256 * 1024;
/// Objects asked for at once.
const PAGE: usize = 1000;

/// The name under which they stand among the tables.
pub(super) fn relation() -> Relation {
    Relation {
        schema: "pg_catalog".to_owned(),
        name: "pg_largeobject".to_owned(),
        columns: vec!["loid".to_owned(), "offset".to_owned(), "data".to_owned()],
        pages: 0,
        bytes: 0,
        by_place: false,
        unlogged: false,
        filter: String::new(),
        beside: 0,
        wide: Vec::new(),
    }
}

/// Whether a table of a manifest stands for the large objects.
pub(super) fn is_it(schema: &str, name: &str) -> bool {
    schema == "pg_catalog" && name == "pg_largeobject"
}

/// Whether there are any.
pub(super) async fn any(session: &mut Session) -> Result<bool, EngineError> {
    session.truth("look for large objects", "SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)").await
}

struct Object {
    oid: i64,
    /// Statements about its owner, privileges and comment.
    about: String,
}

async fn page(session: &mut Session, after: i64) -> Result<Vec<Object>, EngineError> {
    let doing = "list the large objects";
    let sql = format!(
        "SELECT m.oid::bigint, pg_catalog.pg_get_userbyid(m.lomowner)::text, pg_catalog.obj_description(m.oid, 'pg_largeobject'), \
         (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(CASE a.grantee WHEN 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee) END, \
            a.privilege_type, a.is_grantable))::text FROM pg_catalog.aclexplode(m.lomacl) a WHERE a.grantee <> m.lomowner) \
         FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid > {after} ORDER BY m.oid LIMIT {PAGE}"
    );
    let rows = session.rows(doing, &sql).await?;
    let mut objects = Vec::with_capacity(rows.len());
    for row in &rows {
        let oid: i64 = session.cell(doing, row, 0)?;
        let owner: String = session.cell(doing, row, 1)?;
        let mut about = format!("ALTER LARGE OBJECT {oid} OWNER TO {};\n", quote(&owner));
        if let Some(comment) = session.cell::<Option<String>>(doing, row, 2)? {
            about.push_str(&format!("COMMENT ON LARGE OBJECT {oid} IS {};\n", literal(&comment)));
        }
        let grants: Option<String> = session.cell(doing, row, 3)?;
        let grants: Vec<(Option<String>, String, bool)> =
            serde_json::from_str(grants.as_deref().unwrap_or("[]")).unwrap_or_default();
        for (grantee, privilege, grantable) in grants {
            let to = grantee.map_or("PUBLIC".to_owned(), |role| quote(&role));
            let option = if grantable { " WITH GRANT OPTION" } else { "" };
            about.push_str(&format!("GRANT {privilege} ON LARGE OBJECT {oid} TO {to}{option};\n"));
        }
        let mut cleaner = super::schema::Cleaner::new();
        let guarded = cleaner.push(about.as_bytes())?;
        objects.push(Object { oid, about: guarded + &cleaner.finish()? });
    }
    Ok(objects)
}

/// Reads them all: SQL to `into`, and the sums.
pub(super) async fn read(
    session: &mut Session,
    into: &mut (dyn TakeRows + Send),
    progress: &Progress,
    stop: &Stop,
) -> Result<Tally, EngineError> {
    let (mut tally, mut after) = (Tally::default(), 0);
    loop {
        let objects = page(session, after).await?;
        let Some(last) = objects.last() else { return Ok(tally) };
        after = last.oid;
        for object in objects {
            into.take(format!("SELECT pg_catalog.lo_create('{}');\n{}", object.oid, object.about).as_bytes(), 0)?;
            read_one(session, object.oid, &mut tally, into, progress, stop).await?;
        }
    }
}

async fn read_one(
    session: &mut Session,
    oid: i64,
    tally: &mut Tally,
    into: &mut (dyn TakeRows + Send),
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    let doing = format!("read large object {oid}");
    let mut offset: i64 = 0;
    loop {
        if stop.asked() {
            return Err(EngineError::Worker("another worker had failed".to_owned()));
        }
        // Holes read as zeros, so that a sparse object comes back with the same content.
        let sql = format!("SELECT pg_catalog.encode(pg_catalog.lo_get({oid}, {offset}, {PIECE}), 'hex')");
        let hex = session.text(&doing, &sql).await?.unwrap_or_default();
        let row = format!("{oid}\t{offset}\t{hex}\n");
        tally.add(row.trim_end_matches('\n').as_bytes(), row.len());
        let length = i64::try_from(hex.len() / 2).unwrap_or(PIECE);
        let statement = format!("SELECT pg_catalog.lo_put({oid}, {offset}, '\\x{hex}');\n");
        into.take(if length > 0 { statement.as_bytes() } else { b"" }, 1)?;
        progress.add(hex.len() as u64, 1);
        if length < PIECE {
            return Ok(());
        }
        offset += length;
    }
}
