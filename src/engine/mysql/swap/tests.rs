use super::*;

#[test]
fn names_beside_a_database_fit_and_differ() {
    let names = Names::of("app");
    assert_eq!((names.new.as_str(), names.old.as_str()), ("app__upkeep_new", "app__upkeep_old"));
    let (one, other) = (Names::of(&"ü".repeat(64)), Names::of(&format!("{}x", "ü".repeat(63))));
    assert_eq!(one.new.chars().count(), LONGEST_NAME);
    assert_ne!(one.new, other.new);
    assert_ne!(one.new, one.old);
}
