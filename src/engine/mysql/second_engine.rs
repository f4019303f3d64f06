//! MySQL prints the name of a table's second engine without quotes, whatever is in it: here it gets some. Pure.
//!
//! What is printed ends nowhere in particular, so it is what a definition without it lacks.

use super::counter::without_counter;
use super::place::quote;

/// What it stands behind.
const MARK: &str = " SECONDARY_ENGINE=";

/// Whether a definition may name one.
pub(super) fn may_name(sql: &str) -> bool {
    sql.contains(MARK)
}

/// The definition with the name quoted, where it needs that; `without` is the same as printed without a second engine.
pub(super) fn quoted(sql: &str, without: &str) -> Option<String> {
    // Between the two looks writers move the counter, which stands before it.
    let (still, without) = (without_counter(sql), without_counter(without));
    let length = still.len().checked_sub(without.len())?;
    let named = |at: &usize| {
        without.is_char_boundary(*at) && still[..*at] == without[..*at] && still.get(at + length..) == Some(&without[*at..])
    };
    let at = still.match_indices(MARK).map(|(at, _)| at).filter(|at| *at <= without.len()).find(named)?;
    let name = still.get(at + MARK.len()..at + length)?;
    let at = at + sql.len() - still.len();
    let (before, behind) = (sql.get(..at)?, sql.get(at + length..)?);
    // The one that there is: older archives have it without quotes. Any other may be a word of the server's language.
    (!name.eq_ignore_ascii_case("rapid")).then(|| format!("{before}{MARK}{}{behind}", quote(name)))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_name_is_quoted_where_it_ends_and_nowhere_else() {
        let head =
            "CREATE TABLE `t` (\n  `a` int COMMENT 'x SECONDARY_ENGINE=y'\n) ENGINE=InnoDB COMMENT=' SECONDARY_ENGINE=a b'";
        let tail = " /*!80021 SECONDARY_ENGINE_ATTRIBUTE='{}' */\n/*!50100 PARTITION BY HASH (`a`) */";
        let without = format!("{head}{tail}");
        for (name, told) in [
            ("a b", Some("`a b`")),
            ("a `b*/ c", Some("`a ``b*/ c`")),
            ("é COMMENT='x'", Some("`é COMMENT='x'`")),
            ("rapid", None),
        ] {
            let with = format!("{head} SECONDARY_ENGINE={name}{tail}");
            let wanted = told.map(|told| format!("{head} SECONDARY_ENGINE={told}{tail}"));
            assert_eq!(quoted(&with, &without), wanted);
        }
        assert_eq!(quoted(&without, &without), None);
        // Rows arrived between the two looks.
        let at = |counter: u32, second: &str| {
            format!("CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB AUTO_INCREMENT={counter} COMMENT='x'{second}")
        };
        let wanted = Some(at(9, " SECONDARY_ENGINE=`a b`"));
        assert_eq!(quoted(&at(9, " SECONDARY_ENGINE=a b"), &at(10, "")), wanted);
    }
}
