//! The ring through which the kernel hands frames to a capture (`TPACKET_V3` of `packet_mmap`): in blocks. A block
//! reaches the program when it is full or its time is over, so a program that is stopped earlier never sees the frames
//! of the block being filled. Models `tpacket_rcv`, `prb_retire_rx_blk_timer_expired` and libpcap's sizes.

use hopwise_sim_core::{Duration, Time};

use super::live::Seen;

/// Bytes of a block: libpcap takes the power of two that holds the largest snapshot.
const BLOCK_SIZE: usize = 262_144;
/// Bytes of the block's own header (`BLK_PLUS_PRIV`).
const BLOCK_HEADER: usize = 48;
/// What stands before each frame: `tpacket3_hdr`, the link-layer address, room for a VLAN tag.
const FRAME_OVERHEAD: usize = 86;

/// The block that is being filled, and those that are full.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    began: Time,
    /// How long a block is filled; `None` hands over every frame at once (`pcap_set_immediate_mode`).
    timeout: Option<Duration>,
    /// Frames with the time at which their block is over.
    held: Vec<(Time, Seen)>,
    filled: usize,
}

impl Ring {
    pub(super) fn new(now: Time, timeout: Option<Duration>) -> Ring {
        Ring { began: now, timeout, held: Vec::new(), filled: BLOCK_HEADER }
    }

    /// A frame that passed the filter at `now`.
    pub(super) fn put(&mut self, now: Time, seen: Seen) {
        let size = (FRAME_OVERHEAD + seen.frame.data.len()).next_multiple_of(8);
        if self.filled + size > BLOCK_SIZE {
            self.held.iter_mut().for_each(|(due, _)| *due = now);
            self.filled = BLOCK_HEADER;
        }
        self.filled += size;
        self.held.push((self.boundary(now), seen));
    }

    /// What the program may see by now.
    pub(super) fn take(&mut self, now: Time) -> Vec<Seen> {
        let due = self.held.iter().take_while(|(due, _)| *due <= now).count();
        if due == self.held.len() {
            self.filled = BLOCK_HEADER;
        }
        self.held.drain(..due).map(|(_, seen)| seen).collect()
    }

    /// When there is more to see.
    pub(super) fn next(&self) -> Option<Time> {
        self.held.first().map(|(due, _)| *due)
    }

    /// The end of the block that is open at `now`: the timer began with the capture and is never moved.
    fn boundary(&self, now: Time) -> Time {
        let Some(timeout) = self.timeout else { return now };
        let blocks = now.since(self.began).as_nanos() / timeout.as_nanos().max(1) + 1;
        self.began + timeout.saturating_mul(u32::try_from(blocks).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use hopwise_capture::{Direction, Frame};
    use hopwise_sim_core::IfIndex;

    use super::*;

    fn frame(len: usize) -> Seen {
        let frame = Frame::new(0, vec![0; len]);
        Seen {
            frame,
            link: IfIndex(1),
            name: "e0".into(),
            direction: Direction::Host,
            wanted: true,
            tag: hopwise_sim_core::VlanTag::default(),
        }
    }

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn frames_are_seen_when_their_block_is_over() {
        let mut ring = Ring::new(at(300), Some(Duration::from_secs(1)));
        ring.put(at(400), frame(98));
        ring.put(at(1299), frame(98));
        ring.put(at(1300), frame(98));
        assert!(ring.take(at(1299)).is_empty());
        assert_eq!((ring.next(), ring.take(at(1300)).len()), (Some(at(1300)), 2));
        assert_eq!((ring.next(), ring.take(at(2300)).len()), (Some(at(2300)), 1));
        assert_eq!(ring.next(), None);
    }

    #[test]
    fn a_full_block_is_seen_at_once() {
        let mut ring = Ring::new(at(0), Some(Duration::from_secs(1)));
        let fit = (BLOCK_SIZE - BLOCK_HEADER) / (FRAME_OVERHEAD + 1514);
        (0..fit).for_each(|_| ring.put(at(1), frame(1514)));
        assert!(ring.take(at(1)).is_empty());
        ring.put(at(2), frame(1514));
        assert_eq!(ring.take(at(2)).len(), fit);
    }

    #[test]
    fn immediate_mode_holds_nothing() {
        let mut ring = Ring::new(at(0), None);
        ring.put(at(5), frame(60));
        assert_eq!(ring.take(at(5)).len(), 1);
    }
}
