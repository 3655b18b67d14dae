//! Protocols that need no neighbour: direct and static; and what a change of the links means for all.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use hopwise_sim_core::Duration;

use super::iface::{Iface, is_meant};
use super::proto::State;
use super::{Daemon, RTPROT_BIRD};
use crate::bgp::session::Stop;
use crate::bird::config::{Kind, StaticRoute, StaticTarget};
use crate::bird::filter::{self, Filter};
use crate::bird::log::Class;
use crate::bird::route::{Dest, NextHop, Route, Source};

impl Daemon {
    /// A protocol begins, if it is wanted.
    pub(super) fn start_proto(&mut self, index: usize) {
        let proto = &self.protos[index];
        if !proto.is_wanted() || proto.state != State::Down {
            return;
        }
        match proto.conf.kind.clone() {
            Kind::Bgp(bgp) => self.start_bgp(index, &bgp),
            kind => {
                self.set_state(index, State::Up);
                if let Kind::Kernel(kernel) = &kind {
                    self.protos[index].scan_at = Some(self.now + Duration::from_secs(kernel.scan.into()));
                }
                if self.protos[index].conf.channel.is_some() {
                    self.open_channel(index);
                }
                self.refresh_local(index);
            }
        }
    }

    /// A protocol ends.
    pub(super) fn stop_proto(&mut self, index: usize, why: &Stop) {
        if self.protos[index].state == State::Down {
            return;
        }
        self.protos[index].restart_at = None;
        if self.protos[index].session.is_some() {
            return self.stop_bgp(index, why);
        }
        if let Kind::Kernel(kernel) = self.protos[index].conf.kind.clone() {
            self.withdraw_kernel(index, &kernel);
        }
        self.protos[index].scan_at = None;
        self.close_channel(index);
        self.set_state(index, State::Down);
    }

    /// The links are like this now.
    pub fn set_ifaces(&mut self, ifaces: Vec<Iface>) {
        if self.ifaces == ifaces {
            return;
        }
        self.ifaces = ifaces;
        for index in 0..self.protos.len() {
            self.refresh_local(index);
        }
        self.unresolved = true;
        self.settle();
        for index in 0..self.protos.len() {
            self.check_neighbor(index);
        }
        self.settle();
    }

    /// Tells anew what a direct or static protocol has.
    pub(super) fn refresh_local(&mut self, index: usize) {
        if self.protos[index].state != State::Up {
            return;
        }
        let routes = match self.protos[index].conf.kind.clone() {
            Kind::Direct { interfaces, check_link } => {
                let mut routes = Vec::new();
                for iface in self.ifaces.iter().filter(|i| i.up && (i.link || !check_link)) {
                    for addr in iface.addrs.iter().filter(|addr| is_meant(&interfaces, iface, addr)) {
                        if !addr.ip.is_loopback() {
                            routes.push(self.direct_route(index, iface, addr.net));
                        }
                    }
                }
                routes
            }
            Kind::Static { routes, check_link, .. } => {
                routes.iter().filter_map(|route| self.static_route(index, route, check_link)).collect()
            }
            _ => return,
        };
        let Some(table) = self.protos[index].conf.channel.as_ref().and_then(|c| self.table_index(&c.table)) else {
            return;
        };
        let mine = self.tables[table].iter().filter(|(_, r)| r.iter().any(|r| r.proto == index)).map(|(net, _)| net);
        let wanted: BTreeSet<_> = routes.iter().map(|route| route.net).collect();
        let gone: Vec<_> = mine.filter(|net| !wanted.contains(net)).collect();
        self.protos[index].channel.told.retain(|net, _| wanted.contains(net));
        for net in gone {
            self.update(index, net, None);
        }
        for route in routes {
            // What has not changed is not told again.
            let told = &mut self.protos[index].channel.told;
            if told.get(&route.net).is_none_or(|had| !had.same(&route)) {
                told.insert(route.net, route.clone());
                self.update(index, route.net, Some(route));
            }
        }
    }

    fn blank(&self, index: usize, net: ipnet::Ipv4Net, source: Source) -> Route {
        Route::new(net, index, self.protos[index].conf.name.as_str().into(), source)
    }

    fn direct_route(&self, index: usize, iface: &Iface, net: ipnet::Ipv4Net) -> Route {
        let mut route = self.blank(index, net.trunc(), Source::Device);
        route.nexthops = vec![Self::hop(iface.index, &iface.name, None)];
        route
    }

