//! IPv4 routing: tables, policy rules, lookup, next-hop selection and what link state does to routes.
//! Modelled on `net/ipv4/fib_trie.c`, `fib_semantics.c`, `fib_rules.c` and `net/core/fib_rules.c`.
//!
//! [`Fib`] is the routing of one namespace. [`Fib::lookup`] answers a [`Flow`]; [`Fib::add`] and [`Fib::delete`] are
//! what netlink does; [`Fib::link_down`] and its neighbours are what devices do.
//!
//! As in the kernel, tables come into being with their first route (`ip route` in a fresh namespace says
//! `FIB table does not exist`), and while only the default rules exist, `local` and `main` are searched as one table:
//! a longer prefix in `main` beats a shorter one in `local`. The first change of the rules separates them for good.
//!
//! Left out: `fib_select_default` (Linux turns among equal default routes whose gateways failed), route classes,
//! next-hop objects.

pub mod check;
pub mod error;
pub mod multipath;
pub mod route;
pub mod rule;
mod store;
mod sync;
pub mod table;

pub use check::LinkFacts;
pub use error::RouteError;
pub use route::*;
pub use rule::{Action, L3MDEV_RULE, PortRange, Rule, RuleLink};
pub use table::{Insert, Inserted, RouteSpec, RouteTable};

use core::net::Ipv4Addr;
use hopwise_sim_core::IfIndex;
use ipnet::Ipv4Net;

/// The bits of a flow's tos that routes and `tos` rules compare. `INET_DSCP_LEGACY_TOS_MASK`.
const LEGACY_TOS_MASK: u8 = 0x1c;

/// What a route is looked up for. `flowi4`; what is 0 or unspecified does not restrict.
///
/// ```
/// use hopwise_protocols::fib::Flow;
/// let to = Flow { dst: [10, 0, 0, 1].into(), ..Flow::default() };
/// assert!(to.src.is_unspecified());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow {
    /// Destination address.
    pub dst: Ipv4Addr,
    /// Source address.
    pub src: Ipv4Addr,
    /// Type of service; the ECN bits do not matter.
    pub tos: u8,
    /// The route must lead at least this near, `RT_SCOPE_*`.
    pub scope: u8,
    /// The packet's mark.
    pub mark: u32,
    /// Where it came in; [`IfIndex::LO`] if it is made here. `flowi4_iif`.
    pub iif: IfIndex,
    /// Where it must go out.
    pub oif: IfIndex,
    /// `IPPROTO_*`.
    pub proto: u8,
    /// Source port.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// What else shares flows among the next hops: the hash of the packet inside a tunnel's. `flowi4_multipath_hash`.
    pub hash: u32,
    /// The table of the VRF that it belongs to; 0: to none (`flowi_l3mdev`, as `l3mdev_update_flow` finds it).
    pub l3mdev: u32,
    /// Use links without carrier whatever the sysctl says. `FIB_LOOKUP_IGNORE_LINKSTATE`.
    pub ignore_linkstate: bool,
}

impl Default for Flow {
    fn default() -> Self {
        Flow {
            dst: Ipv4Addr::UNSPECIFIED,
            src: Ipv4Addr::UNSPECIFIED,
            tos: 0,
            scope: RT_SCOPE_UNIVERSE,
            mark: 0,
            hash: 0,
            iif: IfIndex::LO,
            oif: IfIndex::NONE,
            proto: 0,
            sport: 0,
            dport: 0,
            l3mdev: 0,
            ignore_linkstate: false,
        }
    }
}

/// What a table says: a route, and its next hop unless the route refuses.
#[derive(Clone, Copy, Debug)]
struct Found<'a> {
    route: &'a Route,
    nexthop: Option<&'a NextHop>,
}

/// The answer of a lookup. `fib_result`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FibResult<'a> {
    /// The route. Its `kind`, `scope` and `dst` are the result's type, scope and prefix.
    pub route: &'a Route,
    /// Its first usable next hop; see [`multipath::select`] if there are several.
    pub nexthop: &'a NextHop,
    /// The table it was found in.
    pub table: u32,
    /// The priority of the rule that led there; `None` while only the default rules exist.
    pub rule: Option<u32>,
}

impl FibResult<'_> {
    /// What the route does.
    #[inline]
    pub const fn kind(&self) -> RouteType {
        self.route.kind
    }

    /// The prefix that matched.
    #[inline]
    pub const fn prefix(&self) -> Ipv4Net {
        self.route.dst
    }
}

/// The error number of a failed lookup.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FibErrno {
    /// `ENETUNREACH`: no route, or a rule `unreachable`.
    NetUnreach,
    /// `EHOSTUNREACH`: a route `unreachable`.
    HostUnreach,
    /// `EACCES`: a route or rule `prohibit`.
    Access,
    /// `EINVAL`: a route or rule `blackhole`.
    Invalid,
}

