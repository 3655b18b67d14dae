//! `host-local`: the addresses of one range, given out in turn. The plugin keeps them in files of the node; here is what it decides.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use ipnet::Ipv4Net;

/// A range with the address of its gateway: the first one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    net: Ipv4Net,
}

impl Range {
    /// The range of a network; `None` if it is too small to have a host besides the gateway.
    pub fn new(net: Ipv4Net) -> Option<Self> {
        (net.prefix_len() <= 30).then_some(Range { net: net.trunc() })
    }

    /// The network.
    pub fn net(self) -> Ipv4Net {
        self.net
    }

    /// The gateway's address.
    pub fn gateway(self) -> Ipv4Addr {
        self.nth(1)
    }

    /// How many addresses pods can have: not the network's, the broadcast address and the gateway's.
    pub fn capacity(self) -> u32 {
        (1u32 << (32 - self.net.prefix_len())) - 3
    }

    fn nth(self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.net.network().to_bits() + n)
    }

    /// The address that is given out next: the first free one behind the last, beginning anew at the end (`IPAllocator.Get`).
    /// `None`: the range is full.
    pub fn next(self, taken: &BTreeSet<Ipv4Addr>, last: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let count = self.capacity();
        let number = |address: Ipv4Addr| address.to_bits().wrapping_sub(self.net.network().to_bits());
        // Addresses of pods have the numbers from 2.
        let start = last.map(number).filter(|n| (2..count + 2).contains(n)).map_or(0, |n| n - 1);
        (0..count).map(|n| self.nth(2 + (start + n) % count)).find(|address| !taken.contains(address))
    }
}

/// What the plugin says when a range is full.
pub fn full(range: Range) -> String {
    let (first, last) = (range.nth(1), range.nth(range.capacity() + 1));
    format!("failed to allocate for range 0: no IP addresses available in range set: {first}-{last}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(text: &str) -> Range {
        Range::new(text.parse().unwrap()).unwrap()
    }

    #[test]
    fn in_turn_and_around() {
        let range = range("10.244.1.0/29");
        let mut taken = BTreeSet::new();
        let mut last = None;
        let mut given = Vec::new();
        for _ in 0..5 {
            last = range.next(&taken, last);
            given.extend(last);
            taken.extend(last);
        }
        assert_eq!(given.iter().map(|a| a.octets()[3]).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        assert_eq!(range.next(&taken, last), None);
        taken.remove(&given[1]);
        assert_eq!(range.next(&taken, last), Some(given[1]));
        assert_eq!(
            full(range),
            "failed to allocate for range 0: no IP addresses available in range set: 10.244.1.1-10.244.1.6"
        );
    }

    proptest! {
        /// No address twice, no leak: after any sequence of giving out and taking back, the free ones are exactly the others.
        #[test]
        fn no_address_twice_and_none_lost(prefix in 27u8..31, steps in proptest::collection::vec(any::<(bool, u8)>(), 0..200)) {
            let range = Range::new(Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 64), prefix).unwrap()).unwrap();
            let (mut taken, mut last) = (BTreeSet::new(), None);
            for (take, which) in steps {
                if take {
                    match range.next(&taken, last) {
                        Some(address) => {
                            prop_assert!(taken.insert(address) && range.net().contains(&address) && address != range.gateway());
                            last = Some(address);
                        }
                        None => prop_assert_eq!(taken.len() as u32, range.capacity()),
                    }
                } else if let Some(address) = taken.iter().nth(usize::from(which) % taken.len().max(1)).copied() {
                    taken.remove(&address);
                }
            }
            while let Some(address) = range.next(&taken, last) {
                prop_assert!(taken.insert(address));
                last = Some(address);
            }
            prop_assert_eq!(taken.len() as u32, range.capacity());
        }
    }
}
