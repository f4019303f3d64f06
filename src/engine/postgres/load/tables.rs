//! Filling the tables and building their indexes over several connections, as the plan says.
//!
//! Each worker has a connection of its own and asks for the next step when it is done with one. Whoever fails ends the others:
//! nobody waits for a step that will never be done.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::super::super::EngineError;
use super::super::super::crew::{Hand, Stop, hire, join_all};
use super::super::catalog;
use super::super::connect::{Place, Session};
use super::copy::{load_frame, load_whole};
use super::plan::{Next, Plan, Step, sort};
use super::{frames_of, note_roles, open, run_frame, run_one, text};
use crate::archive::Archive;
use crate::archive::manifest::FrameKind;
use crate::progress::Progress;

/// The plan that the workers share.
#[derive(Debug)]
struct Board {
    plan: Mutex<Plan>,
    changed: Notify,
}

impl Board {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next step, as soon as there is one; none when there is nothing left, or the others stopped.
    async fn next(&self, stop: &Stop) -> Option<Step> {
        loop {
            // Listening before looking: a change in between is not missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if stop.asked() {
                return None;
            }
            let next = self.plan().next();
            match next {
                Next::Take(step) => return Some(step),
                Next::Done => return None,
                Next::Wait => changed.await,
            }
        }
    }
}

/// Wakes the others when a worker is done with a step, or is gone without being done.
struct Turn<'a> {
    board: &'a Board,
    stop: &'a Stop,
    step: Option<Step>,
}

impl Turn<'_> {
    /// Whether this was the last of all rows.
    fn done(mut self) -> bool {
        self.step.take().is_some_and(|step| self.board.plan().done(&step))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.step.is_some() {
            self.stop.now();
        }
        self.board.changed.notify_waiters();
    }
}

/// Loads all rows and builds the indexes; the large objects over a connection of their own. Gives the statements of the schema
/// after the data that are still to be run, and adds the roles they name to `named`.
pub(super) async fn fill(
    place: &Place,
    archive: &Arc<Archive>,
    head: &str,
    jobs: usize,
    progress: &Progress,
    named: &mut Vec<String>,
    stop: &Stop,
) -> Result<Vec<String>, EngineError> {
    let mut session = place.connect().await?;
    let kept = catalog::extension_tables(&mut session).await?;
    session.close().await;
    let after = text(archive, FrameKind::PostData).await?;
    let (builds, rest) = sort(&after, &archive.manifest().tables, |sql| note_roles(sql, named));
    let plan = Plan::of(archive.manifest(), jobs, &kept, builds);
    let workers = jobs.min(plan.steps());
    let board = Arc::new(Board { plan: Mutex::new(plan), changed: Notify::new() });
    let mut hands = Vec::with_capacity(workers + 1);
    for _ in 0..workers {
        let (place, archive, head) = (place.clone(), Arc::clone(archive), head.to_owned());
        let (board, progress, own) = (Arc::clone(&board), progress.clone(), stop.clone());
        hands.push(hire("loading tables", stop, move || async move {
            let mut session = open(&place, &head).await?;
            while let Some(step) = board.next(&own).await {
                let turn = Turn { board: &board, stop: &own, step: Some(step.clone()) };
                if let Err(error) = run(&mut session, &archive, &step, &progress, &own).await {
                    session.abandon().await;
                    return Err(error);
                }
                if turn.done() {
                    progress.phase("building indexes", 0);
                }
            }
            session.close().await;
            Ok(())
        })?);
    }
    hands.extend(load_objects(place, archive, head, stop)?);
    join_all(hands).await?;
    Ok(rest)
}

async fn run(
    session: &mut Session,
    archive: &Arc<Archive>,
    step: &Step,
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    match step {
        Step::Whole(_, frames) => load_whole(session, archive, frames, progress, stop).await,
        Step::Part(_, frame) => load_frame(session, archive, *frame, "", progress, stop).await,
        Step::Key(_, sql) | Step::Index(_, sql) => run_one(session, sql).await,
    }
}

fn load_objects(place: &Place, archive: &Arc<Archive>, head: &str, stop: &Stop) -> Result<Option<Hand<()>>, EngineError> {
    let objects = frames_of(archive, FrameKind::LargeObjects);
    if objects.is_empty() {
        return Ok(None);
    }
    let (place, archive, head) = (place.clone(), Arc::clone(archive), head.to_owned());
    let hand = hire("loading large objects", stop, move || async move {
        let mut session = open(&place, &head).await?;
        for index in objects {
            run_frame(&mut session, &archive, index, &mut Vec::new()).await?;
        }
        session.close().await;
        Ok(())
    })?;
    Ok(Some(hand))
}
