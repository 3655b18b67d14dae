//! A packet as one line of the kernel's log (`net/netfilter/nf_log_syslog.c`).

use core::fmt::Write;
use core::net::Ipv4Addr;

use super::log::LogFlags;
use crate::skb::Skb;

/// Writes to a string, which cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => { let _ = write!($out, $($arg)*); };
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The line.
pub(super) fn line(prefix: &str, flags: LogFlags, skb: &Skb<'_>) -> String {
    let mut out = String::with_capacity(160);
    put!(out, "{prefix}IN={} OUT={} ", skb.input.name(), skb.output.name());
    if skb.phys_in.index.is_some() && skb.phys_in != skb.input {
        put!(out, "PHYSIN={} ", skb.phys_in.name());
    }
    if skb.phys_out.index.is_some() && skb.phys_out != skb.output {
        put!(out, "PHYSOUT={} ", skb.phys_out.name());
    }
    if skb.input.index.is_some() {
        put_mac(&mut out, skb.packet.mac_header(), flags);
    }
    put_ip(&mut out, skb.packet.data(), flags, 0);
    if let Some((uid, gid)) = skb.owner.filter(|_| flags.contains(LogFlags::UID)) {
        put!(out, "UID={uid} GID={gid} ");
    }
    if skb.packet.mark != 0 {
        put!(out, "MARK={:#x} ", skb.packet.mark);
    }
    out
}

/// The line of a packet that connection tracking has something to say about.
pub fn packet_line(prefix: &str, skb: &Skb<'_>) -> String {
    line(prefix, LogFlags::empty(), skb)
}

fn put_mac(out: &mut String, header: &[u8], flags: LogFlags) {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":");
    if flags.contains(LogFlags::MACDECODE) && header.len() >= 14 {
        let (to, from) = (hex(&header[..6]), hex(&header[6..12]));
        put!(out, "MACSRC={from} MACDST={to} MACPROTO={:04x} ", word(header, 12));
    } else {
        put!(out, "MAC={} ", hex(header));
    }
}

/// Deeper packets within ICMP errors are not told.
const DEEPEST: u8 = 1;

fn put_ip(out: &mut String, bytes: &[u8], flags: LogFlags, depth: u8) {
    let Some(ip) = bytes.get(..20) else {
        put!(out, "TRUNCATED");
        return;
    };
    put!(out, "SRC={} DST={} ", Ipv4Addr::from(long(ip, 12)), Ipv4Addr::from(long(ip, 16)));
    put!(out, "LEN={} TOS=0x{:02X} PREC=0x{:02X} ", word(ip, 2), ip[1] & 0x1e, ip[1] & 0xe0);
    put!(out, "TTL={} ID={} ", ip[8], word(ip, 4));
    let fragment = word(ip, 6);
    for (bit, name) in [(0x8000, "CE "), (0x4000, "DF "), (0x2000, "MF ")] {
        out.push_str(if fragment & bit != 0 { name } else { "" });
    }
    let offset = fragment & 0x1fff;
    if offset != 0 {
        put!(out, "FRAG:{offset} ");
    }
    let len = usize::from(ip[0] & 15) * 4;
    if flags.contains(LogFlags::IPOPT) && len > 20 {
        let Some(options) = bytes.get(20..len) else {
            put!(out, "TRUNCATED");
            return;
        };
        put_options(out, options);
    }
    let rest = bytes.get(len..).unwrap_or_default();
    put_transport(out, ip[9], rest, offset != 0, flags, depth);
}

fn put_options(out: &mut String, options: &[u8]) {
    out.push_str("OPT (");
    for byte in options {
        put!(out, "{byte:02X}");
    }
    out.push_str(") ");
}

fn put_transport(out: &mut String, protocol: u8, bytes: &[u8], later: bool, flags: LogFlags, depth: u8) {
    let incomplete = |out: &mut String| {
        put!(out, "INCOMPLETE [{} bytes] ", bytes.len());
    };
    match protocol {
        6 => {
            out.push_str("PROTO=TCP ");
            match bytes.get(..20) {
                _ if later => {}
                None => incomplete(out),
                Some(header) => put_tcp(out, header, bytes, flags),
            }
        }
        17 | 136 => {
            out.push_str(if protocol == 17 { "PROTO=UDP " } else { "PROTO=UDPLITE " });
            match bytes.get(..8) {
                _ if later => {}
                None => incomplete(out),
                Some(h) => {
                    put!(out, "SPT={} DPT={} LEN={} ", word(h, 0), word(h, 2), word(h, 4));
                }
            }
        }
        1 => {
            out.push_str("PROTO=ICMP ");
            match bytes.get(..8) {
                _ if later => {}
                None => incomplete(out),
                Some(header) => put_icmp(out, header, bytes, flags, depth),
            }
        }
        other => {
            put!(out, "PROTO={other} ");
        }
    }
}

fn put_tcp(out: &mut String, header: &[u8], bytes: &[u8], flags: LogFlags) {
    put!(out, "SPT={} DPT={} ", word(header, 0), word(header, 2));
    if flags.contains(LogFlags::TCPSEQ) {
        put!(out, "SEQ={} ACK={} ", long(header, 4), long(header, 8));
    }
    let bits = word(header, 12);
    put!(out, "WINDOW={} RES=0x{:02x} ", word(header, 14), (bits & 0x0fc0) >> 6);
    for (bit, name) in [
        (0x80, "CWR "),
        (0x40, "ECE "),
        (0x20, "URG "),
        (0x10, "ACK "),
        (0x08, "PSH "),
        (0x04, "RST "),
        (0x02, "SYN "),
        (0x01, "FIN "),
    ] {
        out.push_str(if bits & bit != 0 { name } else { "" });
    }
    put!(out, "URGP={} ", word(header, 18));
    let len = usize::from(header[12] >> 4) * 4;
    if flags.contains(LogFlags::TCPOPT) && len > 20 {
        match bytes.get(20..len) {
            Some(options) => put_options(out, options),
            None => out.push_str("OPT (TRUNCATED)"),
        }
    }
}

fn put_icmp(out: &mut String, header: &[u8], bytes: &[u8], flags: LogFlags, depth: u8) {
    let (kind, code) = (header[0], header[1]);
    put!(out, "TYPE={kind} CODE={code} ");
    let quoted = |out: &mut String| {
        if depth < DEEPEST {
            out.push('[');
            put_ip(out, &bytes[8..], flags, depth + 1);
            out.push_str("] ");
        }
    };
    match kind {
        0 | 8 | 13 | 14 | 15 | 16 => {
            put!(out, "ID={} SEQ={} ", word(header, 4), word(header, 6));
        }
        12 => {
            put!(out, "PARAMETER={} ", header[4]);
            quoted(out);
        }
        5 => {
            put!(out, "GATEWAY={} ", Ipv4Addr::from(long(header, 4)));
            quoted(out);
        }
        3 | 4 | 11 => {
            quoted(out);
            if kind == 3 && code == 4 {
                put!(out, "MTU={} ", word(header, 6));
            }
        }
        _ => {}
    }
}
