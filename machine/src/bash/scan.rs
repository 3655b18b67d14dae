//! Finding the end of nested shell constructs in text, without understanding more of it than quotes, brackets, comments,
//! here-documents and `case` need.

/// Skips a quoted piece that begins at `at`; gives the position after it. `None`: it does not end, or none begins here.
fn skip_quoted(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'\\' => Some((at + 2).min(text.len())),
        b'\'' => text.iter().skip(at + 1).position(|b| *b == b'\'').map(|n| at + n + 2),
        b'"' => skip_double(text, at + 1),
        b'`' => {
            let mut i = at + 1;
            loop {
                match text.get(i)? {
                    b'\\' => i += 2,
                    b'`' => return Some(i + 1),
                    _ => i += 1,
                }
            }
        }
        _ => None,
    }
}

/// From after a `"` to after its partner; `$(...)` and `${...}` inside may hold quotes of their own.
fn skip_double(text: &[u8], mut i: usize) -> Option<usize> {
    let mut braces = 0usize;
    let mut parens = 0usize;
    loop {
        match text.get(i)? {
            b'\\' => i += 2,
            b'"' if parens == 0 => return Some(i + 1),
            b'$' if text.get(i + 1) == Some(&b'(') => {
                parens += 1;
                i += 2;
            }
            b'$' if text.get(i + 1) == Some(&b'{') => {
                braces += 1;
                i += 2;
            }
            b'}' if braces > 0 => {
                braces -= 1;
                i += 1;
            }
            b'(' if parens > 0 => {
                parens += 1;
                i += 1;
            }
            b')' if parens > 0 => {
                parens -= 1;
                i += 1;
            }
            b'\'' | b'"' | b'`' if parens > 0 => i = skip_flat(text, i)?,
            _ => i += 1,
        }
    }
}

/// A quoted piece inside `$(...)` inside double quotes, without looking for further nesting.
fn skip_flat(text: &[u8], at: usize) -> Option<usize> {
    let quote = *text.get(at)?;
    let mut i = at + 1;
    loop {
        match text.get(i)? {
            b'\\' if quote != b'\'' => i += 2,
            b if *b == quote => return Some(i + 1),
            _ => i += 1,
        }
    }
}

/// Where the `))` stands that ends the arithmetic expansion whose expression begins at `start`; `None` if it is a `$( ( ... ) )`.
pub(super) fn arithmetic_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut i = start;
    loop {
        match bytes.get(i)? {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b')' => return (bytes.get(i + 1) == Some(&b')')).then_some(i),
            b'\\' | b'\'' | b'"' | b'`' => {
                i = skip_quoted(bytes, i)?;
                continue;
            }
            _ => {}
        }
        i += 1;
    }
}

/// Where the `]` stands that ends a subscript beginning at `start`.
pub(super) fn bracket_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut i = start;
    loop {
        match bytes.get(i)? {
            b'[' => depth += 1,
            b']' if depth > 0 => depth -= 1,
            b']' => return Some(i),
            b'\\' | b'\'' | b'"' | b'`' => {
                i = skip_quoted(bytes, i)?;
                continue;
            }
            _ => {}
        }
        i += 1;
    }
}

/// What is open inside a `$(...)`.
#[derive(PartialEq, Eq)]
enum Open {
    Paren,
    Case,
}

/// Where the `)` stands that ends the command substitution whose commands begin at `start`.
pub(super) fn command_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open: Vec<Open> = Vec::new();
    let mut here_ends: Vec<(String, bool)> = Vec::new();
    let mut command_position = true;
    let mut i = start;
    loop {
        let b = *bytes.get(i)?;
        match b {
            b'\\' | b'\'' | b'"' | b'`' => {
                i = skip_quoted(bytes, i)?;
                command_position = false;
            }
            b'#' if i == start || bytes.get(i - 1).is_some_and(|p| b" \t\n;(&|".contains(p)) => {
                while bytes.get(i).is_some_and(|b| *b != b'\n') {
                    i += 1;
                }
            }
            b'<' if bytes.get(i + 1) == Some(&b'<') && bytes.get(i + 2) != Some(&b'<') => {
                let (end, tag) = here_tag(text, i + 2)?;
                here_ends.push(tag);
                i = end;
            }
            b'<' if bytes.get(i..i + 3) == Some(b"<<<") => i += 3,
            b'\n' => {
                i += 1;
                for (tag, strip) in std::mem::take(&mut here_ends) {
                    i = skip_here_document(text, i, &tag, strip);
                }
                command_position = true;
            }
            b'(' => {
                open.push(Open::Paren);
                i += 1;
                command_position = true;
            }
            b')' => {
                match open.last() {
                    None => return Some(i),
                    Some(Open::Paren) => {
                        open.pop();
                    }
                    // The end of a pattern.
                    Some(Open::Case) => {}
                }
                i += 1;
                command_position = true;
            }
            b';' | b'&' | b'|' | b'{' | b'!' => {
                i += 1;
                command_position = true;
            }
            b' ' | b'\t' => i += 1,
            _ => {
                let word_start = i;
                while bytes.get(i).is_some_and(|b| !b" \t\n;&|()<>\\'\"`".contains(b)) {
                    i += 1;
                }
                i = i.max(word_start + 1);
                let word = bytes.get(word_start..i).unwrap_or(&[]);
                if command_position && word == b"case" {
                    open.push(Open::Case);
                }
                if word == b"esac" && open.last() == Some(&Open::Case) {
                    open.pop();
                }
                command_position =
                    matches!(word, b"do" | b"then" | b"else" | b"elif" | b"if" | b"while" | b"until" | b"time");
            }
        }
    }
}

