//! How a session begins and ends: starts and stops, connections that come and go, timers, errors.

use std::net::Ipv4Addr;

use hopwise_sim_core::{Errno, Time};

use super::conn::Conn;
use super::{Action, Feed, Level, Phase, Session, State, Way};
use crate::bgp::error::{ErrorCode, LastError};
use crate::bgp::wire::Notification;

/// Seconds for the last message to leave before the connection is cut.
const CLOSE_TIME: u16 = 10;

/// Who wants a session to end, and how it is told (RFC 4486, RFC 9003).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// It was disabled, or the daemon ends, with a text for the neighbour.
    Shutdown(String),
    /// It shall begin anew, with a text for the neighbour.
    Reset(String),
    /// It is no longer in the configuration.
    Deconfigured,
    /// Its configuration has changed.
    Reconfigured,
    /// There were more routes than allowed; it pauses and begins anew.
    RouteLimit,
    /// The same, of routes for the neighbour, who is only told of a reset.
    ExportLimit,
}

impl Session {
    /// Begins. A session over several hops tries at once, one with a direct neighbour waits for
    /// [`Session::neighbor_found`].
    pub fn start(&mut self, now: Time) {
        if self.phase != Phase::Down {
            return;
        }
        self.phase = Phase::Waiting;
        self.disabled = false;
        self.local_address = self.config.local;
        if self.config.multihop.is_some() {
            self.begin(now);
        }
    }

    /// The network of a direct neighbour is not there yet.
    pub fn neighbor_missing(&mut self) {
        if self.phase == Phase::Waiting {
            self.waited = true;
            self.trace(format!("Waiting for {} to become my neighbor", self.config.neighbor));
        }
    }

    /// The network of a direct neighbour is there: the own address in it, and its interface.
    pub fn neighbor_found(&mut self, now: Time, local: Ipv4Addr, interface: u32) {
        if self.phase == Phase::Waiting {
            self.local_address.get_or_insert(local);
            self.interface = Some(interface);
            if core::mem::take(&mut self.waited) {
                self.trace("Neighbor ready");
            }
            self.begin(now);
        }
    }

    /// The network of a direct neighbour is gone, or its link is down.
    pub fn neighbor_lost(&mut self, now: Time, error: LastError) {
        if matches!(self.phase, Phase::Delayed | Phase::Starting | Phase::Up) {
            let word = if error == LastError::LinkDown { "Link down" } else { "Neighbor lost" };
            self.trace(word);
            self.store_error(None, error);
            self.stop_conns(now, ErrorCode::CEASE.into());
            self.settle(now);
        }
    }

    fn begin(&mut self, now: Time) {
        if self.startup_delay > 0 {
            self.phase = Phase::Delayed;
            self.trace(format!("Startup delayed by {} seconds due to errors", self.startup_delay));
            self.startup_timer = self.timer(now, self.startup_delay);
        } else {
            self.connectable(now);
        }
    }

    /// Connections are tried and taken from now on.
    fn connectable(&mut self, now: Time) {
        self.phase = Phase::Starting;
        self.trace("Started");
        if !self.config.passive {
            self.wait_to_connect(now);
        }
    }

    fn wait_to_connect(&mut self, now: Time) {
        let delay = self.config.times.connect_delay.max(1);
        self.trace(format!("Connect delayed by {delay} seconds"));
        let connect = self.timer(now, delay);
        *self.conn(Way::Outgoing) = Conn { state: State::Active, connect, ..Conn::default() };
    }

    /// Ends, as somebody has ordered. Nothing happens to a session that is down.
    pub fn stop(&mut self, now: Time, why: &Stop) {
        if matches!(self.phase, Phase::Down | Phase::Stopping) {
            return;
        }
        self.trace("Shutdown requested");
        if *why == Stop::RouteLimit {
            self.log(Level::Warning, "Route limit exceeded, shutting down");
        }
        if matches!(why, Stop::RouteLimit | Stop::ExportLimit) {
            self.store_error(None, LastError::RouteLimit);
            self.lengthen_startup_delay(now);
        } else {
            self.store_error(None, LastError::Manual);
            self.startup_delay = 0;
        }
        let notification = match why {
            Stop::Shutdown(text) => Notification::with_message(ErrorCode::ADMIN_SHUTDOWN, text),
            Stop::Reset(text) => Notification::with_message(ErrorCode::ADMIN_RESET, text),
            Stop::Deconfigured => ErrorCode::DECONFIGURED.into(),
            Stop::Reconfigured => ErrorCode::CONFIG_CHANGE.into(),
            Stop::RouteLimit => ErrorCode::TOO_MANY_PREFIXES.into(),
            Stop::ExportLimit => ErrorCode::ADMIN_RESET.into(),
        };
        self.stop_conns(now, notification);
        self.settle(now);
    }

