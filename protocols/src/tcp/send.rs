//! What is to be sent and what was sent but not acknowledged: the bytes, cut into the segments they travel in.

use std::collections::VecDeque;

use hopwise_sim_core::Time;

use super::seq::{after, before};

/// A segment of the queue. The flags of its history are those of `TCP_SKB_CB`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Segment {
    /// Number of its first byte (or of SYN or FIN).
    pub seq: u32,
    /// Bytes of data.
    pub len: u32,
    /// It opens the connection.
    pub syn: bool,
    /// It ends the stream.
    pub fin: bool,
    /// The writer's call ended here.
    pub psh: bool,
    /// When it was sent last.
    pub sent_at: Time,
    /// It was sent more than once: its round trip time means nothing (Karn).
    pub ever_resent: bool,
    /// The receiver has it, beyond a gap.
    pub sacked: bool,
    /// It is taken for lost.
    pub lost: bool,
    /// It was sent again since it was taken for lost.
    pub resent: bool,
}

impl Segment {
    /// The number after its last one.
    pub const fn end(&self) -> u32 {
        self.seq.wrapping_add(self.len).wrapping_add(self.syn as u32 + self.fin as u32)
    }
}

/// The queue: sent segments first, then those that wait.
#[derive(Clone, Debug, Default)]
pub struct SendQueue {
    /// Bytes of all segments, beginning with number `first`.
    bytes: VecDeque<u8>,
    first: u32,
    segments: VecDeque<Segment>,
    /// How many segments were sent.
    sent: usize,
    /// Sent ones that the receiver has beyond a gap.
    pub sacked: u32,
    /// Sent ones taken for lost, and not sacked.
    pub lost: u32,
    /// Lost ones that are on their way again.
    pub resent: u32,
}

impl SendQueue {
    /// An empty queue whose first byte of data will be `first`.
    pub fn new(first: u32) -> Self {
        SendQueue { first, ..SendQueue::default() }
    }

    /// Bytes in the queue.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that were not sent yet.
    pub fn unsent_bytes(&self) -> u32 {
        self.segments.iter().skip(self.sent).map(|s| s.len).sum()
    }

    /// Segments that were sent and not acknowledged (`packets_out`).
    pub const fn sent(&self) -> usize {
        self.sent
    }

    /// Segments on their way, as far as is known (`tcp_packets_in_flight`).
    pub fn in_flight(&self) -> u32 {
        (self.sent as u32 + self.resent).saturating_sub(self.sacked + self.lost)
    }

    /// A segment by its place.
    pub fn get(&self, index: usize) -> Option<&Segment> {
        self.segments.get(index)
    }

    /// The first that waits (`tcp_send_head`).
    pub fn head(&self) -> Option<&Segment> {
        self.segments.get(self.sent)
    }

    /// The last one, sent or not.
    pub fn last(&self) -> Option<&Segment> {
        self.segments.back()
    }

    /// All that were sent.
    pub fn sent_segments(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.range(..self.sent.min(self.segments.len()))
    }

    /// All that were sent, to be changed; the caller keeps the counts right with [`SendQueue::recount`].
    pub fn sent_segments_mut(&mut self) -> impl Iterator<Item = &mut Segment> {
        let sent = self.sent.min(self.segments.len());
        self.segments.range_mut(..sent)
    }

    /// Counts anew what the marks say.
    pub fn recount(&mut self) {
        let (mut sacked, mut lost, mut resent) = (0, 0, 0);
        for segment in self.segments.iter_mut().take(self.sent) {
            if segment.sacked {
                (segment.lost, segment.resent) = (false, false);
            }
            sacked += u32::from(segment.sacked);
            lost += u32::from(segment.lost);
            resent += u32::from(segment.resent);
        }
        (self.sacked, self.lost, self.resent) = (sacked, lost, resent);
    }

    /// Adds data behind what is there, in segments of at most `mss`; the last one says "push".
    pub fn append(&mut self, data: &[u8], mss: u32, end_seq: u32) {
        let mut rest = data;
        let mut seq = end_seq;
        let waits = self.segments.len() > self.sent;
        if let Some(last) = self.segments.back_mut().filter(|last| waits && !last.fin && last.len < mss) {
            let room = ((mss - last.len) as usize).min(rest.len());
            last.len += room as u32;
            seq = seq.wrapping_add(room as u32);
            rest = &rest[room..];
        }
        for piece in rest.chunks(mss.max(1) as usize) {
            self.segments.push_back(Segment { seq, len: piece.len() as u32, ..Segment::default() });
            seq = seq.wrapping_add(piece.len() as u32);
        }
        self.bytes.extend(data);
        if let Some(last) = self.segments.back_mut() {
            last.psh = true;
        }
    }

    /// Ends the stream: the flag joins the last segment that waits, or travels alone (`tcp_send_fin`).
    pub fn append_fin(&mut self, end_seq: u32) {
        let waits = self.segments.len() > self.sent;
        match self.segments.back_mut().filter(|_| waits) {
            Some(last) => last.fin = true,
            None => self.segments.push_back(Segment { seq: end_seq, fin: true, ..Segment::default() }),
        }
    }

