//! Packet buffers: bytes with headroom, moved and never shared.

use crate::{IfIndex, PacketId};

/// Room in front of a new packet's first byte: enough for Ethernet, an outer IPv4 and UDP header, VXLAN and another
/// Ethernet header twice over, so that encapsulation moves no payload.
pub const HEADROOM: usize = 128;

/// To whom a frame was addressed, seen from the link that received it (`PACKET_*` of `packet(7)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PacketType {
    /// To this host.
    #[default]
    Host,
    /// To all (link-layer broadcast).
    Broadcast,
    /// To a group (link-layer multicast).
    Multicast,
    /// To another host: seen only because the link is promiscuous or a bridge port.
    OtherHost,
    /// Made or forwarded by this host and on its way out.
    Outgoing,
}

/// One packet: a move-only handle to a buffer of the [`Pool`].
///
/// The bytes in use are a window into the buffer. Headers are put in front with [`push`](Packet::push) and taken off
/// with [`pull`](Packet::pull); the payload is not copied. The fields are those of the kernel's `sk_buff` that decide
/// where a packet goes.
#[derive(Clone, Debug)]
pub struct Packet(Box<Buffer>);

#[derive(Clone, Debug, Default)]
struct Buffer {
    bytes: Box<[u8]>,
    head: u32,
    tail: u32,
    /// Where the bytes begin that a checksum covers which is not made yet; 0: there is none. `skb->csum_start`.
    csum_start: u32,
    offload: Offload,
    fields: Fields,
}

/// What tunnels in tunnels know of a packet within a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offload {
    /// Whether the kernel would have left its checksum to the link that it leaves through (`CHECKSUM_PARTIAL`): so it does
    /// with datagrams and segments of sockets.
    pub partial: bool,
    /// How many bytes from its end the innermost packet begins, if that is remembered (`skb->encapsulation`,
    /// `inner_network_header`); 0: it is not.
    pub inner_len: u16,
}

/// How a packet stands to its connection (`enum ip_conntrack_info`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ConnInfo {
    /// Of a connection that was answered, in the original direction.
    Established = 0,
    /// About a connection (an ICMP error), or the first packet of one that was expected.
    Related = 1,
    /// The first of a connection, or one more before any answer.
    New = 2,
    /// An answer.
    EstablishedReply = 3,
    /// About a connection, in the direction of answers.
    RelatedReply = 4,
    /// Exempt from tracking (`-j CT --notrack`).
    Untracked = 7,
}

impl ConnInfo {
    /// Whether it goes in the direction of answers (`CTINFO2DIR`).
    pub const fn is_reply(self) -> bool {
        matches!(self, ConnInfo::EstablishedReply | ConnInfo::RelatedReply)
    }
}

/// A packet's reference to an entry of its namespace's connection table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnTag {
    /// Place in the table (meaningless for [`ConnInfo::Untracked`]).
    pub slot: u32,
    /// Which of the entries that had this place one after the other.
    pub generation: u16,
    /// How the packet stands to it.
    pub info: ConnInfo,
}

/// A VLAN tag that is kept beside a packet's bytes (`skb->vlan_proto` and `skb->vlan_tci`), as network cards take it off and put it on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VlanTag {
    /// EtherType of the tag (`0x8100`, `0x88a8`); 0: there is no tag.
    pub protocol: u16,
    /// Priority (3 bits), drop eligible (1 bit), number of the VLAN (12 bits).
    pub tci: u16,
}

impl VlanTag {
    /// No tag.
    pub const NONE: VlanTag = VlanTag { protocol: 0, tci: 0 };

    /// Whether there is a tag.
    #[inline]
    pub const fn is_some(self) -> bool {
        self.protocol != 0
    }

    /// The number of the VLAN; 0: only the priority counts, or there is no tag.
    #[inline]
    pub const fn vid(self) -> u16 {
        self.tci & 0x0fff
    }
}

