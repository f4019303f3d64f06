//! The page on the socket, and what `upkeep web` serves of it on loopback: its facts, what it is held to, and who may not ask for it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::daemon::{Answer, Running};
use crate::support::upkeep::Upkeep;
use crate::support::wait::until;

const NOTES: &str = "[targets.notes.database]\nurl = \"sqlite://{dir}/notes.db\"\n\
    [targets.notes.backup]\nschedule = \"30 2 * * *\"\n[targets.notes.retention]\nkeep_last = 2\n";

fn place() -> Upkeep {
    let place = Upkeep::with(NOTES);
    place.sqlite("notes.db", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO note VALUES (1, 'one')");
    place
}

/// One request with these headers, and everything that comes back.
#[track_caller]
fn asked(mut stream: impl std::io::Read + std::io::Write, line: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
    headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    Answer::parse(&text).unwrap_or_else(|| panic!("not an answer: {text}"))
}

/// The value of a header.
#[track_caller]
fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let of = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    answer.head.lines().find_map(of).unwrap_or_else(|| panic!("no {name} in {}", answer.head))
}

#[test]
fn the_page_tells_what_happened_and_is_held_to_itself() {
    let place = place();
    let daemon = Running::start(&place);
    let hostile = "{\"note\": \"<script>alert(1)</script>\\u202e\\u0007\\\" onload=x\"}";
    let done = daemon.job("/v1/targets/notes/backup", hostile);
    let label = done["result"]["label"].as_str().unwrap();
    let gone = daemon.job("/v1/targets/notes/rollback", "");
    assert_eq!(gone["state"], "failed");
    until("the archive is in the status", || daemon.ask("GET", "/v1/targets/notes", "").json()["last_good"].is_object());

    let page = daemon.ask("GET", "/", "");
    assert_eq!((page.status, header(&page, "content-type")), (200, "text/html; charset=utf-8"));
    for words in
        [label, "<table", "All is well: 1 target.", "rollback notes", "kept: last 1", "next runs", "No job is running."]
    {
        assert!(page.body.contains(words), "no {words} in\n{}", page.body);
    }
    assert!(page.body.contains("&lt;script&gt;alert(1)&lt;/script&gt;\\u202e\\u0007&quot; onload=x"), "{}", page.body);
    // The policy lets in what has this answer's own word, and nothing else; another answer has another word.
    let policy = header(&page, "content-security-policy");
    let word = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(word.len() == 32 && policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains(&format!("style-src 'nonce-{word}'")) && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.body.matches(&format!(" nonce=\"{word}\"")).count(), 2, "style and script");
    assert_eq!(page.body.matches("<script").count() + page.body.matches("<style").count(), 2);
    assert_eq!((header(&page, "referrer-policy"), header(&page, "x-content-type-options")), ("no-referrer", "nosniff"));
    assert_eq!(header(&page, "cache-control"), "no-store");
    assert!(!daemon.ask("GET", "/", "").body.contains(word), "the same word twice");

    let top = daemon.ask("GET", "/?part=top", "");
    assert!(top.status == 200 && top.body.contains("<section id=now") && !top.body.contains(label), "{}", top.body);
    assert_eq!(daemon.ask("GET", "/?part=all", "").status, 400);
    assert_eq!(daemon.ask("POST", "/", "").status, 405);
    let errors = daemon.stop_and_tell();
    assert!(errors.len() == 1 && errors[0].contains("nothing to undo"), "{errors:?}");
}

