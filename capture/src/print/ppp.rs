//! PPP (RFC 1661) as a link type: only what carries IP.

use super::cx::{Bytes, Cx, Row, Truncated, name_or, put};
use super::{ip, ip6};

const PROTOCOLS: &[Row] = &[(0x0021, "IP"), (0x0057, "IP6"), (0x0281, "MPLS"), (0xc021, "LCP"), (0x8021, "IPCP")];

pub(super) fn frame(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Result<usize, Truncated> {
    const ADDRESS_AND_CONTROL: u16 = 0xff03;
    const HEADER: usize = 4;
    cx.protocol = "ppp";
    let mut at = if bp.u16(0)? == ADDRESS_AND_CONTROL { 2 } else { 0 };
    // The protocol field may be compressed to one byte, which is then odd.
    let protocol = if bp.u8(at)? & 1 == 0 { bp.u16(at)? } else { u16::from(bp.u8(at)?) };
    at += if bp.u8(at)? & 1 == 0 { 2 } else { 1 };
    if cx.opts.link_header {
        put!(cx, "{} (0x{protocol:04x}), length {length}: ", name_or(PROTOCOLS, protocol, "unknown"));
    }
    let (rest, length) = (bp.from(at), length.saturating_sub(at));
    match protocol {
        0x0021 => ip::print(cx, rest, length)?,
        0x0057 => ip6::print(cx, rest, length)?,
        _ => {
            put!(cx, "{} unknown PPP protocol (0x{protocol:04x})", "");
            cx.unknown(rest);
        }
    }
    Ok(HEADER)
}
