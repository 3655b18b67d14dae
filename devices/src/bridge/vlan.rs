//! VLANs of a bridge: which port belongs to which, what is admitted, what leaves with a tag. Models
//! `net/bridge/br_vlan.c`.

use std::collections::BTreeMap;

use hopwise_protocols::wire::ethernet::ETH_P_8021Q;
use hopwise_sim_core::VlanTag;

use super::PortState;

/// The greatest number of a VLAN (4095 is reserved, and 0 means none).
pub const MAX_VID: u16 = 4094;

/// Frames and bytes of a VLAN (`struct br_vlan_stats`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VlanStats {
    /// Bytes that came in.
    pub rx_bytes: u64,
    /// Frames that came in.
    pub rx_packets: u64,
    /// Bytes that went out.
    pub tx_bytes: u64,
    /// Frames that went out.
    pub tx_packets: u64,
}

impl VlanStats {
    /// Counts a frame without its Ethernet header.
    pub fn count(&mut self, way: Way, len: usize) {
        match way {
            Way::In => (self.rx_bytes, self.rx_packets) = (self.rx_bytes + len as u64, self.rx_packets + 1),
            Way::Out => (self.tx_bytes, self.tx_packets) = (self.tx_bytes + len as u64, self.tx_packets + 1),
        }
    }
}

/// Which way a frame passes a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Into the bridge.
    In,
    /// Out of it.
    Out,
}

/// One VLAN of a port, or of the bridge link itself (`struct net_bridge_vlan`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vlan {
    /// Its number.
    pub vid: u16,
    /// Frames leave without a tag.
    pub untagged: bool,
    /// Its state; set by `bridge vlan set`.
    pub state: PortState,
    /// `mcast_router`, kept and shown only.
    pub mcast_router: u8,
    /// Its counters, if each port has its own.
    pub stats: VlanStats,
}

/// The VLANs of a port (`struct net_bridge_vlan_group`).
#[derive(Clone, Debug, Default)]
pub struct VlanGroup {
    /// The VLAN of frames without a tag; 0: such frames are not admitted.
    pub pvid: u16,
    /// In the order of their numbers.
    vlans: Vec<Vlan>,
}

/// A frame that was admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// The tag that it has inside the bridge.
    pub tag: VlanTag,
    /// The tag it came with is of another protocol and becomes part of its bytes.
    pub nests: bool,
    /// The state of the VLAN at this port.
    pub state: PortState,
}

impl VlanGroup {
    /// All VLANs, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Vlan> {
        self.vlans.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.vlans.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.vlans.is_empty()
    }

    /// The VLAN of that number (`br_vlan_find`).
    #[inline]
    pub fn get(&self, vid: u16) -> Option<&Vlan> {
        self.vlans.binary_search_by_key(&vid, |v| v.vid).ok().and_then(|at| self.vlans.get(at))
    }

    /// The VLAN of that number, to be changed.
    pub fn get_mut(&mut self, vid: u16) -> Option<&mut Vlan> {
        self.vlans.binary_search_by_key(&vid, |v| v.vid).ok().and_then(|at| self.vlans.get_mut(at))
    }

    /// Adds a VLAN, or changes how it is tagged and whether it is the one of untagged frames. True if it is new.
    pub fn add(&mut self, vid: u16, pvid: bool, untagged: bool) -> bool {
        if pvid {
            self.pvid = vid;
        } else if self.pvid == vid {
            self.pvid = 0;
        }
        match self.vlans.binary_search_by_key(&vid, |v| v.vid) {
            Ok(at) => {
                self.vlans[at].untagged = untagged;
                false
            }
            Err(at) => {
                let (state, stats) = (PortState::Forwarding, VlanStats::default());
                self.vlans.insert(at, Vlan { vid, untagged, state, mcast_router: 1, stats });
                true
            }
        }
    }

    /// Removes a VLAN; false if it is not there.
    pub fn remove(&mut self, vid: u16) -> bool {
        let Ok(at) = self.vlans.binary_search_by_key(&vid, |v| v.vid) else { return false };
        self.vlans.remove(at);
        if self.pvid == vid {
            self.pvid = 0;
        }
        true
    }

    /// Whether `vid` is still the VLAN that a new port gets, as it gets it (`vlan_default_pvid`).
    pub fn is_default(&self, vid: u16) -> bool {
        self.pvid == vid && self.get(vid).is_some_and(|v| v.untagged)
    }

    /// Whether a frame with this tag may come in, and to which VLAN it belongs then: `__allowed_ingress`. A tag of another
    /// protocol than the bridge's is none for it; one with the number 0 has only a priority.
    #[inline]
    pub fn admit(&self, protocol: u16, tag: VlanTag) -> Option<Admitted> {
        let foreign = tag.is_some() && tag.protocol != protocol;
        let own = if foreign { VlanTag::NONE } else { tag };
        let (vid, tag) = match own.vid() {
            0 if self.pvid == 0 => return None,
            0 => (self.pvid, VlanTag { protocol, tci: own.tci | self.pvid }),
            vid => (vid, own),
        };
        let state = self.get(vid)?.state;
        let passes = matches!(state, PortState::Forwarding | PortState::Learning);
        passes.then_some(Admitted { tag, nests: foreign, state })
    }

    /// Whether a frame of that VLAN may leave (`br_allowed_egress`); 0: the bridge does not look at VLANs.
    #[inline]
    pub fn lets_out(&self, vid: u16) -> bool {
        vid == 0 || self.get(vid).is_some_and(|v| v.state == PortState::Forwarding)
    }

    /// Whether a frame of that VLAN leaves without its tag (`br_handle_vlan`).
    #[inline]
    pub fn untags(&self, vid: u16) -> bool {
        vid != 0 && self.get(vid).is_some_and(|v| v.untagged)
    }
}

