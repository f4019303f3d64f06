use chrono::TimeZone as _;

use super::super::plan::{Asked, Decision, decide, tests::due};
use super::*;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 2, 30, 0).unwrap()
}

fn plan() -> Plan {
    match decide(&due(), Asked::ByPerson, now()) {
        Decision::Plan(plan) => *plan,
        other => panic!("no plan: {other:?}"),
    }
}

async fn append(db: &StateDb, record: &mut Record, event: Event) {
    let state = record.state.clone().apply(&event).unwrap();
    record.events += 1;
    let ends = if state.phase.terminal() { Ends::Yes } else { Ends::No };
    db.append_event(&record.id, &row(record.events, now(), &event).unwrap(), ends).await.unwrap();
    record.state = state;
}

#[tokio::test]
async fn an_upgrade_is_read_as_it_was_written_and_only_one_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let db = StateDb::open(dir.path()).await.unwrap();
    let target = plan().target;
    let mut record = begin(&db, plan(), now()).await.unwrap();
    assert!(matches!(begin(&db, plan(), now()).await, Err(UpgradeError::Open { .. })));
    append(&db, &mut record, Event::Intended { step: super::super::state::Step::Preflight, attempt: 1 }).await;
    let read = open(&db, &target).await.unwrap().unwrap();
    assert_eq!((&read.plan, &read.state, read.events), (&record.plan, &record.state, 2));
    assert_eq!(db.targets_with_open_upgrade().await.unwrap(), std::slice::from_ref(&target));
    assert_eq!(good(&db, &target).await.unwrap(), None);
    append(&db, &mut record, Event::Refused { why: "no".to_owned() }).await;
    assert!(open(&db, &target).await.unwrap().is_none());
    assert_eq!(good(&db, &target).await.unwrap(), None, "a refused upgrade says nothing of the good release");
    let again = begin(&db, plan(), now()).await.unwrap();
    assert_ne!(again.id, record.id, "two begun in one second are still two");
}

#[tokio::test]
async fn the_good_release_is_what_the_last_end_left() {
    let dir = tempfile::tempdir().unwrap();
    let db = StateDb::open(dir.path()).await.unwrap();
    let adopt = Plan { purpose: Purpose::Adopt, steps: Vec::new(), ..plan() };
    let mut record = begin(&db, adopt, now()).await.unwrap();
    append(&db, &mut record, Event::Committed).await;
    assert_eq!(good(&db, &record.plan.target).await.unwrap(), Some(plan().to));
    assert!(last_committed(&db, &record.plan.target).await.unwrap().is_none(), "an adoption took no archive");
    let empty = Plan { steps: Vec::new(), ..plan() };
    let mut record = begin(&db, empty, now()).await.unwrap();
    append(&db, &mut record, Event::TurnedBack { why: "w".to_owned(), steps: Vec::new() }).await;
    append(&db, &mut record, Event::RolledBack { next_steps: Vec::new() }).await;
    assert_eq!(good(&db, &record.plan.target).await.unwrap(), plan().from);
}

#[tokio::test]
async fn however_many_were_refused_since_the_good_release_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let db = StateDb::open(dir.path()).await.unwrap();
    let adopt = Plan { purpose: Purpose::Adopt, steps: Vec::new(), ..plan() };
    let mut record = begin(&db, adopt, now()).await.unwrap();
    append(&db, &mut record, Event::Committed).await;
    for _ in 0..120 {
        let mut refused = begin(&db, plan(), now()).await.unwrap();
        append(&db, &mut refused, Event::Refused { why: "no".to_owned() }).await;
    }
    assert_eq!(good(&db, &record.plan.target).await.unwrap(), Some(plan().to));
}

#[tokio::test]
async fn a_journal_is_never_changed_and_never_guessed_at() {
    let dir = tempfile::tempdir().unwrap();
    let db = StateDb::open(dir.path()).await.unwrap();
    let record = begin(&db, plan(), now()).await.unwrap();
    for statement in ["UPDATE upgrade_event SET kind = 'committed'", "DELETE FROM upgrade_event"] {
        let error = sqlx::query(statement).execute(db.pool()).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
    // A gap and a repeated number are refused: two writers of one upgrade cannot both go on.
    for seq in [1, 3] {
        assert!(db.append_event(&record.id, &row(seq, now(), &Event::NoReturn).unwrap(), Ends::No).await.is_err());
    }
    let refused = async |statement: &'static str| {
        sqlx::query(statement).execute(db.pool()).await.unwrap();
        open(&db, &record.plan.target).await.unwrap_err()
    };
    let error = refused("UPDATE upgrade SET plan_json = replace(plan_json, '2.0', '3.0')").await;
    assert!(matches!(error, UpgradeError::Damaged { .. }), "{error}");
    let error = refused("UPDATE upgrade SET format = 3").await;
    assert!(matches!(error, UpgradeError::TooNew { found: 3, .. }), "{error}");
    assert_eq!(crate::failure::Explain::class(&error), crate::failure::Class::Data);
}

