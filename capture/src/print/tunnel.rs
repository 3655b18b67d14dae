//! What carries packets of its own: VXLAN (RFC 7348), OTV, Geneve (RFC 8926), GRE (RFC 2784, 2890), and the outsides of
//! IPsec (RFC 4302, 4303).

use super::cx::{Bytes, Cx, Done, Row, bits, hex_colon, name_or, put};
use super::ether::{self, ETHERTYPE_NAMES};
use super::ip::Net;
use super::registry::{self, Ports};

const VXLAN_FLAGS: &[Row] = &[(0x08, "I")];
const VXLAN_HEADER: usize = 8;

pub(super) fn vxlan(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    cx.protocol = "vxlan";
    if length < VXLAN_HEADER {
        cx.trunc();
        return Ok(());
    }
    bp.take(0, VXLAN_HEADER)?;
    let flags = bp.u8(0)?;
    put!(cx, "VXLAN, flags [{}] (0x{flags:02x}), vni {}", bits(VXLAN_FLAGS, flags, ", ", "invalid"), bp.u24(4)?);
    cx.out.push('\n');
    ether::print(cx, bp.from(VXLAN_HEADER), length - VXLAN_HEADER)?;
    Ok(())
}

const OTV_HEADER: usize = 8;

/// Overlay Transport Virtualization, whose port is also the one that Linux takes for VXLAN if nobody names one.
pub(super) fn otv(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    cx.protocol = "otv";
    cx.out.push_str("OTV, ");
    if length < OTV_HEADER {
        put!(cx, "[length {length} < {OTV_HEADER}]");
        cx.invalid();
        return Ok(());
    }
    let flags = bp.u8(0)?;
    put!(cx, "flags [{}] (0x{flags:02x}), ", if flags & 0x08 != 0 { "I" } else { "." });
    put!(cx, "overlay {}, ", bp.u24(1)?);
    put!(cx, "instance {}\n", bp.u24(4)?);
    bp.take(7, 1)?;
    ether::print(cx, bp.from(OTV_HEADER), length - OTV_HEADER)?;
    Ok(())
}

const GENEVE_HEADER: usize = 8;
const GENEVE_FLAGS: &[Row] = &[(0x80, "O"), (0x40, "C")];
const TRANSPARENT_BRIDGING: u16 = 0x6558;

pub(super) fn geneve(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    cx.protocol = "geneve";
    cx.out.push_str("Geneve");
    if length < GENEVE_HEADER {
        put!(cx, " [length {length} < {GENEVE_HEADER}]");
        cx.invalid();
        return Ok(());
    }
    bp.take(0, GENEVE_HEADER)?;
    let first = bp.u8(0)?;
    if first >> 6 != 0 {
        put!(cx, " ERROR: unknown-version {}", first >> 6);
        return Ok(());
    }
    let flags = bp.u8(1)?;
    put!(cx, ", Flags [{}]", bits(GENEVE_FLAGS, flags & 0xc0, "", "none"));
    let reserved = flags & 0x3f;
    if reserved != 0 {
        put!(cx, " rsvd1 0x{reserved:x}");
    }
    put!(cx, ", vni 0x{:x}", bp.u24(4)?);
    if bp.u8(7)? != 0 {
        put!(cx, ", rsvd2 0x{:x}", bp.u8(7)?);
    }
    let protocol = bp.u16(2)?;
    if cx.opts.link_header {
        put!(cx, ", proto {} (0x{protocol:04x})", ethertype(protocol));
    }
    let options = usize::from(first & 0x3f) * 4;
    if length < GENEVE_HEADER + options {
        put!(cx, ", option-length {options} [bad option length]");
        return Ok(());
    }
    bp.take(GENEVE_HEADER, options)?;
    if options > 0 {
        cx.out.push_str(", options [");
        if cx.opts.verbose > 0 {
            geneve_options(cx, bp.take(GENEVE_HEADER, options)?)?;
        } else {
            put!(cx, "{options} bytes");
        }
        cx.out.push(']');
    }
    let start = GENEVE_HEADER + options;
    let (rest, length) = (bp.from(start), length - start);
    cx.out.push_str(if cx.opts.verbose < 1 { ": " } else { "\n\t" });
    payload(cx, protocol, rest, length, |cx| put!(cx, "geneve-proto-0x{protocol:x}"))
}

const GENEVE_CLASSES: &[Row] = &[(0x0102, "Open Virtual Networking (OVN)")];

