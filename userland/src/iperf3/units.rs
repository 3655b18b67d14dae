//! Numbers as iperf3 reads and writes them (`units.c`), and `%g` of C.

/// Names of the powers, for bits and bytes.
const POWERS: [&str; 5] = ["", "K", "M", "G", "T"];

/// What amounts are written in (`-f`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// The power that fits, of 1024 bytes (`A`).
    Bytes,
    /// The power that fits, of 1000 bits (`a`).
    Bits,
    /// Always this power of 1000 bits.
    BitsOf(usize),
    /// Always this power of 1024 bytes.
    BytesOf(usize),
}

impl Format {
    /// The letter of `-f`.
    pub(super) fn of(letter: char) -> Option<Format> {
        let power = POWERS.iter().position(|p| p.eq_ignore_ascii_case(letter.encode_utf8(&mut [0; 4])))?;
        Some(if letter.is_ascii_lowercase() { Format::BitsOf(power) } else { Format::BytesOf(power) })
    }

    /// An amount of bytes in this format, with its unit: four digits, or three and a point.
    pub(super) fn text(self, bytes: f64) -> String {
        let (base, bits) = match self {
            Format::Bits | Format::BitsOf(_) => (1000.0, true),
            Format::Bytes | Format::BytesOf(_) => (1024.0, false),
        };
        let mut number = if bits { bytes * 8.0 } else { bytes };
        let mut power = 0;
        let wanted = match self {
            Format::BitsOf(power) | Format::BytesOf(power) => Some(power),
            _ => None,
        };
        while wanted.map_or(number >= base && power + 1 < POWERS.len(), |wanted| power < wanted) {
            number /= base;
            power += 1;
        }
        let unit = match (bits, power) {
            (true, _) => "bits",
            (false, _) => "Bytes",
        };
        let digits = match number {
            n if n < 9.995 => 2,
            n if n < 99.95 => 1,
            _ => 0,
        };
        format!("{number:4.digits$} {}{unit}", POWERS[power])
    }
}

/// A number with one of the suffixes K, M, G, T, of the given base; what is no number is 0 (`unit_atof`).
pub(super) fn number(text: &str, base: f64) -> f64 {
    let (value, rest) = crate::getopt::strtod(text);
    let power = match rest.chars().next().map(|c| c.to_ascii_lowercase()) {
        Some('t') => 4,
        Some('g') => 3,
        Some('m') => 2,
        Some('k') => 1,
        _ => 0,
    };
    value * base.powi(power)
}

/// What `atoi` reads: the whole number at the beginning of a text.
pub(super) fn atoi(text: &str) -> i64 {
    let text = text.trim_start();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = &digits[..digits.bytes().take_while(u8::is_ascii_digit).count()];
    let value = digits.parse::<i64>().unwrap_or(if digits.is_empty() { 0 } else { i64::from(i32::MAX) });
    if text.starts_with('-') { -value } else { value }
}

/// `%.{precision}g`
pub(super) fn general(value: f64, precision: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { "nan".into() };
    }
    let scientific = format!("{value:.*e}", precision.saturating_sub(1));
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= precision as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(digits), exponent.abs());
    }
    trim(&format!("{value:.*}", (precision as i32 - 1 - exponent).max(0) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_as_iperf3_prints_them() {
        let bits = |bits: f64| Format::Bits.text(bits / 8.0);
        assert_eq!(Format::Bytes.text(12_887_200.0), "12.3 MBytes");
        assert_eq!(Format::Bytes.text(0.0), "0.00 Bytes");
        assert_eq!(Format::Bytes.text(217.0 * 1_048_576.0), " 217 MBytes");
        assert_eq!(bits(103_084_303.7), " 103 Mbits");
        assert_eq!(bits(999_999.0), "1000 Kbits");
        assert_eq!(bits(0.0), "0.00 bits");
        assert_eq!(Format::of('k').unwrap().text(101_778_000.0 / 8.0), "101778 Kbits");
        assert_eq!(Format::of('M').unwrap().text(1_048_576.0), "1.00 MBytes");
        assert_eq!(Format::of('x'), None);
    }

    #[test]
    fn numbers_as_iperf3_reads_them() {
        assert_eq!((number("20M", 1000.0), number("2K", 1024.0), number("x", 1000.0)), (2e7, 2048.0, 0.0));
        assert_eq!(number("1.5g", 1000.0), 1.5e9);
        assert_eq!((atoi("10s"), atoi("0.5"), atoi("abc"), atoi("-1")), (10, 0, 0, -1));
    }

    #[test]
    fn general_as_printf_has_it() {
        assert_eq!(general(0.37, 2), "0.37");
        assert_eq!(general(100.0, 2), "1e+02");
        assert_eq!(general(12.4, 2), "12");
        assert_eq!(general(94_079_897.051_490_34, 17), "94079897.051490337");
        assert_eq!(general(9.47048011116991e-06, 15), "9.47048011116991e-06");
    }
}
