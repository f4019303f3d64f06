use super::*;
use proptest::prelude::*;

fn version(text: &str) -> MigrationVersion {
    MigrationVersion::parse(text).unwrap()
}

#[test]
fn equal_versions_may_be_written_differently() {
    for (a, b) in [("1", "1.0"), ("001", "1"), ("1_1", "1.1"), ("1.0.0", "1"), ("0", "0.0"), ("000", "0"), ("01.010", "1.10")] {
        assert_eq!(version(a), version(b), "{a} and {b}");
    }
}

#[test]
fn versions_order_as_numbers_of_any_size() {
    let rising = [
        "0",
        "0.0.1",
        "1",
        "1.0.1",
        "1.1",
        "1.2",
        "1.9.0",
        "1.10.0",
        "2",
        "10",
        "016.1",
        "20240101123000",
        "20240101123001",
        "99999999999999999999",
        "100000000000000000000",
    ];
    for pair in rising.windows(2) {
        assert!(version(pair[0]) < version(pair[1]), "{} < {}", pair[0], pair[1]);
    }
}

#[test]
fn the_text_keeps_zeros_and_turns_underscores_into_dots() {
    for (text, shown) in [("001", "001"), ("1_1", "1.1"), ("1.0", "1.0"), ("016_002", "016.002")] {
        assert_eq!(version(text).to_string(), shown);
    }
}

#[test]
fn other_texts_are_refused() {
    let long = "1".repeat(51);
    for text in ["", "1.", ".1", "1..2", "1.a", "v1", "-1", "+1", "1 ", "\u{661}", "1__2", &long] {
        assert_eq!(MigrationVersion::parse(text), Err(NotAMigrationVersion(text.to_owned())), "{text:?}");
    }
}

proptest! {
    #[test]
    fn agrees_with_plain_numbers(a in prop::collection::vec(0u64..20, 1..4), b in prop::collection::vec(0u64..20, 1..4)) {
        let text = |parts: &[u64]| parts.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
        let padded = |parts: &[u64]| (0..4).map(|i| parts.get(i).copied().unwrap_or(0)).collect::<Vec<_>>();
        prop_assert_eq!(version(&text(&a)).cmp(&version(&text(&b))), padded(&a).cmp(&padded(&b)));
    }
}