fn here_tag(text: &str, at: usize) -> Option<(usize, (String, bool))> {
    let bytes = text.as_bytes();
    let mut i = at;
    let strip = bytes.get(i) == Some(&b'-');
    if strip {
        i += 1;
    }
    while bytes.get(i).is_some_and(|b| *b == b' ' || *b == b'\t') {
        i += 1;
    }
    let begin = i;
    while bytes.get(i).is_some_and(|b| !b" \t\n;&|()<>".contains(b)) {
        i += 1;
    }
    let tag: String = text.get(begin..i)?.chars().filter(|c| !"'\"\\".contains(*c)).collect();
    Some((i, (tag, strip)))
}

fn skip_here_document(text: &str, mut at: usize, tag: &str, strip: bool) -> usize {
    while let Some(rest) = text.get(at..).filter(|r| !r.is_empty()) {
        let line = rest.split('\n').next().unwrap_or("");
        at = (at + line.len() + 1).min(text.len());
        let line = if strip { line.trim_start_matches('\t') } else { line };
        if line == tag {
            break;
        }
    }
    at
}

/// How deep brackets and keywords nest at most, roughly: a guard for the recursive parser behind.
pub(super) fn nesting(text: &str) -> usize {
    let mut depth = 0usize;
    let mut most = 0usize;
    let mut word = String::new();
    for c in text.chars().chain(std::iter::once('\n')) {
        if c.is_ascii_alphabetic() {
            word.push(c);
            continue;
        }
        match word.as_str() {
            "if" | "while" | "until" | "for" | "do" | "then" => depth += 1,
            "case" => depth += 2,
            "elif" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if matches!(word.as_str(), "fi" | "done" | "esac") {
            depth = depth.saturating_sub(2);
        }
        word.clear();
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// How many round brackets are open at the end, roughly: quotes are not looked at.
pub(super) fn left_open(text: &str) -> usize {
    text.bytes().fold(0, |open, byte| match byte {
        b'(' => open + 1,
        b')' => open.saturating_sub(1),
        _ => open,
    })
}

/// The same text with `(pattern)` for each `pattern)` of a `case` inside a `$(...)`: the grammar's tokenizer counts brackets there.
pub(super) fn with_open_patterns(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("$(") {
        let Some(end) = command_end(rest, at + 2).filter(|_| !rest[at..].starts_with("$((")) else {
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        out.push_str(&rest[..at + 2]);
        out.push_str(&open_patterns(&with_open_patterns(&rest[at + 2..end])));
        rest = &rest[end..];
    }
    out + rest
}

fn open_patterns(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut i, mut cases) = (0, 0usize);
    // After `case`: waiting for its `in`; after `in` or `;;`: a pattern begins.
    let (mut wants_in, mut pattern) = (false, false);
    while let Some(b) = bytes.get(i) {
        let start = i;
        if b.is_ascii_whitespace() {
            i += 1;
        } else if let Some(end) = skip_quoted(bytes, i) {
            i = end;
        } else if bytes.get(i..i + 2) == Some(b";;") && cases > 0 {
            pattern = true;
            out.push_str(";;");
            i += 2;
            continue;
        } else {
            while bytes.get(i).is_some_and(|b| !b" \t\n;&|()<>\\'\"`".contains(b)) {
                i += 1;
            }
            i = i.max(start + 1);
        }
        while !text.is_char_boundary(i) {
            i += 1;
        }
        let word = text.get(start..i).unwrap_or("");
        match word {
            "case" => (wants_in, cases) = (true, cases + 1),
            "in" if wants_in => (wants_in, pattern) = (false, true),
            "esac" => (pattern, cases) = (false, cases.saturating_sub(1)),
            "(" => pattern = false,
            _ if pattern && !word.trim().is_empty() => {
                pattern = false;
                out.push('(');
            }
            _ => {}
        }
        out.push_str(word);
    }
    out
}
