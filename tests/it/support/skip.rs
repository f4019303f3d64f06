//! A test that could not look says so; also for the unit tests that share a server of these.

/// What turns a missing server into a failure; `tests/run` sets one of them where it has installed all.
pub(crate) const SERVERS: &[&str] = &["CI", "REQUIRE_SERVERS"];

/// What turns a missing right into a failure.
pub(crate) const ROOT: &[&str] = &["CI"];

/// Says that a test has not looked, and why, past what captures a test's output; fails where one of these variables is set.
#[track_caller]
pub(crate) fn skipped(why: &str, unless: &[&str]) {
    assert!(unless.iter().all(|name| std::env::var_os(name).is_none()), "required here: {why}");
    let test = std::thread::current();
    let mut told = std::io::stderr();
    std::io::Write::write_fmt(&mut told, format_args!("SKIPPED: {}: {why}\n", test.name().unwrap_or("a test"))).unwrap();
}
