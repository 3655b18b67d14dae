//! `-m connmark`: the mark of the connection (`net/netfilter/xt_connmark.c`).

use super::marked::{Bearer, Marked};
use crate::skb::Skb;

/// A value under a mask.
pub(super) type Connmark = Marked<OfConnection>;

/// `ct->mark`.
#[derive(Clone, PartialEq, Debug)]
pub enum OfConnection {}

impl Bearer for OfConnection {
    const NAME: &'static str = "connmark";
    const LISTED: [&'static str; 2] = [" connmark match ", " connmark match !"];
    const TRACKS: bool = true;

    fn mark(skb: &Skb<'_>) -> Option<u32> {
        skb.conn.as_ref().map(|conn| conn.mark)
    }
}
