//! Sequence numbers: 32 bits that wrap around (RFC 9293, section 3.4).

/// Whether `a` comes before `b`.
pub const fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// Whether `a` comes after `b`.
pub const fn after(a: u32, b: u32) -> bool {
    before(b, a)
}

/// The later of two.
pub const fn max(a: u32, b: u32) -> u32 {
    if before(a, b) { b } else { a }
}

/// How many numbers lie from `from` up to `to`; 0 if `to` is not after `from`.
pub const fn distance(from: u32, to: u32) -> u32 {
    if after(to, from) { to.wrapping_sub(from) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap() {
        assert!(before(u32::MAX, 0) && after(1, u32::MAX) && !before(5, 5));
        assert_eq!((max(u32::MAX, 2), distance(u32::MAX, 2), distance(2, u32::MAX)), (2, 3, 0));
    }
}
