//! The migrations of a release in a scratch: run, timed, judged by what they left.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{aim, reach};
use crate::backup;
use crate::config::{Database, Location, Reference, Runner, Target};
use crate::count::few;
use crate::engine::Engine;
use crate::failure::Chain;
use crate::fault;
use crate::migrate::{self, Selection};
use crate::process::Command;
use crate::progress::Progress;
use crate::release::Installed;
use crate::shape::History;
use crate::upgrade;
use crate::upgrade::plan::Scripts;

/// What is tried.
pub(super) struct Trial {
    pub(super) target: Target,
    pub(super) release: Installed,
    /// The release that the archive is of, where it is known and still lies there.
    pub(super) earlier: Option<Installed>,
    pub(super) progress: Progress,
    /// Whether a tool was seen to have gone to the real database.
    pub(super) strayed: AtomicBool,
}

/// Why the migrations did not come to a good end.
enum Ended {
    /// They are not tried here: that says nothing of the release.
    Refused(String),
    /// They failed.
    Failed(String),
}

impl From<String> for Ended {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

/// What a database holds beside its rows.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What is defined, a line for each thing.
    pub(super) definitions: BTreeSet<String>,
    /// The statements that its history logs, where it does: version and text.
    pub(super) statements: BTreeSet<(String, String)>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What was pending before.
    pub(super) pending: Vec<String>,
    /// How long the migrations took, in milliseconds.
    pub(super) migrate_ms: u64,
    /// How long all of it took.
    pub(super) took_ms: u64,
    /// Why it did not pass.
    pub(super) failed: Option<String>,
    /// Why it was not tried.
    pub(super) refused: Option<String>,
    /// Whether a tool went to the real database.
    pub(super) strayed: bool,
    /// What a person should know.
    pub(super) notes: Vec<String>,
    /// What the scratch held before the migrations and after them; none where nobody asks, or they failed.
    pub(super) around: Option<(Seen, Seen)>,
    /// What the reference and the migrated database have in common; none without a reference.
    pub(super) expected: Option<Vec<String>>,
}

impl Trial {
    pub(super) async fn run(&self, database: &Database) -> Outcome {
        let mut outcome = Outcome::default();
        match Box::pin(self.carry_out(database, &mut outcome)).await {
            Ok(()) => {}
            Err(Ended::Refused(why)) => outcome.refused = Some(why),
            Err(Ended::Failed(why)) => outcome.failed = Some(why),
        }
        outcome
    }

    async fn carry_out(&self, database: &Database, outcome: &mut Outcome) -> Result<(), Ended> {
        let aimed = aim::at(&self.target, database, &self.release).map_err(|reasons| Ended::Refused(reasons.join("; ")))?;
        let is_held = self.target.rehearse.reference != Reference::No;
        let was = if is_held { self.seen(database).await? } else { Seen::default() };
        let before = self.stand(&aimed).await?.unwrap_or_default();
        outcome.pending = before.pending;
        if !before.ahead.is_empty() {
            return Err(Ended::Refused(format!("the archive is of a newer release: {}", few(&before.ahead, ", "))));
        }
        self.demand_nothing_reaches_back(database).await?;
        self.progress.phase("running the migrations", 0);
        fault::point("rehearse.migrating");
        let begun = Instant::now();
        let runner = aimed.migrations.as_ref().map(|migrations| migrations.runner.clone());
        let said = match &runner {
            Some(Runner::Command { .. }) => self.command(&aimed, &self.release, outcome).await?,
            _ => self.scripts(&aimed, &self.release).await?,
        };
        outcome.migrate_ms = ms(begun);
        self.progress.phase("judging what they left", 0);
        match (self.stand(&aimed).await?, said) {
            (Some(scripts), _) if scripts == Scripts::default() => {}
            (None, None) => {}
            (scripts, said) => {
                let still = scripts.map(|scripts| not_in_step(&scripts)).unwrap_or_default();
                let all = [Some(still).filter(|still| !still.is_empty()), said];
                return Err(all.into_iter().flatten().collect::<Vec<_>>().join("; ").into());
            }
        }
        if is_held {
            outcome.around = Some((was, self.seen(database).await?));
        }
        Ok(())
    }

    /// Refuses a scratch whose own triggers and routines would write to the real database beside it.
    async fn demand_nothing_reaches_back(&self, database: &Database) -> Result<(), Ended> {
        let (Location::MySql { host, port, .. }, Location::MySql { host: real_host, port: real_port, database: real, .. }) =
            (&database.location, &self.target.database.location)
        else {
            return Ok(());
        };
        if (host, port) != (real_host, real_port) {
            return Ok(());
        }
        let definitions = Engine::of(database).definitions().await.map_err(|error| Chain(&error).to_string())?;
        reach::naming(&definitions, real).map_or(Ok(()), |what| {
            Err(Ended::Refused(format!(
                "{what} names the database {real} and would write there, so nothing is run beside it: set `scratch = \"URL\"` in \
                 `[targets.{}.drill]` to another server",
                self.target.name
            )))
        })
    }

