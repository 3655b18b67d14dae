//! AS_PATH in octets, with AS numbers of two or of four (RFC 4271 section 4.3 b, RFC 6793).

use super::{AS_TRANS, Reader};
use crate::attrs::{AsPath, Segment, SegmentKind};

/// Reads a path. The error says what is wrong with it, as BIRD's log does.
pub(super) fn decode(bytes: &[u8], as4: bool) -> Result<AsPath, &'static str> {
    let mut reader = Reader(bytes);
    let mut segments = Vec::new();
    while !reader.is_empty() {
        let (Some(kind), Some(count)) = (reader.u8(), reader.u8()) else { return Err("segment framing error") };
        let size = if as4 { 4 } else { 2 };
        let octets = reader.take(usize::from(count) * size).ok_or("segment framing error")?;
        let kind = SegmentKind::from_number(kind).ok_or("unknown segment")?;
        match kind {
            SegmentKind::ConfedSet => return Err("AS_CONFED_SET segment"),
            SegmentKind::ConfedSequence => return Err("AS_CONFED_SEQUENCE segment"),
            SegmentKind::Set | SegmentKind::Sequence => {}
        }
        if count == 0 {
            return Err("zero-length segment");
        }
        let number = |o: &[u8]| o.iter().fold(0, |n, b| n << 8 | u32::from(*b));
        segments.push(Segment { kind, asns: octets.chunks(size).map(number).collect() });
    }
    Ok(AsPath::from_segments(segments))
}

/// Appends a path; AS numbers that do not fit into two octets become [`AS_TRANS`].
pub(super) fn encode(path: &AsPath, as4: bool, out: &mut Vec<u8>) {
    for segment in path.segments() {
        for asns in segment.asns.chunks(AsPath::SEGMENT_LIMIT) {
            out.extend_from_slice(&[segment.kind as u8, asns.len() as u8]);
            for asn in asns {
                if as4 {
                    out.extend_from_slice(&asn.to_be_bytes());
                } else {
                    out.extend_from_slice(&u16::try_from(*asn).unwrap_or(AS_TRANS).to_be_bytes());
                }
            }
        }
    }
}

/// Whether a path has numbers that do not fit into two octets.
pub(super) fn needs_as4(path: &AsPath) -> bool {
    path.numbers().any(|asn| asn > u16::MAX.into())
}

/// The true path from one of two octets and the AS4_PATH beside it (RFC 6793 section 4.2.3): the front of the former, as far
/// as it is longer, and the latter.
pub(super) fn merge(path: &AsPath, as4_path: &AsPath) -> AsPath {
    let Some(mut more) = path.len().checked_sub(as4_path.len()) else { return path.clone() };
    let mut front = Vec::new();
    for segment in path.segments() {
        if more == 0 {
            break;
        }
        let kept = match segment.kind {
            SegmentKind::Sequence => segment.asns.len().min(more),
            _ => segment.asns.len(),
        };
        more -= if segment.kind == SegmentKind::Sequence { kept } else { 1 };
        front.push(Segment { kind: segment.kind, asns: segment.asns[..kept].to_vec() });
    }
    let mut rest = as4_path.segments().to_vec();
    // What was one sequence becomes one again.
    if let (Some(last), Some(first)) = (front.last_mut(), rest.first()) {
        let both = last.kind == SegmentKind::Sequence && first.kind == SegmentKind::Sequence;
        if both && last.asns.len() + first.asns.len() <= AsPath::SEGMENT_LIMIT {
            last.asns.extend(rest.remove(0).asns);
        }
    }
    AsPath::from_segments(front.into_iter().chain(rest))
}