fn geneve_options(cx: &mut Cx<'_>, mut options: &[u8]) -> Done {
    let mut separator = "";
    while !options.is_empty() {
        let class = options.u16(0)?;
        let label = match class {
            0x0000..=0x00ff => "Standard",
            0xff00..=0xffff => "Experimental",
            _ => name_or(GENEVE_CLASSES, class, "Unknown"),
        };
        let kind = options.u8(2)?;
        let critical = if kind & 0x80 != 0 { "(C) " } else { "" };
        let len = 4 + usize::from(options.u8(3)? & 0x1f) * 4;
        put!(
            cx,
            "{separator}class {label} (0x{class:x}) type 0x{kind:x}{} len {len}",
            if critical.is_empty() { "" } else { "(C)" }
        );
        separator = ", ";
        if len > options.len() {
            cx.out.push_str(" [bad length]");
            return Ok(());
        }
        if len > 4 {
            cx.out.push_str(" data");
            for word in options.take(4, len - 4)?.chunks(4) {
                put!(cx, " {}", hex_colon(word).replace(':', ""));
            }
        }
        options = options.from(len);
    }
    Ok(())
}

fn ethertype(protocol: u16) -> &'static str {
    if protocol == TRANSPARENT_BRIDGING { "TEB" } else { name_or(ETHERTYPE_NAMES, protocol, "unknown") }
}

/// What a tunnel's protocol field announces.
fn payload(cx: &mut Cx<'_>, protocol: u16, bp: &[u8], length: usize, unknown: impl FnOnce(&mut Cx<'_>)) -> Done {
    if protocol == TRANSPARENT_BRIDGING {
        ether::print(cx, bp, length)?;
        return Ok(());
    }
    match registry::print_ethertype(cx, protocol, bp, length) {
        Some(done) => done,
        None => {
            unknown(cx);
            Ok(())
        }
    }
}

const GRE_CHECKSUM: u16 = 0x8000;
const GRE_ROUTING: u16 = 0x4000;
const GRE_KEY: u16 = 0x2000;
const GRE_SEQUENCE: u16 = 0x1000;
const GRE_STRICT: u16 = 0x0800;
const GRE_ACKNOWLEDGE: u16 = 0x0080;

const GRE_FLAGS: &[Row] = &[
    (0x8000, "checksum present"),
    (0x4000, "routing present"),
    (0x2000, "key present"),
    (0x1000, "sequence# present"),
    (0x0800, "source routing present"),
    (0x0400, "recursion"),
    (0x0080, "ack present"),
];

pub(super) fn gre(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Net<'_>) -> Done {
    cx.protocol = "gre";
    if length < 2 {
        cx.trunc();
        return Ok(());
    }
    let flags = bp.u16(0)?;
    let version = flags & 7;
    put!(cx, "GREv{version}");
    match version {
        0 => gre0(cx, bp, length, flags),
        1 => gre1(cx, bp, length, flags),
        _ => {
            cx.out.push_str(" ERROR: unknown-version");
            Ok(())
        }
    }
}

/// Takes the next word of an optional field, if length and capture allow.
struct Fields<'a> {
    bp: &'a [u8],
    at: usize,
    length: usize,
}

impl Fields<'_> {
    fn take(&mut self, cx: &mut Cx<'_>, len: usize) -> Result<Option<usize>, super::cx::Truncated> {
        if self.length < self.at + len {
            cx.trunc();
            return Ok(None);
        }
        self.bp.take(self.at, len)?;
        let at = self.at;
        self.at += len;
        Ok(Some(at))
    }
}

fn print_gre_flags(cx: &mut Cx<'_>, flags: u16) {
    if cx.opts.verbose > 0 {
        put!(cx, ", Flags [{}]", bits(GRE_FLAGS, flags, ", ", "none"));
    }
}

fn gre0(cx: &mut Cx<'_>, bp: &[u8], length: usize, flags: u16) -> Done {
    print_gre_flags(cx, flags);
    let mut fields = Fields { bp, at: 2, length };
    let Some(at) = fields.take(cx, 2)? else { return Ok(()) };
    let protocol = bp.u16(at)?;
    if flags & (GRE_CHECKSUM | GRE_ROUTING) != 0 {
        let Some(at) = fields.take(cx, 2)? else { return Ok(()) };
        if cx.opts.verbose > 0 {
            put!(cx, ", sum 0x{:x}", bp.u16(at)?);
        }
        let Some(at) = fields.take(cx, 2)? else { return Ok(()) };
        put!(cx, ", off 0x{:x}", bp.u16(at)?);
    }
    if flags & GRE_KEY != 0 {
        let Some(at) = fields.take(cx, 4)? else { return Ok(()) };
        put!(cx, ", key=0x{:x}", bp.u32(at)?);
    }
    if flags & GRE_SEQUENCE != 0 {
        let Some(at) = fields.take(cx, 4)? else { return Ok(()) };
        put!(cx, ", seq {}", bp.u32(at)?);
    }
    if flags & GRE_STRICT != 0 {
        cx.out.push_str(", strict");
    }
    let (rest, length) = (bp.from(fields.at), length - fields.at);
    gre_payload(cx, protocol, rest, length, fields.length)
}

