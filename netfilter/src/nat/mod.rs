//! Network address translation. Models `net/netfilter/nf_nat_core.c`.
//!
//! - [`Conntrack::nat`](crate::conntrack::Conntrack::nat) decides about new connections and translates packets, at each hook.
//! - [`Range`] is what a rule asks for.
//! - [`Conntrack::masquerade_gone`](crate::conntrack::Conntrack::masquerade_gone) ends what a lost address can no longer carry.

mod jhash;
pub mod manip;
mod packet;
mod range;
mod unique;

pub(crate) use jhash::jhash2;
pub use packet::Choice;
pub use range::{Manip, Range, RangeFlags};

#[cfg(test)]
mod tests;
