use std::path::Path;

use proptest::prelude::*;

use super::*;

fn nothing() -> Policy {
    Policy { zone: chrono_tz::Europe::Berlin, ..crate::targets::keep_all() }
}

fn archive(taken_at: &str, release: &str) -> Candidate {
    let taken_at: DateTime<Utc> = taken_at.parse().unwrap();
    Candidate {
        label: Label::parse(&crate::ids::stamp(taken_at)).unwrap(),
        taken_at,
        release: Some(Version::parse(release).unwrap()),
        standing: Standing::Verified,
        pinned: None,
        data_only: false,
        without_rows: Vec::new(),
        rows: 1000,
        raw_bytes: 10 << 20,
    }
}

fn now() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Two years of a server: monthly, then weekly, then daily, then every six hours, over three versions, with one of each
/// thing that can be wrong.
fn life() -> Vec<Candidate> {
    let day = |back: i64, hour: u32| {
        let at = (now() - TimeDelta::days(back)).date_naive().and_hms_opt(hour, 30, 0).unwrap().and_utc();
        let release = if back > 200 {
            "1.0.0"
        } else if back > 10 {
            "1.1.0"
        } else {
            "1.2.0"
        };
        archive(&at.to_rfc3339(), release)
    };
    let mut archives: Vec<Candidate> = (0..22).map(|month| day(60 + month * 30, 1)).collect();
    archives.extend((3..9).map(|week| day(week * 7, 1)));
    // Late in the evening in UTC, the next day in Berlin: 2026-11-13 to 2026-11-21.
    archives.extend((2..12).map(|back| day(back, 23)));
    archives.extend([0, 6].map(|hour| day(0, hour)));
    archives.extend([0, 6, 12, 18].map(|hour| day(1, hour)));
    // The hour that comes twice, in the night of 2026-10-25; its second time is among the weekly ones.
    archives.push(archive("2026-10-25T00:30:00Z", "1.1.0"));
    archives.push(Candidate { pinned: Some("upgrade to 1.1.0".to_owned()), ..day(203, 5) });
    archives.push(Candidate { standing: Standing::Unverified, ..day(0, 11) });
    archives.push(Candidate { standing: Standing::Broken, ..day(4, 4) });
    archives.push(Candidate { standing: Standing::Broken, ..day(40, 4) });
    archives.push(day(-400, 9));
    archives
}

fn table(policy: &Policy) -> String {
    let verdicts = decide(&life(), policy, now());
    let mut text = format!("{policy:#?}\n\n");
    for verdict in &verdicts {
        let mark = if verdict.fate == Fate::Keep { "keep  " } else { "let go" };
        text.push_str(&format!("{mark} {} {}\n", verdict.taken_at.format("%F %R"), verdict.reasons.join(", ")));
    }
    text
}

/// Compares with `tests/golden/retention/NAME.txt`; with `UPDATE_GOLDEN=1` writes it anew.
#[expect(clippy::disallowed_methods, reason = "a golden file is written by hand's order only")]
fn check(name: &str, policy: &Policy) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/retention").join(format!("{name}.txt"));
    let text = table(policy);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text, golden, "{name}");
}

#[test]
fn each_rule_keeps_what_its_table_says() {
    let day = Duration::from_secs(24 * 3600);
    let base = nothing();
    let cases = [
        ("nothing", base.clone()),
        ("last", Policy { keep_last: 3, ..base.clone() }),
        ("hourly", Policy { keep_hourly: 24, ..base.clone() }),
        ("daily", Policy { keep_daily: 14, ..base.clone() }),
        ("daily-in-utc", Policy { keep_daily: 14, zone: chrono_tz::UTC, ..base.clone() }),
        ("weekly", Policy { keep_weekly: 6, ..base.clone() }),
        ("monthly", Policy { keep_monthly: 12, ..base.clone() }),
        ("yearly", Policy { keep_yearly: 10, ..base.clone() }),
        ("within", Policy { keep_within: Some(day * 9), ..base.clone() }),
        ("per-version", Policy { keep_per_version: 2, ..base.clone() }),
        ("minimum", Policy { keep_last: 1, minimum: 5, ..base.clone() }),
        (
            "usual",
            Policy {
                keep_last: 7,
                keep_daily: 14,
                keep_weekly: 8,
                keep_monthly: 12,
                keep_per_version: 1,
                minimum: 3,
                ..base.clone()
            },
        ),
    ];
    for (name, policy) in cases {
        check(name, &policy);
    }
}

fn fates(archives: &[Candidate], policy: &Policy, now: DateTime<Utc>) -> Vec<(String, Fate)> {
    decide(archives, policy, now).into_iter().map(|verdict| (verdict.label.to_string(), verdict.fate)).collect()
}

