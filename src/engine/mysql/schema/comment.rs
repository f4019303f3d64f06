//! The comment of a routine or an event, as the mode it was made under reads it.
//!
//! Servers print it with escapes, whatever that mode is. Under `NO_BACKSLASH_ESCAPES` a backslash stands for itself, so that what is
//! printed would be made with twice as many. Held by `tests/it/mysql_texts.rs`.

use super::super::super::EngineError;
use super::super::connect::{Session, literal};
use super::super::definition::Kind;

/// The definition of an object with its comment as its mode reads it; none where nothing needs to be done.
pub(super) async fn as_read(
    session: &mut Session,
    kind: Kind,
    name: &str,
    sql: &str,
    sql_mode: &str,
) -> Result<Option<String>, EngineError> {
    if !sql_mode.contains("NO_BACKSLASH_ESCAPES") || !sql.contains('\\') {
        return Ok(None);
    }
    let asked = match kind {
        Kind::Function | Kind::Procedure | Kind::Package | Kind::PackageBody => format!(
            "SELECT ROUTINE_COMMENT FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_TYPE = {} AND ROUTINE_NAME = {}",
            literal(kind.word()),
            literal(name)
        ),
        Kind::Event => format!(
            "SELECT EVENT_COMMENT FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() AND EVENT_NAME = {}",
            literal(name)
        ),
        _ => return Ok(None),
    };
    let comment = session.text(&format!("read the comment of {} {name}", kind.word().to_lowercase()), &asked).await?;
    Ok(comment.and_then(|comment| reworded(sql, &comment)))
}

/// A definition with this comment as a string in which a backslash stands for itself, in place of the first one with escapes: the comment
/// comes before whatever is made.
fn reworded(sql: &str, comment: &str) -> Option<String> {
    if !comment.contains(['\\', '\n', '\r']) || comment.contains('\0') {
        return None;
    }
    let quoted = comment.replace('\'', "''");
    let escaped = quoted.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let printed = format!("COMMENT '{escaped}'");
    sql.contains(&printed).then(|| sql.replacen(&printed, &format!("COMMENT '{quoted}'"), 1))
}

#[cfg(test)]
mod tests {
    use super::reworded;

    #[test]
    fn the_comment_alone_is_reworded() {
        for (sql, comment, found) in [
            (r"F() COMMENT 'a\\b''c' RETURN 'a\\b'", r"a\b'c", Some(r"F() COMMENT 'a\b''c' RETURN 'a\\b'")),
            (r"F() COMMENT 'x\\' RETURN 'COMMENT ''x\\'''", r"x\", Some(r"F() COMMENT 'x\' RETURN 'COMMENT ''x\\'''")),
            (r"F() COMMENT 'a\nb' RETURN 1", "a\nb", Some("F() COMMENT 'a\nb' RETURN 1")),
            (r"F() COMMENT 'plain' RETURN '\\'", "plain", None),
            (r"F() RETURN '\\'", "", None),
            (r"F() COMMENT 'as it is\b' RETURN 1", r"as it is\b", None),
        ] {
            assert_eq!(reworded(sql, comment).as_deref(), found, "{sql}");
        }
    }
}
