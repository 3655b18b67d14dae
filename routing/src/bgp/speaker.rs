//! A whole BGP speaker: sessions, one table, the decision. For those who need no configuration language and no other
//! protocols (BIRD has tables of its own).
//!
//! MEDs are compared within each neighbour AS first, so that the table depends only on the routes that are there and not on
//! the order in which they came.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_sim_core::{Errno, Time};
use ipnet::Ipv4Net;
use rustc_hash::FxHashSet;

use super::config::{Peer, PeerConfig};
use super::decision::{self, Candidate, Step};
use super::error::LastError;
use super::export::{self, Exported};
use super::session::{Action, Session, State, Stop, Way};
use crate::attrs::Attrs;

/// A route of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// The session that brought it; `None` for one that begins here.
    pub session: Option<usize>,
    /// Its attributes.
    pub attrs: Arc<Attrs>,
    /// Told before the neighbour began to tell all again, and not again since.
    stale: bool,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    /// In the order of arrival. The own one is not among them.
    learned: Vec<Route>,
    own: Option<Arc<Attrs>>,
    best: Option<Route>,
}

/// A speaker. Its sessions have numbers, from zero on.
#[derive(Clone, Debug)]
pub struct Speaker {
    asn: u32,
    router_id: Ipv4Addr,
    seed: u64,
    sessions: Vec<Session>,
    table: BTreeMap<Ipv4Net, Entry>,
    /// What each neighbour has been told.
    told: Vec<FxHashSet<Ipv4Net>>,
    /// Sessions that may have something to do.
    busy: BTreeSet<usize>,
    changes: u64,
}

impl Speaker {
    /// A speaker without neighbours.
    pub fn new(asn: u32, router_id: Ipv4Addr, seed: u64) -> Self {
        Speaker {
            asn,
            router_id,
            seed: seed ^ u64::from(u32::from(router_id)),
            sessions: Vec::new(),
            table: BTreeMap::new(),
            told: Vec::new(),
            busy: BTreeSet::new(),
            changes: 0,
        }
    }

    /// Its AS.
    pub const fn asn(&self) -> u32 {
        self.asn
    }

    /// Its BGP identifier.
    pub const fn router_id(&self) -> Ipv4Addr {
        self.router_id
    }

    /// A session of this speaker to a neighbour, with the defaults of [`PeerConfig::new`].
    pub fn peer_config(&self, remote_as: u32, neighbor: Ipv4Addr) -> PeerConfig {
        PeerConfig::new(self.asn, self.router_id, remote_as, neighbor)
    }

    /// Adds a session that is down; gives its number.
    pub fn add_session(&mut self, config: PeerConfig) -> usize {
        let number = self.sessions.len();
        self.sessions.push(Session::new(number as u32, config, self.seed));
        self.told.push(FxHashSet::default());
        number
    }

    /// All sessions.
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// How often the best route of any destination has changed.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// See [`Session::start`].
    pub fn start(&mut self, now: Time, session: usize) {
        self.with(session, |s| s.start(now));
    }

    /// See [`Session::stop`].
    pub fn stop(&mut self, now: Time, session: usize, why: &Stop) {
        self.with(session, |s| s.stop(now, why));
    }

    /// See [`Session::neighbor_found`].
    pub fn neighbor_found(&mut self, now: Time, session: usize, local: Ipv4Addr, interface: u32) {
        self.with(session, |s| s.neighbor_found(now, local, interface));
    }

    /// See [`Session::neighbor_lost`].
    pub fn neighbor_lost(&mut self, now: Time, session: usize, error: LastError) {
        self.with(session, |s| s.neighbor_lost(now, error));
    }

    /// See [`Session::accept`].
    pub fn accept(&mut self, now: Time, session: usize, local: Ipv4Addr) -> bool {
        self.with(session, |s| s.accept(now, local))
    }

    /// See [`Session::connected`].
    pub fn connected(&mut self, now: Time, session: usize, local: Ipv4Addr) {
        self.with(session, |s| s.connected(now, local));
    }

    /// See [`Session::received`].
    pub fn received(&mut self, now: Time, session: usize, way: Way, bytes: &[u8]) {
        self.with(session, |s| s.received(now, way, bytes));
    }

