use super::Version;

fn v(text: &str) -> Version {
    Version::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn orders_as_people_do() {
    let rising = [
        "0.9",
        "1.0.0-alpha",
        "1.0.0-rc1",
        "1.0.0-rc2",
        "1.0.0",
        "1.0.1",
        "1.9.0",
        "1.10.0",
        "1.10.1",
        "2.0.0",
        "20240101123000",
    ];
    for pair in rising.windows(2) {
        assert!(v(pair[0]) < v(pair[1]), "{} < {}", pair[0], pair[1]);
    }
}

#[test]
fn equal_however_written() {
    for (a, b) in [("1.0", "1.0.0"), ("v1.2.3", "1.2.3"), ("1.02", "1.2"), ("1.2.3+build7", "1.2.3"), (" 1.1\n", "1.1")] {
        assert_eq!(v(a), v(b), "{a} = {b}");
    }
}

#[test]
fn refuses_what_is_no_version() {
    for text in ["", "latest", "../1.0", "1.0 beta", "1/2", "x1"] {
        assert!(Version::parse(text).is_err(), "{text}");
    }
}
