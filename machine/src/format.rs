//! printf's conversions, as C defines them: shared by bash, awk, seq and stat.

/// A width or precision beyond this is a mistake (and would fill the real machine's memory).
pub(crate) const WIDTH_MAX: usize = 1 << 20;

/// Flags, width and precision of a conversion.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Spec {
    pub(crate) left: bool,
    pub(crate) plus: bool,
    pub(crate) space: bool,
    pub(crate) alternate: bool,
    pub(crate) zero: bool,
    pub(crate) width: usize,
    pub(crate) precision: Option<usize>,
}

/// Parses `%-08.3lf` and so on; gives the spec, the conversion's letter and the length. `star` supplies `*` values.
pub(crate) fn parse_spec(text: &str, mut star: impl FnMut() -> i64) -> Option<(Spec, char, usize)> {
    let mut spec = Spec::default();
    let bytes = text.as_bytes();
    let mut i = 1;
    loop {
        match bytes.get(i)? {
            b'-' => spec.left = true,
            b'+' => spec.plus = true,
            b' ' => spec.space = true,
            b'#' => spec.alternate = true,
            b'0' => spec.zero = true,
            b'\'' => {}
            _ => break,
        }
        i += 1;
    }
    if bytes.get(i) == Some(&b'*') {
        let n = star();
        spec.left |= n < 0;
        spec.width = (n.unsigned_abs() as usize).min(WIDTH_MAX);
        i += 1;
    } else {
        while let Some(d) = bytes.get(i).filter(|b| b.is_ascii_digit()) {
            spec.width = (spec.width * 10 + usize::from(d - b'0')).min(WIDTH_MAX);
            i += 1;
        }
    }
    if bytes.get(i) == Some(&b'.') {
        i += 1;
        let mut precision = 0usize;
        if bytes.get(i) == Some(&b'*') {
            let n = star();
            i += 1;
            spec.precision = usize::try_from(n).ok().map(|n| n.min(WIDTH_MAX));
        } else {
            while let Some(d) = bytes.get(i).filter(|b| b.is_ascii_digit()) {
                precision = (precision * 10 + usize::from(d - b'0')).min(WIDTH_MAX);
                i += 1;
            }
            spec.precision = Some(precision);
        }
    }
    while matches!(bytes.get(i), Some(b'l' | b'h' | b'j' | b'z' | b't' | b'L' | b'q'))
        && bytes.get(i + 1).is_some_and(u8::is_ascii_alphabetic)
    {
        i += 1;
    }
    let conversion = text.get(i..)?.chars().next()?;
    Some((spec, conversion, i + conversion.len_utf8()))
}

impl Spec {
    /// Nothing to do.
    pub(crate) fn is_plain(&self) -> bool {
        self.width == 0 && self.precision.is_none()
    }

    fn pad(&self, sign: &str, body: &str, zeros: bool) -> String {
        let have = sign.chars().count() + body.chars().count();
        let fill = self.width.saturating_sub(have);
        if self.left {
            format!("{sign}{body}{}", " ".repeat(fill))
        } else if zeros {
            format!("{sign}{}{body}", "0".repeat(fill))
        } else {
            format!("{}{sign}{body}", " ".repeat(fill))
        }
    }

