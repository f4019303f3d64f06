//! The server product: how its version is read, how it is stopped and started, and what tells that it is well.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::database::Roots;

/// `[targets.T.release]`.
#[derive(Debug, Clone)]
pub struct Release {
    /// The directory, or the symlink that is swapped.
    pub path: PathBuf,
    /// How its version is read. Several must agree.
    pub probes: Vec<Probe>,
    /// How long it must have been still before it is believed.
    pub settle: Duration,
    /// A command that puts the named version back (`{version}` is replaced), for releases that replace their own files.
    pub revert: Option<Vec<String>>,
}

/// One way to read the installed version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The `*` in a glob below the release (`libs/app-*.jar`).
    Glob(String),
    /// The `*` in a glob below the release that matches one jar, and the version that a file inside that jar names.
    Jar {
        /// The glob (`libs/app-*.jar`).
        pattern: String,
        /// The file inside; none where only the jar's name counts.
        inside: Option<String>,
    },
    /// The first line of a file below the release.
    File(PathBuf),
    /// The version in the last path component of the symlink's target.
    Symlink,
    /// The first line a command prints.
    Command(Vec<String>),
    /// The version of an installed Debian package.
    Dpkg(String),
}

/// `[targets.T.service]`.
#[derive(Debug, Clone)]
pub struct Service {
    /// How it is stopped and started.
    pub control: ServiceControl,
    /// What must answer before it counts as healthy; all of them.
    pub health: Vec<Health>,
    /// How long it must stay healthy.
    pub healthy_for: Duration,
    /// How long it may take to become healthy, and a start or stop command to end.
    pub deadline: Duration,
}

/// How the managed server is stopped and started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceControl {
    /// A systemd unit, through `systemctl`.
    Unit(String),
    /// Commands; `status` exits with 0 when the server runs and 3 when it does not.
    Commands {
        /// Starts it and returns.
        start: Vec<String>,
        /// Stops it and returns when it is stopped.
        stop: Vec<String>,
        /// Says whether it runs.
        status: Vec<String>,
    },
}

/// One health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// A GET that must answer 2xx.
    Http(HttpUrl),
    /// A TCP connection that must open, `host:port`.
    Tcp(String),
    /// A command that must exit with 0.
    Command(Vec<String>),
}

/// An `http://` or `https://` URL, and whom a certificate must come from there. It may hold a secret: a password before the `@`, a token in the query or, of a webhook, in the path. So what
/// is printed of it is scheme, host, port and path, and of a [`HttpUrl::host`] not even the path.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    text: String,
    roots: Roots,
}

impl HttpUrl {
    /// Wraps a URL as it was written.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), roots: Roots::System }
    }

    /// The same, where nobody but who stands in this file is trusted.
    #[must_use]
    pub fn trusting(self, file: Option<PathBuf>) -> Self {
        Self { roots: file.map_or(Roots::System, Roots::File), ..self }
    }

    /// The same URL with another text.
    #[must_use]
    pub fn with(&self, text: String) -> Self {
        Self { text, roots: self.roots.clone() }
    }

    /// Whom a certificate must come from.
    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The URL itself, for the one call that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Whether it is asked under TLS; a scheme is the same in capital letters.
    #[must_use]
    pub fn is_https(&self) -> bool {
        url::Url::parse(&self.text).is_ok_and(|parsed| parsed.scheme() == "https")
    }

    /// Scheme, host and port, to be printed where the path is a secret too.
    #[must_use]
    pub fn host(&self) -> String {
        match url::Url::parse(&self.text) {
            Ok(parsed) => {
                let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}://{}{port}", parsed.scheme(), parsed.host_str().unwrap_or_default())
            }
            Err(_) => "what is no URL".to_owned(),
        }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host())?;
        let Ok(parsed) = url::Url::parse(&self.text) else { return Ok(()) };
        f.write_str(parsed.path())?;
        if parsed.query().is_some() { f.write_str("?…") } else { Ok(()) }
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({self})")
    }
}
