//! The numbers by which a namespace knows others (`ip netns list-id`, `link-netnsid`). Models `netns_ids`.

use hopwise_sim_core::NsId;
use rustc_hash::FxHashMap;

/// Small tables are searched, larger ones hashed.
const HASHED_FROM: usize = 8;

/// Numbers from 0, the lowest free one first.
#[derive(Clone, Debug, Default)]
pub struct NsIdTable {
    by_number: Vec<Option<NsId>>,
    by_ns: FxHashMap<NsId, u32>,
    /// No number below this one is free.
    lowest_free: usize,
}

impl NsIdTable {
    /// How many numbers there are, free ones in between included.
    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    /// True if no namespace has a number.
    pub fn is_empty(&self) -> bool {
        self.by_number.iter().all(Option::is_none)
    }

    /// The namespace of a number.
    pub fn get(&self, number: u32) -> Option<NsId> {
        *self.by_number.get(number as usize)?
    }

    /// The number of a namespace.
    pub fn find(&self, ns: NsId) -> Option<u32> {
        if self.by_ns.is_empty() {
            self.by_number.iter().position(|id| *id == Some(ns)).map(|at| at as u32)
        } else {
            self.by_ns.get(&ns).copied()
        }
    }

    /// Gives a namespace the lowest free number.
    pub fn assign(&mut self, ns: NsId) -> u32 {
        let used = self.by_number.iter().skip(self.lowest_free).take_while(|id| id.is_some()).count();
        let number = (self.lowest_free + used) as u32;
        self.set(number, ns);
        self.lowest_free = number as usize + 1;
        number
    }

    /// Gives a namespace this number, which must be free.
    pub fn set(&mut self, number: u32, ns: NsId) {
        let at = number as usize;
        if self.by_number.len() <= at {
            self.by_number.resize(at + 1, None);
        }
        self.by_number[at] = Some(ns);
        if !self.by_ns.is_empty() {
            self.by_ns.insert(ns, number);
        } else if self.by_number.len() > HASHED_FROM {
            let pairs = self.by_number.iter().enumerate();
            self.by_ns.extend(pairs.filter_map(|(at, id)| Some(((*id)?, at as u32))));
        }
    }

    /// A namespace is gone: its number is free again.
    pub fn forget(&mut self, ns: NsId) {
        let Some(number) = self.find(ns) else { return };
        self.by_ns.remove(&ns);
        self.by_number[number as usize] = None;
        self.lowest_free = self.lowest_free.min(number as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_comes_first_in_small_and_large_tables() {
        let mut table = NsIdTable::default();
        for n in 0..20 {
            assert_eq!(table.assign(NsId(100 + n)), n);
        }
        table.forget(NsId(105));
        table.forget(NsId(103));
        assert_eq!((table.find(NsId(105)), table.get(5)), (None, None));
        assert_eq!((table.assign(NsId(200)), table.assign(NsId(201)), table.assign(NsId(202))), (3, 5, 20));
        assert_eq!((table.find(NsId(201)), table.get(20)), (Some(5), Some(NsId(202))));
    }
}
