//! Small charts and bars of one line, for terminals that know block characters and for those that do not.
//!
//! Pure: from numbers to a text of a known width. Held by the tests beside this file.

use crate::config::load::Environment;

/// What can be drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glyphs {
    Blocks,
    Ascii,
}

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 8] = ['.', ':', '-', '=', '+', '*', '#', '@'];

impl Glyphs {
    /// By the locale, in the order in which the C library asks for it.
    pub(super) fn of(environment: &Environment) -> Self {
        let set = |name: &&str| environment.get(*name).is_some_and(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(set).and_then(|name| environment.get(name));
        let locale = locale.map(|value| value.to_ascii_lowercase()).unwrap_or_default();
        if locale.contains("utf-8") || locale.contains("utf8") { Self::Blocks } else { Self::Ascii }
    }

    fn levels(self) -> [char; 8] {
        match self {
            Self::Blocks => BLOCKS,
            Self::Ascii => ASCII,
        }
    }
}

/// The newest `width` of the values, one character each. Its height is a value's share of the largest one, so that a sudden
/// loss is seen as one and noise is not.
pub(super) fn chart(values: &[u64], width: usize, glyphs: Glyphs) -> String {
    let shown = &values[values.len().saturating_sub(width)..];
    let largest = u128::from(shown.iter().copied().max().unwrap_or_default().max(1));
    let level = |value: &u64| {
        // Rounded up: only nothing is as low as the lowest.
        let eighths = (u128::from(*value) * 8).div_ceil(largest).max(1) - 1;
        usize::try_from(eighths).ok().and_then(|at| glyphs.levels().get(at).copied())
    };
    shown.iter().filter_map(level).collect()
}

/// How much of the whole is done, `width` characters wide.
pub(super) fn bar(done: u64, total: u64, width: usize, glyphs: Glyphs) -> String {
    let (full, empty) = match glyphs {
        Glyphs::Blocks => ("█", "░"),
        Glyphs::Ascii => ("#", "-"),
    };
    let filled = u128::from(done.min(total)) * width as u128 / u128::from(total.max(1));
    let filled = usize::try_from(filled).unwrap_or(width).min(width);
    format!("{}{}", full.repeat(filled), empty.repeat(width - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_height_is_the_share_of_the_largest() {
        let values: Vec<u64> = (0..=8).collect();
        assert_eq!(chart(&values, 80, Glyphs::Blocks), "▁▁▂▃▄▅▆▇█");
        assert_eq!(chart(&values, 80, Glyphs::Ascii), "..:-=+*#@");
        assert_eq!(chart(&[1000, 990, 1001, 400], 80, Glyphs::Blocks), "███▄");
        assert_eq!(chart(&[u64::MAX, 0, u64::MAX / 2], 80, Glyphs::Blocks), "█▁▄");
    }

    #[test]
    fn the_newest_that_fit_are_shown() {
        assert_eq!(chart(&[8, 8, 1, 2], 2, Glyphs::Blocks), "▄█");
        assert_eq!(chart(&[1, 2], 0, Glyphs::Blocks), "");
        assert_eq!(chart(&[], 9, Glyphs::Blocks), "");
        assert_eq!(chart(&[0, 0], 9, Glyphs::Blocks), "▁▁");
    }

    #[test]
    fn a_bar_is_full_only_at_the_end() {
        for (done, total, shown) in
            [(0, 10, "░░░░"), (5, 10, "██░░"), (9, 10, "███░"), (10, 10, "████"), (12, 10, "████"), (0, 0, "░░░░")]
        {
            assert_eq!(bar(done, total, 4, Glyphs::Blocks), shown, "{done} of {total}");
        }
        assert_eq!(bar(1, 2, 4, Glyphs::Ascii), "##--");
    }

    #[test]
    fn the_locale_says_what_can_be_drawn() {
        let of = |pairs: &[(&str, &str)]| {
            Glyphs::of(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Environment>())
        };
        assert_eq!(of(&[("LANG", "de_DE.UTF-8")]), Glyphs::Blocks);
        assert_eq!(of(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")]), Glyphs::Ascii);
        assert_eq!(of(&[("LC_CTYPE", "C.utf8"), ("LC_ALL", "")]), Glyphs::Blocks);
        assert_eq!(of(&[]), Glyphs::Ascii);
    }
}
