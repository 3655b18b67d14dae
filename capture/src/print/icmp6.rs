//! ICMPv6 (RFC 4443), neighbour discovery (RFC 4861), multicast listener discovery (RFC 2710, 3810).

use super::cx::{Bytes, Cx, Done, Row, bits, name, name_or, put, should_be};
use super::groups::MLD;
use super::ip::{self, Net};
use crate::services::Transport;

const TYPES: &[Row] = &[
    (1, "destination unreachable"),
    (2, "packet too big"),
    (3, "time exceeded in-transit"),
    (4, "parameter problem"),
    (128, "echo request"),
    (129, "echo reply"),
    (130, "multicast listener query"),
    (131, "multicast listener report"),
    (132, "multicast listener done"),
    (133, "router solicitation"),
    (134, "router advertisement"),
    (135, "neighbor solicitation"),
    (136, "neighbor advertisement"),
    (137, "redirect"),
    (138, "router renumbering"),
    (139, "node information query"),
    (140, "node information reply"),
    (141, "inverse neighbor solicitation"),
    (142, "inverse neighbor advertisement"),
    (143, "multicast listener report v2"),
    (144, "dhaad request"),
    (145, "dhaad reply"),
    (146, "mobile router solicitation"),
    (147, "mobile router advertisement"),
    (155, "RPL"),
];

const UNREACHABLE: &[Row] = &[
    (0, "unreachable route"),
    (1, " unreachable prohibited"),
    (2, "beyond scope"),
    (3, "unreachable address"),
    (4, "unreachable port"),
];

const ADVERTISED: &[Row] = &[(0x8000_0000, "router"), (0x4000_0000, "solicited"), (0x2000_0000, "override")];
const ROUTER_FLAGS: &[Row] =
    &[(0x80, "managed"), (0x40, "other stateful"), (0x20, "home agent"), (0x04, "ND proxy"), (0x02, "SNAC")];
const PREFIX_FLAGS: &[Row] = &[(0x80, "onlink"), (0x40, "auto"), (0x20, "router")];
const PREFERENCES: [&str; 4] = ["medium", "high", "*reserved*", "low"];

const OPTIONS: &[Row] = &[
    (1, "source link-address"),
    (2, "destination link-address"),
    (3, "prefix info"),
    (4, "redirected header"),
    (5, "mtu"),
    (7, "advertisement interval"),
    (8, "homeagent information"),
    (24, "route info"),
    (25, "rdnss"),
    (31, "dnssl"),
];

/// Where the quoted datagram stands.
const QUOTED: usize = 8;

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize, net: &Net<'_>) -> Done {
    cx.protocol = "icmp6";
    if net.version != 6 {
        cx.out.push_str("[ICMPv6 requires IPv6]");
        cx.invalid();
        return Ok(());
    }
    let (kind, code) = (bp.u8(0)?, bp.u8(1)?);
    if cx.opts.verbose > 0
        && !net.fragmented
        && let Ok(message) = bp.take(0, length)
    {
        let found = bp.u16(2)?;
        match net.residue(58, message, length)? {
            0 => cx.out.push_str("[icmp6 sum ok] "),
            wrong => put!(cx, "[bad icmp6 cksum 0x{found:04x} -> 0x{:04x}!] ", should_be(found, wrong)),
        }
    }
    match name(TYPES, kind) {
        Some(name) => put!(cx, "ICMP6, {name}"),
        None => put!(cx, "ICMP6, unknown icmp6 type ({kind})"),
    }
    let length_first = matches!(kind, 133..=137 | 145 | 147) && cx.opts.verbose > 0;
    if length_first {
        put!(cx, ", length {length}");
    }
    if !print_body(cx, bp, length, kind, code)? {
        return Ok(());
    }
    if cx.opts.verbose == 0 {
        put!(cx, ", length {length}");
    }
    Ok(())
}

