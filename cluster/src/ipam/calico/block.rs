//! One block of addresses: who has which, as the resource IPAMBlock keeps it (libcalico-go `lib/ipam/ipam_block.go`).

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// What an address is kept for: the names and values under which Calico notes it (`node`, `namespace`, `pod`, `type`, `timestamp`).
pub type Attributes = BTreeMap<String, String>;

/// A block. The fields are those of the resource, so that it is printed and read as it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Block {
    /// `host:NODE` of the node to which the block belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<String>,
    /// For each address the index of what it is kept for.
    pub allocations: Vec<Option<usize>>,
    /// What addresses are kept for. Two addresses of one handle share an entry.
    pub attributes: Vec<Attribute>,
    /// The addresses of the block.
    pub cidr: Ipv4Net,
    /// Whether the block is about to go.
    #[serde(default)]
    pub deleted: bool,
    /// Whether only its own node may take addresses.
    pub strict_affinity: bool,
    /// The ordinals that are free, in the order in which they are given out: what was given back last comes last.
    pub unallocated: Vec<usize>,
}

/// What an address is kept for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Under which name it is given back.
    pub handle_id: String,
    /// More about it.
    #[serde(default)]
    pub secondary: Attributes,
}

impl Block {
    /// A fresh block of a node.
    pub fn new(cidr: Ipv4Net, node: &str) -> Self {
        let size = 1usize << (32 - cidr.prefix_len()).min(16);
        Block {
            affinity: Some(format!("host:{node}")),
            allocations: vec![None; size],
            attributes: Vec::new(),
            cidr,
            deleted: false,
            strict_affinity: false,
            unallocated: (0..size).collect(),
        }
    }

    /// The node to which the block belongs.
    pub fn node(&self) -> Option<&str> {
        self.affinity.as_deref()?.strip_prefix("host:")
    }

    /// So many addresses are taken.
    pub fn in_use(&self) -> usize {
        self.allocations.iter().flatten().count()
    }

    /// So many addresses there are in all.
    pub fn capacity(&self) -> usize {
        self.allocations.len()
    }

    /// The address with this ordinal.
    pub fn address(&self, ordinal: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.cidr.network().to_bits().wrapping_add(ordinal as u32))
    }

    fn ordinal(&self, address: Ipv4Addr) -> Option<usize> {
        let ordinal = address.to_bits().checked_sub(self.cidr.network().to_bits())? as usize;
        (ordinal < self.capacity()).then_some(ordinal)
    }

    /// The taken addresses with what they are kept for.
    pub fn taken(&self) -> impl Iterator<Item = (Ipv4Addr, &Attribute)> {
        let entry =
            |(ordinal, index): (usize, &Option<usize>)| Some((self.address(ordinal), self.attributes.get((*index)?)?));
        self.allocations.iter().enumerate().filter_map(entry)
    }

    /// What an address is kept for, if it is taken.
    pub fn attribute(&self, address: Ipv4Addr) -> Option<&Attribute> {
        self.attributes.get((*self.allocations.get(self.ordinal(address)?)?)?)
    }

    fn entry(&mut self, attribute: &Attribute) -> usize {
        let known = self.attributes.iter().position(|a| a == attribute);
        known.unwrap_or_else(|| {
            self.attributes.push(attribute.clone());
            self.attributes.len() - 1
        })
    }

    /// Takes the next free address.
    pub fn take(&mut self, attribute: &Attribute) -> Option<Ipv4Addr> {
        let ordinal = *self.unallocated.first()?;
        self.take_ordinal(ordinal, attribute)
    }

    /// Takes this very address, unless it is taken.
    pub fn take_this(&mut self, address: Ipv4Addr, attribute: &Attribute) -> Option<Ipv4Addr> {
        let ordinal = self.ordinal(address)?;
        self.take_ordinal(ordinal, attribute)
    }

    fn take_ordinal(&mut self, ordinal: usize, attribute: &Attribute) -> Option<Ipv4Addr> {
        if self.allocations.get(ordinal)?.is_some() {
            return None;
        }
        self.allocations[ordinal] = Some(self.entry(attribute));
        self.unallocated.retain(|free| *free != ordinal);
        Some(self.address(ordinal))
    }

    /// Gives back what `chosen` names, in the order of addresses. Gives the addresses.
    pub fn give_back(&mut self, chosen: impl Fn(Ipv4Addr, &Attribute) -> bool) -> Vec<Ipv4Addr> {
        let gone: Vec<Ipv4Addr> = self.taken().filter(|(addr, why)| chosen(*addr, why)).map(|(addr, _)| addr).collect();
        for address in &gone {
            if let Some(ordinal) = self.ordinal(*address) {
                self.allocations[ordinal] = None;
                self.unallocated.push(ordinal);
            }
        }
        self.drop_unused_attributes();
        gone
    }

    fn drop_unused_attributes(&mut self) {
        let mut kept = Vec::new();
        let renamed: Vec<Option<usize>> = (0..self.attributes.len())
            .map(|old| {
                self.allocations.contains(&Some(old)).then(|| {
                    kept.push(self.attributes[old].clone());
                    kept.len() - 1
                })
            })
            .collect();
        for index in self.allocations.iter_mut() {
            *index = index.and_then(|old| renamed.get(old).copied().flatten());
        }
        self.attributes = kept;
    }
}
