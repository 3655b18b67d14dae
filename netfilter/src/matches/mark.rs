//! `-m mark`: the firewall mark (`net/netfilter/xt_mark.c`).

use super::marked::{Bearer, Marked};
use crate::skb::Skb;

/// A value under a mask.
pub(super) type Mark = Marked<OfPacket>;

/// `skb->mark`.
#[derive(Clone, PartialEq, Debug)]
pub enum OfPacket {}

impl Bearer for OfPacket {
    const NAME: &'static str = "mark";
    const LISTED: [&'static str; 2] = [" mark match", " mark match !"];
    const TRACKS: bool = false;

    #[inline]
    fn mark(skb: &Skb<'_>) -> Option<u32> {
        Some(skb.packet.mark)
    }
}
