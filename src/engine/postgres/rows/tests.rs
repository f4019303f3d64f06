use super::{Task, copy_in, copy_out, cut};
use crate::engine::postgres::catalog::Relation;

fn relation(pages: u64, columns: &[&str]) -> Relation {
    Relation {
        schema: "s".to_owned(),
        name: "a \"b".to_owned(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        pages,
        bytes: pages * 8192,
        by_place: true,
        unlogged: false,
        filter: String::new(),
        beside: 0,
        wide: Vec::new(),
    }
}

#[test]
fn ranges_cover_every_page_once_and_the_last_has_no_end() {
    for pages in [0, 1, 6144, 6145, 12_288, 1_000_003] {
        let tasks = cut(0, &relation(pages, &["a"]), 15);
        if tasks.len() == 1 {
            assert_eq!(tasks[0].pages, None);
            continue;
        }
        let mut next = 0;
        for (at, task) in tasks.iter().enumerate() {
            let (from, to) = task.pages.unwrap();
            assert_eq!(from, next);
            assert_eq!(to.is_none(), at + 1 == tasks.len());
            next = to.unwrap_or(next);
        }
    }
    assert_eq!(cut(0, &relation(1_000_003, &["a"]), 13).len(), 1, "13 reads the whole table for each range");
    assert!(cut(0, &relation(1_000_003, &["a"]), 14).len() > 100);
    let whole = Relation { by_place: false, ..relation(1_000_003, &["a"]) };
    assert_eq!(cut(0, &whole, 14).len(), 1, "a query would run somebody's code");
}

#[test]
fn names_are_quoted_and_a_table_may_have_no_column() {
    let whole = Task { table: 0, pages: None, bytes: 0 };
    assert_eq!(copy_out(&relation(1, &["x y"]), whole), r#"COPY "s"."a ""b" ("x y") TO STDOUT"#);
    assert_eq!(copy_in(&relation(1, &[])), r#"COPY "s"."a ""b" FROM stdin"#);
    let range = Task { pages: Some((3, Some(9))), ..whole };
    assert_eq!(
        copy_out(&relation(1, &["x"]), range),
        r#"COPY (SELECT "x" FROM ONLY "s"."a ""b" WHERE ctid >= '(3,0)' AND ctid < '(9,0)') TO STDOUT"#
    );
}
