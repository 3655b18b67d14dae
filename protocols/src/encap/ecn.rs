//! Explicit congestion notification across a tunnel (RFC 6040): the outer header starts with what the inner one says,
//! and what routers on the way marked comes back into the inner one. Models `include/net/inet_ecn.h`.

use crate::wire::ipv4::{self, INET_ECN_MASK};
use crate::wire::split_mut;

/// The sender does not take part. `INET_ECN_NOT_ECT`.
pub const NOT_ECT: u8 = 0;
/// The sender takes part, second form. `INET_ECN_ECT_1`.
pub const ECT_1: u8 = 1;
/// The sender takes part. `INET_ECN_ECT_0`.
pub const ECT_0: u8 = 2;
/// Congestion was met. `INET_ECN_CE`.
pub const CE: u8 = 3;

/// The TOS of an outer header whose DSCP is that of `outer`. `INET_ECN_encapsulate`.
#[inline]
pub const fn encapsulate(outer: u8, inner: u8) -> u8 {
    let mark = inner & INET_ECN_MASK;
    // Congestion met before the tunnel is not told again inside it.
    (outer & !INET_ECN_MASK) | if mark == CE { ECT_0 } else { mark }
}

/// The inner TOS after the tunnel; `None` if the packet has to be dropped. `INET_ECN_decapsulate`.
#[inline]
pub const fn decapsulate(outer: u8, inner: u8) -> Option<u8> {
    let dscp = inner & !INET_ECN_MASK;
    match (outer & INET_ECN_MASK, inner & INET_ECN_MASK) {
        (CE, NOT_ECT) => None,
        (CE, _) => Some(dscp | CE),
        (ECT_1, ECT_0) => Some(dscp | ECT_1),
        _ => Some(inner),
    }
}

/// Brings the marks of an outer TOS into an inner packet, which begins with its IPv4 header. False if it has to be
/// dropped.
#[inline]
pub(super) fn restore(outer: u8, inner: &mut [u8]) -> bool {
    let Ok((header, _)) = split_mut::<ipv4::Header>(inner) else { return true };
    match decapsulate(outer, header.tos) {
        None => false,
        Some(tos) => {
            if tos != header.tos {
                header.set_tos(tos);
            }
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_rfc_6040() {
        for (inner, outer, expected) in [
            (NOT_ECT, NOT_ECT, Some(NOT_ECT)),
            (NOT_ECT, ECT_0, Some(NOT_ECT)),
            (NOT_ECT, ECT_1, Some(NOT_ECT)),
            (NOT_ECT, CE, None),
            (ECT_0, NOT_ECT, Some(ECT_0)),
            (ECT_0, ECT_0, Some(ECT_0)),
            (ECT_0, ECT_1, Some(ECT_1)),
            (ECT_0, CE, Some(CE)),
            (ECT_1, NOT_ECT, Some(ECT_1)),
            (ECT_1, ECT_0, Some(ECT_1)),
            (ECT_1, ECT_1, Some(ECT_1)),
            (ECT_1, CE, Some(CE)),
            (CE, NOT_ECT, Some(CE)),
            (CE, ECT_0, Some(CE)),
            (CE, ECT_1, Some(CE)),
            (CE, CE, Some(CE)),
        ] {
            assert_eq!(decapsulate(outer | 0xb8, inner | 0x20), expected.map(|e| e | 0x20), "{inner} in {outer}");
        }
    }

    #[test]
    fn the_dscp_is_the_tunnels_and_the_mark_the_packets() {
        assert_eq!(encapsulate(0x11, 0xb8), 0x10);
        assert_eq!(encapsulate(0x10, 0xb8 | ECT_1), 0x11);
        assert_eq!(encapsulate(0x10, CE), 0x10 | ECT_0);
    }
}