#[tokio::test]
async fn holds_stand_until_their_end_or_release() {
    let dir = tempfile::tempdir().unwrap();
    let db = StateDb::open(dir.path()).await.unwrap();
    let target = plan().target;
    let hold = |version: Option<&str>, until| crate::state_db::holds::Hold {
        version: version.map(|text| crate::version::Version::parse(text).unwrap()),
        reason: "r".to_owned(),
        who: "w".to_owned(),
        since: now(),
        until,
    };
    let hour = chrono::TimeDelta::hours(1);
    let (all, one) = (hold(None, Some(now() + hour)), hold(Some("2.0"), None));
    db.set_hold(&target, &all).await.unwrap();
    db.set_hold(&target, &one).await.unwrap();
    db.set_hold(&target, &one).await.unwrap();
    assert_eq!(db.active_holds(&target, now()).await.unwrap(), [all, one.clone()]);
    assert_eq!(db.active_holds(&target, now() + hour).await.unwrap(), [one]);
    assert_eq!(db.release_holds(&target).await.unwrap(), 2);
    assert!(db.active_holds(&target, now()).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_restore_wrote_down_counts_until_an_upgrade_ends_and_what_an_upgrade_wrote_once_it_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let db = StateDb::open(dir.path()).await.unwrap();
    let target = plan().target;
    let version = |text: &str| crate::version::Version::parse(text).unwrap();
    let shape = |fingerprint: &str| crate::shape::Shape { histories: Vec::new(), fingerprint: Some(fingerprint.to_owned()) };
    let row = |by, text: Option<&str>, fingerprint: &str| Belongs {
        upgrade: None,
        by,
        version: text.map(version),
        path: "/srv/app".into(),
        shape: Some(shape(fingerprint)),
        made_by: "us".to_owned(),
        source: "a test".to_owned(),
        at: now(),
    };
    let on_record = async || {
        let row = left(&db, &target).await.unwrap();
        row.map(|row| (row.version.map(|version| version.to_string()), row.shape.and_then(|shape| shape.fingerprint)))
    };
    let is = |version: &str, fingerprint: Option<&str>| Some((Some(version.to_owned()), fingerprint.map(str::to_owned)));
    assert_eq!(on_record().await, None);
    db.set_belongs(&target, &row(By::Itself, Some("0.9"), "old")).await.unwrap();
    assert_eq!(on_record().await, is("0.9", Some("old")), "before any upgrade");

    let empty = Plan { steps: Vec::new(), ..plan() };
    let mut record = begin(&db, empty.clone(), now()).await.unwrap();
    assert_eq!(on_record().await, is("0.9", Some("old")), "while one is underway");
    db.set_belongs(&target, &row(By::Upgrade, Some("2.0"), "new")).await.unwrap();
    assert_eq!(on_record().await, None, "killed before its last event, it has left nothing");
    append(&db, &mut record, Event::Committed).await;
    assert_eq!(on_record().await, is("2.0", Some("new")));
    assert_eq!(good(&db, &target).await.unwrap().map(|good| good.version), Some(version("2.0")));

    db.set_belongs(&target, &row(By::Itself, Some("1.0"), "restored")).await.unwrap();
    assert_eq!(on_record().await, is("1.0", Some("restored")), "a restore sets what the database belongs to");
    db.set_belongs(&target, &row(By::Itself, None, "restored")).await.unwrap();
    assert_eq!(on_record().await, Some((None, Some("restored".to_owned()))), "or that nobody knows");
    assert_eq!(good(&db, &target).await.unwrap(), None);
    let mut refused = begin(&db, empty.clone(), now()).await.unwrap();
    append(&db, &mut refused, Event::Refused { why: "no".to_owned() }).await;
    assert_eq!(on_record().await, Some((None, Some("restored".to_owned()))), "a refusal changes nothing");

    let mut record = begin(&db, empty, now()).await.unwrap();
    append(&db, &mut record, Event::TurnedBack { why: "w".to_owned(), steps: Vec::new() }).await;
    append(&db, &mut record, Event::RolledBack { next_steps: Vec::new() }).await;
    assert_eq!(on_record().await, is("1.0", Some("one")), "the plan of what was rolled back has the shape from before");

    assert_eq!(db.release_of_shape(&target, &shape("old")).await.unwrap(), Some(version("0.9")), "whose shape it was is known");
    assert_eq!(db.release_of_shape(&target, &shape("other")).await.unwrap(), None, "and nobody knows another");
}

/// The upgrade that pinned it was refused; the next one, which is committed, goes back to the same archive.
#[tokio::test]
async fn the_last_archive_of_the_release_before_keeps_its_pin_whoever_gave_it() {
    use crate::state_db::catalogue;
    use crate::store::tests::{context, seal, target};
    let (state, archives) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ctx, target) = (context(state.path(), "2026-11-22T02:30:00Z").await, target(archives.path()));
    let sealed = seal(archives.path(), "2026-11-21T02:30:00Z", 9);
    let last = catalogue::record(&ctx.state, &target.name, &sealed).await.unwrap().label;
    let is_pinned = async || catalogue::find(&ctx.state, &last).await.unwrap().unwrap().pinned.is_some();
    let outside = Some(super::super::plan::Outside { archive: Some(last.clone()) });
    for (number, outside) in [outside.clone(), outside, None].into_iter().enumerate() {
        let is_way_back = outside.is_some();
        super::super::begin(&ctx, Plan { outside, ..plan() }).await.unwrap();
        let mut record = open(&ctx.state, &target.name).await.unwrap().unwrap();
        super::super::let_earlier_go(&ctx, &target, &record).await;
        assert_eq!(is_pinned().await, is_way_back, "upgrade {number}");
        append(&ctx.state, &mut record, Event::Refused { why: "no".to_owned() }).await;
    }
}
