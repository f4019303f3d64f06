//! Numbers of things as people read them.

/// `1 234 567`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 archive`, `3 archives`.
#[must_use]
pub fn many(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

/// `1 copy`, `3 copies`: where the plural is not the noun with an s.
#[must_use]
pub fn many_of(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { several })
}

/// How many names a refusal shows: enough to recognise what is meant, few enough to be read at night.
const FEW: usize = 5;

/// The first few of these between separators, and how many more there are.
#[must_use]
pub fn few<T: std::fmt::Display>(names: &[T], separator: &str) -> String {
    let shown: Vec<String> = names.iter().take(FEW).map(ToString::to_string).collect();
    match names.len().saturating_sub(FEW) {
        0 => shown.join(separator),
        more => format!("{}{separator}and {} more", shown.join(separator), count(more as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_shown_as_five_and_a_number() {
        let names: Vec<String> = (1..=1234).map(|number| format!("V{number}")).collect();
        assert_eq!(few(&names[..2], ", "), "V1, V2");
        assert_eq!(few(&names[..5], ", "), "V1, V2, V3, V4, V5");
        assert_eq!(few(&names, ", "), "V1, V2, V3, V4, V5, and 1 229 more");
        assert_eq!(few(&names[..0], ", "), "");
    }

    #[test]
    fn numbers_and_nouns() {
        assert_eq!([count(7), count(1234), count(1_234_567)], ["7", "1 234", "1 234 567"]);
        assert_eq!([many(1, "row"), many(0, "row"), many(1000, "row")], ["1 row", "0 rows", "1 000 rows"]);
    }
}
