//! A route and its next hops: `fib_alias`, `fib_info` and `fib_nh` of the kernel in one value.

use core::net::Ipv4Addr;
use hopwise_sim_core::{IfIndex, OriginId};
use ipnet::Ipv4Net;
use smallvec::{SmallVec, smallvec};

/// The table of `default`, searched last.
pub const RT_TABLE_DEFAULT: u32 = 253;
/// The table that `ip route` means when none is named.
pub const RT_TABLE_MAIN: u32 = 254;
/// The table of this namespace's own addresses, kept by the kernel.
pub const RT_TABLE_LOCAL: u32 = 255;
/// No table. As a filter: every table.
pub const RT_TABLE_UNSPEC: u32 = 0;

/// Scope "global": the destination may be anywhere.
pub const RT_SCOPE_UNIVERSE: u8 = 0;
/// Scope "site".
pub const RT_SCOPE_SITE: u8 = 200;
/// Scope "link": the destination is a neighbour.
pub const RT_SCOPE_LINK: u8 = 253;
/// Scope "host": the destination is this host.
pub const RT_SCOPE_HOST: u8 = 254;
/// Scope "nowhere": there is no such destination. As a filter: any scope.
pub const RT_SCOPE_NOWHERE: u8 = 255;

/// Origin not said.
pub const RTPROT_UNSPEC: u8 = 0;
/// Installed by an ICMP redirect.
pub const RTPROT_REDIRECT: u8 = 1;
/// Installed by the kernel itself.
pub const RTPROT_KERNEL: u8 = 2;
/// Installed while booting; what `ip route add` says if nothing else is said, and does not print.
pub const RTPROT_BOOT: u8 = 3;
/// Installed by the administrator.
pub const RTPROT_STATIC: u8 = 4;
/// Installed by router discovery.
pub const RTPROT_RA: u8 = 9;
/// Installed by Zebra.
pub const RTPROT_ZEBRA: u8 = 11;
/// Installed by BIRD.
pub const RTPROT_BIRD: u8 = 12;
/// Installed by a DHCP client.
pub const RTPROT_DHCP: u8 = 16;
/// Installed by keepalived.
pub const RTPROT_KEEPALIVED: u8 = 18;
/// Installed by a BGP daemon.
pub const RTPROT_BGP: u8 = 186;
/// Installed by an IS-IS daemon.
pub const RTPROT_ISIS: u8 = 187;
/// Installed by an OSPF daemon.
pub const RTPROT_OSPF: u8 = 188;
/// Installed by a RIP daemon.
pub const RTPROT_RIP: u8 = 189;
/// Installed by an EIGRP daemon.
pub const RTPROT_EIGRP: u8 = 192;

