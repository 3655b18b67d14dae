//! UDP (RFC 768).

use super::cx::{Bytes, Cx, Done, put, should_be};
use super::ip::{self, Net};
use super::registry::{self, Ports};
use crate::services::Transport;

const HEADER: usize = 8;

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], mut length: usize, net: &Net<'_>) -> Done {
    cx.protocol = "udp";
    if bp.u16(2).is_err() {
        let (from, to) = net.addresses(cx)?;
        put!(cx, "{from} > {to}: ");
        cx.trunc();
        return Ok(());
    }
    let ports = Ports { source: bp.u16(0)?, destination: bp.u16(2)? };
    let (source, destination) = (cx.port(ports.source, Transport::Udp), cx.port(ports.destination, Transport::Udp));
    net.print_ports(cx, ip::UDP, &source, &destination)?;
    if length < HEADER {
        put!(cx, "truncated-udp {length}");
        return Ok(());
    }
    let mut announced = usize::from(bp.u16(4)?);
    if announced == 0 && length > 65_535 {
        announced = length; // a jumbogram (RFC 2675)
    }
    if announced < HEADER {
        put!(cx, "truncated-udplength {announced}");
        return Ok(());
    }
    announced -= HEADER;
    length = (length - HEADER).min(announced);
    if bp.len() < HEADER {
        cx.trunc();
        return Ok(());
    }
    // IPv6 has no other checksum, and no datagrams without one.
    let enough = if net.version == 4 { 2 } else { 1 };
    if cx.opts.verbose >= enough && !cx.opts.no_checksums && !net.fragmented {
        print_checksum(cx, bp, length, net)?;
    }
    match registry::udp_application(&ports) {
        Some(print) if cx.opts.quiet == 0 => cx.nested(|cx| print(cx, bp.from(HEADER), length, &ports)),
        _ if announced > length && !net.fragmented => {
            put!(cx, "UDP, bad length {announced} > {length}");
            Ok(())
        }
        _ => {
            put!(cx, "UDP, length {announced}");
            Ok(())
        }
    }
}

fn print_checksum(cx: &mut Cx<'_>, bp: &[u8], length: usize, net: &Net<'_>) -> Done {
    let found = bp.u16(6)?;
    if found == 0 && net.version == 4 {
        cx.out.push_str("[no cksum] ");
    } else if let Ok(datagram) = bp.take(0, HEADER + length) {
        match net.residue(ip::UDP, datagram, HEADER + length)? {
            0 => cx.out.push_str("[udp sum ok] "),
            wrong => put!(cx, "[bad udp cksum 0x{found:04x} -> 0x{:04x}!] ", should_be(found, wrong)),
        }
    }
    Ok(())
}
