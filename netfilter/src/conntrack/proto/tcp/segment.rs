//! What the tracker reads of a segment.

use hopwise_protocols::wire::ipv4::IPPROTO_TCP;

use super::{TcpEnd, TcpFlags};
use crate::conntrack::proto::Seen;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

/// Bytes of a header without options.
const TCP_HLEN: usize = 20;
/// The largest scale that RFC 7323 allows (`TCP_MAX_WSCALE`).
const MAX_WSCALE: u8 = 14;

/// The kind of a segment: the row of the table (`enum tcp_bit_set`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub(super) enum Index {
    Syn = 0,
    SynAck = 1,
    Fin = 2,
    Ack = 3,
    Rst = 4,
    #[default]
    None = 5,
}

/// A segment, its numbers in host byte order.
pub(super) struct Segment<'a> {
    pub(super) seq: u32,
    pub(super) ack: u32,
    /// The sequence number after its last byte; SYN and FIN count as one byte each.
    pub(super) end: u32,
    pub(super) window: u16,
    pub(super) index: Index,
    flags: u8,
    options: &'a [u8],
}

/// Whether `a` comes before `b` in the circle of sequence numbers.
#[inline]
pub(super) const fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// Whether `a` comes after `b`.
#[inline]
pub(super) const fn after(a: u32, b: u32) -> bool {
    before(b, a)
}

impl<'a> Segment<'a> {
    /// Checks and reads a segment. `tcp_error`.
    #[inline]
    pub(super) fn parse(seen: &Seen<'a>) -> Result<Segment<'a>, &'static str> {
        let packet: &'a [u8] = seen.packet;
        let tcp = packet.get(seen.offset..).unwrap_or(&[]);
        let header = tcp.first_chunk::<TCP_HLEN>().ok_or("short packet")?;
        let header_len = usize::from(header[12] >> 4) * 4;
        let options = tcp.get(TCP_HLEN..header_len).ok_or("truncated/malformed packet")?;
        if seen.verifies() && !seen.checksum_is_right(IPPROTO_TCP, tcp.len()) {
            return Err("bad checksum");
        }
        let flags = header[13];
        if !sensible(flags) {
            return Err("invalid tcp flag combination");
        }
        let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let seq = word(4);
        let bytes = (tcp.len() - header_len) as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        Ok(Segment {
            seq,
            ack: word(8),
            end: seq.wrapping_add(bytes),
            window: u16::from_be_bytes([header[14], header[15]]),
            index: index(flags),
            flags,
            options,
        })
    }

    pub(super) const fn has_ack(&self) -> bool {
        self.flags & ACK != 0
    }

    pub(super) const fn syn(&self) -> bool {
        self.flags & SYN != 0
    }

    pub(super) const fn rst(&self) -> bool {
        self.flags & RST != 0
    }

    /// The highest byte that a SACK block or the acknowledgement covers. `tcp_sack`.
    #[inline]
    pub(super) fn sack(&self) -> u32 {
        // Two NOPs and a timestamp: what almost every segment has.
        if self.options.is_empty() || self.options.len() == 12 && self.options.starts_with(&[1, 1, 8, 10]) {
            return self.ack;
        }
        let mut sack = self.ack;
        for (kind, value) in options(self.options) {
            if kind == 5 && value.len().is_multiple_of(8) {
                for block in value.as_chunks::<8>().0 {
                    let right = u32::from_be_bytes([block[4], block[5], block[6], block[7]]);
                    if after(right, sack) {
                        sack = right;
                    }
                }
            }
        }
        sack
    }
}

impl TcpEnd {
    /// What the options of a SYN say about its sender. `tcp_options`.
    pub(super) fn take_options(&mut self, segment: &Segment<'_>) {
        self.td_scale = 0;
        self.flags &= TcpFlags::BE_LIBERAL;
        for (kind, value) in options(segment.options) {
            match (kind, value) {
                (4, []) => self.flags.insert(TcpFlags::SACK_PERM),
                (3, &[scale]) => {
                    self.td_scale = scale.min(MAX_WSCALE);
                    self.flags.insert(TcpFlags::WINDOW_SCALE);
                }
                _ => {}
            }
        }
    }
}

/// The options with their values, up to the first one that is malformed.
fn options(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    core::iter::from_fn(move || {
        loop {
            match *bytes {
                [1, ref rest @ ..] => bytes = rest,
                [0, ..] | [] | [_] => return None,
                [kind, len, ..] => {
                    let value = bytes.get(2..usize::from(len))?;
                    bytes = &bytes[usize::from(len)..];
                    return Some((kind, value));
                }
            }
        }
    })
}

/// The combinations of flags that have a meaning (`tcp_valid_flags`).
#[inline]
const fn sensible(flags: u8) -> bool {
    const SYN_URG: u8 = SYN | URG;
    const SYN_ACK: u8 = SYN | ACK;
    const RST_ACK: u8 = RST | ACK;
    const FIN_ACK: u8 = FIN | ACK;
    const FIN_ACK_URG: u8 = FIN | ACK | URG;
    const ACK_URG: u8 = ACK | URG;
    matches!(
        flags & !(ECE | CWR | PSH),
        SYN | SYN_URG | SYN_ACK | RST | RST_ACK | FIN_ACK | FIN_ACK_URG | ACK | ACK_URG
    )
}

/// `get_conntrack_index`.
#[inline]
const fn index(flags: u8) -> Index {
    if flags & RST != 0 {
        Index::Rst
    } else if flags & SYN != 0 {
        if flags & ACK != 0 { Index::SynAck } else { Index::Syn }
    } else if flags & FIN != 0 {
        Index::Fin
    } else if flags & ACK != 0 {
        Index::Ack
    } else {
        Index::None
    }
}
