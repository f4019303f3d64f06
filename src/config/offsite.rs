//! Places away from the host, and which of a target's archives are copied there.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::database::{Roots, Secret};
use crate::archive::manifest::Kind;
use crate::cipher::Recipient;
use crate::ids::{OwnerName, PlaceName};

/// `[offsite.NAME]`: where copies stand away from the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offsite {
    /// The name.
    pub name: PlaceName,
    /// What kind of place it is.
    pub kind: OffsiteKind,
    /// The name under which this host writes there; one host writes under one name.
    pub owner: OwnerName,
    /// Within this time every copy is read back once more; none where reading costs.
    pub reread: Option<Duration>,
    /// To whom copies are encrypted; where nobody is named they go as they are.
    pub encrypt_to: Vec<Recipient>,
}

/// The kinds of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OffsiteKind {
    /// A directory, usually of another file system that is mounted.
    Directory {
        /// Where.
        path: PathBuf,
        /// Whether it may lie on a file system that archives of this host lie on, or on that of the root.
        allow_same_device: bool,
    },
    /// A bucket of an object store.
    Bucket(Bucket),
    /// A directory of a server's, over SFTP.
    Sftp(Sftp),
}

impl OffsiteKind {
    /// The word in the configuration.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Directory { .. } => "directory",
            Self::Bucket(_) => "s3",
            Self::Sftp(_) => "sftp",
        }
    }
}

/// Part of a bucket that speaks S3. Its text is the URL it was named by, which holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket.
    pub name: String,
    /// What the keys of everything there begin with, without a slash at its end; empty for the whole bucket.
    pub prefix: String,
    /// The service, where it is not Amazon's: `https://HOST`, or `http://HOST:PORT`.
    pub endpoint: Option<String>,
    /// Whether the bucket stands before the host's name and not in the path.
    pub virtual_host: bool,
    /// The region that requests are signed for.
    pub region: String,
    /// Where its keys are read, anew each time that it is opened.
    pub keys: Keys,
    /// Whom a certificate must come from.
    pub roots: Roots,
    /// The proxy that connections go through, `http://HOST:PORT`.
    pub proxy: Option<String>,
}

impl Bucket {
    /// Whether what it is reached by is this host itself.
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.proxy.as_deref().or(self.endpoint.as_deref()).is_some_and(is_of_this_host)
    }
}

/// Whether a URL names this host itself.
pub(super) fn is_of_this_host(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.name)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

/// A directory of a server's that is reached by SSH. Its text is the URL it was named by, which holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sftp {
    /// Whom we log in as.
    pub user: String,
    /// The server: a name or an address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The directory, without a slash at its end: whole from the root that the server shows, or from where a login begins (empty: itself).
    pub path: String,
    /// The server's public key, kind and letters; it is let through with no other.
    pub host_key: String,
    /// Where the private key is read, anew each time that a connection is made.
    pub keys: Keys,
}

impl Sftp {
    /// The URL of another directory there.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        let Self { user, host, port, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let port = if *port == 22 { String::new() } else { format!(":{port}") };
        let path = match path {
            "/" => String::new(),
            "" => "/~".to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => format!("/~/{path}"),
        };
        format!("sftp://{user}@{host}{port}{path}")
    }
}

impl fmt::Display for Sftp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address(&self.path))
    }
}

/// Where the keys of a bucket are, or the key for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// In a file.
    File(PathBuf),
    /// In an environment variable: its name and, where it is set, its content.
    Variable(String, Option<Secret>),
    /// In a credential of systemd's: its name and, where there is one, the directory of this process's credentials.
    Credential(String, Option<PathBuf>),
}

/// `[targets.T.offsite]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies {
    /// To which places; none where nothing is copied.
    pub to: Vec<PlaceName>,
    /// Archives of these kinds, beside those that are pinned.
    pub kinds: Vec<Kind>,
    /// An archive older than this without its copy is an alarm.
    pub max_age: Option<Duration>,
}
