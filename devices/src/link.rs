//! What every link has, whatever its kind: the kernel's `struct net_device`.

use bitflags::bitflags;
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::IfIndex;

use crate::bridge::Port;
use crate::hw::HwType;
use crate::kind::Kind;
use crate::qdisc::{LinkFacts, Root};
use crate::stacked::Stacked;

bitflags! {
    /// The administrative flags of a link (`IFF_*` of `netdevice(7)`), with the kernel's values. The volatile ones
    /// (`IFF_RUNNING`, `IFF_LOWER_UP`, `IFF_DORMANT`) are not stored: see [`Link::flags_shown`].
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct LinkFlags: u32 {
        /// Administratively up.
        const UP = 0x1;
        /// Has a broadcast address.
        const BROADCAST = 0x2;
        /// Loopback.
        const LOOPBACK = 0x8;
        /// Point to point.
        const POINTOPOINT = 0x10;
        /// Operational (RFC 2863); shown only.
        const RUNNING = 0x40;
        /// No ARP on this link.
        const NOARP = 0x80;
        /// Receives frames to everybody.
        const PROMISC = 0x100;
        /// Receives frames to all groups.
        const ALLMULTI = 0x200;
        /// Others belong to it (a VRF); shown only.
        const MASTER = 0x400;
        /// Can do multicast.
        const MULTICAST = 0x1000;
        /// Set by `ip link set dynamic on`.
        const DYNAMIC = 0x8000;
        /// The driver signals the lower layer up; shown only.
        const LOWER_UP = 0x1_0000;
    }
}

/// The operational state of RFC 2863, as `ip link` prints it after `state`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OperState {
    /// The driver does not say.
    #[default]
    Unknown,
    /// Not able to carry frames.
    Down,
    /// Not able to carry frames because the link below (a veth's peer) is not.
    LowerLayerDown,
    /// Waiting for something else (802.1X).
    Dormant,
    /// Able to carry frames.
    Up,
}

impl OperState {
    /// The name that `ip link` prints.
    pub const fn name(self) -> &'static str {
        match self {
            OperState::Unknown => "UNKNOWN",
            OperState::Down => "DOWN",
            OperState::LowerLayerDown => "LOWERLAYERDOWN",
            OperState::Dormant => "DORMANT",
            OperState::Up => "UP",
        }
    }

    /// `IF_OPER_*` of `linux/if.h`, as in `/sys/class/net/*/operstate` and netlink.
    pub const fn number(self) -> u8 {
        match self {
            OperState::Unknown => 0,
            OperState::Down => 2,
            OperState::LowerLayerDown => 3,
            OperState::Dormant => 5,
            OperState::Up => 6,
        }
    }
}

/// The queueing discipline that `ip link` prints. Links made of software have no queue; before a link is up for the
/// first time, and while it has no carrier, the `noop` discipline drops what is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Qdisc {
    /// Never activated.
    #[default]
    Noop,
    /// No queue.
    Noqueue,
    /// The default of links with a queue, which here never fills: what is sent is taken at once.
    PfifoFast,
}

impl Qdisc {
    /// The name that `ip link` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Qdisc::Noop => "noop",
            Qdisc::Noqueue => "noqueue",
            Qdisc::PfifoFast => "pfifo_fast",
        }
    }
}

/// The counters of a link (`struct rtnl_link_stats64`), bytes counted with the link-layer header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkStats {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets received in error.
    pub rx_errors: u64,
    /// Of these, malformed ones.
    pub rx_frame_errors: u64,
    /// Packets received and dropped by the link.
    pub rx_dropped: u64,
    /// Group packets received.
    pub multicast: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets dropped instead of being sent.
    pub tx_dropped: u64,
    /// Carrier losses while sending.
    pub tx_carrier: u64,
    /// Collisions (tunnels count recursion here).
    pub collisions: u64,
}

/// How many queues a link has, and how large the packets may be that it cuts and joins: shown, and of the queues disciplines
/// take one each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// `numtxqueues`.
    pub tx_queues: u32,
    /// How many of them it uses (`real_num_tx_queues`): a veth one, unless it was made with a number of them.
    pub used_tx_queues: u32,
    /// `numrxqueues`.
    pub rx_queues: u32,
    /// `gso_max_size`.
    pub gso_max_size: u32,
    /// `gso_max_segs`.
    pub gso_max_segs: u32,
    /// `gro_max_size`.
    pub gro_max_size: u32,
    /// The most that it could cut, if its kind does not say (`tso_max_size`): what stands on another link has that one's
    /// (`netif_inherit_tso_max`).
    pub tso_max_size: u32,
}

impl Sizes {
    /// Those of a link that nobody asked for others.
    pub const fn new((tx_queues, rx_queues): (u32, u32)) -> Self {
        Sizes {
            tx_queues,
            used_tx_queues: 1,
            rx_queues,
            gso_max_size: 65536,
            gso_max_segs: 65535,
            gro_max_size: 65536,
            tso_max_size: 524_280,
        }
    }
}

