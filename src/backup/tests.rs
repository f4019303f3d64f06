use rstest::rstest;

use super::*;

#[rstest]
#[case::first_archive(1000, 0, None, 100)]
#[case::first_image(1000, 1000, None, 1100)]
#[case::like_the_last(1000, 0, Some((300, 1000)), 300)]
#[case::grown(5000, 0, Some((300, 1000)), 300)]
#[case::shrunk(500, 500, Some((300, 1000)), 650)]
#[case::of_nothing(0, 0, Some((300, 0)), 300)]
#[case::huge(u64::MAX, u64::MAX, Some((u64::MAX, 1)), u64::MAX)]
fn room_needed(#[case] database: u64, #[case] scratch: u64, #[case] previous: Option<(u64, u64)>, #[case] needed: u64) {
    assert_eq!(needed_bytes(database, scratch, previous), needed);
}

#[test]
fn no_number_of_jobs_means_one_per_core_and_one() {
    assert_eq!(workers(3), 3);
    assert!(workers(0) >= 2);
}
