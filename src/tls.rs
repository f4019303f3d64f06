//! TLS, for whoever connects: one library, one set of roots, one kind of refusal.
//!
//! Owns reading certificates and keys, whom a server's certificate is held against, and the words for what does not fit. Knows of no
//! protocol: when TLS begins is known to who connects. Invariants: nothing of a private key is ever printed or kept; where a certificate is
//! looked at, one that does not fit ends the connection before anything of ours was sent; held by `tests/it/tls.rs`.

mod certificate;
mod error;
mod verify;

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig};
use tokio_rustls::{TlsConnector, client};

use crate::config::{Identity, Roots};
use crate::trust;

pub use error::{Settings, TlsError};
pub use verify::Verify;
use verify::{Trusted, Verifier};

/// A connection under TLS.
pub type Stream<S> = client::TlsStream<S>;

/// The bundle of a host's roots is some hundred kilobytes; what is much longer is none.
const LONGEST_BYTES: u64 = 16 * 1024 * 1024;

/// What a connection is to prove, and with what.
#[derive(Debug, Clone)]
pub struct Demand<'a> {
    /// Who is spoken to: a name or an address.
    pub host: &'a str,
    /// What of the server's certificate is looked at.
    pub verify: Verify,
    /// Whom it must come from.
    pub roots: &'a Roots,
    /// Our own certificate.
    pub identity: Option<&'a Identity>,
    /// What the settings are called, for who has to change one.
    pub settings: Settings,
}

/// Everything is read and fits together; nothing is connected yet.
#[derive(Clone)]
pub struct Ready {
    connector: TlsConnector,
    name: ServerName<'static>,
    verify: Verify,
    host: String,
    settings: Settings,
    /// Why our verifier said no, in its words.
    refused: Arc<verify::Said>,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("host", &self.host).field("verify", &self.verify).finish_non_exhaustive()
    }
}

impl Demand<'_> {
    /// Reads what is named.
    ///
    /// # Errors
    /// When a file cannot be read or is not what its setting says.
    pub fn ready(&self) -> Result<Ready, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let trusted = match self.verify {
            Verify::Nothing => None,
            Verify::Chain | Verify::Name => Some(trusted(self.roots, &self.settings, &provider)?),
        };
        let refused = Arc::new(verify::Said::default());
        let verifier = Verifier::new(&provider, trusted, self.verify, Arc::clone(&refused));
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| TlsError::Broken(error.to_string()))?;
        let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let (certificates, key) = ours(identity, &self.settings)?;
                config.with_client_auth_cert(certificates, key).map_err(|_| TlsError::Pair {
                    certificate: (self.settings.certificate, identity.certificate.clone()),
                    key: (self.settings.key, identity.key.clone()),
                })?
            }
        };
        // Every connection stands for itself: a ticket of an earlier one would only be kept in memory.
        config.resumption = rustls::client::Resumption::disabled();
        let bare = self.host.trim_matches(['[', ']']);
        let name = ServerName::try_from(bare.to_owned());
        // A name that is none is sent to nobody; a certificate cannot be for it.
        let name = match (name, self.verify) {
            (Ok(name), _) => name,
            (Err(_), Verify::Name) => return Err(TlsError::NoName { host: bare.to_owned(), settings: self.settings }),
            (Err(_), _) => ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()),
        };
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Ready { connector, name, verify: self.verify, host: bare.to_owned(), settings: self.settings, refused })
    }
}

impl Ready {
    /// Begins TLS on a connection. What fails of the connection itself stays an error of the connection.
    ///
    /// # Errors
    /// [`TlsError`] inside of an error of I/O where either side does not want what the other is; [`refusal`] finds it.
    pub async fn over<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<Stream<S>> {
        self.connector.connect(self.name.clone(), stream).await.map_err(|error| self.said(error))
    }

    /// What an error of a connection under TLS means: a server may refuse our certificate after the handshake, too.
    #[must_use]
    pub fn said(&self, error: io::Error) -> io::Error {
        let Some(source) = error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>()) else { return error };
        let refused = match self.refused.take() {
            Some(why) => TlsError::Certificate { host: self.host.clone(), why, settings: self.settings },
            None => error::of_the_server(&self.host, source, self.settings),
        };
        io::Error::new(io::ErrorKind::InvalidData, refused)
    }

    /// What the connection is worth, in words.
    #[must_use]
    pub fn worth<S>(&self, stream: &Stream<S>) -> String {
        let version = match stream.get_ref().1.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        };
        let verified = match self.verify {
            Verify::Nothing => "certificate not verified".to_owned(),
            Verify::Chain => "certificate from a trusted CA".to_owned(),
            Verify::Name => format!("certificate verified for {}", self.host),
        };
        format!("{version}, {verified}")
    }
}

/// The refusal in an error of I/O, if it is one of ours.
#[must_use]
pub fn refusal(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

/// Where the host keeps whom it trusts, for programs that take a file alone.
#[must_use]
pub fn system_file() -> Option<&'static Path> {
    const BUNDLES: [&str; 4] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
    ];
    BUNDLES.iter().map(Path::new).find(|path| path.is_file())
}

fn trusted(roots: &Roots, settings: &Settings, provider: &Arc<CryptoProvider>) -> Result<Trusted, TlsError> {
    let (certificates, from) = match roots {
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                return Err(TlsError::NoRoots { setting: settings.roots });
            }
            (found.certs, "this host's list of trusted CAs".to_owned())
        }
        Roots::File(path) => (certificates(settings.roots, path)?, path.display().to_string()),
    };
    Trusted::new(certificates, from, provider).ok_or_else(|| match roots {
        Roots::System => TlsError::NoRoots { setting: settings.roots },
        Roots::File(path) => TlsError::NoCertificate { setting: settings.roots, path: path.clone() },
    })
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(setting, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.unwrap_or_default();
    if found.is_empty() { Err(TlsError::NoCertificate { setting, path: path.to_owned() }) } else { Ok(found) }
}

fn ours(identity: &Identity, settings: &Settings) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let certificates = certificates(settings.certificate, &identity.certificate)?;
    let (setting, path) = (settings.key, &identity.key);
    let unread = |source| TlsError::Unread { setting, path: path.clone(), source };
    // As libpq has it: its owner's alone, and where that is root a group's too.
    let meta = std::fs::metadata(path).map_err(unread)?;
    let open = if meta.uid() == 0 { 0o037 } else { 0o077 };
    if meta.mode() & open != 0 {
        return Err(TlsError::OpenKey { setting, path: path.clone(), mode: meta.mode() & 0o7777 });
    }
    let text = read(setting, path)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok((certificates, key)),
        Err(_) => {
            let encrypted = String::from_utf8_lossy(&text).contains("ENCRYPTED");
            Err(TlsError::NoKey { setting, path: path.clone(), encrypted })
        }
    }
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    trust::read(path, LONGEST_BYTES).map_err(|source| TlsError::Unread { setting, path: path.to_owned(), source })
}
