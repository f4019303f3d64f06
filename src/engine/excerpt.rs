//! What part of an archive is wished for, and the stream it goes to.
//!
//! Owns which tables are meant by what was typed. Knows nothing of an engine. Never hands on a byte of a frame before the frame's digest was
//! found right.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::EngineError;
use crate::archive::{Archive, ArchiveError};
use crate::text;

/// Names this alike are worth being named.
const ALIKE: f64 = 0.7;
/// How many of them.
const NAMED: usize = 5;

/// Bytes that are collected before they are handed on: most rows are short, and handing on may be a system call.
const COLLECTED_BYTES: usize = 64 * 1024;

/// What is wished for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Tables, as somebody typed them.
    pub tables: Vec<String>,
    /// Definition and rows, or the rows alone.
    pub part: Part,
    /// Where a page image may be unpacked for the time it takes.
    pub scratch: PathBuf,
}

/// How much of a table is wished for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The table is made, with its rows.
    Whole,
    /// The rows, for a table that is there.
    Rows,
}

/// Takes what is printed, in pieces.
pub type Take<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

/// A name with its schema; that is empty where the engine has none.
pub(super) type Name = (String, String);

/// The stream.
pub(super) struct Out<'a> {
    pub(super) archive: Arc<Archive>,
    sink: Sink<'a>,
    /// Something was printed.
    pub(super) begun: bool,
    /// A frame is being handed on: what follows stands in the middle of it.
    pub(super) in_frame: bool,
    /// What a person should know of what was printed.
    pub(super) notes: Vec<String>,
}

impl<'a> Out<'a> {
    pub(super) fn new(archive: &Archive, take: &'a mut Take<'a>) -> Self {
        let sink = Sink { take, collected: Vec::with_capacity(COLLECTED_BYTES) };
        Self { archive: Arc::new(archive.shared()), sink, begun: false, in_frame: false, notes: Vec::new() }
    }

    /// Prints what stands on its own.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        self.begun = true;
        let taken = self.sink.push(bytes);
        self.handed(taken)
    }

    /// Hands on what is still here; nothing is printed before that.
    pub(super) fn end(&mut self) -> Result<(), EngineError> {
        let taken = self.sink.flush();
        self.handed(taken)
    }

    fn handed(&self, taken: io::Result<()>) -> Result<(), EngineError> {
        let failed = |source| ArchiveError::Codec { what: "hand on", path: self.archive.path().to_owned(), source };
        Ok(taken.map_err(failed)?)
    }

    /// The same of a text.
    pub(super) fn text(&mut self, text: &str) -> Result<(), EngineError> {
        self.bytes(text.as_bytes())
    }

    /// Prints a frame as it is.
    pub(super) fn frame(&mut self, index: usize) -> Result<(), EngineError> {
        // Of a frame that is not what was sealed nothing is handed on.
        let (sink, begun, in_frame) = (&mut self.sink, &mut self.begun, &mut self.in_frame);
        self.archive.read_frame(index, &mut |piece| {
            (*begun, *in_frame) = (true, true);
            sink.push(piece)
        })?;
        self.in_frame = false;
        Ok(())
    }

    /// Says something of what is printed, there and to whoever asked: one line, whatever the names in it are.
    pub(super) fn note(&mut self, note: &str) -> Result<(), EngineError> {
        let note = text::line(note).into_owned();
        self.text(&format!("-- {note}\n"))?;
        self.notes.push(note);
        Ok(())
    }
}

/// Collects what is printed.
struct Sink<'a> {
    take: &'a mut Take<'a>,
    collected: Vec<u8>,
}

impl Sink<'_> {
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.collected.extend_from_slice(bytes);
        if self.collected.len() < COLLECTED_BYTES { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.collected.is_empty() {
            return Ok(());
        }
        let taken = (self.take)(&self.collected);
        // What was refused is not offered again.
        self.collected.clear();
        taken
    }
}

