//! A route as BIRD keeps it, and its properties as filters see them.

use core::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_sim_core::Time;
use ipnet::Ipv4Net;

use super::filter::{Attr, EnumKind, Value};
use crate::attrs::{Attrs, Origin};

/// `RTS_*`: what kind of protocol brought a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Source {
    /// `RTS_STATIC`
    Static = 1,
    /// `RTS_INHERIT`: the kernel's.
    Inherit = 2,
    /// `RTS_DEVICE`
    Device = 3,
    /// `RTS_BGP`
    Bgp = 11,
}

impl Source {
    /// How `show route all` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Static => "static",
            Source::Inherit => "inherit",
            Source::Device => "device",
            Source::Bgp => "BGP",
        }
    }
}

/// `RTD_*`: where a route leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Dest {
    /// To its next hops.
    Unicast = 1,
    /// Nowhere, silently.
    Blackhole = 2,
    /// Nowhere, with ICMP.
    Unreachable = 3,
    /// Nowhere, forbidden.
    Prohibit = 4,
}

impl Dest {
    /// How `show route` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Dest::Unicast => "unicast",
            Dest::Blackhole => "blackhole",
            Dest::Unreachable => "unreachable",
            Dest::Prohibit => "prohibited",
        }
    }
}

/// A way out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NextHop {
    /// The next router; none on the link itself.
    pub gateway: Option<Ipv4Addr>,
    /// The interface's number.
    pub iface: u32,
    /// The interface's name.
    pub name: Arc<str>,
    /// Its share, from 0: what is printed is one more.
    pub weight: u8,
    /// The gateway is believed to be on the link.
    pub onlink: bool,
}

/// What the kernel said of a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Krt {
    /// `krt_source`: who made it.
    pub source: Option<u32>,
    /// `krt_metric`
    pub metric: Option<u32>,
    /// `krt_prefsrc`
    pub prefsrc: Option<Ipv4Addr>,
}

/// A route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where to.
    pub net: Ipv4Net,
    /// The protocol that brought it, by its number.
    pub proto: usize,
    /// Its name.
    pub proto_name: Arc<str>,
    /// What kind of protocol.
    pub source: Source,
    /// `SCOPE_*`
    pub scope: u8,
    /// Where it leads.
    pub dest: Dest,
    /// The ways out.
    pub nexthops: Vec<NextHop>,
    /// The router it was learned from.
    pub from: Option<Ipv4Addr>,
    /// More is better.
    pub preference: u32,
    /// Path attributes.
    pub attrs: Arc<Attrs>,
    /// The kernel's attributes.
    pub krt: Krt,
    /// `krt_tunnel`, which only the BIRD of Calico has: the link through which the kernel shall send to the BGP next hop.
    pub tunnel: Option<Arc<str>>,
    /// The address whose route tells the way: of recursive static routes and of BGP over several hops.
    pub recursive: Option<Ipv4Addr>,
    /// The metric of the way to that address; `None` if it is not known.
    pub igp_metric: Option<u32>,
    /// When it came or changed.
    pub modified: Time,
    /// The export filter has set NEXT_HOP, MED.
    pub fresh: (bool, bool),
    /// The import filter did not want it, and it was kept to be shown.
    pub filtered: bool,
    /// Told before the neighbour began to tell all again.
    pub stale: bool,
}

impl Route {
    /// A route of a protocol, which leads nowhere yet.
    pub fn new(net: Ipv4Net, proto: usize, proto_name: Arc<str>, source: Source) -> Self {
        Route {
            net,
            proto,
            proto_name,
            source,
            scope: 4,
            dest: Dest::Unicast,
            nexthops: Vec::new(),
            from: None,
            preference: 0,
            attrs: Arc::default(),
            krt: Krt::default(),
            tunnel: None,
            recursive: None,
            igp_metric: None,
            modified: Time::ZERO,
            fresh: (false, false),
            filtered: false,
            stale: false,
        }
    }

