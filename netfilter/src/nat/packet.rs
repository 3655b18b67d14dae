//! What NAT does at a hook: decide about a new connection, then translate (`nf_nat_inet_fn`, `nf_nat_icmp_reply_translation`).

use core::net::Ipv4Addr;

use hopwise_protocols::wire::checksum;
use hopwise_protocols::wire::icmp::{ICMP_HLEN, ICMP_REDIRECT};
use hopwise_protocols::wire::ipv4::IPPROTO_ICMP;
use hopwise_sim_core::{ConnInfo, ConnTag, IfIndex, Packet, Time};

use super::unique::Seeker;
use super::{Manip, Range, RangeFlags, manip};
use crate::conntrack::{Conn, ConnStatus, Conntrack, Direction, Tuple, Verdict, transport};
use crate::hook::Hook;

/// What the nat table says of a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// Nothing: its addresses stay, and its ports as well if they can.
    Nothing,
    /// Addresses and ports of this range.
    Map(Manip, Range),
    /// The packet is dropped.
    Drop,
}

impl Manip {
    /// What a hook of the nat table can change (`HOOK2MANIP`).
    pub const fn at(hook: Hook) -> Manip {
        match hook {
            Hook::PostRouting | Hook::LocalIn => Manip::Source,
            Hook::PreRouting | Hook::LocalOut | Hook::Forward => Manip::Destination,
        }
    }

    /// The status bit of a connection of which packets in that direction are changed by this.
    const fn bit(self, direction: Direction) -> ConnStatus {
        match (self, direction) {
            (Manip::Source, Direction::Original) | (Manip::Destination, Direction::Reply) => ConnStatus::SRC_NAT,
            _ => ConnStatus::DST_NAT,
        }
    }

    const fn done(self) -> ConnStatus {
        match self {
            Manip::Source => ConnStatus::SRC_NAT_DONE,
            Manip::Destination => ConnStatus::DST_NAT_DONE,
        }
    }

    const fn other(self) -> Manip {
        match self {
            Manip::Source => Manip::Destination,
            Manip::Destination => Manip::Source,
        }
    }
}

const fn direction_of(info: ConnInfo) -> Direction {
    if info.is_reply() { Direction::Reply } else { Direction::Original }
}

impl Conntrack {
    /// Whether the rules of the nat table have to be asked about this packet at that hook.
    #[inline]
    pub fn wants_nat_rules(&self, hook: Hook, packet: &Packet) -> bool {
        let Some(tag) = packet.conn else { return false };
        let about = matches!(tag.info, ConnInfo::Related | ConnInfo::RelatedReply);
        if tag.info != ConnInfo::New && (!about || is_icmp(packet.data())) {
            return false;
        }
        self.conn(tag).is_some_and(|conn| !conn.status.contains(Manip::at(hook).done()))
    }

    /// Translates a packet. If it is the first one of its connection at that hook (and its opposite), `rules` walks the nat table
    /// and says what is wanted; it may set [`Conn::masq`]. `out` is the link that the packet leaves by.
    #[inline]
    pub fn nat(
        &mut self,
        now: Time,
        hook: Hook,
        out: IfIndex,
        packet: &mut Packet,
        rules: impl FnOnce(&mut Packet, &mut Conn) -> Choice,
    ) -> Verdict {
        let mut choice = Choice::Nothing;
        if self.wants_nat_rules(hook, packet)
            && let Some(tag) = packet.conn
            && let Some(conn) = self.conn_mut(tag)
        {
            choice = rules(packet, conn);
        }
        self.translate(now, hook, out, packet, choice)
    }

    /// The same for a caller that has asked the rules itself, if [`Conntrack::wants_nat_rules`] said so.
    #[inline]
    pub fn translate(&mut self, now: Time, hook: Hook, out: IfIndex, packet: &mut Packet, choice: Choice) -> Verdict {
        let Some(tag) = packet.conn else { return Verdict::Accept };
        let Some(conn) = self.conn(tag) else { return Verdict::Accept };
        let manip = Manip::at(hook);
        if matches!(tag.info, ConnInfo::Related | ConnInfo::RelatedReply) && is_icmp(packet.data()) {
            return translate_error(packet.data_mut(), conn, direction_of(tag.info), manip);
        }
        // What was masqueraded as one link's address cannot leave by another one.
        let moved = hook == Hook::PostRouting && conn.masq.is_some() && !tag.info.is_reply() && conn.masq != out;
        let first = matches!(tag.info, ConnInfo::New | ConnInfo::Related | ConnInfo::RelatedReply)
            && !conn.status.contains(manip.done());
        if first {
            if self.decide(now, tag, manip, choice) == Verdict::Drop {
                return Verdict::Drop;
            }
        } else if moved {
            self.kill_counted(now, tag, packet.len());
            return Verdict::Drop;
        }
        match self.conn(tag) {
            Some(conn) => translate_packet(packet.data_mut(), conn, direction_of(tag.info), manip),
            None => Verdict::Accept,
        }
    }

