use chrono::{DateTime, TimeZone as _, Utc};

use super::*;
use crate::config::{BeforeUpgrade, OnFailure, Runner, Window};
use crate::failure::Class;
use crate::gate;
use crate::release::{Installed, WayBack};
use crate::service::ServiceState;
use crate::state_db::holds::Hold;
use crate::upgrade::judge::Left;
use crate::upgrade::state::Phase;
use crate::version::Version;

fn v(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 2, 30, 0).unwrap()
}

fn at(version: &str) -> ReleaseAt {
    ReleaseAt { version: v(version), path: PathBuf::from(format!("/srv/app-{version}")) }
}

fn left(version: &str) -> Left {
    Left { release: Some(v(version)), shape: None, source: "upgrade".to_owned() }
}

/// As a journal that says so is read.
fn good(seen: &mut Observation, version: Option<&str>) {
    seen.good = version.map(at);
    seen.left = version.map(left);
}

/// Release 2.0 over a good 1.0 with one pending migration: an upgrade that nothing stands against.
pub(crate) fn due() -> Observation {
    let installed =
        Installed { version: v("2.0"), path: "/srv/app-2.0".into(), probe: "symlink".to_owned(), fingerprint: "f".to_owned() };
    Observation {
        target: TargetName::parse("notes").unwrap(),
        at: now(),
        release: Some(Ok(installed)),
        good: Some(at("1.0")),
        left: Some(left("1.0")),
        way_back: WayBack::Symlink,
        database: Ok(Database {
            half_loaded: false,
            shape: Shape { histories: Vec::new(), fingerprint: Some("one".to_owned()) },
            bytes: 1000,
            scripts: Some(Scripts { pending: vec!["V2 add".to_owned()], ..Scripts::default() }),
            known: Vec::new(),
            comparable: true,
        }),
        service: Some(ServiceState::Running),
        holds: Vec::new(),
        unfinished: None,
        open: None,
        lost: None,
        rehearsal: None,
        free_bytes: 1_000_000,
        last_archive_bytes: None,
        last_of_good: None,
        rules: Rules {
            auto: true,
            window: None,
            before_upgrade: BeforeUpgrade::No,
            on_failure: OnFailure::Rollback,
            attempts: 3,
            runner: Some(Runner::Flyway),
            table: Some("flyway_schema_history".to_owned()),
            release_path: "/srv/app".into(),
            service: "notes.service".to_owned(),
        },
    }
}

fn scripts(seen: &mut Observation) -> &mut Scripts {
    seen.database.as_mut().unwrap().scripts.as_mut().unwrap()
}