    /// Whether both say the same, apart from when.
    pub fn same(&self, other: &Route) -> bool {
        let plain =
            |route: &Route| Route { modified: Time::ZERO, stale: false, fresh: (false, false), ..route.clone() };
        plain(self) == plain(other)
    }

    /// A property, `Void` if it is not there.
    pub fn get(&self, attr: Attr) -> Value {
        let opt = |value: Option<u32>| value.map_or(Value::Void, Value::Int);
        let first = self.nexthops.first();
        match attr {
            Attr::Net => Value::Prefix(self.net),
            Attr::Scope => Value::Enum(EnumKind::Scope, self.scope.into()),
            Attr::Source => Value::Enum(EnumKind::Source, self.source as u32),
            Attr::Proto => Value::Text(self.proto_name.clone()),
            Attr::From => Value::Ip(self.from.unwrap_or(Ipv4Addr::UNSPECIFIED)),
            Attr::Gw => Value::Ip(first.and_then(|hop| hop.gateway).unwrap_or(Ipv4Addr::UNSPECIFIED)),
            Attr::IfName => Value::Text(first.map_or_else(|| "".into(), |hop| hop.name.clone())),
            Attr::IfIndex => Value::Int(first.map_or(0, |hop| hop.iface)),
            Attr::Dest => Value::Enum(EnumKind::Dest, self.dest as u32),
            Attr::Weight => Value::Int(first.map_or(1, |hop| u32::from(hop.weight) + 1)),
            Attr::Preference => Value::Int(self.preference),
            Attr::IgpMetric => opt(self.igp_metric),
            Attr::KrtSource => opt(self.krt.source),
            Attr::KrtMetric => opt(self.krt.metric),
            Attr::KrtPrefsrc => self.krt.prefsrc.map_or(Value::Void, Value::Ip),
            Attr::KrtTunnel => self.tunnel.clone().map_or(Value::Void, Value::Text),
            _ => self.get_bgp(attr),
        }
    }

    fn get_bgp(&self, attr: Attr) -> Value {
        let attrs = &self.attrs;
        let opt = |value: Option<u32>| value.map_or(Value::Void, Value::Int);
        match attr {
            Attr::BgpPath => attrs.as_path.clone().map_or(Value::Void, Value::Path),
            Attr::BgpOrigin => attrs.origin.map_or(Value::Void, |o| Value::Enum(EnumKind::Origin, o as u32)),
            Attr::BgpNextHop => attrs.next_hop.map_or(Value::Void, Value::Ip),
            Attr::BgpMed => opt(attrs.med),
            Attr::BgpLocalPref => opt(attrs.local_pref),
            Attr::BgpAtomicAggr if attrs.atomic_aggregate => Value::Int(1),
            Attr::BgpOriginatorId => attrs.originator_id.map_or(Value::Void, Value::Quad),
            Attr::BgpCommunity if !attrs.communities.is_empty() => Value::Clist(attrs.communities.clone()),
            Attr::BgpClusterList if !attrs.cluster_list.is_empty() => {
                Value::Clist(attrs.cluster_list.iter().map(|id| crate::attrs::Community((*id).into())).collect())
            }
            Attr::BgpExtCommunity if !attrs.extended_communities.is_empty() => {
                Value::Eclist(attrs.extended_communities.clone())
            }
            Attr::BgpLargeCommunity if !attrs.large_communities.is_empty() => {
                Value::Lclist(attrs.large_communities.clone())
            }
            _ => Value::Void,
        }
    }

