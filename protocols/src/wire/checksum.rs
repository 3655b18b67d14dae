//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//!
//! A *sum* is the 16-bit ones' complement sum, a *checksum* its complement, both as numbers whose big-endian bytes
//! stand on the wire. Ones' complement addition does not care about byte order, so the bytes are added as native
//! 32-bit words and the result is turned once at the end (RFC 1071, section 2 (B)).

use core::net::Ipv4Addr;

/// Folds the carries of a sum of 16-bit (or wider, aligned) words back in until 16 bits remain.
#[inline]
pub const fn fold(sum: u64) -> u16 {
    // Added to itself with its halves swapped, the upper half is the sum of both with the carry of the lower one.
    let sum = (sum.wrapping_add(sum.rotate_left(32)) >> 32) as u32;
    fold_small(sum)
}

/// The same for a sum of a few 16-bit words.
#[inline]
const fn fold_small(sum: u32) -> u16 {
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

/// The ones' complement sum of `bytes`; an odd last byte is followed by a zero. The kernel's `csum_partial`, folded.
#[inline]
pub fn sum(bytes: &[u8]) -> u16 {
    let (chunks, tail) = bytes.as_chunks::<4>();
    // Independent lanes of u64: no carry can be lost before 2^32 words, and the compiler may use vectors.
    let mut total: u64 = chunks.iter().map(|c| u64::from(u32::from_ne_bytes(*c))).sum();
    let mut last = [0u8; 4];
    for (to, from) in last.iter_mut().zip(tail) {
        *to = *from;
    }
    total += u64::from(u32::from_ne_bytes(last));
    u16::from_be(fold(total))
}

/// The sum of two sums, the second one over bytes that begin at an even offset.
#[inline]
pub const fn add(a: u16, b: u16) -> u16 {
    fold_small(a as u32 + b as u32)
}

/// The checksum of `bytes` whose checksum field is zero; 0 if it is computed over bytes with a right one.
/// The kernel's `ip_compute_csum`.
#[inline]
pub fn checksum(bytes: &[u8]) -> u16 {
    !sum(bytes)
}

/// The sum of the IPv4 pseudo header of UDP and TCP (RFC 768): addresses, protocol and length in bytes.
/// The kernel's `csum_tcpudp_nofold`, folded.
#[inline]
pub fn pseudo_header(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, len: u16) -> u16 {
    let (src, dst) = (u64::from(src.to_bits()), u64::from(dst.to_bits()));
    fold(src + dst + u64::from(protocol) + u64::from(len))
}

/// The checksum after a 16-bit word changed from `old` to `new`: RFC 1624, equation 3. `csum_replace2`.
#[inline]
pub const fn update16(check: u16, old: u16, new: u16) -> u16 {
    !fold_small(!check as u32 + !old as u32 + new as u32)
}

/// The checksum after a 32-bit word (an address) at an even offset changed. `csum_replace4`.
#[inline]
pub const fn update32(check: u16, old: u32, new: u32) -> u16 {
    !fold(!check as u64 + !old as u64 + new as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 as it is written: 16-bit words, one after the other.
    fn slow(bytes: &[u8]) -> u16 {
        let mut total = 0u32;
        for pair in bytes.chunks(2) {
            let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
            total += u32::from(word);
            total = (total & 0xffff) + (total >> 16);
        }
        total as u16
    }

    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
        assert_eq!(sum(&[]), 0);
        assert_eq!(checksum(&[]), 0xffff);
    }

    #[test]
    fn the_example_of_rfc_1624() {
        assert_eq!(update16(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    proptest! {
        #[test]
        fn fast_is_slow(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(sum(&bytes), slow(&bytes));
        }

        #[test]
        fn sums_of_parts_add_up(a in proptest::collection::vec(any::<[u8; 2]>(), 0..99), b in proptest::collection::vec(any::<u8>(), 0..99)) {
            let a = a.concat();
            prop_assert_eq!(add(sum(&a), sum(&b)), sum(&[a, b].concat()));
        }

        #[test]
        fn incremental_is_full(mut bytes in proptest::collection::vec(any::<u8>(), 6..200), at in 0usize..97, new in any::<u32>()) {
            // A first byte that is not zero, as every real header has: the sum is then never the other zero.
            bytes[0] |= 1;
            let at = 2 + 2 * (at % ((bytes.len() - 4) / 2));
            let before = checksum(&bytes);
            let old: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
            bytes[at..at + 4].copy_from_slice(&new.to_be_bytes());
            prop_assert_eq!(update32(before, u32::from_be_bytes(old), new), checksum(&bytes));
            let high = update16(before, u16::from_be_bytes([old[0], old[1]]), (new >> 16) as u16);
            prop_assert_eq!(update16(high, u16::from_be_bytes([old[2], old[3]]), new as u16), checksum(&bytes));
        }

        #[test]
        fn what_is_summed_with_its_checksum_is_zero(bytes in proptest::collection::vec(any::<[u8; 2]>(), 0..99)) {
            let mut bytes = bytes.concat();
            let check = checksum(&bytes);
            bytes.extend(check.to_be_bytes());
            prop_assert_eq!(checksum(&bytes), 0);
        }

        #[test]
        fn pseudo_header_is_the_sum_of_its_bytes(src: u32, dst: u32, protocol: u8, len: u16) {
            let bytes = [&src.to_be_bytes()[..], &dst.to_be_bytes(), &[0, protocol], &len.to_be_bytes()].concat();
            prop_assert_eq!(pseudo_header(src.into(), dst.into(), protocol, len), sum(&bytes));
        }
    }
}
