//! The daemon's life, with the real binary: start, signals, reload, schedules, crashes.

use std::os::unix::fs::FileTypeExt as _;

use rustix::process::Signal;

use crate::support::daemon::Running;
use crate::support::upkeep::Upkeep;
use crate::support::wait::until;

const NOTES: &str = "[targets.notes.database]\nurl = \"sqlite://{dir}/notes.db\"\n";

/// A target whose backups hang in the probe of its release, for as long as the file `hang` is there.
const SLOW: &str = "[targets.slow.database]\nurl = \"sqlite://{dir}/notes.db\"\n\
    [targets.slow.release]\npath = \"{dir}\"\nsettle = \"1s\"\n\
    version = { command = [\"sh\", \"-c\", \"while test -e {dir}/hang; do sleep 0.05; done; echo 1.0\"] }\n";

fn place(targets: &str) -> Upkeep {
    let place = Upkeep::with(targets);
    place.sqlite("notes.db", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO note VALUES (1, 'one')");
    place
}

fn runs(daemon: &Running) -> Vec<(String, String)> {
    let jobs = daemon.ask("GET", "/v1/jobs", "").json();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    jobs.as_array().unwrap().iter().map(|job| (text(&job["action"]["action"]), text(&job["state"]))).collect()
}

fn count(daemon: &Running, action: &str, state: &str) -> usize {
    runs(daemon).iter().filter(|(a, s)| a == action && s == state).count()
}

/// A place whose backups hang, and whose daemon gives work so long to end when it is told to stop.
fn stopped_within(timeout: &str) -> Upkeep {
    let place = place(SLOW);
    let config = std::fs::read_to_string(place.path("upkeep.toml")).unwrap();
    place.file("upkeep.toml", &config.replace("[daemon]\n", &format!("[daemon]\nstop_timeout = \"{timeout}\"\n")));
    place.file("hang", "");
    place
}

/// Asks for a backup of `slow` and waits until it runs: at its start the daemon first puts the target in order, and a job that still
/// waits behind that is let go at once by a stop.
fn begun(daemon: &Running) -> String {
    let job = daemon.ask("POST", "/v1/targets/slow/backup", "").json()["id"].as_str().unwrap().to_owned();
    until("the backup runs", || daemon.ask("GET", &format!("/v1/jobs/{job}"), "").json()["state"] == "running");
    job
}

#[test]
fn it_says_when_it_is_ready_how_it_is_and_when_it_stops() {
    let place = place(NOTES);
    let mut daemon = Running::start_with(&place, &[("WATCHDOG_USEC", "400000")]);
    daemon.hears("STATUS=all is well");
    daemon.hears("WATCHDOG=1");
    let status = daemon.ask("GET", "/v1/status", "").json();
    assert_eq!((status["pid"].as_u64(), status["state"].as_str()), (Some(daemon.pid().into()), Some("running")));
    assert!(std::fs::metadata(daemon.socket()).unwrap().file_type().is_socket());

    daemon.signal(Signal::TERM);
    daemon.hears("STOPPING=1");
    daemon.hears("EXTEND_TIMEOUT_USEC=15000000");
    assert_eq!(daemon.ends().code(), Some(0));
    assert!(!daemon.socket().exists(), "the socket is left behind");
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

#[test]
fn a_second_daemon_is_refused_and_told_who_is_there() {
    let place = place(NOTES);
    let daemon = Running::start(&place);
    let second = place.run(&["daemon"]);
    assert_eq!(second.code, 75, "{}", second.stderr);
    assert!(second.stderr.contains(&format!("upkeep daemon, pid {}", daemon.pid())), "{}", second.stderr);
    assert_eq!(daemon.ask("GET", "/v1/status", "").status, 200, "the first one is still there");
    daemon.stop();
}

#[test]
fn what_is_not_a_socket_is_never_removed_and_a_stale_one_is_replaced() {
    let place = place(NOTES);
    place.file("upkeep.sock", "somebody's notes");
    let refused = place.run(&["daemon"]);
    assert_eq!(refused.code, 73, "{}", refused.stderr);
    assert!(refused.stderr.contains("exists and is not a socket"), "{}", refused.stderr);
    assert_eq!(std::fs::read_to_string(place.path("upkeep.sock")).unwrap(), "somebody's notes");

    std::fs::remove_file(place.path("upkeep.sock")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(place.path("upkeep.sock")).unwrap());
    let daemon = Running::start(&place);
    assert_eq!(daemon.ask("GET", "/v1/status", "").status, 200);
    daemon.stop();
}

#[test]
fn a_socket_that_somebody_listens_on_is_left_to_them() {
    let place = place(NOTES);
    let _other = std::os::unix::net::UnixListener::bind(place.path("upkeep.sock")).unwrap();
    let refused = place.run(&["daemon"]);
    assert_eq!(refused.code, 75, "{}", refused.stderr);
    assert!(refused.stderr.contains("another program listens on"), "{}", refused.stderr);
}

#[test]
fn hup_reads_the_configuration_again_and_loses_no_job() {
    let place = place(SLOW);
    place.file("hang", "");
    let mut daemon = Running::start(&place);
    let job = begun(&daemon);
    assert_eq!(daemon.ask("POST", "/v1/targets/notes/backup", "").status, 404);

    daemon.forget();
    place.configure(&format!("{SLOW}{NOTES}"));
    daemon.signal(Signal::HUP);
    assert!(daemon.hears("RELOADING=1").contains("MONOTONIC_USEC="), "systemd 253 ends a service that does not say when");
    daemon.hears("READY=1");
    assert_eq!(daemon.job("/v1/targets/notes/backup", "")["state"], "ok", "the new target works");
    let living = daemon.ask("GET", &format!("/v1/jobs/{job}"), "").json();
    assert_eq!(living["state"], "running", "the job begun before goes on");

    // An invalid one changes nothing, says so, and the next good one mends it.
    place.configure("[targets.notes.database]\nurl = \"nonsense\"\n");
    let refused = daemon.ask("POST", "/v1/reload", "");
    assert_eq!((refused.status, refused.json()["class"].as_str()), (422, Some("config")), "{}", refused.body);
    let status = daemon.ask("GET", "/v1/status", "").json();
    assert_eq!(status["targets"].as_array().map(Vec::len), Some(2));
    assert!(status["problems"][0].as_str().unwrap().contains("invalid"), "{status}");
    place.configure(&format!("{SLOW}{NOTES}"));
    assert_eq!(daemon.ask("POST", "/v1/reload", "").status, 200);
    assert_eq!(daemon.ask("GET", "/v1/status", "").json()["problems"].as_array().map(Vec::len), Some(0));

    std::fs::remove_file(place.path("hang")).unwrap();
    assert_eq!(daemon.ended(&job)["state"], "ok");
}

#[test]
fn term_lets_short_work_end_and_refuses_more() {
    let place = stopped_within("10m");
    let mut daemon = Running::start(&place);
    let job = begun(&daemon);
    let queued = daemon.ask("POST", "/v1/targets/slow/backup", "").json()["id"].as_str().unwrap().to_owned();
    daemon.signal(Signal::TERM);
    daemon.hears("STOPPING=1");
    until("it drains", || daemon.ask("GET", "/v1/status", "").json()["state"] == "draining");
    let refused = daemon.ask("POST", "/v1/targets/slow/backup", "");
    assert_eq!((refused.status, refused.json()["class"].as_str()), (503, Some("temp-fail")));
    assert_eq!(daemon.ask("GET", &format!("/v1/jobs/{queued}"), "").json()["state"], "interrupted");

    std::fs::remove_file(place.path("hang")).unwrap();
    assert_eq!(daemon.ends().code(), Some(0));
    let again = Running::start(&place);
    assert_eq!(again.ask("GET", &format!("/v1/jobs/{job}"), "").json()["state"], "ok", "it was let end");
    again.stop();
}

#[test]
fn term_cuts_off_what_does_not_end_in_time() {
    let place = stopped_within("300ms");
    let mut daemon = Running::start(&place);
    let job = begun(&daemon);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ends().code(), Some(0), "{}", daemon.log());
    std::fs::remove_file(place.path("hang")).unwrap();
    let again = Running::start(&place);
    assert_eq!(again.ask("GET", &format!("/v1/jobs/{job}"), "").json()["state"], "interrupted");
    again.stop();
}

#[test]
fn a_second_term_ends_it_at_once() {
    let place = place(SLOW);
    place.file("hang", "");
    let mut daemon = Running::start(&place);
    let job = begun(&daemon);
    daemon.signal(Signal::TERM);
    daemon.hears("STOPPING=1");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ends().code(), Some(143));
    std::fs::remove_file(place.path("hang")).unwrap();
    let again = Running::start(&place);
    assert_eq!(again.ask("GET", &format!("/v1/jobs/{job}"), "").json()["state"], "interrupted");
    again.stop();
}

