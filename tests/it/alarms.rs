//! Alarms as whoever is told of them sees them: once per incident, across restarts, and once more when it is over.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use rustix::process::Signal;

use crate::support::daemon::Running;
use crate::support::upkeep::Upkeep;
use crate::support::wait::until;

const NOTES: &str = "[alarms]\nafter = \"0s\"\ncommand = [\"sh\", \"-c\", \"cat >> {dir}/told\"]\n\
    [targets.notes.database]\nurl = \"sqlite://{dir}/notes.db\"\n";

fn told(place: &Upkeep) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(place.path("told")).unwrap_or_default();
    let alarms = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let word = |alarm: &serde_json::Value, name: &str| alarm[name].as_str().unwrap_or_default().to_owned();
    alarms.map(|alarm| (word(&alarm, "kind"), word(&alarm, "message"))).collect()
}

#[test]
fn an_incident_is_told_once_also_across_a_restart_and_its_end_is_too() {
    let place = Upkeep::with(NOTES);
    let daemon = Running::start(&place);
    until("the problem is told", || told(&place).len() == 1);
    let (kind, message) = told(&place).remove(0);
    assert_eq!(kind, "problem");
    assert!(message.starts_with("the database does not answer"), "{message}");
    until("it is remembered", || daemon.ask("GET", "/v1/events?after=0&follow=false", "").body.contains("alarm.raised"));
    daemon.stop();

    let daemon = Running::start(&place);
    until("it has looked", || daemon.ask("GET", "/v1/status", "").body.contains("does not exist"));
    place.sqlite("notes.db", "CREATE TABLE note (id INTEGER PRIMARY KEY)");
    until("the end is told", || told(&place).len() == 2);
    assert_eq!(told(&place)[1], ("recovered".to_owned(), message));
    daemon.stop();
    let told = told(&place);
    assert!(told.iter().enumerate().all(|(at, alarm)| !told[..at].contains(alarm)), "told twice: {told:?}");
}

/// A minute may pass in which nothing else happens: it is told when it is due all the same.
#[test]
fn an_incident_is_told_when_it_has_lasted_as_long_as_it_may() {
    let place = Upkeep::with(&NOTES.replace("after = \"0s\"", "after = \"2s\""));
    let begun = std::time::Instant::now();
    let daemon = Running::start(&place);
    until("the problem is told", || told(&place).len() == 1);
    assert!(begun.elapsed() >= std::time::Duration::from_secs(2), "not before it has lasted");
    daemon.stop();
}

#[test]
fn the_webhook_gets_the_same_object() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hook = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let mut buffer = [0; 1024];
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "it ended early: {}", String::from_utf8_lossy(&request));
            request.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        String::from_utf8(request).unwrap()
    });
    let place = Upkeep::with(
        &NOTES.replace("command = [\"sh\", \"-c\", \"cat >> {dir}/told\"]", &format!("webhook = \"http://{address}/hook\"")),
    );
    let daemon = Running::start(&place);
    let request = hook.join().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
    let alarm: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((alarm["kind"].as_str(), alarm["target"].as_str()), (Some("problem"), Some("notes")));
    daemon.stop();
}

const SERVED: &str = "[alarms]\nafter = \"0s\"\ncommand = [\"sh\", \"-c\", \"cat >> {dir}/told\"]\n\
    [targets.notes.database]\nurl = \"sqlite://{dir}/notes.db\"\n\
    [targets.notes.release]\npath = \"{dir}/release\"\nversion = { file = \"VERSION\" }\nsettle = \"0s\"\n\
    [targets.notes.migrations]\nrunner = \"flyway\"\nlocations = [\"migrations\"]\n\
    [targets.notes.service]\nstart = [\"touch\", \"{dir}/running\"]\nstop = [\"rm\", \"-f\", \"{dir}/running\"]\n\
    status = [\"sh\", \"-c\", \"test -e {dir}/running || exit 3\"]\nhealthy_for = \"0s\"\n\
    [targets.notes.upgrade]\nauto = false\n";

