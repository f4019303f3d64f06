//! Copies away from the host: what is owed is sent, sealed by its sidecar, read back, and read again in time.
//!
//! Owns the work at places; what a place can do is `store::place`'s. There is no queue: owed is what should be there without a sidecar that was
//! seen. Nothing at a place is ever deleted or written over, and nothing that happens there takes anything from the archives here. Every
//! call to a place is made on a thread of its own, for it may hang; how long it is waited for is `aside`'s. Held by `tests/it/offsite.rs`.

mod aside;
mod drafts;
pub mod due;
mod encrypted;
mod error;
mod look;
mod order;
mod proof;
mod reconcile;
mod round;
mod send;
mod setup;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use aside::{aside, aside_while};
pub use error::OffsiteError;
pub use look::{Listed, choices, listed};
pub use order::Which;
pub use proof::{Proof, prove_keys, unproven};
pub use reconcile::Bad;
pub use round::{CutShort, EVERY, Round, Sent, copy};
pub use setup::{Checked, check, init, keys};
pub use verify::{Reread, verify};

use crate::archive::Archive;
use crate::cipher::{Decrypted, Identity, OpenError};
use crate::config::{Config, Offsite, OffsiteKind};
use crate::context::Context;
use crate::ids::{Label, OwnerName, PlaceName};
use crate::progress::Progress;
use crate::state_db::StateDb;
use crate::state_db::copies::{Copy, Known};
use crate::store::place::{Bucket, Directory, Place, PlaceError, Sftp, Sidecar};

/// Who wants the work to go on: nobody any more, once it is given up or told to stop.
#[derive(Debug, Clone)]
pub struct Halt {
    /// How far it is, and whether it was given up.
    pub progress: Progress,
    /// Told to stop at the next boundary.
    pub stop: CancellationToken,
}

impl Halt {
    fn wanted(&self) -> Result<(), OffsiteError> {
        if self.is_halted() { Err(OffsiteError::Stopped) } else { Ok(()) }
    }

    fn is_halted(&self) -> bool {
        self.progress.is_given_up() || self.stop.is_cancelled()
    }
}

/// A configured place.
///
/// # Errors
/// When there is none of that name.
pub fn place<'a>(config: &'a Config, name: &PlaceName) -> Result<&'a Offsite, OffsiteError> {
    let configured = || config.offsite.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    config.offsite.get(name).ok_or_else(|| OffsiteError::NoSuchPlace { place: name.clone(), configured: configured() })
}

/// Opens an owner's part of a place for reading: this host's own where none is named. What this host knows of the place is held to it;
/// one that it never set up is believed.
///
/// # Errors
/// When it is not there.
pub async fn reading(state: &StateDb, offsite: &Offsite, owner: Option<&OwnerName>) -> Result<Arc<dyn Place>, OffsiteError> {
    let known = state.place(&offsite.name).await?.filter(Known::is_set_up);
    let (offsite, owner) = (offsite.clone(), owner.cloned().unwrap_or_else(|| offsite.owner.clone()));
    let at = called(&offsite, &owner);
    let open = move || -> Result<Arc<dyn Place>, PlaceError> {
        let marker = known.as_ref().map(|known| known.marker.as_str());
        Ok(match &offsite.kind {
            OffsiteKind::Directory { path, .. } => Arc::new(Directory::read(path, &owner, marker)?),
            OffsiteKind::Bucket(bucket) => Arc::new(Bucket::read(bucket, &owner, marker)?),
            OffsiteKind::Sftp(sftp) => Arc::new(Sftp::read(sftp, &owner, marker)?),
        })
    };
    Ok(aside(&at, open).await??)
}

/// Who writes at a place that is a directory, mounted or of a server's, by name; a bucket does not tell everybody.
///
/// # Errors
/// When the place is not there.
pub async fn owners(kind: &OffsiteKind) -> Result<Vec<OwnerName>, OffsiteError> {
    Ok(match kind.clone() {
        OffsiteKind::Directory { path, .. } => aside(&path.display().to_string(), move || Directory::owners(&path)).await??,
        OffsiteKind::Sftp(sftp) => aside(&sftp.to_string(), move || Sftp::owners(&sftp)).await??,
        OffsiteKind::Bucket(_) => Vec::new(),
    })
}

/// Opens this host's own part of a place for writing; the host's id there.
async fn writing(ctx: &Context, offsite: &Offsite) -> Result<(Arc<dyn Place>, String), OffsiteError> {
    let known = ctx.state.place(&offsite.name).await?.filter(Known::is_set_up);
    let known = known.ok_or_else(|| PlaceError::NotSetUp(offsite.name.to_string()))?;
    let (offsite, host, at) = (offsite.clone(), known.host.clone(), called(offsite, &offsite.owner));
    let uploads = uploads(ctx, &offsite);
    let open = move || -> Result<Arc<dyn Place>, PlaceError> {
        let (name, owner, known) = (&offsite.name, &offsite.owner, (&*known.marker, &*known.host));
        Ok(match &offsite.kind {
            OffsiteKind::Directory { path, .. } => Arc::new(Directory::write(path, name, owner, known)?),
            OffsiteKind::Bucket(bucket) => Arc::new(Bucket::write(bucket, name, owner, known, uploads)?),
            OffsiteKind::Sftp(sftp) => Arc::new(Sftp::write(sftp, name, owner, known)?),
        })
    };
    Ok((aside(&at, open).await??, host))
}

