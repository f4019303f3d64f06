use super::*;

const TABLE: &str = "CREATE TABLE `c` (\n  `a,\n  b` enum('x y)','z') CHARACTER SET utf8mb3 COLLATE utf8mb3_bin NOT NULL DEFAULT 'z' COMMENT ' COLLATE x',\n  \
    `d` varchar(20),\n  KEY `fx` (`d`),\n  CONSTRAINT `fx` FOREIGN KEY (`d`) REFERENCES `p` (`id`) ON DELETE CASCADE,\n  \
    CONSTRAINT `fy` FOREIGN KEY (`d`) REFERENCES `q` (`id`)\n) ENGINE=InnoDB";

fn bent_column(column: &str) -> Bent {
    Bent { column: column.to_owned(), charset: "latin1".to_owned(), collation: "latin1_bin".to_owned() }
}

#[test]
fn a_column_is_bent_and_bent_back() {
    let bent = BTreeMap::from([("c".to_owned(), vec![bent_column("a,\n  b"), bent_column("d")])]);
    let making = Making { bent, ..Making::default() };
    let (made, back) = making.bend("c", TABLE).unwrap();
    assert!(
        made.contains(
            "  `a,\n  b` enum('x y)','z') CHARACTER SET latin1 COLLATE latin1_bin NOT NULL DEFAULT 'z' COMMENT ' COLLATE x',\n"
        ),
        "{made}"
    );
    assert!(made.contains("  `d` varchar(20) CHARACTER SET latin1 COLLATE latin1_bin,\n"), "{made}");
    assert_eq!(
        back,
        "ALTER TABLE `c`\n  MODIFY `a,\n  b` enum('x y)','z') CHARACTER SET utf8mb3 COLLATE utf8mb3_bin NOT NULL DEFAULT 'z' COMMENT ' COLLATE x',\n  MODIFY `d` varchar(20)"
    );
    assert_eq!(making.bend("other", TABLE), None);
}

#[test]
fn a_line_is_found_whole() {
    assert_eq!(
        line_of(TABLE, "CONSTRAINT `fy` FOREIGN KEY"),
        Some("  CONSTRAINT `fy` FOREIGN KEY (`d`) REFERENCES `q` (`id`)")
    );
    assert_eq!(line_of(TABLE, "CONSTRAINT `fz` FOREIGN KEY"), None);
}

fn place(table: &str, column: &str) -> Place {
    ("db".to_owned(), table.to_owned(), column.to_owned())
}

fn text(collation: &str, width: u64) -> Type {
    Type {
        name: "varchar".to_owned(),
        charset: collation.split('_').next().unwrap().to_owned(),
        collation: collation.to_owned(),
        width,
    }
}

/// A chain of three with two collations is made with the narrowest; one with one is left alone.
#[test]
fn columns_that_hang_together_are_made_alike() {
    let ends = [(place("c", "a"), place("p", "id")), (place("d", "b"), place("c", "a")), (place("e", "x"), place("f", "y"))];
    let types = HashMap::from([
        (place("c", "a"), text("utf8mb3_general_ci", 3)),
        (place("p", "id"), text("utf8mb4_general_ci", 4)),
        (place("d", "b"), text("utf8mb3_general_ci", 3)),
        (place("e", "x"), text("latin1_bin", 1)),
        (place("f", "y"), text("latin1_bin", 1)),
    ]);
    let bent = bent(&ends, &types, "db");
    let expected = Bent { column: "id".to_owned(), charset: "utf8mb3".to_owned(), collation: "utf8mb3_general_ci".to_owned() };
    assert_eq!(bent, BTreeMap::from([("p".to_owned(), vec![expected])]));
}

#[test]
fn who_refers_comes_first_where_it_must() {
    let set = |name: &str| BTreeSet::from([name.to_owned()]);
    let making =
        Making { before: BTreeMap::from([("a".to_owned(), set("c")), ("c".to_owned(), set("a"))]), ..Making::default() };
    assert_eq!(making.order(&["a", "b", "c"]), [2, 0, 1]);
    assert_eq!(Making::default().order(&["a", "b"]), [0, 1]);
}

#[test]
fn an_index_stands_in_until_its_table_is_made() {
    let lists = BTreeSet::from([vec!["d".to_owned()], vec!["a,\n  b".to_owned(), "d".to_owned()]]);
    let making = Making { stand_ins: BTreeMap::from([("c".to_owned(), lists)]), ..Making::default() };
    let (made, back) = making.bend("c", TABLE).unwrap();
    let begin =
        "CREATE TABLE `c` (\n  KEY `upkeep_stand_in_2` (`d`),\n  KEY `upkeep_stand_in_1` (`a,\n  b`, `d`),\n  `a,\n  b` enum(";
    assert!(made.starts_with(begin), "{made}");
    assert_eq!(back, "ALTER TABLE `c`\n  DROP KEY `upkeep_stand_in_1`,\n  DROP KEY `upkeep_stand_in_2`,\n  ALGORITHM=INPLACE");
    assert_eq!(making.bend("other", TABLE), None);
}
