//! How things are said to a person: meanings that colours carry, sizes and ages as people read them, aligned columns.
//!
//! Pure: what stands between us and the reader is an argument, the [`Pen`]. Nothing here prints.

pub mod human;
pub mod table;

/// A meaning that a colour carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// None in particular.
    Plain,
    /// What the eye should find first.
    Strong,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// A person must act.
    Bad,
    /// What is only there to be complete.
    Quiet,
}

/// What the reader's side can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pen {
    /// Whether colours help.
    pub colours: bool,
    /// The columns there are; none when it is no terminal.
    pub columns: Option<usize>,
}

impl Pen {
    /// Colours a text, or not.
    #[must_use]
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "1;31",
            Tone::Quiet => "2",
        };
        if self.colours && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
