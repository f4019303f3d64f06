//! Upgrades from end to end: a real SQLite database, real release directories, a real process for a server, and the journal
//! on disk.

mod belongs;
mod host;
mod mysql;

use std::time::Duration;

use chrono::TimeDelta;
use host::{Host, InPlace, V1, V2, V3_BAD};
use tokio_util::sync::CancellationToken;
use upkeep::archive::manifest::Kind;
use upkeep::clock::Clock as _;
use upkeep::config::{OnFailure, Runner, Window};
use upkeep::progress::Progress;
use upkeep::service::ServiceState;
use upkeep::upgrade::{self, Asked, Decision, Ended, Phase, Settle, UpgradeError};

use crate::support::env::{execute, texts};

/// Longer than any machine needs for what is waited for.
const LONG: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn a_good_upgrade_ends_on_the_new_version_with_the_old_one_kept() {
    let host = Host::new().await;
    assert_eq!(host.decision(Asked::ByDaemon).await, "nothing: 1.0 is installed and in step with its database");
    host.install("2.0", &[V1, V2]);
    let observation = upgrade::observe(&host.env.ctx, &host.target).await.unwrap();
    let Decision::Plan(plan) = upgrade::decide(&observation, Asked::ByDaemon, host.now()) else { panic!("{observation:?}") };
    assert_eq!((plan.headline().as_str(), &plan.pending[..]), ("upgrade notes from 1.0 to 2.0", &["2 colour".to_owned()][..]));
    assert_eq!(host.upgrade().await, Ended::Committed);

    assert_eq!(host.serving().await, Some("2.0".to_owned()));
    assert_eq!(texts(&host.env.database(), "SELECT text || coalesce(colour, '-') FROM notes").await, ["first-", "second-"]);
    let [before] = &host.archives(Kind::PreUpgrade).await[..] else { panic!("one pre-upgrade archive") };
    assert!(before.label.as_str().starts_with("notes-1.0-") && before.pinned.is_some(), "{before:?}");
    assert!(host.notes_for_recovery().is_empty(), "the note goes when the upgrade ends");
    assert!(host.seen("gate-token"), "our own start had its token");
    assert!(!upgrade::token::granted(&host.env.ctx.config.daemon.state_dir, &host.target.name), "and only that start");
    let summary = upgrade::current(&host.env.ctx.state, &host.target.name).await.unwrap().unwrap();
    assert_eq!((summary.phase, summary.to.as_str(), summary.step), (Phase::Committed, "2.0", None));
    assert!(summary.ended_at.is_some());
    let downtime = summary.downtime.unwrap();
    let parts: Vec<&str> = downtime.parts.iter().map(|part| part.what.as_str()).collect();
    assert_eq!(parts, ["stop", "archive", "verify", "migrate", "inspect", "start", "healthy"]);
    let until = downtime.until.expect("it answered again");
    assert_eq!(Some(downtime.took()), (until - downtime.from).to_std().ok(), "the parts are all of it");
    let expected = upgrade::expected(&host.env.ctx.state, &host.target.name).await.unwrap();
    assert_eq!(expected.map(|expected| (expected.last, expected.upgrades)), Some((downtime, 1)));
    assert_eq!(host.decision(Asked::ByDaemon).await, "nothing: 2.0 is installed and in step with its database");
    let seen = host.env.ctx.state.seen_releases(&host.target.name).await.unwrap();
    assert!(seen.iter().all(|seen| seen.scripts_json.contains("V1__notes.sql")), "every release's scripts are kept: {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_half_way_is_put_back_and_not_tried_again() {
    let host = Host::new().await;
    let before = host.rows().await;
    host.install("2.0", &[V1, V2, V3_BAD]);
    let Ended::RolledBack { why, next_steps } = host.upgrade().await else { panic!("not rolled back") };
    assert!(why.starts_with("step migrate failed: ") && next_steps.is_empty(), "{why}, {next_steps:?}");

    assert_eq!(host.serving().await, Some("1.0".to_owned()), "the old server runs again");
    assert_eq!(host.rows().await, before);
    assert_eq!(host.columns().await, ["id", "text"], "V2 was applied and is gone again");
    assert_eq!(host.archives(Kind::PreUpgrade).await.len(), 1);
    let [failed] = &host.archives(Kind::FailedState).await[..] else { panic!("the failed state is kept") };
    assert!(failed.label.as_str().starts_with("notes-2.0-") && failed.head.as_deref() == Some("2"), "{failed:?}");
    // The package comes again: held.
    host.install("2.0", &[V1, V2, V3_BAD]);
    let decision = host.decision(Asked::ByDaemon).await;
    assert!(decision.starts_with("refuse: 2.0 is on hold by upkeep: step migrate failed"), "{decision}");
    // The next release is another matter.
    host.install("2.1", &[V1, V2]);
    assert_eq!(host.upgrade().await, Ended::Committed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_gets_healthy_is_put_back_and_what_it_wrote_is_kept() {
    let host = Host::new().await;
    let before = host.rows().await;
    host.install("2.0", &[V1, V2]);
    host.sick("2.0");
    let database = host.env.database();
    let writes = async {
        host.when_serving("2.0").await;
        execute(&database, "INSERT INTO notes (text) VALUES ('written by the new server')").await;
    };
    let (ended, ()) = tokio::join!(host.upgrade(), writes);
    let Ended::RolledBack { why, .. } = ended else { panic!("{ended:?}") };
    assert!(why.starts_with("step healthy failed: "), "{why}");
    assert_eq!((host.rows().await, host.serving().await), (before, Some("1.0".to_owned())));
    let [failed] = &host.archives(Kind::FailedState).await[..] else { panic!("the failed state is kept") };
    assert_eq!(host.texts_in(failed).await, ["first", "second", "written by the new server"]);
    let downtime = upgrade::current(&host.env.ctx.state, &host.target.name).await.unwrap().unwrap().downtime.unwrap();
    let took = |what: &str| downtime.parts.iter().any(|part| part.what == what);
    assert!(took("restore") && took("healthy-old") && downtime.until.is_some(), "the way back is down as well: {downtime:?}");
    let expected = upgrade::expected(&host.env.ctx.state, &host.target.name).await.unwrap();
    assert_eq!(expected, None, "what was put back says nothing of what an upgrade takes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_in_place_release_is_left_stopped_and_its_reinstallation_is_taken_for_good() {
    let mut host = Host::in_place(InPlace::NoWayBack).await;
    let before = host.rows().await;
    host.install("2.0", &[V1, V2, V3_BAD]);
    let Ended::RolledBack { next_steps, .. } = host.upgrade().await else { panic!("not rolled back") };
    assert_eq!(next_steps.first().map(String::as_str), Some("install version 1.0 of the server again"), "{next_steps:?}");
    assert_eq!((host.rows().await, host.serving().await), (before, None));
    let summary = upgrade::current(&host.env.ctx.state, &host.target.name).await.unwrap().unwrap();
    assert_eq!((summary.phase, summary.next_steps), (Phase::RolledBack, next_steps));
    host.install("1.0", &[V1]);
    assert_eq!(host.decision(Asked::ByDaemon).await, "nothing: 1.0 is installed and in step with its database");

    // With a command that installs the old version, all of it is put back.
    host = Host::in_place(InPlace::Revert).await;
    host.install("2.0", &[V1, V2, V3_BAD]);
    let ended = host.upgrade().await;
    assert!(matches!(&ended, Ended::RolledBack { next_steps, .. } if next_steps.is_empty()), "{ended:?}");
    assert_eq!(host.serving().await, Some("1.0".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_migrates_itself_is_judged_by_its_database() {
    let mut host = Host::new().await;
    host.target.migrations.as_mut().unwrap().runner = Runner::OnStart;
    host.install("2.0", &[V1, V2]);
    let serve = async {
        host.when_serving("2.0").await;
        host.migrate().await;
        host.well("2.0");
    };
    host.sick("2.0");
    let (ended, ()) = tokio::join!(host.upgrade(), serve);
    assert_eq!(ended, Ended::Committed);
    assert_eq!(host.columns().await, ["id", "text", "colour"]);
    // One that says it is healthy and has migrated nothing has not.
    host.install("3.0", &[V1, V2, ("V3__size.sql", "ALTER TABLE notes ADD COLUMN size INTEGER;")]);
    let Ended::RolledBack { why, .. } = host.upgrade().await else { panic!("not rolled back") };
    assert_eq!(why, "step inspect failed: after the migrations, these are still pending: 3 size");
    assert_eq!(host.serving().await, Some("2.0".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_tool_is_judged_by_the_database_and_not_by_its_exit_code() {
    let mut host = Host::new().await;
    let waits =
        "touch tool-asked; i=0; while ! test -e tool-done && test $i -lt 14000; do i=$((i+1)); sleep 0.02; done; exit 7";
    host.tool(waits);
    host.install("2.0", &[V1, V2]);
    let works = async {
        host.when_there("tool-asked").await;
        host.migrate().await;
        host.touch("tool-done");
    };
    let (ended, ()) = tokio::join!(host.upgrade(), works);
    assert_eq!(ended, Ended::Committed, "it exited with 7, and all is applied");
    host.tool("echo 'all migrations applied'; exit 0");
    host.install("3.0", &[V1, V2, ("V3__size.sql", "ALTER TABLE notes ADD COLUMN size INTEGER;")]);
    let Ended::RolledBack { why, .. } = host.upgrade().await else { panic!("not rolled back") };
    let told = "ended with exit code 0 and left the database not in step (still pending: 3 size): all migrations applied";
    assert!(why.contains(told), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_has_not_ended_while_somebody_goes_on_whom_it_left_behind() {
    let mut host = Host::new().await;
    let leaves = "(touch tool-left; i=0; while ! test -e tool-done && test $i -lt 14000; do i=$((i+1)); sleep 0.02; done; \
                  echo that was all) & exit 0";
    host.tool(leaves);
    host.install("2.0", &[V1, V2]);
    let works = async {
        host.when_there("tool-left").await;
        host.migrate().await;
        host.touch("tool-done");
    };
    let (ended, ()) = tokio::join!(host.upgrade(), works);
    assert_eq!(ended, Ended::Committed, "the database is judged behind the last of them");
}

/// How long the tool and whom it leaves behind may take from now on.
fn give_the_tool(host: &mut Host, time: Duration) {
    let Runner::Command { deadline, .. } = &mut host.target.migrations.as_mut().unwrap().runner else { panic!("no tool") };
    *deadline = time;
}

/// Ends whom the tool left behind.
fn end_the_helper(host: &Host) {
    rustix::process::kill_process_group(upgrade_tool(host), rustix::process::Signal::KILL).unwrap();
}

/// Goes on with an upgrade that waits for a person, when nobody is left of the tool: it is judged, and has failed.
async fn is_judged_when_the_helper_has_ended(host: &mut Host) {
    end_the_helper(host);
    give_the_tool(host, LONG);
    upgrade::settle(&host.env.ctx, &host.target, Settle::Resume, "root").await.unwrap();
    let Ended::RolledBack { why, .. } = host.drive().await else { panic!("not rolled back") };
    assert!(why.contains("ended with exit code 0 and left the database not in step"), "{why}");
    assert_eq!(std::fs::read_to_string(host.path("tool-runs")).unwrap(), "run\n", "it was not begun a second time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_that_a_tool_left_behind_for_good_does_not_undo_what_it_did() {
    for works in [true, false] {
        // The deadline is one for all of it. Where the machine is so slow that the shortest passes before the work is done, the next is taken.
        for seconds in [2, 20, 200] {
            let mut host = Host::new().await;
            host.tool("echo run >> tool-runs; sleep 600 & touch tool-left; exit 0");
            give_the_tool(&mut host, Duration::from_secs(seconds));
            host.install("2.0", &[V1, V2]);
            let migrates = async {
                while !host.seen("tool-left") {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                if works {
                    host.migrate().await;
                }
                std::future::pending::<Ended>().await
            };
            let ended = tokio::select! {
                ended = host.upgrade() => ended,
                ended = migrates => ended,
            };
            let in_time = if works { ended == Ended::Committed } else { matches!(ended, Ended::Stuck { .. }) };
            if !in_time && seconds < 200 {
                end_the_helper(&host);
                continue;
            }
            if works {
                assert_eq!((ended, host.serving().await), (Ended::Committed, Some("2.0".to_owned())), "nothing is pending");
                end_the_helper(&host);
                break;
            }
            let Ended::Stuck { why, next_steps } = ended else { panic!("{ended:?}") };
            assert!(
                why.starts_with("step migrate failed: the migration tool ended with exit code 0, and when its deadline"),
                "{why}"
            );
            assert!(why.contains(": sleep ("), "it names who is left: {why}");
            assert!(next_steps.iter().any(|line| line.contains("`kill -- -")), "{next_steps:?}");
            is_judged_when_the_helper_has_ended(&mut host).await;
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_helper_stops_when_told_and_what_the_helper_prints_hides_no_exit_code() {
    for works in [true, false] {
        let mut host = Host::new().await;
        let leaves = "echo run >> tool-runs; (i=0; while ! test -e tool-speak && test $i -lt 30000; do i=$((i+1)); sleep 0.02; done; \
                      echo here I am; touch tool-spoke; sleep 600) & exit 0";
        host.tool(leaves);
        give_the_tool(&mut host, LONG);
        host.install("2.0", &[V1, V2]);
        host.begin().await;
        let (stop, progress) = (CancellationToken::new(), Progress::default());
        let stops = async {
            until(|| progress.snapshot().phase.starts_with("waiting for the migration tool")).await;
            stop.cancel();
        };
        let (ended, ()) = tokio::join!(upgrade::drive(&host.env.ctx, &host.target, &progress, &stop), stops);
        assert_eq!(ended.unwrap(), Ended::Paused, "it does not wait for whom the tool left behind");
        host.touch("tool-speak");
        until(|| host.seen("tool-spoke")).await;
        if works {
            host.migrate().await;
        }
        give_the_tool(&mut host, Duration::ZERO);
        let ended = host.drive().await;
        if works {
            assert_eq!(ended, Ended::Committed, "nothing is pending");
            end_the_helper(&host);
            continue;
        }
        let Ended::Stuck { why, .. } = ended else { panic!("{ended:?}") };
        assert!(why.contains("an earlier run of upkeep began still runs") && why.contains("sleep ("), "{why}");
        is_judged_when_the_helper_has_ended(&mut host).await;
    }
}

/// Waits for something that comes as soon as the machine gets to it.
async fn until(there: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !there() {
        assert!(begun.elapsed() < LONG, "it did not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A tool without a unit of its own that takes long, begun and left running by a run that had to stop.
async fn left_running() -> Host {
    let mut host = Host::new().await;
    let waits = "echo run >> tool-runs; touch tool-asked; i=0; \
                 while ! test -e tool-done && test $i -lt 14000; do i=$((i+1)); sleep 0.02; done; echo it went well";
    host.tool(waits);
    host.install("2.0", &[V1, V2]);
    host.begin().await;
    let stop = CancellationToken::new();
    let stops = async {
        host.when_there("tool-asked").await;
        stop.cancel();
    };
    let progress = Progress::default();
    let drive = upgrade::drive(&host.env.ctx, &host.target, &progress, &stop);
    let (ended, ()) = tokio::join!(drive, stops);
    assert_eq!(ended.unwrap(), Ended::Paused, "it does not wait for a tool that goes on without it");
    assert!(host.seen("state/tools/migrate-notes.log"), "what it prints is in a file");
    host
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_without_a_unit_outlives_us_and_is_judged_by_the_next_run() {
    let host = left_running().await;
    let works = async {
        host.migrate().await;
        host.touch("tool-done");
    };
    let (ended, ()) = tokio::join!(host.drive(), works);
    assert_eq!(ended, Ended::Committed);
    assert_eq!(std::fs::read_to_string(host.path("tool-runs")).unwrap(), "run\n", "it was not begun a second time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_ended_in_the_middle_is_not_run_on_what_it_left() {
    for killed in [true, false] {
        let host = left_running().await;
        execute(&host.env.database(), "ALTER TABLE notes ADD COLUMN half TEXT").await;
        if killed {
            let found = upgrade_tool(&host);
            rustix::process::kill_process_group(found, rustix::process::Signal::KILL).unwrap();
        } else {
            host.touch("tool-done");
        }
        let Ended::RolledBack { why, .. } = host.drive().await else { panic!("not rolled back, killed: {killed}") };
        assert_eq!(why.contains("how is not known"), killed, "{why}");
        assert_eq!(std::fs::read_to_string(host.path("tool-runs")).unwrap(), "run\n", "it was not begun a second time");
        assert_eq!(host.columns().await, ["id", "text"], "the archive from before was restored");
        assert_eq!(host.archives(Kind::FailedState).await.len(), 1, "what it left is kept");
    }
}

/// The process group of the tool, as the journal has it.
fn upgrade_tool(host: &Host) -> rustix::process::Pid {
    let line = crate::support::engines::ask_file(
        &host.path("state/state.db"),
        "SELECT json_extract(body_json, '$.process.pid') FROM upgrade_event WHERE kind = 'spawned'",
    );
    rustix::process::Pid::from_raw(line.parse().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_from_before_an_upgrade_leave_no_way_back() {
    let host = Host::new().await;
    host.install("2.0", &[V1, V2]);
    host.migrate().await;
    let decision = upgrade::decide(&host.look().await, Asked::ByPerson, host.now());
    let upgrade::Decision::Plan(plan) = decision else { panic!("no plan") };
    // What is there is the new release's: the old one is neither where it comes from nor where it could go back to.
    assert_eq!(plan.from.as_ref().map(|from| from.version.as_str()), Some("2.0"));
    assert_eq!(plan.back, upgrade::plan::Back::Nothing);
    upgrade::begin(&host.env.ctx, *plan).await.unwrap();
    assert_eq!(host.drive().await, Ended::Committed);
    let [before] = &host.archives(Kind::PreUpgrade).await[..] else { panic!("one archive") };
    assert!(before.label.as_str().starts_with("notes-2.0-"), "{before:?}");
    assert_eq!(host.columns().await, ["id", "text", "colour"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_begun_is_refused_with_its_reason() {
    let mut host = Host::new().await;
    host.install("2.0", &[V1, V2]);
    let name = host.target.name.clone();
    let until = Some(host.now() + TimeDelta::hours(1));
    upgrade::hold(&host.env.ctx, &name, until, "the auditors are here", "root").await.unwrap();
    let decision = host.decision(Asked::ByPerson).await;
    assert_eq!(decision, "refuse: upgrades are on hold until 2026-11-22 13:00 UTC by root: the auditors are here");
    host.env.clock.set(host.now() + TimeDelta::hours(2));
    assert!(host.decision(Asked::ByPerson).await.starts_with("plan: "), "the hold has ended by itself");
    assert_eq!(upgrade::release_hold(&host.env.ctx, &name).await.unwrap(), 1);

    let time = |hour| chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    host.target.upgrade.window = Some(Window { from: time(1), to: time(5), zone: chrono_tz::UTC });
    assert_eq!(host.decision(Asked::ByDaemon).await, "refuse: outside the window 01:00-05:00 (UTC)");
    assert!(host.decision(Asked::ByPerson).await.starts_with("plan: "));
    host.target.upgrade.window = None;

    std::fs::rename(host.path("app-2.0"), host.path("elsewhere")).unwrap();
    assert!(host.decision(Asked::ByPerson).await.contains("points to app-2.0, which does not exist"));
    std::fs::rename(host.path("elsewhere"), host.path("app-2.0")).unwrap();
    host.put("app-2.0/libs/notes-2.0.jar", "");
    host.put("app-2.0/libs/notes-1.0.jar", "");
    host.probe_libs();
    assert!(host.decision(Asked::ByPerson).await.starts_with("refuse: two releases at once"));
    std::fs::remove_file(host.path("app-2.0/libs/notes-1.0.jar")).unwrap();

    assert_eq!(host.upgrade().await, Ended::Committed);
    host.put("app-1.0/libs/notes-1.0.jar", "");
    host.point("1.0");
    let decision = host.decision(Asked::ByPerson).await;
    assert!(decision.starts_with("refuse: 1.0 is older than 2.0, which the database belongs to; "), "{decision}");
    assert!(decision.contains("the database holds migrations the release does not know: 2"), "{decision}");
    assert_eq!(host.serving().await, Some("2.0".to_owned()), "nothing was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_changed_after_it_was_applied_is_refused() {
    let host = Host::new().await;
    host.install("2.0", &[("V1__notes.sql", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, more TEXT);"), V2]);
    let decision = host.decision(Asked::ByPerson).await;
    assert!(decision.starts_with("refuse: scripts and history contradict each other: "), "{decision}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_tool_migrates_is_not_upgraded() {
    let host = Host::new().await;
    host.install("2.0", &[V1, V2]);
    let moved = "CREATE TABLE SERVER_CHANGE_LOG (installed_rank INTEGER, version TEXT, migrationFileName TEXT, checksum TEXT, installed_on TEXT)";
    execute(&host.env.database(), moved).await;
    let decision = host.decision(Asked::ByPerson).await;
    assert!(decision.starts_with("refuse: "), "{decision}");
    assert!(decision.contains("the history of this database is kept by openmetadata in SERVER_CHANGE_LOG"), "{decision}");
}

/// What Flyway can be told of scripts counts within an upgrade as it does for `migrate`.
#[tokio::test(flavor = "multi_thread")]
async fn flyways_settings_and_files_count_within_an_upgrade() {
    let mut host = Host::new().await;
    let settings = host.target.migrations.as_mut().unwrap();
    settings.placeholders.insert("colour".to_owned(), "red".to_owned());
    settings.out_of_order = true;
    host.install(
        "2.0",
        &[
            V1,
            ("V3__red.sql", "CREATE TABLE ${colour} (what TEXT);"),
            ("deep/V4__literal.sql", "INSERT INTO red VALUES ('${literal}');"),
            ("deep/V4__literal.sql.conf", "placeholderReplacement=false"),
            ("R__view.sql", "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT what FROM ${colour};"),
            ("afterEachMigrate.sql", "CREATE TABLE IF NOT EXISTS said (n); INSERT INTO said VALUES (1);"),
        ],
    );
    assert_eq!(host.upgrade().await, Ended::Committed);
    assert_eq!(texts(&host.env.database(), "SELECT what FROM v").await, ["${literal}"]);
    assert_eq!(texts(&host.env.database(), "SELECT CAST(count(*) AS TEXT) FROM said").await, ["3"]);
    // An older one that comes late, and a repeatable one that changed.
    host.install(
        "3.0",
        &[
            V1,
            ("V2__late.sql", "INSERT INTO red VALUES ('late');"),
            ("V3__red.sql", "CREATE TABLE ${colour} (what TEXT);"),
            ("deep/V4__literal.sql", "INSERT INTO red VALUES ('${literal}');"),
            ("deep/V4__literal.sql.conf", "placeholderReplacement=false"),
            ("R__view.sql", "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT what || '!' AS what FROM ${colour};"),
        ],
    );
    assert_eq!(host.upgrade().await, Ended::Committed);
    assert_eq!(texts(&host.env.database(), "SELECT what FROM v").await, ["${literal}!", "late!"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_archive_there_is_no_upgrade() {
    let mut host = Host::new().await;
    host.install("2.0", &[V1, V2]);
    host.put("in-the-way", "");
    host.target.backup.directory = host.path("in-the-way/archives");
    let Ended::RolledBack { why, .. } = host.upgrade().await else { panic!("not rolled back") };
    assert!(why.starts_with("step archive failed: "), "{why}");
    assert_eq!(
        (host.serving().await, host.columns().await),
        (Some("1.0".to_owned()), vec!["id".to_owned(), "text".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_settles_what_is_stuck() {
    let mut host = Host::new().await;
    host.target.upgrade.on_failure = OnFailure::Hold;
    host.install("2.0", &[V1, V2]);
    host.sick("2.0");
    let Ended::Stuck { next_steps, .. } = host.upgrade().await else { panic!("not stuck") };
    assert!(next_steps.contains(&"or put everything back: `upkeep upgrade notes --abort`".to_owned()), "{next_steps:?}");
    assert!(!host.notes_for_recovery().is_empty(), "the way back by hand lies beside the archives");
    assert!(host.decision(Asked::ByPerson).await.ends_with("is stuck"), "no other upgrade is begun meanwhile");
    assert!(matches!(host.drive().await, Ended::Stuck { .. }), "it waits, also through a restart");
    upgrade::settle(&host.env.ctx, &host.target, Settle::Abort, "root").await.unwrap();
    assert!(matches!(host.drive().await, Ended::RolledBack { .. }));
    assert_eq!((host.serving().await, host.columns().await.len()), (Some("1.0".to_owned()), 2));
    let error = upgrade::settle(&host.env.ctx, &host.target, Settle::Resume, "root").await.unwrap_err();
    assert!(matches!(error, UpgradeError::NotStuck(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_can_be_taken_back_later_and_nothing_written_since_is_lost() {
    let host = Host::new().await;
    let error = upgrade::begin_rollback(&host.env.ctx, &host.target, &Progress::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "nothing to undo for `notes`: no upgrade completed since the last rollback");
    let before = host.rows().await;
    host.install("2.0", &[V1, V2]);
    assert_eq!(host.upgrade().await, Ended::Committed);
    execute(&host.env.database(), "INSERT INTO notes (text, colour) VALUES ('since', 'red')").await;
    upgrade::begin_rollback(&host.env.ctx, &host.target, &Progress::default()).await.unwrap();
    assert!(matches!(host.drive().await, Ended::RolledBack { .. }));
    assert_eq!((host.rows().await, host.serving().await), (before, Some("1.0".to_owned())));
    let [kept] = &host.archives(Kind::PreRestore).await[..] else { panic!("what was there is kept") };
    assert_eq!(host.texts_in(kept).await, ["first", "second", "since"]);
    host.point("2.0");
    let decision = host.decision(Asked::ByDaemon).await;
    assert!(decision.starts_with("refuse: 2.0 is on hold by upkeep: rolled back to before notes-2.0-"), "{decision}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_between_steps_and_another_process_goes_on() {
    let host = Host::new().await;
    host.install("2.0", &[V1, V2]);
    host.begin().await;
    let stop = CancellationToken::new();
    stop.cancel();
    let paused = upgrade::drive(&host.env.ctx, &host.target, &Progress::default(), &stop).await.unwrap();
    assert_eq!(paused, Ended::Paused);
    let error = upgrade::begin_rollback(&host.env.ctx, &host.target, &Progress::default()).await.unwrap_err();
    assert!(matches!(error, UpgradeError::Open { .. }), "{error}");
    let ctx = host.reopened().await;
    let ended = upgrade::drive(&ctx, &host.target, &Progress::default(), &CancellationToken::new()).await.unwrap();
    assert_eq!(ended, Ended::Committed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_commit_lets_the_first_archive_go() {
    let host = Host::new().await;
    host.install("2.0", &[V1, V2]);
    assert_eq!(host.upgrade().await, Ended::Committed);
    host.env.clock.set(host.env.clock.now() + TimeDelta::days(1));
    host.install("3.0", &[V1, V2]);
    assert_eq!(host.upgrade().await, Ended::Committed);
    let pinned: Vec<bool> = host.archives(Kind::PreUpgrade).await.iter().map(|entry| entry.pinned.is_some()).collect();
    assert_eq!(pinned, [false, true], "only the way back from the newest upgrade is pinned");
    assert_eq!(upgrade::observe(&host.env.ctx, &host.target).await.unwrap().service, Some(ServiceState::Running));
}
