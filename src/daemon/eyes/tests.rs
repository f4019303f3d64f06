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
        assert!(eye.begin(now).is_some(), "no look at {second} s");
        let sight = Sight { fingerprint: fingerprint.map(str::to_owned), wants_upgrade: true, ..Sight::default() };
        let verdict = eye.saw(Some(sight), SETTLE, POLL, now);
        assert_eq!(std::mem::discriminant(&verdict), std::mem::discriminant(expect), "at {second} s: {verdict:?}");
    }
    eye
}

#[test]
fn a_release_is_believed_when_it_has_been_still() {
    use Verdict::{Nothing, Remember, Upgrade};
    #[expect(non_upper_case_globals, reason = "reads like the others; how long is another test's")]
    const Settling: Verdict = Verdict::Settling(Duration::ZERO);
    #[expect(non_upper_case_globals, reason = "the same")]
    const Tried: Verdict = Verdict::Tried(Duration::ZERO);
    check(&[(0, Some("a"), Settling), (29, Some("a"), Settling), (30, Some("a"), Remember), (31, Some("a"), Upgrade)]);
    // Every change begins the wait anew, also one to a state that cannot be read.
    check(&[(0, Some("a"), Settling), (20, Some("b"), Settling), (40, Some("b"), Settling), (50, Some("b"), Remember)]);
    check(&[(0, Some("a"), Settling), (20, None, Nothing), (40, Some("a"), Settling), (70, Some("a"), Remember)]);
    // One that failed is not tried again at every poll, but another one is.
    check(&[
        (0, Some("a"), Settling),
        (30, Some("a"), Remember),
        (31, Some("a"), Upgrade),
        (32, Some("a"), Tried),
        (3630, Some("a"), Tried),
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
    assert!(eye.begin(at(0)).is_some());
    eye.hint(SETTLE, at(0));
    assert!(eye.begin(at(40)).is_none(), "two looks at once");
    assert_eq!(eye.next(), None, "the end of the look wakes us, not a timer");
    eye.saw(Some(Sight::default()), SETTLE, POLL, at(41));
    assert!(eye.begin(at(29)).is_none(), "the hint waits for the settle time");
    assert!(eye.begin(at(42)).is_some(), "the hint that came during the look is followed");

    eye.saw(Some(Sight::default()), SETTLE, POLL, at(42));
    assert_eq!(eye.next(), Some(at(342)), "without a hint, the poll");
    eye.hint(SETTLE, at(100));
    assert_eq!(eye.next(), Some(at(101)), "a first hint is followed soon");
    assert!(eye.begin(at(101)).is_some());
    eye.saw(None, SETTLE, POLL, at(101));
    eye.hint(SETTLE, at(102));
    eye.hint(SETTLE, at(103));
    assert_eq!(eye.next(), Some(at(131)), "while files go on changing, once per settle time");
}

/// What was seen before a job changed the world is gone, and so is what a look that began before it will say.
#[test]
fn what_was_seen_before_we_changed_the_world_is_not_repeated() {
    let now = Instant::now();
    let mut eye = Eye::default();
    eye.seen.server = Some("running".to_owned());
    let world = eye.begin(now).unwrap();
    eye.changed(now);
    assert!(!eye.is_of(world) && eye.seen.server.is_none());
    eye.dismiss(POLL, now);
    assert!(eye.begin(now).is_some_and(|world| eye.is_of(world)), "and it looks again at once");
}

/// A look that hangs is given up, and tried again with growing pauses; one that ends is looked after as ever.
#[test]
fn looks_that_do_not_end_grow_rare() {
    let now = Instant::now();
    let mut eye = Eye::default();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        eye.again(now);
        eye.begin(now).unwrap();
        pauses.push(eye.trouble(Seen::default(), now).as_secs());
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1800, 1800]);
    eye.again(now);
    eye.begin(now).unwrap();
    eye.saw(Some(Sight::default()), SETTLE, POLL, now);
    eye.again(now);
    eye.begin(now).unwrap();
    assert_eq!(eye.trouble(Seen::default(), now).as_secs(), 30);
}

