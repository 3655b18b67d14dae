//! The links of a namespace, by number and by name.

use hopwise_devices::Link;
use hopwise_protocols::neigh::NeighParms;
use hopwise_sim_core::IfIndex;
use rustc_hash::FxHashMap;

use crate::inet::InetDev;
use crate::path::tc::Clsact;

/// A link with what the network layers keep for it.
#[derive(Clone, Debug)]
pub struct Dev {
    /// The link itself.
    pub link: Link,
    /// IPv4: addresses and settings.
    pub inet: InetDev,
    /// ARP: the settings of `net.ipv4.neigh.LINK`.
    pub neigh: NeighParms,
    /// Whether the world writes its frames into the capture log.
    pub captured: bool,
    /// Its carrier changed and the link watcher has not looked yet (`__LINK_STATE_LINKWATCH_PENDING`).
    pub watched: bool,
    /// The programs at its hooks (`tc qdisc add dev LINK clsact`).
    pub clsact: Option<Box<Clsact>>,
}

impl Dev {
    /// Whether what is given to the link is sent at once: it is active, and no program and no queue stand before it.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.link.active && self.clsact.is_none() && self.link.queue.is_none()
    }
}

impl core::ops::Deref for Dev {
    type Target = Link;
    #[inline]
    fn deref(&self) -> &Link {
        &self.link
    }
}

impl core::ops::DerefMut for Dev {
    #[inline]
    fn deref_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}

/// Small tables are searched, larger ones hashed.
const HASHED_FROM: usize = 8;

/// The slot of a link's own number. (That of [`IfIndex::NONE`] is beyond any.)
#[inline]
const fn home(index: u32) -> usize {
    index.wrapping_sub(1) as usize
}

/// The links of one namespace.
///
/// Links are numbered from 1 on, so that most can be in the slot of their number and are found without a search. Those
/// with a number far beyond (chosen by hand, or brought from another namespace) are strays: they take any slot.
#[derive(Clone, Debug, Default)]
pub struct DevTable {
    /// Number of the link in each slot, 0 if it is free: a small table is searched without touching the links.
    numbers: Vec<u32>,
    slots: Vec<Option<Box<Dev>>>,
    len: usize,
    /// The slots of all, once there are more than a few.
    by_index: FxHashMap<u32, u32>,
    by_name: FxHashMap<Box<str>, u32>,
    last_index: u32,
}

impl DevTable {
    /// The link of that number.
    #[inline]
    pub fn get(&self, index: IfIndex) -> Option<&Dev> {
        let slot = self.slot(index)?;
        self.slots[slot].as_deref()
    }

    /// The link of that number, to be changed.
    #[inline]
    pub fn get_mut(&mut self, index: IfIndex) -> Option<&mut Dev> {
        let slot = self.slot(index)?;
        self.slots[slot].as_deref_mut()
    }

    /// The link of that name.
    pub fn find(&self, name: &str) -> Option<&Dev> {
        let slot = if self.by_name.is_empty() {
            self.slots.iter().position(|d| d.as_ref().is_some_and(|d| &*d.name == name))?
        } else {
            *self.by_name.get(name)? as usize
        };
        self.slots[slot].as_deref()
    }

    /// The number of the link of that name.
    pub fn index_of(&self, name: &str) -> Option<IfIndex> {
        self.find(name).map(|d| d.index)
    }

    /// How many links there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All links in the order of their numbers, as `ip link` prints them.
    pub fn iter(&self) -> impl Iterator<Item = &Dev> {
        let mut all: Vec<&Dev> = self.slots.iter().filter_map(|d| d.as_deref()).collect();
        all.sort_by_key(|d| d.index);
        all.into_iter()
    }

    /// The numbers of all links, in order.
    pub fn indices(&self) -> Vec<IfIndex> {
        self.iter().map(|d| d.index).collect()
    }

    /// The number that the next link gets (`dev_new_index`): one more than the last one given, skipping those in use.
    pub fn next_index(&mut self) -> IfIndex {
        loop {
            self.last_index = self.last_index.wrapping_add(1).max(1);
            if self.slot(IfIndex(self.last_index)).is_none() {
                return IfIndex(self.last_index);
            }
        }
    }

