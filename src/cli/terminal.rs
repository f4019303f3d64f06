//! Standard output and standard error: who reads them, and whether colours help.
//!
//! Owns every byte printed. What others wrote (a version, a note, a reason, a server's message) may hold anything: text passes through
//! `text` on its way out, so that nothing in it acts on the terminal; JSON is printed as it is. Never fails a command because nobody
//! reads (see [`Stop::NobodyReads`]).

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::Stop;
use crate::config::load::Environment;
use crate::failure::{Class, Failure};
use crate::pen::Pen;
use crate::text;

pub(super) use crate::pen::Tone;

/// What stands between us and the reader.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminal {
    form: Form,
    /// Colours on standard output.
    colours: bool,
    /// Whether standard error is a terminal: progress bars go there.
    lively: bool,
    /// The columns of standard output; none when it is no terminal.
    columns: Option<usize>,
}

/// What a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

impl Terminal {
    pub(super) fn of_process(environment: &Environment, json: bool) -> Self {
        // Who shows what we print knows the terminal; we have only its pipe, and no bar moves over that.
        if let Some(relayed) = environment.get(super::owner::RELAYED).filter(|_| !json) {
            let (columns, colours) = relayed.split_once(' ').unwrap_or_default();
            return Self { form: Form::Text, colours: colours == "colours", lively: false, columns: columns.parse().ok() };
        }
        let wanted = environment.get("NO_COLOR").is_none_or(String::is_empty);
        let dumb = environment.get("TERM").is_some_and(|term| term == "dumb");
        Self {
            form: if json { Form::Json } else { Form::Text },
            colours: wanted && !dumb && !json && io::stdout().is_terminal(),
            lively: !dumb && !json && io::stderr().is_terminal(),
            columns: if json { None } else { columns() },
        }
    }

    /// For a failure before the command line is understood.
    pub(super) fn json() -> Self {
        Self { form: Form::Json, colours: false, lively: false, columns: None }
    }

    /// The same for a person.
    pub(super) fn plain() -> Self {
        Self { form: Form::Text, colours: false, lively: false, columns: None }
    }

    pub(super) fn is_json(self) -> bool {
        self.form == Form::Json
    }

    pub(super) fn is_lively(self) -> bool {
        self.lively
    }

    pub(super) fn columns(self) -> Option<usize> {
        self.columns
    }

    /// What of it the process must know whose words are shown here.
    pub(super) fn handed_on(self) -> String {
        let columns = self.columns.map_or_else(String::new, |columns| columns.to_string());
        format!("{columns} {}", if self.colours { "colours" } else { "" })
    }

    /// The same with the size that its window has now.
    pub(super) fn measured(self) -> Self {
        Self { columns: self.columns.and_then(|_| columns()), ..self }
    }

    /// The rows of standard output; none when it is no terminal.
    pub(super) fn rows(self) -> Option<usize> {
        let size = self.columns.and_then(|_| rustix::termios::tcgetwinsize(io::stdout()).ok())?;
        Some(usize::from(size.ws_row)).filter(|rows| *rows > 0)
    }

    /// The same of a certain width.
    pub(super) fn of_width(self, columns: usize) -> Self {
        Self { columns: Some(columns), ..self }
    }

    /// Colours a text, or not.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        Pen::from(self).paint(tone, text)
    }

    /// Prints text to standard output, and nothing in it acts on the terminal but our colours.
    pub(super) fn print(self, text: &str) -> Result<(), Stop> {
        match self.form {
            Form::Json => self.act(text),
            Form::Text => self.act(&self.shown(text)),
        }
    }

    fn shown<'a>(self, text: &'a str) -> std::borrow::Cow<'a, str> {
        if self.colours { text::coloured(text) } else { text::printable(text) }
    }

    /// Writes to standard output as it is.
    pub(super) fn act(self, text: &str) -> Result<(), Stop> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Stop::NobodyReads,
            _ => Failure::new(Class::Io, format!("cannot write to standard output: {error}")).into(),
        })
    }

    /// Writes a piece of what is meant for a program: as it is into a file or a pipe; on a terminal nothing in it acts. The error is the
    /// stream's own.
    pub(super) fn stream(self, piece: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self.columns {
            None => out.write_all(piece)?,
            Some(_) => out.write_all(text::printable(&String::from_utf8_lossy(piece)).as_bytes())?,
        }
        out.flush()
    }

    /// The result of a command: the object itself with `--json`, else what `text` makes of it.
    pub(super) fn show<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Stop> {
        match self.form {
            Form::Json => {
                let object = serde_json::to_string_pretty(value);
                let object = object
                    .map_err(|error| Failure::new(Class::Software, format!("cannot put the result into JSON: {error}")))?;
                self.print(&format!("{object}\n"))
            }
            Form::Text => {
                let text = text(value);
                let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                self.print(&format!("{text}{end}"))
            }
        }
    }

    /// Something said on the way, for people: standard error, nothing with `--json`.
    pub(super) fn say(self, text: &str) {
        if self.form == Form::Text {
            // Whoever closed standard error does not want to hear it.
            writeln!(io::stderr().lock(), "{}", text::printable(text)).ok();
        }
    }

    /// The failure a command ends with.
    pub(super) fn fail(self, failure: &Failure) {
        match self.form {
            Form::Json => drop(self.show(failure, |_| String::new())),
            Form::Text => self.say(&failure.to_string()),
        }
    }
}

impl From<Terminal> for Pen {
    fn from(terminal: Terminal) -> Self {
        Self { colours: terminal.colours, columns: terminal.columns }
    }
}

/// The width of the terminal that standard output is; a terminal that does not know its own says 0.
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