#[test]
fn after_a_kill_the_next_one_says_what_was_cut_short_and_works() {
    let place = place(SLOW);
    place.file("hang", "");
    let mut daemon = Running::start(&place);
    let job = begun(&daemon);
    daemon.signal(Signal::KILL);
    daemon.ends();
    assert!(daemon.socket().exists(), "a kill leaves the socket behind");
    std::fs::remove_file(place.path("hang")).unwrap();

    let again = Running::start(&place);
    assert_eq!(again.ask("GET", &format!("/v1/jobs/{job}"), "").json()["state"], "interrupted");
    assert_eq!(again.job("/v1/targets/slow/backup", "")["state"], "ok");
    let events = again.ask("GET", "/v1/events?after=0&follow=false", "").body;
    assert!(events.contains("event: backup.interrupted") && events.contains("event: backup.ok"), "{events}");
    again.stop();
}

/// A schedule that was last served long ago.
fn missed(place: &Upkeep) {
    Running::start(place).stop();
    place.sqlite("state/state.db", "INSERT INTO schedule_mark VALUES ('notes', 'backup', '2026-01-01T02:30:00+00:00')");
}

#[test]
fn a_missed_run_is_caught_up_once() {
    let nightly = format!("{NOTES}[targets.notes.backup]\nschedule = \"30 2 * * *\"\n");
    let place = place(&nightly);
    missed(&place);
    let daemon = Running::start(&place);
    until("the missed backup is taken", || count(&daemon, "backup", "ok") == 1);
    let status = daemon.ask("GET", "/v1/targets/notes", "").json();
    assert!(status["next_run"].as_str().is_some_and(|at| at.contains("T02:30:00")), "{status}");
    daemon.stop();

    let again = Running::start(&place);
    until("the target was looked at", || again.ask("GET", "/v1/targets/notes", "").json()["server"].is_string());
    assert_eq!(count(&again, "backup", "ok"), 1, "one run stands for all that were missed");
    again.stop();
}

