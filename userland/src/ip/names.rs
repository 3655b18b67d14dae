//! The names that iproute2 has for numbers: tables, protocols, scopes, types, DSCP values (`lib/rt_names.c`). Tables of
//! routes may get names in `/etc/iproute2/rt_tables`, as on Linux.

use hopwise_protocols::fib::RouteType;

use super::{Ip, args};

type Names = &'static [(u32, &'static str)];

const TABLES: Names = &[(253, "default"), (254, "main"), (255, "local")];

const PROTOCOLS: Names = &[
    (0, "unspec"),
    (1, "redirect"),
    (2, "kernel"),
    (3, "boot"),
    (4, "static"),
    (8, "gated"),
    (9, "ra"),
    (10, "mrt"),
    (11, "zebra"),
    (12, "bird"),
    (13, "dnrouted"),
    (14, "xorp"),
    (15, "ntk"),
    (16, "dhcp"),
    (18, "keepalived"),
    (42, "babel"),
    (99, "openr"),
    (186, "bgp"),
    (187, "isis"),
    (188, "ospf"),
    (189, "rip"),
    (192, "eigrp"),
];

const SCOPES: Names = &[(0, "global"), (200, "site"), (253, "link"), (254, "host"), (255, "nowhere")];

const DSFIELDS: Names = &[
    (0x00, "default"),
    (0x28, "AF11"),
    (0x30, "AF12"),
    (0x38, "AF13"),
    (0x48, "AF21"),
    (0x50, "AF22"),
    (0x58, "AF23"),
    (0x68, "AF31"),
    (0x70, "AF32"),
    (0x78, "AF33"),
    (0x88, "AF41"),
    (0x90, "AF42"),
    (0x98, "AF43"),
    (0x20, "CS1"),
    (0x40, "CS2"),
    (0x60, "CS3"),
    (0x80, "CS4"),
    (0xa0, "CS5"),
    (0xc0, "CS6"),
    (0xe0, "CS7"),
    (0xb8, "EF"),
];

/// `/etc/protocols`, as far as scripts name them.
const IP_PROTOCOLS: Names = &[
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipencap"),
    (6, "tcp"),
    (17, "udp"),
    (41, "ipv6"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (89, "ospf"),
    (132, "sctp"),
];

fn number_of(names: Names, word: &str) -> Option<u32> {
    names.iter().find(|row| row.1 == word).map(|row| row.0)
}

fn name_of(names: Names, number: u32) -> Option<&'static str> {
    names.iter().find(|row| row.0 == number).map(|row| row.1)
}

/// The rows of `/etc/iproute2/rt_tables`.
fn own_tables(ip: &mut Ip<'_, '_>) -> Vec<(u32, String)> {
    let text = ip.sys.read_file("/etc/iproute2/rt_tables").unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let row = |line: &str| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        Some((u32::try_from(args::unsigned(words.next()?)?).ok()?, words.next()?.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

/// The number of a routing table (`rtnl_rttable_a2n`).
pub fn table(ip: &mut Ip<'_, '_>, word: &str) -> Option<u32> {
    if let Some(number) = args::unsigned(word) {
        return u32::try_from(number).ok();
    }
    let known = number_of(TABLES, word);
    known.or_else(|| own_tables(ip).into_iter().rev().find(|row| row.1 == word).map(|row| row.0)).or({
        // Only the file as it is installed names table 0.
        if word == "unspec" { Some(0) } else { None }
    })
}

/// The name of a routing table (`rtnl_rttable_n2a`).
pub fn table_name(ip: &mut Ip<'_, '_>, number: u32) -> String {
    if ip.opt.numeric {
        return number.to_string();
    }
    let own = own_tables(ip).into_iter().rev().find(|row| row.0 == number).map(|row| row.1);
    own.or_else(|| name_of(TABLES, number).map(str::to_owned)).unwrap_or_else(|| number.to_string())
}

fn small(names: Names, word: &str) -> Option<u8> {
    let number = number_of(names, word).map(u64::from).or_else(|| args::unsigned(word))?;
    u8::try_from(number).ok()
}

fn shown(ip: &Ip<'_, '_>, names: Names, number: u8) -> String {
    let name = if ip.opt.numeric { None } else { name_of(names, number.into()) };
    name.map_or_else(|| number.to_string(), str::to_owned)
}

/// The number of a routing protocol (`rtnl_rtprot_a2n`).
pub fn protocol(word: &str) -> Option<u8> {
    small(PROTOCOLS, word)
}

/// Its name.
pub fn protocol_name(ip: &Ip<'_, '_>, number: u8) -> String {
    shown(ip, PROTOCOLS, number)
}

/// Its name whatever the options are.
pub fn protocol_word(number: u8) -> String {
    name_of(PROTOCOLS, number.into()).map_or_else(|| number.to_string(), str::to_owned)
}

/// The number of a scope (`rtnl_rtscope_a2n`).
pub fn scope(word: &str) -> Option<u8> {
    small(SCOPES, word)
}

/// Its name.
pub fn scope_name(ip: &Ip<'_, '_>, number: u8) -> String {
    shown(ip, SCOPES, number)
}

/// A DSCP value as the byte it is in; plain numbers are hexadecimal (`rtnl_dsfield_a2n`).
pub fn dsfield(word: &str) -> Option<u8> {
    if let Some(number) = number_of(DSFIELDS, word) {
        return u8::try_from(number).ok();
    }
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")).unwrap_or(word);
    u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
}

/// Its name.
pub fn dsfield_name(ip: &Ip<'_, '_>, number: u8) -> String {
    let name = if ip.opt.numeric { None } else { name_of(DSFIELDS, number.into()) };
    name.map_or_else(|| format!("0x{number:02x}"), str::to_owned)
}

/// The type of a route (`rtnl_rtntype_a2n`).
pub fn route_type(word: &str) -> Option<RouteType> {
    let word = if word == "brd" { "broadcast" } else { word };
    RouteType::ALL
        .iter()
        .copied()
        .find(|kind| kind.name() == word || args::unsigned(word) == Some(u64::from(kind.number())))
}

/// The number of an IP protocol (`inet_proto_a2n`).
pub fn ip_protocol(word: &str) -> Option<u8> {
    word.parse().ok().or_else(|| number_of(IP_PROTOCOLS, word).and_then(|n| u8::try_from(n).ok()))
}

/// Its name.
pub fn ip_protocol_name(ip: &Ip<'_, '_>, number: u8) -> String {
    let name = if ip.opt.numeric { None } else { name_of(IP_PROTOCOLS, number.into()) };
    name.map_or_else(|| format!("ipproto-{number}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(
            (protocol("bird"), protocol("77"), protocol("0x10"), protocol("x")),
            (Some(12), Some(77), Some(16), None)
        );
        assert_eq!((scope("link"), scope("host"), scope("300")), (Some(253), Some(254), None));
        assert_eq!(
            (dsfield("10"), dsfield("0x10"), dsfield("AF11"), dsfield("x")),
            (Some(16), Some(16), Some(0x28), None)
        );
        assert_eq!(
            (route_type("brd"), route_type("7"), route_type("x")),
            (Some(RouteType::Broadcast), Some(RouteType::Unreachable), None)
        );
        assert_eq!((ip_protocol("tcp"), ip_protocol("89"), ip_protocol("nosuch")), (Some(6), Some(89), None));
    }
}
