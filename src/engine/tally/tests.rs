use super::*;

#[test]
fn sums_do_not_depend_on_who_read_what() {
    let rows: [&[u8]; 2] = [b"(1,'a')", b"(2,NULL)"];
    let (mut one, mut other, mut both) = (Tally::default(), Tally::default(), Tally::default());
    one.add(rows[0], rows[0].len());
    other.add(rows[1], rows[1].len());
    both.add(rows[1], rows[1].len());
    both.add(rows[0], rows[0].len());
    one.merge(&other);
    assert_eq!((one.rows, one.bytes, one.sum.hex()), (both.rows, both.bytes, both.sum.hex()));
}
