//! The store's requests over our own HTTP.
//!
//! Owns what is added to them: the one that completes an upload of many parts makes no object whose name is taken, and a listing that says that
//! it goes on must say how.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::header::{HeaderValue, IF_NONE_MATCH};
use hyper::{Method, Request, Response};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};

use crate::https::{Client, Server, Unanswered};

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
            let lists = request.uri().query().is_some_and(|query| query.contains("list-type=2"));
            let request = if self.0.unconditional.load(Ordering::Relaxed) { request } else { create_only(request) };
            let answer = self.0.client.ask(request).await;
            let (head, body) = answer.map_err(|error| HttpError::new(kind(&error), error))?.into_parts();
            if lists && head.status.is_success() && is_cut(&body) {
                let error = Unanswered::Strange {
                    server: self.0.server.clone(),
                    why: "its listing goes on and does not say how".to_owned(),
                };
                return Err(HttpError::new(HttpErrorKind::Decode, error));
            }
            Ok(Response::from_parts(head, HttpResponseBody::from(body)))
        })
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

fn is_cut(listing: &[u8]) -> bool {
    let has = |mark: &[u8]| memchr::memmem::find(listing, mark).is_some();
    has(b"<IsTruncated>true</IsTruncated>") && !has(b"<NextContinuationToken>")
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
