//! What release a database belongs to: a restore sets it, the upgrade follows, and the server's own migrations are no surprise.

use upkeep::archive::manifest::{Kind, ReleaseNote};
use upkeep::backup::{self, BackupRequest};
use upkeep::config::{Migrations, Runner};
use upkeep::gate::Standing;
use upkeep::progress::Progress;
use upkeep::restore::{self, Mode, Replace, RestoreRequest, Restored, Which};
use upkeep::upgrade::{self, Asked, Ended};
use upkeep::version::Version;
use upkeep::{migrate, service};

use super::host::{Host, InPlace, V1, V2};
use crate::support::env::execute;

/// A host whose server migrates itself, with no scripts that say what should be there; and what it migrates by.
async fn migrates_itself() -> (Host, Migrations) {
    let mut host = Host::new().await;
    let embedded = host.target.migrations.clone().unwrap();
    let settings = host.target.migrations.as_mut().unwrap();
    settings.runner = Runner::OnStart;
    settings.locations.clear();
    (host, embedded)
}

/// What the server of the installed release does at its start.
async fn server_migrates(host: &Host, embedded: &Migrations) {
    migrate::apply(&host.target.database, embedded, &host.path("current"), &Progress::default()).await.unwrap();
}

async fn upgraded(host: &Host, embedded: &Migrations, version: &str) -> Ended {
    host.sick(version);
    let serve = async {
        host.when_serving(version).await;
        server_migrates(host, embedded).await;
        host.well(version);
    };
    tokio::join!(host.upgrade(), serve).0
}

async fn restored(host: &Host, label: &upkeep::ids::Label) -> Restored {
    service::stop(host.target.service.as_ref().unwrap()).await.unwrap();
    let request = RestoreRequest {
        home: None,
        which: Which::Label(label.clone()),
        place: None,
        owner: None,
        identity: None,
        into: None,
        replace: Replace::Allow,
        installed: Version::parse("2.0").ok(),
    };
    let server = restore::server(&host.target).await;
    restore::restore(&host.env.ctx, &host.target, &request, server, Mode::Run, &Progress::default()).await.unwrap()
}

