//! The kinds of link and the table that describes each (the kernel's `rtnl_link_ops`).

use core::net::Ipv4Addr;

use hopwise_sim_core::{IfIndex, NsId};

use crate::bridge::{self, Bridge};
use crate::describe::Describe;
use crate::hw::HwType;
use crate::ipip::{self, Ipip};
use crate::ipvlan::{self, Ipvlan};
use crate::link::Link;
use crate::macvlan::{self, Macvlan};
use crate::tun::Tun;
use crate::veth::{self, Veth};
use crate::vlan::{self, VlanLink};
use crate::vrf::{self, Vrf};
use crate::vxlan::{self, Vxlan};
use crate::{dummy, lo};

/// What kind a link is, with the state of that kind.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The loopback link of a namespace.
    Loopback,
    /// A link that swallows what is sent.
    Dummy,
    /// One end of a pair; also a NIC at one end of a wire between two machines.
    Veth(Box<Veth>),
    /// A switch.
    Bridge(Box<Bridge>),
    /// A tunnel of IPv4 in IPv4.
    Ipip(Box<Ipip>),
    /// A tunnel for Ethernet frames.
    Vxlan(Box<Vxlan>),
    /// One VLAN of the link below.
    Vlan(Box<VlanLink>),
    /// An address of its own on the link below.
    Macvlan(Box<Macvlan>),
    /// The address of the link below, and IP addresses of its own.
    Ipvlan(Box<Ipvlan>),
    /// A routing table.
    Vrf(Vrf),
    /// A link whose other end is a program.
    Tun(Box<Tun>),
}

/// What there is to know about one kind: one such row per kind stands in the [`registry`](crate::registry).
pub struct KindOps {
    /// The word after `type` in `ip link add`; empty for `lo`, which cannot be added.
    pub name: &'static str,
    /// What it is, in one line of the support table.
    pub summary: &'static str,
    /// What its frames begin with.
    pub hw: HwType,
    /// The MTU's lower and upper limit (`min_mtu`, `max_mtu`; 0: no upper limit).
    pub mtu: (u32, u32),
    /// Sets flags, MTU and queue length of a new link (`ops->setup`).
    pub setup: fn(&mut Link),
    /// Writes what `ip -d link` prints about the kind (`ops->fill_info` and iproute2's `print_opt`).
    pub describe: fn(&Link, &mut Describe),
    /// `numtxqueues`, `numrxqueues` as shown by `ip -d link`.
    pub queues: (u32, u32),
    /// The driver's name as `ethtool -i` prints it.
    pub driver: &'static str,
    /// Speed in Mbit/s, if it says one (`ethtool`, a bridge port's cost).
    pub speed: Option<u32>,
    /// It cannot be moved to another namespace (`netns_immutable`).
    pub immutable_netns: bool,
}

