//! Traces of an upgrade that the journal knows nothing of: the state database was lost, emptied, or is an old copy of itself.
//!
//! Owns telling them from those the journal explains. The recovery note stands beside the archives while an upgrade is underway, and each
//! archive that an upgrade takes names it. Where one of them is of an upgrade that is in no journal, what release and database are is
//! anybody's guess: nothing is adopted, upgraded or let start on it before a person said so. Never restores and never removes anything but
//! the note. Held by `tests/it/lost_journal.rs`.

use std::io::Read as _;

use super::adoption::adopt;
use super::plan::{AfterFailure, Applies, Back, FORMAT, Lost, Plan, Purpose};
use super::state::{Direction, ReleaseAt};
use super::{UpgradeError, left, note, record};
use crate::archive::Archive;
use crate::archive::manifest::Kind;
use crate::backup;
use crate::config::Target;
use crate::context::Context;
use crate::engine::Engine;
use crate::ids::{Label, UpgradeId};
use crate::state_db::StateDb;
use crate::state_db::catalogue::{self, Verdict};
use crate::{release, service, store};

/// How much of a note is read: what names the upgrade stands in its head.
const NOTE_BYTES: u64 = 64 * 1024;

/// Looks for such traces. Costs the look for one file, and the reading of manifests only while no upgrade is on record at all.
///
/// # Errors
/// When the state database cannot be read.
pub async fn lost(db: &StateDb, target: &Target) -> Result<Option<Lost>, UpgradeError> {
    let known = db.upgrades(&target.name, u32::MAX).await?;
    // Whatever is found is of this one, or was before it, and the driver knows what to do.
    if record::open(db, &target.name).await?.is_some() {
        return Ok(None);
    }
    let is_known = |text: &str| known.iter().any(|row| names(text, &row.id));
    let taken = match known.is_empty() {
        true => newest_on_disk(target).await,
        false => newest_listed(db, target).await?,
    };
    let since = known.iter().map(|row| row.created_at).max();
    let unknown = taken.filter(|taken| !is_known(&taken.newest.note) && since.is_none_or(|since| taken.newest.at > since));
    let archive = unknown.as_ref().and_then(|taken| taken.before.clone());
    let note = note::path(target);
    if let Some(text) = head_of(&note).filter(|text| !is_known(text)) {
        // The archive that the note is about is named in it.
        let archive = archive.filter(|label| text.contains(label.as_str()));
        let says = format!("{} says that an upgrade was underway", note.display());
        return Ok(Some(Lost { target: target.name.clone(), says, archive }));
    }
    Ok(unknown.map(|taken| Lost {
        target: target.name.clone(),
        says: format!("the newest archive, {}, was taken by an upgrade ({})", taken.newest.label, taken.newest.note),
        archive: taken.before,
    }))
}

/// Takes the present release and database for the good ones, as a person said, where the journal of what made them so was lost.
///
/// # Errors
/// When the release or the database cannot be read, or the journal cannot be written.
pub(super) async fn accept(ctx: &Context, target: &Target, lost: &Lost) -> Result<(), UpgradeError> {
    let unreadable = |why: String| UpgradeError::Lost { lost: Box::new(lost.clone()), why };
    let settings = target.release.as_ref().ok_or_else(|| unreadable("no release is configured".to_owned()))?;
    let installed = release::read(settings).await.map_err(|error| unreadable(crate::failure::Chain(&error).to_string()))?;
    let before = Engine::of(&target.database).shape(&backup::history_tables(target)).await;
    let plan = Plan {
        format: FORMAT,
        target: target.name.clone(),
        purpose: Purpose::Adopt,
        from: None,
        to: ReleaseAt { version: installed.version, path: installed.path },
        back: Back::Nothing,
        applies: Applies::Nobody,
        pending: Vec::new(),
        before: before.map_err(|error| unreadable(crate::failure::Chain(&error).to_string()))?,
        direction: Direction::Forward,
        steps: Vec::new(),
        after_failure: AfterFailure::PutBack,
        attempts: 1,
        release_path: settings.path.clone(),
        service: target.service.as_ref().map(service::name).unwrap_or_default(),
        outside: None,
    };
    adopt(ctx, target, plan, left::shape(target).await, ctx.clock.now()).await?;
    note::remove(target);
    Ok(())
}

/// What the archives say of the upgrade that took the newest of them.
struct Found {
    newest: Taken,
    /// The archive that the same upgrade took before it changed anything: what a person goes back to.
    before: Option<Label>,
}

/// What an archive says of the upgrade that took it.
#[derive(Clone)]
struct Taken {
    label: Label,
    kind: Kind,
    note: String,
    at: chrono::DateTime<chrono::Utc>,
}

impl Taken {
    /// Whether it says something of what is going on: what a restore kept before it is a step on the way that a person was shown.
    fn counts(&self) -> bool {
        self.kind != Kind::PreRestore || self.note.starts_with("upgrade ")
    }

    fn is_by_upgrade(&self) -> bool {
        let kind = matches!(self.kind, Kind::PreUpgrade | Kind::FailedState | Kind::PreRestore);
        kind && self.note.starts_with("upgrade ")
    }
}

impl Found {
    /// Of all that were taken; none where the newest that says something was not taken by an upgrade.
    fn among(all: &[Taken]) -> Option<Self> {
        let newest = all.iter().filter(|taken| taken.counts()).max_by_key(|taken| taken.at)?;
        let newest = newest.is_by_upgrade().then(|| newest.clone())?;
        let before = all.iter().filter(|taken| taken.kind == Kind::PreUpgrade && taken.note == newest.note);
        let before = before.max_by_key(|taken| taken.at).map(|taken| taken.label.clone());
        Some(Self { newest, before })
    }
}

async fn newest_listed(db: &StateDb, target: &Target) -> Result<Option<Found>, UpgradeError> {
    let entries = catalogue::list(db, Some(&target.name)).await?;
    let there = entries.into_iter().filter(|entry| entry.verdict != Verdict::Missing);
    let taken = there.map(|entry| Taken {
        label: entry.label,
        kind: entry.kind,
        note: entry.note.unwrap_or_default(),
        at: entry.taken_at,
    });
    Ok(Found::among(&taken.collect::<Vec<_>>()))
}

/// From the files themselves: a catalogue that was lost with the journal is made anew at a start, and this may be asked before.
async fn newest_on_disk(target: &Target) -> Option<Found> {
    let (directory, name) = (target.backup.directory.clone(), target.name.clone());
    let look = move || {
        let opened = store::list(&directory).ok()?.into_iter().filter_map(|path| Archive::open(&path).ok());
        let ours = opened.filter(|archive| archive.manifest().target == name);
        let taken = ours.map(|archive| {
            let manifest = archive.manifest();
            let note = manifest.note.clone().unwrap_or_default();
            Taken { label: manifest.label.clone(), kind: manifest.kind, note, at: manifest.taken_at }
        });
        Found::among(&taken.collect::<Vec<_>>())
    };
    // What cannot be looked at says nothing; the note is looked for all the same.
    tokio::task::spawn_blocking(look).await.ok().flatten()
}

/// Whether a text names an upgrade: as a word of its own, for one identity may be the beginning of another.
fn names(text: &str, id: &UpgradeId) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '.' | '_' | '+');
    text.split(|letter: char| !part(letter)).any(|word| word.trim_end_matches('.') == id.as_str())
}

fn head_of(path: &std::path::Path) -> Option<String> {
    let file = crate::trust::open(path).ok()?;
    let mut bytes = Vec::new();
    file.take(NOTE_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
