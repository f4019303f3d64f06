//! The seal of a copy: a small JSON file beside the archive's bytes, written last.
//!
//! Owns its form and the digests in it. Says of the content nothing that the archive's manifest says inside: no tables, no rows, no note.
//! Invariant: fields are added with a default and never renamed, for what is written stays readable; held by the tests beside the contract.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ENCRYPTED, SIDECAR};
use crate::archive::manifest::Kind;
use crate::cipher::{MOST_RECIPIENTS, Recipient};
use crate::ids::{Label, TargetName};
use crate::version::Version;

/// A sidecar longer than this is none.
pub const MOST_BYTES: u64 = 8192;

/// The newest form that is known: that of encrypted copies.
const FORMAT: u32 = 2;

/// The form of copies that are the archive's bytes themselves.
const PLAIN_FORMAT: u32 = 1;

/// Into so many equal stretches an object is divided, each with a digest of its own, so that a damaged one can be told from the rest.
const STRETCHES: u64 = 64;

/// The least length of a stretch: smaller ones would tell nothing.
const LEAST_STRETCH: u64 = 1 << 20;

/// What a sidecar says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    /// Its form.
    pub format: u32,
    /// The archive's label.
    pub label: Label,
    /// The object that holds its bytes.
    pub object: String,
    /// The id of the host that wrote it.
    pub host: String,
    /// The target.
    pub target: TargetName,
    /// Why the archive was taken.
    pub kind: Kind,
    /// The release it was taken of, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Version>,
    /// The moment of its snapshot.
    pub taken_at: DateTime<Utc>,
    /// When it was copied.
    pub copied_at: DateTime<Utc>,
    /// The object's length in bytes.
    pub size: u64,
    /// BLAKE3 of the object.
    pub digest: String,
    /// The length of each stretch but the last.
    pub stretch_bytes: u64,
    /// BLAKE3 of each stretch, shortened to 16 bytes: it tells where, and `digest` tells whether.
    pub stretches: Vec<String>,
    /// What made it.
    #[serde(default)]
    pub tool: String,
    /// What is inside, where the object is encrypted. A reader that knows nothing of this takes the object for no archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

/// What is told of an encrypted object in clear: enough to say whether it is of an archive at hand, and who opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// The public keys that it was encrypted to.
    pub recipients: Vec<String>,
    /// The archive's length inside.
    pub bytes: u64,
    /// The digest of the archive's manifest.
    pub manifest: String,
}

impl Encryption {
    /// Whether it is what a seal says. Its keys are shown to whoever looks for the one that opens it: they are keys, and nobody's words.
    fn is_one(&self) -> bool {
        let is_key = |text: &String| Recipient::parse(text).is_ok_and(|key| key.as_str() == text);
        (1..=MOST_RECIPIENTS).contains(&self.recipients.len())
            && self.recipients.iter().all(is_key)
            && self.manifest.len() == 64
            && self.manifest.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

impl Sidecar {
    /// The form of a copy of this kind.
    #[must_use]
    pub fn format_of(encryption: Option<&Encryption>) -> u32 {
        if encryption.is_some() { FORMAT } else { PLAIN_FORMAT }
    }

    /// The length of the archive itself.
    #[must_use]
    pub fn archive_bytes(&self) -> u64 {
        self.encryption.as_ref().map_or(self.size, |encryption| encryption.bytes)
    }

    /// Its name at the place.
    #[must_use]
    pub fn name_of(label: &Label) -> String {
        format!("{label}{SIDECAR}")
    }

    /// The label in a sidecar's name; none for what is no sidecar.
    #[must_use]
    pub fn label_in(name: &str) -> Option<Label> {
        Label::parse(name.strip_suffix(SIDECAR)?).ok()
    }

    /// The bytes written.
    ///
    /// # Errors
    /// When they would be too many.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        let bytes = serde_json::to_vec(self).map_err(|error| format!("it cannot be written: {error}"))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(format!("it would be {} bytes long", bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads one back, found under `label`.
    ///
    /// # Errors
    /// When it is none, is of another archive, or a newer upkeep's.
    pub fn decode(bytes: &[u8], label: &Label) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(bytes).map_err(|error| format!("its sidecar cannot be read: {error}"))?;
        if read.format > FORMAT {
            return Err(format!("its sidecar has format {}; this upkeep knows {FORMAT}", read.format));
        }
        if read.label != *label {
            return Err(format!("its sidecar says that it is {}", read.label));
        }
        let named = super::label_of(&read.object);
        // Whoever reads the object back keeps a digest for each stretch: how many there are is not the sidecar's to say.
        let stretches = read.size.checked_div(read.stretch_bytes).map(|_| read.size.div_ceil(read.stretch_bytes));
        let is_marked = read.object.ends_with(ENCRYPTED) == read.encryption.is_some()
            && read.format == Self::format_of(read.encryption.as_ref())
            && read.encryption.as_ref().is_none_or(Encryption::is_one);
        let fits = named.as_ref() == Some(label)
            && is_marked
            && stretches.is_some_and(|stretches| stretches <= STRETCHES && stretches == read.stretches.len() as u64);
        if fits { Ok(read) } else { Err("its sidecar contradicts itself".to_owned()) }
    }
}

/// Digests of what passes by: of all of it and of each stretch.
#[derive(Debug, Clone)]
pub struct Digests {
    whole: blake3::Hasher,
    stretch: blake3::Hasher,
    stretch_bytes: u64,
    left: u64,
    done: Vec<String>,
    bytes: u64,
}

impl Digests {
    /// For an object of this length.
    #[must_use]
    pub fn of(size: u64) -> Self {
        Self::by(size.div_ceil(STRETCHES).max(LEAST_STRETCH))
    }

    /// With stretches of this length.
    #[must_use]
    pub fn by(stretch_bytes: u64) -> Self {
        let stretch_bytes = stretch_bytes.max(1);
        let (whole, stretch) = (blake3::Hasher::new(), blake3::Hasher::new());
        Self { whole, stretch, stretch_bytes, left: stretch_bytes, done: Vec::new(), bytes: 0 }
    }

    /// Takes what comes next.
    pub fn add(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            self.stretch.update(&bytes[..take]);
            self.left -= take as u64;
            bytes = &bytes[take..];
            if self.left == 0 {
                self.end_stretch();
            }
        }
    }

    fn end_stretch(&mut self) {
        // No object has more; what goes on beyond them is told by the digest of the whole.
        if (self.done.len() as u64) < STRETCHES {
            self.done.push(self.stretch.finalize().to_hex()[..32].to_owned());
        }
        self.stretch.reset();
        self.left = self.stretch_bytes;
    }

    /// Length, digest of the whole, length of a stretch, digest of each.
    #[must_use]
    pub fn end(mut self) -> (u64, String, u64, Vec<String>) {
        if self.left < self.stretch_bytes {
            self.end_stretch();
        }
        (self.bytes, self.whole.finalize().to_hex().to_string(), self.stretch_bytes, self.done)
    }
}