    /// Sets a property; `Void` takes it away.
    ///
    /// # Errors
    /// If it cannot be set or not to such a value.
    pub fn set(&mut self, attr: Attr, value: Value) -> Result<(), String> {
        let wrong = |value: &Value| {
            let (wanted, got) = (attr.kind().name(), value.kind().name());
            Err(format!("Argument 1 of EA_SET must be of type {wanted}, got type {got}"))
        };
        match (attr, value) {
            (Attr::Preference, Value::Int(value)) => self.preference = value,
            (Attr::From, Value::Ip(value)) => self.from = Some(value),
            (Attr::Scope, Value::Enum(EnumKind::Scope, value)) => self.scope = value as u8,
            (Attr::Dest, Value::Enum(EnumKind::Dest, value)) => {
                self.dest = match value {
                    2 => Dest::Blackhole,
                    3 => Dest::Unreachable,
                    4 => Dest::Prohibit,
                    _ => return Err("Destination can be changed only to blackhole, unreachable or prohibit".into()),
                };
                self.nexthops.clear();
            }
            (Attr::Weight, Value::Int(value @ 1..=256)) => {
                self.nexthops.iter_mut().for_each(|hop| hop.weight = (value - 1) as u8);
            }
            (Attr::KrtPrefsrc, Value::Ip(value)) => self.krt.prefsrc = Some(value),
            (Attr::KrtPrefsrc, Value::Void) => self.krt.prefsrc = None,
            (Attr::KrtMetric, Value::Int(value)) => self.krt.metric = Some(value),
            (Attr::KrtMetric, Value::Void) => self.krt.metric = None,
            (Attr::KrtTunnel, Value::Text(value)) => self.tunnel = Some(value).filter(|name| !name.is_empty()),
            (Attr::KrtTunnel, Value::Void) => self.tunnel = None,
            (Attr::IgpMetric, Value::Int(value)) => self.igp_metric = Some(value),
            (Attr::IgpMetric, Value::Void) => self.igp_metric = None,
            (attr, value) if attr.name().starts_with("bgp_") => {
                return self.set_bgp(attr, value).or_else(|v| wrong(&v));
            }
            (Attr::Gw | Attr::IfName, _) => return Err(format!("Setting {} is not supported here", attr.name())),
            (_, value) => return wrong(&value),
        }
        Ok(())
    }

    fn set_bgp(&mut self, attr: Attr, value: Value) -> Result<(), Value> {
        let attrs = Arc::make_mut(&mut self.attrs);
        match (attr, value) {
            (Attr::BgpPath, Value::Path(value)) => attrs.as_path = Some(value),
            (Attr::BgpPath, Value::Void) => attrs.as_path = None,
            (Attr::BgpOrigin, Value::Enum(EnumKind::Origin, value)) => attrs.origin = Origin::from_number(value),
            (Attr::BgpOrigin, Value::Void) => attrs.origin = None,
            (Attr::BgpNextHop, Value::Ip(value)) => {
                attrs.next_hop = Some(value);
                self.fresh.0 = true;
            }
            (Attr::BgpNextHop, Value::Void) => attrs.next_hop = None,
            (Attr::BgpMed, Value::Int(value)) => {
                attrs.med = Some(value);
                self.fresh.1 = true;
            }
            (Attr::BgpMed, Value::Void) => attrs.med = None,
            (Attr::BgpLocalPref, Value::Int(value)) => attrs.local_pref = Some(value),
            (Attr::BgpLocalPref, Value::Void) => attrs.local_pref = None,
            (Attr::BgpOriginatorId, Value::Quad(value) | Value::Ip(value)) => attrs.originator_id = Some(value),
            (Attr::BgpOriginatorId, Value::Void) => attrs.originator_id = None,
            (Attr::BgpCommunity, Value::Clist(value)) => attrs.communities = value,
            (Attr::BgpCommunity, Value::Void) => attrs.communities.clear(),
            (Attr::BgpExtCommunity, Value::Eclist(value)) => attrs.extended_communities = value,
            (Attr::BgpExtCommunity, Value::Void) => attrs.extended_communities.clear(),
            (Attr::BgpLargeCommunity, Value::Lclist(value)) => attrs.large_communities = value,
            (Attr::BgpLargeCommunity, Value::Void) => attrs.large_communities.clear(),
            (_, value) => return Err(value),
        }
        Ok(())
    }
}
