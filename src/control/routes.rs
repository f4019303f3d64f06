//! The endpoints of the control socket, each documented in `docs/api.md`.
//!
//! Owns the one table of methods and paths, which the router is built from and a test compares with the document. A reading
//! request is answered from the board or the state database; an acting one becomes an [`Action`].

mod events;
mod jobs;

use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::board::{Board, json};
use super::limits::Limits;
use super::peers::Peer;
use super::{metrics, page};
use crate::failure::{Class, Failure};
use crate::ids::{Label, PlaceName, RequestId, TargetName};
use crate::state_db::{StateError, catalogue};
use crate::wire::{Action, Asker, Restore};

/// What every handler gets.
#[derive(Debug, Clone)]
pub struct State {
    board: Arc<Board>,
    limits: Limits,
    stop: CancellationToken,
    followers: Arc<Semaphore>,
}

impl State {
    /// For one server.
    #[must_use]
    pub fn new(board: Arc<Board>, limits: Limits, stop: CancellationToken) -> Self {
        Self { board, limits, stop, followers: Arc::new(Semaphore::new(limits.followers)) }
    }
}

type Shared = axum::extract::State<State>;
type Answer = Result<Response<Body>, Refused>;

/// A failure on its way out, with another status than its class has where HTTP has a better one.
#[derive(Debug)]
struct Refused(Box<Failure>, Option<StatusCode>);

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self(Box::new(failure), None)
    }
}

impl From<StateError> for Refused {
    fn from(error: StateError) -> Self {
        Failure::of(&error).into()
    }
}

impl axum::response::IntoResponse for Refused {
    fn into_response(self) -> Response<Body> {
        self.1.map_or_else(|| failed(&self.0), |status| with_status(&self.0, status))
    }
}

/// The verbs of `POST /v1/targets/{target}/…`.
const TARGET_VERBS: [&str; 13] = [
    "backup",
    "drill",
    "rehearse",
    "restore",
    "plan",
    "upgrade",
    "rollback",
    "hold",
    "release-hold",
    "migrate",
    "prune",
    "verify",
    "gate",
];

/// The verbs of `POST /v1/archives/{label}/…`.
const ARCHIVE_VERBS: [&str; 3] = ["verify", "pin", "unpin"];

/// The verbs of `POST /v1/places/{place}/…`.
const PLACE_VERBS: [&str; 5] = ["copy", "verify-copies", "offsite-init", "offsite-check", "offsite-prove"];

/// The one table.
fn table() -> Vec<(&'static str, String, MethodRouter<State>)> {
    let mut table = vec![
        ("GET", "/".to_owned(), get(page_for_people)),
        ("GET", "/v1/status".to_owned(), get(status)),
        ("GET", "/v1/targets/{target}".to_owned(), get(target)),
        ("GET", "/v1/targets/{target}/archives".to_owned(), get(archives)),
        ("GET", "/v1/jobs".to_owned(), get(jobs::list)),
        ("GET", "/v1/jobs/{id}".to_owned(), get(jobs::one)),
        ("GET", "/v1/events".to_owned(), get(events::follow)),
        ("GET", "/metrics".to_owned(), get(metrics_page)),
    ];
    for verb in TARGET_VERBS {
        let act = move |state: Shared, peer: Extension<Peer>, Path(name): Path<String>, request: Request<Body>| {
            act(state, peer, verb, Subject::Target(name), request)
        };
        table.push(("POST", format!("/v1/targets/{{target}}/{verb}"), post(act)));
    }
    for verb in ARCHIVE_VERBS {
        let act = move |state: Shared, peer: Extension<Peer>, Path(label): Path<String>, request: Request<Body>| {
            act(state, peer, verb, Subject::Archive(label), request)
        };
        table.push(("POST", format!("/v1/archives/{{label}}/{verb}"), post(act)));
    }
    for verb in PLACE_VERBS {
        let act = move |state: Shared, peer: Extension<Peer>, Path(name): Path<String>, request: Request<Body>| {
            act(state, peer, verb, Subject::Place(name), request)
        };
        table.push(("POST", format!("/v1/places/{{place}}/{verb}"), post(act)));
    }
    let verify =
        |state: Shared, peer: Extension<Peer>, request: Request<Body>| act(state, peer, "verify", Subject::All, request);
    table.push(("POST", "/v1/verify".to_owned(), post(verify)));
    table.push(("POST", "/v1/jobs/{id}/cancel".to_owned(), post(jobs::cancel)));
    table.push(("POST", "/v1/reload".to_owned(), post(reload)));
    table
}

/// Every endpoint, as method and path.
#[must_use]
pub fn listing() -> Vec<(&'static str, String)> {
    table().into_iter().map(|(method, path, _)| (method, path)).collect()
}

/// The router over the one table.
pub fn router(state: State) -> Router {
    let mut router = Router::new();
    for (_, path, handler) in table() {
        router = router.route(&path, handler);
    }
    router.fallback(unknown).method_not_allowed_fallback(other_method).with_state(state)
}

