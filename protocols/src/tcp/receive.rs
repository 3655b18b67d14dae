//! What arrived: bytes in order for the reader, segments that came too early, and the blocks that tell the sender of
//! them (RFC 2018, RFC 2883).

use std::collections::VecDeque;

use super::seq::{after, before};
use crate::wire::tcp::SackBlock;

/// How many blocks are remembered; the option has room for four, three beside a time stamp.
const MAX_BLOCKS: usize = 4;

/// What a segment is charged with: its bytes and what the kernel keeps around them (`skb->truesize` of a page fragment).
pub const fn truesize(len: usize) -> usize {
    (len + 624).next_multiple_of(256)
}

/// The queues of a receiver.
#[derive(Clone, Debug, Default)]
pub struct ReceiveQueue {
    /// Bytes in order, not read yet.
    ready: VecDeque<u8>,
    /// Memory that the segments of `ready` are charged with, and how many bytes each had.
    charged: VecDeque<(usize, usize)>,
    /// Segments beyond a gap, in order of their first byte; they may overlap.
    early: Vec<(u32, Vec<u8>)>,
    /// Blocks beyond the gap, the one that changed last first.
    blocks: Vec<SackBlock>,
    /// A range that arrived twice, to be reported once (D-SACK).
    duplicate: Option<SackBlock>,
    memory: usize,
}

impl ReceiveQueue {
    /// How many bytes can be read.
    pub fn readable(&self) -> usize {
        self.ready.len()
    }

    /// Memory in use.
    pub const fn memory(&self) -> usize {
        self.memory
    }

    /// Whether something waits beyond a gap.
    pub fn has_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// Takes up to `max` bytes.
    pub fn read(&mut self, max: usize) -> Vec<u8> {
        let count = max.min(self.ready.len());
        let (front, back) = self.ready.as_slices();
        let first = count.min(front.len());
        let bytes = [&front[..first], &back[..count - first]].concat();
        self.discard(count);
        bytes
    }

    /// Throws up to `max` bytes away; gives how many.
    pub fn discard(&mut self, max: usize) -> usize {
        let count = max.min(self.ready.len());
        self.ready.drain(..count);
        let mut rest = count;
        while let Some((len, memory)) = self.charged.front_mut() {
            if *len > rest {
                *len -= rest;
                break;
            }
            rest -= *len;
            self.memory -= *memory;
            self.charged.pop_front();
        }
        count
    }

    /// The first bytes, without taking them.
    pub fn peek(&self, max: usize) -> Vec<u8> {
        self.ready.iter().take(max).copied().collect()
    }

    /// Bytes that continue what is there.
    pub fn append(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.ready.extend(bytes);
        self.charge(bytes.len(), truesize(bytes.len()));
    }

    fn charge(&mut self, len: usize, memory: usize) {
        self.charged.push_back((len, memory));
        self.memory += memory;
    }

    /// Keeps a segment that begins beyond `next` (`tcp_data_queue_ofo`).
    pub fn insert_early(&mut self, seq: u32, bytes: &[u8]) {
        let end = seq.wrapping_add(bytes.len() as u32);
        if let Some((_, covering)) = self.covered(seq, end) {
            self.duplicate = Some((seq, end));
            let block = covering;
            self.note_block(block);
            return;
        }
        let at = self.early.iter().position(|(s, _)| after(*s, seq)).unwrap_or(self.early.len());
        self.early.insert(at, (seq, bytes.to_vec()));
        self.memory += truesize(bytes.len());
        self.note_block((seq, end));
    }

    /// The block that has all of a range already.
    fn covered(&self, seq: u32, end: u32) -> Option<(usize, SackBlock)> {
        self.blocks.iter().enumerate().find(|(_, (s, e))| !before(seq, *s) && !after(end, *e)).map(|(i, b)| (i, *b))
    }

