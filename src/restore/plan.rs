//! What a restore would do, or why it is refused: a pure function of the archive, the destination and the request.
//!
//! Owns the rule that data taken at one shape fits only a database of that shape. Never touches the world. Every row of the
//! table in `docs/restore-by-hand.md` is a case in `restore/plan/tests.rs`, by the words in its last column.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::unfinished::Unfinished;
use crate::archive::Manifest;
use crate::count::{few, many};
use crate::engine::{LoadMode, Survey};
use crate::failure::Class;
use crate::ids::{Label, TargetName};
use crate::shape::{Difference, MigrationKey, Shape};
use crate::version::Version;

/// What is known of the managed server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerState {
    /// No service is configured: only sessions of the database tell.
    NoService,
    /// It cannot be told, which is not the same as stopped.
    Unknown,
    /// It does not run.
    Stopped,
    /// It runs.
    Running,
    /// It runs, and is stopped before anything is changed: its own sessions end with it.
    StoppedFirst,
}

/// Whether what the destination holds may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replace {
    /// It may not.
    Refuse,
    /// It may, after a safety archive.
    Allow,
}

/// Whose database the destination is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The target's own: its server and its release matter.
    Target,
    /// Another one, named for this restore.
    Other,
}

/// Everything a plan is made of.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The archive.
    pub manifest: &'a Manifest,
    /// The target whose server and release matter.
    pub home: &'a TargetName,
    /// Where it would go, for people.
    pub location: &'a str,
    /// The destination engine's flavour.
    pub flavour: &'a str,
    /// What keeps its server from taking an archive of that flavour.
    pub unfit: &'a [String],
    /// Whose database that is.
    pub whose: Whose,
    /// What is there.
    pub survey: &'a Survey,
    /// Its shape.
    pub shape: &'a Shape,
    /// The target's server.
    pub server: ServerState,
    /// The release installed.
    pub installed: Option<&'a Version>,
    /// What the request allows.
    pub replace: Replace,
    /// An earlier restore into the same place that did not end.
    pub unfinished: Option<&'a Unfinished>,
}

/// Whether the destination is archived before it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Safety {
    /// There is nothing in it to keep.
    NotNeeded,
    /// An archive of it is sealed, verified and pinned first.
    ArchiveFirst,
}

/// What a restore does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePlan {
    /// The archive.
    pub label: Label,
    /// The target it was taken of.
    pub target: TargetName,
    /// The moment it shows.
    pub taken_at: DateTime<Utc>,
    /// Where it goes.
    pub location: String,
    /// How it is loaded.
    pub mode: LoadMode,
    /// Whether the destination is archived first.
    pub safety: Safety,
    /// Tables in the archive.
    pub tables: u64,
    /// Rows in the archive.
    pub rows: u64,
    /// Uncompressed bytes in the archive.
    pub raw_bytes: u64,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl fmt::Display for RestorePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "restore {} of {} into {}", self.label, self.taken_at.format("%Y-%m-%d %H:%M:%S UTC"), self.location)?;
        if self.safety == Safety::ArchiveFirst {
            writeln!(f, "  first: archive what is there now, read it back and pin it")?;
        }
        let how = match self.mode {
            LoadMode::Clean => "load schema and data into the empty database",
            LoadMode::DataOnly => "load the data into the database of the same shape",
            LoadMode::Replace => "replace what is there with the archive, all at once",
        };
        writeln!(f, "  then: {how}")?;
        let (rows, tables) = (many(self.rows, "row"), many(self.tables, "table"));
        write!(f, "  then: compare {rows} of {tables} with the manifest")?;
        self.notes.iter().try_for_each(|note| write!(f, "\n  note: {note}"))
    }
}

/// Why a restore is not done, and what would change that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The archive.
    pub label: Label,
    /// Where it was to go.
    pub location: String,
    /// Busy when all that is wrong passes by itself or by stopping something; otherwise the data does not fit.
    pub class: Class,
    /// Every reason.
    pub reasons: Vec<String>,
    /// Next steps.
    pub ways_out: Vec<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "restore of {} into {} is refused: {}", self.label, self.location, self.reasons.join("; "))
    }
}

