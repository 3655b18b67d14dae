//! What stands on a link: the links for which it sends and to which it gives what it receives.

use hopwise_sim_core::{IfIndex, NsId, VlanTag};

use crate::ipvlan::IpvlanPort;
use crate::macvlan::MacvlanPort;

/// A VLAN of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VlanUpper {
    /// EtherType of its tag.
    pub protocol: u16,
    /// Its number.
    pub vid: u16,
    /// The link that it is, and where that is.
    pub at: (NsId, IfIndex),
}

/// The links that stand on one (`dev->vlan_info`, and what its `rx_handler` knows).
#[derive(Clone, Debug, Default)]
pub struct Stacked {
    /// Its VLANs, by protocol (802.1Q first) and number.
    pub vlans: Vec<VlanUpper>,
    /// The first VLAN was made while the link was up, and it has been up since: so the group of the protocols that tell
    /// switches of VLANs was joined last.
    pub joined_late: bool,
    /// Its macvlans, if it has or had any.
    pub macvlan: MacvlanPort,
    /// Its ipvlans. Who has macvlans has none of these.
    pub ipvlan: IpvlanPort,
}

impl Stacked {
    /// The VLAN that a tag belongs to (`vlan_find_dev`).
    #[inline]
    pub fn vlan(&self, tag: VlanTag) -> Option<&VlanUpper> {
        self.vlans.iter().find(|v| v.vid == tag.vid() && v.protocol == tag.protocol)
    }

    /// All of them, in the order in which they hear of what happens to the link below.
    pub fn all(&self) -> Vec<(NsId, IfIndex)> {
        let macvlans = self.macvlan.children.iter().map(|c| c.at);
        let ipvlans = self.ipvlan.children.iter().map(|c| c.at);
        self.vlans.iter().map(|v| v.at).chain(macvlans).chain(ipvlans).collect()
    }

    /// Whether frames without a tag are taken away from the link (it has an `rx_handler`).
    pub fn takes_frames(&self) -> bool {
        !self.macvlan.children.is_empty() || !self.ipvlan.children.is_empty()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.vlans.is_empty() && !self.takes_frames()
    }

    /// One has gone elsewhere, or is gone (`None`).
    pub fn moved(&mut self, from: (NsId, IfIndex), to: Option<(NsId, IfIndex)>) {
        self.ipvlan.moved(from, to);
        match to {
            Some(to) => {
                self.vlans.iter_mut().filter(|v| v.at == from).for_each(|v| v.at = to);
                self.macvlan.children.iter_mut().filter(|c| c.at == from).for_each(|c| c.at = to);
                self.macvlan.sources.iter_mut().filter(|s| s.1 == from).for_each(|s| s.1 = to);
            }
            None => {
                self.vlans.retain(|v| v.at != from);
                self.macvlan.children.retain(|c| c.at != from);
                self.macvlan.sources.retain(|s| s.1 != from);
            }
        }
    }
}
