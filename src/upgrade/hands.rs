//! What an upgrade may do to the world, as one trait.
//!
//! Owns the list of effects. There is one real implementation (`real`), and a fake beside the driver's tests for what must
//! misbehave. Every effect may be repeated: a second one finds the first and does no harm.

use std::time::Duration;

use super::UpgradeError;
use super::plan::Scripts;
use super::state::{Event, Failed, ReleaseAt, Tool};
use crate::archive::manifest::Kind;
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

    /// Waits until the server is healthy and has stayed so; the answer in words.
    fn healthy(&self) -> impl Future<Output = Result<String, Failed>> + Send;

    /// The shape of the database. Unlike [`Hands::look`] it asks nothing of the release, which may be damaged.
    fn shape(&self) -> impl Future<Output = Result<Shape, Failed>> + Send;

    /// Looks at the database.
    fn look(&self) -> impl Future<Output = Result<Look, Failed>> + Send;

    /// This upgrade's archive of a kind, if it is there and whole. `round` counts the answers of a person since the first.
    fn find_archive(&self, kind: Kind, round: u32) -> impl Future<Output = Result<Option<Label>, Failed>> + Send;

    /// Takes this upgrade's archive of a kind: sealed, read back, pinned.
    fn archive(&self, kind: Kind, round: u32) -> impl Future<Output = Result<Label, Failed>> + Send;

    /// Whether everything is there that only a person could put there later: asked before the server is stopped.
    fn ready(&self) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Applies what is pending; what was done in words. `begun` is a tool that an earlier run began for this and that has
    /// ended since: how it ended is looked at where that is known, and it is not begun again.
    fn migrate(&self, begun: Option<&Tool>) -> impl Future<Output = Result<String, Failed>> + Send;

    /// Ends when the effect underway goes on without us, so that whoever wants us to stop need not wait for it.
    fn handed_over(&self) -> impl Future<Output = ()> + Send;

    /// Waits until nothing is left of a tool that an earlier run began, or that is just being killed; for as long as a tool
    /// may take. Never ends it: nobody but a person knows what it is in the middle of.
    fn outlast(&self, tool: Option<&Tool>) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Puts an archive in the database's place, as a whole or not at all, and compares.
    fn restore(&self, label: &Label) -> impl Future<Output = Result<String, Failed>> + Send;

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
        let (class, message) = (error.class(), Chain(error).to_string());
        Self { class, message, transient: error.transient(), hints: error.hints(), partial: false }
    }
}
