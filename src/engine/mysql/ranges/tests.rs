use super::super::catalog::KeyPart;
use super::super::literal::Encoding;
use super::*;

fn relation(bytes: u64, can_cut: bool) -> Relation {
    let column = Column { name: "id".to_owned(), expression: "`id`".to_owned(), encoding: Encoding::Plain, is_long: false };
    let cut_by = can_cut.then(|| column.clone());
    Relation {
        name: "t".to_owned(),
        engine: "InnoDB".to_owned(),
        columns: vec![column],
        key: vec![KeyPart { name: "id".to_owned(), descending: false, cut_by }],
        bytes,
        rows: bytes / 1000,
        history: false,
    }
}

#[test]
fn only_large_tables_with_a_comparable_key_are_cut() {
    assert!(cutting_key(&relation(RANGE_BYTES, true)).is_none());
    assert!(cutting_key(&relation(RANGE_BYTES * 10, false)).is_none());
    let (column, rows) = cutting_key(&relation(RANGE_BYTES * 10, true)).unwrap();
    assert_eq!((column.name.as_str(), rows), ("id", RANGE_BYTES / 1000));
    let mut versioned = relation(RANGE_BYTES * 10, true);
    versioned.history = true;
    assert!(cutting_key(&versioned).is_none());
}

#[test]
fn what_must_be_read_in_one_go_comes_first_and_the_largest_of_it() {
    let tables = [relation(1, false), relation(RANGE_BYTES * 9, true), relation(RANGE_BYTES * 3, false)];
    let order: Vec<usize> = Tasks::of(&tables, 2).0.iter().map(|cutter| cutter.table).collect();
    assert_eq!(order, [2, 0, 1]);
}

#[test]
fn no_more_is_cut_than_levels_the_connections() {
    let cut = |tables: &[u64], connections: usize| {
        let tables: Vec<Relation> = tables.iter().map(|ranges| relation(RANGE_BYTES * ranges, true)).collect();
        let tasks = Tasks::of(&tables, connections);
        tasks.0.iter().filter(|cutter| cutter.key.is_some()).map(|cutter| cutter.table).collect::<Vec<_>>()
    };
    assert_eq!(cut(&[40, 10, 9], 3), [0], "two connections wait for a table of 10 no longer than the ranges of 40 last");
    assert_eq!(cut(&[10, 10, 10, 10], 3), [0, 1], "two of 10 level the other two");
    assert_eq!(cut(&[10, 30], 2), [1]);
    assert_eq!(cut(&[40, 10, 9], 1), [0_usize; 0], "one connection has nothing to level");
}
