//! Where the routes of a table live: a sorted list while there are few, a prefix trie beyond.
//!
//! An idle namespace has two to six routes, for which a list is both smallest and fastest. The routes of one prefix
//! (differing in tos, metric or by `append`) are a *bucket*: a slice in the order of `fib_find_alias`.

use super::route::Route;
use core::cmp::Reverse;
use prefix_trie::PrefixMap;
use smallvec::{SmallVec, smallvec};

/// From this many routes on, the list becomes a trie.
const TRIE_FROM: usize = 16;
/// Below this many routes, the trie becomes a list again; well below [`TRIE_FROM`], so that a route that comes and goes
/// does not rebuild the table each time.
const LIST_BELOW: usize = 8;

/// Network address and prefix length.
pub(super) type Key = (u32, u8);
type Bucket = SmallVec<[Route; 1]>;

/// The network mask of a prefix length.
#[inline]
pub(super) const fn mask(len: u8) -> u32 {
    (0xffff_ffff_0000_0000_u64 >> len) as u32
}

#[inline]
fn key(route: &Route) -> Key {
    (route.dst.addr().to_bits(), route.dst.prefix_len())
}

#[derive(Clone, Debug)]
pub(super) enum Store {
    /// Longest prefix first, then ascending; a bucket is a run of equal prefixes.
    List(Vec<Route>),
    /// A bucket per prefix, and how many routes there are in all.
    Trie(Box<PrefixMap<Key, Bucket>>, usize),
}

impl Default for Store {
    fn default() -> Self {
        Store::List(Vec::new())
    }
}

impl Store {
    pub(super) fn len(&self) -> usize {
        match self {
            Store::List(list) => list.len(),
            Store::Trie(_, len) => *len,
        }
    }

    /// Calls `usable` with the buckets that cover `addr`, longest prefix first, until it gives something.
    #[inline]
    pub(super) fn find<'a, T>(&'a self, addr: u32, mut usable: impl FnMut(&'a [Route]) -> Option<T>) -> Option<T> {
        match self {
            // A route at a time: the order within the list is the order of the buckets.
            Store::List(list) => list.iter().find_map(|route| {
                let (net, len) = key(route);
                if (addr ^ net) & mask(len) == 0 { usable(core::slice::from_ref(route)) } else { None }
            }),
            Store::Trie(trie, _) => {
                let ((_, mut len), mut bucket) = trie.get_lpm(&(addr, 32))?;
                loop {
                    if let Some(found) = usable(bucket) {
                        return Some(found);
                    }
                    // Rare: nothing usable in the longest prefix (another tos, a dead next hop), so the next shorter.
                    ((_, len), bucket) = trie.get_lpm(&(addr & mask(len.checked_sub(1)?), len - 1))?;
                }
            }
        }
    }

    /// Where the bucket of a prefix is in the list.
    fn run(list: &[Route], (net, len): Key) -> core::ops::Range<usize> {
        let order = |route: &Route| {
            let (n, l) = key(route);
            (Reverse(l), n)
        };
        let start = list.partition_point(|route| order(route) < (Reverse(len), net));
        start..start + list[start..].partition_point(|route| key(route) == (net, len))
    }

    /// The routes of exactly this prefix.
    pub(super) fn bucket(&self, key: Key) -> &[Route] {
        match self {
            Store::List(list) => &list[Self::run(list, key)],
            Store::Trie(trie, _) => trie.get(&key).map_or(&[], |bucket| bucket),
        }
    }

    /// The same, to be changed; prefix, tos and metric must stay.
    pub(super) fn bucket_mut(&mut self, key: Key) -> &mut [Route] {
        match self {
            Store::List(list) => {
                let run = Self::run(list, key);
                &mut list[run]
            }
            Store::Trie(trie, _) => trie.get_mut(&key).map_or(&mut [], |bucket| bucket),
        }
    }

    /// Puts a route at place `at` of its bucket.
    pub(super) fn insert(&mut self, at: usize, route: Route) {
        match self {
            Store::List(list) => {
                let start = Self::run(list, key(&route)).start;
                list.insert(start + at, route);
                if list.len() >= TRIE_FROM {
                    let all = core::mem::take(list);
                    let len = all.len();
                    *self = Store::Trie(Box::new(Self::build(all)), len);
                }
            }
            Store::Trie(trie, len) => {
                *len += 1;
                match trie.get_mut(&key(&route)) {
                    Some(bucket) => bucket.insert(at, route),
                    None => {
                        trie.insert(key(&route), smallvec![route]);
                    }
                }
            }
        }
    }

    fn build(all: Vec<Route>) -> PrefixMap<Key, Bucket> {
        let mut trie: PrefixMap<Key, Bucket> = PrefixMap::new();
        for route in all {
            trie.entry(key(&route)).or_default().push(route);
        }
        trie
    }

    /// Takes the route at place `at` of a bucket out.
    pub(super) fn remove(&mut self, key: Key, at: usize) -> Option<Route> {
        let removed = match self {
            Store::List(list) => {
                let run = Self::run(list, key);
                (at < run.len()).then(|| list.remove(run.start + at))
            }
            Store::Trie(trie, len) => {
                let bucket = trie.get_mut(&key)?;
                let removed = (at < bucket.len()).then(|| bucket.remove(at))?;
                if bucket.is_empty() {
                    trie.remove(&key);
                }
                *len -= 1;
                Some(removed)
            }
        };
        self.shrink();
        removed
    }

    /// Becomes a list again if few routes are left.
    fn shrink(&mut self) {
        if let Store::Trie(trie, len) = self
            && *len < LIST_BELOW
        {
            let mut list: Vec<Route> =
                core::mem::take(&mut **trie).into_iter().flat_map(|(_, bucket)| bucket).collect();
            // Stable: the order within a bucket stays.
            list.sort_by_key(|route| (Reverse(route.dst.prefix_len()), route.dst.addr()));
            *self = Store::List(list);
        }
    }

    /// Removes the routes for which `keep` is false.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Route) -> bool) {
        match self {
            Store::List(list) => list.retain(keep),
            Store::Trie(trie, len) => {
                trie.values_mut().for_each(|bucket| bucket.retain(|route| keep(route)));
                trie.retain(|_, bucket| !bucket.is_empty());
                *len = trie.values().map(SmallVec::len).sum();
            }
        }
        self.shrink();
    }

    /// Every route, to be changed; prefix, tos and metric must stay.
    pub(super) fn for_each_mut(&mut self, mut change: impl FnMut(&mut Route)) {
        match self {
            Store::List(list) => list.iter_mut().for_each(change),
            Store::Trie(trie, _) => trie.values_mut().flatten().for_each(&mut change),
        }
    }

    /// Every route in the order of the kernel's trie: ascending address, the longest prefix first, then the bucket's
    /// order. It is the order of `ip route show`.
    pub(super) fn sorted(&self) -> Vec<&Route> {
        let mut all: Vec<&Route> = match self {
            Store::List(list) => list.iter().collect(),
            Store::Trie(trie, _) => trie.values().flatten().collect(),
        };
        all.sort_by_key(|route| (route.dst.addr(), Reverse(route.dst.prefix_len())));
        all
    }
}