macro_rules! route_types {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, scope $scope:ident;)*) => {
        /// What a route does with a packet. `RTN_*`.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
        #[repr(u8)]
        pub enum RouteType { $($(#[$doc])* $name = $number,)* }

        impl RouteType {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [RouteType] = &[$(RouteType::$name,)*];

            /// The name that iproute2 reads and prints.
            pub const fn name(self) -> &'static str {
                match self { $(RouteType::$name => $text,)* }
            }

            /// The widest scope that a route of this type may have. `fib_props[].scope`.
            pub const fn widest_scope(self) -> u8 {
                match self { $(RouteType::$name => $scope,)* }
            }
        }
    };
}

route_types! {
    /// To a gateway or straight over a link.
    #[default]
    Unicast = 1, "unicast", scope RT_SCOPE_UNIVERSE;
    /// To this namespace itself.
    Local = 2, "local", scope RT_SCOPE_HOST;
    /// To all on a link; accepted as local when it arrives.
    Broadcast = 3, "broadcast", scope RT_SCOPE_LINK;
    /// As broadcast when it arrives, but sent as unicast.
    Anycast = 4, "anycast", scope RT_SCOPE_LINK;
    /// To a multicast group.
    Multicast = 5, "multicast", scope RT_SCOPE_UNIVERSE;
    /// Dropped without a word (`EINVAL` for a sender here).
    Blackhole = 6, "blackhole", scope RT_SCOPE_UNIVERSE;
    /// Refused: host unreachable.
    Unreachable = 7, "unreachable", scope RT_SCOPE_UNIVERSE;
    /// Refused: administratively prohibited.
    Prohibit = 8, "prohibit", scope RT_SCOPE_UNIVERSE;
    /// Not in this table: the next rule decides.
    Throw = 9, "throw", scope RT_SCOPE_UNIVERSE;
    /// Address translation by route; gone from the kernel, still known by name.
    Nat = 10, "nat", scope RT_SCOPE_NOWHERE;
}

impl RouteType {
    /// True for the types that end a lookup with an error and have no next hop. `fib_props[].error`.
    #[inline]
    pub const fn is_error(self) -> bool {
        matches!(
            self,
            RouteType::Blackhole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw | RouteType::Nat
        )
    }

    /// The number on the netlink wire.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

bitflags::bitflags! {
    /// Flags of a next hop, and of a route as a whole. `RTNH_F_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct NhFlags: u8 {
        /// The link is down or gone: never used. Prints as `dead`.
        const DEAD = 1;
        /// Recursive lookup (kept for its name).
        const PERVASIVE = 2;
        /// The gateway is taken to be on the link, whatever the routes say. Prints as `onlink`.
        const ONLINK = 4;
        /// The link has no carrier. Prints as `linkdown`.
        const LINKDOWN = 16;
    }
}

/// One way out: a gateway, a link, or both. `fib_nh`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NextHop {
    /// The gateway; none if the destination is on the link.
    pub via: Option<Ipv4Addr>,
    /// The link; [`IfIndex::NONE`] only before the next hop was checked.
    pub dev: IfIndex,
    /// Scope of the way to the gateway: what [`super::check`] found. `nh_scope`.
    pub scope: u8,
    /// Share among the next hops of the route, 1 to 256. `rtnh_hops + 1`.
    pub weight: u16,
    /// State and wishes.
    pub flags: NhFlags,
    /// The largest hash (31 bits) that selects this next hop; -1: none. Kept by [`super::multipath::rebalance`].
    pub upper_bound: i32,
}

impl NextHop {
    /// A next hop as a command gives it, not yet checked.
    pub const fn new(via: Option<Ipv4Addr>, dev: IfIndex) -> Self {
        NextHop { via, dev, scope: RT_SCOPE_NOWHERE, weight: 1, flags: NhFlags::empty(), upper_bound: i32::MAX }
    }

    /// The gateway that packets are really sent to: one that turned out to be an address of this host is passed over, and
    /// the destination is taken to be on the link. `rt_set_nexthop`.
    #[inline]
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        self.via.filter(|_| self.scope != RT_SCOPE_HOST)
    }

    /// The same way, as `nh_comp` sees it: state does not count.
    fn same_way(&self, other: &NextHop) -> bool {
        let wish = NhFlags::DEAD.union(NhFlags::LINKDOWN).complement();
        (self.via, self.dev, self.scope, self.weight) == (other.via, other.dev, other.scope, other.weight)
            && self.flags & wish == other.flags & wish
    }
}

/// Metric number 1: `lock`, the mask of locked metrics (not a value of its own here, see [`Metrics::lock`]).
pub const RTAX_LOCK: u8 = 1;
/// The largest packet.
pub const RTAX_MTU: u8 = 2;
/// The largest window to advertise.
pub const RTAX_WINDOW: u8 = 3;
/// Round-trip time, in 1/8 ms.
pub const RTAX_RTT: u8 = 4;
/// Its variance, in 1/4 ms.
pub const RTAX_RTTVAR: u8 = 5;
/// Slow start threshold.
pub const RTAX_SSTHRESH: u8 = 6;
/// Congestion window clamp.
pub const RTAX_CWND: u8 = 7;
/// Segment size to advertise.
pub const RTAX_ADVMSS: u8 = 8;
/// Reordering.
pub const RTAX_REORDERING: u8 = 9;
/// Time to live of packets made here.
pub const RTAX_HOPLIMIT: u8 = 10;
/// Initial congestion window.
pub const RTAX_INITCWND: u8 = 11;
/// Features (ECN).
pub const RTAX_FEATURES: u8 = 12;
/// Least retransmission timeout, in milliseconds.
pub const RTAX_RTO_MIN: u8 = 13;
/// Initial receive window.
pub const RTAX_INITRWND: u8 = 14;
/// Quick acknowledgements.
pub const RTAX_QUICKACK: u8 = 15;
/// Fast open without a cookie.
pub const RTAX_FASTOPEN_NO_COOKIE: u8 = 17;

