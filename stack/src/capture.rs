//! What was captured: every frame that passed a link with a capture on it, at the two lines where tcpdump sees a
//! device (`link_rx` and `dev_xmit`).

use hopwise_devices::{HwType, Link};
use hopwise_sim_core::{IfIndex, NsId, PacketId, Time};

/// Which way a frame passed the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// It came in.
    In,
    /// It went out.
    Out,
}

/// One captured frame; its bytes are in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Captured {
    /// When.
    pub at: Time,
    /// In which namespace.
    pub ns: NsId,
    /// On which link.
    pub link: IfIndex,
    /// What the link's frames begin with.
    pub hw: HwType,
    /// Which way.
    pub direction: Direction,
    /// Which packet.
    pub packet: PacketId,
    /// Where its bytes begin in [`CaptureLog::bytes`].
    pub start: usize,
    /// How many there are.
    pub len: usize,
}

/// All frames captured in a world, in the order of their passing.
#[derive(Clone, Debug, Default)]
pub struct CaptureLog {
    frames: Vec<Captured>,
    bytes: Vec<u8>,
    missed: u64,
}

/// How many bytes of frames are kept: a third of a million full ones. A second of an unlimited wire has as many.
pub const CAPTURE_MAX: usize = 512 << 20;

impl CaptureLog {
    /// Writes a frame down that passes `link` in `ns`.
    pub fn record(&mut self, at: Time, ns: NsId, link: &Link, direction: Direction, packet: PacketId, data: &[u8]) {
        let start = self.bytes.len();
        if start + data.len() > CAPTURE_MAX {
            self.missed += 1;
            return;
        }
        self.bytes.extend_from_slice(data);
        let (link, hw) = (link.index, link.hw);
        self.frames.push(Captured { at, ns, link, hw, direction, packet, start, len: data.len() });
    }

    /// How many frames were not kept, as they were too many.
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// The frames.
    pub fn frames(&self) -> &[Captured] {
        &self.frames
    }

    /// The bytes of a frame, from its link-layer header on.
    pub fn bytes(&self, frame: &Captured) -> &[u8] {
        self.bytes.get(frame.start..frame.start + frame.len).unwrap_or_default()
    }

    /// Forgets everything captured so far.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.bytes.clear();
        self.missed = 0;
    }
}
