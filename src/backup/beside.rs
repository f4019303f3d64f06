//! The files that go along with an archive: when they are looked at, and when they are read.
//!
//! Owns which archives have them: those that somebody may go back to. What a restore or a rollback puts aside is of the database alone. They are looked at
//! before anything else is done, so that too many are refused at once, and read when the rows are in the archive.

use std::path::PathBuf;

use super::BackupError;
use crate::archive::PendingArchive;
use crate::archive::manifest::{Files, Kind, LeftOut};
use crate::config::{Location, OffsiteKind, Target};
use crate::context::Context;
use crate::files::{self, FilesError, Found};
use crate::progress::Progress;

/// What was found, and when; none where none are asked for.
pub(super) struct Beside {
    found: Found,
    seen_at: chrono::DateTime<chrono::Utc>,
}

/// Looks at them.
///
/// # Errors
/// When they are too many for an archive by schedule or by hand. An upgrade does not fail for them: then they are left out, and that is said.
pub(super) async fn look(ctx: &Context, target: &Target, kind: Kind) -> Result<Option<Beside>, BackupError> {
    let (patterns, limit) = (target.backup.files.clone(), target.backup.files_limit);
    if patterns.is_empty() || matches!(kind, Kind::PreRestore | Kind::FailedState) {
        return Ok(None);
    }
    let (spared, seen_at) = (spared(ctx, target), ctx.clock.now());
    let looked = tokio::task::spawn_blocking(move || files::look(&patterns, &spared)).await;
    let mut found = looked.map_err(ended)?;
    let bytes = found.bytes;
    if bytes > limit && kind != Kind::PreUpgrade {
        return Err(BackupError::TooManyFiles { target: target.name.to_string(), bytes, limit });
    }
    if bytes > limit {
        found.leave_all(format!("they are {bytes} bytes, and `files_limit` is {limit}"));
    }
    Ok(Some(Beside { found, seen_at }))
}

/// The thread ended without an answer.
fn ended(error: tokio::task::JoinError) -> FilesError {
    FilesError::Pack { path: "/".into(), source: std::io::Error::other(error) }
}

/// What never goes along: the database itself, what archives are made of, and where they lie, other targets' too.
fn spared(ctx: &Context, target: &Target) -> Vec<PathBuf> {
    let mut spared = vec![ctx.config.daemon.state_dir.clone()];
    spared.extend(ctx.config.targets.values().map(|target| target.backup.directory.clone()));
    if let Location::Sqlite { path } = &target.database.location {
        let beside = |ending: &str| {
            let mut name = path.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        spared.extend(["", "-wal", "-shm", "-journal"].map(beside));
    }
    let places = ctx.config.offsite.values().filter_map(|place| match &place.kind {
        OffsiteKind::Directory { path, .. } => Some(path.clone()),
        OffsiteKind::Bucket(_) | OffsiteKind::Sftp(_) => None,
    });
    spared.extend(places);
    spared
}

/// Reads them into the archive, behind what is there; what is not as it was is added to what is left out.
///
/// # Errors
/// When the archive cannot be written.
pub(super) async fn pack(
    target: &Target,
    beside: Option<Beside>,
    pending: &PendingArchive,
    left_out: &mut Vec<LeftOut>,
    progress: &Progress,
) -> Result<Option<Files>, BackupError> {
    let Some(Beside { found, seen_at }) = beside else { return Ok(None) };
    let (sink, level, shown, thread) = (pending.sink(), target.backup.level, progress.clone(), progress.thread());
    let work = move || {
        let _at_work = thread;
        files::pack(found, &sink, level, &shown)
    };
    let packed = tokio::task::spawn_blocking(work).await;
    let packed = packed.map_err(ended)??;
    left_out.extend(packed.left_out);
    Ok((packed.entries > 0).then_some(Files { entries: packed.entries, bytes: packed.bytes, seen_at }))
}
