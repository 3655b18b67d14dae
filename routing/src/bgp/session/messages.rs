//! Messages that arrive (RFC 4271 sections 6 and 8.2.2).

use std::sync::Arc;

use hopwise_sim_core::Time;

use super::{Action, Feed, Level, Phase, Session, State, Way};
use crate::bgp::config::{GracefulRestart, Peer};
use crate::bgp::error::{ErrorCode, LastError};
use crate::bgp::import;
use crate::bgp::wire::{
    self, AS_TRANS, Capability, Family, Message, Notification, Open, Options, Refresh, RouteRefresh, Update,
};

impl Session {
    /// Octets have arrived on a connection.
    pub fn received(&mut self, now: Time, way: Way, bytes: &[u8]) {
        if self.conns[way as usize].state < State::OpenSent {
            return;
        }
        // What came before is only there if a message was cut off; most come whole.
        let mut inbox = core::mem::take(&mut self.conn(way).inbox);
        if !inbox.is_empty() {
            inbox.extend_from_slice(bytes);
        }
        let all = if inbox.is_empty() { bytes } else { &inbox };
        let mut read = 0;
        while (State::OpenSent..State::Close).contains(&self.conns[way as usize].state) {
            let options = self.conns[way as usize].options;
            let rest = &all[read..];
            match wire::frame(rest, options) {
                Ok(Some(length)) if length <= rest.len() => {
                    read += length;
                    match wire::decode(&rest[..length], options) {
                        Ok(message) => self.on_message(now, way, message),
                        Err(notification) => self.fail(now, way, notification),
                    }
                }
                Ok(_) => break,
                Err(notification) => self.fail(now, way, notification),
            }
        }
        if read < all.len() && (State::OpenSent..State::Close).contains(&self.conns[way as usize].state) {
            self.conn(way).inbox = all[read..].to_vec();
        }
        self.settle(now);
    }

    fn on_message(&mut self, now: Time, way: Way, message: Message) {
        match message {
            Message::Open(open) => self.on_open(now, way, open),
            Message::Keepalive => self.on_keepalive(now, way),
            Message::Notification(notification) => self.notified(now, way, &notification),
            Message::Update(update) => {
                // Some do not send the KEEPALIVE that answers OPEN.
                if self.conns[way as usize].state == State::OpenConfirm {
                    self.establish(way);
                }
                if self.is_established(now, way) {
                    self.restart_hold(now, way);
                    self.on_update(now, way, update);
                }
            }
            Message::RouteRefresh(refresh) => {
                if self.is_established(now, way) {
                    self.on_refresh(now, way, refresh);
                }
            }
        }
    }

    fn is_established(&mut self, now: Time, way: Way) -> bool {
        let established = self.conns[way as usize].state == State::Established;
        if !established {
            self.unexpected(now, way);
        }
        established
    }

    /// A message that this state does not expect (RFC 6608).
    fn unexpected(&mut self, now: Time, way: Way) {
        let code = match self.conns[way as usize].state {
            State::OpenSent => ErrorCode::UNEXPECTED_IN_OPEN_SENT,
            State::OpenConfirm => ErrorCode::UNEXPECTED_IN_OPEN_CONFIRM,
            State::Established => ErrorCode::UNEXPECTED_IN_ESTABLISHED,
            _ => ErrorCode::STATE_MACHINE,
        };
        self.fail(now, way, code.into());
    }

    fn restart_hold(&mut self, now: Time, way: Way) {
        let hold_time = self.conns[way as usize].hold_time;
        self.conn(way).hold = self.timer(now, hold_time);
    }

    fn on_keepalive(&mut self, now: Time, way: Way) {
        match self.conns[way as usize].state {
            State::OpenConfirm => {
                self.restart_hold(now, way);
                self.establish(way);
            }
            State::Established => self.restart_hold(now, way),
            _ => self.unexpected(now, way),
        }
    }

    /// The neighbour's OPEN (RFC 4271 section 6.2), and whether there are two connections now (section 6.8).
    fn on_open(&mut self, now: Time, way: Way, open: Open) {
        if self.conns[way as usize].state != State::OpenSent {
            return self.unexpected(now, way);
        }
        let asn = match self.check_open(&open) {
            Ok(asn) => asn,
            Err(notification) => return self.fail(now, way, notification),
        };
        if !self.wins_collision(now, way, &open, asn) {
            return;
        }
        let times = self.config.times;
        let hold_time = open.hold_time.min(times.hold);
        let hold = self.timer(now, hold_time);
        let conn = self.conn(way);
        conn.hold_time = hold_time;
        conn.keepalive_time = times.keepalive.unwrap_or(hold_time / 3);
        conn.hold = hold;
        conn.options = conn.sent.as_ref().map(|own| agreed(own, &open)).unwrap_or_default();
        conn.received = Some(open);
        conn.pending.keepalive = true;
        conn.state = State::OpenConfirm;
    }

    /// The AS of an acceptable neighbour.
    fn check_open(&mut self, open: &Open) -> Result<u32, Notification> {
        if (1..3).contains(&open.hold_time) {
            return Err(Notification::new(ErrorCode::BAD_HOLD_TIME, &open.hold_time.to_be_bytes()));
        }
        // RFC 6286 section 2.2: unique within an AS.
        let own_id = self.config.is_internal() && open.id == self.config.router_id;
        if open.id.is_unspecified() || own_id {
            return Err(Notification::new(ErrorCode::BAD_IDENTIFIER, &open.id.octets()));
        }
        let four = open.four_octet_as();
        if four.is_some_and(|asn| asn != open.asn.into() && open.asn != AS_TRANS) {
            self.log(Level::Warning, "Peer advertised inconsistent AS numbers");
        }
        let asn = four.unwrap_or(open.asn.into());
        if !self.config.accepts_as(asn) {
            let data = four.map_or(open.asn.to_be_bytes().to_vec(), |asn| asn.to_be_bytes().to_vec());
            return Err(Notification { code: ErrorCode::BAD_PEER_AS, data });
        }
        if !open.speaks(Family::IPV4) {
            return Err(ErrorCode::NO_FAMILY.into());
        }
        Ok(asn)
    }

