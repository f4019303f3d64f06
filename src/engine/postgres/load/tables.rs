//! Filling the tables, building their indexes and reading them back over several connections, as the plan says.
//!
//! Each worker asks for the next step when it is done with one. It writes over one connection and reads over another, so that
//! what is compared is what anybody would see. Whoever fails ends the others: nobody waits for a step that will never be done.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::super::super::EngineError;
use super::super::super::crew::{Hand, Stop, hire, join_all};
use super::super::super::tally::Tally;
use super::super::catalog;
use super::super::compare::Reader;
use super::super::connect::{Place, Session};
use super::super::guard::{self, Need};
use super::builds::{Builds, sort_memory};
use super::copy::{load_few, load_frame, load_whole};
use super::plan::{Next, Plan, Step};
use super::together::run_short;
use super::{
    CHECK_MEMORY, demand_roles_of_policies, frames_of, in_turn, note_needs, open, relation_of, run_frame, run_one, text,
};
use crate::archive::Archive;
use crate::archive::manifest::{FrameKind, Table};
use crate::progress::Progress;

/// Sums over rows, by their table's place in the manifest.
type Sums = Vec<(usize, Tally)>;

/// What came of it.
#[derive(Debug)]
pub(super) struct Filled {
    /// The statements of the schema after the data that are still to be run.
    pub(super) rest: Vec<String>,
    /// The sums over the rows that were read back.
    pub(super) tallies: Sums,
    /// Whether statistics were collected.
    pub(super) analyzed: bool,
}

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

    /// The next steps, as soon as there are some; none when there is nothing left, or the others stopped.
    async fn next(&self, stop: &Stop) -> Option<Vec<Step>> {
        loop {
            // Listening before looking: a change in between is not missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if stop.asked() {
                return None;
            }
            {
                let mut plan = self.plan();
                match plan.next() {
                    Next::Take(step) => return Some(plan.with_company(step)),
                    Next::Done => return None,
                    Next::Wait => {}
                }
            }
            changed.await;
        }
    }
}

/// Wakes the others when a worker is done with its steps, or is gone without being done.
struct Turn<'a> {
    board: &'a Board,
    stop: &'a Stop,
    steps: Vec<Step>,
}

impl Turn<'_> {
    fn done(mut self) {
        let mut plan = self.board.plan();
        self.steps.drain(..).for_each(|step| plan.done(&step));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.steps.is_empty() {
            self.stop.now();
        }
        self.board.changed.notify_waiters();
    }
}

/// Loads all rows, builds the indexes and sums the rows up; the large objects over a connection of their own. Adds the roles
/// that the schema after the data names to `named`.
pub(super) async fn fill(
    place: &Place,
    archive: &Arc<Archive>,
    head: &str,
    jobs: usize,
    progress: &Progress,
    named: &mut Vec<Need>,
    stop: &Stop,
) -> Result<Filled, EngineError> {
    // With the settings of a load: what is asked here may take longer than the role's own would let it.
    let mut session = open(place, head).await?;
    let kept = catalog::extension_tables(&mut session).await?;
    let derived = catalog::has_derived_statistics(&mut session).await?;
    let turns = in_turn(&mut session, archive).await?;
    let after = text(archive, FrameKind::PostData).await?;
    let mut policies = Vec::new();
    let mut builds = Builds::of(&after, &archive.manifest().tables, |sql| {
        note_needs(sql, named);
        policies.extend(guard::restricts(sql));
    });
    demand_roles_of_policies(&mut session, &policies).await?;
    session.close().await;
    let analyzed = !derived && builds.leave_statistics_alone();
    let rest = std::mem::take(&mut builds.rest);
    let plan = Plan::of(archive.manifest(), jobs, &kept, &turns, builds, analyzed);
    let workers = jobs.min(plan.steps());
    let board = Arc::new(Board { plan: Mutex::new(plan), changed: Notify::new() });
    let mut hands = Vec::with_capacity(workers + 1);
    for _ in 0..workers {
        let (place, archive, head) = (place.clone(), Arc::clone(archive), head.to_owned());
        let (board, progress, own) = (Arc::clone(&board), progress.clone(), stop.clone());
        hands.push(hire("loading tables", stop, move || async move {
            let session = open(&place, &head).await?;
            let memory = CHECK_MEMORY;
            let worker =
                Worker { place, archive, session, memory, reader: None, board, progress, stop: own, tallies: Vec::new() };
            worker.work().await
        })?);
    }
    hands.extend(load_objects(place, archive, head, stop)?);
    let tallies = join_all(hands).await?.into_iter().flatten().collect();
    Ok(Filled { rest, tallies, analyzed })
}

/// One that loads, builds and reads back.
struct Worker {
    place: Place,
    archive: Arc<Archive>,
    session: Session,
    /// For an index or a check, as it is set in the session.
    memory: u32,
    /// Made when there is something to compare.
    reader: Option<Reader>,
    board: Arc<Board>,
    progress: Progress,
    stop: Stop,
    tallies: Sums,
}

