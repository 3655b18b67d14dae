//! Addresses as Calico gives them out: a pool is cut into blocks, a node takes whole blocks and gives its pods the addresses in them,
//! so that the others need one route for each block (libcalico-go `lib/ipam/ipam.go`).

mod block;
mod go_rand;
mod walk;

#[cfg(test)]
mod tests;

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use ipnet::Ipv4Net;

pub use self::block::{Attribute, Attributes, Block};
pub use self::walk::blocks_for;

/// A pool as the giving out of addresses sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pool {
    /// Its addresses.
    pub cidr: Ipv4Net,
    /// The prefix length of its blocks.
    pub block_size: u8,
}

/// The resource IPAMConfig.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Whether a node takes addresses only from blocks of its own.
    pub strict_affinity: bool,
    /// So many blocks a node may have, where one limits it.
    pub max_blocks_per_host: Option<usize>,
}

impl Default for Config {
    /// As without such a resource.
    fn default() -> Self {
        Config { strict_affinity: false, max_blocks_per_host: None }
    }
}

/// All blocks of a cluster.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Ipam {
    /// The blocks by their addresses.
    pub blocks: BTreeMap<Ipv4Net, Block>,
    /// How it is set.
    pub config: Config,
}

impl Ipam {
    /// Takes an address for a node: from its blocks, else from a new block, else from the block of another one.
    pub fn auto_assign(&mut self, pools: &[Pool], node: &str, why: &Attribute) -> Option<Ipv4Addr> {
        self.own_block(pools, node, why)
            .or_else(|| self.claim(pools, node).and_then(|cidr| self.blocks.get_mut(&cidr)?.take(why)))
            .or_else(|| self.borrow(pools, node, why))
    }

    fn own_block(&mut self, pools: &[Pool], node: &str, why: &Attribute) -> Option<Ipv4Addr> {
        let own = |block: &&mut Block| block.node() == Some(node) && pools.iter().any(|p| p.cidr.contains(&block.cidr));
        self.blocks.values_mut().filter(own).find_map(|block| block.take(why))
    }

    /// A new block for a node: the first in its order that nobody has, else an empty one of another node. Gives its addresses.
    pub fn claim(&mut self, pools: &[Pool], node: &str) -> Option<Ipv4Net> {
        let owned = self.blocks_of(node).count();
        if self.config.max_blocks_per_host.is_some_and(|limit| owned >= limit) {
            return None;
        }
        let wanted = |free: &dyn Fn(Option<&Block>) -> bool| {
            let mut all = pools.iter().flat_map(|pool| blocks_for(pool.cidr, pool.block_size, node));
            all.find(|cidr| free(self.blocks.get(cidr)))
        };
        let cidr =
            wanted(&|block| block.is_none()).or_else(|| wanted(&|block| block.is_some_and(|b| b.in_use() == 0)))?;
        let block = Block { strict_affinity: self.config.strict_affinity, ..Block::new(cidr, node) };
        self.blocks.insert(cidr, block);
        Some(cidr)
    }

    fn borrow(&mut self, pools: &[Pool], node: &str, why: &Attribute) -> Option<Ipv4Addr> {
        if self.config.strict_affinity {
            return None;
        }
        let mut all = pools.iter().flat_map(|pool| blocks_for(pool.cidr, pool.block_size, node));
        all.find_map(|cidr| self.blocks.get_mut(&cidr)?.take(why))
    }

    /// Takes this very address, as a pod that names it wants: its block is claimed for the node if nobody has it.
    pub fn assign(&mut self, pools: &[Pool], node: &str, address: Ipv4Addr, why: &Attribute) -> Option<Ipv4Addr> {
        let pool = pools.iter().find(|pool| pool.cidr.contains(&address))?;
        let cidr = Ipv4Net::new(address, pool.block_size).ok()?.trunc();
        let (strict, config) = (self.config.strict_affinity, self.config);
        let block = self
            .blocks
            .entry(cidr)
            .or_insert_with(|| Block { strict_affinity: config.strict_affinity, ..Block::new(cidr, node) });
        if strict && block.node() != Some(node) {
            return None;
        }
        block.take_this(address, why)
    }

    /// The blocks that belong to a node.
    pub fn blocks_of(&self, node: &str) -> impl Iterator<Item = &Block> {
        self.blocks.values().filter(move |block| block.node() == Some(node))
    }

    /// The block in which an address lies.
    pub fn block_of(&self, address: Ipv4Addr) -> Option<&Block> {
        self.blocks.values().find(|block| block.cidr.contains(&address))
    }

    /// What an address is kept for, if it is taken.
    pub fn attribute(&self, address: Ipv4Addr) -> Option<&Attribute> {
        self.block_of(address)?.attribute(address)
    }

    /// The addresses of a handle.
    pub fn addresses_of(&self, handle: &str) -> Vec<Ipv4Addr> {
        let all = self.blocks.values().flat_map(Block::taken);
        all.filter(|(_, why)| why.handle_id == handle).map(|(address, _)| address).collect()
    }

    /// Gives back all addresses of a handle.
    pub fn release_handle(&mut self, handle: &str) -> Vec<Ipv4Addr> {
        self.release_where(|_, why| why.handle_id == handle)
    }

    /// Gives back one address. False if it was not taken.
    pub fn release(&mut self, address: Ipv4Addr) -> bool {
        !self.release_where(|taken, _| taken == address).is_empty()
    }

    /// A block that no longer belongs to a node goes with its last address; one that does is kept for the node's next pod.
    fn release_where(&mut self, chosen: impl Fn(Ipv4Addr, &Attribute) -> bool) -> Vec<Ipv4Addr> {
        let gone = self.blocks.values_mut().flat_map(|block| block.give_back(&chosen)).collect();
        self.blocks.retain(|_, block| block.affinity.is_some() || block.in_use() > 0);
        gone
    }

    /// A node gives up its blocks, as when it leaves the cluster: empty ones go, the others belong to nobody.
    pub fn release_host(&mut self, node: &str) {
        self.blocks.retain(|_, block| block.node() != Some(node) || block.in_use() > 0);
        for block in self.blocks.values_mut().filter(|block| block.node() == Some(node)) {
            block.affinity = None;
        }
    }
}

/// Under which handle the address of a tunnel is kept, and with which `type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tunnel {
    /// `tunl0`.
    Ipip,
    /// `vxlan.calico`.
    Vxlan,
}

impl Tunnel {
    /// What the address of this tunnel of a node is kept for (calico-node `allocate-tunnel-addrs`).
    pub fn attribute(self, node: &str) -> Attribute {
        let (handle, kind) = match self {
            Tunnel::Ipip => ("ipip-tunnel-addr", "ipipTunnelAddress"),
            Tunnel::Vxlan => ("vxlan-tunnel-addr", "vxlanTunnelAddress"),
        };
        let secondary = [("node", node), ("type", kind)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Attribute { handle_id: format!("{handle}-{node}"), secondary: secondary.into() }
    }
}