    /// What a database holds beside its rows.
    pub(super) async fn seen(&self, database: &Database) -> Result<Seen, String> {
        let engine = Engine::of(database);
        let shape = engine.shape(&backup::history_tables(&self.target)).await.map_err(|error| Chain(&error).to_string())?;
        let logs = shape.histories.into_iter().filter(History::is_log).flat_map(|history| history.applied);
        let statements =
            logs.filter_map(|row| Some((row.version?, format!("{} {}", row.checksum.unwrap_or_default(), row.description))));
        let statements = statements.collect();
        let definitions = engine.definitions().await.map_err(|error| Chain(&error).to_string())?.into_iter().collect();
        Ok(Seen { definitions, statements })
    }

    /// Applies all of a release's migrations to a database with nothing in it.
    pub(super) async fn apply_to_nothing(&self, database: &Database, release: &Installed) -> Result<(), String> {
        let aimed = aim::at(&self.target, database, release).map_err(|reasons| reasons.join("; "))?;
        let said = match aimed.migrations.as_ref().map(|migrations| &migrations.runner) {
            Some(Runner::Command { .. }) => self.command(&aimed, release, &mut Outcome::default()).await?,
            _ => self.scripts(&aimed, release).await.map_err(|(Ended::Refused(why) | Ended::Failed(why))| why)?,
        };
        said.map_or(Ok(()), Err)
    }

    /// How the scratch stands to the release, as an upgrade would judge it.
    async fn stand(&self, aimed: &Target) -> Result<Option<Scripts>, String> {
        upgrade::stand(aimed, &self.release).await
    }

    /// Our own runner. Nothing runs that reaches beyond the scratch.
    async fn scripts(&self, aimed: &Target, release: &Installed) -> Result<Option<String>, Ended> {
        let Some(settings) = &aimed.migrations else { return Ok(None) };
        let (database, root) = (&aimed.database, &release.path);
        let would = migrate::dry_run(database, settings, root, &Selection::default())
            .await
            .map_err(|error| Chain(&error).to_string())?;
        let real = name_of(&self.target.database.location);
        for (script, statement) in
            would.iter().flat_map(|script| script.statements.iter().map(move |statement| (script, statement)))
        {
            if let Some(what) = reach::beyond(&database.location, real, &statement.sql) {
                return Err(Ended::Refused(format!(
                    "{}, line {}, reaches beyond its own database and is not tried beside the real one: {what} …",
                    script.script, statement.line
                )));
            }
        }
        let applied = migrate::apply(database, settings, root, &self.progress).await;
        applied.map(|_| None).map_err(|failed| Chain(failed.error.as_ref()).to_string().into())
    }

    /// The vendor's tool; what it ended with, where that was not well. The database is the judge.
    async fn command(&self, aimed: &Target, release: &Installed, outcome: &mut Outcome) -> Result<Option<String>, String> {
        let Some(Runner::Command { argv, directory, environment, deadline, .. }) =
            aimed.migrations.as_ref().map(|migrations| &migrations.runner)
        else {
            return Ok(None);
        };
        if name_of_account(&aimed.database.location) == name_of_account(&self.target.database.location) {
            outcome.notes.extend(account_note(&self.target));
        }
        let mut command = Command::new(argv, *deadline);
        command.directory = Some(directory.clone().unwrap_or_else(|| release.path.clone()));
        command.environment = environment.clone();
        let before = self.histories().await;
        let finished = command.run().await;
        // Whoever went to the real database in spite of all has left his trace in its history.
        if let (Some(before), Some(after)) = (before, self.histories().await)
            && before != after
        {
            self.strayed.store(true, Ordering::Relaxed);
            return Err(format!("the history of the real database {} changed meanwhile", self.target.database.location));
        }
        let finished = finished.map_err(|error| Chain(&error).to_string())?;
        let how = finished.code.map_or("was ended by a signal".to_owned(), |code| format!("ended with exit code {code}"));
        Ok((!finished.success()).then(|| format!("the tool {how}: {}", finished.last_line())))
    }

    async fn histories(&self) -> Option<Vec<History>> {
        let tables = backup::history_tables(&self.target);
        Engine::of(&self.target.database).shape(&tables).await.ok().map(|shape| shape.histories)
    }
}

/// What keeps a database from being in step.
fn not_in_step(scripts: &Scripts) -> String {
    let lists = [
        ("failed", &scripts.failed),
        ("still pending", &scripts.pending),
        ("ahead", &scripts.ahead),
        ("contradicting", &scripts.invalid),
        ("in the way", &scripts.blocked),
    ];
    let told = lists.iter().filter(|(_, list)| !list.is_empty()).map(|(word, list)| format!("{word}: {}", few(list, ", ")));
    format!("they left the database not in step ({})", told.collect::<Vec<_>>().join("; "))
}

fn name_of(location: &Location) -> &str {
    match location {
        Location::Sqlite { .. } => "",
        Location::Postgres { database, .. } | Location::MySql { database, .. } => database,
    }
}

fn name_of_account(location: &Location) -> Option<&str> {
    match location {
        Location::Sqlite { .. } => None,
        Location::Postgres { user, .. } | Location::MySql { user, .. } => Some(user),
    }
}

fn account_note(target: &Target) -> Option<String> {
    let with = name_of_account(&target.database.location)?;
    Some(format!(
        "the tool was given the account {with}, which may change the real database as well; one that may not is named by `scratch = \"URL\"` in \
         `[targets.{}.drill]`",
        target.name
    ))
}

pub(super) fn ms(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
