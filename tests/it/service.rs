//! The managed server as a real process: what it leaves behind, when it is healthy, and what is said when it is not.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use upkeep::config::{Health, HttpUrl, Service, ServiceControl};
use upkeep::process::{Command, ProcessError};
use upkeep::service::{self, ServiceState};

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|word| (*word).to_owned()).collect()
}

/// A service of shell scripts that run in `dir`.
fn scripts(dir: &Path, start: &str, stop: &str, status: &str) -> Service {
    let script = |text: &str| words(&["sh", "-c", &format!("cd {} && {{ {text}; }}", dir.display())]);
    Service {
        control: ServiceControl::Commands { start: script(start), stop: script(stop), status: script(status) },
        health: Vec::new(),
        healthy_for: Duration::from_millis(1),
        deadline: Duration::from_secs(2),
    }
}

fn asking(health: Vec<Health>) -> Service {
    let dir = std::env::temp_dir();
    Service { health, ..scripts(&dir, "true", "true", "true") }
}

#[tokio::test]
async fn a_server_left_in_the_background_neither_holds_us_up_nor_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    // The server inherits the start command's output: reading that to its end would take ten minutes.
    let start = "sleep 600 & echo $! > pid; echo started";
    let service = scripts(dir.path(), start, "kill $(cat pid) && rm pid", "test -e pid && kill -0 $(cat pid) || exit 3");
    assert_eq!(service::status(&service).await, ServiceState::Stopped);
    let begun = Instant::now();
    service::start(&service).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(300), "{:?}", begun.elapsed());
    assert_eq!(service::status(&service).await, ServiceState::Running);
    service::stop(&service).await.unwrap();
    assert_eq!(service::status(&service).await, ServiceState::Stopped);
}

#[tokio::test]
async fn what_was_printed_before_a_background_process_is_kept() {
    let argv = ["sh", "-c", "sleep 60 & echo $!; echo no >&2; exit 4"];
    let finished = Command::new(&argv, Duration::from_secs(30)).run().await.unwrap();
    assert_eq!((finished.code, finished.last_line()), (Some(4), "no"));
    let pid = finished.stdout.trim().parse().ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it was left alone");
}

#[tokio::test]
async fn a_deadline_kills_the_whole_group() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("sleep 60 & echo $! > {}/pid; wait", dir.path().display());
    // As long as the shell needs to get there: on a busy machine 300 ms may not do.
    let mut pid = None;
    for deadline in [300, 3_000, 30_000].map(Duration::from_millis) {
        let error = Command::new(&["sh", "-c", &script], deadline).run().await.unwrap_err();
        assert!(matches!(error, ProcessError::Deadline { .. }), "{error}");
        pid = std::fs::read_to_string(dir.path().join("pid")).ok().filter(|pid| pid.ends_with('\n'));
        if pid.is_some() {
            break;
        }
    }
    let pid = pid.expect("the shell never began");
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    // Gone, or dead and not yet collected by whoever inherited it.
    crate::support::wait::until("the grandchild is dead", || state().is_empty() || state().contains(") Z "));
}

#[tokio::test]
async fn states_that_are_neither_running_nor_stopped_are_said_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        ("exit 0", "Running"),
        ("exit 3", "Stopped"),
        (
            "echo broken; exit 1",
            "Unknown(\"the status command ended with exit code 1, neither 0 (running) nor 3 (stopped): broken\")",
        ),
        ("kill -9 $$", "Unknown(\"the status command ended with a signal, neither 0 (running) nor 3 (stopped): \")"),
    ];
    for (status, expected) in cases {
        let service = scripts(dir.path(), "true", "true", status);
        assert_eq!(format!("{:?}", service::status(&service).await), expected, "{status}");
    }
    let error = service::stop(&scripts(dir.path(), "true", "true", "exit 0")).await.unwrap_err().to_string();
    assert!(error.contains("to stop, but it is running"), "{error}");
    let error = service::start(&scripts(dir.path(), "true", "true", "exit 3")).await.unwrap_err().to_string();
    assert!(error.contains("to start, but it is stopped"), "{error}");
    let failing = scripts(dir.path(), "echo 'port in use'; exit 9", "true", "exit 3");
    let error = upkeep::failure::Chain(&service::start(&failing).await.unwrap_err()).to_string();
    assert!(error.ends_with("failed with exit code 9: port in use"), "{error}");
}