/// What a bridge knows of VLANs.
#[derive(Clone, Debug)]
pub struct BridgeVlans {
    /// It looks at VLANs (`vlan_filtering`); if not, all below is only kept.
    pub filtering: bool,
    /// The EtherType of its tags (`vlan_protocol`).
    pub protocol: u16,
    /// The VLAN that a new port gets, untagged (`vlan_default_pvid`); 0: none.
    pub default_pvid: u16,
    /// It counts (`vlan_stats_enabled`).
    pub counts: bool,
    /// Each port counts for itself (`vlan_stats_per_port`).
    pub per_port: bool,
    /// The VLANs of the bridge link itself.
    pub own: VlanGroup,
    /// The counters that all ports share.
    pub stats: BTreeMap<u16, VlanStats>,
}

impl Default for BridgeVlans {
    fn default() -> Self {
        BridgeVlans {
            filtering: false,
            protocol: ETH_P_8021Q,
            default_pvid: 1,
            counts: false,
            per_port: false,
            own: VlanGroup::default(),
            stats: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use hopwise_protocols::wire::ethernet::ETH_P_8021AD;
    use proptest::prelude::*;

    use super::*;

    const fn tag(tci: u16) -> VlanTag {
        VlanTag { protocol: ETH_P_8021Q, tci }
    }

    #[test]
    fn untagged_frames_belong_to_the_pvid_and_priority_tags_keep_their_priority() {
        let mut group = VlanGroup::default();
        assert_eq!(group.admit(ETH_P_8021Q, VlanTag::NONE), None);
        group.add(10, true, true);
        group.add(20, false, false);
        let admitted = |t| group.admit(ETH_P_8021Q, t).map(|a| (a.tag, a.nests));
        assert_eq!(admitted(VlanTag::NONE), Some((tag(10), false)));
        assert_eq!(admitted(tag(0xa000)), Some((tag(0xa00a), false)));
        assert_eq!(admitted(tag(0xa014)), Some((tag(0xa014), false)));
        assert_eq!(admitted(tag(30)), None);
        assert_eq!(admitted(VlanTag { protocol: ETH_P_8021AD, tci: 20 }), Some((tag(10), true)));
    }

    #[test]
    fn a_vlan_that_is_added_again_without_pvid_is_the_pvid_no_longer() {
        let mut group = VlanGroup::default();
        assert!(group.add(1, true, true) && group.is_default(1));
        assert!(!group.add(1, false, true) && group.pvid == 0);
        assert!(group.add(2, true, false) && !group.is_default(2));
        assert!(group.remove(2) && group.pvid == 0 && !group.remove(2));
    }

    #[test]
    fn a_learning_vlan_admits_and_does_not_let_out() {
        let mut group = VlanGroup::default();
        group.add(5, false, false);
        let states = [PortState::Forwarding, PortState::Learning, PortState::Blocking];
        let seen = states.map(|state| {
            group.get_mut(5).unwrap().state = state;
            (group.admit(ETH_P_8021Q, tag(5)).is_some(), group.lets_out(5))
        });
        assert_eq!(seen, [(true, true), (true, false), (false, false)]);
    }

    proptest! {
        /// Whatever was added and removed: what is admitted is in a VLAN of the port, and only that one lets it out again.
        #[test]
        fn admitted_frames_are_of_a_vlan_of_the_port(
            steps in prop::collection::vec((any::<bool>(), 1u16..8, any::<bool>(), any::<bool>()), 0..40),
            tci: u16,
            foreign: bool,
        ) {
            let mut group = VlanGroup::default();
            for (add, vid, pvid, untagged) in steps {
                if add { group.add(vid, pvid, untagged); } else { group.remove(vid); }
                prop_assert!(group.iter().is_sorted_by(|a, b| a.vid < b.vid));
                prop_assert!(group.pvid == 0 || group.get(group.pvid).is_some());
            }
            let protocol = if foreign { ETH_P_8021AD } else { ETH_P_8021Q };
            if let Some(admitted) = group.admit(ETH_P_8021Q, VlanTag { protocol, tci }) {
                prop_assert!(group.lets_out(admitted.tag.vid()));
                prop_assert_eq!(admitted.tag.tci & 0xf000, if foreign { 0 } else { tci & 0xf000 });
            }
        }
    }
}
