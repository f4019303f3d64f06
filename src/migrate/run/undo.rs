//! Taking versions back by their undo scripts.

use super::desk::Desk;
use super::report::{AppliedScript, Report};
use super::rows::next_rank;
use super::{callbacks, look, pick};
use crate::config::Migrations;
use crate::fault;
use crate::migrate::error::MigrateError;
use crate::migrate::host::{Host, NewRow, Ran};
use crate::migrate::plan::{self, Existing, Problem};
use crate::migrate::scan::Scripts;
use crate::migrate::version::MigrationVersion;

/// Takes back the newest version, or every version newer than `down_to`. The history gets a row of type `DELETE`, as from
/// Flyway's repair: the free Flyway cannot read a history with a row of its paid edition's `UNDO_SQL`.
pub(in crate::migrate) async fn undo<H: Host>(
    host: &mut H,
    settings: &Migrations,
    scripts: &Scripts,
    down_to: Option<&str>,
    report: &mut Report,
) -> Result<(), MigrateError> {
    let down_to = down_to
        .map(MigrationVersion::parse)
        .transpose()
        .map_err(|source| MigrateError::BadTarget(plan::NotATarget(down_to.unwrap_or_default().to_owned(), source)))?;
    let connected = host.connected().await?;
    report.table = host.table();
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    host.lock().await?;
    let (_, plan) = look(host, &desk).await?;
    desk.refuse(&plan)?;
    let steps = pick::undo_steps(&plan, down_to.as_ref());
    let mut ready = Vec::with_capacity(steps.len());
    for (version, entry) in steps {
        let script = desk
            .undo_of(&version)
            .ok_or_else(|| MigrateError::Refused(vec![Problem::NoUndo { migration: version.to_string() }]))?;
        ready.push((desk.ready(script, "beforeEachUndo", "afterEachUndo")?, script, entry));
    }
    callbacks(host, &desk, "beforeUndo").await?;
    for (prepared, script, entry) in ready {
        let Existing::Rows(rows) = host.look().await? else { break };
        let row = NewRow {
            rank: next_rank(&rows),
            version: entry.version.clone(),
            description: entry.description.clone(),
            kind: "DELETE",
            script: plan::abbreviated_script(&script.file.script),
            checksum: Some(script.checksum),
            execution_ms: 0,
            success: false,
        };
        fault::point("migrate.undo");
        let Ran::Applied { execution_ms } = host.run(&prepared, &row).await? else {
            let why = "another run wrote to it while migrations were being taken back".to_owned();
            return Err(MigrateError::History { table: host.table(), why });
        };
        fault::point("migrate.undone");
        report.applied.push(AppliedScript {
            version: row.version,
            description: row.description,
            script: row.script,
            execution_ms,
        });
    }
    callbacks(host, &desk, "afterUndo").await?;
    report.head = desk.plan(&host.look().await?).head;
    Ok(())
}
