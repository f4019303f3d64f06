//! Cutting the text of our own frames into statements, as the vendors' clients would.
//!
//! Pure. Fed in pieces of any size, so that a frame of any length passes through with one statement in memory. Outside of
//! `DELIMITER ;;` a statement ends with a semicolon that is in no string, name or comment; inside it ends with a line that is
//! `;;`, or what else the delimiter is, whatever quotes mean there. White space and comments before a statement are dropped;
//! `/*!` is no comment.

/// What the scanner is inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    /// A string or name, and the byte that ends it.
    Quoted(u8),
    Line,
    Block,
}

/// Enough to tell `DELIMITER ` and every shorter token.
const LOOK_AHEAD: usize = 10;

/// A statement of this many bytes is not copied.
const LONG: usize = 1 << 20;

/// The cutter; push text, take statements.
#[derive(Debug)]
pub(super) struct Splitter {
    buffer: Vec<u8>,
    /// Where the statement begins, or would.
    start: usize,
    at: usize,
    begun: bool,
    state: State,
    /// What ends a statement as a line of its own, if one does.
    delimiter: Option<Vec<u8>>,
}

impl Splitter {
    /// Nothing read yet.
    pub(super) fn new() -> Self {
        Self { buffer: Vec::new(), start: 0, at: 0, begun: false, state: State::Plain, delimiter: None }
    }

    /// Takes more text and gives the statements it completes, without their delimiters.
    pub(super) fn push(&mut self, text: &[u8]) -> Vec<Vec<u8>> {
        self.buffer.extend_from_slice(text);
        let statements = self.scan(false);
        self.buffer.drain(..self.start);
        self.at -= self.start;
        self.start = 0;
        statements
    }

    /// Ends the text; a statement without its delimiter ends with it.
    pub(super) fn finish(mut self) -> Vec<Vec<u8>> {
        let mut statements = self.scan(true);
        let rest = self.buffer[self.start..].trim_ascii();
        if self.begun && !rest.is_empty() && self.delimiter.as_deref() != Some(rest) {
            statements.push(rest.to_vec());
        }
        statements
    }

    fn scan(&mut self, last: bool) -> Vec<Vec<u8>> {
        let mut statements = Vec::new();
        while self.at < self.buffer.len() && (last || self.buffer.len() - self.at >= LOOK_AHEAD) {
            let going_on =
                if self.delimiter.is_some() { self.line(last, &mut statements) } else { self.token(last, &mut statements) };
            if !going_on {
                break;
            }
        }
        statements
    }

    /// Takes one line between `DELIMITER ;;` and `DELIMITER ;`; false when the line is not all there.
    fn line(&mut self, last: bool, statements: &mut Vec<Vec<u8>>) -> bool {
        let rest = &self.buffer[self.at..];
        let length = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if last => rest.len(),
            None => return false,
        };
        let line = rest[..length].trim_ascii_end();
        let is_end = self.delimiter.as_deref() == Some(line);
        if self.begun {
            if is_end {
                statements.push(self.buffer[self.start..self.at].trim_ascii_end().to_vec());
                self.restart(self.at + length);
            } else {
                self.at += length;
            }
            return true;
        }
        let skipped = line.is_empty() || is_end || line.starts_with(b"-- ") || line == b"--";
        if line.starts_with(b"DELIMITER ") {
            self.delimiter = named(line);
            self.restart(self.at + length);
        } else if skipped {
            self.restart(self.at + length);
        } else {
            self.begun = true;
            self.at += length;
        }
        true
    }

    fn restart(&mut self, at: usize) {
        (self.start, self.at, self.begun) = (at, at, false);
    }

    fn token(&mut self, last: bool, statements: &mut Vec<Vec<u8>>) -> bool {
        let rest = &self.buffer[self.at..];
        match self.state {
            State::Plain => return self.plain(last, statements),
            State::Quoted(end) => {
                // A name knows no backslash; a doubled quote ends and begins again, which comes to the same.
                let stop = |byte: &u8| *byte == end || (*byte == b'\\' && end != b'`');
                match rest.iter().position(stop) {
                    None => self.at = self.buffer.len(),
                    Some(found) if rest[found] == end => self.enter(State::Plain, found + 1),
                    // The escaped byte may be in the next piece.
                    Some(found) if found + 1 < rest.len() => self.at += found + 2,
                    Some(found) => {
                        self.at += found;
                        return last && self.shift(State::Plain, 1);
                    }
                }
            }
            State::Line => match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => self.enter(State::Plain, end + 1),
                None => self.at = self.buffer.len(),
            },
            State::Block => match rest.windows(2).position(|two| two == b"*/") {
                Some(end) => self.enter(State::Plain, end + 2),
                None if last => self.at = self.buffer.len(),
                None => {
                    self.at = self.buffer.len() - 1;
                    return false;
                }
            },
        }
        if !self.begun && self.state == State::Plain {
            self.start = self.at;
        }
        true
    }

    fn enter(&mut self, state: State, by: usize) {
        self.state = state;
        self.at += by;
    }

    /// The same, and goes on.
    fn shift(&mut self, state: State, by: usize) -> bool {
        self.enter(state, by);
        true
    }

    /// The statement up to here. A long one is the buffer itself, for a copy would take its memory twice.
    fn cut(&mut self) -> Vec<u8> {
        if self.at - self.start < LONG {
            return self.buffer[self.start..self.at].to_vec();
        }
        let rest = self.buffer.split_off(self.at);
        let mut statement = std::mem::replace(&mut self.buffer, rest);
        statement.drain(..self.start);
        (self.start, self.at) = (0, 0);
        statement
    }

    fn plain(&mut self, last: bool, statements: &mut Vec<Vec<u8>>) -> bool {
        let rest = &self.buffer[self.at..];
        let byte = rest[0];
        if !self.begun {
            if byte.is_ascii_whitespace() || byte == b';' {
                self.restart(self.at + 1);
                return true;
            }
            if rest.starts_with(b"DELIMITER ") {
                let end = rest.iter().position(|byte| *byte == b'\n');
                let Some(end) = end.or(last.then(|| rest.len() - 1)) else { return false };
                self.delimiter = named(&rest[..=end]);
                self.restart(self.at + end + 1);
                return true;
            }
        }
        let is_note = rest.starts_with(b"/*") && !rest.starts_with(b"/*!") && !rest.starts_with(b"/*M!");
        if rest.starts_with(b"-- ") || rest.starts_with(b"--\n") || byte == b'#' {
            return self.shift(State::Line, 1);
        }
        if is_note {
            return self.shift(State::Block, 2);
        }
        self.begun = true;
        match byte {
            b'\'' | b'"' | b'`' => self.shift(State::Quoted(byte), 1),
            b';' => {
                let statement = self.cut();
                statements.push(statement);
                self.restart(self.at + 1);
                true
            }
            _ => {
                let stop = |byte: &u8| matches!(byte, b'\'' | b'"' | b'`' | b';' | b'-' | b'#' | b'/');
                self.at += 1 + rest[1..].iter().position(stop).unwrap_or(rest.len() - 1);
                true
            }
        }
    }
}

/// The delimiter that a line `DELIMITER …` sets: none where it is the semicolon, which need not stand alone.
fn named(line: &[u8]) -> Option<Vec<u8>> {
    let delimiter = line["DELIMITER ".len()..].trim_ascii();
    (delimiter != b";").then(|| delimiter.to_vec())
}

#[cfg(test)]
mod tests;