/// Why a lookup failed, and who says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FibError<'a> {
    /// Nothing matched.
    NoRoute,
    /// A route that refuses.
    Route {
        /// The route.
        route: &'a Route,
        /// Its table.
        table: u32,
    },
    /// A rule that refuses.
    Rule(&'a Rule),
}

impl FibError<'_> {
    /// The error number. `fib_props[].error` and `fib4_rule_action`.
    pub const fn errno(&self) -> FibErrno {
        match self {
            FibError::NoRoute => FibErrno::NetUnreach,
            FibError::Route { route, .. } => match route.kind {
                RouteType::Unreachable => FibErrno::HostUnreach,
                RouteType::Prohibit => FibErrno::Access,
                RouteType::Throw => FibErrno::NetUnreach,
                _ => FibErrno::Invalid,
            },
            FibError::Rule(rule) => match rule.action {
                Action::Unreachable => FibErrno::NetUnreach,
                Action::Prohibit => FibErrno::Access,
                _ => FibErrno::Invalid,
            },
        }
    }
}

/// Which links' `ignore_routes_with_linkdown` is set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Linkdown {
    /// `net.ipv4.conf.all.ignore_routes_with_linkdown`.
    pub all: bool,
    /// The links with their own setting on.
    pub links: Vec<IfIndex>,
}

impl Linkdown {
    /// `ip_ignore_linkdown`.
    pub fn ignores(&self, dev: IfIndex) -> bool {
        self.all || self.links.contains(&dev)
    }

    /// True if the next hop is not to be used because its link is down, gone, or without carrier where that counts.
    fn excludes(&self, nh: &NextHop) -> bool {
        nh.flags.contains(NhFlags::DEAD) || (nh.flags.contains(NhFlags::LINKDOWN) && self.ignores(nh.dev))
    }
}

/// The routing of a namespace.
///
/// ```
/// use hopwise_protocols::fib::{Fib, Flow, Insert, NextHop, Route, RT_TABLE_MAIN};
/// use hopwise_sim_core::IfIndex;
/// let mut fib = Fib::default();
/// let gateway = Some([192, 0, 2, 1].into());
/// let route = Route::new("198.51.100.0/24".parse().unwrap()).with_nexthop(gateway, IfIndex(2));
/// fib.insert(RT_TABLE_MAIN, route, Insert::ADD_ROUTE).unwrap();
/// let flow = Flow { dst: [198, 51, 100, 7].into(), ..Flow::default() };
/// assert_eq!(fib.lookup(&flow).unwrap().nexthop.via, gateway);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Fib {
    local: Option<RouteTable>,
    main: Option<RouteTable>,
    /// Tables beside the two, ascending by number.
    others: Vec<RouteTable>,
    /// The rules once they were changed. `fib_has_custom_rules`.
    rules: Option<Vec<Rule>>,
    /// `ignore_routes_with_linkdown`, kept by the owner.
    pub linkdown: Linkdown,
    generation: u32,
}

impl Fib {
    /// A number that changes with every change of routes and rules, for those who remember lookups. `rt_genid`.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// True once the rules were changed. `fib4_has_custom_rules`.
    #[inline]
    pub const fn has_custom_rules(&self) -> bool {
        self.rules.is_some()
    }

    /// A table, if it exists. `fib_get_table`; table 0 means `main`.
    pub fn table(&self, id: u32) -> Option<&RouteTable> {
        match id {
            RT_TABLE_MAIN | RT_TABLE_UNSPEC => self.main.as_ref(),
            RT_TABLE_LOCAL => self.local.as_ref(),
            _ => self.others.binary_search_by_key(&id, RouteTable::id).ok().and_then(|at| self.others.get(at)),
        }
    }

    fn table_mut(&mut self, id: u32) -> Option<&mut RouteTable> {
        match id {
            RT_TABLE_MAIN | RT_TABLE_UNSPEC => self.main.as_mut(),
            RT_TABLE_LOCAL => self.local.as_mut(),
            _ => self.others.binary_search_by_key(&id, RouteTable::id).ok().and_then(|at| self.others.get_mut(at)),
        }
    }