#[test]
fn archives_of_rows_alone_do_not_push_out_the_newest_that_has_its_schema() {
    let rows = |at: &str| Candidate { data_only: true, ..archive(at, "1.0.0") };
    let archives = [
        archive("2026-11-18T01:00:00Z", "1.0.0"),
        archive("2026-11-19T01:00:00Z", "1.0.0"),
        rows("2026-11-20T01:00:00Z"),
        rows("2026-11-21T01:00:00Z"),
    ];
    let verdicts = decide(&archives, &Policy { keep_last: 2, ..nothing() }, now());
    let reasons: Vec<String> = verdicts.iter().map(|verdict| verdict.reasons.join(", ")).collect();
    assert_eq!(reasons, ["last 1, newest verified", "last 2", "newest with its schema", "no rule keeps it"]);
}

#[test]
fn archives_of_a_schema_that_is_no_releases_do_not_push_out_the_last_of_a_release() {
    let nobodys = |at: &str| Candidate { release: None, ..archive(at, "1.0.0") };
    let archives = [
        archive("2026-11-18T01:00:00Z", "1.0.0"),
        archive("2026-11-19T01:00:00Z", "1.0.0"),
        nobodys("2026-11-20T01:00:00Z"),
        nobodys("2026-11-21T01:00:00Z"),
    ];
    let reasons = |policy: &Policy| -> Vec<String> {
        decide(&archives, policy, now()).iter().map(|verdict| verdict.reasons.join(", ")).collect()
    };
    let last = Policy { keep_last: 1, ..nothing() };
    assert_eq!(reasons(&last), ["last 1, newest verified", "no rule keeps it", "newest of a release", "no rule keeps it"]);
    let versions = Policy { keep_per_version: 1, ..nothing() };
    assert_eq!(
        reasons(&versions),
        ["newest verified", "no rule keeps it", "version 1.0.0, newest of a release", "no rule keeps it"]
    );
}

#[test]
fn a_clock_that_was_ahead_takes_no_place_from_the_archives_that_come_after() {
    let last = Policy { keep_last: 2, ..nothing() };
    let ahead = archive("2031-01-01T00:00:00Z", "1.0.0");
    let real = ["2026-11-20T02:00:00Z", "2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z"].map(|at| archive(at, "1.0.0"));
    let with: Vec<Candidate> = real.iter().cloned().chain([ahead.clone()]).collect();
    let kept = fates(&with, &last, now());
    assert_eq!(kept[0], (ahead.label.to_string(), Fate::Keep));
    assert_eq!(kept[1..], fates(&real, &last, now()));

    // Once the clock has passed it, it is one of many.
    let later = "2032-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(decide(&with, &last, later)[0].reasons, ["last 1", "newest verified"]);
}

#[test]
fn a_clock_that_fell_back_lets_nothing_go() {
    let last = Policy { keep_last: 1, ..nothing() };
    let all = fates(&life(), &last, "1970-01-01T00:00:00Z".parse().unwrap());
    assert!(all.iter().all(|(_, fate)| *fate == Fate::Keep));
}

#[test]
fn without_a_verified_archive_nothing_is_let_go() {
    let last = Policy { keep_last: 1, ..nothing() };
    for standing in [Standing::Unverified, Standing::Broken] {
        let archives: Vec<Candidate> = life().into_iter().map(|archive| Candidate { standing, ..archive }).collect();
        assert!(fates(&archives, &last, now()).iter().all(|(_, fate)| *fate == Fate::Keep), "{standing:?}");
    }
}

#[test]
fn order_is_by_time_and_not_by_version_or_name() {
    let last = Policy { keep_last: 1, ..nothing() };
    let mut older = archive("2026-11-20T02:00:00Z", "10.0.0");
    older.label = Label::parse("z").unwrap();
    let newer = archive("2026-11-21T02:00:00Z", "9.0.0");
    let kept = fates(&[older, newer.clone()], &last, now());
    assert_eq!(kept, [(newer.label.to_string(), Fate::Keep), ("z".to_owned(), Fate::LetGo)]);
}

#[test]
fn a_version_written_two_ways_is_one() {
    let policy = Policy { keep_per_version: 1, ..nothing() };
    let archives = [archive("2026-11-20T02:00:00Z", "1.0"), archive("2026-11-21T02:00:00Z", "1.0.0")];
    assert_eq!(fates(&archives, &policy, now())[1].1, Fate::LetGo);
}

