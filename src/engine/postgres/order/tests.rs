use super::mentions::stands_in;
use super::*;

fn name(name: &str) -> Name {
    ("app".to_owned(), name.to_owned())
}

/// Tables with the functions they call, functions with their text (none: in C), views.
fn facts(callers: &[(&str, &[i64])], functions: &[(i64, &str, Option<&str>)], tables: &[&str], views: &[&str]) -> Facts {
    let mut facts = Facts::default();
    for (table, called) in callers {
        facts.callers.insert(name(table), called.to_vec());
    }
    for (oid, called, text) in functions {
        let function = Function { name: (*called).to_owned(), text: text.map(str::to_lowercase), harmless: false };
        facts.functions.insert(*oid, function);
    }
    for (relation, has_rows) in tables.iter().map(|table| (table, true)).chain(views.iter().map(|view| (view, false))) {
        facts.relations.entry(relation.to_lowercase()).or_default().push((name(relation), has_rows));
    }
    facts
}

fn order(facts: &Facts) -> Vec<String> {
    facts.order().into_iter().map(|(_, name)| name).collect()
}

#[test]
fn a_function_that_names_no_table_holds_nothing_up() {
    let found = facts(&[("orders", &[1])], &[(1, "is_email", Some("SELECT $1 ~ '@'"))], &["orders", "people"], &[]);
    assert!(order(&found).is_empty());
    let harmless = Function { harmless: true, ..Function::default() };
    let found = Facts { functions: [(1, harmless)].into(), ..found };
    assert!(order(&found).is_empty(), "an extension's without tables");
}

#[test]
fn a_table_comes_after_those_its_functions_read_and_else_by_name() {
    let reads = |table: &str| Some(format!("SELECT EXISTS (SELECT FROM app.\"{table}\" WHERE id = $1)"));
    let (a, z, lookup) = (reads("Z last"), reads("lookup"), reads("lookup"));
    let functions = [(1, "fa", a.as_deref()), (2, "fz", z.as_deref()), (3, "fm", lookup.as_deref())];
    let callers: &[(&str, &[i64])] = &[("a first", &[1]), ("Z last", &[2]), ("middle", &[3])];
    let found = facts(callers, &functions, &["a first", "Z last", "middle", "lookup"], &[]);
    assert_eq!(order(&found), ["Z last", "a first", "middle"]);
}

#[test]
fn what_a_function_reads_through_another_or_cannot_be_told_counts() {
    let functions = [
        (1, "outer_one", Some("SELECT app.inner_one($1)")),
        (2, "inner_one", Some("SELECT EXISTS (SELECT FROM people)")),
        (3, "dynamic", Some("BEGIN EXECUTE format('SELECT 1 FROM %I', $1); END")),
        (4, "of_view", Some("SELECT FROM everybody")),
        (5, "in_c", None),
        (6, "pure", Some("SELECT $1 + 1")),
    ];
    let callers: &[(&str, &[i64])] = &[("e", &[1]), ("d", &[3]), ("c", &[4]), ("b", &[5]), ("a", &[6])];
    let found = facts(callers, &functions, &["people", "x1", "x2"], &["everybody"]);
    assert_eq!(order(&found), ["b", "c", "d", "e"]);
}

#[test]
fn a_circle_and_a_table_that_reads_itself_are_by_name() {
    let functions = [(1, "fa", Some("select from tb, ta")), (2, "fb", Some("select from ta"))];
    assert_eq!(order(&facts(&[("tb", &[2]), ("ta", &[1])], &functions, &["ta", "tb"], &[])), ["ta", "tb"]);
}

#[test]
fn a_name_counts_as_a_whole_and_in_whatever_case_or_quotes() {
    for (name, text, stands) in [
        ("a", "select from app.a where", true),
        ("a", "select from ab, b_a, a1, a$", false),
        ("äb", "from app.\"äb\"", true),
        ("with \"quotes\"", "nothing like it", true),
        ("the lookup", "app.\"the lookup\"", true),
    ] {
        assert_eq!(stands_in(name, text), stands, "{name} in {text}");
        // Found the same way or in the words that were cut: the table comes late for it, or does not.
        let found = facts(&[("caller", &[1])], &[(1, "f", Some(text))], &[name, "caller"], &[]);
        assert_eq!(!order(&found).is_empty(), stands, "{name} in {text}");
    }
}

/// Each of many tenants has the same tables and functions in a schema of its own, and a text does not say which it means.
#[test]
fn tenants_are_in_order_however_many_there_are() {
    const TENANTS: i64 = 2000;
    let mut found = Facts::default();
    let texts = [
        ("valid", "SELECT checked($1)"),
        ("checked", "SELECT EXISTS (SELECT FROM people)"),
        ("counted", "SELECT count(*) FROM orders"),
    ];
    for tenant in 0..TENANTS {
        for (place, (called, text)) in texts.iter().enumerate() {
            let function = Function { name: (*called).to_owned(), text: Some((*text).to_owned()), harmless: false };
            found.functions.insert(tenant * 10 + place as i64, function);
        }
        // `about` reads `orders`, which reads `people`, which reads itself.
        for (table, called) in [("about", 2), ("orders", 0), ("people", 1)] {
            let name = (format!("t{tenant:04}"), table.to_owned());
            found.callers.insert(name.clone(), vec![tenant * 10 + called]);
            found.relations.entry(table.to_owned()).or_default().push((name, true));
        }
    }
    let order = found.order();
    assert_eq!(order.len(), 3 * TENANTS as usize);
    assert!(order.is_sorted_by_key(|(schema, name)| (std::cmp::Reverse(name.clone()), schema.clone())), "and else by name");
}
