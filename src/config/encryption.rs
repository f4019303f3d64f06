//! What a database's URL says of TLS, by the names that each vendor's own clients know.
//!
//! Owns which of it fits together. Never reads the files that are named: whether they can be used is seen where they are. What a URL does not
//! say is never guessed to be less than what it does say: a CA that is named is used, and a key has a certificate.

use std::path::{Path, PathBuf};

use super::database::{Identity, Roots, Tls};
use super::raw::guess;

/// What libpq knows as `sslmode`.
pub(crate) const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// What MySQL's clients know as `--ssl-mode`.
pub(crate) const MYSQL_SSL_MODES: [&str; 5] = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"];

/// What a URL of PostgreSQL's says, key by key.
#[derive(Debug, Default)]
pub(crate) struct Postgres {
    mode: Option<String>,
    roots: Option<Roots>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Postgres {
    pub(crate) const KEYS: [&str; 5] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "channel_binding"];

    /// Takes one parameter; whether it is one of these.
    pub(crate) fn take(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match key {
            "sslmode" => self.mode = Some(one_of(value, "an sslmode", &SSL_MODES)?),
            "sslrootcert" if value == "system" => self.roots = Some(Roots::System),
            "sslrootcert" => self.roots = Some(Roots::File(whole(key, value)?)),
            "sslcert" => self.certificate = Some(whole(key, value)?),
            "sslkey" => self.key = Some(whole(key, value)?),
            "channel_binding" => match value {
                "disable" | "prefer" => {}
                "require" => {
                    return Err("channel_binding=require needs SCRAM-SHA-256-PLUS, which upkeep does not support; \
                                sslmode=verify-full also keeps others out of the connection"
                        .to_owned());
                }
                other => drop(one_of(other, "a channel_binding", &["disable", "prefer", "require"])?),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The mode and the rest of it.
    pub(crate) fn finish(self) -> Result<(String, Tls), String> {
        let in_url = self.mode.is_some() || self.roots.is_some() || self.certificate.is_some() || self.key.is_some();
        let system = self.roots == Some(Roots::System);
        let mode = self.mode.unwrap_or_else(|| if system { "verify-full" } else { "prefer" }.to_owned());
        match mode.as_str() {
            // Anybody can have a certificate that the host trusts, for a name of his own.
            mode if system && mode != "verify-full" => {
                return Err(format!(
                    "sslrootcert=system needs sslmode=verify-full instead of {mode}: anyone can have a public certificate for a name of his own"
                ));
            }
            "verify-ca" if self.roots.is_none() => {
                return Err("sslmode=verify-ca needs the CA: `sslrootcert=/path/of/the/ca.pem`".to_owned());
            }
            // Whoever shows another certificate would be spoken to without TLS, and told the password.
            mode @ ("prefer" | "allow") if self.roots.is_some() => {
                return Err(format!(
                    "sslrootcert keeps nobody out under sslmode={mode}, which goes on without TLS: set sslmode=verify-ca, or verify-full to \
                     check the name as well"
                ));
            }
            _ => {}
        }
        let identity = pair(("sslcert", self.certificate), ("sslkey", self.key))?;
        Ok((mode, Tls { roots: self.roots, identity, in_url }))
    }
}

/// What a URL of MySQL's or MariaDB's says, key by key.
#[derive(Debug, Default)]
pub(crate) struct MySql {
    mode: Option<String>,
    roots: Option<Roots>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl MySql {
    pub(crate) const KEYS: [&str; 4] = ["ssl-mode", "ssl-ca", "ssl-cert", "ssl-key"];

    /// Takes one parameter; whether it is one of these.
    pub(crate) fn take(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match key {
            "ssl-mode" => {
                // The clients take it in any case.
                let upper = value.to_ascii_uppercase();
                let known = MYSQL_SSL_MODES.contains(&upper.as_str());
                self.mode = Some(if known { upper } else { one_of(value, "an ssl-mode", &MYSQL_SSL_MODES)? });
            }
            "ssl-ca" => self.roots = Some(Roots::File(whole(key, value)?)),
            "ssl-cert" => self.certificate = Some(whole(key, value)?),
            "ssl-key" => self.key = Some(whole(key, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The mode and the rest of it. A CA alone has it looked at, as with the clients.
    pub(crate) fn finish(self) -> Result<(String, Tls), String> {
        // A certificate of ours alone says nothing of the server's.
        let in_url = self.mode.is_some() || self.roots.is_some();
        let usual = if self.roots.is_some() { "VERIFY_CA" } else { "PREFERRED" };
        let mode = self.mode.unwrap_or_else(|| usual.to_owned());
        match (mode.as_str(), &self.roots) {
            ("VERIFY_CA", None) => {
                return Err("ssl-mode=VERIFY_CA needs the CA: `ssl-ca=/path/of/the/ca.pem`".to_owned());
            }
            (mode @ ("PREFERRED" | "REQUIRED"), Some(_)) => {
                return Err(format!(
                    "ssl-mode={mode} does not use ssl-ca: set ssl-mode=VERIFY_CA, or VERIFY_IDENTITY to check the name as well"
                ));
            }
            _ => {}
        }
        let identity = pair(("ssl-cert", self.certificate), ("ssl-key", self.key))?;
        Ok((mode, Tls { roots: self.roots, identity, in_url }))
    }
}

fn one_of(value: &str, what: &str, known: &[&str]) -> Result<String, String> {
    if known.contains(&value) {
        return Ok(value.to_owned());
    }
    let near = guess(value, known.iter().copied());
    Err(format!("`{value}` is not {what}{near}; it is one of {}", known.join(", ")))
}

/// The daemon and a person in a directory of his own must mean the same file.
fn whole(key: &str, value: &str) -> Result<PathBuf, String> {
    if Path::new(value).is_absolute() {
        return Ok(PathBuf::from(value));
    }
    Err(format!("`{key}` must be an absolute path"))
}

fn pair(certificate: (&str, Option<PathBuf>), key: (&str, Option<PathBuf>)) -> Result<Option<Identity>, String> {
    match (certificate, key) {
        ((_, Some(certificate)), (_, Some(key))) => Ok(Some(Identity { certificate, key })),
        ((_, None), (_, None)) => Ok(None),
        ((name, Some(_)), (missing, None)) | ((missing, None), (name, Some(_))) => {
            Err(format!("`{name}` needs `{missing}`: a certificate and its key belong together"))
        }
    }
}
