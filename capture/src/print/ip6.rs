//! IPv6 (RFC 8200): header, extension headers.

use super::cx::{Bytes, Cx, Done, Truncated, put};
use super::ip::{self, Net};
use super::registry;

const HEADER: usize = 40;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const NO_NEXT: u8 = 59;
const DESTINATION_OPTIONS: u8 = 60;
const MOST_EXTENSIONS: usize = 64;

/// IPv6 within IP (RFC 4213).
pub(super) fn within_ip(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Net<'_>) -> Done {
    print(cx, bp, length)
}

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    cx.protocol = "ip6";
    if length < HEADER {
        bp.take(0, HEADER)?;
        put!(cx, "truncated-ip6 {length}");
        return Ok(());
    }
    bp.take(0, HEADER)?;
    if !cx.opts.link_header {
        cx.out.push_str("IP6 ");
    }
    let version = bp.u8(0)? >> 4;
    if version != 6 {
        put!(cx, "version error: {version} != 6");
        return Ok(());
    }
    let mut payload = usize::from(bp.u16(4)?);
    if payload == 0 && bp.u8(6)? == HOP_BY_HOP {
        payload = length - HEADER; // a jumbogram says its length in an option (RFC 2675)
    }
    let total = payload + HEADER;
    if length < total {
        put!(cx, "truncated-ip6 - {} bytes missing!", total - length);
    }
    let bp = bp.upto(total);
    if cx.opts.verbose > 0 {
        print_header(cx, bp, payload)?;
    }
    print_payload(cx, bp, payload)
}

/// What `-v` adds.
fn print_header(cx: &mut Cx<'_>, bp: &[u8], payload: usize) -> Done {
    let flow = bp.u32(0)?;
    cx.out.push('(');
    let class = (flow >> 20) & 0xff;
    if class != 0 {
        put!(cx, "class 0x{class:02x}, ");
    }
    if flow & 0xf_ffff != 0 {
        put!(cx, "flowlabel 0x{:05x}, ", flow & 0xf_ffff);
    }
    let next = bp.u8(6)?;
    let name = registry::ip_protocol_name(next);
    put!(cx, "hlim {}, next-header {name} ({next}) payload length: {payload}) ", bp.u8(7)?);
    Ok(())
}

fn print_payload(cx: &mut Cx<'_>, bp: &[u8], payload: usize) -> Done {
    let (from, to) = (bp.ip6(8)?, bp.ip6(24)?);
    let mut next = bp.u8(6)?;
    if next != ip::TCP && next != ip::UDP {
        put!(cx, "{from} > {to}: ");
    }
    let mut net = Net { header: bp, version: 6, fragmented: false };
    let (mut at, total) = (HEADER, HEADER + payload);
    for _ in 0..MOST_EXTENSIONS {
        let rest = bp.from(at);
        if at > HEADER && rest.is_empty() {
            return Ok(());
        }
        match next {
            HOP_BY_HOP | DESTINATION_OPTIONS => {
                let label = if next == HOP_BY_HOP { "HBH " } else { "DSTOPT " };
                at += options(cx, rest, label)?;
            }
            ROUTING => at += routing(cx, rest)?,
            FRAGMENT => {
                let offset = fragment(cx, rest)?;
                if offset & 0xfff8 != 0 {
                    return Ok(());
                }
                net.fragmented = true;
                at += 8;
            }
            NO_NEXT => {
                cx.out.push_str("no next header");
                return Ok(());
            }
            _ => {
                let length = total.saturating_sub(at);
                return registry::print_ip_protocol(cx, next, rest, length, &net);
            }
        }
        next = rest.u8(0)?;
    }
    Err(Truncated)
}

fn options(cx: &mut Cx<'_>, bp: &[u8], label: &str) -> Result<usize, Truncated> {
    let len = (usize::from(bp.u8(1)?) + 1) * 8;
    let bytes = bp.take(0, len)?;
    cx.out.push_str(label);
    if cx.opts.verbose > 0 {
        option_list(cx, bytes.from(2))?;
        cx.out.push(' ');
    }
    Ok(len)
}

fn option_list(cx: &mut Cx<'_>, mut bytes: &[u8]) -> Done {
    while let Ok(kind) = bytes.u8(0) {
        if kind == 0 {
            cx.out.push_str("(pad1)");
            bytes = bytes.from(1);
            continue;
        }
        let len = usize::from(bytes.u8(1).unwrap_or(0));
        if len + 2 > bytes.len() {
            cx.trunc();
            return Ok(());
        }
        match kind {
            1 => cx.out.push_str("(padn)"),
            5 if len == 2 => put!(cx, "(rtalert: 0x{:04x}) ", bytes.u16(2)?),
            5 => put!(cx, "(rtalert: invalid len {len})"),
            _ => put!(cx, "(opt_type 0x{kind:02x}: len={len})"),
        }
        bytes = bytes.from(2 + len);
    }
    Ok(())
}

fn routing(cx: &mut Cx<'_>, bp: &[u8]) -> Result<usize, Truncated> {
    cx.protocol = "rt6";
    let (blocks, kind, left) = (usize::from(bp.u8(1)?), bp.u8(2)?, bp.u8(3)?);
    let deprecated = if kind == 0 { " [Deprecated]" } else { "" };
    put!(cx, "RT6 (len={blocks}, type={kind}{deprecated}, segleft={left}");
    match kind {
        0 | 2 => {
            let reserved = bp.u32(4)?;
            if reserved != 0 || cx.opts.verbose > 0 {
                put!(cx, ", rsv=0x{reserved:x}");
            }
            for index in 0..blocks / 2 {
                put!(cx, ", [{index}]{}", bp.ip6(8 + 16 * index)?);
            }
            cx.out.push_str(") ");
        }
        4 => {
            put!(cx, ", last-entry={}", bp.u8(4)?);
            if bp.u8(5)? != 0 || cx.opts.verbose > 0 {
                put!(cx, ", flags=0x{:x}", bp.u8(5)?);
            }
            put!(cx, ", tag={:x}", bp.u16(6)?);
            for index in 0..blocks / 2 {
                put!(cx, ", [{index}]{}", bp.ip6(8 + 16 * index)?);
            }
            cx.out.push_str(") ");
        }
        _ => put!(cx, " (unknown type, routing header not processed)"),
    }
    bp.take(0, (blocks + 1) * 8)?;
    Ok((blocks + 1) * 8)
}

fn fragment(cx: &mut Cx<'_>, bp: &[u8]) -> Result<u16, Truncated> {
    cx.protocol = "frag6";
    let (offset, id) = (bp.u16(2)?, bp.u32(4)?);
    let length = bp.len().saturating_sub(8);
    if cx.opts.verbose > 0 {
        put!(cx, "frag (0x{id:08x}:{}|{length})", offset & 0xfff8);
    } else {
        put!(cx, "frag ({}|{length})", offset & 0xfff8);
    }
    if offset & 0xfff8 == 0 {
        cx.out.push(' ');
    }
    Ok(offset)
}
