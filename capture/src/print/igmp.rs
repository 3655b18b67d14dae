//! IGMP versions 1 to 3 (RFC 1112, 2236, 3376).

use super::cx::{Bytes, Cx, Done, put, residue};
use super::groups::IGMP;
use super::ip::Net;

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Net<'_>) -> Done {
    cx.protocol = "igmp";
    if cx.opts.quiet > 0 {
        cx.out.push_str("igmp");
        return Ok(());
    }
    let kind = bp.u8(0)?;
    match kind {
        0x11 => {
            cx.out.push_str("igmp query");
            if length >= 12 { print_query3(cx, bp, length)? } else { print_query(cx, bp, length)? }
        }
        0x12 => {
            put!(cx, "igmp v1 report {}", cx.host(bp.ip4(4)?));
            print_odd_length(cx, length);
        }
        0x16 => put!(cx, "igmp v2 report {}", cx.host(bp.ip4(4)?)),
        0x22 => {
            cx.out.push_str("igmp v3 report");
            print_report3(cx, bp, length)?;
        }
        0x17 => put!(cx, "igmp leave {}", cx.host(bp.ip4(4)?)),
        0x13 => {
            cx.out.push_str("igmp dvmrp");
            if length < 8 {
                put!(cx, " [len {length}]");
            }
        }
        0x14 => cx.out.push_str("igmp pimv1"),
        _ => put!(cx, "igmp-{kind}"),
    }
    if cx.opts.verbose > 0
        && let Ok(message) = bp.take(0, length)
        && residue(&[message]) != 0
    {
        put!(cx, " bad igmp cksum {:x}!", bp.u16(2)?);
    }
    Ok(())
}

fn print_odd_length(cx: &mut Cx<'_>, length: usize) {
    if length != 8 {
        put!(cx, " [len {length}]");
    }
}

fn print_query(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    const USUAL: u8 = 100;
    match bp.u8(1)? {
        0 => cx.out.push_str(" v1"),
        USUAL => cx.out.push_str(" v2"),
        time => put!(cx, " v2 [max resp time {time}]"),
    }
    if bp.u32(4)? != 0 {
        put!(cx, " [gaddr {}]", cx.host(bp.ip4(4)?));
    }
    print_odd_length(cx, length);
    Ok(())
}

fn print_query3(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    const USUAL: u8 = 100;
    cx.out.push_str(" v3");
    if !length.is_multiple_of(4) {
        put!(cx, " [invalid len {length}]");
        return Ok(());
    }
    let code = bp.u8(1)?;
    if code != USUAL {
        // Beyond 127 a mantissa and an exponent (RFC 3376 section 4.1.1), in tenths of a second.
        let tenths =
            if code < 128 { u32::from(code) } else { (u32::from(code & 0x0f) | 0x10) << (((code & 0x70) >> 4) + 3) };
        match tenths {
            0..600 => put!(cx, " [max resp time {}.{}s]", tenths / 10, tenths % 10),
            _ => put!(cx, " [max resp time {}]", super::time::duration(tenths / 10)),
        }
    }
    if bp.u32(4)? == 0 {
        return Ok(());
    }
    put!(cx, " [gaddr {}", cx.host(bp.ip4(4)?));
    let sources = usize::from(bp.u16(10)?);
    if sources > 0 {
        if length < 12 + 4 * sources {
            cx.out.push_str(" [invalid number of sources]");
        } else if cx.opts.verbose > 1 {
            IGMP.sources(cx, bp, 12, sources)?;
        } else {
            put!(cx, ", {sources} source(s)");
        }
    }
    cx.out.push(']');
    Ok(())
}

fn print_report3(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    if length < 16 || !length.is_multiple_of(4) {
        put!(cx, " [invalid len {length}]");
        return Ok(());
    }
    IGMP.report(cx, bp, length)
}
