//! What reaches the terminal, and how the terminal is left.
//!
//! Owns the escape sequences. A frame is written in one piece over the one before it, so that nothing flickers; on a screen of
//! its own, so that what stood there before stands there again afterwards, also when we end by a failure. Where there is no
//! terminal, frames are plain text one below the other.

use crate::cli::Stop;
use crate::cli::terminal::Terminal;

/// The other screen, without a cursor and without line breaks of the terminal's own.
const OPEN: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
/// Everything as it was.
const CLOSE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// A screen of its own until it is closed or dropped.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal,
    open: bool,
}

impl Screen {
    pub(super) fn open(terminal: Terminal) -> Result<Self, Stop> {
        let open = terminal.columns().is_some();
        let screen = Self { terminal, open };
        if open {
            terminal.act(OPEN)?;
        }
        Ok(screen)
    }

    /// Shows a frame in place of the one before.
    pub(super) fn show(&self, rows: &[String]) -> Result<(), Stop> {
        let columns = self.terminal.measured().columns().unwrap_or(usize::MAX);
        if self.open {
            self.terminal.act(&over(rows, columns))
        } else {
            self.terminal.print(&format!("{}\n\n", rows.join("\n")))
        }
    }

    pub(super) fn close(&mut self) -> Result<(), Stop> {
        if std::mem::take(&mut self.open) { self.terminal.act(CLOSE) } else { Ok(()) }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody is left to be told.
        self.close().ok();
    }
}

/// A frame that replaces what stands there: each row up to its end, and what is below the last one. After a row that fills the
/// line the cursor still stands on its last character, which erasing up to the end would take away.
fn over(rows: &[String], columns: usize) -> String {
    let erased = |row: &String| if cut(row, columns.saturating_sub(1)) == *row { format!("{row}\x1b[K") } else { row.clone() };
    let rows: Vec<String> = rows.iter().map(erased).collect();
    // As one update, on terminals that know it (mode 2026); others ignore the mode.
    format!("\x1b[?2026h\x1b[H{}\x1b[J\x1b[?2026l", rows.join("\r\n"))
}

/// A row of at most so many visible characters; colours take no room, and end where it is cut.
pub(super) fn cut(row: &str, columns: usize) -> String {
    let (mut text, mut shown, mut escape, mut coloured) = (String::new(), 0, false, false);
    for letter in row.chars() {
        escape |= letter == '\x1b';
        if escape {
            coloured = true;
            text.push(letter);
            escape = letter != 'm';
        } else if shown < columns {
            text.push(letter);
            shown += 1;
        } else {
            return if coloured { format!("{text}\x1b[0m") } else { text };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_covers_the_one_before_it() {
        let text = over(&["one".to_owned(), String::new()], 80);
        assert_eq!(text, "\x1b[?2026h\x1b[Hone\x1b[K\r\n\x1b[K\x1b[J\x1b[?2026l");
    }

    #[test]
    fn a_row_that_fills_the_line_keeps_its_last_character() {
        let text = over(&["four".to_owned(), "\x1b[1mfour\x1b[0m".to_owned(), "now".to_owned()], 4);
        assert_eq!(text, "\x1b[?2026h\x1b[Hfour\r\n\x1b[1mfour\x1b[0m\r\nnow\x1b[K\x1b[J\x1b[?2026l");
    }

    #[test]
    fn colours_take_no_room_and_end_with_their_row() {
        assert_eq!(cut("sizes ▁▂▃", 8), "sizes ▁▂");
        assert_eq!(cut("\x1b[1mnotes\x1b[0m  well", 9), "\x1b[1mnotes\x1b[0m  we\x1b[0m");
        assert_eq!(cut("\x1b[1mnotes\x1b[0m", 5), "\x1b[1mnotes\x1b[0m");
        assert_eq!(cut("\x1b[1mnotes\x1b[0m", 3), "\x1b[1mnot\x1b[0m");
    }
}
