//! ICMP (RFC 792): types, codes, the 8-byte header, echo and errors.

use super::{Malformed, checksum, split};
use core::net::Ipv4Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header.
pub const ICMP_HLEN: usize = 8;

/// Type: echo reply.
pub const ICMP_ECHOREPLY: u8 = 0;
/// Type: destination unreachable.
pub const ICMP_DEST_UNREACH: u8 = 3;
/// Type: source quench.
pub const ICMP_SOURCE_QUENCH: u8 = 4;
/// Type: redirect.
pub const ICMP_REDIRECT: u8 = 5;
/// Type: echo request.
pub const ICMP_ECHO: u8 = 8;
/// Type: time exceeded.
pub const ICMP_TIME_EXCEEDED: u8 = 11;
/// Type: parameter problem.
pub const ICMP_PARAMETERPROB: u8 = 12;
/// Type: timestamp request.
pub const ICMP_TIMESTAMP: u8 = 13;
/// Type: timestamp reply.
pub const ICMP_TIMESTAMPREPLY: u8 = 14;
/// Type: information request.
pub const ICMP_INFO_REQUEST: u8 = 15;
/// Type: information reply.
pub const ICMP_INFO_REPLY: u8 = 16;
/// Type: address mask request.
pub const ICMP_ADDRESS: u8 = 17;
/// Type: address mask reply.
pub const ICMP_ADDRESSREPLY: u8 = 18;
/// The largest type that Linux knows.
pub const NR_ICMP_TYPES: u8 = 18;
/// Type: extended echo request (RFC 8335).
pub const ICMP_EXT_ECHO: u8 = 42;
/// Type: extended echo reply (RFC 8335).
pub const ICMP_EXT_ECHOREPLY: u8 = 43;

/// Unreachable: network.
pub const ICMP_NET_UNREACH: u8 = 0;
/// Unreachable: host.
pub const ICMP_HOST_UNREACH: u8 = 1;
/// Unreachable: protocol.
pub const ICMP_PROT_UNREACH: u8 = 2;
/// Unreachable: port.
pub const ICMP_PORT_UNREACH: u8 = 3;
/// Unreachable: fragmentation needed and DF set.
pub const ICMP_FRAG_NEEDED: u8 = 4;
/// Unreachable: source route failed.
pub const ICMP_SR_FAILED: u8 = 5;
/// Unreachable: destination network unknown.
pub const ICMP_NET_UNKNOWN: u8 = 6;
/// Unreachable: destination host unknown.
pub const ICMP_HOST_UNKNOWN: u8 = 7;
/// Unreachable: source host isolated.
pub const ICMP_HOST_ISOLATED: u8 = 8;
/// Unreachable: network administratively prohibited.
pub const ICMP_NET_ANO: u8 = 9;
/// Unreachable: host administratively prohibited.
pub const ICMP_HOST_ANO: u8 = 10;
/// Unreachable: network unreachable for this type of service.
pub const ICMP_NET_UNR_TOS: u8 = 11;
/// Unreachable: host unreachable for this type of service.
pub const ICMP_HOST_UNR_TOS: u8 = 12;
/// Unreachable: communication administratively prohibited by filtering.
pub const ICMP_PKT_FILTERED: u8 = 13;
/// Unreachable: host precedence violation.
pub const ICMP_PREC_VIOLATION: u8 = 14;
/// Unreachable: precedence cutoff.
pub const ICMP_PREC_CUTOFF: u8 = 15;

/// Redirect for a network.
pub const ICMP_REDIR_NET: u8 = 0;
/// Redirect for a host.
pub const ICMP_REDIR_HOST: u8 = 1;

/// Time exceeded: TTL in transit.
pub const ICMP_EXC_TTL: u8 = 0;
/// Time exceeded: fragment reassembly.
pub const ICMP_EXC_FRAGTIME: u8 = 1;

/// The ICMP header; what `rest` means depends on the type.
///
/// ```
/// use hopwise_protocols::wire::{icmp, IntoBytes};
/// let ping = icmp::Header::echo(icmp::ICMP_ECHO, 7, 1, b"payload");
/// let bytes = [ping.as_bytes(), b"payload"].concat();
/// let (header, payload) = icmp::parse(&bytes).unwrap();
/// assert_eq!((header.echo_id(), header.echo_seq(), payload), (7, 1, &b"payload"[..]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Unaligned, KnownLayout, Immutable)]
#[repr(C)]
pub struct Header {
    /// Type, `ICMP_ECHO` and others.
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// Checksum of the whole message.
    pub check: U16,
    /// Echo: identifier and sequence number. Redirect: gateway. Fragmentation needed: 0 and the MTU.
    pub rest: [u8; 4],
}

