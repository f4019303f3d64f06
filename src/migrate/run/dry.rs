//! What a run would do: every script in its order, every statement, nothing done.

use super::desk::Desk;
use super::report::{DryScript, DryStatement, Selection};
use super::{look, pick};
use crate::config::Migrations;
use crate::migrate::error::MigrateError;
use crate::migrate::host::Host;
use crate::migrate::plan::Target;
use crate::migrate::prepare::Prepared;
use crate::migrate::scan::Scripts;

pub(in crate::migrate) async fn dry_run<H: Host>(
    host: &mut H,
    settings: &Migrations,
    scripts: &Scripts,
    selection: &Selection,
) -> Result<Vec<DryScript>, MigrateError> {
    let connected = host.connected().await?;
    let desk = Desk::new(settings, scripts, &connected, H::DIALECT)?;
    let (_, mut plan) = look(host, &desk).await?;
    pick::pick(&mut plan, &desk.resolved, selection, settings.out_of_order);
    desk.check(&plan)?;
    let mut would = Vec::new();
    let dry = |script: &Prepared, event, version| DryScript {
        event,
        version,
        script: script.name.clone(),
        in_transaction: script.is_one_transaction(),
        statements: script
            .pieces
            .iter()
            .map(|piece| DryStatement {
                line: piece.line,
                sql: script.sql(piece).to_owned(),
                rows_bytes: script.rows(piece).map(str::len),
            })
            .collect(),
    };
    for event in ["beforeValidate", "afterValidate", "beforeMigrate"] {
        would.extend(desk.at(event)?.iter().map(|script| dry(script, Some(event), None)));
    }
    let mut versioned = true;
    let count = if desk.rules.target == Target::Next { 1 } else { plan.pending.len() };
    for (resolved, script) in
        plan.pending.iter().take(count).filter_map(|&index| Some((desk.resolved.get(index)?, scripts.scripts.get(index)?)))
    {
        if versioned && resolved.version.is_none() {
            versioned = false;
            for event in ["afterVersioned", "beforeRepeatables"] {
                would.extend(desk.at(event)?.iter().map(|script| dry(script, Some(event), None)));
            }
        }
        let ready = desk.ready(script, "beforeEachMigrate", "afterEachMigrate")?;
        would.extend(ready.before.iter().map(|script| dry(script, Some("beforeEachMigrate"), None)));
        would.push(dry(&ready, None, resolved.version.as_ref().map(ToString::to_string)));
        would.extend(ready.after.iter().map(|script| dry(script, Some("afterEachMigrate"), None)));
    }
    let last = [("afterVersioned", versioned), ("afterMigrateApplied", !plan.pending.is_empty()), ("afterMigrate", true)];
    for (event, _) in last.into_iter().filter(|(_, happens)| *happens) {
        would.extend(desk.at(event)?.iter().map(|script| dry(script, Some(event), None)));
    }
    Ok(would)
}
