use rstest::rstest;

use super::*;

#[rstest]
#[case("shop_db", true)]
#[case(r"shop\_db", true)]
#[case("shop-db", false)]
#[case("%", true)]
#[case("s%d_", true)]
#[case("shop", false)]
#[case(r"shop\%db", false)]
fn names_match_as_patterns_do(#[case] pattern: &str, #[case] matches: bool) {
    assert_eq!(is_like(pattern, "shop_db"), matches);
}

#[rstest]
#[case::mysql(first_wildcard, &["shop", r"shop\_a%", r"shop\__", "shop%", "sh_p", "%"])]
#[case::mariadb(fewest_names, &["shop", r"s\_1a", "sh_p", "sho_", "s__p", "s%1abc", "s%hop", r"s\_1%", "s%1%", "s%", "%"])]
fn the_most_specific_comes_first(#[case] order: fn(&str) -> i64, #[case] patterns: &[&str]) {
    let orders: Vec<i64> = patterns.iter().map(|pattern| order(pattern)).collect();
    assert!(orders.is_sorted_by(|one, next| one >= next), "{orders:?}");
}
