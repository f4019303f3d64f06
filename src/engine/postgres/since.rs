//! The rows of a database against those of an archive, within one snapshot, without a lock that others feel and without a wait for one of
//! theirs that has no end.

use std::sync::Arc;

use super::super::EngineError;
use super::connect::Place;
use super::{compare, locks};
use crate::archive::Archive;
use crate::progress::Progress;

/// Compares.
///
/// # Errors
/// [`EngineError::Differs`] where they are others, and when the database cannot be read.
pub(super) async fn compare(place: &Place, archive: &Arc<Archive>, progress: &Progress) -> Result<(), EngineError> {
    match compare::compare_at_one_moment(place, archive, progress).await {
        Ok(_) => Ok(()),
        Err(error) => Err(locks::blame(place, error).await),
    }
}