    /// `%s`
    pub(crate) fn text(&self, text: &str) -> String {
        let cut: String = match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.to_owned(),
        };
        self.pad("", &cut, false)
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, _, _) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
    }

    /// `%d %i %u %o %x %X`
    pub(crate) fn integer(&self, value: i64, conversion: char) -> String {
        let (mut sign, mut digits) = match conversion {
            'd' | 'i' => (self.sign(value < 0), value.unsigned_abs().to_string()),
            'u' => ("", (value as u64).to_string()),
            'o' => ("", format!("{:o}", value as u64)),
            'x' => ("", format!("{:x}", value as u64)),
            _ => ("", format!("{:X}", value as u64)),
        };
        if self.alternate && value != 0 {
            match conversion {
                'x' => sign = "0x",
                'X' => sign = "0X",
                'o' => digits.insert(0, '0'),
                _ => {}
            }
        }
        if let Some(precision) = self.precision {
            digits = format!("{digits:0>precision$}");
            if precision == 0 && value == 0 {
                digits.clear();
            }
        }
        self.pad(sign, &digits, self.zero && self.precision.is_none())
    }

    /// `%e %f %g` and their capitals.
    pub(crate) fn float(&self, value: f64, conversion: char) -> String {
        let sign = self.sign(value.is_sign_negative() && !value.is_nan());
        let magnitude = value.abs();
        if !value.is_finite() {
            let name = if value.is_nan() { "nan" } else { "inf" };
            let name = if conversion.is_uppercase() { name.to_uppercase() } else { name.to_owned() };
            return self.pad(sign, &name, false);
        }
        let precision = self.precision.unwrap_or(6).min(1000);
        let body = match conversion.to_ascii_lowercase() {
            'f' => format!("{magnitude:.precision$}"),
            'e' => exponent(magnitude, precision),
            _ => general(magnitude, precision.max(1), self.alternate),
        };
        let body = if conversion.is_uppercase() { body.to_uppercase() } else { body };
        self.pad(sign, &body, self.zero)
    }
}

/// `1.500000e+01`
fn exponent(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let number: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if number < 0 { '-' } else { '+' }, number.abs())
}

/// A number as `%g` prints it, with six significant digits.
pub fn general_6(value: f64) -> String {
    if value < 0.0 { format!("-{}", general(-value, 6, false)) } else { general(value, 6, false) }
}

/// `%g`: the shorter of the two, without trailing zeros.
fn general(value: f64, precision: usize, keep_zeros: bool) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = exponent(value, precision - 1);
    let x: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let trim = |text: &str| {
        if keep_zeros || !text.contains('.') {
            text.to_owned()
        } else {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    if x < -4 || x >= precision as i32 {
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{exponent}", trim(mantissa));
    }
    let decimals = usize::try_from(precision as i32 - 1 - x).unwrap_or(0);
    trim(&format!("{value:.decimals$}"))
}

/// An integer at the beginning, C's way (`0x`, leading 0 for octal); gives the rest.
pub(crate) fn leading_integer(text: &str) -> (i64, &str) {
    let trimmed = text.trim_start();
    let (negative, body) = match trimmed.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (base, digits) = if let Some(hex) = body.strip_prefix("0x").or(body.strip_prefix("0X")) {
        (16, hex)
    } else if body.len() > 1 && body.starts_with('0') {
        (8, body)
    } else {
        (10, body)
    };
    let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    let (number, rest) = digits.split_at(end);
    let wide = i128::from_str_radix(number, base).unwrap_or(if number.is_empty() { 0 } else { i128::from(i64::MAX) });
    let signed = if negative { -wide } else { wide };
    // Unsigned values up to 2^64 keep their bits.
    let value = if signed > i128::from(u64::MAX) {
        i64::MAX
    } else if signed > i128::from(i64::MAX) {
        signed as u64 as i64
    } else {
        i64::try_from(signed).unwrap_or(i64::MIN)
    };
    (value, rest)
}

/// A decimal number at the beginning; gives the rest. 0 if there is none.
pub(crate) fn leading_float(text: &str) -> (f64, &str) {
    let trimmed = text.trim_start();
    let bytes = trimmed.as_bytes();
    let mut i = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let start = i;
    let digits = |mut i: usize| {
        while bytes.get(i).is_some_and(u8::is_ascii_digit) {
            i += 1;
        }
        i
    };
    i = digits(i);
    let mut any = i > start;
    if bytes.get(i) == Some(&b'.') {
        let after = digits(i + 1);
        any |= after > i + 1;
        if any {
            i = after;
        }
    }
    if !any {
        let lower = trimmed.to_ascii_lowercase();
        for (name, value) in [("inf", f64::INFINITY), ("-inf", f64::NEG_INFINITY), ("nan", f64::NAN)] {
            if lower == name {
                return (value, "");
            }
        }
        return (0.0, text);
    }
    if matches!(bytes.get(i), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(i + 1), Some(b'+' | b'-')));
        let end = digits(i + 1 + sign);
        if end > i + 1 + sign {
            i = end;
        }
    }
    let (number, rest) = trimmed.split_at(i);
    (number.parse().unwrap_or(0.0), rest)
}
