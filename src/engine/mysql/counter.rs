//! The counter of `AUTO_INCREMENT` in a table's definition.

use std::ops::Range;

use super::plain::without_quoted;

/// The option of a table's definition that says where its counter is.
const COUNTER: &str = " AUTO_INCREMENT=";

/// Where that option stands: in no comment, and not in that of a column either.
fn counter_option(sql: &str) -> Option<Range<usize>> {
    let plain = without_quoted(sql);
    let options = plain.find("\n)")?;
    let begin = options + plain[options..].find(COUNTER)?;
    let number = begin + COUNTER.len();
    let end = plain[number..].find(|c: char| !c.is_ascii_digit()).map_or(sql.len(), |length| number + length);
    Some(begin..end)
}

/// The counter of a table's `AUTO_INCREMENT`, as its definition has it.
pub(super) fn auto_increment(sql: &str) -> Option<&str> {
    counter_option(sql).map(|option| &sql[option][COUNTER.len()..])
}

/// A table's definition without its counter, which writers move all the time.
pub(super) fn without_counter(sql: &str) -> String {
    counter_option(sql).map_or_else(|| sql.to_owned(), |option| format!("{}{}", &sql[..option.start], &sql[option.end..]))
}

#[cfg(test)]
mod tests;