/// What is found against a restore.
#[derive(Default)]
struct Objections {
    busy: Vec<String>,
    unfit: Vec<String>,
    ways_out: Vec<String>,
}

/// Decides.
///
/// # Errors
/// The refusal, with every reason at once.
pub fn plan(at: &Situation<'_>) -> Result<RestorePlan, Box<Refusal>> {
    let mut objections = Objections::default();
    in_use(at, &mut objections);
    let way = way(at, &mut objections);
    if !objections.busy.is_empty() || !objections.unfit.is_empty() {
        let class = if objections.unfit.is_empty() { Class::TempFail } else { Class::Data };
        objections.busy.append(&mut objections.unfit);
        return Err(Box::new(Refusal {
            label: at.manifest.label.clone(),
            location: at.location.to_owned(),
            class,
            reasons: objections.busy,
            ways_out: objections.ways_out,
        }));
    }
    Ok(RestorePlan {
        label: at.manifest.label.clone(),
        target: at.manifest.target.clone(),
        taken_at: at.manifest.taken_at,
        location: at.location.to_owned(),
        mode: way.0,
        safety: way.1,
        tables: at.manifest.tables.len() as u64,
        rows: at.manifest.rows(),
        raw_bytes: at.manifest.raw_bytes,
        notes: notes(at),
    })
}

fn in_use(at: &Situation<'_>, objections: &mut Objections) {
    if at.whose == Whose::Target && at.server == ServerState::StoppedFirst {
        // Whose sessions these are cannot be told before it has stopped; they are looked for again then.
        return;
    }
    if at.whose == Whose::Target && at.server == ServerState::Running {
        objections.busy.push(format!("the server of target {} is running", at.home));
        objections.ways_out.push("let upkeep stop the server and start it again afterwards: add `--stop-server`".to_owned());
    }
    if at.whose == Whose::Target && at.server == ServerState::Unknown {
        objections.busy.push(format!("cannot tell whether the server of target {} is running", at.manifest.target));
        objections.ways_out.push("see why, fix it, and run this again: `upkeep check`".to_owned());
    }
    if !at.survey.sessions.is_empty() {
        objections.busy.push(format!("the database is in use by {}", at.survey.sessions.join("; ")));
        objections.ways_out.push("close these sessions".to_owned());
    }
}

fn way(at: &Situation<'_>, objections: &mut Objections) -> (LoadMode, Safety) {
    let replaced = (LoadMode::Replace, Safety::ArchiveFirst);
    let manifest = at.manifest;
    if manifest.server.flavour != at.flavour {
        objections
            .unfit
            .push(format!("the archive is of a {} database and the destination is {}", manifest.server.flavour, at.flavour));
        objections.ways_out.push("name a destination of the archive's own engine with `--into`".to_owned());
        return replaced;
    }
    if !at.unfit.is_empty() {
        objections.unfit.extend(at.unfit.iter().cloned());
        objections.ways_out.push("name a destination on a server that is set up as the archive's was with `--into`".to_owned());
        return replaced;
    }
    if at.survey.tables.is_empty() && at.survey.others == 0 && !at.survey.half_loaded {
        if manifest.data_only {
            objections.unfit.push("the archive holds no schema, and the destination has no tables".to_owned());
            objections.ways_out.push(format!("make the tables first with the migrations up to {}", head(&manifest.shape)));
        }
        return (LoadMode::Clean, Safety::NotNeeded);
    }
    if half_way(at) && !manifest.data_only {
        return (LoadMode::Replace, if may_be_wanted(at) { Safety::ArchiveFirst } else { Safety::NotNeeded });
    }
    let same = manifest.shape.same_as(at.shape);
    if same && !at.survey.holds_rows && (manifest.data_only || at.replace == Replace::Refuse) {
        return (LoadMode::DataOnly, Safety::NotNeeded);
    }
    if at.replace == Replace::Allow && !manifest.data_only {
        return replaced;
    }
    if !same && !at.survey.tables.is_empty() {
        object_to_shape(at, objections);
    }
    if at.survey.holds_rows {
        objections.unfit.push("the destination holds rows".to_owned());
    }
    if at.survey.tables.is_empty() {
        objections.unfit.push(format!(
            "the destination has no tables, and {} (views, routines, events)",
            many(at.survey.others, "other object")
        ));
    }
    if manifest.data_only {
        objections.ways_out.push(format!(
            "the archive holds no schema: give it a database at {} without rows, with `--into`",
            head(&manifest.shape)
        ));
    } else {
        objections.ways_out.push("archive what is there and put this one in its place: add `--replace`".to_owned());
        objections.ways_out.push("restore into an empty database instead: `--into URL`".to_owned());
    }
    replaced
}