/// Where uploads are written down that were begun at a place, beside the drafts of seals.
fn uploads(ctx: &Context, offsite: &Offsite) -> PathBuf {
    ctx.config.daemon.state_dir.join("offsite").join(offsite.name.as_str()).join("uploads")
}

/// What a person calls an owner's part, before it is opened and afterwards.
fn called(offsite: &Offsite, owner: &OwnerName) -> String {
    match &offsite.kind {
        OffsiteKind::Directory { path, .. } => path.join(owner.as_str()).join("").display().to_string(),
        OffsiteKind::Bucket(bucket) => format!("{bucket}/{owner}/"),
        OffsiteKind::Sftp(sftp) => format!("{sftp}/{owner}/"),
    }
}

/// A copy, opened where it is: sealed, as long as its seal says, of the archive and target that its seal names, and with the seal that this
/// host knows, where it knows one.
///
/// # Errors
/// When there is no such copy, or it is not whole as far as its ends say.
pub async fn open(
    place: &Arc<dyn Place>,
    label: &Label,
    known: Option<Copy>,
    identity: Option<&Arc<Identity>>,
) -> Result<Archive, OffsiteError> {
    let (place, label, identity) = (Arc::clone(place), label.clone(), identity.cloned());
    let at = place.called("");
    aside(&at, move || {
        let sidecar = look::sidecar(&*place, &label)?;
        let damaged = |why: &str| OffsiteError::Damaged {
            label: label.clone(),
            place: place.called(&sidecar.object),
            why: why.to_owned(),
        };
        if known.is_some_and(|known| look::is_another(&known, &sidecar)) {
            return Err(damaged(look::ANOTHER));
        }
        opened(&*place, &sidecar, identity.as_ref())
    })
    .await?
}

/// Reads a copy back before anything is made of it: every byte is what its seal says.
///
/// # Errors
/// When it is not, or cannot be read.
pub async fn prove(place: &Arc<dyn Place>, label: &Label, progress: &Progress) -> Result<(), OffsiteError> {
    let (place, label) = (Arc::clone(place), label.clone());
    let halt = Halt { progress: progress.clone(), stop: CancellationToken::new() };
    let at = place.called("");
    aside_while(&at, progress, move || verify::blocking(&*place, &label, None, &halt).map(drop)).await?
}

/// The archive in a copy, held to what its seal says of it: whoever looks inside a copy looks for the same.
fn opened(place: &dyn Place, sidecar: &Sidecar, identity: Option<&Arc<Identity>>) -> Result<Archive, OffsiteError> {
    let archive = inside(place, sidecar, identity)?;
    let manifest = archive.manifest();
    let why = if archive.size() != sidecar.archive_bytes() {
        format!("it was sealed with {} bytes and has {}", sidecar.archive_bytes(), archive.size())
    } else if sidecar.encryption.as_ref().is_some_and(|sealed| sealed.manifest != archive.manifest_digest()) {
        "what is inside is another archive than was sealed".to_owned()
    } else if manifest.label != sidecar.label || manifest.target != sidecar.target {
        format!("it says of itself that it is {} of {}", manifest.label, manifest.target)
    } else {
        return Ok(archive);
    };
    Err(OffsiteError::Damaged { label: sidecar.label.clone(), place: place.called(&sidecar.object), why })
}

/// The archive in a copy, whatever it is; it needs an identity where it is encrypted.
fn inside(place: &dyn Place, sidecar: &Sidecar, identity: Option<&Arc<Identity>>) -> Result<Archive, OffsiteError> {
    let (object, called) = (&sidecar.object, place.called(&sidecar.object));
    let source = place.open(object)?;
    let found = source.size().map_err(|source| PlaceError::content(called.clone(), source))?;
    if found != sidecar.size {
        let why = format!("it was sealed with {} bytes and has {found}", sidecar.size);
        return Err(OffsiteError::Damaged { label: sidecar.label.clone(), place: called, why });
    }
    let Some(encryption) = &sidecar.encryption else {
        return Archive::read_from(source, &PathBuf::from(called)).map_err(OffsiteError::of_copy);
    };
    let locked = |is_given: bool| OffsiteError::Locked {
        label: sidecar.label.clone(),
        is_given,
        recipients: encryption.recipients.join(", "),
    };
    let identity = identity.ok_or_else(|| locked(false))?;
    let opened = Decrypted::open(source, Arc::clone(identity)).map_err(|error| match error {
        OpenError::NotForThem => locked(true),
        OpenError::Damaged(why) => OffsiteError::Damaged { label: sidecar.label.clone(), place: called.clone(), why },
        OpenError::Read(source) => PlaceError::content(called.clone(), source).into(),
    })?;
    Archive::read_from(Arc::new(opened), &PathBuf::from(called)).map_err(OffsiteError::of_copy)
}