#[test]
fn a_missed_run_is_let_go_where_the_configuration_says_so() {
    let place = place(&format!("{NOTES}[targets.notes.backup]\nschedule = \"30 2 * * *\"\ncatch_up = false\n"));
    missed(&place);
    let daemon = Running::start(&place);
    until("the target was looked at", || daemon.ask("GET", "/v1/targets/notes", "").json()["server"].is_string());
    assert_eq!(runs(&daemon), []);
    daemon.stop();
}

#[test]
fn a_scheduled_run_that_always_brings_the_daemon_down_is_let_go_in_the_end() {
    let nightly = format!("{SLOW}[targets.slow.backup]\nschedule = \"30 2 * * *\"\n").replace("slow", "notes");
    let place = place(&nightly);
    missed(&place);
    place.file("hang", "");
    for _ in 0..3 {
        let mut daemon = Running::start(&place);
        until("the backup runs", || count(&daemon, "backup", "running") == 1);
        daemon.signal(Signal::KILL);
        daemon.ends();
    }
    std::fs::remove_file(place.path("hang")).unwrap();
    let daemon = Running::start(&place);
    let events = daemon.ask("GET", "/v1/events?after=0&follow=false", "").body;
    assert!(events.contains("event: backup.let-go"), "{events}");
    assert_eq!(count(&daemon, "backup", "interrupted"), 3);
    assert_eq!(daemon.job("/v1/targets/notes/backup", "")["state"], "ok", "by hand it is taken all the same");
}

