//! What is said on a command line of an archive's copy at a place away from the host, and opening the place.

use std::path::PathBuf;
use std::sync::Arc;

use super::at::At;
use super::{Stop, World, identity, offsite};
use crate::cipher::Identity;
use crate::ids::{OwnerName, PlaceName};

/// Where its copy is, if that is meant.
#[derive(Debug, clap::Args)]
pub(super) struct Elsewhere {
    /// From the copy at this place away from the host: by its name in the configuration, or a directory, an s3:// or an sftp:// URL without one.
    #[arg(long, value_name = "PLACE|URL")]
    pub(super) at: Option<At>,
    /// A copy of another host's, by the name (`owner`) under which that host writes there.
    #[arg(long, value_name = "OWNER", requires = "at")]
    pub(super) owner: Option<OwnerName>,
    /// The file with the secret half of a key, for a copy that is encrypted: lines AGE-SECRET-KEY-1…, or an ssh-ed25519 key.
    #[arg(long, value_name = "FILE", requires = "at")]
    identity: Option<PathBuf>,
}

impl Elsewhere {
    pub(super) fn new(at: Option<At>, owner: Option<OwnerName>, identity: Option<PathBuf>) -> Self {
        Self { at, owner, identity }
    }

    /// The place, and what opens encrypted copies there.
    pub(super) async fn reach(
        &self,
        place: &PlaceName,
        world: &World,
    ) -> Result<(offsite::There, Option<Arc<Identity>>), Stop> {
        let given = identity::given(self.identity.as_deref(), world)?;
        let there = offsite::there(&identity::with(world, given.as_ref()), place, self.owner.as_ref()).await?;
        Ok((there, given.and_then(|given| Identity::parse(given.reveal()).ok()).map(Arc::new)))
    }
}