    fn static_route(&self, index: usize, conf: &StaticRoute, check_link: bool) -> Option<Route> {
        let mut route = self.blank(index, conf.net, Source::Static);
        match &conf.target {
            StaticTarget::Nowhere(dest) => route.dest = *dest,
            StaticTarget::Recursive(addr) => {
                route.recursive = Some(*addr);
                route.dest = Dest::Unreachable;
            }
            StaticTarget::Via(_) => {
                let mut hops = self.static_hops(conf, check_link).into_iter().flatten().collect::<Vec<_>>();
                if hops.is_empty() {
                    return None;
                }
                hops.sort_by_key(|hop| (hop.gateway.map_or(0, u32::from), hop.iface));
                // As BIRD keeps several next hops: by weight, then by what follows; a single one has no weight.
                hops.sort_by_key(|hop| core::cmp::Reverse(hop.weight));
                if let [only] = hops.as_mut_slice() {
                    only.weight = 0;
                }
                route.nexthops = hops;
            }
        }
        if let Some(body) = conf.body.clone() {
            let filter = Filter { name: None, body };
            // It neither accepts nor rejects; what it has done counts.
            let _ = filter::run(&filter, &mut route);
        }
        Some(route)
    }

    /// The next hops of a route by hand, `None` for those that are dormant.
    pub fn static_hops(&self, conf: &StaticRoute, check_link: bool) -> Vec<Option<NextHop>> {
        let StaticTarget::Via(hops) = &conf.target else { return Vec::new() };
        let resolve = |via: &crate::bird::config::Via| {
            let usable = |iface: &&Iface| iface.up && (iface.link || !check_link);
            let named = |iface: &&Iface| via.interface.as_ref().is_none_or(|name| **name == *iface.name);
            let iface = match via.gateway {
                None => self.ifaces.iter().filter(usable).find(|i| named(i) && !i.addrs.is_empty())?,
                Some(_) if via.onlink => self.ifaces.iter().filter(usable).find(named)?,
                Some(gateway) => {
                    self.ifaces.iter().filter(usable).find(|i| named(i) && i.addr_towards(gateway).is_some())?
                }
            };
            let weight = (via.weight - 1) as u8;
            Some(NextHop { weight, onlink: via.onlink, ..Self::hop(iface.index, &iface.name, via.gateway) })
        };
        hops.iter().map(resolve).collect()
    }

    /// The link on which an address is, with our own address there.
    pub(super) fn link_towards(&self, to: Ipv4Addr, name: Option<&str>) -> Option<(&Iface, Ipv4Addr)> {
        let meant = self.ifaces.iter().filter(|i| i.up && name.is_none_or(|name| name == &*i.name));
        meant
            .filter_map(|iface| Some((iface, iface.addr_towards(to)?)))
            .max_by_key(|(_, addr)| addr.net.prefix_len())
            .map(|(i, a)| (i, a.ip))
    }

    /// Whether an address is our own.
    pub(super) fn is_own(&self, addr: Ipv4Addr) -> bool {
        self.ifaces.iter().any(|iface| iface.addrs.iter().any(|a| a.ip == addr))
    }

    /// Switches a protocol off; what `birdc` is told.
    pub(crate) fn disable(&mut self, index: usize, text: Option<&str>) -> &'static str {
        if self.protos[index].disabled {
            return "already disabled";
        }
        let name = self.protos[index].conf.name.clone();
        self.log(Class::Info, format!("Disabling protocol {name}"));
        self.protos[index].message = text.map(str::to_owned);
        self.protos[index].disabled = true;
        self.stop_proto(index, &Stop::Shutdown(text.unwrap_or_default().to_owned()));
        self.settle();
        "disabled"
    }

    /// Switches a protocol on.
    pub(crate) fn enable(&mut self, index: usize, text: Option<&str>) -> &'static str {
        if !self.protos[index].disabled {
            return "already enabled";
        }
        let name = self.protos[index].conf.name.clone();
        self.log(Class::Info, format!("Enabling protocol {name}"));
        self.protos[index].message = text.map(str::to_owned);
        self.protos[index].disabled = false;
        self.start_proto(index);
        self.settle();
        "enabled"
    }

    /// Ends a protocol and begins it anew.
    pub(crate) fn restart(&mut self, index: usize, text: Option<&str>) -> &'static str {
        if self.protos[index].disabled {
            return "already disabled";
        }
        let name = self.protos[index].conf.name.clone();
        self.log(Class::Info, format!("Restarting protocol {name}"));
        self.protos[index].message = text.map(str::to_owned);
        self.stop_proto(index, &Stop::Reset(text.unwrap_or_default().to_owned()));
        self.settle();
        self.start_proto(index);
        self.settle();
        "restarted"
    }

    /// The number by which the kernel knows who made our routes.
    pub const fn own_protocol() -> u32 {
        RTPROT_BIRD
    }
}