/// A database that does not answer when its backup is due has it when it is back, also when the daemon restarts meanwhile.
#[test]
fn a_scheduled_backup_that_failed_for_what_passes_is_tried_again_and_a_restart_does_not_hammer_it() {
    let place = place(&format!("{NOTES}[targets.notes.backup]\nschedule = \"30 2 * * *\"\n"));
    missed(&place);
    let held = place.hold_sqlite("notes.db");
    let daemon = Running::start(&place);
    until("the backup failed", || count(&daemon, "backup", "failed") == 1);
    let told = |daemon: &Running| daemon.ask("GET", "/v1/targets/notes", "").json();
    until("it is told", || told(&daemon)["retry_at"].is_string());
    let status = told(&daemon);
    let retry = status["retry_at"].clone();
    assert!(retry.is_string() && retry.as_str() < status["next_run"].as_str(), "{status:#}");
    assert!(status["problems"].to_string().contains("the last backup failed"), "{status:#}");
    assert!(place.ok(&["status"]).contains("retry at"), "{}", place.ok(&["status"]));
    daemon.stop_and_tell();
    // Nobody knows when: the next try is an hour off, or has come.
    place.sqlite(
        "state/state.db",
        "UPDATE run SET ended_at = datetime('now', '-10 seconds') || '+00:00' WHERE action = 'backup'",
    );
    let again = Running::start(&place);
    until("the target was looked at", || told(&again)["looked_at"].is_string());
    assert_eq!((count(&again, "backup", "failed"), told(&again)["retry_at"].is_string()), (1, true), "it waits its time");
    again.stop_and_tell();
    place.sqlite("state/state.db", "UPDATE run SET ended_at = datetime('now', '-1 hours') || '+00:00' WHERE action = 'backup'");
    drop(held);
    let back = Running::start(&place);
    until("it has its backup", || count(&back, "backup", "ok") == 1);
    // The list of jobs reads the journal of runs, and may be ahead of the snapshot by a moment.
    until("its status says so", || {
        let status = told(&back);
        status["retry_at"].is_null() && status["problems"] == serde_json::json!([])
    });
    back.stop_and_tell();
}

/// A look that ends in a bug, and one that hangs in a call to the kernel, are problems of one target while they last, and of nobody else.
#[test]
fn a_look_that_does_not_end_is_told_and_blinds_nobody_for_good() {
    let place = place(NOTES);
    let daemon = Running::start_with(&place, &[("UPKEEP_FAULT_PANIC", "look.begun")]);
    let told = |daemon: &Running| daemon.ask("GET", "/v1/targets/notes", "").json();
    until("it is told", || told(&daemon)["problems"].to_string().contains("failed on a bug in upkeep"));
    assert_eq!(daemon.job("/v1/targets/notes/backup", "")["state"], "ok", "the daemon lives");
    daemon.stop_and_tell();

    let fifo = place.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let mut daemon = Running::start_with(&place, &[("UPKEEP_FAULT_HOLD", &format!("look.begun:{}", fifo.display()))]);
    until("it is told", || told(&daemon)["problems"].to_string().contains("took longer than 15 s"));
    assert_eq!(daemon.job("/v1/targets/notes/backup", "")["state"], "ok");
    // The end of a job has us look again, with a thread that is free.
    until("it is looked at again", || told(&daemon)["server"].is_string());
    assert_eq!(told(&daemon)["problems"], serde_json::json!([]));
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ends().code(), Some(0), "the thread that hangs keeps it from ending");
}

