//! Where an archive is read from: the directory here, or its copy at a place.
//!
//! Of a copy nothing is spooled: its ends, then its frames are read by ranges, and each digest is checked before anything is done with what
//! it is of.

use std::sync::Arc;

use super::{RestoreError, RestoreRequest};
use crate::archive::Archive;
use crate::cipher::Identity;
use crate::config::Target;
use crate::context::Context;
use crate::ids::PlaceName;
use crate::offsite;
use crate::progress::Progress;
use crate::state_db::catalogue::{self, Entry};
use crate::store::place::Place;
use crate::verify;

/// Threads that read a copy: more would only be more requests at once.
const READERS: usize = 2;

/// Where from.
#[derive(Debug)]
pub(super) enum From {
    Here,
    There(PlaceName, Arc<dyn Place>, Option<Arc<Identity>>),
}

impl From {
    pub(super) async fn of(ctx: &Context, request: &RestoreRequest) -> Result<Self, RestoreError> {
        match &request.place {
            None => Ok(Self::Here),
            Some(place) => {
                let there = offsite::reading(&ctx.state, place, None).await?;
                Ok(Self::There(place.name.clone(), there, request.identity.clone()))
            }
        }
    }

    /// What there is to choose from.
    pub(super) async fn entries(&self, ctx: &Context, target: &Target) -> Result<Vec<Entry>, RestoreError> {
        match self {
            Self::Here => Ok(catalogue::list(&ctx.state, Some(&target.name)).await?),
            Self::There(name, place, _) => Ok(offsite::choices(&ctx.state, name, place, &target.name).await?),
        }
    }

    pub(super) async fn open(&self, ctx: &Context, entry: &Entry) -> Result<Archive, RestoreError> {
        match self {
            Self::Here => super::open(entry).await,
            Self::There(name, place, identity) => {
                let known = ctx.state.copy(name, &entry.label).await?;
                Ok(offsite::open(place, &entry.label, known, identity.as_ref()).await?)
            }
        }
    }

    /// Compares every stored byte with its digest before anything is changed.
    pub(super) async fn check(
        &self,
        ctx: &Context,
        (entry, archive): (&Entry, &Archive),
        progress: &Progress,
    ) -> Result<(), RestoreError> {
        let Self::There(_, place, _) = self else { return Ok(verify::check(ctx, entry, progress).await?) };
        offsite::prove(place, &entry.label, progress).await?;
        let (archive, progress, label) = (archive.shared(), progress.clone(), entry.label.clone());
        let checked = tokio::task::spawn_blocking(move || archive.check(READERS, &progress)).await;
        Ok(checked.map_err(|_| RestoreError::Worker(label))??)
    }
}