    /// Puts a link in; its number and name must be free.
    pub fn insert(&mut self, dev: Box<Dev>) {
        let (index, name) = (dev.index.0, dev.name.clone());
        let slot = self.slot_for(index);
        self.slots[slot] = Some(dev);
        self.numbers[slot] = index;
        self.len += 1;
        if !self.by_index.is_empty() {
            self.by_index.insert(index, slot as u32);
            self.by_name.insert(name, slot as u32);
        } else if self.len > HASHED_FROM {
            self.rehash();
        }
    }

    /// Takes a link out.
    pub fn remove(&mut self, index: IfIndex) -> Option<Box<Dev>> {
        let slot = self.slot(index)?;
        let dev = self.slots[slot].take()?;
        self.numbers[slot] = 0;
        self.len -= 1;
        self.by_index.remove(&index.0);
        self.by_name.remove(&dev.name);
        Some(dev)
    }

    /// Gives a link another name, which must be free.
    pub fn rename(&mut self, index: IfIndex, name: &str) {
        let Some(slot) = self.slot(index) else { return };
        if let Some(dev) = self.slots[slot].as_deref_mut() {
            let old = core::mem::replace(&mut dev.link.name, name.into());
            if self.by_name.remove(&old).is_some() {
                self.by_name.insert(name.into(), slot as u32);
            }
        }
    }

    /// A free slot for a link of that number: its own unless that is taken or would leave more than half of them empty.
    fn slot_for(&mut self, index: u32) -> usize {
        let own = home(index);
        let slot = match self.numbers.get(own) {
            Some(0) => own,
            None if own < 2 * self.len + 2 => own,
            _ => self.numbers.iter().position(|&n| n == 0).unwrap_or(self.numbers.len()),
        };
        if slot >= self.numbers.len() {
            self.numbers.resize(slot + 1, 0);
            self.slots.resize_with(slot + 1, || None);
        }
        slot
    }

    #[inline]
    fn slot(&self, index: IfIndex) -> Option<usize> {
        let own = home(index.0);
        if self.numbers.get(own) == Some(&index.0) { Some(own) } else { self.search(index) }
    }

    /// Finds a stray.
    fn search(&self, index: IfIndex) -> Option<usize> {
        if self.by_index.is_empty() {
            self.numbers.iter().position(|&n| n == index.0).filter(|_| index.is_some())
        } else {
            self.by_index.get(&index.0).map(|&slot| slot as usize)
        }
    }

    fn rehash(&mut self) {
        for (slot, dev) in self.slots.iter().enumerate() {
            if let Some(dev) = dev {
                self.by_index.insert(dev.index.0, slot as u32);
                self.by_name.insert(dev.name.clone(), slot as u32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hopwise_devices::Kind;
    use proptest::prelude::*;

    use super::*;

    fn dev(index: u32) -> Box<Dev> {
        let link = Link { index: IfIndex(index), name: format!("l{index}").into(), ..Link::new(Kind::Dummy) };
        Box::new(Dev {
            link,
            inet: InetDev::default(),
            neigh: NeighParms::default(),
            captured: false,
            watched: false,
            clsact: None,
        })
    }

    proptest! {
        /// Whatever numbers come and go, low ones and strays: each link is found by its number and its name, no other.
        #[test]
        fn links_are_found_by_number_and_name(
            steps in prop::collection::vec((any::<bool>(), prop_oneof![1u32..24, 1u32..=u32::MAX]), 0..120),
        ) {
            let mut table = DevTable::default();
            let mut there = BTreeSet::new();
            for (add, index) in steps {
                let at = IfIndex(index);
                prop_assert_eq!(table.get(at).is_some(), there.contains(&index));
                if !add {
                    prop_assert_eq!(table.remove(at).map(|d| d.index.0), there.take(&index));
                } else if there.insert(index) {
                    table.insert(dev(index));
                }
                prop_assert_eq!(table.len(), there.len());
                prop_assert!(table.get(IfIndex::NONE).is_none());
                prop_assert!(table.indices().iter().map(|i| i.0).eq(there.iter().copied()));
                for &index in &there {
                    prop_assert_eq!(table.get_mut(IfIndex(index)).map(|d| d.index.0), Some(index));
                    prop_assert_eq!(table.index_of(&format!("l{index}")), Some(IfIndex(index)));
                }
            }
        }
    }
}
