//! Why there is no TLS: who, what was found, and which setting says otherwise.

use std::io;
use std::path::PathBuf;

use tokio_rustls::rustls::{self, AlertDescription};

use crate::failure::{Class, Explain};

/// What the settings are called where the connection is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Where they stand (`the database's url`).
    pub place: &'static str,
    /// Whom certificates must come from.
    pub roots: &'static str,
    /// Our certificate.
    pub certificate: &'static str,
    /// Its key.
    pub key: &'static str,
    /// What has the name looked at, or not.
    pub mode: &'static str,
    /// The mode that looks at the certificate and not at its name; none where there is none.
    pub without_name: Option<&'static str>,
}

/// What was wrong with a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It comes from somebody else.
    Issuer {
        /// From whom, as it says itself.
        issuer: String,
        /// Whom it must come from.
        wanted: String,
        /// Whether it is self-signed.
        own: bool,
    },
    /// It is somebody else's.
    Name {
        /// Whose, as it says itself.
        names: Vec<String>,
    },
    /// Its time is over, or has not begun.
    Time {
        /// What is wrong with it.
        what: String,
    },
    /// It was withdrawn, is not for servers, or is none that can be looked at.
    Other {
        /// What is wrong with it.
        what: String,
    },
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read.
    #[error("cannot read {}, which `{setting}` names", path.display())]
    Unread {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file of certificates has none.
    #[error("{}, which `{setting}` names, contains no certificate in PEM format", path.display())]
    NoCertificate {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file of a key has none that can be used.
    #[error("{}, which `{setting}` names, contains {}", path.display(), if *encrypted { "a key with a pass phrase" } else { "no private key in PEM format" })]
    NoKey {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Whether it would be one with a pass phrase.
        encrypted: bool,
    },
    /// Others may read a private key.
    #[error("{}, which `{setting}` names, can be read by others (mode {mode:04o})", path.display())]
    OpenKey {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Certificate and key are not one's.
    #[error("the key in {} (`{}`) does not belong to the certificate in {} (`{}`)", key.1.display(), key.0, certificate.1.display(), certificate.0)]
    Pair {
        /// The certificate's setting and file.
        certificate: (&'static str, PathBuf),
        /// The key's.
        key: (&'static str, PathBuf),
    },
    /// The host trusts nobody.
    #[error("this host has no list of trusted CAs")]
    NoRoots {
        /// The setting that names another list.
        setting: &'static str,
    },
    /// A certificate is to be from a CA that nobody named.
    #[error("`{mode}` needs the CA, and `{setting}` names none")]
    NoCa {
        /// The setting that demands it, with its value.
        mode: &'static str,
        /// The setting that names the CA.
        setting: &'static str,
    },
    /// No certificate can be for what is no name.
    #[error("`{host}` is neither a host name nor an address, so no certificate can match it")]
    NoName {
        /// What was given.
        host: String,
        /// What the settings are called.
        settings: Settings,
    },
    /// The server's certificate is not one that was asked for.
    #[error("the certificate of {host} is refused: {}", words(why))]
    Certificate {
        /// Who was asked for.
        host: String,
        /// What is wrong with it.
        why: Wrong,
        /// What the settings are called.
        settings: Settings,
    },
    /// The server wants a certificate of ours, or another.
    #[error("{host} refuses our certificate: {what}")]
    Ours {
        /// Who.
        host: String,
        /// Its words.
        what: String,
        /// What the settings are called.
        settings: Settings,
    },
    /// The server does not offer TLS.
    #[error("{host} does not offer TLS, and `{demand}` requires it")]
    NotSpoken {
        /// Who.
        host: String,
        /// The setting that asks for it, with its value.
        demand: String,
        /// What turns it on there.
        hint: &'static str,
    },
    /// The account's password is asked for as it is, and nothing says that it may be sent.
    #[error("{host} asks for the password in clear text (`{plugin}`), which `{mode}` does not protect")]
    Clear {
        /// Who.
        host: String,
        /// The server's name for it.
        plugin: String,
        /// The mode that is set.
        mode: String,
        /// The mode that would do.
        wanted: &'static str,
    },
    /// The two sides have no version or cipher in common, or one breaks the rules.
    #[error("cannot set up TLS with {host}: {what}")]
    NoCommon {
        /// Who.
        host: String,
        /// What was found.
        what: String,
    },
    /// The library itself.
    #[error("cannot use TLS: {0}")]
    Broken(String),
}

fn words(why: &Wrong) -> String {
    match why {
        Wrong::Issuer { issuer, wanted, own: true } => format!("it is self-signed (`{issuer}`) and not in {wanted}"),
        Wrong::Issuer { issuer, wanted, own: false } => format!("it is issued by `{issuer}`, which is not in {wanted}"),
        Wrong::Name { names } if names.is_empty() => "it names no host".to_owned(),
        Wrong::Name { names } => format!("it is for {}", names.join(", ")),
        Wrong::Time { what } | Wrong::Other { what } => what.clone(),
    }
}

/// What a server said, or what of it nobody understands.
pub(super) fn of_the_server(host: &str, error: &rustls::Error, settings: Settings) -> TlsError {
    let host = host.to_owned();
    match error {
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            TlsError::Ours { host, what: "it requires one".to_owned(), settings }
        }
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied),
        ) => TlsError::Ours { host, what: format!("{alert:?}"), settings },
        other => TlsError::NoCommon { host, what: other.to_string() },
    }
}

impl Explain for TlsError {
    fn class(&self) -> Class {
        match self {
            Self::Certificate { .. } | Self::Ours { .. } | Self::Clear { .. } => Class::NoPermission,
            Self::NotSpoken { .. } | Self::NoCommon { .. } => Class::Unavailable,
            Self::Broken(_) => Class::Software,
            Self::Unread { .. }
            | Self::NoCertificate { .. }
            | Self::NoKey { .. }
            | Self::OpenKey { .. }
            | Self::Pair { .. }
            | Self::NoRoots { .. }
            | Self::NoCa { .. }
            | Self::NoName { .. } => Class::Config,
        }
    }

    fn safe(&self) -> Option<String> {
        Some("no password and no data was sent".to_owned()).filter(|_| matches!(self, Self::Certificate { .. }))
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::Unread { setting, .. } | Self::NoCertificate { setting, .. } => {
                format!("`{setting}` must name a PEM file that upkeep's user can read")
            }
            Self::NoKey { setting, encrypted: true, .. } => {
                format!("`{setting}` must name a key without a pass phrase, which only upkeep's user can read")
            }
            Self::NoKey { setting, .. } => format!("`{setting}` must name the certificate's private key in PEM format"),
            Self::OpenKey { path, .. } => crate::text::shell(&["chmod", "u=rw,go=", &*path.to_string_lossy()]),
            Self::Pair { .. } => "name a certificate and its own key".to_owned(),
            Self::NoRoots { setting } => {
                format!("`apt-get install ca-certificates`, or name a CA file with `{setting}`")
            }
            Self::NoCa { setting, .. } => format!("name the CA's file with `{setting}`; a directory of them is not read"),
            Self::NoName { settings, .. } => format!("write the server's host name in {}", settings.place),
            Self::Certificate { why, settings, .. } => certificate_hint(why, settings),
            Self::Ours { settings, .. } => {
                format!(
                    "name a certificate that it accepts in {}: `{}` and `{}`",
                    settings.place, settings.certificate, settings.key
                )
            }
            Self::NotSpoken { hint, .. } => (*hint).to_owned(),
            Self::Clear { wanted, .. } => format!("set {wanted} with the server's CA, so that nobody else can ask for it"),
            Self::NoCommon { .. } => {
                "upkeep supports TLS 1.2 and 1.3: check what the server offers, and whether it is the right port".to_owned()
            }
            Self::Broken(_) => "report this as a bug of upkeep".to_owned(),
        }]
    }
}

fn certificate_hint(why: &Wrong, settings: &Settings) -> String {
    match why {
        Wrong::Issuer { .. } => {
            format!("if this is the right server, name its CA with `{}` in {}", settings.roots, settings.place)
        }
        Wrong::Name { .. } => {
            let or = settings.without_name.map(|mode| format!(", or set {mode} to accept any certificate of its CA"));
            format!("write the server's name in {} as its certificate has it{}", settings.place, or.unwrap_or_default())
        }
        Wrong::Time { .. } => "give the server (or its CA) a new certificate, or correct this host's clock".to_owned(),
        Wrong::Other { .. } => "give the server another certificate".to_owned(),
    }
}