/// What a route prescribes for the packets that take it: sparse, most routes have none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metrics {
    /// `(RTAX_*, value)`, ascending, each number once, no zero values.
    values: Vec<(u8, u32)>,
    /// Bit `1 << RTAX_*` is set if that metric is locked (`mtu lock 1400`).
    pub lock: u32,
}

impl Metrics {
    /// The value of a metric; 0 if it is not set. `dst_metric_raw`.
    pub fn get(&self, rtax: u8) -> u32 {
        self.values.iter().find(|(n, _)| *n == rtax).map_or(0, |(_, v)| *v)
    }

    /// Sets a metric; 0 unsets it.
    pub fn set(&mut self, rtax: u8, value: u32) {
        self.values.retain(|(n, _)| *n != rtax);
        if value != 0 {
            let at = self.values.partition_point(|(n, _)| *n < rtax);
            self.values.insert(at, (rtax, value));
        }
    }

    /// True if the metric may not be changed by what is learnt. `dst_metric_locked`.
    pub const fn is_locked(&self, rtax: u8) -> bool {
        self.lock & (1 << rtax) != 0
    }

    /// All values, ascending by number.
    pub fn iter(&self) -> impl Iterator<Item = (u8, u32)> + '_ {
        self.values.iter().copied()
    }

    /// True if nothing is prescribed.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.lock == 0
    }
}

/// A route. Its key within a table is `(dst, tos, metric)`, of which there may be several after `append` or `prepend`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Destination; the host bits are zero.
    pub dst: Ipv4Net,
    /// Only packets with this DSCP field (0: all). `fa_dscp`.
    pub tos: u8,
    /// What it does.
    pub kind: RouteType,
    /// How far away the destination is, `RT_SCOPE_*`: larger is nearer.
    pub scope: u8,
    /// Who installed it, `RTPROT_*`.
    pub proto: u8,
    /// State of the route as a whole.
    pub flags: NhFlags,
    /// Smaller is preferred. `fib_priority`, printed as `metric`.
    pub metric: u32,
    /// Source address for packets that have none yet.
    pub prefsrc: Option<Ipv4Addr>,
    /// The ways out; none for the types that refuse.
    pub nexthops: SmallVec<[NextHop; 1]>,
    /// What it prescribes, if anything.
    pub metrics: Option<Box<Metrics>>,
    /// Why it is there, for those who look; nothing depends on it.
    pub origin: OriginId,
}

impl Route {
    /// A unicast route as `ip route add` asks for one: scope global, proto boot, no next hop yet.
    pub fn new(dst: Ipv4Net) -> Self {
        Route {
            dst: dst.trunc(),
            tos: 0,
            kind: RouteType::Unicast,
            scope: RT_SCOPE_UNIVERSE,
            proto: RTPROT_BOOT,
            flags: NhFlags::empty(),
            metric: 0,
            prefsrc: None,
            nexthops: SmallVec::new(),
            metrics: None,
            origin: OriginId::NONE,
        }
    }

    /// This route with one next hop.
    #[must_use]
    pub fn with_nexthop(mut self, via: Option<Ipv4Addr>, dev: IfIndex) -> Self {
        self.nexthops = smallvec![NextHop::new(via, dev)];
        self
    }

    /// The value of a metric; 0 if it is not set.
    pub fn rtax(&self, rtax: u8) -> u32 {
        self.metrics.as_ref().map_or(0, |m| m.get(rtax))
    }

    /// True if one of the next hops leaves through this link. `fib_info_nh_uses_dev`.
    pub fn uses_dev(&self, dev: IfIndex) -> bool {
        self.nexthops.iter().any(|nh| nh.dev == dev)
    }

    /// The place in a bucket: tos descending, then metric ascending. `fib_find_alias`.
    pub(super) fn rank(&self) -> (core::cmp::Reverse<u8>, u32) {
        (core::cmp::Reverse(self.tos), self.metric)
    }

    /// True if the kernel would share one `fib_info` for both and they do the same: no two such routes may have the
    /// same key. `fib_find_info`, and `fa_type`.
    pub fn same_info(&self, other: &Route) -> bool {
        (self.kind, self.scope, self.proto, self.metric) == (other.kind, other.scope, other.proto, other.metric)
            && self.prefsrc == other.prefsrc
            && self.metrics == other.metrics
            && self.nexthops.len() == other.nexthops.len()
            && self.nexthops.iter().zip(&other.nexthops).all(|(a, b)| a.same_way(b))
    }
}