async fn of_the_data(host: &Host) -> Option<String> {
    let said = upgrade::release_of_the_data(&host.env.ctx, &host.target).await.unwrap();
    said.release.map(|(version, _)| version.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_belongs_to_its_archives_release_and_the_upgrade_follows() {
    let (host, embedded) = migrates_itself().await;
    host.install("2.0", &[V1, V2]);
    assert_eq!(Box::pin(upgraded(&host, &embedded, "2.0")).await, Ended::Committed);
    assert_eq!(host.decision(Asked::ByDaemon).await, "nothing: 2.0 is installed and in step with its database");
    let [before] = &host.archives(Kind::PreUpgrade).await[..] else { panic!("one archive") };
    assert_eq!(before.release, Version::parse("1.0").ok());

    let done = restored(&host, &before.label).await;
    let seen = host.look().await;
    assert_eq!(upgrade::standing(&seen), Standing::Pending(Vec::new()), "the gate asks for the upgrade");
    assert_eq!(host.decision(Asked::ByDaemon).await, "plan: upgrade notes from 1.0 to 2.0");
    assert_eq!(of_the_data(&host).await.as_deref(), Some("1.0"));
    let safety = host.archives(Kind::PreRestore).await;
    assert_eq!((safety[0].release.clone(), Some(safety[0].label.clone())), (Version::parse("2.0").ok(), done.safety));

    // The upgrade that follows goes back to where it came from.
    host.sick("2.0");
    let Ended::RolledBack { .. } = host.upgrade().await else { panic!("not rolled back") };
    assert_eq!((host.serving().await, of_the_data(&host).await), (Some("1.0".to_owned()), Some("1.0".to_owned())));
    assert_eq!(host.columns().await, ["id", "text"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_somebody_put_there_by_hand_is_known_by_its_shape() {
    let (host, embedded) = migrates_itself().await;
    host.install("2.0", &[V1, V2]);
    assert_eq!(Box::pin(upgraded(&host, &embedded, "2.0")).await, Ended::Committed);
    host.look().await;
    // By hand, beside upkeep: what the newer release's migration did is gone.
    execute(
        &host.env.database(),
        "ALTER TABLE notes DROP COLUMN colour; DELETE FROM flyway_schema_history WHERE version = '2'",
    )
    .await;
    assert_eq!(of_the_data(&host).await.as_deref(), Some("1.0"), "an earlier look knows whose shape it is");
    assert_eq!(host.decision(Asked::ByDaemon).await, "plan: upgrade notes from 1.0 to 2.0");

    // A server that migrated past us is in step again; what came from nowhere while it was down is nobody's.
    server_migrates(&host, &embedded).await;
    assert_eq!(host.decision(Asked::ByDaemon).await, "nothing: 2.0 is installed and in step with its database");
    let plugin = "INSERT INTO flyway_schema_history SELECT 9, '9', 'plugin', 'SQL', 'p', 0, '', installed_on, 1, 1 FROM flyway_schema_history LIMIT 1";
    service::stop(host.target.service.as_ref().unwrap()).await.unwrap();
    execute(&host.env.database(), plugin).await;
    let decision = host.decision(Asked::ByDaemon).await;
    let why = "refuse: the database has migrations that release 2.0 did not leave: 9 plugin";
    assert!(decision.starts_with(why), "{decision}");
    assert!(host.decision(Asked::ByPerson).await.starts_with("plan: "), "who asks for it has looked");
    service::start(host.target.service.as_ref().unwrap()).await.unwrap();
    assert_eq!(
        host.decision(Asked::ByDaemon).await,
        "nothing: 2.0 is installed and in step with its database",
        "its own server's"
    );
    service::stop(host.target.service.as_ref().unwrap()).await.unwrap();
    assert_eq!(upgrade::standing(&host.look().await), Standing::InStep, "and that is on record now");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_applied_by_hand_make_another_releases_data() {
    let host = Host::new().await;
    assert_eq!(of_the_data(&host).await.as_deref(), Some("1.0"));
    host.install("2.0", &[V1, V2]);
    host.look().await;
    assert_eq!(of_the_data(&host).await.as_deref(), Some("1.0"), "what is only installed changes nothing");
    host.migrate().await;
    assert_eq!(of_the_data(&host).await.as_deref(), Some("2.0"));
    // Whatever fails now, the old release is never started on what the new one's scripts made.
    host.sick("2.0");
    let Ended::RolledBack { next_steps, .. } = host.upgrade().await else { panic!("not rolled back") };
    assert_eq!(next_steps.first().map(String::as_str), Some("install version 2.0 of the server again"), "{next_steps:?}");
    assert_eq!((host.serving().await, host.columns().await.len()), (None, 3));
    let [before] = &host.archives(Kind::PreUpgrade).await[..] else { panic!("one archive") };
    assert_eq!(before.release, Version::parse("2.0").ok(), "and its label says whose shape it has");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_labelled_by_what_its_dump_met_and_not_by_the_look_before() {
    let host = Host::new().await;
    let shape = async || host.look().await.database.unwrap().shape;
    let archived = async |told_by| {
        let request = BackupRequest { told_by: Some(told_by), ..of_one() };
        let entry = backup::backup(&host.env.ctx, &host.target, &request, &Progress::default()).await.unwrap();
        let manifest = upkeep::archive::Archive::open(&entry.path).unwrap().manifest().clone();
        let release = manifest.release.map(|release| release.version.to_string());
        assert_eq!(entry.release.map(|release| release.to_string()), release);
        assert_eq!(entry.label.as_str().contains("-1.0-"), release.is_some(), "{}", entry.label);
        release
    };
    let before = shape().await;
    assert_eq!(archived(before.clone()).await.as_deref(), Some("1.0"));
    // A package's script is at the schema between look and dump; of a release that nobody has seen the data is nobody's.
    execute(&host.env.database(), "ALTER TABLE notes ADD COLUMN colour TEXT; UPDATE flyway_schema_history SET checksum = 7")
        .await;
    let after = shape().await;
    assert_eq!(archived(before.clone()).await, None);
    assert_eq!(archived(after.clone()).await.as_deref(), Some("1.0"), "what the caller saw is his to name");
    // And back again: it is what is on record.
    execute(&host.env.database(), "ALTER TABLE notes DROP COLUMN colour").await;
    assert_eq!(archived(after).await, None, "its history is another");
}

/// A package whose own script migrates the database before upkeep sees the release.
async fn migrated_by_its_package(mut host: Host, with_migrations: bool) -> Host {
    if !with_migrations {
        host.target.migrations = None;
    }
    backup::backup(&host.env.ctx, &host.target, &of_one(), &Progress::default()).await.unwrap();
    // What the release that serves changes itself is its own, and no surprise later.
    execute(&host.env.database(), "CREATE INDEX by_text ON notes (text)").await;
    let before = host.look().await;
    host.install("2.0", &[V1]);
    assert_eq!(of_the_data(&host).await.as_deref(), Some("1.0"));
    execute(&host.env.database(), "ALTER TABLE notes ADD COLUMN colour TEXT").await;
    // A look that saw the release before, and the schema after its successor's script had run, takes nothing for granted.
    let after = upgrade::observe(&host.env.ctx, &host.target).await.unwrap();
    let overtaken = upgrade::Observation { database: after.database, ..before };
    upgrade::remember_shape(&host.env.ctx, &host.target, &overtaken).await.unwrap();
    host
}

fn of_one() -> BackupRequest {
    let release = Version::parse("1.0").ok().map(|version| ReleaseNote { version, probe: "a test".to_owned() });
    BackupRequest { kind: Kind::Manual, note: None, pin: None, release, told_by: None }
}

const CHANGED: &str = "refuse: the schema was changed outside of migrations: it is not the one that release 1.0 left";

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_migrates_by_itself_is_a_persons_to_decide_and_never_rolled_back_to_what_it_is_not() {
    for with_migrations in [true, false] {
        let host = Box::pin(migrated_by_its_package(Host::in_place(InPlace::NoWayBack).await, with_migrations)).await;
        let decision = host.decision(Asked::ByDaemon).await;
        assert!(decision.starts_with(CHANGED), "{with_migrations}: {decision}");
        let standing = upgrade::standing(&host.look().await);
        assert!(matches!(standing, Standing::Outside(_)), "{with_migrations}: {standing:?}");
        assert_eq!(of_the_data(&host).await, None, "{with_migrations}: it is no release's");

        // A person goes on, and is told what there is no way back to.
        assert_eq!(host.upgrade().await, Ended::Committed);
        let [last] = &host.archives(Kind::Manual).await[..] else { panic!("one archive") };
        assert!(last.pinned.is_some(), "{with_migrations}: the last of 1.0 is kept");
        let [before] = &host.archives(Kind::PreUpgrade).await[..] else { panic!("one archive") };
        assert_eq!(before.release, None, "{with_migrations}: labelled as no release's");
        let refused = upgrade::begin_rollback(&host.env.ctx, &host.target, &Progress::default()).await.unwrap_err();
        let failure = upkeep::failure::Failure::of(&refused);
        assert_eq!(failure.code, 65, "{failure:?}");
        assert!(failure.message.contains("is not what release 1.0 left"), "{failure:?}");
        assert!(failure.hints.iter().any(|hint| hint.contains(last.label.as_str())), "{failure:?}");
        assert_eq!(host.columns().await.len(), 3, "nothing was changed");
        assert!(host.decision(Asked::ByDaemon).await.starts_with("nothing: 2.0 is installed"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_a_package_migrated_by_itself_is_not_told_as_rolled_back() {
    let host = Box::pin(migrated_by_its_package(Host::in_place(InPlace::NoWayBack).await, true)).await;
    host.sick("2.0");
    let Ended::Stuck { why, next_steps } = host.upgrade().await else { panic!("not stuck") };
    assert!(why.contains("that is not what release 1.0 left"), "{why}");
    let [last] = &host.archives(Kind::Manual).await[..] else { panic!("one archive") };
    assert!(next_steps.iter().any(|step| step.contains(last.label.as_str())), "{next_steps:?}");
    assert_eq!((host.serving().await, host.columns().await.len()), (None, 3));
    let status = |settle| upgrade::settle(&host.env.ctx, &host.target, settle, "a test");
    status(upgrade::Settle::Resume).await.unwrap();
    let ended = host.drive().await;
    assert!(matches!(&ended, Ended::RolledBack { .. }), "{ended:?}");
    // What was put back is still no release's.
    assert!(host.decision(Asked::ByPerson).await.starts_with("refuse: 2.0 is on hold"));
    host.install("2.1", &[V1]);
    assert!(host.decision(Asked::ByDaemon).await.starts_with(CHANGED), "{}", host.decision(Asked::ByDaemon).await);
}
