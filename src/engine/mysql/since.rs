//! The rows of a database against those of an archive, within one snapshot and without a lock that others feel. Tables that no
//! transaction holds are read as they are.

use std::sync::Arc;

use super::super::EngineError;
use super::compare;
use super::connect::Place;
use crate::archive::Archive;
use crate::progress::Progress;

/// Compares.
///
/// # Errors
/// [`EngineError::Differs`] where they are others, and when the database cannot be read.
pub(super) async fn compare(place: &Place, archive: &Arc<Archive>, progress: &Progress) -> Result<(), EngineError> {
    let mut session = place.connect().await?;
    session.run("begin", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
    compare::compare_within(&mut session, archive.manifest(), progress).await?;
    session.close().await;
    Ok(())
}