    /// Carries out what the rules said of a new connection; without any word the addresses stay
    /// (`nf_nat_alloc_null_binding`).
    #[cold]
    fn decide(&mut self, now: Time, tag: ConnTag, manip: Manip, choice: Choice) -> Verdict {
        match choice {
            Choice::Drop => return Verdict::Drop,
            Choice::Map(wanted, range) => {
                if self.set_up(now, tag, wanted, &range) == Verdict::Drop {
                    return Verdict::Drop;
                }
            }
            Choice::Nothing => {}
        }
        let Some(conn) = self.conn(tag) else { return Verdict::Drop };
        if conn.status.contains(manip.done()) {
            return Verdict::Accept;
        }
        let reply = conn.tuple(Direction::Reply);
        let addr = if manip == Manip::Source { reply.dst.addr } else { reply.src.addr };
        let range = Range { flags: RangeFlags::MAP_IPS, addrs: (addr, addr), ..Range::ANY };
        self.set_up(now, tag, manip, &range)
    }

    /// Chooses the translation of a connection that is not in the table yet. `nf_nat_setup_info`.
    pub fn set_up(&mut self, now: Time, tag: ConnTag, manip: Manip, range: &Range) -> Verdict {
        let Some(conn) = self.conn(tag) else { return Verdict::Drop };
        if conn.status.contains(ConnStatus::CONFIRMED) {
            return Verdict::Accept;
        }
        if conn.status.contains(manip.done()) {
            return Verdict::Drop;
        }
        let Some(current) = conn.tuple(Direction::Reply).invert() else { return Verdict::Drop };
        let seeker = Seeker::new(now, tag.slot, conn);
        let new = self.unique_tuple(&seeker, &current, range, manip);
        let Some(conn) = self.conn_mut(tag) else { return Verdict::Drop };
        if new != current
            && let Some(reply) = new.invert()
        {
            conn.tuples[Direction::Reply as usize] = reply;
            conn.status.insert(manip.bit(Direction::Original));
        }
        conn.status.insert(manip.done());
        if manip == Manip::Source {
            self.store.list_source(tag.slot);
        }
        Verdict::Accept
    }

    /// `nf_ct_kill_acct`.
    #[cold]
    fn kill_counted(&mut self, now: Time, tag: ConnTag, len: usize) {
        if let Some(conn) = self.conn_mut(tag) {
            conn.account(direction_of(tag.info), len);
        }
        self.remove(now, tag.slot);
    }

    /// Ends the connections that were masqueraded as an address that is gone (with `None`: as any address of a link that went
    /// down or is gone). `masq_inet_event`, `masq_device_event`.
    pub fn masquerade_gone(&mut self, now: Time, link: IfIndex, addr: Option<Ipv4Addr>) {
        self.sweep(now);
        for slot in self.store.confirmed() {
            let lost = self.store.conn(slot).is_some_and(|conn| {
                let used = conn.tuple(Direction::Reply).dst.addr;
                conn.masq == link && link.is_some() && addr.is_none_or(|addr| addr == used)
            });
            if lost {
                self.remove(now, slot);
            }
        }
    }
}

fn is_icmp(packet: &[u8]) -> bool {
    packet.get(9) == Some(&IPPROTO_ICMP)
}

/// A packet of the connection itself. `nf_nat_packet`, `nf_nat_manip_pkt`.
#[inline]
fn translate_packet(packet: &mut [u8], conn: &Conn, direction: Direction, manip: Manip) -> Verdict {
    if !conn.status.contains(manip.bit(direction)) {
        return Verdict::Accept;
    }
    // It shall look like the inverse of the other direction.
    match conn.tuple(direction.opposite()).invert() {
        Some(target) if manip::rewrite(packet, &target, manip) => Verdict::Accept,
        _ => Verdict::Drop,
    }
}

/// An ICMP error about the connection: the packet inside is translated back, and the outer addresses as those of a packet.
fn translate_error(packet: &mut [u8], conn: &Conn, direction: Direction, manip: Manip) -> Verdict {
    let Some((offset, _)) = transport(packet) else { return Verdict::Drop };
    let Some(&[kind, ..]) = packet[offset..].first_chunk::<ICMP_HLEN>() else { return Verdict::Drop };
    if checksum::checksum(&packet[offset..]) != 0 {
        return Verdict::Drop;
    }
    // Redirects are for the addresses that they name: they cannot be translated, and not before that is decided.
    if kind == ICMP_REDIRECT && (!conn.status.contains(ConnStatus::NAT_DONE) || conn.status.intersects(ConnStatus::NAT))
    {
        return Verdict::Drop;
    }
    if !conn.status.contains(manip.bit(direction)) {
        return Verdict::Accept;
    }
    let other: &Tuple = conn.tuple(direction.opposite());
    let Some(target) = other.invert() else { return Verdict::Drop };
    if !manip::rewrite(&mut packet[offset + ICMP_HLEN..], other, manip.other()) {
        return Verdict::Drop;
    }
    let icmp = &mut packet[offset..];
    icmp[2..4].fill(0);
    let check = checksum::checksum(icmp);
    icmp[2..4].copy_from_slice(&check.to_be_bytes());
    if manip::rewrite(packet, &target, manip) { Verdict::Accept } else { Verdict::Drop }
}
