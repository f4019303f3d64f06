use super::{LONGEST_NAME, Names};

#[test]
fn names_beside_a_database_fit_and_differ() {
    let short = Names::of("app");
    assert_eq!((short.new.as_str(), short.old.as_str()), ("app__upkeep_new", "app__upkeep_old"));
    let (long, other) = ("é".repeat(31), format!("{}x", "é".repeat(31)));
    let (long, other) = (Names::of(&long), Names::of(&other));
    for name in [&long.new, &long.old, &other.new, &other.old] {
        assert!(name.len() <= LONGEST_NAME, "{name}");
    }
    assert_ne!(long.new, other.new);
    assert_ne!(long.new, long.old);
}
