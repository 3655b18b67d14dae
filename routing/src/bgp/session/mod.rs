//! One session: the state machine of RFC 4271 section 8 with BIRD's timers and words.
//!
//! A session has two connections, one that it opens and one that the neighbour opens, each with the states of the RFC; at
//! most one of them becomes established. Around them stands the protocol, as BIRD calls it: down, starting, up, stopping.
//!
//! The owner calls a method for all that happens (times, connections, bytes, orders) and then [`Session::poll`] until it
//! gives no more [`Action`]. Routes to be told are given by [`Session::announce`] and [`Session::withdraw`]; they are packed
//! while polling, so all that belong together are to be given first.
//!
//! Messages are made by [`Session::poll`] alone; [`Session::next_action`] gives what else there is. A daemon that, like BIRD
//! 2.0.12, runs its timers after its events and sends from events calls only the latter after [`Session::on_timer`], and
//! [`Session::poll`] when its loop comes round again.

mod conn;
mod lifecycle;
mod messages;
mod restart;
mod transmit;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_sim_core::{Duration, Rng, Time};
use ipnet::Ipv4Net;

use super::config::{Peer, PeerConfig};
use super::error::LastError;
use super::outbox::Outbox;
use super::wire::{Open, Options};
use crate::attrs::Attrs;
use conn::Conn;

pub use lifecycle::Stop;

/// One of the two connections of a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    /// Opened from here.
    Outgoing,
    /// Opened by the neighbour.
    Incoming,
}

impl Way {
    /// Both.
    pub const ALL: [Way; 2] = [Way::Outgoing, Way::Incoming];

    /// The other one.
    pub const fn other(self) -> Way {
        match self {
            Way::Outgoing => Way::Incoming,
            Way::Incoming => Way::Outgoing,
        }
    }
}

/// The state of a connection (RFC 4271 section 8.2.2); a later one is nearer to a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum State {
    /// No connection.
    #[default]
    Idle,
    /// TCP is connecting.
    Connect,
    /// Waiting before the next attempt.
    Active,
    /// OPEN is sent, the neighbour's is awaited.
    OpenSent,
    /// Both OPENs are there, a KEEPALIVE is awaited.
    OpenConfirm,
    /// Routes are exchanged.
    Established,
    /// The last message is being sent (BIRD's own).
    Close,
}

impl State {
    /// The name in `show protocols`.
    pub const fn name(self) -> &'static str {
        match self {
            State::Idle => "Idle",
            State::Connect => "Connect",
            State::Active => "Active",
            State::OpenSent => "OpenSent",
            State::OpenConfirm => "OpenConfirm",
            State::Established => "Established",
            State::Close => "Close",
        }
    }
}

/// The state of the whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Phase {
    /// Not running.
    #[default]
    Down,
    /// Running, but the neighbour cannot be reached yet.
    Waiting,
    /// Pausing after an error.
    Delayed,
    /// Trying to come up.
    Starting,
    /// Established.
    Up,
    /// Closing its connections.
    Stopping,
}

/// What the owner has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Open a connection to the neighbour's port 179, from the local address if there is one.
    Connect,
    /// Send these octets.
    Send(Way, Vec<u8>),
    /// Close a connection or give up opening it.
    Close(Way),
    /// The session is established. Its routes are to be told: [`Session::begin_feed`], the routes, [`Session::end_feed`].
    Up,
    /// The session begins to stop, whether it was up or not: all routes from it are gone.
    Down,
    /// The neighbour restarts (RFC 4724): nothing is told to it any more, but its routes remain until it has told them again
    /// (`RefreshEnded`) or `Down` comes.
    Restarting,
    /// Both connections are closed. [`Session::start`] begins anew, at once if nobody wants it down and no error has disabled it.
    Stopped,
    /// Received routes that are gone.
    Withdrawn(Vec<Ipv4Net>),
    /// Received routes that are there, with the attributes they enter the table with.
    Routes(Vec<Ipv4Net>, Arc<Attrs>),
    /// The neighbour has told all its routes.
    EndOfRib,
    /// The neighbour asks for all routes again.
    RefreshRequested,
    /// The neighbour tells all its routes again; those not told before `RefreshEnded` are gone.
    RefreshBegun,
    /// Of the routes known at `RefreshBegun` or `Restarting` those are gone that were not told since.
    RefreshEnded,
    /// Something for the log, behind the protocol's name and a colon.
    Log(Level, String),
}

