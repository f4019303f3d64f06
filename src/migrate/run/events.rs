//! Which callbacks run: the events of what upkeep does with a database.
//!
//! An event Flyway would have run SQL at and we have no moment for is refused by name: a script that silently does not run is
//! worse than a run that does not begin.

use crate::config::Callbacks;
use crate::migrate::plan::Problem;
use crate::migrate::scan::Scripts;

/// Events that happen here.
const HAPPEN: &[&str] = &[
    "beforeValidate",
    "afterValidate",
    "beforeMigrate",
    "beforeRepeatables",
    "beforeEachMigrate",
    "afterEachMigrate",
    "afterEachMigrateError",
    "afterVersioned",
    "afterMigrateApplied",
    "afterMigrate",
    "afterMigrateError",
    "beforeBaseline",
    "afterBaseline",
    "beforeRepair",
    "afterRepair",
    "beforeUndo",
    "beforeEachUndo",
    "afterEachUndo",
    "afterUndo",
];

/// Events that never happen: nothing is ever cleaned, and looking runs nothing.
const NEVER: &[&str] = &[
    "beforeClean",
    "afterClean",
    "afterCleanError",
    "afterCleanOperationFinish",
    "beforeInfo",
    "afterInfo",
    "afterInfoError",
    "afterInfoOperationFinish",
];

/// Whether anything runs at an event.
pub(super) fn happens(event: &str) -> bool {
    HAPPEN.contains(&event)
}

/// The callbacks that stand against migrating at all.
pub(super) fn refused(scripts: &Scripts, callbacks: Callbacks) -> Vec<Problem> {
    let stands_against = |event: &str| match callbacks {
        Callbacks::Run => !HAPPEN.contains(&event) && !NEVER.contains(&event),
        Callbacks::Refuse => !NEVER.contains(&event),
    };
    let found = scripts.callbacks.iter().filter(|callback| stands_against(callback.event));
    found
        .map(|callback| Problem::Callback { script: callback.script.file.script.clone(), event: callback.event.to_owned() })
        .collect()
}
