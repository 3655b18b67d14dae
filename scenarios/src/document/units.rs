//! Quantities in a topology (`10ms`, `100mbit`, `0.1%`), read to integers and printed back.

/// A unit: what it is called and how many of the base unit it is.
pub type Units = &'static [(&'static str, u64)];

/// Durations, in nanoseconds. A number without a unit is refused: `tc` reads it as microseconds, people do not.
pub const TIME: Units = &[("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];

/// Rates as `tc` names them, in bits per second.
pub const RATE: Units =
    &[("bit", 1), ("kbit", 1_000), ("mbit", 1_000_000), ("gbit", 1_000_000_000), ("tbit", 1_000_000_000_000)];

/// Shares, in millionths.
pub const SHARE: Units = &[("%", 10_000)];

/// Reads `1.5ms` exactly: no number is rounded, what is finer than the base unit is refused.
///
/// # Errors
/// A sentence that says what is expected.
pub fn parse(text: &str, units: Units) -> Result<u64, String> {
    let expected = || {
        let example = units.iter().map(|(name, _)| format!("10{name}")).collect::<Vec<_>>().join(", ");
        format!("expected a number with its unit, such as {example}")
    };
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split).ok_or_else(expected)?;
    let unit = unit.trim().to_ascii_lowercase();
    let &(_, scale) = units.iter().find(|(name, _)| *name == unit).ok_or_else(expected)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') {
        return Err(expected());
    }
    let whole: u64 = whole.parse().map_err(|_| "the number is too great".to_owned())?;
    let mut value = whole.checked_mul(scale).ok_or("the number is too great")?;
    let mut digit_scale = scale;
    for digit in fraction.trim_end_matches('0').bytes() {
        if digit_scale % 10 != 0 {
            return Err(format!("`{text}` is finer than 1{}", units.first().map_or("", |(name, _)| name)));
        }
        digit_scale /= 10;
        value = value.checked_add(u64::from(digit - b'0') * digit_scale).ok_or("the number is too great")?;
    }
    Ok(value)
}

/// Prints a quantity so that [`parse`] reads the same: the greatest unit that divides it, else the smallest one.
pub fn print(value: u64, units: Units) -> String {
    let whole = units.iter().rev().find(|(_, scale)| value.is_multiple_of(*scale));
    if let Some((name, scale)) = whole {
        return format!("{}{name}", value / scale);
    }
    // Only shares have no unit of 1: a fraction of a per cent.
    let Some(&(name, scale)) = units.first() else { return value.to_string() };
    let digits = scale.ilog10() as usize;
    let fraction = format!("{:0digits$}", value % scale);
    format!("{}.{}{name}", value / scale, fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_are_exact() {
        assert_eq!(parse("1.5ms", TIME), Ok(1_500_000));
        assert_eq!(parse("100mbit", RATE), Ok(100_000_000));
        assert_eq!(parse("0.1%", SHARE), Ok(1_000));
        assert_eq!(parse("100%", SHARE), Ok(1_000_000));
        assert_eq!(parse("10 ms", TIME), Ok(10_000_000));
    }

    #[test]
    fn what_is_not_a_quantity_is_refused_with_an_example() {
        for bad in ["", "10", "ms", ".5ms", "1.2.3ms", "-1ms", "10 parsec", "1é", "99999999999999999999s"] {
            assert!(parse(bad, TIME).is_err(), "{bad}");
        }
        assert_eq!(parse("10", TIME), Err("expected a number with its unit, such as 10ns, 10us, 10ms, 10s".into()));
        assert_eq!(parse("0.5ns", TIME), Err("`0.5ns` is finer than 1ns".into()));
        assert_eq!(parse("18446744074s", TIME), Err("the number is too great".into()));
    }

    proptest! {
        #[test]
        fn printing_and_reading_give_the_same(v in any::<u64>(), share in 0..=1_000_000u64) {
            prop_assert_eq!(parse(&print(v, TIME), TIME), Ok(v));
            prop_assert_eq!(parse(&print(v, RATE), RATE), Ok(v));
            prop_assert_eq!(parse(&print(share, SHARE), SHARE), Ok(share));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse(&text, TIME);
            let _ = parse(&text, SHARE);
        }
    }
}
