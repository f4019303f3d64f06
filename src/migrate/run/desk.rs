//! Scripts, settings and placeholders of one run, side by side.

use super::events;
use crate::config::Migrations;
use crate::migrate::checksum;
use crate::migrate::difference;
use crate::migrate::error::MigrateError;
use crate::migrate::handover;
use crate::migrate::naming::Kind;
use crate::migrate::placeholders::{Connected, Placeholders};
use crate::migrate::plan::{self, Existing, Ignore, Plan, Problem, Resolved, Rules, Target};
use crate::migrate::prepare::{How, Prepared, prepare};
use crate::migrate::scan::{Script, Scripts};
use crate::migrate::split::Dialect;
use crate::migrate::version::MigrationVersion;

/// Everything a plan is made of but the database.
pub(super) struct Desk<'a> {
    scripts: &'a Scripts,
    settings: &'a Migrations,
    placeholders: Placeholders,
    dialect: Dialect,
    pub(super) rules: Rules,
    /// The scripts as the plan sees them, in the same order.
    pub(super) resolved: Vec<Resolved>,
    /// What is wrong whatever the database has.
    pub(super) problems: Vec<Problem>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(
        settings: &'a Migrations,
        scripts: &'a Scripts,
        connected: &Connected,
        dialect: Dialect,
    ) -> Result<Self, MigrateError> {
        let baseline = settings.baseline_on_migrate.as_deref().map(MigrationVersion::parse).transpose();
        let baseline_on_migrate = baseline
            .map_err(|source| MigrateError::BadBaseline { what: "setting `baseline_on_migrate`".to_owned(), source })?;
        let target = Target::parse(settings.target.as_deref().unwrap_or_default()).map_err(MigrateError::BadTarget)?;
        let ignore = Ignore::new(&settings.ignore_patterns);
        let rules = Rules { out_of_order: settings.out_of_order, baseline_on_migrate, target, ignore };
        let placeholders = Placeholders::new(settings, connected);
        let mut problems = events::refused(scripts, settings.callbacks);
        let mut resolved = Vec::with_capacity(scripts.scripts.len());
        for script in &scripts.scripts {
            resolved.push(resolve(script, &placeholders, &mut problems)?);
        }
        Ok(Self { scripts, settings, placeholders, dialect, rules, resolved, problems })
    }

    /// The plan, with every problem explained.
    pub(super) fn plan(&self, existing: &Existing) -> Plan {
        let mut plan = plan::plan(existing, &self.resolved, &self.rules);
        for problem in &mut plan.problems {
            if let Problem::ChecksumChanged { script, applied: Some(applied), older_formula, difference, .. } = problem {
                let found = self.scripts.scripts.iter().find(|known| known.file.script == *script);
                // A script that cannot be read any more is simply not explained.
                let Some(text) = found.and_then(|script| script.raw_text().ok()) else { continue };
                *older_formula = checksum::older_formula(&text, *applied).map(str::to_owned);
                if older_formula.is_none() {
                    *difference = difference::explain(&text, *applied, self.settings.kept.as_deref());
                }
            }
        }
        plan.problems.extend(self.problems.iter().cloned());
        plan
    }

    /// The plan for a history whose last script stopped half-way and can go on: its row counts for nothing, so that the script
    /// is pending again. None when no script did, or when it is not the one that comes first.
    pub(super) fn going_on(&self, existing: &Existing, unfinished: Option<i64>) -> Option<Plan> {
        let (Existing::Rows(rows), Some(rank)) = (existing, unfinished) else { return None };
        let row = rows.iter().find(|row| row.rank == rank)?;
        let others = rows.iter().filter(|row| row.rank != rank).cloned().collect();
        let plan = self.plan(&Existing::Rows(others));
        let first = plan.pending.first().and_then(|&index| self.resolved.get(index))?;
        plan::is_of(row, first).then_some(plan)
    }

    /// Says of a failed migration that it can go on.
    pub(super) fn say_unfinished(&self, plan: &mut Plan, existing: &Existing, unfinished: Option<i64>) {
        let Existing::Rows(rows) = existing else { return };
        let Some(row) = rows.iter().find(|row| Some(row.rank) == unfinished) else { return };
        for problem in &mut plan.problems {
            if let Problem::Failed { migration, script } = problem
                && *script == row.script
            {
                *problem = Problem::Unfinished { migration: std::mem::take(migration), script: std::mem::take(script) };
            }
        }
    }

    /// Refuses a plan with problems.
    pub(super) fn refuse(&self, plan: &Plan) -> Result<(), MigrateError> {
        if plan.problems.is_empty() { Ok(()) } else { Err(MigrateError::Refused(plan.problems.clone())) }
    }

    /// Refuses a plan with problems, or with a pending script that cannot be run.
    pub(super) fn check(&self, plan: &Plan) -> Result<(), MigrateError> {
        self.refuse(plan)?;
        let unrunnable = self.unrunnable(plan)?;
        if unrunnable.is_empty() { Ok(()) } else { Err(MigrateError::Refused(unrunnable)) }
    }

    /// Which pending scripts and callbacks cannot be run as they are.
    pub(super) fn unrunnable(&self, plan: &Plan) -> Result<Vec<Problem>, MigrateError> {
        let mut problems = Vec::new();
        let pending = plan.pending.iter().filter_map(|&index| self.scripts.scripts.get(index));
        let first =
            self.scripts.scripts.iter().filter(|script| script.version.is_some()).min_by(|a, b| a.version.cmp(&b.version));
        let callbacks = self.scripts.callbacks.iter().filter(|callback| events::happens(callback.event));
        for script in pending.chain(callbacks.map(|callback| &callback.script)) {
            let is_first = first.is_some_and(|first| std::ptr::eq(first, script));
            let problem = match self.prepare(script)? {
                Ok(prepared) => handover::in_script(&prepared, is_first),
                Err(problem) => Some(problem),
            };
            problems.extend(problem.filter(|problem| !plan.problems.contains(problem)));
        }
        Ok(problems)
    }

    /// A pending script, ready to run.
    pub(super) fn pending(&self, index: usize) -> Result<Option<(&Resolved, Prepared)>, MigrateError> {
        let (Some(resolved), Some(script)) = (self.resolved.get(index), self.scripts.scripts.get(index)) else {
            return Ok(None);
        };
        let prepared = self.ready(script, "beforeEachMigrate", "afterEachMigrate")?;
        Ok(Some((resolved, prepared)))
    }

    /// A script with the callbacks that belong to each such script.
    pub(super) fn ready(&self, script: &Script, before: &str, after: &str) -> Result<Prepared, MigrateError> {
        let refused = |problem| MigrateError::Refused(vec![problem]);
        let prepared = self.prepare(script)?.map_err(refused)?;
        Ok(Prepared { before: self.at(before)?, after: self.at(after)?, ..prepared })
    }

    /// The callbacks of an event, ready to run.
    pub(super) fn at(&self, event: &str) -> Result<Vec<Prepared>, MigrateError> {
        let callbacks = self.scripts.callbacks.iter().filter(|callback| callback.event == event);
        let prepare = |script| self.prepare(script)?.map_err(|problem| MigrateError::Refused(vec![problem]));
        callbacks.map(|callback| prepare(&callback.script)).collect()
    }

    /// The undo script of a version.
    pub(super) fn undo_of(&self, version: &MigrationVersion) -> Option<&'a Script> {
        self.scripts.undo.iter().find(|script| script.version.as_ref() == Some(version))
    }

    pub(super) fn prepare(&self, script: &Script) -> Result<Result<Prepared, Problem>, MigrateError> {
        let how = How { mixed: self.settings.mixed, in_transaction: script.companion.in_transaction };
        let replaced = replace(script, &script.text()?, &self.placeholders);
        Ok(replaced.and_then(|text| prepare(&script.file.script, text, self.dialect, how)))
    }
}

/// A repeatable script's checksum is of the text after placeholders are replaced; the one before counts as the same.
fn resolve(script: &Script, placeholders: &Placeholders, problems: &mut Vec<Problem>) -> Result<Resolved, MigrateError> {
    let (mut sum, mut equivalent) = (script.checksum, None);
    if script.kind == Kind::Repeatable {
        match replace(script, &script.text()?, placeholders) {
            Ok(text) => (sum, equivalent) = (checksum::of(&text), Some(script.checksum)),
            Err(problem) => problems.push(problem),
        }
    }
    Ok(Resolved {
        kind: script.kind,
        version: script.version.clone(),
        description: script.description.clone(),
        script: script.file.script.clone(),
        checksum: sum,
        equivalent,
        execute: script.companion.execute != Some(false),
    })
}

fn replace(script: &Script, text: &str, placeholders: &Placeholders) -> Result<String, Problem> {
    placeholders.replace(text, script.file_name(), script.companion.placeholders).map_err(|unreplaced| Problem::Unrunnable {
        script: script.file.script.clone(),
        line: unreplaced.line,
        why: format!("placeholder `{}` cannot be replaced: {}", unreplaced.name, unreplaced.why),
    })
}
