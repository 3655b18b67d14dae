//! AS_PATH: which ASes a route went through (RFC 4271 section 5.1.2).

use core::fmt;

/// What a segment of a path means (RFC 4271 section 4.3 b, RFC 5065 section 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum SegmentKind {
    /// ASes without an order: an aggregate's.
    Set = 1,
    /// ASes in the order of the way back to the origin.
    Sequence = 2,
    /// Members of the local confederation, in order.
    ConfedSequence = 3,
    /// Members of the local confederation, without order.
    ConfedSet = 4,
}

impl SegmentKind {
    /// The kind with this number on the wire.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => SegmentKind::Set,
            2 => SegmentKind::Sequence,
            3 => SegmentKind::ConfedSequence,
            4 => SegmentKind::ConfedSet,
            _ => return None,
        })
    }

    /// Whether it speaks of a confederation's inside.
    pub const fn is_confed(self) -> bool {
        matches!(self, SegmentKind::ConfedSequence | SegmentKind::ConfedSet)
    }
}

/// One segment: at most 255 ASes on the wire.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Segment {
    /// What it means.
    pub kind: SegmentKind,
    /// Its AS numbers.
    pub asns: Vec<u32>,
}

/// A path: the nearest AS first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct AsPath {
    segments: Vec<Segment>,
}

impl AsPath {
    /// How many ASes fit into a segment on the wire.
    pub const SEGMENT_LIMIT: usize = 255;

    /// A path of these segments; empty segments are left out.
    pub fn from_segments(segments: impl IntoIterator<Item = Segment>) -> Self {
        AsPath { segments: segments.into_iter().filter(|s| !s.asns.is_empty()).collect() }
    }

    /// A path that is one sequence.
    ///
    /// ```
    /// use hopwise_routing::attrs::AsPath;
    /// let mut path = AsPath::sequence([65003]);
    /// path.prepend(65000);
    /// assert_eq!(path.to_string(), "65000 65003");
    /// assert_eq!((path.len(), path.first(), path.last()), (2, Some(65000), Some(65003)));
    /// ```
    pub fn sequence(asns: impl IntoIterator<Item = u32>) -> Self {
        Self::from_segments([Segment { kind: SegmentKind::Sequence, asns: asns.into_iter().collect() }])
    }

    /// The segments, the nearest first.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Nothing in it: a route that began in this AS.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The length that counts in the decision: a set counts as one AS (RFC 4271 section 9.1.2.2 a), confederation
    /// segments not at all (RFC 5065 section 5.3).
    pub fn len(&self) -> usize {
        let weight = |s: &Segment| match s.kind {
            SegmentKind::Sequence => s.asns.len(),
            SegmentKind::Set => 1,
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
        };
        self.segments.iter().map(weight).sum()
    }

    /// The AS that announced the route last: the first number, if the path begins with a sequence.
    pub fn first(&self) -> Option<u32> {
        let nearest = self.segments.iter().find(|s| !s.kind.is_confed())?;
        (nearest.kind == SegmentKind::Sequence).then(|| nearest.asns.first().copied())?
    }

    /// The AS where the route began: the last number, if the path ends in a sequence.
    pub fn last(&self) -> Option<u32> {
        let farthest = self.segments.last()?;
        (farthest.kind == SegmentKind::Sequence).then(|| farthest.asns.last().copied())?
    }

    /// How often an AS is in it.
    pub fn count(&self, asn: u32) -> usize {
        self.numbers().filter(|a| *a == asn).count()
    }

    /// All its numbers, the nearest first.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.segments.iter().flat_map(|s| s.asns.iter().copied())
    }

    /// Puts an AS in front, as a speaker does with its own when it announces to an external peer (RFC 4271 section
    /// 5.1.2 b).
    pub fn prepend(&mut self, asn: u32) {
        match self.segments.first_mut() {
            Some(s) if s.kind == SegmentKind::Sequence && s.asns.len() < Self::SEGMENT_LIMIT => s.asns.insert(0, asn),
            _ => self.segments.insert(0, Segment { kind: SegmentKind::Sequence, asns: vec![asn] }),
        }
    }

    /// Keeps the ASes that `keep` wants, as a filter's `delete` and `filter` do.
    pub fn retain(&mut self, mut keep: impl FnMut(u32) -> bool) {
        self.segments.iter_mut().for_each(|s| s.asns.retain(|a| keep(*a)));
        self.segments.retain(|s| !s.asns.is_empty());
    }

    /// Whether there are confederation segments.
    pub fn has_confed(&self) -> bool {
        self.segments.iter().any(|s| s.kind.is_confed())
    }

    /// Removes confederation segments, as at the border of a confederation (RFC 5065 section 4).
    pub fn strip_confed(&mut self) {
        self.segments.retain(|s| !s.kind.is_confed());
    }
}

impl fmt::Display for AsPath {
    /// `65000 65003 {65004 65005}`: sets in braces, confederations in parentheses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.segments.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            let (open, close) = match segment.kind {
                SegmentKind::Set => ("{", "}"),
                SegmentKind::Sequence => ("", ""),
                SegmentKind::ConfedSequence => ("(", ")"),
                SegmentKind::ConfedSet => ("({", "})"),
            };
            f.write_str(open)?;
            for (j, asn) in segment.asns.iter().enumerate() {
                let space = if j > 0 { " " } else { "" };
                write!(f, "{space}{asn}")?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}
