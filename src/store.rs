//! Where archives live: one directory for each target, sealed files, and the pins beside them.
//!
//! Owns names and places, pins, deletion, and bringing the catalogue in line with what the directory holds. Never decides what
//! is kept (`retention`). The directory is the truth: a crash anywhere leaves either a whole archive that
//! [`reconcile`] lists, or a leftover that [`sweep`] removes. Held by the tests beside this module.

pub mod pins;
pub mod place;
pub mod room;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

pub use pins::{Pin, pin, unpin};

use crate::archive::{Archive, ArchiveError, writer};
use crate::config::Target;
use crate::durable::{self, At, DurableError};
use crate::failure::{Chain, Class, Explain};
use crate::fault;
use crate::ids::{Label, TargetName};
use crate::state_db::catalogue::{self, Entry, Verdict};
use crate::state_db::{StateDb, StateError};
use crate::version::Version;

/// The endings of archives' names; what stands before is the label.
pub const EXTENSIONS: [&str; 2] = ["sql.zst", "sqlite.zst"];

/// One at a time looks at a pin to delete its archive, or sets one: pins are set beside whatever else goes on. Within one
/// process, for the state's lock keeps every other out.
static PINS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Labels tried for one second before something else must be wrong.
const LABELS_PER_SECOND: u32 = 1000;

/// What went wrong with the place where archives live.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// An archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The catalogue gave no answer.
    #[error(transparent)]
    State(#[from] StateError),
    /// A pinned archive was to be deleted.
    #[error("archive {label} is pinned: {reason}")]
    Pinned {
        /// Its label.
        label: Label,
        /// Why.
        reason: String,
    },
    /// The archive that was to be pinned is gone.
    #[error("archive {0} no longer exists")]
    Gone(Label),
    /// There are archives of every label that this second has.
    #[error("no free label is left for target {target} in {}", directory.display())]
    NoLabel {
        /// The target.
        target: TargetName,
        /// Where.
        directory: PathBuf,
    },
    /// The thread that looked at the files ended without an answer.
    #[error("reading {} ended without an answer", .0.display())]
    Worker(PathBuf),
}

impl Explain for StoreError {
    fn class(&self) -> Class {
        match self {
            Self::Durable(error) => error.class(),
            Self::Archive(error) => error.class(),
            Self::State(error) => error.class(),
            Self::Pinned { .. } => Class::NoPermission,
            Self::Gone(_) => Class::NoInput,
            Self::NoLabel { .. } => Class::CannotCreate,
            Self::Worker(_) => Class::Software,
        }
    }

    fn safe(&self) -> Option<String> {
        match self {
            Self::Durable(error) => error.safe(),
            Self::Archive(error) => error.safe(),
            Self::State(error) => error.safe(),
            Self::Pinned { label, .. } => Some(format!("archive {label} is as it was")),
            Self::Gone(_) | Self::NoLabel { .. } | Self::Worker(_) => None,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Durable(error) => error.hints(),
            Self::Archive(error) => error.hints(),
            Self::State(error) => error.hints(),
            Self::Pinned { label, .. } => vec![format!("let retention delete it: `upkeep unpin {label}`")],
            Self::Gone(_) => vec!["see which archives exist: `upkeep list`".to_owned()],
            Self::NoLabel { .. } => vec!["is the clock standing still?".to_owned()],
            Self::Worker(_) => Vec::new(),
        }
    }
}

/// The sealed files of a directory, by name; a directory that is not there holds none.
///
/// # Errors
/// When the directory cannot be read.
pub fn list(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut paths: Vec<PathBuf> =
        names(directory)?.iter().filter(|name| label_of(name).is_some()).map(|name| directory.join(name)).collect();
    paths.sort();
    Ok(paths)
}

/// The label in an archive's file name; none for what is not an archive's name.
#[must_use]
pub fn label_of(name: &str) -> Option<Label> {
    let stem = EXTENSIONS.iter().find_map(|extension| name.strip_suffix(extension)?.strip_suffix('.'))?;
    Label::parse(stem).ok()
}

