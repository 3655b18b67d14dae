//! What rules want to know of the namespace that they are not told with the packet.

use core::net::Ipv4Addr;

use bitflags::bitflags;
use hopwise_sim_core::{IfIndex, OriginId, Packet, Time};

use crate::conntrack::{Tuple, Zone};
use crate::hook::{Hook, TableId};

bitflags! {
    /// What kind of address something is, one bit for each route type (`RTN_*`), as `addrtype` asks for it.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct AddrType: u16 {
        /// No kind: `0.0.0.0` has none.
        const UNSPEC = 1 << 0;
        /// Of another host.
        const UNICAST = 1 << 1;
        /// Of this host.
        const LOCAL = 1 << 2;
        /// All hosts of a link.
        const BROADCAST = 1 << 3;
        /// `RTN_ANYCAST`.
        const ANYCAST = 1 << 4;
        /// A group.
        const MULTICAST = 1 << 5;
        /// Led nowhere by a blackhole route.
        const BLACKHOLE = 1 << 6;
        /// Led nowhere: no route.
        const UNREACHABLE = 1 << 7;
        /// Led nowhere by a prohibit route.
        const PROHIBIT = 1 << 8;
        /// `RTN_THROW`.
        const THROW = 1 << 9;
        /// `RTN_NAT`.
        const NAT = 1 << 10;
        /// `RTN_XRESOLVE`.
        const XRESOLVE = 1 << 11;
    }
}

/// The question of `rpfilter`: would an answer to this packet leave through the link it came in by?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReversePath {
    /// The packet's source: where the answer would go.
    pub src: Ipv4Addr,
    /// The packet's destination.
    pub dst: Ipv4Addr,
    /// Type of service.
    pub tos: u8,
    /// The mark that the route lookup uses: that of the packet with `--validmark`, else 0.
    pub mark: u32,
    /// The link it came in by.
    pub link: IfIndex,
    /// `--loose`: any link will do.
    pub loose: bool,
    /// `--accept-local`: a source that is an address of this host is no reason against it.
    pub accept_local: bool,
}

/// The question of `socket`: who would get this packet?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketQuestion {
    /// TCP or another protocol with ports.
    pub protocol: u8,
    /// Source address and port.
    pub from: (Ipv4Addr, u16),
    /// Destination address and port.
    pub to: (Ipv4Addr, u16),
    /// The link it came in by.
    pub link: IfIndex,
}

/// A socket, as `socket` sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FoundSocket {
    /// It takes packets to any address.
    pub wildcard: bool,
    /// Its mark; `None` for what a connection that has ended left behind.
    pub mark: Option<u32>,
}

/// Where the copy of a packet goes (`TEE`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tee<'a> {
    /// The next hop, whatever the packet's destination is.
    pub gateway: Ipv4Addr,
    /// The link to leave through; empty for any.
    pub link: &'a str,
    /// Whether its time to live becomes less.
    pub ages: bool,
}

/// What the observer of a packet is told for each rule that matched, and for each policy that decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleTrace {
    /// The table.
    pub table: TableId,
    /// The hook.
    pub hook: Hook,
    /// The chain.
    pub chain: String,
    /// The rule's number in its chain, from 1 on; `None`: the chain's policy.
    pub number: Option<u32>,
    /// The rule as `iptables -S` prints it; the policy as `-P CHAIN POLICY`.
    pub text: String,
    /// What came of it: `ACCEPT`, `DROP`, `jump CHAIN`, `RETURN`, `continue`, or the name of a target.
    pub verdict: String,
    /// Who put the rule there.
    pub origin: OriginId,
    /// What the chain is for that it leads to, or else the one that it is in.
    pub purpose: OriginId,
}

/// The rest of the namespace, as rules see it while a packet passes.
pub trait Env {
    /// The present.
    fn now(&self) -> Time;

    /// 32 random bits.
    fn random(&mut self) -> u32;

    /// What kind of address this is, on any link or seen from one (`inet_addr_type_dev_table`).
    fn addr_type(&self, addr: Ipv4Addr, link: Option<IfIndex>) -> AddrType;