async fn status(state: Shared) -> Response<Body> {
    answer(StatusCode::OK, "application/json", state.board.snapshot().json.clone())
}

#[derive(Debug, serde::Deserialize)]
struct Shown {
    /// `top`: only what is refreshed while a job runs.
    #[serde(default)]
    part: Option<String>,
}

async fn page_for_people(
    state: Shared,
    shown: Result<axum::extract::Query<Shown>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let axum::extract::Query(shown) = shown.map_err(|error| Failure::new(Class::Usage, error.body_text()))?;
    let part = match shown.part.as_deref() {
        None => page::Part::Whole,
        Some("top") => page::Part::Top,
        Some(_) => return Err(Failure::new(Class::Usage, "`part` is `top`, or not given").into()),
    };
    let nonce = RequestId::random();
    let sheet = page::sheet(&state.board, part).await?;
    let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", page::html(&sheet, nonce.as_str()).into());
    for (name, value) in page::headers(nonce.as_str()) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

async fn metrics_page(state: Shared) -> Response<Body> {
    answer(StatusCode::OK, metrics::CONTENT_TYPE, state.board.snapshot().metrics.clone())
}

async fn target(state: Shared, Path(name): Path<String>) -> Answer {
    let name = known_target(&state, &name)?;
    let snapshot = state.board.snapshot();
    let found = snapshot.status.targets.iter().find(|target| target.name == name);
    // Configured but not yet in a snapshot: a reload was a moment ago.
    let found = found.ok_or_else(|| Failure::new(Class::TempFail, format!("nothing is known of target `{name}` yet")))?;
    Ok(answer(StatusCode::OK, "application/json", json(found)))
}

async fn archives(state: Shared, Path(name): Path<String>) -> Answer {
    let name = known_target(&state, &name)?;
    let archives = crate::store::as_it_is(catalogue::list(state.board.state(), Some(&name)).await?);
    Ok(answer(StatusCode::OK, "application/json", json(&archives)))
}

async fn reload(state: Shared, request: Request<Body>) -> Answer {
    let body = fields(body(request, &state.limits).await?)?;
    no_other_fields(&body, &[])?;
    state.board.reload().await?;
    Ok(answer(StatusCode::OK, "application/json", json(&serde_json::json!({ "reloaded": true }))))
}

/// What a `POST` is about.
enum Subject {
    Target(String),
    Archive(String),
    Place(String),
    All,
}

/// Makes an action of a request and answers with its job.
async fn act(state: Shared, peer: Extension<Peer>, verb: &'static str, subject: Subject, request: Request<Body>) -> Answer {
    let key = request.headers().get("idempotency-key").map(|value| value.to_str().unwrap_or("?").to_owned());
    let mut given = fields(body(request, &state.limits).await?)?;
    let named = given.remove("request_id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let request = named.or(key).map(|text| RequestId::parse(&text)).transpose();
    let request = request.map_err(|error| Failure::new(Class::Usage, error.to_string()))?;
    let names: Vec<String> = given.keys().cloned().collect();
    for reserved in ["action", "target", "label", "place"].into_iter().filter(|name| given.contains_key(*name)) {
        let allowed = match reserved {
            "label" => ["restore", "drill", "copy", "verify-copies", "offsite-prove"].contains(&verb),
            "place" => ["restore", "drill"].contains(&verb),
            _ => false,
        };
        if !allowed {
            return Err(
                Failure::new(Class::Usage, format!("`{reserved}` is said by the path and must not be in the body")).into()
            );
        }
    }
    if given.contains_key("scheduled_for") {
        // A run that claims another moment would stand for those the schedule has not had.
        let failure = Failure::new(Class::Usage, "`scheduled_for` is the daemon's own and must not be in the body");
        return Err(failure.hint("ask for the backup without it: it is taken now").into());
    }
    given.insert("action".to_owned(), verb.into());
    match subject {
        Subject::Target(name) => given.insert("target".to_owned(), known_target(&state, &name)?.as_str().into()),
        Subject::Archive(label) => given.insert("label".to_owned(), known_label(&state, &label).await?.as_str().into()),
        Subject::Place(name) => given.insert("place".to_owned(), known_place(&state, &name)?.as_str().into()),
        Subject::All => None,
    };
    if verb == "hold" {
        // The kernel told who asks; what a client says of itself is not written down.
        given.insert("who".to_owned(), peer.name.clone().into());
    }
    let action: Action = serde_json::from_value(given.into())
        .map_err(|error| Failure::new(Class::Usage, format!("`{verb}` cannot be asked for like this: {error}")))?;
    let known = serde_json::to_value(&action).ok();
    let known: Vec<&str> =
        known.as_ref().and_then(|v| v.as_object()).map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let fields =
            known.iter().filter(|name| !matches!(**name, "action" | "target" | "place")).map(|name| format!("`{name}`"));
        let failure = Failure::new(Class::Usage, format!("`{verb}` has no field `{unknown}`"));
        let hint = format!("its fields: {}, `request_id`", fields.collect::<Vec<_>>().join(", "));
        return Err(failure.hint(hint.replace(": , ", ": ")).into());
    }
    if let Action::Restore(Restore { into: Some(address), .. }) = &action {
        super::into::allowed(&state.board.config(), &peer, address)?;
    }
    let job = state.board.submit(action, request, Asker::person(&peer.name)).await?;
    let mut response = answer(StatusCode::ACCEPTED, "application/json", json(&job));
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/jobs/{}", job.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

fn known_target(state: &State, name: &str) -> Result<TargetName, Failure> {
    let config = state.board.config();
    let found = TargetName::parse(name).ok().filter(|name| config.targets.contains_key(name));
    found.ok_or_else(|| {
        let names: Vec<&str> = config.targets.keys().map(TargetName::as_str).collect();
        let shown: String = name.chars().take(80).collect();
        Failure::new(Class::NoInput, format!("there is no target `{shown}`")).hint(format!("configured: {}", names.join(", ")))
    })
}

fn known_place(state: &State, name: &str) -> Result<PlaceName, Failure> {
    let shown: String = name.chars().take(80).collect();
    let name = PlaceName::parse(name).map_err(|_| Failure::new(Class::NoInput, format!("there is no place `{shown}`")))?;
    Ok(crate::offsite::place(&state.board.config(), &name)?.name.clone())
}

async fn known_label(state: &State, text: &str) -> Result<Label, Failure> {
    let label = Label::parse(text).map_err(|error| Failure::new(Class::Usage, error.to_string()))?;
    if catalogue::find(state.board.state(), &label).await?.is_some() {
        return Ok(label);
    }
    Err(Failure::new(Class::NoInput, format!("there is no archive `{label}`")).hint("see which archives exist: `upkeep list`"))
}

/// Reads a whole body within its bounds.
async fn body(request: Request<Body>, limits: &Limits) -> Result<Bytes, Refused> {
    let read = Limited::new(request.into_body(), limits.body_bytes).collect();
    match tokio::time::timeout(limits.body, read).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let failure = Failure::new(Class::Usage, format!("the body is larger than {} bytes", limits.body_bytes));
            Err(Refused(Box::new(failure), Some(StatusCode::PAYLOAD_TOO_LARGE)))
        }
        Ok(Err(error)) => Err(Failure::new(Class::Protocol, format!("the body cannot be read: {error}")).into()),
        Err(_) => {
            let failure = Failure::new(Class::Protocol, "the body did not come in time");
            Err(Refused(Box::new(failure), Some(StatusCode::REQUEST_TIMEOUT)))
        }
    }
}

