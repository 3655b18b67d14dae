//! The glue to the sessions of BGP.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_sim_core::Errno;
use ipnet::Ipv4Net;

use super::proto::State;
use super::{Daemon, Output};
use crate::attrs::Attrs;
use crate::bgp::error::LastError;
use crate::bgp::export::{self, Exported, Gateway};
use crate::bgp::session::{Action, Level, Phase, Session, Stop, Way};
use crate::bird::config::{Bgp, Kind};
use crate::bird::log::Class;
use crate::bird::route::{Dest, Route, Source};

impl Daemon {
    pub(super) fn start_bgp(&mut self, index: usize, bgp: &Bgp) {
        let mut config = bgp.peer.clone();
        config.router_id = self.protos[index].conf.router_id.unwrap_or(self.router_id);
        if self.protos[index].session.is_none() {
            let seed = self.seed() ^ u64::from(u32::from(self.router_id));
            self.protos[index].session = Some(Box::new(Session::new(index as u32, config, seed)));
        }
        self.set_state(index, State::Start);
        self.with_session(index, |session, now| session.start(now));
        self.check_neighbor(index);
        self.with_session(index, |session, _| session.neighbor_missing());
    }

    pub(super) fn stop_bgp(&mut self, index: usize, why: &Stop) {
        self.with_session(index, |session, now| session.stop(now, why));
    }

    pub(super) fn with_session<T>(
        &mut self,
        index: usize,
        act: impl FnOnce(&mut Session, hopwise_sim_core::Time) -> T,
    ) -> Option<T> {
        let now = self.now;
        let done = self.protos.get_mut(index)?.session.as_mut().map(|session| act(session, now))?;
        self.drain(index);
        Some(done)
    }

    /// Whether a direct neighbour is on the link now.
    pub(super) fn check_neighbor(&mut self, index: usize) {
        let Kind::Bgp(bgp) = self.protos[index].conf.kind.clone() else { return };
        if self.protos[index].session.is_none() || bgp.peer.multihop.is_some() {
            return;
        }
        let found =
            self.link_towards(bgp.peer.neighbor, bgp.interface.as_deref()).map(|(i, own)| (i.index, own, i.link));
        let down = bgp.check_link && found.is_some_and(|(.., link)| !link);
        match found {
            Some((iface, own, _)) if !down => {
                self.with_session(index, |session, now| session.neighbor_found(now, own, iface));
            }
            _ => {
                let error = if down { LastError::LinkDown } else { LastError::NeighborLost };
                self.with_session(index, |session, now| session.neighbor_lost(now, error));
            }
        }
    }

    /// Who may have opened a connection from `remote` to `local`, addresses and ports: the protocol's number if it is
    /// welcome. To be asked when all outputs have been carried out. What was the protocol's connection of that way before
    /// is closed by whoever keeps the new one.
    pub fn incoming(&mut self, (local, own_port): (Ipv4Addr, u16), (remote, port): (Ipv4Addr, u16)) -> Option<usize> {
        let meant = |proto: &super::Proto| match &proto.conf.kind {
            Kind::Bgp(bgp) => {
                let addressed = bgp.peer.local.is_none_or(|addr| addr == local) && bgp.local_port == own_port;
                proto.is_wanted() && bgp.peer.neighbor == remote && addressed
            }
            _ => false,
        };
        let Some(index) = self.protos.iter().position(meant) else {
            self.log(Class::Warning, format!("BGP: Unexpected connect from unknown address {remote} (port {port})"));
            return None;
        };
        let accepted = self.with_session(index, |session, now| session.accept(now, local))?;
        if self.protos[index].debug {
            let word = if accepted { "accepted" } else { "rejected" };
            let name = self.protos[index].conf.name.clone();
            self.log(Class::Trace, format!("{name}: Incoming connection from {remote} (port {port}) {word}"));
        }
        // A neighbour that has restarted: what is said of its old connection must not close the new one.
        self.retract(&Output::Close(index, Way::Incoming));
        accepted.then_some(index)
    }

    /// The connection asked for is open, from this address.
    pub fn connected(&mut self, index: usize, local: Ipv4Addr) {
        self.with_session(index, |session, now| session.connected(now, local));
        self.settle();
    }

    /// Octets from a neighbour.
    pub fn received(&mut self, index: usize, way: Way, bytes: &[u8]) {
        self.with_session(index, |session, now| session.received(now, way, bytes));
        self.settle();
    }

    /// A connection is over, or did not come to be.
    pub fn closed(&mut self, index: usize, way: Way, error: Option<Errno>) {
        self.with_session(index, |session, now| session.closed(now, way, error));
        self.settle();
    }

