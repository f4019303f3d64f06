//! Aligned columns without rules or frames; the last column takes what is left of the line, or is cut to it.

use super::{Pen, Tone};
use crate::text;

/// Where a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// At the left, as words do.
    Left,
    /// At the right, as numbers do.
    Right,
}

/// What stands between two columns.
const GAP: &str = "  ";

/// Fewer characters of a text say nothing.
const LEAST: usize = 5;

/// Rows under headings.
#[derive(Debug)]
pub struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<(String, Tone)>>,
    last: Last,
    /// Places of columns that a narrow terminal does without, the first one first.
    spared: Vec<usize>,
}

/// What becomes of a last column that is wider than the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The terminal breaks the line.
    Whole,
    /// It ends in an ellipsis. Elsewhere than on a terminal it is whole.
    Cut,
}

impl Table {
    /// With these headings and no row yet.
    #[must_use]
    pub fn new(columns: &[(&'static str, Side)]) -> Self {
        let heading = columns.iter().map(|(name, _)| ((*name).to_owned(), Tone::Quiet)).collect();
        Self {
            sides: columns.iter().map(|(_, side)| *side).collect(),
            rows: vec![heading],
            last: Last::Whole,
            spared: Vec::new(),
        }
    }

    /// Rows as they are, the first being the headings.
    #[must_use]
    pub fn rows_of(sides: Vec<Side>, rows: Vec<Vec<(String, Tone)>>) -> Self {
        Self { sides, rows, last: Last::Whole, spared: Vec::new() }
    }

    /// On a terminal, cuts the last column where the line ends.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.last = Last::Cut;
        self
    }

    /// On a terminal that is too narrow for the columns before the last, leaves out these, the first one first.
    #[must_use]
    pub fn sparing(mut self, places: &[usize]) -> Self {
        self.spared = places.to_vec();
        self
    }

    /// A row; missing cells are empty. A cell is one line, whatever was written into it.
    pub fn row(&mut self, cells: Vec<(String, Tone)>) {
        self.rows.push(cells.into_iter().map(|(cell, tone)| (text::line(&cell).into_owned(), tone)).collect());
    }

    /// The same without tones.
    pub fn plain<const N: usize>(&mut self, cells: [String; N]) {
        self.row(cells.into_iter().map(|cell| (cell, Tone::Plain)).collect());
    }

    /// The lines, each with its end.
    #[must_use]
    pub fn render(&self, pen: impl Into<Pen>) -> String {
        let pen = pen.into();
        let widths: Vec<usize> = (0..self.sides.len())
            .map(|at| {
                let cells = self.rows.iter().filter_map(|row| row.get(at));
                cells.map(|(cell, _)| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut before: usize = widths.iter().rev().skip(1).map(|width| width + GAP.len()).sum();
        let mut hidden = Vec::new();
        for place in &self.spared {
            // Behind what comes before an empty last cell there is no gap.
            if pen.columns.is_some_and(|columns| before > columns + GAP.len()) {
                before = before.saturating_sub(widths.get(*place).copied().unwrap_or(0) + GAP.len());
                hidden.push(*place);
            }
        }
        let room = pen.columns.filter(|_| self.last == Last::Cut).map(|columns| columns.saturating_sub(before));
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (at, (cell, tone)) in row.iter().enumerate().filter(|(at, _)| !hidden.contains(at)) {
                let gap = widths.get(at).copied().unwrap_or(0).saturating_sub(cell.chars().count());
                let last = at + 1 == row.len();
                let side = self.sides.get(at).copied().unwrap_or(Side::Left);
                let cell = if at + 1 == self.sides.len() { shortened(cell, room) } else { cell.clone() };
                let painted = pen.paint(*tone, &cell);
                match side {
                    Side::Right => line.push_str(&format!("{}{painted}", " ".repeat(gap))),
                    Side::Left if last => line.push_str(&painted),
                    Side::Left => line.push_str(&format!("{painted}{}", " ".repeat(gap))),
                }
                if !last {
                    line.push_str(GAP);
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// As much of a text as there is room for; less than a word is nothing.
fn shortened(text: &str, room: Option<usize>) -> String {
    match room {
        Some(room) if text.chars().count() > room => {
            let kept: String = text.chars().take(room.saturating_sub(1)).collect();
            if kept.chars().count() < LEAST { String::new() } else { format!("{}…", kept.trim_end()) }
        }
        _ => text.to_owned(),
    }
}

/// The words of a text. A command between backticks is one word, with its spaces: it is copied as it stands.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for word in text.split_whitespace() {
        match words.last_mut().filter(|_| open) {
            Some(command) => {
                command.push(' ');
                command.push_str(word);
            }
            None => words.push(word.to_owned()),
        }
        open ^= word.matches('`').count() % 2 == 1;
    }
    // One that is never closed is a backtick and no command.
    if open { text.split_whitespace().map(str::to_owned).collect() } else { words }
}

/// Breaks a text at spaces so that each line fits `width`; lines after the first begin with `indent` spaces. A command that is
/// longer than a line has one of its own, which the terminal breaks without a mark.
#[must_use]
pub fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for word in words(text) {
        let room = width.saturating_sub(indent);
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > room {
            lines.push(word);
        } else if let Some(last) = lines.last_mut() {
            if line > 0 {
                last.push(' ');
            }
            last.push_str(&word);
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// Lines that begin with blanks, or with blanks and a number, each broken to the columns behind those.
#[must_use]
pub fn folded(text: &str, pen: Pen) -> String {
    let Some(columns) = pen.columns else { return text.to_owned() };
    let fold = |line: &str| {
        let text = line.trim_start_matches(|letter: char| letter == ' ' || letter.is_ascii_digit());
        let text = text.strip_prefix(". ").or_else(|| text.strip_prefix("- ")).unwrap_or(text);
        let (begin, text) = line.split_at(if line.starts_with(' ') { line.len() - text.len() } else { 0 });
        format!("{begin}{}", wrapped(text, columns, begin.len().max(2)))
    };
    text.lines().map(fold).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_never_broken() {
        let text = "it is down; install it: `apt install notes=1.0-3 && systemctl start notes`; or see `upkeep plan`";
        assert_eq!(
            wrapped(text, 30, 2),
            "it is down; install it:\n  `apt install notes=1.0-3 && systemctl start notes`;\n  or see `upkeep plan`"
        );
        assert_eq!(wrapped("a ` alone is none", 8, 0), "a `\nalone is\nnone");
    }

    #[test]
    fn what_follows_a_number_is_broken_behind_it() {
        let plan = "upgrade notes from 1.0 to 2.0\n  1. stop-old: stop notes.service\n  10. hold: hold it\n  if a step fails: 2 are put back";
        let pen = Pen { columns: Some(24), ..Pen::default() };
        assert_eq!(
            folded(plan, pen),
            "upgrade notes from 1.0\n  to 2.0\n  1. stop-old: stop\n     notes.service\n  10. hold: hold it\n  if a step fails: 2 are\n  put back"
        );
        assert_eq!(folded(plan, Pen::default()), plan);
    }

    #[test]
    fn a_narrow_terminal_does_without_some_columns() {
        let columns = [("label", Side::Left), ("rows", Side::Right), ("size", Side::Right), ("", Side::Left)];
        let mut table = Table::new(&columns).cut().sparing(&[1, 2]);
        table.plain(["notes-1", "12", "3 kB", "pinned"].map(str::to_owned));
        let line = |columns| table.render(Pen { columns: Some(columns), ..Pen::default() }).lines().nth(1).unwrap().to_owned();
        assert_eq!(line(19), "notes-1    12  3 kB");
        assert_eq!(line(18), "notes-1  3 kB");
        assert_eq!(line(12), "notes-1");
        assert_eq!(table.render(Pen::default()).lines().nth(1), Some("notes-1    12  3 kB  pinned"));
    }

    #[test]
    fn a_last_column_is_cut_where_the_terminal_ends_and_nowhere_else() {
        let mut table = Table::new(&[("label", Side::Left), ("", Side::Left)]).cut();
        table.plain(["notes-1".to_owned(), "pinned: before the great change".to_owned()]);
        let line = |pen: Pen| table.render(pen).lines().nth(1).unwrap().to_owned();
        let wide = |columns| Pen { columns: Some(columns), ..Pen::default() };
        assert_eq!(line(Pen::default()), "notes-1  pinned: before the great change");
        assert_eq!(line(wide(40)), "notes-1  pinned: before the great change");
        assert_eq!(line(wide(39)), "notes-1  pinned: before the great chan…");
        assert_eq!(line(wide(24)), "notes-1  pinned: before…");
        for narrow in [0, 9, 12] {
            assert_eq!(line(wide(narrow)), "notes-1", "{narrow}");
        }
        let mut table = Table::new(&[("label", Side::Left), ("", Side::Left)]);
        table.plain(["notes-2".to_owned(), "two\nlines \x1b[2J".to_owned()]);
        let text = table.render(Pen::default());
        assert_eq!(text.lines().nth(1).unwrap(), "notes-2  two\\u000alines \\u001b[2J");
    }
}
