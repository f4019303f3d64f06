//! HTTP/1.1 to one server elsewhere, in clear or under TLS, straight or through a proxy.
//!
//! Owns connecting, one connection that is kept for the next request, and the bound on silence: a request as a whole has none, for an upload
//! takes as long as its line is slow; a connection over which nothing passes for [`SILENCE`] is given up. Repeats nothing and knows
//! nothing of what is asked. Invariant: an answer is whole and no longer than it may be, or an error that says whether the request can have
//! arrived; held by the tests beside this file.

mod reach;
mod watched;

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::tls::Ready;
use reach::{reached, within};
use watched::{Silence, Watched};

/// What a proxy and TLS need before the first request takes this long together, or nobody is there.
const CONNECTING: Duration = Duration::from_secs(30);

/// A connection over which nothing passed for this long is given up. What the kernel holds of an upload (some megabytes at most) must leave
/// within it on a line of 20 kB/s, and a server may think for minutes about a large object before it says a word.
pub const SILENCE: Duration = Duration::from_secs(300);

/// A connection at rest is looked after this often.
const KEPT_ALIVE: Duration = Duration::from_secs(60);

/// Of a refusal no more is read: whatever says why is at its beginning, and in its number.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// What a proxy says before it connects.
const LONGEST_PROXY_ANSWER: usize = 8 * 1024;

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Server {
    /// Of a URL with a host; its scheme says the port where nothing else does.
    #[must_use]
    pub fn of(url: &url::Url) -> Option<Self> {
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some(Self { host, port: url.port_or_known_default()? })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// There is no connection.
    #[error("cannot connect to {server}")]
    Unconnected {
        /// To whom.
        server: Server,
        /// Why.
        source: io::Error,
    },
    /// The connection had ended before the request was on its way.
    #[error("{server} had closed the connection")]
    Unsent {
        /// With whom.
        server: Server,
    },
    /// Nothing passed for too long.
    #[error("{server} was silent for {} s", SILENCE.as_secs())]
    Silent {
        /// Who.
        server: Server,
    },
    /// The connection ended before the answer was whole.
    #[error("the connection to {server} was cut")]
    Cut {
        /// With whom.
        server: Server,
        /// How.
        source: hyper::Error,
    },
    /// What came is no answer.
    #[error("{server} does not answer as it should: {why}")]
    Strange {
        /// Who.
        server: Server,
        /// What is wrong.
        why: String,
    },
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

/// Asks one server.
pub struct Client<B> {
    server: Server,
    proxy: Option<Server>,
    tls: Option<Ready>,
    kept: Mutex<Option<SendRequest<B>>>,
}

impl<B> fmt::Debug for Client<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.server).field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

impl<B> Client<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Connects to nobody yet. Without `tls` everything goes in clear.
    #[must_use]
    pub fn new(server: Server, proxy: Option<Server>, tls: Option<Ready>) -> Self {
        Self { server, proxy, tls, kept: Mutex::new(None) }
    }

    /// Sends a request and reads its whole answer, which may have this many bytes where it is no refusal.
    ///
    /// # Errors
    /// When there is none.
    pub async fn ask(&self, request: Request<B>, most: usize) -> Result<Response<Bytes>, Unanswered> {
        let request = self.completed(request);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let kept = match kept {
            Some(mut kept) => kept.ready().await.is_ok().then_some(kept),
            None => None,
        };
        let mut sender = match kept {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let answer = sender.send_request(request).await.map_err(|error| self.broken(error))?;
        let (head, body) = answer.into_parts();
        let is_refusal = !head.status.is_success();
        let body = match Limited::new(body, if is_refusal { LONGEST_REFUSAL } else { most }).collect().await {
            Ok(body) => body,
            // Its number says enough; the connection, on which the rest still comes, is not used again.
            Err(error) if is_refusal && error.is::<LengthLimitError>() => return Ok(Response::from_parts(head, Bytes::new())),
            Err(error) => return Err(self.unread(error)),
        };
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    /// With the names that HTTP/1.1 wants where they are.
    fn completed(&self, mut request: Request<B>) -> Request<B> {
        let default = if self.tls.is_some() { 443 } else { 80 };
        let authority = self.server.to_string();
        let host = if self.server.port == default { authority.trim_end_matches(&format!(":{default}")) } else { &authority };
        if let Ok(host) = HeaderValue::from_str(host) {
            request.headers_mut().entry(HOST).or_insert(host);
        }
        request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static("upkeep"));
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        if let Ok(path) = path.parse::<Uri>() {
            *request.uri_mut() = path;
        }
        request
    }

    async fn connect(&self) -> Result<SendRequest<B>, Unanswered> {
        let unconnected = |source| Unanswered::Unconnected { server: self.server.clone(), source };
        let near = reached(self.proxy.as_ref().unwrap_or(&self.server)).await.map_err(unconnected)?;
        let stream = within(CONNECTING, self.over(near)).await.map_err(unconnected)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        // It ends with the sender or with the runtime, whichever is first; what goes wrong in it is told to who asked.
        tokio::spawn(async move { connection.await.ok() });
        Ok(sender)
    }

    async fn over(&self, stream: TcpStream) -> io::Result<Box<dyn Both>> {
        stream.set_nodelay(true)?;
        // A host that vanished while it is listened to, and while it is spoken to. Where the kernel knows neither, silence is still bounded.
        rustix::net::sockopt::set_socket_keepalive(&stream, true).ok();
        rustix::net::sockopt::set_tcp_keepidle(&stream, KEPT_ALIVE).ok();
        rustix::net::sockopt::set_tcp_user_timeout(&stream, u32::try_from(SILENCE.as_millis()).unwrap_or(u32::MAX)).ok();
        let mut stream = Watched::new(stream, SILENCE);
        if self.proxy.is_some() {
            self.through(&mut stream).await?;
        }
        match &self.tls {
            Some(tls) => Ok(Box::new(tls.over(stream).await?)),
            None => Ok(Box::new(stream)),
        }
    }

    /// Asks the proxy for the server.
    async fn through(&self, stream: &mut Watched<TcpStream>) -> io::Result<()> {
        let server = &self.server;
        stream
            .write_all(format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\nUser-Agent: upkeep\r\n\r\n").as_bytes())
            .await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        // Byte by byte: what comes after the head is the server's already.
        while !answer.ends_with(b"\r\n\r\n") && answer.len() < LONGEST_PROXY_ANSWER {
            answer.push(stream.read_u8().await?);
        }
        let text = String::from_utf8_lossy(&answer);
        let line = text.lines().next().unwrap_or_default();
        if line.starts_with("HTTP/1.") && line.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::ConnectionRefused, format!("the proxy does not connect: it says `{line}`")))
    }

    fn broken(&self, error: hyper::Error) -> Unanswered {
        let server = self.server.clone();
        if error.is_canceled() || error.is_closed() {
            return Unanswered::Unsent { server };
        }
        if error.is_parse() {
            return Unanswered::Strange { server, why: error.to_string() };
        }
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            // What the kernel gives up is a connection that was cut: how long it was silent is not known of it.
            if source.downcast_ref::<io::Error>().and_then(io::Error::get_ref).is_some_and(|held| held.is::<Silence>()) {
                return Unanswered::Silent { server };
            }
            cause = source.source();
        }
        Unanswered::Cut { server, source: error }
    }

    fn unread(&self, error: Box<dyn std::error::Error + Send + Sync>) -> Unanswered {
        match error.downcast::<hyper::Error>() {
            Ok(error) => match self.broken(*error) {
                // By then it was sent.
                Unanswered::Unsent { server } => {
                    Unanswered::Strange { server, why: "its answer ends before its end".to_owned() }
                }
                broken => broken,
            },
            Err(error) => {
                let why = if error.is::<LengthLimitError>() {
                    "its answer is longer than what was asked for".to_owned()
                } else {
                    error.to_string()
                };
                Unanswered::Strange { server: self.server.clone(), why }
            }
        }
    }
}

#[cfg(test)]
mod tests;
