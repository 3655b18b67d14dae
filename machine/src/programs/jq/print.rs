//! Values as jq 1.6 prints them.

use jaq_json::{Num, Val};

/// The options of the printing.
#[derive(Clone)]
pub(super) struct Style {
    /// One level's indentation; `None`: all on one line.
    pub(super) indent: Option<String>,
    /// `-S`
    pub(super) sorted: bool,
    /// `-r`: strings without quotes.
    pub(super) raw: bool,
    /// `-j`: no newlines between outputs.
    pub(super) joined: bool,
    /// `-a`
    pub(super) ascii: bool,
}

impl Default for Style {
    fn default() -> Self {
        Style { indent: Some("  ".to_owned()), sorted: false, raw: false, joined: false, ascii: false }
    }
}

/// Values of a filter nest no deeper than this when printed.
const DEPTH_MAX: usize = 2000;

/// One output, with its newline.
pub(super) fn output(value: &Val, style: &Style) -> Vec<u8> {
    let mut out = match (style.raw, text_of(value)) {
        (true, Some(text)) if !style.ascii => text.into_bytes(),
        _ => {
            let mut out = String::new();
            write(value, style, 0, &mut out);
            out.into_bytes()
        }
    };
    if !style.joined {
        out.push(b'\n');
    }
    out
}

/// A value on one line, for messages.
pub(super) fn compact(value: &Val) -> String {
    let mut out = String::new();
    write(value, &Style { indent: None, ..Style::default() }, 0, &mut out);
    out
}

/// A string's text; `None` for other values.
pub(super) fn text_of(value: &Val) -> Option<String> {
    match value {
        Val::TStr(bytes) | Val::BStr(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::new();
    string(text, false, &mut out);
    out
}

fn string(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c < ' ') || c == '\u{7f}' || (ascii && !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn write(value: &Val, style: &Style, level: usize, out: &mut String) {
    if level > DEPTH_MAX {
        out.push_str("null");
        return;
    }
    let newline = |out: &mut String, level: usize| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            out.push_str(&indent.repeat(level));
        }
    };
    match value {
        Val::Null => out.push_str("null"),
        Val::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Val::Num(number) => out.push_str(&self::number(number)),
        Val::TStr(bytes) | Val::BStr(bytes) => string(&String::from_utf8_lossy(bytes), style.ascii, out),
        Val::Arr(list) => {
            out.push('[');
            for (i, item) in list.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                newline(out, level + 1);
                write(item, style, level + 1, out);
            }
            if !list.is_empty() {
                newline(out, level);
            }
            out.push(']');
        }
        Val::Obj(map) => {
            out.push('{');
            let mut pairs: Vec<(String, &Val)> = map.iter().map(|(k, v)| (text_of(k).unwrap_or_default(), v)).collect();
            if style.sorted {
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
            }
            for (i, (key, item)) in pairs.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                newline(out, level + 1);
                string(&key, style.ascii, out);
                out.push_str(if style.indent.is_some() { ": " } else { ":" });
                write(item, style, level + 1, out);
            }
            if !map.is_empty() {
                newline(out, level);
            }
            out.push('}');
        }
    }
}

/// A number: jq 1.6 knows doubles only, and prints the fewest digits that mean the same double.
fn number(number: &Num) -> String {
    let value = match number {
        Num::Int(n) if n.unsigned_abs() < 1 << 53 => return n.to_string(),
        other => other.to_string().parse::<f64>().unwrap_or(f64::NAN),
    };
    if value.is_nan() {
        return "null".to_owned();
    }
    double(value.clamp(f64::MIN, f64::MAX))
}

fn double(value: f64) -> String {
    let shortest = format!("{value:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |m| ("-", m));
    let digits = mantissa.replace('.', "");
    let point = exponent.parse::<i64>().unwrap_or(0) + 1;
    let count = digits.len() as i64;
    if point <= -4 || point > count + 15 {
        let fraction = digits.get(1..).filter(|f| !f.is_empty()).map_or(String::new(), |f| format!(".{f}"));
        let exponent = point - 1;
        let mark = if exponent < 0 { '-' } else { '+' };
        let first = digits.get(..1).unwrap_or("0");
        return format!("{sign}{first}{fraction}e{mark}{:02}", exponent.unsigned_abs());
    }
    let zeros = |n: i64| "0".repeat(usize::try_from(n).unwrap_or(0));
    match usize::try_from(point) {
        Ok(point) if point > 0 && point < digits.len() => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
        Ok(point) if point > 0 => format!("{sign}{digits}{}", zeros(point as i64 - count)),
        _ => format!("{sign}0.{}{digits}", zeros(-point)),
    }
}

#[cfg(test)]
mod tests {
    use super::double;

    #[test]
    fn numbers_as_jq_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (2.5, "2.5"),
            (1000.0, "1000"),
            (1e20, "1e+20"),
            (0.1, "0.1"),
            (1e17, "1e+17"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (f64::MAX, "1.7976931348623157e+308"),
            (123_456.75, "123456.75"),
        ] {
            assert_eq!(double(value), text);
        }
    }
}
