//! How routes enter the tables and leave them (`nest/rt-table.c`).

use std::sync::Arc;

use ipnet::Ipv4Net;

use super::Daemon;
use super::limits::{EXPORT, IMPORT, RECEIVE};
use super::proto::State;
use crate::bgp::config::Peer;
use crate::bgp::decision::{self, Candidate};
use crate::bird::config::{Kind, Policy};
use crate::bird::filter;
use crate::bird::log::Class;
use crate::bird::route::{Dest, NextHop, Route, Source};

impl Daemon {
    /// A protocol has a route, or has it no longer: it goes through the import filter into the table (`rte_update`).
    pub(super) fn update(&mut self, proto: usize, net: Ipv4Net, new: Option<Route>) {
        // A limit may have stopped the protocol among its own routes.
        if !self.protos[proto].channel.up {
            return;
        }
        let Some(conf) = self.protos[proto].conf.channel.clone() else { return };
        let Some(table) = self.table_index(&conf.table) else { return };
        let kind = usize::from(new.is_none());
        self.protos[proto].channel.import[kind].received += 1;
        let filtered_is_withdrawn = new.is_some();
        let new = new.and_then(|mut route| {
            route.modified = self.now;
            route.preference = conf.preference;
            let accepted = self.passes(&conf.import, &mut route);
            if !accepted {
                self.protos[proto].channel.import[0].filtered += 1;
                route.filtered = true;
            }
            (accepted || conf.keep_filtered).then_some(route)
        });
        let had = self.tables[table].routes(net).iter().find(|route| route.proto == proto);
        let ignored = match (&new, had) {
            (Some(new), Some(had)) => new.same(had),
            (None, None) => true,
            _ => false,
        };
        if ignored {
            if !filtered_is_withdrawn {
                self.protos[proto].channel.import[1].ignored += 1;
            } else if new.is_some() {
                self.protos[proto].channel.import[0].ignored += 1;
                self.unstale(table, net, proto);
            }
            return;
        }
        let had = had.map(|route| !route.filtered);
        let Some(new) = self.within_limits(proto, new, had, conf.keep_filtered) else { return };
        let new = new.map(|route| self.resolved(route));
        self.replace(table, net, proto, new);
    }

    /// What the limits leave of a change; `None` if nothing. `had`: there was a route, and the filter had wanted it.
    fn within_limits(
        &mut self,
        proto: usize,
        mut new: Option<Route>,
        had: Option<bool>,
        keep: bool,
    ) -> Option<Option<Route>> {
        let wanted = new.as_ref().is_some_and(|route| !route.filtered);
        if new.is_some() && had.is_none() && self.is_full(proto, RECEIVE) {
            self.protos[proto].channel.import[0].ignored += 1;
            return None;
        }
        if wanted && had != Some(true) && self.is_full(proto, IMPORT) {
            self.protos[proto].channel.import[0].ignored += 1;
            // It is as if the filter did not want it.
            new = new.filter(|_| keep).map(|route| Route { filtered: true, ..route });
            return (new.is_some() || had.is_some()).then_some(new);
        }
        let [updates, withdraws] = &mut self.protos[proto].channel.import;
        let count = match (wanted, had) {
            (true, _) => &mut updates.accepted,
            (false, Some(true)) => &mut withdraws.accepted,
            (false, _) => &mut withdraws.ignored,
        };
        *count += 1;
        Some(new)
    }

    fn unstale(&mut self, table: usize, net: Ipv4Net, proto: usize) {
        let mine = |route: &mut Route| {
            if (route.net, route.proto) == (net, proto) {
                route.stale = false;
            }
            false
        };
        self.tables[table].revise(mine, |_, _| false);
    }

    /// Changes a table and tells everybody.
    fn replace(&mut self, table: usize, net: Ipv4Net, proto: usize, new: Option<Route>) {
        let added = new.as_ref().map(|r| r.filtered);
        let mut tables = core::mem::take(&mut self.tables);
        let old_best = tables[table].best(net).cloned();
        let old = tables[table].update(net, proto, new, |a, b| self.is_better(a, b));
        self.tables = tables;
        let channel = &mut self.protos[proto].channel;
        let count = |filtered: Option<bool>| (i64::from(filtered == Some(false)), i64::from(filtered == Some(true)));
        let ((a, b), (c, d)) = (count(added), count(old.as_ref().map(|r| r.filtered)));
        channel.imported = (i64::from(channel.imported) + a - c).max(0) as u32;
        channel.filtered = (i64::from(channel.filtered) + b - d).max(0) as u32;
        if old.is_none_or(|r| r.recursive.is_none()) || self.tables[table].best(net) != old_best.as_ref() {
            self.unresolved = true;
        }
        self.announce(table, net, old_best.as_ref());
    }

