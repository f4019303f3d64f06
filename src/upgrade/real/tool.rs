//! The vendor's migration tool: begun, followed line by line, outlasted, judged by the database.
//!
//! Owns both ways to run it: as a unit of systemd, and as a process where no unit is configured; both go on without us.
//! Invariants: which tool was begun is in the journal before it begins; one that was begun is not begun again
//! before it was judged; none is ended by us but by its configured deadline. Held by the driver's tests and `tests/host/run`.

mod tail;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::RealHands;
use crate::config::Runner;
use crate::count::few;
use crate::durable;
use crate::failure::{Chain, Class};
use crate::process::{self, Command, Identity, Lines};
use crate::service::tool::{self, Doing, ToolError, ToolRun, ToolState};
use crate::trust;
use crate::upgrade::hands::Hands as _;
use crate::upgrade::plan::Scripts;
use crate::upgrade::state::{Event, Failed, Step, Tool};
use tail::{LastLines, Tail};

/// A file of variables longer than this is none.
const ENVIRONMENT_BYTES: u64 = 1024 * 1024;

/// How often a tool is looked for that is no child of ours: it takes minutes, and nobody waits for the second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long systemd may not answer, or not begin what it was asked to, before that is a failure: while its own package is
/// upgraded it is away for a moment.
const SILENCE: Duration = Duration::from_secs(60);

/// What this run began.
#[derive(Debug)]
pub(super) struct Begun {
    /// The child process, until it was seen to its end.
    process: Mutex<Option<Identity>>,
    /// Whether a unit runs, which goes on without us.
    handed: watch::Sender<bool>,
}

impl Default for Begun {
    fn default() -> Self {
        Self { process: Mutex::default(), handed: watch::Sender::new(false) }
    }
}

impl Begun {
    fn process(&self) -> MutexGuard<'_, Option<Identity>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when a unit runs.
    pub(super) async fn handed_over(&self) {
        // It fails only without a sender, which is beside it.
        self.handed.subscribe().wait_for(|handed| *handed).await.ok();
    }
}

/// How a tool ended, as far as it says so itself.
struct Ended {
    well: bool,
    /// In words.
    how: String,
    last: LastLines,
    /// The process whose group somebody still lives of: whom it left behind.
    left: Option<Identity>,
}

