//! Cutting SQL text into statements, as `psql` would.
//!
//! Pure. Fed in pieces of any size, so that a schema of any length passes through with one statement in memory. Knows
//! quoted strings and names, `E''` strings, dollar quotes, nested comments, parentheses, `BEGIN ATOMIC` bodies and what `psql` takes for
//! itself: a backslash outside of quotes wherever it stands, and a line that begins with a variable.

/// One piece of the text, exactly as it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunk {
    /// A statement with its semicolon.
    Statement {
        /// White space and comments before it.
        lead: String,
        /// From its first word to its semicolon.
        sql: String,
    },
    /// A line for `psql` itself (`\restrict …`, `:variable`), with what stands before it and is for nobody else.
    Meta(String),
    /// White space and comments that belong to no statement.
    Rest(String),
    /// A statement with what stands before it, or a comment, that is not UTF-8.
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    Line,
    Block(u32),
    Quoted,
    Escaped,
    /// Behind a string with escapes, which goes on with them behind a line end; whether there was one.
    Behind(bool),
    /// In a comment there.
    BehindLine(bool),
    Name,
    Dollar {
        open: usize,
        length: usize,
    },
    Meta,
}

/// The cutter; push text, take chunks.
#[derive(Debug)]
pub(super) struct Splitter {
    buffer: Vec<u8>,
    at: usize,
    /// Where the statement proper begins, once something other than white space and comments was seen.
    begun: Option<usize>,
    state: State,
    parens: u32,
    word: Vec<u8>,
    previous: Vec<u8>,
    /// Depth of `BEGIN ATOMIC … END` and the `CASE … END` inside.
    atomic: u32,
}

impl Splitter {
    /// Nothing read yet.
    pub(super) fn new() -> Self {
        Self {
            buffer: Vec::new(),
            at: 0,
            begun: None,
            state: State::Plain,
            parens: 0,
            word: Vec::new(),
            previous: Vec::new(),
            atomic: 0,
        }
    }

    /// Takes more text and gives the chunks it completes.
    pub(super) fn push(&mut self, text: &[u8]) -> Vec<Chunk> {
        self.buffer.extend_from_slice(text);
        // Two-byte tokens and dollar tags must not be cut by the end of a piece: the last bytes wait for the next one.
        self.scan(false)
    }

    /// Ends the text.
    pub(super) fn finish(mut self) -> Vec<Chunk> {
        let mut chunks = self.scan(true);
        let rest = std::mem::take(&mut self.buffer);
        match self.begun {
            Some(_) if self.state == State::Meta => chunks.push(text(rest, Chunk::Meta)),
            Some(begun) => chunks.push(statement(rest, begun)),
            None if !rest.is_empty() => chunks.push(text(rest, Chunk::Rest)),
            None => {}
        }
        chunks
    }

