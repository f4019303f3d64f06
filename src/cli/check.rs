//! `upkeep check`: configuration and host, every problem at once, each with its next step. Changes nothing.
//!
//! Owns the order of the looks and the report. Root sees what only root may see (the polkit rule), then all the rest is looked
//! at as the daemon's user: what root may read says nothing about what the daemon may. Held by `tests/it/cli.rs`,
//! `tests/it/errors.rs` and `tests/host/run`.

mod database;
mod host;
mod offsite;
mod polkit;
mod target;

use serde::{Deserialize, Serialize};

use super::terminal::{Terminal, Tone};
use super::{Stop, World, human, owner, session, table};
use crate::config::Target;
use crate::config::load::{self, Secrets};
use crate::failure::{Class, Failure};
use crate::text;

/// Check configuration and host. Every problem is shown at once, each with its next step; nothing is changed.
///
/// As root it looks at the host, and then as the daemon's user at everything the daemon will use.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What root has found, for the part that is looked at as the daemon's user.
    #[arg(long, hide = true, default_value = "")]
    found: String,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Finding {
    /// The target; none for the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// What was looked at (`database`).
    what: String,
    /// What was found, when it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    good: Option<String>,
    /// What works and could be better, or could not be seen from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<Failure>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Failure>,
}

/// Everything looked at.
#[derive(Debug, Serialize)]
struct Report {
    problems: usize,
    findings: Vec<Finding>,
}

/// The answer of one look.
#[derive(Debug)]
enum Found {
    Good(String),
    Advice(Box<Failure>),
    Problem(Box<Failure>),
}

impl From<Result<String, Failure>> for Found {
    fn from(found: Result<String, Failure>) -> Self {
        found.map_or_else(|problem| Self::Problem(Box::new(problem)), Self::Good)
    }
}

impl Found {
    fn good(what: impl Into<String>) -> Self {
        Self::Good(what.into())
    }

    fn advice(failure: Failure) -> Self {
        Self::Advice(Box::new(failure))
    }

    fn problem(failure: Failure) -> Self {
        Self::Problem(Box::new(failure))
    }
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, target: Option<&Target>, what: &str, found: impl Into<Found>) {
        let target = target.map(|target| target.name.to_string());
        let mut finding = Finding { target, what: what.to_owned(), good: None, advice: None, problem: None };
        match found.into() {
            Found::Good(good) => finding.good = Some(good),
            Found::Advice(advice) => finding.advice = Some(*advice),
            Found::Problem(problem) => finding.problem = Some(*problem),
        }
        let hints = finding.advice.iter_mut().chain(&mut finding.problem).flat_map(|failure| &mut failure.hints);
        if let Some(name) = &finding.target {
            hints.for_each(|hint| *hint = text::naming(hint, name));
        }
        self.0.push(finding);
    }
}

pub(super) async fn run(arguments: Arguments, world: &World) -> Result<(), Stop> {
    // Root reads no password: where it lies may be somebody else's to say.
    let config = session::config(world, Secrets::Leave)?;
    let mut findings = Findings::default();
    if arguments.found.is_empty() {
        host::fits(&config, world, &mut findings).await;
        if owner::other_owner(&config.daemon.state_dir).is_some() {
            let found = serde_json::to_string(&findings.0)
                .map_err(|error| Failure::new(Class::Software, format!("cannot hand on what root found: {error}")))?;
            owner::hand_over_with(&config, world, &["--found".into(), found.into()]).await?;
        }
    } else {
        findings.0 = serde_json::from_str(&arguments.found)
            .map_err(|error| Failure::new(Class::Usage, format!("`--found` is not what root found: {error}")))?;
    }
    let (config, secrets) = load::load_telling(&world.config, &world.environment)?;
    host::look(&config, world, &mut findings).await;
    offsite::look(&config, &mut findings).await;
    for target in config.targets.values() {
        target::look(&config, target, &secrets, world, &mut findings).await;
    }
    findings.0.sort_by_key(|finding| finding.target.is_some());
    let findings = findings.0;
    let problems = findings.iter().filter(|finding| finding.problem.is_some()).count();
    let worst = findings.iter().filter_map(|finding| finding.problem.as_ref()).map(|problem| problem.class).max();
    world.terminal.show(&Report { problems, findings }, |report| text(report, world.terminal))?;
    worst.map_or(Ok(()), |class| Err(Stop::Answer(class.code())))
}

/// Columns for a target's name.
const NAME: usize = 14;
/// Where the words of a finding begin.
const INDENT: usize = 32;
/// Lines are broken to the terminal's columns, but to no more and no fewer than this.
const COLUMNS: (usize, usize) = (72, 120);

fn text(report: &Report, terminal: Terminal) -> String {
    let mut lines = Vec::new();
    // Elsewhere than on a terminal a line is a line.
    let width = terminal.columns().map_or(usize::MAX, |columns| columns.clamp(COLUMNS.0, COLUMNS.1));
    let wrapped = |text: &str| table::wrapped(text, width, INDENT);
    let mut above = "";
    for finding in &report.findings {
        let mut whose = finding.target.as_deref().unwrap_or("host");
        // A name that its column cannot hold stands above its findings.
        if whose.len() > NAME {
            if whose != above {
                lines.push(whose.to_owned());
                above = whose;
            }
            whose = "";
        }
        let subject = format!("{whose:<NAME$} {:<14}", finding.what);
        let (sign, tone, message) = match (&finding.good, &finding.advice, &finding.problem) {
            (Some(good), ..) => ("✓", Tone::Good, good),
            (None, Some(advice), _) => ("!", Tone::Warn, &advice.message),
            (None, None, Some(problem)) => ("✗", Tone::Bad, &problem.message),
            (None, None, None) => continue,
        };
        let said = if tone == Tone::Bad { terminal.paint(tone, &wrapped(message)) } else { wrapped(message) };
        lines.push(format!("{} {subject} {said}", terminal.paint(tone, sign)));
        let Some(failure) = finding.advice.as_ref().or(finding.problem.as_ref()) else { continue };
        let mut more = |word: &str, texts: &[String]| {
            lines.extend(texts.iter().map(|text| format!("{:INDENT$}{}", "", wrapped(&format!("{word}: {text}")))));
        };
        more("caused by", &failure.causes);
        more("safe", failure.safe.as_slice());
        more("hint", &failure.hints);
    }
    let advice = report.findings.iter().filter(|finding| finding.advice.is_some()).count();
    let besides = match advice {
        0 => String::new(),
        count => format!(", {} to consider (!)", human::many(count as u64, "thing")),
    };
    lines.push(match report.problems {
        0 => format!("all is well{besides}"),
        count => format!("{}{besides}", human::many(count as u64, "problem")),
    });
    lines.join("\n")
}