    /// A table, made if it does not exist. `fib_new_table`: `local` brings `main` with it while they are one.
    fn new_table(&mut self, id: u32) -> &mut RouteTable {
        match id {
            RT_TABLE_MAIN | RT_TABLE_UNSPEC => self.main.get_or_insert_with(|| RouteTable::new(RT_TABLE_MAIN)),
            RT_TABLE_LOCAL => {
                if self.rules.is_none() {
                    self.main.get_or_insert_with(|| RouteTable::new(RT_TABLE_MAIN));
                }
                self.local.get_or_insert_with(|| RouteTable::new(RT_TABLE_LOCAL))
            }
            _ => {
                let at = match self.others.binary_search_by_key(&id, RouteTable::id) {
                    Ok(at) => at,
                    Err(at) => {
                        self.others.insert(at, RouteTable::new(id));
                        at
                    }
                };
                &mut self.others[at]
            }
        }
    }

    /// All tables that exist, ascending by number.
    pub fn tables(&self) -> impl Iterator<Item = &RouteTable> + '_ {
        let split = self.others.partition_point(|table| table.id() < RT_TABLE_MAIN);
        let (low, high) = self.others.split_at(split);
        low.iter().chain(&self.main).chain(&self.local).chain(high)
    }

    fn tables_mut(&mut self) -> impl Iterator<Item = &mut RouteTable> + '_ {
        self.others.iter_mut().chain(&mut self.main).chain(&mut self.local)
    }

    /// The best route for a flow. `fib_lookup`.
    ///
    /// # Errors
    /// [`FibError`]: nothing matched, or what matched refuses.
    #[inline]
    pub fn lookup(&self, flow: &Flow) -> Result<FibResult<'_>, FibError<'_>> {
        match &self.rules {
            None => self.lookup_default_rules(flow),
            Some(rules) => self.lookup_rules(rules, flow),
        }
    }

    /// `local` and `main` as one table, then `default`.
    #[inline]
    fn lookup_default_rules(&self, flow: &Flow) -> Result<FibResult<'_>, FibError<'_>> {
        match self.find_merged(flow) {
            Some((table, Found { route, nexthop: Some(nexthop) })) => {
                Ok(FibResult { route, nexthop, table, rule: None })
            }
            refused => self.lookup_default_table(flow, refused),
        }
    }

    /// The best route of `local` and `main` together, and where it is.
    #[inline]
    fn find_merged(&self, flow: &Flow) -> Option<(u32, Found<'_>)> {
        let in_local = self.local.as_ref().and_then(|table| table.find(flow, &self.linkdown));
        let len = |found: &Found<'_>| found.route.dst.prefix_len();
        // Nothing is longer than a host route, and of equal ones that in `local` comes first.
        let in_main = match &in_local {
            Some(found) if len(found) == 32 => None,
            _ => self.main.as_ref().and_then(|table| table.find(flow, &self.linkdown)),
        };
        match (in_local, in_main) {
            (Some(local), Some(main)) if len(&main) > len(&local) => Some((RT_TABLE_MAIN, main)),
            (Some(local), _) => Some((RT_TABLE_LOCAL, local)),
            (None, main) => main.map(|main| (RT_TABLE_MAIN, main)),
        }
    }

    /// What the kernel does after any failure in `main`: if there is a table `default`, its answer counts.
    #[cold]
    fn lookup_default_table<'a>(
        &'a self,
        flow: &Flow,
        refused: Option<(u32, Found<'a>)>,
    ) -> Result<FibResult<'a>, FibError<'a>> {
        let found = match self.table(RT_TABLE_DEFAULT) {
            Some(default) => default.find(flow, &self.linkdown).map(|found| (RT_TABLE_DEFAULT, found)),
            None => refused,
        };
        found.and_then(|(table, found)| answer(found, table, None)).unwrap_or(Err(FibError::NoRoute))
    }

    /// `fib_rules_lookup`.
    fn lookup_rules<'a>(&'a self, rules: &'a [Rule], flow: &Flow) -> Result<FibResult<'a>, FibError<'a>> {
        let mut at = 0;
        while let Some(rule) = rules.get(at) {
            at += 1;
            if !rule.matches(flow) {
                continue;
            }
            match rule.action {
                Action::Goto(target) => {
                    // Always forwards, so this ends. A target that does not exist is skipped.
                    if let Ok(there) = rule::first_at(rules, target) {
                        at = there;
                    }
                }
                Action::Nop => {}
                Action::Lookup(_) | Action::L3mdev => {
                    let id = if let Action::Lookup(id) = rule.action { id } else { flow.l3mdev };
                    let found = self.table(id).and_then(|table| table.find(flow, &self.linkdown));
                    let suppressed = |f: &Found<'_>| f.nexthop.is_some() && rule.suppresses(f.route);
                    let answer = found.filter(|f| !suppressed(f)).and_then(|f| answer(f, id, Some(rule.priority)));
                    if let Some(result) = answer {
                        return result;
                    }
                }
                Action::Unreachable | Action::Prohibit | Action::Blackhole => return Err(FibError::Rule(rule)),
            }
        }
        Err(FibError::NoRoute)
    }

    /// Looks up in one table only; nothing found and `throw` are both [`FibError::NoRoute`]. While only the default
    /// rules exist, `local` and `main` are one table here too. `fib_table_lookup`.
    ///
    /// # Errors
    /// As [`Fib::lookup`].
    pub fn lookup_table(&self, id: u32, flow: &Flow) -> Result<FibResult<'_>, FibError<'_>> {
        let merged = self.rules.is_none() && matches!(id, RT_TABLE_MAIN | RT_TABLE_LOCAL | RT_TABLE_UNSPEC);
        let found = if merged {
            self.find_merged(flow)
        } else {
            self.table(id).and_then(|table| table.find(flow, &self.linkdown)).map(|found| (id, found))
        };
        found.and_then(|(table, found)| answer(found, table, None)).unwrap_or(Err(FibError::NoRoute))
    }

    /// What kind of address this is here; with `dev`, only routes through that link count. `inet_addr_type_table`
    /// (usually for table [`RT_TABLE_LOCAL`]) and `inet_dev_addr_type`.
    pub fn addr_type(&self, addr: Ipv4Addr, dev: Option<IfIndex>, table: u32) -> RouteType {
        if addr.octets()[0] == 0 || addr == Ipv4Addr::BROADCAST {
            return RouteType::Broadcast;
        }
        if addr.is_multicast() {
            return RouteType::Multicast;
        }
        let flow = Flow { dst: addr, ..Flow::default() };
        match self.lookup_table(table, &flow) {
            Ok(found) if dev.is_none_or(|dev| found.route.nexthops.first().is_some_and(|nh| nh.dev == dev)) => {
                found.kind()
            }
            _ => RouteType::Unicast,
        }
    }

    /// Puts a route into a table without checking its next hops (see [`Fib::add`]). The kernel's own routes, and those
    /// of tests, come this way.
    ///
    /// # Errors
    /// As [`RouteTable::insert`].
    pub fn insert(&mut self, table: u32, mut route: Route, how: Insert) -> Result<Inserted, RouteError> {
        multipath::rebalance(&mut route, &self.linkdown);
        let done = self.new_table(table).insert(route, how)?;
        self.generation = self.generation.wrapping_add(1);
        Ok(done)
    }

    /// Checks a route as the kernel does and puts it into a table: RTM_NEWROUTE. `inet_rtm_newroute`,
    /// `fib_table_insert`.
    ///
    /// # Errors
    /// Any [`RouteError`] with its words.
    pub fn add(
        &mut self,
        table: u32,
        mut route: Route,
        how: Insert,
        links: &impl LinkFacts,
    ) -> Result<Inserted, RouteError> {
        let table = if table == RT_TABLE_UNSPEC { RT_TABLE_MAIN } else { table };
        if route.tos & 0x03 != 0 {
            return Err(RouteError::EcnBits);
        }
        self.new_table(table);
        if route.dst.addr() != route.dst.network() {
            return Err(RouteError::HostBits);
        }
        check::check(self, table, &mut route, links)?;
        self.insert(table, route, how)
    }

    /// Takes a route out of a table: RTM_DELROUTE. `inet_rtm_delroute`, `fib_table_delete`.
    ///
    /// # Errors
    /// [`RouteError::NoSuchTable`], [`RouteError::NoSuchRoute`], [`RouteError::HostBits`].
    pub fn delete(&mut self, table: u32, spec: &RouteSpec) -> Result<Route, RouteError> {
        let route = self.table_mut(table).ok_or(RouteError::NoSuchTable)?.delete(spec)?;
        self.generation = self.generation.wrapping_add(1);
        Ok(route)
    }

    /// Takes all routes out for which `gone(table, route)` is true; gives how many.
    pub fn flush(&mut self, mut gone: impl FnMut(u32, &Route) -> bool) -> usize {
        let removed = self.tables_mut().map(|table| table.id()).collect::<Vec<_>>().into_iter();
        let removed = removed.filter_map(|id| self.table_mut(id).map(|t| t.flush(|route| gone(id, route)))).sum();
        if removed > 0 {
            self.generation = self.generation.wrapping_add(1);
        }
        removed
    }
}

/// A table's answer as that of a lookup; `None`: the next rule decides.
fn answer(found: Found<'_>, table: u32, rule: Option<u32>) -> Option<Result<FibResult<'_>, FibError<'_>>> {
    match found {
        Found { route, nexthop: Some(nexthop) } => Some(Ok(FibResult { route, nexthop, table, rule })),
        Found { route, .. } if route.kind == RouteType::Throw => None,
        Found { route, .. } => Some(Err(FibError::Route { route, table })),
    }
}

#[cfg(test)]
mod tests;
