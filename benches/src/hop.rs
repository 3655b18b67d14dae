//! One hop of a router with connection tracking, NAT and rules, without the rest of the packet path.

use hopwise_netfilter::conntrack::{Conntrack, Template, Verdict};
use hopwise_netfilter::env::Nowhere;
use hopwise_netfilter::hook::{Hook, TableId};
use hopwise_netfilter::names::NoNames;
use hopwise_netfilter::nat::{Choice, Manip, Range, RangeFlags};
use hopwise_netfilter::rules::{Ruleset, Verdict as RuleVerdict};
use hopwise_netfilter::skb::{LinkRef, Skb};
use hopwise_netfilter::xtables::{Tool, command};
use hopwise_protocols::wire::checksum;
use hopwise_sim_core::{Duration, IfIndex, Packet, Pool, Time};

/// The chains of the filter and mangle tables that a forwarded packet passes.
const CHAINS: [(TableId, Hook); 3] =
    [(TableId::Mangle, Hook::PreRouting), (TableId::Filter, Hook::Forward), (TableId::Mangle, Hook::PostRouting)];

/// A router whose clients are masqueraded, with some rules at each hook that no packet fits.
pub struct Hop {
    /// Its connections.
    pub table: Conntrack,
    rules: Ruleset,
    has_rules: bool,
    env: Nowhere,
    pool: Pool,
    now: Time,
    outside: Range,
}

impl Hop {
    /// A router with that many rules at each hook.
    pub fn new(rules: usize) -> Hop {
        let mut set = Ruleset::default();
        let tool = Tool::new("iptables", &NoNames);
        for (table, hook) in CHAINS {
            for n in 0..rules {
                let source = format!("172.16.{n}.0/24");
                let words = ["-t", table.name(), "-A", hook.chain(), "-s", &source, "-p", "tcp", "-j", "RETURN"];
                assert_eq!(command::run(&mut set, &words, tool).status, 0);
            }
        }
        let addr = [203, 0, 113, 1].into();
        Hop {
            table: Conntrack::new(1),
            rules: set,
            has_rules: rules > 0,
            env: Nowhere::default(),
            pool: Pool::default(),
            now: Time::ZERO,
            outside: Range { flags: RangeFlags::MAP_IPS, addrs: (addr, addr), ..Range::ANY },
        }
    }

    /// A packet from inside passes; an hour may be added, so that all connections end.
    pub fn pass(&mut self, bytes: &[u8]) -> bool {
        let mut packet = self.pool.alloc_from(bytes);
        let passed = self.hooks(&mut packet);
        self.pool.consumed(packet);
        passed
    }

    /// Time goes on.
    pub fn wait(&mut self, span: Duration) {
        self.now += span;
    }

    fn hooks(&mut self, packet: &mut Packet) -> bool {
        let (now, outside) = (self.now, self.outside);
        self.table.track(now, Hook::PreRouting, packet, &Template::default()) == Verdict::Accept
            && self.walk(0, packet)
            && self.table.nat(now, Hook::PreRouting, IfIndex::NONE, packet, |_, _| Choice::Nothing) == Verdict::Accept
            && self.walk(1, packet)
            && self.walk(2, packet)
            && self.table.nat(now, Hook::PostRouting, IfIndex(3), packet, |_, _| Choice::Map(Manip::Source, outside))
                == Verdict::Accept
            && self.table.confirm(now, packet) == Verdict::Accept
    }

    fn walk(&mut self, chain: usize, packet: &mut Packet) -> bool {
        if !self.has_rules {
            return true;
        }
        let (table, hook) = CHAINS[chain];
        let conn = packet.conn.and_then(|tag| self.table.conn_mut(tag));
        let mut skb = Skb::new(packet, LinkRef::NONE, LinkRef::NONE);
        skb.conn = conn;
        self.rules.run(table, hook, &mut skb, &mut self.env) == RuleVerdict::Accept
    }
}

/// A datagram from a client inside to a server, with right checksums.
pub fn datagram(client: u32, port: u16) -> Vec<u8> {
    let mut bytes = vec![0x45, 0, 0, 92, 0, 0, 0, 0, 64, 17, 0, 0];
    bytes.extend((0x0a00_0000 | client).to_be_bytes());
    bytes.extend([192, 0, 2, 80]);
    bytes.extend(port.to_be_bytes());
    bytes.extend([0, 53, 0, 72, 0, 0]);
    bytes.resize(92, 7);
    let header = checksum::checksum(&bytes[..20]);
    bytes[10..12].copy_from_slice(&header.to_be_bytes());
    let pseudo = checksum::add(checksum::sum(&bytes[12..20]), 17 + 72);
    let check = !checksum::add(pseudo, checksum::sum(&bytes[20..]));
    bytes[26..28].copy_from_slice(&check.to_be_bytes());
    bytes
}