fn fields(body: Bytes) -> Result<serde_json::Map<String, serde_json::Value>, Failure> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(serde_json::Map::new());
    }
    serde_json::from_slice(&body)
        .map_err(|error| Failure::new(Class::Usage, format!("the body must be a JSON object: {error}")))
}

fn no_other_fields(given: &serde_json::Map<String, serde_json::Value>, known: &[&str]) -> Result<(), Failure> {
    match given.keys().find(|name| !known.contains(&name.as_str()) && *name != "request_id") {
        Some(unknown) => Err(Failure::new(Class::Usage, format!("there is no field `{unknown}` here"))),
        None => Ok(()),
    }
}

async fn unknown(uri: Uri) -> Refused {
    let path: String = uri.path().chars().take(200).collect();
    Failure::new(Class::NoInput, format!("there is nothing at {path}")).hint("the endpoints are in docs/api.md").into()
}

async fn other_method(method: Method, uri: Uri) -> Response<Body> {
    let path: String = uri.path().chars().take(200).collect();
    let failure = Failure::new(Class::Usage, format!("{path} does not take {method}"));
    with_status(&failure.hint("the endpoints are in docs/api.md"), StatusCode::METHOD_NOT_ALLOWED)
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A failure as an answer; the status follows from its class.
#[must_use]
pub fn failed(failure: &Failure) -> Response<Body> {
    let status = match failure.class {
        Class::Usage | Class::Protocol => StatusCode::BAD_REQUEST,
        Class::NoInput => StatusCode::NOT_FOUND,
        Class::NoPermission => StatusCode::FORBIDDEN,
        Class::Config => StatusCode::UNPROCESSABLE_ENTITY,
        Class::TempFail | Class::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Class::OsError | Class::CannotCreate | Class::Io | Class::Data | Class::Software => StatusCode::INTERNAL_SERVER_ERROR,
    };
    with_status(failure, status)
}

fn with_status(failure: &Failure, status: StatusCode) -> Response<Body> {
    let mut response = answer(status, "application/json", json(failure));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
