use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;

use super::{Names, scan};

fn names() -> Names {
    let of = |names: &[&str]| -> BTreeMap<String, BTreeSet<String>> {
        names.iter().map(|name| ((*name).to_owned(), BTreeSet::from(["app".to_owned()]))).collect()
    };
    Names {
        relations: of(&["limits", "We ird", "counter", "items"]),
        functions: of(&["helper", "limits"]),
        types: of(&["mood"]),
    }
}

#[rstest]
#[case::from("BEGIN RETURN (SELECT max(v) FROM limits) > a; END", Some("limits"))]
#[case::list("SELECT 1 FROM app.items i, limits l", Some("limits"))]
#[case::behind_a_select("SELECT 1 FROM (SELECT 1) x, generate_series(1, 2) AS g, ONLY limits", Some("limits"))]
#[case::join("SELECT 1 FROM app.items LEFT JOIN Limits USING (a)", Some("limits"))]
#[case::quoted("PERFORM 1; SELECT 1 INTO v FROM \"We ird\"", Some("We ird"))]
#[case::written("INSERT INTO limits(a) VALUES (1)", Some("limits"))]
#[case::changed("UPDATE limits SET a = 1", Some("limits"))]
#[case::gone("DELETE FROM app.items USING limits WHERE true", Some("limits"))]
#[case::called("RETURN helper (a)", Some("helper"))]
#[case::cast("RETURN a::mood", Some("mood"))]
#[case::text("RETURN 'counter'::regclass::oid", Some("counter"))]
#[case::sequence("RETURN nextval('counter')", Some("counter"))]
#[case::put_together("EXECUTE 'SELECT max(v) FROM limits' INTO v", Some("limits"))]
#[case::put_together_in_dollars("EXECUTE format($q$ SELECT %s FROM limits $q$, a)", Some("limits"))]
#[case::qualified("SELECT app.helper(max(v)) FROM app.limits JOIN app.\"We ird\" USING (a)", None)]
#[case::a_column("SELECT limits, items FROM app.items i WHERE limits > 1", None)]
#[case::a_part_of_a_date("RETURN extract(year FROM items) + length(substring(a FROM limits))", None)]
#[case::distinct("RETURN (SELECT a IS DISTINCT FROM limits)", None)]
#[case::its_own("WITH limits AS (SELECT 1), items (a) AS MATERIALIZED (SELECT 2) SELECT 1 FROM limits, items", None)]
#[case::a_string("RETURN ' SELECT 1 FROM limits; helper('", None)]
#[case::a_comment("-- SELECT 1 FROM limits\nRETURN a /* helper(a) */", None)]
#[case::of_its_own_schema("RETURN a::app.mood", None)]
#[case::another_quoted("SELECT 1 FROM \"Limits\"", None)]
fn what_is_named_without_a_schema_is_found_where_a_statement_names_it(#[case] text: &str, #[case] missing: Option<&str>) {
    assert_eq!(scan(text, &names()).missing.as_deref(), missing);
}

#[test]
fn what_is_called_is_followed_however_it_is_named() {
    let calls = scan("RETURN app.helper(a) AND Limits(a)", &names()).calls;
    assert_eq!(calls.iter().map(String::as_str).collect::<Vec<_>>(), ["helper", "limits"]);
}