/// Answers every connection with these bytes.
async fn answering(bytes: &'static [u8]) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            _ = stream.read(&mut request).await;
            stream.write_all(bytes).await.ok();
        }
    };
    (address, tokio::spawn(serve))
}

#[tokio::test]
async fn every_kind_of_health_check_says_yes_and_no() {
    let (good, serving) = answering(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let (bad, failing) = answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
    let (other, talking) = answering(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let http = |address: &str| Health::Http(HttpUrl::new(format!("http://user:hunter2@{address}/health?token=hunter3")));
    let cases = [
        (http(&good), Ok("answers 204 No Content")),
        (http(&bad), Err("answers 503 Service Unavailable")),
        (http(&other), Err("the answer is not HTTP")),
        (http(&closed), Err("refused")),
        (Health::Http(HttpUrl::new(format!("https://u:hunter2@{closed}/"))), Err("refused")),
        (Health::Tcp(good.clone()), Ok("accepts connections")),
        (Health::Tcp(closed.clone()), Err("refused")),
        (Health::Command(words(&["true"])), Ok("`true` succeeds")),
        (Health::Command(words(&["sh", "-c", "echo not yet; exit 2"])), Err("ends with exit code 2: not yet")),
        (Health::Command(words(&["/nowhere/check"])), Err("cannot run /nowhere/check")),
    ];
    for (check, expected) in cases {
        let what = format!("{check:?}");
        let answer = service::healthy(&asking(vec![check])).await;
        assert!(!format!("{what} {answer:?}").contains("hunter"), "what may be secret is printed: {what} {answer:?}");
        match (answer, expected) {
            (Ok(answer), Ok(part)) | (Err(answer), Err(part)) => assert!(answer.contains(part), "{what}: {answer}"),
            (answer, _) => panic!("{what}: {answer:?}"),
        }
    }
    for task in [serving, failing, talking] {
        task.abort();
    }
}

#[tokio::test]
async fn healthy_means_all_checks_for_long_enough_without_a_break() {
    let dir = tempfile::tempdir().unwrap();
    let count = format!("cd {} && echo x >> asked && test $(wc -l < asked) -ne 2", dir.path().display());
    // Good, bad, then good: the first good answer must not count towards the time.
    let mut service = asking(vec![Health::Command(words(&["true"])), Health::Command(words(&["sh", "-c", &count]))]);
    service.healthy_for = Duration::from_millis(100);
    service.deadline = Duration::from_secs(120);
    service::wait_healthy(&service, Duration::ZERO).await.unwrap();
    let asked = std::fs::read_to_string(dir.path().join("asked")).unwrap().lines().count();
    assert!(asked >= 4, "good, bad, good and good again: {asked}");
}

#[tokio::test]
async fn a_server_that_is_not_healthy_is_given_up_with_its_last_answer() {
    let mut service = asking(vec![Health::Command(words(&["sh", "-c", "echo still starting; exit 1"]))]);
    service.deadline = Duration::from_millis(600);
    let error = service::wait_healthy(&service, Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.ends_with("ends with exit code 1: still starting"), "{error}");
    // One that has stopped is not waited for until the deadline.
    let dir = tempfile::tempdir().unwrap();
    let mut gone = scripts(dir.path(), "true", "true", "exit 3");
    gone.deadline = Duration::from_secs(600);
    let error = service::wait_healthy(&gone, Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.ends_with("the server has stopped; it is not running"), "{error}");
}
