//! Cutting what a program prints into lines fit to be shown.
//!
//! Owns nothing but the rest of a line that is not whole yet. A line is bounded to [`LINE_BYTES`] and holds no control
//! characters: it is shown on terminals, and a tool's output is not trusted with them. Held by the tests beside this file.

/// A longer line is cut into pieces of this many bytes: enough for a stack trace's frame, small enough for a journal's field.
const LINE_BYTES: usize = 4096;

/// The lines of a stream that comes in pieces.
#[derive(Debug, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Takes a piece, and tells each line that is whole now.
    pub fn feed(&mut self, piece: &[u8], tell: &mut dyn FnMut(&str)) {
        for &byte in piece {
            // A progress bar returns to the beginning of its line instead of ending it.
            if matches!(byte, b'\n' | b'\r') || self.0.len() >= LINE_BYTES {
                self.end(tell);
            }
            if !matches!(byte, b'\n' | b'\r') {
                self.0.push(byte);
            }
        }
    }

    /// Tells what is left when the stream has ended without a last end of line.
    pub fn end(&mut self, tell: &mut dyn FnMut(&str)) {
        let line = String::from_utf8_lossy(&self.0)
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect::<String>();
        self.0.clear();
        // Blank lines are for the eye; in a journal they are noise.
        if !line.trim().is_empty() {
            tell(line.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut cut, mut told) = (Lines::default(), Vec::new());
        pieces.iter().for_each(|piece| cut.feed(piece, &mut |line| told.push(line.to_owned())));
        cut.end(&mut |line| told.push(line.to_owned()));
        told
    }

    #[test]
    fn pieces_become_lines_wherever_they_were_cut() {
        assert_eq!(lines(&[b"one\ntw", b"o\n\nthree"]), ["one", "two", "three"]);
        assert_eq!(lines(&["ä\n".as_bytes().split_at(1).0, "ä\n".as_bytes().split_at(1).1]), ["ä"]);
        assert_eq!(lines(&[b"10 %\r20 %\r\n"]), ["10 %", "20 %"]);
    }

    #[test]
    fn a_terminal_is_safe_from_them() {
        assert_eq!(
            lines(&[b"\x1b]0;title\x07red \x1b[31m\n", b"not \xff text\n"]),
            [" ]0;title red  [31m", "not \u{fffd} text"]
        );
    }

    #[test]
    fn a_line_without_end_is_told_in_pieces() {
        let long = vec![b'x'; 2 * LINE_BYTES + 1];
        assert_eq!(lines(&[&long]).iter().map(String::len).collect::<Vec<_>>(), [LINE_BYTES, LINE_BYTES, 1]);
    }
}
