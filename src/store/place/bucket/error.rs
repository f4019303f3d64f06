//! What an object store's refusals mean: whom they are about, what is safe, and what to do next.
//!
//! Pure. The sentences hold no number of a request and no moment of ours, so that they are the same while their cause lasts, and nothing of a
//! key: of what a service says only its code and its message are taken.

use std::error::Error;

use crate::failure::{Chain, Class, Explain};
use crate::https::Unanswered;
use crate::store::place::find;
use crate::text;
use crate::tls;

/// Of what a service says no more than this is repeated.
const LONGEST_SAID: usize = 200;

/// Why something did not work at a bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// There is no key to ask with.
    #[error("the keys of {url} cannot be read: {why}")]
    NoKeys {
        /// The bucket.
        url: String,
        /// Why.
        why: String,
    },
    /// The service does not know the key, or it does not fit.
    #[error("{url} refuses the key: {code}")]
    BadKey {
        /// The bucket.
        url: String,
        /// The service's word.
        code: String,
    },
    /// The key's time is over.
    #[error("the key of {url} has expired: {code}")]
    Expired {
        /// The bucket.
        url: String,
        /// The service's word.
        code: String,
    },
    /// The clocks are too far apart for a signature.
    #[error("{url} refuses requests of this host's clock, which is more than a quarter of an hour off")]
    Skewed {
        /// The bucket.
        url: String,
    },
    /// There is no such bucket.
    #[error("there is no bucket at {url}")]
    NoBucket {
        /// The bucket.
        url: String,
    },
    /// The key may not do that.
    #[error("the key may not {doing} {object}: {code}")]
    Denied {
        /// What was tried.
        doing: &'static str,
        /// On what.
        object: String,
        /// The service's word.
        code: String,
        /// The least rights of the key, as who grants them writes them.
        needs: String,
    },
    /// The bucket is elsewhere, or requests for it are to be signed otherwise.
    #[error("{url} is not where it is asked for: {code}")]
    Elsewhere {
        /// The bucket.
        url: String,
        /// The service's word.
        code: String,
    },
    /// Nobody answers.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// The bucket.
        url: String,
        /// Why.
        why: String,
        /// What to do, where that is known.
        hints: Vec<String>,
    },
    /// The service has too much to do.
    #[error("{url} asks for patience: {code}")]
    Busy {
        /// The bucket.
        url: String,
        /// The service's word.
        code: String,
    },
    /// There is no more room.
    #[error("{url} is full: {code}")]
    Full {
        /// The bucket.
        url: String,
        /// The service's word.
        code: String,
    },
    /// The object was moved to where reading takes hours.
    #[error("{object} is in cold storage and has to be thawed before it can be read")]
    Cold {
        /// The object.
        object: String,
    },
    /// Something has the name already.
    #[error("{object} is there already")]
    Taken {
        /// The object.
        object: String,
    },
    /// There is nothing of that name, or no such upload any more.
    #[error("there is no {object}")]
    Gone {
        /// The object.
        object: String,
    },
    /// It was asked for something on a condition.
    #[error("{url} knows no condition by which a name that is taken stays as it is")]
    NoConditions {
        /// The bucket.
        url: String,
    },
    /// Anything else.
    #[error("cannot {doing} {object}: {said}")]
    Other {
        /// What was tried.
        doing: &'static str,
        /// On what.
        object: String,
        /// What the service says.
        said: String,
    },
}

/// What was tried, on what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried<'a> {
    pub(super) url: &'a str,
    pub(super) doing: &'static str,
    pub(super) object: &'a str,
    /// Whether it is asked for on the condition that nothing has the name.
    pub(super) is_conditional: bool,
}

/// What a store's refusal is about beyond what becomes a sentence: whether another way of asking is to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The service knows nothing of conditions.
    Unconditional,
    /// It wants a checksum with every object: one under a lock does.
    WithChecksum,
}

