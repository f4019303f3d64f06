//! What is said between command line, daemon and whoever uses the socket, version 1. Documented in `docs/api.md`, held by the
//! golden files in `tests/golden/api`.
//!
//! Only data, below everything that speaks it: nothing here looks, decides or prints. Invariants: a field is added with a
//! default, and none is renamed or given another meaning within `/v1`; a secret is written by nobody who does not ask for it
//! by name ([`Address::reveal`], [`Private::reveal`]).

mod action;
mod address;
mod answer;
mod job;
mod private;
mod status;

pub use action::{
    Action, Asker, Backup, By, Copy, Drill, Gate, Hold, Migrate, MigrateAsk, MigrateVerb, OffsiteCheck, OffsiteInit,
    OffsiteProve, Pin, Plan, Prune, Rehearse, ReleaseHold, Restore, Rollback, Settle, Unpin, Upgrade, Verify, VerifyCopies,
};
pub use address::Address;
pub use answer::{Decided, Passed, Released, Undecided, Upgraded, Verified, WouldRun};
pub use job::{Event, Job, JobState};
pub use private::Private;
pub use status::{
    ArchiveStatus, CopiesStatus, CopyStatus, DowntimePart, DowntimeStatus, DrillStatus, ExpectedDowntime, HistoryStatus,
    HoldStatus, KeptStatus, OutageStatus, ProvenStatus, RehearsalStatus, ReleaseStatus, RuleStatus, RunStatus, ShapeStatus,
    Status, Step, TargetStatus, UpgradeStatus,
};