/// BIRD's class of a line in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// `<INFO>`
    Info,
    /// `<WARN>`
    Warning,
    /// `<RMT>`: somebody else's fault.
    Remote,
    /// `<ERR>`
    Error,
    /// `<TRACE>`: only for protocols with `debug`.
    Trace,
}

/// How far the telling of all routes has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Feed {
    /// All is told; changes follow as they come.
    #[default]
    Done,
    /// All routes are being given for the first time.
    Loading,
    /// They are given; the end-of-RIB marker follows the last of them.
    Loaded,
    /// All routes are being given again.
    Refreshing,
    /// They are given; the mark at the end follows.
    Refreshed,
}

/// When the timers of a session run out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timers {
    /// Pause after an error.
    pub startup: Option<Time>,
    /// Next attempt to connect.
    pub connect: Option<Time>,
    /// End for lack of messages.
    pub hold: Option<Time>,
    /// Next KEEPALIVE.
    pub keepalive: Option<Time>,
    /// End of the patience with a neighbour that restarts.
    pub restart: Option<Time>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    id: u32,
    config: Arc<PeerConfig>,
    rng: Rng,
    phase: Phase,
    conns: [Conn; 2],
    /// The connection that is established.
    active: Option<Way>,
    peer: Option<Peer>,
    local_address: Option<Ipv4Addr>,
    interface: Option<u32>,
    /// The neighbour's network was missing at first.
    waited: bool,
    last_error: LastError,
    /// The text of the neighbour's last shutdown.
    message: Option<String>,
    /// Seconds of the pause before the next start.
    startup_delay: u16,
    last_failure: Option<Time>,
    /// An error has disabled it (`disable after error`).
    disabled: bool,
    startup_timer: Option<Time>,
    /// The neighbour's restart would be borne: it has said that it keeps its routes.
    restartable: bool,
    /// The neighbour restarts, or has restarted and not yet told all.
    restarting: bool,
    /// The patience with it, until it is there again.
    restart_timer: Option<Time>,
    actions: VecDeque<Action>,
    outbox: Outbox,
    feed: Feed,
    /// The mark at the beginning of a refresh has to be sent.
    begin_mark: bool,
    /// The neighbour has not yet told all.
    loading: bool,
    ask_refresh: bool,
}

impl Session {
    /// A session that is down. Its number tells it from others of the same owner.
    pub fn new(id: u32, config: PeerConfig, seed: u64) -> Self {
        Session {
            id,
            rng: Rng::stream(seed, "bgp", id.into()),
            config: Arc::new(config),
            phase: Phase::Down,
            conns: [Conn::default(), Conn::default()],
            active: None,
            peer: None,
            local_address: None,
            interface: None,
            waited: false,
            last_error: LastError::None,
            message: None,
            startup_delay: 0,
            last_failure: None,
            disabled: false,
            startup_timer: None,
            restartable: false,
            restarting: false,
            restart_timer: None,
            actions: VecDeque::new(),
            outbox: Outbox::default(),
            feed: Feed::Done,
            begin_mark: false,
            loading: false,
            ask_refresh: false,
        }
    }

    /// What it was told.
    pub const fn config(&self) -> &Arc<PeerConfig> {
        &self.config
    }

    /// The state of the whole.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The state of the connection that has come farther, as `show protocols` shows it.
    pub fn state(&self) -> State {
        self.conns.iter().map(|c| c.state).max().unwrap_or_default()
    }

    /// Why it ended the last time.
    pub const fn last_error(&self) -> LastError {
        self.last_error
    }

    /// The text with which the neighbour has ended the session, if he did and gave one (RFC 9003): `Message:` in
    /// `show protocols all`.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What is known of the neighbour while the session is established or the neighbour restarts.
    pub const fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// The address this side speaks from, once it is known.
    pub const fn local_address(&self) -> Option<Ipv4Addr> {
        self.local_address
    }

    /// The OPENs of both sides and what they agreed on, once established: own, neighbour's.
    pub fn opens(&self) -> Option<(&Open, &Open, Options)> {
        let conn = &self.conns[self.active? as usize];
        Some((conn.sent.as_ref()?, conn.received.as_ref()?, conn.options))
    }

