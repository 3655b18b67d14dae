//! Messages that leave, in BIRD's order: the last one, OPEN, KEEPALIVE, requests and marks of a refresh, routes, the
//! end-of-RIB marker.

use hopwise_sim_core::Time;

use super::{Action, Feed, Level, Session, State, Way};
use crate::bgp::config::{GracefulRestart, PeerConfig};
use crate::bgp::wire::{
    self, AS_TRANS, Capability, Family, GracefulFamily, LongLivedFamily, Message, Open, Refresh, RestartFlags,
    RouteRefresh, Update,
};

impl Session {
    /// What is to be done next beside sending. To be called until there is nothing.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What is to be done next. To be called until there is nothing.
    pub fn poll(&mut self, now: Time) -> Option<Action> {
        loop {
            if let Some(action) = self.next_action() {
                return Some(action);
            }
            let sent = Way::ALL.into_iter().find_map(|way| Some((way, self.next_message(now, way)?)));
            if let Some((way, message)) = sent {
                return Some(Action::Send(way, message));
            }
            if self.actions.is_empty() {
                return None;
            }
        }
    }

    /// The next message of a connection. May leave actions instead: a close, a line for the log.
    fn next_message(&mut self, now: Time, way: Way) -> Option<Vec<u8>> {
        if let Some(notification) = self.conn(way).pending.notification.take() {
            return self.bytes_of(way, &Message::Notification(notification));
        }
        if core::mem::take(&mut self.conn(way).pending.close) {
            self.idle(now, way);
            self.settle(now);
            return None;
        }
        if core::mem::take(&mut self.conn(way).pending.open) {
            let open = self.conns[way as usize].sent.clone()?;
            return self.bytes_of(way, &Message::Open(open));
        }
        if core::mem::take(&mut self.conn(way).pending.keepalive) {
            let keepalive_time = self.conns[way as usize].keepalive_time;
            self.conn(way).keepalive = self.timer(now, keepalive_time);
            return self.bytes_of(way, &Message::Keepalive);
        }
        (self.conns[way as usize].state == State::Established).then(|| self.next_update(way))?
    }

    fn next_update(&mut self, way: Way) -> Option<Vec<u8>> {
        if core::mem::take(&mut self.ask_refresh) {
            return self.refresh(way, Refresh::Request);
        }
        if core::mem::take(&mut self.begin_mark) {
            return self.refresh(way, Refresh::Begin);
        }
        let options = self.conns[way as usize].options;
        while let Some(packed) = self.outbox.pack(options) {
            for prefix in packed.too_long {
                self.log(Level::Error, format!("Attribute list too long for {prefix}"));
            }
            if !packed.message.is_empty() {
                return Some(packed.message);
            }
        }
        match core::mem::take(&mut self.feed) {
            Feed::Loaded => self.bytes_of(way, &Message::Update(Update::default())),
            Feed::Refreshed => self.refresh(way, Refresh::End),
            unfinished => {
                self.feed = unfinished;
                None
            }
        }
    }

    fn refresh(&self, way: Way, refresh: Refresh) -> Option<Vec<u8>> {
        self.bytes_of(way, &Message::RouteRefresh(RouteRefresh { family: Family::IPV4, refresh }))
    }

    fn bytes_of(&self, way: Way, message: &Message) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(64);
        wire::encode(message, self.conns[way as usize].options, &mut out)?;
        Some(out)
    }

    /// The own OPEN, with the capabilities in BIRD's order.
    pub(super) fn open(&self) -> Open {
        let config = &self.config;
        let mut capabilities = vec![Capability::Multiprotocol(Family::IPV4)];
        let offers = [
            (config.route_refresh, Capability::RouteRefresh),
            (config.extended_messages, Capability::ExtendedMessage),
            (config.graceful_restart != GracefulRestart::Off, restarts(config)),
            (config.as4, Capability::FourOctetAs(config.local_as)),
            (config.route_refresh, Capability::EnhancedRefresh),
            (config.long_lived, Capability::LongLived(Vec::<LongLivedFamily>::new())),
        ];
        capabilities.extend(offers.into_iter().filter(|(offered, _)| *offered).map(|(_, c)| c));
        Open {
            version: 4,
            asn: u16::try_from(config.local_as).unwrap_or(AS_TRANS),
            hold_time: config.times.hold,
            id: config.router_id,
            capabilities,
        }
    }
}

/// What is said of restarts. Nothing is kept over an own one, so nobody has gone on forwarding.
fn restarts(config: &PeerConfig) -> Capability {
    let kept = GracefulFamily { family: Family::IPV4, flags: 0 };
    let families = if config.graceful_restart == GracefulRestart::On { vec![kept] } else { Vec::new() };
    Capability::GracefulRestart { flags: RestartFlags::default(), time: config.restart_time, families }
}
