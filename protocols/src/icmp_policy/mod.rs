//! Which ICMP errors may be sent, how many, and what they teach: `__icmp_send`, `icmpv4_global_allow`,
//! `inet_peer_xrlim_allow`, `ip_rt_send_redirect`, `update_or_create_fnhe`.

mod limits;
mod pmtu;

pub use limits::{IcmpLimits, Limits, Peer, RedirectLimits};
pub use pmtu::{Learned, PmtuCache, To};

use crate::wire::icmp::{ICMP_HLEN, NR_ICMP_TYPES, is_error};
use crate::wire::ipv4::{self, IP_HLEN, IPPROTO_ICMP};

/// The packet that an ICMP message would be about.
#[derive(Clone, Copy, Debug)]
pub struct ErrorContext<'a> {
    /// It was addressed to this host's own link-layer address, or made here. `PACKET_HOST`.
    pub to_host: bool,
    /// Its header.
    pub header: &'a ipv4::Header,
    /// What follows the header.
    pub payload: &'a [u8],
    /// The type of the message that would be sent, `ICMP_*`.
    pub kind: u8,
}

/// Whether a message may be sent about this packet: never about frames to all, later fragments, packets from nobody or
/// from many, or (if it is an error) about another error. That the destination is no broadcast or multicast address, the caller knows from its route.
/// `__icmp_send`; RFC 1122, section 3.2.2.
pub fn may_send_error(about: &ErrorContext<'_>) -> bool {
    if !about.to_host || about.header.fragment_offset() != 0 {
        return false;
    }
    let src = about.header.src();
    if src.is_unspecified() || src.is_multicast() || src.is_broadcast() {
        return false;
    }
    if is_error(about.kind) && about.header.protocol == IPPROTO_ICMP {
        // A type that nobody knows could be an error; so could one that did not arrive.
        return about.payload.first().is_some_and(|&inner| inner <= NR_ICMP_TYPES && !is_error(inner));
    }
    true
}

/// The most bytes of an ICMP error's packet. RFC 1812, section 4.3.2.3.
const MAX_ERROR_LEN: usize = 576;

/// How many bytes of a packet of `len` bytes are quoted in an error that leaves over a route with this MTU and has so many
/// bytes of options itself: as many as fit into 576 bytes. 0 if the MTU is so small that nothing useful fits; then nothing is sent.
pub fn quote_len(mtu: usize, options: usize, len: usize) -> usize {
    let room = mtu.min(MAX_ERROR_LEN).saturating_sub(IP_HLEN + options + ICMP_HLEN);
    if room <= IP_HLEN { 0 } else { room.min(len) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::icmp::*;
    use core::net::Ipv4Addr;

    #[test]
    fn no_error_about_errors_fragments_and_frames_to_all() {
        let plain = ipv4::Header::new(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, IPPROTO_ICMP, 8);
        let about = |header: &ipv4::Header, payload: &[u8], to_host| {
            may_send_error(&ErrorContext { to_host, header, payload, kind: ICMP_DEST_UNREACH })
        };
        assert!(about(&plain, &[ICMP_ECHO], true) && about(&plain, &[ICMP_ECHOREPLY], true));
        assert!(!about(&plain, &[ICMP_ECHO], false), "a broadcast frame");
        assert!(!about(&plain, &[ICMP_TIME_EXCEEDED], true), "an error");
        assert!(!about(&plain, &[ICMP_REDIRECT], true) && !about(&plain, &[99], true) && !about(&plain, &[], true));
        let later = |frag_off: u16| {
            let mut header = plain;
            header.frag_off.set(frag_off);
            about(&header, &[ICMP_ECHO], true)
        };
        assert!(later(ipv4::IP_MF) && !later(ipv4::IP_MF | 1) && !later(1));
        let udp = ipv4::Header { protocol: ipv4::IPPROTO_UDP, ..plain };
        assert!(about(&udp, &[ICMP_TIME_EXCEEDED], true));
    }

    #[test]
    fn as_much_is_quoted_as_fits() {
        assert_eq!(quote_len(1500, 0, 84), 84);
        assert_eq!(quote_len(1500, 0, 1500), 548);
        assert_eq!(quote_len(1500, 40, 1500), 508);
        assert_eq!(quote_len(500, 0, 1500), 472);
        assert_eq!(quote_len(48, 0, 1500), 0);
    }
}
