//! Changes of header fields, with the checksums that cover them (RFC 1624).

/// The checksum after a 16-bit word that it covers was changed.
const fn updated(sum: u16, old: u16, new: u16) -> u16 {
    let mut all = (!sum) as u32 + (!old) as u32 + new as u32;
    all = (all & 0xffff) + (all >> 16);
    all = (all & 0xffff) + (all >> 16);
    !(all as u16)
}

/// Corrects the checksum at `sum` for one word of what it covers.
pub(super) fn patch(bytes: &mut [u8], sum: usize, old: u16, new: u16) {
    if let Some(place) = bytes.get_mut(sum..).and_then(|rest| rest.first_chunk_mut::<2>()) {
        *place = updated(u16::from_be_bytes(*place), old, new).to_be_bytes();
    }
}

/// Writes a word at `at`, and corrects the checksum at `sum`. Nothing happens if the bytes are not there.
pub(super) fn put_word(bytes: &mut [u8], at: usize, new: u16, sum: usize) {
    let word = |bytes: &[u8], at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let (Some(old), Some(_)) = (word(bytes, at), word(bytes, sum)) else { return };
    bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
    patch(bytes, sum, old, new);
}

/// Writes a byte at `at` of the TCP header that begins at `tcp`, and corrects its checksum: that is made of words at even places.
pub(super) fn put_byte(bytes: &mut [u8], tcp: usize, at: usize, new: u8) {
    let even = at & !1;
    let other = bytes.get(tcp + (at ^ 1)).copied().unwrap_or(0);
    let word = if at == even { [new, other] } else { [other, new] };
    put_word(bytes, tcp + even, u16::from_be_bytes(word), tcp + 16);
}

/// Where the checksum of the IPv4 header is.
const IP_SUM: usize = 10;

/// Changes the type of service.
pub(super) fn tos(bytes: &mut [u8], change: impl FnOnce(u8) -> u8) {
    if let Some(&[version, tos]) = bytes.first_chunk::<2>() {
        put_word(bytes, 0, u16::from_be_bytes([version, change(tos)]), IP_SUM);
    }
}

/// Changes the time to live.
pub(super) fn ttl(bytes: &mut [u8], change: impl FnOnce(u8) -> u8) {
    if let Some(&[ttl, protocol]) = bytes.get(8..10) {
        put_word(bytes, 8, u16::from_be_bytes([change(ttl), protocol]), IP_SUM);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u16 {
        let all: u32 = bytes.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
        ((all & 0xffff) + (all >> 16)) as u16
    }

    #[test]
    fn the_header_stays_right() {
        let mut ip = [0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let check = !sum(&ip);
        ip[10..12].copy_from_slice(&check.to_be_bytes());
        tos(&mut ip, |_| 0xb8);
        ttl(&mut ip, |ttl| ttl - 5);
        assert_eq!((ip[1], ip[8], sum(&ip)), (0xb8, 59, 0xffff));
    }
}
