//! The VXLAN links that were made in a namespace, wherever they are now: their outer packets are received here. Models
//! `struct vxlan_net` and `struct vxlan_sock`.

use core::net::Ipv4Addr;

use hopwise_sim_core::{IfIndex, NsId};

use crate::socket::SocketId;

/// In place of a network's number: the link takes those of all networks, whose number stays beside the frame.
pub const ANY_NETWORK: u32 = u32::MAX;

/// Where a link is.
pub type Place = (NsId, IfIndex);

/// A socket that links with the same port and the same receive flags share.
#[derive(Clone, Debug)]
pub struct Sock {
    /// The UDP port.
    pub port: u16,
    /// Whether it takes IPv6 datagrams without checksum (the one receive flag there is here).
    pub zero_csum6: bool,
    /// Whether its link takes the frames of all networks.
    pub external: bool,
    /// The socket.
    pub id: SocketId,
    /// How many links use it.
    pub users: usize,
}

/// The VXLAN links of a namespace.
#[derive(Clone, Debug, Default)]
pub struct VxlanNet {
    /// All that were made here (`vxlan_list`).
    pub links: Vec<Place>,
    /// Those that are up, in the order of port and network number. There are few: a sorted list is faster than a hash.
    up: Vec<((u16, u32), Place)>,
    /// The sockets of those that are up.
    pub socks: Vec<Sock>,
    /// The groups that those that are up have joined: the group, the link on which, and whose wish it is.
    groups: Vec<(Ipv4Addr, IfIndex, Place)>,
}

impl VxlanNet {
    /// The link that gets the frames of a network (`vxlan_vs_find_vni`).
    #[inline]
    pub fn find(&self, port: u16, vni: u32) -> Option<Place> {
        self.up_at((port, vni)).or_else(|_| self.up_at((port, ANY_NETWORK))).map(|at| self.up[at].1).ok()
    }

    /// Where the link of a port and a network number is in the list, or would be.
    #[inline]
    fn up_at(&self, network: (u16, u32)) -> Result<usize, usize> {
        self.up.binary_search_by_key(&network, |(network, _)| *network)
    }

    /// Whether a port is that of a link that is up.
    #[inline]
    pub fn listens(&self, port: u16) -> bool {
        self.socks.iter().any(|sock| sock.port == port)
    }

    /// Whether a packet to a group that came in through `link` is for one of the links here (`ip_check_mc_rcu`).
    pub fn has_joined(&self, group: Ipv4Addr, link: IfIndex) -> bool {
        self.groups.iter().any(|(g, l, _)| *g == group && *l == link)
    }

    /// A link comes up.
    pub(crate) fn join(&mut self, place: Place, (port, vni): (u16, u32), group: Option<(Ipv4Addr, IfIndex)>) {
        match self.up_at((port, vni)) {
            Ok(at) => self.up[at].1 = place,
            Err(at) => self.up.insert(at, ((port, vni), place)),
        }
        if let Some((group, link)) = group {
            self.groups.push((group, link, place));
        }
    }

    /// A link goes down.
    pub(crate) fn leave(&mut self, place: Place) {
        self.up.retain(|(_, at)| *at != place);
        self.groups.retain(|(_, _, who)| *who != place);
    }

    /// A link is somewhere else now.
    pub(crate) fn moved(&mut self, from: Place, to: Place) {
        self.links.iter_mut().filter(|at| **at == from).for_each(|at| *at = to);
    }
}