#[test]
fn a_sudden_drop_is_seen_and_everyday_change_is_not() {
    let sized = |at: &str, rows, raw_bytes| Candidate { rows, raw_bytes, ..archive(at, "1.0.0") };
    let days = ["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22"].map(|day| format!("{day}T02:00:00Z"));
    let seen = |history: &[(u64, u64)]| {
        let archives: Vec<Candidate> = days.iter().zip(history).map(|(at, (rows, bytes))| sized(at, *rows, *bytes)).collect();
        sudden_drop(&archives, Compared::default(), now())
    };
    const MIB: u64 = 1 << 20;
    let cases: [(&[(u64, u64)], bool); 9] = [
        (&[], false),
        (&[(1000, 9 * MIB)], false),
        (&[(1000, 9 * MIB), (501, 9 * MIB)], false),
        (&[(1000, 9 * MIB), (499, 9 * MIB)], true),
        (&[(1000, 9 * MIB), (1000, 4 * MIB)], true),
        (&[(9, 9000), (3, 900)], false),
        (&[(9, 9000), (0, 9000)], true),
        (&[(1000, MIB), (10, MIB), (10, MIB), (10, MIB)], true),
        (&[(1000, MIB), (10, MIB), (10, MIB), (10, MIB), (10, MIB)], false),
    ];
    for (history, expected) in cases {
        assert_eq!(seen(history).is_some(), expected, "{history:?}: {:?}", seen(history));
    }
}

/// One that was not to hold all rows holds fewer than a full one for no other reason, and is held to others of its kind; the newest full one stays.
#[test]
fn rows_left_out_on_purpose_are_no_drop_and_push_out_no_full_archive() {
    let part = |at: &str, rows| Candidate { rows, without_rows: vec!["audit_log".to_owned()], ..archive(at, "1.0.0") };
    let full = archive("2026-11-18T01:00:00Z", "1.0.0");
    let archives = [full, part("2026-11-19T01:00:00Z", 400), part("2026-11-20T01:00:00Z", 390)];
    assert_eq!(sudden_drop(&archives, Compared::default(), now()), None);
    let verdicts = decide(&archives, &Policy { keep_last: 1, ..nothing() }, now());
    let reasons: Vec<String> = verdicts.iter().map(|verdict| verdict.reasons.join(", ")).collect();
    assert_eq!(reasons, ["last 1, newest verified", "no rule keeps it", "newest with every row"]);
    let [full, one, two] = archives;
    let emptied = [full, one, two, part("2026-11-21T01:00:00Z", 10)];
    assert!(sudden_drop(&emptied, Compared::default(), now()).is_some());
}

