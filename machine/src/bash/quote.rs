//! Quoting: `$'...'`, and the three ways in which bash quotes what it prints (`printf %q`, `${x@Q}`, `set -x`).

/// Reads the inside of `$'...'`; gives the text and how many bytes were used, the closing quote included.
pub(super) fn ansi_c(text: &str) -> (String, usize) {
    let mut out = Vec::new();
    let mut at = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        at = i + c.len_utf8();
        match c {
            '\'' => break,
            '\\' => {
                let rest = text.get(at..).unwrap_or("");
                let used = escape(rest, &mut out, true);
                if used == usize::MAX {
                    break;
                }
                let end = at + used;
                while chars.peek().is_some_and(|(i, _)| *i < end) {
                    chars.next();
                }
                at = end;
            }
            c => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    (String::from_utf8_lossy(&out).into_owned(), at)
}

/// One escape sequence after its backslash; gives how many bytes it used. `quoted`: also `\'` `\"` `\?` `\cx` as `$'...'` has them.
/// An unknown one is kept with its backslash.
pub(super) fn escape(text: &str, out: &mut Vec<u8>, quoted: bool) -> usize {
    let Some(c) = text.chars().next() else {
        out.push(b'\\');
        return 0;
    };
    let simple = match c {
        'a' => Some(7),
        'b' => Some(8),
        'e' | 'E' => Some(27),
        'f' => Some(12),
        'n' => Some(10),
        'r' => Some(13),
        't' => Some(9),
        'v' => Some(11),
        '\\' => Some(b'\\'),
        '\'' | '"' | '?' if quoted => Some(c as u8),
        _ => None,
    };
    if let Some(byte) = simple {
        out.push(byte);
        return 1;
    }
    match c {
        'x' => {
            let digits = digits(text.get(1..).unwrap_or(""), 16, 2);
            match u8::from_str_radix(digits, 16) {
                Ok(byte) => out.push(byte),
                Err(_) => out.extend(b"\\x"),
            }
            1 + digits.len()
        }
        'u' | 'U' => {
            let digits = digits(text.get(1..).unwrap_or(""), 16, if c == 'u' { 4 } else { 8 });
            match u32::from_str_radix(digits, 16).ok().and_then(char::from_u32) {
                Some(c) => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
                None => out.extend([b'\\', c as u8]),
            }
            1 + digits.len()
        }
        '0'..='7' => {
            let digits = digits(text, 8, 3);
            out.push((u32::from_str_radix(digits, 8).unwrap_or(0) & 0xff) as u8);
            digits.len()
        }
        'c' if quoted => match text.as_bytes().get(1) {
            Some(b) => {
                out.push(b & 0x1f);
                2
            }
            None => {
                out.extend(b"\\c");
                1
            }
        },
        other => {
            out.push(b'\\');
            out.extend(other.encode_utf8(&mut [0; 4]).as_bytes());
            other.len_utf8()
        }
    }
}

/// At most `most` leading digits of this base.
pub(super) fn digits(text: &str, base: u32, most: usize) -> &str {
    let end =
        text.char_indices().take(most).take_while(|(_, c)| c.is_digit(base)).map(|(i, _)| i + 1).last().unwrap_or(0);
    text.get(..end).unwrap_or("")
}

fn needs_ansi(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn ansi_quoted(text: &str) -> String {
    let mut out = String::from("$'");
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\x1b' => out.push_str("\\E"),
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            c if c.is_ascii_control() => out.push_str(&format!("\\{:03o}", c as u32)),
            c if c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    out.push_str(&format!("\\{byte:03o}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// As `printf %q` prints it: backslashes before what is special.
pub(super) fn backslashed(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    if needs_ansi(text) {
        return ansi_quoted(text);
    }
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        let special = " \t!\"$&'()*,;<>?[\\]^`{|}".contains(c) || (i == 0 && (c == '~' || c == '#'));
        if special {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// In single quotes, always: `${x@Q}`, `declare -p` of keys, `alias`, `trap`.
pub(super) fn single_quoted(text: &str) -> String {
    if needs_ansi(text) {
        return ansi_quoted(text);
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// In double quotes, as `declare -p` prints values.
pub(super) fn double_quoted(text: &str) -> String {
    if needs_ansi(text) {
        return ansi_quoted(text);
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        if "\"$`\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// As `set -x` and `set` print words: only quoted if need be.
pub(super) fn traced(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    if needs_ansi(text) {
        return ansi_quoted(text);
    }
    let special =
        |(i, c): (usize, char)| " \t\n!\"$&'()*;<>?[\\]^`{|}".contains(c) || (i == 0 && (c == '~' || c == '#'));
    if text.chars().enumerate().any(special) { single_quoted(text) } else { text.to_owned() }
}
