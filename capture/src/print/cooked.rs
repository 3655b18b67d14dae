//! Link types without an Ethernet header: Linux "cooked" captures (`-i any`), versions 1 and 2, and BSD loopback.

use super::cx::{Bytes, Cx, Done, Row, Truncated, name, name_or, put};
use super::ether::ETHERTYPE_NAMES;
use super::{ip, llc, registry};

/// The protocol field of a packet that is 802.3 without and with LLC.
const LINUX_802_3: u16 = 1;
const LINUX_802_2: u16 = 4;

const PACKET_TYPES: &[Row] = &[(0, "In"), (1, "B"), (2, "M"), (3, "P"), (4, "Out")];

const FAMILIES: &[Row] =
    &[(2, "IPv4"), (7, "OSI"), (10, "IPv6"), (23, "IPX"), (24, "IPv6"), (28, "IPv6"), (30, "IPv6")];

/// LINUX_SLL, 16 bytes.
pub(super) fn version1(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Result<usize, Truncated> {
    const HEADER: usize = 16;
    cx.protocol = "sll";
    bp.take(0, HEADER)?;
    if cx.opts.link_header {
        put!(cx, "{:>3} ", name_or(PACKET_TYPES, bp.u16(0)?, "?"));
        address(cx, bp, bp.u16(4)?, 6)?;
        describe(cx, bp.u16(14)?, length);
    }
    payload(cx, bp.u16(14)?, bp, length, HEADER)
}

/// LINUX_SLL2, 20 bytes.
pub(super) fn version2(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Result<usize, Truncated> {
    const HEADER: usize = 20;
    cx.protocol = "sll2";
    bp.take(0, HEADER)?;
    let index = bp.u32(4)?;
    put!(cx, "{:<5} {:<3} ", cx.interface.unwrap_or("?"), name_or(PACKET_TYPES, bp.u8(10)?, "?"));
    if cx.opts.link_header {
        put!(cx, "ifindex {index} ");
        address(cx, bp, u16::from(bp.u8(11)?), 12)?;
        describe(cx, bp.u16(0)?, length);
    }
    payload(cx, bp.u16(0)?, bp, length, HEADER)
}

/// The sender's address, where it is an Ethernet one.
fn address(cx: &mut Cx<'_>, bp: &[u8], len: u16, at: usize) -> Done {
    if len == 6 {
        let shown = super::ether::address(cx.opts.numeric, bp.mac(at)?);
        put!(cx, "{shown} ");
    }
    Ok(())
}

fn describe(cx: &mut Cx<'_>, protocol: u16, length: usize) {
    if cx.opts.quiet > 0 {
        put!(cx, ", length {length}: ");
        return;
    }
    let label = match protocol {
        LINUX_802_3 => "802.3".to_owned(),
        LINUX_802_2 => "802.2".to_owned(),
        _ if protocol <= 1500 => format!("Unknown Linux Frame Type (0x{protocol:04x})"),
        _ => format!("ethertype {} (0x{protocol:04x})", name_or(ETHERTYPE_NAMES, protocol, "Unknown")),
    };
    put!(cx, "{label}, length {length}: ");
}

fn payload(
    cx: &mut Cx<'_>,
    mut protocol: u16,
    bp: &[u8],
    length: usize,
    mut header: usize,
) -> Result<usize, Truncated> {
    while matches!(protocol, 0x8100 | 0x88a8 | 0x9100 | 0x9200) {
        if bp.len() < header + 4 {
            cx.protocol = "vlan";
            cx.trunc();
            return Ok(bp.len());
        }
        if cx.opts.link_header {
            let tag = super::ether::tag_text(bp.u16(header)?);
            put!(cx, "{tag}, ");
        }
        protocol = bp.u16(header + 2)?;
        header += 4;
        if protocol <= 1500 {
            protocol = LINUX_802_2;
        } else if cx.opts.link_header {
            put!(cx, "ethertype {}, ", name_or(ETHERTYPE_NAMES, protocol, "Unknown"));
        }
    }
    let (rest, length) = (bp.from(header), length.saturating_sub(header));
    match protocol {
        LINUX_802_2 => {
            let printed = llc::print(cx, rest, length, None)?;
            if printed.unknown {
                cx.unknown(rest);
            }
            Ok(header + printed.header)
        }
        LINUX_802_3 => {
            cx.unknown(rest);
            Ok(header)
        }
        _ => {
            match registry::print_ethertype(cx, protocol, rest, length) {
                Some(done) => done?,
                None => {
                    if !cx.opts.link_header {
                        describe(cx, protocol, length + header);
                    }
                    cx.unknown(rest);
                }
            }
            Ok(header)
        }
    }
}

/// BSD loopback: the address family in the capturing machine's byte order.
pub(super) fn loopback(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Result<usize, Truncated> {
    const HEADER: usize = 4;
    cx.protocol = "null";
    bp.take(0, HEADER)?;
    let family = bp.u32(0)?.swap_bytes();
    let family = if family & 0xffff_0000 != 0 { family.swap_bytes() } else { family };
    let describe = |cx: &mut Cx<'_>| {
        let label = if cx.opts.quiet > 0 {
            name(FAMILIES, family).map_or(format!("AF {family}"), str::to_owned)
        } else {
            format!("AF {} ({family})", name_or(FAMILIES, family, "Unknown"))
        };
        put!(cx, "{label}, length {length}: ");
    };
    if cx.opts.link_header {
        describe(cx);
    }
    let (rest, length) = (bp.from(HEADER), length.saturating_sub(HEADER));
    match family {
        2 => ip::print(cx, rest, length)?,
        10 | 24 | 28 | 30 => super::ip6::print(cx, rest, length)?,
        _ => {
            if !cx.opts.link_header {
                describe(cx);
            }
            cx.unknown(rest);
        }
    }
    Ok(HEADER)
}
