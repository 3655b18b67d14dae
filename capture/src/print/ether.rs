//! Ethernet: II, 802.3 with LLC, 802.1Q tags in any number.

use super::cx::{Bytes, Cx, Row, Truncated, hex_colon, name, put};
use super::{llc, registry};

pub(super) const IPV4: u16 = 0x0800;
pub(super) const ARP: u16 = 0x0806;
pub(super) const RARP: u16 = 0x8035;
pub(super) const IPV6: u16 = 0x86dd;
pub(super) const HEADER: usize = 14;
/// A length/type field up to this is a length (IEEE 802.3).
pub(super) const MAX_LENGTH: u16 = 1500;
const TAG_TYPES: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

pub(super) const ETHERTYPE_NAMES: &[Row] = &[
    (0x0800, "IPv4"),
    (0x8100, "802.1Q"),
    (0x88a8, "802.1Q-QinQ"),
    (0x9100, "802.1Q-9100"),
    (0x9200, "802.1Q-9200"),
    (0x86dd, "IPv6"),
    (0x8847, "MPLS unicast"),
    (0x8848, "MPLS multicast"),
    (0x0806, "ARP"),
    (0x8035, "Reverse ARP"),
    (0x8863, "PPPoE D"),
    (0x8864, "PPPoE S"),
    (0x88cc, "LLDP"),
];

/// Broadcast by name and the vendor, as without `-n`; the bare address with it.
pub(super) fn address(numeric: bool, mac: [u8; 6]) -> String {
    match (numeric, mac) {
        (true, _) => hex_colon(&mac),
        (false, BROADCAST) => "Broadcast".to_owned(),
        (false, _) => format!("{} (oui {})", hex_colon(&mac), vendor(mac)),
    }
}

const BROADCAST: [u8; 6] = [0xff; 6];

/// tcpdump knows only a handful of vendors.
fn vendor([a, b, c, ..]: [u8; 6]) -> &'static str {
    name(super::llc::ORGANIZATIONS, u32::from_be_bytes([0, a, b, c])).unwrap_or("Unknown")
}

/// The whole frame; gives the length of its headers.
pub(super) fn frame(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Result<usize, Truncated> {
    print(cx, bp, length)
}

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Result<usize, Truncated> {
    cx.protocol = "ether";
    if length < HEADER || bp.len() < HEADER {
        cx.trunc();
        return Ok(bp.len().min(length));
    }
    let mut header = HEADER;
    let mut length_type = bp.u16(12)?;
    if cx.opts.link_header {
        addresses(cx, bp)?;
    }
    let mut length_printed = false;
    while TAG_TYPES.contains(&length_type) {
        if bp.len() < header + 4 || length < header + 4 {
            cx.protocol = "vlan";
            cx.trunc();
            return Ok(bp.len().min(length));
        }
        let tag = bp.u16(header)?;
        if cx.opts.link_header {
            type_name(cx, length_type);
            print_length(cx, length, &mut length_printed);
            put!(cx, "{}, ", tag_text(tag));
        }
        length_type = bp.u16(header + 2)?;
        header += 4;
    }
    if length_type <= MAX_LENGTH {
        return print_802_3(cx, bp, length, header, length_type, length_printed);
    }
    if cx.opts.link_header {
        type_name(cx, length_type);
        print_length(cx, length, &mut length_printed);
    }
    match registry::print_ethertype(cx, length_type, bp.from(header), length - header) {
        Some(done) => done?,
        None => {
            if !cx.opts.link_header {
                addresses(cx, bp)?;
                type_name(cx, length_type);
                put!(cx, ", length {length}: ");
            }
            cx.unknown(bp.from(header));
        }
    }
    Ok(header)
}

/// A frame whose type field is a length: LLC follows, and then perhaps padding.
fn print_802_3(
    cx: &mut Cx<'_>,
    bp: &[u8],
    length: usize,
    header: usize,
    announced: u16,
    length_printed: bool,
) -> Result<usize, Truncated> {
    let llc_length = (length - header).min(usize::from(announced));
    let payload = bp.from(header).upto(llc_length);
    if cx.opts.link_header {
        cx.out.push_str("802.3");
        if !length_printed {
            put!(cx, ", length {llc_length}: ");
        }
    }
    let numeric = cx.opts.numeric;
    let speakers = (address(numeric, bp.mac(6)?), address(numeric, bp.mac(0)?));
    let printed = llc::print(cx, payload, llc_length, Some(speakers))?;
    if printed.unknown {
        cx.unknown(payload);
    }
    Ok(header + printed.header)
}

fn addresses(cx: &mut Cx<'_>, bp: &[u8]) -> Result<(), Truncated> {
    let (destination, source) = (bp.mac(0)?, bp.mac(6)?);
    let numeric = cx.opts.numeric;
    put!(cx, "{} > {}, ", address(numeric, source), address(numeric, destination));
    Ok(())
}

fn type_name(cx: &mut Cx<'_>, length_type: u16) {
    if cx.opts.quiet > 0 {
        match name(ETHERTYPE_NAMES, length_type) {
            Some(name) => cx.out.push_str(name),
            None => put!(cx, "Unknown Ethertype (0x{length_type:04x})"),
        }
        return;
    }
    put!(cx, "ethertype {} (0x{length_type:04x})", name(ETHERTYPE_NAMES, length_type).unwrap_or("Unknown"));
}

fn print_length(cx: &mut Cx<'_>, length: usize, printed: &mut bool) {
    if *printed {
        cx.out.push_str(", ");
    } else {
        put!(cx, ", length {length}: ");
        *printed = true;
    }
}

/// A tag: VLAN, priority, drop eligible.
pub(super) fn tag_text(tag: u16) -> String {
    let eligible = if tag & 0x1000 == 0 { "" } else { ", DEI" };
    format!("vlan {}, p {}{eligible}", tag & 0xfff, tag >> 13)
}
