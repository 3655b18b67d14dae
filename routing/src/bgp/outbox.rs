//! Routes on their way to a neighbour, packed into UPDATEs (RFC 4271 sections 4.3 and 9.2).
//!
//! Routes with the same attributes wait in one bucket and share messages. Withdrawals go first. A route that changes while it
//! waits leaves its bucket and goes to the end of another one, so the neighbour gets only the last state. That is BIRD's way,
//! and so are the order of buckets and the room that a message leaves.

use std::collections::VecDeque;
use std::sync::Arc;

use ipnet::Ipv4Net;
use rustc_hash::FxHashMap;

use super::wire::{self, HEADER_LEN, Options};
use crate::attrs::Attrs;

/// So much has to be free before one more prefix is put into a message, whatever its length: BIRD's longest one.
const ROOM: usize = 37;
/// Attributes leave this much of a message to others.
const RESERVE: usize = 1024;

/// A waiting prefix; its place in the queue says whether it is still meant.
type Entry = (u64, Ipv4Net);

#[derive(Clone, Debug)]
struct Bucket {
    attrs: Arc<Attrs>,
    entries: VecDeque<Entry>,
}

/// What waits to be told to one neighbour.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// The last word on each waiting prefix.
    pending: FxHashMap<Ipv4Net, u64>,
    withdrawals: VecDeque<Entry>,
    buckets: FxHashMap<u64, Bucket>,
    by_attrs: FxHashMap<Arc<Attrs>, u64>,
    order: VecDeque<u64>,
    next_place: u64,
    next_bucket: u64,
}

/// An UPDATE from the outbox, and prefixes that had to be left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Packed {
    /// The message; empty if all that waited had to be left out.
    pub message: Vec<u8>,
    /// Prefixes whose attributes are too long for a message; they are withdrawn instead.
    pub too_long: Vec<Ipv4Net>,
}

impl Outbox {
    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many prefixes wait.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// A route is to be told.
    pub fn announce(&mut self, prefix: Ipv4Net, attrs: Arc<Attrs>) {
        let entry = self.entry(prefix);
        let id = *self.by_attrs.entry(attrs).or_insert_with_key(|attrs| {
            let id = self.next_bucket;
            self.next_bucket += 1;
            self.buckets.insert(id, Bucket { attrs: attrs.clone(), entries: VecDeque::new() });
            self.order.push_back(id);
            id
        });
        if let Some(bucket) = self.buckets.get_mut(&id) {
            bucket.entries.push_back(entry);
        }
    }

    /// A route is gone.
    pub fn withdraw(&mut self, prefix: Ipv4Net) {
        let entry = self.entry(prefix);
        self.withdrawals.push_back(entry);
    }

    /// Forgets everything: the session is over.
    pub fn clear(&mut self) {
        *self = Outbox::default();
    }

    fn entry(&mut self, prefix: Ipv4Net) -> Entry {
        self.next_place += 1;
        self.pending.insert(prefix, self.next_place);
        (self.next_place, prefix)
    }

    /// The next UPDATE; `None` if nothing waits.
    pub fn pack(&mut self, options: Options) -> Option<Packed> {
        if self.pending.is_empty() {
            // What is left in the queues has moved on. The room stays for what comes next.
            self.withdrawals.clear();
            self.order.clear();
            self.buckets.clear();
            self.by_attrs.clear();
            return None;
        }
        let mut packed = Packed::default();
        let mut out = Vec::with_capacity(128);
        wire::begin_update(&mut out);
        if self.pack_withdrawals(options, &mut out) || self.pack_routes(options, &mut out, &mut packed.too_long) {
            wire::finish(0, &mut out);
            packed.message = out;
        }
        Some(packed)
    }

    fn pack_withdrawals(&mut self, options: Options, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&[0, 0]);
        fill(&mut self.withdrawals, &mut self.pending, options, out);
        let length = out.len() - HEADER_LEN - 2;
        if length == 0 {
            return false;
        }
        out[HEADER_LEN..HEADER_LEN + 2].copy_from_slice(&(length as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        true
    }

    /// Behind the empty list of withdrawals. False if all that waited had attributes too long to be sent; these prefixes
    /// wait as withdrawals then.
    fn pack_routes(&mut self, options: Options, out: &mut Vec<u8>, too_long: &mut Vec<Ipv4Net>) -> bool {
        while let Some(id) = self.order.pop_front() {
            let Some(mut bucket) = self.buckets.remove(&id) else { continue };
            out.truncate(HEADER_LEN + 2);
            out.extend_from_slice(&[0, 0]);
            wire::encode_attributes(&bucket.attrs, options, out);
            let length = out.len() - HEADER_LEN - 4;
            if out.len() > options.max_len() - RESERVE {
                self.by_attrs.remove(&bucket.attrs);
                for (place, prefix) in bucket.entries {
                    if self.pending.get(&prefix) == Some(&place) {
                        self.withdraw(prefix);
                        too_long.push(prefix);
                    }
                }
                continue;
            }
            let empty = out.len();
            out[HEADER_LEN + 2..HEADER_LEN + 4].copy_from_slice(&(length as u16).to_be_bytes());
            fill(&mut bucket.entries, &mut self.pending, options, out);
            if bucket.entries.is_empty() {
                self.by_attrs.remove(&bucket.attrs);
            } else {
                // What did not fit waits behind the others.
                self.order.push_back(id);
                self.buckets.insert(id, bucket);
            }
            if out.len() > empty {
                return true;
            }
        }
        false
    }
}

/// Moves prefixes into the message while there is room, without those that have moved on.
fn fill(entries: &mut VecDeque<Entry>, pending: &mut FxHashMap<Ipv4Net, u64>, options: Options, out: &mut Vec<u8>) {
    while out.len() + ROOM <= options.max_len() {
        let Some((place, prefix)) = entries.pop_front() else { return };
        if pending.get(&prefix) == Some(&place) {
            pending.remove(&prefix);
            wire::put_prefix(prefix, out);
        }
    }
}
