//! TCP (RFC 9293). Sequence numbers are shown relative to the first ones seen of a conversation.

use std::collections::BTreeMap;

use super::cx::{Bytes, Cx, Done, Row, Truncated, bits, put, should_be};
use super::ip::{self, Net};
use super::registry::{self, Ports};
use super::tcp_options;
use crate::services::Transport;

pub(super) const HEADER: usize = 20;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;

const FLAGS: &[Row] =
    &[(0x01, "F"), (0x02, "S"), (0x04, "R"), (0x08, "P"), (0x10, "."), (0x20, "U"), (0x40, "E"), (0x80, "W")];

/// Both ends of a conversation, in one order for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ends([u8; 16], [u8; 16], u16, u16);

/// What sequence numbers are shown relative to: of the end named first, of the other.
#[derive(Clone, Copy, Debug, Default)]
struct Base {
    first: u32,
    second: u32,
}

/// The conversations a printer has seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversations(BTreeMap<Ends, Base>);

/// The numbers of one segment as they are printed.
pub(super) struct Numbers {
    seq: u32,
    ack: u32,
    /// What selective acknowledgements are relative to.
    pub(super) sack_base: u32,
}

impl Conversations {
    /// tcpdump's hash table never forgets; this limit only keeps a hostile capture from using all memory.
    const LIMIT: usize = 1 << 20;

    /// Makes numbers relative; the first segment with an ACK (or any SYN with one) sets what they are relative to.
    fn relative(&mut self, ends: Ends, reversed: bool, flags: u8, seq: u32, ack: u32) -> Numbers {
        if self.0.len() >= Self::LIMIT {
            self.0.clear();
        }
        let known = self.0.get(&ends).copied().filter(|_| flags & SYN == 0);
        let Some(base) = known else {
            let before = ack.wrapping_sub(1);
            let base = if reversed { Base { first: before, second: seq } } else { Base { first: seq, second: before } };
            self.0.insert(ends, base);
            let sack_base = if reversed { base.first } else { base.second };
            return Numbers { seq, ack, sack_base };
        };
        let (own, other) = if reversed { (base.second, base.first) } else { (base.first, base.second) };
        Numbers { seq: seq.wrapping_sub(own), ack: ack.wrapping_sub(other), sack_base: other }
    }
}

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize, net: &Net<'_>) -> Done {
    cx.protocol = "tcp";
    if bp.u16(2).is_err() {
        let (from, to) = net.addresses(cx)?;
        put!(cx, "{from} > {to}:");
        cx.trunc();
        return Ok(());
    }
    let ports = Ports { source: bp.u16(0)?, destination: bp.u16(2)? };
    let (source, destination) = (cx.port(ports.source, Transport::Tcp), cx.port(ports.destination, Transport::Tcp));
    net.print_ports(cx, ip::TCP, &source, &destination)?;
    let header = usize::from(bp.u8(12)? >> 4) * 4;
    if header < HEADER {
        let payload = (length as u32).wrapping_sub(header as u32);
        put!(cx, " tcp {payload} [bad hdr length {header} - too short, < {HEADER}]");
        return Ok(());
    }
    let (seq, ack, window, urgent) = (bp.u32(4)?, bp.u32(8)?, bp.u16(14)?, bp.u16(18)?);
    if cx.opts.quiet > 0 {
        put!(cx, "tcp {}", (length as u32).wrapping_sub(header as u32));
        if header > length {
            put!(cx, " [bad hdr length {header} - too long, > {length}]");
        }
        return Ok(());
    }
    let flags = bp.u8(13)?;
    put!(cx, "Flags [{}]", bits(FLAGS, flags, "", "none"));
    let numbers = if !cx.opts.absolute_seq && flags & ACK != 0 {
        let (ends, reversed) = ends(net, &ports)?;
        cx.conversations.relative(ends, reversed, flags, seq, ack)
    } else {
        Numbers { seq, ack, sack_base: 0 }
    };
    if header > length {
        put!(cx, " [bad hdr length {header} - too long, > {length}]");
        return Ok(());
    }
    if cx.opts.verbose > 0 && !cx.opts.no_checksums && !net.fragmented {
        print_checksum(cx, bp, length, net)?;
    }
    let payload = length - header;
    if cx.opts.verbose > 1 || payload > 0 || flags & (SYN | FIN | RST) != 0 {
        put!(cx, ", seq {}", numbers.seq);
        if payload > 0 {
            put!(cx, ":{}", numbers.seq.wrapping_add(payload as u32));
        }
    }
    if flags & ACK != 0 {
        put!(cx, ", ack {}", numbers.ack);
    }
    put!(cx, ", win {window}");
    if flags & URG != 0 {
        put!(cx, ", urg {urgent}");
    }
    if header > HEADER && !tcp_options::print(cx, bp.from(HEADER), header - HEADER, &numbers)? {
        return Ok(());
    }
    put!(cx, ", length {payload}");
    if payload == 0 {
        return Ok(());
    }
    print_payload(cx, bp.from(header), payload, flags, &ports)
}

/// Orders the two ends by port, then by address.
fn ends(net: &Net<'_>, ports: &Ports) -> Result<(Ends, bool), Truncated> {
    let address = |at4: usize, at6: usize| -> Result<[u8; 16], Truncated> {
        Ok(match net.version {
            4 => net.header.ip4(at4)?.to_ipv6_mapped().octets(),
            _ => net.header.ip6(at6)?.octets(),
        })
    };
    let (source, destination) = (address(12, 8)?, address(16, 24)?);
    let reversed = (ports.source, source) > (ports.destination, destination);
    Ok(if reversed {
        (Ends(destination, source, ports.destination, ports.source), true)
    } else {
        (Ends(source, destination, ports.source, ports.destination), false)
    })
}

fn print_checksum(cx: &mut Cx<'_>, bp: &[u8], length: usize, net: &Net<'_>) -> Done {
    let Ok(segment) = bp.take(0, length) else { return Ok(()) };
    let found = bp.u16(16)?;
    match net.residue(ip::TCP, segment, length)? {
        0 => put!(cx, ", cksum 0x{found:04x} (correct)"),
        wrong => put!(cx, ", cksum 0x{found:04x} (incorrect -> 0x{:04x})", should_be(found, wrong)),
    }
    Ok(())
}

fn print_payload(cx: &mut Cx<'_>, bp: &[u8], length: usize, flags: u8, ports: &Ports) -> Done {
    if flags & RST != 0 && cx.opts.verbose > 0 {
        return print_reset_data(cx, bp, length);
    }
    match registry::tcp_application(ports) {
        Some(print) => cx.nested(|cx| print(cx, bp, length, ports)),
        None => Ok(()),
    }
}

/// Some systems explain a reset in its data (RFC 1122 section 4.2.2.12).
fn print_reset_data(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    const SHOWN: usize = 30;
    cx.out.push_str(if bp.len() < length { " [!RST" } else { " [RST" });
    let shown = length.min(bp.len());
    if shown > SHOWN {
        cx.out.push('+');
    }
    cx.out.push(' ');
    let text = super::cx::safe_string(bp.upto(shown.min(SHOWN)));
    cx.out.push_str(&text);
    cx.out.push(']');
    Ok(())
}
