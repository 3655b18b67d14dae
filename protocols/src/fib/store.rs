//! Where the routes of a table live: a sorted list while there are few; a hash by prefix while there are few different
//! prefix lengths, which are then tried from the longest on; a prefix trie for everything larger.
//!
//! An idle namespace has two to six routes, for which a list is both smallest and fastest. A container host has
//! thousands of routes of a handful of lengths, where a probe of the hash costs a tenth of a walk down the trie. The
//! routes of one prefix (differing in tos, metric or by `append`) are a *bucket*: a slice in the order of
//! `fib_find_alias`.

use super::route::Route;
use core::cmp::Reverse;
use prefix_trie::PrefixMap;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// From this many routes on, the list becomes a hash.
const HASH_FROM: usize = 16;
/// With more different prefix lengths than this, the hash becomes a trie.
const MAX_LENGTHS: u32 = 6;
/// Below this many routes, hash and trie become a list again; well below [`HASH_FROM`], so that a route that comes and
/// goes does not rebuild the table each time.
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

/// The routes by prefix, and how many prefixes there are of each length.
#[derive(Clone, Debug)]
pub(super) struct Hashed {
    buckets: FxHashMap<u64, Bucket>,
    counts: [u32; 33],
    /// Bit `n` is set if there are prefixes of length `n`.
    lengths: u64,
}

/// A prefix as a hash key.
#[inline]
const fn packed((net, len): Key) -> u64 {
    ((net as u64) << 8) | len as u64
}

impl Hashed {
    fn new() -> Self {
        Hashed { buckets: FxHashMap::default(), counts: [0; 33], lengths: 0 }
    }

    /// The bucket of a prefix, made if there is none.
    fn entry(&mut self, key: Key) -> &mut Bucket {
        let Hashed { buckets, counts, lengths } = self;
        buckets.entry(packed(key)).or_insert_with(|| {
            if let Some(count) = counts.get_mut(usize::from(key.1)) {
                *count += 1;
            }
            *lengths |= 1 << key.1;
            Bucket::new()
        })
    }

    /// Drops buckets without routes.
    fn sweep(&mut self) {
        self.buckets.retain(|_, bucket| !bucket.is_empty());
        (self.counts, self.lengths) = ([0; 33], 0);
        for &key in self.buckets.keys() {
            let len = (key & 0xff) as u8;
            self.counts[usize::from(len)] += 1;
            self.lengths |= 1 << len;
        }
    }

    /// Drops the bucket of a prefix.
    fn remove(&mut self, key: Key) {
        if self.buckets.remove(&packed(key)).is_some()
            && let Some(count) = self.counts.get_mut(usize::from(key.1))
        {
            *count -= 1;
            if *count == 0 {
                self.lengths &= !(1 << key.1);
            }
        }
    }

    #[inline]
    fn find<'a, T>(&'a self, addr: u32, usable: &mut impl FnMut(&'a [Route]) -> Option<T>) -> Option<T> {
        let mut lengths = self.lengths;
        while lengths != 0 {
            let len = (63 - lengths.leading_zeros()) as u8;
            lengths &= !(1 << len);
            if let Some(bucket) = self.buckets.get(&packed((addr & mask(len), len)))
                && let Some(found) = usable(bucket)
            {
                return Some(found);
            }
        }
        None
    }
}

