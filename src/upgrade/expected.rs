//! What downtime the next upgrade may be expected to need, by what past ones of the target took.
//!
//! Only reads the journal. What a release's own migrations need is in no past upgrade, and nothing here guesses it.

use std::time::Duration;

use super::downtime::Downtime;
use super::plan::Purpose;
use super::state::Phase;
use super::{UpgradeError, record};
use crate::ids::TargetName;
use crate::state_db::StateDb;

/// Upgrades that an expectation is made of, at most: older ones tell of another size of data.
const NEWEST: usize = 5;

/// So many are looked through for them: this is read at every look while an upgrade is pending.
const LOOKED_THROUGH: u32 = 20;

/// What the next upgrade may be expected to need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The newest upgrade's.
    pub last: Downtime,
    /// How many upgrades are behind the two below.
    pub upgrades: usize,
    /// The shortest of them.
    pub least: Duration,
    /// The longest of them.
    pub most: Duration,
}

/// What the newest committed upgrades of a target took; none where there was none that tells.
///
/// # Errors
/// When the journal cannot be listed.
pub async fn expected(db: &StateDb, target: &TargetName) -> Result<Option<Expected>, UpgradeError> {
    let mut known: Vec<Downtime> = Vec::new();
    for row in db.upgrades(target, LOOKED_THROUGH).await? {
        // One that cannot be read says nothing here, and is in nobody's way; whoever needs it is told.
        let Ok(record) = record::load(db, row).await else { continue };
        let counts = record.state.phase == Phase::Committed && record.plan.purpose == Purpose::Upgrade;
        known.extend(record.downtime.filter(|downtime| counts && downtime.until.is_some()));
        if known.len() == NEWEST {
            break;
        }
    }
    let (Some(least), Some(most)) = (known.iter().map(Downtime::took).min(), known.iter().map(Downtime::took).max()) else {
        return Ok(None);
    };
    let upgrades = known.len();
    Ok(known.into_iter().next().map(|last| Expected { last, upgrades, least, most }))
}