    /// The best route to a network may have changed: all channels of the table hear of it.
    pub(super) fn announce(&mut self, table: usize, net: Ipv4Net, old_best: Option<&Route>) {
        let changed = self.tables[table].best(net) != old_best;
        self.count_preferred(table, net, old_best);
        let name = self.tables[table].name.clone();
        for index in 0..self.protos.len() {
            let proto = &self.protos[index];
            let attached = proto.channel.up && proto.conf.channel.as_ref().is_some_and(|c| c.table == name);
            let merges = matches!(&proto.conf.kind, Kind::Kernel(kernel) if kernel.merge.is_some());
            if attached && (changed || merges) {
                self.export(index, table, net, false);
            }
        }
    }

    /// Who has the best route, and who had it.
    fn count_preferred(&mut self, table: usize, net: Ipv4Net, old_best: Option<&Route>) {
        if let Some(old) = old_best {
            let channel = &mut self.protos[old.proto].channel;
            channel.preferred = channel.preferred.saturating_sub(1);
        }
        if let Some(proto) = self.tables[table].best(net).map(|route| route.proto) {
            self.protos[proto].channel.preferred += 1;
        }
    }

    /// Tells a channel the best route to a network (`rt_notify_basic`, `rt_notify_merged`). A refresh tells also what is known.
    pub(super) fn export(&mut self, index: usize, table: usize, net: Ipv4Net, refresh: bool) {
        let Some(conf) = self.protos[index].conf.channel.clone() else { return };
        if matches!(self.protos[index].conf.kind, Kind::Direct { .. } | Kind::Static { .. } | Kind::Device { .. }) {
            return;
        }
        let best = self.tables[table].best(net).cloned();
        let known = self.protos[index].channel.exported.get(&net).cloned();
        if best.is_none() && known.is_none() {
            return;
        }
        let kind = usize::from(best.is_none());
        self.protos[index].channel.export[kind].received += 1;
        let new = best.and_then(|route| self.exported(index, &conf.export, route, table));
        match (&new, &known) {
            (None, None) => return,
            (Some(new), Some(known)) if new.same(known) && !refresh => return,
            (Some(_), None) if self.is_full(index, EXPORT) => {
                self.protos[index].channel.export[0].rejected += 1;
                return;
            }
            _ => {}
        }
        self.protos[index].channel.export[usize::from(new.is_none())].accepted += 1;
        match &new {
            Some(route) => self.protos[index].channel.exported.insert(net, route.clone()),
            None => self.protos[index].channel.exported.remove(&net),
        };
        match self.protos[index].conf.kind {
            Kind::Kernel(_) => self.tell_kernel(index, net, new),
            Kind::Bgp(_) => self.tell_bgp(index, net, new),
            _ => {}
        }
    }

    fn exported(&mut self, index: usize, policy: &Policy, route: Route, table: usize) -> Option<Route> {
        match self.would_export(index, policy, route, Some(table)) {
            Ok((route, printed)) => {
                for line in printed {
                    self.log(Class::Info, line);
                }
                Some(route)
            }
            Err(Refused::ByProtocol) => {
                self.protos[index].channel.export[0].rejected += 1;
                None
            }
            Err(Refused::ByFilter(error)) => {
                if let Some(error) = error {
                    self.log(Class::Error, error);
                }
                self.protos[index].channel.export[0].filtered += 1;
                None
            }
        }
    }

    /// What a channel would be told of a route. `table`: with what may be merged from there.
    pub fn would_export(
        &self,
        index: usize,
        policy: &Policy,
        route: Route,
        table: Option<usize>,
    ) -> Result<(Route, Vec<String>), Refused> {
        if !self.may_export(index, &route) {
            return Err(Refused::ByProtocol);
        }
        let mut route = Route { fresh: (false, false), ..route };
        let original = route.clone();
        let printed = apply(policy, &mut route)?;
        let merge = match &self.protos[index].conf.kind {
            Kind::Kernel(kernel) => kernel.merge,
            _ => None,
        };
        if let (Some(limit), Some(table)) = (merge, table) {
            self.merge(index, policy, &mut route, &original, table, limit);
        }
        Ok((route, printed))
    }

    /// Adds the next hops of routes that are as good as the best one (`rt_export_merged`).
    fn merge(&self, index: usize, policy: &Policy, route: &mut Route, best: &Route, table: usize, limit: u32) {
        if route.dest != Dest::Unicast {
            return;
        }
        let mut hops = route.nexthops.clone();
        let mut merged = false;
        for other in self.tables[table].routes(best.net).iter().skip(1) {
            if other.filtered || other.dest != Dest::Unicast || !self.is_mergeable(best, other) {
                continue;
            }
            let mut other = other.clone();
            if self.may_export(index, &other) && apply(policy, &mut other).is_ok() {
                hops.extend(other.nexthops);
                merged = true;
            }
        }
        if merged {
            hops.sort_by_key(|hop| (hop.gateway.map_or(0, u32::from), hop.iface, hop.weight));
            hops.dedup();
            hops.truncate(limit as usize);
            route.nexthops = hops;
        }
    }

    /// Asked before the filter (`preexport`).
    pub fn may_export(&self, index: usize, route: &Route) -> bool {
        if route.proto == index {
            return false;
        }
        match &self.protos[index].conf.kind {
            // What another protocol has learned from a kernel stays there.
            Kind::Kernel(_) => true,
            Kind::Bgp(_) => self.bgp_may_export(index, route),
            _ => false,
        }
    }

