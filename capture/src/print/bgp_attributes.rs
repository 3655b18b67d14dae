//! BGP path attributes (RFC 4271 section 5 and the RFCs named below).

use super::bgp::as_number;
use super::bgp_names::{ATTRIBUTES, EXTENDED, EXTENDED_FLAGS, FAMILIES, ORIGINS, OSPF_ROUTES, SUBSEQUENT, TUNNELS};
use super::bgp_nlri;
use super::cx::{Bytes, Cx, Done, Truncated, bits, name_or, put};

const AS4_PATH: u8 = 17;
/// How deeply attribute sets may nest.
const MAX_SETS: usize = 8;

/// Prints attributes, each after `indent`.
pub(super) fn print(cx: &mut Cx<'_>, attributes: &[u8], indent: &str) -> Done {
    let mut at = 0;
    while at < attributes.len() {
        let (flags, kind) = (attributes.u8(at)?, attributes.u8(at + 1)?);
        let (len, head) = if flags & 0x10 != 0 {
            (usize::from(attributes.u16(at + 2)?), 4)
        } else {
            (usize::from(attributes.u8(at + 2)?), 3)
        };
        put!(cx, "{indent}{} ({kind}), length: {len}", name_or(ATTRIBUTES, kind, "Unknown Attribute"));
        if flags != 0 {
            let letters: String = [(0x80, 'O'), (0x40, 'T'), (0x20, 'P'), (0x10, 'E')]
                .iter()
                .filter(|row| flags & row.0 != 0)
                .map(|row| row.1)
                .collect();
            put!(cx, ", Flags [{letters}");
            if flags & 0xf != 0 {
                put!(cx, "+{:x}", flags & 0xf);
            }
            cx.out.push(']');
        }
        cx.out.push_str(": ");
        let value = attributes.take(at + head, len)?;
        print_value(cx, kind, value, indent)?;
        if cx.opts.verbose > 1 && len > 0 {
            cx.unknown_data("\n\t    ", value, len);
        }
        at += head + len;
    }
    Ok(())
}

fn print_value(cx: &mut Cx<'_>, kind: u8, value: &[u8], indent: &str) -> Done {
    let len = value.len();
    let fits = match kind {
        1 => len == 1,
        3 | 4 | 5 | 9 => len == 4,
        6 => len == 0,
        7 | 18 => len == 6 || len == 8,
        8 | 10 => len.is_multiple_of(4),
        16 => len.is_multiple_of(8),
        32 => len > 0 && len.is_multiple_of(12),
        128 => len >= 4,
        2 | AS4_PATH => len.is_multiple_of(2),
        _ => true,
    };
    if !fits {
        cx.out.push_str("invalid len");
        return Ok(());
    }
    match kind {
        1 => cx.out.push_str(name_or(ORIGINS, value.u8(0)?, "Unknown Origin Typecode")),
        2 | AS4_PATH => as_path(cx, kind, value)?,
        3 | 9 => put!(cx, "{}", value.ip4(0)?),
        4 | 5 => put!(cx, "{}", value.u32(0)?),
        6 => {}
        7 | 18 => {
            let (number, at) = if len > 6 { (value.u32(0)?, 4) } else { (u32::from(value.u16(0)?), 2) };
            let number = as_number(cx, number);
            put!(cx, " AS #{number}, origin {}", value.ip4(at)?);
        }
        8 => communities(cx, value)?,
        10 => {
            let clusters: Result<Vec<String>, Truncated> =
                value.chunks(4).map(|id| id.ip4(0).map(|id| id.to_string())).collect();
            let clusters = clusters?.join(", ");
            cx.out.push_str(&clusters);
        }
        14 => reach(cx, value)?,
        15 => unreach(cx, value)?,
        16 => {
            for community in value.chunks(8) {
                extended_community(cx, community)?;
            }
        }
        26 => accumulated_metric(cx, value)?,
        32 => {
            cx.out.push_str("\n\t    ");
            for (index, part) in value.chunks(12).enumerate() {
                let separator = if index == 0 { "" } else { ", " };
                put!(cx, "{separator}{}:{}:{}", part.u32(0)?, part.u32(4)?, part.u32(8)?);
            }
        }
        128 => {
            let origin = as_number(cx, value.u32(0)?);
            put!(cx, "\n\t    Origin AS: {origin}");
            if indent.len() < 4 * MAX_SETS {
                let deeper = format!("{indent}    ");
                cx.nested(|cx| print(cx, value.from(4), &deeper))?;
            }
        }
        _ => {
            put!(cx, "\n\t    no Attribute {kind} decoder");
            if cx.opts.verbose <= 1 {
                cx.unknown_data("\n\t    ", value, len);
            }
        }
    }
    Ok(())
}