impl Header {
    /// A header with the checksum over it and `payload`.
    pub fn new(kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Self {
        let mut header = Header { kind, code, check: U16::new(0), rest };
        header.check.set(!checksum::add(checksum::sum(header.as_bytes()), checksum::sum(payload)));
        header
    }

    /// An echo request or reply.
    pub fn echo(kind: u8, id: u16, seq: u16, payload: &[u8]) -> Self {
        let ([a, b], [c, d]) = (id.to_be_bytes(), seq.to_be_bytes());
        Self::new(kind, 0, [a, b, c, d], payload)
    }

    /// Identifier of an echo.
    #[inline]
    pub const fn echo_id(&self) -> u16 {
        u16::from_be_bytes([self.rest[0], self.rest[1]])
    }

    /// Sequence number of an echo.
    #[inline]
    pub const fn echo_seq(&self) -> u16 {
        u16::from_be_bytes([self.rest[2], self.rest[3]])
    }

    /// MTU of the next hop in "fragmentation needed" (RFC 1191).
    #[inline]
    pub const fn mtu(&self) -> u16 {
        u16::from_be_bytes([self.rest[2], self.rest[3]])
    }

    /// The better gateway in a redirect.
    #[inline]
    pub const fn gateway(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.rest;
        Ipv4Addr::new(a, b, c, d)
    }

    /// The first bad byte in a parameter problem.
    #[inline]
    pub const fn pointer(&self) -> u8 {
        self.rest[0]
    }

    /// Changes the type and corrects the checksum (an echo request becomes its reply in place).
    pub fn set_kind(&mut self, kind: u8) {
        let word = |kind| u16::from_be_bytes([kind, self.code]);
        let check = checksum::update16(self.check.get(), word(self.kind), word(kind));
        self.check.set(check);
        self.kind = kind;
    }
}

/// `rest` of "fragmentation needed".
pub const fn rest_mtu(mtu: u16) -> [u8; 4] {
    let [a, b] = mtu.to_be_bytes();
    [0, 0, a, b]
}

/// True for the types that report an error about a packet and quote it (RFC 1122, section 3.2.2).
/// The kernel's `icmp_is_err`.
#[inline]
pub const fn is_error(kind: u8) -> bool {
    matches!(kind, ICMP_DEST_UNREACH | ICMP_SOURCE_QUENCH | ICMP_REDIRECT | ICMP_TIME_EXCEEDED | ICMP_PARAMETERPROB)
}

/// Splits a message and checks its checksum. `icmp_rcv`.
///
/// # Errors
/// `Checksum` (which comes first in the kernel, so a message that is too short fails here or as `Truncated`).
pub fn parse(bytes: &[u8]) -> Result<(&Header, &[u8]), Malformed> {
    let parts = split::<Header>(bytes)?;
    if checksum::checksum(bytes) == 0 { Ok(parts) } else { Err(Malformed::Checksum) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_etherparse(id: u16, seq: u16, payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            let ours = Header::echo(ICMP_ECHO, id, seq, &payload);
            let echo = etherparse::IcmpEchoHeader { id, seq };
            let theirs = etherparse::Icmpv4Header::with_checksum(etherparse::Icmpv4Type::EchoRequest(echo), &payload);
            prop_assert_eq!(ours.as_bytes(), &theirs.to_bytes()[..]);
        }

        #[test]
        fn a_request_becomes_its_reply(id: u16, seq: u16, payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut header = Header::echo(ICMP_ECHO, id, seq, &payload);
            header.set_kind(ICMP_ECHOREPLY);
            let bytes = [header.as_bytes(), &payload].concat();
            prop_assert!(parse(&bytes).is_ok());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if parse(&bytes).is_ok() {
                prop_assert!(bytes.len() >= ICMP_HLEN);
            }
        }
    }

    #[test]
    fn what_the_rest_means() {
        let redirect = Header::new(ICMP_REDIRECT, ICMP_REDIR_HOST, [10, 0, 0, 1], &[]);
        assert_eq!(redirect.gateway(), Ipv4Addr::new(10, 0, 0, 1));
        let too_big = Header::new(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, rest_mtu(1400), &[]);
        assert_eq!(too_big.mtu(), 1400);
        assert!(is_error(too_big.kind) && !is_error(ICMP_ECHO) && !is_error(ICMP_EXT_ECHO));
    }
}
