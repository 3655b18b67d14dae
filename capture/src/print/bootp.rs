//! BOOTP and DHCP (RFC 951, 2131). The options are in `dhcp_options`.

use super::cx::{Bytes, Cx, Done, Row, bits, name, put, safe_string};
use super::registry::Ports;
use super::{dhcp_options, ether};

const FLAGS: &[Row] = &[(0x8000, "Broadcast")];
const REQUEST: u8 = 1;
const OPERATIONS: &[Row] = &[(REQUEST as u32, "Request"), (2, "Reply")];

const CLIENT_HARDWARE: usize = 28;
const SERVER_NAME: usize = 44;
const FILE: usize = 108;
const VENDOR: usize = 236;
const DHCP_COOKIE: u32 = 0x6382_5363;

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    cx.protocol = "bootp";
    let operation = bp.u8(0)?;
    match name(OPERATIONS, operation) {
        Some(name) => put!(cx, "BOOTP/DHCP, {name}"),
        None => put!(cx, "BOOTP/DHCP, unknown (0x{operation:02x})"),
    }
    let (hardware, hardware_len) = (bp.u8(1)?, bp.u8(2)?);
    let is_ethernet = (hardware, hardware_len) == (1, 6);
    if is_ethernet && operation == REQUEST {
        let client = ether::address(cx.opts.numeric, bp.mac(CLIENT_HARDWARE)?);
        put!(cx, " from {client}");
    }
    put!(cx, ", length {length}");
    if cx.opts.verbose == 0 {
        return Ok(());
    }
    bp.u16(8)?;
    if hardware != 1 {
        put!(cx, ", htype {hardware}");
    }
    if !is_ethernet {
        put!(cx, ", hlen {hardware_len}");
    }
    if bp.u8(3)? != 0 {
        put!(cx, ", hops {}", bp.u8(3)?);
    }
    if bp.u32(4)? != 0 {
        put!(cx, ", xid 0x{:x}", bp.u32(4)?);
    }
    if bp.u16(8)? != 0 {
        put!(cx, ", secs {}", bp.u16(8)?);
    }
    let flags = bp.u16(10)?;
    put!(cx, ", Flags [{}]", bits(FLAGS, flags, ", ", "none"));
    if cx.opts.verbose > 1 {
        put!(cx, " (0x{flags:04x})");
    }
    for (at, label) in [(12, "Client"), (16, "Your"), (20, "Server"), (24, "Gateway")] {
        if bp.u32(at)? != 0 {
            put!(cx, "\n\t  {label}-IP {}", bp.ip4(at)?);
        }
    }
    if is_ethernet {
        let client = ether::address(cx.opts.numeric, bp.mac(CLIENT_HARDWARE)?);
        put!(cx, "\n\t  Client-Ethernet-Address {client}");
    }
    for (at, len, label) in [(SERVER_NAME, FILE - SERVER_NAME, "sname"), (FILE, VENDOR - FILE, "file")] {
        if bp.u8(at)? != 0 && !print_field(cx, bp, at, len, label) {
            return Ok(());
        }
    }
    match bp.u32(VENDOR)? {
        DHCP_COOKIE => dhcp_options::print(cx, bp.from(VENDOR)),
        0 => Ok(()),
        other => {
            put!(cx, "\n\t  Vendor-#0x{other:x}");
            Ok(())
        }
    }
}

/// A text that ends with a zero or with its field; false when the capture ends first.
fn print_field(cx: &mut Cx<'_>, bp: &[u8], at: usize, len: usize, label: &str) -> bool {
    let field = bp.from(at).upto(len);
    let end = field.iter().position(|&b| b == 0);
    let complete = end.is_some() || field.len() == len;
    put!(cx, "\n\t  {label} \"{}\"", safe_string(field.upto(end.unwrap_or(field.len()))));
    if !complete {
        cx.trunc();
    }
    complete
}