/// How many bytes an AS number has: nothing says it, so two are tried, and four if the segments then do not fit.
fn as_size(kind: u8, path: &[u8]) -> usize {
    if kind == AS4_PATH {
        return 4;
    }
    let mut at = 0;
    while at < path.len() {
        match (path.get(at), path.get(at + 1)) {
            (Some(1..=4), Some(&count)) if count > 0 => at += 2 + 2 * usize::from(count),
            _ => return 4,
        }
    }
    if at > path.len() { 4 } else { 2 }
}

fn as_path(cx: &mut Cx<'_>, kind: u8, path: &[u8]) -> Done {
    if path.is_empty() {
        cx.out.push_str("empty");
        return Ok(());
    }
    let size = as_size(kind, path);
    let mut at = 0;
    while at < path.len() {
        let (open, close) = match path.u8(at)? {
            1 => ("{ ", "}"),
            2 => ("", ""),
            3 => ("( ", ")"),
            4 => ("({ ", "})"),
            _ => ("?", "?"),
        };
        cx.out.push_str(open);
        let count = usize::from(path.u8(at + 1)?);
        for index in 0..count {
            let place = at + 2 + index * size;
            let number = if size == 2 { u32::from(path.u16(place)?) } else { path.u32(place)? };
            let number = as_number(cx, number);
            put!(cx, "{number} ");
        }
        cx.out.push_str(close);
        at += 2 + count * size;
    }
    Ok(())
}

fn communities(cx: &mut Cx<'_>, value: &[u8]) -> Done {
    let last = value.len().saturating_sub(4);
    for (index, community) in value.chunks(4).enumerate() {
        match community.u32(0)? {
            0xffff_0000 => cx.out.push_str(" gshut"),
            0xffff_ff01 => cx.out.push_str(" NO_EXPORT"),
            0xffff_ff02 => cx.out.push_str(" NO_ADVERTISE"),
            0xffff_ff03 => cx.out.push_str(" NO_EXPORT_SUBCONFED"),
            _ => {
                let separator = if 4 * index < last { ", " } else { "" };
                put!(cx, "{}:{}{separator}", community.u16(0)?, community.u16(2)?);
            }
        }
    }
    Ok(())
}

/// `AFI: ..., SAFI: ...`; false where prefixes of that family cannot be decoded.
fn family(cx: &mut Cx<'_>, value: &[u8]) -> Result<Option<(u16, u8)>, Truncated> {
    let (family, subsequent) = (value.u16(0)?, value.u8(2)?);
    let vendor = if subsequent > 128 { "vendor specific " } else { "" };
    put!(
        cx,
        "\n\t    AFI: {} ({family}), {vendor}SAFI: {} ({subsequent})",
        name_or(FAMILIES, family, "Unknown AFI"),
        name_or(SUBSEQUENT, subsequent, "Unknown SAFI")
    );
    Ok(Some((family, subsequent)))
}

fn undecodable(cx: &mut Cx<'_>, value: &[u8], family: u16, subsequent: u8) {
    put!(cx, "\n\t    no AFI {family} / SAFI {subsequent} decoder");
    if cx.opts.verbose <= 1 {
        cx.unknown_data("\n\t    ", value, value.len());
    }
}

/// RFC 4760.
fn reach(cx: &mut Cx<'_>, value: &[u8]) -> Done {
    let Some((afi, safi)) = family(cx, value)? else { return Ok(()) };
    if !bgp_nlri::is_known(afi, safi) {
        undecodable(cx, value, afi, safi);
        return Ok(());
    }
    let hop_length = usize::from(value.u8(3)?);
    let mut at = 4;
    let hops = value.take(at, hop_length)?;
    if hop_length > 0 {
        cx.out.push_str("\n\t    nexthop: ");
        next_hops(cx, hops, afi, safi)?;
    }
    put!(cx, ", nh-length: {hop_length}");
    at += hop_length;
    let attachments = value.u8(at)?;
    at += 1;
    if attachments == 0 {
        cx.out.push_str(", no SNPA");
    } else {
        put!(cx, "\n\t    {attachments} SNPA");
        for _ in 0..attachments {
            let len = value.u8(at)?;
            put!(cx, "\n\t      {len} bytes");
            at += 1 + usize::from(len);
        }
    }
    bgp_nlri::print(cx, afi, safi, value.from(at))
}

