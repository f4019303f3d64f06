//! What dumps over several connections write: rows cut into frames, and small frames of text.

use super::EngineError;
use super::tally::TakeRows;
use crate::archive::FrameEncoder;
use crate::archive::manifest::FrameKind;
use crate::archive::writer::encoder::GATHER_BYTES;
use crate::archive::writer::{EncodedFrame, FrameSink};

/// Cuts rows into frames of one table each, every one of which stands on its own.
pub(super) struct Cutter<'a> {
    sink: &'a FrameSink,
    level: i32,
    /// Uncompressed bytes after which a frame ends: as many as compress at once, with room for one more piece of rows.
    full: u64,
    /// What stands before a table's rows in each frame, by the table's place.
    head: &'a (dyn Fn(usize) -> String + Send + Sync),
    /// What ends them.
    tail: &'static [u8],
    open: Option<Open>,
}

struct Open {
    table: usize,
    /// None until the first row: a table without rows has no frame.
    encoder: Option<FrameEncoder>,
}

impl<'a> Cutter<'a> {
    /// Cuts rows that come in pieces of about `piece_bytes`.
    pub(super) fn new(
        sink: &'a FrameSink,
        level: i32,
        piece_bytes: usize,
        head: &'a (dyn Fn(usize) -> String + Send + Sync),
        tail: &'static [u8],
    ) -> Self {
        Self { sink, level, full: full(piece_bytes), head, tail, open: None }
    }

    /// Rows from here on are this table's. A frame goes on over the ranges of one table.
    pub(super) fn turn_to(&mut self, table: usize) -> Result<(), EngineError> {
        if self.open.as_ref().is_none_or(|open| open.table != table) {
            self.end()?;
            self.open = Some(Open { table, encoder: None });
        }
        Ok(())
    }

    /// Ends the frame that is open, if there is one.
    pub(super) fn end(&mut self) -> Result<(), EngineError> {
        if let Some(mut encoder) = self.open.as_mut().and_then(|open| open.encoder.take()) {
            encoder.write(self.tail, 0)?;
            self.sink.append(encoder.finish()?)?;
        }
        Ok(())
    }
}

impl TakeRows for Cutter<'_> {
    fn take(&mut self, piece: &[u8], rows: u64) -> Result<(), EngineError> {
        let Some(open) = &mut self.open else { return Err(EngineError::Worker("cutting frames".to_owned())) };
        let encoder = match &mut open.encoder {
            Some(encoder) => encoder,
            empty => {
                let mut encoder = FrameEncoder::new(FrameKind::Data, Some(place(open.table)?), self.level)?;
                encoder.write((self.head)(open.table).as_bytes(), 0)?;
                empty.insert(encoder)
            }
        };
        encoder.write(piece, rows)?;
        if encoder.raw() >= self.full {
            self.end()?;
        }
        Ok(())
    }
}

/// Uncompressed bytes after which a frame ends when it is filled in pieces of about `piece_bytes`.
pub(super) const fn full(piece_bytes: usize) -> u64 {
    (GATHER_BYTES - 2 * piece_bytes) as u64
}

/// A table's place in the manifest, as a frame has it.
pub(super) fn place(table: usize) -> Result<u32, EngineError> {
    u32::try_from(table).map_err(|_| EngineError::Worker("counting tables".to_owned()))
}

/// Appends a frame of text.
pub(super) async fn append_text(sink: &FrameSink, kind: FrameKind, level: i32, text: String) -> Result<(), EngineError> {
    let mut encoder = FrameEncoder::new(kind, None, level)?;
    encoder.write(text.as_bytes(), 0)?;
    append(sink, encoder.finish()?).await
}

/// Appends without holding up the runtime while the disk is slow.
pub(super) async fn append(sink: &FrameSink, frame: EncodedFrame) -> Result<(), EngineError> {
    let sink = sink.clone();
    let done = tokio::task::spawn_blocking(move || sink.append(frame)).await;
    done.map_err(|_| EngineError::Worker("writing the archive".to_owned()))?.map_err(EngineError::Archive)
}
