//! The names of the machine, and those of the sets beside them.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use crate::names::Names;
use crate::rules::Ruleset;

/// Both.
pub(super) struct Known<'n> {
    names: &'n dyn Names,
    sets: BTreeMap<String, u8>,
}

impl<'n> Known<'n> {
    pub(super) fn new(names: &'n dyn Names, rules: &Ruleset) -> Self {
        let sets = rules.shared.sets.dimensions().map(|(name, dimension)| (name.to_owned(), dimension)).collect();
        Known { names, sets }
    }
}

impl Names for Known<'_> {
    fn addrs_of(&self, host: &str) -> Vec<Ipv4Addr> {
        self.names.addrs_of(host)
    }
    fn host_name(&self, addr: Ipv4Addr) -> Option<String> {
        self.names.host_name(addr)
    }
    fn network_name(&self, addr: Ipv4Addr) -> Option<String> {
        self.names.network_name(addr)
    }
    fn port_of(&self, service: &str, protocol: Option<u8>) -> Option<u16> {
        self.names.port_of(service, protocol)
    }
    fn port_name(&self, port: u16, protocol: u8) -> Option<String> {
        self.names.port_name(port, protocol)
    }
    fn protocol_of(&self, name: &str) -> Option<u8> {
        self.names.protocol_of(name)
    }
    fn protocol_name(&self, number: u8) -> Option<String> {
        self.names.protocol_name(number)
    }
    fn uid_of(&self, user: &str) -> Option<u32> {
        self.names.uid_of(user)
    }
    fn user_name(&self, uid: u32) -> Option<String> {
        self.names.user_name(uid)
    }
    fn gid_of(&self, group: &str) -> Option<u32> {
        self.names.gid_of(group)
    }
    fn group_name(&self, gid: u32) -> Option<String> {
        self.names.group_name(gid)
    }
    fn set_dimension(&self, name: &str) -> Option<u8> {
        // They are asked, too, as they take note of it.
        let other = self.names.set_dimension(name);
        self.sets.get(name).copied().or(other)
    }
}