/// What a type adds; false when it ends the line.
fn print_body(cx: &mut Cx<'_>, bp: &[u8], length: usize, kind: u8, code: u8) -> Result<bool, super::cx::Truncated> {
    match kind {
        1 => return print_unreachable(cx, bp, length, code),
        2 => put!(cx, ", mtu {}", bp.u32(4)?),
        3 => {
            let destination = bp.ip6(QUOTED + 24)?;
            match code {
                0 => put!(cx, " for {destination}"),
                1 => cx.out.push_str(" (reassembly)"),
                _ => put!(cx, ", unknown code ({code})"),
            }
        }
        4 => {
            bp.ip6(QUOTED + 24)?;
            let pointer = bp.u32(4)?;
            match code {
                0 => put!(cx, ", erroneous - octet {pointer}"),
                1 => put!(cx, ", next header - octet {pointer}"),
                2 => put!(cx, ", option - octet {pointer}"),
                _ => put!(cx, ", code-#{code}"),
            }
        }
        128 | 129 => put!(cx, ", id {}, seq {}", bp.u16(4)?, bp.u16(6)?),
        130 if length == 24 => listener(cx, bp)?,
        130 if length >= 28 => listener_query2(cx, bp, length)?,
        130 => put!(cx, " unknown-version (len {length}) "),
        131 | 132 => listener(cx, bp)?,
        133 if cx.opts.verbose > 0 => options(cx, bp, 8, length)?,
        134 if cx.opts.verbose > 0 => router_advertisement(cx, bp, length)?,
        135 => {
            put!(cx, ", who has {}", bp.ip6(8)?);
            if cx.opts.verbose > 0 {
                options(cx, bp, 24, length)?;
            }
        }
        136 => {
            put!(cx, ", tgt is {}", bp.ip6(8)?);
            if cx.opts.verbose > 0 {
                put!(cx, ", Flags [{}]", bits(ADVERTISED, bp.u32(4)?, ", ", "none"));
                options(cx, bp, 24, length)?;
            }
        }
        137 => {
            put!(cx, ", {} to {}", bp.ip6(24)?, bp.ip6(8)?);
            if cx.opts.verbose > 0 {
                options(cx, bp, 40, length)?;
            }
        }
        143 => listener_report2(cx, bp, length)?,
        133 | 134 => {}
        _ if cx.opts.verbose <= 1 && name(TYPES, kind).is_none() => {
            put!(cx, ", length {length}");
            cx.unknown_data("\n\t", bp.from(QUOTED), length.saturating_sub(QUOTED));
            return Ok(false);
        }
        _ => {}
    }
    Ok(true)
}

fn print_unreachable(cx: &mut Cx<'_>, bp: &[u8], length: usize, code: u8) -> Result<bool, super::cx::Truncated> {
    let (source, destination) = (bp.ip6(QUOTED + 8)?, bp.ip6(QUOTED + 24)?);
    match name(UNREACHABLE, code) {
        Some(name) => put!(cx, ", {name}"),
        None => put!(cx, ", unknown unreach code ({code})"),
    }
    match code {
        0 | 1 | 3 => put!(cx, " {destination}"),
        2 => put!(cx, " {destination}, source address {source}"),
        4 => {
            let protocol = bp.u8(QUOTED + 6)?;
            let port = bp.u16(QUOTED + 42)?;
            match protocol {
                ip::TCP => put!(cx, ", {destination} tcp port {}", cx.port(port, Transport::Tcp)),
                ip::UDP => put!(cx, ", {destination} udp port {}", cx.port(port, Transport::Udp)),
                _ => put!(cx, ", {destination} protocol {protocol} port {port} unreachable"),
            }
        }
        _ if cx.opts.verbose <= 1 => {
            cx.unknown_data("\n\t", bp, length);
            return Ok(false);
        }
        _ => {}
    }
    Ok(true)
}

fn listener(cx: &mut Cx<'_>, bp: &[u8]) -> Done {
    put!(cx, "max resp delay: {} addr: {}", bp.u16(4)?, bp.ip6(8)?);
    Ok(())
}

