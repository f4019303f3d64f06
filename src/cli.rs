//! The command line: what a person or a script types, and what they are told.
//!
//! Owns parsing, the choice between the daemon's socket and doing it ourselves, and every printed word. Never decides
//! anything about a database: it asks for an [`crate::wire::Action`] or reads. Invariants: results go to standard output
//! and everything said on the way to standard error; with `--json` exactly one document is printed, also for a failure; the
//! exit code follows from [`Class`] alone. Held by `tests/it/cli.rs` and `tests/it/errors.rs`.

mod accounts;
mod at;
mod backup;
mod cancel;
mod chart;
mod check;
mod completions;
mod copy;
mod daemon;
mod demo;
mod diff;
mod drill;
mod elsewhere;
mod events;
mod extract;
mod gate;
mod hold;
mod identity;
mod init;
mod inspect;
mod installer;
mod list;
mod migrate;
mod moments;
mod names;
mod offsite;
mod owner;
mod pin;
mod plan;
mod progress;
mod prune;
mod rehearse;
mod restore;
mod session;
mod setup;
mod source;
mod status;
mod terminal;
mod upgrade;
mod verify;
mod watch;
mod web;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};

use crate::clock::{Clock, SystemClock};
use crate::config::load::{DEFAULT_PATH, Environment};
use crate::failure::{Class, Explain, Failure};
use crate::pen::{human, table};

use terminal::Terminal;

/// Version-aware database backups and crash-safe unattended upgrades.
///
/// upkeep takes backups that know which version of your server they belong to, proves that they can be restored, and
/// carries the server through updates: it sees a new release, backs up, applies the pending migrations, starts the
/// server, checks its health, and puts everything back when something fails.
///
/// Try it without touching anything: `upkeep demo`.
#[derive(Debug, Parser)]
#[command(name = "upkeep", version, long_version = LONG_VERSION.as_str(), max_term_width = 100, subcommand_required = true)]
#[command(after_long_help = exit_codes())]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", env = "UPKEEP_CONFIG", hide_env_values = true, default_value = DEFAULT_PATH)]
    config: PathBuf,
    /// Print one JSON document instead of text, also when it fails.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// What `--version` says: the version, what it was built from as the build's environment says it (`packaging/release` does), and what is in it. No feature
/// is optional; debug builds have the points at which tests have them fail.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("UPKEEP_COMMIT").unwrap_or("not known (built without UPKEEP_COMMIT in the environment)");
    let library = if cfg!(target_env = "musl") { "musl, static" } else { "glibc" };
    let tests = if cfg!(debug_assertions) { ", fault points for tests (a debug build)" } else { "" };
    format!(
        "{}\ncommit: {commit}\ntarget: {} Linux, {library}\nfeatures: SQLite, PostgreSQL, MySQL, MariaDB{tests}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH
    )
});

/// Every command, in the order of the help.
#[derive(Debug, Subcommand)]
enum Command {
    Daemon(daemon::Arguments),
    Status(status::Arguments),
    Backup(backup::Arguments),
    Cancel(cancel::Arguments),
    List(list::Arguments),
    Inspect(inspect::Arguments),
    Verify(verify::Arguments),
    Restore(restore::Arguments),
    Drill(drill::Arguments),
    Rehearse(rehearse::Arguments),
    Extract(extract::Arguments),
    Accounts(accounts::Arguments),
    Diff(diff::Arguments),
    Plan(plan::Arguments),
    Upgrade(upgrade::Arguments),
    Rollback(upgrade::RollbackArguments),
    Hold(hold::Arguments),
    ReleaseHold(hold::ReleaseArguments),
    Migrate(migrate::Arguments),
    Prune(prune::Arguments),
    Pin(pin::Arguments),
    Unpin(pin::UnpinArguments),
    Copy(copy::Arguments),
    Offsite(offsite::Arguments),
    Gate(gate::Arguments),
    Check(check::Arguments),
    Init(init::Arguments),
    Setup(setup::Arguments),
    Events(events::Arguments),
    Web(web::Arguments),
    Demo(demo::Arguments),
    #[command(hide = true)]
    DemoServer(demo::server::Arguments),
    Completions(completions::Arguments),
    Man(completions::ManArguments),
    #[command(hide = true)]
    Names(names::Arguments),
}

/// Why a command ends before its end.
#[derive(Debug)]
enum Stop {
    /// It failed.
    Failure(Box<Failure>),
    /// Nobody reads our output any more (`upkeep list | head`): that is not a failure.
    NobodyReads,
    /// The answer itself is an exit code, and everything worth saying was said.
    Answer(u8),
}

impl<E: Explain> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failure(Box::new(Failure::of(&error)))
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(Box::new(failure))
    }
}

/// What every command is handed: the command line's own `--config` and `--json`, and the process's surroundings.
#[derive(Debug, Clone)]
struct World {
    config: PathBuf,
    /// What stands in its place for this command, where a place was named by its address.
    stand_in: Option<Arc<crate::config::Config>>,
    environment: Environment,
    clock: Arc<dyn Clock>,
    terminal: Terminal,
}

/// How long what still runs in a thread of its own has to end when everything else has.
const LAST_THREADS: Duration = Duration::from_secs(5);

