//! What an archive says of the roles or accounts that its database needs: SQL without secrets, in remarks at its head.
//!
//! Owns how it stands there: whoever restores the archive with the stock client runs none of it, and finds it by the words before it.
//! Invariant: no line of it can end its remark, whatever somebody called a role.

use std::borrow::Cow;
use std::sync::Arc;

use super::EngineError;
use super::frames;
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;
use crate::text;

/// What each line begins with, behind the mark of a remark.
const WORD: &str = "accounts: ";

/// Lines for the head of an archive, without the mark of a remark, of statements and of remarks that begin with `-- `. What holds something
/// that acts instead of being read (a line end in a name, say) is told and not kept as a statement.
pub(super) fn remarks(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| format!("{WORD}{}", harmless(line))).collect()
}

fn harmless(line: &str) -> Cow<'_, str> {
    match text::line(line) {
        Cow::Borrowed(line) => line.into(),
        Cow::Owned(shown) => format!("-- to be made by hand: {shown}").into(),
    }
}

/// The same read out of an archive, which somebody else may have written, for a terminal or a client; none where it has none.
///
/// # Errors
/// When the archive is not what was sealed.
pub async fn read(archive: &Archive) -> Result<Option<String>, EngineError> {
    let head = frames::text(&Arc::new(archive.shared()), FrameKind::Header).await?;
    let lines = head.lines().filter_map(|line| line.strip_prefix("-- ")?.strip_prefix(WORD));
    let sql: String = lines.map(|line| format!("{}\n", harmless(line))).collect();
    Ok((!sql.is_empty()).then_some(sql))
}

/// The head of an archive without them.
pub(super) fn without(head: &str) -> String {
    let is_one = |line: &&str| line.strip_prefix("-- ").is_some_and(|line| line.starts_with(WORD));
    head.split_inclusive('\n').filter(|line| !is_one(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_it_stays_one_remark_whatever_a_role_is_called() {
        let lines =
            ["-- app logs in", "CREATE ROLE \"a;b\";", "CREATE ROLE \"x;\nDROP TABLE t\";", "CREATE ROLE \"y\rDROP TABLE t\";"];
        assert_eq!(
            remarks(&lines.map(str::to_owned)),
            [
                "accounts: -- app logs in",
                "accounts: CREATE ROLE \"a;b\";",
                "accounts: -- to be made by hand: CREATE ROLE \"x;\\u000aDROP TABLE t\";",
                "accounts: -- to be made by hand: CREATE ROLE \"y\\u000dDROP TABLE t\";",
            ]
        );
        assert_eq!(without("-- a\n-- accounts: CREATE ROLE x;\nSET a = 1;\n"), "-- a\nSET a = 1;\n");
    }
}
