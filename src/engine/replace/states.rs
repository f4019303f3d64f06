//! What a crash left of an exchange, and so what has to become of it: pure.
//!
//! There are three places: the database's own name, the new content's and the old content's. An engine that renames whole databases
//! (PostgreSQL) puts its mark on the new content once the old one is proved, so the mark travels with it; one that moves tables (MySQL,
//! MariaDB) has notes that travel from the new place to the old. Either way the question has one of six answers.

/// What has to become of what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Left {
    /// Nothing of ours is there.
    Nothing,
    /// New content that never was to take the place: it goes. The old content was not touched.
    Loading,
    /// The old content is fenced and not yet given up: it gets its name (and what was set aside) back, the new content goes.
    Fenced,
    /// The old content is kept and on its way out: the exchange is finished.
    Begun,
    /// The new content has the place: the old one goes.
    Exchanged,
    /// Nobody of ours leaves it like this: it is left alone, and told.
    Foreign,
}

/// One of the three places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::engine) struct Seen {
    /// Whether a database of that name is there.
    pub(in crate::engine) is_there: bool,
    /// Whether it has the mark.
    pub(in crate::engine) is_marked: bool,
}

/// Where whole databases are renamed. The mark is written after the old content was proved, which has left its name by then.
pub(in crate::engine) fn by_names(own: Seen, new: Seen, old: Seen) -> Left {
    match (own.is_there, new.is_there, old.is_there) {
        (false, true, _) if new.is_marked => Left::Begun,
        (false, _, true) => Left::Fenced,
        (true, false, _) if own.is_marked => Left::Exchanged,
        // The old content has its name, so it may have been written to since: the new one is worth nothing, marked or not.
        (_, true, false) => Left::Loading,
        (true, _, true) => Left::Foreign,
        (_, false, false) => Left::Nothing,
    }
}

/// Where tables move: whether the notes in the new place are complete, whether they say that the old tables only moved out to be proved
/// and all of the new ones are where they were made, whether the notes are in the old place, and whether that holds tables.
pub(in crate::engine) fn by_notes(new_is_ready: bool, is_fenced: bool, old_has_notes: bool, old_has_tables: bool) -> Left {
    match (old_has_notes, new_is_ready, old_has_tables) {
        (true, _, _) => Left::Exchanged,
        (false, true, true) if is_fenced => Left::Fenced,
        (false, true, true) => Left::Begun,
        (false, true, false) => Left::Fenced,
        (false, false, true) => Left::Foreign,
        (false, false, false) => Left::Loading,
    }
}

#[cfg(test)]
mod tests;
