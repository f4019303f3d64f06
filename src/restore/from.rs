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
pub(crate) enum From {
    Here,
    There(There),
}

/// A place, opened.
#[derive(Debug)]
pub(crate) struct There {
    name: PlaceName,
    place: Arc<dyn Place>,
    identity: Option<Arc<Identity>>,
    /// Whether another host wrote there: what this one noted of its own copies says nothing of that one's.
    is_anothers: bool,
}

impl From {
    pub(crate) async fn of(ctx: &Context, request: &RestoreRequest) -> Result<Self, RestoreError> {
        match &request.place {
            None => Ok(Self::Here),
            Some(place) => {
                let owner = request.owner.as_ref().filter(|owner| **owner != place.owner);
                let opened = offsite::reading(&ctx.state, place, owner).await?;
                let (name, identity) = (place.name.clone(), request.identity.clone());
                Ok(Self::There(There { name, place: opened, identity, is_anothers: owner.is_some() }))
            }
        }
    }

    /// What there is to choose from.
    pub(crate) async fn entries(&self, ctx: &Context, target: &Target) -> Result<Vec<Entry>, RestoreError> {
        match self {
            Self::Here => Ok(catalogue::list(&ctx.state, Some(&target.name)).await?),
            Self::There(there) => Ok(offsite::choices(&ctx.state, &there.name, &there.place, &target.name).await?),
        }
    }

    pub(crate) async fn open(&self, ctx: &Context, entry: &Entry) -> Result<Archive, RestoreError> {
        match self {
            Self::Here => super::open(entry).await,
            Self::There(there) => {
                let known = ctx.state.copy(&there.name, &entry.label).await?.filter(|_| !there.is_anothers);
                Ok(offsite::open(&there.place, &entry.label, known, there.identity.as_ref()).await?)
            }
        }
    }

    /// Compares every stored byte with its digest before anything is changed.
    pub(crate) async fn check(
        &self,
        ctx: &Context,
        (entry, archive): (&Entry, &Archive),
        progress: &Progress,
    ) -> Result<(), RestoreError> {
        let Self::There(There { place, .. }) = self else { return Ok(verify::check(ctx, entry, progress).await?) };
        offsite::prove(place, &entry.label, progress).await?;
        let (archive, progress, label) = (archive.shared(), progress.clone(), entry.label.clone());
        let checked = tokio::task::spawn_blocking(move || archive.check(READERS, &progress)).await;
        Ok(checked.map_err(|_| RestoreError::Worker(label))??)
    }
}
