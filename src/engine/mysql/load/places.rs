//! Tables that name a place of their own (`DATA DIRECTORY`, `INDEX DIRECTORY`, `TABLESPACE`), which another table may have or the server may not.
//!
//! Pure. Without it a table is where the server keeps all of them, and all else of it is the same.

use super::super::definer::quoted_length;
use super::super::plain::{length_in_quotes, without_quoted};

/// Where such an option begins, with what stands behind its value.
const OPTIONS: [(&str, &str); 4] =
    [(" DATA DIRECTORY", ""), (" INDEX DIRECTORY", ""), (" /*!50100 TABLESPACE", " */"), (" TABLESPACE", "")];

/// A table's statement without the places that it names, and those; `None` for one that names none.
pub(super) fn without_places(sql: &str) -> Option<(String, Vec<String>)> {
    let (mut text, mut found) = (sql.to_owned(), Vec::new());
    while let Some((begin, value, end)) = next(&text) {
        found.push(value);
        text.replace_range(begin..end, "");
    }
    (!found.is_empty()).then_some((text, found))
}

/// The name of the table that a statement makes, for people.
pub(super) fn table_of(sql: &str) -> String {
    let name =
        sql.strip_prefix("CREATE TABLE ").and_then(|rest| Some(rest[..quoted_length(rest)?].trim_matches('`').to_owned()));
    name.unwrap_or_else(|| super::first_line(sql))
}

/// Where the first option begins, its value, and where it ends.
fn next(sql: &str) -> Option<(usize, String, usize)> {
    let plain = without_quoted(sql);
    let found = OPTIONS.iter().filter_map(|(word, tail)| Some((plain.find(word)?, word, tail)));
    let (begin, word, tail) = found.min_by_key(|(begin, ..)| *begin)?;
    let behind = &sql[begin + word.len()..];
    let sign = behind.len() - behind.trim_start_matches([' ', '=']).len();
    let value = begin + word.len() + sign;
    if !sql[value..].starts_with(['\'', '`']) {
        return None;
    }
    let end = value + length_in_quotes(&sql[value..]);
    let behind = if sql[end..].starts_with(tail) { end + tail.len() } else { end };
    Some((begin, sql[value..end].trim_matches(['\'', '`']).to_owned(), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_out_and_nothing_else() {
        let sql = "CREATE TABLE `t``t` (\n  `a` int COMMENT ' DATA DIRECTORY=''/x'''\n) /*!50100 TABLESPACE `ts` */ ENGINE=MyISAM \
                   DATA DIRECTORY='/a b/' INDEX DIRECTORY='/c/'\n PARTITION BY HASH (`a`)\n(PARTITION `p0` DATA DIRECTORY = '/e' TABLESPACE = `q` ENGINE = MyISAM)";
        let (without, found) = without_places(sql).unwrap();
        assert_eq!(found, ["ts", "/a b/", "/c/", "/e", "q"]);
        assert_eq!(
            without,
            "CREATE TABLE `t``t` (\n  `a` int COMMENT ' DATA DIRECTORY=''/x'''\n) ENGINE=MyISAM\n PARTITION BY HASH (`a`)\n(PARTITION `p0` ENGINE = MyISAM)"
        );
        assert_eq!(without_places(&without), None);
        assert_eq!(table_of(sql), "t``t");
    }
}
