//! Markup that holds nothing but what stands in this program, and text of others that stays text.
//!
//! Invariant: [`Html::tag`] takes literals only, and everything else passes through [`Html::text`], which shows what would act (control
//! characters, turns of direction) as what it is and escapes what HTML reads, in text and in quoted attributes alike. Held by the tests
//! beside this file and by `tests/it/page.rs`.

use chrono::{DateTime, Utc};

use crate::pen::{Tone, human};
use crate::text;

/// No text of others takes more of the page than this: what a server says may be as long as it likes.
const LONGEST_TEXT: usize = 4_000;

/// A growing page.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup of our own.
    pub(super) fn tag(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Anything else, as text or as a quoted attribute's value.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let bounded: String = match text.char_indices().nth(LONGEST_TEXT) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        for letter in text::line(&bounded).chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '`' => self.0.push_str("&#96;"),
                _ => self.0.push(letter),
            }
        }
        self
    }

    /// A number.
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.0.push_str(&number.to_string());
        self
    }

    /// A moment in UTC, with how long ago it was; a script may show it in the reader's own zone as well.
    pub(super) fn moment(&mut self, at: DateTime<Utc>, now: DateTime<Utc>) -> &mut Self {
        self.time(at).tag(" <span class=quiet>(").text(&human::when(at, now)).tag(")</span>")
    }

    /// A moment in UTC.
    pub(super) fn time(&mut self, at: DateTime<Utc>) -> &mut Self {
        self.tag("<time datetime=\"").text(&at.to_rfc3339()).tag("\">").text(&human::moment(at)).tag(" UTC</time>")
    }

    /// A sentence in which commands stand in backticks.
    pub(super) fn sentence(&mut self, text: &str) -> &mut Self {
        let mut code = false;
        let pieces: Vec<&str> = text.split('`').collect();
        // One that is never closed is a letter like others.
        let paired = pieces.len() % 2 == 1;
        for (at, piece) in pieces.into_iter().enumerate() {
            if at > 0 && !paired {
                self.text("`");
            } else if at > 0 {
                code = !code;
                self.tag(if code { "<code>" } else { "</code>" });
            }
            self.text(piece);
        }
        self
    }

    /// The class of a tone.
    pub(super) fn tone(&mut self, tone: Tone) -> &mut Self {
        self.tag(match tone {
            Tone::Plain | Tone::Strong => "plain",
            Tone::Good => "good",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
            Tone::Quiet => "quiet",
        })
    }

    /// A row of a list of facts.
    pub(super) fn fact(&mut self, name: &'static str, tone: Tone, value: impl FnOnce(&mut Self)) -> &mut Self {
        self.tag("<div><dt>").tag(name).tag("</dt><dd class=").tone(tone).tag(">");
        value(self);
        self.tag("</dd></div>")
    }

    /// The whole.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_stays_text() {
        for (text, shown) in [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("\" onload='x' `y`", "&quot; onload=&#39;x&#39; &#96;y&#96;"),
            ("&lt; &amp;", "&amp;lt; &amp;amp;"),
            ("a\u{202e}b\u{2066}c\u{7}\r\n\u{85}", "a\\u202eb\\u2066c\\u0007\\u000d\\u000a\\u0085"),
            ("grün 日本 👍", "grün 日本 👍"),
        ] {
            let mut html = Html::default();
            html.text(text);
            assert_eq!(html.into_string(), shown);
        }
    }

    #[test]
    fn commands_in_a_sentence_are_code_and_a_lonely_backtick_is_none() {
        for (text, shown) in [
            ("do `a <b>` now", "do <code>a &lt;b&gt;</code> now"),
            ("`a` and `b`", "<code>a</code> and <code>b</code>"),
            ("it`s", "it&#96;s"),
        ] {
            let mut html = Html::default();
            html.sentence(text);
            assert_eq!(html.into_string(), shown);
        }
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let mut html = Html::default();
        html.text(&"ä".repeat(LONGEST_TEXT + 1));
        assert_eq!(html.into_string(), format!("{}…", "ä".repeat(LONGEST_TEXT)));
    }
}