/// What is known about a packet beside its bytes. Small on purpose: a frame that is flooded to many ports is copied with
/// it (a test below watches the size).
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields {
    /// Number in order of birth.
    pub id: PacketId,
    /// EtherType of the network header (host byte order), e.g. `0x0800`.
    pub protocol: u16,
    /// To whom the frame was addressed.
    pub kind: PacketType,
    /// The VLAN tag that belongs in front of `protocol`.
    pub vlan: VlanTag,
    /// The link through which it entered this namespace ([`IfIndex::NONE`]: made here). `skb_iif`.
    pub iif: IfIndex,
    /// The firewall mark. `skb->mark`.
    pub mark: u32,
    /// Queueing class (`-j CLASSIFY`). `skb->priority`.
    pub priority: u32,
    /// Length of the link-layer header in front of the current first byte when that header has been pulled but is
    /// still in the buffer (0: none). `skb->mac_len`.
    pub mac_len: u8,
    /// The largest fragment that arrived, if the packet was put together here (`frag_max_size`).
    pub frag_max_size: u16,
    /// The connection it belongs to, as far as that was asked in this namespace. `skb->_nfct`.
    pub conn: Option<ConnTag>,
    /// The ports of a bridge that it passes while its rules are asked (`struct nf_bridge_info`): in, and out.
    pub phys: (IfIndex, IfIndex),
    /// Whether a program's socket made it (`skb->sk`).
    pub from_socket: bool,
    /// The next hop, on the way through a link without link-layer addresses: a tunnel without a far end of its own asks
    /// for it (`rt_nexthop`). On the way in through a tunnel that learns: the host it came from.
    pub next_hop: [u8; 4],
    /// The network's number that a program of tc gave it on the way into a tunnel, or that it had on the way out of one
    /// (`struct ip_tunnel_key`).
    pub tunnel_id: u32,
    /// How many virtual devices handed it on without a queue in between; bounds recursion (`XMIT_RECURSION_LIMIT`).
    pub depth: u8,
}

impl core::ops::Deref for Packet {
    type Target = Fields;
    fn deref(&self) -> &Fields {
        &self.0.fields
    }
}

impl core::ops::DerefMut for Packet {
    fn deref_mut(&mut self) -> &mut Fields {
        &mut self.0.fields
    }
}

impl Packet {
    /// The bytes from the current first header to the end.
    #[inline]
    pub fn data(&self) -> &[u8] {
        &self.0.bytes[self.0.head as usize..self.0.tail as usize]
    }

    /// The same, to be changed in place.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u8] {
        let (head, tail) = (self.0.head as usize, self.0.tail as usize);
        &mut self.0.bytes[head..tail]
    }

    /// How many bytes there are from the current first header to the end.
    #[inline]
    pub fn len(&self) -> usize {
        (self.0.tail - self.0.head) as usize
    }

    /// True if no byte is left.
    pub fn is_empty(&self) -> bool {
        self.0.tail == self.0.head
    }

    /// Puts `n` bytes in front (for a header that the caller writes now) and gives them. Their old content is whatever
    /// stood in the headroom. Grows the buffer if the headroom is used up.
    #[inline]
    pub fn push(&mut self, n: usize) -> &mut [u8] {
        if (self.0.head as usize) < n {
            self.grow_front(n);
        }
        let head = self.0.head as usize - n;
        self.0.head = head as u32;
        &mut self.0.bytes[head..head + n]
    }

    /// Takes `n` bytes off the front (they stay in the buffer and can be pushed back). False, and nothing is done, if
    /// there are fewer.
    #[inline]
    #[must_use]
    pub fn pull(&mut self, n: usize) -> bool {
        if n > self.len() {
            return false;
        }
        self.0.head += n as u32;
        true
    }

    /// Cuts the end off so that `len` bytes remain; nothing happens if there are fewer.
    pub fn trim(&mut self, len: usize) {
        if len < self.len() {
            self.0.tail = self.0.head + len as u32;
        }
    }

    /// Makes room for `n` more bytes at the end: zeros, or whatever stood there before. `skb_put`.
    pub fn append(&mut self, n: usize) {
        let end = self.0.tail as usize + n;
        if end > self.0.bytes.len() {
            let mut bytes = core::mem::take(&mut self.0.bytes).into_vec();
            bytes.resize(end, 0);
            self.0.bytes = bytes.into();
        }
        self.0.tail = end as u32;
    }

    /// The link-layer header in front of the current first byte, if it was pulled off with `mac_len` noted.
    pub fn mac_header(&self) -> &[u8] {
        let head = self.0.head as usize;
        &self.0.bytes[head.saturating_sub(usize::from(self.0.fields.mac_len))..head]
    }

    /// Puts the noted link-layer header back in front (what `skb_push(skb, ETH_HLEN)` does in a bridge).
    pub fn push_mac_header(&mut self) {
        let n = usize::from(self.0.fields.mac_len);
        self.push(n);
        self.mac_len = 0;
    }

    /// The noted link-layer header, to be changed in place.
    pub fn mac_header_mut(&mut self) -> &mut [u8] {
        let head = self.0.head as usize;
        let front = head.saturating_sub(usize::from(self.0.fields.mac_len));
        &mut self.0.bytes[front..head]
    }

    /// Says that the transport header `at` bytes behind the first one lacks its checksum: who reads it, or what follows, makes it
    /// first. `CHECKSUM_PARTIAL`.
    #[inline]
    pub fn owe_checksum(&mut self, at: usize) {
        self.0.csum_start = self.0.head + at as u32;
    }

    /// Whether there is a transport header that lacks its checksum.
    #[inline]
    pub fn owes_checksum(&self) -> bool {
        self.0.csum_start != 0
    }

    /// The bytes from that header on, whose checksum counts as made from now on.
    pub fn pay_checksum(&mut self) -> Option<&mut [u8]> {
        let start = core::mem::take(&mut self.0.csum_start) as usize;
        let tail = self.0.tail as usize;
        self.0.bytes.get_mut(start..tail).filter(|_| start != 0)
    }

    /// What tunnels in tunnels know of it.
    #[inline]
    pub fn offload(&self) -> Offload {
        self.0.offload
    }

    /// The same, to be changed.
    #[inline]
    pub fn offload_mut(&mut self) -> &mut Offload {
        &mut self.0.offload
    }

    fn grow_front(&mut self, n: usize) {
        let extra = n + HEADROOM;
        let (head, tail) = (self.0.head as usize, self.0.tail as usize);
        let mut bytes = vec![0; tail + extra];
        bytes[head + extra..].copy_from_slice(&self.0.bytes[head..tail]);
        self.0.bytes = bytes.into();
        if self.0.csum_start != 0 {
            self.0.csum_start += extra as u32;
        }
        self.0.head = (head + extra) as u32;
        self.0.tail = (tail + extra) as u32;
    }
}

