//! Alarms as whoever is told of them sees them: once per incident, across restarts, and once more when it is over.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::support::daemon::Running;
use crate::support::upkeep::Upkeep;
use crate::support::wait::{until, until_within};

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
    let daemon = Running::start(&place);
    let begun = std::time::Instant::now();
    until_within(std::time::Duration::from_secs(30), "the problem is told", || told(&place).len() == 1);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(1500), "not before it has lasted");
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
