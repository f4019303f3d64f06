//! What stands in quotes in a statement, and what does not. Pure.

/// The length of the string or name that the text begins with, up to and including the closing quote. A doubled quote closes
/// nothing, nor does one behind a backslash in a string.
pub(super) fn length_in_quotes(text: &str) -> usize {
    let mut characters = text.char_indices().peekable();
    let Some((_, quote)) = characters.next() else { return 0 };
    while let Some((at, character)) = characters.next() {
        if character == '\\' && quote == '\'' {
            characters.next();
        } else if character == quote {
            match characters.peek() {
                Some((_, next)) if *next == quote => drop(characters.next()),
                _ => return at + 1,
            }
        }
    }
    text.len()
}

/// The statement with all that is in quotes blanked out, byte for byte: what is found in it stands at the same place of the
/// statement. For what a server prints of a table, where no comment holds a quote.
pub(super) fn without_quoted(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find(['`', '\'', '"']) {
        let (before, quoted) = rest.split_at(at);
        let length = length_in_quotes(quoted);
        text.push_str(before);
        text.push_str(&"_".repeat(length));
        rest = &quoted[length..];
    }
    text + rest
}

#[cfg(test)]
mod tests;
