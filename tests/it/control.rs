//! The control socket: every endpoint of its document, who may use it, and what a bad client may cost.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use upkeep::config::Principal;
use upkeep::control::board::Board;
use upkeep::control::peers::Judge;
use upkeep::control::routes;
use upkeep::control::server::{self, Limits};
use upkeep::wire::Status;

use crate::support::daemon::{Answer, Running, ask};
use crate::support::env::{Env, put};
use crate::support::upkeep::Upkeep;
use crate::support::wait::until;

const NOTES: &str = "[targets.notes.database]\nurl = \"sqlite://{dir}/notes.db\"\n";

fn place() -> Upkeep {
    let place = Upkeep::with(NOTES);
    place.sqlite("notes.db", "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO note VALUES (1, 'one')");
    place
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_document_has_every_endpoint_with_an_example_and_no_other() {
    let document = std::fs::read_to_string(root().join("docs/api.md")).unwrap();
    let documented: BTreeSet<String> =
        document.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`').map(str::to_owned)).collect();
    let served: BTreeSet<String> = routes::listing().into_iter().map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(documented, served);
    for section in document.split("\n### ").skip(1) {
        let (title, text) = section.split_once('\n').unwrap();
        let path = title.trim_matches('`').split(' ').nth(1).unwrap();
        let known = path.split('{').next().unwrap();
        assert!(text.contains("curl ") && text.contains(&format!("http://upkeep{known}")), "no example of {title}");
    }
}

/// What stays of a value when everything that differs from run to run is gone: the names, and the kinds of what they name.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("text"),
        Value::Array(items) => items.first().map_or(json!([]), |first| json!([shape(first)])),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
    }
}

