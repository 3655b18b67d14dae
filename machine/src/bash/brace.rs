//! Brace expansion: `{a,b}`, `{1..9..2}`, `{a..e}`, on a word's text before anything else looks at it.

/// More words than this from one word is a mistake, not a lab.
const WORDS_MAX: usize = 100_000;

/// All words that `text` stands for; itself if there is nothing to expand. `None`: they are too many.
pub(super) fn expand(text: &str) -> Option<Vec<String>> {
    if !text.contains('{') {
        return Some(vec![text.to_owned()]);
    }
    let out = expand_from(text, 0);
    (out.len() <= WORDS_MAX).then_some(out)
}

fn expand_from(text: &str, depth: usize) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut i = 0;
    while let Some(b) = bytes.get(i) {
        match b {
            b'\\' => i += 2,
            b'\'' | b'"' | b'`' => i = skip_quoted(bytes, i),
            b'$' if matches!(bytes.get(i + 1), Some(b'{' | b'(')) => i = skip_dollar(bytes, i + 1),
            b'{' if depth < 32 => {
                if let Some((alternatives, end)) = alternatives(text, i) {
                    let before = text.get(..i).unwrap_or("");
                    let tails = expand_from(text.get(end..).unwrap_or(""), depth + 1);
                    let mut out = Vec::new();
                    for alternative in alternatives {
                        for middle in expand_from(&alternative, depth + 1) {
                            for tail in &tails {
                                out.push(format!("{before}{middle}{tail}"));
                                if out.len() > WORDS_MAX {
                                    return out;
                                }
                            }
                        }
                    }
                    return out;
                }
                i += 1;
            }
            _ => i += 1,
        }
    }
    vec![text.to_owned()]
}

fn skip_quoted(bytes: &[u8], at: usize) -> usize {
    let quote = bytes.get(at).copied();
    let mut i = at + 1;
    while let Some(b) = bytes.get(i) {
        match b {
            b'\\' if quote != Some(b'\'') => i += 2,
            b if Some(*b) == quote => return i + 1,
            _ => i += 1,
        }
    }
    bytes.len()
}

/// Skips `{...}` or `(...)` after a dollar; `at` is at the bracket.
fn skip_dollar(bytes: &[u8], at: usize) -> usize {
    let (open, close) = if bytes.get(at) == Some(&b'{') { (b'{', b'}') } else { (b'(', b')') };
    let mut depth = 0usize;
    let mut i = at;
    while let Some(b) = bytes.get(i) {
        match *b {
            b'\\' => i += 1,
            b'\'' | b'"' | b'`' => {
                i = skip_quoted(bytes, i);
                continue;
            }
            b if b == open => depth += 1,
            b if b == close => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
        i += 1;
    }
    bytes.len()
}

/// The alternatives of the brace at `start`, and the position after its `}`. `None`: it is an ordinary character.
fn alternatives(text: &str, start: usize) -> Option<(Vec<String>, usize)> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut i = start + 1;
    let mut piece = i;
    let mut pieces = Vec::new();
    loop {
        match bytes.get(i)? {
            b'\\' => i += 1,
            b'\'' | b'"' | b'`' => {
                i = skip_quoted(bytes, i);
                continue;
            }
            b'$' if matches!(bytes.get(i + 1), Some(b'{' | b'(')) => {
                i = skip_dollar(bytes, i + 1);
                continue;
            }
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b',' if depth == 0 => {
                pieces.push(text.get(piece..i)?.to_owned());
                piece = i + 1;
            }
            b'}' => {
                let last = text.get(piece..i)?.to_owned();
                if pieces.is_empty() {
                    return sequence(&last).map(|words| (words, i + 1));
                }
                pieces.push(last);
                return Some((pieces, i + 1));
            }
            _ => {}
        }
        i += 1;
    }
}

/// `1..5`, `05..10`, `a..e`, each with an optional step.
fn sequence(inner: &str) -> Option<Vec<String>> {
    let parts: Vec<&str> = inner.split("..").collect();
    let (from, to, step) = match parts.as_slice() {
        [from, to] => (*from, *to, 1),
        [from, to, step] => (*from, *to, step.parse::<i64>().ok()?),
        _ => return None,
    };
    let step = step.unsigned_abs().max(1);
    if let (Ok(a), Ok(b)) = (from.parse::<i64>(), to.parse::<i64>()) {
        let padded = |t: &str| t.trim_start_matches('-').starts_with('0') && t.trim_start_matches('-').len() > 1;
        let width = if padded(from) || padded(to) { from.len().max(to.len()) } else { 0 };
        return Some(walk(a, b, step).map(|n| format!("{n:0width$}")).collect());
    }
    let letter = |t: &str| {
        Some(t).filter(|t| t.len() == 1 && t.as_bytes()[0].is_ascii_alphabetic()).map(|t| i64::from(t.as_bytes()[0]))
    };
    let (a, b) = (letter(from)?, letter(to)?);
    Some(walk(a, b, step).map(|n| char::from(n as u8).to_string()).collect())
}

fn walk(from: i64, to: i64, step: u64) -> impl Iterator<Item = i64> {
    let count = (from.abs_diff(to) / step).min(WORDS_MAX as u64);
    (0..=count).map(move |n| {
        let distance = (n * step) as i64;
        if from <= to { from.wrapping_add(distance) } else { from.wrapping_sub(distance) }
    })
}