/// A server that waits for a person is the headline, a problem, a finding of `check` and an alarm, each with the command; another outage is
/// another alarm though the words before it are the same.
#[test]
fn a_server_that_is_down_is_told_everywhere_with_the_command_that_ends_it() {
    let place = Upkeep::with(SERVED);
    place.file("release/VERSION", "1.0");
    place.file("release/migrations/V1__note.sql", "CREATE TABLE note (id INTEGER PRIMARY KEY);");
    place.ok(&["migrate", "apply", "notes"]);
    place.file("running", "");
    let daemon = Running::start(&place);
    let target = || daemon.ask("GET", "/v1/targets/notes", "").json();
    until("it is in step", || target()["shape"]["step"] == "in-step" && place.ok(&["plan", "notes"]).contains("1.0"));

    // A package that stops the server, puts its files in place, and starts it: the gate refuses.
    place.file("release/migrations/V2__tag.sql", "CREATE TABLE tag (id INTEGER PRIMARY KEY);");
    std::fs::remove_file(place.path("running")).unwrap();
    place.file("release/VERSION", "1.1");
    let command = "`upkeep upgrade notes`";
    until("it is down", || target()["outage"]["cause"] == "not-asked");
    let refused = place.run(&["gate", "notes"]);
    assert!(refused.code != 0 && refused.stderr.contains(command), "{refused:?}");
    until("it is down for everybody", || target()["outage"]["next_step"].to_string().contains(command));
    assert!(target()["problems"][0].as_str().unwrap().starts_with("the server is down: its upgrade to 1.1 waits"));
    let said = place.ok(&["status"]);
    assert!(said.contains("notes  UPGRADE PENDING, SERVER DOWN") && said.contains(command), "{said}");
    let checked = place.run(&["check"]);
    assert!(checked.code != 0 && checked.stdout.contains(command), "{checked:?}");
    until("somebody is told", || told(&place).iter().any(|(kind, message)| kind == "problem" && message.contains(command)));

    place.ok(&["upgrade", "notes"]);
    until("it is over", || told(&place).iter().any(|(kind, message)| kind == "recovered" && message.contains(command)));
    assert!(target()["outage"].is_null(), "{}", target());
    // A person's own stop is nobody's business; a hold is.
    std::fs::remove_file(place.path("running")).unwrap();
    until("it is seen to be stopped", || target()["service"] == "stopped");
    assert!(target()["outage"].is_null(), "{}", target());
    place.ok(&["hold", "notes", "--reason", "not now"]);
    place.file("release/migrations/V3__more.sql", "CREATE TABLE more (id INTEGER PRIMARY KEY);");
    place.file("release/VERSION", "1.2");
    until("the second outage is told", || {
        told(&place).iter().any(|(kind, message)| kind == "problem" && message.contains("upkeep release-hold notes"))
    });
    // What was refused is in its log.
    daemon.stop_and_tell();
}

