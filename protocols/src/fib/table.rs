//! One routing table: lookup and changes as `net/ipv4/fib_trie.c` makes them.

use super::error::RouteError;
use super::route::{NhFlags, Route, RouteType};
use super::store::{Key, Store, mask};
use super::{Flow, Found, Linkdown};
use core::net::Ipv4Addr;
use hopwise_sim_core::IfIndex;
use ipnet::Ipv4Net;
use smallvec::SmallVec;

bitflags::bitflags! {
    /// How a route is put into a table: the netlink flags of the request. `NLM_F_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    pub struct Insert: u16 {
        /// Replace the first route with the same key.
        const REPLACE = 0x100;
        /// Fail if there is a route with the same key.
        const EXCL = 0x200;
        /// Make a new route if there is none with the same key.
        const CREATE = 0x400;
        /// Behind the routes with the same key.
        const APPEND = 0x800;
    }
}

impl Insert {
    /// `ip route add`.
    pub const ADD_ROUTE: Insert = Insert::CREATE.union(Insert::EXCL);
    /// `ip route replace`.
    pub const REPLACE_ROUTE: Insert = Insert::CREATE.union(Insert::REPLACE);
    /// `ip route change`.
    pub const CHANGE_ROUTE: Insert = Insert::REPLACE;
    /// `ip route append`.
    pub const APPEND_ROUTE: Insert = Insert::CREATE.union(Insert::APPEND);
    /// `ip route prepend`.
    pub const PREPEND_ROUTE: Insert = Insert::CREATE;
    /// `ip route test`.
    pub const TEST_ROUTE: Insert = Insert::EXCL;
}

/// Which route to delete: what is not given matches anything, except prefix and tos. The `fib_config` of
/// `fib_table_delete`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteSpec {
    /// Destination, exactly.
    pub dst: Ipv4Net,
    /// Type of service, exactly.
    pub tos: u8,
    /// Metric; 0: any.
    pub metric: u32,
    /// Type, if given.
    pub kind: Option<RouteType>,
    /// Scope, if given (`RT_SCOPE_NOWHERE` counts as not given).
    pub scope: Option<u8>,
    /// Origin; 0: any.
    pub proto: u8,
    /// Preferred source, if given.
    pub prefsrc: Option<Ipv4Addr>,
    /// `via` and `dev`, each if given. One entry is compared with the first next hop only; several (`nexthop ...
    /// nexthop ...`) must be all next hops in order.
    pub nexthops: SmallVec<[(Option<Ipv4Addr>, IfIndex); 1]>,
    /// True if `nexthops` was given with the word `nexthop`: then the number of next hops must be the same too.
    pub multipath: bool,
    /// Metrics that must have these values.
    pub metrics: SmallVec<[(u8, u32); 1]>,
}

impl RouteSpec {
    /// Any route to exactly this destination, with tos 0.
    pub fn new(dst: Ipv4Net) -> Self {
        RouteSpec {
            dst,
            tos: 0,
            metric: 0,
            kind: None,
            scope: None,
            proto: 0,
            prefsrc: None,
            nexthops: SmallVec::new(),
            multipath: false,
            metrics: SmallVec::new(),
        }
    }

    /// `fib_table_delete`'s conditions beside prefix and tos.
    fn matches(&self, route: &Route) -> bool {
        self.kind.is_none_or(|kind| kind == route.kind)
            && self.scope.is_none_or(|scope| scope == super::RT_SCOPE_NOWHERE || scope == route.scope)
            && self.prefsrc.is_none_or(|src| Some(src) == route.prefsrc)
            && (self.proto == 0 || self.proto == route.proto)
            && (self.metric == 0 || self.metric == route.metric)
            && self.matches_nexthops(route)
            && self.metrics.iter().all(|&(rtax, value)| route.rtax(rtax) == value)
    }

    /// `fib_nh_match`. Of several next hops there must be at least as many as the route has; more do no harm.
    fn matches_nexthops(&self, route: &Route) -> bool {
        if self.multipath && self.nexthops.len() < route.nexthops.len() {
            return false;
        }
        let matches = |(via, dev): &(Option<Ipv4Addr>, IfIndex), nh: &super::NextHop| {
            (!dev.is_some() || *dev == nh.dev) && (via.is_none() || *via == nh.via)
        };
        // A route that refuses has none, which counts as one without gateway and link.
        let none = super::NextHop::new(None, IfIndex::NONE);
        let ways = if route.nexthops.is_empty() { core::slice::from_ref(&none) } else { route.nexthops.as_slice() };
        self.nexthops.iter().zip(ways).all(|(wanted, nh)| matches(wanted, nh))
    }
}

/// What became of a route that was put into a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Inserted {
    /// It is new.
    New,
    /// It took the place of this one.
    Replaced(Box<Route>),
    /// `replace` with exactly what is already there.
    Unchanged,
}