    /// The segment that opens the connection.
    pub fn push_syn(&mut self, seq: u32) {
        self.segments.push_front(Segment { seq, syn: true, ..Segment::default() });
    }

    /// The first waiting one was sent.
    pub fn advance(&mut self, now: Time) {
        if let Some(segment) = self.segments.get_mut(self.sent) {
            segment.sent_at = now;
            self.sent += 1;
        }
    }

    /// A sent one was sent again.
    pub fn note_resent(&mut self, index: usize, now: Time) {
        let Some(segment) = self.segments.get_mut(index) else { return };
        segment.sent_at = now;
        segment.ever_resent = true;
        if segment.lost && !segment.resent {
            segment.resent = true;
            self.resent += 1;
        }
    }

    /// Cuts a segment so that its first part has `len` bytes (`tcp_fragment`).
    pub fn cut(&mut self, index: usize, len: u32) {
        let Some(segment) = self.segments.get_mut(index).filter(|s| s.len > len && len > 0) else { return };
        let mut tail = *segment;
        tail.seq = segment.seq.wrapping_add(len);
        tail.len -= len;
        tail.syn = false;
        segment.len = len;
        (segment.psh, segment.fin) = (false, false);
        self.segments.insert(index + 1, tail);
        if index < self.sent {
            self.sent += 1;
            self.recount();
        }
    }

    /// Takes off what `ack` acknowledges, calling `gone` for each whole segment (`tcp_clean_rtx_queue`).
    pub fn acknowledge(&mut self, ack: u32, mut gone: impl FnMut(&Segment)) {
        while self.sent > 0 {
            let Some(segment) = self.segments.front_mut() else { break };
            if after(segment.end(), ack) {
                if before(segment.seq, ack) {
                    let part = ack.wrapping_sub(segment.seq).min(segment.len);
                    segment.seq = ack;
                    segment.len -= part;
                }
                break;
            }
            gone(segment);
            self.sacked = self.sacked.saturating_sub(u32::from(segment.sacked));
            self.lost = self.lost.saturating_sub(u32::from(segment.lost));
            self.resent = self.resent.saturating_sub(u32::from(segment.resent));
            self.segments.pop_front();
            self.sent -= 1;
        }
        let known = (ack.wrapping_sub(self.first) as usize).min(self.bytes.len());
        if after(ack, self.first) {
            self.bytes.drain(..known);
            self.first = self.first.wrapping_add(known as u32);
        }
    }

    /// Writes the bytes from number `seq` on into `out`.
    pub fn copy(&self, seq: u32, out: &mut [u8]) {
        let at = seq.wrapping_sub(self.first) as usize;
        let (front, back) = self.bytes.as_slices();
        let first = front.get(at..).unwrap_or_default();
        let first = &first[..first.len().min(out.len())];
        let (head, tail) = out.split_at_mut(first.len());
        head.copy_from_slice(first);
        let rest = back.get(at.saturating_sub(front.len())..).unwrap_or_default();
        let rest = &rest[..rest.len().min(tail.len())];
        tail[..rest.len()].copy_from_slice(rest);
    }

    /// Forgets everything: nobody will read it.
    pub fn clear(&mut self) {
        *self = SendQueue::new(self.first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_cut_to_the_mss_and_the_end_is_pushed() {
        let mut queue = SendQueue::new(1);
        queue.append(&[7; 25], 10, 1);
        let cut: Vec<_> = queue.segments.iter().map(|s| (s.seq, s.len, s.psh)).collect();
        assert_eq!(cut, [(1, 10, false), (11, 10, false), (21, 5, true)]);
        queue.append(&[8; 3], 10, 26);
        assert_eq!(queue.last().map(|s| (s.seq, s.len)), Some((21, 8)));
        queue.append_fin(29);
        assert_eq!(queue.last().map(|s| (s.fin, s.end())), Some((true, 30)));
    }

    #[test]
    fn acknowledgments_may_end_within_a_segment() {
        let mut queue = SendQueue::new(1);
        queue.append(&[1, 2, 3, 4, 5, 6], 3, 1);
        queue.advance(Time::ZERO);
        queue.advance(Time::ZERO);
        let mut gone = 0;
        queue.acknowledge(5, |_| gone += 1);
        assert_eq!((gone, queue.sent(), queue.bytes()), (1, 1, 2));
        let mut bytes = [0; 2];
        queue.copy(5, &mut bytes);
        assert_eq!(bytes, [5, 6]);
    }

    #[test]
    fn a_cut_keeps_the_marks() {
        let mut queue = SendQueue::new(1);
        queue.append(&[0; 10], 10, 1);
        queue.append_fin(11);
        queue.advance(Time::ZERO);
        queue.sent_segments_mut().for_each(|s| s.lost = true);
        queue.recount();
        queue.cut(0, 4);
        assert_eq!((queue.sent(), queue.lost, queue.in_flight()), (2, 2, 0));
        assert_eq!(queue.get(1).map(|s| (s.seq, s.len, s.fin, s.psh)), Some((5, 6, true, true)));
    }
}
