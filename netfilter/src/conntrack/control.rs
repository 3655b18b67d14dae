//! What the `conntrack` command does to the table by netlink. Models `net/netfilter/nf_conntrack_netlink.c`.

use core::time::Duration;

use hopwise_protocols::wire::ipv4::{IPPROTO_SCTP, IPPROTO_TCP};
use hopwise_sim_core::{ConnInfo, ConnTag, Errno, Time};

use super::conn::{Conn, ConnStatus, Zone};
use super::events::{EventKind, EventMask};
use super::proto::sctp::{Sctp, SctpState};
use super::proto::tcp::{Tcp, TcpState};
use super::proto::{Proto, start};
use super::tuple::Tuple;
use super::{Conntrack, Setting, Template, Verdict};
use crate::nat::{Manip, Range};

/// What is to be changed of a connection, or what a new one shall be like (`CTA_*`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Change {
    /// How long it lives from now on, in seconds.
    pub timeout: Option<u32>,
    /// Its status bits.
    pub status: Option<ConnStatus>,
    /// Its mark.
    pub mark: Option<u32>,
    /// The number of the state of its protocol.
    pub state: Option<u8>,
    /// SCTP: the verification tags.
    pub vtags: Option<[u32; 2]>,
    /// A new one: how its source is translated.
    pub source: Option<Range>,
    /// A new one: how its destination is translated.
    pub destination: Option<Range>,
}

/// Bits that nobody outside can set (`IPS_UNCHANGEABLE_MASK`).
const UNCHANGEABLE: ConnStatus = ConnStatus::NAT_DONE
    .union(ConnStatus::NAT)
    .union(ConnStatus::EXPECTED)
    .union(ConnStatus::CONFIRMED)
    .union(ConnStatus::DYING)
    .union(ConnStatus::TEMPLATE);

/// What is told when a connection was changed by hand.
const BY_HAND: EventMask =
    EventMask::REPLY.union(EventMask::ASSURED).union(EventMask::PROTOINFO).union(EventMask::MARK);

impl Conntrack {
    /// The tag of the connection in the table with that tuple in one of its directions.
    pub fn lookup(&mut self, now: Time, tuple: &Tuple, zones: [Zone; 2]) -> Option<ConnTag> {
        self.sweep(now);
        let (slot, _) = self.find(now, tuple, zones)?;
        Some(ConnTag { slot, generation: self.store.generation(slot), info: ConnInfo::Established })
    }

    /// Puts a connection into the table. `ctnetlink_create_conntrack`.
    ///
    /// # Errors
    /// `EINVAL` without a lifetime; `EEXIST`; `ENOMEM` where the table is full; as for [`Conntrack::change`].
    pub fn create(&mut self, now: Time, tuples: [Tuple; 2], zones: [Zone; 2], change: &Change) -> Result<(), Errno> {
        self.sweep(now);
        if self.exists(now, &tuples, zones) {
            return Err(Errno::EEXIST);
        }
        if !self.has_room(now, tuples[0].key(zones[0])) {
            return Err(Errno::ENOMEM);
        }
        let mut conn = Conn::new(now, tuples, zones);
        let timeout = change.timeout.ok_or(Errno::EINVAL)?;
        conn.expires = now + Duration::from_secs(u64::from(timeout));
        conn.events = self.told_events(&Template::default());
        conn.counters = self.settings.on(Setting::Acct).then(Default::default);
        conn.stamped = self.settings.on(Setting::Timestamp);
        conn.proto = start(tuples[0].protocol, now);
        let slot = self.store.add(conn);
        let tag = ConnTag { slot, generation: self.store.generation(slot), info: ConnInfo::New };
        let done = self.complete(now, tag, change);
        if done.is_err() {
            self.store.discard(slot);
        }
        done
    }

    fn exists(&mut self, now: Time, tuples: &[Tuple; 2], zones: [Zone; 2]) -> bool {
        tuples.iter().any(|tuple| self.find(now, tuple, zones).is_some())
    }

