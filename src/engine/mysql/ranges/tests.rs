use super::super::relation::KeyPart;
use super::*;
use upkeep_rows::literal::Encoding;

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
        period: None,
        computed: Vec::new(),
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

/// The tables of these sizes, in ranges: those read in one go, and those cut.
fn planned(tables: &[Relation], connections: usize) -> [Vec<usize>; 2] {
    let tasks = Tasks::of(tables, connections);
    [&tasks.whole, &tasks.cut].map(|cutters| cutters.iter().map(|cutter| cutter.table).collect())
}

#[test]
fn the_largest_comes_first() {
    let tables = [relation(1, false), relation(RANGE_BYTES * 9, true), relation(RANGE_BYTES * 3, false)];
    assert_eq!(planned(&tables, 2), [vec![2, 0], vec![1]]);
}

#[test]
fn no_more_is_cut_than_levels_the_connections() {
    let planned = |tables: &[u64], connections: usize| {
        let tables: Vec<Relation> = tables.iter().map(|ranges| relation(RANGE_BYTES * ranges, true)).collect();
        planned(&tables, connections)
    };
    assert_eq!(
        planned(&[40, 10, 9], 3),
        [vec![1, 2], vec![0]],
        "two read 10 and 9 while the third is far from through with 40"
    );
    assert_eq!(planned(&[10, 30], 2), [vec![0], vec![1]]);
    assert_eq!(planned(&[10; 4], 2), [vec![2, 3], vec![0, 1]]);
    assert_eq!(planned(&[10; 4], 3), [vec![3], vec![0, 1, 2]]);
    assert_eq!(planned(&[40, 10, 9], 1), [vec![0, 1, 2], vec![]], "one connection has nothing to level");
}
