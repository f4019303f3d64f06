//! Ticks at the times that the schedules name, and each says only "look".
//!
//! Owns one job of `tokio-cron-scheduler` for each schedule that is configured, and the thread they live on. Never decides what is
//! due: that is `schedule::due`, asked by the loop. The loop also sleeps until the next due moment by itself, at most a minute, so a
//! tick that is missing, late, doubled or an hour off (the crate keeps the zone's offset of the moment a job was made) changes
//! nothing. What ticks add: they follow the clock on the wall, which our sleep does not, so that a due moment that a set clock or a
//! host's sleep has jumped to is served within a second in place of a minute. Without a schedule there is no thread and nothing ticks
//! (`docs/decisions/002-tokio-cron-scheduler-as-a-metronome.md`).
//!
//! A thread with a runtime of its own, because the crate starts tasks that nobody can join: they end with that runtime, and so they
//! have an owner who joins them.

use std::collections::BTreeSet;
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::Duration;

use chrono_tz::Tz;
use tokio::sync::mpsc;
use tokio_cron_scheduler::{JobBuilder, JobScheduler, JobSchedulerError};

use crate::config::Config;
use crate::schedule::Schedule;

/// One tick waits at most: a second one would say the same.
const TICKS: usize = 1;

/// Different schedules that get a job. The crate polls every one of them twice a second; the sleep alone serves those beyond.
const MOST_JOBS: usize = 200;

/// Messages that wait between the crate's tasks for each job: scheduled, started, done, and its activation.
const MESSAGES_PER_JOB: usize = 4;

/// How often the jobs have their turn: a tick is at most this late.
const PACE: Duration = Duration::from_secs(1);

/// How many of the crate's tasks one after the other a turn lets run: from the poll to a job there are five. What is left has the next turn.
const ROUNDS: usize = 32;

/// What a job is made of. Two targets with the same schedule share one: its tick has every schedule looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Beat {
    /// The expression, with seconds.
    expression: String,
    /// By its name.
    zone: &'static str,
}

/// Living jobs.
pub(super) struct Metronome {
    beats: BTreeSet<Beat>,
    room: Option<Room>,
    tick: mpsc::Sender<()>,
    ticks: mpsc::Receiver<()>,
}

/// The thread that the jobs live on.
struct Room {
    /// Dropped to end it.
    leave: std::sync::mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Metronome {
    /// One that is silent.
    pub(super) fn silent() -> Self {
        let (tick, ticks) = mpsc::channel(TICKS);
        Self { beats: BTreeSet::new(), room: None, tick, ticks }
    }

    /// Has one job for each schedule of this configuration, and no other.
    pub(super) fn tune(&mut self, config: &Config) {
        let all = config
            .targets
            .values()
            .flat_map(|target| [&target.backup.schedule, &target.drill.schedule, &target.rehearse.schedule]);
        self.play(beats(all.flatten()));
    }

    fn play(&mut self, beats: BTreeSet<Beat>) {
        if beats == self.beats {
            return;
        }
        self.silence();
        self.room = (!beats.is_empty()).then(|| enter(beats.clone(), self.tick.clone())).flatten();
        self.beats = beats;
    }

    /// The next tick. Cancel-safe: a tick not taken stays.
    pub(super) async fn tick(&mut self) {
        // Never closed: we hold a sender ourselves.
        self.ticks.recv().await;
    }

    /// Ends every job, and returns when none lives. That takes no time to speak of: a job does nothing but send a tick, without waiting.
    fn silence(&mut self) {
        let Some(Room { leave, thread }) = self.room.take() else { return };
        drop(leave);
        if thread.join().is_err() {
            tracing::warn!("the metronome of the schedules broke; the daemon's own sleep served them");
        }
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.silence();
    }
}

/// What there is to tick for.
fn beats<'a>(schedules: impl Iterator<Item = &'a Schedule>) -> BTreeSet<Beat> {
    let beat = |schedule: &Schedule| Beat { expression: schedule.with_seconds(), zone: schedule.zone().name() };
    let mut beats: BTreeSet<Beat> = schedules.map(beat).collect();
    while beats.len() > MOST_JOBS {
        beats.pop_last();
    }
    beats
}

