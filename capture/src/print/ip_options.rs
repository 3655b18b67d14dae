//! The options of an IPv4 header (RFC 791 section 3.1, RFC 2113).

use std::net::Ipv4Addr;

use super::cx::{Bytes, Cx, Done, Row, Truncated, name, put};

const END: u8 = 0;
const NOP: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const LOOSE_ROUTE: u8 = 131;
const STRICT_ROUTE: u8 = 137;
const ROUTER_ALERT: u8 = 148;

const NAMES: &[Row] = &[
    (END as u32, "EOL"),
    (NOP as u32, "NOP"),
    (TIMESTAMP as u32, "timestamp"),
    (130, "security"),
    (RECORD_ROUTE as u32, "RR"),
    (STRICT_ROUTE as u32, "SSRR"),
    (LOOSE_ROUTE as u32, "LSRR"),
    (ROUTER_ALERT as u32, "RA"),
    (82, "traceroute"),
];

/// Prints `length` bytes of options; an error when they end before that.
pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    let mut at = 0;
    while at < length {
        if at > 0 {
            cx.out.push(',');
        }
        let code = bp.u8(at)?;
        match name(NAMES, code) {
            Some(name) => cx.out.push_str(name),
            None => put!(cx, "unknown {code}"),
        }
        let len = if matches!(code, END | NOP) { 1 } else { usize::from(bp.u8(at + 1)?) };
        if len == 0 || (len == 1 && !matches!(code, END | NOP)) || len > length - at {
            put!(cx, " [bad length {len}]");
            return Ok(());
        }
        let option = bp.take(at, len)?;
        match code {
            END => return Ok(()),
            TIMESTAMP => timestamps(cx, option)?,
            RECORD_ROUTE | STRICT_ROUTE | LOOSE_ROUTE => route(cx, option)?,
            ROUTER_ALERT if len < 4 => put!(cx, " [bad length {len}]"),
            ROUTER_ALERT if option.u16(2)? != 0 => put!(cx, " value {}", option.u16(2)?),
            _ => {}
        }
        at += len;
    }
    Ok(())
}

fn route(cx: &mut Cx<'_>, option: &[u8]) -> Done {
    let len = option.len();
    if len < 3 {
        put!(cx, " [bad length {len}]");
        return Ok(());
    }
    if !(len + 1).is_multiple_of(4) {
        put!(cx, " [bad length {len}]");
    }
    let pointer = usize::from(option.u8(2)?).wrapping_sub(1);
    if pointer < 3 || pointer.wrapping_add(1) % 4 != 0 || pointer > len + 1 {
        put!(cx, " [bad ptr {}]", option.u8(2)?);
    }
    for at in (3..len).step_by(4) {
        put!(cx, " {}", cx.host(option.ip4(at)?));
        if pointer > at {
            cx.out.push(',');
        }
    }
    Ok(())
}

fn timestamps(cx: &mut Cx<'_>, option: &[u8]) -> Done {
    let len = option.len();
    if len < 4 {
        put!(cx, "[bad length {len}]");
        return Ok(());
    }
    cx.out.push_str(" TS{");
    let flags = option.u8(3)?;
    let hop = if flags & 0xf == 0 { 4 } else { 8 };
    if !(len - 4).is_multiple_of(hop) {
        put!(cx, "[bad length {len}]");
    }
    let pointer = usize::from(option.u8(2)?).wrapping_sub(1);
    if pointer < 4 || pointer.wrapping_sub(4) % hop != 0 || pointer > len + 1 {
        put!(cx, "[bad ptr {}]", option.u8(2)?);
    }
    let mut at = 4;
    match flags & 0xf {
        0 => cx.out.push_str("TSONLY"),
        1 => cx.out.push_str("TS+ADDR"),
        3 => cx.out.push_str("PRESPEC"),
        other => {
            put!(cx, "[bad ts type {other}]");
            at = 0;
        }
    }
    while at != 0 && at < len {
        let mark = if pointer == at { " ^ " } else { " " };
        let stamp = option.u32(at + hop - 4)?;
        match hop {
            8 => put!(cx, "{mark}{stamp}@{}", cx.host(option.ip4(at)?)),
            _ => put!(cx, "{mark}{stamp}@"),
        }
        at += hop;
    }
    if pointer == at {
        cx.out.push_str(" ^ ");
    }
    match flags >> 4 {
        0 => cx.out.push('}'),
        missed => put!(cx, " [{missed} hops not recorded]}} "),
    }
    Ok(())
}

/// Where a source-routed datagram finally goes: what transport checksums cover (RFC 1122 section 3.2.1.8).
pub(super) fn final_destination(header: &[u8]) -> Result<Ipv4Addr, Truncated> {
    let destination = header.ip4(16)?;
    let mut rest = header.upto(usize::from(header.u8(0)? & 0xf) * 4).from(20);
    while let Ok(code) = rest.u8(0) {
        let len = match code {
            END => break,
            NOP => 1,
            _ => usize::from(rest.u8(1).unwrap_or(0)),
        };
        if len == 0 || (len == 1 && code != NOP) || len > rest.len() {
            break;
        }
        if matches!(code, LOOSE_ROUTE | STRICT_ROUTE) && len >= 7 {
            return rest.ip4(len - 4);
        }
        rest = rest.from(len);
    }
    Ok(destination)
}