    fn passes(&mut self, policy: &Policy, route: &mut Route) -> bool {
        match apply(policy, route) {
            Ok(printed) => {
                for line in printed {
                    self.log(Class::Info, line);
                }
                true
            }
            Err(Refused::ByFilter(Some(error))) => {
                self.log(Class::Error, error);
                false
            }
            Err(_) => false,
        }
    }

    /// The session that brought a route.
    pub(super) fn peer_of(&self, route: &Route) -> Option<&Peer> {
        if route.source != Source::Bgp {
            return None;
        }
        self.protos.get(route.proto)?.session.as_ref()?.peer()
    }

    fn candidate<'a>(&'a self, route: &'a Route) -> Option<Candidate<'a>> {
        let igp_metric = match route.recursive {
            Some(_) => route.igp_metric.unwrap_or(u32::MAX),
            None => 0,
        };
        let resolvable = route.dest == Dest::Unicast;
        Some(Candidate { igp_metric, resolvable, ..Candidate::new(&route.attrs, self.peer_of(route)?) })
    }

    /// `rte_better`: preference, then the kind of protocol, then its own comparison.
    pub(super) fn is_better(&self, new: &Route, old: &Route) -> bool {
        if new.filtered != old.filtered {
            return !new.filtered;
        }
        if new.preference != old.preference {
            return new.preference > old.preference;
        }
        match (self.candidate(new), self.candidate(old)) {
            (Some(a), Some(b)) => decision::compare(&a, &b).0.is_lt(),
            // Of different kinds the one that stands first in memory wins in BIRD; here the one configured first.
            _ => new.proto < old.proto && new.source != old.source,
        }
    }

    fn is_mergeable(&self, best: &Route, other: &Route) -> bool {
        if best.preference != other.preference || best.source != other.source {
            return false;
        }
        match (self.candidate(best), self.candidate(other)) {
            (Some(a), Some(b)) => decision::mergeable(&a, &b),
            _ => best.source == Source::Static,
        }
    }

    /// A channel comes up: it hears of all routes.
    pub(super) fn open_channel(&mut self, index: usize) {
        self.protos[index].channel = Default::default();
        self.protos[index].channel.up = true;
        self.feed(index, false);
    }

    /// All routes again.
    pub(super) fn feed(&mut self, index: usize, refresh: bool) {
        let Some(table) = self.protos[index].conf.channel.as_ref().and_then(|c| self.table_index(&c.table)) else {
            return;
        };
        let nets: Vec<Ipv4Net> = self.tables[table].iter().map(|(net, _)| net).collect();
        for net in nets {
            self.export(index, table, net, refresh);
        }
    }

    /// A channel goes down: its routes leave the table.
    pub(super) fn close_channel(&mut self, index: usize) {
        self.protos[index].channel.up = false;
        self.flush(index, |_| true);
        // That a limit was hit is shown until the channel comes up again.
        let hit = self.protos[index].channel.hit;
        self.protos[index].channel = super::proto::ChannelState { hit, ..Default::default() };
    }

    /// Takes routes of a protocol out of its table.
    pub(super) fn flush(&mut self, index: usize, gone: impl Fn(&Route) -> bool) {
        let Some(table) = self.protos[index].conf.channel.as_ref().and_then(|c| self.table_index(&c.table)) else {
            return;
        };
        let mine = |routes: &[Route]| routes.iter().any(|route| route.proto == index && gone(route));
        let nets: Vec<Ipv4Net> = self.tables[table].iter().filter(|(_, r)| mine(r)).map(|(net, _)| net).collect();
        for net in nets {
            self.replace(table, net, index, None);
        }
    }

    /// Changes the state of a protocol.
    pub(super) fn set_state(&mut self, index: usize, state: State) {
        if self.protos[index].state != state {
            self.protos[index].state = state;
            self.protos[index].since = self.now;
        }
    }

    /// A next hop on a link.
    pub(super) fn hop(iface: u32, name: &Arc<str>, gateway: Option<std::net::Ipv4Addr>) -> NextHop {
        NextHop { gateway, iface, name: name.clone(), weight: 0, onlink: false }
    }
}

/// Why a route is not exported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The protocol does not want it.
    ByProtocol,
    /// The filter does not, perhaps because it could not go on.
    ByFilter(Option<String>),
}

fn apply(policy: &Policy, route: &mut Route) -> Result<Vec<String>, Refused> {
    match policy {
        Policy::All => Ok(Vec::new()),
        Policy::None => Err(Refused::ByFilter(None)),
        Policy::Filter(filter) => match filter::run(filter, route) {
            Ok(outcome) if outcome.accepted => Ok(outcome.printed),
            Ok(_) => Err(Refused::ByFilter(None)),
            Err(error) => Err(Refused::ByFilter(Some(format!("filters, line {}: {}", error.line, error.text)))),
        },
    }
}