impl Kind {
    /// The row of this kind.
    #[inline]
    pub fn ops(&self) -> &'static KindOps {
        match self {
            Kind::Loopback => &lo::OPS,
            Kind::Dummy => &dummy::OPS,
            Kind::Veth(_) => &veth::OPS,
            Kind::Bridge(_) => &bridge::OPS,
            Kind::Ipip(_) => &ipip::OPS,
            Kind::Vxlan(_) => &vxlan::OPS,
            Kind::Vlan(_) => &vlan::OPS,
            Kind::Macvlan(_) => &macvlan::OPS,
            Kind::Ipvlan(_) => &ipvlan::OPS,
            Kind::Vrf(_) => &vrf::OPS,
            Kind::Tun(tun) => tun.ops(),
        }
    }

    /// The link that this one stands on or leads to (`dev_get_iflink`), and the namespace that one is in: a veth's peer.
    /// [`IfIndex::NONE`]: it could stand on one and does not, which `ip link` prints as `@NONE`.
    pub fn below(&self) -> Option<(NsId, IfIndex)> {
        match self {
            Kind::Loopback | Kind::Dummy | Kind::Bridge(_) | Kind::Vxlan(_) | Kind::Tun(_) | Kind::Vrf(_) => None,
            Kind::Veth(veth) => Some(veth.peer),
            Kind::Ipip(tunnel) => Some((tunnel.underlay, tunnel.params.dev)),
            Kind::Vlan(_) | Kind::Macvlan(_) | Kind::Ipvlan(_) => self.lower(),
        }
    }

    /// The link that this one stands on: it sends through it and gets its frames from it.
    #[inline]
    pub fn lower(&self) -> Option<(NsId, IfIndex)> {
        match self {
            Kind::Vlan(vlan) => Some(vlan.lower),
            Kind::Macvlan(macvlan) => Some(macvlan.lower),
            Kind::Ipvlan(ipvlan) => Some(ipvlan.lower),
            _ => None,
        }
    }

    /// The link below is another one now: it has gone to another namespace.
    pub fn set_lower(&mut self, lower: (NsId, IfIndex)) {
        match self {
            Kind::Vlan(vlan) => vlan.lower = lower,
            Kind::Macvlan(macvlan) => macvlan.lower = lower,
            Kind::Ipvlan(ipvlan) => ipvlan.lower = lower,
            _ => {}
        }
    }

    /// The state of a VLAN's link, if it is one.
    pub fn vlan(&self) -> Option<&VlanLink> {
        match self {
            Kind::Vlan(vlan) => Some(vlan),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn vlan_mut(&mut self) -> Option<&mut VlanLink> {
        match self {
            Kind::Vlan(vlan) => Some(vlan),
            _ => None,
        }
    }

    /// The state of a macvlan, if it is one.
    pub fn macvlan(&self) -> Option<&Macvlan> {
        match self {
            Kind::Macvlan(macvlan) => Some(macvlan),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn macvlan_mut(&mut self) -> Option<&mut Macvlan> {
        match self {
            Kind::Macvlan(macvlan) => Some(macvlan),
            _ => None,
        }
    }

    /// The state of a VRF, if it is one.
    #[inline]
    pub const fn vrf(&self) -> Option<&Vrf> {
        match self {
            Kind::Vrf(vrf) => Some(vrf),
            _ => None,
        }
    }

    /// The state of an ipvlan, if it is one.
    pub fn ipvlan(&self) -> Option<&Ipvlan> {
        match self {
            Kind::Ipvlan(ipvlan) => Some(ipvlan),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn ipvlan_mut(&mut self) -> Option<&mut Ipvlan> {
        match self {
            Kind::Ipvlan(ipvlan) => Some(ipvlan),
            _ => None,
        }
    }

    /// The two ends of a tunnel: local and remote, unspecified if it is bound to none.
    pub fn tunnel_ends(&self) -> (Ipv4Addr, Ipv4Addr) {
        self.ipip().map_or((Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED), |t| (t.params.local, t.params.remote))
    }

    /// The tunnel's state, if it is one.
    pub fn ipip(&self) -> Option<&Ipip> {
        match self {
            Kind::Ipip(tunnel) => Some(tunnel),
            _ => None,
        }
    }

    /// The tunnel's state to be changed, if it is one.
    pub fn ipip_mut(&mut self) -> Option<&mut Ipip> {
        match self {
            Kind::Ipip(tunnel) => Some(tunnel),
            _ => None,
        }
    }

    /// Whether nobody may take what it receives: no bridge, no link that stands on it (`IFF_NO_RX_HANDLER`).
    pub const fn has_no_rx_handler(&self) -> bool {
        matches!(self, Kind::Ipvlan(_) | Kind::Vrf(_))
    }

    /// Whether no VLAN can stand on it (`NETIF_F_VLAN_CHALLENGED`).
    pub const fn refuses_vlans(&self) -> bool {
        matches!(self, Kind::Ipvlan(_) | Kind::Vrf(_))
    }

    /// Whether it hands VLAN tags on beside the bytes of a frame (`NETIF_F_HW_VLAN_CTAG_TX`).
    #[inline]
    pub const fn carries_tags(&self) -> bool {
        matches!(self, Kind::Veth(_) | Kind::Bridge(_))
    }

    /// Whether links of this kind have a queue by themselves: those that a driver or a program empties (not
    /// `IFF_NO_QUEUE`).
    pub const fn has_queue(&self) -> bool {
        matches!(self, Kind::Tun(_))
    }

    /// How many queues it has for sending and for receiving, as `ip -d link` shows them.
    pub fn queues(&self) -> (u32, u32) {
        match self {
            Kind::Tun(tun) => (tun.queues(), tun.queues()),
            _ => self.ops().queues,
        }
    }

    /// The state of a tun or tap, if it is one.
    pub fn tun(&self) -> Option<&Tun> {
        match self {
            Kind::Tun(tun) => Some(tun),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn tun_mut(&mut self) -> Option<&mut Tun> {
        match self {
            Kind::Tun(tun) => Some(tun),
            _ => None,
        }
    }

    /// The veth's state, if it is one.
    pub fn veth(&self) -> Option<&Veth> {
        match self {
            Kind::Veth(veth) => Some(veth),
            _ => None,
        }
    }

    /// The veth's state to be changed, if it is one.
    pub fn veth_mut(&mut self) -> Option<&mut Veth> {
        match self {
            Kind::Veth(veth) => Some(veth),
            _ => None,
        }
    }

    /// The bridge's state, if it is one.
    #[inline]
    pub fn bridge(&self) -> Option<&Bridge> {
        match self {
            Kind::Bridge(bridge) => Some(bridge),
            _ => None,
        }
    }

    /// The bridge's state to be changed, if it is one.
    #[inline]
    pub fn bridge_mut(&mut self) -> Option<&mut Bridge> {
        match self {
            Kind::Bridge(bridge) => Some(bridge),
            _ => None,
        }
    }

    /// The state of a VXLAN link, if it is one.
    #[inline]
    pub fn vxlan(&self) -> Option<&Vxlan> {
        match self {
            Kind::Vxlan(vxlan) => Some(vxlan),
            _ => None,
        }
    }

    /// The state of a VXLAN link to be changed, if it is one.
    #[inline]
    pub fn vxlan_mut(&mut self) -> Option<&mut Vxlan> {
        match self {
            Kind::Vxlan(vxlan) => Some(vxlan),
            _ => None,
        }
    }
}
