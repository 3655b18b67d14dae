//! The rules of a cluster of many services, loaded and changed, and what a first packet meets in them.

use hopwise_netfilter::env::Nowhere;
use hopwise_netfilter::hook::{Hook, TableId};
use hopwise_netfilter::names::NoNames;
use hopwise_netfilter::rules::{Ruleset, Way};
use hopwise_netfilter::sets::command::{self as ipset, Place};
use hopwise_netfilter::skb::{LinkRef, Skb};
use hopwise_netfilter::xtables::restore::{self, Restore};
use hopwise_netfilter::xtables::{Tool, command};
use hopwise_sim_core::{IfIndex, Pool, Time};

use crate::kubernetes::service;

/// How many services there are.
pub const SERVICES: u32 = 10_000;

const TOOL: Tool<'static> = Tool::new("iptables", &NoNames);

/// Loaded rules, and the first packet of a connection to one of the last services.
pub struct Services {
    rules: Ruleset,
    env: Nowhere,
    pool: Pool,
    packet: Vec<u8>,
}

impl Services {
    /// The rules alone.
    pub fn into_rules(self) -> Ruleset {
        self.rules
    }

    /// Loads rules (`iptables-restore`).
    ///
    /// # Panics
    /// If they are not well-formed.
    pub fn load(text: &str) -> Services {
        Services::load_with_sets("", text)
    }

    /// Loads sets and rules that refer to them (`ipset restore`, `iptables-restore`).
    ///
    /// # Panics
    /// If they are not well-formed.
    pub fn load_with_sets(sets: &str, text: &str) -> Services {
        let mut rules = Ruleset::default();
        let mut place = Place { rules: &mut rules, names: &NoNames, now: Time::ZERO };
        assert_eq!(ipset::restore(&mut place, sets, false).err, "");
        let answer = restore::run(&mut rules, text, Restore::default(), TOOL);
        assert_eq!(answer.status, 0, "{}", answer.err);
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1];
        packet.extend(service(SERVICES - 51).octets());
        packet.extend([0x80, 0, 0, 80]);
        packet.resize(40, 0);
        Services { rules, env: Nowhere::default(), pool: Pool::default(), packet }
    }

    /// Adds a rule (`iptables -A`). False: it was refused.
    pub fn append(&mut self) -> bool {
        let words =
            ["-t", "nat", "-A", "KUBE-SERVICES", "-d", "10.9.9.9", "-p", "tcp", "--dport", "81", "-j", "RETURN"];
        command::run(&mut self.rules, &words, TOOL).status == 0
    }

    /// The first packet walks along the rules, by their index or one by one.
    pub fn first_packet(&mut self, indexed: bool) {
        let way = if indexed { Way::Indexed } else { Way::Plain };
        let mut packet = self.pool.alloc_from(&self.packet);
        let mut skb = Skb::new(&mut packet, LinkRef::new(IfIndex(2), "eth0"), LinkRef::NONE);
        std::hint::black_box(self.rules.run_by(way, TableId::Nat, Hook::PreRouting, &mut skb, &mut self.env));
        self.pool.consumed(packet);
    }
}
