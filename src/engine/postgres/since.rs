//! The rows of a database against those of an archive, within one snapshot and without a lock that others feel.

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
    compare::compare_at_one_moment(place, archive, progress).await.map(drop)
}
