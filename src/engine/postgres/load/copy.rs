//! Rows into a table: one `COPY` for each frame, a whole table in one transaction.
//!
//! Trusts no frame to be what its index says: the statement it begins with and the rows the server took are compared. After an
//! error a session is good for nothing, for it is in the middle of a `COPY`.

use std::sync::Arc;
use std::time::Duration;

use super::super::super::EngineError;
use super::super::super::crew::Stop;
use super::super::connect::Session;
use super::super::{rows, worker};
use super::{joined, pieces, relation_of};
use crate::archive::Archive;
use crate::archive::manifest::{Frame, Manifest, Table};
use crate::progress::Progress;

/// How often a table is tried for whose locks there is no room, and the pause in between: short, for who is told to stop looks at it
/// afterwards.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_secs(2);

/// Loads a whole table in one transaction that truncates it first: its rows then arrive frozen, so that neither the indexes,
/// nor the comparison, nor the server's first vacuum have to write every page again; and where `wal_level` is `minimal` they
/// need no write-ahead log.
pub(super) async fn load_whole(
    session: &mut Session,
    archive: &Arc<Archive>,
    frames: &[usize],
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    let Some(first) = frames.first() else { return Ok(()) };
    let (_, table) = frame_and_table(archive.manifest(), *first)?;
    let name = relation_of(table).quoted();
    let doing = format!("begin to load table {}", table.qualified());
    // Made empty a moment ago, and since then open to everybody: the truncation must not take what somebody wrote.
    let locked = format!("BEGIN; LOCK TABLE ONLY {name} IN ACCESS EXCLUSIVE MODE; SELECT EXISTS (SELECT FROM ONLY {name})");
    if session.truth(&doing, &locked).await? {
        return Err(EngineError::Filled { location: session.place().location(), table: table.qualified() });
    }
    session.run(&doing, &format!("TRUNCATE ONLY {name}")).await?;
    for index in frames {
        load_frame(session, archive, *index, " WITH (FREEZE)", progress, stop).await?;
    }
    session.run(&format!("commit table {}", table.qualified()), "COMMIT").await
}

/// Loads one frame of rows, with `how` behind the `COPY`. After an error the session is good for nothing.
pub(in super::super) async fn load_frame(
    session: &mut Session,
    archive: &Arc<Archive>,
    index: usize,
    how: &str,
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    let (frame, table) = frame_and_table(archive.manifest(), index)?;
    let relation = relation_of(table);
    let statement = rows::copy_in(&relation);
    let begin = format!("{statement};\n");
    let unlike = || EngineError::Unfit(format!("frame {index} does not begin with `{statement}`"));
    let place = session.place().clone();
    let failed = |source| place.sort(&format!("load table {}", table.qualified()), source);
    let (mut pieces, reading) = pieces(archive, index);
    let mut copy = session.connection.copy_in_raw(&format!("{statement}{how}")).await.map_err(failed)?;
    // The first bytes must be the statement; the last four end the rows for psql and are not rows.
    let (mut held, mut begun) = (Vec::new(), false);
    while let Some(piece) = pieces.recv().await {
        if stop.asked() {
            return Err(EngineError::Worker("another worker had failed".to_owned()));
        }
        held.extend_from_slice(&piece);
        if !begun {
            if held.len() < begin.len() {
                continue;
            }
            if !held.starts_with(begin.as_bytes()) {
                return Err(unlike());
            }
            held.drain(..begin.len());
            begun = true;
        }
        let ready = held.len().saturating_sub(worker::END_OF_ROWS.len());
        if ready > 0 {
            copy.send(&held[..ready]).await.map_err(failed)?;
            progress.add(ready as u64, 0);
            held.drain(..ready);
        }
    }
    joined(reading.await)?;
    if !begun || held != worker::END_OF_ROWS {
        return Err(unlike());
    }
    let rows = copy.finish().await.map_err(failed)?;
    progress.add(0, rows);
    if rows == frame.rows {
        return Ok(());
    }
    Err(EngineError::Unfit(format!(
        "frame {index} holds {} rows of table {}, the server took {rows}",
        frame.rows,
        table.qualified()
    )))
}

/// Loads small tables, each with its frames, in one transaction; where the server has not the room for all their locks, one by one.
pub(super) async fn load_few(
    session: &mut Session,
    archive: &Arc<Archive>,
    few: &[(usize, &[usize])],
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    match load_together(session, archive, few, progress, stop).await {
        // Rows take more locks than their table's: those of what holds their large values.
        Err(EngineError::NoLocks { .. }) => session.run("begin anew", "ROLLBACK").await?,
        done => return done,
    }
    for (_, frames) in few {
        load_patiently(session, archive, frames, progress, stop).await?;
    }
    Ok(())
}

/// Loads a whole table, and again where the server has not the room for its locks: whoever loads several beside us has it for as long as that
/// takes.
async fn load_patiently(
    session: &mut Session,
    archive: &Arc<Archive>,
    frames: &[usize],
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    for _ in 1..TRIES {
        match load_whole(session, archive, frames, progress, stop).await {
            Err(EngineError::NoLocks { .. }) if !stop.asked() => session.run("begin anew", "ROLLBACK").await?,
            done => return done,
        }
        tokio::time::sleep(PAUSE).await;
    }
    load_whole(session, archive, frames, progress, stop).await
}

/// What is gained by truncating small tables first is less than that costs.
async fn load_together(
    session: &mut Session,
    archive: &Arc<Archive>,
    few: &[(usize, &[usize])],
    progress: &Progress,
    stop: &Stop,
) -> Result<(), EngineError> {
    let tables: Vec<&Table> = few.iter().filter_map(|(table, _)| archive.manifest().tables.get(*table)).collect();
    let Some(first) = tables.first() else { return Ok(()) };
    let names: Vec<String> = tables.iter().map(|table| format!("ONLY {}", relation_of(table).quoted())).collect();
    let doing = format!("begin to load table {} and {} more", first.qualified(), names.len() - 1);
    let ask = |(at, name): (usize, &String)| format!("SELECT {at}::bigint WHERE EXISTS (SELECT FROM {name})");
    let asked = names.iter().enumerate().map(ask).collect::<Vec<_>>().join(" UNION ALL ");
    let locked = format!("BEGIN; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE; {asked}", names.join(", "));
    if let Some(row) = session.rows(&doing, &locked).await?.first() {
        let at = usize::try_from(session.cell::<i64>(&doing, row, 0)?).unwrap_or_default();
        let table = tables.get(at).unwrap_or(first).qualified();
        return Err(EngineError::Filled { location: session.place().location(), table });
    }
    for index in few.iter().flat_map(|(_, frames)| frames.iter()) {
        load_frame(session, archive, *index, "", progress, stop).await?;
    }
    session.run(&format!("commit table {} and {} more", first.qualified(), names.len() - 1), "COMMIT").await
}

fn frame_and_table(manifest: &Manifest, index: usize) -> Result<(&Frame, &Table), EngineError> {
    let frame = manifest.frames.get(index);
    let table = frame.and_then(|frame| frame.table).and_then(|table| manifest.tables.get(table as usize));
    frame.zip(table).ok_or_else(|| EngineError::Unfit(format!("frame {index} names no table of the manifest")))
}
