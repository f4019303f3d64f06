//! Which of the grants on databases count for one: of the patterns that match, a server uses the most specific alone.
//!
//! Pure. Servers do not agree which that is. Where it is not certain, only what every one of them gives is taken: what is missing is
//! asked for in words, and what is too much would leave something out without any.

use std::collections::{BTreeMap, BTreeSet};

/// Names of privileges.
pub(super) type Privileges = BTreeSet<String>;

/// Everything.
pub(super) const ALL: &str = "ALL PRIVILEGES";

/// How a server chooses among the grants on databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Choice {
    /// MySQL: the pattern whose first wildcard comes last.
    FirstWildcard,
    /// MySQL with a role: the plain name; where there is none, all patterns together.
    Together,
    /// MySQL with `partial_revokes`: nothing is a pattern.
    Names,
    /// MariaDB: the pattern that the fewest names match.
    FewestNames,
}

/// What is given for a database by the grants of one holder, by pattern.
pub(super) fn chosen(grants: &BTreeMap<String, Privileges>, database: &str, choice: Choice) -> Privileges {
    let fits = |pattern: &str| if choice == Choice::Names { pattern == database } else { is_like(pattern, database) };
    let found: Vec<_> = grants.iter().filter(|(pattern, _)| fits(pattern.as_str())).collect();
    let together = || -> Privileges { found.iter().flat_map(|(_, privileges)| (*privileges).clone()).collect() };
    match choice {
        Choice::Names => together(),
        Choice::Together => match grants.get(database) {
            Some(plain) if first_wildcard(database) == PLAIN => plain.clone(),
            _ => together(),
        },
        Choice::FirstWildcard => common(&found, &[first_wildcard]),
        Choice::FewestNames => common(&found, &[first_wildcard, fewest_names]),
    }
}

/// Whether a name is one of those that a pattern means: SQL's `LIKE`.
pub(in super::super) fn is_like(pattern: &str, name: &str) -> bool {
    matches(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
}

fn matches(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['\\', literal, pattern @ ..] => name.first() == Some(literal) && matches(pattern, &name[1..]),
        ['%', pattern @ ..] => (0..=name.len()).any(|skipped| matches(pattern, &name[skipped..])),
        ['_', pattern @ ..] => !name.is_empty() && matches(pattern, &name[1..]),
        [literal, pattern @ ..] => name.first() == Some(literal) && matches(pattern, &name[1..]),
    }
}

/// What all grants have in common that come first by one of the orders.
fn common(found: &[(&String, &Privileges)], orders: &[fn(&str) -> i64]) -> Privileges {
    let mut left: Option<Privileges> = None;
    for order in orders {
        let first = found.iter().map(|(pattern, _)| order(pattern.as_str())).max();
        for (_, privileges) in found.iter().filter(|(pattern, _)| Some(order(pattern.as_str())) == first) {
            left = Some(left.map_or_else(|| (*privileges).clone(), |left| in_both(&left, privileges)));
        }
    }
    left.unwrap_or_default()
}

fn in_both(one: &Privileges, other: &Privileges) -> Privileges {
    match (one.contains(ALL), other.contains(ALL)) {
        (true, _) => other.clone(),
        (_, true) => one.clone(),
        _ => one & other,
    }
}

/// The order of a pattern that has no wildcard.
const PLAIN: i64 = 128;

/// MySQL's order, and what MariaDB's was: by where the first wildcard is.
fn first_wildcard(pattern: &str) -> i64 {
    let mut bytes = pattern.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'%' | b'_' => return i64::try_from(at + 1).unwrap_or(PLAIN).min(PLAIN - 1),
            _ => {}
        }
    }
    PLAIN
}

/// MariaDB's order, as its server reckons how many names match: by the characters that are any, then those that stand for themselves
/// before the first wildcard.
fn fewest_names(pattern: &str) -> i64 {
    const LONGEST: i64 = 64;
    let (mut fixed, mut many, mut any, mut before) = (0_i64, 0_i64, 0_i64, 0_i64);
    let mut bytes = pattern.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if matches!(byte, b'%' | b'_') && many + any == 0 {
            before = fixed;
        }
        match byte {
            b'%' => {
                many += 1;
                while bytes.next_if_eq(&b'%').is_some() {}
            }
            b'_' => any += 1,
            b'\\' => {
                bytes.next();
                fixed += 1;
            }
            _ => fixed += 1,
        }
    }
    let (many, any) = (many.min(31), any.min(31));
    let open = if many > 0 { (LONGEST - fixed - any).max(0) } else { 0 };
    let [greater, lesser, least] = if open > any { [open * 2 + 1, many, any] } else { [any * 2, open, many] };
    -(((greater * (LONGEST + 1) + lesser) * 32 + least) * (LONGEST + 1) + before)
}

#[cfg(test)]
mod tests;
