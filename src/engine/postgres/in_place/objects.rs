//! The large objects of a database that stays where it is.
//!
//! To drop one or to hand it over takes a lock that is held to the end, and the server's room for locks is small. So what only has content
//! and is ours is emptied and filled again, and what would become ours is not handed to us.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::super::EngineError;
use super::super::connect::{Session, quote};
use super::super::guard;
use super::super::load::{frames_of, run_frame_where};
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;

/// Whether a large object `m` is the session's own role's, with nothing about it.
const PLAIN: &str = "(m.lomowner = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) AND m.lomacl IS NULL \
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_description d WHERE d.objoid = m.oid \
      AND d.classoid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass) \
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_seclabel l WHERE l.objoid = m.oid \
      AND l.classoid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass))";

/// A query for how many would have to be dropped, each under a lock.
pub(super) fn to_drop() -> String {
    format!("SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata m WHERE NOT {PLAIN}")
}

/// Objects that are there and empty.
#[derive(Debug)]
pub(super) struct Emptied(BTreeSet<i64>);

/// Empties what can be filled again, and drops the others.
pub(super) async fn clear(session: &mut Session) -> Result<Emptied, EngineError> {
    let doing = "drop the large objects";
    let drop = format!("SELECT pg_catalog.lo_unlink(m.oid) FROM pg_catalog.pg_largeobject_metadata m WHERE NOT {PLAIN}");
    session.run(doing, &drop).await?;
    // 393216 is for reading and writing.
    let empty = "DO $upkeep$ DECLARE one oid; handle int; BEGIN \
        FOR one IN SELECT m.oid FROM pg_catalog.pg_largeobject_metadata m LOOP \
          handle := pg_catalog.lo_open(one, 393216); \
          PERFORM pg_catalog.lo_truncate64(handle, 0); \
          PERFORM pg_catalog.lo_close(handle); \
        END LOOP; END $upkeep$";
    session.run("empty the large objects", empty).await?;
    let rows = session.rows(doing, "SELECT m.oid::bigint FROM pg_catalog.pg_largeobject_metadata m").await?;
    let there = rows.iter().map(|row| session.cell(doing, row, 0)).collect::<Result<BTreeSet<i64>, EngineError>>()?;
    Ok(Emptied(there))
}

/// Loads those of an archive, and drops what it does not have.
pub(super) async fn load(session: &mut Session, archive: &Arc<Archive>, emptied: Emptied) -> Result<(), EngineError> {
    let me = session.text("ask who we are", "SELECT current_user::text").await?.unwrap_or_default();
    let mut there = emptied.0;
    for index in frames_of(archive, FrameKind::LargeObjects) {
        let wanted = |sql: &str| {
            let is_there = made_by(sql).is_some_and(|one| there.remove(&one));
            !is_there && !hands_to(sql, &me)
        };
        run_frame_where(session, archive, index, wanted).await?;
    }
    for rest in there.into_iter().collect::<Vec<_>>().chunks(1000) {
        let rest = rest.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let sql = format!("SELECT pg_catalog.lo_unlink(one) FROM pg_catalog.unnest('{{{rest}}}'::pg_catalog.oid[]) one");
        session.run("drop the large objects that the archive does not have", &sql).await?;
    }
    Ok(())
}

/// The object that a statement makes.
fn made_by(sql: &str) -> Option<i64> {
    sql.trim().strip_prefix("SELECT pg_catalog.lo_create('")?.strip_suffix("');")?.parse().ok()
}

/// Whether a statement hands an object to a role: what that role made is its own already.
fn hands_to(sql: &str, role: &str) -> bool {
    let end = format!(" OWNER TO {};", quote(role));
    let mut lines = guard::inner(sql).lines();
    lines.next().is_some_and(|line| line.starts_with("ALTER LARGE OBJECT ") && line.ends_with(&end))
}

#[cfg(test)]
mod tests {
    use super::super::super::grammar::Statement;
    use super::super::super::guard;
    use super::{hands_to, made_by};

    #[test]
    fn statements_are_known_by_what_they_do() {
        assert_eq!(made_by("SELECT pg_catalog.lo_create('4242');"), Some(4242));
        assert_eq!(made_by("SELECT pg_catalog.lo_put(4242, 0, '\\x00');"), None);
        let guarded = guard::guard(&Statement::of("ALTER LARGE OBJECT 1 OWNER TO \"a b\";"));
        assert!(guarded.starts_with("DO $upkeep"), "{guarded}");
        assert!(hands_to(&guarded, "a b") && !hands_to(&guarded, "b") && !hands_to(&guarded, "a"));
        assert!(!hands_to("COMMENT ON LARGE OBJECT 1 IS 'ALTER LARGE OBJECT 1 OWNER TO \"a\";';", "a"));
    }
}