    /// Of two connections between the same speakers the one remains that the higher identifier has opened (RFC 4271 section
    /// 6.8; RFC 6286 section 2.3 for equal ones). True if this one goes on.
    fn wins_collision(&mut self, now: Time, way: Way, open: &Open, asn: u32) -> bool {
        let other = way.other();
        match self.conns[other as usize].state {
            State::Connect | State::Active => {
                self.idle(now, other);
                true
            }
            State::Idle | State::OpenSent | State::Close => true,
            State::OpenConfirm => {
                let neighbor_dominates = (self.config.router_id, self.config.local_as) < (open.id, asn);
                let keep_this = neighbor_dominates == (way == Way::Incoming);
                if keep_this {
                    self.trace("Connection collision, giving up the other connection");
                    self.fail(now, other, ErrorCode::COLLISION.into());
                } else {
                    self.trace("Connection collision, giving up this connection");
                    self.fail(now, way, ErrorCode::COLLISION.into());
                }
                keep_this
            }
            State::Established => {
                self.trace("Connection collision, giving up this connection");
                self.fail(now, way, ErrorCode::COLLISION.into());
                false
            }
        }
    }

    fn establish(&mut self, way: Way) {
        let conn = &self.conns[way as usize];
        let Some(open) = &conn.received else { return };
        self.peer = Some(Peer {
            id: self.id,
            config: Arc::clone(&self.config),
            remote_id: open.id,
            remote_as: open.four_octet_as().unwrap_or(open.asn.into()),
            local_address: self.local_address.unwrap_or(self.config.router_id),
            interface: self.interface,
            llgr_aware: open.is_llgr_aware(),
        });
        let forwards = open.graceful_ipv4();
        self.restartable = self.config.graceful_restart != GracefulRestart::Off && forwards.is_some();
        self.restart_timer = None;
        self.trace("BGP session established");
        self.conn(way).state = State::Established;
        self.active = Some(way);
        self.phase = Phase::Up;
        self.last_error = LastError::None;
        self.message = None;
        self.feed = Feed::Loading;
        self.loading = true;
        self.actions.push_back(Action::Up);
        if forwards != Some(true) {
            self.end_restart();
        }
    }

    fn on_update(&mut self, _now: Time, _way: Way, update: Update) {
        if update.is_end_of_rib() {
            self.loading = false;
            self.end_restart();
            self.actions.push_back(Action::EndOfRib);
            return;
        }
        if !update.withdrawn.is_empty() {
            self.actions.push_back(Action::Withdrawn(update.withdrawn));
        }
        if update.nlri.is_empty() {
            return;
        }
        let checked = match (update.attrs, update.fault) {
            (Some(attrs), None) => self.import(attrs),
            (_, fault) => Err(fault.map(|f| f.to_string())),
        };
        match checked {
            Ok(attrs) => self.actions.push_back(Action::Routes(update.nlri, attrs)),
            Err(why) => {
                if let Some(why) = why {
                    self.log(Level::Remote, why);
                }
                self.actions.push_back(Action::Withdrawn(update.nlri));
            }
        }
    }

    /// The attributes for the table; the error is what the log has to say, if anything.
    fn import(&self, mut attrs: Arc<crate::attrs::Attrs>) -> Result<Arc<crate::attrs::Attrs>, Option<String>> {
        let peer = self.peer.as_ref().ok_or(None)?;
        match import::attributes(peer, Arc::make_mut(&mut attrs)) {
            Ok(()) => Ok(attrs),
            Err(rejection) => Err(rejection.is_logged().then(|| rejection.to_string())),
        }
    }

    fn on_refresh(&mut self, now: Time, way: Way, refresh: RouteRefresh) {
        if !self.config.route_refresh {
            // As if the type were not known, since it was not offered.
            return self.fail(now, way, Notification::new(ErrorCode::BAD_TYPE, &[5]));
        }
        if refresh.family != Family::IPV4 {
            return;
        }
        match refresh.refresh {
            Refresh::Request => self.actions.push_back(Action::RefreshRequested),
            Refresh::Begin if self.loading => {
                self.log(Level::Warning, "BEGIN-OF-RR received before END-OF-RIB, ignoring");
            }
            Refresh::Begin => self.actions.push_back(Action::RefreshBegun),
            Refresh::End => self.actions.push_back(Action::RefreshEnded),
            Refresh::Other(subtype) => {
                let Family { afi, safi } = refresh.family;
                self.log(Level::Warning, format!("Got ROUTE-REFRESH subtype {subtype} for AF {afi}.{safi}, ignoring"));
            }
        }
    }
}

/// What holds when both can.
fn agreed(own: &Open, other: &Open) -> Options {
    let both = |c: Capability| own.can(&c) && other.can(&c);
    Options {
        as4: own.four_octet_as().is_some() && other.four_octet_as().is_some(),
        extended: both(Capability::ExtendedMessage),
        enhanced_refresh: both(Capability::EnhancedRefresh),
    }
}
