use super::*;

#[test]
fn a_session_is_ours_while_it_lives_and_a_moment_longer() {
    let own = Own::begin("/run/mysqld/mysqld.sock", 3306, 4_000_000_001);
    assert!(is_own("/run/mysqld/mysqld.sock", 3306, 4_000_000_001));
    assert!(!is_own("/run/mysqld/mysqld.sock", 3306, 4_000_000_002));
    assert!(!is_own("127.0.0.1", 3306, 4_000_000_001));
    drop(own);
    assert!(is_own("/run/mysqld/mysqld.sock", 3306, 4_000_000_001));
}
