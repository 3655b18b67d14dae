//! What the tests share: packets, and a router that they pass.

use core::net::Ipv4Addr;
use core::time::Duration;

use hopwise_protocols::wire::checksum;
use hopwise_protocols::wire::ipv4::{self, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP};
use hopwise_sim_core::{ConnInfo, IfIndex, Packet, Pool, Time};

use crate::conntrack::{Conn, Conntrack, Template, Verdict};
use crate::hook::Hook;
use crate::nat::{Choice, Manip, Range, RangeFlags};

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

/// An address and a port.
pub(crate) type At<'a> = (&'a str, u16);

pub(crate) fn ip(text: &str) -> Ipv4Addr {
    text.parse().expect("a test's address")
}

/// An IPv4 packet with right checksums; `check_at` is where the transport protocol has its one, over a pseudo header or not.
fn packet(src: &str, dst: &str, protocol: u8, mut transport: Vec<u8>, check_at: usize, pseudo: bool) -> Vec<u8> {
    let (src, dst) = (ip(src), ip(dst));
    let mut header = ipv4::Header::new(src, dst, protocol, transport.len() as u16);
    header.seal(&[]);
    let pseudo = if pseudo { checksum::pseudo_header(src, dst, protocol, transport.len() as u16) } else { 0 };
    let check = !checksum::add(pseudo, checksum::sum(&transport));
    // RFC 768: a zero would mean that there is none.
    let check = if check == 0 && protocol == IPPROTO_UDP { 0xffff } else { check };
    transport[check_at..check_at + 2].copy_from_slice(&check.to_be_bytes());
    let mut bytes = zerocopy::IntoBytes::as_bytes(&header).to_vec();
    bytes.extend(transport);
    bytes
}

fn ports(src: At<'_>, dst: At<'_>) -> Vec<u8> {
    [src.1.to_be_bytes(), dst.1.to_be_bytes()].concat()
}

pub(crate) fn udp(src: At<'_>, dst: At<'_>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = ports(src, dst);
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    packet(src.0, dst.0, IPPROTO_UDP, bytes, 6, true)
}

pub(crate) fn tcp(src: At<'_>, dst: At<'_>, flags: u8, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    tcp_with(src, dst, flags, (seq, ack, 64_240), &[], payload)
}

/// A segment with a window and options (a multiple of four bytes).
pub(crate) fn tcp_with(
    src: At<'_>,
    dst: At<'_>,
    flags: u8,
    (seq, ack, window): (u32, u32, u16),
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = ports(src, dst);
    bytes.extend(seq.to_be_bytes());
    bytes.extend(ack.to_be_bytes());
    bytes.extend([(20 + options.len() as u8) << 2, flags]);
    bytes.extend(window.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(options);
    bytes.extend(payload);
    packet(src.0, dst.0, IPPROTO_TCP, bytes, 16, true)
}

pub(crate) fn icmp(src: &str, dst: &str, kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, code, 0, 0];
    bytes.extend(rest);
    bytes.extend(payload);
    packet(src, dst, IPPROTO_ICMP, bytes, 2, false)
}

pub(crate) fn echo(src: &str, dst: &str, kind: u8, id: u16) -> Vec<u8> {
    let [a, b] = id.to_be_bytes();
    icmp(src, dst, kind, 0, [a, b, 0, 1], b"payload")
}

/// Whether all checksums of a packet are right, those of the packet inside an ICMP error as far as it is whole.
pub(crate) fn checksums_are_right(bytes: &[u8]) -> bool {
    let header_len = usize::from(bytes[0] & 15) * 4;
    let (header, rest) = bytes.split_at(header_len);
    let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    let pseudo = checksum::pseudo_header(address(12), address(16), header[9], rest.len() as u16);
    let transport = match header[9] {
        IPPROTO_ICMP => checksum::checksum(rest) == 0,
        IPPROTO_UDP if rest[6..8] == [0, 0] => true,
        IPPROTO_UDP | IPPROTO_TCP => checksum::add(pseudo, checksum::sum(rest)) == 0xffff,
        _ => true,
    };
    checksum::checksum(header) == 0 && transport
}

pub(crate) fn map(manip: Manip, addr: &str) -> Choice {
    let addr = ip(addr);
    Choice::Map(manip, Range { flags: RangeFlags::MAP_IPS, addrs: (addr, addr), ..Range::ANY })
}

/// A way through a host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Forward,
    In,
    Out,
}

/// A host whose nat table has one rule for destinations and one for sources.
pub(crate) struct Router {
    pub(crate) table: Conntrack,
    pub(crate) now: Time,
    pub(crate) destination: Choice,
    pub(crate) source: Choice,
    pub(crate) masq: IfIndex,
    pub(crate) out: IfIndex,
    pub(crate) template: Template,
    /// How the last packet stood to its connection.
    pub(crate) info: Option<ConnInfo>,
    pub(crate) pool: Pool,
}

impl Router {
    pub(crate) fn new() -> Router {
        Router {
            table: Conntrack::new(1),
            now: Time::ZERO,
            destination: Choice::Nothing,
            source: Choice::Nothing,
            masq: IfIndex::NONE,
            out: IfIndex(2),
            template: Template::default(),
            info: None,
            pool: Pool::default(),
        }
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// A packet passes on that way: what comes out. `None`: it was dropped.
    pub(crate) fn pass(&mut self, way: Way, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut packet = self.pool.alloc_from(bytes);
        let passed = self.hooks(way, &mut packet);
        self.info = packet.conn.map(|tag| tag.info);
        passed.then(|| packet.data().to_vec())
    }

    pub(crate) fn forward(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.pass(Way::Forward, bytes)
    }

    fn hooks(&mut self, way: Way, packet: &mut Packet) -> bool {
        let (first, last) = match way {
            Way::Forward => (Hook::PreRouting, Hook::PostRouting),
            Way::In => (Hook::PreRouting, Hook::LocalIn),
            Way::Out => (Hook::LocalOut, Hook::PostRouting),
        };
        let (destination, source, masq, out) = (self.destination, self.source, self.masq, self.out);
        let table = &mut self.table;
        let sources = |_: &mut Packet, conn: &mut Conn| {
            conn.masq = masq;
            source
        };
        table.track(self.now, first, packet, &self.template) == Verdict::Accept
            && table.nat(self.now, first, IfIndex::NONE, packet, |_, _| destination) == Verdict::Accept
            && table.nat(self.now, last, out, packet, sources) == Verdict::Accept
            && table.confirm(self.now, packet) == Verdict::Accept
    }

    /// The connections that there are.
    pub(crate) fn conns(&mut self) -> Vec<Conn> {
        self.table.list(self.now).cloned().collect()
    }
}
