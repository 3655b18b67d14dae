//! Rust without its comments and literals: what is left is code, on the same lines.

/// Replaces comments, strings and characters by spaces; line breaks stay.
pub(crate) fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after_word = out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if c == '"' {
            string(rest)
        } else if !after_word && (rest.starts_with("r\"") || rest.starts_with("r#") || rest.starts_with("br")) {
            raw_string(rest)
        } else if c == '\'' {
            character(rest)
        } else {
            0
        };
        if length == 0 {
            out.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        }
        let (blanked, tail) = rest.split_at_checked(length).unwrap_or((rest, ""));
        out.extend(blanked.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = tail;
    }
    out
}

/// The length of a block comment at the beginning of `text`; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    for (at, _) in text.char_indices() {
        let here = text.get(at..).unwrap_or_default();
        if here.starts_with("/*") {
            depth += 1;
        } else if here.starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return at + 2;
            }
        }
    }
    text.len()
}

/// The length of a string literal at the beginning of `text`.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string literal at the beginning of `text`; 0 if there is none.
fn raw_string(text: &str) -> usize {
    let body = text.trim_start_matches('b');
    let Some(body) = body.strip_prefix('r') else { return 0 };
    let hashes = body.len() - body.trim_start_matches('#').len();
    if !body.get(hashes..).is_some_and(|b| b.starts_with('"')) {
        return 0;
    }
    let open = text.len() - body.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    text.get(open..).and_then(|b| b.find(&close)).map_or(text.len(), |at| open + at + close.len())
}

/// The length of a character literal at the beginning of `text`; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => text.get(3..).and_then(|t| t.find('\'')).map_or(0, |at| at + 4),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn comments_and_literals_become_spaces() {
        assert_eq!(strip("a // b\nc"), "a     \nc");
        assert_eq!(strip("a /* b /* c */ */ d"), "a                 d");
        assert_eq!(strip(r#"f("x\"y", 'z', '\n', b)"#), "f(      ,    ,     , b)");
        assert_eq!(strip("r#\"raw \" text\"# x"), format!("{} x", " ".repeat(15)));
        assert_eq!(strip("fn f<'a>(x: &'a str) -> char { 'b' }"), "fn f<'a>(x: &'a str) -> char {     }");
        assert_eq!(strip("r#type b\"bytes\""), "r#type b       ");
    }

    proptest::proptest! {
        /// Whatever the text: no panic, and every line stays where it is.
        #[test]
        fn lines_stay(text in "[a-z'\"/*#r\\\\\nä ]{0,60}") {
            proptest::prop_assert_eq!(strip(&text).matches('\n').count(), text.matches('\n').count());
        }
    }
}