/// A person ends what runs and lets go what waits; nothing of it is left, nothing is tried again, and the next one goes well.
#[test]
fn a_backup_that_runs_or_waits_is_cancelled() {
    use std::io::{BufRead as _, BufReader, Read as _};
    let place = place(SLOW);
    place.file("hang", "");
    let daemon = Running::start(&place);
    let first = daemon.ask("POST", "/v1/targets/slow/backup", "").json();
    until("it runs", || count(&daemon, "backup", "running") == 1);
    let mut command = place.command(&["backup", "slow"]);
    let mut second = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut heard = BufReader::new(second.stderr.take().unwrap());
    heard.read_line(&mut said).unwrap();
    assert!(said.starts_with("waiting for other work on slow to end"), "{said}");
    let cancelled = place.ok(&["cancel", "slow"]);
    assert_eq!(cancelled.matches("the backup of slow is cancelled").count(), 2, "{cancelled}");
    heard.read_to_string(&mut said).unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(75), "{said}");
    assert!(said.contains("it was cancelled by"), "{said}");
    let first = daemon.ask("GET", &format!("/v1/jobs/{}", first["id"].as_str().unwrap()), "").json();
    assert_eq!((&first["state"], &first["failure"]["cancelled"]), (&"failed".into(), &true.into()), "{first:#}");
    assert_eq!(place.run(&["cancel", "slow"]).code, 66);
    assert_eq!(place.run(&["cancel", first["id"].as_str().unwrap()]).code, 66, "it has ended");

    std::fs::remove_file(place.path("hang")).unwrap();
    assert_eq!(daemon.job("/v1/targets/slow/backup", "")["state"], "ok");
    daemon.stop_and_tell();
}

/// Cut off in the middle of its seal, a backup keeps its lane until the seal has ended, and the archive that is there then is listed and
/// read back.
#[test]
fn a_backup_that_is_cancelled_at_its_seal_leaves_no_archive_that_nobody_knows() {
    let place = place(NOTES);
    let fifo = place.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let daemon = Running::start_with(&place, &[("UPKEEP_FAULT_HOLD", &format!("archive.sealed:{}", fifo.display()))]);
    let asked = || daemon.ask("POST", "/v1/targets/notes/backup", "").json()["id"].as_str().unwrap().to_owned();
    let state = |job: &str| daemon.ask("GET", &format!("/v1/jobs/{job}"), "").json()["state"].as_str().unwrap().to_owned();
    let first = asked();
    let is_sealed = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        !name.starts_with('.') && name.ends_with(".zst")
    };
    until("it is sealed", || std::fs::read_dir(place.path("state/archives/notes")).is_ok_and(|mut files| files.any(is_sealed)));
    let second = asked();
    assert_eq!(daemon.ask("POST", &format!("/v1/jobs/{first}/cancel"), "").status, 200);
    assert_eq!((state(&second), state(&first)), ("queued".to_owned(), "running".to_owned()));

    std::fs::write(&fifo, "").unwrap();
    until("it has ended", || state(&first) == "failed");
    until("the next one has its turn", || state(&second) == "ok");
    until("both archives are read back", || {
        let archives = daemon.ask("GET", "/v1/targets/notes/archives", "").json();
        archives.as_array().unwrap().iter().filter(|archive| archive["verdict"] == "whole").count() == 2
    });
    daemon.stop_and_tell();
}

/// Overdue is what could have been backed up and was not. It becomes so by itself.
#[test]
fn a_target_that_is_new_is_not_overdue_at_once() {
    let place = place(&format!("{NOTES}[targets.notes.backup]\nmax_age = \"26h\"\n"));
    let daemon = Running::start(&place);
    let told = |daemon: &Running| daemon.ask("GET", "/v1/targets/notes", "").json();
    until("it was looked at", || told(&daemon)["looked_at"].is_string());
    let first = told(&daemon);
    assert_eq!((&first["overdue"], &first["problems"]), (&false.into(), &serde_json::json!([])), "{first:#}");
    daemon.stop();
    let seen = "UPDATE schedule_mark SET last_due = strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now', '-26 hours', '+2 seconds') WHERE job = 'first-seen'";
    place.sqlite("state/state.db", seen);
    let again = Running::start(&place);
    until("it is overdue", || told(&again)["overdue"] == true);
    assert!(told(&again)["problems"].to_string().contains("there is no verified archive"), "{:#}", told(&again));
    again.stop();
}

