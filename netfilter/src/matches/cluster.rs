//! `-m cluster`: whether this node of a cluster answers for the packet's connection (`net/netfilter/xt_cluster.c`).

use super::{Asks, Extension, How};
use crate::conntrack::Direction;
use crate::nat::jhash2;
use crate::rules::{Cx, IpMatch};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number};
use hopwise_sim_core::{PacketType, Rng};

/// The nodes that this one stands for, one bit each, of how many, and the seed of the hash that chooses.
#[derive(Clone, PartialEq, Debug)]
pub struct Cluster {
    total: u32,
    nodes: u32,
    seed: u32,
    inv: bool,
}

const MAX_NODES: u64 = 32;

static OPTIONS: &[Opt] = &[
    Opt::arg("cluster-total-nodes", 0).must(),
    Opt::arg("cluster-local-node", 1).inv().excl(1 << 2),
    Opt::arg("cluster-local-nodemask", 2).inv().excl(1 << 1),
    Opt::arg("cluster-hash-seed", 3).must(),
];

impl Extension for Cluster {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Cluster { total: 0, nodes: 0, seed: 0, inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.bit {
            0 => self.total = call.number(1, MAX_NODES)? as u32,
            1 => (self.nodes, self.inv) = (1 << (call.number(1, MAX_NODES)? - 1), call.inv),
            2 => (self.nodes, self.inv) = (call.number(1, MAX_NODES)? as u32, call.inv),
            _ => {
                let seed = number::within(call.arg, 0, u32::MAX.into());
                self.seed = seed.ok_or_else(|| call.bad_value(0, u32::MAX.into()))? as u32;
            }
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen & 0b110 == 0 {
            return Err(Refusal::new("cluster match: `--cluster-local-node' or`--cluster-local-nodemask' is missing"));
        }
        if u64::from(self.nodes) >= 1 << self.total {
            let text = "cluster match: `--cluster-local-node' must be <= `--cluster-total-nodes'";
            return Err(Refusal::new(text));
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        let Cluster { total, nodes, seed, inv } = self;
        out.push_str(&format!(
            "{} --cluster-local-nodemask 0x{nodes:08x} --cluster-total-nodes {total} --cluster-hash-seed 0x{seed:08x}",
            if *inv { " !" } else { "" }
        ));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        let Cluster { total, nodes, seed, inv } = self;
        let not = if *inv { "!" } else { "" };
        out.push_str(&format!(" cluster {not}node_mask=0x{nodes:08x} total_nodes={total} hash_seed=0x{seed:08x}"));
    }

    fn tracks(&self) -> bool {
        true
    }

    fn sample(rng: &mut Rng) -> String {
        let (total, not) = (1 + rng.below(5), ["", "! "][rng.below(2) as usize]);
        let node = 1 + rng.below(total);
        format!("-m cluster --cluster-total-nodes {total} {not}--cluster-local-node {node} --cluster-hash-seed {}", rng.below(9))
    }
}

impl Asks for Cluster {
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        // All nodes share a multicast hardware address: what comes by it is for this host like any other packet.
        if skb.packet.kind == PacketType::Multicast && !skb.dst().is_multicast() {
            skb.packet.kind = PacketType::Host;
        }
        let Some(conn) = &skb.conn else { return false };
        let client = conn.tuple(Direction::Original).src.addr;
        let hash = jhash2(&[client.to_bits().swap_bytes()], self.seed);
        let node = (u64::from(hash) * u64::from(self.total)) >> 32;
        (self.nodes >> node & 1 != 0) != self.inv
    }
}
