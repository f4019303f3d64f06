use super::*;

const SETTLE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_secs(300);

/// Lets an eye live through looks at these seconds, each of them seeing a fingerprint (none: unreadable) and wanting an
/// upgrade, and says what each led to.
fn check(looks: &[(u64, Option<&str>, Verdict)]) -> Eye {
    let start = Instant::now();
    let mut eye = Eye::default();
    for (second, fingerprint, expect) in looks {
        let now = start + Duration::from_secs(*second);
        eye.again(now);
        assert!(eye.begin(now), "no look at {second} s");
        let sight = Sight { fingerprint: fingerprint.map(str::to_owned), wants_upgrade: true, ..Sight::default() };
        assert_eq!(eye.saw(Some(sight), SETTLE, POLL, now), *expect, "at {second} s");
    }
    eye
}

#[test]
fn a_release_is_believed_when_it_has_been_still() {
    use Verdict::{Nothing, Remember, Settling, Upgrade};
    check(&[(0, Some("a"), Settling), (29, Some("a"), Settling), (30, Some("a"), Remember), (31, Some("a"), Upgrade)]);
    // Every change begins the wait anew, also one to a state that cannot be read.
    check(&[(0, Some("a"), Settling), (20, Some("b"), Settling), (40, Some("b"), Settling), (50, Some("b"), Remember)]);
    check(&[(0, Some("a"), Settling), (20, None, Nothing), (40, Some("a"), Settling), (70, Some("a"), Remember)]);
    // One that failed is not tried again at every poll, but another one is.
    check(&[
        (0, Some("a"), Settling),
        (30, Some("a"), Remember),
        (31, Some("a"), Upgrade),
        (32, Some("a"), Nothing),
        (3630, Some("a"), Nothing),
        (3632, Some("a"), Upgrade),
        (3640, Some("b"), Settling),
        (3670, Some("b"), Remember),
        (3671, Some("b"), Upgrade),
    ]);
}

#[test]
fn looks_never_overlap_and_hints_do_not_make_them_crowd() {
    let start = Instant::now();
    let at = |second: u64| start + Duration::from_secs(second);
    let mut eye = Eye::default();
    assert!(eye.begin(at(0)));
    eye.hint(SETTLE, at(0));
    assert!(!eye.begin(at(40)), "two looks at once");
    assert_eq!(eye.next(), None, "the end of the look wakes us, not a timer");
    eye.saw(Some(Sight::default()), SETTLE, POLL, at(41));
    assert!(!eye.begin(at(29)), "the hint waits for the settle time");
    assert!(eye.begin(at(42)), "the hint that came during the look is followed");

    eye.saw(Some(Sight::default()), SETTLE, POLL, at(42));
    assert_eq!(eye.next(), Some(at(342)), "without a hint, the poll");
    eye.hint(SETTLE, at(100));
    assert_eq!(eye.next(), Some(at(101)), "a first hint is followed soon");
    assert!(eye.begin(at(101)));
    eye.saw(None, SETTLE, POLL, at(101));
    eye.hint(SETTLE, at(102));
    eye.hint(SETTLE, at(103));
    assert_eq!(eye.next(), Some(at(131)), "while files go on changing, once per settle time");
}
