use super::{Longest, Names};

#[test]
fn names_beside_a_database_fit_and_differ() {
    for longest in [Longest::Bytes(63), Longest::Characters(64)] {
        let short = Names::of("app", longest);
        assert_eq!((short.new.as_str(), short.old.as_str()), ("app__upkeep_new", "app__upkeep_old"));
        let (long, other) = ("é".repeat(64), format!("{}x", "é".repeat(63)));
        let (long, other) = (Names::of(&long, longest), Names::of(&other, longest));
        for name in [&long.new, &long.old, &other.new, &other.old] {
            assert!(longest.length(name) <= longest.most(), "{name}");
        }
        assert_ne!(long.new, other.new);
        assert_ne!(long.new, long.old);
    }
}

#[test]
fn the_longest_name_that_fits_is_not_cut() {
    let fits = "é".repeat(51);
    assert_eq!(Names::of(&fits, Longest::Characters(64)).new, format!("{fits}__upkeep_new"));
    assert!(!Names::of(&fits, Longest::Bytes(63)).new.starts_with(&fits));
}