    fn scan(&mut self, last: bool) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        while self.at < self.buffer.len() {
            // A tag is at most 63 bytes and two dollars; every other token is two bytes.
            if !last && self.buffer.len() - self.at < 66 {
                break;
            }
            match self.state {
                State::Plain => self.plain(&mut chunks),
                State::Line => self.until(is_line_end, State::Plain),
                State::Block(depth) => self.block(depth),
                State::Quoted => self.until(|byte| byte == b'\'', State::Plain),
                State::Name => self.until(|byte| byte == b'"', State::Plain),
                State::Escaped => match self.buffer[self.at] {
                    b'\\' => self.at += 2,
                    b'\'' if self.buffer.get(self.at + 1) == Some(&b'\'') => self.at += 2,
                    b'\'' => self.shift(State::Behind(false), 1),
                    _ => self.at += 1,
                },
                State::Behind(ended) => self.behind(ended),
                State::BehindLine(ended) if is_line_end(self.buffer[self.at]) => self.state = State::Behind(ended),
                State::BehindLine(_) => self.at += 1,
                State::Dollar { open, length } => {
                    let (tag, rest) = (&self.buffer[open..open + length], &self.buffer[self.at..]);
                    if rest.starts_with(tag) { self.shift(State::Plain, length) } else { self.at += 1 }
                }
                State::Meta => {
                    if self.buffer[self.at] == b'\n' {
                        self.at += 1;
                        let begun = self.begun.unwrap_or(0);
                        let mut lead = self.take();
                        let line = lead.split_off(begun);
                        if begun > 0 {
                            chunks.push(text(lead, Chunk::Rest));
                        }
                        chunks.push(text(line, Chunk::Meta));
                    } else {
                        self.at += 1;
                    }
                }
            }
        }
        chunks
    }

    fn shift(&mut self, state: State, by: usize) {
        self.state = state;
        self.at += by;
    }

    fn until(&mut self, ends: impl Fn(u8) -> bool, then: State) {
        if ends(self.buffer[self.at]) {
            self.state = then;
        }
        self.at += 1;
    }

    fn behind(&mut self, ended: bool) {
        let rest = &self.buffer[self.at..];
        match rest[0] {
            b'\'' if ended => self.shift(State::Escaped, 1),
            byte if is_line_end(byte) => self.shift(State::Behind(true), 1),
            byte if is_space(byte) => self.at += 1,
            b'-' if rest.starts_with(b"--") => self.shift(State::BehindLine(ended), 2),
            _ => self.state = State::Plain,
        }
    }

    fn block(&mut self, depth: u32) {
        let rest = &self.buffer[self.at..];
        if rest.starts_with(b"/*") {
            self.shift(State::Block(depth + 1), 2);
        } else if rest.starts_with(b"*/") {
            self.shift(if depth <= 1 { State::Plain } else { State::Block(depth - 1) }, 2);
        } else {
            self.at += 1;
        }
    }

    fn plain(&mut self, chunks: &mut Vec<Chunk>) {
        let byte = self.buffer[self.at];
        if is_word(byte) && !(byte == b'$' && self.word.is_empty()) {
            self.begun.get_or_insert(self.at);
            self.word.push(byte.to_ascii_lowercase());
            self.at += 1;
            return;
        }
        let word = std::mem::take(&mut self.word);
        if !word.is_empty() {
            self.note(&word);
        }
        let rest = &self.buffer[self.at..];
        if is_space(byte) {
            self.at += 1;
        } else if rest.starts_with(b"--") {
            self.shift(State::Line, 2);
        } else if rest.starts_with(b"/*") {
            self.shift(State::Block(1), 2);
        } else if byte == b'\\' || byte == b':' && self.begun.is_none() {
            self.begun.get_or_insert(self.at);
            self.shift(State::Meta, 1);
        } else {
            self.begun.get_or_insert(self.at);
            self.token(byte, &word, chunks);
        }
    }

    fn token(&mut self, byte: u8, word: &[u8], chunks: &mut Vec<Chunk>) {
        match byte {
            b'\'' => self.shift(if word == b"e" { State::Escaped } else { State::Quoted }, 1),
            b'"' => self.shift(State::Name, 1),
            b'$' => match tag(&self.buffer[self.at..]) {
                Some(length) => self.shift(State::Dollar { open: self.at, length }, length),
                None => self.at += 1,
            },
            b';' if self.parens == 0 && self.atomic == 0 => {
                self.at += 1;
                let begun = self.begun.unwrap_or(0);
                let all = self.take();
                chunks.push(statement(all, begun));
            }
            _ => {
                match byte {
                    b'(' => self.parens += 1,
                    b')' => self.parens = self.parens.saturating_sub(1),
                    _ => {}
                }
                self.at += 1;
            }
        }
    }

    fn note(&mut self, word: &[u8]) {
        match word {
            b"atomic" if self.previous == b"begin" => self.atomic = 1,
            b"case" if self.atomic > 0 => self.atomic += 1,
            b"end" if self.atomic > 0 => self.atomic -= 1,
            _ => {}
        }
        self.previous = word.to_vec();
    }

    /// Cuts off everything up to `at` and starts anew.
    fn take(&mut self) -> Vec<u8> {
        let rest = self.buffer.split_off(self.at);
        let taken = std::mem::replace(&mut self.buffer, rest);
        *self = Self { buffer: std::mem::take(&mut self.buffer), ..Self::new() };
        taken
    }
}

/// The statements of a whole text.
pub(super) fn statements_of(text: &str) -> Vec<String> {
    let mut splitter = Splitter::new();
    let mut chunks = splitter.push(text.as_bytes());
    chunks.extend(splitter.finish());
    let statement = |chunk| match chunk {
        Chunk::Statement { sql, .. } => Some(sql),
        _ => None,
    };
    chunks.into_iter().filter_map(statement).collect()
}

/// Whether it can stand in a word: a keyword, a plain name, a number.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// Whether it is white space.
pub(super) fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'\x0b'
}

/// Whether it ends a comment of a line: alone each of the two does.
pub(super) fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The length of the dollar tag that `text` begins with.
pub(super) fn tag(text: &[u8]) -> Option<usize> {
    let end = text.iter().skip(1).position(|byte| *byte == b'$')? + 1;
    let name = &text[1..end];
    let legal = name.iter().all(|byte| is_word(*byte)) && !name.first().is_some_and(u8::is_ascii_digit);
    (legal && name.len() <= 63).then_some(end + 1)
}

fn text(bytes: Vec<u8>, kind: fn(String) -> Chunk) -> Chunk {
    String::from_utf8(bytes).map_or_else(|error| Chunk::Bytes(error.into_bytes()), kind)
}

fn statement(bytes: Vec<u8>, begun: usize) -> Chunk {
    match String::from_utf8(bytes) {
        Ok(mut lead) => {
            let sql = lead.split_off(begun);
            Chunk::Statement { lead, sql }
        }
        Err(error) => Chunk::Bytes(error.into_bytes()),
    }
}

#[cfg(test)]
mod tests;