/// The other way that a refusal asks for.
pub(super) fn other_way(error: &(dyn Error + 'static), is_conditional: bool) -> Option<Way> {
    let said = Chain(error).to_string();
    match code(&said).as_deref() {
        // Of what was asked for without a condition it says nothing about conditions.
        Some("NotImplemented") if is_conditional => Some(Way::Unconditional),
        Some("InvalidRequest" | "InvalidArgument") if said.contains("x-amz-checksum-") || said.contains("Content-MD5") => {
            Some(Way::WithChecksum)
        }
        _ => None,
    }
}

impl BucketError {
    /// The sentence for what a store says.
    pub(super) fn of(error: &object_store::Error, tried: Tried<'_>) -> Self {
        let Tried { url, doing, object, .. } = tried;
        let (url, object) = (url.to_owned(), object.to_owned());
        if let Some(unanswered) = find::<Unanswered>(error) {
            return Self::unanswered(url, unanswered);
        }
        let said = Chain(error).to_string();
        let (code, number) = (code(&said), number(&said));
        let is_no_bucket = code.as_deref() == Some("NoSuchBucket");
        match error {
            // A conflict is none with something that is there, but with somebody who is at it at the same time.
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } if number != Some(409) => {
                return Self::Taken { object };
            }
            object_store::Error::NotFound { .. } if !is_no_bucket => return Self::Gone { object },
            _ => {}
        }
        match code.as_deref().unwrap_or_default() {
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidSecurity" | "InvalidClientTokenId" | "InvalidToken" => {
                Self::BadKey { url, code: code.unwrap_or_default() }
            }
            "ExpiredToken" | "TokenRefreshRequired" => Self::Expired { url, code: code.unwrap_or_default() },
            "RequestTimeTooSkewed" => Self::Skewed { url },
            "NoSuchBucket" => Self::NoBucket { url },
            "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => {
                Self::Denied { doing, object, code: code.unwrap_or_default(), needs: String::new() }
            }
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "TemporaryRedirect"
            | "IllegalLocationConstraintException" => Self::Elsewhere { url, code: code.unwrap_or_default() },
            "SlowDown"
            | "ServiceUnavailable"
            | "InternalError"
            | "TooManyRequests"
            | "RequestRateLimitExceeded"
            | "OperationAborted"
            | "ConditionalRequestConflict"
            | "RequestTimeout" => Self::Busy { url, code: code.unwrap_or_default() },
            "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" => Self::Full { url, code: code.unwrap_or_default() },
            "InvalidObjectState" => Self::Cold { object },
            "" => Self::without_code(error, number, &said, tried),
            code if number == Some(409) && code.ends_with("AlreadyExists") => Self::Taken { object },
            code if number.is_some_and(is_of_the_moment) => Self::Busy { url, code: code.to_owned() },
            code => Self::Other { doing, object, said: format!("{code}: {}", message(&said)) },
        }
    }

    /// What can be told where the service gives no code: of its number alone.
    fn without_code(error: &object_store::Error, number: Option<u16>, said: &str, tried: Tried<'_>) -> Self {
        let (url, doing, object) = (tried.url.to_owned(), tried.doing, tried.object.to_owned());
        let no_more = || "it says no more".to_owned();
        match (error, number) {
            (object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }, _) => {
                Self::Denied { doing, object, code: no_more(), needs: String::new() }
            }
            // Followed nowhere: who is meant is the configuration's to say.
            (_, Some(300..400)) => Self::Elsewhere { url, code: "it names another place".to_owned() },
            (_, None) if said.contains("redirect without LOCATION") => {
                Self::Elsewhere { url, code: "it names another place".to_owned() }
            }
            (_, Some(507)) => Self::Full { url, code: no_more() },
            (_, Some(409)) => Self::Busy { url, code: no_more() },
            (_, Some(number)) if is_of_the_moment(number) => Self::Busy { url, code: status(said) },
            _ => Self::Other { doing, object, said: status(said) },
        }
    }

    fn unanswered(url: String, error: &Unanswered) -> Self {
        let (why, hints) = match error {
            Unanswered::Unconnected { server, source } => match tls::refusal(source) {
                Some(refused) => (format!("{}", Chain(refused)), refused.hints()),
                None => (format!("{server}: {source}"), Vec::new()),
            },
            Unanswered::Cut { server, .. } => (format!("the connection to {server} was cut"), Vec::new()),
            other => (other.to_string(), Vec::new()),
        };
        Self::Unreachable { url, why, hints }
    }

    /// With the rights that are needed, where one of them is missing.
    pub(super) fn needing(self, rights: &str) -> Self {
        match self {
            Self::Denied { doing, object, code, .. } => {
                let needs = rights.split_whitespace().collect::<Vec<_>>().join(" ");
                Self::Denied { doing, object, code, needs }
            }
            other => other,
        }
    }

    /// Whether it may pass by itself within minutes, asked again with a new signature.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unreachable { .. } | Self::Skewed { .. })
    }

    /// Whether it would be the same with every other object.
    #[must_use]
    pub fn is_of_the_place(&self) -> bool {
        !matches!(self, Self::Cold { .. } | Self::Other { .. } | Self::Taken { .. } | Self::Gone { .. })
    }
}

/// What stands between two marks of an answer in XML.
pub(super) fn between<'a>(said: &'a str, mark: &str) -> Option<&'a str> {
    let (_, rest) = said.split_once(&format!("<{mark}>"))?;
    rest.split_once(&format!("</{mark}>")).map(|(inside, _)| inside)
}

