//! Network address translation. Models `net/netfilter/nf_nat_core.c`.

mod range;

pub use range::{Manip, Range, RangeFlags};