fn next_hops(cx: &mut Cx<'_>, hops: &[u8], afi: u16, safi: u8) -> Done {
    let distinguished = matches!(safi, 128..=130);
    let size = if afi == 1 { 4 } else { 16 } + if distinguished { 8 } else { 0 };
    let mut rest = hops;
    while !rest.is_empty() {
        if rest.len() != hops.len() {
            cx.out.push_str(", ");
        }
        if rest.len() < size {
            cx.out.push_str("invalid len");
            return Ok(());
        }
        let at = if distinguished { 8 } else { 0 };
        if distinguished {
            let distinguisher = bgp_nlri::distinguisher(cx, rest)?;
            put!(cx, "RD: {distinguisher}, ");
        }
        match afi {
            1 => put!(cx, "{}", rest.ip4(at)?),
            _ => put!(cx, "{}", rest.ip6(at)?),
        }
        rest = rest.from(size);
    }
    Ok(())
}

fn unreach(cx: &mut Cx<'_>, value: &[u8]) -> Done {
    const NO_PREFIX: usize = 3;
    let Some((afi, safi)) = family(cx, value)? else { return Ok(()) };
    if value.len() == NO_PREFIX {
        cx.out.push_str("\n\t      End-of-Rib Marker (empty NLRI)");
    } else if bgp_nlri::is_known(afi, safi) {
        bgp_nlri::print(cx, afi, safi, value.from(NO_PREFIX))?;
    } else {
        put!(cx, "\n\t    no AFI {afi} / SAFI {safi} decoder");
        if cx.opts.verbose <= 1 {
            cx.unknown_data("\n\t    ", value, value.len());
        }
    }
    Ok(())
}

/// RFC 4360.
fn extended_community(cx: &mut Cx<'_>, community: &[u8]) -> Done {
    let kind = community.u16(0)?;
    let flags = bits(EXTENDED_FLAGS, kind, ", ", "none");
    put!(cx, "\n\t    {} (0x{kind:04x}), Flags [{flags}]", name_or(EXTENDED, kind, "unknown extd community typecode"));
    match kind {
        0x0002 | 0x0003 | 0x000a => {
            put!(cx, ": {}:{} (= {})", community.u16(2)?, community.u32(4)?, community.ip4(4)?);
        }
        0x0102 | 0x0103 | 0x010b => put!(cx, ": {}:{}", community.ip4(2)?, community.u16(6)?),
        0x0202 | 0x0203 => {
            let number = as_number(cx, community.u32(2)?);
            put!(cx, ": {number}:{}", community.u16(6)?);
        }
        0x4004 => put!(cx, ": bandwidth: {} Mbps", megabits(community.u32(4)?)),
        0x0005 | 0x0105 | 0x0205 | 0x8005 | 0x0107 | 0x8001 => put!(cx, ": {}", community.ip4(2)?),
        0x0306 | 0x8000 => {
            let (route, options) = (community.u8(6)?, community.u8(7)?);
            let external = matches!(route, 5 | 7);
            let label = super::cx::name(OSPF_ROUTES, route).map_or(format!("unknown (0x{route:02x})"), str::to_owned);
            let metric = if options == 1 { "E2" } else { "" };
            put!(
                cx,
                ": area:{}, router-type:{label}, metric-type:{metric}{}",
                community.ip4(2)?,
                if external { "E1" } else { "" }
            );
        }
        0x0009 => put!(cx, ": AS {}", community.u16(2)?),
        0x030c => put!(cx, ": Tunnel type: {}", name_or(TUNNELS, community.u16(6)?, "unknown encaps")),
        _ => {
            cx.out.push_str(": ");
            for byte in community.from(2) {
                put!(cx, "{byte:02x}");
            }
        }
    }
    Ok(())
}

/// A bandwidth in IEEE 754 bytes per second, as megabits.
fn megabits(bytes_per_second: u32) -> String {
    let value = f32::from_bits(bytes_per_second) * 8.0 / 1_000_000.0;
    format!("{value:.3}").to_lowercase()
}

/// RFC 7311.
fn accumulated_metric(cx: &mut Cx<'_>, value: &[u8]) -> Done {
    const METRIC: u8 = 1;
    const TLV_HEADER: usize = 3;
    let mut at = 0;
    while at < value.len() {
        let (kind, len) = (value.u8(at)?, usize::from(value.u16(at + 1)?));
        let label = if kind == METRIC { "AIGP" } else { "Unknown" };
        put!(cx, "\n\t    {label} TLV ({kind}), length {len}");
        if len < TLV_HEADER {
            return Err(Truncated);
        }
        let data = value.take(at + TLV_HEADER, len - TLV_HEADER)?;
        if kind == METRIC && data.len() == 8 {
            put!(cx, ", metric {}", data.u64(0)?);
        } else if cx.opts.verbose <= 1 {
            cx.unknown_data("\n\t      ", data, data.len());
        }
        at += len;
    }
    Ok(())
}