/// Another program under a clock years ahead left its marks and its archive: no storm, no silence, and nobody restores it unasked.
#[test]
fn what_a_clock_years_ahead_left_does_not_rule() {
    let place = place(&format!("{NOTES}[targets.notes.backup]\nschedule = \"30 2 * * *\"\nmax_age = \"26h\"\n"));
    place.ok(&["backup", "notes"]);
    let sql = "UPDATE archive SET taken_at = '2099-01-01T00:00:00.000000000Z'; UPDATE run SET started_at = '2099-01-01T00:00:00+00:00'; \
               INSERT INTO schedule_mark VALUES ('notes', 'backup', '2099-01-01T02:30:00+00:00')";
    place.sqlite("state/state.db", sql);
    let daemon = Running::start(&place);
    let told = || daemon.ask("GET", "/v1/targets/notes", "").json();
    until("the target was looked at", || told()["looked_at"].is_string());
    let status = told();
    assert_eq!((&status["last_good"], status["overdue"].as_bool()), (&serde_json::Value::Null, Some(true)), "{status:#}");
    assert!(status["problems"].to_string().contains("which is in the future"), "{status:#}");
    assert!(status["next_run"].as_str().unwrap() < "2098", "{status:#}");
    assert_eq!(count(&daemon, "backup", "queued") + count(&daemon, "backup", "running"), 0);
    let refused = daemon.job("/v1/targets/notes/restore", "{\"dry_run\": true}");
    assert!(refused["failure"]["message"].as_str().unwrap().contains("no verified archive"), "{refused:#}");
    assert_eq!(daemon.job("/v1/targets/notes/backup", "")["state"], "ok");
    let status = told();
    assert_eq!((status["overdue"].as_bool(), status["last_run"]["outcome"].as_str()), (Some(false), Some("ok")), "{status:#}");
    daemon.stop_and_tell();
}

#[test]
fn work_of_one_target_waits_its_turn_and_that_of_another_does_not() {
    let place = place(&format!("{SLOW}{NOTES}"));
    place.file("hang", "");
    let daemon = Running::start(&place);
    let post = |path: &str| daemon.ask("POST", path, "").json()["id"].as_str().unwrap().to_owned();
    let first = post("/v1/targets/slow/backup");
    let second = post("/v1/targets/slow/backup");
    assert_eq!(daemon.job("/v1/targets/notes/backup", "")["state"], "ok");
    assert_eq!(daemon.job("/v1/targets/slow/hold", "{\"reason\": \"not now\"}")["state"], "ok", "a hold never waits");
    assert_eq!(daemon.ask("GET", &format!("/v1/jobs/{first}"), "").json()["state"], "running");
    assert_eq!(daemon.ask("GET", &format!("/v1/jobs/{second}"), "").json()["state"], "queued");
    let status = daemon.ask("GET", "/v1/status", "").json();
    assert_eq!(status["jobs"].as_array().map(Vec::len), Some(2));

    // The queue is bounded.
    let full = (0..100).map(|_| daemon.ask("POST", "/v1/targets/slow/backup", "").status).find(|status| *status != 202);
    assert_eq!(full, Some(503));
    drop(daemon);
}