    fn complete(&mut self, now: Time, tag: ConnTag, change: &Change) -> Result<(), Errno> {
        for (manip, range) in [(Manip::Destination, change.destination), (Manip::Source, change.source)] {
            if let Some(range) = range
                && self.set_up(now, tag, manip, &range) == Verdict::Drop
            {
                return Err(Errno::EINVAL);
            }
        }
        let conn = self.conn_mut(tag).ok_or(Errno::ENOENT)?;
        conn.status.insert(ConnStatus::CONFIRMED);
        let applied = apply(now, conn, &Change { timeout: None, ..change.clone() });
        if applied.is_err() {
            conn.status.remove(ConnStatus::CONFIRMED);
            return applied;
        }
        let (tuples, zones) = (conn.tuples, conn.zones);
        if self.exists(now, &tuples, zones) {
            if let Some(conn) = self.conn_mut(tag) {
                conn.status.remove(ConnStatus::CONFIRMED);
            }
            return Err(Errno::EEXIST);
        }
        self.store.list(tag.slot, [true; 2]);
        self.stats.insert += 1;
        self.tell(now, tag.slot, EventKind::New, EventMask::NEW | BY_HAND);
        Ok(())
    }

    /// Changes a connection. `ctnetlink_change_conntrack`.
    ///
    /// # Errors
    /// `EBUSY` for a status bit that cannot be changed or taken away, `EPERM` for the lifetime where it is fixed, `EOPNOTSUPP`
    /// for a translation, `ENOENT` if it is gone.
    pub fn change(&mut self, now: Time, tag: ConnTag, change: &Change) -> Result<(), Errno> {
        if change.source.is_some() || change.destination.is_some() {
            return Err(Errno::EOPNOTSUPP);
        }
        apply(now, self.conn_mut(tag).ok_or(Errno::ENOENT)?, change)?;
        self.store.shortened(tag.slot);
        self.tell(now, tag.slot, EventKind::Update, BY_HAND);
        Ok(())
    }

    /// Ends a connection. `ctnetlink_del_conntrack`.
    pub fn delete(&mut self, now: Time, tag: ConnTag) {
        if self.conn(tag).is_some_and(|conn| conn.status.contains(ConnStatus::CONFIRMED)) {
            self.remove(now, tag.slot);
        }
    }

    /// Ends all of them. `ctnetlink_flush_conntrack`.
    pub fn flush(&mut self, now: Time) {
        self.sweep(now);
        for slot in self.store.confirmed() {
            self.remove(now, slot);
        }
    }

    /// The connections in the table with their tags, the oldest first.
    pub fn tagged(&mut self, now: Time) -> Vec<ConnTag> {
        self.sweep(now);
        let tag = |slot| ConnTag { slot, generation: self.store.generation(slot), info: ConnInfo::Established };
        self.store.confirmed().into_iter().map(tag).collect()
    }
}

/// The changes in the order in which the kernel makes them.
fn apply(now: Time, conn: &mut Conn, change: &Change) -> Result<(), Errno> {
    if let Some(timeout) = change.timeout {
        if conn.status.contains(ConnStatus::FIXED_TIMEOUT) {
            return Err(Errno::EPERM);
        }
        conn.expires = now + Duration::from_secs(u64::from(timeout));
    }
    if let Some(status) = change.status {
        set_status(conn, status | ConnStatus::CONFIRMED)?;
    }
    set_proto(conn, change)?;
    if let Some(mark) = change.mark {
        conn.mark = mark;
    }
    Ok(())
}

/// `ctnetlink_change_status`.
fn set_status(conn: &mut Conn, status: ConnStatus) -> Result<(), Errno> {
    let differing = conn.status ^ status;
    let fixed = ConnStatus::EXPECTED | ConnStatus::CONFIRMED | ConnStatus::DYING;
    let for_good = ConnStatus::SEEN_REPLY | ConnStatus::ASSURED;
    if differing.intersects(fixed) || (differing & for_good).intersects(conn.status) {
        return Err(Errno::EBUSY);
    }
    conn.status |= status - UNCHANGEABLE;
    Ok(())
}

/// `nlattr_to_tcp`, `nlattr_to_sctp`.
fn set_proto(conn: &mut Conn, change: &Change) -> Result<(), Errno> {
    let Some(state) = change.state else { return Ok(()) };
    match conn.protocol() {
        IPPROTO_TCP => {
            let state = TcpState::ALL.get(usize::from(state)).copied().ok_or(Errno::EINVAL)?;
            match &mut conn.proto {
                Proto::Tcp(tcp) => tcp.state = state,
                proto => *proto = Proto::Tcp(Tcp::by_hand(state, true)),
            }
        }
        IPPROTO_SCTP => {
            let state = SctpState::ALL.get(usize::from(state)).copied().ok_or(Errno::EINVAL)?;
            let known = match &conn.proto {
                Proto::Sctp(sctp) => Some(sctp.vtag),
                _ => None,
            };
            let vtag = change.vtags.or(known).ok_or(Errno::EINVAL)?;
            conn.proto = Proto::Sctp(Sctp { state, vtag });
        }
        _ => {}
    }
    Ok(())
}