#[derive(Clone, Debug)]
pub(super) enum Store {
    /// Longest prefix first, then ascending; a bucket is a run of equal prefixes.
    List(Vec<Route>),
    /// A bucket per prefix, and how many routes there are in all.
    Hash(Box<Hashed>, usize),
    /// The same.
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
            Store::Hash(_, len) | Store::Trie(_, len) => *len,
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
            Store::Hash(hashed, _) => hashed.find(addr, &mut usable),
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
            Store::Hash(hashed, _) => hashed.buckets.get(&packed(key)).map_or(&[], |bucket| bucket),
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
            Store::Hash(hashed, _) => hashed.buckets.get_mut(&packed(key)).map_or(&mut [], |bucket| bucket),
            Store::Trie(trie, _) => trie.get_mut(&key).map_or(&mut [], |bucket| bucket),
        }
    }

    /// Puts a route at place `at` of its bucket.
    pub(super) fn insert(&mut self, at: usize, route: Route) {
        match self {
            Store::List(list) => {
                let start = Self::run(list, key(&route)).start;
                if list.len() == list.capacity() {
                    // Namespaces are many and their tables short: no room is kept for routes that do not come.
                    list.reserve_exact(2);
                }
                list.insert(start + at, route);
            }
            Store::Hash(hashed, len) => {
                hashed.entry(key(&route)).insert(at, route);
                *len += 1;
            }
            Store::Trie(trie, len) => {
                trie.entry(key(&route)).or_default().insert(at, route);
                *len += 1;
            }
        }
        self.grow();
    }

    /// Becomes a hash or a trie if it has grown out of what it was.
    fn grow(&mut self) {
        match self {
            Store::List(list) if list.len() >= HASH_FROM => {
                let all = core::mem::take(list);
                let len = all.len();
                let mut hashed = Hashed::new();
                all.into_iter().for_each(|route| hashed.entry(key(&route)).push(route));
                *self = Store::Hash(Box::new(hashed), len);
                self.grow();
            }
            Store::Hash(hashed, len) if hashed.lengths.count_ones() > MAX_LENGTHS => {
                let mut trie = PrefixMap::new();
                for bucket in core::mem::take(&mut hashed.buckets).into_values() {
                    if let Some(key) = bucket.first().map(key) {
                        trie.insert(key, bucket);
                    }
                }
                *self = Store::Trie(Box::new(trie), *len);
            }
            _ => {}
        }
    }

    /// Becomes a list again if few routes are left.
    fn shrink(&mut self) {
        let buckets: Vec<Bucket> = match self {
            Store::Hash(hashed, len) if *len < LIST_BELOW => {
                core::mem::take(&mut hashed.buckets).into_values().collect()
            }
            Store::Trie(trie, len) if *len < LIST_BELOW => {
                core::mem::take(&mut **trie).into_iter().map(|(_, bucket)| bucket).collect()
            }
            _ => return,
        };
        let mut list: Vec<Route> = buckets.into_iter().flatten().collect();
        // Stable: the order within a bucket stays.
        list.sort_by_key(|route| (Reverse(route.dst.prefix_len()), route.dst.addr()));
        *self = Store::List(list);
    }

    /// Takes the route at place `at` of a bucket out.
    pub(super) fn remove(&mut self, key: Key, at: usize) -> Option<Route> {
        let removed = match self {
            Store::List(list) => {
                let run = Self::run(list, key);
                (at < run.len()).then(|| list.remove(run.start + at))
            }
            Store::Hash(hashed, len) => {
                let bucket = hashed.buckets.get_mut(&packed(key))?;
                let removed = (at < bucket.len()).then(|| bucket.remove(at))?;
                if bucket.is_empty() {
                    hashed.remove(key);
                }
                *len -= 1;
                Some(removed)
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

    /// Removes the routes for which `keep` is false.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Route) -> bool) {
        let mut sift = |bucket: &mut Bucket| {
            bucket.retain(|route| keep(route));
            bucket.len()
        };
        match self {
            Store::List(list) => list.retain(keep),
            Store::Hash(hashed, len) => {
                *len = hashed.buckets.values_mut().map(sift).sum();
                hashed.sweep();
            }
            Store::Trie(trie, len) => {
                *len = trie.values_mut().map(&mut sift).sum();
                trie.retain(|_, bucket| !bucket.is_empty());
            }
        }
        self.shrink();
    }

    /// Every route, in no particular order, to be changed; prefix, tos and metric must stay.
    pub(super) fn for_each_mut(&mut self, change: impl FnMut(&mut Route)) {
        match self {
            Store::List(list) => list.iter_mut().for_each(change),
            Store::Hash(hashed, _) => hashed.buckets.values_mut().flatten().for_each(change),
            Store::Trie(trie, _) => trie.values_mut().flatten().for_each(change),
        }
    }

    /// Every route in the order of the kernel's trie: ascending address, the longest prefix first, then the bucket's
    /// order. It is the order of `ip route show`.
    pub(super) fn sorted(&self) -> Vec<&Route> {
        let mut all: Vec<&Route> = match self {
            Store::List(list) => list.iter().collect(),
            Store::Hash(hashed, _) => hashed.buckets.values().flatten().collect(),
            Store::Trie(trie, _) => trie.values().flatten().collect(),
        };
        all.sort_by_key(|route| (route.dst.addr(), Reverse(route.dst.prefix_len())));
        all
    }
}