/// Which of these names is meant: by itself where only one schema has it, or with its schema; plain, or quoted as SQL quotes it.
pub(super) fn find(names: &[Name], typed: &str) -> Result<usize, EngineError> {
    let meant: Vec<usize> = (0..names.len()).filter(|at| spellings(&names[*at]).iter().any(|name| name == typed)).collect();
    let shown = |at: &usize| format!("`{}`", text::line(&qualified(&names[*at])));
    let what = match meant.as_slice() {
        [one] => return Ok(*one),
        [] => format!("there is no table `{}` in the archive", text::line(typed)),
        several => {
            let several: Vec<String> = several.iter().map(shown).collect();
            let what = format!("`{}` is the name of several tables: {}", text::line(typed), several.join(", "));
            return Err(EngineError::NoSuchTable { what, hint: "name it with its schema".to_owned() });
        }
    };
    let score = |name: &Name| {
        let alike = |known: &str| strsim::jaro_winkler(&known.to_lowercase(), &typed.to_lowercase());
        alike(&name.1).max(alike(&qualified(name)))
    };
    let mut alike: Vec<(usize, f64)> =
        (0..names.len()).map(|at| (at, score(&names[at]))).filter(|one| one.1 >= ALIKE).collect();
    alike.sort_by(|one, other| other.1.total_cmp(&one.1));
    let nearest: Vec<String> = alike.iter().take(NAMED).map(|(at, _)| shown(at)).collect();
    let hint = match nearest.is_empty() {
        true => "its tables are listed by `upkeep inspect`; views and the like have no rows in an archive".to_owned(),
        false => format!("the nearest: {}; all are listed by `upkeep inspect`", nearest.join(", ")),
    };
    Err(EngineError::NoSuchTable { what, hint })
}

/// The ways somebody may spell it.
fn spellings((schema, name): &Name) -> Vec<String> {
    let ways =
        |part: &str| [part.to_owned(), format!("\"{}\"", part.replace('"', "\"\"")), format!("`{}`", part.replace('`', "``"))];
    let mut all = ways(name).to_vec();
    if !schema.is_empty() {
        all.extend(ways(schema).iter().flat_map(|schema| ways(name).map(|name| format!("{schema}.{name}"))));
    }
    all
}

/// `schema.name`, or the name alone.
pub(super) fn qualified((schema, name): &Name) -> String {
    if schema.is_empty() { name.clone() } else { format!("{schema}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Explain as _;

    fn names() -> Vec<Name> {
        let names = [("app", "orders"), ("app", "We \"ird"), ("old", "orders"), ("", "note.s"), ("app", "customers")];
        names.map(|(schema, name)| (schema.to_owned(), name.to_owned())).to_vec()
    }

    #[test]
    fn a_table_is_found_as_it_is_typed() {
        for (typed, at) in [
            ("app.orders", 0),
            ("\"app\".orders", 0),
            ("old.\"orders\"", 2),
            ("We \"ird", 1),
            ("app.\"We \"\"ird\"", 1),
            ("note.s", 3),
            ("`note.s`", 3),
            ("customers", 4),
        ] {
            assert_eq!(find(&names(), typed).unwrap(), at, "{typed}");
        }
    }

    #[test]
    fn what_is_none_or_several_is_told_with_the_nearest() {
        for (typed, told, hint) in [
            ("orders", "several tables: `app.orders`, `old.orders`", "schema"),
            ("order", "no table `order`", "the nearest: `app.orders`"),
            ("Customers", "no table `Customers`", "`app.customers`"),
            ("xyzzy", "no table `xyzzy`", "upkeep inspect"),
            ("a\u{1b}[2J", "no table `a\\u001b[2J`", "upkeep inspect"),
        ] {
            let error = find(&names(), typed).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
            assert!(error.hints().concat().contains(hint), "{typed}: {:?}", error.hints());
        }
    }
}