/// A network interface.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its number in the namespace.
    pub index: IfIndex,
    /// Its name, at most 15 bytes.
    pub name: Box<str>,
    /// What kind it is, with the state of that kind.
    pub kind: Kind,
    /// What its frames begin with.
    pub hw: HwType,
    /// Its link-layer address.
    pub addr: MacAddr,
    /// Its broadcast address.
    pub broadcast: MacAddr,
    /// The largest network packet it takes, in bytes.
    pub mtu: u32,
    /// The MTU's lower and upper limit (0: no upper one).
    pub mtu_range: (u32, u32),
    /// Administrative flags.
    pub flags: LinkFlags,
    /// Whether the lower layer is up (`netif_carrier_ok`).
    pub carrier: bool,
    /// The operational state, as the link watcher last saw it.
    pub operstate: OperState,
    /// The queueing discipline that it has by itself; `noop` until the first time up.
    pub qdisc: Qdisc,
    /// The queueing discipline that somebody put there (`tc qdisc add`).
    pub queue: Option<Box<Root>>,
    /// Whether the queue is active (`dev_activate`): up, and with carrier when the link watcher last looked.
    pub active: bool,
    /// The bridge (or other master) that it belongs to.
    pub master: IfIndex,
    /// Its state as a bridge port.
    pub port: Option<Box<Port>>,
    /// The links that stand on it.
    pub stacked: Option<Box<Stacked>>,
    /// Length of the transmit queue shown (`qlen`).
    pub tx_queue_len: u32,
    /// Its queues, and what it cuts and joins.
    pub sizes: Sizes,
    /// Device group.
    pub group: u32,
    /// `ip link set alias`.
    pub alias: Option<Box<str>>,
    /// How often it was asked to be promiscuous (`IFLA_PROMISCUITY`).
    pub promiscuity: u32,
    /// It is promiscuous for the sake of [`extra_addrs`](Link::extra_addrs) (`uc_promisc`).
    pub uc_promisc: bool,
    /// How often it was asked to receive all groups (`IFLA_ALLMULTI`).
    pub allmulti: u32,
    /// Whether it got another name since it was made (`NET_NAME_RENAMED`).
    pub renamed: bool,
    /// Whether the MAC address was set by a person (`NET_ADDR_SET`) rather than drawn: a bridge keeps it then.
    pub addr_set: bool,
    /// How often the carrier changed (`carrier_changes` in `/sys/class/net`).
    pub carrier_changes: u32,
    /// How many observers (packet sockets, captures) want a copy of its frames.
    pub taps: u32,
    /// `mode dormant`: the link waits for something in user space before it is operational (`IF_LINK_MODE_DORMANT`).
    pub mode_dormant: bool,
    /// Addresses that it receives besides its own (`bridge fdb add ... self`).
    pub extra_addrs: Vec<MacAddr>,
    /// Offloads that were switched by hand (`ethtool -K`), with what was wanted; nothing is really offloaded here.
    pub features: Vec<(&'static str, bool)>,
    /// How IPv6 addresses would be made; kept and shown only.
    pub addrgenmode: &'static str,
    /// Counters.
    pub stats: LinkStats,
}

impl Link {
    /// A link as its kind sets it up; index, name and address come from who registers it.
    pub fn new(kind: Kind) -> Self {
        let mut link = Link {
            index: IfIndex::NONE,
            name: "".into(),
            hw: kind.ops().hw,
            addr: MacAddr::default(),
            broadcast: MacAddr::BROADCAST,
            mtu: 1500,
            mtu_range: kind.ops().mtu,
            kind,
            flags: LinkFlags::BROADCAST | LinkFlags::MULTICAST,
            carrier: true,
            operstate: OperState::Unknown,
            qdisc: Qdisc::Noop,
            queue: None,
            active: false,
            master: IfIndex::NONE,
            port: None,
            stacked: None,
            tx_queue_len: 1000,
            sizes: Sizes::new((1, 1)),
            group: 0,
            alias: None,
            promiscuity: 0,
            uc_promisc: false,
            allmulti: 0,
            renamed: false,
            addr_set: false,
            carrier_changes: 0,
            taps: 0,
            mode_dormant: false,
            extra_addrs: Vec::new(),
            features: Vec::new(),
            addrgenmode: "eui64",
            stats: LinkStats::default(),
        };
        link.sizes = Sizes::new(link.kind.queues());
        (link.kind.ops().setup)(&mut link);
        link
    }

    /// True if administratively up.
    #[inline]
    pub const fn is_up(&self) -> bool {
        self.flags.contains(LinkFlags::UP)
    }

