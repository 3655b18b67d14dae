//! What listeners are told (`enum ip_conntrack_events`), and the counts of `conntrack -S`.

use bitflags::bitflags;
use hopwise_sim_core::Time;

use super::conn::Conn;

bitflags! {
    /// What changed of a connection (`IPCT_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct EventMask: u16 {
        /// It is in the table now.
        const NEW = 1 << 0;
        /// The same, for one that was expected.
        const RELATED = 1 << 1;
        /// It is gone.
        const DESTROY = 1 << 2;
        /// The first answer.
        const REPLY = 1 << 3;
        /// It is assured now.
        const ASSURED = 1 << 4;
        /// The protocol's state.
        const PROTOINFO = 1 << 5;
        /// The mark.
        const MARK = 1 << 7;
    }
}

/// Which group of listeners a message is for (`NFNLGRP_CONNTRACK_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// `[NEW]`
    New,
    /// `[UPDATE]`
    Update,
    /// `[DESTROY]`
    Destroy,
}

/// One message: the connection as it was when it was written.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: Time,
    /// To whom.
    pub kind: EventKind,
    /// What changed.
    pub changed: EventMask,
    /// The connection.
    pub conn: Conn,
    /// Who did it, if it was done by hand.
    pub by: Option<u32>,
}

/// A listener that does not read loses messages beyond so many, as with the buffer of a netlink socket.
const MAX_EVENTS: usize = 4096;

/// The messages that wait for the listeners. They are written only while somebody listens.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// Who listens, by numbers that the caller knows them by.
    listeners: Vec<u64>,
    /// Who is changing the table by hand at the moment.
    pub by: Option<u32>,
    /// Something was written since [`Events::take_news`].
    news: bool,
    /// Number of the first message in the queue since the beginning.
    first: u64,
    queue: std::collections::VecDeque<Event>,
}

impl Events {
    /// Somebody listens from now on. Gives the number of the next message.
    pub fn listen(&mut self, listener: u64) -> u64 {
        self.listeners.push(listener);
        self.next()
    }

    /// Somebody does not listen any more.
    pub fn unlisten(&mut self, listener: u64) {
        if let Some(at) = self.listeners.iter().position(|one| *one == listener) {
            self.listeners.swap_remove(at);
        }
        if self.listeners.is_empty() {
            self.first = self.next();
            self.queue = Default::default();
        }
    }

    /// Who listens.
    pub fn listeners(&self) -> &[u64] {
        &self.listeners
    }

    /// Whether anybody listens.
    #[inline]
    pub fn wanted(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Whether something was written since this was asked last.
    #[inline]
    pub fn take_news(&mut self) -> bool {
        core::mem::take(&mut self.news)
    }

    /// The number of the next message.
    pub fn next(&self) -> u64 {
        self.first + self.queue.len() as u64
    }

    /// The messages from a number on; those that were lost in between are left out.
    pub fn since(&self, number: u64) -> impl Iterator<Item = &Event> {
        let skip = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.queue.iter().skip(skip)
    }

    pub(crate) fn push(&mut self, event: Event) {
        if self.queue.len() == MAX_EVENTS {
            self.queue.pop_front();
            self.first += 1;
        }
        self.queue.push_back(event);
        self.news = true;
    }
}

/// Counts of what connection tracking did (`struct ip_conntrack_stat`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Lookups by `conntrack` that found something.
    pub found: u64,
    /// Packets that belong to no connection and cannot begin one.
    pub invalid: u64,
    /// Connections put into the table by hand.
    pub insert: u64,
    /// Connections that could not be put into the table.
    pub insert_failed: u64,
    /// Packets dropped because of that, or because the table is full.
    pub drop: u64,
    /// Connections thrown away to make room.
    pub early_drop: u64,
    /// ICMP errors that are about no connection, and malformed ICMP.
    pub error: u64,
    /// Two packets of one new flow that became one connection.
    pub clash_resolve: u64,
    /// Connections not made because their bucket is crowded.
    pub chaintoolong: u64,
}

/// A line for the kernel's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogLine {
    /// `nf_conntrack: table full, dropping packet`; at most ten of them in five seconds (`net_ratelimit`).
    TableFull,
    /// A packet that `nf_conntrack_log_invalid` asks to be told about; the caller appends the packet in the form of `-j LOG`.
    Invalid {
        /// The transport protocol's number.
        protocol: u8,
        /// What is wrong with it.
        text: String,
    },
}