/// Starts the thread; none when the host has none for us, which costs nothing but the ticks.
fn enter(beats: BTreeSet<Beat>, tick: mpsc::Sender<()>) -> Option<Room> {
    let (leave, left) = std::sync::mpsc::channel();
    let body = move || {
        if let Err(error) = play(&beats, &tick, &left) {
            tracing::warn!(%error, "schedules have no metronome; the daemon's own sleep serves them");
        }
    };
    match std::thread::Builder::new().name("upkeep-ticks".to_owned()).spawn(body) {
        Ok(thread) => Some(Room { leave, thread }),
        Err(error) => {
            tracing::warn!(%error, "schedules have no metronome; the daemon's own sleep serves them");
            None
        }
    }
}

/// Lets the jobs live until the sender of `left` is gone. The crate's tasks end with the runtime.
fn play(beats: &BTreeSet<Beat>, tick: &mpsc::Sender<()>, left: &std::sync::mpsc::Receiver<()>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|error| error.to_string())?;
    let _jobs = runtime.block_on(begin(beats, tick)).map_err(|error| error.to_string())?;
    // A runtime that nobody polls does nothing: left to itself it would wake four times a second, twice for each of the crate's sleeps.
    while left.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
        runtime.block_on(async {
            for _ in 0..ROUNDS {
                // Gives timers that have run out and tasks that they wake their turn.
                tokio::task::yield_now().await;
            }
        });
    }
    Ok(())
}

async fn begin(beats: &BTreeSet<Beat>, tick: &mpsc::Sender<()>) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new_with_channel_size(beats.len() * MESSAGES_PER_JOB).await?;
    for beat in beats {
        let tick = tick.clone();
        // It is the name of a zone that was read; one that is unknown would only tick at other moments.
        let zone: Tz = beat.zone.parse().unwrap_or(Tz::UTC);
        let job = JobBuilder::new().with_timezone(zone).with_cron_job_type().with_schedule(&beat.expression)?;
        // A full channel holds a tick already.
        let job = job
            .with_run_sync(Box::new(move |_, _| {
                tick.try_send(()).ok();
            }))
            .build()?;
        scheduler.add(job).await?;
    }
    scheduler.start().await?;
    Ok(scheduler)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any machine takes; no assertion rests on how long it was.
    const AT_LAST: Duration = Duration::from_secs(120);

    fn of(schedules: &[(&str, &str)]) -> BTreeSet<Beat> {
        let read = |(expression, zone): &(&str, &str)| Schedule::parse(expression, zone.parse().unwrap()).unwrap();
        beats(schedules.iter().map(read).collect::<Vec<_>>().iter())
    }

    #[test]
    fn schedules_that_are_the_same_share_one_job_and_every_form_is_one_that_the_crate_reads() {
        let found = of(&[
            ("30 2 * * *", "Europe/Berlin"),
            ("30 2 * * *", "Europe/Berlin"),
            ("30 2 * * *", "UTC"),
            ("@daily", "UTC"),
            ("0 0 * * *", "UTC"),
            ("15 0 2,14 1-7 JAN SUN", "UTC"),
            ("0 3 L * *", "America/New_York"),
        ]);
        let shown: BTreeSet<String> = found.iter().map(|beat| format!("{} {}", beat.expression, beat.zone)).collect();
        let expect = [
            "0 0 0 * * * UTC",
            "0 0 3 L * * America/New_York",
            "0 30 2 * * * Europe/Berlin",
            "0 30 2 * * * UTC",
            "15 0 2,14 1-7 JAN SUN UTC",
        ];
        assert_eq!(shown, expect.map(str::to_owned).into());
        let (tick, _ticks) = mpsc::channel(TICKS);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { begin(&found, &tick).await.map(|_| ()) }).unwrap();
    }

    #[test]
    fn it_ticks_for_the_schedules_of_the_configuration_in_force_and_for_no_other() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut metronome = Metronome::silent();
        metronome.play(of(&[]));
        assert!(metronome.room.is_none(), "nothing to tick for, and a thread");
        metronome.play(of(&[("* * * * * *", "UTC")]));
        let ticked = runtime.block_on(async { tokio::time::timeout(AT_LAST, metronome.tick()).await });
        assert!(ticked.is_ok(), "never ticked");
        metronome.play(of(&[]));
        // The thread is joined, so nothing comes after what waits.
        assert!(metronome.room.is_none());
        metronome.ticks.try_recv().ok();
        assert_eq!(metronome.ticks.try_recv(), Err(mpsc::error::TryRecvError::Empty));
    }
}
