//! What happens in the demo, step by step, each looked at from outside before it counts.

use hyper::Method;

use super::layout::{self, RELEASES, Release};
use super::look;
use super::stage::Stage;
use crate::archive::manifest::Kind;
use crate::cli::Stop;
use crate::state_db::catalogue::{Entry, Verdict};
use crate::status::words;
use crate::wire::TargetStatus;

/// How many notes people have written before the story begins.
const NOTES: i64 = 500;

pub(super) async fn tell(stage: &mut Stage) -> Result<(), Stop> {
    begin(stage).await?;
    scheduled_archives(stage).await?;
    good_upgrade(stage).await?;
    failed_migration(stage).await?;
    unhealthy_release(stage).await?;
    accident(stage).await?;
    end(stage).await
}

async fn begin(stage: &mut Stage) -> Result<(), Stop> {
    stage.heading("A notes server 1.0.0 with a SQLite database, and a daemon that looks after it");
    let what = "an empty database";
    look::create(&stage.root).await.map_err(|why| stage.failed(what, &why))?;
    stage.upkeep(&["migrate", "apply", "notes"]).await?;
    stage.done("its first migration made the database", "notes.db");
    stage.start_server().await?;
    let what = "people write notes";
    let written = look::ask(Method::POST, stage.port, "/notes", &NOTES.to_string()).await;
    written.map_err(|why| stage.failed(what, &why))?;
    expect(stage, what, look::notes(&stage.root).await, &NOTES)?;
    stage.done(&format!("the server runs and holds {NOTES} notes"), "server.log");
    stage.start_daemon()?;
    let looked = async || {
        stage.status().await.and_then(|found| if found.release.is_some() { Ok(found) } else { Err("no look yet".to_owned()) })
    };
    let found = stage.until("the daemon answers", looked).await?;
    stage.done(&format!("the daemon runs: {}, release {}", state(&found), version(&found)), "daemon.log");
    Ok(())
}

async fn scheduled_archives(stage: &Stage) -> Result<(), Stop> {
    stage.heading("Backups by the schedule, every two seconds here");
    for number in 1..=2 {
        let what = format!("scheduled archive {number} is sealed and verified");
        let archive = stage
            .until(&what, async || {
                let archives = verified(stage, Kind::Scheduled).await?;
                let enough = archives.len() >= number;
                archives.into_iter().next().filter(|_| enough).ok_or_else(|| "no archive yet".to_owned())
            })
            .await?;
        stage.done(&format!("archive {number}: {} rows, release {}", archive.rows, of(&archive)), &name(&archive));
    }
    Ok(())
}

async fn good_upgrade(stage: &Stage) -> Result<(), Stop> {
    let release = RELEASES[1];
    stage.heading("Release 1.1.0 is dropped in; nobody types a command");
    install(stage, release)?;
    let what = "the daemon upgrades to 1.1.0 by itself";
    stage.until(what, async || ended(stage, release, "committed").await).await?;
    expect(stage, what, stage.version().await, &release.version.to_owned())?;
    expect(stage, what, look::has_column(&stage.root, "tag").await, &true)?;
    expect(stage, what, look::notes(&stage.root).await, &NOTES)?;
    let before = stage.until(what, async || first(verified(stage, Kind::PreUpgrade).await?)).await?;
    stage.done("backed up first, and pinned", &name(&before));
    stage.done("migrated, started, healthy: upgraded to 1.1.0", "upkeep events");
    Ok(())
}

async fn failed_migration(stage: &Stage) -> Result<(), Stop> {
    let release = RELEASES[2];
    stage.heading("Release 1.2.0 has two migrations, and the second one fails");
    install(stage, release)?;
    let what = "the failed upgrade to 1.2.0 is rolled back";
    let found = stage.until(what, async || ended(stage, release, "rolled-back").await).await?;
    as_before(stage, what, "colour").await?;
    let reason = found.upgrade.and_then(|upgrade| upgrade.message).unwrap_or_default();
    stage.done("its second migration failed", &reason);
    stage.done(&format!("rolled back: 1.1.0 serves the same {NOTES} notes"), "current -> releases/1.1.0");
    held(stage, release).await
}

async fn unhealthy_release(stage: &Stage) -> Result<(), Stop> {
    let release = RELEASES[3];
    stage.heading("Release 1.3.0 migrates well, and its server never gets healthy");
    let before = stage.archives().await.map_err(|why| stage.failed("archives can be listed", &why))?;
    install(stage, release)?;
    let what = "the failed upgrade to 1.3.0 is rolled back";
    stage.until(what, async || ended(stage, release, "rolled-back").await).await?;
    as_before(stage, what, "stars").await?;
    let failed = stage
        .until("the failed state was archived", async || {
            let archives = verified(stage, Kind::FailedState).await?;
            first(archives.into_iter().filter(|one| before.iter().all(|old| old.label != one.label)).collect())
        })
        .await?;
    stage.done("what it had left behind was archived, so nothing is lost", &name(&failed));
    stage.done(&format!("rolled back: 1.1.0 serves the same {NOTES} notes"), "current -> releases/1.1.0");
    held(stage, release).await
}