    /// Whether the reverse path is right (`rpfilter_lookup_reverse`).
    fn reverse_path(&self, question: &ReversePath) -> bool;

    /// The address that a packet to `dst` would get as source on a link (`inet_select_addr`, universe scope).
    fn primary_addr(&self, link: IfIndex, dst: Ipv4Addr) -> Option<Ipv4Addr>;

    /// The MTU of the route to an address (`dst_mtu`), if there is a route.
    fn route_mtu(&self, dst: Ipv4Addr) -> Option<u32>;

    /// Whether a connection with this original tuple is in the table and not closing (`nf_conncount`).
    fn is_connected(&self, tuple: &Tuple, zone: Zone) -> bool;

    /// Writes a line into the kernel's log (`LOG`).
    fn log(&mut self, line: String);

    /// The group of a link (`ip link set group`); 0 for no link.
    fn link_group(&self, link: IfIndex) -> u32;

    /// The socket that a packet is for (`nf_sk_lookup_slow_v4`).
    fn socket(&self, question: &SocketQuestion) -> Option<FoundSocket>;

    /// Sends a copy of the packet (`nf_dup_ipv4`).
    fn tee(&mut self, packet: &Packet, to: &Tee<'_>);

    /// Whether [`Env::trace`] shall be called for the packets of this walk.
    fn tracing(&self) -> bool {
        false
    }

    /// A rule matched, or a policy decided. Called only while [`Env::tracing`] says so.
    fn trace(&mut self, _record: RuleTrace) {}
}

/// A namespace with nothing in it, for tests and benchmarks: every address is another host's, every route fits.
#[derive(Clone, Debug, Default)]
pub struct Nowhere {
    /// The present.
    pub now: Time,
    /// What [`Env::random`] gives next; it then grows by a fixed odd number.
    pub seed: u32,
    /// What was logged.
    pub lines: Vec<String>,
    /// The addresses that are this host's.
    pub local: Vec<Ipv4Addr>,
    /// Whether rules are traced.
    pub watch: bool,
    /// What was traced.
    pub traces: Vec<RuleTrace>,
}

impl Env for Nowhere {
    fn now(&self) -> Time {
        self.now
    }

    fn random(&mut self) -> u32 {
        self.seed = self.seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        self.seed
    }

    fn addr_type(&self, addr: Ipv4Addr, _: Option<IfIndex>) -> AddrType {
        if self.local.contains(&addr) || addr.is_loopback() {
            AddrType::LOCAL
        } else if addr.is_multicast() {
            AddrType::MULTICAST
        } else if addr.is_broadcast() {
            AddrType::BROADCAST
        } else {
            AddrType::UNICAST
        }
    }

    fn reverse_path(&self, question: &ReversePath) -> bool {
        question.loose || question.src.octets()[3] & 1 == 0
    }

    fn primary_addr(&self, link: IfIndex, _: Ipv4Addr) -> Option<Ipv4Addr> {
        link.is_some().then(|| Ipv4Addr::new(192, 0, 2, link.0 as u8))
    }

    fn route_mtu(&self, _: Ipv4Addr) -> Option<u32> {
        Some(1400)
    }

    fn is_connected(&self, _: &Tuple, _: Zone) -> bool {
        true
    }

    fn log(&mut self, line: String) {
        self.lines.push(line);
    }

    fn link_group(&self, link: IfIndex) -> u32 {
        link.0 & 1
    }

    fn socket(&self, question: &SocketQuestion) -> Option<FoundSocket> {
        let odd = question.to.1 & 1 != 0;
        odd.then_some(FoundSocket { wildcard: question.to.1 & 2 != 0, mark: Some(question.to.1.into()) })
    }

    fn tee(&mut self, packet: &Packet, to: &Tee<'_>) {
        self.lines.push(format!("{:?} to {to:?}", packet.data()));
    }

    fn tracing(&self) -> bool {
        self.watch
    }

    fn trace(&mut self, record: RuleTrace) {
        self.traces.push(record);
    }
}
