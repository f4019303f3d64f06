use super::*;

#[test]
fn a_process_is_itself_and_no_other_of_its_number() {
    let ours = Identity::ours().unwrap();
    assert!(ours.lives());
    let earlier = Identity { began: ours.began - 1, ..ours.clone() };
    assert!(!earlier.lives() && !earlier.group_lives(), "the number came again");
    let before_the_boot = Identity { boot: "another".to_owned(), ..ours.clone() };
    assert!(!before_the_boot.lives() && !before_the_boot.group_lives());
    let on_a_hardened_host = Identity { boot: String::new(), ..ours.clone() };
    assert!(on_a_hardened_host.lives() && on_a_hardened_host.group_lives(), "what is hidden there says nothing");
    assert_eq!(Identity::of(u32::MAX), None);
    let written = serde_json::to_string(&ours).unwrap();
    assert_eq!(serde_json::from_str::<Identity>(&written).unwrap(), ours);
}

#[test]
fn names_with_parentheses_and_spaces_are_read_past() {
    let line = "42 (a) b (c)) S 1 40 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 0 0";
    let stat = parse(line).unwrap();
    assert_eq!((stat.pid, stat.name.as_str(), stat.state, stat.group, stat.began), (42, "a) b (c)", 'S', 40, 987_654));
    assert!(parse("42 (cut").is_none());
}
