//! IPv4 (RFC 791): header, fragments, and what encapsulates it. Options are in `ip_options`.

use super::cx::{Bytes, Cx, Done, Row, Truncated, bits, put, residue, should_be};
use super::{ip_options, registry};

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
const SCTP: u8 = 132;
const DCCP: u8 = 33;
pub(super) const HEADER: usize = 20;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

const FLAGS: &[Row] = &[(0x2000, "+"), (0x4000, "DF"), (0x8000, "rsvd")];
const ECN: [&str; 4] = ["", ",ECT(1)", ",ECT(0)", ",CE"];

/// The network header a transport header came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Net<'a> {
    /// From the network header on, to the end of the captured datagram.
    pub(super) header: &'a [u8],
    /// 4 or 6.
    pub(super) version: u8,
    /// Whether more fragments follow, so that lengths and checksums cannot be verified.
    pub(super) fragmented: bool,
}

impl Net<'_> {
    /// The protocol the network header itself announces; another one after extension headers.
    pub(super) fn announced(&self) -> u8 {
        self.header.get(if self.version == 4 { 9 } else { 6 }).copied().unwrap_or(0)
    }

    /// Source and destination as text.
    pub(super) fn addresses(&self, cx: &Cx<'_>) -> Result<(String, String), Truncated> {
        Ok(match self.version {
            4 => (cx.host(self.header.ip4(12)?), cx.host(self.header.ip4(16)?)),
            _ => (self.header.ip6(8)?.to_string(), self.header.ip6(24)?.to_string()),
        })
    }

    /// The residue of a transport checksum over `data`, of which `length` bytes are announced.
    pub(super) fn residue(&self, protocol: u8, data: &[u8], length: usize) -> Result<u16, Truncated> {
        let tail = u32::try_from(length).unwrap_or(u32::MAX);
        if self.version == 4 {
            let destination = ip_options::final_destination(self.header)?;
            let [_, _, high, low] = tail.to_be_bytes();
            return Ok(residue(&[self.header.take(12, 4)?, &destination.octets(), &[0, protocol, high, low], data]));
        }
        Ok(residue(&[self.header.take(8, 32)?, &tail.to_be_bytes(), &[0, 0, 0, protocol], data]))
    }

    /// `a.port > b.port: `, or the ports alone where another protocol stands between.
    pub(super) fn print_ports(&self, cx: &mut Cx<'_>, protocol: u8, source: &str, destination: &str) -> Done {
        if self.announced() == protocol {
            let (from, to) = self.addresses(cx)?;
            put!(cx, "{from}.{source} > {to}.{destination}: ");
        } else {
            put!(cx, "{source} > {destination}: ");
        }
        Ok(())
    }
}

/// A link without header: the version nibble tells (`raw_if_print`).
pub(super) fn raw(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Result<usize, Truncated> {
    cx.protocol = "raw";
    if cx.opts.link_header {
        cx.out.push_str("ip: ");
    }
    any_version(cx, bp, length)?;
    Ok(0)
}

/// IPv4 or IPv6 by the version nibble (`ipN_print`).
pub(super) fn any_version(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    cx.protocol = "ipn";
    if length < 1 {
        put!(cx, "truncated-ip {length}");
        return Ok(());
    }
    match bp.u8(0)? >> 4 {
        4 => print(cx, bp, length),
        6 => super::ip6::print(cx, bp, length),
        version => {
            put!(cx, "unknown ip {version}");
            Ok(())
        }
    }
}

/// IP within IP (RFC 2003).
pub(super) fn ipip(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Net<'_>) -> Done {
    print(cx, bp, length)
}

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    cx.protocol = "ip";
    let version = bp.u8(0)? >> 4;
    if version != 4 {
        put!(cx, "IP{version}");
        if version == 6 {
            cx.out.push_str(", wrong link-layer encapsulation");
        }
        cx.invalid();
        return Ok(());
    }
    if !cx.opts.link_header {
        cx.out.push_str("IP ");
    }
    bp.take(0, HEADER)?;
    if length < HEADER {
        put!(cx, "truncated-ip {length}");
        return Ok(());
    }
    let header = usize::from(bp.u8(0)? & 0xf) * 4;
    if header < HEADER {
        put!(cx, "bad-hlen {header}");
        return Ok(());
    }
    let mut total = usize::from(bp.u16(2)?);
    if length < total {
        put!(cx, "truncated-ip - {} bytes missing! ", total - length);
    }
    if total < header {
        if total != 0 {
            put!(cx, "bad-len {total}");
            return Ok(());
        }
        // A length of 0 comes from a capture before segmentation offload filled it in.
        total = length;
    }
    let bp = bp.upto(total);
    let fragment = bp.u16(6)?;
    if cx.opts.verbose > 0 && !print_header(cx, bp, header, fragment)? {
        let (from, to) = (cx.host(bp.ip4(12)?), cx.host(bp.ip4(16)?));
        put!(cx, "{from} > {to}: ");
        cx.trunc();
        return Ok(());
    }
    print_payload(cx, bp, header, total, fragment)
}

/// What `-v` adds; false when the options end too early.
fn print_header(cx: &mut Cx<'_>, bp: &[u8], header: usize, fragment: u16) -> Result<bool, Truncated> {
    let (tos, ttl, protocol) = (bp.u8(1)?, bp.u8(8)?, bp.u8(9)?);
    put!(cx, "(tos 0x{tos:x}{}", ECN[usize::from(tos & 3)]);
    if ttl >= 1 {
        put!(cx, ", ttl {ttl}");
    }
    let offset = u32::from(fragment & OFFSET_MASK) * 8;
    put!(
        cx,
        ", id {}, offset {offset}, flags [{}], proto {} ({protocol}), length {}",
        bp.u16(4)?,
        bits(FLAGS, fragment, ", ", "none"),
        registry::ip_protocol_name(protocol),
        bp.u16(2)?
    );
    let mut complete = true;
    if header > HEADER {
        cx.out.push_str(", options (");
        if ip_options::print(cx, bp.from(HEADER), header - HEADER).is_err() {
            cx.out.push_str(" [truncated-option]");
            complete = false;
        }
        cx.out.push(')');
    }
    if !cx.opts.no_checksums
        && let Ok(bytes) = bp.take(0, header)
    {
        let wrong = residue(&[bytes]);
        if wrong != 0 {
            let found = bp.u16(10)?;
            put!(cx, ", bad cksum {found:x} (->{:x})!", should_be(found, wrong));
        }
    }
    cx.out.push_str(")\n    ");
    Ok(complete)
}

fn print_payload(cx: &mut Cx<'_>, bp: &[u8], header: usize, total: usize, fragment: u16) -> Done {
    let protocol = bp.u8(9)?;
    let (from, to) = (cx.host(bp.ip4(12)?), cx.host(bp.ip4(16)?));
    if fragment & OFFSET_MASK != 0 {
        if cx.opts.quiet < 2 {
            put!(cx, "{from} > {to}: {}", registry::protocol_label(cx, protocol));
        }
        return Ok(());
    }
    if !matches!(protocol, TCP | UDP | SCTP | DCCP) {
        put!(cx, "{from} > {to}: ");
    }
    if bp.len() < header {
        put!(cx, " [remaining caplen({}) < header length({header})]", bp.len());
        return Err(Truncated);
    }
    let net = Net { header: bp, version: 4, fragmented: fragment & MORE_FRAGMENTS != 0 };
    registry::print_ip_protocol(cx, protocol, bp.from(header), total - header, &net)
}
