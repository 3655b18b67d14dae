//! Next hops that a table resolves (`rt_update_hostentry`): static `recursive`, BGP over several hops.

use super::Daemon;
use crate::bird::config::Kind;
use crate::bird::route::{Dest, NextHop, Route, Source};

impl Daemon {
    /// The route with the way that its table knows now.
    pub(super) fn resolved(&self, mut route: Route) -> Route {
        let Some(addr) = route.recursive else { return route };
        let (dest, nexthops, metric) = self.way_to(route.proto, addr);
        (route.dest, route.nexthops, route.igp_metric) = (dest, nexthops, metric);
        route
    }

    fn way_to(&self, proto: usize, addr: std::net::Ipv4Addr) -> (Dest, Vec<NextHop>, Option<u32>) {
        let nowhere = (Dest::Unreachable, Vec::new(), Some(0));
        let conf = &self.protos[proto].conf;
        let igp = match &conf.kind {
            Kind::Static { igp_table, .. } => igp_table.as_ref(),
            _ => conf.channel.as_ref().and_then(|c| c.igp_table.as_ref()),
        };
        let table = igp.or(conf.channel.as_ref().map(|c| &c.table)).and_then(|name| self.table_index(name));
        let Some(table) = table.map(|i| &self.tables[i]) else { return nowhere };
        let Some(best) = table.longest_match(addr.into()).and_then(|net| table.best(net)) else { return nowhere };
        // A way that is itself looked up is not followed.
        if best.recursive.is_some() || self.is_own(addr) {
            return nowhere;
        }
        let metric = if best.source == Source::Device { Some(0) } else { best.igp_metric };
        if best.dest != Dest::Unicast {
            return (best.dest, Vec::new(), metric);
        }
        let through = |hop: &NextHop| NextHop { gateway: hop.gateway.or(Some(addr)), ..hop.clone() };
        (Dest::Unicast, best.nexthops.iter().map(through).collect(), metric)
    }

    /// Looks all recursive next hops up again.
    pub(super) fn resolve_all(&mut self) {
        for table in 0..self.tables.len() {
            let mut changes = Vec::new();
            for (net, routes) in self.tables[table].iter() {
                for route in routes.iter().filter(|route| route.recursive.is_some()) {
                    let new = self.resolved(route.clone());
                    if new != *route {
                        changes.push((net, new));
                    }
                }
            }
            if changes.is_empty() {
                continue;
            }
            let mut tables = core::mem::take(&mut self.tables);
            for (net, new) in changes {
                let old_best = tables[table].best(net).cloned();
                tables[table].update(net, new.proto, Some(new), |a, b| self.is_better(a, b));
                self.tables = tables;
                self.unresolved = true;
                self.announce(table, net, old_best.as_ref());
                tables = core::mem::take(&mut self.tables);
            }
            self.tables = tables;
        }
    }
}
