//! POSIX regular expressions, basic and extended, translated for the `regex` crate. What that crate cannot do (back references) is refused.
//!
//! One difference stays: of alternatives the first that fits is taken, not the longest.

use regex::bytes::{Regex, RegexBuilder};

/// Which of POSIX's two syntaxes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Syntax {
    /// `\( \) \{ \}`, and GNU's `\+ \? \|`.
    Basic,
    /// `( ) { } + ? |`
    Extended,
}

/// The largest compiled expression: patterns come from untrusted scripts.
const SIZE_MAX: usize = 4 << 20;

/// Compiles a POSIX expression; the error is in GNU's words.
pub(crate) fn compile(source: &str, syntax: Syntax, ignore_case: bool) -> Result<Regex, String> {
    let translated = translate(source, syntax)?;
    RegexBuilder::new(&translated)
        .case_insensitive(ignore_case)
        .multi_line(true)
        .dot_matches_new_line(true)
        .size_limit(SIZE_MAX)
        .nest_limit(100)
        .build()
        .map_err(|_| "Invalid regular expression".to_owned())
}

/// The text as an expression that matches only itself.
pub(crate) fn fixed(text: &str) -> String {
    regex::escape(text)
}

/// Compiles an expression in the `regex` crate's own syntax.
pub(crate) fn compile_raw(source: &str, ignore_case: bool) -> Result<Regex, String> {
    RegexBuilder::new(source)
        .case_insensitive(ignore_case)
        .multi_line(true)
        .dot_matches_new_line(true)
        .size_limit(SIZE_MAX)
        .nest_limit(100)
        .build()
        .map_err(|_| "Invalid regular expression".to_owned())
}

/// Translates to the `regex` crate's syntax.
pub(crate) fn translate(source: &str, syntax: Syntax) -> Result<String, String> {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::new();
    let mut i = 0;
    let mut depth = 0usize;
    // Whether an operator such as `*` would have nothing to repeat here.
    let mut at_start = true;
    let extended = syntax == Syntax::Extended;
    while let Some(&c) = chars.get(i) {
        i += 1;
        let starts = std::mem::take(&mut at_start);
        match c {
            '\\' => {
                let Some(&next) = chars.get(i) else { return Err("Trailing backslash".to_owned()) };
                i += 1;
                match next {
                    '(' if !extended => {
                        out.push('(');
                        depth += 1;
                        at_start = true;
                    }
                    ')' if !extended => {
                        depth = depth.checked_sub(1).ok_or("Unmatched ) or \\)")?;
                        out.push(')');
                    }
                    '{' if !extended => i = interval(&chars, i, true, &mut out)?,
                    '|' if !extended => {
                        out.push('|');
                        at_start = true;
                    }
                    '+' | '?' if !extended && !starts => out.push(next),
                    'w' => out.push_str("[[:word:]]"),
                    'W' => out.push_str("[^[:word:]]"),
                    's' => out.push_str("[[:space:]]"),
                    'S' => out.push_str("[^[:space:]]"),
                    'b' => out.push_str("\\b"),
                    'B' => out.push_str("\\B"),
                    '<' => out.push_str("\\b{start}"),
                    '>' => out.push_str("\\b{end}"),
                    '`' => out.push_str("\\A"),
                    '\'' => out.push_str("\\z"),
                    'n' => out.push_str("\\n"),
                    't' => out.push_str("\\t"),
                    '1'..='9' => return Err("Invalid back reference".to_owned()),
                    other => out.push_str(&regex::escape(&other.to_string())),
                }
            }
            '[' => i = bracket(&chars, i, &mut out)?,
            '.' => out.push('.'),
            '*' if starts && !extended => out.push_str("\\*"),
            '*' if starts => at_start = true,
            '*' => {
                if !out.ends_with('*') || out.ends_with("\\*") {
                    out.push('*');
                }
            }
            '^' if extended || starts => {
                out.push('^');
                at_start = !extended || starts;
            }
            '^' => out.push_str("\\^"),
            '$' if extended || ends_here(&chars, i) => out.push('$'),
            '$' => out.push_str("\\$"),
            '+' | '?' if extended => {
                if !starts && !out.ends_with(['?']) {
                    out.push(c);
                }
            }
            '{' if extended && !starts && chars.get(i).is_some_and(|c| c.is_ascii_digit() || *c == ',') => {
                i = interval(&chars, i, false, &mut out)?
            }
            '|' if extended => {
                out.push('|');
                at_start = true;
            }
            '(' if extended => {
                out.push('(');
                depth += 1;
                at_start = true;
            }
            ')' if extended && depth > 0 => {
                out.push(')');
                depth -= 1;
            }
            ')' if extended => return Err("Unmatched ) or \\)".to_owned()),
            other => out.push_str(&regex::escape(&other.to_string())),
        }
    }
    if depth > 0 {
        return Err("Unmatched ( or \\(".to_owned());
    }
    Ok(out)
}

