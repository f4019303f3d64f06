//! Aligned columns without rules or frames; the last column takes what is left of the line.

use super::terminal::{Terminal, Tone};

/// Where a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Rows under headings.
#[derive(Debug)]
pub(super) struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    pub(super) fn new(columns: &[(&'static str, Side)]) -> Self {
        let heading = columns.iter().map(|(name, _)| ((*name).to_owned(), Tone::Quiet)).collect();
        Self { sides: columns.iter().map(|(_, side)| *side).collect(), rows: vec![heading] }
    }

    /// Rows as they are, the first being the headings.
    pub(super) fn rows_of(sides: Vec<Side>, rows: Vec<Vec<(String, Tone)>>) -> Self {
        Self { sides, rows }
    }

    /// A row; missing cells are empty.
    pub(super) fn row(&mut self, cells: Vec<(String, Tone)>) {
        self.rows.push(cells);
    }

    /// The same without tones.
    pub(super) fn plain<const N: usize>(&mut self, cells: [String; N]) {
        self.row(cells.into_iter().map(|cell| (cell, Tone::Plain)).collect());
    }

    pub(super) fn render(&self, terminal: Terminal) -> String {
        let widths: Vec<usize> = (0..self.sides.len())
            .map(|at| {
                let cells = self.rows.iter().filter_map(|row| row.get(at));
                cells.map(|(cell, _)| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (at, (cell, tone)) in row.iter().enumerate() {
                let gap = widths.get(at).copied().unwrap_or(0).saturating_sub(cell.chars().count());
                let last = at + 1 == row.len();
                let side = self.sides.get(at).copied().unwrap_or(Side::Left);
                let painted = terminal.paint(*tone, cell);
                match side {
                    Side::Right => line.push_str(&format!("{}{painted}", " ".repeat(gap))),
                    Side::Left if last => line.push_str(&painted),
                    Side::Left => line.push_str(&format!("{painted}{}", " ".repeat(gap))),
                }
                if !last {
                    line.push_str("  ");
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Breaks a text at spaces so that each line fits `width`; lines after the first begin with `indent` spaces.
pub(super) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let room = width.saturating_sub(indent);
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > room {
            lines.push(word.to_owned());
        } else if let Some(last) = lines.last_mut() {
            if line > 0 {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}