    /// Puts a block in front, merged with those it touches (`tcp_sack_new_ofo_skb`).
    fn note_block(&mut self, (mut start, mut end): SackBlock) {
        self.blocks.retain(|&(s, e)| {
            let touches = !after(s, end) && !before(e, start);
            if touches {
                start = if before(s, start) { s } else { start };
                end = if after(e, end) { e } else { end };
            }
            !touches
        });
        self.blocks.insert(0, (start, end));
        // Only what the option can tell is remembered; `early` itself knows all.
        self.blocks.truncate(MAX_BLOCKS);
    }

    /// A range that was here already.
    pub fn note_duplicate(&mut self, block: SackBlock) {
        if before(block.0, block.1) {
            self.duplicate = Some(block);
        }
    }

    /// Moves early segments that now follow without a gap; gives the next number expected (`tcp_ofo_queue`).
    pub fn join(&mut self, mut next: u32) -> u32 {
        while let Some((seq, _)) = self.early.first().filter(|(seq, _)| !after(*seq, next)) {
            let seq = *seq;
            let (_, bytes) = self.early.remove(0);
            self.memory -= truesize(bytes.len());
            let known = next.wrapping_sub(seq) as usize;
            if let Some(new) = bytes.get(known..).filter(|new| !new.is_empty()) {
                self.append(new);
                next = next.wrapping_add(new.len() as u32);
            }
        }
        self.blocks.retain(|(_, end)| after(*end, next));
        next
    }

    /// The blocks to be told, at most `max`; a duplicate is told once.
    pub fn take_blocks(&mut self, max: usize) -> ([SackBlock; 4], u8) {
        let mut told = [(0, 0); 4];
        let mut count = 0;
        for block in self.duplicate.take().into_iter().chain(self.blocks.iter().copied()).take(max.min(4)) {
            told[count] = block;
            count += 1;
        }
        (told, count as u8)
    }

    /// Throws away what is beyond the gap: the kernel may do so when memory is short (`tcp_prune_ofo_queue`).
    pub fn prune_early(&mut self) {
        for (_, bytes) in self.early.drain(..) {
            self.memory -= truesize(bytes.len());
        }
        self.blocks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_merge_and_the_last_comes_first() {
        let mut queue = ReceiveQueue::default();
        queue.insert_early(100, &[1; 10]);
        queue.insert_early(200, &[2; 10]);
        assert_eq!(queue.take_blocks(3), ([(200, 210), (100, 110), (0, 0), (0, 0)], 2));
        queue.insert_early(110, &[1; 10]);
        assert_eq!(queue.take_blocks(3), ([(100, 120), (200, 210), (0, 0), (0, 0)], 2));
        queue.insert_early(105, &[1; 5]);
        assert_eq!(queue.take_blocks(3).0[..2], [(105, 110), (100, 120)]);
        queue.append(&[0; 100]);
        assert_eq!(queue.join(100), 120);
        assert_eq!(queue.readable(), 120);
        assert_eq!(queue.take_blocks(3), ([(200, 210), (0, 0), (0, 0), (0, 0)], 1));
    }

    proptest! {
        #[test]
        fn pieces_in_any_order_give_the_whole(start: u32, pieces in proptest::collection::vec((0usize..400, 1usize..60), 1..60)) {
            let whole: Vec<u8> = (0..460u32).map(|i| (i * 7) as u8).collect();
            let mut queue = ReceiveQueue::default();
            let mut next = start;
            for (at, len) in pieces {
                let seq = start.wrapping_add(at as u32);
                let piece = &whole[at..at + len];
                if after(seq, next) {
                    queue.insert_early(seq, piece);
                } else if let Some(new) = piece.get(next.wrapping_sub(seq) as usize..) {
                    queue.append(new);
                    next = queue.join(next.wrapping_add(new.len() as u32));
                }
                prop_assert_eq!(queue.readable(), next.wrapping_sub(start) as usize);
            }
            let have = queue.readable();
            prop_assert_eq!(queue.read(1000), &whole[..have]);
            queue.prune_early();
            prop_assert_eq!(queue.memory(), 0);
        }
    }
}