    /// The neighbour has opened a connection. False if it is not wanted and has to be closed: only one at a time, and none
    /// while the session is down or pauses. BIRD's line about it in the log is the owner's: he knows the port.
    pub fn accept(&mut self, now: Time, local: Ipv4Addr) -> bool {
        self.restarted_unseen(now);
        let wanted = matches!(self.phase, Phase::Starting | Phase::Up) && !self.conns[Way::Incoming as usize].socket;
        if wanted {
            self.local_address.get_or_insert(local);
            *self.conn(Way::Incoming) = Conn { socket: true, ..Conn::default() };
            self.send_open(now, Way::Incoming);
        }
        wanted
    }

    /// The connection asked for with [`Action::Connect`] is there, from this address.
    pub fn connected(&mut self, now: Time, local: Ipv4Addr) {
        if self.conns[Way::Outgoing as usize].state == State::Connect {
            self.trace("Connected");
            self.local_address.get_or_insert(local);
            self.send_open(now, Way::Outgoing);
        }
    }

    fn send_open(&mut self, now: Time, way: Way) {
        let hold = self.timer(now, self.config.times.startup_hold);
        let open = self.open();
        let conn = self.conn(way);
        conn.sent = Some(open);
        conn.connect = None;
        conn.hold = hold;
        conn.pending.open = true;
        conn.state = State::OpenSent;
    }

    /// A connection has failed or ended: with an error, or closed by the neighbour. It need not be closed any more.
    pub fn closed(&mut self, now: Time, way: Way, error: Option<Errno>) {
        if !self.conns[way as usize].socket {
            return;
        }
        self.store_error(Some(way), LastError::Socket(error));
        self.trace(error.map_or("Connection closed".to_owned(), |e| format!("Connection lost ({e})")));
        self.conn(way).socket = false;
        if self.active == Some(way) && self.restartable {
            self.begin_restart(now);
        }
        self.idle(now, way);
        self.settle(now);
    }

    /// Time has passed.
    pub fn on_timer(&mut self, now: Time) {
        let due = |timer: Option<Time>| timer.is_some_and(|at| at <= now);
        if due(self.startup_timer) {
            self.startup_timer = None;
            self.connectable(now);
        }
        if due(self.restart_timer) {
            self.end_patience(now);
        }
        for way in Way::ALL {
            if due(self.conns[way as usize].connect) {
                self.on_connect_timer(now, way);
            }
            if due(self.conns[way as usize].hold) {
                self.on_hold_timer(now, way);
            }
            if due(self.conns[way as usize].keepalive) {
                self.conn(way).keepalive = None;
                self.conn(way).pending.keepalive = true;
            }
        }
        self.settle(now);
    }

    fn on_connect_timer(&mut self, now: Time, way: Way) {
        if self.phase != Phase::Starting {
            self.idle(now, way);
            return;
        }
        if self.conns[way as usize].socket {
            self.actions.push_back(Action::Close(way));
        }
        let connect = self.timer(now, self.config.times.connect_retry);
        *self.conn(way) = Conn { state: State::Connect, socket: true, connect, ..Conn::default() };
        let from = self.local_address.map_or(String::new(), |a| format!(" from local address {a}"));
        self.trace(format!("Connecting to {}{from}", self.config.neighbor));
        self.actions.push_back(Action::Connect);
    }

    fn on_hold_timer(&mut self, now: Time, way: Way) {
        if self.conns[way as usize].state == State::Close {
            self.trace("Connection stalled");
            self.idle(now, way);
        } else {
            self.fail(now, way, ErrorCode::HOLD_TIMER.into());
        }
    }

    /// An error of the neighbour, or a collision: the connection ends with a NOTIFICATION. An error stops the session, and a
    /// pause follows.
    pub(super) fn fail(&mut self, now: Time, way: Way, notification: Notification) {
        if matches!(self.conns[way as usize].state, State::Close | State::Idle) {
            return;
        }
        let code = notification.code;
        if !code.is_cease() {
            self.log(Level::Remote, format!("Error: {code}{}", notification.argument()));
        }
        self.store_error(Some(way), LastError::Sent(code));
        self.enter_close(now, way);
        let conn = self.conn(way);
        conn.pending.notification = Some(notification);
        conn.pending.close = true;
        if !code.is_cease() {
            self.stop_after_error(now);
        }
    }