impl RealHands<'_> {
    pub(super) async fn run_tool(&self, runner: &Runner, begun: Option<&Tool>) -> Result<String, Failed> {
        let Runner::Command { argv, directory, environment, environment_file, deadline, .. } = runner else {
            return Ok("the server applies its migrations itself".to_owned());
        };
        let ended = match tool::unit_here(self.target) {
            Some((unit, _)) => self.unit(&unit, begun).await?,
            None => {
                let mut command = Command::new(argv, *deadline);
                command.directory = Some(directory.clone().unwrap_or_else(|| self.plan.to.path.clone()));
                command.environment = variables(environment, environment_file.as_deref())?;
                command.output = Some(self.output_of_child());
                match begun {
                    // One that an earlier run began has ended since: it is judged, and not begun again.
                    Some(Tool::Process(_)) if self.ended_child().is_some() => self.outcome_of_child(),
                    _ => self.child(command).await?,
                }
            }
        };
        self.judge(&ended).await
    }

    /// The database is the judge: tools are known to fail and exit with 0, and to succeed and exit with 1.
    async fn judge(&self, Ended { well, how, last, left }: &Ended) -> Result<String, Failed> {
        // Beside whom it left behind nothing is put back.
        let looked = self.look().await.map_err(|failed| Failed { person: failed.person || left.is_some(), ..failed });
        match (looked?.scripts, left) {
            (Some(scripts), Some(left)) if scripts == Scripts::default() => {
                *self.tool.process() = None;
                Ok(format!("the tool ended with {how}; nothing is pending; {}", self.goes_on_beside(left)))
            }
            (_, Some(left)) => Err(goes_on(left, &format!("ended with {how}"))),
            (Some(scripts), None) if scripts == Scripts::default() => {
                Ok(format!("the tool ended with {how}; nothing is pending"))
            }
            (None, None) if *well => Ok(format!("the tool ended with {how}")),
            (scripts, None) => {
                let still = scripts.map(|scripts| told(&scripts)).unwrap_or_default();
                let output = match tool::unit_here(self.target) {
                    Some(_) => tool::output(self.target),
                    None => self.output_of_child(),
                };
                let all = format!("; all that it printed is in {}", output.display());
                let message =
                    format!("the migration tool ended with {how} and left the database not in step{still}: {last}{all}");
                Err(Failed { partial: true, ..Failed::new(Class::Data, message) })
            }
        }
    }

    fn told(&self, line: &str) {
        let (target, upgrade) = (&self.target.name, &self.id);
        tracing::info!(%target, %upgrade, line, "the vendor's tool says");
        self.progress.say(line);
    }

    /// Where the output of a tool without a unit of its own goes: a file, for a pipe would end with us, and the tool with the pipe.
    fn output_of_child(&self) -> PathBuf {
        self.ctx.config.daemon.state_dir.join("tools").join(format!("migrate-{}.log", self.target.name))
    }

    /// How the newest tool without a unit ended, where that was written down; its file is emptied when the next one is made ready.
    fn ended_child(&self) -> Option<i32> {
        process::ended(&self.output_of_child())
    }

    fn outcome_of_child(&self) -> Ended {
        let code = self.ended_child();
        let how = code.map_or("an outcome that nobody wrote down".to_owned(), |code| format!("exit code {code}"));
        let mut last = LastLines::default();
        for line in Tail::at_end(&self.output_of_child()).last_lines().lines().filter(|line| !process::is_end(line)) {
            last.keep(line);
        }
        Ended { well: code == Some(0), how, last, left: None }
    }

    /// Whether it can be told how a tool of an earlier run ended.
    pub(super) async fn tool_outcome_known(&self, tool: &Tool) -> Result<bool, Failed> {
        match tool {
            Tool::Process(_) => Ok(self.ended_child().is_some()),
            Tool::Unit(run) => {
                let seen = tool::look(&run.unit).await.map_err(|error| Failed::of(&error))?;
                Ok(seen.is_of(run) && seen.doing != Doing::Idle)
            }
        }
    }

    async fn child(&self, command: Command) -> Result<Ended, Failed> {
        let output = self.output_of_child();
        if let Some(dir) = output.parent() {
            durable::make_dir(dir).map_err(|error| Failed::of(&error))?;
        }
        let deadline = command.deadline;
        let held = command.hold().map_err(|error| Failed::of(&error))?;
        // Written down before it begins: should we die, the next run knows whom to wait for.
        let process = held.identity().clone();
        *self.tool.process() = Some(process.clone());
        let spawned = Event::Spawned { step: Step::Migrate, process: process.clone() };
        self.record(&spawned).await.map_err(|error| Failed::of(&error))?;
        // From here on it goes on without us: whoever wants us to stop need not wait for it.
        self.tool.handed.send_replace(true);
        let (mut tail, mut lines) = (Tail::from_the_beginning(&output), Lines::default());
        let mut tell = |line: &str| {
            if !process::is_end(line) {
                self.told(line);
            }
        };
        let until = Instant::now() + deadline;
        let finished = held.run(&mut || tail.read(&mut |piece| lines.feed(piece, &mut tell))).await;
        lines.end(&mut tell);
        // Who was killed may only have been the one who waits for it, and who exited may have left somebody behind who goes on. A process
        // that made a group of its own is nobody's any more, and cannot be known. One deadline is for all of them.
        let gone = finished.is_err() || self.group_ends(&process, until).await;
        self.tool.handed.send_replace(false);
        let code = finished.map_err(|error| Failed::of(&error))?.or_else(|| self.ended_child());
        let outcome = Ended { left: (!gone).then(|| process.clone()), ..self.outcome_of_child() };
        if gone {
            *self.tool.process() = None;
        }
        match code {
            Some(code) => Ok(Ended { well: code == 0, how: format!("exit code {code}"), ..outcome }),
            None if gone => Ok(Ended { how: "a signal".to_owned(), ..outcome }),
            // It may be the tool itself that goes on.
            None => Err(goes_on(&process, "lost by a signal the process that waited for it")),
        }
    }

    /// The run that an earlier run of ours asked for, or a new one.
    async fn unit(&self, unit: &str, begun: Option<&Tool>) -> Result<Ended, Failed> {
        let seen = tool::look(unit).await.map_err(|error| Failed::of(&error))?;
        if let Some(Tool::Unit(run)) = begun
            && run.unit == unit
            && seen.is_of(run)
        {
            return self.follow(run, Tail::at_end(&tool::output(self.target))).await;
        }
        tool::ready(self.target).map_err(|error| Failed::of(&error))?;
        let left = tool::clear(unit).await.map_err(|error| Failed::of(&error))?;
        if left.doing == Doing::Running {
            let message = format!("{unit} runs, and upkeep did not begin it");
            let hints = vec![format!("wait until it has ended: `systemctl status {unit}`")];
            return Err(Failed { hints, ..Failed::new(Class::TempFail, message) });
        }
        // Written down before it begins: the next invocation is ours.
        let run = ToolRun { unit: unit.to_owned(), before: left.invocation };
        let handed = Event::Handed { step: Step::Migrate, run: run.clone() };
        self.record(&handed).await.map_err(|error| Failed::of(&error))?;
        let tail = Tail::of_next_run(&tool::output(self.target));
        tool::begin(unit).await.map_err(|error| Failed::of(&error))?;
        self.follow(&run, tail).await
    }

    /// Follows a run to its end. What it printed before `tail` was told by an earlier run of ours, or is in the file.
    async fn follow(&self, run: &ToolRun, mut tail: Tail) -> Result<Ended, Failed> {
        let mut last = tail.last_lines();
        let mut tell = |line: &str| {
            last.keep(line);
            self.told(line);
        };
        let (mut lines, mut answered, mut begun) = (Lines::default(), Instant::now(), Begin::Asked(Instant::now()));
        let doing = loop {
            // Asked before its output is read: what it printed before its end is in there then.
            let seen = self.patiently(tool::look(&run.unit).await, &mut answered)?;
            match (seen, &begun) {
                (Some(state), _) if state.is_of(run) => {
                    begun = Begin::Seen;
                    tail.read(&mut |piece| lines.feed(piece, &mut tell));
                    self.tool.handed.send_replace(true);
                    if state.doing != Doing::Running {
                        break state.doing;
                    }
                }
                // Stopped by somebody, and forgotten.
                (Some(_), Begin::Seen) => break Doing::Idle,
                (Some(_), Begin::Asked(at)) if at.elapsed() >= SILENCE => return Err(not_begun(run)),
                (Some(_) | None, _) => {}
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        lines.end(&mut tell);
        self.tool.handed.send_replace(false);
        let (well, how) = match doing {
            Doing::Ended { well, how } => (well, how),
            // Somebody stopped it.
            Doing::Idle | Doing::Running => (false, "an outcome that systemd does not know any more".to_owned()),
        };
        Ok(Ended { well, how, last, left: None })
    }

    /// An answer of systemd, or none yet.
    fn patiently(&self, seen: Result<ToolState, ToolError>, answered: &mut Instant) -> Result<Option<ToolState>, Failed> {
        match seen {
            Ok(state) => {
                *answered = Instant::now();
                Ok(Some(state))
            }
            Err(error) if answered.elapsed() < SILENCE => {
                tracing::warn!(target = %self.target.name, reason = %Chain(&error), "systemd does not answer; it is asked again");
                Ok(None)
            }
            Err(error) => Err(Failed::of(&error)),
        }
    }

    pub(super) async fn outlast_tool(&self, tool: Option<&Tool>, step: Step) -> Result<(), Failed> {
        let ours = self.tool.process().clone().map(Tool::Process);
        match ours.as_ref().or(tool) {
            Some(Tool::Process(process)) => self.outlast_process(process, step, ours.is_some()).await,
            Some(Tool::Unit(run)) => self.outlast_unit(run).await,
            None => Ok(()),
        }
    }

    async fn outlast_process(&self, process: &Identity, step: Step, ours: bool) -> Result<(), Failed> {
        let allowed = match self.target.migrations.as_ref().map(|migrations| &migrations.runner) {
            Some(Runner::Command { deadline, .. }) => *deadline,
            _ => Duration::ZERO,
        };
        if self.group_ends(process, Instant::now() + allowed).await {
            return Ok(());
        }
        let exited = !process.lives() && self.ended_child().is_some();
        // On the way back it makes no difference what it has done: somebody may do more of it.
        if step == Step::Migrate && exited && self.look().await.is_ok_and(|look| look.scripts == Some(Scripts::default())) {
            self.goes_on_beside(process);
            return Ok(());
        }
        let whose = if ours { "this" } else { "an earlier" };
        let message = format!(
            "the migration tool that {whose} run of upkeep began still runs, as process group {}: {}; nothing else is begun beside it",
            process.pid,
            process.group()
        );
        Err(Failed { hints: vec![end_it(process)], ..Failed::new(Class::Unavailable, message) })
    }

    /// Waits for the end of a process and of all whom it left in its group; whether it came.
    async fn group_ends(&self, process: &Identity, until: Instant) -> bool {
        while process.group_lives() {
            self.progress.phase(&format!("waiting for the migration tool, process {}", process.pid), 0);
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        true
    }

    /// Warns of whom a tool that has done its work left behind; the same in words.
    fn goes_on_beside(&self, process: &Identity) -> String {
        let (target, upgrade, left) = (&self.target.name, &self.id, process.group());
        tracing::warn!(%target, %upgrade, group = process.pid, left, "the vendor's tool has ended and nothing is pending; whom it left behind goes on");
        format!("left behind in process group {}, and still there: {left}", process.pid)
    }

    /// Its deadline is systemd's to keep: nothing here ends it, and nothing here gives up before.
    async fn outlast_unit(&self, run: &ToolRun) -> Result<(), Failed> {
        let mut answered = Instant::now();
        loop {
            match self.patiently(tool::look(&run.unit).await, &mut answered)? {
                Some(state) if state.doing != Doing::Running => return Ok(()),
                Some(_) => {
                    let (target, upgrade, unit) = (&self.target.name, &self.id, &run.unit);
                    let output = tool::output(self.target);
                    tracing::info!(%target, %upgrade, unit, output = %output.display(), "the vendor's tool still runs");
                    self.progress.phase(Step::Migrate.name(), 0);
                    // Whoever began what runs now, it is waited for.
                    let any = ToolRun { before: String::new(), ..run.clone() };
                    self.follow(&any, Tail::at_end(&output)).await?;
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }
}

/// What keeps a database from being in step, in brackets.
fn told(scripts: &Scripts) -> String {
    let lists = [
        ("failed", &scripts.failed),
        ("still pending", &scripts.pending),
        ("ahead", &scripts.ahead),
        ("in the way", &scripts.blocked),
    ];
    let told = lists.iter().filter(|(_, list)| !list.is_empty()).map(|(word, list)| format!("{word}: {}", few(list, ", ")));
    let told: Vec<String> = told.collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join("; ")) }
}

/// A child's variables: those written in the configuration, and above them those of the file, as in a unit.
fn variables(written: &BTreeMap<String, String>, file: Option<&Path>) -> Result<BTreeMap<String, String>, Failed> {
    let mut all = written.clone();
    if let Some(file) = file {
        let text = trust::read_to_string(file, ENVIRONMENT_BYTES).map_err(|error| {
            let message = format!("cannot read the tool's variables in {}: {error}", file.display());
            let hints = vec!["check `environment_file` in `[targets.T.migrations]`".to_owned()];
            Failed { hints, ..Failed::new(Class::Config, message) }
        })?;
        all.extend(process::environment_file(&text));
    }
    Ok(all)
}

/// What is known of the beginning of a run.
enum Begin {
    /// systemd was asked for it.
    Asked(Instant),
    /// It did begin.
    Seen,
}

/// What is told when somebody of its group goes on behind the tool's own end and deadline. A person decides: what he is in the middle of
/// is not known, and how the tool ended is not judged before he has ended.
fn goes_on(process: &Identity, how: &str) -> Failed {
    let message = format!(
        "the migration tool {how}, and when its deadline passed somebody whom it left behind still ran, as process group {}: {}; the \
         database is not known to be in step, and nothing else is begun beside them",
        process.pid,
        process.group()
    );
    Failed { person: true, hints: vec![end_it(process)], ..Failed::new(Class::Unavailable, message) }
}

fn end_it(process: &Identity) -> String {
    format!("see what it does, and end it if it must be: `kill -- -{}`", process.pid)
}

fn not_begun(run: &ToolRun) -> Failed {
    let message = format!("systemd was asked to begin {}, and has not", run.unit);
    let hints = vec![format!("see what systemd says: `systemctl status {}`", run.unit)];
    Failed { hints, ..Failed::new(Class::Unavailable, message) }
}