/// The first label for this moment that no archive has, sealed or being written.
///
/// # Errors
/// When the directory cannot be read.
pub fn next_label(
    directory: &Path,
    target: &TargetName,
    version: Option<&Version>,
    at: DateTime<Utc>,
) -> Result<Label, StoreError> {
    let names = names(directory)?;
    let taken = |label: &Label| {
        let sealed = |name: &str| label_of(name).as_ref() == Some(label);
        names
            .iter()
            .any(|name| sealed(name) || name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp")).is_some_and(sealed))
    };
    let mut labels = (0..LABELS_PER_SECOND).map(|again| Label::compose(target, version, at, again));
    let free = labels.find(|label| !taken(label));
    free.ok_or_else(|| StoreError::NoLabel { target: target.clone(), directory: directory.to_owned() })
}

/// Removes leftovers: temporary files whose writer is dead, and pins of archives that are gone. One line for each.
///
/// # Errors
/// When the directory cannot be read, or a leftover cannot be removed.
pub fn sweep(directory: &Path) -> Result<Vec<String>, StoreError> {
    let names = names(directory)?;
    let mut lines = Vec::new();
    for name in &names {
        let path = directory.join(name);
        let orphan =
            pins::label_of(name).is_some_and(|label| !names.iter().any(|name| label_of(name).as_ref() == Some(&label)));
        if !orphan && !durable::is_temporary(name) {
            continue;
        }
        // Never opened, never removed: nobody of ours makes such a thing.
        if fs::symlink_metadata(&path).is_ok_and(|meta| !meta.is_file()) {
            lines.push(format!("{} is not a file; upkeep leaves it alone: move it away", path.display()));
        } else if orphan || !writer::is_being_written(&path)? {
            durable::remove(&path)?;
            lines.push(format!("removed {}, which was left over", path.display()));
        }
    }
    Ok(lines)
}

/// What in a directory has an archive's or a pin's name and is no regular file: nothing is done with it, and a person should know.
///
/// # Errors
/// When the directory cannot be read.
pub fn strange(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let ours = |name: &String| label_of(name).is_some() || pins::label_of(name).is_some() || durable::is_temporary(name);
    let paths = names(directory)?.into_iter().filter(ours).map(|name| directory.join(name));
    Ok(paths.filter(|path| fs::metadata(path).is_ok_and(|meta| !meta.is_file())).collect())
}

/// Deletes an archive: the catalogue forgets it first, then the file goes in one step, then what stood beside it.
///
/// If we die between the two, the file is a whole archive that [`reconcile`] lists again, unverified; after the removal
/// only a pin file could be left, which [`sweep`] removes. Removal takes the name away at once, whole.
///
/// # Errors
/// When it is pinned, or a step fails.
pub async fn delete(db: &StateDb, entry: &Entry) -> Result<(), StoreError> {
    let _alone = PINS.lock().await;
    if let Some(pin) = pins::of(&entry.path, &entry.label)? {
        return Err(StoreError::Pinned { label: entry.label.clone(), reason: pin.reason });
    }
    catalogue::delete(db, &entry.label).await?;
    fault::point("store.unlisted");
    durable::remove(&entry.path)?;
    fault::point("store.removed");
    Ok(())
}

/// Whether an archive that is listed is not there. A file that cannot be looked at is not known to be gone.
#[must_use]
pub fn is_gone(entry: &Entry) -> bool {
    fs::symlink_metadata(&entry.path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// What is listed, as far as it is there: what the last reading back said of a file says nothing of one that is gone since.
#[must_use]
pub fn as_it_is(entries: Vec<Entry>) -> Vec<Entry> {
    let seen = |entry: Entry| if is_gone(&entry) { Entry { verdict: Verdict::Missing, ..entry } } else { entry };
    entries.into_iter().map(seen).collect()
}

/// What a person is told of an archive that is gone.
#[must_use]
pub fn told_of_gone(entry: &Entry) -> String {
    format!(
        "archive {0} is missing: {1} is not there; if that is to be so: `upkeep unpin {0}`",
        entry.label,
        entry.path.display()
    )
}

/// Brings the catalogue in line with a target's directory, and says what it did, one line each; at rest it says nothing.
///
/// A file that vanished is missing, one that came back or changed its length is unverified, an unknown one is added as
/// unverified, a pin is what the file beside the archive says, and leftovers are swept. A file that cannot be read as an
/// archive is named and left alone.
///
/// # Errors
/// When directory or catalogue cannot be read or written.
pub async fn reconcile(db: &StateDb, target: &Target) -> Result<Vec<String>, StoreError> {
    let directory = target.backup.directory.clone();
    let known = catalogue::list(db, Some(&target.name)).await?;
    let mut look = look_at(directory, known.clone(), Look::Sweep).await?;
    let mut lines = std::mem::take(&mut look.lines);
    for entry in &known {
        if entry.verdict != Verdict::Missing && !look.entries.iter().any(|found| found.label == entry.label) {
            let missing = Entry { verdict: Verdict::Missing, ..entry.clone() };
            catalogue::insert(db, &missing).await?;
            lines.push(told_of_gone(entry));
        }
    }
    for found in look.entries {
        if found.target != target.name {
            lines.push(format!("{} belongs to target {}, not to {}", found.path.display(), found.target, target.name));
            continue;
        }
        match known.iter().find(|entry| entry.label == found.label) {
            Some(entry) if *entry == found => continue,
            Some(entry) if (entry.verdict, entry.size) != (found.verdict, found.size) => {
                lines.push(format!("archive {} is no longer the file it was; it is {}", found.label, found.verdict));
            }
            Some(_) => lines.push(format!("archive {} has another place or pin than the catalogue knew", found.label)),
            None => lines.push(format!("archive {} was not in the catalogue; it is now, unverified", found.label)),
        }
        catalogue::insert(db, &found).await?;
    }
    Ok(lines)
}

/// Makes the whole catalogue anew from the sealed files in `directories` and the pins beside them, everything unverified;
/// the lines name the files that could not be read.
///
/// # Errors
/// When a directory cannot be read or the catalogue cannot be written; then the old catalogue stands.
pub async fn rebuild(db: &StateDb, directories: &[PathBuf]) -> Result<Vec<String>, StoreError> {
    let (mut entries, mut lines) = (Vec::new(), Vec::new());
    for directory in directories {
        let look = look_at(directory.clone(), Vec::new(), Look::Only).await?;
        entries.extend(look.entries);
        lines.extend(look.lines);
    }
    catalogue::replace(db, &entries).await?;
    Ok(lines)
}

/// Whether a look at a directory also sweeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Only,
    Sweep,
}

/// What a directory holds, in the catalogue's terms.
#[derive(Debug, Default)]
struct Looked {
    entries: Vec<Entry>,
    lines: Vec<String>,
}

async fn look_at(directory: PathBuf, known: Vec<Entry>, look: Look) -> Result<Looked, StoreError> {
    let place = directory.clone();
    let looked = tokio::task::spawn_blocking(move || look_blocking(&directory, &known, look)).await;
    looked.unwrap_or(Err(StoreError::Worker(place)))
}

fn look_blocking(directory: &Path, known: &[Entry], look: Look) -> Result<Looked, StoreError> {
    let mut looked = Looked::default();
    if look == Look::Sweep {
        looked.lines = sweep(directory)?;
    }
    for path in list(directory)? {
        match look_at_file(&path, known) {
            Ok(Some(entry)) => looked.entries.push(entry),
            Ok(None) => {}
            // A file that cannot be read keeps no other from being listed. One that was known is listed as what it has become.
            Err(error) => {
                looked.lines.push(Chain(&error).to_string());
                looked.entries.extend(become_bad(&path, &error, known));
            }
        }
    }
    Ok(looked)
}

/// A file's entry: the one known, where length and time still agree, else what the archive says of itself.
fn look_at_file(path: &Path, known: &[Entry]) -> Result<Option<Entry>, StoreError> {
    let Some(label) = path.file_name().and_then(|name| label_of(&name.to_string_lossy())) else { return Ok(None) };
    let pinned = pins::of(path, &label)?.map(|pin| pin.reason);
    let size = fs::metadata(path).at("look at", path)?.len();
    let known = known.iter().find(|entry| entry.label == label && entry.size == size && entry.verdict != Verdict::Missing);
    if let Some(entry) = known {
        return Ok(Some(Entry { path: path.to_owned(), pinned, ..entry.clone() }));
    }
    let archive = Archive::open(path)?;
    if archive.manifest().label != label {
        let why = format!("its manifest says that it is archive {}", archive.manifest().label);
        return Err(ArchiveError::Damaged { path: path.to_owned(), why }.into());
    }
    Ok(Some(Entry { pinned, ..Entry::of(archive.manifest(), path.to_owned(), size) }))
}

/// What a known archive's entry says once its file turned out to be torn or damaged.
fn become_bad(path: &Path, error: &StoreError, known: &[Entry]) -> Option<Entry> {
    let verdict = match error {
        StoreError::Archive(ArchiveError::Torn { .. }) => Verdict::Torn,
        StoreError::Archive(ArchiveError::Damaged { .. }) => Verdict::Damaged,
        _ => return None,
    };
    let label = label_of(&path.file_name()?.to_string_lossy())?;
    let size = fs::metadata(path).ok()?.len();
    let entry = known.iter().find(|entry| entry.label == label)?;
    Some(Entry { path: path.to_owned(), size, verdict, ..entry.clone() })
}

/// The names in a directory; none when it is not there.
fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at("read the directory", directory)?,
    };
    // A name that is not UTF-8 is none of ours.
    let names = entries.filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose());
    Ok(names.collect::<io::Result<_>>().at("read the directory", directory)?)
}

#[cfg(test)]
pub(crate) mod tests;