    /// The neighbour's NOTIFICATION: nothing is answered (RFC 4271 section 4.5).
    pub(super) fn notified(&mut self, now: Time, way: Way, notification: &Notification) {
        let code = notification.code;
        self.log(Level::Remote, format!("Received: {code}{}", notification.argument()));
        self.store_error(Some(way), LastError::Received(code));
        self.message = notification.message().map(str::to_owned);
        self.enter_close(now, way);
        self.conn(way).pending.close = true;
        if !code.is_cease() {
            self.stop_after_error(now);
        }
    }

    fn stop_after_error(&mut self, now: Time) {
        self.lengthen_startup_delay(now);
        self.stop_conns(now, ErrorCode::CEASE.into());
    }

    /// The pause before the next start: twice as long with each error, until there was none for some time.
    fn lengthen_startup_delay(&mut self, now: Time) {
        let times = self.config.times;
        let calm = self.last_failure.is_some_and(|at| now.since(at).as_secs() >= times.error_forget.into());
        if calm {
            self.startup_delay = 0;
        }
        self.last_failure = Some(now);
        self.disabled = self.config.disable_after_error;
        let (shortest, longest) = times.error_wait;
        self.startup_delay = match self.startup_delay {
            _ if self.config.disable_after_error => 0,
            0 => shortest,
            delay => delay.saturating_mul(2).min(longest),
        };
    }

    /// Of several errors the first one counts that ended the session; what happens to a second connection meanwhile does not.
    pub(super) fn store_error(&mut self, way: Option<Way>, error: LastError) {
        let beside = self.phase == Phase::Up && way.is_some() && way != self.active;
        if !beside && self.phase != Phase::Stopping {
            self.last_error = error;
        }
    }

    /// Stops both connections, an open one with this last message.
    pub(super) fn stop_conns(&mut self, now: Time, last: Notification) {
        if self.phase != Phase::Stopping {
            self.actions.push_back(Action::Down);
        }
        self.phase = Phase::Stopping;
        self.startup_timer = None;
        self.restart_timer = None;
        if core::mem::take(&mut self.restarting) {
            self.peer = None;
        }
        for way in Way::ALL {
            match self.conns[way as usize].state {
                State::Idle | State::Close => {}
                State::Connect | State::Active => self.idle(now, way),
                State::OpenSent | State::OpenConfirm | State::Established => self.fail(now, way, last.clone()),
            }
        }
    }

    fn enter_close(&mut self, now: Time, way: Way) {
        let was = self.conns[way as usize].state;
        let hold = self.timer(now, CLOSE_TIME);
        let conn = self.conn(way);
        conn.state = State::Close;
        conn.keepalive = None;
        conn.hold = hold;
        conn.inbox = Vec::new();
        conn.pending = super::conn::Pending::default();
        if was == State::Established {
            self.left_established(now);
        }
    }

    /// The connection is gone.
    pub(super) fn idle(&mut self, now: Time, way: Way) {
        let old = core::mem::take(self.conn(way));
        if old.socket {
            self.actions.push_back(Action::Close(way));
        }
        if old.state == State::Established {
            self.left_established(now);
        }
    }

    fn left_established(&mut self, now: Time) {
        self.trace("BGP session closed");
        self.active = None;
        if !self.restarting {
            self.peer = None;
        }
        self.outbox.clear();
        self.feed = Feed::Done;
        self.begin_mark = false;
        self.ask_refresh = false;
        if self.phase == Phase::Up {
            self.stop_conns(now, ErrorCode::CEASE.into());
        }
    }

    /// After all that happened: whether to connect again, or whether all is closed.
    pub(super) fn settle(&mut self, now: Time) {
        let [outgoing, incoming] = [self.conns[0].state, self.conns[1].state];
        match self.phase {
            Phase::Starting if outgoing == State::Idle && incoming != State::OpenConfirm && !self.config.passive => {
                self.wait_to_connect(now);
            }
            Phase::Stopping if outgoing == State::Idle && incoming == State::Idle => {
                self.phase = Phase::Down;
                self.interface = None;
                self.waited = false;
                self.local_address = None;
                self.trace("Down");
                self.actions.push_back(Action::Stopped);
            }
            _ => {}
        }
    }
}
