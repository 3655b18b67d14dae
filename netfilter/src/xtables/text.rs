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
    let mut rest = line;
    // What cuts is ASCII, so a cut is never inside a character.
    while let Some(start) = rest.bytes().position(|b| !is_blank(b)) {
        rest = &rest[start..];
        let (word, behind) = match rest.bytes().position(|b| is_blank(b) || b == b'"') {
            Some(end) if rest.as_bytes()[end] != b'"' => (Cow::Borrowed(&rest[..end]), &rest[end..]),
            None => (Cow::Borrowed(rest), ""),
            Some(0) => plainly_quoted(rest).unwrap_or_else(|| quoted_word(rest)),
            Some(_) => quoted_word(rest),
        };
        words.push(word);
        rest = behind;
    }
    words
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

/// A word that is one pair of quotes with nothing to take out, as comments are: it need not be copied.
fn plainly_quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let inside = text.get(1..)?;
    let end = inside.bytes().position(|b| matches!(b, b'"' | b'\\')).filter(|&end| inside.as_bytes()[end] == b'"')?;
    let behind = &inside[end + 1..];
    let ends = behind.bytes().next().is_none_or(is_blank);
    ends.then(|| (Cow::Borrowed(&inside[..end]), behind))
}

/// The first word, with quotes in it, and what stands behind it.
fn quoted_word(text: &str) -> (Cow<'_, str>, &str) {
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
            return (Cow::Owned(word), &text[at..]);
        } else {
            word.push(c);
        }
    }
    (Cow::Owned(word), "")
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
        assert_eq!(split("\"a b\"\tc\"d e\" \"f\"g \"h\\\"i\" \"j k")[..], ["a b", "cd e", "fg", "h\"i", "j k"]);
        assert_eq!(split("é \"ü ß\"")[..], ["é", "ü ß"]);
    }
}
