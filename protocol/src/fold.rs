//! Letter case, as the most lenient readers of JSON and of paths see it.
//!
//! Some readers match keys without regard to case. They fold by Unicode, where U+017F is an `s` and U+212A a `k`;
//! some fold upper and then lower, where U+0130 and U+0131 are an `i`. This folding joins whatever any of them joins.

/// True when the two are equal, or differ in case only.
pub(crate) fn same_but_for_case(left: &str, right: &str) -> bool {
    left.chars().map(fold).eq(right.chars().map(fold))
}

/// The text with every letter folded: two texts that differ in case only fold to the same text.
pub(crate) fn folded(text: &str) -> String {
    text.chars().map(fold).collect()
}

fn fold(letter: char) -> char {
    if letter.is_ascii() {
        return letter.to_ascii_lowercase();
    }
    let mut upper = letter.to_uppercase();
    let upper = match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        // `ß` is `SS` in capitals: no reader takes one letter for two.
        _ => letter,
    };
    upper.to_lowercase().next().unwrap_or(upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_what_lenient_readers_fold() {
        let table = [
            ("name", "name", true),
            ("name", "NaMe", true),
            ("params", "param\u{17f}", true),
            ("task", "tas\u{212a}", true),
            ("uri", "ur\u{131}", true),
            ("uri", "ur\u{130}", true),
            ("\u{3c3}", "\u{3c2}", true),
            ("straße", "STRASSE", false),
            ("name", "names", false),
            ("name", "nаme", false), // a Cyrillic `а` is another letter in every case
            ("", "", true),
        ];
        for (left, right, same) in table {
            assert_eq!(same_but_for_case(left, right), same, "{left} {right}");
            assert_eq!(folded(left) == folded(right), same, "{left} {right}");
        }
    }
}