    /// True if it can carry frames as far as the operational state says (`netif_oper_up`: UP or UNKNOWN).
    pub const fn is_oper_up(&self) -> bool {
        matches!(self.operstate, OperState::Up | OperState::Unknown)
    }

    /// The flags as netlink reports them (`dev_get_flags`): with RUNNING if operational and LOWER_UP if there is
    /// carrier, both only while up.
    pub fn flags_shown(&self) -> LinkFlags {
        let mut flags = self.flags;
        if self.is_up() {
            flags.set(LinkFlags::RUNNING, self.is_oper_up());
            flags.set(LinkFlags::LOWER_UP, self.carrier);
        }
        flags
    }

    /// The name of its queueing discipline, as `ip link` prints it.
    pub fn qdisc_name(&self) -> &'static str {
        let own = || if self.has_own_mq() { "mq" } else { self.qdisc.name() };
        self.queue.as_ref().map_or_else(own, |queue| queue.qdisc.kind())
    }

    /// Whether it has several queues by itself, each with the default discipline (`attach_default_qdiscs`).
    pub fn has_own_mq(&self) -> bool {
        self.qdisc == Qdisc::PfifoFast && self.sizes.tx_queues > 1
    }

    /// What disciplines want to know about it.
    pub fn facts(&self) -> LinkFacts {
        LinkFacts {
            mtu: self.mtu,
            header: self.header_len() as u32,
            queue_len: self.tx_queue_len,
            queues: self.sizes.tx_queues,
            used_queues: self.sizes.used_tx_queues,
        }
    }

    /// Whether a frame header is in front of its packets: true for Ethernet kinds.
    #[inline]
    pub const fn has_ethernet(&self) -> bool {
        self.hw.has_ethernet()
    }

    /// The most that it could cut (`tso_max_size`).
    pub fn tso_max_size(&self) -> u32 {
        // A bridge takes the limit of its ports, once it has had one (br_set_gso_limits).
        // A VXLAN link takes that of the link below (netif_inherit_tso_max).
        let small = self.kind.bridge().is_some_and(|b| !b.had_ports)
            || self.kind.ipip().is_some()
            || matches!(self.kind, Kind::Tun(_) | Kind::Vrf(_) | Kind::Dummy)
            || self.kind.vxlan().is_some_and(|v| v.config.dev == IfIndex::NONE);
        if small { 65536 } else { self.sizes.tso_max_size }
    }

    /// Whether it cannot be moved to another namespace (`NETIF_F_NETNS_LOCAL`).
    pub fn is_bound_to_netns(&self) -> bool {
        self.kind.ops().immutable_netns || self.kind.ipip().is_some_and(|tunnel| tunnel.fallback)
    }

    /// The number that netlink reports as the link below (`dev_get_iflink`): a veth's peer, else its own.
    pub fn iflink(&self) -> IfIndex {
        self.kind.below().map_or(self.index, |(_, below)| below)
    }

    /// The operational state as netlink reports it: DOWN while the link is down.
    pub const fn operstate_shown(&self) -> OperState {
        if self.is_up() { self.operstate } else { OperState::Down }
    }

    /// A link-layer address of this link's kind as tools print it: of a tunnel's only four bytes count.
    pub fn shown(&self, addr: MacAddr) -> String {
        let MacAddr([a, b, c, d, ..]) = addr;
        match self.hw {
            HwType::Ether | HwType::Loopback => addr.to_string(),
            HwType::Tunnel => core::net::Ipv4Addr::new(a, b, c, d).to_string(),
            HwType::None => String::new(),
        }
    }

    /// Its link-layer address as tools print it: empty if it has none.
    pub fn address_shown(&self) -> String {
        match self.hw {
            HwType::Ether | HwType::Loopback => self.addr.to_string(),
            HwType::Tunnel => self.kind.tunnel_ends().0.to_string(),
            HwType::None => String::new(),
        }
    }

    /// Its broadcast address, or the far end of a tunnel, as tools print it: empty if it has none.
    pub fn broadcast_shown(&self) -> String {
        match self.hw {
            HwType::Ether | HwType::Loopback => self.broadcast.to_string(),
            HwType::Tunnel => self.kind.tunnel_ends().1.to_string(),
            HwType::None => String::new(),
        }
    }

    /// Bytes of a link-layer address (`addr_len`).
    pub const fn hw_addr_len(&self) -> usize {
        match self.hw {
            HwType::Ether | HwType::Loopback => 6,
            HwType::Tunnel => 4,
            HwType::None => 0,
        }
    }

    /// Bytes of link-layer header (`hard_header_len`).
    pub const fn header_len(&self) -> usize {
        self.hw.header_len()
    }

    /// Whether neighbours on it are found by ARP.
    pub fn uses_arp(&self) -> bool {
        !self.flags.intersects(LinkFlags::NOARP | LinkFlags::LOOPBACK)
    }
}