#[test]
fn what_another_sites_page_has_a_browser_ask_is_refused() {
    let place = place();
    let daemon = Running::start(&place);
    let ask = |line: &str, headers: &[(&str, &str)]| asked(UnixStream::connect(daemon.socket()).unwrap(), line, headers);
    // Through `ssh -L 8080:…`, as a browser asks.
    let visit = [
        ("host", "localhost:8080"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    assert_eq!(ask("GET /", &visit).status, 200);
    let own = [
        ("host", "localhost:8080"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
    ];
    assert_eq!(ask("GET /v1/status", &own).status, 200);
    for (line, headers) in [
        ("GET /", vec![("host", "evil.example:8080")]),
        ("GET /v1/status", vec![("host", "evil.example:8080"), ("sec-fetch-site", "same-origin")]),
        ("GET /v1/status", vec![("host", "localhost:8080"), ("sec-fetch-site", "cross-site")]),
        (
            "POST /v1/targets/notes/backup",
            vec![("host", "localhost:8080"), ("origin", "http://evil.example"), ("content-length", "0")],
        ),
        ("POST /v1/reload", vec![("host", "localhost:8080"), ("origin", "null"), ("content-length", "0")]),
    ] {
        let refused = ask(line, &headers);
        assert_eq!((refused.status, refused.json()["class"].as_str()), (403, Some("no-permission")), "{line} {headers:?}");
        assert!(refused.json()["hints"][0].as_str().unwrap().contains("upkeep web"), "{refused:?}");
    }
    assert_eq!(daemon.ask("GET", "/v1/jobs", "").json().as_array().unwrap().len(), 0, "nothing was begun");
    daemon.stop();
}

/// A running `upkeep web`; ended with the test.
struct Web {
    child: Child,
    /// `127.0.0.1:PORT`.
    at: String,
    /// `/TOKEN/`.
    path: String,
}

impl Web {
    fn start(place: &Upkeep) -> Self {
        let mut child = place.command(&["web"]).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (at, path) = line.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{line}")).split_once('/').unwrap();
        Self { child, at: at.to_owned(), path: format!("/{path}") }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let host = [("host", self.at.as_str())];
        let headers: Vec<_> =
            if headers.iter().any(|(name, _)| *name == "host") { headers.to_vec() } else { [&host, headers].concat() };
        asked(self.connect(), &format!("{method} {path}"), &headers)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn on_loopback_it_is_seen_by_whoever_has_the_address_and_acts_for_nobody() {
    let place = place();
    let refused = place.run(&["web"]);
    assert!(refused.code == 69 && refused.stderr.contains("no daemon is running"), "{}", refused.stderr);
    let daemon = Running::start(&place);
    let mut web = Web::start(&place);
    let path = web.path.clone();
    assert!(path.len() == 34 && web.at.starts_with("127.0.0.1:"), "{} {path}", web.at);

    let page = web.ask("GET", &path, &[]);
    assert!(page.status == 200 && page.body.contains("<h1>upkeep</h1>"), "{page:?}");
    assert!(header(&page, "content-security-policy").contains("default-src 'none'"));
    assert_eq!(web.ask("GET", &format!("{path}v1/status"), &[]).json()["state"], "running");
    assert!(web.ask("GET", &format!("{path}metrics"), &[]).body.contains("upkeep_archives{target=\"notes\"} 0"));
    assert_eq!(web.ask("GET", &format!("{path}v1/targets/nots"), &[]).status, 404);
    let moved = web.ask("GET", path.trim_end_matches('/'), &[]);
    assert_eq!((moved.status, header(&moved, "location")), (308, path.as_str()));

    let other = format!("/{}/", "0".repeat(32));
    for without in ["/", "/v1/status", "/metrics", &path[..20], &other, &format!("/x{path}")] {
        assert_eq!(web.ask("GET", without, &[]).status, 403, "{without}");
    }
    for method in ["POST", "DELETE", "PUT", "OPTIONS"] {
        let refused = web.ask(method, &format!("{path}v1/targets/notes/backup"), &[("content-length", "0")]);
        assert_eq!(refused.status, 403, "{method}: {refused:?}");
    }
    for headers in [&[("host", "evil.example")][..], &[("sec-fetch-site", "cross-site")], &[("origin", "http://127.0.0.1:1")]] {
        assert_eq!(web.ask("GET", &path, headers).status, 403, "{headers:?}");
    }

    // What happens comes as it happens.
    let mut events = web.connect();
    let host = &web.at;
    events.write_all(format!("GET {path}v1/events HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).unwrap();
    let mut reader = BufReader::new(events);
    let mut until_line = |words: &str| {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the stream ended before {words}");
        }
    };
    until_line(": upkeep events");
    assert_eq!(daemon.job("/v1/targets/notes/backup", "")["state"], "ok");
    until_line("event: backup.ok");

    kill_process(Pid::from_child(&web.child), Signal::INT).unwrap();
    assert_eq!(web.child.wait().unwrap().code(), Some(0));
    daemon.stop();
}
