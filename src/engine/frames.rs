//! Frames of an archive as a load reads them: by kind, whole or piece by piece.
//!
//! Decompresses on threads of its own. Knows nothing of what is in a frame.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{EngineError, LoadMode};
use crate::archive::manifest::FrameKind;
use crate::archive::{Archive, ArchiveError};

/// Pieces of a frame that may wait for the server: enough that decompressing and sending overlap.
const WAITING: usize = 4;

/// The archive as the workers of a load share it: they outlive a dropped caller by a moment, so it is one of their own.
///
/// # Errors
/// When it has no schema where one is needed.
pub(super) fn shared(archive: &Archive, mode: LoadMode) -> Result<Arc<Archive>, EngineError> {
    if archive.manifest().data_only && mode != LoadMode::DataOnly {
        return Err(EngineError::Unfit("it has no schema; it loads only into the shape its migrations make".to_owned()));
    }
    Ok(Arc::new(archive.shared()))
}

/// Frames of a kind, in the order of the file.
pub(super) fn frames_of(archive: &Archive, kind: FrameKind) -> Vec<usize> {
    let frames = archive.manifest().frames.iter().enumerate();
    frames.filter(|(_, frame)| frame.kind == kind).map(|(index, _)| index).collect()
}

/// The whole text of all frames of a kind. For what is small: header, sequences.
pub(super) async fn text(archive: &Arc<Archive>, kind: FrameKind) -> Result<String, EngineError> {
    let archive = Arc::clone(archive);
    let read = move || -> Result<Vec<u8>, ArchiveError> {
        let mut text = Vec::new();
        for index in frames_of(&archive, kind) {
            archive.read_frame(index, &mut |piece| {
                text.extend_from_slice(piece);
                Ok(())
            })?;
        }
        Ok(text)
    };
    let read = tokio::task::spawn_blocking(read).await.map_err(|_| EngineError::Worker("reading the archive".to_owned()))?;
    Ok(String::from_utf8_lossy(&read?).into_owned())
}

/// A frame's content as it is decompressed on a thread of its own.
pub(super) fn pieces(
    archive: &Arc<Archive>,
    index: usize,
) -> (mpsc::Receiver<Vec<u8>>, tokio::task::JoinHandle<Result<(), ArchiveError>>) {
    let (send, receive) = mpsc::channel(WAITING);
    let archive = Arc::clone(archive);
    let reading = tokio::task::spawn_blocking(move || {
        archive.read_frame(index, &mut |piece| {
            let gone = |_| std::io::Error::other("the load stopped");
            send.blocking_send(piece.to_vec()).map_err(gone)
        })
    });
    (receive, reading)
}

/// What became of the thread that [`pieces`] hired.
pub(super) fn joined(read: Result<Result<(), ArchiveError>, tokio::task::JoinError>) -> Result<(), EngineError> {
    read.map_err(|_| EngineError::Worker("reading the archive".to_owned()))?.map_err(EngineError::Archive)
}
