//! Makes text from outside safe for a log, an answer or a cause.
//!
//! Messages of AWS, reasons for which tasks stopped, causes, what an input holds: any of it may be
//! of any length, and hold line breaks or a terminal's escape sequences. Whatever is quoted goes
//! through here.

/// Characters that are kept of one text from outside: enough for a sentence of AWS's.
pub const LONGEST_QUOTE: usize = 300;

/// Characters that are kept of a sentence of ours. Two of them in four bytes a character stay below
/// the 32,768 of a failed execution's cause (AWS API model).
pub const LONGEST_SENTENCE: usize = 4_000;

/// One text from outside: everything invisible escaped, and cut to [`LONGEST_QUOTE`] characters.
pub fn quote(text: &str) -> String {
    cut(text, LONGEST_QUOTE)
}

/// A sentence that may hold text from outside: everything invisible escaped, and cut to
/// [`LONGEST_SENTENCE`] characters. What was quoted already stays as it is.
pub fn sentence(text: &str) -> String {
    cut(text, LONGEST_SENTENCE)
}

/// Whether a text shows what it holds: no control or format character, nothing that turns the
/// direction of writing or combines with what stands before it.
pub fn is_visible(text: &str) -> bool {
    text.chars().all(shows)
}

fn cut(text: &str, most: usize) -> String {
    let mut visible = String::new();
    let mut count = 0;
    let mut end = 0;
    for c in text.chars() {
        let before = visible.len();
        if shows(c) {
            visible.push(c);
            count += 1;
        } else {
            visible.extend(c.escape_debug());
            count += visible.len() - before;
        }
        // Where the text is cut if more follows: before the first character that does not fit
        // together with the ellipsis.
        if count < most {
            end = visible.len();
        } else if count > most {
            visible.truncate(end);
            visible.push('…');
            break;
        }
    }
    visible
}

/// Whether a character shows: see [`is_visible`].
pub fn shows(c: char) -> bool {
    // These three are escaped for a string literal's sake only.
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().eq([c])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        for text in ["", "It's \"gone\" (C:\\x).", "größer – 東京 🙂"] {
            assert_eq!(quote(text), text);
            assert!(is_visible(text));
        }
    }

    #[test]
    fn invisible_and_control_characters_are_escaped() {
        let cases = [
            ("two\nlines\r\n", r"two\nlines\r\n"),
            ("\u{1b}[31mred\u{7}", r"\u{1b}[31mred\u{7}"),
            ("\u{9b}2J", r"\u{9b}2J"),
            (
                "a\u{202e}b\u{2028}c\u{feff}\u{0}",
                r"a\u{202e}b\u{2028}c\u{feff}\0",
            ),
        ];
        for (text, shown) in cases {
            assert_eq!(quote(text), shown);
            assert!(!is_visible(text), "{shown}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters_and_says_so() {
        let exact = "é".repeat(LONGEST_QUOTE);
        assert_eq!(quote(&exact), exact);
        let longer = quote(&format!("{exact}é"));
        assert_eq!(longer.chars().count(), LONGEST_QUOTE);
        assert!(longer.ends_with("é…"));
        let escapes = quote(&"\u{1b}".repeat(LONGEST_QUOTE));
        assert!(escapes.ends_with("\\u{1b}…"), "{escapes}");
        assert!(escapes.chars().count() <= LONGEST_QUOTE);
    }

    proptest! {
        #[test]
        fn quoted_text_is_visible_and_short_and_quoting_it_again_changes_nothing(
            text in proptest::collection::vec(any::<char>(), 0..400),
        ) {
            let text: String = text.into_iter().collect();
            let quoted = quote(&text);
            prop_assert!(is_visible(&quoted));
            prop_assert!(quoted.chars().count() <= LONGEST_QUOTE);
            prop_assert_eq!(quote(&quoted), quoted.clone());
            prop_assert_eq!(sentence(&quoted), quoted);
        }
    }
}