fn gre_payload(cx: &mut Cx<'_>, protocol: u16, bp: &[u8], length: usize, total: usize) -> Done {
    if cx.opts.link_header {
        put!(cx, ", proto {} (0x{protocol:04x})", gre_protocol(protocol));
    }
    put!(cx, ", length {total}");
    cx.out.push_str(if cx.opts.verbose < 1 { ": " } else { "\n\t" });
    payload(cx, protocol, bp, length, |cx| put!(cx, "gre-proto-0x{protocol:x}"))
}

fn gre_protocol(protocol: u16) -> &'static str {
    if protocol == TRANSPARENT_BRIDGING { "TEB" } else { name_or(ETHERTYPE_NAMES, protocol, "unknown") }
}

/// Enhanced GRE, as PPTP uses it (RFC 2637).
fn gre1(cx: &mut Cx<'_>, bp: &[u8], length: usize, flags: u16) -> Done {
    print_gre_flags(cx, flags);
    let mut fields = Fields { bp, at: 2, length };
    let Some(at) = fields.take(cx, 2)? else { return Ok(()) };
    let protocol = bp.u16(at)?;
    if flags & GRE_KEY != 0 {
        let Some(at) = fields.take(cx, 4)? else { return Ok(()) };
        put!(cx, ", call {}", bp.u32(at)? & 0xffff);
    }
    if flags & GRE_SEQUENCE != 0 {
        let Some(at) = fields.take(cx, 4)? else { return Ok(()) };
        put!(cx, ", seq {}", bp.u32(at)?);
    }
    if flags & GRE_ACKNOWLEDGE != 0 {
        let Some(at) = fields.take(cx, 4)? else { return Ok(()) };
        put!(cx, ", ack {}", bp.u32(at)?);
    }
    if flags & GRE_SEQUENCE == 0 {
        cx.out.push_str(", no-payload");
        if cx.opts.link_header {
            put!(cx, ", proto {} (0x{protocol:04x})", gre_protocol(protocol));
        }
        put!(cx, ", length {length}");
        return Ok(());
    }
    if cx.opts.link_header {
        put!(cx, ", proto {} (0x{protocol:04x})", gre_protocol(protocol));
    }
    put!(cx, ", length {length}");
    if cx.opts.verbose < 1 {
        cx.out.push_str(": ");
    } else {
        cx.out.push_str("\n\t");
    }
    put!(cx, "gre-proto-0x{protocol:x}");
    Ok(())
}

/// Encapsulating Security Payload: all that can be seen without keys.
pub(super) fn esp(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Net<'_>) -> Done {
    cx.protocol = "esp";
    bp.take(0, 8)?;
    put!(cx, "ESP(spi=0x{:08x},seq=0x{:x}), length {length}", bp.u32(0)?, bp.u32(4)?);
    Ok(())
}

/// Authentication Header, and what it protects.
pub(super) fn ah(cx: &mut Cx<'_>, bp: &[u8], length: usize, net: &Net<'_>) -> Done {
    cx.protocol = "ah";
    bp.take(0, 12)?;
    let (next, header) = (bp.u8(0)?, (usize::from(bp.u8(1)?) + 2) * 4);
    put!(cx, "AH(");
    if cx.opts.verbose > 0 {
        put!(cx, "length={}({header}-bytes),", bp.u8(1)?);
    }
    let reserved = bp.u16(2)?;
    if reserved != 0 {
        put!(cx, "reserved[0x{reserved:04x}],");
    }
    put!(cx, "spi=0x{:08x},", bp.u32(4)?);
    put!(cx, "seq=0x{:x},icv=0x", bp.u32(8)?);
    for byte in bp.take(12, header.saturating_sub(12))? {
        put!(cx, "{byte:02x}");
    }
    cx.out.push_str("): ");
    if length < header {
        return Ok(());
    }
    registry::print_ip_protocol(cx, next, bp.from(header), length - header, net)
}
