//! MySQL prints the collation of a column that only has its table's: read back, it would count as given to the column, and be
//! printed differently. So what is inherited is left out again. Pure.

use super::definer::quoted_length;

/// Leaves out the collations that columns inherit: those printed without a character set. For what MySQL prints of a table.
pub(super) fn without_inherited(sql: &str) -> String {
    sql.split('\n').map(column_line).collect::<Vec<_>>().join("\n")
}

fn column_line(line: &str) -> String {
    let whole = || line.to_owned();
    let Some(at) = line.strip_prefix("  `").and_then(|_| behind_type(line)) else { return whole() };
    let (head, rest) = line.split_at(at);
    let Some(named) = rest.strip_prefix(" COLLATE ") else { return whole() };
    let end = named.find([' ', ',']).unwrap_or(named.len());
    format!("{head}{}", &named[end..])
}

/// Where the name and the type of a column end: `` `name` enum('a','b') ``.
fn behind_type(line: &str) -> Option<usize> {
    let name = 2 + quoted_length(&line[2..])? + 1;
    let word = line.get(name..)?.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(line.len(), |at| name + at);
    if !line[word..].starts_with('(') {
        return Some(word);
    }
    let mut at = word + 1;
    loop {
        let rest = &line[at..];
        match rest.chars().next()? {
            ')' => return Some(at + 1),
            '\'' => at += quoted_length(rest)?,
            other => at += other.len_utf8(),
        }
    }
}

#[cfg(test)]
mod tests;
