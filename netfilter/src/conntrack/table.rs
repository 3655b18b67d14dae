//! Chained hash indices over the entries: one of the tuples (`nf_conntrack_hash`), one of the sources (`nf_nat_bysource`).

/// No entry.
const NIL: u32 = u32::MAX;

/// The least number of buckets: a namespace with a few connections stays small.
const MIN_BUCKETS: usize = 16;

/// One element of a chain.
#[derive(Clone, Copy, Debug)]
struct Node {
    key: u128,
    next: u32,
}

/// A hash index from keys to small numbers (`id`), which its user gives out. A key may be there several times.
///
/// The bucket of a hash is its upper part scaled to the number of buckets, so that neighbouring buckets of a table of another size
/// lie side by side here as well; [`Index::near`] rests on that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    heads: Vec<u32>,
    nodes: Vec<Node>,
    len: usize,
    seed: u64,
}

impl Index {
    /// An empty index; it allocates with its first entry.
    pub(crate) fn new(seed: u64) -> Index {
        Index { seed, ..Index::default() }
    }

    /// The hash of a key: one folded multiplication, and one more so that each bit reaches the upper ones.
    #[inline]
    pub(crate) fn hash(&self, key: u128) -> u32 {
        let fold = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            (product as u64) ^ (product >> 64) as u64
        };
        let high = (key >> 64) as u64 ^ self.seed;
        let low = key as u64 ^ 0x9e37_79b9_7f4a_7c15;
        (fold(fold(high, 0xa076_1d64_78bd_642f) ^ low, 0xe703_7ed1_a0b4_28db) >> 32) as u32
    }

    #[inline]
    fn bucket(&self, hash: u32) -> usize {
        scale(hash, self.heads.len())
    }

    /// The entries with that key, the newest first.
    #[inline]
    pub(crate) fn find(&self, key: u128) -> impl Iterator<Item = u32> + '_ {
        let mut at = if self.heads.is_empty() { NIL } else { self.heads[self.bucket(self.hash(key))] };
        core::iter::from_fn(move || {
            while at != NIL {
                let id = at;
                let node = &self.nodes[id as usize];
                at = node.next;
                if node.key == key {
                    return Some(id);
                }
            }
            None
        })
    }

    /// Puts an entry in front of its bucket.
    pub(crate) fn insert(&mut self, id: u32, key: u128) {
        if self.len >= self.heads.len() {
            self.grow();
        }
        if self.nodes.len() <= id as usize {
            self.nodes.resize(id as usize + 1, Node { key: 0, next: NIL });
        }
        let bucket = self.bucket(self.hash(key));
        self.nodes[id as usize] = Node { key, next: self.heads[bucket] };
        self.heads[bucket] = id;
        self.len += 1;
    }

    /// Takes an entry out. It must be there.
    pub(crate) fn remove(&mut self, id: u32) {
        let Node { key, next } = self.nodes[id as usize];
        let bucket = self.bucket(self.hash(key));
        let mut at = self.heads[bucket];
        if at == id {
            self.heads[bucket] = next;
        } else {
            while self.nodes[at as usize].next != id {
                at = self.nodes[at as usize].next;
            }
            self.nodes[at as usize].next = next;
        }
        self.len -= 1;
    }

    /// How many entries share the bucket of a key.
    pub(crate) fn chain_len(&self, key: u128) -> usize {
        if self.heads.is_empty() {
            return 0;
        }
        let first = self.heads[self.bucket(self.hash(key))];
        self.chain(first).count()
    }

    /// The entries that a table of `buckets` buckets would hold in the bucket of `hash` advanced by `ahead`.
    pub(crate) fn near(&self, hash: u32, buckets: usize, ahead: usize) -> impl Iterator<Item = u32> + '_ {
        let buckets = buckets.max(1);
        let wanted = (scale(hash, buckets) + ahead) % buckets;
        // The hashes of that bucket are a range, and so are the buckets here that can hold them.
        let edge = |bucket: usize| ((bucket as u64) << 32).div_ceil(buckets as u64);
        let (first, last) = (edge(wanted) as u32, (edge(wanted + 1) - 1) as u32);
        let range = if self.heads.is_empty() { 0..0 } else { self.bucket(first)..self.bucket(last) + 1 };
        range
            .flat_map(|bucket| self.chain(self.heads[bucket]))
            .filter(move |&id| scale(self.hash(self.nodes[id as usize].key), buckets) == wanted)
    }

    fn chain(&self, mut at: u32) -> impl Iterator<Item = u32> + '_ {
        core::iter::from_fn(move || {
            let id = at;
            (id != NIL).then(|| {
                at = self.nodes[id as usize].next;
                id
            })
        })
    }

    fn grow(&mut self) {
        let old = core::mem::take(&mut self.heads);
        self.heads = vec![NIL; (old.len() * 2).max(MIN_BUCKETS)];
        for first in old {
            // Backwards, so that the order within a chain stays.
            let ids: Vec<u32> = self.chain(first).collect();
            for id in ids.into_iter().rev() {
                let bucket = self.bucket(self.hash(self.nodes[id as usize].key));
                self.nodes[id as usize].next = self.heads[bucket];
                self.heads[bucket] = id;
            }
        }
    }
}

/// A 32-bit number scaled to `0..n`. `reciprocal_scale`.
#[inline]
pub(crate) const fn scale(hash: u32, n: usize) -> usize {
    ((hash as u64 * n as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn an_index_is_a_map(steps in proptest::collection::vec((any::<bool>(), 0u32..200, 0u128..40), 0..400)) {
            let mut index = Index::new(7);
            let mut model: BTreeMap<u32, u128> = BTreeMap::new();
            for (insert, id, key) in steps {
                if insert && !model.contains_key(&id) {
                    index.insert(id, key << 60);
                    model.insert(id, key << 60);
                } else if !insert && model.remove(&id).is_some() {
                    index.remove(id);
                }
                let mut found: Vec<u32> = index.find(key << 60).collect();
                found.sort_unstable();
                let expected: Vec<u32> = model.iter().filter(|(_, k)| **k == key << 60).map(|(id, _)| *id).collect();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn near_splits_the_entries_into_buckets(ids in 1u32..300, buckets in 1usize..2000) {
            let mut index = Index::new(3);
            (0..ids).for_each(|id| index.insert(id, u128::from(id) << 64));
            let mut all: Vec<u32> = (0..buckets).flat_map(|ahead| index.near(0, buckets, ahead)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..ids).collect::<Vec<_>>());
        }
    }
}