/// Runs the command line to its end.
pub fn main(arguments: impl Iterator<Item = OsString>, environment: impl Iterator<Item = (OsString, OsString)>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    // Variables that are not UTF-8 cannot be ours.
    let environment: Environment =
        environment.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, arguments.iter().any(|argument| argument == "--json")),
    };
    let terminal = Terminal::of_process(&environment, cli.json);
    let world = World { config: cli.config, stand_in: None, environment, clock: Arc::new(SystemClock), terminal };
    let runtime = crate::daemon::runtime();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(Box::pin(run(cli.command, &world)));
            // A thread that hangs in a call to the kernel (a directory on a server that is gone) keeps nobody from ending.
            runtime.shutdown_timeout(LAST_THREADS);
            outcome
        }
        Err(error) => Err(Failure::new(Class::OsError, format!("cannot start worker threads: {error}")).into()),
    };
    match outcome {
        Ok(()) | Err(Stop::NobodyReads) => ExitCode::SUCCESS,
        Err(Stop::Answer(code)) => ExitCode::from(code),
        Err(Stop::Failure(failure)) => {
            world.terminal.fail(&failure);
            ExitCode::from(failure.code)
        }
    }
}

async fn run(command: Command, world: &World) -> Result<(), Stop> {
    match command {
        Command::Daemon(arguments) => daemon::run(arguments, world).await,
        Command::Status(arguments) if arguments.watch => watch::run(arguments.target.as_ref(), world).await,
        Command::Status(arguments) => status::run(arguments, world).await,
        Command::Backup(arguments) => backup::run(arguments, world).await,
        Command::Cancel(arguments) => cancel::run(arguments, world).await,
        Command::List(arguments) => list::run(arguments, world).await,
        Command::Inspect(arguments) => inspect::run(arguments, world).await,
        Command::Verify(arguments) => verify::run(arguments, world).await,
        Command::Restore(arguments) => restore::run(arguments, world).await,
        Command::Drill(arguments) => drill::run(arguments, world).await,
        Command::Rehearse(arguments) => rehearse::run(arguments, world).await,
        Command::Extract(arguments) => extract::run(arguments, world).await,
        Command::Accounts(arguments) => accounts::run(arguments, world).await,
        Command::Diff(arguments) => diff::run(arguments, world).await,
        Command::Plan(arguments) => plan::run(arguments, world).await,
        Command::Upgrade(arguments) => upgrade::run(arguments, world).await,
        Command::Rollback(arguments) => upgrade::rollback(arguments, world).await,
        Command::Hold(arguments) => hold::run(arguments, world).await,
        Command::ReleaseHold(arguments) => hold::release(arguments, world).await,
        Command::Migrate(arguments) => migrate::run(arguments, world).await,
        Command::Prune(arguments) => prune::run(arguments, world).await,
        Command::Pin(arguments) => pin::run(arguments, world).await,
        Command::Unpin(arguments) => pin::unpin(arguments, world).await,
        Command::Copy(arguments) => copy::run(arguments, world).await,
        Command::Offsite(arguments) => offsite::run(arguments, world).await,
        Command::Gate(arguments) => gate::run(arguments, world).await,
        Command::Check(arguments) => check::run(arguments, world).await,
        Command::Init(arguments) => init::run(arguments, world).await,
        Command::Setup(arguments) => setup::run(arguments, world).await,
        Command::Events(arguments) => events::run(arguments, world).await,
        Command::Web(arguments) => web::run(arguments, world).await,
        Command::Demo(arguments) => demo::run(arguments, world).await,
        Command::DemoServer(arguments) => demo::server::run(arguments, world).await,
        Command::Completions(arguments) => completions::run(&arguments, world),
        Command::Man(arguments) => completions::man(&arguments, world),
        Command::Names(arguments) => names::run(arguments, world).await,
    }
}

/// Help and version are answers; everything else clap says is a wrong command line.
fn refuse(error: &clap::Error, json: bool) -> ExitCode {
    use clap::error::ErrorKind;
    let answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if json && !answer {
        let text = error.render().to_string();
        let text = text.trim().trim_start_matches("error: ");
        let (message, rest) = text.split_once('\n').unwrap_or((text, ""));
        let mut failure = Failure::new(Class::Usage, message);
        failure.hints.extend(rest.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
        Terminal::json().fail(&failure);
    } else if error.kind() == ErrorKind::MissingSubcommand && names_upkeep(error) {
        // Somebody who typed only `upkeep` wants to know what there is.
        Terminal::plain().say(&description().render_help().to_string());
    } else {
        // A closed pipe loses the help and nothing else.
        error.print().ok();
    }
    if answer { ExitCode::SUCCESS } else { ExitCode::from(Class::Usage.code()) }
}

/// Whether it is `upkeep` itself that lacks a command, and not one of its commands.
fn names_upkeep(error: &clap::Error) -> bool {
    use clap::error::{ContextKind, ContextValue};
    matches!(error.get(ContextKind::InvalidSubcommand), Some(ContextValue::String(name)) if name == "upkeep")
}

/// The table of exit codes, for the help and the manual.
fn exit_codes() -> String {
    let rows = Class::ALL.iter().map(|class| format!("  {:>2}  {}\n", class.code(), class.meaning()));
    format!("Exit codes:\n   0  success\n{}Any other code means failure too.", rows.collect::<String>())
}

/// The command line's own description, for completions, the manual and tests.
fn description() -> clap::Command {
    Cli::command()
}
