//! A sequence that is there already, set forward to where the archive's stood.
//!
//! Pure. Never back: numbers that the sequence gave since would be given twice. What is not there, or is not ours to set, is told by a
//! warning and ends nothing. Held by the test below and by `tests/it/extract.rs`.

use super::super::connect::{literal, quote};
use super::super::guard;
use super::subject::Name;

/// The block that does it, of the statement by which `pg_dump` sets the sequence.
pub(super) fn forward(sql: &str, (schema, name): &Name) -> Option<String> {
    let (head, is_called) = sql.trim_end().strip_suffix(");")?.rsplit_once(", ")?;
    let (_, value) = head.rsplit_once(", ")?;
    let (value, is_called): (i64, bool) = (value.parse().ok()?, is_called.parse().ok()?);
    let sequence = format!("{}.{}", quote(schema), quote(name));
    let named = literal(&sequence);
    // A sequence may count downwards; the difference of two of its numbers may be larger than they are.
    let block = format!(
        "BEGIN PERFORM pg_catalog.setval({named}, {value}, {is_called}) FROM {sequence}, pg_catalog.pg_sequence \
         WHERE seqrelid = {named}::pg_catalog.regclass AND ((last_value - ({value})::pg_catalog.numeric) * seqincrement < 0 \
         OR ({is_called} AND NOT is_called AND last_value = {value})); \
         EXCEPTION WHEN syntax_error_or_access_rule_violation OR invalid_schema_name THEN \
         RAISE WARNING 'sequence % is not set, set it by hand: %', {named}, SQLERRM; END"
    );
    let tag = guard::tag_for(&[&block]);
    Some(format!("DO {tag}{block}{tag};\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_set_to_what_the_statement_says() {
        let name = ("s. x".to_owned(), "it's".to_owned());
        let block = forward("SELECT pg_catalog.setval('\"s. x\".\"it''s\"', -5, false);", &name).unwrap();
        assert!(block.starts_with(
            "DO $upkeep0$BEGIN PERFORM pg_catalog.setval('\"s. x\".\"it''s\"', -5, false) FROM \"s. x\".\"it's\","
        ));
        assert!(block.contains("(last_value - (-5)::pg_catalog.numeric)"), "{block}");
        assert_eq!(forward("SELECT pg_catalog.setval('public.s', x, true);", &name), None);
    }
}
