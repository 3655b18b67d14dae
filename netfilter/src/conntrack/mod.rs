//! Connection tracking. Models `net/netfilter/nf_conntrack_core.c` and the trackers of each protocol.

mod conn;
mod tuple;

pub use conn::{Conn, ConnStatus, Counter, Zone};
pub use tuple::{Direction, End, Tuple};
