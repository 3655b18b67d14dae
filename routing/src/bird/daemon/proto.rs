//! The state of a protocol and of its channel.

use std::collections::BTreeMap;

use hopwise_sim_core::Time;
use ipnet::Ipv4Net;

use crate::bgp::config::RemoteAs;
use crate::bgp::session::{Session, Stop};
use crate::bird::config::{Kind, Protocol};
use crate::bird::route::Route;

/// `PS_*`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// Not running.
    #[default]
    Down,
    /// Not up yet.
    Start,
    /// At work.
    Up,
    /// Closing.
    Stop,
}

impl State {
    /// The word in `show protocols`.
    pub const fn name(self) -> &'static str {
        match self {
            State::Down => "down",
            State::Start => "start",
            State::Up => "up",
            State::Stop => "stop",
        }
    }
}

/// The counters of a channel in one direction, for updates and for withdrawals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// All.
    pub received: u32,
    /// Not allowed by the protocol.
    pub rejected: u32,
    /// Not wanted by the filter.
    pub filtered: u32,
    /// Nothing new.
    pub ignored: u32,
    /// Taken.
    pub accepted: u32,
}

/// A channel at work.
#[derive(Clone, Debug, Default)]
pub struct ChannelState {
    /// Routes go through it.
    pub up: bool,
    /// Import updates and withdrawals.
    pub import: [Counts; 2],
    /// Export updates and withdrawals.
    pub export: [Counts; 2],
    /// How many routes are imported, and how many of them were filtered.
    pub imported: u32,
    /// How many of them are the best of their network.
    pub preferred: u32,
    /// What was exported, as it left the filter.
    pub exported: BTreeMap<Ipv4Net, Route>,
    /// Direct and static: what they have told, before the import filter.
    pub told: BTreeMap<Ipv4Net, Route>,
    /// Which limits were hit.
    pub hit: [bool; 3],
    /// How many routes the filter did not want but were kept.
    pub filtered: u32,
}

/// A protocol.
#[derive(Clone, Debug)]
pub struct Proto {
    /// What it was told.
    pub conf: Protocol,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Time,
    /// Somebody has switched it off.
    pub disabled: bool,
    /// It is no longer configured: the number stays taken.
    pub gone: bool,
    /// Its channel.
    pub channel: ChannelState,
    /// BGP's session.
    pub session: Option<Box<Session>>,
    /// When the kernel or the links are looked at again.
    pub scan_at: Option<Time>,
    /// Its trace goes to the log.
    pub debug: bool,
    /// The text that was given with the last `disable`, `enable` or `restart`.
    pub message: Option<String>,
    /// When it has to begin anew because of a limit.
    pub restart_at: Option<(Time, Stop)>,
}

impl Proto {
    /// A protocol that is down.
    pub fn new(conf: Protocol, now: Time) -> Self {
        let (disabled, debug) = (conf.disabled, conf.debug);
        let (state, channel, session, scan_at, message, restart_at) = Default::default();
        let (since, gone) = (now, false);
        Proto { conf, state, since, disabled, gone, channel, session, scan_at, debug, message, restart_at }
    }

    /// Whether it takes part.
    pub const fn is_wanted(&self) -> bool {
        !self.disabled && !self.gone
    }

    /// The AS of BGP's neighbour: what it said itself, or what it was configured to be.
    pub fn neighbor_as(&self) -> Option<u32> {
        if let Some(peer) = self.session.as_ref().and_then(|session| session.peer()) {
            return Some(peer.remote_as);
        }
        match &self.conf.kind {
            Kind::Bgp(bgp) => match bgp.peer.remote_as {
                RemoteAs::Number(asn) => Some(asn),
                RemoteAs::Internal => Some(bgp.peer.local_as),
                RemoteAs::External => None,
            },
            _ => None,
        }
    }
}