/// Counts of the pool: every packet that was born either lives (in flight or held) or has ended in one of three ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PoolStats {
    /// Packets made, copies included.
    pub born: u64,
    /// Packets that reached a socket or left the world through a device that reads them.
    pub delivered: u64,
    /// Packets used up on their way: ARP handled, a fragment merged, an echo answered, a packet cut into fragments.
    pub consumed: u64,
    /// Packets dropped, for a [`crate::DropReason`].
    pub dropped: u64,
}

impl PoolStats {
    /// Packets that are alive: in the agenda, or held in a queue.
    pub const fn alive(&self) -> u64 {
        self.born - self.delivered - self.consumed - self.dropped
    }
}

/// The packet buffers of a world: used ones come back here, so that a running world allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    #[expect(clippy::vec_box, reason = "the box is what is reused")]
    free: Vec<Box<Buffer>>,
    stats: PoolStats,
}

/// Buffers kept for reuse; more than this are given back to the allocator. A world in steady state has far fewer
/// packets in flight, and a storm must not pin its peak memory.
const MAX_FREE: usize = 4096;

/// Size of a new buffer: a full Ethernet frame with headroom.
const BUFFER: usize = 1664 + HEADROOM;

/// Larger buffers (reassembled or jumbo packets) are not kept.
const MAX_KEPT: usize = 16 * 1024;

impl Pool {
    /// A new packet of `len` bytes (content undefined: the caller writes it), with [`HEADROOM`] in front.
    pub fn alloc(&mut self, len: usize) -> Packet {
        let mut packet = self.make(HEADROOM..HEADROOM + len);
        packet.0.fields = Fields { id: packet.id, ..Fields::default() };
        packet
    }

    /// A new packet with these bytes.
    pub fn alloc_from(&mut self, bytes: &[u8]) -> Packet {
        let mut packet = self.alloc(bytes.len());
        packet.data_mut().copy_from_slice(bytes);
        packet
    }

    /// A copy with a number of its own: what a bridge sends out of each further port. The bytes in use, and a pulled
    /// link-layer header in front of them, lie in it where they lie in the original.
    pub fn copy(&mut self, packet: &Packet) -> Packet {
        let Buffer { bytes, head, tail, csum_start, offload, fields } = &*packet.0;
        let (head, tail) = (*head as usize, *tail as usize);
        let mut copy = self.make(head..tail);
        copy.0.fields = Fields { id: copy.id, ..*fields };
        (copy.0.csum_start, copy.0.offload) = (*csum_start, *offload);
        let front = head.saturating_sub(usize::from(fields.mac_len));
        copy.0.bytes[front..tail].copy_from_slice(&bytes[front..tail]);
        copy
    }