/// What keeps a server down, how it comes about, the headline, the command that ends it, and how it is undone.
type Cause = (&'static str, fn(&Upkeep), &'static str, &'static str, fn(&Upkeep));

const CAUSES: [Cause; 9] = [
    (
        "not-asked",
        |place| {
            place.file("release/migrations/V2__tag.sql", "CREATE TABLE tag (id INTEGER PRIMARY KEY);");
            place.file("release/VERSION", "1.1");
        },
        "notes  UPGRADE PENDING, SERVER DOWN",
        "upkeep upgrade notes",
        |place| {
            place.lose("release/migrations/V2__tag.sql");
            place.file("release/VERSION", "1.0");
        },
    ),
    (
        "release",
        |place| place.lose("release/VERSION"),
        "notes  SERVER DOWN",
        "upkeep check",
        |place| {
            place.file("release/VERSION", "1.0");
        },
    ),
    (
        "database",
        |place| place.moved("notes.db", "away.db"),
        "notes  SERVER DOWN",
        "upkeep check",
        |place| {
            place.moved("away.db", "notes.db");
        },
    ),
    (
        "downgrade",
        |place| {
            place.file("release/VERSION", "0.9");
        },
        "notes  DATABASE AHEAD, SERVER DOWN",
        "upkeep rollback notes",
        |place| {
            place.file("release/VERSION", "1.0");
        },
    ),
    (
        "ahead",
        |place| {
            let row = "9, '9', 'more', 'SQL', 'V9__more.sql', 1, 'somebody', '2026-11-22 00:00:00.0', 1, 1";
            place.sqlite("notes.db", &format!("INSERT INTO flyway_schema_history VALUES ({row})"));
        },
        "notes  DATABASE AHEAD, SERVER DOWN",
        "upkeep rollback notes",
        |place| place.sqlite("notes.db", "DELETE FROM flyway_schema_history WHERE installed_rank = 9"),
    ),
    (
        "failed-migration",
        |place| place.sqlite("notes.db", "UPDATE flyway_schema_history SET success = 0 WHERE version = '1'"),
        "notes  MIGRATION FAILED, SERVER DOWN",
        "upkeep migrate repair notes && upkeep upgrade notes",
        |place| place.sqlite("notes.db", "UPDATE flyway_schema_history SET success = 1"),
    ),
    (
        "invalid-migrations",
        |place| {
            place.file("release/migrations/V1__note.sql", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT);");
            place.file("release/VERSION", "1.1");
        },
        "notes  SERVER DOWN",
        "upkeep migrate validate notes",
        |place| {
            place.file("release/migrations/V1__note.sql", NOTE);
            place.file("release/VERSION", "1.0");
        },
    ),
    (
        "changed-outside",
        |place| {
            place.sqlite("notes.db", "CREATE TABLE by_hand (id INTEGER PRIMARY KEY)");
            place.file("release/VERSION", "1.1");
        },
        "notes  SERVER DOWN",
        "upkeep diff notes",
        |place| {
            place.sqlite("notes.db", "DROP TABLE by_hand");
            place.file("release/VERSION", "1.0");
        },
    ),
    // The last: it ends by a command of a person's.
    (
        "rolled-back",
        |place| {
            place.file("release/migrations/V2__bad.sql", "INSERT INTO nowhere VALUES (1);");
            place.file("release/VERSION", "1.2");
            assert_ne!(place.run(&["upgrade", "notes"]).code, 0);
        },
        "notes  ROLLED BACK, SERVER DOWN",
        "install version 1.0 of the server again; then start it: `touch",
        |place| {
            place.lose("release/migrations/V2__bad.sql");
            place.file("release/VERSION", "1.0");
        },
    ),
];

const NOTE: &str = "CREATE TABLE note (id INTEGER PRIMARY KEY);";

/// Each stands in the headline, the problems, an alarm, the one line of systemctl and `check`, and is over when its cause is.
#[test]
fn each_cause_is_told_in_five_places() {
    let place = Upkeep::with(SERVED);
    place.file("release/VERSION", "1.0");
    place.file("release/migrations/V1__note.sql", NOTE);
    place.ok(&["migrate", "apply", "notes"]);
    place.file("running", "");
    let mut daemon = Running::start(&place);
    let target = |daemon: &Running| daemon.ask("GET", "/v1/targets/notes", "").json();
    until("it is in step", || target(&daemon)["shape"]["step"] == "in-step");
    place.lose("running");
    until("it is seen to be stopped", || target(&daemon)["service"] == "stopped");
    for (cause, make, headline, command, undo) in CAUSES {
        daemon.forget();
        // What is made in two acts is seen as one: between them it is another story. The last asks the daemon itself.
        let unseen = cause != "rolled-back";
        if unseen {
            daemon.signal(Signal::STOP);
        }
        make(&place);
        if unseen {
            daemon.signal(Signal::CONT);
        }
        until(cause, || target(&daemon)["outage"]["cause"] == cause);
        let outage = target(&daemon)["outage"].clone();
        let step = outage["next_step"].as_str().unwrap();
        assert!(step.contains(command) && !step.contains("TARGET"), "{cause}: {step}");
        let problem = format!("the server is down: {}; {step}", outage["why"].as_str().unwrap());
        until(cause, || target(&daemon)["problems"][0] == problem.as_str());
        let said = place.ok(&["status"]);
        assert!(said.contains(headline), "{cause}: {said}");
        let line = daemon.hears(&format!("STATUS=notes: {problem}"));
        assert!(line.contains(step), "{cause}: {line}");
        let checked = place.run(&["check"]);
        assert!(checked.code != 0 && checked.stdout.contains("it is down: "), "{cause}: {checked:?}");
        until(cause, || told(&place).contains(&("problem".to_owned(), problem.clone())));
        undo(&place);
        until("it is over", || target(&daemon)["outage"].is_null());
    }
    // What was refused is in its log.
    daemon.stop_and_tell();
}
