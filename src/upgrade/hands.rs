//! What an upgrade may do to the world, as one trait.
//!
//! Owns the list of effects. There is one real implementation (`real`), and a fake beside the driver's tests for what must
//! misbehave. Every effect may be repeated: a second one finds the first and does no harm.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::UpgradeError;
use super::plan::Scripts;
use super::state::{Event, Failed, ReleaseAt, Step, Tool};
use crate::archive::manifest::Kind;
use crate::engine::Compared;
use crate::failure::{Chain, Explain};
use crate::ids::Label;
use crate::service::ServiceState;
use crate::shape::Shape;
use crate::version::Version;

/// The database, seen with a fresh connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// Its shape.
    pub shape: Shape,
    /// How it stands to the installed release's scripts; none when there are none.
    pub scripts: Option<Scripts>,
}

/// What applying migrations came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Migrated {
    /// One sentence.
    pub said: String,
    /// How many were applied, where we did it ourselves.
    pub applied: Option<usize>,
}

/// What an effect came to, and the moment between its two parts where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InParts<T> {
    /// It.
    pub what: T,
    /// When its first part had ended.
    pub between: Option<DateTime<Utc>>,
}

/// The effects. Each waits for nothing but the thing it names.
pub(crate) trait Hands: Sync {
    /// Makes an event durable. When it fails, nothing is known and the driver stops where it is.
    fn record(&self, event: &Event) -> impl Future<Output = Result<(), UpgradeError>> + Send;

    /// Waits before another attempt.
    fn pause(&self, pause: Duration) -> impl Future<Output = ()> + Send;

    /// The installed release.
    fn release(&self) -> impl Future<Output = Result<ReleaseAt, Failed>> + Send;

    /// Whether the server runs.
    fn service(&self) -> impl Future<Output = ServiceState> + Send;

    /// Stops the server and sees that it is stopped.
    fn stop(&self) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Starts the server, past the gate, and sees that it runs.
    fn start(&self) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Waits until the server is healthy, and then until it has stayed so; the answer in words.
    fn healthy(&self) -> impl Future<Output = Result<InParts<String>, Failed>> + Send;

    /// The shape of the database. Unlike [`Hands::look`] it asks nothing of the release, which may be damaged.
    fn shape(&self) -> impl Future<Output = Result<Shape, Failed>> + Send;

    /// Looks at the database.
    fn look(&self) -> impl Future<Output = Result<Look, Failed>> + Send;

    /// The newest archive of a kind that this upgrade took, if one is there and whole.
    fn find_archive(&self, kind: Kind) -> impl Future<Output = Result<Option<Label>, Failed>> + Send;

    /// Takes this upgrade's archive of a kind: sealed, and then read back; pinned. An earlier one of the kind is superseded by it.
    fn archive(&self, kind: Kind) -> impl Future<Output = Result<InParts<Label>, Failed>> + Send;

    /// Whether the database is still what an archive says, read anew. What a crash left of an exchange is settled first.
    fn compare(&self, label: &Label) -> impl Future<Output = Result<Compared, Failed>> + Send;

    /// The migrations in the database that an earlier release does not know, where its scripts are known.
    fn ahead_of(&self, earlier: &ReleaseAt) -> impl Future<Output = Result<Vec<String>, Failed>> + Send;

    /// Whether everything is there that only a person could put there later: asked before the server is stopped.
    fn ready(&self) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Applies what is pending; what was done in words. `begun` is a tool that an earlier run began for this and that has
    /// ended since: how it ended is looked at where that is known, and it is not begun again.
    fn migrate(&self, begun: Option<&Tool>) -> impl Future<Output = Result<Migrated, Failed>> + Send;

    /// Whether it can still be told how a tool ended that an earlier run began, and that does not run any more.
    fn outcome_known(&self, tool: &Tool) -> impl Future<Output = Result<bool, Failed>> + Send;

    /// Ends when the effect underway goes on without us, so that whoever wants us to stop need not wait for it.
    fn handed_over(&self) -> impl Future<Output = ()> + Send;

    /// Waits before a step until nothing is left of a tool that an earlier run began, or that is just being killed; for as long as a
    /// tool may take. Never ends it: nobody but a person knows what it is in the middle of. Before the migrations it is enough that
    /// its program has ended and nothing is pending: whom it left behind has no part in them.
    fn outlast(&self, tool: Option<&Tool>, step: Step) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Puts an archive in the database's place, as a whole or not at all, and compares. Under a fence it is first proved that what
    /// is there is still what `kept` says; where it is not, it is archived again.
    fn restore(&self, label: &Label, kept: Option<&Label>) -> impl Future<Output = Result<String, Failed>> + Send;

    /// Makes an earlier release the installed one again.
    fn point_back(&self, to: &ReleaseAt) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Holds a version.
    fn hold(&self, version: &Version, reason: &str) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Writes the note for the day the daemon cannot start. Advisory: a failure is logged by whoever does it.
    fn leave_note(&self, archive: &Label) -> impl Future<Output = ()> + Send;
}

impl Failed {
    /// The failure a module's error explains itself to be.
    #[must_use]
    pub fn of<E: Explain>(error: &E) -> Self {
        let failed = Self::new(error.class(), Chain(error).to_string());
        Self { transient: error.transient(), hints: error.hints(), ..failed }
    }
}