#[test]
fn a_failed_job_says_why_and_the_daemon_lives() {
    let place = Upkeep::with(NOTES);
    let daemon = Running::start(&place);
    let job = daemon.job("/v1/targets/notes/backup", "");
    assert_eq!(job["state"], "failed");
    assert_eq!(job["failure"]["target"], "notes");
    assert!(job["failure"]["code"].as_u64().is_some_and(|code| code >= 64), "{job}");
    let target = daemon.ask("GET", "/v1/targets/notes", "").json();
    let problems = target["problems"].to_string();
    assert!(problems.contains("the last backup failed"), "{problems}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "systemd's own judge of the unit")]
fn the_unit_is_hardened_and_spins_on_nothing_that_needs_a_person() {
    use upkeep::failure::Class;
    let unit = format!("{}/systemd/upkeepd.service", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&unit).unwrap();
    let final_codes = [Class::Usage, Class::Data, Class::NoPermission, Class::Config].map(|class| class.code().to_string());
    assert!(text.contains(&format!("\nRestartPreventExitStatus={}\n", final_codes.join(" "))));
    assert!(text.contains("\nType=notify\n"), "notify-reload is ignored silently before systemd 253");
    assert!(text.contains("\nKillMode=process\n"), "a vendor's tool without a unit of its own would end with the daemon");
    let judged =
        std::process::Command::new("systemd-analyze").args(["security", "--offline=yes", "--threshold=15", &unit]).output();
    match judged {
        Ok(judged) => assert!(judged.status.success(), "exposure above 1.5:\n{}", String::from_utf8_lossy(&judged.stdout)),
        Err(error) => crate::support::skipped(&format!("systemd-analyze: {error}"), crate::support::SERVERS),
    }
}

/// A server that is a file: it runs while `running` is there.
const SERVED: &str = "[targets.notes.database]\nurl = \"sqlite://{dir}/notes.db\"\n\
    [targets.notes.release]\npath = \"{dir}/current\"\nversion = { file = \"VERSION\" }\nsettle = \"300ms\"\n\
    [targets.notes.migrations]\nlocations = [\"migrations\"]\n\
    [targets.notes.service]\nstart = [\"touch\", \"{dir}/running\"]\nstop = [\"rm\", \"-f\", \"{dir}/running\"]\n\
    status = [\"sh\", \"-c\", \"test -e {dir}/running || exit 3\"]\nhealthy_for = \"100ms\"\ndeadline = \"20s\"\n\
    [targets.notes.upgrade]\nauto = true\n";

#[test]
fn a_new_release_is_seen_settles_and_is_upgraded_to() {
    let place = place(SERVED);
    for version in ["1.0.0", "1.1.0"] {
        place.file(&format!("releases/{version}/VERSION"), version);
        place.file(&format!("releases/{version}/migrations/V1__author.sql"), "ALTER TABLE note ADD COLUMN author TEXT;");
    }
    place.file("releases/1.1.0/migrations/V2__tag.sql", "ALTER TABLE note ADD COLUMN tag TEXT;");
    upkeep::durable::swap_symlink(&place.path("current"), &place.path("releases/1.0.0")).unwrap();
    place.ok(&["migrate", "baseline", "notes"]);
    place.sqlite("notes.db", "ALTER TABLE note ADD COLUMN author TEXT");
    place.file("running", "");

    let daemon = Running::start(&place);
    let target = || daemon.ask("GET", "/v1/targets/notes", "").json();
    until("the release is taken for the good one", || {
        daemon.ask("POST", "/v1/targets/notes/plan", "").status == 202 && {
            let plan = daemon.job("/v1/targets/notes/plan", "");
            plan["result"]["decision"] == "nothing"
        }
    });
    assert_eq!(target()["shape"]["step"], "in-step", "{}", target());

    upkeep::durable::swap_symlink(&place.path("current"), &place.path("releases/1.1.0")).unwrap();
    until("the upgrade is committed", || target()["upgrade"]["phase"] == "committed");
    let downtime = target()["upgrade"]["downtime"].clone();
    assert!(downtime["until"].is_string() && downtime["parts"][0]["what"] == "stop", "{downtime}");
    let said = "upgrade went well: the server was down for ";
    until("its downtime is an event", || daemon.ask("GET", "/v1/events?after=0&follow=false", "").body.contains(said));
    until("the new release is in step", || target()["release"]["version"] == "1.1.0" && target()["shape"]["step"] == "in-step");
    assert!(place.path("running").exists(), "the server runs again");
    place.sqlite("notes.db", "UPDATE note SET tag = 'new' WHERE id = 1");
    let archives = daemon.ask("GET", "/v1/targets/notes/archives", "").json();
    let kept = archives.as_array().unwrap().iter().find(|archive| archive["kind"] == "pre-upgrade").cloned().unwrap();
    assert_eq!((kept["verdict"].as_str(), kept["pinned"].is_string()), (Some("whole"), true), "{kept}");

    // And back, with what was there before.
    let back = daemon.job("/v1/targets/notes/rollback", "");
    assert_eq!((back["state"].as_str(), back["result"]["outcome"].as_str()), (Some("ok"), Some("rolled-back")), "{back}");
    until("the old release is in step", || target()["release"]["version"] == "1.0.0" && target()["shape"]["step"] == "in-step");
    until("the version is held", || target()["holds"].as_array().is_some_and(|holds| !holds.is_empty()));
    daemon.stop();
}