/// In a basic expression `$` is an anchor only at the end (or before `\)` and `\|`).
fn ends_here(chars: &[char], i: usize) -> bool {
    match chars.get(i) {
        None => true,
        Some('\\') => matches!(chars.get(i + 1), Some(')' | '|')),
        _ => false,
    }
}

fn interval(chars: &[char], start: usize, basic: bool, out: &mut String) -> Result<usize, String> {
    let mut i = start;
    let mut inner = String::new();
    while let Some(&c) = chars.get(i) {
        if c == '}' || (basic && c == '\\') {
            break;
        }
        inner.push(c);
        i += 1;
    }
    let closed =
        if basic { chars.get(i) == Some(&'\\') && chars.get(i + 1) == Some(&'}') } else { chars.get(i) == Some(&'}') };
    if !closed {
        return Err("Unmatched { or \\{".to_owned());
    }
    if !inner.chars().all(|c| c.is_ascii_digit() || c == ',') || inner.is_empty() || inner.matches(',').count() > 1 {
        return Err("Invalid content of \\{\\}".to_owned());
    }
    let inner = if inner.starts_with(',') { format!("0{inner}") } else { inner };
    out.push_str(&format!("{{{inner}}}"));
    Ok(i + if basic { 2 } else { 1 })
}

/// A bracket expression after its `[`.
fn bracket(chars: &[char], start: usize, out: &mut String) -> Result<usize, String> {
    const UNMATCHED: &str = "Unmatched [, [^, [:, [., or [=";
    if start == chars.len() {
        return Err("Invalid regular expression".to_owned());
    }
    let mut i = start;
    out.push('[');
    if chars.get(i) == Some(&'^') {
        out.push('^');
        i += 1;
    }
    let first = i;
    loop {
        let Some(&c) = chars.get(i) else { return Err(UNMATCHED.to_owned()) };
        i += 1;
        match c {
            ']' if i - 1 > first => break,
            '[' if matches!(chars.get(i), Some(':' | '.' | '=')) => {
                let kind = chars.get(i).copied().unwrap_or(':');
                let end = (i + 1..chars.len()).find(|&e| chars.get(e) == Some(&kind) && chars.get(e + 1) == Some(&']'));
                let Some(end) = end else { return Err(UNMATCHED.to_owned()) };
                let name: String = chars.get(i + 1..end).unwrap_or(&[]).iter().collect();
                if kind == ':' {
                    const CLASSES: [&str; 12] = [
                        "alpha", "digit", "alnum", "upper", "lower", "space", "blank", "punct", "print", "graph",
                        "cntrl", "xdigit",
                    ];
                    if !CLASSES.contains(&name.as_str()) {
                        return Err("Invalid character class name".to_owned());
                    }
                    out.push_str(&format!("[:{name}:]"));
                } else {
                    out.push_str(&regex::escape(&name));
                }
                i = end + 2;
            }
            '-' if i - 1 > first && chars.get(i).is_some_and(|n| *n != ']') => out.push('-'),
            c => {
                if "\\[]^-&~".contains(c) {
                    out.push('\\');
                }
                out.push(c);
            }
        }
    }
    out.push(']');
    Ok(i)
}