    /// A packet in a used or new buffer whose bytes in use are `window`, with the next number. Its other fields are the
    /// caller's to set.
    #[inline]
    fn make(&mut self, window: core::ops::Range<usize>) -> Packet {
        let mut buffer = self.free.pop().unwrap_or_default();
        if buffer.bytes.len() < window.end {
            buffer.bytes = vec![0; window.end.max(BUFFER)].into();
        }
        self.stats.born += 1;
        buffer.fields.id = PacketId(self.stats.born);
        (buffer.head, buffer.tail, buffer.csum_start) = (window.start as u32, window.end as u32, 0);
        buffer.offload = Offload::default();
        Packet(buffer)
    }

    /// Ends a packet's life as delivered to its receiver.
    pub fn delivered(&mut self, packet: Packet) {
        self.stats.delivered += 1;
        self.recycle(packet);
    }

    /// Ends a packet's life as used up on the way.
    pub fn consumed(&mut self, packet: Packet) {
        self.stats.consumed += 1;
        self.recycle(packet);
    }

    /// Ends a packet's life as dropped.
    pub fn dropped(&mut self, packet: Packet) {
        self.stats.dropped += 1;
        self.recycle(packet);
    }

    /// The counts so far.
    pub const fn stats(&self) -> PoolStats {
        self.stats
    }

    fn recycle(&mut self, packet: Packet) {
        if self.free.len() < MAX_FREE && packet.0.bytes.len() <= MAX_KEPT {
            self.free.push(packet.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_and_pull_move_no_payload() {
        let mut pool = Pool::default();
        let mut p = pool.alloc_from(b"payload");
        p.push(3).copy_from_slice(b"hdr");
        assert_eq!(p.data(), b"hdrpayload");
        assert!(p.pull(3));
        assert_eq!(p.data(), b"payload");
        assert!(!p.pull(8));
        p.push(HEADROOM + 50).fill(1);
        assert!(p.pull(HEADROOM + 50));
        assert_eq!(p.data(), b"payload");
        p.trim(3);
        assert_eq!(p.data(), b"pay");
        p.append(4000);
        assert_eq!((p.len(), &p.data()[..3]), (4003, &b"pay"[..]));
    }

    #[test]
    fn a_checksum_that_is_owed_stays_where_it_is() {
        let mut pool = Pool::default();
        let mut p = pool.alloc_from(b"ip.udp.payload");
        assert!(!p.owes_checksum());
        assert_eq!(p.pay_checksum(), None);
        p.owe_checksum(3);
        p.push(HEADROOM + 1);
        let mut copy = pool.copy(&p);
        assert!(p.pull(HEADROOM + 2));
        assert_eq!(p.pay_checksum().as_deref(), Some(&b"udp.payload"[..]));
        assert!(!p.owes_checksum());
        assert_eq!(copy.pay_checksum().as_deref(), Some(&b"udp.payload"[..]));
        let (len, was) = (p.len(), p.id);
        p.owe_checksum(0);
        pool.consumed(p);
        let again = pool.alloc(len);
        assert!(!again.owes_checksum(), "{was} left nothing behind");
    }

    #[test]
    fn the_fields_are_few() {
        assert!(size_of::<Fields>() <= 56, "{} bytes", size_of::<Fields>());
    }

    #[test]
    fn a_copy_keeps_the_pulled_link_header() {
        let mut pool = Pool::default();
        let mut p = pool.alloc_from(b"macdata");
        assert!(p.pull(3));
        p.mac_len = 3;
        let mut copy = pool.copy(&p);
        assert_eq!((copy.mac_header(), copy.data()), (&b"mac"[..], &b"data"[..]));
        assert_ne!(copy.id, p.id);
        copy.push_mac_header();
        assert_eq!(copy.data(), b"macdata");
        pool.delivered(p);
        pool.dropped(copy);
        assert_eq!(pool.stats(), PoolStats { born: 2, delivered: 1, consumed: 0, dropped: 1 });
        assert_eq!(pool.stats().alive(), 0);
    }
}
