//! The few names that the test data uses.

use hopwise_netfilter::names::Names;

/// Knows them.
pub(super) struct Few;

static PORTS: &[(&str, u16)] = &[("ftp-data", 20), ("ftp", 21), ("ssh", 22), ("echo", 7), ("http", 80)];
static PROTOCOLS: &[(&str, u8)] = &[("dccp", 33), ("sctp", 132), ("esp", 50), ("ah", 51), ("gre", 47), ("ipcomp", 108)];

impl Names for Few {
    fn port_of(&self, service: &str, _: Option<u8>) -> Option<u16> {
        PORTS.iter().find(|row| row.0 == service).map(|row| row.1)
    }

    fn protocol_of(&self, name: &str) -> Option<u8> {
        PROTOCOLS.iter().find(|row| row.0 == name).map(|row| row.1)
    }

    fn protocol_name(&self, number: u8) -> Option<String> {
        PROTOCOLS.iter().find(|row| row.1 == number).map(|row| row.0.to_owned())
    }

    fn uid_of(&self, user: &str) -> Option<u32> {
        (user == "root").then_some(0)
    }

    fn gid_of(&self, group: &str) -> Option<u32> {
        (group == "root").then_some(0)
    }
}
