//! Link-layer addresses as iproute2 reads them: `ll_addr_a2n` of its `lib/ll_addr.c`.

use super::args::{self, Done, Fail};

/// The longest address of a link (`MAX_ADDR_LEN`).
const MAX_LEN: usize = 32;

/// Reads bytes in hexadecimal with colons, or an IPv4 address (the end of a tunnel), of whatever length. A refusal names the part
/// that is none.
///
/// # Errors
/// `"PART" is invalid lladdr.`
pub fn parse(text: &str) -> Done<Vec<u8>> {
    let wrong = |part: &str| Fail::new(1, format!("\"{part}\" is invalid lladdr."));
    if text.contains('.') {
        return args::parse_addr(text).map(|addr| addr.octets().to_vec()).ok_or_else(|| wrong(text));
    }
    let byte = |part: &str| scan(part).and_then(|n| u8::try_from(n).ok());
    text.split(':').take(MAX_LEN).map(|part| byte(part).ok_or_else(|| wrong(part))).collect()
}

/// The number that `scanf` finds for `%x` at the beginning of a text: what follows it does not count, and `0x` without digits is 0.
pub fn scan(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixed = text.strip_prefix("0x").or(text.strip_prefix("0X"));
    let digits = prefixed.unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    if end == 0 {
        return prefixed.map(|_| 0);
    }
    let value = digits[..end].chars().try_fold(0_u32, |n, c| Some((n << 4) | c.to_digit(16)?))?;
    Some(sign * i64::from(value as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scanf_takes_is_taken() {
        let read = |text: &str| parse(text).map_err(|fail| fail.text.trim_end().to_owned());
        assert_eq!(read("2:0:0:0:0:0x"), Ok(vec![2, 0, 0, 0, 0, 0]));
        assert_eq!(read("2:0:0:0:0:0g"), Ok(vec![2, 0, 0, 0, 0, 0]));
        assert_eq!(read("0x2:+3"), Ok(vec![2, 3]));
        assert_eq!(read("foo"), Ok(vec![15]));
        assert_eq!(read("10.0.0.9"), Ok(vec![10, 0, 0, 9]));
        for (text, part) in [("100:0", "100"), ("::", ""), ("-2:0", "-2"), ("2:zz", "zz"), ("1.2.3.x", "1.2.3.x")] {
            assert_eq!(read(text), Err(format!("\"{part}\" is invalid lladdr.")));
        }
    }
}
