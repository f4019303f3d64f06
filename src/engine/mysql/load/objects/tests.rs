use super::*;

#[test]
fn what_finishes_tables_comes_before_what_uses_them() {
    let after = ["SET a", "ALTER TABLE t ADD KEY", "ALTER TABLE u ADD KEY", "SET b", "CREATE VIEW v"].map(str::to_owned);
    assert_eq!(of_tables(&after), 3);
    assert_eq!(of_tables(&after[3..]), 0);
}