fn in_words(decision: &Decision) -> String {
    match decision {
        Decision::Nothing(why) => format!("nothing: {why}"),
        Decision::Adopt(plan) => format!("adopt: {}", plan.headline()),
        Decision::Plan(plan) => format!("plan: {}", plan.headline()),
        Decision::Refuse(refusals) => {
            format!("refuse: {}", refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        }
    }
}

fn window(from: u32, to: u32) -> Option<Window> {
    let time = |hour| chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    Some(Window { from: time(from), to: time(to), zone: chrono_tz::Europe::Berlin })
}

fn hold(version: Option<&str>, until: Option<DateTime<Utc>>) -> Hold {
    Hold { version: version.map(v), reason: "it failed".to_owned(), who: "upkeep".to_owned(), since: now(), until }
}

#[test]
fn every_observation_has_its_decision() {
    use Asked::{ByDaemon, ByGate, ByPerson};
    type Change = fn(&mut Observation);
    let plan = "plan: upgrade notes from 1.0 to 2.0";
    let cases: &[(Asked, Change, &str)] = &[
        (ByDaemon, |_| {}, plan),
        (ByDaemon, |seen| scripts(seen).pending.clear(), plan),
        (ByDaemon, |seen| good(seen, Some("2.0")), "plan: bring the database of notes in step with release 2.0"),
        (ByDaemon, |seen| good(seen, None), "plan: upgrade notes from an unknown release to 2.0"),
        (
            ByDaemon,
            |seen| {
                good(seen, None);
                scripts(seen).pending.clear();
            },
            "adopt: record release 2.0 of notes as the known-good one",
        ),
        (
            ByDaemon,
            |seen| {
                good(seen, Some("2.0"));
                scripts(seen).pending.clear();
            },
            "nothing: 2.0 is installed and in step with its database",
        ),
        (ByDaemon, |seen| seen.release = None, "nothing: no release is configured"),
        (
            ByDaemon,
            |seen| seen.release = Some(Err(Unread { class: Class::Data, why: "two releases at once".to_owned(), busy: false })),
            "refuse: two releases at once",
        ),
        (ByDaemon, |seen| seen.database = Err("no route".to_owned()), "refuse: the database cannot be looked at: no route"),
        (ByPerson, |seen| good(seen, Some("3.0")), "refuse: 2.0 is older than 3.0, which the database belongs to"),
        (
            ByPerson,
            |seen| scripts(seen).ahead.push("V9 z".to_owned()),
            "refuse: the database holds migrations the release does not know: V9 z",
        ),
        (
            ByPerson,
            |seen| scripts(seen).failed.push("V2 add".to_owned()),
            "refuse: the history says that these migrations failed or never finished: V2 add",
        ),
        (
            ByPerson,
            |seen| scripts(seen).invalid.push("V1: checksum".to_owned()),
            "refuse: scripts and history contradict each other: V1: checksum",
        ),
        // What is known of the product stops a person too.
        (
            ByPerson,
            |seen| scripts(seen).blocked.push("2.1 goes by 2.0: install that".to_owned()),
            "refuse: 2.1 goes by 2.0: install that",
        ),
        (ByPerson, |seen| seen.service = None, "refuse: no service is configured"),
        (
            ByPerson,
            |seen| seen.service = Some(ServiceState::Unknown("no bus".to_owned())),
            "refuse: cannot tell whether the server is running: no bus",
        ),
        (ByPerson, |seen| seen.service = Some(ServiceState::Stopped), plan),
        (
            ByPerson,
            |seen| {
                seen.free_bytes = 599;
                seen.last_archive_bytes = Some(200);
            },
            "refuse: 599 bytes are free for archives, and up to 600 are needed",
        ),
        (
            ByPerson,
            |seen| {
                seen.free_bytes = 600;
                seen.last_archive_bytes = Some(200);
            },
            plan,
        ),
        (ByPerson, |seen| seen.free_bytes = 999, "refuse: 999 bytes are free for archives, and up to 1000 are needed"),
        (ByPerson, |seen| seen.holds = vec![hold(None, None)], "refuse: upgrades are on hold by upkeep: it failed"),
        (ByPerson, |seen| seen.holds = vec![hold(Some("2.0"), None)], "refuse: 2.0 is on hold by upkeep: it failed"),
        (ByPerson, |seen| seen.holds = vec![hold(Some("1.5"), None), hold(None, Some(now()))], plan),
        (ByDaemon, |seen| seen.rules.auto = false, "refuse: `auto = false`: the upgrade waits for a person"),
        (ByGate, |seen| seen.rules.auto = false, "refuse: `auto = false`: the upgrade waits for a person"),
        (ByPerson, |seen| seen.rules.auto = false, plan),
        // 02:30 UTC is 03:30 in Berlin.
        (ByDaemon, |seen| seen.rules.window = window(1, 3), "refuse: outside the window 01:00-03:00 (Europe/Berlin)"),
        (ByDaemon, |seen| seen.rules.window = window(3, 4), plan),
        (ByDaemon, |seen| seen.rules.window = window(22, 5), plan),
        (ByDaemon, |seen| seen.rules.window = window(5, 2), "refuse: outside the window 05:00-02:00 (Europe/Berlin)"),
        (ByPerson, |seen| seen.rules.window = window(1, 3), plan),
        (ByGate, |seen| seen.rules.window = window(1, 3), plan),
        (
            ByDaemon,
            |seen| seen.open = Some((UpgradeId::parse("notes-2.0-x").unwrap(), Phase::Stuck)),
            "refuse: upgrade notes-2.0-x is stuck",
        ),
        (
            ByDaemon,
            |seen| {
                seen.service = None;
                good(seen, Some("3.0"));
            },
            "refuse: 2.0 is older than 3.0, which the database belongs to; no service is configured",
        ),
    ];
    for (number, (asked, change, expected)) in cases.iter().enumerate() {
        let mut seen = due();
        change(&mut seen);
        let decision = in_words(&decide(&seen, *asked, now()));
        assert!(decision.starts_with(expected), "case {number}: {decision}");
    }
}

#[test]
fn a_plan_says_everything_and_survives_its_json() {
    let Decision::Plan(plan) = decide(&due(), Asked::ByDaemon, now()) else { panic!("no plan") };
    assert_eq!(
        plan.to_string(),
        "upgrade notes from 1.0 to 2.0\n  \
         1. preflight: look again: release 2.0 at /srv/app-2.0, the same database\n  \
         2. stop: stop notes.service\n  \
         3. archive: archive the database: sealed, verified, pinned\n  \
         4. migrate: apply V2 add\n  \
         5. inspect: look at the database with a fresh connection: nothing pending, nothing failed\n  \
         6. start: start notes.service\n  \
         7. healthy: wait until it is healthy and stays so\n  \
         if a step fails: the archive is restored and /srv/app points to /srv/app-1.0 again"
    );
    let json = plan.to_json().unwrap();
    let read: Plan = serde_json::from_str(&json).unwrap();
    assert_eq!(read, *plan);
    assert_eq!(Plan::digest(&read.to_json().unwrap()), Plan::digest(&json));
}

#[test]
fn the_way_back_is_only_what_there_is() {
    let back = |change: fn(&mut Observation)| {
        let mut seen = due();
        change(&mut seen);
        let Decision::Plan(plan) = decide(&seen, Asked::ByDaemon, now()) else { panic!("no plan") };
        plan.back
    };
    assert_eq!(back(|_| {}), Back::Symlink);
    assert_eq!(back(|seen| seen.way_back = WayBack::Command), Back::Command);
    assert_eq!(back(|seen| seen.way_back = WayBack::Nothing), Back::Nothing);
    assert_eq!(back(|seen| good(seen, None)), Back::Nothing);
    assert_eq!(
        back(|seen| {
            good(seen, Some("2.0"));
            seen.way_back = WayBack::Command;
        }),
        Back::Nothing,
        "installing the installed version again brings nothing back"
    );
}

#[test]
fn gate_and_status_see_the_same_standing() {
    let stands = |change: fn(&mut Observation)| {
        let mut seen = due();
        change(&mut seen);
        standing(&seen)
    };
    assert_eq!(stands(|_| {}), gate::Standing::Pending(vec!["V2 add".to_owned()]));
    assert_eq!(stands(|seen| scripts(seen).pending.clear()), gate::Standing::Pending(Vec::new()), "a version not taken over");
    assert_eq!(stands(|seen| scripts(seen).ahead.push("V9".to_owned())), gate::Standing::Ahead(vec!["V9".to_owned()]));
    assert_eq!(stands(|seen| seen.database = Err("x".to_owned())), gate::Standing::Unknown("x".to_owned()));
    assert_eq!(
        stands(|seen| scripts(seen).invalid.push("y".to_owned())),
        gate::Standing::Contradicts(gate::cause::Cause::Invalid(vec!["y".to_owned()]))
    );
    assert_eq!(
        stands(|seen| {
            good(seen, None);
            scripts(seen).pending.clear();
        }),
        gate::Standing::InStep
    );
}

#[test]
fn a_schema_changed_outside_of_migrations_is_a_persons_to_decide() {
    let mut seen = due();
    let shape = |fingerprint: &str| Shape { histories: Vec::new(), fingerprint: Some(fingerprint.to_owned()) };
    seen.left = Some(Left { shape: Some(shape("before")), ..left("1.0") });
    seen.last_of_good = Some(Label::parse("notes-1.0-0").unwrap());
    for asked in [Asked::ByDaemon, Asked::ByGate] {
        let decision = in_words(&decide(&seen, asked, now()));
        assert!(decision.starts_with("refuse: the schema was changed outside of migrations"), "{asked:?}: {decision}");
    }
    assert!(matches!(standing(&seen), gate::Standing::Outside(_)));
    let Decision::Plan(plan) = decide(&seen, Asked::ByPerson, now()) else { panic!("no plan") };
    assert_eq!((plan.from.clone(), plan.back), (Some(at("1.0")), Back::Symlink));
    let words = plan.to_string();
    assert!(words.contains("the newest archive of what it left is notes-1.0-0"), "{words}");
    assert!(words.contains("you are asked whether 1.0 is to start on it"), "{words}");
    seen.database.as_mut().unwrap().comparable = false;
    assert!(matches!(decide(&seen, Asked::ByDaemon, now()), Decision::Plan(_)), "another server prints it otherwise");
}

#[test]
fn a_database_that_says_it_is_a_part_of_an_archive_is_nobodys() {
    let mut seen = due();
    seen.database.as_mut().unwrap().half_loaded = true;
    assert!(
        matches!(decide(&seen, Asked::ByPerson, now()), Decision::Refuse(why) if matches!(why[..], [Refusal::Database(_)]))
    );
    assert!(matches!(standing(&seen), crate::gate::Standing::Contradicts(_)));
    let (label, begun_at) = (crate::ids::Label::parse("notes-0").unwrap(), now());
    let mode = crate::engine::LoadMode::Replace;
    let mark = crate::restore::Unfinished { label, location: "here".to_owned(), of: None, mode, begun_at, safety: None };
    seen.unfinished = Some(mark);
    assert!(
        matches!(decide(&seen, Asked::ByPerson, now()), Decision::Refuse(why) if matches!(why[..], [Refusal::HalfRestored(_)]))
    );
    seen.database.as_mut().unwrap().half_loaded = false;
    assert!(matches!(decide(&seen, Asked::ByPerson, now()), Decision::Plan(_)), "a whole exchange leaves a whole database");
}