    /// The hold time and the keepalive time that hold, in seconds, once established.
    pub fn agreed_times(&self) -> Option<(u16, u16)> {
        let conn = &self.conns[self.active? as usize];
        Some((conn.hold_time, conn.keepalive_time))
    }

    /// Whether an error has disabled it (`disable after error`): it is to be started only if somebody wants that.
    pub const fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// Seconds of the pause that the last error has brought.
    pub const fn startup_delay(&self) -> u16 {
        self.startup_delay
    }

    /// When the timers run out: those of the connection that has come farther.
    pub fn timers(&self) -> Timers {
        let way = self.active.unwrap_or(if self.conns[1].state > self.conns[0].state {
            Way::Incoming
        } else {
            Way::Outgoing
        });
        let conn = &self.conns[way as usize];
        Timers {
            startup: self.startup_timer,
            connect: conn.connect,
            hold: conn.hold,
            keepalive: conn.keepalive,
            restart: self.restart_timer,
        }
    }

    /// When [`Session::on_timer`] has to be called.
    pub fn next_timer(&self) -> Option<Time> {
        let [a, b] = &self.conns;
        let conns = [a.connect, a.hold, a.keepalive, b.connect, b.hold, b.keepalive];
        let earlier = |a: Time, timer: Option<Time>| timer.map_or(a, |b| a.min(b));
        let first = conns.into_iter().chain([self.startup_timer, self.restart_timer]).fold(Time::NEVER, earlier);
        (first != Time::NEVER).then_some(first)
    }

    /// A route is to be told to the neighbour, with these attributes ([`super::export::attributes`]).
    pub fn announce(&mut self, prefix: Ipv4Net, attrs: Arc<Attrs>) {
        if self.phase == Phase::Up {
            self.outbox.announce(prefix, attrs);
        }
    }

    /// A route that was told is gone.
    pub fn withdraw(&mut self, prefix: Ipv4Net) {
        if self.phase == Phase::Up {
            self.outbox.withdraw(prefix);
        }
    }

    /// All routes follow, for the first time or again (RFC 7313).
    pub fn begin_feed(&mut self) {
        self.feed = match self.feed {
            Feed::Loading | Feed::Loaded => return,
            _ if !self.enhanced_refresh() => Feed::Done,
            _ => Feed::Refreshing,
        };
        self.begin_mark = self.feed == Feed::Refreshing;
    }

    /// All routes have been given.
    pub fn end_feed(&mut self) {
        self.feed = match self.feed {
            Feed::Loading => Feed::Loaded,
            Feed::Refreshing => Feed::Refreshed,
            other => other,
        };
    }

    /// Asks the neighbour for all its routes again. False if it does not understand that.
    pub fn request_refresh(&mut self) -> bool {
        let understood = self.can_refresh();
        self.ask_refresh |= understood;
        understood
    }

    /// Whether the neighbour can tell all its routes again.
    pub fn can_refresh(&self) -> bool {
        self.opens().is_some_and(|(own, other, _)| {
            let refresh = super::wire::Capability::RouteRefresh;
            own.can(&refresh) && other.can(&refresh)
        })
    }

    fn enhanced_refresh(&self) -> bool {
        self.active.is_some_and(|way| self.conns[way as usize].options.enhanced_refresh)
    }

    /// The end of a timer of so many seconds, shortened by up to a quarter at random (RFC 4271 section 10). Zero stops it.
    fn timer(&mut self, now: Time, seconds: u16) -> Option<Time> {
        if seconds == 0 {
            return None;
        }
        let nanos = u64::from(seconds) * 1_000_000_000;
        let less = self.rng.next_u64() % (nanos / 4 + 1);
        Some(now + Duration::from_nanos(nanos - less))
    }

    fn conn(&mut self, way: Way) -> &mut Conn {
        &mut self.conns[way as usize]
    }

    fn log(&mut self, level: Level, text: impl Into<String>) {
        self.actions.push_back(Action::Log(level, text.into()));
    }

    fn trace(&mut self, text: impl Into<String>) {
        self.log(Level::Trace, text);
    }
}
