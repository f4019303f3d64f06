//! What `SHOW GRANTS` says of definitions in one database.
//!
//! Owns reading its lines, as far as a refusal needs to be certain: where a role or anything else is not understood, nothing is refused.
//! Pure; held by the tests below.

/// Whether one who was granted this may make or change tables in that database.
pub(super) fn may_define(grants: &[String], database: &str) -> bool {
    grants.iter().any(|grant| {
        let Some((privileges, rest)) = grant.strip_prefix("GRANT ").and_then(|grant| grant.split_once(" ON ")) else {
            // A role, whose grants are its own.
            return true;
        };
        let Some(place) = rest.split(" TO ").next().and_then(|place| place.strip_suffix(".*")) else { return false };
        let covers = place == "*" || matches_database(place.trim_matches('`'), database);
        let words = privileges.split(',').map(str::trim);
        covers && words.into_iter().any(|word| matches!(word, "ALL PRIVILEGES" | "ALL" | "CREATE" | "ALTER"))
    })
}

/// A database's name in a grant is a pattern: `_` is any character and `%` any number of them, unless escaped.
fn matches_database(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('%') => {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| matches_database(rest.as_str(), name.get(at..).unwrap_or_default()))
        }
        Some(first) => {
            let mut left = name.chars();
            let Some(found) = left.next() else { return false };
            let wanted = if first == '\\' { rest.next() } else { Some(first) };
            let any = first == '_';
            (any || wanted == Some(found)) && matches_database(rest.as_str(), left.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certain_is_refused() {
        for (grants, expected) in [
            (&["GRANT USAGE ON *.* TO `a`@`%`", "GRANT SELECT, SHOW VIEW ON `notes`.* TO `a`@`%`"][..], false),
            (&["GRANT USAGE ON *.* TO `a`@`%`", "GRANT SELECT, CREATE ON `notes`.* TO `a`@`%`"], true),
            (&["GRANT ALL PRIVILEGES ON `notes`.* TO `a`@`%`"], true),
            (&["GRANT ALL PRIVILEGES ON `other`.* TO `a`@`%`"], false),
            (&["GRANT ALL PRIVILEGES ON `note_`.* TO `a`@`%`"], true),
            (&["GRANT ALL PRIVILEGES ON `note\\_`.* TO `a`@`%`"], false),
            (&["GRANT ALTER ON `n%`.* TO `a`@`%`"], true),
            (&["GRANT SELECT, CREATE USER ON *.* TO `a`@`%`"], false),
            (&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"], true),
            (&["GRANT CREATE ON `notes`.`t` TO `a`@`%`"], false),
            (&["GRANT `writer`@`%` TO `a`@`%`"], true),
        ] {
            let grants: Vec<String> = grants.iter().map(|grant| (*grant).to_owned()).collect();
            assert_eq!(may_define(&grants, "notes"), expected, "{grants:?}");
        }
    }
}
