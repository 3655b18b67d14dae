//! The sets of addresses that the rules ask: pools, nodes, and what a selector finds.

use core::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ipnet::Ipv4Net;
use sha2::{Digest, Sha224};

use super::{Endpoint, View};
use crate::calico::selector::Selector;

/// The longest name of a set.
const MAX_SET: usize = 31;

/// A set of networks (`hash:net`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IpSet {
    /// Its name: `cali40` and more.
    pub name: String,
    /// Its members in their order.
    pub members: Vec<Ipv4Net>,
}

impl IpSet {
    fn new(name: impl Into<String>, mut members: Vec<Ipv4Net>) -> Self {
        members.sort();
        members.dedup();
        IpSet { name: name.into(), members }
    }
}

/// The sets that every node has.
pub(super) fn fixed(view: &View) -> Vec<IpSet> {
    let hosts = || view.nodes.iter().map(|node| Ipv4Net::from(*node)).collect();
    let pools = |masq: bool| view.pools.iter().filter(|p| !masq || p.nat_outgoing).map(|p| p.cidr).collect();
    let mut sets =
        vec![IpSet::new("cali40all-ipam-pools", pools(false)), IpSet::new("cali40masq-ipam-pools", pools(true))];
    sets.extend(view.ipip.then(|| IpSet::new("cali40all-hosts-net", hosts())));
    sets.extend(view.vxlan.then(|| IpSet::new("cali40all-vxlan-net", hosts())));
    sets
}

/// The name of the set of a selector (`hash.MakeUniqueID`).
pub(super) fn name_of(selector: &Selector) -> String {
    let hash = URL_SAFE_NO_PAD.encode(Sha224::digest(format!("s:{selector}")));
    let mut name = format!("cali40s:{hash}");
    name.truncate(MAX_SET);
    name
}

/// The set of a selector.
pub(super) fn of_selector(selector: &Selector, endpoints: &[Endpoint]) -> IpSet {
    let found = endpoints.iter().filter(|endpoint| selector.matches(&endpoint.labels));
    let members = found.flat_map(|endpoint| endpoint.addresses.iter().map(|address| Ipv4Net::from(*address)));
    IpSet::new(name_of(selector), members.collect())
}

/// What to feed to `ipset restore` before the rules change, so that every set that they name is there and right. What goes comes with
/// [`remove`] after them.
pub fn update(new: &[IpSet], old: &[IpSet]) -> String {
    let mut text = String::new();
    for set in new {
        let before = old.iter().find(|before| before.name == set.name);
        if before.is_none() {
            let _ = writeln!(text, "create {} hash:net family inet maxelem 1048576", set.name);
        }
        let had = |net: &&Ipv4Net| before.is_some_and(|before| before.members.contains(net));
        for net in set.members.iter().filter(|net| !had(net)) {
            let _ = writeln!(text, "add {} {}", set.name, shown(net));
        }
        for net in before.iter().flat_map(|before| &before.members).filter(|net| !set.members.contains(net)) {
            let _ = writeln!(text, "del {} {}", set.name, shown(net));
        }
    }
    text
}

/// What to feed to `ipset restore` after the rules changed: the sets that nobody asks any longer.
pub fn remove(new: &[IpSet], old: &[IpSet]) -> String {
    let gone = old.iter().filter(|before| !new.iter().any(|set| set.name == before.name));
    gone.map(|set| format!("destroy {}\n", set.name)).collect()
}

fn shown(net: &Ipv4Net) -> String {
    if net.prefix_len() == 32 { net.addr().to_string() } else { net.to_string() }
}