fn any_archive() -> impl Strategy<Value = Candidate> {
    let standing = prop_oneof![5 => Just(Standing::Verified), 1 => Just(Standing::Unverified), 1 => Just(Standing::Broken)];
    let pinned = prop::option::weighted(0.1, Just("by hand".to_owned()));
    (0_i64..900 * 24 * 60, 0_u8..4, standing, pinned, prop::bool::weighted(0.8)).prop_map(
        |(minutes, version, standing, pinned, data_only)| Candidate {
            standing,
            pinned,
            data_only,
            ..archive(&(now() - TimeDelta::minutes(minutes - 100)).to_rfc3339(), &format!("1.{version}.0"))
        },
    )
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let count = || 0_u32..6;
    let rules = (count(), count(), count(), count(), count(), count(), count(), count());
    let zone = prop_oneof![Just(chrono_tz::UTC), Just(chrono_tz::Europe::Berlin), Just(chrono_tz::Pacific::Apia)];
    (rules, prop::option::of(0_u64..100), zone).prop_map(
        |((last, hourly, daily, weekly, monthly, yearly, version, minimum), within, zone)| Policy {
            keep_last: last,
            keep_hourly: hourly,
            keep_daily: daily,
            keep_weekly: weekly,
            keep_monthly: monthly,
            keep_yearly: yearly,
            keep_within: within.map(|days| Duration::from_secs(days * 24 * 3600)),
            keep_per_version: version,
            minimum,
            zone,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_newest_verified_the_newest_with_its_schema_the_pinned_and_the_minimum_always_stay(
        archives in prop::collection::vec(any_archive(), 0..60),
        policy in any_policy(),
    ) {
        let verdicts = decide(&archives, &policy, now());
        prop_assert_eq!(verdicts.len(), archives.len());
        prop_assert!(verdicts.iter().all(|verdict| !verdict.reasons.is_empty()));
        prop_assert!(verdicts.is_sorted_by(|a, b| a.taken_at >= b.taken_at));
        let stays = |archive: &Candidate| {
            let of = |v: &&VerdictOf| v.label == archive.label && v.taken_at == archive.taken_at;
            // Two archives of one moment share a label here; one of them that goes is not the other.
            verdicts.iter().filter(of).filter(|v| v.fate == Fate::Keep).count()
        };
        for archive in archives.iter().filter(|a| a.pinned.is_some() || a.standing == Standing::Unverified) {
            prop_assert!(stays(archive) >= 1);
        }
        let mut verified: Vec<&Candidate> = archives.iter().filter(|a| a.standing == Standing::Verified).collect();
        verified.sort_by_key(|archive| std::cmp::Reverse(archive.taken_at));
        let least = (policy.minimum as usize).max(1).min(verified.len());
        let past = || verified.iter().filter(|a| a.taken_at <= now() + SKEW);
        let whole = past().find(|archive| !archive.data_only);
        for archive in past().take(least).chain(whole) {
            prop_assert!(stays(archive) >= 1, "{} was let go", archive.label);
        }
        let kept = verdicts.iter().filter(|v| v.fate == Fate::Keep).count();
        prop_assert!(kept >= least);
    }

    #[test]
    fn a_larger_policy_never_keeps_fewer(
        archives in prop::collection::vec(any_archive(), 0..60),
        small in any_policy(),
        more in any_policy(),
    ) {
        prop_assume!(!no_rule(&small));
        let large = Policy {
            keep_last: small.keep_last + more.keep_last,
            keep_hourly: small.keep_hourly + more.keep_hourly,
            keep_daily: small.keep_daily + more.keep_daily,
            keep_weekly: small.keep_weekly + more.keep_weekly,
            keep_monthly: small.keep_monthly + more.keep_monthly,
            keep_yearly: small.keep_yearly + more.keep_yearly,
            keep_within: small.keep_within.max(more.keep_within),
            keep_per_version: small.keep_per_version + more.keep_per_version,
            minimum: small.minimum + more.minimum,
            zone: small.zone,
        };
        let (small, large) = (decide(&archives, &small, now()), decide(&archives, &large, now()));
        for (few, many) in small.iter().zip(&large) {
            prop_assert!(few.fate == Fate::LetGo || many.fate == Fate::Keep, "{} stayed under the smaller only", few.label);
        }
    }

    #[test]
    fn the_order_of_the_question_does_not_change_the_answer(
        archives in prop::collection::vec(any_archive(), 0..30).prop_shuffle(),
        policy in any_policy(),
    ) {
        let mut archives = archives;
        archives.sort_by_key(|archive| archive.taken_at);
        archives.dedup_by_key(|archive| archive.taken_at);
        archives.dedup_by_key(|archive| archive.label.clone());
        let answer = decide(&archives, &policy, now());
        archives.reverse();
        prop_assert_eq!(answer, decide(&archives, &policy, now()));
    }
}

/// The clock leaps, once or for a while, and what was kept for its age stays kept; without a leap age is age.
#[test]
fn a_leap_of_the_clock_makes_no_archive_older() {
    let daily = |days: std::ops::Range<i64>, leap: i64| {
        days.map(move |day| archive(&(now() + TimeDelta::days(day + leap)).to_rfc3339(), "1.0.0"))
    };
    let policy = Policy { keep_within: Some(Duration::from_secs(30 * 24 * 3600)), ..nothing() };
    let kept = |archives: &[Candidate], now| {
        let verdicts = decide(archives, &policy, now);
        let kept: Vec<_> =
            verdicts.iter().filter(|verdict| verdict.fate == Fate::Keep).map(|verdict| verdict.taken_at).collect();
        (kept.len(), kept.iter().min().map(|oldest| (now - *oldest).num_days()))
    };
    let sound: Vec<Candidate> = daily(-59..1, 0).collect();
    assert_eq!(kept(&sound, now()), (30, Some(29)), "no leap");
    for leap in [20, 40, 4000] {
        let wrong = now() + TimeDelta::days(leap);
        assert_eq!(kept(&sound, wrong).0, 29, "only the clock leapt, by {leap} days");
        for days in [1, 5] {
            let archives: Vec<Candidate> = daily(-59..1, 0).chain(daily(0..days, leap)).collect();
            let there = kept(&archives, wrong + TimeDelta::days(days - 1)).0;
            assert_eq!(there, 30, "{days} archives since a leap of {leap} days");
            // And by another way the second time: neither of the two is a measure for the other.
            let again = wrong + TimeDelta::days(days + 7 * leap);
            assert!(kept(&archives, again).0 >= 29, "a second leap, seven times as long as the first");
            // Put right, what is from the future does not count.
            assert_eq!(kept(&archives, now()), (30 + usize::try_from(days).unwrap(), Some(29)), "put right after {leap} days");
        }
    }
}
