//! Whether a server's certificate is one that was asked for.
//!
//! The library compares chain, time and name. What is added is what the databases' own clients take and their manuals tell one to make: a
//! certificate that is itself among those trusted, and one that has its name in its subject alone. Never adds anything to whom a file trusts.

use std::sync::{Arc, Mutex};

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::certificate::{self, Certificate};
use super::error::Wrong;

/// What of a server's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Nothing: whoever only listens learns nothing, and whoever stands in between is not noticed.
    Nothing,
    /// That it comes from whom it must.
    Chain,
    /// That as well, and that it is for the name that was asked for.
    Name,
}

/// Why a certificate was refused, until it is told.
#[derive(Debug, Default)]
pub(super) struct Said(Mutex<Option<Wrong>>);

impl Said {
    pub(super) fn take(&self) -> Option<Wrong> {
        self.0.lock().ok()?.take()
    }

    fn put(&self, wrong: Wrong) {
        if let Ok(mut said) = self.0.lock() {
            *said = Some(wrong);
        }
    }
}

/// Whom certificates must come from.
#[derive(Debug)]
pub(super) struct Trusted {
    /// None where the time of all of them is over.
    library: Option<Arc<WebPkiServerVerifier>>,
    /// Whose time is over, or has not begun: trusted no more.
    old: Vec<Certificate>,
    /// Themselves, for a server that has one of them.
    all: Vec<CertificateDer<'static>>,
    /// Where they are from, for people.
    from: String,
}

impl Trusted {
    /// None where nobody in it can be used. The library does not look at the time of a CA, which the clients of the servers do.
    pub(super) fn new(all: Vec<CertificateDer<'static>>, from: String, provider: &Arc<CryptoProvider>) -> Option<Self> {
        let now = UnixTime::now().as_secs();
        let mut roots = RootCertStore::empty();
        let mut old = Vec::new();
        for one in &all {
            match Certificate::read(one).filter(|read| read.time(now) != certificate::Time::Now) {
                Some(read) => old.push(read),
                None => drop(roots.add_parsable_certificates([one.clone()])),
            }
        }
        if roots.is_empty() && old.is_empty() {
            return None;
        }
        let library = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().ok();
        Some(Self { library, old, all, from })
    }
}

#[derive(Debug)]
pub(super) struct Verifier {
    trusted: Option<Trusted>,
    verify: Verify,
    said: Arc<Said>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    pub(super) fn new(provider: &Arc<CryptoProvider>, trusted: Option<Trusted>, verify: Verify, said: Arc<Said>) -> Self {
        Self { trusted, verify, said, provider: Arc::clone(provider) }
    }

    fn refuse(&self, why: Wrong) -> Error {
        self.said.put(why);
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else { return Ok(ServerCertVerified::assertion()) };
        let found = match &trusted.library {
            Some(library) => library.verify_server_cert(leaf, others, name, ocsp, now),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        match found {
            Ok(fine) => Ok(fine),
            Err(Error::InvalidCertificate(why)) => {
                let read = Certificate::read(leaf).unwrap_or_default();
                match judge(&why, leaf, &read, trusted, self.verify, name, now) {
                    None => Ok(ServerCertVerified::assertion()),
                    Some(wrong) => Err(self.refuse(wrong)),
                }
            }
            Err(other) => Err(self.refuse(Wrong::Other { what: other.to_string() })),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.trusted {
            Some(_) => crypto::verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms),
            // Who is not looked at need not prove anything either, with a certificate that may be too old to be read.
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.trusted {
            Some(_) => crypto::verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is left of the library's no.
fn judge(
    why: &CertificateError,
    leaf: &CertificateDer<'_>,
    read: &Certificate,
    trusted: &Trusted,
    verify: Verify,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Option<Wrong> {
    match why {
        // Chain and time are right: the name is looked at last.
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => name_of(read, verify, name),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Some(Wrong::Time { what: format!("it expired at {}", read.until()) })
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Some(Wrong::Time { what: format!("it is not valid before {}", read.from()) })
        }
        CertificateError::Revoked => Some(Wrong::Other { what: "it is revoked".to_owned() }),
        // A certificate that is itself in the file is trusted as it is, within its time.
        _ if trusted.all.iter().any(|one| one.as_ref() == leaf.as_ref()) => match read.time(now.as_secs()) {
            certificate::Time::Now => name_of(read, verify, name),
            certificate::Time::Over => Some(Wrong::Time { what: format!("it expired at {}", read.until()) }),
            certificate::Time::ToCome => Some(Wrong::Time { what: format!("it is not valid before {}", read.from()) }),
        },
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Some(issuer(read, trusted)),
        CertificateError::Other(OtherError(inner)) if inner.to_string().contains("CaUsedAsEndEntity") => {
            Some(issuer(read, trusted))
        }
        _ if read.version < 3 => Some(Wrong::Other {
            what: format!("it is an X.509 certificate of version {}, and only version 3 can be verified", read.version),
        }),
        other => Some(Wrong::Other { what: other.to_string() }),
    }
}

fn issuer(read: &Certificate, trusted: &Trusted) -> Wrong {
    if let Some(old) = trusted.old.iter().find(|old| old.subject == read.issuer && read.issuer != read.subject) {
        let what = format!("its CA `{}`, in {}, is valid from {} until {}", old.subject, trusted.from, old.from(), old.until());
        return Wrong::Time { what };
    }
    Wrong::Issuer { issuer: read.issuer.clone(), wanted: trusted.from.clone(), own: read.issuer == read.subject }
}

/// Whether it is for the name, where that matters. A subject counts where the certificate has no list of names, as it does for the clients.
fn name_of(read: &Certificate, verify: Verify, name: &ServerName<'_>) -> Option<Wrong> {
    let asked = name.to_str();
    let subject = || read.names.is_empty() && certificate::is_for(&read.subject, &asked);
    let listed = || read.names.iter().any(|one| certificate::is_for(one, &asked));
    if verify != Verify::Name || subject() || listed() {
        return None;
    }
    let names = if read.names.is_empty() { vec![read.subject.clone()] } else { read.names.clone() };
    Some(Wrong::Name { names: names.into_iter().filter(|name| !name.is_empty()).collect() })
}