/// Whether what is there is what an earlier restore left when it stopped.
fn half_way(at: &Situation<'_>) -> bool {
    at.survey.half_loaded || at.unfinished.is_some_and(|earlier| earlier.location == at.location && earlier.half_way())
}

/// Whether somebody may have written what an earlier restore left behind. Only what the database itself calls a part is nobody's: a
/// restore may also have stopped before its first change or after its last, and the database been used since.
fn may_be_wanted(at: &Situation<'_>) -> bool {
    !at.survey.half_loaded && at.survey.holds_rows
}

fn object_to_shape(at: &Situation<'_>, objections: &mut Objections) {
    let (archive, destination) = (&at.manifest.shape, at.shape);
    objections.unfit.push(format!("the archive is at {} and the destination at {}", head(archive), head(destination)));
    let differences = archive.difference(destination);
    for (whose, migrations) in by_side(&differences) {
        objections.unfit.push(format!("only the {whose} has {}", named(&migrations)));
    }
    if differences.is_empty() {
        objections.unfit.push("their histories agree, but their schemas differ".to_owned());
    }
}

/// What either side has alone, where it has anything.
fn by_side(differences: &[Difference]) -> Vec<(&'static str, Vec<&MigrationKey>)> {
    let pick = |left: bool| {
        let side = differences.iter().filter_map(move |difference| match difference {
            Difference::OnlyLeft(key) => left.then_some(key),
            Difference::OnlyRight(key) => (!left).then_some(key),
        });
        side.collect::<Vec<_>>()
    };
    [("archive", pick(true)), ("destination", pick(false))].into_iter().filter(|(_, keys)| !keys.is_empty()).collect()
}

fn named(migrations: &[&MigrationKey]) -> String {
    match migrations {
        [one] => format!("migration {one}"),
        more => format!("{}: {}", many(more.len() as u64, "migration"), few(more, ", ")),
    }
}

fn head(shape: &Shape) -> String {
    shape.head().map_or_else(|| "no known migration".to_owned(), |head| format!("migration {head}"))
}

fn notes(at: &Situation<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if half_way(at) {
        let left = "an earlier restore into this database stopped half-way; what it left is replaced";
        let since = if may_be_wanted(at) { ", and archived first, for it may have been used since" } else { "" };
        notes.push(format!("{left}{since}"));
    }
    if let Some(grant) = &at.survey.unseen {
        notes.push(format!(
            "whether others use the database is not shown to this account ({grant}); writers are shut out before it is \
             replaced, and what they wrote meanwhile is archived first"
        ));
    }
    let manifest = at.manifest;
    notes.extend(manifest.left_out.iter().map(|left| format!("not in the archive: {} ({})", left.what, left.why)));
    if at.whose == Whose::Other {
        return notes;
    }
    if at.server == ServerState::StoppedFirst {
        notes.push("the server is stopped first, and started again when release and database are in step".to_owned());
        if !at.survey.sessions.is_empty() {
            let sessions = at.survey.sessions.join("; ");
            notes.push(format!("the database is in use by {sessions}: refused if that is so when the server has stopped"));
        }
    }
    if at.server == ServerState::NoService {
        notes.push("cannot tell whether the server is running; only open sessions were looked for".to_owned());
    }
    if let (Some(installed), Some(taken)) = (at.installed, &manifest.release) {
        let taken = &taken.version;
        if installed > taken {
            notes.push(format!("release {installed} is installed and the archive is of {taken}: an upgrade will follow"));
        } else if installed < taken {
            notes.push(format!(
                "release {installed} is installed and the archive is of {taken}: install {taken} before starting the server"
            ));
        }
    }
    notes
}

#[cfg(test)]
mod tests;