fn code(said: &str) -> Option<String> {
    let code = between(said, "Code")?;
    let is_code = !code.is_empty()
        && code.len() <= 64
        && code.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
    is_code.then(|| code.to_owned())
}

fn message(said: &str) -> String {
    let message = between(said, "Message").unwrap_or("it says no more");
    text::line(message).chars().take(LONGEST_SAID).collect()
}

/// The number of an answer. What the service itself says comes behind it.
fn number(said: &str) -> Option<u16> {
    said.split_once("status code: ")?.1.get(..3)?.parse().ok()
}

/// Whether the service, or what stands before it, cannot do it just now. A proxy has numbers of its own for that, from 500 on.
fn is_of_the_moment(number: u16) -> bool {
    matches!(number, 408 | 425 | 429 | 500..=599) && !matches!(number, 501 | 505)
}

/// The number and name of an answer, of what the library says of it.
fn status(said: &str) -> String {
    let status = said.split_once("status code: ").and_then(|(_, rest)| rest.split(':').next());
    match status {
        Some(status) => format!("it answers {}", text::line(status).chars().take(LONGEST_SAID).collect::<String>()),
        // Of the library itself, without an answer: the last cause says most, and names no request.
        None => text::line(said.rsplit(": ").next().unwrap_or(said)).chars().take(LONGEST_SAID).collect(),
    }
}

impl Explain for BucketError {
    fn class(&self) -> Class {
        match self {
            Self::NoKeys { .. } | Self::NoBucket { .. } | Self::Elsewhere { .. } => Class::Config,
            Self::BadKey { .. } | Self::Expired { .. } | Self::Denied { .. } => Class::NoPermission,
            Self::Skewed { .. } | Self::Unreachable { .. } => Class::Unavailable,
            Self::Busy { .. } | Self::Cold { .. } => Class::TempFail,
            Self::Gone { .. } => Class::NoInput,
            Self::Taken { .. } => Class::Data,
            Self::Full { .. } | Self::NoConditions { .. } | Self::Other { .. } => Class::Io,
        }
    }

    fn safe(&self) -> Option<String> {
        Some("archives on this host are untouched, and nothing that is sealed at the place was changed".to_owned())
    }

    fn hints(&self) -> Vec<String> {
        let hint = |text: &str| vec![text.to_owned()];
        match self {
            Self::NoKeys { .. } => hint(
                "the keys are two lines, `aws_access_key_id = …` and `aws_secret_access_key = …`, where `credentials_file`, \
                 `credentials_env` or `credentials_credential` of the place says",
            ),
            Self::BadKey { .. } => hint(
                "look whether both halves are of one key and of this service; they are read anew with the next round, without a restart",
            ),
            Self::Expired { .. } => {
                hint("put a new key where the place's `credentials_` says; it is read with the next round, without a restart")
            }
            Self::Skewed { .. } => hint("set the clock right: `timedatectl`"),
            Self::NoBucket { .. } => {
                hint("upkeep makes no buckets: make it, or look at `url`, `endpoint` and `region` of the place")
            }
            Self::Denied { needs, .. } if needs.is_empty() => hint("what the key must be allowed is in docs/offsite.md"),
            Self::Denied { needs, .. } => vec![format!("the least rights of the key, as Amazon writes them: {needs}")],
            Self::Elsewhere { .. } => hint("look at `region`, `endpoint` and `style` of the place"),
            Self::Unreachable { hints, .. } if !hints.is_empty() => hints.clone(),
            Self::Unreachable { .. } => vec![
                "it is tried again, after 1, 2, 4 … 60 minutes, or at once: `upkeep copy`".to_owned(),
                "from within the daemon's sandbox: `upkeep setup` opens it, `upkeep offsite check` tries it".to_owned(),
            ],
            Self::Busy { .. } => hint("it is tried again, after 1, 2, 4 … 60 minutes, or at once: `upkeep copy`"),
            Self::Full { .. } => {
                hint("make room there: upkeep deletes nothing at a place, old copies are a person's to take away")
            }
            Self::Gone { .. } | Self::Taken { .. } => hint("look what is there: `upkeep list --at` and the place's name"),
            Self::Cold { .. } => hint("ask the service to thaw it, wait until it is, and begin again"),
            Self::NoConditions { .. } | Self::Other { .. } => {
                hint("look at what the service says; `upkeep offsite check` lists, reads and asks for objects there")
            }
        }
    }

    fn transient(&self) -> bool {
        self.may_pass()
    }
}

#[cfg(test)]
mod tests;
