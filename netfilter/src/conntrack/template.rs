//! What `-j CT` asks for before a packet is tracked (`nf_ct_tmpl_alloc`).

use super::conn::Zone;
use super::events::EventMask;

/// What the rules of the raw table ask of connection tracking.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Template {
    /// Zone of the original direction, if it was set.
    pub zone_orig: Option<Zone>,
    /// Zone of the direction of answers, if it was set.
    pub zone_reply: Option<Zone>,
    /// Only these events are told (`--ctevents`).
    pub events: Option<EventMask>,
}

impl Template {
    /// The zone by direction. `nf_ct_zone_id`.
    #[inline]
    pub(crate) fn zones(&self) -> [Zone; 2] {
        [self.zone_orig.unwrap_or_default(), self.zone_reply.unwrap_or_default()]
    }
}
