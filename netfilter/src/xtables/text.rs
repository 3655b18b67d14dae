//! Words and quoting of the saved form (`xtables_save_string`, `add_param_to_argv`).

use std::borrow::Cow;

use smallvec::SmallVec;

/// Writes ` TEXT`, in quotes if it has characters that need them.
pub fn put_string(out: &mut String, text: &str) {
    out.push(' ');
    out.push_str(&quoted(text));
}

/// A text as the saved form spells it: bare if it is made of harmless characters only, else in quotes.
pub fn quoted(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '\'') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// Cuts a line of the saved form into words: quotes join, a backslash within quotes takes the next character as it is. A missing
/// quote ends with the line.
pub fn split(line: &str) -> SmallVec<[Cow<'_, str>; 32]> {
    let mut words = SmallVec::new();
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n');
    let mut rest = line.trim_start_matches(blank);
    while !rest.is_empty() {
        let end = rest.find(|c| blank(c) || c == '"').unwrap_or(rest.len());
        if rest[end..].starts_with('"') {
            let (word, after) = quoted_word(rest);
            words.push(Cow::Owned(word));
            rest = after;
        } else {
            words.push(Cow::Borrowed(&rest[..end]));
            rest = &rest[end..];
        }
        rest = rest.trim_start_matches(blank);
    }
    words
}

/// The first word, with quotes in it, and what stands behind it.
fn quoted_word(text: &str) -> (String, &str) {
    let mut word = String::new();
    let (mut in_quotes, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        if escaped {
            word.push(c);
            escaped = false;
        } else if c == '"' {
            in_quotes = !in_quotes;
        } else if in_quotes && c == '\\' {
            escaped = true;
        } else if !in_quotes && matches!(c, ' ' | '\t' | '\n') {
            return (word, &text[at..]);
        } else {
            word.push(c);
        }
    }
    (word, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_and_cutting() {
        let text = "it's \"quoted\" \\ back";
        assert_eq!(quoted(text), r#""it\'s \"quoted\" \\ back""#);
        assert_eq!(split(&format!("-m x {}", quoted(text)))[..], ["-m", "x", text]);
        assert_eq!(quoted("foo_1-"), "foo_1-");
        assert_eq!(split(" a  \"\" b")[..], ["a", "", "b"]);
    }
}