    pub(super) fn poll_sessions(&mut self) {
        for index in 0..self.protos.len() {
            self.drain(index);
        }
    }

    fn drain(&mut self, index: usize) {
        let now = self.now;
        while let Some(action) = self.protos[index].session.as_mut().and_then(|session| session.poll(now)) {
            self.act(index, action);
        }
        let Some(phase) = self.protos[index].session.as_ref().map(|session| session.phase()) else { return };
        let state = match phase {
            Phase::Down => State::Down,
            Phase::Waiting | Phase::Delayed | Phase::Starting => State::Start,
            Phase::Up => State::Up,
            Phase::Stopping => State::Stop,
        };
        self.set_state(index, state);
    }

    fn act(&mut self, index: usize, action: Action) {
        match action {
            Action::Connect => self.connect(index),
            Action::Send(way, bytes) => self.output(Output::Send(index, way, bytes)),
            Action::Close(way) => self.output(Output::Close(index, way)),
            Action::Up => {
                self.set_state(index, State::Up);
                if self.protos[index].conf.channel.is_some() {
                    self.tell(index, Session::begin_feed);
                    self.open_channel(index);
                    self.tell(index, Session::end_feed);
                }
            }
            Action::Down => {
                if self.protos[index].conf.channel.is_some() {
                    self.close_channel(index);
                }
            }
            Action::Stopped => self.stopped(index),
            Action::Withdrawn(nets) => nets.into_iter().for_each(|net| self.update(index, net, None)),
            Action::Routes(nets, attrs) => nets.into_iter().for_each(|net| self.learned(index, net, &attrs)),
            Action::EndOfRib => {}
            Action::Restarting => self.mark_stale(index),
            Action::RefreshRequested => self.refeed(index),
            Action::RefreshBegun => self.mark_stale(index),
            Action::RefreshEnded => self.flush(index, |route| route.stale),
            Action::Log(level, text) => {
                let class = match level {
                    Level::Info => Class::Info,
                    Level::Warning => Class::Warning,
                    Level::Remote => Class::Remote,
                    Level::Error => Class::Error,
                    Level::Trace if self.protos[index].debug => Class::Trace,
                    Level::Trace => return,
                };
                let name = self.protos[index].conf.name.clone();
                self.log(class, format!("{name}: {text}"));
            }
        }
    }

    /// Told while its actions are worked off: no draining.
    fn tell(&mut self, index: usize, act: impl FnOnce(&mut Session)) {
        if let Some(session) = self.protos[index].session.as_mut() {
            act(session);
        }
    }

    fn connect(&mut self, index: usize) {
        let Kind::Bgp(bgp) = &self.protos[index].conf.kind else { return };
        let local = self.protos[index].session.as_ref().and_then(|session| session.local_address());
        let (to, ttl) = ((bgp.peer.neighbor, bgp.port), bgp.peer.ttl());
        self.output(Output::Connect { proto: index, local, to, ttl });
    }

    /// The session has ended: it begins anew, unless somebody wants it down.
    fn stopped(&mut self, index: usize) {
        self.set_state(index, State::Down);
        let failed = self.protos[index].session.as_ref().is_some_and(|session| session.is_disabled());
        self.protos[index].disabled |= failed;
        if self.shutting_down || !self.protos[index].is_wanted() {
            return;
        }
        if let Kind::Bgp(bgp) = self.protos[index].conf.kind.clone() {
            self.start_bgp(index, &bgp);
        }
    }

    /// The neighbour or `birdc reload out` wants all routes again.
    pub(crate) fn refeed(&mut self, index: usize) {
        self.tell(index, Session::begin_feed);
        self.feed(index, true);
        self.tell(index, Session::end_feed);
    }

    fn mark_stale(&mut self, index: usize) {
        let Some(table) = self.protos[index].conf.channel.as_ref().and_then(|c| self.table_index(&c.table)) else {
            return;
        };
        let mark = |route: &mut Route| {
            route.stale |= route.proto == index;
            false
        };
        self.tables[table].revise(mark, |_, _| false);
    }

