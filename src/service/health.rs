//! One health check, asked once: a GET, a connection, or a command, each within a short time.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::{Health, HttpUrl};
use crate::failure::{Chain, Explain as _};
use crate::process::Command;
use crate::text;
use crate::tls::{self, Demand, Settings, TlsError, Verify};

/// How long one answer may take; a server slower than this is not healthy.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// How much of an HTTP answer is read: the status line is in there.
const ANSWER_BYTES: u64 = 4096;

/// `Ok` is the good answer, `Err` the bad one; both in words.
///
/// # Errors
/// The bad answer.
pub async fn ask(check: &Health) -> Result<String, String> {
    match check {
        Health::Http(url) => {
            let shown = url.to_string();
            within(&shown, exchange("GET", url, "", &shown)).await
        }
        Health::Tcp(address) => {
            let connect = async { TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}")) };
            within(address, connect).await.map(|_| format!("{address} accepts connections"))
        }
        Health::Command(argv) => match Command::new(argv, ANSWER_DEADLINE).run().await {
            Ok(finished) if finished.success() => Ok(format!("`{}` succeeds", text::shell(argv))),
            Ok(finished) => Err(format!(
                "`{}` ends with {}: {}",
                text::shell(argv),
                finished.code.map_or("a signal".to_owned(), |code| format!("exit code {code}")),
                finished.last_line()
            )),
            Err(error) => Err(crate::failure::Chain(&error).to_string()),
        },
    }
}

/// Sends a JSON text to whoever listens there. The answer in words names the host only: of a webhook the path is a secret.
///
/// # Errors
/// The answer when it is not a good one, or why there is none.
pub async fn post(url: &HttpUrl, json: &str) -> Result<String, String> {
    let shown = url.host();
    within(&shown, exchange("POST", url, json, &shown)).await
}

/// Asks for a page whose path is a secret as well. `Err` is the bad answer in words.
///
/// # Errors
/// The bad answer.
pub async fn ping(url: &HttpUrl) -> Result<String, String> {
    let shown = url.host();
    within(&shown, exchange("GET", url, "", &shown)).await
}

/// Whether what is needed to ask an `https://` URL is there, without asking it.
///
/// # Errors
/// Why it cannot be asked.
pub fn can_ask(url: &HttpUrl) -> Result<(), TlsError> {
    let Some(parsed) = url::Url::parse(url.reveal()).ok().filter(|_| url.is_https()) else { return Ok(()) };
    demand(url, parsed.host_str().unwrap_or_default()).ready().map(drop)
}

/// A certificate must be for the host, and come from whom this host or a file trusts.
fn demand<'a>(url: &'a HttpUrl, host: &'a str) -> Demand<'a> {
    Demand { host, verify: Verify::Name, roots: url.roots(), identity: None, settings: SETTINGS }
}

async fn within<T>(what: &str, answer: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(ANSWER_DEADLINE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("{what}: no answer within {} s", ANSWER_DEADLINE.as_secs())),
    }
}

/// What an answer is read from, in clear or under TLS.
trait Both: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

/// What the settings of these URLs are called.
const SETTINGS: Settings = Settings {
    place: "the URL",
    roots: "ca_file",
    certificate: "ca_file",
    key: "ca_file",
    mode: "ca_file",
    without_name: None,
};

/// Connects, under TLS where the URL says so.
async fn connect(url: &HttpUrl, parsed: &url::Url, shown: &str) -> Result<Box<dyn Both>, String> {
    let (host, port) = parsed.host_str().zip(parsed.port_or_known_default()).ok_or_else(|| format!("{shown}: not a URL"))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, port)).await.map_err(|error| format!("{shown}: {error}"))?;
    if parsed.scheme() != "https" {
        return Ok(Box::new(stream));
    }
    let told = |error: &TlsError| format!("{shown}: {}; {}", Chain(error), error.hints().join("; "));
    let ready = demand(url, bare).ready().map_err(|error| told(&error))?;
    match ready.over(stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(tls::refusal(&error).map_or_else(|| format!("{shown}: {error}"), told)),
    }
}

/// A request by hand: one head out, one status line in. A client library would bring pools for nothing. `shown` is what
/// the answer in words calls the URL.
async fn exchange(method: &str, url: &HttpUrl, json: &str, shown: &str) -> Result<String, String> {
    let parsed = url::Url::parse(url.reveal()).map_err(|error| format!("{shown}: {error}"))?;
    let mut stream = connect(url, &parsed, shown).await?;
    let broke = |error: std::io::Error| format!("{shown}: {error}");
    let (host, port) = (parsed.host_str().unwrap_or_default(), parsed.port_or_known_default().unwrap_or(80));
    let query = parsed.query().map(|query| format!("?{query}")).unwrap_or_default();
    let length = json.len();
    let body =
        if json.is_empty() { String::new() } else { format!("Content-Type: application/json\r\nContent-Length: {length}\r\n") };
    let request = format!(
        "{method} {}{query} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: upkeep\r\nAccept: */*\r\n{body}Connection: close\r\n\r\n{json}",
        parsed.path()
    );
    stream.write_all(request.as_bytes()).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;
    let mut answer = Vec::new();
    while !answer.contains(&b'\n') && (answer.len() as u64) < ANSWER_BYTES {
        let mut buffer = [0; 512];
        match stream.read(&mut buffer).await.map_err(broke)? {
            0 => break,
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    let text = String::from_utf8_lossy(&answer);
    let line = text.lines().next().unwrap_or_default().trim();
    let code = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).and_then(|code| code.parse::<u16>().ok());
    let said = line.split_once(' ').map_or("", |(_, said)| said);
    match code {
        Some(200..=299) => Ok(format!("{shown} answers {said}")),
        Some(_) => Err(format!("{shown} answers {said}")),
        None => Err(format!("{shown}: the answer is not HTTP")),
    }
}
