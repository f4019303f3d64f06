//! Making views, routines, triggers and events whoever they belong to.
//!
//! Owns what becomes of objects whose owner is not here or may not do here what they do. A view cannot be made over another view, or
//! over a function, that its own definer may not use: then those made so far are lent to this account until all are made, and
//! handed back to their definers last, those above before those below. Invariant: nothing that could be made is missing
//! because of its definer; what is not as it was is named. Held by `tests/it/mysql_definers.rs`.

use std::collections::BTreeMap;

use super::super::super::EngineError;
use super::super::connect::{Session, quote};
use super::super::definer::{quoted_length, without_definer};
use super::super::definition::Kind;
use super::super::errors::{NO_SUCH_COLUMN, NO_SUCH_DEFINER, VIEW_INVALID, number_of_error};
use super::heads::{again, made_by, named};
use super::{first_line, run_one};
use crate::count::many;
use crate::failure::Chain;

/// What a view reads is not there: `ER_BAD_DB_ERROR`, `ER_BAD_FIELD_ERROR`, `ER_NO_SUCH_TABLE`, `ER_SP_DOES_NOT_EXIST`, and the last.
const REFERS_TO_NOTHING: [u16; 5] = [1049, NO_SUCH_COLUMN, 1146, 1305, VIEW_INVALID];
/// `ER_EVENT_CANNOT_CREATE_IN_THE_PAST`.
const EVENT_DROPPED: u16 = 1588;
/// `ER_EVENT_EXEC_TIME_IN_THE_PAST`.
const EVENT_DISABLED: u16 = 1544;
/// How many objects of one definer are named.
const NAMED: usize = 20;

/// What came of objects that are not as they were, for people.
#[derive(Debug, Default)]
struct Made {
    /// Objects that are ours now, by the definer they had.
    changed: BTreeMap<String, Vec<String>>,
    /// Objects that fail when they are used, by a definer who is not here.
    missing: BTreeMap<String, Vec<String>>,
    /// Views that are not there, and events whose time has passed.
    broken: Vec<String>,
}

/// An object with what is said before and after it.
#[derive(Debug, Clone, Default)]
struct Object {
    before: Vec<String>,
    sql: String,
    after: Vec<String>,
}

impl Object {
    /// Whether others can stand on it.
    fn is_lendable(&self) -> bool {
        let kind = made_by(&self.sql).map(|(kind, _)| kind);
        let is_below = matches!(kind, Some(Kind::View | Kind::Function | Kind::Package | Kind::PackageBody));
        is_below && without_definer(&self.sql).is_some()
    }

    fn is_view(&self) -> bool {
        matches!(made_by(&self.sql), Some((Kind::View, _)))
    }
}

/// Makes the objects of an archive's statements; says what is not what it was.
pub(super) async fn make(session: &mut Session, statements: Vec<String>) -> Result<Vec<String>, EngineError> {
    let (objects, rest) = grouped(statements);
    let mut made = Made::default();
    // Those below others: made as they are to be, or lent to us.
    let (mut below, mut lends): (Vec<Object>, bool) = (Vec::new(), false);
    for object in objects {
        run_all(session, &object.before).await?;
        let done = make_or_lend(session, &object, &mut made, &mut lends, &below).await;
        match done {
            Ok(()) if object.is_lendable() => below.push(object.clone()),
            Ok(()) => {}
            // Its source was broken the same way: it cannot be made, and must not keep everything else from being there.
            Err(error)
                if object.is_view() && number_of_error(&error).is_some_and(|number| REFERS_TO_NOTHING.contains(&number)) =>
            {
                made.broken.push(format!("`{}` cannot be made: {}", first_line(&object.sql), Chain(&error)));
            }
            Err(error) => return Err(error),
        }
        run_all(session, &object.after).await?;
    }
    if lends {
        hand_back(session, below, &mut made).await?;
    }
    run_all(session, &rest).await?;
    Ok(made.told(session.place().user()))
}

/// Makes one object. Where that fails for whom others belong to, they and it are lent to us from then on.
async fn make_or_lend(
    session: &mut Session,
    object: &Object,
    made: &mut Made,
    lends: &mut bool,
    below: &[Object],
) -> Result<(), EngineError> {
    if *lends && object.is_lendable() {
        return run_one(session, &as_ours(&object.sql)).await;
    }
    let error = match make_one(session, &object.sql, made).await {
        Err(error) if object.is_view() && is_about_definers(&error) && !below.is_empty() => error,
        other => return other,
    };
    if *lends {
        return Err(error);
    }
    *lends = true;
    for lent in below {
        run_all(session, &lent.before).await?;
        make_again(session, &as_ours(&lent.sql)).await?;
        run_all(session, &lent.after).await?;
    }
    run_all(session, &object.before).await?;
    run_one(session, &as_ours(&object.sql)).await
}

/// Gives what was lent to whom it belongs: views before what they stand on, then routines in their order.
async fn hand_back(session: &mut Session, below: Vec<Object>, made: &mut Made) -> Result<(), EngineError> {
    // What was said of them when they were first made is said again now.
    let names: Vec<String> = below.iter().map(|object| named(&object.sql)).collect();
    for all in made.changed.values_mut().chain(made.missing.values_mut()) {
        all.retain(|name| !names.contains(name));
    }
    let (views, routines): (Vec<Object>, Vec<Object>) = below.into_iter().partition(Object::is_view);
    for object in views.into_iter().rev().chain(routines) {
        run_all(session, &object.before).await?;
        let Some((definer, ours)) = without_definer(&object.sql) else { continue };
        match make_again(session, &object.sql).await {
            Ok(()) => made.note_warnings(session, &object.sql, Some(definer)).await?,
            Err(EngineError::Lost { location, doing, source }) => {
                return Err(EngineError::Lost { location, doing, source });
            }
            Err(_) => {
                make_again(session, &ours).await?;
                made.changed.entry(account(&definer)).or_default().push(named(&object.sql));
            }
        }
        run_all(session, &object.after).await?;
    }
    Ok(())
}

