//! `vlan`: one VLAN of the link below, as a link of its own. Models `net/8021q/vlan_dev.c`.

use bitflags::bitflags;
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{IfIndex, NsId, VlanTag};

use crate::bridge::options::protocol_name;
use crate::describe::{Describe, Value};
use crate::hw::HwType;
use crate::kind::KindOps;
use crate::link::Link;

/// The row of this kind.
pub static OPS: KindOps = KindOps {
    name: "vlan",
    summary: "one VLAN of the link below (802.1Q, 802.1ad)",
    hw: HwType::Ether,
    mtu: (0, 65535),
    setup: |_: &mut Link| {},
    describe,
    queues: (1, 1),
    driver: "802.1Q VLAN Support",
    speed: None,
    immutable_netns: false,
};

bitflags! {
    /// `VLAN_FLAG_*`, with the kernel's values.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct VlanFlags: u32 {
        /// Frames are shown without the tag.
        const REORDER_HDR = 0x1;
        /// Does not follow the link below up and down.
        const LOOSE_BINDING = 0x4;
        /// Its carrier would follow the ports of a bridge below; kept and shown only.
        const BRIDGE_BINDING = 0x10;
    }
}

impl Default for VlanFlags {
    fn default() -> Self {
        VlanFlags::REORDER_HDR
    }
}

/// The state of one.
#[derive(Clone, Debug)]
pub struct VlanLink {
    /// The link below, and where it is.
    pub lower: (NsId, IfIndex),
    /// EtherType of its tag.
    pub protocol: u16,
    /// Its number.
    pub vid: u16,
    /// Switches.
    pub flags: VlanFlags,
    /// The priority that a packet gets for each of the eight of its tag.
    pub ingress: [u32; 8],
    /// The priority of the tag for each priority of a packet, as given.
    pub egress: Vec<(u32, u8)>,
    /// It has the address of the link below and follows it (`NET_ADDR_STOLEN`).
    pub inherits: bool,
    /// The address of the link below when it was last compared (`real_dev_addr`).
    pub lower_addr: MacAddr,
}

/// What `ip link set ... type vlan` can change.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct VlanOptions {
    /// Switches: on or off.
    pub flags: Vec<(VlanFlags, bool)>,
    /// Rows of the map of incoming priorities.
    pub ingress: Vec<(u32, u32)>,
    /// Rows of the map of outgoing priorities.
    pub egress: Vec<(u32, u32)>,
}

impl VlanLink {
    /// Changes switches and maps (`vlan_changelink`).
    pub fn apply(&mut self, options: &VlanOptions) {
        for (flag, on) in &options.flags {
            self.flags.set(*flag, *on);
        }
        options.ingress.iter().for_each(|(from, to)| self.map_ingress(*from, *to));
        options.egress.iter().for_each(|(from, to)| self.map_egress(*from, *to));
    }

    /// The tag of a packet of this priority (`vlan_dev_get_egress_qos_mask`).
    #[inline]
    pub fn tag(&self, priority: u32) -> VlanTag {
        let pcp = self.egress.iter().find(|(from, _)| *from == priority).map_or(0, |(_, to)| u16::from(*to & 7));
        VlanTag { protocol: self.protocol, tci: (pcp << 13) | self.vid }
    }

    /// A row of the map of incoming priorities; what the tag has no bits for is cut off (`vlan_dev_set_ingress_priority`).
    pub fn map_ingress(&mut self, from: u32, to: u32) {
        self.ingress[(from & 7) as usize] = to;
    }

    /// A row of the map of outgoing priorities (`vlan_dev_set_egress_priority`).
    pub fn map_egress(&mut self, from: u32, to: u32) {
        let to = (to & 7) as u8;
        match self.egress.iter_mut().find(|(f, _)| *f == from) {
            Some(row) => row.1 = to,
            // vlan_dev_set_egress_priority: 16 chains by the last bits, the last one first in each.
            None => {
                let at = self.egress.iter().position(|(other, _)| other & 15 >= from & 15).unwrap_or(self.egress.len());
                self.egress.insert(at, (from, to));
            }
        }
    }
}

/// iproute2's `vlan_print_opt`.
fn describe(link: &Link, d: &mut Describe) {
    let Some(vlan) = link.kind.vlan() else { return };
    d.text("protocol", "protocol", protocol_name(vlan.protocol).into());
    d.number("id", "id", vlan.vid.into());
    let names: Vec<&str> = vlan.flags.iter_names().map(|(name, _)| name).collect();
    let list = names.iter().map(|name| Value::Text((*name).into())).collect();
    if !names.is_empty() {
        d.push("flags", Value::List(list), format!("<{}> ", names.join(",")));
    }
    let ingress =
        vlan.ingress.iter().enumerate().filter(|(_, to)| **to != 0).map(|(from, to)| (from as u64, u64::from(*to)));
    qos_map(d, "ingress_qos", "ingress-qos-map", ingress.collect());
    let egress = vlan.egress.iter().filter(|(_, to)| *to != 0).map(|(from, to)| (u64::from(*from), u64::from(*to)));
    qos_map(d, "egress_qos", "egress-qos-map", egress.collect());
}

fn qos_map(d: &mut Describe, key: &'static str, word: &str, rows: Vec<(u64, u64)>) {
    if rows.is_empty() {
        return;
    }
    let text: String = rows.iter().map(|(from, to)| format!("{from}:{to} ")).collect();
    let object = |(from, to): (u64, u64)| Value::Object(vec![("from", Value::Number(from)), ("to", Value::Number(to))]);
    d.push(key, Value::List(rows.into_iter().map(object).collect()), format!("\n      {word} {{ {text}}} "));
}

#[cfg(test)]
mod tests {
    use hopwise_protocols::wire::ethernet::ETH_P_8021Q;

    use super::*;

    #[test]
    fn priorities_are_mapped() {
        let mut vlan = VlanLink {
            lower: (NsId(0), IfIndex(1)),
            protocol: ETH_P_8021Q,
            vid: 10,
            flags: VlanFlags::default(),
            ingress: [0; 8],
            egress: Vec::new(),
            inherits: true,
            lower_addr: MacAddr::ZERO,
        };
        vlan.map_egress(3, 5);
        vlan.map_egress(3, 12);
        vlan.map_ingress(9, 7);
        assert_eq!((vlan.tag(3).tci, vlan.tag(0).tci), (0x800a, 10));
        vlan.map_egress(2, 1);
        vlan.map_egress(18, 1);
        vlan.map_egress(0, 1);
        assert_eq!(vlan.egress.iter().map(|(from, _)| *from).collect::<Vec<_>>(), [0, 18, 2, 3], "as Linux shows them");
        assert_eq!(vlan.ingress, [0, 7, 0, 0, 0, 0, 0, 0]);
    }
}
