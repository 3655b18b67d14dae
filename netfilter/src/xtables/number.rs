//! Numbers as libxtables reads them.

/// What `strtoul(text, &end, 0)` reads: decimal, `0x` hexadecimal or `0` octal; the value and the text behind it. `None`: no digit,
/// or too large.
pub fn strtoul(text: &str) -> Option<(u64, &str)> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if hex.starts_with(|c: char| c.is_ascii_hexdigit()) => (hex, 16),
        _ if text.starts_with('0') => (text, 8),
        _ => (text, 10),
    };
    let end = digits.bytes().position(|b| !char::from(b).is_digit(radix)).unwrap_or(digits.len());
    let value = digits.get(..end).filter(|d| !d.is_empty())?;
    Some((u64::from_str_radix(value, radix).ok()?, &digits[end..]))
}

/// A number in a range, the whole of the text (`xtables_strtoul` without an end).
pub fn within(text: &str, min: u64, max: u64) -> Option<u64> {
    strtoul(text).filter(|(value, rest)| rest.is_empty() && (min..=max).contains(value)).map(|(value, _)| value)
}

/// `VALUE[/MASK]`, 32 bits each; the mask is full if it is not given.
pub fn marked(text: &str) -> Option<(u32, u32)> {
    let (value, rest) = strtoul(text)?;
    let value = u32::try_from(value).ok()?;
    match rest.strip_prefix('/') {
        Some(mask) => Some((value, within(mask, 0, u32::MAX.into())? as u32)),
        None => rest.is_empty().then_some((value, u32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_three_bases() {
        assert_eq!(strtoul("0x1fz"), Some((31, "z")));
        assert_eq!(strtoul("017"), Some((15, "")));
        assert_eq!(strtoul("09"), Some((0, "9")));
        assert_eq!(strtoul("-1"), None);
        assert_eq!(within("65536", 0, 65535), None);
        assert_eq!(marked("0x1/0xff"), Some((1, 255)));
        assert_eq!(marked("4294967296"), None);
    }
}