async fn make_one(session: &mut Session, sql: &str, made: &mut Made) -> Result<(), EngineError> {
    let Some((definer, ours)) = without_definer(sql) else {
        run_one(session, sql).await?;
        return made.note_warnings(session, sql, None).await;
    };
    match run_one(session, sql).await {
        Ok(()) => made.note_warnings(session, sql, Some(definer)).await,
        Err(error) if may_not_define(&error) => {
            run_one(session, &ours).await?;
            made.note_warnings(session, sql, None).await?;
            made.changed.entry(account(&definer)).or_default().push(named(sql));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

async fn make_again(session: &mut Session, sql: &str) -> Result<(), EngineError> {
    let statements = again(sql, session.version.is_mariadb()).unwrap_or_else(|| vec![sql.to_owned()]);
    run_all(session, &statements).await
}

async fn run_all(session: &mut Session, statements: &[String]) -> Result<(), EngineError> {
    for sql in statements {
        run_one(session, sql).await?;
    }
    Ok(())
}

fn as_ours(sql: &str) -> String {
    without_definer(sql).map_or_else(|| sql.to_owned(), |(_, ours)| ours)
}

pub(super) fn may_not_define(error: &EngineError) -> bool {
    matches!(error, EngineError::Privilege { .. }) || number_of_error(error) == Some(NO_SUCH_DEFINER)
}

/// A definer in one spelling, whatever quotes the mode of its object has.
fn account(definer: &str) -> String {
    let part = |text: &str| {
        let mark = text.chars().next().unwrap_or('`');
        quote(&text.trim_matches(mark).replace(&format!("{mark}{mark}"), &mark.to_string()))
    };
    match quoted_length(definer) {
        Some(user) if definer[user..].starts_with('@') => format!("{}@{}", part(&definer[..user]), part(&definer[user + 1..])),
        Some(_) => part(definer),
        None => definer.to_owned(),
    }
}

/// Whether a view may have failed for want of somebody else's rights.
fn is_about_definers(error: &EngineError) -> bool {
    may_not_define(error) || number_of_error(error) == Some(VIEW_INVALID)
}

/// The objects, each with the settings around it, and what comes behind the last.
fn grouped(statements: Vec<String>) -> (Vec<Object>, Vec<String>) {
    let mut objects: Vec<Object> = Vec::new();
    let (mut before, mut is_foreign, mut is_behind) = (Vec::new(), false, false);
    for sql in statements {
        let is_alter = sql.starts_with("ALTER DATABASE ");
        // What sets a session or the database back belongs to the object before it.
        let closes = is_behind && (sql.starts_with("SET NAMES ") || (is_alter && is_foreign));
        is_foreign ^= is_alter;
        if let Some(object) = objects.last_mut().filter(|_| closes) {
            object.after.push(sql);
        } else if made_by(&sql).is_some() {
            objects.push(Object { before: std::mem::take(&mut before), sql, after: Vec::new() });
            is_behind = true;
        } else {
            is_behind = false;
            before.push(sql);
        }
    }
    (objects, before)
}

impl Made {
    /// Notes what the server has just said of an object that it made.
    async fn note_warnings(&mut self, session: &mut Session, sql: &str, definer: Option<String>) -> Result<(), EngineError> {
        let warned = session.texts("read the server's warnings", "SHOW WARNINGS").await?;
        let codes: Vec<u16> = warned.into_iter().filter_map(|row| row.into_iter().nth(1)??.parse().ok()).collect();
        if let Some(definer) = definer.filter(|_| codes.contains(&NO_SUCH_DEFINER)) {
            self.missing.entry(account(&definer)).or_default().push(named(sql));
        }
        if codes.contains(&EVENT_DROPPED) {
            self.broken.push(format!("{}: its time has passed, and no server makes such an event again", named(sql)));
        }
        if codes.contains(&EVENT_DISABLED) {
            self.broken.push(format!("{}: its time has passed, and the server has it disabled", named(sql)));
        }
        Ok(())
    }

    fn told(self, user: &str) -> Vec<String> {
        let changed = self.changed.into_iter().filter(|(_, names)| !names.is_empty()).map(|(definer, names)| {
            let are = if names.len() == 1 { "is" } else { "are" };
            format!("definer {definer} cannot be set by user {user}: {} {are} {user}'s now: {}", objects(&names), list(&names))
        });
        let missing = self.missing.into_iter().filter(|(_, names)| !names.is_empty()).map(|(definer, names)| {
            let fail = if names.len() == 1 { "fails when it is" } else { "fail when they are" };
            format!("definer {definer} does not exist here: {} {fail} used: {}", objects(&names), list(&names))
        });
        changed.chain(missing).chain(self.broken).collect()
    }
}

fn objects(names: &[String]) -> String {
    many(names.len() as u64, "object")
}

fn list(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let first = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

#[cfg(test)]
mod tests;
