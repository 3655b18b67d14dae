//! ICMP (RFC 792, 950, 1191, 1256, 4884).

use super::cx::{Bytes, Cx, Done, Row, Truncated, name, put, residue, should_be};
use super::ip::{self, Net};
use crate::services::Transport;

const UNREACHABLE: u8 = 3;
const REDIRECT: u8 = 5;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
/// Where the quoted datagram stands.
const QUOTED: usize = 8;

const TYPES: &[Row] = &[
    (4, "source quench"),
    (10, "router solicitation"),
    (15, "information request"),
    (16, "information reply"),
    (17, "address mask request"),
];

/// Codes of "unreachable", before and after the destination.
const UNREACHABLE_CODES: &[(u8, &str, &str)] = &[
    (0, "net ", " unreachable"),
    (1, "host ", " unreachable"),
    (5, "", " unreachable - source route failed"),
    (6, "net ", " unreachable - unknown"),
    (7, "host ", " unreachable - unknown"),
    (8, "", " unreachable - source host isolated"),
    (9, "net ", " unreachable - admin prohibited"),
    (10, "host ", " unreachable - admin prohibited"),
    (11, "net ", " unreachable - tos prohibited"),
    (12, "host ", " unreachable - tos prohibited"),
    (13, "host ", " unreachable - admin prohibited filter"),
    (14, "host ", " unreachable - host precedence violation"),
    (15, "host ", " unreachable - precedence cutoff"),
];

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize, net: &Net<'_>) -> Done {
    cx.protocol = "icmp";
    let (kind, code) = (bp.u8(0)?, bp.u8(1)?);
    let text = describe(cx, bp, kind, code)?;
    put!(cx, "ICMP {text}, length {length}");
    if cx.opts.verbose == 0 {
        return Ok(());
    }
    if !net.fragmented
        && !cx.opts.no_checksums
        && let Ok(message) = bp.take(0, length)
    {
        let wrong = residue(&[message]);
        if wrong != 0 {
            let found = bp.u16(2)?;
            put!(cx, " (wrong icmp cksum {found:x} (->{:x})!)", should_be(found, wrong));
        }
    }
    // Errors quote the datagram they are about.
    if matches!(kind, 3 | 4 | 5 | 11 | 12) {
        cx.out.push_str("\n\t");
        let quoted = bp.from(QUOTED);
        let quoted_length = usize::from(quoted.u16(2)?);
        cx.nested(|cx| ip::print(cx, quoted.upto(quoted_length), quoted_length))?;
        cx.protocol = "icmp";
    }
    Ok(())
}

fn describe(cx: &Cx<'_>, bp: &[u8], kind: u8, code: u8) -> Result<String, Truncated> {
    Ok(match kind {
        0 | 8 => {
            let direction = if kind == 8 { "request" } else { "reply" };
            format!("echo {direction}, id {}, seq {}", bp.u16(4)?, bp.u16(6)?)
        }
        UNREACHABLE => unreachable(cx, bp, code)?,
        REDIRECT => {
            let destination = cx.host(bp.ip4(QUOTED + 16)?);
            let gateway = cx.host(bp.ip4(4)?);
            match code {
                0 => format!("redirect {destination} to net {gateway}"),
                1 => format!("redirect {destination} to host {gateway}"),
                2 => format!("redirect-tos {destination} to net {gateway}"),
                3 => format!("redirect-tos {destination} to host {gateway}"),
                _ => format!("redirect-#{code} {destination} to {gateway}"),
            }
        }
        9 => router_advertisement(cx, bp)?,
        TIME_EXCEEDED => {
            bp.ip4(QUOTED + 16)?;
            match code {
                0 => "time exceeded in-transit".to_owned(),
                1 => "ip reassembly time exceeded".to_owned(),
                _ => format!("time exceeded-#{code}"),
            }
        }
        PARAMETER_PROBLEM if code != 0 => format!("parameter problem - code {code}"),
        PARAMETER_PROBLEM => format!("parameter problem - octet {}", bp.u8(4)?),
        13 => format!("time stamp query id {} seq {}", bp.u16(4)?, bp.u16(6)?),
        14 => {
            let (id, seq) = (bp.u16(4)?, bp.u16(6)?);
            let [originate, receive, transmit] = [8, 12, 16].map(|at| bp.u32(at).map(time_of_day));
            format!("time stamp reply id {id} seq {seq}: org {}, recv {}, xmit {}", originate?, receive?, transmit?)
        }
        18 => format!("address mask is 0x{:08x}", bp.u32(8)?),
        _ => name(TYPES, kind).map_or(format!("type-#{kind}"), str::to_owned),
    })
}

/// Milliseconds since midnight, as RFC 792 stamps them.
fn time_of_day(milliseconds: u32) -> String {
    let second = milliseconds / 1000;
    format!("{:02}:{:02}:{:02}.{:03}", second / 3600, second / 60 % 60, second % 60, milliseconds % 1000)
}

fn unreachable(cx: &Cx<'_>, bp: &[u8], code: u8) -> Result<String, Truncated> {
    let destination = cx.host(bp.ip4(QUOTED + 16)?);
    Ok(match code {
        2 => format!("{destination} protocol {} unreachable", bp.u8(QUOTED + 9)?),
        3 => {
            let protocol = bp.u8(QUOTED + 9)?;
            let transport = QUOTED + usize::from(bp.u8(QUOTED)? & 0xf) * 4;
            let port = bp.u16(transport + 2)?;
            match protocol {
                ip::TCP => format!("{destination} tcp port {} unreachable", cx.port(port, Transport::Tcp)),
                ip::UDP => format!("{destination} udp port {} unreachable", cx.port(port, Transport::Udp)),
                _ => format!("{destination} protocol {protocol} port {port} unreachable"),
            }
        }
        4 => match bp.u16(6)? {
            0 => format!("{destination} unreachable - need to frag"),
            mtu => format!("{destination} unreachable - need to frag (mtu {mtu})"),
        },
        _ => match UNREACHABLE_CODES.iter().find(|row| row.0 == code) {
            Some((_, before, after)) => format!("{before}{destination}{after}"),
            None => format!("{destination} unreachable - #{code}"),
        },
    })
}

fn router_advertisement(cx: &Cx<'_>, bp: &[u8]) -> Result<String, Truncated> {
    let (count, size, lifetime) = (bp.u8(4)?, bp.u8(5)?, bp.u16(6)?);
    let lifetime = match lifetime {
        0..60 => format!("{lifetime}"),
        60..3600 => format!("{}:{:02}", lifetime / 60, lifetime % 60),
        _ => format!("{}:{:02}:{:02}", lifetime / 3600, lifetime % 3600 / 60, lifetime % 60),
    };
    let mut text = format!("router advertisement lifetime {lifetime} {count}:");
    if size != 2 {
        text.push_str(&format!(" [size {size}]"));
        return Ok(text);
    }
    for index in 0..usize::from(count) {
        let at = 8 + 8 * index;
        text.push_str(&format!(" {{{} {}}}", cx.host(bp.ip4(at)?), bp.u32(at + 4)?));
    }
    Ok(text)
}
