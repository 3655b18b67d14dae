//! awk's values: text, number, or text that looks like a number.

/// A value. A field that looks like a number compares as one.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Unset,
    Number(f64),
    Text(String),
    /// From input: a number if it looks like one.
    Input(String),
}

/// The number of a text as a whole, if it is one.
fn looks_numeric(text: &str) -> Option<f64> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let (value, rest) = crate::format::leading_float(trimmed);
    (rest.is_empty() && trimmed.chars().any(|c| c.is_ascii_digit())).then_some(value)
}

impl Value {
    pub(super) fn number(&self) -> f64 {
        match self {
            Value::Unset => 0.0,
            Value::Number(n) => *n,
            Value::Text(text) | Value::Input(text) => {
                if text.trim_start().starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
                    crate::format::leading_float(text).0
                } else {
                    0.0
                }
            }
        }
    }

    /// The text; numbers by `CONVFMT` or `OFMT`.
    pub(super) fn text(&self, format: &str) -> String {
        match self {
            Value::Unset => String::new(),
            Value::Number(n) => number_text(*n, format),
            Value::Text(text) | Value::Input(text) => text.clone(),
        }
    }

    pub(super) fn truth(&self) -> bool {
        match self {
            Value::Unset => false,
            Value::Number(n) => *n != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::Input(text) => match looks_numeric(text) {
                Some(n) => n != 0.0,
                None => !text.is_empty(),
            },
        }
    }

    fn as_number(&self) -> Option<f64> {
        match self {
            Value::Unset => Some(0.0),
            Value::Number(n) => Some(*n),
            Value::Text(_) => None,
            Value::Input(text) => looks_numeric(text),
        }
    }

    /// Compares as awk does: as numbers if both are (or look like) such.
    pub(super) fn compare(&self, other: &Value, format: &str) -> std::cmp::Ordering {
        match (self.as_number(), other.as_number()) {
            (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal),
            _ => self.text(format).cmp(&other.text(format)),
        }
    }
}

/// A number as text: integers plainly, others by the format.
pub(super) fn number_text(n: f64, format: &str) -> String {
    if n.is_finite() && n.fract() == 0.0 && n.abs() < 2_147_483_648.0 {
        return format!("{}", n as i64);
    }
    match crate::format::parse_spec(format, || 0) {
        Some((spec, conversion, _)) => spec.float(n, conversion),
        None => n.to_string(),
    }
}
