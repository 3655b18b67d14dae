//! ARP and RARP (RFC 826, RFC 903, RFC 2390).

use super::cx::{Bytes, Cx, Done, Row, Truncated, hex_colon, name, put};
use super::ether::{self, ETHERTYPE_NAMES};

const HARDWARE: &[Row] = &[
    (1, "Ethernet"),
    (6, "TokenRing"),
    (7, "ArcNet"),
    (15, "FrameRelay"),
    (19, "ATM"),
    (23, "Strip"),
    (24, "IEEE 1394"),
    (32, "InfiniBand"),
];

const OPERATION: &[Row] = &[
    (1, "Request"),
    (2, "Reply"),
    (3, "Reverse Request"),
    (4, "Reverse Reply"),
    (8, "Inverse Request"),
    (9, "Inverse Reply"),
    (10, "NACK Reply"),
];

/// Where the four addresses of a packet stand.
struct Packet<'a> {
    bytes: &'a [u8],
    protocol: u16,
    hardware_len: usize,
    protocol_len: usize,
}

impl Packet<'_> {
    const ADDRESSES: usize = 8;

    fn sender_hardware(&self) -> Result<&[u8], Truncated> {
        self.bytes.take(Self::ADDRESSES, self.hardware_len)
    }

    fn target_hardware(&self) -> Result<&[u8], Truncated> {
        self.bytes.take(Self::ADDRESSES + self.hardware_len + self.protocol_len, self.hardware_len)
    }

    fn sender_ip(&self, cx: &Cx<'_>) -> Result<String, Truncated> {
        self.ip(cx, Self::ADDRESSES + self.hardware_len)
    }

    fn target_ip(&self, cx: &Cx<'_>) -> Result<String, Truncated> {
        self.ip(cx, Self::ADDRESSES + 2 * self.hardware_len + self.protocol_len)
    }

    fn ip(&self, cx: &Cx<'_>, at: usize) -> Result<String, Truncated> {
        Ok(if !is_ip(self.protocol) {
            "<wrong proto type>".to_owned()
        } else if self.protocol_len != 4 {
            "<wrong len>".to_owned()
        } else {
            cx.host(self.bytes.ip4(at)?)
        })
    }
}

/// IPv4, or Berkeley's trailer encapsulation of it.
fn is_ip(protocol: u16) -> bool {
    matches!(protocol, ether::IPV4 | 0x1000)
}

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    cx.protocol = "arp";
    let (hardware, protocol) = (bp.u16(0)?, bp.u16(2)?);
    let (hardware_len, protocol_len) = (usize::from(bp.u8(4)?), usize::from(bp.u8(5)?));
    let operation = bp.u16(6)?;
    let packet = Packet { bytes: bp, protocol, hardware_len, protocol_len };
    if bp.take(Packet::ADDRESSES, 2 * (hardware_len + protocol_len)).is_err() {
        cx.trunc();
        return Ok(());
    }
    if !cx.opts.link_header {
        cx.out.push_str("ARP, ");
    }
    if !is_ip(protocol) || protocol_len != 4 || hardware_len == 0 || cx.opts.verbose > 0 {
        let hardware_name = name(HARDWARE, hardware).map_or(format!("Unknown Hardware ({hardware})"), str::to_owned);
        let protocol_name =
            name(ETHERTYPE_NAMES, protocol).map_or(format!("Unknown Protocol (0x{protocol:04x})"), str::to_owned);
        put!(cx, "{hardware_name} (len {hardware_len}), {protocol_name} (len {protocol_len})");
        if cx.opts.verbose == 0 {
            put!(cx, ", length {length}");
            return Ok(());
        }
        cx.out.push_str(", ");
    }
    match name(OPERATION, operation) {
        Some(name) => put!(cx, "{name} "),
        None => put!(cx, "Unknown ({operation}) "),
    }
    if !print_addresses(cx, &packet, hardware, operation)? {
        super::dump::hex_and_ascii(&mut cx.out, "\n\t", bp);
        return Ok(());
    }
    put!(cx, ", length {length}");
    Ok(())
}

/// Who asks whom for what; false for an operation that is not known.
fn print_addresses(cx: &mut Cx<'_>, packet: &Packet<'_>, hardware: u16, operation: u16) -> Result<bool, Truncated> {
    let link = |address: &[u8]| link_address(cx.opts.numeric, hardware, address);
    let text = match operation {
        1 => {
            let target = packet.target_hardware()?;
            let known = if target.iter().any(|&b| b != 0) { format!(" ({})", link(target)) } else { String::new() };
            format!("who-has {}{known} tell {}", packet.target_ip(cx)?, packet.sender_ip(cx)?)
        }
        2 => format!("{} is-at {}", packet.sender_ip(cx)?, link(packet.sender_hardware()?)),
        3 | 8 => format!("who-is {} tell {}", link(packet.target_hardware()?), link(packet.sender_hardware()?)),
        4 => format!("{} at {}", link(packet.target_hardware()?), packet.target_ip(cx)?),
        9 => format!("{} at {}", link(packet.sender_hardware()?), packet.sender_ip(cx)?),
        _ => return Ok(false),
    };
    cx.out.push_str(&text);
    Ok(true)
}

fn link_address(numeric: bool, _hardware: u16, address: &[u8]) -> String {
    match <[u8; 6]>::try_from(address) {
        Ok(mac) => ether::address(numeric, mac),
        Err(_) if address.is_empty() => "<empty>".to_owned(),
        Err(_) => hex_colon(address),
    }
}
