//! Names for numbers, as `/etc/hosts`, `/etc/services`, `/etc/protocols` and `/etc/passwd` of the machine have them.

use core::net::Ipv4Addr;

/// Looks names up, both ways. Each answer may be "there is none".
pub trait Names {
    /// The addresses of a host.
    fn addrs_of(&self, _host: &str) -> Vec<Ipv4Addr> {
        Vec::new()
    }

    /// The name of an address.
    fn host_name(&self, _addr: Ipv4Addr) -> Option<String> {
        None
    }

    /// The name of a network (`/etc/networks`).
    fn network_name(&self, _addr: Ipv4Addr) -> Option<String> {
        None
    }

    /// The port of a service; of any protocol if none is said.
    fn port_of(&self, _service: &str, _protocol: Option<u8>) -> Option<u16> {
        None
    }

    /// The name of a port.
    fn port_name(&self, _port: u16, _protocol: u8) -> Option<String> {
        None
    }

    /// The number of a protocol.
    fn protocol_of(&self, _name: &str) -> Option<u8> {
        None
    }

    /// The name of a protocol.
    fn protocol_name(&self, _number: u8) -> Option<String> {
        None
    }

    /// The number of a user.
    fn uid_of(&self, _user: &str) -> Option<u32> {
        None
    }

    /// The name of a user.
    fn user_name(&self, _uid: u32) -> Option<String> {
        None
    }

    /// The number of a group.
    fn gid_of(&self, _group: &str) -> Option<u32> {
        None
    }

    /// The name of a group.
    fn group_name(&self, _gid: u32) -> Option<String> {
        None
    }

    /// The dimension of a set (`ipset`).
    fn set_dimension(&self, _name: &str) -> Option<u8> {
        None
    }
}

/// Knows no names but those of the protocols that `iptables` itself knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Names for NoNames {}

/// The protocols that `iptables` knows without asking (`xtables_chain_protos`).
static PROTOCOLS: &[(&str, u8)] = &[
    ("tcp", 6),
    ("sctp", 132),
    ("udp", 17),
    ("udplite", 136),
    ("icmp", 1),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-mh", 135),
    ("mh", 135),
    ("all", 0),
];

/// The number of a protocol, given by number or name in any case (`xtables_parse_protocol`).
pub fn protocol(names: &dyn Names, word: &str) -> Option<u8> {
    if let Some((value, "")) = crate::xtables::number::strtoul(word) {
        return u8::try_from(value).ok();
    }
    let lower = word.to_ascii_lowercase();
    let own = PROTOCOLS.iter().find(|row| row.0 == lower).map(|row| row.1);
    own.or_else(|| names.protocol_of(&lower)).or_else(|| names.protocol_of(word))
}

/// The name of a protocol in a rule (`proto_to_name`).
pub fn protocol_name(names: &dyn Names, number: u8) -> Option<String> {
    if let Some(name) = common_protocol(number) {
        return Some(name.to_owned());
    }
    names
        .protocol_name(number)
        .or_else(|| PROTOCOLS.iter().rev().find(|row| row.1 == number).map(|row| row.0.to_owned()))
}

/// The names that need no looking up.
fn common_protocol(number: u8) -> Option<&'static str> {
    match number {
        1 => Some("icmp"),
        6 => Some("tcp"),
        17 => Some("udp"),
        _ => None,
    }
}