/// A routing table. `fib_table`.
#[derive(Clone, Debug)]
pub struct RouteTable {
    id: u32,
    store: Store,
}

impl RouteTable {
    /// An empty table of this number.
    pub fn new(id: u32) -> Self {
        RouteTable { id, store: Store::default() }
    }

    /// Its number, `RT_TABLE_*`.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// How many routes it has.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// True if it has no route.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All routes in the order of `ip route show`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Route> + '_ {
        self.store.sorted().into_iter()
    }

    /// The routes to exactly this prefix, in order of preference.
    pub fn exact(&self, dst: Ipv4Net) -> &[Route] {
        self.store.bucket(key(dst))
    }

    /// The best route for a flow in this table alone: `fib_table_lookup`. `None`: the table says nothing.
    #[inline]
    pub(super) fn find<'a>(&'a self, flow: &Flow, linkdown: &Linkdown) -> Option<Found<'a>> {
        self.store.find(flow.dst.to_bits(), |bucket| select(bucket, flow, linkdown))
    }

    /// Puts a route in, which was checked before. `fib_table_insert`.
    ///
    /// # Errors
    /// [`RouteError::HostBits`], [`RouteError::Exists`], [`RouteError::NotFound`] (`change`).
    pub fn insert(&mut self, route: Route, how: Insert) -> Result<Inserted, RouteError> {
        if route.dst.addr() != route.dst.network() {
            return Err(RouteError::HostBits);
        }
        let place = key(route.dst);
        let bucket = self.store.bucket(place);
        let first = bucket.partition_point(|other| other.rank() < route.rank());
        let same = bucket[first..].iter().take_while(|other| other.rank() == route.rank()).count();
        let mut at = first;
        if same > 0 {
            if how.contains(Insert::EXCL) {
                return Err(RouteError::Exists);
            }
            let twin = bucket[first..first + same].iter().position(|other| other.same_info(&route));
            if how.contains(Insert::REPLACE) {
                match twin {
                    Some(0) => {
                        self.store.bucket_mut(place)[first].origin = route.origin;
                        return Ok(Inserted::Unchanged);
                    }
                    Some(_) => return Err(RouteError::Exists),
                    None => {
                        let old = core::mem::replace(&mut self.store.bucket_mut(place)[first], route);
                        return Ok(Inserted::Replaced(Box::new(old)));
                    }
                }
            }
            if twin.is_some() {
                return Err(RouteError::Exists);
            }
            if how.contains(Insert::APPEND) {
                at = first + same;
            }
        }
        if !how.contains(Insert::CREATE) {
            return Err(RouteError::NotFound);
        }
        self.store.insert(at, route);
        Ok(Inserted::New)
    }

    /// Takes the first route out that fits the description. `fib_table_delete`.
    ///
    /// # Errors
    /// [`RouteError::HostBits`], [`RouteError::NoSuchRoute`].
    pub fn delete(&mut self, spec: &RouteSpec) -> Result<Route, RouteError> {
        if spec.dst.addr() != spec.dst.network() {
            return Err(RouteError::HostBits);
        }
        let place = key(spec.dst);
        let bucket = self.store.bucket(place);
        let at = bucket.iter().position(|route| route.tos == spec.tos && spec.matches(route));
        at.and_then(|at| self.store.remove(place, at)).ok_or(RouteError::NoSuchRoute)
    }

    /// Takes all routes out for which `gone` is true; gives how many.
    pub fn flush(&mut self, mut gone: impl FnMut(&Route) -> bool) -> usize {
        let before = self.len();
        self.store.retain(|route| !gone(route));
        before - self.len()
    }

    /// Every route, to change its state; what it is found by must stay.
    pub(super) fn for_each_mut(&mut self, change: impl FnMut(&mut Route)) {
        self.store.for_each_mut(change);
    }
}

fn key(dst: Ipv4Net) -> Key {
    (dst.addr().to_bits() & mask(dst.prefix_len()), dst.prefix_len())
}

/// The first route of a bucket that serves the flow. The inner loop of `fib_table_lookup`.
#[inline]
fn select<'a>(bucket: &'a [Route], flow: &Flow, linkdown: &Linkdown) -> Option<Found<'a>> {
    bucket.iter().find_map(|route| {
        if (route.tos != 0 && route.tos != flow.tos & super::LEGACY_TOS_MASK) || route.scope < flow.scope {
            return None;
        }
        if route.kind.is_error() {
            return Some(Found { route, nexthop: None });
        }
        if route.flags.contains(NhFlags::DEAD) {
            return None;
        }
        let all_links = Linkdown::default();
        let linkdown = if flow.ignore_linkstate { &all_links } else { linkdown };
        let good = |nh: &&super::NextHop| (!flow.oif.is_some() || flow.oif == nh.dev) && !linkdown.excludes(nh);
        route.nexthops.iter().find(good).map(|nexthop| Found { route, nexthop: Some(nexthop) })
    })
}