fn listener_query2(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    cx.out.push_str(" v2");
    let code = bp.u16(4)?;
    let milliseconds = if code < 32_768 {
        u32::from(code)
    } else {
        (u32::from(code & 0x0fff) | 0x1000) << (((code & 0x7000) >> 12) + 3)
    };
    if cx.opts.verbose > 0 || milliseconds != 10_000 {
        put!(cx, " [max resp delay={milliseconds}]");
    }
    let group = bp.ip6(8)?;
    if group.is_unspecified() {
        return Ok(());
    }
    put!(cx, " [gaddr {group}");
    if cx.opts.verbose > 0 {
        if bp.u8(24)? & 0x08 != 0 {
            cx.out.push_str(" sflag");
        }
        put!(cx, " robustness={} qqi={}", bp.u8(24)? & 7, bp.u8(25)?);
    }
    let sources = usize::from(bp.u16(26)?);
    if sources > 0 {
        if length < 28 + 16 * sources {
            cx.out.push_str(" [invalid number of sources]");
        } else if cx.opts.verbose > 1 {
            MLD.sources(cx, bp, 28, sources)?;
        } else {
            put!(cx, ", {sources} source(s)");
        }
    }
    cx.out.push(']');
    Ok(())
}

fn listener_report2(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    if length < 8 {
        put!(cx, " [invalid len {length}]");
        return Ok(());
    }
    MLD.report(cx, bp, length)
}

fn router_advertisement(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    let flags = bp.u8(5)?;
    put!(
        cx,
        "\n\thop limit {}, Flags [{}], pref {}, router lifetime {}s, reachable time {}ms, retrans timer {}ms",
        bp.u8(4)?,
        bits(ROUTER_FLAGS, flags, ", ", "none"),
        PREFERENCES[usize::from(flags >> 3 & 3)],
        bp.u16(6)?,
        bp.u32(8)?,
        bp.u32(12)?
    );
    options(cx, bp, 16, length)
}

/// A lifetime in seconds.
fn lifetime(seconds: u32) -> String {
    if seconds == u32::MAX { "infinity".to_owned() } else { format!("{seconds}s") }
}

fn options(cx: &mut Cx<'_>, bp: &[u8], at: usize, length: usize) -> Done {
    let mut rest = bp.upto(length).from(at);
    while !rest.is_empty() {
        let (kind, blocks) = (rest.u8(0)?, rest.u8(1)?);
        let len = usize::from(blocks) * 8;
        let label = name_or(OPTIONS, kind, "unknown");
        put!(cx, "\n\t  {label} option ({kind}), length {len} ({blocks}): ");
        if len == 0 {
            cx.invalid();
            return Ok(());
        }
        let option = rest.take(0, len)?;
        match kind {
            1 | 2 if len == 8 => {
                let shown = super::cx::hex_colon(&option.mac(2)?);
                cx.out.push_str(&shown);
            }
            3 if len >= 32 => {
                let flags = bits(PREFIX_FLAGS, option.u8(3)?, ", ", "none");
                let (valid, preferred) = (lifetime(option.u32(4)?), lifetime(option.u32(8)?));
                let prefix = option.ip6(16)?;
                put!(cx, "{prefix}/{}, Flags [{flags}], valid time {valid}, pref. time {preferred}", option.u8(2)?);
            }
            5 => {
                put!(cx, " {}", option.u32(4)?);
                if len != 8 {
                    put!(cx, ", bad option length {blocks}");
                }
            }
            25 => {
                put!(cx, " lifetime {}s,", option.u32(4)?);
                for index in 0..(len - 8) / 16 {
                    put!(cx, " addr: {}", option.ip6(8 + 16 * index)?);
                }
            }
            4 => cx.unknown_data("\n\t    ", option, len),
            _ => {}
        }
        if cx.opts.verbose <= 1 && name(OPTIONS, kind).is_none() {
            cx.unknown_data("\n\t  ", option.from(2), len - 2);
        }
        if cx.opts.verbose > 1 {
            cx.unknown_data("\n\t    ", option.from(2), len - 2);
        }
        rest = rest.from(len);
    }
    Ok(())
}
