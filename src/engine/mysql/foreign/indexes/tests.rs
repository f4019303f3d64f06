use super::*;

fn part(table: &str, index: &str, column: &str, is_whole: bool) -> Part {
    Part { table: table.to_owned(), index: index.to_owned(), column: column.to_owned(), is_whole }
}

fn key(table: &str, columns: &[&str], parent: &str, parent_columns: &[&str]) -> Key {
    let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Key {
        name: "f".to_owned(),
        table: table.to_owned(),
        columns: all(columns),
        parent: ("db".to_owned(), parent.to_owned()),
        parent_columns: all(parent_columns),
    }
}

#[test]
fn whole_columns_in_their_order_serve_a_key() {
    let indexes = Indexes::of([
        part("p", "PRIMARY", "Id", true),
        part("p", "ab", "a", true),
        part("p", "ab", "b", true),
        part("p", "cut", "c", true),
        part("p", "cut", "d", false),
        part("p", "cut", "e", true),
    ]);
    for (columns, serves) in [
        (&["id"][..], true),
        (&["a"], true),
        (&["a", "b"], true),
        (&["b", "a"], false),
        (&["b"], false),
        (&["a", "b", "id"], true),
        (&["c"], true),
        (&["c", "d"], false),
        (&["c", "id"], false),
        (&["e"], false),
    ] {
        assert_eq!(indexes.serve_parent(&key("c", &["x"], "p", columns)), serves, "{columns:?}");
    }
}

/// At either end, each list of columns once; a table of another database is not ours to give one.
#[test]
fn what_is_missing_is_told_by_table() {
    let indexes = Indexes::of([part("c", "x", "x", true), part("s", "PRIMARY", "id", true)]);
    let mut elsewhere = key("c", &["x"], "far", &["id"]);
    elsewhere.parent.0 = "other".to_owned();
    let keys = [key("c", &["x"], "p", &["u"]), key("c", &["y"], "p", &["u"]), key("s", &["p"], "s", &["u"]), elsewhere];
    let lists = |lists: &[&str]| lists.iter().map(|name| vec![(*name).to_owned()]).collect::<BTreeSet<_>>();
    let expected = [("c", lists(&["y"])), ("p", lists(&["u"])), ("s", lists(&["p", "u"]))];
    assert_eq!(indexes.missing(&keys, "db"), expected.map(|(table, lists)| (table.to_owned(), lists)).into());
}