async fn accident(stage: &Stage) -> Result<(), Stop> {
    stage.heading("An accident: somebody deletes every second note");
    let newest = |archives: Vec<Entry>| archives.into_iter().map(|one| one.taken_at).max();
    let already = newest(stage.archives().await.map_err(|why| stage.failed("archives can be listed", &why))?);
    let good = stage
        .until("an archive from before the accident", async || {
            first(verified(stage, Kind::Scheduled).await?.into_iter().filter(|one| Some(one.taken_at) > already).collect())
        })
        .await?;
    let what = "every second note is deleted";
    look::ask(Method::DELETE, stage.port, "/notes", "").await.map_err(|why| stage.failed(what, &why))?;
    expect(stage, what, look::notes(&stage.root).await, &(NOTES / 2))?;
    stage.done(&format!("{} notes are gone", NOTES / 2), "notes.db");
    // To the last digit: the next archive, with half the notes, may be a fraction of a second away.
    let moment = good.taken_at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    stage.upkeep(&["restore", "notes", "--at", &moment, "--replace", "--stop-server"]).await?;
    let what = "the notes are back";
    expect(stage, what, look::notes(&stage.root).await, &NOTES)?;
    expect(stage, what, stage.version().await, &RELEASES[1].version.to_owned())?;
    let safety =
        stage.until("a safety archive was taken first", async || first(verified(stage, Kind::PreRestore).await?)).await?;
    stage.done("what was there was archived first", &name(&safety));
    stage.done(&format!("all {NOTES} notes are back, and the server serves them"), &name(&good));
    stage.aside(&format!("upkeep restore notes --at {moment} --replace --stop-server"));
    Ok(())
}

async fn end(stage: &Stage) -> Result<(), Stop> {
    let settled = async || {
        let found = stage.status().await?;
        let quiet = found.service.as_deref() == Some("running") && state(&found) == "in step";
        quiet.then_some(()).ok_or_else(|| format!("the server is {:?}, and it is {}", found.service, state(&found)))
    };
    stage.until("everything is in step at the end", settled).await?;
    stage.heading("upkeep status");
    let said = stage.upkeep(&["status"]).await?;
    if !stage.terminal.is_json() {
        stage.terminal.print(&format!("{}\n\nLook around: {}\n", said.stdout.trim_end(), stage.readme().display()))?;
    }
    Ok(())
}

fn install(stage: &Stage, release: Release) -> Result<(), Stop> {
    layout::install(&stage.root, release)?;
    stage.done(
        &format!("release {} installed: the link is swapped", release.version),
        &format!("current -> releases/{}", release.version),
    );
    Ok(())
}

/// The upgrade to a release, once it has ended, and only as it should.
async fn ended(stage: &Stage, release: Release, phase: &str) -> Result<TargetStatus, String> {
    let found = stage.status().await?;
    let upgrade = found.upgrade.as_ref().filter(|upgrade| upgrade.to.as_str() == release.version);
    match upgrade {
        Some(upgrade) if upgrade.ended_at.is_some() && upgrade.phase == phase => Ok(found),
        Some(upgrade) => Err(format!("it is {} ({})", upgrade.phase, upgrade.message.as_deref().unwrap_or("no word"))),
        None => Err(format!("no upgrade to {} has begun; {}", release.version, found.refusals.join("; "))),
    }
}

/// After a rollback everything is as it was at 1.1.0.
async fn as_before(stage: &Stage, what: &str, column: &'static str) -> Result<(), Stop> {
    let good = RELEASES[1].version;
    expect(stage, what, stage.version().await, &good.to_owned())?;
    expect(stage, what, look::notes(&stage.root).await, &NOTES)?;
    expect(stage, what, look::has_column(&stage.root, column).await, &false)?;
    let link = std::fs::read_link(stage.root.join("current")).map_err(|error| error.to_string());
    expect(stage, what, link.map(|link| link.ends_with(good)), &true)
}

async fn held(stage: &Stage, release: Release) -> Result<(), Stop> {
    let what = format!("{} is held, so that it is not tried again", release.version);
    stage
        .until(&what, async || {
            let holds = stage.status().await?.holds;
            let held =
                holds.iter().any(|hold| hold.version.as_ref().is_some_and(|version| version.as_str() == release.version));
            held.then_some(()).ok_or_else(|| "there is no hold".to_owned())
        })
        .await?;
    stage.done(&what, "upkeep release-hold notes");
    Ok(())
}

/// Archives of a kind whose every byte was read back, newest first.
async fn verified(stage: &Stage, kind: Kind) -> Result<Vec<Entry>, String> {
    let archives = stage.archives().await?;
    Ok(archives.into_iter().filter(|one| one.kind == kind && one.verdict == Verdict::Whole).collect())
}

fn first(archives: Vec<Entry>) -> Result<Entry, String> {
    archives.into_iter().next().ok_or_else(|| "there is no such archive".to_owned())
}

fn expect<T: PartialEq + std::fmt::Debug>(stage: &Stage, what: &str, found: Result<T, String>, wanted: &T) -> Result<(), Stop> {
    match found {
        Ok(found) if found == *wanted => Ok(()),
        Ok(found) => Err(stage.failed(what, &format!("found {found:?} and not {wanted:?}"))),
        Err(why) => Err(stage.failed(what, &why)),
    }
}

fn name(archive: &Entry) -> String {
    let file = archive.path.file_name().map(|name| name.to_string_lossy().into_owned());
    format!("archives/{}", file.unwrap_or_default())
}

fn of(archive: &Entry) -> String {
    archive.release.as_ref().map_or("unknown".to_owned(), ToString::to_string)
}

fn version(target: &TargetStatus) -> String {
    target.release.as_ref().map_or("unknown".to_owned(), |release| release.version.to_string())
}

fn state(target: &TargetStatus) -> String {
    words::state(target).0
}