/// The statement of a step that builds or checks something.
fn statement(step: &Step) -> Option<&str> {
    match step {
        Step::Key(_, sql) | Step::Index(_, sql) | Step::Foreign(_, _, sql) => Some(sql),
        _ => None,
    }
}

/// How much memory it is given, in MiB.
fn memory_for(step: &Step, tables: &[Table]) -> u32 {
    match step {
        Step::Key(table, _) | Step::Index(table, _) => sort_memory(tables[*table].bytes),
        _ => CHECK_MEMORY,
    }
}

/// Collects statistics, together; where that fails one by one, for the server need not say of which.
async fn analyze(session: &mut Session, tables: &[&Table]) -> Result<(), EngineError> {
    let name = |table: &&Table| relation_of(table).quoted();
    let all = format!("ANALYZE {}", tables.iter().map(name).collect::<Vec<_>>().join(", "));
    if tables.len() > 1 && session.run("collect statistics", &all).await.is_ok() {
        return Ok(());
    }
    for table in tables {
        let doing = format!("collect statistics of table {}", table.qualified());
        session.run(&doing, &format!("ANALYZE {}", name(table))).await?;
    }
    Ok(())
}

impl Worker {
    async fn work(mut self) -> Result<Sums, EngineError> {
        let (board, stop) = (Arc::clone(&self.board), self.stop.clone());
        while let Some(steps) = board.next(&stop).await {
            let turn = Turn { board: &board, stop: &stop, steps: steps.clone() };
            if let Err(error) = self.take_all(&steps).await {
                self.session.abandon().await;
                return Err(error);
            }
            turn.done();
        }
        self.session.close().await;
        if let Some(reader) = self.reader {
            reader.close().await;
        }
        Ok(self.tallies)
    }

    /// Takes a step, or several of one kind together.
    async fn take_all(&mut self, steps: &[Step]) -> Result<(), EngineError> {
        let tables = &self.archive.manifest().tables;
        match steps {
            [Step::Whole(..), Step::Whole(..), ..] => {
                let few: Vec<(usize, &[usize])> = steps
                    .iter()
                    .filter_map(|step| match step {
                        Step::Whole(table, frames) => Some((*table, frames.as_slice())),
                        _ => None,
                    })
                    .collect();
                load_few(&mut self.session, &self.archive, &few, &self.progress, &self.stop).await
            }
            [Step::Analyze(_), ..] => {
                let of = |step: &Step| match step {
                    Step::Analyze(table) => Some(&tables[*table]),
                    _ => None,
                };
                analyze(&mut self.session, &steps.iter().filter_map(of).collect::<Vec<_>>()).await
            }
            [first, _, ..] => {
                let memory = memory_for(first, tables);
                self.set_memory(memory).await?;
                let statements: Vec<String> = steps.iter().filter_map(statement).map(str::to_owned).collect();
                run_short(&mut self.session, &statements).await
            }
            [step] => self.take(step).await,
            [] => Ok(()),
        }
    }

    async fn take(&mut self, step: &Step) -> Result<(), EngineError> {
        match step {
            Step::Whole(_, frames) => load_whole(&mut self.session, &self.archive, frames, &self.progress, &self.stop).await,
            Step::Part(_, frame) => load_frame(&mut self.session, &self.archive, *frame, "", &self.progress, &self.stop).await,
            Step::Key(_, sql) | Step::Index(_, sql) | Step::Foreign(_, _, sql) => {
                let memory = memory_for(step, &self.archive.manifest().tables);
                self.set_memory(memory).await?;
                run_one(&mut self.session, sql).await
            }
            Step::Measure(table) => self.measure(*table).await,
            Step::Compare(relation, task) => {
                let (progress, stop) = (self.progress.clone(), self.stop.clone());
                let tally = self.reader().await?.sum(relation, *task, &progress, &stop).await?;
                self.tallies.push((task.table, tally));
                Ok(())
            }
            // Taken with others of its kind.
            Step::Analyze(_) => Ok(()),
        }
    }

    async fn set_memory(&mut self, mebibytes: u32) -> Result<(), EngineError> {
        if self.memory != mebibytes {
            let memory = format!("SET maintenance_work_mem = '{mebibytes}MB'");
            self.session.run("set the memory for an index", &memory).await?;
            self.memory = mebibytes;
        }
        Ok(())
    }

    async fn measure(&mut self, at: usize) -> Result<(), EngineError> {
        let archive = Arc::clone(&self.archive);
        let table: &Table = &archive.manifest().tables[at];
        let measured = self.reader().await?.measure(table).await?;
        // A table that is not there has no rows to sum up, which is not what the manifest says.
        let (relation, tasks) = measured.unwrap_or_else(|| (relation_of(table), Vec::new()));
        self.board.plan().measured(at, &Arc::new(relation), tasks);
        Ok(())
    }

    async fn reader(&mut self) -> Result<&mut Reader, EngineError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::open(&self.place).await?,
        };
        Ok(self.reader.insert(reader))
    }
}

fn load_objects(place: &Place, archive: &Arc<Archive>, head: &str, stop: &Stop) -> Result<Option<Hand<Sums>>, EngineError> {
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
        Ok(Vec::new())
    })?;
    Ok(Some(hand))
}