    /// A route from the neighbour (`bgp_apply_next_hop`).
    fn learned(&mut self, index: usize, net: Ipv4Net, attrs: &Arc<Attrs>) {
        let name = self.protos[index].conf.name.as_str().into();
        let mut route = Route::new(net, index, name, Source::Bgp);
        route.attrs = attrs.clone();
        let Kind::Bgp(bgp) = &self.protos[index].conf.kind else { return };
        route.from = Some(bgp.peer.neighbor);
        let recursive = self.protos[index].conf.channel.as_ref().and_then(|c| c.gateway_recursive) == Some(true);
        let Some(next_hop) = attrs.next_hop else { return };
        if recursive {
            route.recursive = Some(next_hop);
            route.dest = Dest::Unreachable;
            return self.update(index, net, Some(route));
        }
        let link =
            self.link_towards(next_hop, bgp.interface.as_deref()).map(|(iface, _)| (iface.index, iface.name.clone()));
        let own = self.is_own(next_hop);
        match link.filter(|_| !own) {
            Some((iface, name)) => {
                route.nexthops = vec![Self::hop(iface, &name, Some(next_hop))];
                self.update(index, net, Some(route));
            }
            None => {
                let name = self.protos[index].conf.name.clone();
                let why = if own { "is local" } else { "not directly reachable" };
                self.log(Class::Remote, format!("{name}: Invalid NEXT_HOP attribute - address {next_hop} {why}"));
                self.log(Class::Remote, format!("{name}: Invalid route {net} withdrawn"));
                self.update(index, net, None);
            }
        }
    }

    pub(super) fn bgp_may_export(&self, index: usize, route: &Route) -> bool {
        let Some(to) = self.protos[index].session.as_ref().and_then(|session| session.peer()) else { return true };
        export::may_export(to, self.peer_of(route), &route.attrs).is_ok()
    }

    /// A route for the neighbour, or none any more.
    pub(super) fn tell_bgp(&mut self, index: usize, net: Ipv4Net, route: Option<Route>) {
        let Some(to) = self.protos[index].session.as_ref().and_then(|session| session.peer()) else { return };
        let Some(route) = route else { return self.tell(index, |session| session.withdraw(net)) };
        let gateway = match route.nexthops.as_slice() {
            [hop] => hop.gateway.map(|address| Gateway { address, interface: hop.iface }),
            _ => None,
        };
        // What is not from BGP at all keeps the metric that it has (bgp_update_attrs).
        let (fresh_next_hop, fresh_med) = (route.fresh.0, route.fresh.1 || route.source != Source::Bgp);
        let exported =
            Exported { attrs: &route.attrs, source: self.peer_of(&route), gateway, fresh_next_hop, fresh_med };
        match export::attributes(to, &exported) {
            Ok(attrs) => self.tell(index, |session| session.announce(net, Arc::new(attrs))),
            Err(refusal) => {
                let (name, neighbor) = (self.protos[index].conf.name.clone(), to.config.neighbor);
                if refusal.is_error() {
                    self.log(Class::Error, format!("{name}: {refusal} {neighbor}"));
                    self.log(Class::Error, format!("{name}: Invalid route {net} withdrawn"));
                }
                self.tell(index, |session| session.withdraw(net));
            }
        }
    }

    /// `birdc reload`: asks the neighbour for its routes, tells ours again. False if the neighbour cannot.
    pub(crate) fn reload(&mut self, index: usize, inward: bool, outward: bool) -> bool {
        if inward && !self.can_reload(index) {
            return false;
        }
        let name = self.protos[index].conf.name.clone();
        self.log(Class::Info, format!("Reloading protocol {name}"));
        let done = self.reload_channel(index, inward, outward);
        self.settle();
        done
    }

    /// Whether a protocol can tell its routes again: the direct one cannot.
    fn can_reload(&self, index: usize) -> bool {
        match &self.protos[index].session {
            Some(session) => session.can_refresh(),
            None => !matches!(self.protos[index].conf.kind, Kind::Direct { .. }),
        }
    }

    /// Routes again, in one way or both. False if the neighbour cannot.
    pub(super) fn reload_channel(&mut self, index: usize, inward: bool, outward: bool) -> bool {
        let mut done = true;
        if inward {
            self.forget_import_limits(index);
            match self.protos[index].session.as_mut() {
                Some(session) => done = session.request_refresh(),
                None => {
                    self.protos[index].channel.told.clear();
                    self.refresh_local(index);
                }
            }
        }
        if outward && done {
            self.refeed(index);
        }
        done
    }
}

impl Daemon {
    /// The TTL of the packets of a session.
    pub fn ttl(&self, index: usize) -> Option<u8> {
        self.protos.get(index)?.session.as_ref().map(|session| session.config().ttl())
    }

    /// Where neighbours may connect to: addresses, perhaps any, and ports.
    pub fn listens(&self) -> BTreeSet<(Ipv4Addr, u16)> {
        let place = |proto: &super::Proto| match &proto.conf.kind {
            Kind::Bgp(bgp) if !proto.gone => {
                let own = bgp.peer.local.filter(|_| bgp.strict_bind);
                Some((own.unwrap_or(Ipv4Addr::UNSPECIFIED), bgp.local_port))
            }
            _ => None,
        };
        self.protos.iter().filter_map(place).collect()
    }
}