    /// See [`Session::closed`].
    pub fn closed(&mut self, now: Time, session: usize, way: Way, error: Option<Errno>) {
        self.with(session, |s| s.closed(now, way, error));
    }

    /// See [`Session::on_timer`].
    pub fn on_timer(&mut self, now: Time, session: usize) {
        self.with(session, |s| s.on_timer(now));
    }

    fn with<T>(&mut self, session: usize, act: impl FnOnce(&mut Session) -> T) -> T {
        self.busy.insert(session);
        act(&mut self.sessions[session])
    }

    /// Announces a destination of its own; [`Attrs::default`] says nothing special of it.
    pub fn originate(&mut self, prefix: Ipv4Net, attrs: Attrs) {
        self.table.entry(prefix).or_default().own = Some(Arc::new(attrs));
        self.decide(prefix);
    }

    /// A destination of its own is gone.
    pub fn forget(&mut self, prefix: Ipv4Net) {
        if let Some(entry) = self.table.get_mut(&prefix) {
            entry.own = None;
            self.decide(prefix);
        }
    }

    /// The best route to each destination.
    pub fn table(&self) -> impl Iterator<Item = (Ipv4Net, &Route)> {
        self.table.iter().filter_map(|(prefix, entry)| Some((*prefix, entry.best.as_ref()?)))
    }

    /// The best route to a destination.
    pub fn best(&self, prefix: Ipv4Net) -> Option<&Route> {
        self.table.get(&prefix)?.best.as_ref()
    }

    /// The routes to a destination that lost against the best one, and why; `None` for those that lost against an own one.
    pub fn losers(&self, prefix: Ipv4Net) -> Vec<(&Route, Option<Step>)> {
        let Some((entry, best)) = self.table.get(&prefix).and_then(|e| Some((e, e.best.as_ref()?))) else {
            return Vec::new();
        };
        let why = |route| Some(decision::compare(&self.candidate(best)?, &self.candidate(route)?).1);
        entry.learned.iter().filter(|r| r.session != best.session).map(|r| (r, why(r))).collect()
    }

    /// The routes to a destination that may be used at the same time, at most `limit`, the best first.
    pub fn multipath(&self, prefix: Ipv4Net, limit: usize) -> Vec<&Route> {
        let Some(entry) = self.table.get(&prefix) else { return Vec::new() };
        if entry.own.is_some() {
            return entry.best.iter().collect();
        }
        let candidates = self.candidates(entry);
        let best = decision::best(&candidates, true);
        best.map(|best| decision::merge(&candidates, best, limit))
            .into_iter()
            .flatten()
            .map(|i| &entry.learned[i])
            .collect()
    }

    /// What the owner has to do for which session. Changes of the table are done here. To be called until there is nothing.
    pub fn poll(&mut self, now: Time) -> Option<(usize, Action)> {
        while let Some(session) = self.busy.first().copied() {
            match self.sessions[session].poll(now) {
                Some(action) => {
                    if let Some(action) = self.act(session, action) {
                        return Some((session, action));
                    }
                }
                None => {
                    self.busy.remove(&session);
                }
            }
        }
        None
    }

    fn act(&mut self, session: usize, action: Action) -> Option<Action> {
        match action {
            Action::Routes(prefixes, attrs) => {
                for prefix in prefixes {
                    self.learn(prefix, session, attrs.clone());
                }
            }
            Action::Withdrawn(prefixes) => {
                for prefix in prefixes {
                    self.unlearn(prefix, session);
                }
            }
            Action::Up => {
                self.feed(session);
                return Some(Action::Up);
            }
            Action::Down => {
                self.told[session].clear();
                self.unlearn_all(session, |_| true);
                return Some(Action::Down);
            }
            Action::RefreshRequested => {
                self.sessions[session].begin_feed();
                self.feed(session);
            }
            Action::RefreshBegun => self.doubt(session),
            Action::Restarting => {
                self.told[session].clear();
                self.doubt(session);
                return Some(Action::Restarting);
            }
            Action::RefreshEnded => self.unlearn_all(session, |route| route.stale),
            Action::EndOfRib => {}
            other => return Some(other),
        }
        None
    }