/// After a person decided, what failed before is tried at once and not in an hour.
#[test]
fn a_persons_word_ends_the_wait_after_a_failure() {
    let mut eye = check(&[
        (0, Some("a"), Verdict::Settling(SETTLE)),
        (30, Some("a"), Verdict::Remember),
        (31, Some("a"), Verdict::Upgrade),
        (40, Some("a"), Verdict::Tried(SETTLE)),
    ]);
    let now = Instant::now() + Duration::from_secs(50);
    eye.reconsider(now);
    eye.begin(now).unwrap();
    let sight = Sight { fingerprint: Some("a".to_owned()), wants_upgrade: true, ..Sight::default() };
    assert_eq!(eye.saw(Some(sight), SETTLE, POLL, now), Verdict::Upgrade);
}

/// A database server that restarts has an upgrade refused, and it is tried again when that is over and not in an hour; what does not
/// pass is not tried every few seconds for ever.
#[test]
fn an_upgrade_that_failed_for_what_passes_is_tried_again_soon_and_then_less_often() {
    let mut eye = check(&[
        (0, Some("a"), Verdict::Settling(SETTLE)),
        (30, Some("a"), Verdict::Remember),
        (31, Some("a"), Verdict::Upgrade),
    ]);
    let mut now = Instant::now() + Duration::from_secs(50);
    let look = |eye: &mut Eye, now| {
        eye.again(now);
        eye.begin(now).unwrap();
        let sight = Sight { fingerprint: Some("a".to_owned()), wants_upgrade: true, ..Sight::default() };
        eye.saw(Some(sight), SETTLE, POLL, now)
    };
    for pause in [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600] {
        eye.ended(How::Passing, now);
        now += Duration::from_secs(pause);
        let early = now.checked_sub(Duration::from_secs(1)).unwrap();
        assert_eq!(look(&mut eye, early), Verdict::Tried(Duration::from_secs(1)), "{pause} s");
        assert_eq!(look(&mut eye, now), Verdict::Upgrade, "{pause} s");
    }
    eye.ended(How::Ended, now);
    assert_eq!(look(&mut eye, now + Duration::from_secs(3599)), Verdict::Tried(Duration::from_secs(1)), "it does not pass");
}

/// What only a person or a changed world lifts is not tried over and over: it is asked at a steady pace whether it still stands.
#[test]
fn a_lasting_refusal_is_asked_about_and_not_tried() {
    let mut eye = check(&[
        (0, Some("a"), Verdict::Settling(SETTLE)),
        (30, Some("a"), Verdict::Remember),
        (31, Some("a"), Verdict::Upgrade),
    ]);
    let begun = Instant::now() + Duration::from_secs(50);
    let look = |eye: &mut Eye, second: u64, fingerprint: &str| {
        let now = begun + Duration::from_secs(second);
        eye.again(now);
        eye.begin(now).unwrap();
        let sight = Sight { fingerprint: Some(fingerprint.to_owned()), wants_upgrade: true, ..Sight::default() };
        eye.saw(Some(sight), Duration::ZERO, POLL, now)
    };
    eye.ended(How::Refused, begun);
    let verdicts: Vec<Verdict> = (1..=24 * 60).map(|minute| look(&mut eye, minute * 60, "a")).collect();
    assert!(!verdicts.contains(&Verdict::Upgrade), "a day, and not one try");
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Ask).count(), 24 * 12);
    let day = 24 * 3600;
    eye.ask_soon(begun + Duration::from_secs(day));
    assert_eq!(look(&mut eye, day + 1, "a"), Verdict::Ask, "the configuration was read again");
    eye.reconsider(begun + Duration::from_secs(day + 2));
    assert_eq!(look(&mut eye, day + 3, "a"), Verdict::Upgrade, "nothing stands in its way any more");
    eye.ended(How::Refused, begun + Duration::from_secs(day + 4));
    assert_eq!(look(&mut eye, day + 5, "b"), Verdict::Remember);
    assert_eq!(look(&mut eye, day + 6, "b"), Verdict::Upgrade, "another release is another matter");
}
