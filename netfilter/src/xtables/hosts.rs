//! The addresses of `-s` and `-d`: several of them make several rules (`xtables_ipparse_multiple`).

use smallvec::{SmallVec, smallvec};

use super::{Done, Refusal, dotted, host_of, mask_of};
use crate::names::Names;

/// Addresses with their masks.
pub(super) struct Hosts(SmallVec<[(u32, u32); 1]>);

impl Hosts {
    /// Reads a list; nothing means all addresses.
    pub(super) fn read(list: Option<&str>, names: &dyn Names) -> Done<Hosts> {
        let Some(list) = list else { return Ok(Hosts(smallvec![(0, 0)])) };
        let mut hosts = SmallVec::new();
        for word in list.split(',') {
            let (host, mask) = word.rsplit_once('/').map_or((word, None), |(host, mask)| (host, Some(mask)));
            let mask = match mask {
                Some(word) => mask_of(word).ok_or_else(|| Refusal::new(format!("invalid mask `{word}' specified")))?,
                None => u32::MAX,
            };
            if mask == 0 {
                hosts.push((0, 0));
                continue;
            }
            let before = hosts.len();
            for addr in addrs(host, names)? {
                let one = (addr & mask, mask);
                if !hosts[before..].contains(&one) {
                    hosts.push(one);
                }
            }
        }
        Ok(Hosts(hosts))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn addrs(host: &str, names: &dyn Names) -> Done<SmallVec<[u32; 1]>> {
    if let Some(addr) = dotted(host) {
        return Ok(smallvec![addr.to_bits()]);
    }
    let found: SmallVec<[u32; 1]> = host_of(names, host).into_iter().map(|addr| addr.to_bits()).collect();
    if found.is_empty() { Err(Refusal::new(format!("host/network `{host}' not found"))) } else { Ok(found) }
}

/// One address with its mask.
type Host = (u32, u32);

/// Each source with each destination.
pub(super) fn pairs<'h>(src: &'h Hosts, dst: &'h Hosts) -> impl Iterator<Item = (Host, Host)> + 'h {
    src.0.iter().flat_map(|src| dst.0.iter().map(|dst| (*src, *dst)))
}