    fn learn(&mut self, prefix: Ipv4Net, session: usize, attrs: Arc<Attrs>) {
        let learned = &mut self.table.entry(prefix).or_default().learned;
        let route = Route { session: Some(session), attrs, stale: false };
        match learned.iter_mut().find(|r| r.session == Some(session)) {
            Some(known) if known.attrs == route.attrs => known.stale = false,
            Some(known) => {
                *known = route;
                self.decide(prefix);
            }
            None => {
                learned.push(route);
                self.decide(prefix);
            }
        }
    }

    fn unlearn(&mut self, prefix: Ipv4Net, session: usize) {
        if let Some(entry) = self.table.get_mut(&prefix) {
            entry.learned.retain(|r| r.session != Some(session));
            self.decide(prefix);
        }
    }

    /// What a neighbour has told has to be told again, or it goes.
    fn doubt(&mut self, session: usize) {
        let all = self.table.values_mut().flat_map(|e| &mut e.learned);
        all.filter(|r| r.session == Some(session)).for_each(|r| r.stale = true);
    }

    fn unlearn_all(&mut self, session: usize, gone: impl Fn(&Route) -> bool) {
        let from_session = |r: &Route| r.session == Some(session) && gone(r);
        let affected = self.table.iter().filter(|(_, e)| e.learned.iter().any(from_session));
        for prefix in affected.map(|(prefix, _)| *prefix).collect::<Vec<_>>() {
            self.unlearn(prefix, session);
        }
    }

    fn candidate<'a>(&'a self, route: &'a Route) -> Option<Candidate<'a>> {
        Some(Candidate::new(&route.attrs, self.sessions[route.session?].peer()?))
    }

    fn candidates<'a>(&'a self, entry: &'a Entry) -> Vec<Candidate<'a>> {
        entry.learned.iter().filter_map(|r| self.candidate(r)).collect()
    }

    /// The routes to a destination have changed.
    fn decide(&mut self, prefix: Ipv4Net) {
        let Some(entry) = self.table.get(&prefix) else { return };
        let best = match &entry.own {
            Some(own) => Some(Route { session: None, attrs: own.clone(), stale: false }),
            None if entry.learned.len() == 1 => entry.learned.first().cloned(),
            None => decision::best(&self.candidates(entry), true).map(|i| entry.learned[i].clone()),
        };
        let same = |a: &Route, b: &Route| a.session == b.session && a.attrs == b.attrs;
        let unchanged = match (&best, &entry.best) {
            (Some(new), Some(old)) => same(new, old),
            (new, old) => new.is_none() && old.is_none(),
        };
        if unchanged {
            return;
        }
        self.changes += 1;
        match self.table.get_mut(&prefix) {
            Some(entry) if best.is_some() || !entry.learned.is_empty() => entry.best = best,
            _ => {
                self.table.remove(&prefix);
            }
        }
        let best = self.best(prefix).cloned();
        for session in 0..self.sessions.len() {
            self.tell(prefix, best.as_ref(), session);
        }
    }

    fn feed(&mut self, session: usize) {
        let routes: Vec<_> = self.table().map(|(prefix, route)| (prefix, route.clone())).collect();
        routes.into_iter().for_each(|(prefix, route)| self.tell(prefix, Some(&route), session));
        self.with(session, Session::end_feed);
    }

    /// Tells a neighbour the best route to a destination, or that there is none (any more).
    fn tell(&mut self, prefix: Ipv4Net, best: Option<&Route>, session: usize) {
        let Some(to) = self.sessions[session].peer().filter(|_| self.sessions[session].state() >= State::Established)
        else {
            return;
        };
        let attrs = best.and_then(|route| self.exported(route, to));
        match attrs {
            Some(attrs) => {
                self.told[session].insert(prefix);
                self.with(session, |s| s.announce(prefix, Arc::new(attrs)));
            }
            None if self.told[session].remove(&prefix) => self.with(session, |s| s.withdraw(prefix)),
            None => {}
        }
    }

    fn exported(&self, route: &Route, to: &Peer) -> Option<Attrs> {
        let source = route.session.and_then(|s| self.sessions[s].peer());
        export::may_export(to, source, &route.attrs).ok()?;
        let exported =
            Exported { attrs: &route.attrs, source, gateway: None, fresh_next_hop: false, fresh_med: source.is_none() };
        export::attributes(to, &exported).ok()
    }
}
