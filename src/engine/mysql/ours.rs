//! The names of what is ours in a server: tables that dumps and shapes leave out, and the database beside another.

use super::super::replace::names::OLD;

/// Tables that a load or a migration leaves for a moment, and that are never part of a dump or a shape.
pub(super) const OWN_TABLES: [&str; 6] =
    [UNFINISHED_LOAD, "upkeep_swap", FENCED, "upkeep_migration_progress", "upkeep_new_history", SCRATCH];
/// The one that says that the content is not whole.
pub(super) const UNFINISHED_LOAD: &str = "upkeep_unfinished_load";
/// The one whose comment says of which drill a scratch is.
pub(super) const SCRATCH: &str = "upkeep_scratch";
/// The one that holds what cannot leave its database, beside tables that did.
pub(super) const FENCED: &str = "upkeep_fenced";

/// Whether a database of this name may hold what was moved out of another's place.
pub(super) fn is_aside(database: &str) -> bool {
    database.ends_with(OLD)
}