/// Holds an answer to its golden file. `UPDATE_GOLDEN=1` writes it anew.
#[track_caller]
fn golden(place: &Upkeep, name: &str, answer: &Value) {
    let path = root().join("tests/golden/api").join(format!("{name}.json"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        put(&path, format!("{answer:#}\n").replace(&place.root().display().to_string(), "/srv/notes").as_bytes());
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let golden: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shape(answer), shape(&golden), "{name}: the socket's contract changed; golden files only ever gain fields");
}

#[test]
fn every_endpoint_answers_as_its_golden_file_says() {
    let place = place();
    place.configure(&format!(
        "{NOTES}[offsite.nas]\nkind = \"directory\"\npath = \"{{dir}}/nas\"\nowner = \"db1\"\nallow_same_device = true\n"
    ));
    std::fs::create_dir(place.path("nas")).unwrap();
    let daemon = Running::start(&place);
    let archive = daemon.job("/v1/targets/notes/backup", "{\"note\": \"by hand\", \"request_id\": \"first\"}");
    assert_eq!(archive["state"], "ok", "{archive}");
    let label = archive["result"]["label"].as_str().unwrap().to_owned();
    until("the target was looked at", || daemon.ask("GET", "/v1/targets/notes", "").json()["server"].is_string());

    let mut asked = BTreeSet::new();
    let mut get = |pattern: &str, path: &str| {
        asked.insert(format!("GET {pattern}"));
        let answer = daemon.ask("GET", path, "");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer
    };
    golden(&place, "status", &get("/v1/status", "/v1/status").json());
    golden(&place, "target", &get("/v1/targets/{target}", "/v1/targets/notes").json());
    golden(&place, "archives", &get("/v1/targets/{target}/archives", "/v1/targets/notes/archives").json());
    golden(&place, "jobs", &get("/v1/jobs", "/v1/jobs").json());
    let job = format!("/v1/jobs/{}", archive["id"].as_str().unwrap());
    golden(&place, "job", &get("/v1/jobs/{id}", &job).json());
    let events = get("/v1/events", "/v1/events?after=0&follow=false");
    assert!(events.head.contains("content-type: text/event-stream"), "{events:?}");
    let data = events.body.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    golden(&place, "event", &serde_json::from_str(data).unwrap());
    let metrics = get("/metrics", "/metrics");
    assert!(metrics.head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{metrics:?}");
    assert!(metrics.body.contains("upkeep_archives{target=\"notes\"} 1\n") && metrics.body.contains("# EOF\n"));

    let page = get("/", "/");
    assert!(page.head.contains("content-type: text/html") && page.body.starts_with("<!doctype html>"), "{page:?}");

    // Each action, with how it ends for a target that is only backed up.
    let archived = |verb: &str| format!("/v1/archives/{label}/{verb}");
    for (pattern, path, body, ends) in [
        ("/v1/targets/{target}/backup", "/v1/targets/notes/backup".to_owned(), "", "ok"),
        (
            "/v1/targets/{target}/restore",
            "/v1/targets/notes/restore".to_owned(),
            "{\"dry_run\": true, \"replace\": true}",
            "ok",
        ),
        ("/v1/targets/{target}/plan", "/v1/targets/notes/plan".to_owned(), "", "ok"),
        ("/v1/targets/{target}/upgrade", "/v1/targets/notes/upgrade".to_owned(), "", "ok"),
        ("/v1/targets/{target}/rollback", "/v1/targets/notes/rollback".to_owned(), "", "failed"),
        ("/v1/targets/{target}/hold", "/v1/targets/notes/hold".to_owned(), "{\"reason\": \"month end\"}", "ok"),
        ("/v1/targets/{target}/release-hold", "/v1/targets/notes/release-hold".to_owned(), "{}", "ok"),
        ("/v1/targets/{target}/migrate", "/v1/targets/notes/migrate".to_owned(), "{\"verb\": \"info\"}", "failed"),
        ("/v1/targets/{target}/prune", "/v1/targets/notes/prune".to_owned(), "{\"dry_run\": true}", "ok"),
        ("/v1/targets/{target}/verify", "/v1/targets/notes/verify".to_owned(), "", "ok"),
        ("/v1/targets/{target}/drill", "/v1/targets/notes/drill".to_owned(), "", "ok"),
        ("/v1/targets/{target}/rehearse", "/v1/targets/notes/rehearse".to_owned(), "", "failed"),
        ("/v1/targets/{target}/gate", "/v1/targets/notes/gate".to_owned(), "", "ok"),
        ("/v1/archives/{label}/verify", archived("verify"), "", "ok"),
        ("/v1/archives/{label}/pin", archived("pin"), "{\"reason\": \"audit\"}", "ok"),
        ("/v1/archives/{label}/unpin", archived("unpin"), "", "ok"),
        ("/v1/places/{place}/offsite-init", "/v1/places/nas/offsite-init".to_owned(), "", "ok"),
        ("/v1/places/{place}/offsite-check", "/v1/places/nas/offsite-check".to_owned(), "", "ok"),
        ("/v1/places/{place}/offsite-prove", "/v1/places/nas/offsite-prove".to_owned(), "{\"identity\": \"x\"}", "failed"),
        ("/v1/places/{place}/copy", "/v1/places/nas/copy".to_owned(), "", "ok"),
        ("/v1/places/{place}/verify-copies", "/v1/places/nas/verify-copies".to_owned(), "", "ok"),
        ("/v1/verify", "/v1/verify".to_owned(), "", "ok"),
    ] {
        asked.insert(format!("POST {pattern}"));
        let job = daemon.job(&path, body);
        assert_eq!(job["state"], ends, "{path}: {job}");
        let verb =
            pattern.trim_start_matches("/v1/").replace("/{target}/", "-").replace("/{label}/", "-").replace("/{place}/", "-");
        golden(&place, &format!("job-{verb}"), &job);
    }
    // What a job that ends so looks like is told in `daemon.rs`; this one has ended.
    asked.insert("POST /v1/jobs/{id}/cancel".to_owned());
    let cancelled = daemon.ask("POST", &format!("{job}/cancel"), "");
    assert_eq!((cancelled.status, &cancelled.json()["class"]), (404, &json!("no-input")), "{cancelled:?}");
    asked.insert("POST /v1/reload".to_owned());
    let reloaded = daemon.ask("POST", "/v1/reload", "");
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    golden(&place, "reload", &reloaded.json());
    let served: BTreeSet<String> = routes::listing().into_iter().map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(asked, served, "an endpoint was not asked");
}

#[test]
fn what_cannot_be_asked_is_refused_in_words() {
    let place = place();
    let daemon = Running::start(&place);
    for (method, path, body, status, class, words) in [
        ("GET", "/v1", "", 404, "no-input", "there is nothing at /v1"),
        ("GET", "/v1/targets/nots", "", 404, "no-input", "there is no target `nots`"),
        ("GET", "/v1/targets/NO%20NAME", "", 404, "no-input", "there is no target"),
        ("GET", "/v1/jobs/0000", "", 404, "no-input", "there is no job `0000`"),
        ("GET", "/v1/jobs/%2e%2e", "", 400, "usage", "cannot be a job id"),
        ("GET", "/v1/jobs/0000?wait=soon", "", 400, "usage", "invalid"),
        ("POST", "/v1/jobs/0000/cancel", "", 404, "no-input", "neither waits nor runs"),
        ("GET", "/v1/events?after=now", "", 400, "usage", "invalid"),
        ("POST", "/v1/status", "", 405, "usage", "does not take POST"),
        ("GET", "/v1/targets/notes/backup", "", 405, "usage", "does not take GET"),
        ("DELETE", "/v1/targets/notes", "", 405, "usage", "does not take DELETE"),
        ("POST", "/v1/targets/nots/backup", "", 404, "no-input", "there is no target `nots`"),
        ("POST", "/v1/places/nowhere/copy", "", 404, "no-input", "there is no place `nowhere`"),
        ("POST", "/v1/archives/nothing/pin", "", 404, "no-input", "there is no archive `nothing`"),
        ("POST", "/v1/targets/notes/backup", "{", 400, "usage", "must be a JSON object"),
        ("POST", "/v1/targets/notes/backup", "[]", 400, "usage", "must be a JSON object"),
        ("POST", "/v1/targets/notes/backup", "{\"nte\": \"x\"}", 400, "usage", "`backup` has no field `nte`"),
        ("POST", "/v1/targets/notes/backup", "{\"note\": 7}", 400, "usage", "cannot be asked for like this"),
        ("POST", "/v1/targets/notes/backup", "{\"target\": \"other\"}", 400, "usage", "is said by the path"),
        ("POST", "/v1/targets/notes/backup", "{\"scheduled_for\": \"2099-01-01T00:00:00Z\"}", 400, "usage", "the daemon's own"),
        ("POST", "/v1/targets/notes/backup", "{\"request_id\": \"a b\"}", 400, "usage", "cannot be a request id"),
        ("POST", "/v1/targets/notes/migrate", "{\"verb\": \"redo\"}", 400, "usage", "cannot be asked for like this"),
        ("POST", "/v1/targets/notes/migrate", "", 400, "usage", "verb"),
        ("POST", "/v1/reload", "{\"now\": true}", 400, "usage", "no field `now`"),
    ] {
        let answer = daemon.ask(method, path, body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
        let failure = answer.json();
        assert_eq!(failure["class"], class, "{method} {path} {body}: {failure}");
        let message = failure["message"].as_str().unwrap();
        assert!(message.to_lowercase().contains(&words.to_lowercase()), "{method} {path} {body}: {message}");
    }
    golden(&place, "failure", &daemon.ask("GET", "/v1/targets/nots", "").json());
    assert_eq!(daemon.ask("GET", "/v1/jobs", "").json(), json!([]), "a refused request left a job");
    daemon.stop();
}

/// A password that was typed is for the connection alone: not for whoever may read jobs, nor for the disk. Who acts is the
/// kernel's word.
#[test]
fn what_is_secret_is_written_nowhere_and_who_acts_is_not_for_the_client_to_say() {
    let place = place();
    let daemon = Running::start(&place);
    let made = daemon.job("/v1/targets/notes/backup", "");
    assert_eq!(made["state"], "ok", "{made}");
    let into = "postgres://u:s3cret@127.0.0.1:1/x?password=s3cret";
    let body = format!("{{\"into\": \"{into}\", \"request_id\": \"r-into\"}}");
    let job = daemon.job("/v1/targets/notes/restore", &body);
    assert_eq!(
        (&job["state"], &job["action"]["into"]),
        (&json!("failed"), &json!("postgres://u:***@127.0.0.1:1/x?password=***"))
    );
    let again = daemon.ask("POST", "/v1/targets/notes/restore", &body);
    assert_eq!((again.status, &again.json()["id"]), (202, &job["id"]), "the same request is the same job: {again:?}");
    let ran = place.run(&["restore", "notes", "--into", into]);
    assert!(ran.code != 0 && !format!("{ran:?}").contains("s3cret"), "{ran:?}");

    let held = daemon.job("/v1/targets/notes/hold", "{\"reason\": \"month end\", \"who\": \"mallory\"}");
    let us = daemon.job("/v1/targets/notes/hold", "{\"reason\": \"month end\"}")["result"]["who"].clone();
    assert_eq!((&held["result"]["who"], &held["action"]["who"]), (&us, &us));
    assert_ne!(us, "mallory");

    let old = "INSERT INTO run (id, action, body_json, started_at, ended_at, outcome, result_json) VALUES ('0123456789ab', 'restore', \
        '{\"action\":\"restore\",\"target\":\"notes\",\"into\":\"mysql://u:0ldpass@h/x\"}', '2026-01-01T00:00:00Z', \
        '2026-01-01T00:00:01Z', 'ok', 'null')";
    place.sqlite("state/state.db", old);
    for path in ["/v1/jobs", "/v1/status", "/v1/events?after=0&follow=false"] {
        let answer = daemon.ask("GET", path, "");
        assert!(!answer.body.contains("s3cret") && !answer.body.contains("0ldpass"), "{path}: {answer:?}");
    }
    assert!(daemon.ask("GET", "/v1/jobs", "").body.contains("mysql://u:***@h/x"));
    let errors = daemon.stop_and_tell();
    assert!(!errors.is_empty() && !format!("{errors:?}").contains("s3cret"), "{errors:?}");
    for file in std::fs::read_dir(place.path("state")).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(6).any(|bytes| bytes == b"s3cret"), "{}", file.path().display());
    }
}

#[test]
fn the_same_request_is_one_job_also_after_a_restart() {
    let place = place();
    let daemon = Running::start(&place);
    let body = "{\"note\": \"once\", \"request_id\": \"r-1\"}";
    let first = daemon.job("/v1/targets/notes/backup", body);
    let again = daemon.ask("POST", "/v1/targets/notes/backup", body);
    assert_eq!((again.status, &again.json()["id"]), (202, &first["id"]));
    assert!(again.head.contains(&format!("location: /v1/jobs/{}", first["id"].as_str().unwrap())), "{again:?}");
    let other = daemon.ask("POST", "/v1/targets/notes/backup", "{\"note\": \"another\", \"request_id\": \"r-1\"}");
    assert_eq!((other.status, other.json()["class"].as_str()), (400, Some("usage")), "{other:?}");
    daemon.stop();

    let daemon = Running::start(&place);
    assert_eq!(daemon.ask("POST", "/v1/targets/notes/backup", body).json()["id"], first["id"]);
    assert_eq!(daemon.ask("GET", "/v1/jobs", "").json().as_array().map(Vec::len), Some(1));
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream
        .write_all(b"POST /v1/targets/notes/backup HTTP/1.1\r\nhost: u\r\nidempotency-key: r-1\r\nconnection: close\r\ncontent-length: 15\r\n\r\n{\"note\":\"once\"}")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(Answer::parse(&text).unwrap().json()["id"], first["id"], "the header means the same");
    daemon.stop();
}

#[test]
fn a_follower_is_woken_and_comes_back_where_it_was() {
    let place = place();
    let daemon = Running::start(&place);
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(180))).unwrap();
    stream.write_all(b"GET /v1/events HTTP/1.1\r\nhost: u\r\n\r\n").unwrap();
    let mut text = String::new();
    let mut read = |until: &str| {
        let mut buffer = [0; 4096];
        while !text.contains(until) {
            let length = stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the stream ended before {until}: {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        text.clone()
    };
    read(": upkeep events");
    daemon.job("/v1/targets/notes/backup", "");
    let seen = read("event: backup.ok");
    assert!(!seen.contains("daemon.started"), "from now on means from now on: {seen}");

    let all = daemon.ask("GET", "/v1/events?after=0&follow=false", "").body;
    let ids: Vec<u64> = all.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
    assert!(ids.len() >= 2 && ids.is_sorted(), "{all}");
    let (middle, after) = (ids[ids.len() / 2], ids.iter().skip(ids.len() / 2 + 1));
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    let request =
        format!("GET /v1/events?follow=false HTTP/1.1\r\nhost: u\r\nconnection: close\r\nlast-event-id: {middle}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    let found: Vec<u64> = rest.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
    assert_eq!(found, after.copied().collect::<Vec<_>>());
    daemon.stop();
}

/// Runs the command line as another user.
#[expect(clippy::disallowed_methods, reason = "a client that is another user")]
fn as_user(uid: &str, groups: &str, place: &Upkeep, program: &Path, arguments: &[&str]) -> (i32, String) {
    let groups = if groups.is_empty() { "--clear-groups".to_owned() } else { format!("--groups={groups}") };
    let mut command = std::process::Command::new("setpriv");
    command.args([&format!("--reuid={uid}"), &format!("--regid={uid}"), &groups, "--"]).arg(program);
    command.arg("--config").arg(place.path("upkeep.toml")).arg("--json").args(arguments);
    let output = command.env_clear().output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn observers_look_operators_act_and_strangers_are_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    if !rustix::process::geteuid().is_root() {
        crate::support::skipped("only root can be another user", crate::support::ROOT);
        return;
    }
    let place = place();
    let config = std::fs::read_to_string(place.path("upkeep.toml")).unwrap();
    let lists = "observers = [\"54321\"]\noperators = [\"54322\"]\n";
    let config: String = config.lines().filter(|line| !line.starts_with("operators")).map(|line| format!("{line}\n")).collect();
    place.file("upkeep.toml", &config.replace("[control]\n", &format!("[control]\n{lists}")));
    // Where another user can run it: the build's own directory may be closed to them.
    let program = place.path("upkeep");
    std::fs::copy(env!("CARGO_BIN_EXE_upkeep"), &program).unwrap();
    std::fs::set_permissions(place.root(), std::fs::Permissions::from_mode(0o755)).unwrap();

    let daemon = Running::start(&place);
    for (uid, arguments, expect) in [
        ("54321", &["status"][..], 0),
        ("54321", &["list", "notes"], 0),
        ("54321", &["hold", "notes"], 77),
        ("54321", &["backup", "notes"], 77),
        ("54322", &["status"], 0),
        ("54322", &["backup", "notes"], 0),
        ("54323", &["status"], 77),
        ("54323", &["backup", "notes"], 77),
    ] {
        let (code, told) = as_user(uid, "", &place, &program, arguments);
        assert_eq!(code, expect, "user {uid}: upkeep {}: {told}", arguments.join(" "));
        assert!(expect == 0 || told.contains("\"no-permission\""), "user {uid}: {told}");
    }
    assert_eq!(daemon.ask("GET", "/v1/jobs", "").json().as_array().map(Vec::len), Some(1), "one backup was allowed");
    daemon.stop();
}

/// A server of its own with limits a test can reach, in front of nothing: nobody takes what is asked for.
struct Served {
    env: Env,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    _asks: tokio::sync::mpsc::Receiver<upkeep::control::board::Ask>,
}

impl Served {
    async fn with(limits: Limits) -> Self {
        Self::judged(limits, Judge::new(rustix::process::geteuid().as_raw()), &[]).await
    }

    /// With who knows the peers given, and observers.
    async fn judged(limits: Limits, judge: Judge, observers: &[&str]) -> Self {
        let mut env = Env::sqlite().await;
        let observers = observers.iter().map(|group| Principal::Group((*group).to_owned())).collect();
        let mut config = (*env.ctx.config).clone();
        config.control.observers = observers;
        env.ctx.config = Arc::new(config);
        let status: Status = serde_json::from_value(json!({
            "tool": "upkeep", "state": "running", "at": "2026-11-22T12:00:00Z", "targets": [], "jobs": []
        }))
        .unwrap();
        let (board, asks) = Board::new(env.ctx.state.clone(), env.ctx.config.clone(), status);
        let listener = tokio::net::UnixListener::bind(&env.ctx.config.control.socket).unwrap();
        let stop = CancellationToken::new();
        let serving = stop.clone();
        let task = tokio::spawn(async move { server::serve_judged(&listener, board, limits, serving, judge).await });
        Self { env, stop, task, _asks: asks }
    }

    fn socket(&self) -> PathBuf {
        self.env.ctx.config.control.socket.clone()
    }

    /// One request from a thread of its own, as another process would.
    async fn ask(&self, method: &'static str, path: &'static str, body: String) -> std::io::Result<Answer> {
        let socket = self.socket();
        tokio::task::spawn_blocking(move || ask(&socket, method, path, &body)).await.unwrap()
    }

    async fn raw(&self, bytes: Vec<u8>) -> String {
        let socket = self.socket();
        tokio::task::spawn_blocking(move || raw(&socket, &bytes)).await.unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// Sends bytes as they are and reads to the end, which the server must bring about.
fn raw(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(180))).unwrap();
    // The server may have heard enough before we have said it all.
    stream.write_all(bytes).ok();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the server never ended the connection"),
        _ => String::from_utf8_lossy(&answer).into_owned(),
    }
}

const SHORT: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_client_is_cut_and_costs_nobody_anything() {
    let served = Served::with(Limits { head: SHORT, body: SHORT, ..Limits::DEFAULT }).await;
    let big_head = format!("GET /v1/status HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    let big_body = "x".repeat(Limits::DEFAULT.body_bytes + 1);
    for (what, bytes, expect) in [
        ("silence", String::new(), ""),
        ("half a head", "GET /v1/status HTTP/1.1\r\nhost:".to_owned(), ""),
        ("garbage", "\u{1}\u{2}\u{3} nonsense\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("a head without end", big_head, "HTTP/1.1 431"),
        ("half a body", "POST /v1/reload HTTP/1.1\r\nhost: u\r\ncontent-length: 10\r\n\r\n{".to_owned(), "HTTP/1.1 408"),
        (
            "a body too large",
            format!(
                "POST /v1/reload HTTP/1.1\r\nhost: u\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{big_body}",
                big_body.len()
            ),
            "HTTP/1.1 413",
        ),
        (
            "chunks without end",
            format!(
                "POST /v1/reload HTTP/1.1\r\nhost: u\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{big_body}\r\n",
                big_body.len()
            ),
            "HTTP/1.1 413",
        ),
    ] {
        let (answer, other) = tokio::join!(served.raw(bytes.into_bytes()), served.ask("GET", "/v1/status", String::new()));
        assert!(
            answer.starts_with(expect) && (!expect.is_empty() || answer.is_empty() || answer.contains(" 408 ")),
            "{what}: {answer}"
        );
        assert_eq!(other.unwrap().status, 200, "beside {what}");
    }
    served.end().await;
}

/// Connects as another user, so often, and says nothing.
#[expect(clippy::disallowed_methods, reason = "a client that is another user")]
fn crowd(uid: u32, socket: &Path, times: usize) -> std::process::Child {
    let script = "use Socket; $| = 1; my @crowd; for (1 .. $ARGV[1]) { socket(my $one, PF_UNIX, SOCK_STREAM, 0); \
                  connect($one, sockaddr_un($ARGV[0])); push @crowd, $one } print \"there\\n\"; sleep 60";
    let mut command = std::process::Command::new("setpriv");
    command.args([&format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups", "--", "perl", "-e", script]);
    let mut crowd = command.arg(socket).arg(times.to_string()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut there = [0; 6];
    crowd.stdout.take().unwrap().read_exact(&mut there).unwrap();
    crowd
}

/// A directory server that never answers is in nobody's way but of those it would have to name; and a name is asked for once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_a_dead_directory_server_lock_nobody_out() {
    use std::os::unix::fs::PermissionsExt as _;
    if !rustix::process::geteuid().is_root() {
        crate::support::skipped("only root can be another user", crate::support::ROOT);
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (getent, asked) = (place.path().join("getent"), place.path().join("asked"));
    std::fs::File::create(&getent)
        .unwrap()
        .write_all(format!("#!/bin/sh\necho \"$3\" >> {}\nsleep 60\n", asked.display()).as_bytes())
        .unwrap();
    std::fs::set_permissions(&getent, std::fs::Permissions::from_mode(0o755)).unwrap();
    let limits = Limits { arriving: 8, strangers: 4, ..Limits::DEFAULT };
    let judge = Judge::asking(0, getent.to_str().unwrap());
    let served = Served::judged(limits, judge, &["people-of-ldap"]).await;
    let socket = served.socket();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    for directory in socket.ancestors().skip(1).take_while(|directory| *directory != std::env::temp_dir()) {
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut crowds = [54_331, 54_332, 54_333].map(|uid| crowd(uid, &socket, 40));
    for _ in 0..50 {
        assert_eq!(served.ask("GET", "/v1/status", String::new()).await.unwrap().status, 200, "root is always let in");
    }
    for crowd in &mut crowds {
        crowd.kill().unwrap();
        crowd.wait().unwrap();
    }
    let asked = std::fs::read_to_string(&asked).unwrap_or_default();
    assert!(
        asked.lines().filter(|name| *name == "people-of-ldap").count() <= 4,
        "asked once, by those who came together:\n{asked}"
    );
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_too_many_is_told_so_and_room_comes_back() {
    let served = Served::with(Limits { operators: 3, followers: 1, ..Limits::DEFAULT }).await;
    // Each has had an answer and stays: so each has its place.
    let socket = served.socket();
    let held = tokio::task::spawn_blocking(move || {
        let stay = |_| {
            let mut stream = UnixStream::connect(&socket).unwrap();
            stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: u\r\n\r\n").unwrap();
            let mut first = [0; 15];
            stream.read_exact(&mut first).unwrap();
            assert_eq!(&first, b"HTTP/1.1 200 OK");
            stream
        };
        (0..3).map(stay).collect::<Vec<_>>()
    });
    let held = held.await.unwrap();
    let full = served.ask("GET", "/v1/status", String::new()).await.unwrap();
    assert_eq!((full.status, full.json()["class"].as_str()), (503, Some("temp-fail")));
    assert!(full.head.contains("retry-after: 1"), "{full:?}");
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(180);
    while served.ask("GET", "/v1/status", String::new()).await.unwrap().status != 200 {
        assert!(Instant::now() < deadline, "room came back");
    }

    let socket = served.socket();
    let follower = tokio::task::spawn_blocking(move || {
        let follow = || {
            let mut follower = UnixStream::connect(&socket).unwrap();
            follower.write_all(b"GET /v1/events HTTP/1.1\r\nhost: u\r\n\r\n").unwrap();
            let mut first = [0; 15];
            follower.read_exact(&mut first).unwrap();
            (&first == b"HTTP/1.1 200 OK").then_some(follower)
        };
        // The places of those who have left come back one by one.
        let mut following = follow();
        until("a place to follow from", || {
            following = following.take().or_else(&follow);
            following.is_some()
        });
        following
    });
    let follower = follower.await.unwrap();
    assert_eq!(served.ask("GET", "/v1/events", String::new()).await.unwrap().status, 503, "one follower too many");
    drop(follower);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_server_ends_followers_and_long_waits() {
    let served = Served::with(Limits::DEFAULT).await;
    let socket = served.socket();
    let follower = tokio::task::spawn_blocking(move || raw(&socket, b"GET /v1/events HTTP/1.1\r\nhost: u\r\n\r\n"));
    let mut bell = served.env.ctx.state.bell().subscribe();
    // The follower is in when the bell has a listener beside ours.
    for _ in 0..1000 {
        if served.env.ctx.state.bell().receiver_count() > 1 {
            break;
        }
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    bell.borrow_and_update();
    served.end().await;
    assert!(follower.await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_board_that_nobody_listens_to_refuses_rather_than_waits() {
    let env = Env::sqlite().await;
    let status: Status = serde_json::from_value(json!({
        "tool": "upkeep", "state": "running", "at": "2026-11-22T12:00:00Z", "targets": [], "jobs": []
    }))
    .unwrap();
    let (board, asks) = Board::new(env.ctx.state.clone(), env.ctx.config.clone(), status);
    drop(asks);
    let failure = Arc::clone(&board).reload().await.unwrap_err();
    assert_eq!(failure.class, upkeep::failure::Class::TempFail);
}
