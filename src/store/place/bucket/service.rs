//! The store's requests over our own HTTP.
//!
//! Owns what is added to them, and what an answer must be to be one: the request that completes an upload of many parts makes no object whose
//! name is taken; a listing is one from its first mark to its last, for whatever is not in it would count as gone; part of an object is that
//! part; and none is longer than what was asked for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::header::{HeaderValue, IF_NONE_MATCH, RANGE};
use hyper::{Method, Request, Response, StatusCode};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};

use super::error::between;
use crate::https::{Client, Server, Unanswered};

/// A page of a listing has at most a thousand names of at most a kilobyte, each of whose letters may be written as six.
const LISTING_BYTES: usize = 8 << 20;

/// What else is answered are a few lines.
const ANSWER_BYTES: usize = 1 << 20;

/// Hands our HTTP to the store, which brings none of its own.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    pub(super) client: Arc<Client<HttpRequestBody>>,
    pub(super) server: Server,
    /// The service has said that it knows no conditions.
    pub(super) unconditional: Arc<AtomicBool>,
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(self.clone())))
    }
}

#[derive(Debug)]
struct Service(Connector);

impl HttpService for Service {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let asked = Asked::of(&request);
            let request = if self.0.unconditional.load(Ordering::Relaxed) { request } else { create_only(request) };
            let answer = self.0.client.ask(request, asked.most()).await;
            let (head, body) = answer.map_err(|error| HttpError::new(kind(&error), error))?.into_parts();
            if let Some(why) = asked.flaw(head.status, &body) {
                let error = Unanswered::Strange { server: self.0.server.clone(), why: why.to_owned() };
                return Err(HttpError::new(HttpErrorKind::Decode, error));
            }
            Ok(Response::from_parts(head, HttpResponseBody::from(body)))
        })
    }
}

/// What was asked for, as far as the answer is held to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Listing,
    /// So many bytes of an object.
    Part(usize),
    Else,
}

impl Asked {
    fn of<B>(request: &Request<B>) -> Self {
        let part = || {
            let (from, to) = request.headers().get(RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
            to.parse::<usize>().ok()?.checked_sub(from.parse().ok()?)?.checked_add(1)
        };
        if request.uri().query().is_some_and(|query| query.contains("list-type=2")) {
            return Self::Listing;
        }
        part().map_or(Self::Else, Self::Part)
    }

    fn most(self) -> usize {
        match self {
            Self::Listing => LISTING_BYTES,
            Self::Part(length) => length,
            Self::Else => ANSWER_BYTES,
        }
    }

    /// Why what was answered is no answer to it.
    fn flaw(self, status: StatusCode, body: &[u8]) -> Option<&'static str> {
        match self {
            Self::Listing if status.is_success() => flaw_of_listing(body),
            Self::Part(_) if status.is_success() && status != StatusCode::PARTIAL_CONTENT => {
                Some("it sends the whole of an object where a part was asked for")
            }
            _ => None,
        }
    }
}

/// The library knows the condition for an object in one request alone. It need not be signed.
fn create_only(mut request: Request<HttpRequestBody>) -> Request<HttpRequestBody> {
    let completes = request.method() == Method::POST && request.uri().query().is_some_and(|query| query.contains("uploadId="));
    if completes {
        request.headers_mut().insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
    }
    request
}

/// Why an answer is no listing. An error, a page for people and the half of one would all read as a listing of nothing.
fn flaw_of_listing(body: &[u8]) -> Option<&'static str> {
    let Ok(text) = std::str::from_utf8(body) else { return Some("its listing is no text") };
    let text = text.trim_start_matches('\u{feff}').trim();
    let text = match text.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>").map_or("", |(_, rest)| rest.trim_start()),
        None => text,
    };
    let begins = text.strip_prefix("<ListBucketResult").is_some_and(|rest| rest.starts_with([' ', '>', '\n', '\r', '\t']));
    if !begins || !text.ends_with("</ListBucketResult>") {
        return Some("what it sends for a listing is none");
    }
    match between(text, "IsTruncated").map(str::trim) {
        Some("false") => None,
        Some("true") if between(text, "NextContinuationToken").is_some_and(|token| !token.trim().is_empty()) => None,
        Some("true") => Some("its listing goes on and does not say how"),
        _ => Some("its listing does not say whether it is whole"),
    }
}

/// What may be repeated: what was not sent always, the rest where twice is as good as once.
fn kind(error: &Unanswered) -> HttpErrorKind {
    match error {
        Unanswered::Unconnected { .. } => HttpErrorKind::Connect,
        Unanswered::Unsent { .. } => HttpErrorKind::Request,
        Unanswered::Silent { .. } => HttpErrorKind::Timeout,
        Unanswered::Cut { .. } => HttpErrorKind::Interrupted,
        Unanswered::Strange { .. } => HttpErrorKind::Decode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_listing_is_a_listing() {
        let flaw = |text: &str| flaw_of_listing(text.as_bytes());
        let whole = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        let goes_on = "<ListBucketResult xmlns=\"x\">\n<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>\n";
        for text in [whole, &format!("<?xml version=\"1.0\"?>\n{whole}\n"), &format!("\u{feff}{whole}"), goes_on] {
            assert_eq!(flaw(text), None, "{text}");
        }
        for text in [
            "",
            "<Error><Code>InternalError</Code><Message>m</Message></Error>",
            "<html><body><p>maintenance</p></body></html>",
            "<?xml",
            "<ListBucketResults><IsTruncated>false</IsTruncated></ListBucketResult>",
            "<ListBucketResult><IsTruncated>false</IsTruncated>",
            "<ListBucketResult></ListBucketResult>",
            "<ListBucketResult/>",
            "<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken></NextContinuationToken></ListBucketResult>",
        ] {
            assert!(flaw(text).is_some(), "{text}");
        }
        assert!(flaw_of_listing(b"\xff").is_some());
    }

    #[test]
    fn an_answer_is_held_to_what_was_asked() {
        let asked = |uri: &str, range: &str| Asked::of(&Request::get(uri).header(RANGE, range).body(()).unwrap());
        assert_eq!(asked("/b?list-type=2&prefix=p", "none"), Asked::Listing);
        assert_eq!(
            (asked("/b/k", "bytes=5-9"), asked("/b/k", "bytes=9-5"), asked("/b/k", "none")),
            (Asked::Part(5), Asked::Else, Asked::Else)
        );
        let part = Asked::Part(5);
        assert!(part.flaw(StatusCode::OK, b"whole").is_some() && part.flaw(StatusCode::PARTIAL_CONTENT, b"part.").is_none());
        assert!(part.flaw(StatusCode::NOT_FOUND, b"").is_none() && Asked::Listing.flaw(StatusCode::FORBIDDEN, b"").is_none());
    }
}
