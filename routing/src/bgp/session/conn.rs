//! One of the two connections of a session.

use hopwise_sim_core::Time;

use super::State;
use crate::bgp::wire::{Notification, Open, Options};

/// What has to be sent beside routes, in the order of its urgency.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Pending {
    /// The last message.
    pub(super) notification: Option<Notification>,
    /// The connection is to be closed, once the last message has left.
    pub(super) close: bool,
    /// An OPEN.
    pub(super) open: bool,
    /// A KEEPALIVE.
    pub(super) keepalive: bool,
}

/// A connection: its state, its timers, what was said at its beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Conn {
    pub(super) state: State,
    /// There is a TCP connection, or one is being opened.
    pub(super) socket: bool,
    pub(super) connect: Option<Time>,
    pub(super) hold: Option<Time>,
    pub(super) keepalive: Option<Time>,
    /// The own OPEN and the neighbour's.
    pub(super) sent: Option<Open>,
    pub(super) received: Option<Open>,
    pub(super) options: Options,
    pub(super) hold_time: u16,
    pub(super) keepalive_time: u16,
    pub(super) pending: Pending,
    /// The beginning of a message that has not arrived whole.
    pub(super) inbox: Vec<u8>,
}
