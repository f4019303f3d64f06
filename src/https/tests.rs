//! What a server may do to whoever asks it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use http_body_util::Full;

use super::*;

/// A server that answers each connection with the next of these, and closes it.
fn server(answers: &'static [&'static str]) -> (Server, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            asked.push(String::from_utf8(head).unwrap());
            // Whoever asked may have heard enough.
            stream.write_all(answer.as_bytes()).ok();
        }
        asked
    });
    (Server { host: "127.0.0.1".to_owned(), port }, thread)
}

fn request(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::new(Bytes::new())).unwrap()
}

#[tokio::test]
async fn an_answer_is_whole_or_none() {
    let (to, thread) = server(&[
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi",
        "HTTP/1.1 200",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nhi",
    ]);
    let port = to.port;
    let client = Client::new(to, None, None);
    let answer = client.ask(request("http://elsewhere/a%2Bb?c=d"), 2).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"hi"[..]));
    for _ in 0..4 {
        let broken = client.ask(request("http://elsewhere/"), 64).await.unwrap_err();
        assert!(!matches!(broken, Unanswered::Unsent { .. } | Unanswered::Unconnected { .. }), "{broken:?}");
    }
    let asked = thread.join().unwrap();
    assert!(
        asked[0].starts_with("GET /a%2Bb?c=d HTTP/1.1\r\n") && asked[0].contains(&format!("host: 127.0.0.1:{port}\r\n")),
        "{}",
        asked[0]
    );
    // It listens no more.
    let gone = client.ask(request("http://elsewhere/"), 64).await.unwrap_err();
    assert!(matches!(gone, Unanswered::Unconnected { .. }), "{gone:?}");
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_server() {
    let (proxy, thread) = server(&["HTTP/1.1 403 Forbidden\r\n\r\n"]);
    let to = Server { host: "s3.example".to_owned(), port: 443 };
    let refused = Client::new(to, Some(proxy), None).ask(request("http://s3.example/"), 64).await.unwrap_err();
    let Unanswered::Unconnected { source, .. } = &refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("403 Forbidden"), "{source}");
    assert!(thread.join().unwrap()[0].starts_with("CONNECT s3.example:443 HTTP/1.1\r\n"));
}

/// A server that says nothing is given up after the bound, and not before.
#[tokio::test]
async fn silence_has_a_bound() {
    let (near, _far) = tokio::io::duplex(64);
    let mut watched = Watched::new(near, Duration::from_millis(20));
    let begun = tokio::time::Instant::now();
    let silent = watched.read_u8().await.unwrap_err();
    assert!(silent.get_ref().is_some_and(|held| held.is::<Silence>()), "{silent:?}");
    assert_eq!((silent.kind(), begun.elapsed() >= Duration::from_millis(20)), (io::ErrorKind::TimedOut, true));
}

/// No answer takes more memory than what was asked for; of a refusal that is too long its number is told.
#[tokio::test]
async fn answers_are_as_long_as_what_was_asked_for() {
    let long = |status: &str, length: usize| -> &'static str {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{}", "x".repeat(length)).leak()
    };
    let answers = [long("200 OK", 11), long("500 Oh", LONGEST_REFUSAL + 1), long("500 Oh", 11), long("206 Part", 10)];
    let (to, thread) = server(answers.to_vec().leak());
    let client = Client::new(to, None, None);
    let too_long = client.ask(request("http://elsewhere/"), 10).await.unwrap_err();
    assert!(
        matches!(&too_long, Unanswered::Strange { why, .. } if why.contains("longer than what was asked for")),
        "{too_long}"
    );
    for (number, length) in [(500, 0), (500, 11), (206, 10)] {
        let answer = client.ask(request("http://elsewhere/"), 10).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.body().len()), (number, length));
    }
    thread.join().unwrap();
}

/// An address behind which nobody is hides no other, and a family of addresses that leads nowhere costs one wait.
#[tokio::test]
async fn each_address_is_tried() {
    let listens = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listens.local_addr().unwrap();
    let nobody = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let reached = reach::first_of(vec![nobody, there]).await.unwrap();
    assert_eq!(reached.peer_addr().unwrap(), there);
    reach::first_of(vec![nobody]).await.unwrap_err();
    reach::first_of(Vec::new()).await.unwrap_err();
    let of = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<std::net::SocketAddr>>();
    let named = of(&["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1"]);
    assert_eq!(reach::in_turn(named), of(&["[::1]:1", "10.0.0.1:1", "[::2]:1", "[::3]:1"]));
}
